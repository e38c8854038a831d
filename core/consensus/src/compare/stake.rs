//! Slots and votes: proposers drawn by stake, with finality by epochs or by a committee.

use std::collections::{BTreeMap, BTreeSet};

use gridloom_units::{Stream, draw_u64};

use super::model::{Bench, Note};
use crate::network::{Due, Sender};
use crate::node::PeerIndex;

/// Slots of an epoch.
pub(super) const EPOCH: u64 = 32;
/// Most members of a committee.
const COMMITTEE: PeerIndex = 20;
/// Blocks whose votes a node remembers.
const REMEMBERED: usize = 64;

/// How a block becomes final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Everybody attests once per epoch; two justified epochs in a row finalise the first.
    Epochs,
    /// A committee drawn for the slot votes; two thirds make the block final.
    Committee,
}

/// What one node knows.
#[derive(Clone, Debug, Default)]
struct Node {
    tip: Option<u32>,
    /// Voters per block: the one voted on, or the first one of its epoch.
    votes: BTreeMap<u32, BTreeSet<PeerIndex>>,
    justified: BTreeSet<u32>,
    /// Last epoch this node attested.
    attested: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Nodes {
    rule: Rule,
    nodes: Vec<Node>,
}

pub(super) fn begin(bench: &mut Bench, rule: Rule) -> Nodes {
    bench.wake(proposer(bench, 1), bench.setting.block_ms * 1_000, 1);
    Nodes {
        rule,
        nodes: vec![Node::default(); usize::from(bench.setting.nodes)],
    }
}

pub(super) fn handle(bench: &mut Bench, all: &mut Nodes, due: Due<Note>) {
    match due {
        Due::Timer {
            node, epoch: slot, ..
        } => {
            // A proposer that is down leaves its slot empty.
            if bench.runs(node) {
                let tip = all.nodes[usize::from(node)].tip;
                let block = bench.build(tip, node, 1, slot);
                bench.broadcast(node, Note::Block(block));
                take(bench, all, node, block);
            }
            let next = proposer(bench, slot + 1);
            bench.wake(next, bench.setting.block_ms * 1_000 * (slot + 1), slot + 1);
        }
        Due::Deliver {
            from: Sender::Peer(from),
            to,
            message,
        } => match message.as_ref() {
            Note::Block(block) => take(bench, all, to, *block),
            Note::Vote(block, _) => count(bench, all, to, from, *block),
            _ => {}
        },
        Due::Deliver { .. } | Due::Start(_) => {}
    }
}

pub(super) fn tip(all: &Nodes, node: PeerIndex) -> Option<u32> {
    all.nodes.get(usize::from(node))?.tip
}

fn proposer(bench: &Bench, slot: u64) -> PeerIndex {
    let draw = draw_u64(bench.seed, slot, 1, Stream::Behaviour);
    (draw % u64::from(bench.setting.nodes)) as PeerIndex
}

fn in_committee(bench: &Bench, node: PeerIndex, block: u32) -> bool {
    let n = u64::from(bench.setting.nodes);
    let start = draw_u64(bench.seed, u64::from(block), 2, Stream::Behaviour) % n;
    (u64::from(node) + n - start) % n < u64::from(COMMITTEE).min(n)
}

/// The first block of an epoch on the chain of a block; `None` before the first one.
fn checkpoint(bench: &Bench, block: u32, epoch: u64) -> Option<u32> {
    let height = bench.height(Some(block));
    bench.ancestor(block, height.checked_sub(epoch * EPOCH)?)
}

/// Moves to a longer chain that keeps what is final, and votes where it is this node's turn.
fn take(bench: &mut Bench, all: &mut Nodes, node: PeerIndex, block: u32) {
    let height = bench.height(Some(block));
    let me = &mut all.nodes[usize::from(node)];
    let old = me.tip;
    if height <= bench.height(old) || !bench.keeps_final(block) {
        return;
    }
    me.tip = Some(block);
    if let Some(old) = old {
        bench.deepest = bench.deepest.max(bench.distance(old, block));
    }
    let epoch = height / EPOCH;
    let on = match all.rule {
        Rule::Committee if in_committee(bench, node, block) => Some(block),
        Rule::Epochs
            if me.attested.is_none_or(|last| last < epoch)
                && height % EPOCH >= u64::from(node) % EPOCH =>
        {
            me.attested = Some(epoch);
            checkpoint(bench, block, epoch)
        }
        _ => None,
    };
    let Some(on) = on else { return };
    bench.broadcast(node, Note::Vote(on, epoch));
    count(bench, all, node, node, on);
}

fn count(bench: &mut Bench, all: &mut Nodes, node: PeerIndex, voter: PeerIndex, block: u32) {
    let me = &mut all.nodes[usize::from(node)];
    let voters = me.votes.entry(block).or_default();
    voters.insert(voter);
    let votes = voters.len();
    if me.votes.len() > REMEMBERED {
        me.votes.pop_first();
    }
    let n = usize::from(bench.setting.nodes);
    let enough = |of: usize| votes * 3 > of * 2;
    match all.rule {
        Rule::Committee => {
            if enough(usize::from(COMMITTEE).min(n)) && bench.keeps_final(block) {
                bench.finalise(block);
            }
        }
        Rule::Epochs => {
            if !enough(n) || !me.justified.insert(block) {
                return;
            }
            let epoch = bench.height(Some(block)) / EPOCH;
            // Before the first epoch there is only the genesis, which is justified.
            let before = epoch
                .checked_sub(1)
                .and_then(|epoch| checkpoint(bench, block, epoch))
                .filter(|before| me.justified.contains(before));
            if let Some(before) = before {
                bench.finalise(before);
            }
            while me.justified.len() > REMEMBERED {
                me.justified.pop_first();
            }
        }
    }
}
