//! A small radial network with a consistent flow, for tests of the window.

use std::sync::Arc;

use gridloom_core::view::*;
use gridloom_model::scene::HomeKind;
use gridloom_units::{DeviceId, SimTime, Tick};

/// A network to build a view from: places, segments away from the source, customers.
pub struct Plan {
    /// Places, m.
    pub places: Vec<(f64, f64)>,
    /// Segments, each from a bus nearer to the source.
    pub segments: Vec<(usize, usize)>,
    /// Buses with a customer.
    pub customers: Vec<usize>,
    /// Segments with a breaker.
    pub breakers: Vec<usize>,
    /// Bus of the shared battery.
    pub battery: usize,
}

/// A main street with side streets: 24 customers, 3 breakers.
pub fn street() -> Plan {
    let mut plan = Plan {
        places: vec![(0.0, 0.0)],
        segments: Vec::new(),
        customers: Vec::new(),
        breakers: vec![0],
        battery: 2,
    };
    let mut last = 0;
    for block in 0..8 {
        for step in 0..4 {
            let x = f64::from(block * 4 + step + 1) * 5.0;
            plan.places.push((x, -0.3 * x + 6.0 * (x / 25.0).sin()));
            plan.segments.push((last, plan.places.len() - 1));
            last = plan.places.len() - 1;
        }
        if block == 3 || block == 5 {
            plan.breakers.push(plan.segments.len() - 1);
        }
        let (x, y) = plan.places[last];
        for (dx, dy) in [(4.0, 14.0), (-5.0, -13.0), (7.0, -24.0)] {
            let from = if dy < -20.0 {
                plan.places.len() - 1
            } else {
                last
            };
            plan.places.push((x + dx, y + dy));
            plan.segments.push((from, plan.places.len() - 1));
            plan.customers.push(plan.places.len() - 1);
        }
    }
    plan
}

/// Runs: consecutive segments without a branch.
fn runs(plan: &Plan) -> Vec<usize> {
    let mut children = vec![0; plan.places.len()];
    for (from, _) in &plan.segments {
        children[*from] += 1;
    }
    let mut run_of_bus = vec![0; plan.places.len()];
    let mut next = 1;
    plan.segments
        .iter()
        .map(|&(from, to)| {
            let id = if from != 0 && children[from] == 1 {
                run_of_bus[from]
            } else {
                next
            };
            next += usize::from(id == next);
            run_of_bus[to] = id;
            id
        })
        .collect()
}

