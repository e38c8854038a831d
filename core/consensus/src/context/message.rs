//! Proposals and votes.

use arc_malachitebft_core_types as engine;
use borsh::{BorshDeserialize, BorshSerialize};
use engine::{NilOrVal, Round, SignedExtension, VoteType};

use super::Ctx;
use super::id::{Address, BlockId, Height};

/// What is agreed on: the identity of a block, never the block itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Value(pub BlockId);

impl engine::Value for Value {
    type Id = BlockId;

    fn id(&self) -> BlockId {
        self.0
    }
}

/// Blocks travel on our own channel, so the engine's proposal parts are never made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoParts;

impl engine::ProposalPart<Ctx> for NoParts {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

/// A proposal message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Height it is for.
    pub height: Height,
    /// Round it is for.
    pub round: Round,
    /// Identity of the proposed block.
    pub value: Value,
    /// Round of the proof of lock, `Nil` if there is none.
    pub pol_round: Round,
    /// Who proposes.
    pub proposer: Address,
}

impl engine::Proposal<Ctx> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.proposer
    }
}

/// A prevote or precommit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Height it is for.
    pub height: Height,
    /// Round it is for.
    pub round: Round,
    /// Prevote or precommit.
    pub kind: VoteType,
    /// Block voted for, or nil.
    pub value: NilOrVal<BlockId>,
    /// Who votes.
    pub voter: Address,
    /// Unused; vote extensions are switched off.
    pub extension: Option<SignedExtension<Ctx>>,
}

impl engine::Vote<Ctx> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.voter
    }

    fn extension(&self) -> Option<&SignedExtension<Ctx>> {
        self.extension.as_ref()
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Ctx>> {
        self.extension.take()
    }

    fn extend(mut self, extension: SignedExtension<Ctx>) -> Self {
        self.extension = Some(extension);
        self
    }
}
