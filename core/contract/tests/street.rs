//! The contract in the loop: 600 homes that answer the price they make.
//!
//! The experiment of the market design (section 5.6, variant C) with this
//! crate's contract and the market's typed price: a price formed from the last
//! slot's meters steers the next slot. Load and sun come from the data folder
//! beside the repository where there is one; without it the test says so.

use std::path::Path;

use gridloom_contract::{
    BatteryFacts, BatteryTerms, ClockTime, ControlOrder, EmInstance, EmTemplate, HeaterFacts,
    HeaterTerms, MeterFacts, Preferences, RunInput, TypeWeights, run,
};
use gridloom_market::{Buyer, Exponent, PriceInput, Rule, StepLimit, form_price};
use gridloom_units::{AccountId, EnergyType, Stream, draw_f64, draw_u64};

const HOMES: usize = 600;
const SLOTS: usize = 480;
const SLOTS_PER_DAY: usize = 96;
const LOWER: i64 = 80_000;
const UPPER: i64 = 300_000;
const MAX_STEP: i64 = 20_000;
const BATTERY_WH: i64 = 5_000;
const BATTERY_W: i64 = 2_500;
const HEATER_W: i64 = 2_000;
const HEAT_PER_DAY_WH: i64 = 4_000;
const HEAT_PER_SLOT_WH: i64 = 500;

/// Hourly load (kWh) and sun (W per kW) of 17 houses.
struct Data {
    load_kwh: Vec<[f64; 17]>,
    sun_w_per_kw: Vec<[f64; 17]>,
}

impl Data {
    fn read() -> Option<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/data/market/citylearn_2022_17houses/hourly_year.csv");
        let text = std::fs::read_to_string(path).ok()?;
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next()?.split(',').collect();
        let column = |name: String| {
            names
                .iter()
                .position(|n| *n == name)
                .expect("a known column")
        };
        let load: Vec<usize> = (1..=17)
            .map(|h| column(format!("h{h:02}_load_kwh")))
            .collect();
        let sun: Vec<usize> = (1..=17)
            .map(|h| column(format!("h{h:02}_pv_w_per_kw")))
            .collect();
        let mut data = Self {
            load_kwh: Vec::new(),
            sun_w_per_kw: Vec::new(),
        };
        for line in lines {
            let cells: Vec<&str> = line.split(',').collect();
            let number = |column: usize| cells[column].parse().expect("a number");
            data.load_kwh.push(std::array::from_fn(|h| number(load[h])));
            data.sun_w_per_kw
                .push(std::array::from_fn(|h| number(sun[h])));
        }
        Some(data)
    }

    /// Hours interpolated to slots; a slot holds a quarter of the hour's energy.
    fn at(series: &[[f64; 17]], start: usize, slot: i64, shape: usize) -> f64 {
        let slot = slot.max(0) as usize;
        let (hour, part) = (start + slot / 4, (slot % 4) as f64 / 4.0);
        series[hour][shape] * (1.0 - part) + series[hour + 1][shape] * part
    }
}

struct Home {
    shape: usize,
    shift: i64,
    factor: f64,
    pv_shape: Option<usize>,
    spread: u16,
    battery_mwh: Option<i64>,
    heat_wh: i64,
    battery_order_w: i64,
    heater_order: bool,
}

fn homes(seed: u64) -> Vec<Home> {
    (0..HOMES)
        .map(|n| {
            let draw = |what| draw_f64(seed, what, n as u64, Stream::Behaviour);
            Home {
                shape: (draw(0) * 17.0) as usize,
                shift: (draw(1) * 7.0) as i64 - 3,
                factor: 0.6 + 0.8 * draw(2),
                pv_shape: (draw(3) < 0.6).then(|| (draw(4) * 17.0) as usize),
                spread: draw_u64(seed, 0, n as u64, Stream::DeviceSpread) as u16,
                battery_mwh: (draw(5) < 0.3).then_some(BATTERY_WH * 1_000 / 2),
                heat_wh: 0,
                battery_order_w: 0,
                heater_order: false,
            }
        })
        .collect()
}

#[derive(Debug, Default)]
struct Result {
    peak_kw: f64,
    ramp_p95_kw: f64,
    export_kwh: f64,
    unmet_heat_wh: i64,
    reversals: usize,
    price_range: (i64, i64),
}

