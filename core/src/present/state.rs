//! Electrical state, equipment, balance and procedure figures.

use bevy::prelude::*;
use gridloom_equipment::kwh;
use gridloom_model::grid::LineEnd;

use crate::bound::{BoundDevice, BoundPosition};
use crate::clock::SimClock;
use crate::edge::{Aggregator, Step, Steps};
use crate::grid::{Breaker, Grid, Mlmd, Through};
use crate::ledger::{Lag, LedgerGroup, Ledgers, RecordLags};
use crate::link::DataPlane;
use crate::market::{Books, MarketClock, Truth};
use crate::meter::{DeviceEdge, Meter};
use crate::record::{Energy, storage_soc};
use crate::site::{BatteryUnit, EvUnit, HeatPumpUnit, HeaterUnit, Site, SitePower};
use crate::spawn::Organisation;
use crate::view::{
    BalanceView, BoundBreaker, BoundValue, EdgeView, GridView, HomeState, LimitsView, MlmdState,
    SharedBatteryState, StepView, TodayView, TruthView, ViewModel,
};

/// Fills everything that is not ledger.
pub(super) fn fill(world: &mut World, view: &mut ViewModel) {
    view.homes = vec![HomeState::default(); view.scene.homes.len()];
    view.shared_batteries = vec![SharedBatteryState::default(); view.scene.shared_batteries.len()];
    view.mlmds = vec![MlmdState::default(); view.scene.mlmds.len()];
    grid(world, view);
    sites(world, view);
    mlmds(world, view);
    balance(world, view);
    steps(world, view);
    super::island::fill(world, view);
    view.limits = limits(view);
    let books = world.resource::<Books>();
    view.books.slots_settled = books.slots_settled;
    view.today.traded_kwh = (books.traded_wh + books.between_wh) as f64 / 1_000.0;
    let clusters = world.resource::<Organisation>().cluster_names.len() as u32;
    let lags = world.resource::<RecordLags>();
    view.ledger_lag_s = (0..clusters)
        .map(|cluster| lags.of(cluster).and_then(Lag::p95_ms))
        .map(|ms| ms.map_or(f64::NAN, |ms| ms as f64 / 1_000.0))
        .collect();
    edges(world, view);
}

/// LG-Aggregators and their way to the cloud.
fn edges(world: &mut World, view: &mut ViewModel) {
    let link = world.resource::<DataPlane>().reaches_cloud();
    let now_ms = view.time.0;
    let since = |ms: u64| now_ms.saturating_sub(ms) as f64 / 1_000.0;
    let mut aggregators = world.query::<&Aggregator>();
    let mut stores: Vec<&Aggregator> = aggregators.iter(world).collect();
    stores.sort_by_key(|store| store.cluster);
    view.edges = stores
        .into_iter()
        .map(|store| {
            let uplink = &store.uplink;
            EdgeView {
                link,
                alone_s: uplink.alone_since_ms(now_ms).map(since),
                heard_s: uplink.heard_ms.map(since),
                waiting: uplink.waiting(),
                dropped: uplink.dropped,
                strategy: uplink.strategy.version,
                every: uplink.strategy.every,
                threshold_wh: uplink.strategy.threshold_wh,
                grid_version: uplink.grid.version,
                grid_age_s: since(uplink.grid.until_ms),
                grid_kw: uplink.grid.load_w as f64 / 1_000.0,
            }
        })
        .collect();
}

fn grid(world: &mut World, view: &mut ViewModel) {
    let grid = world.resource::<Grid>();
    let network = grid.network();
    let report = grid.report();
    let lines = view.scene.lines.len();
    let amps = |line: usize| network.line_amps(line);
    view.grid = GridView {
        grid_tied: view
            .scene
            .transformers
            .first()
            .is_none_or(|t| grid.bus_live(t.from)),
        // Grid-tied islands run at the frequency of the upstream grid.
        frequency_hz: network.frequency_hz(),
        bus_v_pu: (0..view.scene.buses.len())
            .map(|bus| grid.bus_v_pu(bus))
            .collect(),
        line_p_kw: (0..lines)
            .map(|line| grid.line_kw(line, LineEnd::From))
            .collect(),
        line_loading: (0..lines)
            .map(|line| match view.scene.lines[line].rating_a {
                rating if rating > 0.0 => amps(line) / rating,
                _ => 0.0,
            })
            .collect(),
        line_live: view
            .scene
            .lines
            .iter()
            .enumerate()
            .map(|(line, _)| !grid.line_dead(line))
            .collect(),
        transformer_p_kw: (0..network.transformer_count())
            .map(|t| network.transformer_power(t, 0).0 / 1_000.0)
            .collect(),
        transformer_loading: (0..network.transformer_count())
            .map(|t| {
                let (p, q) = network.transformer_power(t, 0);
                let rating = view.scene.transformers.get(t).map_or(0.0, |t| t.rating_kva);
                if rating > 0.0 {
                    libm::hypot(p, q) / 1_000.0 / rating
                } else {
                    0.0
                }
            })
            .collect(),
        converged: report.converged,
        iterations: report.iterations as usize,
        residual: report.residual,
        trail: network
            .trail()
            .iter()
            .map(|iteration| {
                let bus = iteration.worst_bus.map(|bus| network.bus_id(bus));
                (iteration.residual, bus.unwrap_or_default().to_owned())
            })
            .collect(),
        verdict: grid.verdict(),
    };
    let losses = network.totals().losses_w / 1_000.0;
    view.balance.losses_kw = -losses;
}

