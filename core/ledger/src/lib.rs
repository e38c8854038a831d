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
mod state;
mod transaction;

pub use audit::{AuditError, AuditReport};
pub use chain::{CLOCK_SKEW_MS, LedgerChain, ParticipantRow, RefusedSubmission, Wallet};
pub use execute::Inadmissible;
pub use genesis::{ClusterGenesis, GenesisError, MAX_DEPOSIT, MarketRules, RootGenesis};
pub use header::{BlockError, BlockHeader, LedgerBlock, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};
pub use keys::{KeyPair, account_of, is_usable};
pub use memo::MemoCounters;
pub use mempool::{MAX_PER_SIGNER, MAX_WAITING, MAX_WAITING_BYTES, MempoolCounters};
pub use merkle::{InclusionProof, ListPath, ReceiptProof, list_root};
pub use receipt::{Bill, BillLine, Delivery, Receipt, SettledSlot};
pub use state::{
    Account, AreaLoad, ClusterRecord, EnergyTotals, LastReading, MarketState, Meter, NonceWindow,
    Participant, Registers, SlotPrice, StateKey, StateProof, StateValue, TreePath,
};
pub use transaction::{
    DecodeError, DeviceFacts, MAX_NAME_BYTES, MAX_OTHER_DEVICES, MAX_TRANSACTION_BYTES,
    MeterReading, Transaction, TxBody,
};
