//! Meters and M-LMDs that do not tell the truth.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_model::scene::TamperSpec;
use gridloom_units::EnergyWh;
use serde::{Deserialize, Serialize};

use crate::sim_state::plain_sim_state;

/// Intervals a replaying meter records before it repeats them, at most.
const REPLAY_LIMIT: u32 = 24;

/// How a meter's reports differ from what flows through it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub enum TamperKind {
    /// Counts this share less of the energy taken, permille.
    UnderReport(u32),
    /// So much power flows past it, W.
    Bypass(u32),
    /// Its registers stand still.
    Freeze,
    /// Records so many intervals, then reports them again and again.
    Replay(u32),
    /// Counts everything times this factor, permille (a wrong transformer ratio).
    MisScale(u32),
}

impl From<TamperSpec> for TamperKind {
    fn from(spec: TamperSpec) -> Self {
        match spec {
            TamperSpec::UnderReport { permille } => Self::UnderReport(permille),
            TamperSpec::Bypass { watts } => Self::Bypass(watts),
            TamperSpec::Freeze => Self::Freeze,
            TamperSpec::Replay { intervals } => Self::Replay(intervals.clamp(1, REPLAY_LIMIT)),
            TamperSpec::MisScale { permille } => Self::MisScale(permille),
        }
    }
}

/// Registers as a meter tells them: taken, given from solar, given from storage.
pub type Registers = [EnergyWh; 3];

/// What a meter tells, which is the truth unless somebody interfered.
#[derive(Component, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Told {
    /// Interference, if any.
    pub tamper: Option<TamperKind>,
    registers: Registers,
    true_at_last: Registers,
    recorded: Vec<Registers>,
    replayed: u32,
}

plain_sim_state!(Told);

impl Told {
    /// Interferes, or stops interfering.
    pub fn set(&mut self, tamper: Option<TamperKind>) {
        self.tamper = tamper;
        self.recorded.clear();
        self.replayed = 0;
    }

    /// Registers to report at the end of an interval, from the true ones.
    pub fn tell(&mut self, truth: Registers, interval_ms: u64) -> Registers {
        let mut flowed: Registers = std::array::from_fn(|i| truth[i] - self.true_at_last[i]);
        self.true_at_last = truth;
        let scaled = |wh: EnergyWh, permille: u32| wh * EnergyWh::from(permille) / 1_000;
        match self.tamper {
            None => {}
            Some(TamperKind::UnderReport(permille)) => {
                flowed[0] -= scaled(flowed[0], permille.min(1_000));
            }
            Some(TamperKind::Bypass(watts)) => {
                let past = i64::from(watts) * (interval_ms / 1_000) as i64 / 3_600;
                flowed[0] = (flowed[0] - past).max(0);
            }
            Some(TamperKind::Freeze) => flowed = [0; 3],
            Some(TamperKind::Replay(intervals)) => flowed = self.replay(flowed, intervals),
            Some(TamperKind::MisScale(permille)) => {
                flowed = flowed.map(|wh| scaled(wh, permille));
            }
        }
        for (register, wh) in self.registers.iter_mut().zip(flowed) {
            *register += wh;
        }
        self.registers
    }

    fn replay(&mut self, flowed: Registers, intervals: u32) -> Registers {
        if self.recorded.len() < intervals as usize {
            self.recorded.push(flowed);
            return flowed;
        }
        let again = self.recorded[self.replayed as usize % self.recorded.len()];
        self.replayed += 1;
        again
    }
}

/// How far an M-LMD's energy measurement has drifted, permille of the truth.
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Drift {
    /// Above zero it counts too much.
    pub permille: i32,
    counted: EnergyWh,
    true_at_last: EnergyWh,
}

plain_sim_state!(Drift);

impl Drift {
    /// Register to report, from the true one, Wh.
    pub fn tell(&mut self, truth: EnergyWh) -> EnergyWh {
        let flowed = truth - self.true_at_last;
        self.true_at_last = truth;
        self.counted += flowed + flowed * EnergyWh::from(self.permille) / 1_000;
        self.counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_MIN: u64 = 300_000;

    #[test]
    fn an_honest_meter_tells_its_registers() {
        let mut told = Told::default();
        assert_eq!(told.tell([100, 20, 3], FIVE_MIN), [100, 20, 3]);
        assert_eq!(told.tell([150, 20, 3], FIVE_MIN), [150, 20, 3]);
    }

    #[test]
    fn each_interference_does_what_it_says_and_never_runs_backwards() {
        let tell = |kind, truths: &[EnergyWh]| {
            let mut told = Told::default();
            told.set(Some(kind));
            truths
                .iter()
                .map(|&wh| told.tell([wh, 0, 0], FIVE_MIN)[0])
                .collect::<Vec<_>>()
        };
        assert_eq!(tell(TamperKind::UnderReport(600), &[100, 300]), [40, 120]);
        assert_eq!(tell(TamperKind::Bypass(600), &[100, 120]), [50, 50]);
        assert_eq!(tell(TamperKind::Freeze, &[100, 300]), [0, 0]);
        assert_eq!(tell(TamperKind::MisScale(500), &[100, 300]), [50, 150]);
        assert_eq!(
            tell(TamperKind::Replay(2), &[10, 30, 100, 200]),
            [10, 30, 40, 60]
        );
    }

    #[test]
    fn a_drift_counts_in_proportion() {
        let mut drift = Drift {
            permille: 30,
            ..Drift::default()
        };
        assert_eq!(drift.tell(1_000), 1_030);
        assert_eq!(drift.tell(2_000), 2_060);
    }
}
