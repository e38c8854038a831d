//! The validator's own thread: the sans-IO driver, its log, its store, its
//! timers. The one place that states in which order things become durable.
//!
//! For a batch of events: append what the driver wants logged; commit a
//! decided block, which makes the log of its height obsolete; flush the log;
//! only then let anything signed leave. The first error ends the node: what
//! the disk holds is unknown then.

mod carry;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, select};
use gridloom_consensus::{Action, Chain, Event, SigMemo, TimerKey, ValidatorNode};
use gridloom_ledger::{LedgerBlock, Transaction, Wallet, account_of};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::chain::{Clocks, Msg, TimedChain, timed};
use crate::config::Config;
use crate::journal::Journal;
use crate::net::{Arrived, Command, Shown};
use crate::recover::UNTIL_TOLD;
use crate::repair::Repairs;
use crate::status::{Committed, ValidatorStatus};
use crate::store::Store;
use crate::wal::Wal;

/// Events handled before the log is flushed, at most.
const BATCH: usize = 256;
/// Time spent on transactions before votes are looked at again.
const TX_SLICE: Duration = Duration::from_millis(4);
/// After being told how far the others are, so many more heights are followed
/// silently: those this validator may have voted on without their decision
/// having reached the others yet.
const SILENT_MARGIN: u64 = 3;

/// What clients and gossip bring to the validator.
#[derive(Debug)]
pub(crate) enum TxInput {
    /// Transactions other nodes took in.
    Gossip(Vec<Arc<Transaction>>),
    /// Transactions of a client.
    Submit(Vec<Arc<Transaction>>, oneshot::Sender<Submitted>),
    /// What a key owns and which number comes next.
    Account([u8; 32], oneshot::Sender<AccountAnswer>),
    /// End.
    Stop,
}

/// What became of a client's transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Submitted {
    pub(crate) accepted: usize,
    /// Positions of the refused ones, with reasons.
    pub(crate) refused: Vec<(usize, String)>,
}

/// What the ledger knows of a key.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountAnswer {
    pub(crate) wallet: Option<Wallet>,
    pub(crate) next_nonce: Option<u64>,
    pub(crate) next_seq: Option<u64>,
}

/// What the validator's thread shares with the others.
pub(crate) struct Shared {
    pub(crate) tip: Arc<AtomicU64>,
    pub(crate) status: Mutex<ValidatorStatus>,
    pub(crate) log_flushes: AtomicU64,
    pub(crate) saved_state: AtomicU64,
    pub(crate) commits: broadcast::Sender<Arc<Committed>>,
    pub(crate) clocks: Arc<Clocks>,
}

/// What the validator's thread works with.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) repairs: Arc<Repairs>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) net: mpsc::Sender<Command>,
    pub(crate) shown: Arc<Shown>,
    pub(crate) arrived: Receiver<Arrived>,
    pub(crate) txs: Receiver<TxInput>,
}

type Timer = Reverse<(Instant, u64, TimerKey, u64)>;

pub(crate) struct Host {
    parts: Parts,
    node: ValidatorNode<TimedChain>,
    wal: Wal,
    memo: SigMemo,
    timers: BinaryHeap<Timer>,
    set: u64,
    /// Signed messages that wait for the flush.
    outbox: Vec<Command>,
    journal: Option<Journal>,
    /// The clock: µs on the ledger's clock when the process started.
    started: (u64, Instant),
    /// Heights the others told.
    told: BTreeMap<u16, u64>,
    executed: u64,
    evidence: u64,
    gossip: Vec<Arc<Transaction>>,
    saving: Arc<AtomicBool>,
    save_due: bool,
    stopped: Option<String>,
    shown_at: Instant,
}

/// What a host starts from.
pub(crate) struct Start {
    pub(crate) chain: TimedChain,
    pub(crate) log: Vec<gridloom_consensus::LogInput>,
    pub(crate) kept: Vec<Arc<LedgerBlock>>,
    pub(crate) silent_below: u64,
}

