//! Fewest causes that explain the residuals of an area.

use crate::pattern::Pattern;
use crate::search::{Search, dot};
use crate::window::Window;

/// Mean square below which the residuals are noise and nobody is sought.
const QUIET: f64 = 1.5;

/// Intervals between two moments at which a cause may set in.
const ONSET_STEP: usize = 2;

/// Intervals that have to follow the moment at which a cause sets in.
const LEAST_AFTER_ONSET: usize = 6;

/// What counts as certain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Intervals needed before anybody is judged.
    pub least_intervals: usize,
    /// Standard deviation of an interval's energy residual per meter, Wh:
    /// registers count whole watt-hours.
    pub energy_sigma_wh: f64,
    /// Share of the computed losses that the model may be wrong by.
    pub losses_sigma: f64,
    /// Standard deviation of a voltage residual, V.
    pub voltage_sigma_v: f64,
    /// Standard deviations a cause must stand above noise.
    pub least_score: f64,
    /// Hidden energy relative to the area's energy below which nobody is named.
    pub least_share: f64,
    /// Share of its own energy that a meter must be off by to be accused: what
    /// is off by less is a matter for calibration (electricity meters of class 2
    /// may err by 2 %, IEC 62053-21).
    pub least_meter_share: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            least_intervals: 12,
            energy_sigma_wh: 0.6,
            losses_sigma: 0.05,
            voltage_sigma_v: 0.05,
            least_score: 6.0,
            least_share: 0.003,
            least_meter_share: 0.1,
        }
    }
}

/// Whom a cause concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A meter, by its position in the area.
    Meter(usize),
    /// The M-LMD that measures the area.
    Mlmd,
}

/// What explains the residual best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cause {
    /// Reports this share of the true energy less (negative: more), 0..1.
    Scaled {
        /// Missing share of the true energy.
        missing: f64,
    },
    /// Takes energy past the meter, whatever it reports, W on average.
    Bypass {
        /// Mean hidden power, W.
        mean_w: f64,
    },
    /// Its register stands still although energy flows.
    Frozen,
    /// It sends earlier values again.
    Replayed {
        /// How many intervals old they are.
        lag: usize,
    },
    /// The M-LMD's own measurement is off by this share: nobody steals.
    Drift {
        /// Measured over true energy, less one.
        share: f64,
    },
}

/// A finding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspect {
    /// Whom it concerns.
    pub who: Who,
    /// How.
    pub cause: Cause,
    /// Standard deviations above noise.
    pub score: f64,
    /// Energy hidden within the window, Wh; negative when over-reported.
    pub hidden_wh: f64,
}

/// A candidate: energy per interval it adds to the residual, and where.
pub(crate) struct Candidate {
    pub(crate) who: Who,
    /// Hidden energy per interval for a coefficient of one, Wh.
    shape: Vec<f64>,
    /// Parameters it has beyond the coefficient.
    pub(crate) freedom: f64,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Scale,
    Free,
    Drift,
}

/// Stacked residuals: an energy per interval, then the voltages of its meters
/// per interval, each divided by its standard deviation.
struct Residuals {
    rows: Vec<f64>,
    energy_sigma: Vec<f64>,
    voltage_sigma: f64,
}

