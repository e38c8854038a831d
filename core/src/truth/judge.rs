//! When all reports of an interval are there: residuals, then suspects.

use bevy::prelude::*;
use gridloom_estimate::{Cause, Interval, Limits, Suspect, Window, suspects};
use gridloom_flow::{Network, PortId};

use super::probe::{UPU, phase_v, site_v};
use super::store::{MeterTruth, Pending};
use crate::clock::SimClock;
use crate::grid::{Breaker, Grid, Mlmd};
use crate::link::{Body, DataPlane, LinkTable, RecentHops};
use crate::market::MarketClock;
use crate::site::Site;
use crate::spawn::Organisation;
use crate::view::Place;

/// Intervals a window keeps.
const WINDOW: usize = 36;

/// Intervals after which the sensitivities are computed again.
const SENSITIVITY_INTERVALS: u32 = 12;

/// Voltage that one pu stands for in the residuals, V.
const BASE_V: f64 = 230.0;

/// One area's meters, in order of the meter.
struct Area<'a> {
    mlmd: &'a Mlmd,
    sites: Vec<&'a Site>,
}

/// Judges every interval that is complete and tells the meters concerned.
pub(super) fn judge(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    grid: Res<Grid>,
    organisation: Res<Organisation>,
    links: Res<LinkTable>,
    mut plane: ResMut<DataPlane>,
    mut recent: ResMut<RecentHops>,
    mut truth: ResMut<MeterTruth>,
    sites: Query<&Site>,
    mlmds: Query<(&Mlmd, &Breaker)>,
) {
    let complete = truth.inner().pending.iter().find_map(|(&end_ms, pending)| {
        let all = pending.readings.len() == sites.iter().len()
            && pending.areas.len() == mlmds.iter().len();
        all.then_some(end_ms)
    });
    let Some(end_ms) = complete else {
        return;
    };
    let mut order: Vec<(&Mlmd, &Breaker)> = mlmds.iter().collect();
    order.sort_by_key(|(mlmd, _)| mlmd.index);
    let closed: Vec<bool> = order.iter().map(|(_, breaker)| breaker.closed).collect();
    let mut all: Vec<&Site> = sites.iter().collect();
    all.sort_by_key(|site| site.meter);
    let areas: Vec<Area<'_>> = order
        .iter()
        .map(|&(mlmd, _)| Area {
            mlmd,
            sites: all
                .iter()
                .copied()
                .filter(|s| s.mlmd == mlmd.index)
                .collect(),
        })
        .collect();
    let inner = truth.change(&end_ms);
    let pending = inner.pending.remove(&end_ms).unwrap_or_default();
    // What is older will not be completed in order any more.
    inner.pending = inner.pending.split_off(&end_ms);
    let last = inner.last.replace((end_ms, pending.clone()));
    if inner.closed != closed {
        inner.closed = closed;
        inner.windows.clear();
    }
    // A voltage that was moved within the interval is no mean of one network.
    let positions = positions(grid.network());
    let moved = std::mem::replace(&mut inner.positions, positions.clone()) != positions;
    let Some((_, last)) = last
        .filter(|_| !moved)
        .filter(|(last_ms, _)| last_ms + market.reading_ms == end_ms)
    else {
        return;
    };
    let Some(model) = model(&grid, &all, &last, &pending, market.reading_ms) else {
        inner.windows.clear();
        return;
    };
    let fresh = inner.windows.is_empty() || inner.sensitivity_age >= SENSITIVITY_INTERVALS;
    inner.sensitivity_age = if fresh { 1 } else { inner.sensitivity_age + 1 };
    if inner.windows.is_empty() {
        inner.windows = areas
            .iter()
            .map(|area| Window::new(area.sites.len(), vec![0.0; area.sites.len().pow(2)], WINDOW))
            .collect();
    }
    if fresh {
        inner.blind = (0..areas.len())
            .map(|of| blind_spots(&model, &areas, of, market.reading_ms))
            .collect();
    }
    for (index, area) in areas.iter().enumerate() {
        let (window, blind) = (&mut inner.windows[index], &inner.blind[index]);
        if fresh {
            window.sensitivity = sensitivity(&model, area, blind, market.reading_ms);
        }
        let taken = interval(&model, area, &last, &pending, end_ms, market.reading_ms);
        if let Some(mut interval) = taken {
            take_out(blind, &mut interval.voltage_off_v);
            window.push(interval);
        }
    }
    let now_ms = clock.end_ms();
    for (index, area) in areas.iter().enumerate() {
        let found = suspects(&truth.inner().windows[index], &Limits::default());
        let meters: Vec<u32> = area.sites.iter().map(|site| site.meter).collect();
        truth.conclude(index as u32, now_ms, &found, &meters, describe);
    }
    for finding in truth.take_untold() {
        let Some(site) = finding.meter.and_then(|m| all.get(m as usize)) else {
            continue;
        };
        let notice = Body::Notice {
            meter: site.meter,
            text: format!("Your meter {}. A technician will call.", finding.words),
        };
        let from = Place::Aggregator(organisation.cluster_of_mlmd(site.mlmd));
        plane.send(&links, &mut recent, now_ms, from, site.place, notice);
    }
}

