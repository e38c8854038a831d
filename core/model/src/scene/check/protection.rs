//! Protection devices, restoration areas, faults and what is expected of them.

use std::collections::{BTreeMap, BTreeSet};

use gridloom_protection::flisr::FlisrSettings;
use gridloom_protection::load::{LoadSettings, ShedStep};
use gridloom_protection::{DeviceSettings, FaultPlace, FaultSpec};

use super::Check;
use super::value::{MAX_KW, Range};
use crate::scene::spans::At;
use crate::scene::{Condition, EventAction};

/// Most protection devices and most areas of a scene.
const MAX_DEVICES: usize = 1_000;
/// Longest time of a setting: one day.
const DAY_MS: u64 = 86_400_000;

impl<'a> Check<'a, '_, '_> {
    pub(super) fn protection(&mut self) {
        let scene = self.scene;
        let names = self.names;
        let root = self.root.field("protection");
        for (list, len) in [
            ("devices", scene.protection.devices.len()),
            ("areas", scene.protection.areas.len()),
        ] {
            if len > MAX_DEVICES {
                let hint = format!("write at most {MAX_DEVICES}");
                self.report
                    .say(root.field(list), format!("{len} {list}"), hint);
            }
        }
        // A line carries at most one switch per end.
        let mut place: BTreeMap<(&str, bool), &str> = BTreeMap::new();
        for (i, device) in scene.protection.devices.iter().enumerate() {
            let at = root.field("devices").item(i);
            self.refers(at.field("line"), "line", &device.line, &names.lines);
            let end = device.end == crate::grid::LineEnd::To;
            if let Some(other) = place.insert((device.line.as_str(), end), &device.id) {
                let what = format!(
                    "line `{}` already carries `{other}` at this end",
                    device.line
                );
                let hint = "one device per end of a line";
                self.report.say(at.field("line"), what, hint);
            }
            if let Some(limit_a) = device.limit_a {
                self.number(at, "limit_a", limit_a, Range::Positive(MAX_KW));
            }
            if end && device.settings.fuse.is_some() {
                let what = "a fuse opens its phases at the first end of its line";
                self.report
                    .say(at.field("end"), what, "turn the line round");
            }
            self.device_settings(at.field("settings"), &device.settings);
        }
        let recorder = scene.protection.recorder;
        let at = root.field("recorder");
        self.whole(at, "rate_hz", u64::from(recorder.rate_hz), 200, 100_000);
        self.whole(at, "before_ms", recorder.before_ms, 0, 10_000);
        self.whole(at, "after_ms", recorder.after_ms, 0, 60_000);
        for (i, mlmd) in scene.mlmds.iter().enumerate() {
            let at = self.at("mlmds", i);
            if let Some(settings) = &mlmd.protection {
                self.device_settings(at.field("protection"), settings);
            }
            if let Some(settings) = &mlmd.load_management {
                self.load_management(at.field("load_management"), settings);
            }
        }
        self.areas(root.field("areas"));
    }

    fn device_settings(&mut self, at: At<'a>, settings: &DeviceSettings) {
        for problem in settings.validate() {
            let place = problem.field.split('.').fold(at, |at, step| {
                step.parse().map_or_else(|_| at.field(step), |i| at.item(i))
            });
            let what = format!("{}: {}", problem.field, problem.what);
            self.report.say(place, what, problem.hint);
        }
        if let Some(failure) = &settings.failure {
            let names = self.names;
            for (i, backup) in failure.backup.iter().enumerate() {
                let place = at.field("failure").field("backup").item(i);
                self.refers(place, "device", backup, &names.switchgear);
            }
        }
    }

    fn load_management(&mut self, at: At<'a>, settings: &LoadSettings) {
        if let Some((field, what, hint)) = settings.problem() {
            self.report.say(at.field(field), what, hint);
        }
        let names = self.names;
        for (i, step) in settings.shed_order.iter().enumerate() {
            if let ShedStep::Home(home) = step {
                let place = at.field("shed_order").item(i).item(0);
                self.refers(place, "home", home, &names.homes);
            }
        }
    }

    fn areas(&mut self, list: At<'a>) {
        let scene = self.scene;
        let names = self.names;
        let mut member_of: BTreeMap<&str, &str> = BTreeMap::new();
        for (i, area) in scene.protection.areas.iter().enumerate() {
            let at = list.item(i);
            for (j, member) in area.members.iter().enumerate() {
                let place = at.field("members").item(j);
                self.refers(place, "M-LMD or device", member, &names.switchgear);
                if let Some(other) = member_of.insert(member, &area.id) {
                    let what = format!("`{member}` already belongs to area `{other}`");
                    let hint = "every device restores supply in one area";
                    self.report.say(place, what, hint);
                }
                let device = scene.protection.device(member);
                if device.is_some_and(|device| device.limit_a.is_none()) {
                    let what = format!("device `{member}` has no limit_a");
                    let hint = "restoration has to know what its path can carry";
                    self.report.say(place, what, hint);
                }
            }
            self.flisr(at.field("settings"), &area.settings, &area.members);
        }
    }

