//! Answers to what the engine asks for.

use std::sync::Arc;

use arc_malachitebft_core_consensus as core;
use arc_malachitebft_core_types as engine;
use core::{
    ConsensusMsg, Effect, Error, Input, LivenessMsg, LocallyProposedValue, ProposedValue,
    Resumable, Resume, SignedConsensusMsg,
};
use engine::{
    CommitCertificate, NilOrVal, Round, SignedMessage, Timeout, Validity, ValueOrigin,
    ValueResponse, VoteType,
};

use super::{Action, Host, Micros, Mode, Phase, TimerKey, TimerKind};
use crate::certificate::{Certificate, check_commit, check_polka, check_round};
use crate::chain::{BuildAt, Chain, Decided};
use crate::context::{BlockId, Ctx, Height, Value};
use crate::evidence;
use crate::message::Message;
use crate::preimage;
use crate::sign::SigMemo;

type Answer = Result<Resume<Ctx>, Error<Ctx>>;

/// Answers the questions that need nothing but keys: signing and verifying.
/// Gives back every other effect. Used live and when rebuilding a state.
pub(super) fn answer_pure<C: Chain>(
    host: &Host<C>,
    effect: Effect<Ctx>,
    memo: &mut SigMemo,
) -> Result<Resume<Ctx>, Box<Effect<Ctx>>> {
    let chain = host.chain.id();
    let key = &host.config.key;
    Ok(match effect {
        Effect::SignVote(vote, r) => {
            let signature = memo.sign(key, &preimage::vote(&chain, &vote));
            r.resume_with(SignedMessage::new(vote, signature))
        }
        Effect::SignProposal(offer, r) => {
            let signature = memo.sign(key, &preimage::proposal(&chain, &offer));
            r.resume_with(SignedMessage::new(offer, signature))
        }
        Effect::VerifySignature(signed, key, r) => {
            let good = match &signed.message {
                ConsensusMsg::Vote(vote) => {
                    memo.verify(&key, &preimage::vote(&chain, vote), &signed.signature)
                }
                ConsensusMsg::Proposal(offer) => {
                    memo.verify(&key, &preimage::proposal(&chain, offer), &signed.signature)
                }
            };
            r.resume_with(good)
        }
        Effect::VerifyCommitCertificate(certificate, set, thresholds, r) => {
            r.resume_with(check_commit(&chain, &certificate, &set, &thresholds, memo))
        }
        Effect::VerifyExtendedCommitCertificate(certificate, set, thresholds, _, r) => {
            let plain = certificate.trim_vote_extensions();
            r.resume_with(check_commit(&chain, &plain, &set, &thresholds, memo))
        }
        Effect::VerifyPolkaCertificate(certificate, set, thresholds, r) => {
            r.resume_with(check_polka(&chain, &certificate, &set, &thresholds, memo))
        }
        Effect::VerifyRoundCertificate(certificate, set, thresholds, r) => {
            r.resume_with(check_round(&chain, &certificate, &set, &thresholds, memo))
        }
        // Never emitted while vote extensions are switched off.
        Effect::ExtendVote(_, _, _, _, r) => r.resume_with(None),
        Effect::VerifyVoteExtension(_, _, _, _, _, _, r) => r.resume_with(Ok(())),
        other => return Err(Box::new(other)),
    })
}

