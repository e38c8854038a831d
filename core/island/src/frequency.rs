//! Frequency of an island within a tick.
//!
//! The power flow is quasi-static; between two solutions the frequency of a
//! section moves by the swing equation of its units together,
//! `sum(M) df/dt = sum(p_set + (f_0 + shift - f) / m) - load`, in sub-steps of
//! [`SUBSTEP_MS`] by backward Euler. Relays and photovoltaic plants look at it
//! in every sub-step, so that stages of shedding fire at their own
//! millisecond; what they change is part of the next solution.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::forming::{FormingParams, FormingUnit};
use crate::freqwatt::FreqWattParams;
use crate::shedding::{Shedding, SheddingParams};
use crate::synchrocheck::wrapped_deg;

/// Length of a sub-step, ms.
pub const SUBSTEP_MS: u64 = 5;

/// Most sub-steps of a tick; longer ticks take longer sub-steps.
const MAX_SUBSTEPS: u64 = 2_000;

/// Window over which the rate of change is measured, ms (IEC 60255-181 asks
/// for several cycles).
const ROCOF_WINDOW_MS: u64 = 100;

/// Frequencies at which every unit of a section trips, and after how long.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct TripParams {
    /// Low limit, Hz.
    pub low_hz: f64,
    /// High limit, Hz.
    pub high_hz: f64,
    /// Time beyond a limit, ms.
    pub after_ms: u32,
}

impl Default for TripParams {
    /// The outermost limits of EN 50549-1 (47.5 to 51.5 Hz), widened by half a
    /// hertz as for category III of IEEE 1547-2018: an island rides through
    /// more than a plant on the grid must.
    fn default() -> Self {
        Self {
            low_hz: 47.0,
            high_hz: 52.0,
            after_ms: 160,
        }
    }
}

/// A unit as the swing equation sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SwingUnit {
    /// Droop, Hz per kW.
    hz_per_kw: f64,
    /// Inertia, kW per (Hz/s).
    kw_per_hz_s: f64,
    /// Overload gain, Hz/s per kW.
    gain: f64,
    p_set_kw: f64,
    least_kw: f64,
    most_kw: f64,
    /// Shift by its overload controller, Hz.
    pub shift_hz: f64,
    /// Power in the last sub-step, kW.
    pub p_kw: f64,
}

impl SwingUnit {
    /// From a unit and the power it may take and deliver, kW.
    #[must_use]
    pub fn new(
        params: &FormingParams,
        unit: &FormingUnit,
        window_kw: (f64, f64),
        nominal_hz: f64,
    ) -> Self {
        Self {
            hz_per_kw: params.hz_per_kw(nominal_hz),
            kw_per_hz_s: params.kw_per_hz_s(nominal_hz),
            gain: params.overload_hz_per_s / params.kva,
            p_set_kw: unit.p_set_kw,
            least_kw: window_kw.0,
            most_kw: window_kw.1,
            shift_hz: unit.shift_hz,
            p_kw: unit.now.p_kw,
        }
    }

    /// Integrates the excess over the window into the frequency.
    fn integrate(&mut self, dt_s: f64) {
        let over = self.p_kw - self.most_kw;
        let under = self.p_kw - self.least_kw;
        if over > 0.0 || self.shift_hz < 0.0 {
            self.shift_hz = (self.shift_hz - self.gain * over * dt_s).min(0.0);
        } else if under < 0.0 || self.shift_hz > 0.0 {
            self.shift_hz = (self.shift_hz - self.gain * under * dt_s).max(0.0);
        }
    }
}

/// Frequency at which all droops together deliver `load_kw`, Hz.
#[must_use]
pub fn settled_hz(units: &[SwingUnit], load_kw: f64, nominal_hz: f64) -> f64 {
    let (give, slope) = stiffness(units, nominal_hz);
    if slope > 0.0 {
        (give - load_kw) / slope
    } else {
        nominal_hz
    }
}

/// Power at zero hertz by the droop lines, kW, and their common slope, kW/Hz.
fn stiffness(units: &[SwingUnit], nominal_hz: f64) -> (f64, f64) {
    units.iter().fold((0.0, 0.0), |(give, slope), unit| {
        let own = 1.0 / unit.hz_per_kw;
        (
            give + unit.p_set_kw + (nominal_hz + unit.shift_hz) * own,
            slope + own,
        )
    })
}

