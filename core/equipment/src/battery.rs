//! Battery with inverter (paper G6).
//!
//! Stored energy `E` obeys `dE = eta_c * E_in` while charging and
//! `dE = -E_out / eta_d` while discharging, both counted in whole
//! nano-watt-hours; the difference is counted as loss, so that
//! `charged = discharged + losses + (E - E_0)` holds to the last unit.
//! Near full, the charging limit falls linearly from the rated power at
//! `taper_from_soc` to zero at 1: the constant-voltage phase.
//! Self-discharge and ageing are left out.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::energy::{NanoWh, energy_nano_wh, from_kwh, power_kw};
use crate::{EquipmentError, check};

/// Data of a battery.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct BatteryParams {
    /// Usable energy, kWh.
    pub capacity_kwh: f64,
    /// Largest charging and discharging power at the terminals, kW.
    pub max_kw: f64,
    /// Efficiency of charging, 0..1 (terminals to stored).
    pub charge_efficiency: f64,
    /// Efficiency of discharging, 0..1 (stored to terminals).
    pub discharge_efficiency: f64,
    /// State of charge from which charging tapers off, 0..1; 1 = no taper.
    pub taper_from_soc: f64,
    /// Largest change of power, kW per second; `None` = unlimited.
    pub ramp_kw_per_s: Option<f64>,
}

/// A battery and its counters.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Battery {
    params: BatteryParams,
    capacity: NanoWh,
    stored: NanoWh,
    last_kw: f64,
    charged: NanoWh,
    discharged: NanoWh,
    lost: NanoWh,
}

/// Result of one tick of a battery.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BatteryStep {
    /// Mean power at the terminals, kW; positive = charging.
    pub p_kw: f64,
    /// Energy taken at the terminals (negative = given).
    pub terminal: NanoWh,
    /// Change of the stored energy.
    pub stored_change: NanoWh,
    /// Conversion loss, >= 0.
    pub loss: NanoWh,
}

impl Battery {
    /// A battery at the given state of charge, at rest.
    ///
    /// # Errors
    /// Refuses values outside their physical range.
    pub fn new(params: BatteryParams, soc: f64) -> Result<Self, EquipmentError> {
        let p = &params;
        check(
            p.capacity_kwh > 0.0,
            "battery",
            "capacity_kwh",
            p.capacity_kwh,
            "above 0",
        )?;
        check(p.max_kw > 0.0, "battery", "max_kw", p.max_kw, "above 0")?;
        for (field, value) in [
            ("charge_efficiency", p.charge_efficiency),
            ("discharge_efficiency", p.discharge_efficiency),
        ] {
            check(
                value > 0.0 && value <= 1.0,
                "battery",
                field,
                value,
                "above 0, at most 1",
            )?;
        }
        for (field, value) in [("taper_from_soc", p.taper_from_soc), ("soc", soc)] {
            check(
                (0.0..=1.0).contains(&value),
                "battery",
                field,
                value,
                "0 to 1",
            )?;
        }
        if let Some(ramp) = p.ramp_kw_per_s {
            check(ramp > 0.0, "battery", "ramp_kw_per_s", ramp, "above 0")?;
        }
        let capacity = from_kwh(p.capacity_kwh);
        let stored = from_kwh(p.capacity_kwh * soc).clamp(0, capacity);
        Ok(Self {
            params,
            capacity,
            stored,
            last_kw: 0.0,
            charged: 0,
            discharged: 0,
            lost: 0,
        })
    }

    /// Parameters.
    #[must_use]
    pub fn params(&self) -> &BatteryParams {
        &self.params
    }

    /// State of charge, 0..1.
    #[must_use]
    pub fn soc(&self) -> f64 {
        self.stored as f64 / self.capacity as f64
    }

    /// Stored energy.
    #[must_use]
    pub fn stored(&self) -> NanoWh {
        self.stored
    }

    /// Energy taken at the terminals since the start.
    #[must_use]
    pub fn charged(&self) -> NanoWh {
        self.charged
    }

    /// Energy given at the terminals since the start.
    #[must_use]
    pub fn discharged(&self) -> NanoWh {
        self.discharged
    }

    /// Conversion losses since the start.
    #[must_use]
    pub fn lost(&self) -> NanoWh {
        self.lost
    }

    /// Power of the last tick, kW; positive = charging.
    #[must_use]
    pub fn p_kw(&self) -> f64 {
        self.last_kw
    }

    /// Largest power it could take over the next `dt_ms`, kW, ramp aside.
    #[must_use]
    pub fn charge_limit_kw(&self, dt_ms: u64) -> f64 {
        let room = power_kw(self.charge_for(self.capacity - self.stored), dt_ms);
        self.tapered_kw().min(room)
    }

    /// Largest power it could give over the next `dt_ms`, kW >= 0, ramp aside.
    #[must_use]
    pub fn discharge_limit_kw(&self, dt_ms: u64) -> f64 {
        self.params
            .max_kw
            .min(power_kw(self.given_by(self.stored), dt_ms))
    }

