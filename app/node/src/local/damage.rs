//! Damaging the files of a stopped node: each kind must be noticed, named and
//! healed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{LocalCluster, LocalError, connect};
use crate::saved;
use crate::status::Status;
use crate::store::store_path;

/// What is done to a node's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Half a record at the end of the log.
    TornLog,
    /// A changed byte in the middle of the log.
    ChangedLog,
    /// No log.
    NoLog,
    /// A changed byte inside a stored block.
    ChangedBlock,
    /// The first pages of the block store overwritten.
    BrokenStore,
    /// The block store cut in half.
    CutStore,
    /// No block store.
    NoStore,
    /// A changed byte in the newest saved state.
    ChangedState,
    /// Nothing left of the data folder.
    Wiped,
}

pub(super) const ALL: [Damage; 9] = [
    Damage::TornLog,
    Damage::ChangedLog,
    Damage::NoLog,
    Damage::ChangedBlock,
    Damage::BrokenStore,
    Damage::CutStore,
    Damage::NoStore,
    Damage::ChangedState,
    Damage::Wiped,
];

/// What came of it.
#[derive(Clone, Debug)]
pub struct DamageReport {
    /// The damage.
    pub kind: Damage,
    /// In words, with the node.
    pub what: String,
    /// The line of the node's report that names it.
    pub named: Option<String>,
    /// Time until the node stood with the others and had every block, ms.
    pub healed_ms: Option<u64>,
    /// Blocks fetched in place of damaged or missing ones.
    pub healed_blocks: u64,
}

impl DamageReport {
    /// Whether it was named and healed.
    #[must_use]
    pub fn good(&self) -> bool {
        self.named.is_some() && self.healed_ms.is_some()
    }

    /// One line.
    #[must_use]
    pub fn outcome(&self) -> String {
        let named = match &self.named {
            Some(line) => format!("named ({line})"),
            None => "NOT NAMED".into(),
        };
        let healed = match self.healed_ms {
            Some(ms) => format!("healed in {ms} ms, {} blocks fetched", self.healed_blocks),
            None => "NOT HEALED".into(),
        };
        format!("{named}; {healed}")
    }
}

/// Kills a node, damages its files, starts it again.
pub(super) fn inflict(
    kind: Damage,
    node: usize,
    cluster: &mut LocalCluster,
    patience: Duration,
) -> Result<DamageReport, LocalError> {
    // The node must have something to lose.
    let mut client = connect(cluster.api(node), patience)?;
    let height = client.status()?.validator.height;
    let block = client.block((height / 2).max(1))?.block;
    cluster.kill(node)?;
    let data = cluster.folder(node).join("data");
    let file = damage(kind, &data, &block)
        .map_err(|error| LocalError::Io(data.display().to_string(), error))?;
    let best = cluster
        .statuses()
        .iter()
        .flatten()
        .map(|status| status.validator.height)
        .max()
        .unwrap_or(0);
    let begun = Instant::now();
    cluster.start(node)?;
    let mut report = DamageReport {
        kind,
        what: format!("{kind:?} at node {}", node + 1),
        named: None,
        healed_ms: None,
        healed_blocks: 0,
    };
    let mut client = connect(cluster.api(node), patience)?;
    while begun.elapsed() < patience && report.healed_ms.is_none() {
        std::thread::sleep(Duration::from_millis(20));
        let Ok(status) = client.status() else {
            client = connect(cluster.api(node), patience)?;
            continue;
        };
        report.named = named(&status, &file);
        report.healed_blocks = status.disk.healed;
        let whole = status.disk.holes == 0 && status.validator.silent_below == 0;
        if whole && status.validator.height > best {
            report.healed_ms = Some(begun.elapsed().as_millis() as u64);
        }
    }
    Ok(report)
}

/// The line of a node's report that names a file.
fn named(status: &Status, file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let line = status.disk.report.iter().find(|line| line.contains(name))?;
    // The folder of a test means nothing to whoever reads the line.
    let at = line.find(name).unwrap_or(0);
    Some(line[at..].to_string())
}

fn damage(kind: Damage, data: &Path, block: &str) -> std::io::Result<PathBuf> {
    let log = data.join("log");
    let store = store_path(data);
    match kind {
        Damage::TornLog => {
            let mut bytes = std::fs::read(&log)?;
            bytes.extend([200, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
            std::fs::write(&log, bytes)?;
            Ok(log)
        }
        Damage::ChangedLog => {
            // Behind header, frame and kind of the first record.
            change(&log, 64 + 12 + 4)?;
            Ok(log)
        }
        Damage::NoLog => {
            std::fs::remove_file(&log)?;
            Ok(log)
        }
        Damage::ChangedBlock => {
            let id = crate::hex::decode(block).unwrap_or_default();
            let bytes = std::fs::read(&store)?;
            // A block's identity stands in its certificate and in the block after it.
            let at = bytes
                .windows(id.len().max(1))
                .position(|window| window == id)
                .unwrap_or(bytes.len() / 2);
            change(&store, at)?;
            Ok(store)
        }
        Damage::BrokenStore => {
            let mut bytes = std::fs::read(&store)?;
            for byte in bytes.iter_mut().take(8_192) {
                *byte ^= 0x5a;
            }
            std::fs::write(&store, bytes)?;
            Ok(store)
        }
        Damage::CutStore => {
            let file = std::fs::OpenOptions::new().write(true).open(&store)?;
            file.set_len(file.metadata()?.len() / 2)?;
            Ok(store)
        }
        Damage::NoStore => {
            std::fs::remove_file(&store)?;
            Ok(store)
        }
        Damage::ChangedState => {
            let newest = saved::heights(data).first().copied().unwrap_or(0);
            let path = saved::path(data, newest);
            let length = std::fs::metadata(&path)?.len() as usize;
            change(&path, length / 2)?;
            Ok(path)
        }
        Damage::Wiped => {
            std::fs::remove_dir_all(data)?;
            Ok(log)
        }
    }
}

fn change(path: &Path, at: usize) -> std::io::Result<()> {
    let mut bytes = std::fs::read(path)?;
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x10;
    }
    std::fs::write(path, bytes)
}
