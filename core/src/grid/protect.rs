//! Overcurrent watch of the M-LMDs.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};

use super::breaker::{Breaker, PendingOperation};
use super::flow::Through;
use super::resource::Mlmd;
use crate::clock::SimClock;
use crate::sim_state::plain_sim_state;

/// How long the current has been above the programmed limit.
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Overcurrent {
    /// Time above the limit without a break, ms.
    pub above_ms: u64,
}

plain_sim_state!(Overcurrent);

/// Definite-time overcurrent: a current above the programmed limit for the
/// programmed time asks for a trip, which the breaker carries out in the next
/// tick. The parameter that caused it is named in the event.
pub(super) fn watch_currents(
    clock: Res<SimClock>,
    mut mlmds: Query<(&Mlmd, &Through, &mut Overcurrent, &mut Breaker)>,
) {
    for (mlmd, through, mut over, mut breaker) in &mut mlmds {
        if !breaker.closed || through.current_a <= f64::from(mlmd.limit_a) {
            over.above_ms = 0;
            continue;
        }
        over.above_ms += clock.tick_ms;
        if over.above_ms >= u64::from(mlmd.trip_after_s) * 1_000 && breaker.pending.is_none() {
            breaker.pending = Some(PendingOperation {
                close: false,
                by: format!(
                    "overcurrent: {:.0} A above limit_a {} for trip_after_s {}",
                    through.current_a, mlmd.limit_a, mlmd.trip_after_s
                ),
            });
        }
    }
}