/// What a tick acts on beside the units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surroundings<'a> {
    /// Nominal frequency, Hz.
    pub nominal_hz: f64,
    /// What the units deliver by the solution at the tick's start, kW.
    pub load_kw: f64,
    /// Output of the plants with frequency-watt at the present share, kW.
    pub pv_kw: f64,
    /// Their function.
    pub freq_watt: &'a FreqWattParams,
    /// The shedding scheme.
    pub shedding: &'a SheddingParams,
    /// Per stage: load that it would take off in this section, kW; `None` when
    /// its relay stands elsewhere.
    pub stage_kw: &'a [Option<f64>],
    /// Limits at which the units trip.
    pub trip: TripParams,
}

/// Frequency of a section.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SectionFrequency {
    /// Frequency, Hz.
    pub f_hz: f64,
    /// Angle against a clock at nominal frequency, degrees, -180..180.
    pub angle_deg: f64,
    /// Share of available power the frequency-watt function leaves, 0..1.
    pub pv_share: f64,
    /// Time beyond a trip limit, ms.
    beyond_ms: f64,
}

impl SectionFrequency {
    /// In step with a grid at `f_hz`.
    #[must_use]
    pub fn new(f_hz: f64, angle_deg: f64) -> Self {
        Self {
            f_hz,
            angle_deg,
            pv_share: 1.0,
            beyond_ms: 0.0,
        }
    }
}

/// A stage that fired.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fired {
    /// The stage.
    pub stage: usize,
    /// When its relay tripped, ms after the tick's start.
    pub at_ms: u64,
    /// Frequency then, Hz.
    pub f_hz: f64,
}

/// What happened within a tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Lowest frequency, Hz.
    pub lowest_hz: f64,
    /// Highest frequency, Hz.
    pub highest_hz: f64,
    /// Largest rate of change over 100 ms, Hz/s.
    pub rocof_hz_s: f64,
    /// Stages that fired, in time order.
    pub fired: Vec<Fired>,
    /// When the units tripped on frequency, ms after the tick's start.
    pub tripped_ms: Option<u64>,
}

/// Advances a section by a tick.
///
/// Leaves the end state in `section` and `units` and says what happened.
pub fn advance(
    section: &mut SectionFrequency,
    units: &mut [SwingUnit],
    around: &Surroundings<'_>,
    scheme: &mut Shedding,
    dt_ms: u64,
) -> Trace {
    let sub_ms = SUBSTEP_MS.max(dt_ms.div_ceil(MAX_SUBSTEPS)).max(1);
    let mut trace = Trace {
        lowest_hz: section.f_hz,
        highest_hz: section.f_hz,
        rocof_hz_s: 0.0,
        fired: Vec::new(),
        tripped_ms: None,
    };
    let share_before = section.pv_share;
    // What the plants could give, and what is left when they give nothing.
    let available_kw = if share_before > 1e-6 {
        around.pv_kw / share_before
    } else {
        around.pv_kw
    };
    let bare_kw = around.load_kw + around.pv_kw;
    let mut shed_kw = 0.0;
    let mut opening: Vec<(u64, f64)> = Vec::new();
    let mut window = (section.f_hz, 0);
    let mut now_ms = 0;
    while now_ms < dt_ms && trace.tripped_ms.is_none() {
        let step_ms = sub_ms.min(dt_ms - now_ms);
        now_ms += step_ms;
        let dt_s = step_ms as f64 / 1_000.0;
        opening.retain(|&(at_ms, kw)| {
            let open = at_ms <= now_ms;
            shed_kw += if open { kw } else { 0.0 };
            !open
        });
        let load_kw = bare_kw - section.pv_share * available_kw - shed_kw;
        swing(section, units, load_kw, around.nominal_hz, dt_s);
        let f_hz = section.f_hz;
        section.pv_share = around
            .freq_watt
            .step(section.pv_share, f_hz, around.nominal_hz, dt_s);
        trace.lowest_hz = trace.lowest_hz.min(f_hz);
        trace.highest_hz = trace.highest_hz.max(f_hz);
        if now_ms - window.1 >= ROCOF_WINDOW_MS {
            let rate = (f_hz - window.0).abs() * 1_000.0 / (now_ms - window.1) as f64;
            trace.rocof_hz_s = trace.rocof_hz_s.max(rate);
            window = (f_hz, now_ms);
        }
        for (stage, kw) in around.stage_kw.iter().enumerate() {
            let Some(kw) = *kw else { continue };
            if scheme.watch(around.shedding, stage, f_hz, step_ms as f64) {
                opening.push((now_ms + u64::from(around.shedding.breaker_ms), kw));
                trace.fired.push(Fired {
                    stage,
                    at_ms: now_ms,
                    f_hz,
                });
            }
        }
        if trips(section, &around.trip, step_ms) {
            trace.tripped_ms = Some(now_ms);
        }
    }
    trace
}