/// The static part of a view.
pub fn scene(plan: &Plan) -> SceneView {
    let run = runs(plan);
    let mut depth = vec![0; plan.places.len()];
    let mut area = vec![0; plan.places.len()];
    let mut parents: Vec<Option<usize>> = vec![None; plan.breakers.len()];
    for (index, &(from, to)) in plan.segments.iter().enumerate() {
        depth[to] = depth[from] + 1;
        area[to] = area[from];
        if let Some(breaker) = plan.breakers.iter().position(|b| *b == index) {
            parents[breaker] = (breaker != 0).then_some(area[from]);
            area[to] = breaker;
        }
    }
    let lines = plan
        .segments
        .iter()
        .enumerate()
        .map(|(index, &(from, to))| LineView {
            name: format!("LINE{}", index + 1),
            from,
            to,
            length_m: (plan.places[to].0 - plan.places[from].0)
                .hypot(plan.places[to].1 - plan.places[from].1),
            rating_a: if depth[to] < 400 { 250.0 } else { 80.0 },
            run: run[index],
            depth: depth[to],
            service: plan.customers.iter().any(|c| {
                run[index] == run[plan.segments.iter().position(|s| s.1 == *c).unwrap_or(0)]
            }),
        })
        .collect();
    let clusters = plan.breakers.len().div_ceil(2);
    let homes: Vec<HomeView> = plan
        .customers
        .iter()
        .enumerate()
        .map(|(index, &bus)| HomeView {
            device: DeviceId(index as u32),
            id: format!("H{}", index + 1),
            kind: match index % 19 {
                7 => HomeKind::Flats,
                4 => HomeKind::Care,
                _ => HomeKind::House,
            },
            bus,
            phase: (index % 3) as u8,
            mlmd: area[bus],
            cluster: area[bus] / 2,
            pv_kw: if index % 2 == 0 { 6.0 } else { 0.0 },
            battery_kwh: if index % 3 == 0 { 10.0 } else { 0.0 },
            heater_kw: 2.0,
            ev_kw: if index % 7 == 2 { 11.0 } else { 0.0 },
            preferences: "default".to_owned(),
            account: "3fa8c210".to_owned(),
        })
        .collect();
    let mlmds = plan
        .breakers
        .iter()
        .enumerate()
        .map(|(index, &line)| MlmdView {
            device: DeviceId(1_000 + index as u32),
            id: format!("M{}", index + 1),
            line,
            bus: plan.segments[line].0,
            limit_a: 250.0,
            cluster: index / 2,
            homes: homes
                .iter()
                .enumerate()
                .filter(|(_, h)| h.mlmd == index)
                .map(|(i, _)| i)
                .collect(),
            customers_behind: homes.iter().filter(|h| h.mlmd >= index).count(),
            parent: parents[index],
        })
        .collect::<Vec<_>>();
    SceneView {
        objective: String::new(),
        reading_ms: 300_000,
        catalogue: Vec::new(),
        title: "Åkerby".to_owned(),
        date: "2026-06-18".to_owned(),
        tick_ms: 1_000,
        duration_ms: 86_400_000,
        slot_ms: 900_000,
        buses: plan
            .places
            .iter()
            .enumerate()
            .map(|(i, &pos_m)| BusView {
                name: (i + 1).to_string(),
                pos_m,
                surveyed: true,
                v_nominal: 240.0,
            })
            .collect(),
        lines,
        transformers: vec![TransformerView {
            name: "T1".to_owned(),
            from: 0,
            to: 0,
            rating_kva: 800.0,
            kv_from: 11.0,
            kv_to: 0.416,
        }],
        shared_batteries: vec![SharedBatteryView {
            device: DeviceId(2_000),
            id: "BESS".to_owned(),
            bus: plan.battery,
            capacity_kwh: 60.0,
            max_kw: 30.0,
            mlmd: area[plan.battery],
            cluster: 0,
        }],
        clusters: (0..clusters)
            .map(|c| {
                let own: Vec<(f64, f64)> = mlmds
                    .iter()
                    .filter(|m| m.cluster == c)
                    .map(|m| plan.places[m.bus])
                    .collect();
                let n = own.len().max(1) as f64;
                ClusterView {
                    id: ["A", "B", "C", "D"][c % 4].to_owned(),
                    aggregator: format!("LG-{}", ["A", "B", "C", "D"][c % 4]),
                    device: DeviceId(3_000 + c as u32),
                    pos_m: (
                        own.iter().map(|p| p.0).sum::<f64>() / n,
                        own.iter().map(|p| p.1).sum::<f64>() / n,
                    ),
                    validators: 4,
                }
            })
            .collect(),
        homes,
        mlmds,
        load_law: "constant power".to_owned(),
    }
}

/// Power of a customer at an hour, kW: load minus a noon bell of solar.
fn customer(home: &HomeView, index: usize, hour: f64) -> HomeState {
    let sun = ((hour - 6.0) / 14.0 * std::f64::consts::PI)
        .sin()
        .max(0.0)
        .powi(2);
    let pv_kw = home.pv_kw * 0.85 * sun;
    let load_kw = 0.4
        + 0.25
            * ((index * 7 % 11) as f64)
            * (0.3 + 0.7 * ((hour - 19.0) / 4.0).powi(2).min(9.0).mul_add(-0.11, 1.0));
    let battery_kw = if home.battery_kwh > 0.0 {
        1.8 * sun - 0.6
    } else {
        0.0
    };
    HomeState {
        net_kw: load_kw + battery_kw - pv_kw,
        load_kw,
        pv_kw,
        battery_kw,
        battery_soc: 0.62,
        heater_kw: 0.0,
        heater_level: 0.7,
        ev_kw: 0.0,
        ev_connected: index.is_multiple_of(2),
        v_pu: Some(1.0),
        import_wh: 4_000,
        export_wh: 2_000,
        wallet_eur: 1.2345,
        reading_age_s: 12.0,
        silent: false,
        notice: None,
        bound: None,
        ..HomeState::default()
    }
}

