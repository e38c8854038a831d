//! What aggregators and cloud keep.

use std::collections::BTreeMap;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_ledger::{KeyPair, Transaction, TxBody};

use super::uplink::{GridState, Strategy, Uplink};
use crate::ledger::Ledgers;
use crate::link::Delivery;
use crate::sim_state::plain_sim_state;

/// Intervals an aggregator keeps (paper E2: local store with retention).
const INTERVALS_KEPT: usize = 288;

/// Transactions that wait for hand-over to a ledger at most.
const OUTBOX_LIMIT: usize = 4_096;

/// An LG-Aggregator's local store.
#[derive(Component, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Aggregator {
    /// Index of its cluster.
    pub cluster: u32,
    /// Per interval end (ms): area loads by M-LMD, Wh since the start.
    pub areas: BTreeMap<u64, BTreeMap<u32, i64>>,
    /// Readings received, per interval end (ms).
    pub readings: BTreeMap<u64, u32>,
    /// Readings received since the start.
    pub received: u64,
    /// Its way to the cloud.
    pub uplink: Uplink,
}

impl Aggregator {
    /// Notes an area load; true when it was the last one of its interval.
    pub fn note_area(&mut self, interval: u64, mlmd: u32, wh: i64, expected: usize) -> bool {
        let loads = self.areas.entry(interval).or_default();
        let before = loads.len();
        loads.insert(mlmd, wh);
        let complete = loads.len() == expected && before < expected;
        while self.areas.len() > INTERVALS_KEPT {
            self.areas.pop_first();
        }
        complete
    }

    /// Notes a reading.
    pub fn note_reading(&mut self, interval: u64) {
        self.received += 1;
        *self.readings.entry(interval).or_default() += 1;
        while self.readings.len() > INTERVALS_KEPT {
            self.readings.pop_first();
        }
    }
}

/// What the cloud knows of the clusters, and what it asks of them.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Cloud {
    /// Per cluster: end of the last interval whose area loads arrived, ms.
    pub loads_until_ms: Vec<u64>,
    /// Per cluster: energy into its areas since the start at that time, Wh.
    pub load_wh: Vec<i64>,
    /// Per cluster: mean power into its areas over that interval, W.
    load_w: Vec<i64>,
    /// The upload strategy in force.
    pub strategy: Strategy,
    /// Grows with every report.
    version: u64,
    /// Intervals reported, repetitions not counted.
    pub intervals: u64,
}

impl Cloud {
    /// For a number of clusters.
    #[must_use]
    pub fn new(clusters: usize, strategy: Strategy) -> Self {
        Self {
            loads_until_ms: vec![0; clusters],
            load_wh: vec![0; clusters],
            load_w: vec![0; clusters],
            strategy,
            ..Self::default()
        }
    }

    /// Learns the loads of a cluster; returns how far it has them, ms.
    pub(super) fn learn(&mut self, cluster: u32, loads: &[(u64, i64)]) -> u64 {
        let index = cluster as usize;
        let (Some(until), Some(load_wh), Some(load_w)) = (
            self.loads_until_ms.get_mut(index),
            self.load_wh.get_mut(index),
            self.load_w.get_mut(index),
        ) else {
            return 0;
        };
        for &(end_ms, energy_wh) in loads {
            if end_ms > *until {
                let (wh, ms) = (energy_wh - *load_wh, (end_ms - *until) as i64);
                *load_w = wh * 3_600_000 / ms;
                (*until, *load_wh) = (end_ms, energy_wh);
                self.intervals += 1;
            }
        }
        self.version += 1;
        *until
    }

    /// What it tells the aggregators of the whole.
    pub(super) fn state(&self) -> GridState {
        GridState {
            version: self.version,
            until_ms: self.loads_until_ms.iter().copied().min().unwrap_or(0),
            load_wh: self.load_wh.iter().sum(),
            load_w: self.load_w.iter().sum(),
        }
    }
}

/// Messages for the meters that arrived in this tick; empty between ticks.
#[derive(Resource, Clone, Debug, Default)]
pub struct Mailbox {
    /// Control orders.
    pub orders: Vec<Delivery>,
}

/// Encoded transactions on their way into a ledger.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Outbox {
    waiting: Vec<(u32, Vec<u8>)>,
    /// Transactions refused because the outbox was full.
    pub refused: u64,
}

impl Outbox {
    /// Adds a transaction for a ledger.
    pub fn push(&mut self, ledger: u32, transaction: Vec<u8>) {
        if self.waiting.len() >= OUTBOX_LIMIT {
            self.refused += 1;
            return;
        }
        self.waiting.push((ledger, transaction));
    }

    /// Adds what an official signs with its next number for a ledger.
    pub fn sign(
        &mut self,
        ledgers: &Ledgers,
        ledger: u32,
        (key, nonce): (&KeyPair, u64),
        body: TxBody,
    ) {
        let tx = Transaction::sign(ledgers.chain_id(ledger), key, nonce, body);
        self.push(ledger, tx.encode());
    }

    /// Takes everything, in the order it came.
    pub fn drain(&mut self) -> Vec<(u32, Vec<u8>)> {
        std::mem::take(&mut self.waiting)
    }
}

plain_sim_state!(Aggregator, Cloud, Outbox);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_complete_once() {
        let mut store = Aggregator::default();
        assert!(!store.note_area(300, 0, 5, 2));
        assert!(
            !store.note_area(300, 0, 5, 2),
            "a repeated load completes nothing"
        );
        assert!(store.note_area(300, 1, 7, 2));
        assert!(!store.note_area(300, 1, 7, 2));
    }

    #[test]
    fn the_cloud_counts_an_interval_once() {
        let mut cloud = Cloud::new(2, Strategy::default());
        let loads = [(60_000, 100), (120_000, 300)];
        assert_eq!(cloud.learn(0, &loads), 120_000);
        assert_eq!(cloud.learn(0, &loads), 120_000, "a repetition");
        assert_eq!(cloud.learn(1, &[(60_000, -50)]), 60_000);
        assert_eq!(cloud.intervals, 3);
        let state = cloud.state();
        assert_eq!((state.until_ms, state.load_wh), (60_000, 250));
        // 200 Wh and -50 Wh in a minute each.
        assert_eq!(state.load_w, 12_000 - 3_000);
        assert_eq!(cloud.learn(7, &loads), 0, "nobody");
    }

    #[test]
    fn the_store_forgets_the_oldest_intervals() {
        let mut store = Aggregator::default();
        for interval in 0..1_000 {
            store.note_reading(interval);
        }
        assert_eq!(store.readings.len(), INTERVALS_KEPT);
        assert_eq!(store.received, 1_000);
    }
}
