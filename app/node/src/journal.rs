//! Every signed vote and proposal a node sent or received, for audits: the
//! kill test looks here for two that contradict.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use gridloom_consensus::{Address, BlockId, SignedPlace};

/// Bytes of an entry.
const ENTRY: usize = 82;
/// Largest journal; what comes later is counted only.
const MAX_FILE: u64 = 512 * 1024 * 1024;

/// A journal being written. Entries are not flushed: it is for tests that
/// kill processes, not machines.
#[derive(Debug)]
pub struct Journal {
    file: File,
    len: u64,
    buffer: Vec<u8>,
    /// Entries dropped because the journal is full.
    pub dropped: u64,
}

/// File of the journal in a data folder.
#[must_use]
pub fn path(data: &Path) -> PathBuf {
    data.join("votes.journal")
}

impl Journal {
    /// Opens the journal of a data folder at its end.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(data: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path(data))?;
        let len = file.metadata()?.len();
        // A half entry of a killed process would shift all that follow.
        let whole = len / ENTRY as u64 * ENTRY as u64;
        if whole < len {
            file.set_len(whole)?;
        }
        Ok(Self {
            file,
            len: whole,
            buffer: Vec::new(),
            dropped: 0,
        })
    }

    /// Notes a signed message.
    pub fn note(&mut self, (place, value): (SignedPlace, Option<BlockId>)) {
        if self.len + self.buffer.len() as u64 > MAX_FILE {
            self.dropped += 1;
            return;
        }
        self.buffer.extend(place.signer.0);
        self.buffer.extend(place.height.to_le_bytes());
        self.buffer.extend(place.round.to_le_bytes());
        self.buffer.push(place.kind);
        self.buffer.push(u8::from(value.is_some()));
        self.buffer.extend(value.unwrap_or_default().0);
    }

    /// Hands the entries to the operating system.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&mut self) -> std::io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_all(&self.buffer)?;
            self.len += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Entries of a journal.
///
/// # Errors
/// When the file cannot be read.
pub fn read(data: &Path) -> std::io::Result<Vec<(SignedPlace, Option<BlockId>)>> {
    let bytes = std::fs::read(path(data))?;
    let number = |bytes: &[u8]| {
        let mut eight = [0; 8];
        eight.copy_from_slice(bytes);
        u64::from_le_bytes(eight)
    };
    let hash = |bytes: &[u8]| {
        let mut whole = [0; 32];
        whole.copy_from_slice(bytes);
        whole
    };
    Ok(bytes
        .chunks_exact(ENTRY)
        .map(|entry| {
            let place = SignedPlace {
                signer: Address(hash(&entry[..32])),
                height: number(&entry[32..40]),
                round: number(&entry[40..48]) as i64,
                kind: entry[48],
            };
            let value = (entry[49] == 1).then(|| BlockId(hash(&entry[50..])));
            (place, value)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_a_half_one_is_dropped() {
        let dir = tempfile::tempdir().expect("a folder");
        let entry = |height: u64, value| {
            let place = SignedPlace {
                signer: Address([9; 32]),
                height,
                round: -1,
                kind: 2,
            };
            (place, value)
        };
        let mut journal = Journal::open(dir.path()).expect("opens");
        journal.note(entry(1, None));
        journal.note(entry(2, Some(BlockId([3; 32]))));
        journal.write().expect("writes");
        let mut bytes = std::fs::read(path(dir.path())).expect("reads");
        bytes.extend([1; 10]);
        std::fs::write(path(dir.path()), bytes).expect("writes");
        let mut journal = Journal::open(dir.path()).expect("opens");
        journal.note(entry(3, None));
        journal.write().expect("writes");
        let read = read(dir.path()).expect("reads");
        assert_eq!(
            read,
            [
                entry(1, None),
                entry(2, Some(BlockId([3; 32]))),
                entry(3, None)
            ]
        );
    }
}
