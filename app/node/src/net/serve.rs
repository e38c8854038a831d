//! Answering the requests of other nodes from the store, away from the
//! validator and from the network task.

use gridloom_consensus::{Decided, SYNC_BATCH};
use gridloom_ledger::LedgerBlock;

use super::wire::MAX_CATCH_UP;
use crate::chain::Msg;
use crate::repair::Repairs;
use crate::store::{Store, Unreadable};

/// A catch-up answer: as many blocks from a height on as fit, as message bytes.
pub(super) fn catch_up(store: &Store, repairs: &Repairs, from: u64, tip: u64) -> Vec<u8> {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 16;
    for height in from..=tip {
        if blocks.len() >= SYNC_BATCH {
            break;
        }
        match store.wire(height) {
            Ok(block) if bytes + block.len() <= MAX_CATCH_UP => {
                bytes += block.len();
                blocks.push(block);
            }
            Ok(_) | Err(Unreadable::Pruned(_)) => break,
            Err(bad) => {
                repairs.add(height, bad.to_string());
                break;
            }
        }
    }
    // The wire form of a catch-up message: kind 7, count, blocks with certificates.
    let mut content = Vec::with_capacity(bytes);
    content.push(7);
    content.extend((blocks.len() as u32).to_le_bytes());
    for block in blocks {
        content.extend(block);
    }
    content
}

/// The blocks of a catch-up answer.
pub(super) fn blocks_of(content: &[u8]) -> Option<Vec<Decided<LedgerBlock>>> {
    match borsh::from_slice::<Msg>(content) {
        Ok(Msg::SyncResponse(list)) => Some(list),
        _ => None,
    }
}
