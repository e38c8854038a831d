//! Forward rolling clearing: the devices of a cluster are scheduled together
//! over the coming day, and only the first slot of the schedule is committed.
//!
//! A price that every device answers on its own closes a loop whose gain is
//! the street's elasticity, and a street of equal devices then switches at
//! once. Here nobody answers a price: needs, limits and deadlines are cleared
//! jointly against a forecast of what cannot be steered, so what one device
//! takes is known when the next one is placed (design section 5.6).
//!
//! Three things bound the import, in this order:
//!
//! 1. deadlines are filled into the valleys of the forecast, earliest first;
//! 2. **capacity**: what may wait never lifts the import above the highest
//!    import that was there without it ([`ForwardInput::peak_wh`]), nor above
//!    the line's limit;
//! 3. storage is kept for the highest slots of the horizon and gives what a
//!    slot is above the capacity.
//!
//! Everything is in whole Wh per slot, so that replicas agree to the bit.

mod forecast;
mod outlook;
mod stores;
mod tasks;

pub use forecast::{DAYS_KEPT, LoadHistory};
pub use outlook::{Expected, Method, Outlook, Series};

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::EnergyWh;
use serde::{Deserialize, Serialize};

use crate::{ENERGY_LIMIT_WH, MarketError};

/// Most slots one clearing looks ahead.
pub const MAX_HORIZON: usize = 1_440;

/// Energy a device needs by a time and that may be moved until then.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Task {
    /// Energy still needed, Wh.
    pub need_wh: EnergyWh,
    /// Most energy in one slot, Wh.
    pub slot_wh: EnergyWh,
    /// Whether it only runs at full power or not at all.
    pub whole: bool,
    /// Slots until it must have its energy, this one included; at least 1.
    pub slots_left: u16,
    /// Whether it takes what it needs in this slot, whatever the forecast says.
    pub now: bool,
    /// Hash of the device: decides between devices that are equal otherwise.
    pub spread: u16,
}

impl Task {
    /// Energy this slot cannot do without, Wh.
    fn forced_wh(&self) -> EnergyWh {
        let most = self.need_wh.min(self.slot_wh);
        if self.now {
            return most;
        }
        let later = self.slot_wh * (EnergyWh::from(self.slots_left.max(1)) - 1);
        (self.need_wh - later).clamp(0, most)
    }
}

/// Storage that may be charged and discharged, at its terminals.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Store {
    /// Energy it can give above its owner's reserve, Wh.
    pub stored_wh: EnergyWh,
    /// Energy it can take until it is full, Wh.
    pub room_wh: EnergyWh,
    /// Most it takes in one slot, Wh.
    pub charge_wh: EnergyWh,
    /// Most it gives in one slot, Wh.
    pub discharge_wh: EnergyWh,
}

/// What one clearing is a function of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardInput {
    /// Expected net import without anything that is steered, Wh per slot, this
    /// slot first; negative where the sun gives more than is used.
    pub forecast_wh: Vec<EnergyWh>,
    /// The same at the high end of what is to be expected; empty for no
    /// difference. Storage keeps its reserve for this one during an event.
    pub high_wh: Vec<EnergyWh>,
    /// What the line carries in a slot, Wh; `None` when no limit is known.
    pub limit_wh: Option<EnergyWh>,
    /// Highest net import of a slot without anything that is steered, as far
    /// as it is known, Wh.
    pub peak_wh: EnergyWh,
    /// Net import that a demand-response event asks for in this slot, Wh.
    /// Unlike the line's limit it is a wish: what can wait waits, but storage
    /// keeps what it needs to hold the rest of the horizon below
    /// [`Self::metered_peak_wh`], so that the event does not move the peak.
    pub event_wh: Option<EnergyWh>,
    /// Highest net import metered in the last day, Wh.
    pub metered_peak_wh: EnergyWh,
    /// Largest rise of the steered load from the slot before, Wh; `None` for
    /// no limit. Devices that must run are not held back by it.
    pub ramp_wh: Option<EnergyWh>,
    /// Steered load of the slot before, Wh.
    pub before_wh: EnergyWh,
    /// Needs, in any order.
    pub tasks: Vec<Task>,
    /// Storage, in any order.
    pub stores: Vec<Store>,
}

