//! Decided blocks with their certificates on disk, in a redb file.
//!
//! redb serves bits that flipped after a clean close as good data and may
//! panic over them, so every record carries its own checksum, is compared on
//! every read, and the store is opened and written under a guard.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use borsh::BorshDeserialize;
use gridloom_consensus::{Block, Certificate, Decided};
use gridloom_ledger::{BlockHeader, LedgerBlock};
use redb::{Builder, Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const FINGERPRINT: &str = "genesis";
const FORMAT: &str = "format";
const FORMAT_NOW: &[u8] = b"1";
/// Page cache, bytes.
const CACHE: usize = 32 * 1024 * 1024;
/// Checksum and kind before the content of a record.
const PREFIX: usize = 33;

/// How much of a block a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    Whole,
    /// Header and certificate; the transactions were pruned.
    Header,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is damaged so that it cannot be opened, read or written.
    #[error("{0}: the block store is damaged: {1}")]
    Damaged(PathBuf, String),
    /// Another process has it open.
    #[error("{0}: another process has this block store open")]
    InUse(PathBuf),
    /// It belongs to another ledger or another version.
    #[error("{0}: {1}")]
    Foreign(PathBuf, String),
}

/// Why one block cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is no record.
    #[error("block {0} is missing")]
    Missing(u64),
    /// The record does not have its checksum, or is of another height.
    #[error("block {0} is damaged")]
    Damaged(u64),
    /// Only header and certificate are kept.
    #[error("the transactions of block {0} were pruned")]
    Pruned(u64),
}

impl Unreadable {
    /// The height.
    #[must_use]
    pub fn height(&self) -> u64 {
        match self {
            Self::Missing(height) | Self::Damaged(height) | Self::Pruned(height) => *height,
        }
    }
}