    /// Follows `setpoint_kw` (positive = charging) for `dt_ms` inside the
    /// limits of power, ramp, taper and energy. An undefined set-point is zero.
    pub fn step(&mut self, setpoint_kw: f64, dt_ms: u64) -> BatteryStep {
        if dt_ms == 0 {
            return BatteryStep::default();
        }
        let wanted_kw = if setpoint_kw.is_nan() {
            0.0
        } else {
            setpoint_kw
        };
        let ramped_kw = match self.params.ramp_kw_per_s {
            Some(ramp) => {
                let most_kw = ramp * dt_ms as f64 / 1_000.0;
                wanted_kw.clamp(self.last_kw - most_kw, self.last_kw + most_kw)
            }
            None => wanted_kw,
        };
        // Limits protect the cells and therefore win over the ramp.
        let p_kw = ramped_kw.clamp(-self.params.max_kw, self.tapered_kw());
        let step = if p_kw >= 0.0 {
            self.charge(p_kw, dt_ms)
        } else {
            self.discharge(-p_kw, dt_ms)
        };
        self.last_kw = step.p_kw;
        step
    }

    /// Carries what the network asked for (`p_kw` positive charges) whatever
    /// ramp and rated power say: the battery of a grid-forming inverter gives
    /// what flows, and only its energy ends that. The step says what it could.
    pub fn carry(&mut self, p_kw: f64, dt_ms: u64) -> BatteryStep {
        if dt_ms == 0 || p_kw.is_nan() {
            return BatteryStep::default();
        }
        let mut step = if p_kw >= 0.0 {
            self.charge(p_kw, dt_ms)
        } else {
            self.discharge(-p_kw, dt_ms)
        };
        step.p_kw = power_kw(step.terminal, dt_ms);
        self.last_kw = step.p_kw;
        step
    }

    /// Whether its energy suffices to carry `p_kw` for `dt_ms`.
    #[must_use]
    pub fn can_carry(&self, p_kw: f64, dt_ms: u64) -> bool {
        let asked = energy_nano_wh(p_kw.abs(), dt_ms);
        if p_kw >= 0.0 {
            asked <= self.charge_for(self.capacity - self.stored)
        } else {
            asked <= self.given_by(self.stored)
        }
    }

    fn charge(&mut self, p_kw: f64, dt_ms: u64) -> BatteryStep {
        let room = self.capacity - self.stored;
        let terminal = energy_nano_wh(p_kw, dt_ms).min(self.charge_for(room));
        let gained = ((terminal as f64 * self.params.charge_efficiency) as NanoWh)
            .min(room)
            .min(terminal);
        self.stored += gained;
        self.charged += terminal;
        self.lost += terminal - gained;
        BatteryStep {
            p_kw: power_kw(terminal, dt_ms).min(self.params.max_kw),
            terminal,
            stored_change: gained,
            loss: terminal - gained,
        }
    }

    fn discharge(&mut self, p_kw: f64, dt_ms: u64) -> BatteryStep {
        let terminal = energy_nano_wh(p_kw, dt_ms).min(self.given_by(self.stored));
        let drawn = ((terminal as f64 / self.params.discharge_efficiency).ceil() as NanoWh)
            .clamp(terminal, self.stored);
        self.stored -= drawn;
        self.discharged += terminal;
        self.lost += drawn - terminal;
        BatteryStep {
            p_kw: -power_kw(terminal, dt_ms).min(self.params.max_kw),
            terminal: -terminal,
            stored_change: -drawn,
            loss: drawn - terminal,
        }
    }

    /// Charging limit by rated power and taper, kW.
    fn tapered_kw(&self) -> f64 {
        let from = self.params.taper_from_soc;
        if from >= 1.0 {
            return self.params.max_kw;
        }
        self.params.max_kw * ((1.0 - self.soc()) / (1.0 - from)).clamp(0.0, 1.0)
    }

    /// Terminal energy that stores `gained`.
    fn charge_for(&self, gained: NanoWh) -> NanoWh {
        (gained as f64 / self.params.charge_efficiency).ceil() as NanoWh
    }

