//! The exact bytes that are signed: fixed width, little-endian, frozen.
//!
//! Layout of a vote (100 bytes): chain id 16, tag 1 (1 prevote, 2 precommit),
//! height 8, round 8 (−1 for nil), has-value 1, block id 32, voter 32, zeros 2.
//! Layout of a proposal (108 bytes): chain id 16, tag 1 (3), height 8, round 8,
//! proof-of-lock round 8, block id 32, proposer 32, zeros 3.

use arc_malachitebft_core_types::{NilOrVal, Round, VoteType};

use crate::context::{Address, BlockId, ChainId, Proposal, Vote};

/// Length of a vote's signed bytes.
pub const VOTE_LEN: usize = 100;
/// Length of a proposal's signed bytes.
pub const PROPOSAL_LEN: usize = 108;

const TAG_PREVOTE: u8 = 1;
const TAG_PRECOMMIT: u8 = 2;
const TAG_PROPOSAL: u8 = 3;

struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    fn new() -> Self {
        Self {
            bytes: [0; N],
            at: 0,
        }
    }

    fn put(&mut self, part: &[u8]) -> &mut Self {
        self.bytes[self.at..self.at + part.len()].copy_from_slice(part);
        self.at += part.len();
        self
    }
}

fn round_bytes(round: Round) -> [u8; 8] {
    round.as_i64().to_le_bytes()
}

/// Signed bytes of a vote.
#[must_use]
pub fn vote(chain: &ChainId, vote: &Vote) -> [u8; VOTE_LEN] {
    let id = match vote.value {
        NilOrVal::Nil => None,
        NilOrVal::Val(id) => Some(id),
    };
    vote_parts(chain, vote.kind, vote.height.0, vote.round, id, &vote.voter)
}

/// Signed bytes of the precommit that a certificate entry stands for.
#[must_use]
pub fn precommit(
    chain: &ChainId,
    height: u64,
    round: u32,
    id: BlockId,
    voter: &Address,
) -> [u8; VOTE_LEN] {
    vote_parts(
        chain,
        VoteType::Precommit,
        height,
        Round::new(round),
        Some(id),
        voter,
    )
}

fn vote_parts(
    chain: &ChainId,
    kind: VoteType,
    height: u64,
    round: Round,
    id: Option<BlockId>,
    voter: &Address,
) -> [u8; VOTE_LEN] {
    let tag = match kind {
        VoteType::Prevote => TAG_PREVOTE,
        VoteType::Precommit => TAG_PRECOMMIT,
    };
    let mut w = Writer::<VOTE_LEN>::new();
    w.put(&chain.0)
        .put(&[tag])
        .put(&height.to_le_bytes())
        .put(&round_bytes(round))
        .put(&[u8::from(id.is_some())])
        .put(&id.unwrap_or_default().0)
        .put(&voter.0);
    w.bytes
}

/// Signed bytes of a proposal.
#[must_use]
pub fn proposal(chain: &ChainId, proposal: &Proposal) -> [u8; PROPOSAL_LEN] {
    let mut w = Writer::<PROPOSAL_LEN>::new();
    w.put(&chain.0)
        .put(&[TAG_PROPOSAL])
        .put(&proposal.height.0.to_le_bytes())
        .put(&round_bytes(proposal.round))
        .put(&round_bytes(proposal.pol_round))
        .put(&proposal.value.0.0)
        .put(&proposal.proposer.0);
    w.bytes
}

/// Where a signed message sits: two different messages by one validator in the
/// same place are equivocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Prevote, precommit or proposal (1, 2, 3).
    pub tag: u8,
    /// Height.
    pub height: u64,
    /// Round, −1 for nil.
    pub round: i64,
    /// Who signed.
    pub signer: Address,
}

/// Reads the place out of signed bytes; `None` if they are no vote or proposal of `chain`.
#[must_use]
pub fn place(chain: &ChainId, bytes: &[u8]) -> Option<Place> {
    let (head, tail) = bytes.split_at_checked(33)?;
    if head[..16] != chain.0 {
        return None;
    }
    let tag = head[16];
    let signer_at = match (tag, bytes.len()) {
        (TAG_PREVOTE | TAG_PRECOMMIT, VOTE_LEN) => 33,
        (TAG_PROPOSAL, PROPOSAL_LEN) => 40,
        _ => return None,
    };
    let signer = tail.get(signer_at..signer_at + 32)?;
    Some(Place {
        tag,
        height: u64::from_le_bytes(head[17..25].try_into().ok()?),
        round: i64::from_le_bytes(head[25..33].try_into().ok()?),
        signer: Address(signer.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Height, Value};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn signed_bytes_are_frozen() {
        let chain = ChainId::from_name("cluster/A");
        let prevote = Vote {
            height: Height(258),
            round: Round::new(3),
            kind: VoteType::Prevote,
            value: NilOrVal::Val(BlockId([0xbb; 32])),
            voter: Address([0xaa; 32]),
            extension: None,
        };
        let expected = format!(
            "636c75737465722f4100000000000000{}{}{}{}{}{}0000",
            "01",
            "0201000000000000",
            "0300000000000000",
            "01",
            "bb".repeat(32),
            "aa".repeat(32)
        );
        assert_eq!(hex(&vote(&chain, &prevote)), expected);
        let nil = Vote {
            kind: VoteType::Precommit,
            value: NilOrVal::Nil,
            round: Round::Nil,
            ..prevote
        };
        let expected = format!(
            "636c75737465722f4100000000000000{}{}{}{}{}{}0000",
            "02",
            "0201000000000000",
            "ffffffffffffffff",
            "00",
            "00".repeat(32),
            "aa".repeat(32)
        );
        assert_eq!(hex(&vote(&chain, &nil)), expected);
        let offer = Proposal {
            height: Height(1),
            round: Round::new(2),
            value: Value(BlockId([0xcc; 32])),
            pol_round: Round::Nil,
            proposer: Address([0xaa; 32]),
        };
        let expected = format!(
            "636c75737465722f4100000000000000{}{}{}{}{}{}000000",
            "03",
            "0100000000000000",
            "0200000000000000",
            "ffffffffffffffff",
            "cc".repeat(32),
            "aa".repeat(32)
        );
        assert_eq!(hex(&proposal(&chain, &offer)), expected);
    }

    #[test]
    fn the_place_of_a_message_is_read_back() {
        let chain = ChainId::from_name("root");
        let offer = Proposal {
            height: Height(9),
            round: Round::new(2),
            value: Value(BlockId([1; 32])),
            pol_round: Round::new(1),
            proposer: Address([7; 32]),
        };
        let bytes = proposal(&chain, &offer);
        let found = place(&chain, &bytes).expect("a proposal");
        assert_eq!((found.tag, found.height, found.round), (3, 9, 2));
        assert_eq!(found.signer, offer.proposer);
        let bytes = precommit(&chain, 9, 2, BlockId([1; 32]), &Address([7; 32]));
        assert_eq!(
            place(&chain, &bytes).map(|p| (p.tag, p.signer)),
            Some((2, offer.proposer))
        );
        assert_eq!(place(&ChainId::from_name("other"), &bytes), None);
        assert_eq!(place(&chain, &bytes[..99]), None);
    }
}