type SiteData<'w> = (
    &'w Site,
    &'w SitePower,
    &'w Meter,
    &'w BoundDevice,
    &'w DeviceEdge,
    Option<&'w BatteryUnit>,
    Option<&'w HeaterUnit>,
    Option<&'w HeatPumpUnit>,
    Option<&'w EvUnit>,
);

fn sites(world: &mut World, view: &mut ViewModel) {
    let now_ms = world.resource::<SimClock>().start_ms();
    let reading_ms = world.resource::<MarketClock>().reading_ms;
    let mut query = world.query::<SiteData<'_>>();
    let homes = view.homes.len();
    let grid = world.resource::<Grid>();
    for (site, power, meter, bound, edge, battery, heater, heat_pump, ev) in query.iter(world) {
        let index = site.meter as usize;
        let v_pu = grid.site_v_pu(site);
        if let Some(i) = index.checked_sub(homes) {
            view.shared_batteries[i] = SharedBatteryState {
                p_kw: power.battery_kw,
                soc: battery.map_or(0.0, |unit| unit.0.soc()),
                v_pu,
                wallet_eur: 0.0,
            };
            continue;
        }
        let registers = meter.registers.reading();
        let age_ms = now_ms.saturating_sub(meter.last_received_ms.unwrap_or(0));
        view.homes[index] = HomeState {
            net_kw: power.net_kw,
            load_kw: power.load_kw,
            pv_kw: power.pv_kw,
            battery_kw: power.battery_kw,
            battery_soc: battery.map_or(0.0, |unit| unit.0.soc()),
            heater_kw: power.heater_kw,
            heater_level: heater
                .map(|unit| unit.0.level())
                .or(heat_pump.map(|unit| unit.0.level()))
                .unwrap_or(0.0),
            inside_c: heat_pump.map(|unit| unit.0.inside_c()),
            held_kw: power.held_kw,
            ev_kw: power.ev_kw,
            ev_connected: ev.is_some_and(|unit| unit.0.plugged()),
            v_pu,
            import_wh: registers.import_wh,
            export_wh: registers.export_wh(),
            wallet_eur: 0.0,
            reading_age_s: age_ms as f64 / 1_000.0,
            late: 2 * age_ms > 3 * reading_ms,
            silent: age_ms > 3 * reading_ms + reading_ms / 2,
            notice: meter.notice.clone(),
            bound: bound.bound.then(|| BoundValue {
                p_kw: bound.p_w as f64 / 1_000.0,
                voltage_v: f64::from(bound.voltage_mv) / 1_000.0,
                good: bound.good && bound.at_ms.is_some(),
                age_s: bound
                    .at_ms
                    .map_or(f64::INFINITY, |at| (now_ms - at) as f64 / 1_000.0),
                recorded: edge.taken,
                refused: edge.refused,
                refusal: edge.refusal.clone(),
            }),
        };
    }
}

fn mlmds(world: &mut World, view: &mut ViewModel) {
    let organisation = world.resource::<Organisation>();
    let truth = world.resource::<Truth>();
    let meters = &organisation.meters_of_mlmd;
    let truths: Vec<TruthView> = (0..view.mlmds.len())
        .map(|i| {
            truth
                .of_area(i, meters)
                .map_or_else(TruthView::default, |area| TruthView {
                    physics_wh: Some(area.physics_wh),
                    meters_wh: Some(area.meters_wh),
                    ledger_wh: area.ledger_wh,
                    losses_wh: area.losses_wh,
                    residual_pct: Some(area.residual_pct()),
                })
        })
        .collect();
    let now_ms = world.resource::<SimClock>().start_ms();
    let mut query = world.query::<(&Mlmd, &Breaker, &Through, &BoundPosition)>();
    let grid = world.resource::<Grid>();
    for (mlmd, breaker, through, bound) in query.iter(world) {
        let i = mlmd.index as usize;
        view.mlmds[i] = MlmdState {
            closed: breaker.closed,
            through_kw: through.p_kw,
            current_a: through.current_a,
            v_pu: grid.bus_v_pu(mlmd.bus),
            unbalance: grid.unbalance(mlmd.bus),
            truth: truths[i].clone(),
            bound: bound.bound.then(|| BoundBreaker {
                closed: bound.closed,
                good: bound.good && bound.at_ms.is_some(),
                age_s: bound
                    .at_ms
                    .map_or(f64::INFINITY, |at| (now_ms - at) as f64 / 1_000.0),
            }),
        };
    }
}

