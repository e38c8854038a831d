//! A validator's copy of a ledger.

mod query;
mod resume;
mod store;

use std::collections::VecDeque;
use std::sync::Arc;

use gridloom_consensus::{
    BlockId, BuildAt, Certificate, Chain, ChainId, Decided, Equivocation, ValidatorSet,
};

use crate::cross::{Flows, Governance, RootSeen, seats, set_of};
use crate::execute::{Env, Executed, Inadmissible, admit, execute, select};
use crate::genesis::{ClusterGenesis, Genesis, GenesisError, Kind, RootGenesis};
use crate::header::{BlockHeader, LedgerBlock};
use crate::history::History;
use crate::memo::{Memo, MemoCounters};
use crate::mempool::{Mempool, MempoolCounters};
use crate::merkle::list_root;
use crate::receipt::Receipt;
use crate::state::{Account, ClusterRecord, MarketState, State, StateKey, StateValue, View};
use crate::transaction::{Transaction, TxBody};

pub use query::{ParticipantRow, Wallet};
pub use resume::{ResumeError, SavedState};
pub use store::{Keeping, Kept, Missing, POINTER_BYTES};

/// How far a block's clock may be ahead of the validator that judges it, ms.
pub const CLOCK_SKEW_MS: u64 = 2_000;
/// States kept for proofs that others need of past blocks.
const KEPT_STATES: usize = 128;
/// Most refused submissions a validator keeps for show.
const KEPT_REFUSALS: usize = 32;

/// A submission a validator did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSubmission {
    /// Identity of the transaction.
    pub transaction: [u8; 32],
    /// One line about it.
    pub summary: String,
    /// Why.
    pub reason: Inadmissible,
}

/// A decided block and what it did.
#[derive(Clone, Debug)]
struct Entry {
    decided: Decided<LedgerBlock>,
    receipts: Arc<Vec<Receipt>>,
}

/// Where the settlement of a slot is found.
#[derive(Clone, Debug)]
struct SettledAt {
    height: u64,
    receipts: Arc<Vec<Receipt>>,
    index: usize,
}

/// The replicated state machine of a cluster or of the root.
///
/// A copy shares blocks, state and the memory of facts with the original, so
/// it is cheap: snapshots for rewind are copies, and so are the replicas that
/// several validators of one process start from.
#[derive(Clone, Debug)]
pub struct LedgerChain {
    genesis: Arc<Genesis>,
    memo: Memo,
    state: State,
    /// Header of the block it resumed from, if it did.
    base: Option<Arc<BlockHeader>>,
    blocks: History<Entry>,
    settled: History<SettledAt>,
    pool: Arc<Mempool>,
    refusals: Arc<Vec<RefusedSubmission>>,
    /// Validators of the next height.
    set: ValidatorSet,
    /// State before the first block.
    first: State,
    /// States after the newest blocks, by height.
    recent: Arc<VecDeque<(u64, State)>>,
    keeping: Keeping,
    kept: Kept,
}

impl LedgerChain {
    /// The ledger of a cluster before its first block.
    ///
    /// # Errors
    /// Refuses a genesis that [`ClusterGenesis::check`] refuses.
    pub fn cluster(genesis: &ClusterGenesis) -> Result<Self, GenesisError> {
        genesis.check()?;
        let mut accounts: Vec<(gridloom_units::AccountId, i128)> = genesis.accounts.clone();
        let agent = genesis.market.wholesale.as_ref().map(|a| a.account);
        for service in [
            genesis.operator,
            genesis.utility,
            genesis.cloud,
            genesis.aggregator,
        ]
        .into_iter()
        .chain(agent)
        {
            if accounts.iter().all(|(id, _)| *id != service) {
                accounts.push((service, 0));
            }
        }
        let mut records: Vec<(StateKey, StateValue)> = accounts
            .into_iter()
            .map(|(id, money)| {
                (
                    StateKey::Account(id),
                    StateValue::Account(Account::new(id, money)),
                )
            })
            .collect();
        records.push((StateKey::Market, StateValue::Market(MarketState::default())));
        records.push((StateKey::Roster, StateValue::Roster(Vec::new())));
        if let Some(link) = &genesis.root {
            records.push((StateKey::Flows, StateValue::Flows(Flows::default())));
            records.push((
                StateKey::RootSeen,
                StateValue::RootSeen(RootSeen {
                    height: 0,
                    block: BlockId::default(),
                    time_ms: 0,
                    seats: seats(&link.validators),
                    decisions: 0,
                    open: Vec::new(),
                    served: 0,
                }),
            ));
        }
        Ok(Self::start(genesis.seal(), records))
    }