/// The view at an hour of the day; `open` lists breakers that are open.
pub fn view(scene: Arc<SceneView>, hour: f64, open: &[usize]) -> ViewModel {
    let mut homes: Vec<HomeState> = scene
        .homes
        .iter()
        .enumerate()
        .map(|(i, h)| customer(h, i, hour))
        .collect();
    let sun = ((hour - 6.0) / 14.0 * std::f64::consts::PI)
        .sin()
        .max(0.0)
        .powi(2);
    let bess_kw = if sun > 0.3 { 24.0 } else { -14.0 };
    let buses = scene.buses.len();
    let mut live = vec![true; buses];
    let mut line_live = vec![true; scene.lines.len()];
    for (index, line) in scene.lines.iter().enumerate() {
        let opened = scene
            .mlmds
            .iter()
            .enumerate()
            .any(|(m, view)| view.line == index && open.contains(&m));
        line_live[index] = live[line.from] && !opened;
        live[line.to] = line_live[index];
    }
    let mut bus_p = vec![0.0; buses];
    for (home, state) in scene.homes.iter().zip(&mut homes) {
        if live[home.bus] {
            bus_p[home.bus] += state.net_kw;
        } else {
            *state = HomeState {
                reading_age_s: 40.0,
                ..HomeState::default()
            };
        }
    }
    for battery in &scene.shared_batteries {
        bus_p[battery.bus] += bess_kw;
    }
    let mut line_p = vec![0.0; scene.lines.len()];
    for (index, line) in scene.lines.iter().enumerate().rev() {
        if line_live[index] {
            line_p[index] = bus_p[line.to];
            bus_p[line.from] += bus_p[line.to];
        }
    }
    let mut v = vec![1.02; buses];
    for (index, line) in scene.lines.iter().enumerate() {
        v[line.to] = v[line.from] - line_p[index] * line.length_m * 8e-6;
    }
    for (home, state) in scene.homes.iter().zip(&mut homes) {
        if live[home.bus] {
            state.v_pu = Some(v[home.bus]);
        }
    }
    let losses = -0.9;
    let exchange = bus_p[0] - losses;
    let sum = |f: &dyn Fn(&HomeState) -> f64| homes.iter().map(f).sum::<f64>();
    let (solar, demand, storage) = (
        sum(&|h| h.pv_kw),
        -sum(&|h| h.load_kw),
        -sum(&|h| h.battery_kw) - bess_kw,
    );
    let mlmds = scene
        .mlmds
        .iter()
        .enumerate()
        .map(|(index, m)| MlmdState {
            closed: !open.contains(&index),
            through_kw: line_p[m.line],
            current_a: line_p[m.line].abs() * 1.5,
            v_pu: live[m.bus].then(|| v[m.bus]),
            unbalance: 0.011,
            truth: TruthView {
                physics_wh: Some((line_p[m.line] * 250.0) as i64),
                meters_wh: Some((line_p[m.line] * 249.0) as i64),
                ledger_wh: Some((line_p[m.line] * 249.0) as i64),
                losses_wh: 12,
                residual_pct: Some(0.4),
            },
            bound: None,
        })
        .collect();
    let time = SimTime((hour * 3_600_000.0) as u64);
    let worst = homes
        .iter()
        .enumerate()
        .filter_map(|(i, h)| h.v_pu.map(|v| (v, scene.homes[i].id.clone())));
    let (lo, hi) = (
        worst
            .clone()
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap_or_default(),
        worst.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default(),
    );
    ViewModel {
        islands: gridloom_core::view::IslandsView::default(),
        alarm_rates: gridloom_core::view::AlarmRates::default(),
        protection: gridloom_core::view::ProtectionView::default(),
        story: gridloom_core::view::StoryView::default(),
        tick: Tick(time.0 / scene.tick_ms),
        time,
        head: Tick(time.0 / scene.tick_ms),
        grid: GridView {
            grid_tied: true,
            frequency_hz: 49.98,
            bus_v_pu: (0..buses).map(|b| live[b].then_some(v[b])).collect(),
            line_loading: line_p
                .iter()
                .zip(&scene.lines)
                .map(|(p, l)| p.abs() * 1.6 / l.rating_a)
                .collect(),
            line_p_kw: line_p,
            line_live,
            transformer_p_kw: vec![exchange],
            transformer_loading: vec![exchange.abs() / 800.0],
            converged: true,
            iterations: 4,
            residual: 1e-9,
            trail: Vec::new(),
            verdict: None,
        },
        balance: BalanceView {
            solar_kw: solar,
            solar_curtailed_kw: 0.0,
            demand_kw: demand,
            flexible_kw: 40.3,
            storage_kw: storage,
            storage_soc: 0.62,
            exchange_kw: exchange,
            losses_kw: losses,
            sum_kw: solar + demand + storage + exchange + losses,
            scale_kw: 170.0,
        },
        today: TodayView {
            self_sufficiency: 0.81,
            traded_kwh: 212.0,
            solar_kwh: 610.0,
            demand_kwh: 502.0,
            ..TodayView::default()
        },
        limits: LimitsView {
            v_max: hi,
            v_min: lo,
            line: (0.46, "at M2".to_owned()),
            transformer: (exchange.abs() / 800.0, "800 kVA".to_owned()),
        },
        homes,
        shared_batteries: vec![SharedBatteryState {
            p_kw: bess_kw,
            soc: 0.62,
            v_pu: Some(1.01),
            wallet_eur: 3.0,
        }],
        mlmds,
        ledgers: ledgers(&scene, time),
        prices: scene
            .clusters
            .iter()
            .map(|_| PriceView {
                typed: Default::default(),
                scalar: 84_000,
                slot: 48,
                bounds: (40_000, 207_500),
                ..PriceView::default()
            })
            .collect(),
        data_hops: hops(&scene, time),
        ledger_hops: (0..scene.clusters.len())
            .flat_map(|c| {
                std::iter::repeat_n(
                    hop(Place::Aggregator(c as u32), Place::Ledger(c as u32), time),
                    2,
                )
            })
            .collect(),
        steps: steps(),
        edges: vec![
            EdgeView {
                link: true,
                heard_s: Some(12.0),
                strategy: 1,
                every: 1,
                grid_version: 96,
                grid_age_s: 40.0,
                grid_kw: -3.2,
                ..EdgeView::default()
            };
            scene.clusters.len()
        ],
        ledger_lag_s: vec![2.6; scene.clusters.len()],
        alarms: vec![alarm(
            1,
            Priority::P3,
            SimTime(time.0.saturating_sub(1_260_000)),
        )],
        events: Arc::new(events(time)),
        history: Arc::new(history(&scene, hour)),
        selection: None,
        rejections: Vec::new(),
        books: BooksView {
            slots_settled: 96,
            ..BooksView::default()
        },
        scene,
    }
}

