//! What a run and a validator elsewhere say to each other: frames of a length
//! and canonical bytes.

use std::io::{Error, ErrorKind, Read, Result, Write};

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{LogRecord, PeerIndex};
use gridloom_core::ledger::SaidElsewhere;
use gridloom_ledger::{LedgerBlock, SavedState};

/// Version of the messages.
pub const VERSION: u32 = 1;
/// Largest frame, bytes: some blocks of catch-up and a tick of votes.
const MAX_FRAME: usize = 32 * 1024 * 1024;
const PROOF_TAG: &[u8] = b"gridloom/join/1";

/// From the validator to the run.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub enum FromNode {
    /// Who it wants to be, and what it believes the ledger starts from.
    Join {
        version: u32,
        ledger: String,
        node: PeerIndex,
        genesis: [u8; 32],
    },
    /// Signature of the challenge with the validator's key.
    Proof([u8; 64]),
    /// Everything it says up to the time it was told.
    Said {
        said: Vec<SaidElsewhere>,
        height: u64,
    },
}

/// From the run to the validator.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub enum ToNode {
    /// To sign.
    Challenge([u8; 32]),
    /// It is the validator from now on.
    Begin(Box<Begin>),
    /// What reached it, in order, up to a time.
    Tick { until_us: u64, heard: Vec<Heard> },
    /// It is not, or no more, with the reason.
    Over(String),
}

/// Where the simulated validator was: what the other goes on from.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Begin {
    pub now_us: u64,
    /// State after its last block; without one it is at the genesis.
    pub saved: Option<SavedState>,
    /// What it logged at the height after that.
    pub log: Vec<LogRecord>,
    /// Undecided blocks of that height.
    pub kept: Vec<LedgerBlock>,
}

/// A message that reached the validator.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub struct Heard {
    pub at_us: u64,
    pub from: PeerIndex,
    pub bytes: Vec<u8>,
}

/// What a validator signs to show that it has the key.
pub fn proof_bytes(challenge: &[u8; 32], ledger: &str, node: PeerIndex) -> Vec<u8> {
    let mut bytes = PROOF_TAG.to_vec();
    bytes.extend(challenge);
    bytes.extend(node.to_le_bytes());
    bytes.extend(ledger.as_bytes());
    bytes
}

/// Writes one frame.
pub fn write<T: BorshSerialize>(to: &mut impl Write, what: &T) -> Result<()> {
    let bytes = borsh::to_vec(what)?;
    if bytes.len() > MAX_FRAME {
        let text = format!("{} bytes do not fit into a frame", bytes.len());
        return Err(Error::new(ErrorKind::InvalidData, text));
    }
    to.write_all(&(bytes.len() as u32).to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads one frame.
pub fn read<T: BorshDeserialize>(from: &mut impl Read) -> Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME {
        let text = format!("a frame of {length} bytes");
        return Err(Error::new(ErrorKind::InvalidData, text));
    }
    // Taken piece by piece: a length alone shall reserve nothing.
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    T::try_from_slice(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_broken_ones_are_errors() {
        let mut bytes = Vec::new();
        let challenge = ToNode::Challenge([7; 32]);
        write(&mut bytes, &challenge).expect("written");
        let back: ToNode = read(&mut bytes.as_slice()).expect("read back");
        assert!(matches!(back, ToNode::Challenge([7, ..])));
        for cut in 0..bytes.len() {
            assert!(read::<ToNode>(&mut &bytes[..cut]).is_err());
        }
        let huge = u32::MAX.to_le_bytes();
        assert!(read::<ToNode>(&mut huge.as_slice()).is_err());
    }
}
