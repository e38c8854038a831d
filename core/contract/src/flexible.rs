//! What members let the contract move, and the forward clearing of a cluster.
//!
//! Under [`Control::Forward`](crate::Control::Forward) nobody answers a price.
//! Before the contracts of a slot run, everything that may be moved is cleared
//! together against the forecast of the rest; each member's run then carries
//! out its part and keeps its own limits: reserve, comfort band, departure.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_market::MarketError;
use gridloom_market::forward::{
    ForwardInput, ForwardPlan, LoadHistory, Store, Task, clear_forward,
};
use gridloom_units::EnergyWh;
use serde::{Deserialize, Serialize};

use crate::run::{BatteryFacts, EvFacts, HeaterFacts, MeterFacts, is_energy, is_power};
use crate::terms::{EmInstance, EmTemplate};

/// Longest time over which an empty water heater is filled, minutes.
const HEAT_WITHIN_MIN: i64 = 8 * 60;

/// Power cleared for the devices of one member in a slot, W; `None` where the
/// clearing had nothing to decide.
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
pub struct Committed {
    /// Battery, charging positive.
    pub battery_w: Option<i64>,
    /// Water heater.
    pub heater_w: Option<i64>,
    /// EV charger.
    pub ev_w: Option<i64>,
}

impl Committed {
    /// Energy of all devices in a slot, Wh.
    #[must_use]
    pub fn energy_wh(&self, slot_min: u16) -> EnergyWh {
        let power: i64 = [self.battery_w, self.heater_w, self.ev_w]
            .iter()
            .flatten()
            .sum();
        power * i64::from(slot_min) / 60
    }
}

/// A member of the clearing.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its contract.
    pub instance: &'a EmInstance,
    /// What its meter last reported.
    pub facts: &'a MeterFacts,
    /// Hash of the meter's device id.
    pub spread: u16,
    /// Energy that its wallet covers beyond what it is expected to take anyway,
    /// Wh; what may wait is offered only as far as it is paid for.
    pub affordable_wh: EnergyWh,
}

/// When a clearing takes place.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Length of a slot, min.
    pub slot_min: u16,
    /// Minute of the day at which the slot starts.
    pub minute_of_day: u16,
}

impl Moment {
    fn slots_per_day(&self) -> usize {
        usize::from(1_440 / self.slot_min.max(1)).max(1)
    }

    fn energy_wh(&self, power_w: i64) -> EnergyWh {
        power_w * i64::from(self.slot_min) / 60
    }

    fn power_w(&self, energy_wh: EnergyWh) -> i64 {
        energy_wh * 60 / i64::from(self.slot_min.max(1))
    }

    fn slots_in(&self, minutes: i64) -> u16 {
        u16::try_from(minutes / i64::from(self.slot_min.max(1))).unwrap_or(u16::MAX)
    }
}

/// A cluster's clearing: what each member was given, in the order of members,
/// and the plan behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterPlan {
    /// Per member.
    pub committed: Vec<Committed>,
    /// The clearing.
    pub plan: ForwardPlan,
}

