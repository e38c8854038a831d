//! Coming back after a crash, and going back in time.

use std::sync::Arc;

use arc_malachitebft_core_consensus as core;
use arc_malachitebft_core_types as engine;
use core::{Input, Resume, State};
use engine::{Round, VoteExtensionPolicy};

use super::effects::answer_pure;
use super::{Action, Host, Micros, Mode, NodeConfig, Phase, ValidatorNode, new_state};
use crate::chain::{Block, Chain};
use crate::context::{Ctx, Height};
use crate::sign::SigMemo;

/// Copy of a validator at one moment; restoring it rebuilds the engine's state by replay.
#[derive(Clone, Debug)]
pub struct NodeSnapshot<C: Chain> {
    host: Host<C>,
}

impl<C: Chain> ValidatorNode<C> {
    /// Brings a validator back from what is durable: chain, log and kept blocks.
    ///
    /// `log` holds the flushed entries of height `tip + 1`. While they are
    /// replayed no new block is built, and a vote already logged goes out again
    /// with its recorded signature, so a crash cannot make it sign twice.
    pub fn restart(
        config: Arc<NodeConfig>,
        chain: C,
        log: Vec<Input<Ctx>>,
        kept: Vec<Arc<C::Block>>,
        now: Micros,
        memo: &mut SigMemo,
    ) -> (Self, Vec<Action<C>>) {
        let mut node = Self::new(config, chain);
        let height = node.host.chain.tip() + 1;
        for block in kept {
            if block.height() == height {
                node.host.blocks.insert(block.id(), block);
            }
        }
        let ours = node.host.config.key.address();
        let proposed: Vec<Round> = log
            .iter()
            .filter_map(|entry| match entry {
                Input::Proposal(offer) if offer.message.proposer == ours => {
                    Some(offer.message.round)
                }
                _ => None,
            })
            .collect();

        node.host.mode = Mode::Replay;
        node.host.actions.push(Action::ResetLog(height));
        // Kept blocks belong to this height; the reset above must not lose them.
        for block in node.host.blocks.values() {
            node.host.actions.push(Action::Keep(Arc::clone(block)));
        }
        node.state.index_wal_entries(&log);
        node.host.phase = Phase::Running;
        node.host.todo.push_back(Input::StartHeight(
            Height(height),
            node.host.chain.validators(),
            false,
            None,
            VoteExtensionPolicy::Disabled,
        ));
        node.host.todo.extend(log);
        let count = node.host.todo.len() - 1;
        node.run(now, memo);
        node.state.reset_entries_index();
        node.host.replayed = count.min(node.host.inputs.len().saturating_sub(1));
        node.host.mode = Mode::Live;
        node.host.relogged.clear();

        if matches!(node.host.phase, Phase::Running) {
            node.answer_held_value(&proposed, now);
            node.host.ask(None);
        }
        node.run(now, memo);
        if matches!(node.host.phase, Phase::Waiting { .. }) {
            node.maybe_start();
            node.run(now, memo);
        }
        let actions = node.host.take_actions();
        (node, actions)
    }

    /// Still our turn to propose, and no proposal of ours in the log: build now.
    fn answer_held_value(&mut self, proposed: &[Round], now: Micros) {
        let Some((height, round)) = self.host.held_value.take() else {
            return;
        };
        let current = self.state.height() == Height(height)
            && self.state.round() == round
            && self.state.driver.step_is_propose();
        if current && !proposed.contains(&round) {
            self.host.want_value(height, round, now);
        }
    }

    /// A copy of everything that matters; cheap, blocks are shared.
    #[must_use]
    pub fn snapshot(&self) -> NodeSnapshot<C> {
        NodeSnapshot {
            host: self.host.clone(),
        }
    }

    /// The validator as it was when the snapshot was taken.
    #[must_use]
    pub fn restore(snapshot: &NodeSnapshot<C>, memo: &mut SigMemo) -> Self {
        let host = snapshot.host.clone();
        let state = rebuild(&host, memo);
        Self { state, host }
    }

    /// Text of the engine's state, for comparing two validators in tests.
    #[doc(hidden)]
    #[must_use]
    pub fn engine_debug(&self) -> String {
        format!(
            "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
            self.state.driver.round_state(),
            self.state.driver.votes(),
            self.state.driver.proposals(),
            self.state.full_proposal_keeper,
            self.state.last_signed_prevote,
            self.state.last_signed_precommit,
        )
    }
}

/// Rebuilds the engine's state from the inputs of the current height.
///
/// Actions are not repeated (they were carried out) and inputs that followed
/// from effects are not queued again (they are among the recorded ones).
/// Signatures are checked as before: the record holds forged ones too.
fn rebuild<C: Chain>(host: &Host<C>, memo: &mut SigMemo) -> State<Ctx> {
    let mut state = new_state(&host.config, &host.chain);
    state.input_queue = host.queue0.clone();
    state.params.enabled = host.votes();
    let replayed = host.replayed;
    if replayed > 0 {
        let log = host.inputs.iter().skip(1).take(replayed);
        state.index_wal_entries(log);
    }
    for (position, input) in host.inputs.iter().enumerate() {
        if replayed > 0 && position == replayed + 1 {
            state.reset_entries_index();
        }
        // The outcome was dealt with when the input was first taken.
        let _outcome: Result<(), core::Error<Ctx>> = core::process!(
            input: input.clone(),
            state: &mut state,
            metrics: &(),
            with: effect => match answer_pure(host, effect, memo) {
                Ok(resume) => Ok::<_, core::Error<Ctx>>(resume),
                Err(_) => Ok(Resume::Continue),
            }
        );
    }
    state.reset_entries_index();
    state
}