/// What a suspect looks like, in words that follow a name.
fn describe(suspect: &Suspect) -> String {
    match suspect.cause {
        Cause::Scaled { missing } if missing >= 0.0 => {
            format!("reports {:.0} % too little", missing * 100.0)
        }
        Cause::Scaled { missing } => {
            format!(
                "reports {:.0} % too much",
                -missing / (1.0 - missing).max(1e-9) * 100.0
            )
        }
        Cause::Bypass { mean_w } => format!("is passed by {mean_w:.0} W on average"),
        Cause::Frozen => "stands still although energy flows".into(),
        Cause::Replayed { lag } => format!("repeats what it sent {lag} intervals before"),
        Cause::Drift { share } => {
            format!(
                "measures {:.1} % {}: a drift, no theft",
                share.abs() * 100.0,
                if share > 0.0 {
                    "too much"
                } else {
                    "too little"
                }
            )
        }
    }
}

/// Mean net power a meter reported over the interval, W.
fn reported_w(meter: u32, last: &Pending, now: &Pending, interval_ms: u64) -> Option<f64> {
    let net = |pending: &Pending| {
        let (registers, _) = pending.readings.get(&meter)?;
        Some(registers[0] - registers[1] - registers[2])
    };
    let wh = net(now)? - net(last)?;
    Some(wh as f64 * 3_600_000.0 / interval_ms as f64)
}

/// Where every tap and capacitor bank stands.
fn positions(network: &Network) -> Vec<u64> {
    let taps = (0..network.transformer_count())
        .flat_map(|t| network.transformer(t).windings.iter())
        .map(|winding| winding.tap_pu.to_bits());
    let banks = (0..network.capacitor_count()).map(|c| u64::from(network.capacitor_steps(c).0));
    taps.chain(banks).collect()
}

/// The network of this moment with every meter at what it reported; `None`
/// where that has no solution or a section is dead.
fn model(
    grid: &Grid,
    sites: &[&Site],
    last: &Pending,
    now: &Pending,
    interval_ms: u64,
) -> Option<Network> {
    let mut model = grid.network().clone();
    for site in sites {
        let p_w = reported_w(site.meter, last, now, interval_ms)?;
        let (_, quality) = now.readings.get(&site.meter)?;
        if let Some(port) = site.load_port {
            model.set_port_power(PortId(port as u32), 0.0, 0.0);
        }
        let port = PortId(site.controlled_port as u32);
        model.set_port_power(port, p_w, f64::from(quality.reactive_var));
    }
    model.solve().converged.then_some(model)
}

/// Change of each meter's voltage in an area, against the M-LMD's, for 1 Wh
/// more at one site within an interval, V.
fn effect(model: &Network, area: &Area<'_>, at: &Site, interval_ms: u64) -> Option<Vec<f64>> {
    const STEP_W: f64 = 500.0;
    let relative = |network: &Network, site: &Site| {
        let here = site_v(network, site).unwrap_or(0.0);
        here - reference(site, phase_v(network, area.mlmd.bus).unwrap_or_default())
    };
    let mut moved = model.clone();
    let port = PortId(at.controlled_port as u32);
    let (p_w, q_var) = model.port_power(port);
    moved.set_port_power(port, p_w + STEP_W, q_var);
    let step_wh = STEP_W * interval_ms as f64 / 3_600_000.0;
    moved.solve().converged.then(|| {
        let change = |site: &&Site| relative(&moved, site) - relative(model, site);
        area.sites
            .iter()
            .map(change)
            .map(|pu| pu * BASE_V / step_wh)
            .collect()
    })
}

