//! Decided heights per second of processor time, on a chain of plain blocks.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::SimTime;

use crate::chain::{Block, BuildAt, Chain, Decided, Tx};
use crate::cluster::{Cluster, ClusterConfig};
use crate::context::{Address, BlockId, ChainId, SetError, ValidatorSet};
use crate::evidence::Equivocation;
use crate::history::History;
use crate::sign::{Checks, KeyPair};

/// Bytes of filling in a block, so that it has the size of a small real one.
const FILLING: usize = 100;

/// A block without transactions, about 200 bytes.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
struct PlainBlock {
    height: u64,
    round: u32,
    proposer: Address,
    time_ms: u64,
    parent: BlockId,
    filling: Vec<u8>,
}

impl Block for PlainBlock {
    fn id(&self) -> BlockId {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.height.to_le_bytes());
        hasher.update(&self.round.to_le_bytes());
        hasher.update(&self.proposer.0);
        hasher.update(&self.time_ms.to_le_bytes());
        hasher.update(&self.parent.0);
        hasher.update(&self.filling);
        BlockId(*hasher.finalize().as_bytes())
    }

    fn height(&self) -> u64 {
        self.height
    }

    fn round(&self) -> u32 {
        self.round
    }

    fn proposer(&self) -> Address {
        self.proposer
    }
}

/// There are none.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct NoTx;

impl Tx for NoTx {
    fn kind(&self) -> &'static str {
        "none"
    }
}

#[derive(Clone, Debug)]
struct PlainChain {
    validators: ValidatorSet,
    history: History<PlainBlock>,
}

impl PlainChain {
    fn parent(&self) -> BlockId {
        self.history
            .last()
            .map_or_else(BlockId::default, |decided| decided.certificate.block)
    }
}

impl Chain for PlainChain {
    type Block = PlainBlock;
    type Tx = NoTx;

    fn id(&self) -> ChainId {
        ChainId::from_name("bench")
    }

    fn tip(&self) -> u64 {
        self.history.tip()
    }

    fn validators(&self) -> ValidatorSet {
        self.validators.clone()
    }

    fn build(&self, at: BuildAt) -> Arc<PlainBlock> {
        Arc::new(PlainBlock {
            height: at.height,
            round: at.round,
            proposer: at.proposer,
            time_ms: at.now_ms,
            parent: self.parent(),
            filling: vec![0; FILLING],
        })
    }

    fn check(&self, block: &PlainBlock, now_ms: u64) -> Result<(), String> {
        if block.height == self.tip() + 1
            && block.parent == self.parent()
            && block.time_ms <= now_ms
        {
            Ok(())
        } else {
            Err("does not follow the tip".into())
        }
    }

    fn apply(&mut self, decided: Decided<PlainBlock>) -> Result<(), String> {
        self.history.push(decided);
        Ok(())
    }

    fn decided(&self, height: u64) -> Option<Decided<PlainBlock>> {
        self.history.get(height).cloned()
    }

    fn submit(&mut self, _tx: Arc<NoTx>) -> bool {
        false
    }

    fn pending(&self) -> usize {
        0
    }

    fn report(&mut self, _evidence: Vec<Equivocation>) {}

    fn forget_volatile(&mut self) {}
}

/// What a benchmark run measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeightsBench {
    /// Validators in the group.
    pub validators: u16,
    /// How often signatures were checked.
    pub checks: Checks,
    /// Heights decided.
    pub heights: u64,
    /// Time taken by the caller's clock, s.
    pub seconds: f64,
    /// Heights per second of the caller's clock.
    pub heights_per_s: f64,
    /// Messages sent per height.
    pub messages_per_height: f64,
    /// Signatures really checked per height.
    pub checks_per_height: f64,
    /// Simulated time per height, ms.
    pub simulated_ms_per_height: f64,
}

/// Runs `validators` validators on one thread until `heights` blocks are
/// decided, one after the other without a pause, on links of 5 to 15 ms.
///
/// `clock` returns seconds since any fixed moment: processor time of the
/// thread when figures shall be comparable. The event queue of the simulated
/// network is part of what is measured.
///
/// # Errors
/// Refuses a group without validators.
pub fn bench_heights(
    validators: u16,
    heights: u64,
    checks: Checks,
    clock: &mut dyn FnMut() -> f64,
) -> Result<HeightsBench, SetError> {
    let keys: Vec<KeyPair> = (0..validators)
        .map(|index| {
            let mut seed = [7; 32];
            seed[..2].copy_from_slice(&index.to_le_bytes());
            KeyPair::from_seed(seed)
        })
        .collect();
    let chain = PlainChain {
        validators: ValidatorSet::new(keys.iter().map(|key| (key.public(), 1)))?,
        history: History::default(),
    };
    let config = ClusterConfig {
        min_block_interval_ms: 0,
        empty_block_interval_ms: 0,
        checks,
        ..ClusterConfig::default()
    };
    let mut cluster = Cluster::new(&config, keys, &chain, SimTime(0));
    let start = clock();
    // Ten simulated seconds a height would mean that the group is stuck.
    let limit = SimTime(heights.saturating_mul(10_000));
    while cluster.height() < heights && cluster.now() < limit {
        cluster.advance(SimTime(cluster.now().0 + 100));
        let _ = cluster.drain_decided();
    }
    let seconds = clock() - start;
    let done = cluster.height().max(1) as f64;
    Ok(HeightsBench {
        validators,
        checks,
        heights: cluster.height(),
        seconds,
        heights_per_s: done / seconds,
        messages_per_height: cluster.network_counters().sent as f64 / done,
        checks_per_height: cluster.signature_checks().0 as f64 / done,
        simulated_ms_per_height: cluster.now().0 as f64 / done,
    })
}
