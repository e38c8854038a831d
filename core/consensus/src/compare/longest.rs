//! Heaviest chain: proof of work, and proof of authority as Clique has it.

use super::model::{Bench, Note};
use crate::network::{Due, Sender};
use crate::node::{Micros, PeerIndex};

/// Blocks on top that make one of proof of work count as final.
pub(super) const CONFIRMATIONS: u64 = 6;
/// A signer that is not in turn waits this long and up to this much more, µs.
const OUT_OF_TURN_US: Micros = 500_000;

/// Which chain is heaviest, and who may build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Authority,
    Work,
}

/// A node holds the ancestors of every block it holds: the models' blocks are
/// shared, so a block whose parent is still under way needs no waiting room.
#[derive(Clone, Debug, Default)]
struct Node {
    tip: Option<u32>,
    attempt: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Nodes {
    rule: Rule,
    nodes: Vec<Node>,
}

pub(super) fn begin(bench: &mut Bench, rule: Rule) -> Nodes {
    let n = bench.setting.nodes;
    let mut all = Nodes {
        rule,
        nodes: vec![Node::default(); usize::from(n)],
    };
    for node in 0..n {
        plan(bench, &mut all, node);
    }
    all
}

pub(super) fn handle(bench: &mut Bench, all: &mut Nodes, due: Due<Note>) {
    match due {
        Due::Timer { node, epoch, .. } => {
            if all.nodes[usize::from(node)].attempt == epoch && bench.runs(node) {
                build(bench, all, node);
            }
        }
        Due::Deliver {
            from: Sender::Peer(_),
            to,
            message,
        } => {
            if let Note::Block(block) = message.as_ref() {
                take(bench, all, to, *block);
            }
        }
        Due::Deliver { .. } | Due::Start(_) => {}
    }
}

pub(super) fn restarted(bench: &mut Bench, all: &mut Nodes, node: PeerIndex) {
    plan(bench, all, node);
}

pub(super) fn tip(all: &Nodes, node: PeerIndex) -> Option<u32> {
    all.nodes.get(usize::from(node))?.tip
}

/// When this node would build its next block on the tip it knows.
fn plan(bench: &mut Bench, all: &mut Nodes, node: PeerIndex) {
    let n = bench.setting.nodes;
    let period = bench.setting.block_ms * 1_000;
    let wait = match all.rule {
        Rule::Work => bench.exponential(period as f64 * f64::from(n)),
        Rule::Authority => {
            let tip = all.nodes[usize::from(node)].tip;
            if recently(bench, tip, node) {
                // A signer may build one of every n/2 + 1 blocks.
                return;
            }
            let in_turn = (bench.height(tip) + 1) % u64::from(n) == u64::from(node);
            let spread = (bench.draw() * OUT_OF_TURN_US as f64 * f64::from(n / 2 + 1)) as Micros;
            period + if in_turn { 0 } else { OUT_OF_TURN_US + spread }
        }
    };
    let me = &mut all.nodes[usize::from(node)];
    me.attempt += 1;
    let (attempt, at) = (me.attempt, bench.now + wait);
    bench.wake(node, at, attempt);
}

/// Whether a node built one of the last n/2 blocks.
fn recently(bench: &Bench, tip: Option<u32>, node: PeerIndex) -> bool {
    let mut at = tip;
    for _ in 0..bench.setting.nodes / 2 {
        let Some(block) = at.and_then(|number| bench.block(number)) else {
            return false;
        };
        if block.builder == node {
            return true;
        }
        at = block.parent;
    }
    false
}

fn build(bench: &mut Bench, all: &mut Nodes, node: PeerIndex) {
    let tip = all.nodes[usize::from(node)].tip;
    let in_turn = (bench.height(tip) + 1) % u64::from(bench.setting.nodes) == u64::from(node);
    let weight = match all.rule {
        Rule::Work => 1,
        Rule::Authority => 1 + u64::from(in_turn),
    };
    let block = bench.build(tip, node, weight, 0);
    bench.broadcast(node, Note::Block(block));
    take(bench, all, node, block);
}

/// Moves to a heavier chain and starts over on it.
fn take(bench: &mut Bench, all: &mut Nodes, node: PeerIndex, block: u32) {
    let old = all.nodes[usize::from(node)].tip;
    let weight = |number: u32| bench.block(number).map_or(0, |block| block.weight);
    if weight(block) <= old.map_or(0, weight) {
        return;
    }
    if let Some(old) = old {
        let back = bench.distance(old, block);
        bench.deepest = bench.deepest.max(back);
    }
    all.nodes[usize::from(node)].tip = Some(block);
    let deep = match all.rule {
        Rule::Work => CONFIRMATIONS,
        Rule::Authority => u64::from(bench.setting.nodes / 2 + 1),
    };
    if let Some(settled) = bench.ancestor(block, deep) {
        bench.finalise(settled);
    }
    // Work on a new block has no memory, so going on with the old draw would do
    // as well; signers wait anew for each block.
    plan(bench, all, node);
}