/// The open store.
pub struct Store {
    path: PathBuf,
    database: Database,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

/// Name of the file in a data folder.
#[must_use]
pub fn store_path(data: &Path) -> PathBuf {
    data.join("blocks.redb")
}

impl Store {
    /// Opens the store of a data folder, or makes one.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn open(data: &Path, fingerprint: &[u8; 32]) -> Result<Self, StoreError> {
        let path = store_path(data);
        let opened = guarded(&path, || {
            Builder::new()
                .set_cache_size(CACHE)
                .create(&path)
                .map_err(|error| match error {
                    redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.clone()),
                    other => StoreError::Damaged(path.clone(), other.to_string()),
                })
        })?;
        let store = Self {
            path,
            database: opened,
        };
        store.claim(fingerprint)?;
        Ok(store)
    }

    fn claim(&self, fingerprint: &[u8; 32]) -> Result<(), StoreError> {
        let known = self.guarded(|| {
            let write = self.database.begin_write()?;
            let known = {
                write.open_table(BLOCKS)?;
                let mut meta = write.open_table(META)?;
                let format = meta.get(FORMAT)?.map(|value| value.value().to_vec());
                let print = meta.get(FINGERPRINT)?.map(|value| value.value().to_vec());
                if format.is_none() && print.is_none() {
                    meta.insert(FORMAT, FORMAT_NOW)?;
                    meta.insert(FINGERPRINT, &fingerprint[..])?;
                    None
                } else {
                    Some((format, print))
                }
            };
            write.commit()?;
            Ok(known)
        })?;
        let Some((format, print)) = known else {
            return Ok(());
        };
        let foreign = |what: &str| Err(StoreError::Foreign(self.path.clone(), what.into()));
        if format.as_deref() != Some(FORMAT_NOW) {
            return foreign("the block store has a format of another version");
        }
        if print.as_deref() != Some(&fingerprint[..]) {
            return foreign("the block store is of another ledger");
        }
        Ok(())
    }

    /// Runs a database operation; errors and panics become [`StoreError::Damaged`].
    fn guarded<T>(
        &self,
        operation: impl FnOnce() -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        guarded(&self.path, || {
            operation().map_err(|error| StoreError::Damaged(self.path.clone(), error.to_string()))
        })
    }

    /// Makes a decided block durable.
    ///
    /// # Errors
    /// When it cannot be written; what the disk holds is unknown then.
    pub fn put(&self, decided: &Decided<LedgerBlock>) -> Result<(), StoreError> {
        self.put_record(decided.block.height(), &record(Extent::Whole, decided))
    }

    fn put_record(&self, height: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.guarded(|| {
            let mut write = self.database.begin_write()?;
            write.set_durability(Durability::Immediate)?;
            write.open_table(BLOCKS)?.insert(height, bytes)?;
            write.commit()?;
            Ok(())
        })
    }

    /// Removes every block from a height on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn cut_from(&self, height: u64) -> Result<(), StoreError> {
        self.guarded(|| {
            let write = self.database.begin_write()?;
            write
                .open_table(BLOCKS)?
                .retain_in(height.., |_, _| false)?;
            write.commit()?;
            Ok(())
        })
    }

    /// Replaces whole blocks below `height` by their headers; returns how many.
    ///
    /// # Errors
    /// When a block cannot be read or written.
    pub fn prune_below(&mut self, height: u64) -> Result<u64, StoreError> {
        let mut pruned = 0;
        for at in 1..height {
            if let Ok(decided) = self.block(at) {
                self.put_record(at, &record(Extent::Header, &decided))?;
                pruned += 1;
            }
        }
        let path = self.path.clone();
        let database = &mut self.database;
        guarded(&path, || {
            database
                .compact()
                .map_err(|error| StoreError::Damaged(path.clone(), error.to_string()))
        })?;
        Ok(pruned)
    }

    /// Greatest height on record, 0 without any.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn highest(&self) -> Result<u64, StoreError> {
        self.guarded(|| {
            let read = self.database.begin_read()?;
            let blocks = read.open_table(BLOCKS)?;
            Ok(blocks.last()?.map_or(0, |(height, _)| height.value()))
        })
    }

    /// The content of a record after its checksum was compared.
    fn content(&self, height: u64) -> Result<(Extent, Vec<u8>), Unreadable> {
        let damaged = Unreadable::Damaged(height);
        let found = self
            .guarded(|| {
                let read = self.database.begin_read()?;
                let blocks = read.open_table(BLOCKS)?;
                Ok(blocks.get(height)?.map(|value| value.value().to_vec()))
            })
            .map_err(|_| damaged.clone())?;
        let mut bytes = found.ok_or(Unreadable::Missing(height))?;
        if bytes.len() < PREFIX || *blake3::hash(&bytes[32..]).as_bytes() != bytes[..32] {
            return Err(damaged);
        }
        let extent = match bytes[32] {
            0 => Extent::Whole,
            1 => Extent::Header,
            _ => return Err(damaged),
        };
        bytes.drain(..PREFIX);
        Ok((extent, bytes))
    }

    /// A block with its certificate.
    ///
    /// # Errors
    /// Says whether it is missing, damaged or pruned.
    pub fn block(&self, height: u64) -> Result<Decided<LedgerBlock>, Unreadable> {
        let (extent, bytes) = self.content(height)?;
        if extent == Extent::Header {
            return Err(Unreadable::Pruned(height));
        }
        let decoded: Option<(LedgerBlock, Certificate)> = borsh::from_slice(&bytes).ok();
        let (block, certificate) = decoded.ok_or(Unreadable::Damaged(height))?;
        if block.height() != height || certificate.block != block.id() {
            return Err(Unreadable::Damaged(height));
        }
        Ok(Decided {
            block: block.into(),
            certificate: certificate.into(),
        })
    }

    /// A block with its certificate in the form they have on the wire.
    ///
    /// # Errors
    /// Says whether it is missing, damaged or pruned.
    pub fn wire(&self, height: u64) -> Result<Vec<u8>, Unreadable> {
        match self.content(height)? {
            (Extent::Whole, bytes) => Ok(bytes),
            (Extent::Header, _) => Err(Unreadable::Pruned(height)),
        }
    }

    /// Header of a block, pruned or not.
    ///
    /// # Errors
    /// Says whether it is missing or damaged.
    pub fn header(&self, height: u64) -> Result<(BlockHeader, Extent), Unreadable> {
        let (extent, bytes) = self.content(height)?;
        BlockHeader::deserialize(&mut bytes.as_slice())
            .ok()
            .filter(|header| header.height == height)
            .map(|header| (header, extent))
            .ok_or(Unreadable::Damaged(height))
    }

    /// Header and certificate of a block, pruned or not.
    ///
    /// # Errors
    /// Says whether it is missing or damaged.
    pub fn certified(&self, height: u64) -> Result<(BlockHeader, Certificate), Unreadable> {
        let (extent, bytes) = self.content(height)?;
        let decoded = match extent {
            Extent::Header => borsh::from_slice(&bytes).ok(),
            Extent::Whole => borsh::from_slice::<(LedgerBlock, Certificate)>(&bytes)
                .ok()
                .map(|(block, certificate)| (block.header().clone(), certificate)),
        };
        decoded
            .filter(|(header, certificate): &(BlockHeader, Certificate)| {
                header.height == height && header.id() == certificate.block
            })
            .ok_or(Unreadable::Damaged(height))
    }

    /// Heights up to `tip` whose record is missing, damaged or does not link to
    /// its parent; `pruned` records are sound.
    #[must_use]
    pub fn scan(&self, tip: u64) -> Vec<Unreadable> {
        let mut bad = Vec::new();
        let mut parent = None;
        for height in 1..=tip {
            match self.header(height) {
                Ok((header, _)) => {
                    if parent.is_some_and(|parent| parent != header.parent) {
                        bad.push(Unreadable::Damaged(height));
                    }
                    parent = Some(header.id());
                }
                Err(unreadable) => {
                    bad.push(unreadable);
                    parent = None;
                }
            }
        }
        bad
    }
}

