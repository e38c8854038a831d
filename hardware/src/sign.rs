//! Readings signed at the edge, ready to be checked by anybody.
//!
//! A signature says "this edge read it", not "the meter measured it", so the
//! hash of the raw frame stands beside the value. Values are integers in a
//! stated power of ten; every reading carries the hash of the one before it
//! and a number that only grows, also across restarts.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use gridloom_units::{RecordChain, RecordRefusal, SignedReading};

/// Numbers reserved on disk at once: after a crash the next number is at most
/// this far beyond the last one used, and never behind it.
const RESERVE: u64 = 64;

/// Hash the next reading refers to.
#[must_use]
pub fn hash_of(reading: &SignedReading) -> [u8; 32] {
    *blake3::hash(&reading.chained_bytes()).as_bytes()
}

/// What a signed reading is made of.
#[derive(Clone, Debug)]
pub struct ToSign<'a> {
    /// Name of the point.
    pub point: &'a str,
    /// Value as a whole number.
    pub value: i64,
    /// Power of ten of the value.
    pub exponent: i8,
    /// Unit.
    pub unit: &'a str,
    /// Whether it is good.
    pub good: bool,
    /// Time of the edge, ms since 1970.
    pub wall_ms: u64,
    /// The device's own time.
    pub device_ms: Option<u64>,
    /// Hash of the raw bytes it came from.
    pub frame: [u8; 32],
}

/// Accepts the readings of one meter in order, as the ledger does.
#[derive(Clone, Debug)]
pub struct Verifier {
    chain: RecordChain,
}

impl Verifier {
    /// For a meter's public key.
    #[must_use]
    pub fn new(meter: [u8; 32]) -> Self {
        Self {
            chain: RecordChain::new(meter),
        }
    }

    /// Takes the next reading of a cumulative register.
    ///
    /// # Errors
    /// Fails, changing nothing, when it is not signed by the meter, or for the
    /// reasons of [`RecordChain::follow`].
    pub fn take(&mut self, reading: &SignedReading) -> Result<(), RecordRefusal> {
        let signed = VerifyingKey::from_bytes(&reading.meter).is_ok_and(|key| {
            let signature = Signature::from_bytes(&reading.signature);
            let bytes = reading.signed_bytes();
            !key.is_weak() && key.verify_strict(&bytes, &signature).is_ok()
        });
        if !signed {
            return Err(RecordRefusal::Signature);
        }
        self.chain.follow(reading, hash_of(reading))
    }

    /// Chains begun anew by the edge, after it ended without closing.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.chain.restarts
    }
}

/// Why a key store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// File or folder.
        path: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Others can read or write it.
    #[error("{path}: mode {mode:o} lets others at it; run `chmod go-rwx {path}`")]
    Permissions {
        /// File or folder.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// Not what this program wrote.
    #[error("{path}: {what}")]
    Format {
        /// File.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// A name that cannot be a file's.
    #[error("`{0}` cannot name a key: use letters, digits, `-` and `_`")]
    Name(String),
}

/// Keys of meters in a folder that only its owner can read.
#[derive(Clone, Debug)]
pub struct KeyStore {
    folder: PathBuf,
}

/// Signs the readings of one meter.
pub struct MeterSigner {
    key: SigningKey,
    state: PathBuf,
    next: u64,
    reserved: u64,
    before: [u8; 32],
}

impl std::fmt::Debug for MeterSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret stays out of logs.
        write!(f, "MeterSigner(next {})", self.next)
    }
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> KeyError + '_ {
    move |source| KeyError::File {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)
        .map_err(file_error(path))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(KeyError::Permissions {
        path: path.display().to_string(),
        mode,
    })
}

#[cfg(not(unix))]
fn check_private(_path: &Path) -> Result<(), KeyError> {
    Ok(())
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let partial = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&partial).map_err(file_error(&partial))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(file_error(&partial))?;
    fs::rename(&partial, path).map_err(file_error(path))
}

impl KeyStore {
    /// Opens a folder, making it when it is not there.
    ///
    /// # Errors
    /// Fails when it cannot be made or others can read it.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        if !folder.exists() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::DirBuilderExt;
                builder.mode(0o700);
            }
            builder.create(folder).map_err(file_error(folder))?;
        }
        check_private(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The signer of a meter; its key is made from `fresh` random bytes when
    /// there is none yet.
    ///
    /// # Errors
    /// Fails when a file cannot be read, is not private or not this program's.
    pub fn signer(
        &self,
        meter: &str,
        fresh: impl FnOnce() -> io::Result<[u8; 32]>,
    ) -> Result<MeterSigner, KeyError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if meter.is_empty() || meter.len() > 64 || !meter.chars().all(plain) {
            return Err(KeyError::Name(meter.to_owned()));
        }
        let path = self.folder.join(format!("{meter}.key"));
        if !path.exists() {
            let secret = fresh().map_err(file_error(&path))?;
            write_private(&path, &secret)?;
        }
        check_private(&path)?;
        let bytes = fs::read(&path).map_err(file_error(&path))?;
        let format = |path: &Path, what: &str| KeyError::Format {
            path: path.display().to_string(),
            what: what.to_owned(),
        };
        let secret: [u8; 32] = bytes
            .try_into()
            .map_err(|_| format(&path, "a key has 32 bytes"))?;
        let state = self.folder.join(format!("{meter}.state"));
        let (next, before) = if state.exists() {
            check_private(&state)?;
            let text = fs::read_to_string(&state).map_err(file_error(&state))?;
            parse_state(&text).ok_or_else(|| format(&state, "not a state of this program"))?
        } else {
            (1, [0; 32])
        };
        Ok(MeterSigner {
            key: SigningKey::from_bytes(&secret),
            state,
            next,
            reserved: next,
            before,
        })
    }
}

