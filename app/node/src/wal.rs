//! The write-ahead log: what a validator signed, and what it judged, before
//! anybody hears of it.
//!
//! One file, `log`. After a header come records, each framed as length (4
//! bytes), 8 bytes of a BLAKE3 over the payload, payload. The hash is keyed by
//! the header, which holds random bytes, so that nobody can have something
//! that looks like a record written inside another one. A record that
//! is cut off or damaged with nothing good after it was never flushed: it is
//! cut off and reported. Damage before a good record means that something
//! flushed is lost; the validator then keeps silent at the heights concerned.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{Block, LogInput, LogRecord};
use gridloom_ledger::LedgerBlock;

const MAGIC: &[u8; 8] = b"GLWAL\0\0\x01";
/// Magic 8, fingerprint of the genesis 32, salt 16, checksum of these 8.
const HEADER: u64 = 64;
const FRAME: usize = 12;
/// Largest record: a block and a little.
const MAX_RECORD: usize = 2 * 1024 * 1024;
/// At the end of a height a file larger than this is begun afresh.
const TRIM_AT: u64 = 8 * 1024 * 1024;
/// A log may not be larger than this; the validator stops.
const MAX_FILE: u64 = 512 * 1024 * 1024;

/// What a record holds.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
enum Entry {
    /// An undecided block.
    Block(LedgerBlock),
    /// An engine input of a height.
    Input(u64, LogRecord),
    /// Heights below this one are followed without voting.
    Silence(u64),
}

/// What was found in a log on opening.
#[derive(Debug, Default)]
pub struct Found {
    /// Engine inputs with their heights, in order.
    pub inputs: Vec<(u64, LogInput)>,
    /// Undecided blocks.
    pub blocks: Vec<Arc<LedgerBlock>>,
    /// Heights below this one must be followed silently.
    pub silent_below: u64,
    /// Highest height the log speaks of.
    pub highest: u64,
    /// Bytes cut off at the end, never flushed.
    pub torn_bytes: u64,
    /// Flushed records are lost: where, for the report.
    pub damaged_at: Option<u64>,
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// Reading or writing failed.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// It belongs to another ledger.
    #[error("{0} is the log of another ledger")]
    Foreign(PathBuf),
    /// It grew beyond its limit: no height was decided for very long.
    #[error("{0} has reached its limit of {MAX_FILE} bytes")]
    Full(PathBuf),
    /// A record cannot be encoded.
    #[error("a record cannot be encoded: {0}")]
    Encode(std::io::Error),
}

/// An open log.
#[derive(Debug)]
pub struct Wal {
    dir: PathBuf,
    path: PathBuf,
    /// Key of the checksums: a hash of the header.
    key: [u8; 32],
    file: File,
    len: u64,
    buffer: Vec<u8>,
    dirty: bool,
    /// A fresh log is being written beside the old one.
    beside: bool,
    silent_below: u64,
    /// Flushes to disk.
    pub flushes: u64,
}

fn log_path(dir: &Path) -> PathBuf {
    dir.join("log")
}

fn fresh_path(dir: &Path) -> PathBuf {
    dir.join("log.new")
}

