//! Meter readings and area loads (paper steps c and d).

use gridloom_market::ENERGY_LIMIT_WH;
use gridloom_units::{AccountId, EnergyWh, SimTime};

use super::{Executor, Refusal};
use crate::genesis::MarketRules;
use crate::receipt::Receipt;
use crate::state::{
    AREA_ENDS, AreaLoad, Boundary, LastReading, MAX_BOUNDARIES, Meter, Registers, StateKey,
    StateValue,
};
use crate::transaction::{MAX_OTHER_DEVICES, MeterReading};

/// How far a clock of a meter may be ahead of the block's, ms.
const CLOCK_SKEW_MS: u64 = 5_000;

impl Meter {
    pub(super) fn new(owner: AccountId) -> Self {
        Self {
            owner,
            last_seq: None,
            last: None,
            settled: Registers::default(),
            boundaries: Vec::new(),
        }
    }

    /// Why a reading cannot follow what is on record.
    fn refuse(&self, reading: &MeterReading) -> Result<(), Refusal> {
        let now = Registers::from(reading);
        let last = self.last.as_ref();
        let before = last.map(|last| last.registers).unwrap_or_default();
        for (name, (new, old)) in ["import", "solar export", "battery export"]
            .into_iter()
            .zip(now.to_array().into_iter().zip(before.to_array()))
        {
            if new < old {
                return Err(format!(
                    "the {name} register runs backwards: {new} Wh after {old} Wh"
                ));
            }
            if new > ENERGY_LIMIT_WH {
                return Err(format!("the {name} register of {new} Wh is out of range"));
            }
        }
        if let Some(last) = last
            && reading.interval_end_ms <= last.interval_end_ms
        {
            return Err(format!(
                "its interval ends at {}, not after the last one at {}",
                SimTime(reading.interval_end_ms),
                SimTime(last.interval_end_ms)
            ));
        }
        if reading.facts.other.len() > MAX_OTHER_DEVICES {
            return Err(format!(
                "it lists more than {MAX_OTHER_DEVICES} unknown devices"
            ));
        }
        Ok(())
    }

    /// Keeps the registers as the last of their slot.
    fn keep_boundary(&mut self, rules: &MarketRules, reading: &MeterReading) {
        let slot = rules.slot_ending(reading.interval_end_ms);
        let (end_ms, registers) = (reading.interval_end_ms, Registers::from(reading));
        match self.boundaries.last_mut() {
            Some(last) if last.slot == slot => {
                last.end_ms = end_ms;
                last.registers = registers;
            }
            before => {
                let (from_ms, from) = before.map_or_else(
                    || (u64::from(slot) * rules.slot_ms, Registers::default()),
                    |before| (before.end_ms, before.registers),
                );
                self.boundaries.push(Boundary {
                    slot,
                    end_ms,
                    registers,
                    from_ms,
                    from,
                });
            }
        }
        // Registers are cumulative: what the oldest one knew is in the next.
        if self.boundaries.len() > MAX_BOUNDARIES {
            self.boundaries.remove(0);
        }
    }
}

impl Executor<'_> {
    pub(super) fn reading(
        &mut self,
        rules: &MarketRules,
        meter_id: AccountId,
        seq: u64,
        reading: &MeterReading,
        transaction: &[u8; 32],
    ) -> Result<(), Refusal> {
        let meter = self
            .view
            .meter(meter_id)
            .ok_or("the meter is not registered")?;
        meter.refuse(reading)?;
        if reading.interval_end_ms > self.env.time_ms.saturating_add(CLOCK_SKEW_MS) {
            return Err(format!(
                "its interval ends at {}, after the block's time {}",
                SimTime(reading.interval_end_ms),
                SimTime(self.env.time_ms)
            ));
        }
        let mut meter = meter.clone();
        meter.keep_boundary(rules, reading);
        let registers = Registers::from(reading);
        let before = meter.last.as_ref();
        meter.last = Some(LastReading {
            interval_end_ms: reading.interval_end_ms,
            registers,
            interval: registers.since(&before.map(|last| last.registers).unwrap_or_default()),
            interval_ms: before.map_or(0, |last| reading.interval_end_ms - last.interval_end_ms),
            facts: reading.facts.clone(),
            seq,
            height: self.env.height,
            transaction: *transaction,
        });
        self.view
            .put(StateKey::Meter(meter_id), StateValue::Meter(meter));
        self.receipts.push(Receipt::ReadingRecorded {
            meter: meter_id,
            interval_end_ms: reading.interval_end_ms,
        });
        Ok(())
    }

    pub(super) fn area_load(
        &mut self,
        rules: &MarketRules,
        mlmd: u32,
        interval_end_ms: u64,
        energy_wh: EnergyWh,
    ) -> Result<(), Refusal> {
        if energy_wh
            .checked_abs()
            .is_none_or(|size| size > ENERGY_LIMIT_WH)
        {
            return Err(format!("an area load of {energy_wh} Wh is out of range"));
        }
        let last = self.view.area_load(mlmd).copied();
        if let Some(last) = &last
            && interval_end_ms <= last.interval_end_ms
        {
            return Err(format!(
                "the area load of M-LMD {mlmd} ends at {}, not after the last one at {}",
                SimTime(interval_end_ms),
                SimTime(last.interval_end_ms)
            ));
        }
        let mut area = AreaLoad {
            mlmd,
            interval_end_ms,
            energy_wh,
            height: self.env.height,
            ends: last.map_or_else(Default::default, |last| last.ends),
        };
        if interval_end_ms.is_multiple_of(rules.slot_ms) {
            area.ends.rotate_left(1);
            area.ends[AREA_ENDS - 1] = (interval_end_ms, energy_wh);
        }
        self.view
            .put(StateKey::AreaLoad(mlmd), StateValue::AreaLoad(area));
        if last.is_none() {
            let mut market = self.market();
            if let Err(place) = market.areas.binary_search(&mlmd) {
                market.areas.insert(place, mlmd);
            }
            self.put_market(market);
        }
        self.receipts.push(Receipt::AreaLoadRecorded {
            mlmd,
            interval_end_ms,
        });
        Ok(())
    }
}