    /// The root ledger before its first block.
    ///
    /// # Errors
    /// Refuses a genesis that [`RootGenesis::check`] refuses.
    pub fn root(genesis: &RootGenesis) -> Result<Self, GenesisError> {
        genesis.check()?;
        let record = |(index, (chain, set)): (usize, &(ChainId, ValidatorSet))| {
            let record = ClusterRecord {
                chain: *chain,
                height: 0,
                block: BlockId::default(),
                state_root: [0; 32],
                time_ms: 0,
                validators: set.hash(),
                frozen: false,
                seats: seats(set),
                flows: Flows::default(),
                limit: genesis.limits.get(index).copied().unwrap_or_default(),
                dead: false,
            };
            // Far fewer than 2^32 clusters fit in memory.
            (StateKey::Cluster(index as u32), StateValue::Cluster(record))
        };
        let mut records: Vec<_> = genesis.clusters.iter().enumerate().map(record).collect();
        records.push((
            StateKey::Governance,
            StateValue::Governance(Governance::default()),
        ));
        Ok(Self::start(genesis.seal(), records))
    }

    fn start(genesis: Genesis, records: Vec<(StateKey, StateValue)>) -> Self {
        let records = records
            .into_iter()
            .map(|(key, value)| (key, Arc::new(value)));
        let first = State::default().put(records);
        Self {
            set: genesis.validators.clone(),
            recent: Arc::default(),
            genesis: Arc::new(genesis),
            memo: Memo::new(),
            base: None,
            state: first.clone(),
            first,
            blocks: History::default(),
            settled: History::default(),
            pool: Arc::default(),
            refusals: Arc::default(),
            keeping: Keeping::default(),
            kept: Kept::default(),
        }
    }

    /// The same ledger before its first block, with nothing waiting, for a
    /// node that follows from the beginning.
    #[must_use]
    pub fn at_genesis(&self) -> Self {
        Self {
            genesis: Arc::clone(&self.genesis),
            memo: self.memo.clone(),
            state: self.first.clone(),
            base: None,
            first: self.first.clone(),
            blocks: History::default(),
            settled: History::default(),
            pool: Arc::default(),
            refusals: Arc::default(),
            set: self.genesis.validators.clone(),
            recent: Arc::default(),
            keeping: self.keeping,
            kept: Kept::default(),
        }
    }

    /// The same ledger without the memory of facts, for comparison and audits:
    /// every signature and every block is checked anew.
    #[must_use]
    pub fn without_memo(mut self) -> Self {
        self.memo = Memo::off();
        self
    }

    /// How often the shared memory of facts answered.
    #[must_use]
    pub fn memo_counters(&self) -> MemoCounters {
        self.memo.counters()
    }

    /// What happened to the transactions this validator was given.
    #[must_use]
    pub fn mempool_counters(&self) -> MempoolCounters {
        self.pool.counters()
    }

    /// The last submissions this validator did not take, oldest first.
    #[must_use]
    pub fn refusals(&self) -> &[RefusedSubmission] {
        &self.refusals
    }

    fn tip_id(&self) -> BlockId {
        self.tip_header().map_or(self.genesis.id, BlockHeader::id)
    }

    fn tip_time_ms(&self) -> u64 {
        self.tip_header().map_or(0, |header| header.time_ms)
    }

