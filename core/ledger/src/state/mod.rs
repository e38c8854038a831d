//! What a ledger knows after a block.

mod records;
mod tree;
mod view;

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{AccountId, RecordChain};

pub(crate) use records::{AREA_ENDS, Boundary, MAX_BOUNDARIES};
pub use records::{
    Account, AreaLoad, ClusterRecord, EnergyTotals, ForwardState, IslandSlot, LastReading,
    MarketState, Meter, NonceWindow, Participant, PlacedBid, PlacedOrder, Registers,
    ScheduledContract, SlotPrice,
};
pub(crate) use tree::Tree;
pub use tree::TreePath;
pub(crate) use view::View;

use gridloom_consensus::Address;
use gridloom_contract::{EmInstance, EmTemplate};
use gridloom_market::forward::Outlook;

use crate::cross::{DecisionRecord, Flows, Governance, Inbound, Lot, Parcel, RootSeen, Seat};
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
    /// Forward clearing of the cluster.
    Forward,
    /// Counters of the market.
    Market,
    /// Accounts of all participants.
    Roster,
    /// What the root knows of a cluster.
    Cluster(u32),
    /// A recorded misbehaviour.
    Evidence(Address, u64),
    /// Validators of the next block, where they differ from the genesis.
    Seats,
    /// A parcel for another cluster: its index, number.
    Parcel(u32, u64),
    /// What became of a parcel of another cluster: its index, number.
    Outcome(u32, u64),
    /// Dealings with other clusters.
    Flows,
    /// The root block a cluster builds on.
    RootSeen,
    /// Energy of a slot sold to the utility, by plant, that may go to other clusters.
    Surplus(u32),
    /// Lots of other clusters an account holds.
    Claims(AccountId),
    /// What the root tells a cluster about the others.
    Inbound(u32),
    /// A decision of the root.
    Decision(u32),
    /// Counters of the root's decisions.
    Governance,
    /// Accounts that may be full nodes.
    FullNodes,
    /// Numbers that an account used here before it left.
    Numbers(AccountId),
    /// Signed readings of a participant's physical meter, by account.
    Records(AccountId),
    /// The same of a meter the participant trusted before: account, key.
    FormerRecords(AccountId, [u8; 32]),
    /// Forecasts of the cluster's supply and demand.
    Outlook,
    /// Orders of a participant for slots that are not settled, by account.
    Orders(AccountId),
    /// Bids of the wholesale agent for slots that are not priced.
    Bids,
    /// What was stated about a slot without a grid.
    Island(u32),
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
    /// See [`StateKey::Forward`].
    Forward(ForwardState),
    /// See [`StateKey::Market`].
    Market(MarketState),
    /// See [`StateKey::Roster`]: sorted.
    Roster(Vec<AccountId>),
    /// See [`StateKey::Cluster`].
    Cluster(ClusterRecord),
    /// See [`StateKey::Evidence`].
    Evidence,
    /// See [`StateKey::Seats`].
    Seats(Vec<Seat>),
    /// See [`StateKey::Parcel`].
    Parcel(Parcel),
    /// See [`StateKey::Outcome`]: whether it was accepted.
    Outcome(bool),
    /// See [`StateKey::Flows`].
    Flows(Flows),
    /// See [`StateKey::RootSeen`].
    RootSeen(RootSeen),
    /// See [`StateKey::Surplus`].
    Surplus(Vec<Lot>),
    /// See [`StateKey::Claims`].
    Claims(Vec<Lot>),
    /// See [`StateKey::Inbound`].
    Inbound(Inbound),
    /// See [`StateKey::Decision`].
    Decision(DecisionRecord),
    /// See [`StateKey::Governance`].
    Governance(Governance),
    /// See [`StateKey::FullNodes`]: sorted.
    FullNodes(Vec<AccountId>),
    /// What was here left with its owner for this cluster.
    Left(u32),
    /// See [`StateKey::Numbers`].
    Numbers(NonceWindow),
    /// See [`StateKey::Records`].
    Records(RecordChain),
    /// See [`StateKey::Outlook`].
    Outlook(Box<Outlook>),
    /// See [`StateKey::Orders`]: by slot.
    Orders(Vec<PlacedOrder>),
    /// See [`StateKey::Bids`]: by slot.
    Bids(Vec<PlacedBid>),
    /// See [`StateKey::Island`].
    Island(IslandSlot),
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

    /// Every value with the hash of its name.
    pub(crate) fn entries(&self) -> Vec<([u8; 32], Arc<StateValue>)> {
        self.tree.entries()
    }

    /// A state of exactly these values.
    pub(crate) fn of(entries: &[([u8; 32], Arc<StateValue>)]) -> Self {
        let writes = entries
            .iter()
            .map(|(key, value)| (*key, value.hash(), Arc::clone(value)))
            .collect();
        Self {
            tree: Tree::default().put(writes),
        }
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
            $(#[allow(dead_code, reason = "one list serves committed and pending state")]
            pub(crate) fn $name(&self, $($arg: $kind),*) -> Option<&$record> {
                match self.get(&$key)?.as_ref() {
                    StateValue::$variant(record) => Some(record),
                    _ => None,
                }
            })*
        }
        impl View<'_> {
            $(#[allow(dead_code, reason = "one list serves committed and pending state")]
            pub(crate) fn $name(&self, $($arg: $kind),*) -> Option<&$record> {
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
    forward() -> StateKey::Forward, Forward => ForwardState;
    market() -> StateKey::Market, Market => MarketState;
    roster() -> StateKey::Roster, Roster => Vec<AccountId>;
    cluster(index: u32) -> StateKey::Cluster(index), Cluster => ClusterRecord;
    seats() -> StateKey::Seats, Seats => Vec<Seat>;
    parcel(dst: u32, seq: u64) -> StateKey::Parcel(dst, seq), Parcel => Parcel;
    outcome(src: u32, seq: u64) -> StateKey::Outcome(src, seq), Outcome => bool;
    flows() -> StateKey::Flows, Flows => Flows;
    root_seen() -> StateKey::RootSeen, RootSeen => RootSeen;
    surplus(slot: u32) -> StateKey::Surplus(slot), Surplus => Vec<Lot>;
    claims(account: AccountId) -> StateKey::Claims(account), Claims => Vec<Lot>;
    inbound(cluster: u32) -> StateKey::Inbound(cluster), Inbound => Inbound;
    decision(number: u32) -> StateKey::Decision(number), Decision => DecisionRecord;
    full_nodes() -> StateKey::FullNodes, FullNodes => Vec<AccountId>;
    governance() -> StateKey::Governance, Governance => Governance;
    numbers(id: AccountId) -> StateKey::Numbers(id), Numbers => NonceWindow;
    island(slot: u32) -> StateKey::Island(slot), Island => IslandSlot;
    records(account: AccountId) -> StateKey::Records(account), Records => RecordChain;
    former_records(account: AccountId, key: [u8; 32]) -> StateKey::FormerRecords(account, key), Records => RecordChain;
    orders(account: AccountId) -> StateKey::Orders(account), Orders => Vec<PlacedOrder>;
    bids() -> StateKey::Bids, Bids => Vec<PlacedBid>;
}

fn outlook(value: &StateValue) -> Option<&Outlook> {
    match value {
        StateValue::Outlook(outlook) => Some(outlook),
        _ => None,
    }
}

impl State {
    pub(crate) fn outlook(&self) -> Option<&Outlook> {
        outlook(self.get(&StateKey::Outlook)?)
    }
}

impl View<'_> {
    pub(crate) fn outlook(&self) -> Option<&Outlook> {
        outlook(self.get(&StateKey::Outlook)?)
    }
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