    fn flisr(&mut self, at: At<'a>, settings: &FlisrSettings, members: &[String]) {
        let positive = Range::Positive(MAX_KW);
        self.number(at, "passage_a", settings.passage_a, positive);
        self.number(at, "passage_earth_a", settings.passage_earth_a, positive);
        let factor = Range::Closed(0.1, 10.0);
        self.number(at, "pickup_factor", settings.pickup_factor, factor);
        self.whole(at, "tie_delay_ms", settings.tie_delay_ms, 0, DAY_MS);
        self.whole(at, "patience_ms", settings.patience_ms, 100, DAY_MS);
        self.whole(at, "retry_ms", settings.retry_ms, 100, DAY_MS);
        let radio = settings.radio;
        let place = at.field("radio");
        self.whole(place, "repeat_ms", radio.repeat_ms, 1, 60_000);
        self.whole(
            place,
            "loss_permille",
            u64::from(radio.loss_permille),
            0,
            999,
        );
        let (low, high) = radio.latency_ms;
        if low > high || high > 60_000 {
            let what = format!("latency_ms is ({low}, {high})");
            let hint = "write (from, to) in ms, at most 60000";
            self.report.say(place.field("latency_ms"), what, hint);
        }
        let dead = members.iter().filter_map(|id| self.settings_of(id));
        let longest = dead
            .filter_map(|settings| settings.reclose.as_ref())
            .flat_map(|reclose| reclose.dead_ms.iter().copied())
            .max()
            .unwrap_or(0);
        if settings.confirm_ms <= longest || settings.confirm_ms > DAY_MS {
            let what = format!("confirm_ms is {}", settings.confirm_ms);
            let hint = format!("it must be longer than the longest dead time, {longest} ms");
            self.report.say(at.field("confirm_ms"), what, hint);
        }
    }

    fn settings_of(&self, id: &str) -> Option<&'a DeviceSettings> {
        let mlmd = self.scene.mlmds.iter().find(|mlmd| mlmd.id == id);
        match mlmd {
            Some(mlmd) => mlmd.protection.as_ref(),
            None => Some(&self.scene.protection.device(id)?.settings),
        }
    }

    /// Actions of protection; `at` is the place of the action.
    pub(super) fn protection_action(&mut self, at: At<'a>, action: &EventAction) {
        let names = self.names;
        match action {
            EventAction::Open(id)
            | EventAction::Close(id)
            | EventAction::StickBreaker(id)
            | EventAction::FreeBreaker(id)
            | EventAction::ReleaseSection(id) => {
                self.refers(at.item(0), "M-LMD or device", id, &names.switchgear);
            }
            EventAction::Program(id, settings) => {
                self.refers(at.item(0), "M-LMD or device", id, &names.switchgear);
                self.device_settings(at.item(1), settings);
            }
            EventAction::JamRadio(id) | EventAction::ClearRadio(id) => {
                self.refers(at.item(0), "area", id, &names.areas);
            }
            EventAction::ClearFault(id) => {
                self.refers(at.item(0), "fault", id, &names.faults);
            }
            EventAction::OpenConductor(line, conductor)
            | EventAction::CloseConductor(line, conductor) => {
                self.refers(at.item(0), "line", line, &names.lines);
                self.whole(at.item(1), "conductor", u64::from(*conductor), 1, 255);
            }
            EventAction::Fault(fault) => self.fault(at.item(0), fault),
            _ => {}
        }
    }

    fn fault(&mut self, at: At<'a>, fault: &FaultSpec) {
        let names = self.names;
        match &fault.at {
            FaultPlace::Bus(bus) => {
                self.refers(at.field("at").item(0), "bus", bus, &names.buses);
            }
            FaultPlace::Line(line, _) => {
                self.refers(at.field("at").item(0), "line", line, &names.lines);
            }
        }
        if let Some((field, what, hint)) = fault.problem() {
            self.report.say(at.field(field), what, hint);
        }
        let tick_ms = self.scene.tick_ms;
        if fault.after_ms >= tick_ms {
            let what = format!("after_ms is {}", fault.after_ms);
            let hint = format!("it counts within one tick of {tick_ms} ms");
            self.report.say(at.field("after_ms"), what, hint);
        }
    }

    /// Conditions of protection; `at` is the place of the condition.
    pub(super) fn protection_condition(&mut self, at: At<'a>, condition: &Condition) {
        let names = self.names;
        match condition {
            Condition::RelaysOnCurve { within_ms, .. } => {
                self.number(at, "within_ms", *within_ms, Range::Closed(0.0, 1e6));
            }
            Condition::EnergyBalances { within } => {
                self.number(at, "within", *within, Range::Closed(0.0, 1.0));
            }
            Condition::RestoredWithin { but, .. } => {
                for (i, mlmd) in but.iter().enumerate() {
                    self.refers(at.field("but").item(i), "M-LMD", mlmd, &names.mlmds);
                }
            }
            Condition::DeviceOpen { device } | Condition::DeviceClosed { device } => {
                let place = at.field("device");
                self.refers(place, "M-LMD or device", device, &names.switchgear);
            }
            _ => {}
        }
    }
}

/// Ids of all faults that events of the scene start.
pub(super) fn fault_ids(scene: &crate::scene::Scene) -> BTreeSet<&str> {
    let faults = scene.events.iter().filter_map(|event| match &event.action {
        EventAction::Fault(fault) => Some(fault.id.as_str()),
        _ => None,
    });
    faults.collect()
}
