//! Transactions, blocks, state and proofs of the cluster and root ledgers.
//!
//! A [`LedgerChain`] is what each validator replicates: a hash-linked list of
//! blocks, an authenticated state and a waiting line of transactions. A
//! cluster's ledger carries the paper's steps a to e: contract, participants,
//! readings, area loads, prices that trigger the EM contract, and the
//! settlement of each slot in money and typed kilowatt-hours. The root's
//! ledger records the clusters' certified headers.
//!
//! Everything is in integers and deterministic. Money and energy are
//! conserved to the last unit; every block is audited before it counts.
#![deny(missing_docs)]

mod audit;
pub mod bench;
mod chain;
pub mod courier;
mod cross;
mod execute;
mod genesis;
mod header;
mod history;
mod keys;
mod memo;
mod mempool;
mod merkle;
mod receipt;
pub mod rehearsal;
pub mod scale;
pub mod split;
mod state;
pub mod sweep;
pub mod tier;
pub mod trace;
mod transaction;

pub use audit::{AuditError, AuditReport};
pub use chain::{
    CLOCK_SKEW_MS, Keeping, Kept, LedgerChain, Missing, POINTER_BYTES, ParticipantRow,
    RefusedSubmission, ResumeError, SavedState, Wallet,
};
pub use cross::{
    Approved, Cargo, CheckpointExtras, Chosen, Decision, DecisionRecord, DecisionStatus,
    ExportLimit, Flow, Flows, Governance, IMPORT_BUDGET_BYTES, Inbound, Lot, LotTerms, MAX_CARRIED,
    MAX_LISTED, Moved, MovedMember, Parcel, PeerView, RootNews, RootSeen, Seat, Worth,
    approval_preimage, seats, set_of,
};
pub use execute::{Inadmissible, MAX_OPEN_SLOTS, MAX_ORDERS_PER_SLOT};
pub use genesis::{
    Admission, ClusterGenesis, GenesisError, MAX_DEPOSIT, MAX_POSITION_WH, MarketRules,
    RootGenesis, RootLink, Setup, WholesaleAgent,
};
pub use header::{
    BlockError, BlockHeader, LedgerBlock, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, forge,
};
pub use keys::{KeyPair, account_of, is_usable};
pub use memo::MemoCounters;
pub use mempool::{MAX_PER_SIGNER, MAX_WAITING, MAX_WAITING_BYTES, MempoolCounters};
pub use merkle::{InclusionProof, LineProof, ListPath, ReceiptProof, list_root};
pub use receipt::{Bill, BillLine, Delivery, Footing, Receipt, SettledSlot};
pub use state::{
    Account, AreaLoad, ClusterRecord, EnergyTotals, ForwardState, IslandSlot, LastReading,
    MarketState, Meter, NonceWindow, Participant, PlacedBid, PlacedOrder, Registers,
    ScheduledContract, SlotPrice, StateKey, StateProof, StateValue, TreePath,
};
pub use transaction::{
    DecodeError, DeviceFacts, IslandOver, MAX_NAME_BYTES, MAX_OTHER_DEVICES, MAX_PROOF_BYTES,
    MAX_RECORDS, MAX_TRANSACTION_BYTES, MeterReading, Transaction, TxBody, decode, encode,
};
