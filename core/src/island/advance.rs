//! After the solution: frequency within the tick, shedding, restore, balance.

use bevy::prelude::*;
use gridloom_island::balance::SectionPower;
use gridloom_island::blackstart::{Facts, Progress};
use gridloom_island::forming::Mode;
use gridloom_island::frequency::{
    SectionFrequency, Surroundings, SwingUnit, Trace, advance as swing,
};
use gridloom_island::synchrocheck::SyncDifference;
use gridloom_units::SimTime;

use super::plan::{Forming, IslandPlan, Plan, StepAct, Target};
use super::state::{Islands, MainState};
use super::sync;
use crate::clock::SimClock;
use crate::grid::{Breaker, Grid, Mlmd, PendingOperation, Through};
use crate::record::EventLog;
use crate::site::{BatteryUnit, Site, SitePower};
use crate::view::{EventKind, Selected};

/// Largest slip the synchroniser asks for, Hz.
const SLIP_HZ: f64 = 0.1;

/// Slip the synchroniser asks for per degree, Hz: with the time constant of the
/// lead-back of 5 s the angle settles without swinging.
const SLIP_HZ_PER_DEG: f64 = 1.0 / 3_600.0;

/// Time constant of the synchroniser's voltage, s.
const VOLTAGE_S: f64 = 5.0;

/// Advances every island by the tick that was just solved.
pub(super) fn advance(
    clock: Res<SimClock>,
    plan: Res<IslandPlan>,
    grid: Res<Grid>,
    mut islands: ResMut<Islands>,
    mut events: ResMut<EventLog>,
    sites: Query<(&Site, &SitePower)>,
    mut batteries: Query<(&Forming, &mut BatteryUnit)>,
    mut breakers: Query<(&Mlmd, &Through, &mut Breaker)>,
) {
    let Some(plan) = &plan.0 else { return };
    let mut power: Vec<_> = sites.iter().collect();
    power.sort_by_key(|(site, _)| site.meter);
    let islands = &mut *islands;
    for (site, power) in &power {
        let drawn = power.load_kw != 0.0 || power.heater_kw != 0.0 || power.ev_kw != 0.0;
        islands.served_dead += u64::from(!grid.bus_live(site.bus) && drawn);
    }
    let windows = windows(plan, islands, &clock, &mut batteries);
    islands.window_kw.clone_from(&windows);
    let mut tick = Tick {
        clock: &clock,
        plan,
        grid: &grid,
        power: &power,
        windows: &windows,
        events: &mut events,
        trips: Vec::new(),
    };
    remember_angles(&grid, plan, islands);
    islands.band_hz = (0.0, 0.0);
    islands.rocof_hz_s = 0.0;
    let loads = stage_loads(plan, &power, &breakers);
    let mut lowest = vec![None; plan.targets.len()];
    for (section, units) in islands.sections() {
        let trace = tick.section(islands, section, &units, &loads);
        for (stage, (_, bus)) in plan.targets.iter().enumerate() {
            if grid.network().bus_section(*bus) == Some(section as usize) {
                lowest[stage] = Some((trace.lowest_hz, section));
            }
        }
    }
    // A relay in a dead section has nothing to measure.
    for (stage, seen) in lowest.iter().enumerate() {
        if seen.is_none() {
            islands.shedding.reset(stage);
        }
    }
    tick.limits(islands);
    islands.reserve_kw = islands.holding().iter().fold((0.0, 0.0), |sum, &unit| {
        let (up, down) = islands.reserve_of(unit);
        (sum.0 + up, sum.1 + down)
    });
    tick.restore(islands, &lowest, &loads);
    tick.black_start(islands);
    lead(&clock, plan, &grid, islands, &windows, &breakers);
    let trips = std::mem::take(&mut tick.trips);
    for (mlmd, through, mut breaker) in &mut breakers {
        if mlmd.index == plan.main {
            islands.exchange_kw = through.p_kw;
        }
        let wanted = trips.iter().find(|(index, ..)| *index == mlmd.index);
        if let Some((_, close, by)) = wanted
            && breaker.pending.is_none()
            && breaker.closed != *close
        {
            breaker.pending = Some(PendingOperation {
                close: *close,
                by: by.clone(),
            });
        }
    }
}

/// A unit that follows knows the angle at its terminals: should the grid go, it
/// takes over without a jump.
fn remember_angles(grid: &Grid, plan: &Plan, islands: &mut Islands) {
    let network = grid.network();
    for (unit, spec) in plan.units.iter().enumerate() {
        if islands.units[unit].mode == Mode::Forming || !grid.bus_live(spec.bus) {
            continue;
        }
        if let Some(node) = network.bus_nodes(spec.bus).next() {
            let angle_deg = network.voltage(node).arg_deg();
            islands.frequency[unit] = SectionFrequency::new(plan.nominal_hz, angle_deg);
        }
    }
}

