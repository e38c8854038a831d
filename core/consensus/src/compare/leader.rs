//! Raft's pattern: a leader appends, followers acknowledge, a majority makes it final.

use std::sync::Arc;

use super::model::{Bench, Note};
use crate::network::{Due, Sender};
use crate::node::{Micros, PeerIndex};

/// Shortest time without a leader's sign of life before a follower stands for election, µs.
const ELECTION_US: Micros = 1_000_000;
/// Time between two signs of life of a leader, µs; well below the election timeout.
const BEAT_US: Micros = 300_000;
/// Timer of the leader; the other kind is the election timer.
const APPEND: u64 = u64::MAX;
/// Stands in a vote for the block where the vote is for a leader.
const FOR_LEADER: u32 = u32::MAX;

#[derive(Clone, Debug, Default)]
pub(crate) struct Follower {
    term: u64,
    leader: Option<PeerIndex>,
    heard: Micros,
    voted: u64,
    /// Newest block it has stored.
    stored: Option<u32>,
    votes: PeerIndex,
    /// As a leader: when the next block is due.
    due: Micros,
    /// As a leader: the block under way and who has stored it.
    open: Option<(u32, Vec<bool>)>,
}

pub(crate) type Nodes = Vec<Follower>;

pub(super) fn begin(bench: &mut Bench) -> Nodes {
    let n = bench.setting.nodes;
    for node in 0..n {
        stand_later(bench, node);
    }
    (0..n).map(|_| Follower::default()).collect()
}

pub(super) fn handle(bench: &mut Bench, nodes: &mut [Follower], due: Due<Note>) {
    match due {
        Due::Timer { node, epoch, .. } if epoch == APPEND => append(bench, nodes, node),
        Due::Timer { node, .. } => stand(bench, nodes, node),
        Due::Deliver {
            from: Sender::Peer(from),
            to,
            message,
        } => receive(bench, nodes, from, to, &message),
        Due::Deliver { .. } | Due::Start(_) => {}
    }
}

/// It comes back as a follower and remembers its term, its vote and its blocks.
pub(super) fn restarted(nodes: &mut [Follower], node: PeerIndex) {
    if let Some(me) = nodes.get_mut(usize::from(node)) {
        me.leader = None;
        me.open = None;
    }
}

pub(super) fn tip(nodes: &[Follower], node: PeerIndex) -> Option<u32> {
    nodes.get(usize::from(node))?.stored
}

fn majority(n: PeerIndex) -> PeerIndex {
    n / 2 + 1
}

fn stand_later(bench: &mut Bench, node: PeerIndex) {
    let wait = ELECTION_US + (bench.draw() * ELECTION_US as f64) as Micros;
    let at = bench.now + wait;
    bench.wake(node, at, 0);
}

/// Nobody was heard of for long: stand for election.
fn stand(bench: &mut Bench, nodes: &mut [Follower], node: PeerIndex) {
    let now = bench.now;
    let me = &mut nodes[usize::from(node)];
    let leads = me.leader == Some(node);
    if !leads && now >= me.heard + ELECTION_US && bench.runs(node) {
        me.term += 1;
        me.voted = me.term;
        me.votes = 1;
        me.leader = None;
        me.heard = now;
        let note = Note::Elect(me.term, me.stored);
        bench.broadcast(node, note);
        if majority(bench.setting.nodes) == 1 {
            lead(bench, nodes, node);
        }
    }
    stand_later(bench, node);
}

fn lead(bench: &mut Bench, nodes: &mut [Follower], node: PeerIndex) {
    let me = &mut nodes[usize::from(node)];
    me.leader = Some(node);
    me.open = None;
    let at = bench.now;
    bench.wake(node, at, APPEND);
}