fn hop(from: Place, to: Place, time: SimTime) -> HopView {
    HopView {
        from,
        to,
        sent: time,
        arrives: SimTime(time.0 + 900),
        what: "reading",
    }
}

fn hops(scene: &SceneView, time: SimTime) -> Vec<HopView> {
    scene
        .mlmds
        .iter()
        .enumerate()
        .flat_map(|(i, m)| {
            let (from, to) = (Place::Mlmd(i as u32), Place::Aggregator(m.cluster as u32));
            [
                hop(from, to, time),
                hop(from, to, time),
                hop(to, from, time),
            ]
        })
        .collect()
}

fn ledgers(scene: &SceneView, time: SimTime) -> Vec<LedgerView> {
    let ids = scene
        .clusters
        .iter()
        .map(|c| c.id.clone())
        .chain(["root".to_owned()]);
    ids.enumerate()
        .map(|(index, id)| LedgerView {
            id,
            height: 8_204 + 11 * index as u64,
            age_s: 2.1,
            validators_up: 4,
            validators: 4,
            mempool: 3,
            blocks: (0..12)
                .map(|n| BlockView {
                    height: 8_204 + 11 * index as u64 - n,
                    round: u32::from(n == 4),
                    hash: "9c41fe02".to_owned(),
                    time: SimTime(time.0.saturating_sub(n * 5_000)),
                    proposer: (n % 4) as usize,
                    signatures: 3,
                    transactions: vec![("Reading".to_owned(), "H17 +0.42 kWh".to_owned()); 14],
                    fullness: 0.2 + 0.06 * n as f32,
                    ..BlockView::default()
                })
                .collect(),
            messages: 91_204,
            ..LedgerView::default()
        })
        .collect()
}

