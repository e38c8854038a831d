//! Controllers of an on-load tap changer and of a switched capacitor bank.
//!
//! Both look at one voltage, wait, move one step and wait again; neither moves
//! without supply. They decide only; the network carries the step out.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{DAY_MS, EquipmentError, check};

/// Data of a tap changer controller (IEC 60214-1, definite time).
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct TapParams {
    /// Voltage aimed at, pu.
    pub v_set_pu: f64,
    /// Width of the band around it in which nothing moves, pu.
    pub band_pu: f64,
    /// Time outside the band before the first step, s.
    pub delay_s: f64,
    /// Time before every further step, s.
    pub step_delay_s: f64,
    /// Change of voltage per step, pu.
    pub step_pu: f64,
    /// Lowest position.
    pub lowest: i32,
    /// Highest position.
    pub highest: i32,
    /// Voltage below which it does not move (a fault is no reason to raise), pu.
    pub block_below_pu: f64,
}

impl TapParams {
    fn check(&self) -> Result<(), EquipmentError> {
        const DEVICE: &str = "tap changer";
        let ok = (0.5..=1.5).contains(&self.v_set_pu);
        check(ok, DEVICE, "v_set_pu", self.v_set_pu, "0.5 to 1.5")?;
        let ok = self.step_pu > 0.0 && self.step_pu <= 0.1;
        check(ok, DEVICE, "step_pu", self.step_pu, "above 0, at most 0.1")?;
        // A band narrower than a step makes the changer hunt.
        let ok = self.band_pu > self.step_pu && self.band_pu <= 0.3;
        check(
            ok,
            DEVICE,
            "band_pu",
            self.band_pu,
            "above step_pu, at most 0.3",
        )?;
        for (field, value) in [
            ("delay_s", self.delay_s),
            ("step_delay_s", self.step_delay_s),
        ] {
            check(value >= 0.0, DEVICE, field, value, "0 or more")?;
        }
        let ok =
            self.lowest <= 0 && self.highest >= 0 && self.lowest >= -100 && self.highest <= 100;
        let range = "positions -100 to 100 that include 0";
        check(ok, DEVICE, "lowest", f64::from(self.lowest), range)?;
        let block = self.block_below_pu;
        let ok = (0.0..self.v_set_pu).contains(&block);
        check(ok, DEVICE, "block_below_pu", block, "0 to v_set_pu")
    }
}

/// State of a tap changer controller.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct TapChanger {
    params: TapParams,
    position: i32,
    out_ms: u64,
    /// Already moved in this excursion: the shorter delay holds.
    moving: bool,
    /// Direction of the excursion: too low or too high.
    low: bool,
    operations: u32,
}

impl TapChanger {
    /// At a position.
    ///
    /// # Errors
    /// Refuses values outside their range.
    pub fn new(params: TapParams, position: i32) -> Result<Self, EquipmentError> {
        params.check()?;
        let ok = (params.lowest..=params.highest).contains(&position);
        check(
            ok,
            "tap changer",
            "position",
            f64::from(position),
            "lowest to highest",
        )?;
        Ok(Self {
            params,
            position,
            out_ms: 0,
            moving: false,
            low: false,
            operations: 0,
        })
    }

    /// Parameters.
    #[must_use]
    pub fn params(&self) -> &TapParams {
        &self.params
    }

    /// Position, 0 is nominal.
    #[must_use]
    pub fn position(&self) -> i32 {
        self.position
    }

    /// Ratio on the regulated side, pu.
    #[must_use]
    pub fn ratio_pu(&self) -> f64 {
        1.0 + f64::from(self.position) * self.params.step_pu
    }

    /// Steps made since the start.
    #[must_use]
    pub fn operations(&self) -> u32 {
        self.operations
    }

    /// Looks at the voltage for a tick; `true` when the position changed.
    /// `None` means no supply.
    pub fn step(&mut self, v_pu: Option<f64>, dt_ms: u64) -> bool {
        let p = self.params;
        let off = v_pu.map(|v| v - p.v_set_pu);
        let outside = off.filter(|off| {
            let blocked = v_pu.is_none_or(|v| v.is_nan() || v < p.block_below_pu);
            !blocked && off.abs() > p.band_pu / 2.0
        });
        let Some(off) = outside else {
            (self.out_ms, self.moving) = (0, false);
            return false;
        };
        let low = off < 0.0;
        if low != self.low {
            (self.low, self.out_ms, self.moving) = (low, 0, false);
        }
        self.out_ms += dt_ms;
        let wait_s = if self.moving {
            p.step_delay_s
        } else {
            p.delay_s
        };
        if (self.out_ms as f64) < wait_s * 1_000.0 {
            return false;
        }
        self.out_ms = 0;
        self.moving = true;
        let next = (self.position + if low { 1 } else { -1 }).clamp(p.lowest, p.highest);
        let moved = next != self.position;
        self.position = next;
        self.operations += u32::from(moved);
        moved
    }
}

/// Data of a capacitor bank controller.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct CapacitorParams {
    /// Steps of the bank.
    pub steps: u32,
    /// Voltage below which a step is added, pu.
    pub on_below_pu: f64,
    /// Voltage above which a step is taken off, pu.
    pub off_above_pu: f64,
    /// Time beyond a limit before a step, s.
    pub delay_s: f64,
    /// Time a step must discharge before it is used again, s.
    pub discharge_s: f64,
    /// Most operations in 24 h.
    pub most_per_day: u32,
}

/// State of a capacitor bank controller.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct CapacitorBank {
    params: CapacitorParams,
    on: u32,
    beyond_ms: u64,
    since_off_ms: u64,
    day_ms: u64,
    today: u32,
    operations: u32,
}