/// Who explains the residuals of an area, most certain first; empty while the
/// window is short, or when nothing stands above noise.
///
/// A local search over sets of causes: the best of adding, dropping and
/// exchanging one is taken until none lowers the Bayesian information
/// criterion. The model is never perfect, so the noise is what the chosen
/// causes leave, and at least what the instruments have.
#[must_use]
pub fn suspects(window: &Window, limits: &Limits) -> Vec<Suspect> {
    if window.len() < limits.least_intervals || window.meters == 0 {
        return Vec::new();
    }
    let residuals = Residuals::of(window, limits);
    let count = residuals.rows.len() as f64;
    if dot(&residuals.rows, &residuals.rows) < count * QUIET {
        return Vec::new();
    }
    let candidates = candidates(window, &residuals);
    let rows = candidates
        .iter()
        .map(|candidate| residuals.rows_of(window, candidate))
        .collect();
    let mut search = Search::new(candidates, rows, &residuals.rows);
    search.run();
    let throughput: f64 = window.iter().map(|i| i.area_wh.abs()).sum();
    let (left, coefficients) = search.solve(&search.chosen.clone());
    let noise = (left / count).max(1.0);
    let mut found: Vec<Suspect> = Vec::new();
    for (position, &index) in search.chosen.clone().iter().enumerate() {
        let mut others = search.chosen.clone();
        others.remove(position);
        let (without, _) = search.solve(&others);
        let candidate = &search.candidates[index];
        let coefficient = coefficients[position];
        found.push(Suspect {
            who: candidate.who,
            cause: cause(window, candidate, coefficient),
            score: libm::sqrt(((without - left) / noise).max(0.0)),
            hidden_wh: candidate.shape.iter().sum::<f64>() * coefficient,
        });
    }
    found.retain(|suspect| {
        suspect.score >= limits.least_score
            && suspect.hidden_wh.abs() >= limits.least_share * throughput
            && match suspect.cause {
                Cause::Scaled { missing } => missing.abs() >= limits.least_meter_share,
                _ => true,
            }
    });
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

fn candidates(window: &Window, residuals: &Residuals) -> Vec<Candidate> {
    let mut list = Vec::with_capacity(2 * window.meters + 1);
    let left: Vec<f64> = residuals
        .rows
        .iter()
        .zip(&residuals.energy_sigma)
        .map(|(r, sigma)| r * sigma)
        .collect();
    for meter in 0..window.meters {
        let reported = window.reported(meter);
        // Whatever is left, all at this meter: as many parameters as
        // intervals, unless its reports betray it by themselves.
        let betrayed = Pattern::of(&reported) != Pattern::Ordinary;
        list.push(Candidate {
            who: Who::Meter(meter),
            shape: left.clone(),
            freedom: if betrayed { 0.0 } else { window.len() as f64 },
            kind: Kind::Free,
        });
        with_onsets(&mut list, Who::Meter(meter), &reported, Kind::Scale);
    }
    let area: Vec<f64> = window.iter().map(|i| i.area_wh).collect();
    with_onsets(&mut list, Who::Mlmd, &area, Kind::Drift);
    list
}

/// A candidate in proportion to a series, from its start or from a moment
/// within the window on, which costs a parameter.
fn with_onsets(list: &mut Vec<Candidate>, who: Who, series: &[f64], kind: Kind) {
    for from in (0..=series.len().saturating_sub(LEAST_AFTER_ONSET)).step_by(ONSET_STEP) {
        let mut shape = series.to_vec();
        shape[..from].fill(0.0);
        list.push(Candidate {
            who,
            shape,
            freedom: if from > 0 { 1.0 } else { 0.0 },
            kind,
        });
    }
}

impl Residuals {
    fn of(window: &Window, limits: &Limits) -> Self {
        let base = limits.energy_sigma_wh * libm::sqrt(window.meters as f64);
        let energy_sigma: Vec<f64> = window
            .iter()
            .map(|i| libm::hypot(base, limits.losses_sigma * i.losses_wh))
            .collect();
        let energy = window
            .iter()
            .zip(&energy_sigma)
            .map(|(i, sigma)| i.energy_off_wh() / sigma);
        let voltage = window
            .iter()
            .flat_map(|i| &i.voltage_off_v)
            .map(|v| v / limits.voltage_sigma_v);
        Self {
            rows: energy.chain(voltage).collect(),
            energy_sigma,
            voltage_sigma: limits.voltage_sigma_v,
        }
    }

    /// Weighted rows of a candidate.
    fn rows_of(&self, window: &Window, candidate: &Candidate) -> Vec<f64> {
        let n = window.meters;
        let energy = candidate
            .shape
            .iter()
            .zip(&self.energy_sigma)
            .map(|(wh, sigma)| wh / sigma);
        let mut rows: Vec<f64> = energy.collect();
        for wh in &candidate.shape {
            rows.extend((0..n).map(|j| match candidate.who {
                Who::Mlmd => 0.0,
                Who::Meter(i) => window.sensitivity[j * n + i] * wh / self.voltage_sigma,
            }));
        }
        rows
    }
}

fn cause(window: &Window, candidate: &Candidate, coefficient: f64) -> Cause {
    let Who::Meter(meter) = candidate.who else {
        return Cause::Drift { share: coefficient };
    };
    match (candidate.kind, Pattern::of(&window.reported(meter))) {
        (_, Pattern::Frozen) => Cause::Frozen,
        (_, Pattern::Repeats { lag }) => Cause::Replayed { lag },
        // True = reported x (1 + g): the missing share of the true energy is g / (1 + g).
        (Kind::Scale, _) => Cause::Scaled {
            missing: coefficient / (1.0 + coefficient),
        },
        _ => Cause::Bypass {
            mean_w: mean_w(window, candidate),
        },
    }
}

/// Mean hidden power over the window, W.
fn mean_w(window: &Window, candidate: &Candidate) -> f64 {
    let ends: Vec<u64> = window.iter().map(|i| i.end_ms).collect();
    let (Some(first), Some(last)) = (ends.first(), ends.last()) else {
        return 0.0;
    };
    let steps = (ends.len().max(2) - 1) as f64;
    let interval_h = last.saturating_sub(*first) as f64 / steps / 3_600_000.0;
    let total: f64 = candidate.shape.iter().sum();
    if interval_h > 0.0 {
        total / (interval_h * ends.len() as f64)
    } else {
        0.0
    }
}