impl<C: Chain> Host<C> {
    /// Answers one effect. Inputs that follow from it are queued, never fed from here.
    pub(super) fn answer(
        &mut self,
        effect: Effect<Ctx>,
        now: Micros,
        memo: &mut SigMemo,
    ) -> Answer {
        let effect = match answer_pure(self, effect, memo) {
            Ok(resume) => return Ok(resume),
            Err(effect) => *effect,
        };
        Ok(match effect {
            Effect::GetValue(height, round, _, r) => {
                self.want_value(height.0, round, now);
                r.resume_with(())
            }
            Effect::RestreamProposal(_, _, _, _, id, r) => {
                if let Some(block) = self.blocks.get(&id) {
                    let message = Message::Block(Arc::clone(block));
                    self.actions.push(Action::Broadcast(Arc::new(message)));
                }
                r.resume_with(())
            }
            Effect::WalAppend(height, input, r) => {
                self.append(height, input);
                r.resume_with(())
            }
            Effect::PublishConsensusMsg(message, r) => {
                self.actions.push(Action::Flush);
                let message = match message {
                    SignedConsensusMsg::Vote(vote) => {
                        self.note_lock(&vote.message);
                        Message::Vote(vote)
                    }
                    SignedConsensusMsg::Proposal(offer) => Message::Proposal(offer),
                };
                let message = Arc::new(message);
                self.note_offer(&message);
                self.actions.push(Action::Broadcast(message));
                r.resume_with(())
            }
            Effect::PublishLivenessMsg(message, r) => {
                let message = match message {
                    LivenessMsg::Vote(vote) => Message::Vote(vote),
                    LivenessMsg::PolkaCertificate(polka) => Message::Polka(polka),
                    LivenessMsg::SkipRoundCertificate(round) => Message::Round(round),
                };
                self.actions.push(Action::Broadcast(Arc::new(message)));
                r.resume_with(())
            }
            Effect::RepublishVote(vote, r) => {
                self.actions
                    .push(Action::Broadcast(Arc::new(Message::Vote(vote))));
                r.resume_with(())
            }
            Effect::RepublishRoundCertificate(round, r) => {
                self.actions
                    .push(Action::Broadcast(Arc::new(Message::Round(round))));
                r.resume_with(())
            }
            Effect::ScheduleTimeout(timeout, r) => {
                self.schedule(timeout);
                r.resume_with(())
            }
            Effect::CancelTimeout(timeout, r) => {
                if let Some(key) = TimerKey::of(timeout) {
                    self.timers.remove(&key);
                }
                r.resume_with(())
            }
            Effect::CancelAllTimeouts(r) => {
                // The catch-up timer is ours, not the engine's.
                self.timers.retain(|key, _| key.kind == TimerKind::Sync);
                r.resume_with(())
            }
            Effect::StartRound(_, _, _, _, r) => r.resume_with(()),
            Effect::CertVerifiedSyncValue(response, proposer, r) => {
                self.on_verified_sync(&response, proposer, now);
                r.resume_with(())
            }
            Effect::CertRejectedSyncValue(_, _, _, r) => {
                self.counters.sync_refused += 1;
                r.resume_with(())
            }
            Effect::Decide(certificate, _, r) => {
                self.on_decide(&certificate);
                r.resume_with(())
            }
            Effect::Finalize(certificate, _, found, r) => {
                let found = evidence::from_engine(&self.chain.id(), certificate.height.0, &found);
                self.on_finalize(certificate.height.0, found, now);
                r.resume_with(())
            }
            // Answered by `answer_pure`.
            _ => Resume::Continue,
        })
    }

    /// Remembers that we lock a value beyond the first round: all others have to
    /// learn why in this very round, or a liar that votes twice can leave each
    /// of us locked on something else round after round. The engine itself does
    /// this from its tenth round on, after twenty seconds.
    fn note_lock(&mut self, vote: &crate::context::Vote) {
        if let (VoteType::Precommit, NilOrVal::Val(id)) = (vote.kind, vote.value)
            && vote.round > Round::new(0)
            && self.mode == Mode::Live
        {
            self.locked = Some((vote.round, id));
        }
    }

    /// Shows the others the prevotes that made us lock, and the value.
    pub(super) fn show_lock(&mut self, state: &core::State<Ctx>) {
        let Some((round, id)) = self.locked.take() else {
            return;
        };
        if let Some(polka) = state.driver.polka_certificate(round, &id) {
            let message = Arc::new(Message::Polka(polka.clone()));
            self.actions.push(Action::Broadcast(message));
        }
        if let Some(block) = self.blocks.get(&id) {
            let message = Arc::new(Message::Block(Arc::clone(block)));
            self.actions.push(Action::Broadcast(message));
        }
        if let Some(offer) = round.as_u32().and_then(|round| self.offers.get(&round)) {
            self.actions.push(Action::Broadcast(Arc::clone(offer)));
        }
    }

    fn append(&mut self, height: Height, input: Input<Ctx>) {
        if self.mode == Mode::Replay {
            // The log is written afresh while it is replayed; each entry once.
            if self.relogged.contains(&input) {
                return;
            }
            self.relogged.push(input.clone());
        }
        self.actions.push(Action::Append(height.0, Box::new(input)));
    }

    fn schedule(&mut self, timeout: Timeout) {
        if let Some(key) = TimerKey::of(timeout) {
            let after = self.config.timeouts.duration_for(timeout);
            self.set_timer(key, after.as_micros() as Micros);
        }
    }