/// Clears what the members of a cluster let the contract move.
///
/// `history` holds the cluster's net import without what was steered;
/// `before_wh` is what was steered in the slot before.
///
/// # Errors
/// Fails on figures out of range, as [`clear_forward`].
pub fn clear_cluster(
    template: &EmTemplate,
    members: &[Member<'_>],
    moment: Moment,
    history: &LoadHistory,
    before_wh: EnergyWh,
) -> Result<ClusterPlan, MarketError> {
    let day = moment.slots_per_day();
    let mut input = ForwardInput {
        forecast_wh: history.forecast(day, day),
        high_wh: history.forecast_high(day, day),
        peak_wh: history.peak_wh(day),
        metered_peak_wh: history.peak_wh(day),
        before_wh,
        ..ForwardInput::default()
    };
    if template.line_limit_w > 0 {
        input.limit_wh = Some(moment.energy_wh(i64::from(template.line_limit_w)));
    }
    // Place of each member's devices in the lists of the clearing.
    let mut places = Vec::with_capacity(members.len());
    for member in members {
        let heater = member.heater(template, moment);
        let ev = member.ev(template, moment);
        let battery = member.battery(template, moment);
        let heater = heater.and_then(|task| member.covered(task));
        let ev = ev.and_then(|task| member.covered(task));
        let mut task = |task: Option<Task>| {
            task.map(|task| {
                input.tasks.push(task);
                input.tasks.len() - 1
            })
        };
        let (heater, ev) = (task(heater), task(ev));
        let battery = battery.map(|store| {
            input.stores.push(store);
            input.stores.len() - 1
        });
        places.push((heater, ev, battery));
    }
    let plan = clear_forward(&input)?;
    let committed = places
        .into_iter()
        .map(|(heater, ev, battery)| Committed {
            battery_w: battery.map(|i| moment.power_w(plan.stores_wh[i])),
            heater_w: heater.map(|i| moment.power_w(plan.tasks_wh[i])),
            ev_w: ev.map(|i| moment.power_w(plan.tasks_wh[i])),
        })
        .collect();
    Ok(ClusterPlan { committed, plan })
}

impl Member<'_> {
    /// The task as far as the wallet covers it; what must run now always runs.
    fn covered(&self, mut task: Task) -> Option<Task> {
        if task.now || task.slot_wh <= self.affordable_wh {
            return Some(task);
        }
        task.slot_wh = self.affordable_wh;
        (!task.whole && task.slot_wh > 0).then_some(task)
    }

    /// The heater's need. An emptier store has less time: it is full again
    /// within eight hours, or by the time its owner named.
    fn heater(&self, template: &EmTemplate, moment: Moment) -> Option<Task> {
        let preferences = &self.instance.preferences;
        let facts: &HeaterFacts = self.facts.heater.as_ref()?;
        let sane =
            facts.stored_permille <= 1_000 && is_energy(facts.store_wh) && is_power(facts.power_w);
        if !preferences.allow.heater || !sane {
            return None;
        }
        let terms = preferences.heater;
        let (low, high) = (
            i64::from(terms.comfort_low_pct) * 10,
            i64::from(terms.comfort_high_pct) * 10,
        );
        let stored = i64::from(facts.stored_permille);
        let need_wh = (high - stored).max(0) * facts.store_wh / 1_000;
        let warmth = (stored - low).clamp(0, (high - low).max(1));
        let mut minutes = HEAT_WITHIN_MIN * warmth / (high - low).max(1);
        if let Some(ready_by) = terms.ready_by {
            minutes = minutes.min(i64::from(ready_by.minutes_after(moment.minute_of_day)));
        }
        let power_w = facts.power_w.min(i64::from(template.max_order_w));
        Some(Task {
            need_wh,
            slot_wh: moment.energy_wh(power_w),
            whole: true,
            slots_left: moment.slots_in(minutes).max(1),
            now: facts.must_run || stored < low,
            spread: self.spread,
        })
    }

    fn ev(&self, template: &EmTemplate, moment: Moment) -> Option<Task> {
        let preferences = &self.instance.preferences;
        let facts: &EvFacts = self.facts.ev.as_ref()?;
        let sane = is_energy(facts.need_wh) && is_power(facts.max_w);
        if !preferences.allow.ev || !sane || !facts.connected {
            return None;
        }
        let mut slots_left = facts.slots_left;
        if let Some(depart_by) = preferences.ev.depart_by {
            let minutes = i64::from(depart_by.minutes_after(moment.minute_of_day));
            slots_left = slots_left.min(moment.slots_in(minutes));
        }
        let power_w = facts.max_w.min(i64::from(template.max_order_w));
        Some(Task {
            need_wh: facts.need_wh,
            slot_wh: moment.energy_wh(power_w),
            whole: false,
            slots_left: slots_left.saturating_sub(preferences.ev.guard_slots).max(1),
            now: false,
            spread: self.spread,
        })
    }

    fn battery(&self, template: &EmTemplate, moment: Moment) -> Option<Store> {
        let preferences = &self.instance.preferences;
        let facts: &BatteryFacts = self.facts.battery.as_ref()?;
        let sane = facts.soc_permille <= 1_000
            && is_energy(facts.capacity_wh)
            && is_power(facts.max_charge_w)
            && is_power(facts.max_discharge_w);
        if !preferences.allow.battery || !sane {
            return None;
        }
        let efficiency = i64::from(template.assumed_efficiency_permille);
        let soc = i64::from(facts.soc_permille);
        let reserve = i64::from(preferences.battery.reserve_pct) * 10;
        let most = i64::from(template.max_order_w);
        let stored_wh = (soc - reserve).max(0) * facts.capacity_wh / 1_000 * efficiency / 1_000;
        let room_wh = (1_000 - soc) * facts.capacity_wh / 1_000;
        Some(Store {
            stored_wh,
            room_wh,
            charge_wh: moment
                .energy_wh(facts.max_charge_w.min(most))
                .min(room_wh)
                .min(self.affordable_wh),
            discharge_wh: moment
                .energy_wh(facts.max_discharge_w.min(most))
                .min(stored_wh),
        })
    }
}
