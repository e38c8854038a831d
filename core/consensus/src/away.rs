//! One validator of a simulated group in a place of its own.
//!
//! It is driven by the group's clock: whoever carries messages between them
//! says up to when, and takes what it says to the group. Nothing here knows how.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::chain::Chain;
use crate::cluster::Handover;
use crate::message::Message;
use crate::node::{Action, Event, Micros, NodeConfig, PeerIndex, TimerKey, ValidatorNode};
use crate::sign::SigMemo;

/// Something due for this validator.
enum Due<C: Chain> {
    Message(PeerIndex, Arc<Message<C>>),
    Timer(TimerKey, u64),
}

/// Something it says.
#[derive(Debug)]
pub struct Said<C: Chain> {
    /// To whom; to everybody without.
    pub to: Option<PeerIndex>,
    /// What.
    pub message: Arc<Message<C>>,
}

/// A validator away from its group.
pub struct AwayNode<C: Chain> {
    node: ValidatorNode<C>,
    memo: SigMemo,
    due: BTreeMap<(Micros, u64), Due<C>>,
    sequence: u64,
    now: Micros,
}

impl<C: Chain> AwayNode<C> {
    /// Goes on at time `now` where its simulated self was.
    ///
    /// What it says at once has to be carried like everything else.
    #[must_use]
    pub fn new(
        config: Arc<NodeConfig>,
        handover: Handover<C>,
        now: Micros,
    ) -> (Self, Vec<Said<C>>) {
        let Handover { chain, log, kept } = handover;
        let mut memo = SigMemo::default();
        let log = log.into_iter().map(|record| record.0).collect();
        let (node, actions) = ValidatorNode::restart(config, chain, log, kept, now, &mut memo);
        let mut away = Self {
            node,
            memo,
            due: BTreeMap::new(),
            sequence: 0,
            now,
        };
        let mut said = Vec::new();
        away.carry_out(actions, &mut said);
        (away, said)
    }

    /// Messages that reach it, in order, and all its timers up to `until`.
    pub fn advance(
        &mut self,
        messages: impl IntoIterator<Item = (Micros, PeerIndex, Arc<Message<C>>)>,
        until: Micros,
    ) -> Vec<Said<C>> {
        for (at, from, message) in messages {
            self.push(at.max(self.now), Due::Message(from, message));
        }
        let mut said = Vec::new();
        while let Some(first) = self.due.first_entry()
            && first.key().0 <= until
        {
            let ((at, _), due) = first.remove_entry();
            self.now = self.now.max(at);
            let event = match due {
                Due::Message(from, message) => Event::Message { from, message },
                Due::Timer(key, epoch) => Event::Timer { key, epoch },
            };
            self.step(event, &mut said);
        }
        self.now = self.now.max(until);
        said
    }

    fn push(&mut self, at: Micros, due: Due<C>) {
        self.sequence += 1;
        self.due.insert((at, self.sequence), due);
    }

    fn step(&mut self, event: Event<C>, said: &mut Vec<Said<C>>) {
        let actions = self.node.handle(event, self.now, &mut self.memo);
        self.carry_out(actions, said);
    }

    fn carry_out(&mut self, actions: Vec<Action<C>>, said: &mut Vec<Said<C>>) {
        for action in actions {
            match action {
                Action::Broadcast(message) => said.push(Said { to: None, message }),
                Action::Send(to, message) => said.push(Said {
                    to: Some(to),
                    message,
                }),
                Action::SetTimer { key, epoch, after } => {
                    self.push(self.now + after, Due::Timer(key, epoch));
                }
                // Its group remembers what it signed, so it needs no log of its own.
                _ => {}
            }
        }
    }

    /// The validator.
    #[must_use]
    pub fn node(&self) -> &ValidatorNode<C> {
        &self.node
    }
}
