//! Sums since the start and the one-minute history behind trends and tape.

use std::sync::Arc;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_equipment::{NanoWh, energy_nano_wh};
use gridloom_units::SimTime;

use crate::clock::SimClock;
use crate::grid::{Grid, Mlmd, Through};
use crate::ledger::{FreshBlocks, LedgerGroup, Ledgers};
use crate::sim_state::plain_sim_state;
use crate::site::{BatteryUnit, Site, SitePower};
use crate::view::{HistoryView, TrendView};

/// Time between two samples, ms.
pub const SAMPLE_MS: u64 = 60_000;

/// Block marks kept for the tape.
const BLOCKS_KEPT: usize = 100_000;

/// Energy of the community since the start, exact.
#[derive(Resource, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Energy {
    /// Photovoltaic generation.
    pub solar: NanoWh,
    /// Demand without storage.
    pub demand: NanoWh,
    /// Taken from the upstream grid.
    pub import: NanoWh,
    /// Given to the upstream grid.
    pub export: NanoWh,
    /// Lost in the network.
    pub losses: NanoWh,
    /// Green energy curtailed.
    pub wasted: NanoWh,
    /// Into storage less out of it.
    pub stored: NanoWh,
    /// Demand that a dead section could not serve.
    pub unserved: NanoWh,
    /// Power now, kW: solar, demand, flexible part, storage (positive charges), exchange.
    pub now_kw: [f64; 5],
    /// Curtailed power now, kW.
    pub curtailed_kw: f64,
    /// Largest of the powers so far, kW.
    pub peak_kw: f64,
    /// Lowest and highest customer voltage in the last tick, pu; zero when all are dead.
    pub v_now_pu: (f64, f64),
    /// Highest customer voltage since the start, pu.
    pub v_max_pu: f64,
    /// Lowest customer voltage since the start, pu.
    pub v_min_pu: f64,
}

plain_sim_state!(Energy);

/// One-minute history; derived, overwritten by re-simulation.
#[derive(Resource, Clone, Debug, Default)]
pub struct Telemetry {
    history: Arc<HistoryView>,
}

impl Telemetry {
    /// For a number of homes, shared batteries, M-LMDs and clusters.
    #[must_use]
    pub fn new(homes: usize, batteries: usize, mlmds: usize, clusters: usize) -> Self {
        let history = HistoryView {
            step_ms: SAMPLE_MS,
            price_ct: vec![Vec::new(); clusters],
            home: vec![TrendView::default(); homes],
            shared_battery: vec![TrendView::default(); batteries],
            mlmd: vec![TrendView::default(); mlmds],
            ..HistoryView::default()
        };
        Self {
            history: Arc::new(history),
        }
    }

    /// The history so far.
    #[must_use]
    pub fn history(&self) -> Arc<HistoryView> {
        Arc::clone(&self.history)
    }

    /// Forgets samples after a tick (a new future begins there).
    pub fn truncate(&mut self, time: SimTime) {
        let keep = (time.0 / SAMPLE_MS) as usize;
        let history = Arc::make_mut(&mut self.history);
        for series in [
            &mut history.exchange_kw,
            &mut history.solar_kw,
            &mut history.demand_kw,
            &mut history.storage_kw,
        ] {
            series.truncate(keep);
        }
        history
            .price_ct
            .iter_mut()
            .for_each(|series| series.truncate(keep));
        let trends = history.home.iter_mut().chain(&mut history.shared_battery);
        for trend in trends.chain(&mut history.mlmd) {
            trend.p_kw.truncate(keep);
            trend.v_pu.truncate(keep);
        }
        let blocks = history.blocks.partition_point(|(at, ..)| *at < time);
        history.blocks.truncate(blocks);
    }
}

/// Writes a sample at its place, whether it is new or simulated again.
fn put(series: &mut Vec<f32>, index: usize, value: f64) {
    if index < series.len() {
        series[index] = value as f32;
    } else {
        series.resize(index, f32::NAN);
        series.push(value as f32);
    }
}