    /// Builds a block on the tip, or notes that one is wanted while the log is replayed.
    pub(super) fn want_value(&mut self, height: u64, round: Round, now: Micros) {
        if self.mode == Mode::Replay {
            self.held_value = Some((height, round));
            return;
        }
        let block = self.chain.build(BuildAt {
            height,
            round: round.as_u32().unwrap_or(0),
            proposer: self.config.key.address(),
            now_ms: now / 1_000,
        });
        let id = crate::chain::Block::id(block.as_ref());
        self.blocks.insert(id, Arc::clone(&block));
        self.actions.push(Action::Keep(Arc::clone(&block)));
        self.actions
            .push(Action::Broadcast(Arc::new(Message::Block(block))));
        self.todo
            .push_back(Input::Propose(LocallyProposedValue::new(
                Height(height),
                round,
                Value(id),
            )));
    }

    /// The certificate of a caught-up block is good; now the block itself is judged.
    fn on_verified_sync(
        &mut self,
        response: &ValueResponse<Ctx>,
        proposer: crate::context::Address,
        now: Micros,
    ) {
        let certificate = &response.certificate;
        let Some(block) = self.blocks.get(&certificate.value_id).cloned() else {
            self.counters.sync_refused += 1;
            return;
        };
        let validity = self.judge(&block, now);
        if validity.is_invalid() {
            // Either we or more than two thirds are wrong: going on could only spread it.
            self.stop(format!(
                "a certified block at height {} is invalid here",
                certificate.height
            ));
            return;
        }
        self.counters.synced += 1;
        let value = ProposedValue {
            height: certificate.height,
            round: certificate.round,
            valid_round: Round::Nil,
            proposer,
            value: Value(certificate.value_id),
            validity,
        };
        self.todo
            .push_back(Input::ProposedValue(value, ValueOrigin::Sync));
    }

    pub(super) fn judge(&mut self, block: &C::Block, now: Micros) -> Validity {
        match self.chain.check(block, now / 1_000) {
            Ok(()) => Validity::Valid,
            Err(_) => {
                self.counters.invalid_blocks += 1;
                Validity::Invalid
            }
        }
    }

    fn on_decide(&mut self, certificate: &CommitCertificate<Ctx>) {
        let id: BlockId = certificate.value_id;
        let Some(block) = self.blocks.get(&id).cloned() else {
            self.stop(format!(
                "decided block {id} at {} is missing",
                certificate.height
            ));
            return;
        };
        let decided = Decided {
            block,
            certificate: Arc::new(Certificate::from_engine(certificate)),
        };
        self.actions.push(Action::Flush);
        match self.chain.apply(decided.clone()) {
            Ok(()) => self.actions.push(Action::Commit(decided)),
            Err(reason) => self.stop(reason),
        }
    }

    fn on_finalize(&mut self, height: u64, found: Vec<evidence::Equivocation>, now: Micros) {
        if matches!(self.phase, Phase::Stopped(_)) {
            return;
        }
        if !found.is_empty() {
            self.chain.report(found.clone());
        }
        // The engine would go on repeating its votes until the next height. Who
        // missed the decision still votes for it, and is answered with it.
        self.timers.retain(|key, _| key.kind == TimerKind::Sync);
        self.blocks.clear();
        self.taken.clear();
        self.attempts = 0;
        self.offers.clear();
        self.wanted.clear();
        self.decided_at = now;
        self.actions.push(Action::ResetLog(height + 1));
        self.actions.push(Action::Finalized {
            height,
            evidence: found,
        });
        self.phase = Phase::Waiting {
            paced: self.config.min_block_interval_ms == 0,
            called: self.best_seen > height,
        };
        if self.asked.is_some_and(|asked| asked <= height) {
            self.asked = None;
            self.timers.remove(&TimerKey::plain(TimerKind::Sync));
        }
        let (pace, empty) = (
            self.config.min_block_interval_ms * 1_000,
            self.config.empty_block_interval_ms * 1_000,
        );
        if pace > 0 {
            self.set_timer(TimerKey::plain(TimerKind::Pace), pace);
        }
        self.set_timer(TimerKey::plain(TimerKind::EmptyBlock), empty.max(pace));
        self.ask_if_behind(None);
    }
}
