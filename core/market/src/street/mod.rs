//! The stability experiment: 600 homes over five days, steered in several ways.
//!
//! A home has a load of a published shape, perhaps sun, a water heater that
//! needs 4 kWh a day, perhaps a battery. What differs between the variants is
//! only how heaters and batteries learn when to run: from the last price, as
//! the loop is drawn in the paper, or cleared together (design section 5.6).
//! The experiment runs this crate's own price formula and forward clearing.
//!
//! It is an experiment with physical quantities, in kWh and kW, and no part of
//! what replicas agree on.

mod data;
mod homes;
mod literal;
mod rolling;

pub use data::{StreetData, WINDOWS, Window};
pub use homes::{Herd, Street};

pub use rolling::{EventPeaks, event_peaks};

use homes::{Devices, SLOTS};

/// Lower and upper price bound, EUR/kWh.
const LOWER: f64 = 0.08;
const UPPER: f64 = 0.30;
/// Line limit of the street, kW.
const LINE_KW: f64 = 900.0;

/// How the street is steered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Nothing is steered: heaters and batteries stand still.
    Inflexible,
    /// A: the price of the last slot by supply-demand ratio, thresholds.
    LiteralLoop,
    /// B: the same with the typed price.
    TypedCurve,
    /// C: B with spread, price step limit and proportional batteries.
    Damped,
    /// D: bids of all devices cleared jointly, slot by slot.
    JointBids,
    /// E: D with line and ramp limit.
    JointBidsLimited,
    /// F: the recorded forward clearing with its fixed line limit.
    ForwardRecorded,
    /// The default: forward rolling clearing with a capacity term.
    Forward,
}

impl Variant {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::Inflexible,
        Self::LiteralLoop,
        Self::TypedCurve,
        Self::Damped,
        Self::JointBids,
        Self::JointBidsLimited,
        Self::ForwardRecorded,
        Self::Forward,
    ];

    /// Name for tables.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Inflexible => "inflexible",
            Self::LiteralLoop => "A literal loop",
            Self::TypedCurve => "B typed curve",
            Self::Damped => "C + spread, step limit",
            Self::JointBids => "D joint bids by slot",
            Self::JointBidsLimited => "E D + line, ramp limit",
            Self::ForwardRecorded => "F forward as recorded",
            Self::Forward => "default forward rolling",
        }
    }
}

/// What a run of the street came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Highest net import of a slot, kW.
    pub peak_kw: f64,
    /// The ramp that 95 % of the slots stay below, kW per slot.
    pub ramp95_kw: f64,
    /// Slots in which the price turned by more than 10 % of its bounds.
    pub reversals: usize,
    /// The same with 2 % of the bounds, which a step limit cannot hide.
    pub small_reversals: usize,
    /// Energy given to the grid, kWh.
    pub export_kwh: f64,
    /// Heat not delivered by midnight, kWh.
    pub unmet_kwh: f64,
    /// Line limit the run was cleared against, kW.
    pub line_kw: f64,
    /// Slots.
    pub slots: usize,
}

/// Load and price, slot by slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course {
    /// Net import, kWh per slot.
    pub(crate) net_kwh: Vec<f64>,
    /// Price, EUR/kWh.
    pub(crate) price: Vec<f64>,
    /// Heat not delivered, kWh.
    pub(crate) unmet_kwh: f64,
}

/// Runs a street. The line limit of a street is 900 kW, or where its own
/// inflexible load is above that, that load's peak.
#[must_use]
pub fn run(street: &Street, variant: Variant) -> Outcome {
    course_of(street, variant).outcome(street.line_kw())
}

pub(crate) fn course_of(street: &Street, variant: Variant) -> Course {
    let mut devices = Devices::new(street);
    match variant {
        Variant::Inflexible => inflexible(street),
        Variant::LiteralLoop => literal::thresholds(street, &mut devices, true),
        Variant::TypedCurve => literal::thresholds(street, &mut devices, false),
        Variant::Damped => literal::damped(street, &mut devices),
        Variant::JointBids => literal::joint(street, &mut devices, false),
        Variant::JointBidsLimited => literal::joint(street, &mut devices, true),
        Variant::ForwardRecorded => rolling::recorded(street, &mut devices),
        Variant::Forward => rolling::default_rule(street, &mut devices, 0..0),
    }
}

fn inflexible(street: &Street) -> Course {
    let mut course = Course::default();
    for slot in 0..SLOTS {
        let (supply, demand) = street.exchange(slot, |_| 0.0);
        course.net_kwh.push(demand - supply);
        course.price.push(typed(supply, demand));
    }
    course
}

/// The typed price with one type: `L + (U - L) rho / (1 + rho)`, `rho = D / S`.
fn typed(supply: f64, demand: f64) -> f64 {
    if supply + demand <= 0.0 {
        return UPPER;
    }
    LOWER + (UPPER - LOWER) * demand / (supply + demand)
}

impl Course {
    fn outcome(&self, line_kw: f64) -> Outcome {
        let kw: Vec<f64> = self.net_kwh.iter().map(|kwh| kwh * 4.0).collect();
        let mut ramps: Vec<f64> = kw.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
        ramps.sort_by(f64::total_cmp);
        let turns = |share: f64| {
            let least = share * (UPPER - LOWER);
            let steps: Vec<f64> = self.price.windows(2).map(|w| w[1] - w[0]).collect();
            steps
                .windows(2)
                .filter(|w| w[0] * w[1] < 0.0 && w[0].abs() > least && w[1].abs() > least)
                .count()
        };
        Outcome {
            peak_kw: kw.iter().copied().fold(f64::MIN, f64::max),
            ramp95_kw: ramps.get(ramps.len() * 95 / 100).copied().unwrap_or(0.0),
            reversals: turns(0.10),
            small_reversals: turns(0.02),
            export_kwh: self.net_kwh.iter().map(|kwh| (-kwh).max(0.0)).sum(),
            unmet_kwh: self.unmet_kwh,
            line_kw,
            slots: self.net_kwh.len(),
        }
    }
}