impl Wal {
    /// Whether there is a log in a folder.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        log_path(dir).exists()
    }

    /// Writes an empty log, in place of one that cannot be used if there is one.
    ///
    /// # Errors
    /// When it cannot be written durably.
    pub fn create(
        dir: &Path,
        fingerprint: &[u8; 32],
        silent_below: Option<u64>,
    ) -> Result<(), WalError> {
        let mut wal = Self::fresh(dir, fingerprint, silent_below.unwrap_or(0))?;
        wal.install()
    }

    /// Starts a log beside the one in use; [`Self::install`] puts it in place.
    ///
    /// While a restarted validator replays its log it writes what it still
    /// stands for anew; a crash in between finds the old log untouched.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn fresh(dir: &Path, fingerprint: &[u8; 32], silent_below: u64) -> Result<Self, WalError> {
        let path = fresh_path(dir);
        let io = |error| WalError::Io(path.clone(), error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(io)?;
        let mut header = MAGIC.to_vec();
        header.extend(fingerprint);
        header.extend(&crate::keyfile::fresh()[..16]);
        let sum = *blake3::hash(&header).as_bytes();
        header.extend(&sum[..8]);
        file.write_all(&header).map_err(io)?;
        let mut wal = Self {
            dir: dir.to_path_buf(),
            path,
            key: *blake3::hash(&header).as_bytes(),
            file,
            len: HEADER,
            buffer: Vec::new(),
            dirty: true,
            beside: true,
            silent_below,
            flushes: 0,
        };
        wal.note_silence()?;
        Ok(wal)
    }

    /// Makes a fresh log durable and puts it in the place of the old one.
    ///
    /// # Errors
    /// When a write, flush or rename fails.
    pub fn install(&mut self) -> Result<(), WalError> {
        self.dirty = true;
        self.flush()?;
        let place = log_path(&self.dir);
        std::fs::rename(&self.path, &place).map_err(|error| WalError::Io(place.clone(), error))?;
        sync_dir(&self.dir).map_err(|error| WalError::Io(self.dir.clone(), error))?;
        self.path = place;
        self.beside = false;
        Ok(())
    }

    /// Reads a log. The file itself is not changed.
    ///
    /// # Errors
    /// When it cannot be read or is of another ledger.
    pub fn read(dir: &Path, fingerprint: &[u8; 32]) -> Result<Found, WalError> {
        let path = log_path(dir);
        let io = |error| WalError::Io(path.clone(), error);
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(io)?;
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        let whole = bytes.get(..HEADER as usize).filter(|header| {
            header[..8] == *MAGIC && blake3::hash(&header[..56]).as_bytes()[..8] == header[56..]
        });
        let Some(header) = whole else {
            // The header is written once, long before: this is damage.
            return Ok(Found {
                damaged_at: Some(0),
                ..Found::default()
            });
        };
        if header[8..40] != *fingerprint {
            return Err(WalError::Foreign(path));
        }
        Ok(parse(&bytes))
    }

    /// Appends an undecided block.
    ///
    /// # Errors
    /// When the file is full or cannot be written.
    pub fn keep(&mut self, block: &Arc<LedgerBlock>) -> Result<(), WalError> {
        self.append(&Entry::Block(block.as_ref().clone()))
    }

    /// Appends an engine input of a height.
    ///
    /// # Errors
    /// When the file is full or cannot be written.
    pub fn input(&mut self, height: u64, input: LogInput) -> Result<(), WalError> {
        self.append(&Entry::Input(height, LogRecord(input)))
    }

    /// Remembers that heights below `height` are followed silently.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_silent_below(&mut self, height: u64) -> Result<(), WalError> {
        self.silent_below = height;
        self.note_silence()?;
        self.flush()
    }

    fn note_silence(&mut self) -> Result<(), WalError> {
        if self.silent_below == 0 {
            return Ok(());
        }
        self.append(&Entry::Silence(self.silent_below))
    }

    fn append(&mut self, entry: &Entry) -> Result<(), WalError> {
        let start = self.buffer.len();
        self.buffer.extend([0; FRAME]);
        entry
            .serialize(&mut self.buffer)
            .map_err(WalError::Encode)?;
        let payload = &self.buffer[start + FRAME..];
        let (length, sum) = (payload.len(), checksum(&self.key, payload));
        if length > MAX_RECORD || self.len + self.buffer.len() as u64 > MAX_FILE {
            self.buffer.truncate(start);
            return Err(WalError::Full(self.path.clone()));
        }
        self.buffer[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
        self.buffer[start + 4..start + FRAME].copy_from_slice(&sum);
        self.dirty = true;
        Ok(())
    }

    /// Whether something was appended since the last flush.
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.dirty
    }

    /// Makes everything appended durable. An error is final: what the disk
    /// holds is unknown then, and a second attempt could report success for
    /// data that were dropped.
    ///
    /// # Errors
    /// When writing or flushing fails.
    pub fn flush(&mut self) -> Result<(), WalError> {
        if !self.dirty {
            return Ok(());
        }
        let path = &self.path;
        self.file
            .write_all(&self.buffer)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| WalError::Io(path.clone(), error))?;
        self.len += self.buffer.len() as u64;
        self.buffer.clear();
        self.dirty = false;
        self.flushes += 1;
        Ok(())
    }

    /// A height has begun: records of earlier ones no longer matter. They are
    /// recognised by their height, so the file shrinks only when it is large.
    ///
    /// # Errors
    /// When the file cannot be cut.
    pub fn begin_height(&mut self, height: u64) -> Result<(), WalError> {
        if self.beside {
            return Ok(());
        }
        // What is not flushed belongs to the height that is over.
        self.buffer.clear();
        self.dirty = false;
        if self.len < TRIM_AT {
            return Ok(());
        }
        let path = &self.path;
        self.file
            .set_len(HEADER)
            .and_then(|()| self.file.seek(SeekFrom::Start(HEADER)))
            .map_err(|error| WalError::Io(path.clone(), error))?;
        self.len = HEADER;
        if height < self.silent_below {
            self.note_silence()?;
            self.flush()?;
        }
        Ok(())
    }
}