    fn env(&self, height: u64, time_ms: u64) -> Env<'_> {
        Env {
            genesis: &self.genesis,
            memo: &self.memo,
            validators: &self.set,
            height,
            time_ms,
        }
    }

    /// What must be true of a header whatever it contains.
    fn check_header(&self, header: &BlockHeader) -> Result<(), String> {
        let height = self.blocks.len() as u64 + 1;
        let set = &self.set;
        let fail = |what: &str| Err(format!("the block of height {}: {what}", header.height));
        if header.chain != self.genesis.chain {
            return fail("it is of another chain");
        }
        if header.height != height {
            return fail(&format!("height {height} is next"));
        }
        if header.parent != self.tip_id() {
            return fail("its parent is not our last block");
        }
        if header.time_ms < self.tip_time_ms() {
            return fail("it is older than its parent");
        }
        let turn = || set.proposer(height, header.round).address;
        if !self.genesis.setup.any_builder && header.proposer != turn() {
            return fail("it was not its proposer's turn");
        }
        Ok(())
    }

    /// Executes a block on the tip, or recalls it, and compares the results
    /// with what the header claims.
    fn execute(&self, block: &LedgerBlock) -> Result<Arc<Executed>, String> {
        let header = block.header();
        self.check_header(header)?;
        let (parent, id) = (header.parent, header.id());
        if let Some(executed) = self.memo.executed(parent, id) {
            return Ok(executed);
        }
        let executed = execute(
            self.env(header.height, header.time_ms),
            &self.state,
            block.transactions(),
            block.transaction_ids(),
        )
        .map_err(|fault| fault.to_string())?;
        if executed.receipts_root != header.receipts_root {
            return Err("executing it gives other receipts than its header says".into());
        }
        if executed.state_root != header.state_root {
            return Err("executing it gives another state than its header says".into());
        }
        if header.next_validators != self.next_set(&executed.state)?.hash() {
            return Err("it names other validators than the state".into());
        }
        let executed = Arc::new(executed);
        self.memo.remember(parent, id, &executed);
        Ok(executed)
    }

    /// Validators of the height after a state.
    fn next_set(&self, state: &State) -> Result<ValidatorSet, String> {
        match (state.seats(), self.state.seats()) {
            (now, before) if now == before => Ok(self.set.clone()),
            (Some(seats), _) => set_of(seats),
            (None, _) => Ok(self.genesis.validators.clone()),
        }
    }

    fn note_refusal(&mut self, tx: &Transaction, id: [u8; 32], reason: Inadmissible) {
        let kept = Arc::make_mut(&mut self.refusals);
        if kept.len() >= KEPT_REFUSALS {
            kept.remove(0);
        }
        kept.push(RefusedSubmission {
            transaction: id,
            summary: tx.summary(),
            reason,
        });
    }

    fn header(&self, at: BuildAt, ids: &[[u8; 32]], executed: &Executed) -> BlockHeader {
        BlockHeader {
            chain: self.genesis.chain,
            height: at.height,
            round: at.round,
            proposer: at.proposer,
            time_ms: at.now_ms.max(self.tip_time_ms()),
            parent: self.tip_id(),
            tx_root: list_root(ids),
            receipts_root: executed.receipts_root,
            state_root: executed.state_root,
            next_validators: self
                .next_set(&executed.state)
                .map_or_else(|_| self.set.hash(), |set| set.hash()),
        }
    }
}

impl Chain for LedgerChain {
    type Block = LedgerBlock;
    type Tx = Transaction;

    fn id(&self) -> ChainId {
        self.genesis.chain
    }

    fn tip(&self) -> u64 {
        self.blocks.len() as u64
    }

    fn validators(&self) -> ValidatorSet {
        self.set.clone()
    }