/// Runs the street; without a template nothing but forced heaters run.
fn street(data: &Data, start: usize, seed: u64, template: Option<&EmTemplate>) -> Result {
    let instance = EmInstance {
        owner: AccountId([1; 32]),
        version: 1,
        template_version: 1,
        preferences: Preferences {
            weights: TypeWeights {
                solar: 1,
                battery: 1,
                grid_mix: 1,
                ..TypeWeights::default()
            },
            battery: BatteryTerms {
                reserve_pct: 0,
                ..BatteryTerms::default()
            },
            heater: HeaterTerms {
                comfort_low_pct: 0,
                comfort_high_pct: 100,
                ready_by: Some(ClockTime::from_minute(0)),
                ..HeaterTerms::default()
            },
            ..Preferences::default()
        },
        activation_height: 0,
    };
    let mut homes = homes(seed);
    let mut prices = [190_000; EnergyType::COUNT];
    let mut scalars = vec![190_000_i64];
    let mut supply_wh = [0; EnergyType::COUNT];
    let mut net_kw = Vec::new();
    let mut result = Result::default();
    for slot in 0..SLOTS {
        let mut buyers = Vec::new();
        let mut next_supply = [0; EnergyType::COUNT];
        let mut net_wh = 0;
        if slot % SLOTS_PER_DAY == 0 {
            for home in &mut homes {
                if slot > 0 {
                    result.unmet_heat_wh += (HEAT_PER_DAY_WH - home.heat_wh).max(0);
                }
                home.heat_wh = 0;
            }
        }
        for (n, home) in homes.iter_mut().enumerate() {
            let noise = {
                // Lognormal with sigma 0.15: twelve uniform draws make a normal one.
                let draws = (0..12).map(|k| {
                    draw_f64(
                        seed,
                        (slot * 12 + k) as u64 + 100,
                        n as u64,
                        Stream::MeterNoise,
                    )
                });
                libm::exp(0.15 * (draws.sum::<f64>() - 6.0))
            };
            let load = Data::at(&data.load_kwh, start, slot as i64 + home.shift, home.shape);
            let load_wh = (load * 250.0 * home.factor * noise).round() as i64;
            let pv_wh = home.pv_shape.map_or(0, |shape| {
                (7.0 * Data::at(&data.sun_w_per_kw, start, slot as i64, shape) / 4.0).round() as i64
            });
            let slots_left = (SLOTS_PER_DAY - slot % SLOTS_PER_DAY) as i64;
            let heat_needed = HEAT_PER_DAY_WH - home.heat_wh;
            let must_run = heat_needed > 0 && heat_needed >= slots_left * HEAT_PER_SLOT_WH;
            let facts = MeterFacts {
                net_wh: 0,
                battery: home.battery_mwh.map(|mwh| BatteryFacts {
                    soc_permille: (mwh / BATTERY_WH) as u16,
                    capacity_wh: BATTERY_WH,
                    max_charge_w: BATTERY_W,
                    max_discharge_w: BATTERY_W,
                }),
                heater: Some(HeaterFacts {
                    stored_permille: (home.heat_wh * 1_000 / HEAT_PER_DAY_WH) as u16,
                    store_wh: HEAT_PER_DAY_WH,
                    power_w: HEATER_W,
                    must_run,
                }),
                ev: None,
                other: vec![],
            };
            let orders = match template {
                Some(template) => {
                    let input = RunInput {
                        height: slot as u64,
                        slot: slot as u32,
                        slot_min: 15,
                        minute_of_day: (slot % SLOTS_PER_DAY * 15) as u16,
                        prices,
                        supply_wh,
                        scalar: scalars[slot],
                        previous_scalar: scalars[slot.saturating_sub(1)],
                        import: UPPER,
                        facts,
                        spread: home.spread,
                    };
                    run(template, &instance, &input).orders
                }
                None => vec![],
            };
            for order in orders {
                match order {
                    ControlOrder::Battery { setpoint_w, .. } => home.battery_order_w = setpoint_w,
                    ControlOrder::Heater { on, .. } => home.heater_order = on,
                    ControlOrder::Ev { .. } | ControlOrder::Keep { .. } => {}
                }
            }
            if template.is_none() {
                // Without a price a clock starts the heaters, one after the other.
                home.heater_order = slot % SLOTS_PER_DAY >= n % 88;
            }
            let mut battery_wh = home.battery_order_w / 4;
            let heater_on = (must_run || home.heater_order) && heat_needed > 0;
            if let Some(mwh) = &mut home.battery_mwh {
                // The meter's permille is rounded down; the battery takes what fits.
                battery_wh = battery_wh.min((BATTERY_WH * 1_000 - *mwh) / 950);
                *mwh += if battery_wh > 0 {
                    battery_wh * 950
                } else {
                    battery_wh * 1_000
                };
                assert!(
                    (0..=BATTERY_WH * 1_000).contains(mwh),
                    "battery at {mwh} mWh"
                );
            }
            let heater_wh = if heater_on {
                HEAT_PER_SLOT_WH.min(heat_needed)
            } else {
                0
            };
            home.heat_wh += heater_wh;
            let home_wh = load_wh + heater_wh + battery_wh - pv_wh;
            net_wh += home_wh;
            if home_wh > 0 {
                buyers.push(Buyer {
                    demand_wh: home_wh,
                    weights: instance.preferences.weights.to_array(),
                });
            } else {
                // Out of the battery first: what the sun gave went to the load.
                let from_battery = (-battery_wh).clamp(0, -home_wh);
                next_supply[EnergyType::Battery.index()] += from_battery;
                next_supply[EnergyType::Solar.index()] += -home_wh - from_battery;
            }
        }
        let input = PriceInput {
            lower: LOWER,
            upper: UPPER,
            exponent: Exponent::One,
            supply_wh: next_supply,
            buyers,
        };
        let limit = StepLimit {
            previous: prices,
            previous_scalar: scalars[slot],
            max_step: MAX_STEP,
        };
        let priced = form_price(&Rule::Typed, &input, 0, Some(&limit)).expect("a valid slot");
        prices = priced.price;
        supply_wh = next_supply;
        scalars.push(priced.scalar);
        net_kw.push(net_wh as f64 * 4.0 / 1_000.0);
    }
    result.peak_kw = net_kw.iter().copied().fold(f64::MIN, f64::max);
    result.export_kwh = net_kw.iter().map(|kw| (-kw).max(0.0) / 4.0).sum();
    let mut ramps: Vec<f64> = net_kw
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .collect();
    ramps.sort_by(f64::total_cmp);
    result.ramp_p95_kw = ramps[ramps.len() * 95 / 100];
    let steps: Vec<i64> = scalars.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Half of the step limit: the design's 10 % of the bounds would never be reached.
    let large = MAX_STEP / 2;
    result.reversals = steps
        .windows(2)
        .filter(|pair| {
            pair[0].signum() == -pair[1].signum() && pair[0].abs() > large && pair[1].abs() > large
        })
        .count();
    result.price_range = (
        *scalars.iter().min().expect("not empty"),
        *scalars.iter().max().expect("not empty"),
    );
    result
}

