//! Islands, grid-forming batteries, heat pumps, voltage controllers, clouds.

use super::Check;
use super::value::{MAX_KW, Range};
use crate::scene::Condition;
use crate::scene::island::{
    BlackStartAction, CloudFrontSpec, FormingSpec, HeatPumpSpec, IslandingSpec, ShedTarget,
    SheddingSpec,
};
use crate::scene::spans::At;

/// Most stages of shedding (as many as the scheme carries).
const MAX_STAGES: usize = 32;
/// Most steps of a black start.
const MAX_STEPS: usize = 100;

const SHARE: Range = Range::Closed(0.0, 1.0);
const TIME_S: Range = Range::Closed(0.0, 86_400.0);
const FREQUENCY: Range = Range::Closed(1.0, 1_000.0);
const TEMPERATURE: Range = Range::Closed(-50.0, 90.0);

impl<'a> Check<'a, '_, '_> {
    pub(super) fn islanding(&mut self) {
        let scene = self.scene;
        let Some(spec) = &scene.islanding else {
            return self.forming_without_switch();
        };
        let at = self.root.field("islanding");
        let names = self.names;
        self.refers(
            at.field("main_switch"),
            "M-LMD",
            &spec.main_switch,
            &names.mlmds,
        );
        self.refers(at.field("grid_line"), "line", &spec.grid_line, &names.lines);
        let on_line = scene.mlmds.iter().any(|m| m.line == spec.grid_line);
        if on_line {
            self.report.say(
                at.field("grid_line"),
                format!("line `{}` carries an M-LMD", spec.grid_line),
                "the line over which the grid feeds in lies beyond the community's own switches",
            );
        }
        if !scene.shared_batteries.iter().any(|b| b.forming.is_some()) {
            self.report.say(
                at,
                "no shared battery is grid-forming",
                "give one `forming: ()`, or nothing can hold the island",
            );
        }
        self.whole(at, "detect_ms", u64::from(spec.detect_ms), 0, 3_600_000);
        self.number(at, "sync_kva", spec.sync_kva, Range::Positive(1e6));
        self.number(
            at,
            "secondary_s",
            spec.secondary_s,
            Range::Positive(86_400.0),
        );
        let trip = at.field("trip_hz");
        if !(spec.trip_hz.0 > 0.0 && spec.trip_hz.0 < spec.trip_hz.1 && spec.trip_hz.1 < 1e3) {
            self.report.say(
                trip,
                format!("trip_hz {:?} is not a range", spec.trip_hz),
                "write (low, high) in Hz",
            );
        }
        self.islanding_functions(at, spec);
        self.shedding(at.field("shedding"), &spec.shedding);
        self.black_start(at, spec);
    }

    fn forming_without_switch(&mut self) {
        for (i, battery) in self.scene.shared_batteries.iter().enumerate() {
            if battery.forming.is_some() {
                let at = self.at("shared_batteries", i).field("forming");
                self.report.say(
                    at,
                    format!(
                        "`{}` is grid-forming but the scene has no islanding",
                        battery.id
                    ),
                    "write `islanding: (main_switch: …, grid_line: …)`",
                );
            }
        }
    }

    fn islanding_functions(&mut self, at: At<'_>, spec: &IslandingSpec) {
        let f = &spec.freq_watt;
        let at_f = at.field("freq_watt");
        self.number(at_f, "start_hz", f.start_hz, FREQUENCY);
        self.number(at_f, "droop_pct", f.droop_pct, Range::Closed(0.1, 20.0));
        self.number(at_f, "response_s", f.response_s, Range::Positive(3_600.0));
        if let Some(cold) = &spec.cold_load {
            let at = at.field("cold_load");
            self.number(at, "excess", cold.excess, Range::Closed(0.0, 10.0));
            self.number(at, "build_s", cold.build_s, Range::Positive(1e6));
            self.number(at, "hold_s", cold.hold_s, TIME_S);
            self.number(at, "decay_s", cold.decay_s, Range::Positive(1e6));
        }
    }