/// Adds the tick to the sums.
pub(super) fn accumulate(
    clock: Res<SimClock>,
    grid: Res<Grid>,
    mut energy: ResMut<Energy>,
    sites: Query<(&Site, &SitePower)>,
) {
    let dt_ms = clock.tick_ms;
    let mut order: Vec<_> = sites.iter().collect();
    order.sort_by_key(|(site, _)| site.meter);
    let (mut solar, mut demand, mut flexible, mut storage, mut net) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut curtailed, mut unserved) = (0.0, 0.0);
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    for (site, power) in order {
        solar += power.pv_kw;
        demand += power.load_kw + power.heater_kw + power.ev_kw;
        flexible += power.heater_kw + power.ev_kw;
        storage += power.battery_kw;
        net += power.net_kw;
        curtailed += power.curtailed_kw;
        if !power.live {
            unserved += power.asked_kw;
        }
        if let Some(v) = grid.site_v_pu(site).filter(|_| site.load_port.is_some()) {
            low = low.min(v);
            high = high.max(v);
        }
    }
    energy.v_now_pu = (0.0, 0.0);
    if high > 0.0 {
        energy.v_now_pu = (low, high);
        energy.v_max_pu = energy.v_max_pu.max(high);
        energy.v_min_pu = if energy.v_min_pu == 0.0 {
            low
        } else {
            energy.v_min_pu.min(low)
        };
    }
    let exchange = grid.source_kw();
    energy.solar += energy_nano_wh(solar, dt_ms);
    energy.demand += energy_nano_wh(demand, dt_ms);
    energy.stored += energy_nano_wh(storage, dt_ms);
    energy.wasted += energy_nano_wh(curtailed, dt_ms);
    energy.unserved += energy_nano_wh(unserved, dt_ms);
    energy.losses += energy_nano_wh(exchange - net, dt_ms);
    energy.import += energy_nano_wh(exchange.max(0.0), dt_ms);
    energy.export += energy_nano_wh((-exchange).max(0.0), dt_ms);
    energy.now_kw = [solar, demand, flexible, storage, exchange];
    energy.curtailed_kw = curtailed;
    for value in energy.now_kw {
        energy.peak_kw = energy.peak_kw.max(value.abs());
    }
}

/// Once a minute: a sample of everything that has a trend; blocks at once.
pub(super) fn sample(
    clock: Res<SimClock>,
    grid: Res<Grid>,
    ledgers: Res<Ledgers>,
    energy: Res<Energy>,
    fresh: Res<FreshBlocks>,
    mut telemetry: ResMut<Telemetry>,
    sites: Query<(&Site, &SitePower)>,
    mlmds: Query<(&Mlmd, &Through)>,
    groups: Query<&LedgerGroup>,
) {
    if fresh.0.is_empty() && !clock.ends_interval(SAMPLE_MS) {
        return;
    }
    let history = Arc::make_mut(&mut telemetry.history);
    for block in &fresh.0 {
        let late = block.decided.certificate.round > 0;
        let mark = (block.time, block.ledger as usize, late);
        let known = history.blocks.last().is_some_and(|last| *last >= mark);
        if !known && history.blocks.len() < BLOCKS_KEPT {
            history.blocks.push(mark);
        }
    }
    if !clock.ends_interval(SAMPLE_MS) {
        return;
    }
    let index = (clock.start_ms() / SAMPLE_MS) as usize;
    let [solar, demand, _, storage, exchange] = energy.now_kw;
    put(&mut history.solar_kw, index, solar);
    put(&mut history.demand_kw, index, demand);
    put(&mut history.storage_kw, index, -storage);
    put(&mut history.exchange_kw, index, exchange);
    for group in groups.iter().filter(|group| group.index != ledgers.root()) {
        let price = group.chain().and_then(|chain| chain.latest_price());
        let ct = price.map_or(f64::NAN, |price| price.scalar as f64 / 10_000.0);
        put(&mut history.price_ct[group.index as usize], index, ct);
    }
    let homes = history.home.len();
    for (site, power) in &sites {
        let meter = site.meter as usize;
        let trend = match meter.checked_sub(homes) {
            None => &mut history.home[meter],
            Some(battery) => &mut history.shared_battery[battery],
        };
        put(&mut trend.p_kw, index, power.net_kw);
        put(
            &mut trend.v_pu,
            index,
            grid.site_v_pu(site).unwrap_or(f64::NAN),
        );
    }
    for (mlmd, through) in &mlmds {
        let trend = &mut history.mlmd[mlmd.index as usize];
        put(&mut trend.p_kw, index, through.p_kw);
        put(
            &mut trend.v_pu,
            index,
            grid.bus_v_pu(mlmd.bus).unwrap_or(f64::NAN),
        );
    }
}

/// Share of all batteries' energy that is stored, 0..1.
pub(crate) fn storage_soc<'a>(batteries: impl Iterator<Item = (&'a Site, &'a BatteryUnit)>) -> f64 {
    let mut order: Vec<_> = batteries.collect();
    order.sort_by_key(|(site, _)| site.meter);
    let (mut stored, mut capacity) = (0.0, 0.0);
    for (_, battery) in order {
        let kwh = battery.0.params().capacity_kwh;
        stored += battery.0.soc() * kwh;
        capacity += kwh;
    }
    if capacity > 0.0 {
        stored / capacity
    } else {
        0.0
    }
}
