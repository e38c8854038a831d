//! What the ledgers of the scene are made of (paper Table 1), how values are
//! exchanged (Table 2), and how far the ledgers are behind the physical world.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::compare::Family;
use gridloom_ledger::{Keeping, Receipt};
use gridloom_model::scene::{
    Consensus, Coupling, DataPlace, ExchangeSpec, Execution, Retention, Technology, TechnologySpec,
};

use super::group::FreshBlocks;
use crate::edge::p95;
use crate::sim_state::plain_sim_state;

/// Newest lags kept per ledger.
const KEPT: usize = 256;

/// Technology of each ledger, clusters first, the root last, and what holds for
/// all of them; fixed for a run.
#[derive(Resource, Clone, Debug, Default)]
pub struct Makings {
    /// As the scene names it.
    pub named: Vec<Technology>,
    /// Validators of each ledger.
    pub nodes: Vec<u32>,
    /// How values are exchanged.
    pub exchange: ExchangeSpec,
}

impl Makings {
    /// What a ledger is made of.
    #[must_use]
    pub fn of(&self, ledger: u32) -> TechnologySpec {
        let named = self.named.get(ledger as usize);
        named.copied().unwrap_or_default().parts()
    }

    /// Blocks after which one is usually final.
    #[must_use]
    pub fn blocks_to_final(&self, ledger: u32) -> u64 {
        let nodes = self.nodes.get(ledger as usize).copied().unwrap_or(0);
        family(self.of(ledger).consensus).map_or(1, |family| family.blocks_to_final(nodes))
    }

    /// How long after its interval a reading must be final, ms; `None` where it need not be soon.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        match self.exchange.coupling {
            Coupling::Eventual => None,
            Coupling::Immediate(seconds) => Some(u64::from(seconds) * 1_000),
        }
    }
}

/// The family that puts blocks in order; `None` for our own engine.
pub(crate) fn family(consensus: Consensus) -> Option<Family> {
    match consensus {
        Consensus::Bft => None,
        Consensus::CrashFault => Some(Family::CrashFault),
        Consensus::Authority => Some(Family::Authority),
        Consensus::Stake => Some(Family::Stake),
        Consensus::Delegated => Some(Family::Delegated),
        Consensus::Work => Some(Family::Work),
    }
}

/// Nodes that simulate a transaction before it is ordered.
pub(crate) fn endorsers(execution: Execution) -> u16 {
    match execution {
        Execution::Deterministic => 0,
        Execution::Compared(nodes) => nodes,
    }
}

/// What a node of a ledger keeps.
pub(crate) fn keeping(parts: &TechnologySpec, exchange: &ExchangeSpec) -> Keeping {
    Keeping {
        outside: parts.data == DataPlace::OffChain,
        blocks: match exchange.retention {
            Retention::Derivable => None,
            Retention::TimeBound(blocks) => Some(blocks),
        },
    }
}

/// How long one ledger takes from the end of an interval to its record.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Lag {
    /// Readings on record.
    pub count: u64,
    /// Sum of their lags, ms.
    pub sum_ms: u64,
    /// The longest, ms.
    pub worst_ms: u64,
    /// Readings that were final after the deadline.
    pub late: u64,
    /// End of the newest interval on record, ms.
    pub newest_end_ms: u64,
    /// The newest lags, ms, oldest first.
    recent_ms: Vec<u64>,
}

impl Lag {
    fn note(&mut self, end_ms: u64, lag_ms: u64, deadline_ms: Option<u64>) {
        self.count += 1;
        self.sum_ms += lag_ms;
        self.worst_ms = self.worst_ms.max(lag_ms);
        self.late += u64::from(deadline_ms.is_some_and(|deadline| lag_ms > deadline));
        self.newest_end_ms = self.newest_end_ms.max(end_ms);
        if self.recent_ms.len() == KEPT {
            self.recent_ms.remove(0);
        }
        self.recent_ms.push(lag_ms);
    }

    /// Mean over all readings, ms.
    #[must_use]
    pub fn mean_ms(&self) -> Option<u64> {
        self.sum_ms.checked_div(self.count)
    }

    /// 95th percentile of the newest readings, ms (nearest rank).
    #[must_use]
    pub fn p95_ms(&self) -> Option<u64> {
        p95(&self.recent_ms)
    }

    /// Whether the newest reading missed the deadline, or the next one has.
    #[must_use]
    pub fn is_late(&self, now_ms: u64, reading_ms: u64, deadline_ms: u64) -> bool {
        let newest = self.recent_ms.last().is_some_and(|lag| *lag > deadline_ms);
        newest || now_ms > self.newest_end_ms + reading_ms + deadline_ms
    }
}

/// Lag of each cluster's ledger behind the meters.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct RecordLags(Vec<Lag>);

plain_sim_state!(RecordLags);

impl RecordLags {
    /// Lag of a cluster's ledger.
    #[must_use]
    pub fn of(&self, ledger: u32) -> Option<&Lag> {
        self.0.get(ledger as usize)
    }
}

/// Notes how old every reading is that became final in this tick.
pub(super) fn measure_lag(
    makings: Res<Makings>,
    fresh: Res<FreshBlocks>,
    mut lags: ResMut<RecordLags>,
) {
    let deadline_ms = makings.deadline_ms();
    for block in &fresh.0 {
        for receipt in block.receipts.iter() {
            let Receipt::ReadingRecorded {
                interval_end_ms, ..
            } = receipt
            else {
                continue;
            };
            let at = block.ledger as usize;
            if lags.0.len() <= at {
                lags.0.resize(at + 1, Lag::default());
            }
            let lag_ms = block.time.0.saturating_sub(*interval_end_ms);
            lags.0[at].note(*interval_end_ms, lag_ms, deadline_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_late_when_the_newest_or_the_next_reading_is() {
        let mut lag = Lag::default();
        lag.note(60_000, 4_000, Some(10_000));
        assert!(!lag.is_late(100_000, 60_000, 10_000));
        // The reading of 120 s had to be final at 130 s.
        assert!(lag.is_late(130_001, 60_000, 10_000));
        lag.note(120_000, 11_000, Some(10_000));
        assert!(lag.is_late(131_000, 60_000, 10_000));
        assert_eq!((lag.count, lag.late, lag.worst_ms), (2, 1, 11_000));
        assert_eq!((lag.mean_ms(), lag.p95_ms()), (Some(7_500), Some(11_000)));
    }
}
