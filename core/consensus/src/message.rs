//! What validators send each other, and its canonical encoding.

use std::io::{Error, ErrorKind, Read, Write};
use std::sync::Arc;

use arc_malachitebft_core_types as engine;
use borsh::{BorshDeserialize, BorshSerialize};
use engine::{
    NilOrVal, PolkaCertificate, Round, RoundCertificate, SignedProposal, SignedVote, VoteType,
};

use crate::certificate::Certificate;
use crate::chain::{Block, Chain, Decided, Tx};
use crate::context::{Address, BlockId, Ctx, Height, Proposal, Sig, Value, Vote};
use crate::log::{SignedPlace, proposal_place, vote_place};

/// A message between validators, or from a client to a validator.
#[derive(Debug)]
pub enum Message<C: Chain> {
    /// A vote.
    Vote(SignedVote<Ctx>),
    /// A proposal (identity only).
    Proposal(SignedProposal<Ctx>),
    /// A quorum of prevotes.
    Polka(PolkaCertificate<Ctx>),
    /// Votes that justify entering a round.
    Round(RoundCertificate<Ctx>),
    /// A proposed block.
    Block(Arc<C::Block>),
    /// Ask for decided blocks from this height on.
    SyncRequest(u64),
    /// Decided blocks in rising order of height.
    SyncResponse(Vec<Decided<C::Block>>),
    /// A transaction for the mempool.
    Tx(Arc<C::Tx>),
    /// Ask for the proposal of (height, round) and the block it names.
    Want(u64, u32, BlockId),
}

impl<C: Chain> Message<C> {
    /// Short name of the kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Vote(vote) => match (vote.message.kind, &vote.message.value) {
                (VoteType::Prevote, NilOrVal::Val(_)) => "prevote",
                (VoteType::Prevote, NilOrVal::Nil) => "prevote-nil",
                (VoteType::Precommit, NilOrVal::Val(_)) => "precommit",
                (VoteType::Precommit, NilOrVal::Nil) => "precommit-nil",
            },
            Self::Proposal(_) => "proposal",
            Self::Polka(_) => "polka",
            Self::Round(_) => "round",
            Self::Block(_) => "block",
            Self::SyncRequest(_) => "sync-request",
            Self::SyncResponse(_) => "sync-response",
            Self::Tx(tx) => tx.kind(),
            Self::Want(..) => "want",
        }
    }

    /// Height and round it speaks of, where it has them.
    #[must_use]
    pub fn height_round(&self) -> (u64, u32) {
        let plain = |round: Round| round.as_u32().unwrap_or(0);
        match self {
            Self::Vote(vote) => (vote.message.height.0, plain(vote.message.round)),
            Self::Proposal(offer) => (offer.message.height.0, plain(offer.message.round)),
            Self::Polka(polka) => (polka.height.0, plain(polka.round)),
            Self::Round(round) => (round.height.0, plain(round.round)),
            Self::Block(block) => (block.height(), block.round()),
            Self::SyncRequest(height) => (*height, 0),
            Self::SyncResponse(list) => (list.first().map_or(0, |d| d.certificate.height), 0),
            Self::Tx(_) => (0, 0),
            Self::Want(height, round, _) => (*height, *round),
        }
    }

    /// Signer, place and content of a vote or proposal; `None` for other messages.
    #[must_use]
    pub fn signed(&self) -> Option<(SignedPlace, Option<BlockId>)> {
        match self {
            Self::Vote(vote) => Some(vote_place(&vote.message)),
            Self::Proposal(offer) => Some(proposal_place(&offer.message)),
            _ => None,
        }
    }

    /// Size on the wire, bytes, with what framing and encryption add.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        /// Headers of TCP/IP, the encrypted channel and the length prefix.
        const FRAME: u64 = 96;
        struct Count(u64);
        impl Write for Count {
            fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
                self.0 += bytes.len() as u64;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> Result<(), Error> {
                Ok(())
            }
        }
        let mut count = Count(FRAME);
        // Counting cannot fail; a list too long to encode would count as nothing more.
        let _counted = self.serialize(&mut count);
        count.0
    }

    /// Eight bytes that tell two messages of one kind apart, for running hashes.
    pub(crate) fn mark(&self) -> u64 {
        let head = |bytes: &[u8]| {
            bytes
                .iter()
                .take(8)
                .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))
        };
        match self {
            Self::Vote(vote) => head(&vote.signature.0),
            Self::Proposal(offer) => head(&offer.signature.0),
            Self::Polka(polka) => head(&polka.value_id.0),
            Self::Round(round) => round.round_signatures.len() as u64,
            Self::Block(block) => head(&block.id().0),
            Self::SyncRequest(height) => *height,
            Self::SyncResponse(list) => list.len() as u64,
            Self::Tx(_) => 0,
            Self::Want(_, _, id) => head(&id.0),
        }
    }
}

/// Rounds above this are not decoded: the engine looks ahead ten rounds only,
/// and its arithmetic must stay far from its limits.
const MAX_ROUND: i64 = 1 << 30;

pub(crate) fn write_round<W: Write>(round: Round, w: &mut W) -> Result<(), Error> {
    round.as_i64().serialize(w)
}

pub(crate) fn read_round<R: Read>(r: &mut R) -> Result<Round, Error> {
    match i64::deserialize_reader(r)? {
        -1 => Ok(Round::Nil),
        n @ 0..=MAX_ROUND => Ok(Round::new(n as u32)),
        n => Err(bad(format!("round {n}"))),
    }
}