/// µs since the start of the ledger's clock, and the moment this was read.
fn clock(config: &Config) -> (u64, Instant) {
    let unix_us = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_micros() as u64);
    let epoch_us = config.genesis.file.epoch_unix_ms.saturating_mul(1_000);
    (unix_us.saturating_sub(epoch_us), Instant::now())
}

impl Host {
    /// Brings the validator back; its log is rewritten beside the old one and
    /// put in place before anything is sent.
    pub(crate) fn start(parts: Parts, start: Start) -> Result<Self, String> {
        let fingerprint = parts.config.genesis.fingerprint();
        let data = parts.config.data.clone();
        let wal = Wal::fresh(&data, &fingerprint, start.silent_below)
            .map_err(|error| error.to_string())?;
        let journal = match parts.config.file.journal {
            true => Some(Journal::open(&data).map_err(|error| format!("votes.journal: {error}"))?),
            false => None,
        };
        let started = clock(&parts.config);
        let config = Arc::new(parts.config.validator());
        let mut memo = SigMemo::default();
        let (node, actions) = if start.silent_below > start.chain.tip() + 1 {
            let mut node = ValidatorNode::new(config, start.chain);
            node.keep_silent_below(start.silent_below);
            let actions = node.handle(Event::Start, started.0, &mut memo);
            (node, actions)
        } else {
            ValidatorNode::restart(
                config,
                start.chain,
                start.log,
                start.kept,
                started.0,
                &mut memo,
            )
        };
        let mut host = Self {
            parts,
            node,
            wal,
            memo,
            timers: BinaryHeap::new(),
            set: 0,
            outbox: Vec::new(),
            journal,
            started,
            told: BTreeMap::new(),
            executed: 0,
            evidence: 0,
            gossip: Vec::new(),
            saving: Arc::default(),
            save_due: false,
            stopped: None,
            shown_at: Instant::now(),
        };
        // The log may decide its height by itself; the commit must then find it
        // in place. Until there everything to be logged comes first.
        let mut head = actions;
        let decided = head
            .iter()
            .position(|action| matches!(action, Action::Commit(_)));
        let tail = head.split_off(decided.unwrap_or(head.len()));
        let logged = |action: &Action<_>| matches!(action, Action::Keep(_) | Action::Append(..));
        let (durable, rest): (Vec<_>, Vec<_>) = head.into_iter().partition(logged);
        host.carry_out(durable)?;
        host.wal.install().map_err(|error| error.to_string())?;
        host.carry_out(rest)?;
        host.carry_out(tail)?;
        host.end_batch()?;
        Ok(host)
    }

    fn now(&self) -> u64 {
        self.started.0 + self.started.1.elapsed().as_micros() as u64
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) -> Result<(), String> {
        let (arrived, txs) = (self.parts.arrived.clone(), self.parts.txs.clone());
        loop {
            let wait = self.until_timer();
            let (mut first, mut first_tx) = (None, None);
            let clocks = Arc::clone(&self.parts.shared.clocks);
            timed(&clocks.idle, || {
                select! {
                    recv(arrived) -> what => first = what.ok(),
                    recv(txs) -> what => first_tx = what.ok(),
                    default(wait) => {}
                }
            });
            if let Some(what) = first {
                self.take(what)?;
            }
            for _ in 0..BATCH {
                let Ok(what) = arrived.try_recv() else { break };
                self.take(what)?;
            }
            self.fire_timers()?;
            let begun = Instant::now();
            while let Some(input) = first_tx.take().or_else(|| txs.try_recv().ok()) {
                if matches!(input, TxInput::Stop) {
                    return self.finish();
                }
                self.take_txs(input)?;
                if begun.elapsed() > TX_SLICE {
                    break;
                }
            }
            self.end_batch()?;
            if let Some(reason) = self.stopped.take() {
                self.show();
                return Err(reason);
            }
            if self.shown_at.elapsed() > Duration::from_millis(50) {
                self.show();
            }
        }
    }

