//! Commands, scripted events and the input log.

use std::collections::{BTreeMap, VecDeque};

use bevy::prelude::*;

use crate::command::{Command, Rejection};

/// Commands a run keeps at most; more are refused and counted.
const LOG_LIMIT: usize = 1 << 20;

/// Rejections kept for display.
const REJECTIONS_KEPT: usize = 32;

/// Every command that reached the run, by the tick that applies it.
///
/// Scene plus input log reproduce the run, so this is never part of a
/// snapshot: a rewind keeps it and runs it again.
#[derive(Resource, Clone, Debug, Default)]
pub struct InputLog {
    by_tick: BTreeMap<u64, Vec<Command>>,
    len: usize,
    /// Commands refused because the log was full.
    pub refused: u64,
}

impl InputLog {
    /// Adds a command for a tick; returns whether there was room.
    pub fn push(&mut self, tick: u64, command: Command) -> bool {
        if self.len >= LOG_LIMIT {
            self.refused += 1;
            return false;
        }
        self.len += 1;
        self.by_tick.entry(tick).or_default().push(command);
        true
    }

    /// Commands of a tick, in the order they came.
    #[must_use]
    pub fn at(&self, tick: u64) -> &[Command] {
        self.by_tick.get(&tick).map_or(&[], Vec::as_slice)
    }

    /// Forgets what lies at or after a tick: acting in the past starts a new future.
    pub fn truncate(&mut self, tick: u64) {
        for commands in self.by_tick.split_off(&tick).into_values() {
            self.len -= commands.len();
        }
    }

    /// All commands in order, for export.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Command)> {
        self.by_tick
            .iter()
            .flat_map(|(&tick, commands)| commands.iter().map(move |command| (tick, command)))
    }
}

/// The scene's timed events, compiled to ticks.
#[derive(Resource, Clone, Debug, Default)]
pub struct Script {
    by_tick: BTreeMap<u64, Vec<(Command, String)>>,
}

impl Script {
    /// Adds an event with its note.
    pub fn push(&mut self, tick: u64, command: Command, note: String) {
        self.by_tick.entry(tick).or_default().push((command, note));
    }

    /// Every event with its tick and what the tape says of it.
    pub fn entries(&self) -> impl Iterator<Item = (u64, &str)> {
        self.by_tick
            .iter()
            .flat_map(|(&tick, list)| list.iter().map(move |(_, note)| (tick, note.as_str())))
            .filter(|(_, note)| !note.is_empty())
    }

    /// Events of a tick.
    #[must_use]
    pub fn at(&self, tick: u64) -> &[(Command, String)] {
        self.by_tick.get(&tick).map_or(&[], Vec::as_slice)
    }
}

/// The last refused commands; derived, never part of the state.
#[derive(Resource, Clone, Debug, Default)]
pub struct Rejections(pub VecDeque<Rejection>);

impl Rejections {
    /// Notes a refusal.
    pub fn push(&mut self, command: &Command, reason: impl Into<String>) {
        if self.0.len() == REJECTIONS_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Rejection {
            command: format!("{command:?}"),
            reason: reason.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_order_and_forgets_the_abandoned_future() {
        let mut log = InputLog::default();
        log.push(5, Command::SetCloud(500));
        log.push(5, Command::SetCloud(400));
        log.push(9, Command::SetCloud(1_000));
        assert_eq!(log.at(5), [Command::SetCloud(500), Command::SetCloud(400)]);
        log.truncate(9);
        assert!(log.at(9).is_empty());
        assert_eq!(log.iter().count(), 2);
    }
}
