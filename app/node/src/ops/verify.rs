//! Going through everything a node has on disk.

use std::path::Path;

use gridloom_consensus::{Chain, SigMemo};
use gridloom_ledger::LedgerChain;

use super::{Folder, extent_of};
use crate::hex;
use crate::problem::Problem;
use crate::saved;
use crate::store::{Extent, Store, store_path};
use crate::wal::Wal;

/// What was verified.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Greatest height.
    pub height: u64,
    /// State root after it, if everything up to there could be executed.
    pub state_root: Option<String>,
    /// Identity of every block.
    pub blocks: Vec<(u64, String)>,
    /// Blocks whose transactions were executed again.
    pub executed: u64,
    /// Blocks of which only header and certificate are kept.
    pub pruned: u64,
    /// Certificates checked.
    pub certificates: u64,
    /// Transactions executed.
    pub transactions: u64,
    /// Saved states whose root is that of their block.
    pub states: Vec<u64>,
    /// What is wrong, with the file and the height.
    pub problems: Vec<String>,
}

/// Verifies a node's folder: checksums, links, certificates, saved states, the
/// log, and every transaction by executing it again from the genesis (or, when
/// blocks were pruned, from a saved state).
///
/// # Errors
/// When configuration or store cannot be opened at all.
pub fn verify(dir: &Path) -> Result<Verified, Problem> {
    let folder = Folder::open(dir)?;
    let store = folder.store()?;
    let path = store_path(&folder.data);
    let mut verified = Verified::default();
    let name = path.display().to_string();
    verified.height = match store.highest() {
        Ok(height) => height,
        Err(error) => {
            verified.problems.push(error.to_string());
            return Ok(verified);
        }
    };
    let bad = store.scan(verified.height);
    verified
        .problems
        .extend(bad.iter().map(|unreadable| format!("{name}: {unreadable}")));
    let genesis = folder
        .genesis
        .chain()
        .map_err(|error| Problem::of_file(dir, error.to_string(), ""))?
        .without_memo();
    states(&folder, &genesis, &store, &mut verified);
    let start = start(&folder, genesis, &store, &verified);
    certificates(&start, &store, &name, &mut verified);
    execute(start, &store, &name, &mut verified);
    log(&folder, &mut verified);
    Ok(verified)
}

/// Saved states against the blocks they belong to.
fn states(folder: &Folder, genesis: &LedgerChain, store: &Store, verified: &mut Verified) {
    for height in saved::heights(&folder.data) {
        let path = saved::path(&folder.data, height);
        match saved::read(&folder.data, height, genesis) {
            Ok(chain) => {
                let block = store.header(height).ok().map(|(header, _)| header);
                if block.as_ref() == chain.tip_header() {
                    verified.states.push(height);
                } else {
                    let what = "is not the state after the block on record";
                    verified
                        .problems
                        .push(format!("{}: {what}", path.display()));
                }
            }
            Err(what) => verified
                .problems
                .push(format!("{}: {what}", path.display())),
        }
    }
}

/// Where execution starts: at the genesis, or at the oldest saved state above
/// pruned blocks.
fn start(folder: &Folder, genesis: LedgerChain, store: &Store, verified: &Verified) -> LedgerChain {
    let pruned = (1..=verified.height)
        .rev()
        .find(|height| extent_of(store, *height) == Ok(Extent::Header));
    let Some(pruned) = pruned else {
        return genesis;
    };
    verified
        .states
        .iter()
        .rev()
        .filter(|height| **height >= pruned)
        .find_map(|height| saved::read(&folder.data, *height, &genesis).ok())
        .unwrap_or(genesis)
        .without_memo()
}

/// Certificates of blocks that are not executed.
fn certificates(start: &LedgerChain, store: &Store, name: &str, verified: &mut Verified) {
    let set = start.validators();
    let mut memo = SigMemo::default();
    for height in 1..=start.tip() {
        let Ok((header, certificate)) = store.certified(height) else {
            continue;
        };
        verified.blocks.push((height, hex::encode(&header.id().0)));
        verified.pruned += u64::from(extent_of(store, height) == Ok(Extent::Header));
        verified.certificates += 1;
        if let Err(fault) = certificate.verify(&start.id(), &set, &mut memo) {
            verified
                .problems
                .push(format!("{name}: certificate of block {height}: {fault}"));
        }
    }
}

fn execute(mut chain: LedgerChain, store: &Store, name: &str, verified: &mut Verified) {
    let mut memo = SigMemo::default();
    for height in chain.tip() + 1..=verified.height {
        let decided = match store.block(height) {
            Ok(decided) => decided,
            Err(unreadable) => {
                let what = format!("{name}: {unreadable}");
                if !verified.problems.contains(&what) {
                    verified.problems.push(what);
                }
                return;
            }
        };
        let id = hex::encode(&decided.block.header().id().0);
        verified.blocks.push((height, id));
        verified.certificates += 1;
        let faults = [
            decided
                .certificate
                .verify(&chain.id(), &chain.validators(), &mut memo)
                .map_err(|fault| format!("certificate of block {height}: {fault}")),
            chain
                .apply(decided.clone())
                .map_err(|fault| format!("block {height}: {fault}")),
        ];
        for fault in faults.into_iter().filter_map(Result::err) {
            verified.problems.push(format!("{name}: {fault}"));
        }
        if chain.tip() != height {
            return;
        }
        verified.executed += 1;
        verified.transactions += decided.block.transactions().len() as u64;
        if height.is_multiple_of(256) {
            chain.forget_blocks(64);
        }
    }
    if let Err(fault) = chain.audit() {
        verified
            .problems
            .push(format!("{name}: the books do not balance: {fault}"));
    }
    verified.state_root = Some(hex::encode(&chain.state_root()));
}

fn log(folder: &Folder, verified: &mut Verified) {
    let place = folder.data.join("log");
    match Wal::read(&folder.data, &folder.genesis.fingerprint()) {
        Ok(found) => {
            if let Some(at) = found.damaged_at {
                let what = format!("{}: damaged at byte {at}", place.display());
                verified.problems.push(what);
            }
        }
        Err(error) => verified.problems.push(error.to_string()),
    }
}