    fn build(&self, at: BuildAt) -> Arc<LedgerBlock> {
        let env = self.env(at.height, at.now_ms.max(self.tip_time_ms()));
        let (transactions, ids, executed) = select(env, &self.state, self.pool.line())
            // Books that do not balance stop the transactions, not the chain:
            // the audit of every validator reports them.
            .unwrap_or_else(|_| (Vec::new(), Vec::new(), Executed::nothing(&self.state)));
        let executed = Arc::new(executed);
        let header = self.header(at, &ids, &executed);
        let block = LedgerBlock::assemble(header, transactions, ids);
        self.memo
            .remember(block.header().parent, block.header().id(), &executed);
        Arc::new(block)
    }

    fn check(&self, block: &LedgerBlock, now_ms: u64) -> Result<(), String> {
        let header = block.header();
        if header.time_ms > now_ms.saturating_add(CLOCK_SKEW_MS) {
            return Err(format!(
                "the block of height {} claims a time {} ms ahead of ours",
                header.height,
                header.time_ms - now_ms
            ));
        }
        self.execute(block).map(|_| ())
    }

    fn apply(&mut self, decided: Decided<LedgerBlock>) -> Result<(), String> {
        let block = Arc::clone(&decided.block);
        let id = block.header().id();
        let certificate: &Certificate = &decided.certificate;
        if certificate.block != id || certificate.height != block.header().height {
            return Err("the certificate is of another block".into());
        }
        let executed = self.execute(&block)?;
        self.set = self.next_set(&executed.state)?;
        self.state = executed.state.clone();
        let recent = Arc::make_mut(&mut self.recent);
        if recent.len() >= KEPT_STATES {
            recent.pop_front();
        }
        recent.push_back((block.header().height, self.state.clone()));
        for (index, receipt) in executed.receipts.iter().enumerate() {
            if matches!(receipt, Receipt::Settled(_)) {
                self.settled.push(SettledAt {
                    height: block.header().height,
                    receipts: Arc::clone(&executed.receipts),
                    index,
                });
            }
        }
        let certificate = Arc::clone(&decided.certificate);
        self.blocks.push(Entry {
            decided,
            receipts: Arc::clone(&executed.receipts),
        });
        self.keep(&block, &certificate);
        if self.pool.len() > 0 {
            Arc::make_mut(&mut self.pool).prune(&block, &self.state);
        }
        Ok(())
    }

    fn decided(&self, height: u64) -> Option<Decided<LedgerBlock>> {
        self.entry(height).map(|entry| entry.decided.clone())
    }

    fn submit(&mut self, tx: Arc<Transaction>) -> bool {
        let (id, size) = tx.id_and_size();
        let env = Env {
            genesis: &self.genesis,
            memo: &self.memo,
            validators: &self.set,
            height: self.blocks.len() as u64 + 1,
            time_ms: 0,
        };
        let view = View::new(&self.state);
        let mut reason = None;
        let taken = Arc::make_mut(&mut self.pool).submit(Arc::clone(&tx), id, size, || {
            reason = if size > tx.max_bytes() {
                Some(Inadmissible::TooLarge(size))
            } else {
                admit(env, &view, &tx, &id).err()
            };
            reason.is_none()
        });
        if let Some(reason) = reason {
            self.note_refusal(&tx, id, reason);
        }
        taken
    }

    fn pending(&self) -> usize {
        self.pool.len()
    }

    fn report(&mut self, evidence: Vec<Equivocation>) {
        for proof in evidence {
            self.submit(Arc::new(Transaction::unsigned(TxBody::Evidence(proof))));
        }
    }

    fn forget_volatile(&mut self) {
        Arc::make_mut(&mut self.pool).clear();
        self.refusals = Arc::default();
    }
}

impl LedgerChain {
    fn entry(&self, height: u64) -> Option<&Entry> {
        let index = usize::try_from(height.checked_sub(1)?).ok()?;
        let entry = self.blocks.get(index)?;
        (!self.lost(&entry.decided.block)).then_some(entry)
    }

    fn is_cluster(&self) -> Option<&crate::genesis::ClusterRoles> {
        match &self.genesis.kind {
            Kind::Cluster(roles) => Some(roles),
            Kind::Root(_) => None,
        }
    }
}