fn parse_state(text: &str) -> Option<(u64, [u8; 32])> {
    let (next, before) = text.trim().split_once(' ')?;
    let before = crate::bus::record::unhex(before)?.try_into().ok()?;
    Some((next.parse().ok()?, before))
}

impl MeterSigner {
    /// The public key.
    #[must_use]
    pub fn meter(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// Begins a new chain, after a reader refused one of this chain for good.
    /// It shows in the records; numbers go on.
    pub fn begin_anew(&mut self) {
        self.before = [0; 32];
    }

    /// Signs the next reading. The number is on disk before it is used.
    ///
    /// # Errors
    /// Fails when the state cannot be written; nothing is signed then.
    pub fn sign(&mut self, reading: &ToSign<'_>) -> Result<SignedReading, KeyError> {
        if self.next >= self.reserved {
            self.reserved = self.next + RESERVE;
            // If this run ends without closing, the next one begins a new
            // chain at a number that was never used.
            self.keep(self.reserved, [0; 32])?;
        }
        let mut signed = SignedReading {
            meter: self.meter(),
            point: reading.point.to_owned(),
            value: reading.value,
            exponent: reading.exponent,
            unit: reading.unit.to_owned(),
            good: reading.good,
            wall_ms: reading.wall_ms,
            device_ms: reading.device_ms,
            frame: reading.frame,
            seq: self.next,
            before: self.before,
            signature: [0; 64],
        };
        signed.signature = self.key.sign(&signed.signed_bytes()).to_bytes();
        self.next += 1;
        self.before = hash_of(&signed);
        Ok(signed)
    }

    /// Keeps number and chain for the next start.
    ///
    /// # Errors
    /// Fails when the state cannot be written.
    pub fn close(mut self) -> Result<(), KeyError> {
        self.reserved = self.next;
        self.keep(self.next, self.before)
    }

    fn keep(&self, next: u64, before: [u8; 32]) -> Result<(), KeyError> {
        let text = format!("{next} {}\n", crate::bus::record::hex(&before));
        write_private(&self.state, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(value: i64, good: bool) -> ToSign<'static> {
        ToSign {
            point: "e/imp",
            value,
            exponent: 0,
            unit: "Wh",
            good,
            wall_ms: 1_000,
            device_ms: None,
            frame: *blake3::hash(b"\x01\x04\x04").as_bytes(),
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("gridloom-keys-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_chain_is_accepted_in_order_and_nothing_else() {
        let folder = folder("chain");
        let store = KeyStore::open(&folder).expect("made");
        let mut signer = store.signer("H17", || Ok([7; 32])).expect("made");
        let mut sign = |value, good| signer.sign(&reading(value, good)).expect("signed");
        let (first, second, third) = (sign(100, true), sign(120, true), sign(110, true));
        let mut verifier = Verifier::new(first.meter);
        assert_eq!(verifier.take(&first), Ok(()));
        let mut forged = second.clone();
        forged.value += 1;
        assert_eq!(verifier.take(&forged), Err(RecordRefusal::Signature));
        assert_eq!(verifier.take(&third), Err(RecordRefusal::Chain));
        assert_eq!(verifier.take(&second), Ok(()));
        assert_eq!(
            verifier.take(&first),
            Err(RecordRefusal::Sequence { last: 2, got: 1 })
        );
        assert_eq!(
            verifier.take(&third),
            Err(RecordRefusal::Decreasing {
                last: 120,
                got: 110
            })
        );
        let bad = sign(130, false);
        assert_eq!(verifier.take(&bad), Err(RecordRefusal::NotGood));
        let text = ron::to_string(&second).expect("serialises");
        assert_eq!(
            ron::from_str::<SignedReading>(&text).expect("parses"),
            second
        );
        let _ = fs::remove_dir_all(&folder);
    }

    #[test]
    fn numbers_grow_across_restarts_clean_or_not() {
        let folder = folder("restart");
        let store = KeyStore::open(&folder).expect("made");
        let mut signer = store.signer("M", || Ok([9; 32])).expect("made");
        let last = signer.sign(&reading(1, true)).expect("signed");
        signer.close().expect("kept");
        let mut signer = store
            .signer("M", || Err(io::Error::other("no")))
            .expect("kept");
        let next = signer.sign(&reading(2, true)).expect("signed");
        assert_eq!((next.seq, next.before), (last.seq + 1, hash_of(&last)));
        // A crash: dropped without closing.
        drop(signer);
        let mut signer = store
            .signer("M", || Err(io::Error::other("no")))
            .expect("kept");
        let after = signer.sign(&reading(3, true)).expect("signed");
        assert!(after.seq > next.seq);
        let mut verifier = Verifier::new(last.meter);
        for reading in [&last, &next, &after] {
            assert_eq!(verifier.take(reading), Ok(()));
        }
        assert_eq!(verifier.restarts(), 1);
        let _ = fs::remove_dir_all(&folder);
    }

    #[cfg(unix)]
    #[test]
    fn files_that_others_can_read_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder("mode");
        let store = KeyStore::open(&folder).expect("made");
        store.signer("M", || Ok([1; 32])).expect("made");
        let key = folder.join("M.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(matches!(
            store.signer("M", || Ok([1; 32])),
            Err(KeyError::Permissions { mode: 0o644, .. })
        ));
        assert!(matches!(
            store.signer("../M", || Ok([1; 32])),
            Err(KeyError::Name(_))
        ));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("changed");
        assert!(KeyStore::open(&folder).is_err());
        let _ = fs::remove_dir_all(&folder);
    }
}
