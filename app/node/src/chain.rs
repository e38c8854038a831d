//! The ledger as the validator inside a node sees it: the same chain, with a
//! stop-watch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use gridloom_consensus::{BuildAt, Chain, ChainId, Decided, Equivocation, Message, ValidatorSet};
use gridloom_ledger::{LedgerBlock, LedgerChain, Transaction};
use serde::{Deserialize, Serialize};

/// Decided blocks kept in memory; the store has the others.
const KEEP_BLOCKS: usize = 64;
/// Heights between two clean-ups of memory.
const FORGET_EVERY: u64 = 64;

/// A message between validators of a ledger.
pub type Msg = Message<TimedChain>;

/// Where a node's time goes, ms since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpentMs {
    /// Taking transactions in: signatures, numbers, order.
    pub submit: f64,
    /// Building blocks.
    pub build: f64,
    /// Executing blocks of others.
    pub check: f64,
    /// Taking decided blocks over.
    pub apply: f64,
    /// Voting: everything the consensus engine does, vote signatures included.
    pub engine: f64,
    /// Flushing the log.
    pub log: f64,
    /// Committing blocks to the store.
    pub store: f64,
    /// Encoding and decoding messages.
    pub codec: f64,
    /// Waiting for something to do.
    pub idle: f64,
}

/// The stop-watches behind [`SpentMs`], in µs.
#[derive(Debug, Default)]
pub struct Clocks {
    pub(crate) submit: AtomicU64,
    pub(crate) build: AtomicU64,
    pub(crate) check: AtomicU64,
    pub(crate) apply: AtomicU64,
    pub(crate) handle: AtomicU64,
    pub(crate) log: AtomicU64,
    pub(crate) store: AtomicU64,
    pub(crate) codec: AtomicU64,
    pub(crate) idle: AtomicU64,
}

/// Runs something and adds its time.
pub(crate) fn timed<T>(clock: &AtomicU64, run: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = run();
    clock.fetch_add(begun.elapsed().as_nanos() as u64 / 1_000, Ordering::Relaxed);
    result
}

impl Clocks {
    /// The readings.
    #[must_use]
    pub fn spent(&self) -> SpentMs {
        let ms = |clock: &AtomicU64| clock.load(Ordering::Relaxed) as f64 / 1_000.0;
        let (submit, build, check, apply) = (
            ms(&self.submit),
            ms(&self.build),
            ms(&self.check),
            ms(&self.apply),
        );
        SpentMs {
            submit,
            build,
            check,
            apply,
            engine: (ms(&self.handle) - submit - build - check - apply).max(0.0),
            log: ms(&self.log),
            store: ms(&self.store),
            codec: ms(&self.codec),
            idle: ms(&self.idle),
        }
    }
}

/// A ledger that counts the time it takes.
#[derive(Clone, Debug)]
pub struct TimedChain {
    /// The ledger.
    pub ledger: LedgerChain,
    pub(crate) clocks: Arc<Clocks>,
}

impl Chain for TimedChain {
    type Block = LedgerBlock;
    type Tx = Transaction;

    fn id(&self) -> ChainId {
        self.ledger.id()
    }

    fn tip(&self) -> u64 {
        self.ledger.tip()
    }

    fn validators(&self) -> ValidatorSet {
        self.ledger.validators()
    }

    fn build(&self, at: BuildAt) -> Arc<LedgerBlock> {
        timed(&self.clocks.build, || self.ledger.build(at))
    }

    fn check(&self, block: &LedgerBlock, now_ms: u64) -> Result<(), String> {
        timed(&self.clocks.check, || self.ledger.check(block, now_ms))
    }

    fn apply(&mut self, decided: Decided<LedgerBlock>) -> Result<(), String> {
        let result = timed(&self.clocks.apply, || self.ledger.apply(decided));
        if self.ledger.tip().is_multiple_of(FORGET_EVERY) {
            self.ledger.forget_blocks(KEEP_BLOCKS);
        }
        result
    }

    fn decided(&self, height: u64) -> Option<Decided<LedgerBlock>> {
        self.ledger.decided(height)
    }

    fn submit(&mut self, tx: Arc<Transaction>) -> bool {
        timed(&self.clocks.submit, || self.ledger.submit(tx))
    }

    fn pending(&self) -> usize {
        self.ledger.pending()
    }

    fn report(&mut self, evidence: Vec<Equivocation>) {
        self.ledger.report(evidence);
    }

    fn forget_volatile(&mut self) {
        self.ledger.forget_volatile();
    }
}
