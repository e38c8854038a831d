//! Heaviest chain: proof of work, and proof of authority as Clique has it.

use super::model::{Bench, Note};
use crate::network::{Due, Sender};
use crate::node::{Micros, PeerIndex};

/// Blocks on top that make one of proof of work count as final.
const CONFIRMATIONS: u64 = 6;
/// A signer that is not in turn waits this long and up to this much more, µs.
const OUT_OF_TURN_US: Micros = 500_000;

/// Which chain is heaviest, and who may build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Authority,
    Work,
}

struct Node {
    tip: Option<u32>,
    /// Blocks whose parent has not arrived yet are taken when it does; the
    /// models' blocks are shared, so holding one means holding its ancestors.
    attempt: u64,
}

pub(super) fn run(bench: &mut Bench, rule: Rule) {
    let n = bench.setting.nodes;
    let mut nodes: Vec<Node> = (0..n)
        .map(|_| Node {
            tip: None,
            attempt: 0,
        })
        .collect();
    for node in 0..n {
        plan(bench, &mut nodes, node, rule);
    }
    while let Some(due) = bench.next() {
        match due {
            Due::Timer { node, epoch, .. } => {
                if nodes[usize::from(node)].attempt == epoch {
                    build(bench, &mut nodes, node, rule);
                }
            }
            Due::Deliver {
                from: Sender::Peer(_),
                to,
                message,
            } => {
                if let Note::Block(block) = message.as_ref() {
                    take(bench, &mut nodes, to, *block, rule);
                }
            }
            Due::Deliver { .. } | Due::Start(_) => {}
        }
    }
}

/// When this node would build its next block on the tip it knows.
fn plan(bench: &mut Bench, nodes: &mut [Node], node: PeerIndex, rule: Rule) {
    let n = bench.setting.nodes;
    let period = bench.setting.block_ms * 1_000;
    let wait = match rule {
        Rule::Work => bench.exponential(period as f64 * f64::from(n)),
        Rule::Authority => {
            let tip = nodes[usize::from(node)].tip;
            if recently(bench, tip, node) {
                // A signer may build one of every n/2 + 1 blocks.
                return;
            }
            let next = tip.map_or(1, |tip| bench.blocks[tip as usize].height + 1);
            let in_turn = next % u64::from(n) == u64::from(node);
            let spread = (bench.draw() * OUT_OF_TURN_US as f64 * f64::from(n / 2 + 1)) as Micros;
            period + if in_turn { 0 } else { OUT_OF_TURN_US + spread }
        }
    };
    let me = &mut nodes[usize::from(node)];
    me.attempt += 1;
    let (attempt, at) = (me.attempt, bench.now + wait);
    bench.wake(node, at, attempt);
}

/// Whether a node built one of the last n/2 blocks.
fn recently(bench: &Bench, tip: Option<u32>, node: PeerIndex) -> bool {
    let mut at = tip;
    for _ in 0..bench.setting.nodes / 2 {
        let Some(index) = at else { return false };
        let block = &bench.blocks[index as usize];
        if block.builder == node {
            return true;
        }
        at = block.parent;
    }
    false
}

fn build(bench: &mut Bench, nodes: &mut [Node], node: PeerIndex, rule: Rule) {
    let tip = nodes[usize::from(node)].tip;
    let next = tip.map_or(1, |tip| bench.blocks[tip as usize].height + 1);
    let in_turn = next % u64::from(bench.setting.nodes) == u64::from(node);
    let weight = match rule {
        Rule::Work => 1,
        Rule::Authority => 1 + u64::from(in_turn),
    };
    let block = bench.build(tip, node, weight);
    bench.broadcast(node, Note::Block(block));
    take(bench, nodes, node, block, rule);
}

/// Moves to a heavier chain and starts over on it.
fn take(bench: &mut Bench, nodes: &mut [Node], node: PeerIndex, block: u32, rule: Rule) {
    let old = nodes[usize::from(node)].tip;
    let heavier = old
        .is_none_or(|tip| bench.blocks[block as usize].weight > bench.blocks[tip as usize].weight);
    if !heavier {
        return;
    }
    if let Some(old) = old {
        let back = bench.distance(old, block);
        bench.deepest = bench.deepest.max(back);
    }
    nodes[usize::from(node)].tip = Some(block);
    let deep = match rule {
        Rule::Work => CONFIRMATIONS,
        Rule::Authority => u64::from(bench.setting.nodes / 2 + 1),
    };
    if let Some(settled) = bench.ancestor(block, deep) {
        bench.finalise(settled);
    }
    // Work on a new block has no memory, so going on with the old draw would do
    // as well; signers wait anew for each block.
    plan(bench, nodes, node, rule);
}