    fn shedding(&mut self, at: At<'_>, spec: &SheddingSpec) {
        if spec.stages.len() > MAX_STAGES {
            self.report.say(
                at.field("stages"),
                format!("{} stages", spec.stages.len()),
                format!("write at most {MAX_STAGES}"),
            );
        }
        self.number(at, "restore_hz", spec.restore_hz, FREQUENCY);
        self.number(at, "restore_after_s", spec.restore_after_s, TIME_S);
        self.number(
            at,
            "restore_margin",
            spec.restore_margin,
            Range::Closed(0.0, 10.0),
        );
        let names = self.names;
        let mut above = f64::INFINITY;
        for (i, stage) in spec.stages.iter().enumerate() {
            let at = at.field("stages").item(i);
            self.number(at, "f_hz", stage.f_hz, FREQUENCY);
            if stage.f_hz > above || stage.f_hz >= spec.restore_hz {
                self.report.say(
                    at.field("f_hz"),
                    format!("stage {i} at {} Hz is out of order", stage.f_hz),
                    "write stages with falling frequency, all below restore_hz",
                );
            }
            above = stage.f_hz;
            let target = at.field("shed").item(0);
            match &stage.shed {
                ShedTarget::Flexible(mlmds) => {
                    for (j, mlmd) in mlmds.iter().enumerate() {
                        self.refers(target.item(j), "M-LMD", mlmd, &names.mlmds);
                    }
                    self.some(target, mlmds.len());
                }
                ShedTarget::Homes(homes) => {
                    for (j, home) in homes.iter().enumerate() {
                        self.refers(target.item(j), "home", home, &names.homes);
                    }
                    self.some(target, homes.len());
                }
                ShedTarget::Area(mlmd) => {
                    self.refers(target, "M-LMD", mlmd, &names.mlmds);
                }
            }
        }
    }

    fn some(&mut self, at: At<'_>, count: usize) {
        if count == 0 {
            self.report
                .say(at, "a stage that sheds nothing", "name what it takes off");
        }
    }

    fn black_start(&mut self, at: At<'_>, spec: &IslandingSpec) {
        let list = at.field("black_start");
        if spec.black_start.len() > MAX_STEPS {
            self.report.say(
                list,
                format!("{} steps", spec.black_start.len()),
                format!("write at most {MAX_STEPS}"),
            );
        }
        let names = self.names;
        for (i, step) in spec.black_start.iter().enumerate() {
            let at = list.item(i);
            let target = at.field("do").item(0);
            match &step.action {
                BlackStartAction::Energise(id) | BlackStartAction::Join(id) => {
                    self.forming_named(target, id);
                }
                BlackStartAction::Close(mlmd) => {
                    self.refers(target, "M-LMD", mlmd, &names.mlmds);
                    if *mlmd == spec.main_switch {
                        self.report.say(
                            target,
                            "a black start does not close the main switch",
                            "use the event `Resynchronise`",
                        );
                    }
                }
            }
            self.number(at, "within_hz", step.within_hz, Range::Positive(10.0));
            self.number(
                at,
                "reserve_kw",
                step.reserve_kw,
                Range::Closed(0.0, MAX_KW),
            );
            self.number(at, "steady_s", step.steady_s, TIME_S);
            self.number(at, "patience_s", step.patience_s, TIME_S);
            if !(step.v_pu.0 >= 0.0 && step.v_pu.0 < step.v_pu.1 && step.v_pu.1 <= 2.0) {
                self.report.say(
                    at.field("v_pu"),
                    format!("v_pu {:?} is not a range", step.v_pu),
                    "write (lowest, highest) in pu",
                );
            }
        }
    }

    pub(super) fn forming_named(&mut self, at: At<'_>, id: &str) {
        let forming = self.scene.shared_batteries.iter();
        let known = Some(
            forming
                .filter(|battery| battery.forming.is_some())
                .map(|battery| battery.id.as_str())
                .collect(),
        );
        self.refers(at, "grid-forming battery", id, &known);
    }