/// A record: checksum, kind, content.
fn record(extent: Extent, decided: &Decided<LedgerBlock>) -> Vec<u8> {
    let mut bytes = vec![0; PREFIX];
    bytes[32] = match extent {
        Extent::Whole => 0,
        Extent::Header => 1,
    };
    // Writing to a vector cannot fail; a record that did would not be readable.
    let written = match extent {
        Extent::Whole => borsh::to_writer(&mut bytes, decided.block.as_ref()),
        Extent::Header => borsh::to_writer(&mut bytes, decided.block.header()),
    }
    .and_then(|()| borsh::to_writer(&mut bytes, decided.certificate.as_ref()));
    debug_assert!(written.is_ok());
    let sum = *blake3::hash(&bytes[32..]).as_bytes();
    bytes[..32].copy_from_slice(&sum);
    bytes
}

/// redb may panic over damaged files; the node must not.
fn guarded<T>(
    path: &Path,
    operation: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|_| {
        Err(StoreError::Damaged(
            path.to_path_buf(),
            "its structure is broken".into(),
        ))
    })
}

/// Moves a damaged store out of the way; returns its new name.
///
/// # Errors
/// When it cannot be renamed.
pub fn set_aside(data: &Path) -> std::io::Result<PathBuf> {
    let path = store_path(data);
    let aside = (1..1_000)
        .map(|n| data.join(format!("blocks.redb.damaged-{n}")))
        .find(|name| !name.exists())
        .unwrap_or_else(|| data.join("blocks.redb.damaged"));
    std::fs::rename(&path, &aside)?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use gridloom_ledger::rehearsal::Rehearsal;

    use super::*;

    const PRINT: [u8; 32] = [7; 32];

    /// Blocks of a short life of a ledger, without signatures.
    fn blocks() -> Vec<Decided<LedgerBlock>> {
        let mut cluster = Rehearsal::new(3, 1).expect("a genesis");
        cluster.register_all(0).expect("registers");
        for step in 1..10 {
            cluster.step(step * 1_000).expect("an empty block");
        }
        (1..=cluster.chain().height())
            .map(|height| cluster.chain().block(height).expect("decided"))
            .collect()
    }

    fn filled(dir: &Path, blocks: &[Decided<LedgerBlock>]) {
        let store = Store::open(dir, &PRINT).expect("opens");
        for block in blocks {
            store.put(block).expect("writes");
        }
    }

    #[test]
    fn blocks_come_back_and_strangers_are_refused() {
        let (dir, blocks) = (tempfile::tempdir().expect("a folder"), blocks());
        filled(dir.path(), &blocks);
        let mut store = Store::open(dir.path(), &PRINT).expect("opens");
        let tip = store.highest().expect("reads");
        assert_eq!(tip, blocks.len() as u64);
        assert_eq!(store.scan(tip), []);
        for block in &blocks {
            let read = store.block(block.block.height()).expect("reads");
            assert_eq!(
                (read.block, read.certificate),
                (block.block.clone(), block.certificate.clone())
            );
        }
        assert!(matches!(
            Store::open(dir.path(), &PRINT),
            Err(StoreError::InUse(_))
        ));
        assert_eq!(store.prune_below(5).expect("prunes"), 4);
        assert_eq!(store.block(4).err(), Some(Unreadable::Pruned(4)));
        assert!(store.certified(4).is_ok() && store.block(5).is_ok());
        assert_eq!(store.scan(tip), []);
        store.cut_from(7).expect("cuts");
        assert_eq!(store.highest().expect("reads"), 6);
        assert_eq!(store.scan(7), [Unreadable::Missing(7)]);
        drop(store);
        assert!(matches!(
            Store::open(dir.path(), &[8; 32]),
            Err(StoreError::Foreign(..))
        ));
    }

    /// redb itself serves about every fifth flipped bit of a cleanly closed
    /// file as good data; here none may pass.
    #[test]
    fn no_flipped_bit_passes_as_a_block() {
        let (dir, blocks) = (tempfile::tempdir().expect("a folder"), blocks());
        filled(dir.path(), &blocks);
        let path = store_path(dir.path());
        let good = std::fs::read(&path).expect("reads");
        let (mut refused, mut named, mut unharmed) = (0, 0, 0);
        for case in 0..120_u64 {
            let at = (case.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as usize % good.len();
            let mut bad = good.clone();
            bad[at] ^= 1 << (case % 8);
            std::fs::write(&path, &bad).expect("writes");
            let Ok(store) = Store::open(dir.path(), &PRINT) else {
                refused += 1;
                continue;
            };
            let mut whole = true;
            for block in &blocks {
                match store.block(block.block.height()) {
                    Ok(read) => assert_eq!(read.block, block.block, "bit {at} passed"),
                    Err(_) => whole = false,
                }
            }
            unharmed += u32::from(whole);
            named += u32::from(!whole);
        }
        assert!(
            refused + named > 0 && unharmed > 0,
            "{refused} {named} {unharmed}"
        );
    }
}