/// What is committed for this slot, and what it was planned against.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct ForwardPlan {
    /// Energy of each task in this slot, Wh, in the order given.
    pub tasks_wh: Vec<EnergyWh>,
    /// Energy of each store in this slot, Wh, charging positive, in the order given.
    pub stores_wh: Vec<EnergyWh>,
    /// Planned net import per slot with everything steered, Wh, this slot first.
    pub path_wh: Vec<EnergyWh>,
    /// The capacity this slot was cleared against, Wh.
    pub capacity_wh: EnergyWh,
    /// What tasks took because they could not wait, Wh.
    pub forced_wh: EnergyWh,
    /// What was put off because of the capacity or the ramp, Wh.
    pub deferred_wh: EnergyWh,
    /// Planned net import of this slot above the capacity, Wh.
    pub above_wh: EnergyWh,
}

/// Clears the horizon and commits its first slot.
///
/// # Errors
/// Fails on an empty or too long forecast and on energies out of range.
pub fn clear_forward(input: &ForwardInput) -> Result<ForwardPlan, MarketError> {
    check(input)?;
    let mut path_wh = input.forecast_wh.clone();
    let mut planned = tasks::fill(&input.tasks, &mut path_wh);
    let least = input.peak_wh.max(planned.level_wh);
    let line_wh = input.limit_wh.map_or(least, |limit| limit.min(least));
    let capacity_wh = input.event_wh.map_or(line_wh, |asked| asked.min(line_wh));
    let forced_wh: EnergyWh = input.tasks.iter().map(Task::forced_wh).sum();
    let wanted_wh = planned.now_wh;
    planned.hold(input, forced_wh, capacity_wh);
    let deferred_wh = wanted_wh - planned.now_wh;
    path_wh[0] -= deferred_wh;
    let tasks_wh = planned.commit(&input.tasks);
    let committed: EnergyWh = tasks_wh.iter().sum();
    path_wh[0] += committed - planned.now_wh;

    let above: Vec<EnergyWh> = input
        .high_wh
        .iter()
        .zip(&input.forecast_wh)
        .map(|(high, expected)| (high - expected).max(0))
        .collect();
    let caps = stores::Caps {
        above_wh: &above,
        line_wh,
        event_wh: input.event_wh,
        later_wh: input.metered_peak_wh,
    };
    let stores_wh = stores::commit(&input.stores, &mut path_wh, caps);
    Ok(ForwardPlan {
        tasks_wh,
        stores_wh,
        capacity_wh,
        forced_wh,
        deferred_wh,
        above_wh: (path_wh[0] - capacity_wh).max(0),
        path_wh,
    })
}

fn check(input: &ForwardInput) -> Result<(), MarketError> {
    let horizon = input.forecast_wh.len();
    if horizon == 0 || horizon > MAX_HORIZON {
        return Err(MarketError::BadHorizon { slots: horizon });
    }
    let too_much = |what| MarketError::TooMuchEnergy { what };
    let sane = |wh: EnergyWh| wh.checked_abs().is_some_and(|size| size <= ENERGY_LIMIT_WH);
    let levels = input
        .forecast_wh
        .iter()
        .copied()
        .chain(input.high_wh.iter().copied())
        .chain(input.limit_wh)
        .chain(input.ramp_wh)
        .chain(input.event_wh)
        .chain([input.peak_wh, input.metered_peak_wh, input.before_wh]);
    if !levels.into_iter().all(sane) {
        return Err(too_much("the forecast"));
    }
    let tasks = input.tasks.iter().flat_map(|t| [t.need_wh, t.slot_wh]);
    let stores = input
        .stores
        .iter()
        .flat_map(|s| [s.stored_wh, s.room_wh, s.charge_wh, s.discharge_wh]);
    crate::checked_total("steered energy", tasks.chain(stores)).map(|_| ())
}

/// Energy a level of water puts on a path: `sum of clamp(level - path, 0, most)`.
fn filled_wh(path_wh: &[EnergyWh], level_wh: EnergyWh, most_wh: EnergyWh) -> EnergyWh {
    path_wh
        .iter()
        .map(|wh| (level_wh - wh).clamp(0, most_wh))
        .sum()
}

/// Lowest level that puts at least `energy_wh` on a path (or all it can take).
fn level_for(path_wh: &[EnergyWh], energy_wh: EnergyWh, most_wh: EnergyWh) -> EnergyWh {
    let mut low = path_wh.iter().copied().min().unwrap_or(0);
    let mut high = path_wh.iter().copied().max().unwrap_or(0) + most_wh;
    while low < high {
        let middle = low + (high - low) / 2;
        if filled_wh(path_wh, middle, most_wh) >= energy_wh {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
