//! Carrying out what the driver asks for, in the order that keeps promises:
//! log, flush, store, and only then the network.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use gridloom_consensus::{Action, Chain, Decided};
use gridloom_ledger::LedgerBlock;

use super::Host;
use crate::chain::{Msg, TimedChain, timed};
use crate::hex;
use crate::net::Command;
use crate::saved;
use crate::status::{Committed, ValidatorStatus};

impl Host {
    pub(super) fn note_signed(&mut self, message: &Msg) {
        if let (Some(journal), Some(signed)) = (&mut self.journal, message.signed()) {
            journal.note(signed);
        }
    }

    pub(super) fn carry_out(&mut self, actions: Vec<Action<TimedChain>>) -> Result<(), String> {
        for action in actions {
            match action {
                Action::Keep(block) => self.wal.keep(&block).map_err(|e| e.to_string())?,
                Action::Append(height, input) => {
                    self.wal.input(height, *input).map_err(|e| e.to_string())?;
                }
                // Everything signed waits in the outbox until the log is flushed.
                Action::Flush => {}
                Action::Commit(decided) => self.commit(&decided)?,
                Action::ResetLog(height) => {
                    self.wal.begin_height(height).map_err(|e| e.to_string())?;
                }
                Action::Broadcast(message) => {
                    self.note_signed(&message);
                    self.send(Command::Broadcast(message));
                }
                Action::Send(to, message) => match message.as_ref() {
                    Msg::SyncRequest(height) => self.send(Command::CatchUp(to, *height)),
                    _ => self.send(Command::Send(to, message)),
                },
                Action::SetTimer { key, epoch, after } => {
                    self.set += 1;
                    let at = Instant::now() + Duration::from_micros(after);
                    self.timers.push(Reverse((at, self.set, key, epoch)));
                }
                Action::Finalized { evidence, .. } => {
                    for proof in &evidence {
                        tracing::error!(
                            offender = %proof.offender, height = proof.height,
                            "a validator signed twice"
                        );
                    }
                    self.evidence += evidence.len() as u64;
                }
                Action::Stopped(reason) => self.stopped = Some(reason),
            }
        }
        Ok(())
    }

    /// Blocks and requests are not signed and may leave at once; everything
    /// else waits for the flush.
    fn send(&mut self, command: Command) {
        let signed = match &command {
            Command::Broadcast(message) | Command::Send(_, message) => {
                !matches!(message.as_ref(), Msg::Block(_) | Msg::Want(..))
            }
            Command::Transactions(_) | Command::CatchUp(..) => false,
        };
        if signed && (self.wal.dirty() || !self.outbox.is_empty()) {
            self.outbox.push(command);
        } else {
            self.hand_over(command);
        }
    }

    fn hand_over(&self, command: Command) {
        if self.parts.net.try_send(command).is_err() {
            self.parts.shown.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        let clocks = Arc::clone(&self.parts.shared.clocks);
        timed(&clocks.log, || self.wal.flush()).map_err(|error| error.to_string())
    }

    pub(super) fn end_batch(&mut self) -> Result<(), String> {
        self.flush()?;
        if let Some(journal) = &mut self.journal {
            // Before the votes leave: an audit must know at least what others know.
            journal
                .write()
                .map_err(|error| format!("votes.journal: {error}"))?;
        }
        for command in std::mem::take(&mut self.outbox) {
            self.hand_over(command);
        }
        if !self.gossip.is_empty() {
            let list = std::mem::take(&mut self.gossip);
            self.hand_over(Command::Transactions(list));
        }
        Ok(())
    }

    fn commit(&mut self, decided: &Decided<LedgerBlock>) -> Result<(), String> {
        // Once the block is durable the log of its height says nothing more, so
        // that log need not be flushed first; what was signed still waits.
        let shared = Arc::clone(&self.parts.shared);
        timed(&shared.clocks.store, || self.parts.store.put(decided))
            .map_err(|error| error.to_string())?;
        let block = &decided.block;
        let header = block.header();
        shared.tip.store(header.height, Ordering::Relaxed);
        self.executed += block.transactions().len() as u64;
        // Nobody may be listening.
        let _ = shared.commits.send(Arc::new(Committed::of(decided)));
        self.save_due |= header
            .height
            .is_multiple_of(self.parts.config.file.save_state_every);
        // While catching up the driver may be several heights further than this block.
        if self.save_due && self.node.chain().tip() == header.height {
            self.save_due = false;
            self.save_state(decided);
        }
        Ok(())
    }

    /// Writes the state after the last block on another thread, unless the
    /// last time is not over yet.
    fn save_state(&self, decided: &Decided<LedgerBlock>) {
        if self.saving.swap(true, Ordering::AcqRel) {
            return;
        }
        let state = self.node.chain().ledger.save();
        let certificate = Arc::clone(&decided.certificate);
        let data = self.parts.config.data.clone();
        let (saving, shared) = (Arc::clone(&self.saving), Arc::clone(&self.parts.shared));
        let repairs = Arc::clone(&self.parts.repairs);
        let spawned = std::thread::Builder::new()
            .name("state".into())
            .spawn(move || {
                if let Some(state) = state {
                    let height = state.header.height;
                    match saved::write(&data, &certificate, state) {
                        Ok(_) => shared.saved_state.store(height, Ordering::Relaxed),
                        Err(error) => repairs.note(format!("state of {height} not saved: {error}")),
                    }
                }
                saving.store(false, Ordering::Release);
            });
        if spawned.is_err() {
            self.saving.store(false, Ordering::Release);
        }
    }

    /// Ends cleanly: everything durable, the state saved for a quick start.
    pub(super) fn finish(mut self) -> Result<(), String> {
        self.end_batch()?;
        let tip = self.node.chain().tip();
        if tip > self.parts.shared.saved_state.load(Ordering::Relaxed)
            && let Ok(decided) = self.parts.store.block(tip)
            && let Some(state) = self.node.chain().ledger.save()
        {
            saved::write(&self.parts.config.data, &decided.certificate, state)
                .map_err(|error| format!("state of {tip} not saved: {error}"))?;
        }
        tracing::info!(height = tip, "stopped");
        Ok(())
    }

    /// Renews what others see of the validator.
    pub(super) fn show(&mut self) {
        self.shown_at = Instant::now();
        let chain = &self.node.chain().ledger;
        let (counters, pool) = (self.node.counters(), chain.mempool_counters());
        let (_, round, step) = self.node.position();
        let header = chain.tip_header();
        let status = ValidatorStatus {
            height: chain.height(),
            block: header.map_or_else(String::new, |h| hex::encode(&h.id().0)),
            state_root: hex::encode(&chain.state_root()),
            time_ms: header.map_or(0, |h| h.time_ms),
            round,
            step: format!("{step:?}").to_lowercase(),
            waiting: pool.waiting,
            accepted: pool.accepted,
            refused: counters.txs_refused,
            executed: self.executed,
            caught_up: counters.synced,
            catch_up_requests: counters.sync_requests,
            catch_up_refused: counters.sync_refused,
            invalid_blocks: counters.invalid_blocks,
            dropped: counters.blocks_dropped
                + counters.early_dropped
                + counters.inputs_dropped
                + self.journal.as_ref().map_or(0, |journal| journal.dropped),
            evidence: self.evidence,
            silent_below: match self.node.silent_below() {
                below if below > chain.height() => below,
                _ => 0,
            },
            stopped: self.stopped.clone(),
        };
        let shared = &self.parts.shared;
        shared
            .log_flushes
            .store(self.wal.flushes, Ordering::Relaxed);
        *shared.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}