    pub(super) fn needs_islanding(&mut self, at: At<'_>) {
        if self.scene.islanding.is_none() {
            self.report.say(
                at,
                "the scene has no islanding",
                "write `islanding: (main_switch: …, grid_line: …)`",
            );
        }
    }

    pub(super) fn forming(&mut self, at: At<'_>, spec: &FormingSpec) {
        self.number(at, "kva", spec.kva, Range::Closed(0.0, MAX_KW));
        let droop = Range::Closed(0.01, 20.0);
        self.number(at, "f_droop_pct", spec.f_droop_pct, droop);
        self.number(at, "v_droop_pct", spec.v_droop_pct, droop);
        self.number(at, "filter_s", spec.filter_s, Range::Positive(10.0));
        self.number(at, "inertia_s", spec.inertia_s, Range::Closed(0.0, 100.0));
        let limit = Range::Closed(1.0, 10.0);
        self.number(at, "current_limit_pu", spec.current_limit_pu, limit);
        let gain = Range::Positive(1_000.0);
        self.number(at, "overload_hz_per_s", spec.overload_hz_per_s, gain);
        self.number(at, "overload_s", spec.overload_s, Range::Positive(86_400.0));
        let (r, x) = spec.z_pu;
        if !(r >= 0.0 && x > 0.0 && r <= 1.0 && x <= 1.0) {
            self.report.say(
                at.field("z_pu"),
                format!("z_pu ({r}, {x}) is no coupling impedance"),
                "write (r, x) in pu with r from 0 and x above 0, at most 1",
            );
        }
        let (low, high) = spec.soc;
        if !(low >= 0.0 && low < high && high <= 1.0) {
            self.report.say(
                at.field("soc"),
                format!("soc ({low}, {high}) is not a range"),
                "write (least, most) from 0 to 1",
            );
        }
    }

    pub(super) fn heat_pump(&mut self, at: At<'_>, spec: &HeatPumpSpec) {
        let power = Range::Positive(MAX_KW);
        self.number(at, "kw", spec.kw, power);
        self.number(at, "quality", spec.quality, Range::Positive(1.0));
        self.number(at, "capacity_kwh_per_k", spec.capacity_kwh_per_k, power);
        self.number(at, "loss_kw_per_k", spec.loss_kw_per_k, power);
        self.number(at, "gains_kw", spec.gains_kw, Range::Closed(0.0, MAX_KW));
        self.number(at, "band_k", spec.band_k, Range::Closed(0.0, 20.0));
        self.number(at, "inside_c", spec.inside_c, TEMPERATURE);
        let flow = self.number(at, "flow_c", spec.flow_c, TEMPERATURE);
        let (low, high) = spec.comfort_c;
        if !(low > -50.0 && low < high && high < 60.0) {
            self.report.say(
                at.field("comfort_c"),
                format!("comfort_c ({low}, {high}) is not a range"),
                "write (lowest, highest) in degrees Celsius",
            );
        } else if flow && spec.flow_c <= high {
            self.report.say(
                at.field("flow_c"),
                format!("flow_c {} is not above the comfort", spec.flow_c),
                "heating water must be warmer than the room",
            );
        }
    }