/// Carries what the units delivered and returns what each may deliver, kW.
fn windows(
    plan: &Plan,
    islands: &Islands,
    clock: &SimClock,
    batteries: &mut Query<(&Forming, &mut BatteryUnit)>,
) -> Vec<(f64, f64)> {
    let mut windows = vec![(0.0, 0.0); plan.units.len()];
    for (forming, mut battery) in batteries {
        let unit = forming.0;
        if islands.forms(unit) {
            battery
                .0
                .carry(-islands.units[unit].now.p_kw, clock.tick_ms);
        }
        let spec = &plan.units[unit];
        windows[unit] = spec.params.window_kw(spec.max_kw, battery.0.soc());
    }
    windows
}

/// Power that every stage would take off now (or give back), kW.
fn stage_loads(
    plan: &Plan,
    power: &[(&Site, &SitePower)],
    breakers: &Query<(&Mlmd, &Through, &mut Breaker)>,
) -> Vec<f64> {
    let flexible = |power: &SitePower| power.heater_kw + power.ev_kw;
    plan.targets
        .iter()
        .map(|(target, _)| match target {
            Target::Flexible(mlmds) => power
                .iter()
                .filter(|(site, _)| mlmds.contains(&site.mlmd))
                .map(|(_, power)| flexible(power).max(power.held_kw))
                .sum(),
            Target::Homes(meters) => power
                .iter()
                .filter(|(site, _)| meters.contains(&site.meter))
                .map(|(_, power)| power.net_kw.max(power.held_kw))
                .sum(),
            Target::Area(index) => breakers
                .iter()
                .find(|(mlmd, ..)| mlmd.index == *index)
                .map_or(0.0, |(mlmd, through, breaker)| {
                    if breaker.closed {
                        return through.p_kw;
                    }
                    // What it would ask for again.
                    power
                        .iter()
                        .filter(|(site, _)| site.mlmd == mlmd.index)
                        .map(|(_, power)| power.asked_kw)
                        .sum()
                }),
        })
        .collect()
}

/// What the sections of one tick need.
struct Tick<'a> {
    clock: &'a SimClock,
    plan: &'a Plan,
    grid: &'a Grid,
    power: &'a [(&'a Site, &'a SitePower)],
    windows: &'a [(f64, f64)],
    events: &'a mut EventLog,
    /// Operations to ask for: M-LMD, close, by whom.
    trips: Vec<(u32, bool, String)>,
}