#[test]
fn a_street_of_600_homes_follows_the_price_without_herding() {
    let Some(data) = Data::read() else {
        eprintln!("skipped: no load data beside the repository");
        return;
    };
    let damped = EmTemplate::default();
    let all_at_once = EmTemplate {
        turn_slots: 1,
        ..EmTemplate::default()
    };
    println!(
        "window     seed  peak kW: fixed  damped (ratio)  at once | ramp kW | reversals damped, at once | export kWh fixed -> damped"
    );
    let windows = [
        ("February", 4_560),
        ("March", 5_760),
        ("July", 8_040),
        ("September", 1_440),
        ("December", 3_120),
    ];
    for (window, start) in windows {
        for seed in [7, 8, 9] {
            let fixed = street(&data, start, seed, None);
            let steered = street(&data, start, seed, Some(&damped));
            let herd = street(&data, start, seed, Some(&all_at_once));
            let ratio = steered.peak_kw / fixed.peak_kw;
            println!(
                "{window:<10} {seed:>4}  {:>14.0} {:>7.0} ({ratio:.2}) {:>10.0} | {:>7.0} | {:>3}, {:>3} | {:>6.0} -> {:.0}",
                fixed.peak_kw,
                steered.peak_kw,
                herd.peak_kw,
                steered.ramp_p95_kw,
                steered.reversals,
                herd.reversals,
                fixed.export_kwh,
                steered.export_kwh,
            );
            assert_eq!(steered.unmet_heat_wh, 0);
            assert!(
                steered.reversals * 50 <= SLOTS,
                "{} reversals",
                steered.reversals
            );
            assert!(ratio < 1.25, "peak grows to {ratio:.2} of the fixed one");
            assert!(steered.export_kwh < fixed.export_kwh);
            assert!(
                steered.price_range.0 < steered.price_range.1 - 10_000,
                "the price does not move"
            );
            // The experiment can tell: without turns the street does herd.
            assert!(herd.reversals * 50 > SLOTS && herd.ramp_p95_kw > 2.0 * steered.ramp_p95_kw);
        }
    }
}
