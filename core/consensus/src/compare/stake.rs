//! Slots and votes: proposers drawn by stake, with finality by epochs or by a committee.

use std::collections::{BTreeMap, BTreeSet};

use gridloom_units::{Stream, draw_u64};

use super::model::{Bench, Note};
use crate::network::{Due, Sender};
use crate::node::PeerIndex;

/// Slots of an epoch.
const EPOCH: u64 = 32;
/// Most members of a committee.
const COMMITTEE: PeerIndex = 20;
/// Blocks or epochs whose votes a node remembers.
const REMEMBERED: usize = 64;

/// How a block becomes final.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Everybody attests once per epoch; two justified epochs in a row finalise the first.
    Epochs,
    /// A committee drawn for the slot votes; two thirds make the block final.
    Committee,
}

/// What one node knows.
#[derive(Default)]
struct Node {
    tip: Option<u32>,
    /// Voters per block (committee) or epoch (attestations).
    votes: BTreeMap<u64, BTreeSet<PeerIndex>>,
    justified: BTreeSet<u64>,
    /// Last epoch this node attested.
    attested: Option<u64>,
}

pub(super) fn run(bench: &mut Bench, rule: Rule) {
    let mut nodes: Vec<Node> = (0..bench.setting.nodes).map(|_| Node::default()).collect();
    let slot_us = bench.setting.block_ms * 1_000;
    bench.wake(proposer(bench, 1), slot_us, 1);
    while let Some(due) = bench.next() {
        match due {
            Due::Timer {
                node, epoch: slot, ..
            } => {
                let tip = nodes[usize::from(node)].tip;
                let block = bench.build(tip, node, 1);
                bench.broadcast(node, Note::Block(block));
                take(bench, &mut nodes, node, block, rule);
                bench.wake(proposer(bench, slot + 1), slot_us * (slot + 1), slot + 1);
            }
            Due::Deliver {
                from: Sender::Peer(from),
                to,
                message,
            } => match message.as_ref() {
                Note::Block(block) => take(bench, &mut nodes, to, *block, rule),
                Note::Vote(block, what) => count(bench, &mut nodes, to, from, *block, *what, rule),
                _ => {}
            },
            Due::Deliver { .. } | Due::Start(_) => {}
        }
    }
}

fn proposer(bench: &Bench, slot: u64) -> PeerIndex {
    let draw = draw_u64(bench.load.seed, slot, 1, Stream::Behaviour);
    (draw % u64::from(bench.setting.nodes)) as PeerIndex
}

fn in_committee(bench: &Bench, node: PeerIndex, block: u32) -> bool {
    let n = u64::from(bench.setting.nodes);
    let start = draw_u64(bench.load.seed, u64::from(block), 2, Stream::Behaviour) % n;
    (u64::from(node) + n - start) % n < u64::from(COMMITTEE).min(n)
}

/// Moves to a longer chain and votes where it is this node's turn.
fn take(bench: &mut Bench, nodes: &mut [Node], node: PeerIndex, block: u32, rule: Rule) {
    let height = bench.blocks[block as usize].height;
    let me = &mut nodes[usize::from(node)];
    let old = me.tip;
    let longer = old.is_none_or(|old| height > bench.blocks[old as usize].height);
    if longer {
        me.tip = Some(block);
        if let Some(old) = old {
            bench.deepest = bench.deepest.max(bench.distance(old, block));
        }
    }
    let epoch = height / EPOCH;
    let what = match rule {
        Rule::Committee if in_committee(bench, node, block) => u64::from(block),
        Rule::Epochs
            if me.attested.is_none_or(|last| last < epoch)
                && height % EPOCH >= u64::from(node) % EPOCH =>
        {
            me.attested = Some(epoch);
            epoch
        }
        _ => return,
    };
    bench.broadcast(node, Note::Vote(block, what));
    count(bench, nodes, node, node, block, what, rule);
}

fn count(
    bench: &mut Bench,
    nodes: &mut [Node],
    node: PeerIndex,
    voter: PeerIndex,
    block: u32,
    what: u64,
    rule: Rule,
) {
    let me = &mut nodes[usize::from(node)];
    let voters = me.votes.entry(what).or_default();
    voters.insert(voter);
    let votes = voters.len();
    if me.votes.len() > REMEMBERED {
        me.votes.pop_first();
    }
    let n = usize::from(bench.setting.nodes);
    let enough = |of: usize| votes * 3 > of * 2;
    match rule {
        Rule::Committee => {
            if enough(usize::from(COMMITTEE).min(n)) {
                bench.finalise(block);
            }
        }
        Rule::Epochs => {
            if enough(n) && me.justified.insert(what) {
                let before = what.checked_sub(1).filter(|e| me.justified.contains(e));
                // The checkpoint of the epoch before is its first block.
                let checkpoint = before.and_then(|epoch| {
                    let height = bench.blocks[block as usize].height;
                    bench.ancestor(block, height.saturating_sub(epoch * EPOCH))
                });
                if let Some(checkpoint) = checkpoint {
                    bench.finalise(checkpoint);
                }
            }
            while me.justified.len() > REMEMBERED {
                me.justified.pop_first();
            }
        }
    }
}
