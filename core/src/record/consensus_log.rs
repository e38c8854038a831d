//! Messages and votes of every ledger, for the space-time diagram and the
//! vote grid; derived, rebuilt by re-simulation.

use std::sync::Arc;

use bevy::prelude::*;
use gridloom_consensus::{MessageRecord, Sender};
use gridloom_units::SimTime;

use crate::ledger::LedgerGroup;
use crate::view::{MessageView, RoundView, Vote};

/// Messages kept per ledger; the oldest go first and are counted.
const MESSAGES: usize = 10_000;

/// Rounds kept per ledger.
const ROUNDS: usize = 1_000;

/// Rounds looked back for the place of a late vote.
const LATE_ROUNDS: usize = 64;

/// What was seen of one ledger.
#[derive(Clone, Debug, Default)]
struct Seen {
    messages: Arc<Vec<MessageView>>,
    rounds: Arc<Vec<RoundView>>,
    /// Messages sent at the last look.
    sent: u64,
    /// Messages that came and went between two looks, or were dropped.
    dropped: u64,
}

/// What was seen of every ledger.
#[derive(Resource, Clone, Debug, Default)]
pub struct ConsensusLog(Vec<Seen>);

impl ConsensusLog {
    /// Messages of a ledger, oldest first.
    #[must_use]
    pub fn messages(&self, ledger: usize) -> Arc<Vec<MessageView>> {
        self.0
            .get(ledger)
            .map_or_else(Arc::default, |seen| Arc::clone(&seen.messages))
    }

    /// Rounds of a ledger, oldest first.
    #[must_use]
    pub fn rounds(&self, ledger: usize) -> Arc<Vec<RoundView>> {
        self.0
            .get(ledger)
            .map_or_else(Arc::default, |seen| Arc::clone(&seen.rounds))
    }

    /// Messages of a ledger that are not kept.
    #[must_use]
    pub fn dropped(&self, ledger: usize) -> u64 {
        self.0.get(ledger).map_or(0, |seen| seen.dropped)
    }

    /// Forgets what was sent at `time` or later, before it is simulated again.
    pub(crate) fn truncate(&mut self, time: SimTime) {
        let until_us = time.0 * 1_000;
        for seen in &mut self.0 {
            let keep = seen.messages.partition_point(|m| m.sent_us < until_us);
            if keep < seen.messages.len() {
                seen.messages = Arc::new(seen.messages[..keep].to_vec());
            }
            let keep = seen.rounds.partition_point(|r| r.first_us < until_us);
            if keep < seen.rounds.len() {
                seen.rounds = Arc::new(seen.rounds[..keep].to_vec());
            }
            seen.sent = u64::MAX;
        }
    }
}

/// Takes the messages of the tick.
pub(super) fn note_messages(mut log: ResMut<ConsensusLog>, groups: Query<&LedgerGroup>) {
    for group in &groups {
        let index = group.index as usize;
        if log.0.len() <= index {
            log.0.resize(index + 1, Seen::default());
        }
        let newest = group.group.log();
        let sent = group.group.network_counters().sent;
        let seen = &mut log.0[index];
        // After a restore nothing is known of the counter: the newest lines
        // that are not there yet are taken.
        let known_us = seen.messages.last().map_or(0, |m| m.sent_us);
        let fresh: Vec<MessageRecord> = if seen.sent == u64::MAX {
            newest
                .iter()
                .filter(|m| m.sent_us > known_us)
                .copied()
                .collect()
        } else {
            let new = sent.saturating_sub(seen.sent) as usize;
            seen.dropped += new.saturating_sub(newest.len()) as u64;
            let from = newest.len() - new.min(newest.len());
            newest.iter().skip(from).copied().collect()
        };
        seen.sent = sent;
        if fresh.is_empty() {
            continue;
        }
        let validators = group.group.len();
        let rounds = Arc::make_mut(&mut seen.rounds);
        let messages = Arc::make_mut(&mut seen.messages);
        for record in &fresh {
            note_vote(rounds, record, validators);
            messages.push(message(record));
        }
        if messages.len() > MESSAGES {
            let over = messages.len() - MESSAGES + MESSAGES / 10;
            messages.drain(..over);
            seen.dropped += over as u64;
        }
        if rounds.len() > ROUNDS {
            let over = rounds.len() - ROUNDS + ROUNDS / 10;
            rounds.drain(..over);
        }
    }
}

fn message(record: &MessageRecord) -> MessageView {
    MessageView {
        sent_us: record.sent_us,
        arrives_us: record.arrives_us,
        from: match record.from {
            Sender::Peer(peer) => Some(peer),
            Sender::Client => None,
        },
        to: record.to,
        kind: record.kind,
        height: record.height,
        round: record.round,
    }
}

/// Writes a vote into its row; two different votes in one round conflict.
fn note_vote(rounds: &mut Vec<RoundView>, record: &MessageRecord, validators: usize) {
    let Sender::Peer(from) = record.from else {
        return;
    };
    let (first, vote) = match record.kind {
        "prevote" => (true, Vote::Block),
        "prevote-nil" => (true, Vote::Nil),
        "precommit" => (false, Vote::Block),
        "precommit-nil" => (false, Vote::Nil),
        "proposal" => (true, Vote::Missing),
        _ => return,
    };
    let place = (record.height, record.round);
    let late = rounds.len().saturating_sub(LATE_ROUNDS);
    let at = rounds[late..]
        .iter()
        .position(|r| (r.height, r.round) == place)
        .map(|i| late + i);
    let at = at.unwrap_or_else(|| {
        rounds.push(RoundView {
            height: record.height,
            round: record.round,
            first_us: record.sent_us,
            proposer: None,
            prevotes: vec![Vote::Missing; validators],
            precommits: vec![Vote::Missing; validators],
        });
        rounds.len() - 1
    });
    let row = &mut rounds[at];
    if record.kind == "proposal" {
        row.proposer = Some(from);
        return;
    }
    let votes = if first {
        &mut row.prevotes
    } else {
        &mut row.precommits
    };
    if let Some(slot) = votes.get_mut(usize::from(from)) {
        *slot = match *slot {
            Vote::Missing => vote,
            same if same == vote => vote,
            _ => Vote::Conflict,
        };
    }
}
