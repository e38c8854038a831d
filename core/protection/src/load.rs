//! Load management of an M-LMD: the programmed limit, shed order and restore
//! rule (paper G10, G11, G13).

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most steps of a shed order.
pub const MAX_STEPS: usize = 64;

/// One step of a shed order; the M-LMD tells the meters of its area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub enum ShedStep {
    /// No vehicle charges.
    Vehicles,
    /// No water heater runs.
    Heaters,
    /// No battery charges.
    Charging,
    /// The meter of a home disconnects it.
    Home(String),
}

/// Programmed parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadSettings {
    /// Current per phase above which load is shed, A.
    pub limit_a: f64,
    /// Time above the limit before each step, ms.
    pub shed_after_ms: u64,
    /// What is shed, first to last.
    pub shed_order: Vec<ShedStep>,
    /// Share of the limit below which load comes back, 0..1.
    pub restore_below: f64,
    /// Time below that share before each step comes back, ms.
    pub restore_after_ms: u64,
}

/// Where a load management stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LoadState {
    /// Steps shed, counted from the first of the order.
    pub shed: usize,
    above_ms: u64,
    below_ms: u64,
}

/// A change of a load management.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadChange {
    /// This step of the order is shed from now on.
    Shed(usize),
    /// This step of the order comes back.
    Restore(usize),
}

impl LoadSettings {
    /// The first thing that is wrong, and what to do.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, String, &'static str)> {
        if !(self.limit_a > 0.0 && self.limit_a <= 1e6) {
            let what = format!("limit_a is {}", self.limit_a);
            return Some(("limit_a", what, "write a positive current"));
        }
        if !(self.restore_below > 0.0 && self.restore_below < 1.0) {
            let what = format!("restore_below is {}", self.restore_below);
            return Some(("restore_below", what, "write a share between 0 and 1"));
        }
        if self.shed_order.is_empty() || self.shed_order.len() > MAX_STEPS {
            let what = format!("{} steps", self.shed_order.len());
            return Some(("shed_order", what, "write 1 to 64 steps"));
        }
        None
    }
}

impl LoadState {
    /// Takes the current of a tick; at most one step changes at a time.
    pub fn step(
        &mut self,
        settings: &LoadSettings,
        current_a: f64,
        dt_ms: u64,
    ) -> Option<LoadChange> {
        let above = current_a > settings.limit_a;
        let below = current_a < settings.restore_below * settings.limit_a;
        self.above_ms = if above { self.above_ms + dt_ms } else { 0 };
        self.below_ms = if below { self.below_ms + dt_ms } else { 0 };
        if above && self.above_ms >= settings.shed_after_ms {
            self.above_ms = 0;
            if self.shed < settings.shed_order.len() {
                self.shed += 1;
                return Some(LoadChange::Shed(self.shed - 1));
            }
        }
        if below && self.below_ms >= settings.restore_after_ms && self.shed > 0 {
            self.below_ms = 0;
            self.shed -= 1;
            return Some(LoadChange::Restore(self.shed));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_shed_in_order_and_comes_back_in_reverse() {
        let settings = LoadSettings {
            limit_a: 100.0,
            shed_after_ms: 2_000,
            shed_order: vec![ShedStep::Vehicles, ShedStep::Heaters],
            restore_below: 0.8,
            restore_after_ms: 3_000,
        };
        let mut state = LoadState::default();
        let mut changes = Vec::new();
        let currents = [120.0; 5].into_iter().chain([90.0; 3]).chain([70.0; 7]);
        for (tick, amps) in currents.enumerate() {
            if let Some(change) = state.step(&settings, amps, 1_000) {
                changes.push((tick, change));
            }
        }
        assert_eq!(
            changes,
            [
                (1, LoadChange::Shed(0)),
                (3, LoadChange::Shed(1)),
                (10, LoadChange::Restore(1)),
                (13, LoadChange::Restore(0)),
            ]
        );
        assert!(settings.problem().is_none());
    }
}
