//! Registers of an I-meter (paper G8).
//!
//! Internally the registers count nano-watt-hours and only grow; outwardly
//! they show whole watt-hours. The fraction stays in the register, so nothing
//! is lost however often it is read. Exported energy is typed (paper G5):
//! the photovoltaic production of the tick is exported first, what exceeds it
//! can only come out of storage.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{EnergyType, EnergyWh, TypedWh};

use crate::energy::{NANO_WH_PER_WH, NanoWh, energy_nano_wh};

/// The registers of one meter since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MeterRegisters {
    import: NanoWh,
    export_solar: NanoWh,
    export_battery: NanoWh,
}

/// What a meter shows: whole watt-hours since the start of the run.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize,
)]
pub struct MeterReading {
    /// Energy taken from the network, Wh.
    pub import_wh: EnergyWh,
    /// Solar energy given to the network, Wh.
    pub export_solar_wh: EnergyWh,
    /// Energy out of storage given to the network, Wh.
    pub export_battery_wh: EnergyWh,
}

impl MeterRegisters {
    /// Counts one tick: `net_kw` at the connection (positive = import) while
    /// the photovoltaic unit behind the meter delivered `solar_kw` (>= 0).
    pub fn record(&mut self, net_kw: f64, solar_kw: f64, dt_ms: u64) {
        let net = energy_nano_wh(net_kw, dt_ms);
        if net >= 0 {
            self.import = self.import.saturating_add(net);
            return;
        }
        let export = net.saturating_neg();
        let solar = export.min(energy_nano_wh(solar_kw, dt_ms).max(0));
        self.export_solar = self.export_solar.saturating_add(solar);
        self.export_battery = self.export_battery.saturating_add(export - solar);
    }

    /// Energy taken from the network, exact.
    #[must_use]
    pub fn import(&self) -> NanoWh {
        self.import
    }

    /// Energy given to the network, exact.
    #[must_use]
    pub fn export(&self) -> NanoWh {
        self.export_solar.saturating_add(self.export_battery)
    }

    /// What the meter shows now.
    #[must_use]
    pub fn reading(&self) -> MeterReading {
        MeterReading {
            import_wh: self.import / NANO_WH_PER_WH,
            export_solar_wh: self.export_solar / NANO_WH_PER_WH,
            export_battery_wh: self.export_battery / NANO_WH_PER_WH,
        }
    }
}

impl MeterReading {
    /// Energy given to the network, Wh: the sum of the typed registers, so
    /// that shares and total always agree.
    #[must_use]
    pub fn export_wh(&self) -> EnergyWh {
        self.export_solar_wh + self.export_battery_wh
    }

    /// Export as a vector over all energy types.
    #[must_use]
    pub fn export_typed_wh(&self) -> TypedWh {
        let mut typed = TypedWh::default();
        typed[EnergyType::Solar.index()] = self.export_solar_wh;
        typed[EnergyType::Battery.index()] = self.export_battery_wh;
        typed
    }

    /// Energy of the interval since an `earlier` reading of the same meter,
    /// `None` if a register is below the earlier one (another or reset meter).
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let interval = Self {
            import_wh: self.import_wh - earlier.import_wh,
            export_solar_wh: self.export_solar_wh - earlier.export_solar_wh,
            export_battery_wh: self.export_battery_wh - earlier.export_battery_wh,
        };
        let grew = interval.import_wh >= 0
            && interval.export_solar_wh >= 0
            && interval.export_battery_wh >= 0;
        grew.then_some(interval)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_third_of_a_watt_is_not_lost_over_a_day() {
        let mut meter = MeterRegisters::default();
        for _ in 0..86_400 {
            meter.record(0.001 / 3.0, 0.0, 1_000);
        }
        assert_eq!(meter.reading().import_wh, 8);
        assert!((meter.import() - 8 * NANO_WH_PER_WH).abs() < 86_400);
    }

    #[test]
    fn export_is_solar_first() {
        let mut meter = MeterRegisters::default();
        meter.record(-3.0, 2.0, 3_600_000);
        meter.record(-1.0, 5.0, 3_600_000);
        meter.record(0.5, 5.0, 3_600_000);
        let reading = meter.reading();
        assert_eq!(reading.export_solar_wh, 3_000);
        assert_eq!(reading.export_battery_wh, 1_000);
        assert_eq!(reading.export_wh(), 4_000);
        assert_eq!(reading.import_wh, 500);
        assert_eq!(reading.export_typed_wh().iter().sum::<i64>(), 4_000);
    }

    #[test]
    fn a_swapped_meter_has_no_interval() {
        let high = MeterReading {
            import_wh: 5,
            ..MeterReading::default()
        };
        assert_eq!(MeterReading::default().since(&high), None);
        assert_eq!(high.since(&MeterReading::default()), Some(high));
    }

    proptest! {
        #[test]
        fn registers_are_monotone_and_lose_nothing(
            samples in proptest::collection::vec((-30.0..30.0_f64, 0.0..10.0_f64, 1_u64..900_000), 1..200)
        ) {
            let mut meter = MeterRegisters::default();
            let (mut import, mut export) = (0, 0);
            let mut intervals = MeterReading::default();
            let mut last = meter.reading();
            for (net_kw, solar_kw, dt_ms) in samples {
                meter.record(net_kw, solar_kw, dt_ms);
                let energy = energy_nano_wh(net_kw, dt_ms);
                import += energy.max(0);
                export += (-energy).max(0);
                let now = meter.reading();
                let interval = now.since(&last).expect("registers never fall");
                intervals.import_wh += interval.import_wh;
                intervals.export_solar_wh += interval.export_solar_wh;
                intervals.export_battery_wh += interval.export_battery_wh;
                last = now;
            }
            prop_assert_eq!(meter.import(), import);
            prop_assert_eq!(meter.export(), export);
            prop_assert_eq!(intervals, meter.reading());
            prop_assert!(import - last.import_wh * NANO_WH_PER_WH < NANO_WH_PER_WH);
            prop_assert!(export - last.export_wh() * NANO_WH_PER_WH < 2 * NANO_WH_PER_WH);
        }

        #[test]
        fn bad_samples_never_turn_a_register_back(net in any::<f64>(), solar in any::<f64>()) {
            let mut meter = MeterRegisters::default();
            meter.record(-1.0, 0.5, 1_000);
            let before = meter;
            meter.record(net, solar, 1_000);
            prop_assert!(meter.import() >= before.import() && meter.export() >= before.export());
        }
    }
}