    /// Terminal energy that `drawn` gives.
    fn given_by(&self, drawn: NanoWh) -> NanoWh {
        (drawn as f64 * self.params.discharge_efficiency) as NanoWh
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::energy::{NANO_WH_PER_KWH, kwh};

    fn params() -> BatteryParams {
        BatteryParams {
            capacity_kwh: 8.0,
            max_kw: 4.0,
            charge_efficiency: 0.95,
            discharge_efficiency: 0.9,
            taper_from_soc: 1.0,
            ramp_kw_per_s: None,
        }
    }

    #[test]
    fn a_round_trip_loses_both_efficiencies() {
        let mut battery = Battery::new(params(), 0.0).unwrap();
        for _ in 0..3_600 {
            battery.step(4.0, 1_000);
        }
        assert!((kwh(battery.stored()) - 3.8).abs() < 1e-5);
        while battery.step(-4.0, 1_000).terminal != 0 {}
        assert!((kwh(battery.discharged()) - 3.42).abs() < 1e-5);
        assert_eq!(battery.stored(), 0);
        assert_eq!(battery.charged(), battery.discharged() + battery.lost());
    }

    #[test]
    fn it_fills_to_the_brim_and_stops() {
        let mut battery = Battery::new(params(), 0.99).unwrap();
        for _ in 0..600 {
            battery.step(4.0, 1_000);
        }
        assert_eq!(battery.stored(), 8 * NANO_WH_PER_KWH);
        assert_eq!(battery.step(4.0, 1_000).p_kw, 0.0);
        assert_eq!(battery.charge_limit_kw(1_000), 0.0);
    }

    #[test]
    fn charging_tapers_off_towards_full() {
        let mut battery = Battery::new(
            BatteryParams {
                taper_from_soc: 0.9,
                ..params()
            },
            0.95,
        )
        .unwrap();
        let step = battery.step(4.0, 1_000);
        assert!(
            (step.p_kw - 2.0).abs() < 1e-6,
            "half way into the taper: {}",
            step.p_kw
        );
        assert!(
            (battery.step(-4.0, 1_000).p_kw + 4.0).abs() < 1e-6,
            "no taper on discharge"
        );
    }

    #[test]
    fn power_changes_no_faster_than_the_ramp() {
        let mut battery = Battery::new(
            BatteryParams {
                ramp_kw_per_s: Some(0.5),
                ..params()
            },
            0.5,
        )
        .unwrap();
        let powers: Vec<f64> = (0..4).map(|_| battery.step(4.0, 1_000).p_kw).collect();
        for (p_kw, expected) in powers.iter().zip([0.5, 1.0, 1.5, 2.0]) {
            assert!((p_kw - expected).abs() < 1e-6, "{powers:?}");
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        let field = |p: BatteryParams, soc| Battery::new(p, soc).unwrap_err().field;
        assert_eq!(field(params(), 1.1), "soc");
        assert_eq!(
            field(
                BatteryParams {
                    capacity_kwh: -1.0,
                    ..params()
                },
                0.5
            ),
            "capacity_kwh"
        );
        assert_eq!(
            field(
                BatteryParams {
                    max_kw: f64::INFINITY,
                    ..params()
                },
                0.5
            ),
            "max_kw"
        );
        let p = BatteryParams {
            discharge_efficiency: 0.0,
            ..params()
        };
        assert_eq!(field(p, 0.5), "discharge_efficiency");
    }

    #[test]
    fn a_forming_battery_carries_more_than_its_rating_but_not_more_than_it_has() {
        let mut battery = Battery::new(params(), 0.5).unwrap();
        let step = battery.carry(-6.0, 60_000);
        assert!((step.p_kw + 6.0).abs() < 1e-9, "above max_kw");
        assert_eq!(step.terminal, step.stored_change + step.loss);
        assert!(battery.can_carry(-6.0, 60_000));
        assert!(!battery.can_carry(-6.0, 3_600_000));
        let step = battery.carry(-6.0, 3_600_000);
        assert!(step.p_kw > -6.0 && battery.stored() == 0);
        assert_eq!(battery.carry(f64::NAN, 1_000), BatteryStep::default());
    }

    proptest! {
        #[test]
        fn books_close_exactly_and_limits_hold(
            soc in 0.0..=1.0_f64,
            taper in 0.5..=1.0_f64,
            ramp in proptest::option::of(0.01..10.0_f64),
            eta in (0.5..=1.0_f64, 0.5..=1.0_f64),
            steps in proptest::collection::vec((-20.0..20.0_f64, 1_u64..2_000_000), 1..60),
        ) {
            let params = BatteryParams {
                charge_efficiency: eta.0,
                discharge_efficiency: eta.1,
                taper_from_soc: taper,
                ramp_kw_per_s: ramp,
                ..params()
            };
            let mut battery = Battery::new(params, soc).unwrap();
            let start = battery.stored();
            for (setpoint, dt_ms) in steps {
                let before = battery.clone();
                let step = battery.step(setpoint, dt_ms);
                prop_assert_eq!(step.terminal, step.stored_change + step.loss);
                prop_assert!(step.loss >= 0);
                prop_assert!(step.p_kw.abs() <= params.max_kw);
                prop_assert!(step.p_kw * setpoint >= 0.0 || ramp.is_some());
                prop_assert!((0..=8 * NANO_WH_PER_KWH).contains(&battery.stored()));
                prop_assert!(battery.charged() >= before.charged());
                prop_assert!(battery.discharged() >= before.discharged());
            }
            prop_assert_eq!(
                battery.charged(),
                battery.discharged() + battery.lost() + battery.stored() - start
            );
        }
    }
}