/// The leader appends what waits and sends it to all; what is not acknowledged is sent again.
fn append(bench: &mut Bench, nodes: &mut [Follower], node: PeerIndex) {
    let me = &nodes[usize::from(node)];
    if me.leader != Some(node) || !bench.runs(node) {
        return;
    }
    let (stored, term, open) = (me.stored, me.term, me.open.clone());
    let now = bench.now;
    let due = now >= me.due;
    match open {
        None if !due => {}
        None => {
            let block = bench.build(stored, node, 1, term);
            let me = &mut nodes[usize::from(node)];
            me.due = now + bench.setting.block_ms * 1_000;
            me.stored = Some(block);
            let mut has = vec![false; usize::from(bench.setting.nodes)];
            has[usize::from(node)] = true;
            me.open = Some((block, has));
            bench.broadcast(node, Note::Block(block));
            if majority(bench.setting.nodes) == 1 {
                commit(bench, nodes, node, block);
            }
        }
        Some((block, has)) => {
            let again = Arc::new(Note::Block(block));
            for (to, has) in has.iter().enumerate() {
                if !has {
                    bench.send(node, to as PeerIndex, &again);
                }
            }
        }
    }
    let tip = nodes[usize::from(node)].stored;
    bench.broadcast(node, Note::Beat(term, tip));
    // A sign of life, or the next block where blocks come faster.
    let pace = BEAT_US.min(bench.setting.block_ms.max(1) * 1_000);
    bench.wake(node, now + pace, APPEND);
}

fn commit(bench: &mut Bench, nodes: &mut [Follower], leader: PeerIndex, block: u32) {
    nodes[usize::from(leader)].open = None;
    bench.finalise(block);
}

/// Term and height of a block: what decides whose log is newer.
fn age(bench: &Bench, block: Option<u32>) -> (u64, u64) {
    block
        .and_then(|number| bench.block(number))
        .map_or((0, 0), |block| (block.term, block.height))
}

fn receive(bench: &mut Bench, nodes: &mut [Follower], from: PeerIndex, to: PeerIndex, note: &Note) {
    let now = bench.now;
    let me = &mut nodes[usize::from(to)];
    match note {
        Note::Beat(term, _) if *term >= me.term => {
            if *term > me.term || me.leader != Some(from) {
                me.open = None;
            }
            me.term = *term;
            me.leader = Some(from);
            me.heard = now;
        }
        Note::Block(block) => {
            // Of the leader of this term, or of one that became it unheard.
            let term = age(bench, Some(*block)).0;
            if term < me.term || (me.leader.is_some_and(|l| l != from) && term == me.term) {
                return;
            }
            me.term = term;
            me.leader = Some(from);
            me.heard = now;
            me.stored = Some(*block);
            let ack = Arc::new(Note::Vote(*block, term));
            bench.send(to, from, &ack);
        }
        Note::Vote(FOR_LEADER, term) if *term == me.term && me.leader.is_none() => {
            me.votes += 1;
            if me.votes == majority(bench.setting.nodes) {
                lead(bench, nodes, to);
            }
        }
        // Too late, or for another term.
        Note::Vote(FOR_LEADER, _) => {}
        Note::Vote(block, term) if *term == me.term => {
            let open = me.open.as_mut().filter(|(open, _)| open == block);
            let Some((_, stored)) = open else { return };
            stored[usize::from(from)] = true;
            let count = stored.iter().filter(|has| **has).count();
            if count >= usize::from(majority(bench.setting.nodes)) {
                commit(bench, nodes, to, *block);
            }
        }
        Note::Elect(term, last) if *term > me.term && *term > me.voted => {
            me.term = *term;
            me.leader = None;
            me.open = None;
            // Who has stored more than the candidate does not vote for it, or
            // what a majority has could be lost.
            if age(bench, *last) >= age(bench, me.stored) {
                me.voted = *term;
                me.heard = now;
                let vote = Arc::new(Note::Vote(FOR_LEADER, *term));
                bench.send(to, from, &vote);
            }
        }
        _ => {}
    }
}
