//! Exact energy: integers of nano-watt-hours.

/// Energy in nano-watt-hours; an `i64` holds 9.2 GWh.
pub type NanoWh = i64;

/// Nano-watt-hours in a watt-hour.
pub const NANO_WH_PER_WH: NanoWh = 1_000_000_000;

/// Nano-watt-hours in a kilowatt-hour.
pub const NANO_WH_PER_KWH: NanoWh = 1_000 * NANO_WH_PER_WH;

const MS_PER_HOUR: f64 = 3_600_000.0;

/// Energy of `p_kw` over `dt_ms`, rounded to the nearest unit.
///
/// Not-a-number counts as zero and overflow saturates, so that a bad sample
/// can never corrupt a register.
#[must_use]
pub fn energy_nano_wh(p_kw: f64, dt_ms: u64) -> NanoWh {
    (p_kw * dt_ms as f64 * (NANO_WH_PER_KWH as f64 / MS_PER_HOUR)).round() as NanoWh
}

/// Mean power in kW that makes `energy` in `dt_ms`; zero for an empty interval.
#[must_use]
pub fn power_kw(energy: NanoWh, dt_ms: u64) -> f64 {
    if dt_ms == 0 {
        return 0.0;
    }
    energy as f64 * MS_PER_HOUR / (dt_ms as f64 * NANO_WH_PER_KWH as f64)
}

/// Energy as kWh, for display and for controllers.
#[must_use]
pub fn kwh(energy: NanoWh) -> f64 {
    energy as f64 / NANO_WH_PER_KWH as f64
}

/// Energy of a parameter given in kWh, rounded to the nearest unit.
pub(crate) fn from_kwh(energy_kwh: f64) -> NanoWh {
    (energy_kwh * NANO_WH_PER_KWH as f64).round() as NanoWh
}

/// Energy of `p_kw` in one millisecond, unrounded; for estimates of duration.
pub(crate) fn energy_per_ms(p_kw: f64) -> f64 {
    p_kw * (NANO_WH_PER_KWH as f64 / MS_PER_HOUR)
}

/// Slack below which a deferrable device may not wait another tick: the tick
/// itself and one more for the rounding of energies.
pub(crate) fn spare_ticks_ms(dt_ms: u64) -> i64 {
    i64::try_from(dt_ms.saturating_mul(2)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kilowatt_for_an_hour_is_a_kilowatt_hour() {
        assert_eq!(energy_nano_wh(1.0, 3_600_000), NANO_WH_PER_KWH);
        assert!((power_kw(NANO_WH_PER_KWH, 3_600_000) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn bad_samples_count_as_nothing() {
        assert_eq!(energy_nano_wh(f64::NAN, 1_000), 0);
        assert_eq!(power_kw(5, 0), 0.0);
        assert_eq!(energy_nano_wh(f64::INFINITY, 1_000), NanoWh::MAX);
    }
}
