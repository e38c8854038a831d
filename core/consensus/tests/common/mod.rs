//! A small chain for the tests: blocks carry numbers, the state is their running hash.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{
    Address, Block, BlockId, BuildAt, Chain, ChainId, Cluster, ClusterConfig, Decided,
    Equivocation, History, KeyPair, LinkConfig, Tx, ValidatorSet,
};
use gridloom_units::SimTime;

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TestBlock {
    pub height: u64,
    pub round: u32,
    pub proposer: Address,
    pub time_ms: u64,
    pub parent: BlockId,
    pub numbers: Vec<u64>,
    pub state: [u8; 32],
}

impl Block for TestBlock {
    fn id(&self) -> BlockId {
        BlockId(*blake3::hash(&borsh::to_vec(self).unwrap()).as_bytes())
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

#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Number(pub u64);

impl Tx for Number {
    fn kind(&self) -> &'static str {
        "number"
    }
}

#[derive(Clone, Debug)]
pub struct TestChain {
    pub set: ValidatorSet,
    pub history: History<TestBlock>,
    pub state: [u8; 32],
    pub pool: Vec<u64>,
    pub done: Arc<Vec<u64>>,
    pub evidence: usize,
    /// A chain with this mark proposes blocks with a wrong state.
    pub liar: bool,
}

impl TestChain {
    pub fn new(set: ValidatorSet) -> Self {
        Self {
            set,
            history: History::default(),
            state: [0; 32],
            pool: Vec::new(),
            done: Arc::default(),
            evidence: 0,
            liar: false,
        }
    }

    fn next_state(&self, numbers: &[u64]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.state);
        for n in numbers {
            hasher.update(&n.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    fn parent(&self) -> BlockId {
        self.history
            .last()
            .map(|d| d.block.id())
            .unwrap_or_default()
    }
}

impl Chain for TestChain {
    type Block = TestBlock;
    type Tx = Number;

    fn id(&self) -> ChainId {
        ChainId::from_name("test")
    }
    fn tip(&self) -> u64 {
        self.history.tip()
    }
    fn validators(&self) -> ValidatorSet {
        self.set.clone()
    }
    fn build(&self, at: BuildAt) -> Arc<TestBlock> {
        let numbers: Vec<u64> = self.pool.iter().take(100).copied().collect();
        let mut state = self.next_state(&numbers);
        if self.liar {
            state[0] ^= 1;
        }
        Arc::new(TestBlock {
            height: at.height,
            round: at.round,
            proposer: at.proposer,
            time_ms: at.now_ms,
            parent: self.parent(),
            numbers,
            state,
        })
    }
    fn check(&self, block: &TestBlock, now_ms: u64) -> Result<(), String> {
        if block.height != self.tip() + 1 || block.parent != self.parent() {
            return Err("not on our tip".into());
        }
        if block.time_ms > now_ms {
            return Err("from the future".into());
        }
        if block.state != self.next_state(&block.numbers) {
            return Err("wrong state".into());
        }
        Ok(())
    }
    fn apply(&mut self, decided: Decided<TestBlock>) -> Result<(), String> {
        self.state = self.next_state(&decided.block.numbers);
        self.pool.retain(|n| !decided.block.numbers.contains(n));
        Arc::make_mut(&mut self.done).extend(&decided.block.numbers);
        self.history.push(decided);
        Ok(())
    }
    fn decided(&self, height: u64) -> Option<Decided<TestBlock>> {
        self.history.get(height).cloned()
    }
    fn submit(&mut self, tx: Arc<Number>) -> bool {
        let fresh = !self.pool.contains(&tx.0) && !self.done.contains(&tx.0);
        if fresh && self.pool.len() < 1_000 {
            self.pool.push(tx.0);
        }
        fresh
    }
    fn pending(&self) -> usize {
        self.pool.len()
    }
    fn report(&mut self, evidence: Vec<Equivocation>) {
        let good = |proof: &&Equivocation| proof.holds(&self.id(), &self.set);
        self.evidence += evidence.iter().filter(good).count();
    }
    fn forget_volatile(&mut self) {
        self.pool.clear();
    }
}

pub fn keys(n: u8) -> Vec<KeyPair> {
    (1..=n).map(|i| KeyPair::from_seed([i; 32])).collect()
}

pub fn chain(keys: &[KeyPair]) -> TestChain {
    TestChain::new(ValidatorSet::new(keys.iter().map(|k| (k.public(), 1))).unwrap())
}

pub fn fast(seed: u64, loss_ppm: u32) -> ClusterConfig {
    ClusterConfig {
        min_block_interval_ms: 0,
        empty_block_interval_ms: 0,
        links: LinkConfig {
            seed,
            loss_ppm,
            ..LinkConfig::default()
        },
        ..ClusterConfig::default()
    }
}

pub fn group(n: u8, config: &ClusterConfig) -> Cluster<TestChain> {
    let keys = keys(n);
    let chain = chain(&keys);
    Cluster::new(config, keys, &chain, SimTime(0))
}

/// Runs until every running validator has decided `height`; panics with the state when stuck.
pub fn run_to(cluster: &mut Cluster<TestChain>, height: u64, limit: SimTime) {
    while cluster.now() < limit {
        let next = SimTime(cluster.now().0 + 50);
        cluster.advance(next);
        assert_eq!(cluster.fork(), None);
        if cluster
            .statuses()
            .iter()
            .filter(|s| s.up)
            .all(|s| s.tip >= height)
        {
            return;
        }
    }
    panic!("stuck at {:?}: {:#?}", cluster.now(), cluster.statuses());
}
