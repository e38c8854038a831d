//! Readings that are missing when their slot is settled.
//!
//! A slot is settled once and in order, so a silent meter must not hold it up.
//! What the meter has not reported is estimated from its last interval and
//! settled provisionally, with a flag. Registers are cumulative and never run
//! backwards: when readings come again, what was settled too much is taken off
//! the slots that follow, and what was too little is added to the next, so the
//! account is exact again as soon as the registers have caught up.

use gridloom_units::EnergyWh;

use crate::genesis::MarketRules;
use crate::state::{LastReading, Meter, Registers};

/// How long a silent meter is estimated, ms; after that it counts as standing still.
const ESTIMATED_MS: u64 = 4 * 3_600_000;

impl Registers {
    fn map2(self, other: Self, of: impl Fn(EnergyWh, EnergyWh) -> EnergyWh) -> Self {
        Self {
            import_wh: of(self.import_wh, other.import_wh),
            export_solar_wh: of(self.export_solar_wh, other.export_solar_wh),
            export_battery_wh: of(self.export_battery_wh, other.export_battery_wh),
        }
    }
}

impl Meter {
    /// Energy that the registers have most likely moved on between the last
    /// reading and the end of the slot; zero when that end is on record.
    fn unreported(&self, slot: u32, rules: &MarketRules) -> Registers {
        if self.has_end_of(slot, rules) {
            return Registers::default();
        }
        let Some(last): Option<&LastReading> = self.last.as_ref() else {
            return Registers::default();
        };
        let missing_ms = rules.slot_end_ms(slot).saturating_sub(last.interval_end_ms);
        if last.interval_ms == 0 || missing_ms > ESTIMATED_MS {
            return Registers::default();
        }
        let scaled = |wh: EnergyWh, _: EnergyWh| {
            let scaled = i128::from(wh) * i128::from(missing_ms) / i128::from(last.interval_ms);
            EnergyWh::try_from(scaled).unwrap_or(0)
        };
        last.interval.map2(Registers::default(), scaled)
    }

    /// Takes everything up to the end of the slot as settled; returns it, and
    /// what part of the registers it assumes was estimated.
    pub(super) fn settle_through(
        &mut self,
        slot: u32,
        rules: &MarketRules,
    ) -> (Registers, Registers) {
        let count = self.boundaries.partition_point(|b| b.slot <= slot);
        let known = count
            .checked_sub(1)
            .map_or(self.settled, |last| self.boundaries[last].registers);
        let unreported = self.unreported(slot, rules);
        // The last reading may be older than the last boundary that is left.
        let known = self
            .last
            .as_ref()
            .filter(|_| unreported != Registers::default())
            .map_or(known, |last| last.registers);
        let target = known.map2(unreported, |known, more| known + more);
        // What an estimate settled too much is not given back but waited for.
        let settled = target.map2(self.settled, EnergyWh::max);
        let energy = settled.since(&self.settled);
        self.settled = settled;
        if count > 0 {
            // The next price is formed from the newest of them.
            self.boundaries.drain(..count - 1);
        }
        (energy, unreported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Boundary;
    use gridloom_units::AccountId;

    const RULES: MarketRules = MarketRules {
        slot_ms: 900_000,
        reading_ms: 300_000,
        feed_in: 80_000,
        import: 300_000,
        max_step: 20_000,
        wholesale: None,
        island: 320_000,
    };

    fn registers(import_wh: i64) -> Registers {
        Registers {
            import_wh,
            ..Registers::default()
        }
    }

    /// A meter read every five minutes up to `end_ms` with 100 Wh each time.
    fn read_until(end_ms: u64) -> Meter {
        let mut meter = Meter {
            owner: AccountId([1; 32]),
            last_seq: None,
            last: None,
            settled: Registers::default(),
            boundaries: Vec::new(),
        };
        for n in 1..=end_ms / 300_000 {
            read(&mut meter, n * 300_000, n as i64 * 100);
        }
        meter
    }

    fn read(meter: &mut Meter, end_ms: u64, import_wh: i64) {
        let slot = RULES.slot_ending(end_ms);
        let before = meter
            .last
            .as_ref()
            .map(|l| (l.interval_end_ms, l.registers));
        let (from_ms, from) = before.unwrap_or((0, Registers::default()));
        match meter.boundaries.last_mut() {
            Some(last) if last.slot == slot => {
                last.end_ms = end_ms;
                last.registers = registers(import_wh);
            }
            _ => meter.boundaries.push(Boundary {
                slot,
                end_ms,
                registers: registers(import_wh),
                from_ms,
                from,
            }),
        }
        meter.last = Some(LastReading {
            interval_end_ms: end_ms,
            registers: registers(import_wh),
            interval: registers(import_wh).since(&from),
            interval_ms: end_ms - from_ms,
            facts: Default::default(),
            seq: end_ms,
            height: 1,
            transaction: [0; 32],
        });
    }

    #[test]
    fn a_complete_slot_is_settled_as_read() {
        let mut meter = read_until(900_000);
        assert_eq!(
            meter.settle_through(0, &RULES),
            (registers(300), Registers::default())
        );
        assert_eq!(meter.settled, registers(300));
    }

    #[test]
    fn a_silent_meter_is_estimated_and_put_right_when_it_speaks_again() {
        let mut meter = read_until(900_000);
        meter.settle_through(0, &RULES);
        // Two slots of silence, at the rate of the last interval.
        assert_eq!(
            meter.settle_through(1, &RULES),
            (registers(300), registers(300))
        );
        assert_eq!(
            meter.settle_through(2, &RULES),
            (registers(300), registers(600))
        );
        // In truth it took 150 Wh in all that time and 40 Wh in the next slot.
        read(&mut meter, 3_600_000, 300 + 150 + 40);
        assert_eq!(
            meter.settle_through(3, &RULES),
            (Registers::default(), Registers::default())
        );
        read(&mut meter, 4_500_000, 490 + 500);
        let (energy, _) = meter.settle_through(4, &RULES);
        // 990 Wh on the register, 900 settled before.
        assert_eq!(energy, registers(90));
        assert_eq!(meter.settled, registers(990));
    }

    #[test]
    fn too_little_is_added_to_the_next_slot_and_a_dead_meter_stands_still() {
        let mut meter = read_until(900_000);
        meter.settle_through(0, &RULES);
        meter.settle_through(1, &RULES);
        read(&mut meter, 2_700_000, 2_000);
        assert_eq!(meter.settle_through(2, &RULES).0, registers(2_000 - 600));
        for slot in 3..30 {
            let (energy, estimated) = meter.settle_through(slot, &RULES);
            let silent_ms = RULES.slot_end_ms(slot) - 2_700_000;
            assert_eq!(estimated == Registers::default(), silent_ms > ESTIMATED_MS);
            assert!(energy.import_wh >= 0);
        }
    }
}
