//! Records of the write-ahead log: the five kinds of engine input that must
//! survive a crash, and their canonical bytes.
//!
//! Which inputs belong in the log is the engine's rule; everything else
//! (starts of heights, round certificates, catch-up answers, own proposals
//! before they are signed) is refused here, when written and when read.

use std::io::{Error, Read, Write};

use arc_malachitebft_core_consensus::{Input, ProposedValue};
use arc_malachitebft_core_types as engine;
use borsh::{BorshDeserialize, BorshSerialize};
use engine::{NilOrVal, PolkaCertificate, Timeout, TimeoutKind, Validity, ValueOrigin, VoteType};

use crate::context::{Address, BlockId, Ctx, Height, Value};
use crate::message::{
    bad, check_round_of, read_proposal, read_round, read_vote, write_proposal, write_round,
    write_vote,
};

/// What the engine asks to be logged.
pub type LogInput = Input<Ctx>;

/// One record of the write-ahead log of a height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord(pub LogInput);

/// Where a signed message stands, for finding two that contradict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedPlace {
    /// Who signed.
    pub signer: Address,
    /// Height.
    pub height: u64,
    /// Round, -1 for none.
    pub round: i64,
    /// 1 prevote, 2 precommit, 3 proposal.
    pub kind: u8,
}

impl LogRecord {
    /// Signer, place and content of a vote or proposal; `None` for other records.
    #[must_use]
    pub fn signed(&self) -> Option<(SignedPlace, Option<BlockId>)> {
        match &self.0 {
            Input::Vote(vote) => Some(vote_place(&vote.message)),
            Input::Proposal(offer) => Some(proposal_place(&offer.message)),
            _ => None,
        }
    }
}

pub(crate) fn vote_place(vote: &crate::context::Vote) -> (SignedPlace, Option<BlockId>) {
    let place = SignedPlace {
        signer: vote.voter,
        height: vote.height.0,
        round: vote.round.as_i64(),
        kind: if vote.kind == VoteType::Prevote { 1 } else { 2 },
    };
    let value = match vote.value {
        NilOrVal::Nil => None,
        NilOrVal::Val(id) => Some(id),
    };
    (place, value)
}

pub(crate) fn proposal_place(offer: &crate::context::Proposal) -> (SignedPlace, Option<BlockId>) {
    let place = SignedPlace {
        signer: offer.proposer,
        height: offer.height.0,
        round: offer.round.as_i64(),
        kind: 3,
    };
    (place, Some(offer.value.0))
}

impl BorshSerialize for LogRecord {
    fn serialize<W: Write>(&self, w: &mut W) -> Result<(), Error> {
        match &self.0 {
            Input::Vote(vote) => {
                1_u8.serialize(w)?;
                write_vote(vote, w)
            }
            Input::Proposal(offer) => {
                2_u8.serialize(w)?;
                write_proposal(offer, w)
            }
            Input::ProposedValue(value, origin) => {
                3_u8.serialize(w)?;
                value.height.serialize(w)?;
                write_round(value.round, w)?;
                write_round(value.valid_round, w)?;
                value.proposer.serialize(w)?;
                value.value.serialize(w)?;
                value.validity.is_valid().serialize(w)?;
                (*origin == ValueOrigin::Sync).serialize(w)
            }
            Input::PolkaCertificate(polka) => {
                4_u8.serialize(w)?;
                polka.serialize(w)
            }
            Input::TimeoutElapsed(timeout) => {
                let kind: u8 = match timeout.kind {
                    TimeoutKind::Propose => 0,
                    TimeoutKind::Prevote => 1,
                    TimeoutKind::Precommit => 2,
                    _ => return Err(bad("a timeout that is not logged".into())),
                };
                5_u8.serialize(w)?;
                kind.serialize(w)?;
                write_round(timeout.round, w)
            }
            _ => Err(bad("an input that is not logged".into())),
        }
    }
}

