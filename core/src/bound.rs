//! Physical devices beside entities, as the twin knows them: shown and
//! compared, never acted on.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::sim_state::plain_sim_state;

/// Last value of a meter's or battery's physical device.
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct BoundDevice {
    /// Whether the entity is bound at all.
    pub bound: bool,
    /// Active power, W, positive from the network.
    pub p_w: i64,
    /// Voltage, mV.
    pub voltage_mv: u32,
    /// Whether the value is good.
    pub good: bool,
    /// When it arrived, ms; `None` before the first.
    pub at_ms: Option<u64>,
}

/// Last position of an M-LMD's physical breaker or relay.
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct BoundPosition {
    /// Whether the M-LMD is bound at all.
    pub bound: bool,
    /// Whether it is closed.
    pub closed: bool,
    /// Whether the position is good.
    pub good: bool,
    /// When it arrived, ms; `None` before the first.
    pub at_ms: Option<u64>,
}

plain_sim_state!(BoundDevice, BoundPosition);

impl BoundDevice {
    /// A device for an entity of the scene, or none.
    #[must_use]
    pub fn new(bound: bool) -> Self {
        Self {
            bound,
            ..Self::default()
        }
    }
}

impl BoundPosition {
    /// A device for an M-LMD of the scene, or none.
    #[must_use]
    pub fn new(bound: bool) -> Self {
        Self {
            bound,
            ..Self::default()
        }
    }
}

/// What binding or unbinding says, or why it is refused.
pub(crate) fn bind_text(name: &str, was: bool, bind: bool) -> Result<String, String> {
    if was == bind {
        let state = if bind { "bound" } else { "not bound" };
        return Err(format!("{name} is {state} already"));
    }
    Ok(format!(
        "{name} {} a physical device",
        if bind { "bound to" } else { "unbound from" }
    ))
}