impl Tick<'_> {
    fn say(&mut self, place: Option<Selected>, at_ms: u64, text: String) {
        let time = SimTime(self.clock.start_ms() + at_ms);
        self.events
            .push_at(self.clock.tick, time, EventKind::Grid, place, text);
    }

    fn section(
        &mut self,
        islands: &mut Islands,
        section: u32,
        units: &[usize],
        loads: &[f64],
    ) -> Trace {
        let plan = self.plan;
        let network = self.grid.network();
        let here = |bus: usize| network.bus_section(bus) == Some(section as usize);
        let pv_kw: f64 = self
            .power
            .iter()
            .filter(|(site, _)| here(site.bus))
            .map(|(_, power)| power.pv_kw)
            .sum();
        let stage_kw: Vec<Option<f64>> = plan
            .targets
            .iter()
            .zip(loads)
            .map(|((_, bus), &kw)| here(*bus).then_some(kw.max(0.0)))
            .collect();
        let load_kw: f64 = units.iter().map(|&unit| islands.units[unit].now.p_kw).sum();
        self.balance(islands, section, load_kw);
        let mut swings: Vec<SwingUnit> = units
            .iter()
            .map(|&unit| {
                SwingUnit::new(
                    &plan.units[unit].params,
                    &islands.units[unit],
                    self.windows[unit],
                    plan.nominal_hz,
                )
            })
            .collect();
        let around = Surroundings {
            nominal_hz: plan.nominal_hz,
            load_kw,
            pv_kw,
            freq_watt: &plan.freq_watt,
            shedding: &plan.shedding,
            stage_kw: &stage_kw,
            trip: plan.trip,
        };
        let mut state = islands.frequency[units[0]];
        let dt_ms = self.clock.tick_ms;
        let trace = swing(
            &mut state,
            &mut swings,
            &around,
            &mut islands.shedding,
            dt_ms,
        );
        for (&unit, swing) in units.iter().zip(&swings) {
            islands.units[unit].shift_hz = swing.shift_hz;
            islands.frequency[unit] = state;
        }
        let (low, high) = islands.band_hz;
        islands.band_hz = if low == 0.0 {
            (trace.lowest_hz, trace.highest_hz)
        } else {
            (low.min(trace.lowest_hz), high.max(trace.highest_hz))
        };
        islands.rocof_hz_s = islands.rocof_hz_s.max(trace.rocof_hz_s);
        self.follow_up(islands, units, &trace);
        trace
    }

    /// Stages that fired open what they stand for; a trip stops the units.
    fn follow_up(&mut self, islands: &mut Islands, units: &[usize], trace: &Trace) {
        let plan = self.plan;
        for fired in &trace.fired {
            islands.remember(fired.stage);
            let what = match &plan.targets[fired.stage].0 {
                Target::Flexible(_) => "deferrable load off".to_owned(),
                Target::Homes(homes) => format!("{} homes off", homes.len()),
                Target::Area(mlmd) => {
                    let by = format!("under-frequency stage {}", fired.stage);
                    self.trips.push((*mlmd, false, by));
                    "an area off".to_owned()
                }
            };
            let text = format!(
                "Under-frequency stage {} at {:.2} Hz: {what}",
                fired.stage, fired.f_hz
            );
            self.say(None, fired.at_ms, text);
        }
        if let Some(at_ms) = trace.tripped_ms {
            islands.collapses += 1;
            let text = format!(
                "Island lost: its units trip at {:.2} Hz",
                if trace.lowest_hz < plan.trip.low_hz {
                    trace.lowest_hz
                } else {
                    trace.highest_hz
                }
            );
            for &unit in units {
                islands.block(unit);
            }
            islands.collapse = Some(text.clone());
            self.say(None, at_ms, text);
        }
    }

    /// Energy of a section: units by their currents, ports by theirs, losses
    /// by the drop along every element.
    fn balance(&mut self, islands: &mut Islands, section: u32, formed_kw: f64) {
        let network = self.grid.network();
        let forming: Vec<usize> = islands
            .holding()
            .iter()
            .map(|&unit| self.plan.units[unit].port)
            .collect();
        let (mut ports_kw, mut fed_kw) = (0.0, formed_kw.max(0.0));
        for port in 0..network.port_count() {
            let id = gridloom_flow::PortId(port as u32);
            if forming.contains(&port) || network.port_section(id) != Some(section as usize) {
                continue;
            }
            let kw = self.grid.served_now_kw(port);
            ports_kw += kw;
            fed_kw += (-kw).max(0.0);
        }
        let losses_kw = network.section_losses_w(section as usize) / 1_000.0;
        let residual = SectionPower {
            formed_kw,
            ports_kw,
            losses_kw,
        }
        .residual(fed_kw);
        islands.closure.note(residual);
    }

    /// Units beyond their rating for too long stop.
    fn limits(&mut self, islands: &mut Islands) {
        let dt_ms = self.clock.tick_ms;
        for unit in islands.holding() {
            let (params, most) = (self.plan.units[unit].params, self.windows[unit].1);
            if islands.units[unit].bear(&params, most, dt_ms) {
                let text = format!(
                    "{} stops: {:.1} kW for more than {:.0} s",
                    self.plan.units[unit].name, islands.units[unit].now.p_kw, params.overload_s
                );
                islands.block(unit);
                islands.collapses += 1;
                islands.collapse = Some(text.clone());
                self.say(None, dt_ms, text);
            }
        }
    }

    fn restore(&mut self, islands: &mut Islands, lowest: &[Option<(f64, u32)>], loads: &[f64]) {
        let dt_ms = self.clock.tick_ms;
        let Some(&last) = islands.shedding.order().last() else {
            return;
        };
        let tied = islands
            .units
            .iter()
            .all(|unit| unit.mode == Mode::Following);
        let (f_hz, reserve_kw) = match lowest[last as usize] {
            Some((f_hz, _)) => (f_hz, islands.reserve_kw.0),
            None if tied && islands.grid_on => (self.plan.nominal_hz, f64::INFINITY),
            // An area that was shed measures on the live side of its breaker;
            // a dead one waits.
            None => (0.0, 0.0),
        };
        let stage = islands
            .shedding
            .restore(&self.plan.shedding, f_hz, reserve_kw, loads, dt_ms);
        if let Some(stage) = stage {
            if let Target::Area(mlmd) = &self.plan.targets[stage].0 {
                self.trips.push((*mlmd, true, "the restore rule".into()));
            }
            let text = format!("Stage {stage} returns, reserve {reserve_kw:.1} kW");
            self.say(None, dt_ms, text);
        }
    }

    fn black_start(&mut self, islands: &mut Islands) {
        if !islands.sequence.running() {
            return;
        }
        let plan = self.plan;
        let facts = facts(self.grid, plan, islands);
        let dt_ms = self.clock.tick_ms;
        let whens = plan.whens();
        match islands.sequence.advance(&whens, &facts, dt_ms) {
            Progress::Act(step) => {
                let what = self.act(islands, plan.steps[step].0);
                let total = plan.steps.len();
                self.say(
                    None,
                    dt_ms,
                    format!("Black start {} of {total}: {what}", step + 1),
                );
                if step + 1 == total {
                    islands.completed += 1;
                }
            }
            Progress::Failed(step, why) => {
                self.say(
                    None,
                    dt_ms,
                    format!("Black start stops at step {}: {why}", step + 1),
                );
            }
            Progress::Idle | Progress::Waiting(_) => {}
        }
    }

    fn act(&mut self, islands: &mut Islands, act: StepAct) -> String {
        let plan = self.plan;
        match act {
            StepAct::Energise(unit) => {
                islands.units[unit].form(0.0);
                islands.frequency[unit].f_hz = plan.nominal_hz;
                islands.frequency[unit].pv_share = 0.0;
                format!("{} energises its section", plan.units[unit].name)
            }
            StepAct::Join(unit) => {
                let at = self.grid.network().bus_section(plan.units[unit].bus);
                if let Some(lead) = at.and_then(|section| islands.lead_of(section)) {
                    let p_set_kw = 0.0;
                    islands.units[unit].form(p_set_kw);
                    islands.frequency[unit] = islands.frequency[lead];
                    islands.units[unit].emf = islands.units[lead].emf;
                }
                format!("{} joins", plan.units[unit].name)
            }
            StepAct::Close(mlmd) => {
                for (stage, (target, _)) in plan.targets.iter().enumerate() {
                    if *target == Target::Area(mlmd) {
                        islands.shedding.release(stage);
                    }
                }
                self.trips.push((mlmd, true, "the black start".into()));
                "the next area".into()
            }
        }
    }
}