impl BorshDeserialize for LogRecord {
    fn deserialize_reader<R: Read>(r: &mut R) -> Result<Self, Error> {
        Ok(Self(match u8::deserialize_reader(r)? {
            1 => Input::Vote(read_vote(r)?),
            2 => Input::Proposal(read_proposal(r)?),
            3 => {
                let height = Height::deserialize_reader(r)?;
                let round = read_round(r)?;
                let valid_round = read_round(r)?;
                let proposer = Address::deserialize_reader(r)?;
                let value = Value::deserialize_reader(r)?;
                let validity = if bool::deserialize_reader(r)? {
                    Validity::Valid
                } else {
                    Validity::Invalid
                };
                let origin = if bool::deserialize_reader(r)? {
                    ValueOrigin::Sync
                } else {
                    ValueOrigin::Consensus
                };
                let value = ProposedValue {
                    height,
                    round,
                    valid_round,
                    proposer,
                    value,
                    validity,
                };
                Input::ProposedValue(value, origin)
            }
            4 => {
                let polka = PolkaCertificate::<Ctx>::deserialize_reader(r)?;
                check_round_of(polka.round, polka.polka_signatures.len())?;
                Input::PolkaCertificate(polka)
            }
            5 => {
                let kind = match u8::deserialize_reader(r)? {
                    0 => TimeoutKind::Propose,
                    1 => TimeoutKind::Prevote,
                    2 => TimeoutKind::Precommit,
                    kind => return Err(bad(format!("timeout kind {kind}"))),
                };
                Input::TimeoutElapsed(Timeout::new(read_round(r)?, kind))
            }
            kind => return Err(bad(format!("log record kind {kind}"))),
        }))
    }
}

#[cfg(test)]
mod tests {
    use arc_malachitebft_core_types::{
        PolkaCertificate, PolkaSignature, Round, SignedMessage, ValueOrigin,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::context::{Proposal, Sig, Vote};

    fn records(height: u64, round: u32, byte: u8) -> Vec<LogRecord> {
        let (height, round) = (Height(height), Round::new(round));
        let (address, id) = (Address([byte; 32]), BlockId([byte ^ 1; 32]));
        let vote = |kind, value| Vote {
            height,
            round,
            kind,
            value,
            voter: address,
            extension: None,
        };
        let sig = Sig([byte; 64]);
        let proposal = Proposal {
            height,
            round,
            value: Value(id),
            pol_round: Round::Nil,
            proposer: address,
        };
        let value = |validity| ProposedValue {
            height,
            round,
            valid_round: Round::Nil,
            proposer: address,
            value: Value(id),
            validity,
        };
        let polka = PolkaCertificate {
            height,
            round,
            value_id: id,
            polka_signatures: vec![PolkaSignature::new(address, sig)],
        };
        let prevote = vote(VoteType::Prevote, NilOrVal::Nil);
        let precommit = vote(VoteType::Precommit, NilOrVal::Val(id));
        [
            Input::Vote(SignedMessage::new(prevote, sig)),
            Input::Vote(SignedMessage::new(precommit, sig)),
            Input::Proposal(SignedMessage::new(proposal, sig)),
            Input::ProposedValue(value(Validity::Valid), ValueOrigin::Consensus),
            Input::ProposedValue(value(Validity::Invalid), ValueOrigin::Sync),
            Input::PolkaCertificate(polka),
            Input::TimeoutElapsed(Timeout::propose(round)),
            Input::TimeoutElapsed(Timeout::prevote(round)),
            Input::TimeoutElapsed(Timeout::precommit(round)),
        ]
        .map(LogRecord)
        .to_vec()
    }

    proptest! {
        #[test]
        fn records_survive_the_disk_and_damage_never_panics(
            height: u64, round in 0_u32..1 << 30, byte: u8, at: usize, flip in 1_u8..,
        ) {
            for record in records(height, round, byte) {
                let mut bytes = borsh::to_vec(&record).expect("encodes");
                prop_assert_eq!(borsh::from_slice::<LogRecord>(&bytes).expect("decodes"), record.clone());
                let at = at % bytes.len();
                bytes[at] ^= flip;
                if let Ok(other) = borsh::from_slice::<LogRecord>(&bytes) {
                    prop_assert!(other != record);
                }
            }
        }
    }

    #[test]
    fn what_is_not_logged_is_refused() {
        let rebroadcast = LogRecord(Input::TimeoutElapsed(Timeout::rebroadcast(Round::new(0))));
        assert!(borsh::to_vec(&rebroadcast).is_err());
        assert!(borsh::from_slice::<LogRecord>(&[9]).is_err());
        assert!(borsh::from_slice::<LogRecord>(&[]).is_err());
    }

    #[test]
    fn a_signed_record_names_its_place() {
        let signed: Vec<_> = records(5, 2, 7)
            .iter()
            .filter_map(LogRecord::signed)
            .collect();
        assert_eq!(signed.len(), 3);
        let kinds: Vec<u8> = signed.iter().map(|(place, _)| place.kind).collect();
        assert_eq!(kinds, [1, 2, 3]);
        assert!(
            signed
                .iter()
                .all(|(place, _)| (place.height, place.round) == (5, 2))
        );
        assert_eq!(signed[0].1, None);
        assert_eq!(signed[1].1, signed[2].1);
    }
}
