//! Protection devices, faults and the sequence of events.

use bevy::prelude::*;
use gridloom_protection::{FaultPlace, FaultSpec, SoeEvent, describe};

use crate::grid::Grid;
use crate::protection::{FaultRecorder, ProtectionPlan, ProtectionState, SoeLog};
use crate::view::{DeviceStatus, DeviceView, FaultView, ProtectionView, ViewModel};

/// Events shown per device.
const LAST: usize = 6;

pub(super) fn fill(world: &World, view: &mut ViewModel) {
    let plan = world.resource::<ProtectionPlan>();
    let state = world.resource::<ProtectionState>();
    let log = world.resource::<SoeLog>();
    let recorder = world.resource::<FaultRecorder>();
    let soe = log.all();
    let devices = (0..plan.places.len()).map(|device| device_view(plan, state, device));
    let mut devices: Vec<DeviceView> = devices.collect();
    note_last(&mut devices, &soe);
    let grid = world.resource::<Grid>();
    let faults = state.core.faults.iter().zip(&state.faults);
    let mut radio = [0; 4];
    for (_, flisr) in &state.core.areas {
        let counts = flisr.radio();
        let all = [
            counts.messages,
            counts.transmissions,
            counts.lost,
            counts.given_up,
        ];
        radio.iter_mut().zip(all).for_each(|(sum, n)| *sum += n);
    }
    view.protection = ProtectionView {
        devices,
        faults: faults
            .map(|(fault, spec)| FaultView {
                id: fault.id.clone(),
                label: fault.label.clone(),
                place: place(grid, spec),
                on: fault.on,
                over: fault.over,
                current_a: if fault.on { fault.current_a } else { 0.0 },
            })
            .collect(),
        soe,
        soe_dropped: log.dropped,
        records: recorder.shared(),
        records_lost: recorder.lost,
        radio,
    };
}

fn device_view(plan: &ProtectionPlan, state: &ProtectionState, device: usize) -> DeviceView {
    let place = &plan.places[device];
    let (config, now) = (&state.core.configs[device], &state.core.devices[device]);
    let mut tie = false;
    let mut locked = false;
    for (area, flisr) in &state.core.areas {
        let member = area.members.iter().position(|m| m.device == device);
        if let Some(member) = member {
            tie |= area.members[member].tie;
            locked |= flisr.locked(member);
        }
    }
    let closed = now.closed();
    let status = if closed {
        let timing = now.elements.iter().any(|e| e.operate_s.is_some());
        if timing {
            DeviceStatus::Timing
        } else {
            DeviceStatus::Closed
        }
    } else if now.in_sequence() {
        DeviceStatus::WaitsToReclose
    } else if locked {
        DeviceStatus::LockedAtFault
    } else if now.locked_out {
        DeviceStatus::LockedOut
    } else {
        DeviceStatus::Open
    };
    let mut settings: Vec<String> = config.settings.elements.iter().map(describe).collect();
    settings.extend(config.settings.fuse.map(|fuse| fuse.label()));
    settings.extend(config.settings.reclose.as_ref().map(|reclose| {
        let dead: Vec<String> = reclose
            .dead_ms
            .iter()
            .map(|&ms| format!("{:.1} s", ms as f64 / 1_000.0))
            .collect();
        format!("79 {}", dead.join(", "))
    }));
    DeviceView {
        id: place.id.clone(),
        line: place.line,
        bus: place.bus,
        far_bus: place.far_bus,
        mlmd: place.mlmd,
        tie,
        fuse: config.settings.fuse.is_some(),
        closed,
        status,
        current_a: now.measured.phase_a(),
        shot: now.shot,
        settings,
        program: config.settings.clone(),
        last: Vec::new(),
    }
}

fn note_last(devices: &mut [DeviceView], soe: &[SoeEvent]) {
    for event in soe.iter().rev().take(2_000) {
        let device = devices.iter_mut().find(|d| d.id == event.device);
        if let Some(device) = device.filter(|d| d.last.len() < LAST) {
            device.last.insert(0, (event.at_ms(), event.text.clone()));
        }
    }
}

fn place(grid: &Grid, spec: &FaultSpec) -> (usize, usize, f64) {
    let network = grid.network();
    match &spec.at {
        FaultPlace::Bus(id) => {
            let bus = network.bus_index(id).unwrap_or(0);
            (bus, bus, 0.0)
        }
        FaultPlace::Line(id, share) => {
            let line = network.line_index(id).unwrap_or(0);
            let (from, to) = network.line_buses(line);
            (from, to, *share)
        }
    }
}