    pub(super) fn voltage_controllers(&mut self) {
        let scene = self.scene;
        let names = self.names;
        let volts = Range::Closed(0.5, 1.5);
        for (i, spec) in scene.tap_changers.iter().enumerate() {
            let at = self.at("tap_changers", i);
            let transformer = at.field("transformer");
            self.refers(
                transformer,
                "transformer",
                &spec.transformer,
                &names.transformers,
            );
            self.refers(at.field("bus"), "bus", &spec.bus, &names.buses);
            self.whole(at, "winding", u64::from(spec.winding), 1, 3);
            self.number(at, "v_set_pu", spec.v_set_pu, volts);
            self.number(at, "step_pu", spec.step_pu, Range::Positive(0.1));
            self.number(at, "band_pu", spec.band_pu, Range::Positive(0.3));
            self.number(at, "delay_s", spec.delay_s, TIME_S);
            self.number(at, "step_delay_s", spec.step_delay_s, TIME_S);
            self.number(at, "block_below_pu", spec.block_below_pu, SHARE);
            if spec.band_pu <= spec.step_pu {
                self.report.say(
                    at.field("band_pu"),
                    format!("band_pu {} is not wider than a step", spec.band_pu),
                    "a band narrower than a step makes the tap changer hunt",
                );
            }
            let (low, high) = spec.positions;
            let ends = low <= 0 && high >= 0 && (-100..=100).contains(&low) && high <= 100;
            if !(ends && (low..=high).contains(&spec.position)) {
                self.report.say(
                    at.field("positions"),
                    format!("positions ({low}, {high}) with {}", spec.position),
                    "write (lowest, highest) around 0, at most 100 steps each way",
                );
            }
        }
        for (i, spec) in scene.capacitor_banks.iter().enumerate() {
            let at = self.at("capacitor_banks", i);
            let bank = at.field("capacitor");
            self.refers(bank, "capacitor", &spec.capacitor, &names.capacitors);
            self.refers(at.field("bus"), "bus", &spec.bus, &names.buses);
            let low = self.number(at, "on_below_pu", spec.on_below_pu, volts);
            let high = self.number(at, "off_above_pu", spec.off_above_pu, volts);
            self.ordered(
                at,
                "off_above_pu",
                low && high,
                spec.on_below_pu,
                spec.off_above_pu,
            );
            self.number(at, "delay_s", spec.delay_s, TIME_S);
            self.number(at, "discharge_s", spec.discharge_s, TIME_S);
        }
    }

    pub(super) fn cloud_front(&mut self, at: At<'_>, spec: &CloudFrontSpec) {
        self.number(
            at,
            "towards_deg",
            spec.towards_deg,
            Range::Closed(-360.0, 360.0),
        );
        self.number(at, "speed_m_s", spec.speed_m_s, Range::Positive(100.0));
        self.number(at, "edge_m", spec.edge_m, Range::Positive(1e6));
        self.number(at, "length_m", spec.length_m, Range::Closed(0.0, 1e6));
        self.number(at, "left", spec.left, SHARE);
    }

    /// Conditions about islands and equipment; `false` when it is another one.
    pub(super) fn island_condition(&mut self, at: At<'_>, condition: &Condition) -> bool {
        match condition {
            Condition::ComfortKept { max_cold_min } => {
                self.number(at, "max_cold_min", *max_cold_min, Range::Closed(0.0, 1e6));
            }
            Condition::FrequencyWithin { min_hz, max_hz } => {
                let low = self.number(at, "min_hz", *min_hz, FREQUENCY);
                let high = self.number(at, "max_hz", *max_hz, FREQUENCY);
                self.ordered(at, "max_hz", low && high, *min_hz, *max_hz);
            }
            Condition::ShedOrder(stages) => {
                let count = self.scene.islanding.as_ref();
                let count = count.map_or(0, |spec| spec.shedding.stages.len());
                for (i, &stage) in stages.iter().enumerate() {
                    if stage as usize >= count {
                        self.report.say(
                            at.item(0).item(i),
                            format!("there is no stage {stage}"),
                            "stages are numbered from 0",
                        );
                    }
                }
            }
            Condition::IslandBalances { max_residual } => {
                self.number(at, "max_residual", *max_residual, SHARE);
                self.needs_islanding(at);
            }
            Condition::TransformerWithin {
                transformer, max, ..
            } => {
                let names = self.names;
                let name = at.field("transformer");
                self.refers(name, "transformer", transformer, &names.transformers);
                self.number(at, "max", *max, Range::Closed(0.0, 100.0));
            }
            Condition::Islanded | Condition::BlackStartDone | Condition::SyncRefused { .. } => {
                self.needs_islanding(at);
            }
            Condition::AllSupplied
            | Condition::GridTied
            | Condition::NothingServedDead
            | Condition::OperationsBetween { .. } => {}
            _ => return false,
        }
        true
    }
}