    fn until_timer(&self) -> Duration {
        const LONGEST: Duration = Duration::from_millis(100);
        self.timers.peek().map_or(LONGEST, |Reverse((at, ..))| {
            at.saturating_duration_since(Instant::now()).min(LONGEST)
        })
    }

    fn fire_timers(&mut self) -> Result<(), String> {
        let now = Instant::now();
        while let Some(Reverse((at, _, key, epoch))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            self.handle(Event::Timer { key, epoch })?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Event<TimedChain>) -> Result<(), String> {
        let now = self.now();
        let clocks = Arc::clone(&self.parts.shared.clocks);
        let actions = timed(&clocks.handle, || {
            self.node.handle(event, now, &mut self.memo)
        });
        self.carry_out(actions)
    }

    fn take(&mut self, what: Arrived) -> Result<(), String> {
        match what {
            Arrived::Messages(from, list) => {
                for message in list {
                    self.note_signed(&message);
                    let message = Arc::new(message);
                    self.handle(Event::Message { from, message })?;
                }
            }
            Arrived::Tip(from, tip) => {
                self.told.insert(from, tip);
                self.break_silence()?;
                self.handle(Event::Heard { from, tip })?;
            }
        }
        Ok(())
    }

    /// Told by all but the tolerated number of others, it knows from where on
    /// its votes cannot contradict forgotten ones.
    fn break_silence(&mut self) -> Result<(), String> {
        if self.node.silent_below() != UNTIL_TOLD {
            return Ok(());
        }
        let others = self.parts.config.peers.len();
        let needed = others - others / 3;
        if self.told.len() < needed {
            return Ok(());
        }
        let far = self.told.values().copied().max().unwrap_or(0);
        let below = far.max(self.node.chain().tip()) + SILENT_MARGIN;
        tracing::warn!(
            below,
            "follows silently up to this height, then votes again"
        );
        self.node.keep_silent_below(below);
        self.wal
            .keep_silent_below(below)
            .map_err(|error| error.to_string())
    }

    fn take_txs(&mut self, input: TxInput) -> Result<(), String> {
        match input {
            TxInput::Gossip(list) => {
                for tx in list {
                    self.submit(tx)?;
                }
            }
            TxInput::Submit(list, reply) => {
                let mut result = Submitted::default();
                for (index, tx) in list.into_iter().enumerate() {
                    match self.submit(Arc::clone(&tx))? {
                        None => {
                            result.accepted += 1;
                            self.gossip.push(tx);
                        }
                        Some(reason) => result.refused.push((index, reason)),
                    }
                }
                // The client may have left.
                let _ = reply.send(result);
            }
            TxInput::Account(key, reply) => {
                let ledger = &self.node.chain().ledger;
                let account = account_of(&key);
                let _ = reply.send(AccountAnswer {
                    wallet: ledger.wallet(account),
                    next_nonce: ledger.next_nonce(account),
                    next_seq: ledger.next_seq(account),
                });
            }
            TxInput::Stop => {}
        }
        Ok(())
    }

    /// Offers a transaction to the waiting line; gives the reason for a refusal.
    fn submit(&mut self, tx: Arc<Transaction>) -> Result<Option<String>, String> {
        let before = self.node.counters().txs_refused;
        let message = Arc::new(Msg::Tx(Arc::clone(&tx)));
        let from = self.parts.config.index;
        self.handle(Event::Message { from, message })?;
        if self.node.counters().txs_refused == before {
            return Ok(None);
        }
        let ledger = &self.node.chain().ledger;
        let reason = ledger
            .refusals()
            .last()
            .filter(|refusal| refusal.transaction == tx.id())
            .map_or_else(
                || "it waits already, or there is no room".to_string(),
                |refusal| refusal.reason.to_string(),
            );
        Ok(Some(reason))
    }
}
