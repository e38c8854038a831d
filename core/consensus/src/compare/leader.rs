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

struct Follower {
    term: u64,
    leader: Option<PeerIndex>,
    heard: Micros,
    voted: u64,
    tip: Option<u32>,
    votes: PeerIndex,
    /// As a leader: when the next block is due.
    due: Micros,
    /// As a leader: the block under way and who has stored it.
    open: Option<(u32, Vec<bool>)>,
}

pub(super) fn run(bench: &mut Bench) {
    let n = bench.setting.nodes;
    let mut nodes: Vec<Follower> = (0..n)
        .map(|_| Follower {
            term: 0,
            leader: None,
            heard: 0,
            voted: 0,
            tip: None,
            votes: 0,
            due: 0,
            open: None,
        })
        .collect();
    for node in 0..n {
        stand_later(bench, node);
    }
    while let Some(due) = bench.next() {
        match due {
            Due::Timer { node, epoch, .. } if epoch == APPEND => append(bench, &mut nodes, node),
            Due::Timer { node, .. } => stand(bench, &mut nodes, node),
            Due::Deliver {
                from: Sender::Peer(from),
                to,
                message,
            } => receive(bench, &mut nodes, from, to, &message),
            Due::Deliver { .. } | Due::Start(_) => {}
        }
    }
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
    if !leads && now >= me.heard + ELECTION_US {
        me.term += 1;
        me.voted = me.term;
        me.votes = 1;
        me.leader = None;
        me.heard = now;
        let term = me.term;
        bench.broadcast(node, Note::Elect(term));
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
    let (leader, tip, term) = {
        let me = &nodes[usize::from(node)];
        (me.leader == Some(node), me.tip, me.term)
    };
    if !leader {
        return;
    }
    let open = nodes[usize::from(node)].open.clone();
    let now = bench.now;
    let due = now >= nodes[usize::from(node)].due;
    match open {
        None if !due => {}
        None => {
            nodes[usize::from(node)].due = now + bench.setting.block_ms * 1_000;
            let block = bench.build(tip, node, 1);
            let mut stored = vec![false; usize::from(bench.setting.nodes)];
            stored[usize::from(node)] = true;
            nodes[usize::from(node)].open = Some((block, stored));
            bench.broadcast(node, Note::Block(block));
            if majority(bench.setting.nodes) == 1 {
                commit(bench, nodes, node, block);
            }
        }
        Some((block, stored)) => {
            let again = Arc::new(Note::Block(block));
            for (to, has) in stored.iter().enumerate() {
                if !has {
                    bench.send(node, to as PeerIndex, &again);
                }
            }
        }
    }
    bench.broadcast(node, Note::Beat(term, tip));
    bench.wake(node, now + BEAT_US, APPEND);
}

fn commit(bench: &mut Bench, nodes: &mut [Follower], leader: PeerIndex, block: u32) {
    let me = &mut nodes[usize::from(leader)];
    me.tip = Some(block);
    me.open = None;
    bench.finalise(block);
}

fn receive(bench: &mut Bench, nodes: &mut [Follower], from: PeerIndex, to: PeerIndex, note: &Note) {
    let now = bench.now;
    let me = &mut nodes[usize::from(to)];
    match note {
        Note::Beat(term, tip) if *term >= me.term => {
            me.term = *term;
            me.leader = Some(from);
            me.heard = now;
            if tip.is_some() {
                me.tip = *tip;
            }
        }
        Note::Block(block) if me.leader == Some(from) || me.leader.is_none() => {
            me.heard = now;
            let ack = Arc::new(Note::Vote(*block, me.term));
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
        Note::Vote(block, _) => {
            let open = me.open.as_mut().filter(|(open, _)| open == block);
            let Some((_, stored)) = open else { return };
            stored[usize::from(from)] = true;
            let count = stored.iter().filter(|has| **has).count();
            if count >= usize::from(majority(bench.setting.nodes)) {
                commit(bench, nodes, to, *block);
            }
        }
        Note::Elect(term) if *term > me.term && *term > me.voted => {
            me.term = *term;
            me.voted = *term;
            me.heard = now;
            me.leader = None;
            let vote = Arc::new(Note::Vote(FOR_LEADER, *term));
            bench.send(to, from, &vote);
        }
        _ => {}
    }
}