fn balance(world: &mut World, view: &mut ViewModel) {
    let mut batteries = world.query::<(&Site, &BatteryUnit)>();
    let soc = storage_soc(batteries.iter(world));
    let energy = world.resource::<Energy>();
    let [solar, demand, flexible, storage, exchange] = energy.now_kw;
    let losses_kw = view.balance.losses_kw;
    view.balance = BalanceView {
        solar_kw: solar,
        solar_curtailed_kw: energy.curtailed_kw,
        demand_kw: -demand,
        flexible_kw: flexible,
        storage_kw: -storage,
        storage_soc: soc,
        exchange_kw: exchange,
        losses_kw,
        sum_kw: solar - demand - storage + exchange + losses_kw,
        scale_kw: energy.peak_kw,
    };
    let (demand, import) = (kwh(energy.demand), kwh(energy.import));
    view.today = TodayView {
        solar_kwh: kwh(energy.solar),
        demand_kwh: demand,
        import_kwh: import,
        export_kwh: kwh(energy.export),
        losses_kwh: kwh(energy.losses),
        self_sufficiency: if demand > 0.0 {
            (1.0 - import / demand).clamp(0.0, 1.0)
        } else {
            0.0
        },
        wasted_kwh: kwh(energy.wasted),
        traded_kwh: 0.0,
    };
}

fn steps(world: &mut World, view: &mut ViewModel) {
    let version = {
        let ledgers = world.resource::<Ledgers>().clone();
        let mut groups = world.query::<&LedgerGroup>();
        groups
            .iter(world)
            .filter(|group| group.index != ledgers.root())
            .filter_map(|group| Some(group.chain()?.contract()?.version))
            .max()
    };
    let steps = world.resource::<Steps>();
    let all = [
        Step::Register,
        Step::Users,
        Step::MeterToAggregator,
        Step::PriceToLedger,
        Step::ControlToMeter,
    ];
    for (slot, step) in view.steps.iter_mut().zip(all) {
        let figures = steps.get(step);
        let seconds = |ms: u64| ms as f64 / 1_000.0;
        *slot = StepView {
            count: figures.count,
            waiting: figures.waiting,
            last_s: figures.recent_ms.last().map(|&ms| seconds(ms)),
            p95_s: figures.p95_ms().map(seconds),
            recent_s: figures
                .recent_ms
                .iter()
                .map(|&ms| seconds(ms) as f32)
                .collect(),
            failed: figures.failed,
            note: String::new(),
        };
    }
    view.steps[0].note = version.map_or_else(|| "not registered".into(), |v| format!("v{v}"));
}

/// Values nearest to their limits, and where.
fn limits(view: &ViewModel) -> LimitsView {
    let mut limits = LimitsView::default();
    for (state, home) in view.homes.iter().zip(&view.scene.homes) {
        let Some(v) = state.v_pu else {
            continue;
        };
        if limits.v_max.1.is_empty() || v > limits.v_max.0 {
            limits.v_max = (v, home.id.clone());
        }
        if limits.v_min.1.is_empty() || v < limits.v_min.0 {
            limits.v_min = (v, home.id.clone());
        }
    }
    for (line, &loading) in view.grid.line_loading.iter().enumerate() {
        if limits.line.1.is_empty() || loading > limits.line.0 {
            limits.line = (loading, view.scene.lines[line].name.clone());
        }
    }
    if let (Some(t), Some(&loading)) = (
        view.scene.transformers.first(),
        view.grid.transformer_loading.first(),
    ) {
        let mut text = format!("{:.0} kVA", t.rating_kva);
        if let Some((_, state)) = view.islands.voltage_control.first() {
            // The bar has room for one of the two.
            state
                .split(',')
                .next()
                .unwrap_or_default()
                .clone_into(&mut text);
        }
        limits.transformer = (loading, text);
    }
    limits
}
