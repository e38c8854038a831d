//! What a ledger knows after a block.

mod records;
mod tree;
mod view;

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::AccountId;

pub use records::{
    Account, AreaLoad, ClusterRecord, EnergyTotals, LastReading, MarketState, Meter, NonceWindow,
    Participant, Registers, SlotPrice,
};
pub(crate) use records::{Boundary, MAX_BOUNDARIES};
pub(crate) use tree::Tree;
pub use tree::TreePath;
pub(crate) use view::View;

use gridloom_consensus::Address;
use gridloom_contract::{EmInstance, EmTemplate};

use crate::header::BlockHeader;
use crate::receipt::Bill;
use crate::transaction::hash_encoded;

/// Name of a piece of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum StateKey {
    /// Money, energy totals and nonces of an account.
    Account(AccountId),
    /// What an account received and paid so far.
    Bill(AccountId),
    /// A participant, by account.
    Participant(AccountId),
    /// A meter, by the account of its key.
    Meter(AccountId),
    /// A version of a participant's EM instance.
    Instance(AccountId, u32),
    /// A version of the EM contract.
    Template(u32),
    /// Decided price of a slot.
    Price(u32),
    /// Latest load of an M-LMD's area.
    AreaLoad(u32),
    /// Counters of the market.
    Market,
    /// Accounts of all participants.
    Roster,
    /// What the root knows of a cluster.
    Cluster(u32),
    /// A recorded misbehaviour.
    Evidence(Address, u64),
}

impl StateKey {
    /// Place in the state tree.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash_encoded(b"gridloom/state-key/1", self)
    }
}

/// A piece of state.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum StateValue {
    /// See [`StateKey::Account`].
    Account(Account),
    /// See [`StateKey::Bill`].
    Bill(Bill),
    /// See [`StateKey::Participant`].
    Participant(Participant),
    /// See [`StateKey::Meter`].
    Meter(Meter),
    /// See [`StateKey::Instance`].
    Instance(EmInstance),
    /// See [`StateKey::Template`].
    Template(EmTemplate),
    /// See [`StateKey::Price`].
    Price(SlotPrice),
    /// See [`StateKey::AreaLoad`].
    AreaLoad(AreaLoad),
    /// See [`StateKey::Market`].
    Market(MarketState),
    /// See [`StateKey::Roster`]: sorted.
    Roster(Vec<AccountId>),
    /// See [`StateKey::Cluster`].
    Cluster(ClusterRecord),
    /// See [`StateKey::Evidence`].
    Evidence,
}

impl StateValue {
    /// Hash in the state tree.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash_encoded(b"gridloom/state-value/1", self)
    }
}

/// The state after a block; a copy shares everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    tree: Tree<StateValue>,
}

impl State {
    pub(crate) fn root(&self) -> [u8; 32] {
        self.tree.root()
    }

    pub(crate) fn get(&self, key: &StateKey) -> Option<&Arc<StateValue>> {
        self.tree.get(&key.hash())
    }

    pub(crate) fn prove(&self, key: &StateKey) -> TreePath {
        self.tree.prove(&key.hash())
    }

    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(&Arc<StateValue>)) {
        self.tree.for_each(visit);
    }

    pub(crate) fn put(&self, writes: impl Iterator<Item = (StateKey, Arc<StateValue>)>) -> Self {
        let writes = writes
            .map(|(key, value)| (key.hash(), value.hash(), value))
            .collect();
        Self {
            tree: self.tree.put(writes),
        }
    }
}

macro_rules! getters {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $key:expr, $variant:ident => $record:ty;)*) => {
        impl State {
            $(pub(crate) fn $name(&self, $($arg: $kind),*) -> Option<&$record> {
                match self.get(&$key)?.as_ref() {
                    StateValue::$variant(record) => Some(record),
                    _ => None,
                }
            })*
        }
        impl View<'_> {
            $(pub(crate) fn $name(&self, $($arg: $kind),*) -> Option<&$record> {
                match self.get(&$key)?.as_ref() {
                    StateValue::$variant(record) => Some(record),
                    _ => None,
                }
            })*
        }
    };
}

getters! {
    account(id: AccountId) -> StateKey::Account(id), Account => Account;
    bill(id: AccountId) -> StateKey::Bill(id), Bill => Bill;
    participant(id: AccountId) -> StateKey::Participant(id), Participant => Participant;
    meter(id: AccountId) -> StateKey::Meter(id), Meter => Meter;
    instance(id: AccountId, version: u32) -> StateKey::Instance(id, version), Instance => EmInstance;
    template(version: u32) -> StateKey::Template(version), Template => EmTemplate;
    price(slot: u32) -> StateKey::Price(slot), Price => SlotPrice;
    area_load(mlmd: u32) -> StateKey::AreaLoad(mlmd), AreaLoad => AreaLoad;
    market() -> StateKey::Market, Market => MarketState;
    roster() -> StateKey::Roster, Roster => Vec<AccountId>;
    cluster(index: u32) -> StateKey::Cluster(index), Cluster => ClusterRecord;
}

/// Proof of a piece of state (or of its absence), checked against a header.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateProof {
    /// Header whose state it is about.
    pub header: BlockHeader,
    /// The name.
    pub key: StateKey,
    /// The value, `None` when there is none.
    pub value: Option<StateValue>,
    /// Path to the header's state root.
    pub path: TreePath,
}

impl StateProof {
    /// Whether the header's state holds exactly this value under this name.
    #[must_use]
    pub fn verify(&self) -> bool {
        let value = self.value.as_ref().map(StateValue::hash);
        self.path
            .shows(&self.header.state_root, &self.key.hash(), value.as_ref())
    }
}