fn swing(
    section: &mut SectionFrequency,
    units: &mut [SwingUnit],
    load_kw: f64,
    nominal_hz: f64,
    dt_s: f64,
) {
    let (give, slope) = stiffness(units, nominal_hz);
    let inertia: f64 = units.iter().map(|unit| unit.kw_per_hz_s).sum();
    let before = section.f_hz;
    let weight = inertia + dt_s * slope;
    if weight > 0.0 {
        section.f_hz = (inertia * before + dt_s * (give - load_kw)) / weight;
    }
    let rate = (section.f_hz - before) / dt_s;
    for unit in units {
        let droop_kw = (nominal_hz + unit.shift_hz - section.f_hz) / unit.hz_per_kw;
        unit.p_kw = unit.p_set_kw + droop_kw - unit.kw_per_hz_s * rate;
        unit.integrate(dt_s);
    }
    let turn = 360.0 * (section.f_hz - nominal_hz) * dt_s;
    section.angle_deg = wrapped_deg(section.angle_deg + turn);
}

fn trips(section: &mut SectionFrequency, trip: &TripParams, dt_ms: u64) -> bool {
    let inside = section.f_hz >= trip.low_hz && section.f_hz <= trip.high_hz;
    section.beyond_ms = if inside {
        0.0
    } else {
        section.beyond_ms + dt_ms as f64
    };
    section.beyond_ms >= f64::from(trip.after_ms)
}

