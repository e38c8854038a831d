//! The state after a block on disk, so that a restart need not execute the
//! whole chain again.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{Certificate, Chain, SigMemo};
use gridloom_ledger::{LedgerChain, SavedState};

use crate::wal::sync_dir;

const MAGIC: &[u8; 8] = b"GLSTATE\x01";
/// Saved states kept; the older ones stand in when the newest is damaged.
const KEPT: usize = 2;
/// Largest file, bytes.
const MAX_FILE: u64 = 4 << 30;

/// A state and the certificate of the block it is after.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct Content {
    certificate: Certificate,
    state: SavedState,
}

fn name(height: u64) -> String {
    format!("state-{height:012}")
}

/// Heights of the saved states in a folder, newest first.
#[must_use]
pub fn heights(data: &Path) -> Vec<u64> {
    let mut found: Vec<u64> = std::fs::read_dir(data)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_prefix("state-")?
                .parse()
                .ok()
        })
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
}

/// File of the state after a height.
#[must_use]
pub fn path(data: &Path, height: u64) -> PathBuf {
    data.join(name(height))
}

/// Writes a state durably and drops all but the newest.
///
/// # Errors
/// When it cannot be written.
pub fn write(
    data: &Path,
    certificate: &Certificate,
    state: SavedState,
) -> std::io::Result<PathBuf> {
    let height = state.header.height;
    let mut bytes = MAGIC.to_vec();
    bytes.extend([0; 32]);
    Content {
        certificate: certificate.clone(),
        state,
    }
    .serialize(&mut bytes)?;
    let sum = *blake3::hash(&bytes[40..]).as_bytes();
    bytes[8..40].copy_from_slice(&sum);
    let half = data.join("state.new");
    let mut file = File::create(&half)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    let place = path(data, height);
    std::fs::rename(&half, &place)?;
    sync_dir(data)?;
    for old in heights(data).into_iter().skip(KEPT) {
        // One left over is no harm; it is tried again next time.
        let _ = std::fs::remove_file(path(data, old));
    }
    Ok(place)
}

/// Reads the state after a height into a ledger that starts from `genesis`.
///
/// # Errors
/// Says what is wrong with the file.
pub fn read(data: &Path, height: u64, genesis: &LedgerChain) -> Result<LedgerChain, String> {
    let file = path(data, height);
    let size = std::fs::metadata(&file)
        .map_err(|error| error.to_string())?
        .len();
    if size > MAX_FILE {
        return Err(format!("{size} bytes are too many"));
    }
    let bytes = std::fs::read(&file).map_err(|error| error.to_string())?;
    let whole = bytes.len() > 40
        && bytes[..8] == *MAGIC
        && *blake3::hash(&bytes[40..]).as_bytes() == bytes[8..40];
    if !whole {
        return Err("it is damaged".into());
    }
    let content: Content = borsh::from_slice(&bytes[40..]).map_err(|error| error.to_string())?;
    let header = &content.state.header;
    let certificate = &content.certificate;
    if header.height != height || certificate.block != header.id() {
        return Err("it is of another height".into());
    }
    let chain = genesis
        .resume(&content.state)
        .map_err(|error| error.to_string())?;
    // The set of this very height may differ from that of the next one.
    let sets = [chain.validators(), genesis.validators()];
    let certified = sets.iter().any(|set| {
        certificate
            .verify(&chain.id(), set, &mut SigMemo::new(64))
            .is_ok()
    });
    if certified {
        Ok(chain)
    } else {
        Err("its certificate does not hold".into())
    }
}
