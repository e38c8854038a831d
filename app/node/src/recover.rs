//! Coming back: what the disk holds, what of it can be trusted, what is missing.

use std::path::Path;
use std::sync::Arc;

use gridloom_consensus::{Block, Chain, LogInput};
use gridloom_ledger::{LedgerBlock, LedgerChain};

use crate::saved;
use crate::store::{Store, StoreError, Unreadable, set_aside, store_path};
use crate::wal::{Found, Wal, WalError};

/// Silence until the others have told how far the ledger is.
pub const UNTIL_TOLD: u64 = u64::MAX;

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The log.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// The block store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data folder.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
}

/// What a node goes on from.
#[derive(Debug)]
pub struct Recovered {
    /// The store.
    pub store: Store,
    /// The ledger at the last block that could be executed.
    pub chain: LedgerChain,
    /// Log entries of the next height.
    pub log: Vec<LogInput>,
    /// Undecided blocks of the next height.
    pub kept: Vec<Arc<LedgerBlock>>,
    /// Heights below this one are followed without voting.
    pub silent_below: u64,
    /// Blocks up to the tip that have to come from the others.
    pub holes: Vec<u64>,
    /// What was found wrong and what is done about it.
    pub report: Vec<String>,
}

/// Opens log, store and saved states of a data folder.
///
/// # Errors
/// When the folder belongs to another ledger, is in use, or cannot be read or written.
pub fn recover(
    data: &Path,
    genesis: &LedgerChain,
    fingerprint: &[u8; 32],
) -> Result<Recovered, RecoverError> {
    let mut report = Vec::new();
    std::fs::create_dir_all(data)
        .map_err(|error| RecoverError::Io(data.display().to_string(), error))?;
    let found = if Wal::exists(data) {
        Some(Wal::read(data, fingerprint)?)
    } else {
        None
    };
    let (store, rebuilt) = open_store(data, fingerprint, &mut report)?;
    let lived =
        found.as_ref().is_some_and(|found| found.highest > 0) || !saved::heights(data).is_empty();
    if rebuilt && report.is_empty() && lived {
        report.push(format!(
            "{}: the block store is missing; its blocks are fetched from the others",
            store_path(data).display()
        ));
    }
    let old_tip = store.highest()?;
    let (chain, bad) = execute(data, genesis, &store, old_tip, &mut report);
    let tip = chain.tip();
    if tip < old_tip {
        report.push(format!(
            "{}: blocks {} to {old_tip} are fetched from the others",
            store_path(data).display(),
            tip + 1
        ));
        store.cut_from(tip + 1)?;
    }
    let holes: Vec<u64> = if rebuilt {
        (1..=tip).collect()
    } else {
        bad.iter()
            .filter(|bad| !matches!(bad, Unreadable::Pruned(_)))
            .map(Unreadable::height)
            .filter(|height| *height <= tip)
            .collect()
    };
    let silent_below = silence(data, found.as_ref(), rebuilt, tip, old_tip, &mut report);
    let Found { inputs, blocks, .. } = found.unwrap_or_default();
    let of_next = |height: u64| height == tip + 1 && silent_below <= tip + 1;
    Ok(Recovered {
        store,
        chain,
        log: inputs
            .into_iter()
            .filter(|(height, _)| of_next(*height))
            .map(|(_, input)| input)
            .collect(),
        kept: blocks
            .into_iter()
            .filter(|block| of_next(block.height()))
            .collect(),
        silent_below,
        holes,
        report,
    })
}

fn open_store(
    data: &Path,
    fingerprint: &[u8; 32],
    report: &mut Vec<String>,
) -> Result<(Store, bool), RecoverError> {
    let existed = store_path(data).exists();
    match Store::open(data, fingerprint) {
        Ok(store) => Ok((store, !existed)),
        Err(StoreError::Damaged(path, what)) => {
            let aside = set_aside(data)
                .map_err(|error| RecoverError::Io(path.display().to_string(), error))?;
            report.push(format!(
                "{}: {what}; set aside as {}, its blocks are fetched from the others",
                path.display(),
                aside.display()
            ));
            Ok((Store::open(data, fingerprint)?, true))
        }
        Err(other) => Err(other.into()),
    }
}

/// The ledger as far as sound blocks go, and the blocks that are not sound.
fn execute(
    data: &Path,
    genesis: &LedgerChain,
    store: &Store,
    old_tip: u64,
    report: &mut Vec<String>,
) -> (LedgerChain, Vec<Unreadable>) {
    let bad = store.scan(old_tip);
    for unreadable in &bad {
        report.push(format!("{}: {unreadable}", store_path(data).display()));
    }
    let mut chain = newest_state(data, genesis, store, report);
    for height in chain.tip() + 1..=old_tip {
        if bad.iter().any(|bad| bad.height() == height) {
            break;
        }
        let applied = store
            .block(height)
            .map_err(|unreadable| unreadable.to_string())
            .and_then(|decided| chain.apply(decided));
        if let Err(what) = applied {
            report.push(format!("{}: {what}", store_path(data).display()));
            break;
        }
    }
    (chain, bad)
}

fn newest_state(
    data: &Path,
    genesis: &LedgerChain,
    store: &Store,
    report: &mut Vec<String>,
) -> LedgerChain {
    for height in saved::heights(data) {
        let read = saved::read(data, height, genesis).and_then(|chain| {
            let block = store.header(height).ok().map(|(header, _)| header);
            match (block, chain.tip_header()) {
                (Some(block), Some(saved)) if block != *saved => {
                    Err("it is not the state after our block".into())
                }
                _ => Ok(chain),
            }
        });
        match read {
            Ok(chain) => return chain,
            Err(what) => {
                let path = saved::path(data, height);
                report.push(format!(
                    "{}: {what}; an older state is used",
                    path.display()
                ));
                // It would only be found damaged again.
                let _ = std::fs::remove_file(path);
            }
        }
    }
    genesis.clone()
}

/// From which height on this validator may vote.
///
/// What it signed and forgot it must not sign differently, so everything the
/// log or the store ever reached is followed silently when either lost something.
fn silence(
    data: &Path,
    found: Option<&Found>,
    rebuilt: bool,
    tip: u64,
    old_tip: u64,
    report: &mut Vec<String>,
) -> u64 {
    let log = data.join("log");
    let log = log.display();
    let Some(found) = found else {
        report.push(format!(
            "{log}: the log is missing; votes wait until the others have told how far the ledger is"
        ));
        return UNTIL_TOLD;
    };
    if found.torn_bytes > 0 {
        report.push(format!(
            "{log}: the last {} bytes were never flushed and are cut off",
            found.torn_bytes
        ));
    }
    let reached = found.highest.max(old_tip + 1) + 1;
    match found.damaged_at {
        Some(0) => {
            report.push(format!(
                "{log}: the log is damaged; votes wait until the others have told how far the \
                 ledger is"
            ));
            return UNTIL_TOLD;
        }
        Some(at) => {
            report.push(format!(
                "{log}: damaged at byte {at}; no votes below height {reached}"
            ));
            return found.silent_below.max(reached);
        }
        None => {}
    }
    // A new store beside a log that was written to is one that was lost.
    if rebuilt && found.highest > 0 && found.highest != tip + 1 {
        return found.silent_below.max(found.highest + 1);
    }
    if found.highest > tip + 1 || old_tip > tip {
        report.push(format!("no votes below height {reached}"));
        return found.silent_below.max(reached);
    }
    found.silent_below
}