fn checksum(key: &[u8; 32], payload: &[u8]) -> [u8; 8] {
    let mut sum = [0; 8];
    sum.copy_from_slice(&blake3::keyed_hash(key, payload).as_bytes()[..8]);
    sum
}

/// The good record at an offset and where the next begins.
fn record_at(key: &[u8; 32], bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
    let frame = bytes.get(at..at + FRAME)?;
    let length = u32::from_le_bytes(frame[..4].try_into().ok()?) as usize;
    if length == 0 || length > MAX_RECORD {
        return None;
    }
    let payload = bytes.get(at + FRAME..at + FRAME + length)?;
    if frame[4..] != checksum(key, payload) {
        return None;
    }
    let entry = borsh::from_slice(payload).ok()?;
    Some((entry, at + FRAME + length))
}

fn parse(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let mut at = HEADER as usize;
    let key = *blake3::hash(&bytes[..at]).as_bytes();
    while at < bytes.len() {
        if let Some((entry, next)) = record_at(&key, bytes, at) {
            found.take(entry);
            at = next;
            continue;
        }
        // Nothing good later: the end was never flushed.
        match (at + 1..bytes.len()).find_map(|later| record_at(&key, bytes, later)) {
            None => {
                found.torn_bytes = (bytes.len() - at) as u64;
                break;
            }
            Some((entry, next)) => {
                found.damaged_at.get_or_insert(at as u64);
                found.take(entry);
                at = next;
            }
        }
    }
    found
}

impl Found {
    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Block(block) => {
                self.highest = self.highest.max(block.height());
                self.blocks.push(Arc::new(block));
            }
            Entry::Input(height, record) => {
                self.highest = self.highest.max(height);
                self.inputs.push((height, record.0));
            }
            Entry::Silence(height) => self.silent_below = self.silent_below.max(height),
        }
    }
}

/// Makes renames and new files in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINT: [u8; 32] = [7; 32];

    /// A log of silences, which are the simplest records; offsets of their ends.
    fn log(dir: &Path, count: u64) -> (Vec<u8>, Vec<usize>) {
        Wal::create(dir, &PRINT, None).expect("creates");
        let mut wal = Wal::fresh(dir, &PRINT, 0).expect("creates");
        let mut ends = vec![HEADER as usize];
        for height in 1..=count {
            wal.keep_silent_below(height).expect("writes");
            ends.push(wal.len as usize);
        }
        wal.install().expect("installs");
        (std::fs::read(log_path(dir)).expect("reads"), ends)
    }

    fn reread(dir: &Path, bytes: &[u8]) -> Found {
        std::fs::write(log_path(dir), bytes).expect("writes");
        Wal::read(dir, &PRINT).expect("reads")
    }

    #[test]
    fn a_cut_tail_is_torn_and_nothing_else_is_lost() {
        let dir = tempfile::tempdir().expect("a folder");
        let (bytes, ends) = log(dir.path(), 20);
        for cut in HEADER as usize..bytes.len() {
            let found = reread(dir.path(), &bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(found.silent_below, whole as u64);
            assert_eq!(found.torn_bytes, (cut - ends[whole]) as u64);
            assert_eq!(found.damaged_at, None);
        }
        assert_eq!(reread(dir.path(), &bytes[..10]).damaged_at, Some(0));
    }

    #[test]
    fn damage_before_a_good_record_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let (bytes, ends) = log(dir.path(), 20);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            let found = reread(dir.path(), &bad);
            let record = ends.iter().filter(|end| **end <= at).count();
            match record {
                0 => assert_eq!(found.damaged_at, Some(0), "in the header"),
                // The last record cannot be told from a torn one.
                20 => assert!(found.torn_bytes > 0 && found.silent_below == 19),
                _ => {
                    assert_eq!(found.damaged_at, Some(ends[record - 1] as u64));
                    assert_eq!(found.silent_below, 20, "what follows is still read");
                }
            }
        }
    }

    #[test]
    fn the_log_of_another_ledger_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        log(dir.path(), 1);
        assert!(matches!(
            Wal::read(dir.path(), &[8; 32]),
            Err(WalError::Foreign(_))
        ));
    }

    #[test]
    fn a_fresh_log_leaves_the_old_one_until_it_is_installed() {
        let dir = tempfile::tempdir().expect("a folder");
        log(dir.path(), 3);
        let mut fresh = Wal::fresh(dir.path(), &PRINT, 9).expect("creates");
        fresh.flush().expect("flushes");
        assert_eq!(
            Wal::read(dir.path(), &PRINT).expect("reads").silent_below,
            3
        );
        fresh.install().expect("installs");
        assert_eq!(
            Wal::read(dir.path(), &PRINT).expect("reads").silent_below,
            9
        );
    }
}
