//! What an operator does with a node's folder while the node does not run:
//! verify, show, prune, export.

mod export;
mod verify;

use std::path::{Path, PathBuf};

use gridloom_consensus::Decided;
use gridloom_ledger::LedgerBlock;

pub use export::{export, import_check};
pub use verify::{Verified, verify};

use crate::config::{Genesis, NodeFile};
use crate::problem::{Problem, Source};
use crate::saved;
use crate::store::{Extent, Store, Unreadable, store_path};

/// A node's folder without its keys.
pub struct Folder {
    /// Its genesis.
    pub genesis: Genesis,
    /// Its data.
    pub data: PathBuf,
}

impl Folder {
    /// Reads the configuration in a node's folder, keys aside.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn open(dir: &Path) -> Result<Self, Problem> {
        let config = dir.join("node.ron");
        if !config.exists() {
            return Err(Problem::of_file(
                dir,
                "there is no node.ron in this folder",
                "name the folder of a node, for example DIR/v1",
            ));
        }
        let file: NodeFile = Source::read(&config)?.parse()?;
        Ok(Self {
            genesis: Genesis::load(&dir.join(&file.genesis))?,
            data: dir.join(&file.data),
        })
    }

    /// Opens the store, which must exist and not be in use.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn store(&self) -> Result<Store, Problem> {
        let path = store_path(&self.data);
        if !path.exists() {
            return Err(Problem::of_file(
                &path,
                "there is no block store",
                "start the node: it fetches the blocks from the others",
            ));
        }
        Store::open(&self.data, &self.genesis.fingerprint()).map_err(|error| {
            let hint = match error {
                crate::store::StoreError::InUse(_) => "stop the node first",
                _ => "start the node: it sets a damaged store aside and fetches its blocks",
            };
            // The error names the file as well.
            let what = error.to_string();
            let file = format!("{}: ", path.display());
            Problem::of_file(&path, what.strip_prefix(&file).unwrap_or(&what), hint)
        })
    }
}

/// One block in a list.
#[derive(Clone, Debug)]
pub struct Row {
    /// Height.
    pub height: u64,
    /// The block, or why it cannot be shown whole.
    pub block: Result<Decided<LedgerBlock>, Unreadable>,
}

/// The newest blocks, or those from a height on.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn show(dir: &Path, from: Option<u64>, count: u64) -> Result<(u64, Vec<Row>), Problem> {
    let folder = Folder::open(dir)?;
    let store = folder.store()?;
    let tip = store
        .highest()
        .map_err(|error| Problem::of_file(&store_path(&folder.data), error.to_string(), ""))?;
    let from = from
        .unwrap_or(tip.saturating_sub(count.saturating_sub(1)))
        .max(1);
    let rows = (from..=tip)
        .take(usize::try_from(count).unwrap_or(usize::MAX))
        .map(|height| Row {
            height,
            block: store.block(height),
        })
        .collect();
    Ok((tip, rows))
}

/// What pruning did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// Blocks whose transactions were dropped.
    pub blocks: u64,
    /// Lowest height that is still whole.
    pub whole_from: u64,
    /// Size of the store before, bytes.
    pub bytes_before: u64,
    /// Size of the store after, bytes.
    pub bytes_after: u64,
}

/// Drops the transactions of all but the last `keep` blocks. Headers and
/// certificates stay, and so does everything the newest saved state does not cover.
///
/// # Errors
/// Refuses when there is no saved state to go on from.
pub fn prune(dir: &Path, keep: u64) -> Result<Pruned, Problem> {
    let folder = Folder::open(dir)?;
    let mut store = folder.store()?;
    let path = store_path(&folder.data);
    let fail = |error: String| Problem::of_file(&path, error, "");
    let tip = store.highest().map_err(|error| fail(error.to_string()))?;
    let genesis = folder
        .genesis
        .chain()
        .map_err(|error| fail(error.to_string()))?;
    let state = saved::heights(&folder.data)
        .into_iter()
        .find(|height| saved::read(&folder.data, *height, &genesis).is_ok());
    let Some(state) = state else {
        return Err(Problem::of_file(
            &folder.data,
            "there is no sound saved state, so every block is needed",
            "a node saves its state every save_state_every blocks and when it is stopped",
        ));
    };
    let size = || std::fs::metadata(&path).map_or(0, |meta| meta.len());
    let bytes_before = size();
    let whole_from = (tip + 1).saturating_sub(keep).min(state + 1).max(1);
    let blocks = store
        .prune_below(whole_from)
        .map_err(|error| fail(error.to_string()))?;
    drop(store);
    Ok(Pruned {
        blocks,
        whole_from,
        bytes_before,
        bytes_after: size(),
    })
}

/// How much of a block is on disk.
fn extent_of(store: &Store, height: u64) -> Result<Extent, Unreadable> {
    store.header(height).map(|(_, extent)| extent)
}