/// What the voltages of an area can say about its own meters.
///
/// A hidden load further down the feeder flows through this area too and moves
/// its voltages. Its effect has one direction per phase and branch, whatever
/// its size: that direction is taken out of everything.
fn blind_spots(model: &Network, areas: &[Area<'_>], of: usize, interval_ms: u64) -> Vec<Vec<f64>> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for &(line, _) in &areas[of].mlmd.children {
        let below = below(areas, line);
        for phase in [Some(1), Some(2), Some(3), None] {
            let sites = below.iter().flat_map(|&area| &areas[area].sites);
            let Some(at) = sites.copied().find(|site| site.phase == phase) else {
                continue;
            };
            let Some(mut direction) = effect(model, &areas[of], at, interval_ms) else {
                continue;
            };
            take_out(&basis, &mut direction);
            let length = dot(&direction, &direction).sqrt();
            // What is parallel to the others adds nothing.
            if length > 1e-9 {
                direction.iter_mut().for_each(|x| *x /= length);
                basis.push(direction);
            }
        }
    }
    basis
}

/// Areas at and behind the M-LMD on a line.
fn below(areas: &[Area<'_>], line: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut open = vec![line];
    while let Some(line) = open.pop() {
        for (index, area) in areas
            .iter()
            .enumerate()
            .filter(|(_, a)| a.mlmd.line == line)
        {
            found.push(index);
            open.extend(area.mlmd.children.iter().map(|&(line, _)| line));
        }
    }
    found
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Removes what lies in the span of an orthonormal basis.
fn take_out(basis: &[Vec<f64>], vector: &mut [f64]) {
    for direction in basis {
        let share = dot(direction, vector);
        for (x, d) in vector.iter_mut().zip(direction) {
            *x -= share * d;
        }
    }
}

/// `[j * n + i]`: voltage at meter `j` for 1 Wh at meter `i`, V.
fn sensitivity(model: &Network, area: &Area<'_>, blind: &[Vec<f64>], interval_ms: u64) -> Vec<f64> {
    let n = area.sites.len();
    let mut out = vec![0.0; n * n];
    for (i, at) in area.sites.iter().enumerate() {
        let Some(mut column) = effect(model, area, at, interval_ms) else {
            continue;
        };
        take_out(blind, &mut column);
        for (j, volts) in column.into_iter().enumerate() {
            out[j * n + i] = volts;
        }
    }
    out
}

/// The M-LMD's value that belongs to a site's connection.
fn reference(site: &Site, phases: [f64; 3]) -> f64 {
    match site.phase {
        Some(phase) => phases[usize::from(phase.clamp(1, 3)) - 1],
        None => phases.iter().sum::<f64>() / 3.0,
    }
}

fn interval(
    model: &Network,
    area: &Area<'_>,
    last: &Pending,
    now: &Pending,
    end_ms: u64,
    interval_ms: u64,
) -> Option<Interval> {
    let hours = interval_ms as f64 / 3_600_000.0;
    let mlmd = area.mlmd;
    let (energy_wh, phases) = now.areas.get(&mlmd.index)?;
    let (before_wh, _) = last.areas.get(&mlmd.index)?;
    if phases.contains(&0) {
        return None;
    }
    let modelled = phase_v(model, mlmd.bus)?;
    let off: [f64; 3] = std::array::from_fn(|k| f64::from(phases[k]) * UPU - modelled[k]);
    let mut reported_wh = Vec::with_capacity(area.sites.len());
    let mut voltage_off_v = Vec::with_capacity(area.sites.len());
    for site in &area.sites {
        let (_, quality) = now.readings.get(&site.meter)?;
        reported_wh.push(reported_w(site.meter, last, now, interval_ms)? * hours);
        let measured = f64::from(quality.voltage_upu) * UPU;
        if measured <= 0.0 {
            return None;
        }
        let here = measured - site_v(model, site)? - reference(site, off);
        voltage_off_v.push(here * BASE_V);
    }
    let into_w = model.line_power(mlmd.line, mlmd.end).0;
    let onward_w: f64 = mlmd
        .children
        .iter()
        .map(|&(line, end)| model.line_power(line, end).0)
        .sum();
    let reported: f64 = reported_wh.iter().sum();
    Some(Interval {
        end_ms,
        area_wh: (energy_wh - before_wh) as f64,
        losses_wh: (into_w - onward_w) * hours - reported,
        reported_wh,
        voltage_off_v,
    })
}