fn steps() -> [StepView; 5] {
    let step = |count, last: f64, note: &str| StepView {
        count,
        waiting: 0,
        last_s: Some(last),
        p95_s: Some(last * 1.6),
        recent_s: (0..30)
            .map(|k| (last * (0.8 + 0.4 * f64::from(k * 7 % 5) / 5.0)) as f32)
            .collect(),
        failed: 0,
        note: note.to_owned(),
    };
    [
        step(3, 2.0, "EM contract final"),
        step(55, 2.2, "instances, 0 waiting"),
        step(5_310, 0.4, ""),
        step(96, 2.1, ""),
        step(2_112, 0.9, ""),
    ]
}

/// An alarm of a priority.
pub fn alarm(id: u64, priority: Priority, raised: SimTime) -> AlarmView {
    AlarmView {
        id,
        priority,
        active: true,
        state: AlarmState::Unacknowledged,
        title: if priority == Priority::P1 {
            "Supply lost beyond M2".to_owned()
        } else {
            "Meter H11 silent".to_owned()
        },
        fact: "3 intervals · last value 11:17:30".to_owned(),
        action: "Use M2 area load; check radio link".to_owned(),
        cause: "The radio is down".to_owned(),
        consequence: "Its slot settles late".to_owned(),
        raised,
        cleared: None,
        acked: None,
        shelved_until: None,
        folded: 0,
        respond_s: 3_600,
        place: Some(if priority == Priority::P1 {
            Selected::Mlmd(1)
        } else {
            Selected::Home(10)
        }),
    }
}

fn events(time: SimTime) -> Vec<EventView> {
    [
        (6, "sunrise ramp"),
        (8, "heaters on"),
        (10, "BESS charge"),
        (11, "price step"),
        (17, "evening"),
    ]
    .iter()
    .map(|&(hour, text)| EventView {
        time: SimTime(hour * 3_600_000),
        tick: Tick(hour * 3_600),
        text: text.to_owned(),
        kind: EventKind::Scene,
        place: None,
    })
    .filter(|event| event.time <= time)
    .collect()
}

fn history(scene: &SceneView, hour: f64) -> HistoryView {
    let minutes = (hour * 60.0) as usize;
    let at = |f: &dyn Fn(f64) -> f64| -> Vec<f32> {
        (0..minutes).map(|m| f(m as f64 / 60.0) as f32).collect()
    };
    let sun = |h: f64| {
        ((h - 6.0) / 14.0 * std::f64::consts::PI)
            .sin()
            .max(0.0)
            .powi(2)
            * f64::from(h > 6.0 && h < 20.0)
    };
    let trend = |gain: f64| TrendView {
        p_kw: at(&|h| gain * (4.0 - 24.0 * sun(h)) + (h * 40.0).sin() * 0.6),
        v_pu: at(&|h| 1.0 + 0.045 * sun(h) + (h * 31.0).sin() * 0.001),
    };
    HistoryView {
        step_ms: 60_000,
        exchange_kw: at(&|h| 30.0 - 55.0 * sun(h)),
        solar_kw: at(&|h| 150.0 * sun(h)),
        demand_kw: at(&|h| 60.0 + 20.0 * (h / 3.0).sin()),
        storage_kw: at(&|h| 20.0 - 60.0 * sun(h)),
        price_ct: scene
            .clusters
            .iter()
            .enumerate()
            .map(|(c, _)| at(&|h| 18.0 - 9.0 * sun(h) + c as f64))
            .collect(),
        home: scene.homes.iter().map(|_| trend(0.2)).collect(),
        shared_battery: vec![trend(1.0)],
        mlmd: scene.mlmds.iter().map(|_| trend(1.0)).collect(),
        blocks: (0..(hour * 720.0) as u64)
            .map(|k| (SimTime(k * 5_000), (k % 2) as usize, k % 411 == 7))
            .collect(),
    }
}
