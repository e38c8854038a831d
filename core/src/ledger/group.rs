//! A ledger group as a component, and what it decided in a tick.

use std::sync::Arc;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{Block, ChainId, Decided, Group, GroupSnapshot, Tx};
use gridloom_ledger::{LedgerBlock, LedgerChain, Receipt, Transaction};
use gridloom_units::SimTime;

use crate::clock::SimClock;
use crate::edge::Outbox;
use crate::link::RecentHops;
use crate::sim_state::{SimState, StateHasher, plain_sim_state};
use crate::view::{HopView, Place};

/// One ledger: its validators, their chains and the network between them.
#[derive(Component)]
pub struct LedgerGroup {
    /// Position: clusters in scene order, then the root.
    pub index: u32,
    /// Its nodes.
    pub group: Group<LedgerChain>,
}

impl LedgerGroup {
    /// The chain of the running validator that is furthest ahead; `None` when all are down.
    #[must_use]
    pub fn chain(&self) -> Option<&LedgerChain> {
        self.group.best_chain()
    }
}

/// What a snapshot keeps of a group.
#[derive(Clone)]
pub struct SavedGroup(Arc<GroupSnapshot<LedgerChain>>);

impl SimState for LedgerGroup {
    type Saved = SavedGroup;

    fn save(&self) -> SavedGroup {
        SavedGroup(Arc::new(self.group.snapshot()))
    }

    fn load(&mut self, saved: &SavedGroup) {
        self.group.restore(&saved.0);
    }

    fn digest(&self, hasher: &mut StateHasher) {
        hasher.add_bytes(&self.group.digest());
    }
}

/// A validator as an entity: what the interface shows of it.
#[derive(Component, Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct LedgerNode {
    /// Its ledger.
    pub ledger: u32,
    /// Its index there.
    pub node: u32,
    /// Height it works on.
    pub height: u64,
    /// Round of that height.
    pub round: u32,
    /// Whether it runs.
    pub up: bool,
}

plain_sim_state!(LedgerNode);

/// Names of the ledgers; fixed for a run.
#[derive(Resource, Clone, Debug, Default)]
pub struct Ledgers {
    /// Chain ids: clusters in scene order, then the root.
    pub chains: Vec<ChainId>,
    /// Ids shown to people.
    pub names: Vec<String>,
    /// Least time between blocks, ms.
    pub block_interval_ms: Vec<u64>,
}

impl Ledgers {
    /// Chain id of a ledger.
    #[must_use]
    pub fn chain_id(&self, ledger: u32) -> &ChainId {
        &self.chains[ledger as usize]
    }

    /// Index of the root.
    #[must_use]
    pub fn root(&self) -> u32 {
        self.chains.len() as u32 - 1
    }

    /// Ledgers of the clusters that have a replica to read, in scene order.
    pub fn clusters<'g>(
        &self,
        groups: impl IntoIterator<Item = &'g LedgerGroup>,
    ) -> Vec<(u32, &'g LedgerChain)> {
        let mut found: Vec<(u32, &LedgerChain)> = groups
            .into_iter()
            .filter(|group| group.index != self.root())
            .filter_map(|group| Some((group.index, group.chain()?)))
            .collect();
        found.sort_unstable_by_key(|(index, _)| *index);
        found
    }
}

/// A block decided in the running tick.
#[derive(Clone)]
pub struct FreshBlock {
    /// Its ledger.
    pub ledger: u32,
    /// When its first validator decided it.
    pub time: SimTime,
    /// Block and certificate.
    pub decided: Decided<LedgerBlock>,
    /// What its execution did.
    pub receipts: Arc<Vec<Receipt>>,
}

/// Blocks decided in the running tick, by ledger and height; transient.
#[derive(Resource, Default)]
pub struct FreshBlocks(pub Vec<FreshBlock>);

/// Hands waiting transactions to the validators.
pub(super) fn submit(
    clock: Res<SimClock>,
    mut outbox: ResMut<Outbox>,
    mut recent: ResMut<RecentHops>,
    mut groups: Query<&mut LedgerGroup>,
) {
    let waiting = outbox.drain();
    if waiting.is_empty() {
        return;
    }
    let mut groups: Vec<_> = groups.iter_mut().collect();
    groups.sort_by_key(|group| group.index);
    for (ledger, bytes) in waiting {
        let (Some(group), Ok(tx)) = (groups.get_mut(ledger as usize), Transaction::decode(&bytes))
        else {
            continue;
        };
        let from = match tx.kind() {
            "price" | "checkpoint" | "contract" | "root news" | "decision" => Place::Cloud,
            _ => Place::Aggregator(ledger),
        };
        recent.push_ledger(HopView {
            from,
            to: Place::Ledger(ledger),
            sent: clock.time(),
            arrives: SimTime(clock.end_ms()),
            what: tx.kind(),
        });
        group.group.submit(Arc::new(tx));
    }
}

/// Drives every group to the end of the tick.
pub(super) fn advance(clock: Res<SimClock>, mut groups: Query<&mut LedgerGroup>) {
    let until = SimTime(clock.end_ms());
    groups
        .par_iter_mut()
        .for_each(|mut group| group.group.advance(until));
}

/// Collects what was decided, in ledger order.
pub(super) fn collect_blocks(mut fresh: ResMut<FreshBlocks>, mut groups: Query<&mut LedgerGroup>) {
    fresh.0.clear();
    let mut groups: Vec<_> = groups.iter_mut().collect();
    groups.sort_by_key(|group| group.index);
    for group in &mut groups {
        let ledger = group.index;
        for block in group.group.drain_decided() {
            let height = block.decided.block.height();
            let receipts = group.chain().and_then(|chain| chain.receipts(height));
            fresh.0.push(FreshBlock {
                ledger,
                time: block.at,
                decided: block.decided,
                receipts: receipts.unwrap_or_default(),
            });
        }
    }
}

/// Copies each validator's progress to its entity.
pub(super) fn mirror_nodes(groups: Query<&LedgerGroup>, mut nodes: Query<&mut LedgerNode>) {
    let statuses: Vec<_> = {
        let mut groups: Vec<_> = groups.iter().collect();
        groups.sort_by_key(|group| group.index);
        groups.iter().map(|group| group.group.statuses()).collect()
    };
    for mut node in &mut nodes {
        let Some(status) = statuses
            .get(node.ledger as usize)
            .and_then(|all| all.get(node.node as usize))
        else {
            continue;
        };
        node.height = status.height;
        node.round = status.round;
        node.up = status.up;
    }
}