/// Joins sections whose switches have closed: the heavier one pulls.
/// `parts` are (state, inertia in kW per Hz/s); the angle is that of the first.
#[must_use]
pub fn merged(parts: &[(SectionFrequency, f64)]) -> Option<SectionFrequency> {
    let (first, _) = *parts.first()?;
    let total: f64 = parts.iter().map(|part| part.1).sum();
    if total.is_nan() || total <= 0.0 {
        return Some(first);
    }
    let mean = |of: fn(&SectionFrequency) -> f64| {
        parts.iter().map(|(state, m)| of(state) * m).sum::<f64>() / total
    };
    Some(SectionFrequency {
        f_hz: mean(|s| s.f_hz),
        pv_share: mean(|s| s.pv_share),
        ..first
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::shedding::StageParams;

    fn unit(kva: f64) -> SwingUnit {
        let params = FormingParams {
            kva,
            ..FormingParams::default()
        };
        let mut state = FormingUnit::new();
        state.form(0.0);
        SwingUnit::new(&params, &state, (-kva, kva), 50.0)
    }

    fn scheme() -> SheddingParams {
        let stage = |f_hz, delay_ms| StageParams { f_hz, delay_ms };
        SheddingParams {
            stages: vec![stage(49.2, 100), stage(48.8, 100)],
            breaker_ms: 50,
            restore_hz: 49.8,
            restore_after_s: 10.0,
            restore_margin: 0.2,
        }
    }

    fn run(
        units: &mut [SwingUnit],
        load_kw: f64,
        stage_kw: &[Option<f64>],
    ) -> (SectionFrequency, Trace) {
        let (freq_watt, shedding) = (FreqWattParams::default(), scheme());
        let around = Surroundings {
            nominal_hz: 50.0,
            load_kw,
            pv_kw: 0.0,
            freq_watt: &freq_watt,
            shedding: &shedding,
            stage_kw,
            trip: TripParams::default(),
        };
        let mut section = SectionFrequency::new(50.0, 0.0);
        let mut relays = Shedding::new(2);
        let trace = advance(&mut section, units, &around, &mut relays, 2_000);
        (section, trace)
    }

    #[test]
    fn a_step_of_load_settles_on_the_droop_line() {
        let mut units = [unit(100.0), unit(50.0)];
        let (section, trace) = run(&mut units, 75.0, &[]);
        // Half the rating of both: half of 0.5 Hz.
        assert!((section.f_hz - 49.75).abs() < 1e-6, "{}", section.f_hz);
        assert!((units[0].p_kw - 50.0).abs() < 1e-3 && (units[1].p_kw - 25.0).abs() < 1e-3);
        assert!((settled_hz(&units, 75.0, 50.0) - 49.75).abs() < 1e-12);
        assert!(trace.fired.is_empty() && trace.tripped_ms.is_none());
        // df/dt at the start is load over inertia: 75 / (0.05 / 0.005 * 1.5) = 5 Hz/s.
        assert!(trace.rocof_hz_s > 1.5 && trace.rocof_hz_s < 5.0);
    }

    #[test]
    fn the_first_order_answer_matches_its_closed_form() {
        let mut units = [unit(100.0)];
        let (freq_watt, shedding) = (FreqWattParams::default(), scheme());
        let around = Surroundings {
            nominal_hz: 50.0,
            load_kw: 60.0,
            pv_kw: 0.0,
            freq_watt: &freq_watt,
            shedding: &shedding,
            stage_kw: &[],
            trip: TripParams::default(),
        };
        let mut section = SectionFrequency::new(50.0, 0.0);
        let mut relays = Shedding::new(2);
        advance(&mut section, &mut units, &around, &mut relays, 100);
        // f(t) = 50 - 0.3 (1 - exp(-t / 0.05)); backward Euler at 5 ms is 2 % late.
        let exact = 50.0 - 0.3 * (1.0 - libm::exp(-2.0));
        assert!(
            (section.f_hz - exact).abs() < 0.02 * 0.3,
            "{} {exact}",
            section.f_hz
        );
    }

    #[test]
    fn overload_pulls_the_frequency_down_until_stages_relieve_it() {
        let mut units = [unit(100.0)];
        let (section, trace) = run(&mut units, 140.0, &[Some(30.0), Some(20.0)]);
        let order: Vec<usize> = trace.fired.iter().map(|fired| fired.stage).collect();
        assert_eq!(order, [0, 1], "in the order of their thresholds");
        assert!(trace.fired[0].at_ms < trace.fired[1].at_ms);
        assert!(trace.lowest_hz < 48.8 && trace.tripped_ms.is_none());
        // 90 kW are left: within the rating, the shift winds back.
        assert!(section.f_hz > trace.lowest_hz);
    }

    #[test]
    fn without_relief_the_island_goes_down() {
        let mut units = [unit(100.0)];
        let (_, trace) = run(&mut units, 200.0, &[None, None]);
        assert!(trace.tripped_ms.is_some());
        assert!(trace.lowest_hz < 47.0);
    }

    #[test]
    fn a_full_battery_makes_the_sun_give_way() {
        let mut units = [unit(100.0)];
        units[0].least_kw = 0.0;
        let (freq_watt, shedding) = (FreqWattParams::default(), scheme());
        let mut section = SectionFrequency::new(50.0, 0.0);
        let mut relays = Shedding::new(2);
        // 40 kW of sun on 25 kW of load.
        let mut pv_kw = 40.0;
        for _ in 0..120 {
            let around = Surroundings {
                nominal_hz: 50.0,
                load_kw: 25.0 - pv_kw,
                pv_kw,
                freq_watt: &freq_watt,
                shedding: &shedding,
                stage_kw: &[],
                trip: TripParams::default(),
            };
            let trace = advance(&mut section, &mut units, &around, &mut relays, 1_000);
            assert_eq!(trace.tripped_ms, None);
            pv_kw = 40.0 * section.pv_share;
        }
        assert!((pv_kw - 25.0).abs() < 0.5, "{pv_kw} kW");
        assert!(section.f_hz > 50.2 && section.f_hz < 52.0);
        assert!(units[0].p_kw > -0.5);
    }

    #[test]
    fn joined_sections_meet_by_their_inertia() {
        let a = SectionFrequency::new(50.0, 10.0);
        let b = SectionFrequency::new(49.7, 12.0);
        let joined = merged(&[(a, 20.0), (b, 10.0)]).unwrap();
        assert!((joined.f_hz - 49.9).abs() < 1e-12);
        assert_eq!(joined.angle_deg, 10.0);
        assert_eq!(merged(&[]), None);
    }

    proptest! {
        #[test]
        fn units_always_carry_the_whole_load(
            ratings in prop::collection::vec(10.0..500.0_f64, 1..5),
            part in -0.9..0.9_f64,
        ) {
            let mut units: Vec<SwingUnit> = ratings.iter().map(|&kva| unit(kva)).collect();
            let load = part * ratings.iter().sum::<f64>();
            let (section, _) = run(&mut units, load, &[]);
            let carried: f64 = units.iter().map(|unit| unit.p_kw).sum();
            prop_assert!((carried - load).abs() < 1e-6 * (1.0 + load.abs()));
            for (unit, kva) in units.iter().zip(&ratings) {
                prop_assert!((unit.p_kw / kva - part).abs() < 1e-4, "equal share of the rating");
            }
            prop_assert!((section.f_hz - (50.0 - 0.5 * part)).abs() < 1e-4);
        }
    }
}