pub(crate) fn bad(what: String) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

pub(crate) fn write_vote<W: Write>(vote: &SignedVote<Ctx>, w: &mut W) -> Result<(), Error> {
    let v = &vote.message;
    v.height.serialize(w)?;
    write_round(v.round, w)?;
    (v.kind == VoteType::Precommit).serialize(w)?;
    v.value.serialize(w)?;
    v.voter.serialize(w)?;
    vote.signature.serialize(w)
}

pub(crate) fn read_vote<R: Read>(r: &mut R) -> Result<SignedVote<Ctx>, Error> {
    let height = Height::deserialize_reader(r)?;
    let round = read_round(r)?;
    let kind = if bool::deserialize_reader(r)? {
        VoteType::Precommit
    } else {
        VoteType::Prevote
    };
    let vote = Vote {
        height,
        round,
        kind,
        value: NilOrVal::<BlockId>::deserialize_reader(r)?,
        voter: Address::deserialize_reader(r)?,
        extension: None,
    };
    Ok(SignedVote::new(vote, Sig::deserialize_reader(r)?))
}

pub(crate) fn write_proposal<W: Write>(
    offer: &SignedProposal<Ctx>,
    w: &mut W,
) -> Result<(), Error> {
    let p = &offer.message;
    p.height.serialize(w)?;
    write_round(p.round, w)?;
    p.value.serialize(w)?;
    write_round(p.pol_round, w)?;
    p.proposer.serialize(w)?;
    offer.signature.serialize(w)
}

pub(crate) fn read_proposal<R: Read>(r: &mut R) -> Result<SignedProposal<Ctx>, Error> {
    let proposal = Proposal {
        height: Height::deserialize_reader(r)?,
        round: read_round(r)?,
        value: Value::deserialize_reader(r)?,
        pol_round: read_round(r)?,
        proposer: Address::deserialize_reader(r)?,
    };
    Ok(SignedProposal::new(proposal, Sig::deserialize_reader(r)?))
}

/// Certificates are cut off at this many signatures on decoding.
const MAX_SIGNATURES: usize = 1_024;

pub(crate) fn check_round_of(round: Round, signatures: usize) -> Result<(), Error> {
    if round.as_i64() > MAX_ROUND || signatures > MAX_SIGNATURES {
        return Err(bad(format!("round {round} with {signatures} signatures")));
    }
    Ok(())
}

impl<C: Chain> BorshSerialize for Message<C> {
    fn serialize<W: Write>(&self, w: &mut W) -> Result<(), Error> {
        match self {
            Self::Vote(vote) => {
                1_u8.serialize(w)?;
                write_vote(vote, w)
            }
            Self::Proposal(offer) => {
                2_u8.serialize(w)?;
                write_proposal(offer, w)
            }
            Self::Polka(polka) => {
                3_u8.serialize(w)?;
                polka.serialize(w)
            }
            Self::Round(round) => {
                4_u8.serialize(w)?;
                round.serialize(w)
            }
            Self::Block(block) => {
                5_u8.serialize(w)?;
                block.as_ref().serialize(w)
            }
            Self::SyncRequest(height) => {
                6_u8.serialize(w)?;
                height.serialize(w)
            }
            Self::SyncResponse(list) => {
                7_u8.serialize(w)?;
                (list.len() as u32).serialize(w)?;
                for decided in list {
                    decided.block.as_ref().serialize(w)?;
                    decided.certificate.as_ref().serialize(w)?;
                }
                Ok(())
            }
            Self::Tx(tx) => {
                8_u8.serialize(w)?;
                tx.as_ref().serialize(w)
            }
            Self::Want(height, round, id) => {
                9_u8.serialize(w)?;
                (*height, *round, *id).serialize(w)
            }
        }
    }
}

impl<C: Chain> BorshDeserialize for Message<C> {
    fn deserialize_reader<R: Read>(r: &mut R) -> Result<Self, Error> {
        Ok(match u8::deserialize_reader(r)? {
            1 => Self::Vote(read_vote(r)?),
            2 => Self::Proposal(read_proposal(r)?),
            3 => {
                let polka = PolkaCertificate::<Ctx>::deserialize_reader(r)?;
                check_round_of(polka.round, polka.polka_signatures.len())?;
                Self::Polka(polka)
            }
            4 => {
                let round = RoundCertificate::<Ctx>::deserialize_reader(r)?;
                check_round_of(round.round, round.round_signatures.len())?;
                Self::Round(round)
            }
            5 => Self::Block(Arc::new(C::Block::deserialize_reader(r)?)),
            6 => Self::SyncRequest(u64::deserialize_reader(r)?),
            7 => {
                let count = u32::deserialize_reader(r)? as usize;
                if count > crate::node::SYNC_BATCH {
                    return Err(bad(format!("{count} blocks in one answer")));
                }
                let mut list = Vec::with_capacity(count);
                for _ in 0..count {
                    let block = Arc::new(C::Block::deserialize_reader(r)?);
                    let certificate = Arc::new(Certificate::deserialize_reader(r)?);
                    list.push(Decided { block, certificate });
                }
                Self::SyncResponse(list)
            }
            8 => Self::Tx(Arc::new(C::Tx::deserialize_reader(r)?)),
            9 => {
                let (height, round, id) = BorshDeserialize::deserialize_reader(r)?;
                Self::Want(height, round, id)
            }
            kind => return Err(bad(format!("message kind {kind}"))),
        })
    }
}
