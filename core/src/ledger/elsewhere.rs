//! Validators of the scene that run in a place of their own: a process that
//! joined takes the place of a simulated one.
//!
//! What it says enters as commands, so the input log repeats a run without it.
//! It hears of everything up to the end of a tick and is heard in the next: to
//! the others it is a validator a tick away.

use std::sync::Arc;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{
    Cluster, Handover, Message, NodeConfig, Outward, PeerIndex, ValidatorStatus,
};
use gridloom_ledger::LedgerChain;
use serde::{Deserialize, Serialize};

use super::group::{LedgerGroup, Ledgers};
use crate::twin::Twin;

/// Most messages of one validator that enter in one tick.
pub const MAX_SAID: usize = 4_096;

/// Something a validator elsewhere says, in canonical bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct SaidElsewhere {
    /// To which validator; to all of them without.
    pub to: Option<u16>,
    /// The message.
    pub bytes: Vec<u8>,
}

// A block in decimal digits says nothing to anybody.
impl std::fmt::Debug for SaidElsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} B to {:?}", self.bytes.len(), self.to)
    }
}

/// What a process needs to be a validator of this run.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Its settings, the key included.
    pub config: Arc<NodeConfig>,
    /// Its ledger before the first block.
    pub genesis: LedgerChain,
}

fn voters<'g>(
    group: &'g mut LedgerGroup,
    name: &str,
) -> Result<&'g mut Cluster<LedgerChain>, String> {
    group.group.voters().ok_or_else(|| {
        format!("ledger {name} is not decided by voting: its nodes run in the twin only")
    })
}

pub(crate) fn is_elsewhere(group: &mut LedgerGroup, node: PeerIndex) -> bool {
    group.group.voters().is_some_and(|c| c.is_remote(node))
}

pub(crate) fn give_away(
    group: &mut LedgerGroup,
    name: &str,
    node: PeerIndex,
) -> Result<String, String> {
    let cluster = voters(group, name)?;
    let statuses = cluster.statuses();
    let home = |s: &&ValidatorStatus| s.up && !s.remote && s.index != node;
    if !statuses.iter().any(|status| home(&status)) {
        return Err(format!(
            "validator {node} of ledger {name} is the last that runs here: the run reads the \
             ledger from it"
        ));
    }
    if cluster.give_away(node) {
        Ok(format!("Validator {node} of ledger {name} runs elsewhere"))
    } else {
        Err(format!(
            "validator {node} of ledger {name} runs elsewhere already"
        ))
    }
}

pub(crate) fn take_back(
    group: &mut LedgerGroup,
    name: &str,
    node: PeerIndex,
) -> Result<String, String> {
    if voters(group, name)?.take_back(node) {
        Ok(format!(
            "Validator {node} of ledger {name} is simulated again"
        ))
    } else {
        Err(format!(
            "validator {node} of ledger {name} is simulated already"
        ))
    }
}

pub(crate) fn bring_in(
    group: &mut LedgerGroup,
    name: &str,
    node: PeerIndex,
    said: &[SaidElsewhere],
) -> Result<String, String> {
    if said.len() > MAX_SAID {
        return Err(format!(
            "validator {node} of ledger {name} says {} things in a tick, {MAX_SAID} are the most",
            said.len()
        ));
    }
    let cluster = voters(group, name)?;
    if !cluster.is_remote(node) {
        return Err(format!("validator {node} of ledger {name} is simulated"));
    }
    for what in said {
        let message = Message::<LedgerChain>::try_from_slice(&what.bytes).map_err(|error| {
            format!("validator {node} of ledger {name} says what means nothing: {error}")
        })?;
        cluster.bring_in(node, what.to, &Arc::new(message));
    }
    Ok(String::new())
}

impl Twin {
    fn group(&mut self, ledger: u32) -> Option<Mut<'_, LedgerGroup>> {
        let world = self.world_mut();
        let mut query = world.query::<&mut LedgerGroup>();
        query.iter_mut(world).find(|group| group.index == ledger)
    }

    /// Index of a ledger by its name.
    #[must_use]
    pub fn ledger_index(&self, name: &str) -> Option<u32> {
        let names = &self.world().resource::<Ledgers>().names;
        let at = names.iter().position(|known| known == name)?;
        u32::try_from(at).ok()
    }

    /// What a process needs to be this validator; `None` where there is none,
    /// or the ledger is not decided by voting.
    pub fn seat(&mut self, ledger: u32, node: PeerIndex) -> Option<Seat> {
        let mut group = self.group(ledger)?;
        let genesis = group.chain()?.at_genesis();
        let config = Arc::clone(group.group.voters()?.config(node)?);
        Some(Seat { config, genesis })
    }

    /// What a validator that was just given away takes along; `None` while it is simulated.
    pub fn handover(&mut self, ledger: u32, node: PeerIndex) -> Option<Handover<LedgerChain>> {
        let mut group = self.group(ledger)?;
        group.group.voters()?.handover(node)
    }

    /// What reached a validator elsewhere since the last call; `None` when some
    /// of it was lost, or there is no such validator.
    pub fn take_outward(
        &mut self,
        ledger: u32,
        node: PeerIndex,
    ) -> Option<Vec<Outward<LedgerChain>>> {
        self.group(ledger)?.group.voters()?.take_outward(node)
    }
}
