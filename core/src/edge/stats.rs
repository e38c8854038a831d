//! Figures of the paper's procedure a to e (rows F7 to F11).

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::sim_state::plain_sim_state;

/// Latencies kept per step.
const KEPT: usize = 64;

/// A step of the procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The operator registers the contract.
    Register,
    /// A user registers.
    Users,
    /// A meter value reaches the LG-Aggregator.
    MeterToAggregator,
    /// The price of a slot becomes final.
    PriceToLedger,
    /// Control information reaches the meter and is answered.
    ControlToMeter,
}

/// Count, latencies and failures of one step.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct StepFigures {
    /// Completions.
    pub count: u64,
    /// Begun and not yet complete.
    pub waiting: u64,
    /// Failures.
    pub failed: u64,
    /// Latencies of the newest completions, ms, oldest first.
    pub recent_ms: Vec<u64>,
}

impl StepFigures {
    /// 95th percentile of the kept latencies, ms (nearest rank).
    #[must_use]
    pub fn p95_ms(&self) -> Option<u64> {
        p95(&self.recent_ms)
    }
}

/// 95th percentile (nearest rank); `None` of nothing.
pub(crate) fn p95(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * 95).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// All five steps.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Steps([StepFigures; 5]);

plain_sim_state!(Steps);

impl Steps {
    /// A step's figures.
    #[must_use]
    pub fn get(&self, step: Step) -> &StepFigures {
        &self.0[step as usize]
    }

    /// Notes that something set out.
    pub fn begin(&mut self, step: Step) {
        self.0[step as usize].waiting += 1;
    }

    /// Notes that it arrived after `latency_ms`.
    pub fn complete(&mut self, step: Step, latency_ms: u64) {
        let figures = &mut self.0[step as usize];
        figures.waiting = figures.waiting.saturating_sub(1);
        figures.count += 1;
        if figures.recent_ms.len() == KEPT {
            figures.recent_ms.remove(0);
        }
        figures.recent_ms.push(latency_ms);
    }

    /// Notes that it will not arrive.
    pub fn fail(&mut self, step: Step) {
        let figures = &mut self.0[step as usize];
        figures.waiting = figures.waiting.saturating_sub(1);
        figures.failed += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_of_the_newest_completions() {
        let mut steps = Steps::default();
        assert_eq!(steps.get(Step::Users).p95_ms(), None);
        for latency in 1..=100 {
            steps.begin(Step::Users);
            steps.complete(Step::Users, latency);
        }
        let figures = steps.get(Step::Users);
        assert_eq!((figures.count, figures.waiting), (100, 0));
        assert_eq!(figures.recent_ms.first(), Some(&37));
        assert_eq!(figures.p95_ms(), Some(97));
    }
}
