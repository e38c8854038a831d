//! State of protection in a run.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_protection::load::LoadState;
use gridloom_protection::{FaultSpec, Protection};

use crate::sim_state::plain_sim_state;

/// Devices, faults and M-LMDs, with what has to be done in the next tick.
#[derive(Resource, Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct ProtectionState {
    /// Devices, faults, areas.
    pub core: Protection,
    /// Faults as they were asked for, by the number of the fault.
    pub faults: Vec<FaultSpec>,
    /// Movements of devices asked for by a person: device, close, by whom.
    pub(super) orders: Vec<(usize, bool, String)>,
    /// Load management by M-LMD.
    pub loads: Vec<LoadState>,
    /// Largest imbalance of a segment so far, share of its throughput.
    pub imbalance: f64,
    /// Ports that drew power without supply, segments counted one by one.
    pub served_dead: u64,
}

plain_sim_state!(ProtectionState);

impl ProtectionState {
    /// At the start of a run.
    #[must_use]
    pub fn new(core: Protection) -> Self {
        Self {
            core,
            faults: Vec::new(),
            orders: Vec::new(),
            loads: Vec::new(),
            imbalance: 0.0,
            served_dead: 0,
        }
    }
}
