//! The endpoint for clients: one JSON object a line, request and answer.
//!
//! It reads and submits; nothing here can stop a node or make it sign. It
//! belongs on loopback or behind something that knows who may come in.

mod client;
mod server;

use serde::{Deserialize, Serialize};

pub use client::{Client, ClientError};
pub(crate) use server::{Serving, serve};

use crate::status::{Committed, Status};

/// Longest line, bytes.
pub(crate) const MAX_LINE: usize = 4 * 1024 * 1024;
/// Most transactions in one request.
pub const MAX_SUBMIT: usize = 2_048;

/// What a client may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How the node is.
    Status {},
    /// Put transactions (hexadecimal) into the waiting line.
    Submit {
        /// Encoded transactions.
        transactions: Vec<String>,
    },
    /// What a key owns and which numbers come next.
    Account {
        /// Public key, hexadecimal.
        key: String,
    },
    /// One decided block.
    Block {
        /// Its height.
        height: u64,
    },
    /// Header and certificate of a decided block, for who checks them.
    Header {
        /// Its height.
        height: u64,
    },
    /// Every block from now on, as it becomes durable.
    Watch {},
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Submit`].
    Submitted {
        /// How many wait for a block now.
        accepted: usize,
        /// Positions of the others, with reasons.
        refused: Vec<(usize, String)>,
    },
    /// To [`Request::Account`].
    Account {
        /// Account of the key.
        account: String,
        /// Money, nano-EUR; absent when it has no account.
        money_nano_eur: Option<String>,
        /// Debt to the operator, nano-EUR.
        debt_nano_eur: Option<String>,
        /// Number of its next transaction.
        next_nonce: Option<u64>,
        /// Number of its next reading, if it is a meter's key.
        next_seq: Option<u64>,
    },
    /// To [`Request::Block`] and, block by block, to [`Request::Watch`].
    Block(Committed),
    /// To [`Request::Header`]; all in canonical bytes, hexadecimal.
    Header {
        /// The header.
        header: String,
        /// Its certificate.
        certificate: String,
        /// The next validators, where the block changes them.
        seats: Option<String>,
    },
    /// What was asked cannot be answered.
    Error(String),
}