impl CapacitorBank {
    /// With a number of steps on.
    ///
    /// # Errors
    /// Refuses values outside their range.
    pub fn new(params: CapacitorParams, on: u32) -> Result<Self, EquipmentError> {
        const DEVICE: &str = "capacitor bank";
        let p = &params;
        let steps = f64::from(p.steps);
        check(
            (1..=100).contains(&p.steps),
            DEVICE,
            "steps",
            steps,
            "1 to 100",
        )?;
        check(on <= p.steps, DEVICE, "on", f64::from(on), "at most steps")?;
        let ok = (0.5..=1.5).contains(&p.on_below_pu);
        check(ok, DEVICE, "on_below_pu", p.on_below_pu, "0.5 to 1.5")?;
        let ok = p.off_above_pu > p.on_below_pu && p.off_above_pu <= 1.5;
        let range = "above on_below_pu, at most 1.5";
        check(ok, DEVICE, "off_above_pu", p.off_above_pu, range)?;
        for (field, value) in [("delay_s", p.delay_s), ("discharge_s", p.discharge_s)] {
            check(value >= 0.0, DEVICE, field, value, "0 or more")?;
        }
        Ok(Self {
            params,
            on,
            beyond_ms: 0,
            since_off_ms: u64::MAX,
            day_ms: 0,
            today: 0,
            operations: 0,
        })
    }

    /// Parameters.
    #[must_use]
    pub fn params(&self) -> &CapacitorParams {
        &self.params
    }

    /// Steps on.
    #[must_use]
    pub fn on(&self) -> u32 {
        self.on
    }

    /// Operations since the start.
    #[must_use]
    pub fn operations(&self) -> u32 {
        self.operations
    }

    /// Looks at the voltage for a tick; `true` when a step changed.
    /// `None` means no supply.
    pub fn step(&mut self, v_pu: Option<f64>, dt_ms: u64) -> bool {
        self.day_ms += dt_ms;
        if self.day_ms >= DAY_MS {
            (self.day_ms, self.today) = (self.day_ms % DAY_MS, 0);
        }
        self.since_off_ms = self.since_off_ms.saturating_add(dt_ms);
        let p = self.params;
        let add = v_pu.is_some_and(|v| v < p.on_below_pu) && self.on < p.steps;
        let drop = v_pu.is_some_and(|v| v > p.off_above_pu) && self.on > 0;
        if !(add || drop) {
            self.beyond_ms = 0;
            return false;
        }
        self.beyond_ms += dt_ms;
        let waited = self.beyond_ms as f64 >= p.delay_s * 1_000.0;
        let charged = add && (self.since_off_ms as f64) < p.discharge_s * 1_000.0;
        if !waited || charged || self.today >= p.most_per_day {
            return false;
        }
        if add {
            self.on += 1;
        } else {
            self.on -= 1;
            self.since_off_ms = 0;
        }
        self.beyond_ms = 0;
        self.today += 1;
        self.operations += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tap() -> TapChanger {
        let params = TapParams {
            v_set_pu: 1.0,
            band_pu: 0.03,
            delay_s: 30.0,
            step_delay_s: 10.0,
            step_pu: 0.0125,
            lowest: -4,
            highest: 4,
            block_below_pu: 0.8,
        };
        TapChanger::new(params, 0).unwrap()
    }

    #[test]
    fn the_first_step_waits_longer_than_the_next() {
        let mut tap = tap();
        let moves: Vec<u32> = (1..=60).filter(|_| tap.step(Some(0.95), 1_000)).collect();
        assert_eq!(moves, [30, 40, 50, 60]);
        assert_eq!((tap.position(), tap.ratio_pu()), (4, 1.05));
        assert!(!tap.step(Some(0.95), 60_000), "at its end");
    }

    #[test]
    fn inside_the_band_without_supply_and_in_a_fault_nothing_moves() {
        let mut tap = tap();
        for v in [Some(0.99), Some(1.014), None, Some(0.5), Some(f64::NAN)] {
            assert!((0..100).all(|_| !tap.step(v, 1_000)), "{v:?}");
        }
        for _ in 0..29 {
            tap.step(Some(0.95), 1_000);
        }
        assert!(!tap.step(Some(1.05), 1_000), "the other side starts anew");
    }

    #[test]
    fn a_bank_has_hysteresis_discharge_and_a_daily_limit() {
        let params = CapacitorParams {
            steps: 2,
            on_below_pu: 0.96,
            off_above_pu: 1.04,
            delay_s: 10.0,
            discharge_s: 300.0,
            most_per_day: 3,
        };
        let mut bank = CapacitorBank::new(params, 0).unwrap();
        let moves = |bank: &mut CapacitorBank, v: f64, seconds: u32| -> Vec<u32> {
            (1..=seconds)
                .filter(|_| bank.step(Some(v), 1_000))
                .collect()
        };
        assert_eq!(moves(&mut bank, 0.95, 30), [10, 20]);
        assert!(moves(&mut bank, 1.0, 100).is_empty());
        assert_eq!(moves(&mut bank, 1.05, 15), [10]);
        // The step that went off discharges first; the daily limit then stops it for good.
        assert!(moves(&mut bank, 0.95, 900).is_empty());
        assert_eq!((bank.on(), bank.operations()), (1, 3));
        bank.step(None, DAY_MS);
        assert_eq!(moves(&mut bank, 0.95, 20), [10]);
    }

    proptest! {
        #[test]
        fn positions_stay_within_their_ends(volts in prop::collection::vec(0.7..1.3_f64, 1..200)) {
            let mut tap = tap();
            for v in volts {
                let before = tap.position();
                tap.step(Some(v), 15_000);
                prop_assert!((tap.position() - before).abs() <= 1);
                prop_assert!((-4..=4).contains(&tap.position()));
            }
        }
    }
}
