//! Interference takes effect with the commands of its tick.

use bevy::prelude::*;

use super::tamper::{Drift, Told};
use crate::clock::SimClock;
use crate::command::Command;
use crate::grid::Mlmd;
use crate::input::{InputLog, Script};
use crate::site::Site;

/// Applies the tick's commands that concern what is told; the ingest stage
/// has checked and logged them.
pub(super) fn interfere(
    clock: Res<SimClock>,
    log: Res<InputLog>,
    script: Res<Script>,
    mut meters: Query<(&Site, &mut Told)>,
    mut mlmds: Query<(&Mlmd, &mut Drift)>,
) {
    let tick = clock.tick.0;
    let scripted = script.at(tick).iter().map(|(command, _)| command);
    for command in scripted.chain(log.at(tick)) {
        match command {
            Command::TamperMeter { device, how } => {
                for (_, mut told) in meters.iter_mut().filter(|(s, _)| s.device == *device) {
                    told.set(*how);
                }
            }
            Command::DriftMlmd { device, permille } if permille.abs() <= 500 => {
                for (_, mut drift) in mlmds.iter_mut().filter(|(m, _)| m.device == *device) {
                    drift.permille = *permille;
                }
            }
            _ => {}
        }
    }
}
