//! Needs with deadlines, filled into the valleys of the forecast.

use std::collections::BTreeMap;

use gridloom_units::EnergyWh;

use super::{ForwardInput, Task, filled_wh, level_for};

/// Energy per deadline in this slot.
pub(super) struct Planned {
    /// Tasks by slots left, and what they get together in this slot, Wh.
    groups: BTreeMap<u16, (Vec<usize>, EnergyWh)>,
    /// Sum over the groups, Wh.
    pub(super) now_wh: EnergyWh,
    /// Highest level the filling needs, Wh per slot.
    pub(super) level_wh: EnergyWh,
}

/// Places every task's energy below its deadline, earliest deadline first,
/// each in the lowest slots left; adds it to the path.
pub(super) fn fill(tasks: &[Task], path_wh: &mut [EnergyWh]) -> Planned {
    let horizon = u16::try_from(path_wh.len()).unwrap_or(u16::MAX);
    let mut groups: BTreeMap<u16, (Vec<usize>, EnergyWh)> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        if task.need_wh > 0 && task.slot_wh > 0 {
            let deadline = if task.now {
                1
            } else {
                task.slots_left.clamp(1, horizon)
            };
            groups.entry(deadline).or_default().0.push(index);
        }
    }
    let (mut now_wh, mut level_wh) = (0, EnergyWh::MIN);
    for (deadline, (members, first_wh)) in &mut groups {
        let window = &mut path_wh[..usize::from(*deadline)];
        let power: EnergyWh = members.iter().map(|i| tasks[*i].slot_wh).sum();
        let slots = EnergyWh::from(*deadline);
        let energy: EnergyWh = members
            .iter()
            .map(|i| tasks[*i].need_wh.min(tasks[*i].slot_wh * slots))
            .sum();
        let level = level_for(window, energy, power);
        level_wh = level_wh.max(level);
        // The level is whole: what it puts too much comes off the last slots.
        let mut excess = (filled_wh(window, level, power) - energy).max(0);
        for wh in window.iter_mut().rev() {
            let share = (level - *wh).clamp(0, power);
            let off = excess.min(share).min(1);
            excess -= off;
            *first_wh = share - off;
            *wh += *first_wh;
        }
        now_wh += *first_wh;
    }
    Planned {
        groups,
        now_wh,
        level_wh,
    }
}

impl Planned {
    /// Puts off what may wait: beyond the capacity and beyond the ramp.
    pub(super) fn hold(
        &mut self,
        input: &ForwardInput,
        forced_wh: EnergyWh,
        capacity_wh: EnergyWh,
    ) {
        let room = (capacity_wh - input.forecast_wh[0]).max(0);
        let ramp = input
            .ramp_wh
            .map_or(EnergyWh::MAX, |ramp| (input.before_wh + ramp).max(0));
        let mut left = self.now_wh.min(room.min(ramp)).max(forced_wh);
        self.now_wh = 0;
        for (members, wh) in self.groups.values_mut() {
            let least: EnergyWh = members.iter().map(|i| input.tasks[*i].forced_wh()).sum();
            *wh = (*wh).min(left).max(least);
            left = (left - *wh).max(0);
            self.now_wh += *wh;
        }
    }

    /// Hands each group's energy to its tasks: what cannot wait first, then
    /// the largest remaining need, then the device's hash.
    pub(super) fn commit(&self, tasks: &[Task]) -> Vec<EnergyWh> {
        let mut given = vec![0; tasks.len()];
        for (members, wh) in self.groups.values() {
            let mut left = *wh;
            for i in members {
                given[*i] = tasks[*i].forced_wh();
                left -= given[*i];
            }
            let mut order = members.clone();
            order.sort_by_key(|i| (std::cmp::Reverse(tasks[*i].need_wh), tasks[*i].spread, *i));
            for i in order {
                let task = &tasks[i];
                let more = task.need_wh.min(task.slot_wh) - given[i];
                let take = if task.whole {
                    // Half a slot or more counts as one.
                    if 2 * left >= more { more } else { 0 }
                } else {
                    more.min(left.max(0))
                };
                given[i] += take;
                left -= take;
                if left <= 0 {
                    break;
                }
            }
        }
        given
    }
}