/// What the black start sees.
pub(super) fn facts(grid: &Grid, plan: &Plan, islands: &Islands) -> Facts {
    let holding = islands.holding();
    let mut facts = Facts {
        live: !holding.is_empty(),
        reserve_kw: islands.reserve_kw.0,
        v_pu: (f64::INFINITY, 0.0),
        ..Facts::default()
    };
    for unit in holding {
        let off = islands.frequency[unit].f_hz - plan.nominal_hz;
        if off.abs() > facts.df_hz.abs() {
            facts.df_hz = off;
        }
        let v = grid.bus_v_pu(plan.units[unit].bus).unwrap_or(0.0);
        facts.v_pu = (facts.v_pu.0.min(v), facts.v_pu.1.max(v));
    }
    facts
}

/// Leads the frequency back to nominal, or to the grid's while synchronising.
fn lead(
    clock: &SimClock,
    plan: &Plan,
    grid: &Grid,
    islands: &mut Islands,
    windows: &[(f64, f64)],
    breakers: &Query<(&Mlmd, &Through, &mut Breaker)>,
) {
    let dt_s = clock.dt_s();
    let main = breakers.iter().find(|(mlmd, ..)| mlmd.index == plan.main);
    let off = match islands.main {
        MainState::Synchronising { .. } if islands.grid_on => {
            main.and_then(|(mlmd, ..)| sync::difference(grid, islands, plan, mlmd))
        }
        _ => None,
    };
    for (_, units) in islands.sections() {
        let f_hz = islands.frequency[units[0]].f_hz;
        let target = off.map_or(plan.nominal_hz, |off| slip_target(plan, off));
        // While a limit pulls the frequency, leading it back would fight it.
        if units
            .iter()
            .any(|&unit| islands.units[unit].shift_hz != 0.0)
        {
            continue;
        }
        let time_s = if off.is_some() {
            plan.secondary_s.min(5.0)
        } else {
            plan.secondary_s
        };
        let share = (dt_s / time_s).min(1.0);
        for &unit in &units {
            let droop = plan.units[unit].params.hz_per_kw(plan.nominal_hz);
            let state = &mut islands.units[unit];
            let (least, most) = windows[unit];
            state.p_set_kw =
                (state.p_set_kw + (target - f_hz) / droop * share).clamp(least.min(most), most);
            let wanted = off.map_or(1.0, |off| state.v_set_pu - off.dv_pct / 100.0);
            let v_share = (dt_s / VOLTAGE_S).min(1.0);
            state.v_set_pu = (state.v_set_pu + (wanted - state.v_set_pu) * v_share).clamp(0.9, 1.1);
        }
    }
}

/// Frequency that walks the angle across the main switch to zero.
fn slip_target(plan: &Plan, off: SyncDifference) -> f64 {
    // The far side leads by `dphi`: it must run slower.
    let slip = (off.dphi_deg * SLIP_HZ_PER_DEG).clamp(-SLIP_HZ, SLIP_HZ);
    plan.nominal_hz - slip
}
