//! What the contract promises, over random terms, prices and facts.

use gridloom_contract::{
    AllowedDevices, BatteryFacts, BatteryTerms, ClockTime, ControlOrder, EmInstance, EmTemplate,
    EvFacts, EvTerms, FiredRule, HeaterFacts, HeaterTerms, MeterFacts, Preferences, RunInput,
    Subject, TypeWeights, run,
};
use gridloom_units::{AccountId, EnergyType};
use proptest::prelude::*;

const CENT: i64 = 10_000;

/// A template under which every device answers in every slot.
fn every_slot() -> EmTemplate {
    EmTemplate {
        turn_slots: 1,
        ..EmTemplate::default()
    }
}

fn input(facts: MeterFacts, price: i64, spread: u16) -> RunInput {
    let mut supply_wh = [0; EnergyType::COUNT];
    supply_wh[EnergyType::Solar.index()] = 10_000;
    RunInput {
        height: 10,
        slot: 48,
        slot_min: 15,
        minute_of_day: 720,
        prices: [price; EnergyType::COUNT],
        supply_wh,
        scalar: price,
        previous_scalar: price,
        import: 30 * CENT,
        facts,
        spread,
        committed: None,
    }
}

fn instance(preferences: Preferences) -> EmInstance {
    EmInstance {
        owner: AccountId([7; 32]),
        version: 1,
        template_version: 1,
        preferences,
        activation_height: 5,
    }
}

fn battery_of(order: &ControlOrder) -> i64 {
    match order {
        ControlOrder::Battery { setpoint_w, .. } => *setpoint_w,
        other => panic!("not a battery order: {other:?}"),
    }
}

prop_compose! {
    fn preferences()(
        reserve_pct in 0_u8..=100,
        low in 0_i64..40 * CENT,
        apart in 0_i64..10 * CENT,
        comfort in (0_u8..=100, 0_u8..=100),
        run_below in 0_i64..40 * CENT,
        ready_by in proptest::option::of(0_u16..1_440),
        ev_below in 0_i64..40 * CENT,
        depart_by in proptest::option::of(0_u16..1_440),
        guard_slots in 0_u16..4,
    ) -> Preferences {
        Preferences {
            weights: TypeWeights { solar: 3, wind: 1, battery: 1, grid_mix: 1, ..TypeWeights::default() },
            allow: AllowedDevices::default(),
            battery: BatteryTerms { reserve_pct, charge_below: low, discharge_above: low + apart },
            heater: HeaterTerms {
                comfort_low_pct: comfort.0.min(comfort.1),
                comfort_high_pct: comfort.0.max(comfort.1),
                run_below,
                ready_by: ready_by.map(ClockTime::from_minute),
            },
            ev: EvTerms { charge_below: ev_below, depart_by: depart_by.map(ClockTime::from_minute), guard_slots },
            ..Preferences::default()
        }
    }
}

prop_compose! {
    fn facts()(
        battery in (0_u16..=1_000, 1_000_i64..50_000, 0_i64..20_000, 0_i64..20_000),
        heater in (0_u16..=1_000, 500_i64..20_000, 0_i64..6_000, any::<bool>()),
        ev in (any::<bool>(), 0_i64..80_000, 0_u16..80, 0_i64..22_000),
    ) -> MeterFacts {
        MeterFacts {
            net_wh: 0,
            battery: Some(BatteryFacts {
                soc_permille: battery.0,
                capacity_wh: battery.1,
                max_charge_w: battery.2,
                max_discharge_w: battery.3,
            }),
            heater: Some(HeaterFacts {
                stored_permille: heater.0,
                store_wh: heater.1,
                power_w: heater.2,
                must_run: heater.3,
            }),
            ev: Some(EvFacts { connected: ev.0, need_wh: ev.1, slots_left: ev.2, max_w: ev.3 }),
            other: Vec::new(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limits_and_the_reserve_hold_at_any_price(
        preferences in preferences(),
        facts in facts(),
        price in -5 * CENT..50 * CENT,
        spread in any::<u16>(),
        max_order_w in 1_u32..30_000,
    ) {
        let template = EmTemplate { max_order_w, ..every_slot() };
        let input = input(facts.clone(), price, spread);
        let outcome = run(&template, &instance(preferences.clone()), &input);
        prop_assert_eq!(outcome.orders.len(), 3);
        prop_assert_eq!(outcome.trace.len(), 3);
        prop_assert!(outcome.steps_used <= template.max_steps);
        let battery = facts.battery.expect("generated");
        let heater = facts.heater.expect("generated");
        let ev = facts.ev.expect("generated");
        let cap = i64::from(max_order_w);
        for order in &outcome.orders {
            match *order {
                ControlOrder::Battery { setpoint_w, .. } => {
                    prop_assert!(setpoint_w <= battery.max_charge_w.min(cap));
                    prop_assert!(-setpoint_w <= battery.max_discharge_w.min(cap));
                    // Energy drawn from the store over the slot, at the assumed efficiency.
                    let drawn_wh = (-setpoint_w).max(0) * 15 * 1_000 / 60
                        / i64::from(template.assumed_efficiency_permille);
                    let reserve_wh = i64::from(preferences.battery.reserve_pct) * battery.capacity_wh / 100;
                    let stored_wh = i64::from(battery.soc_permille) * battery.capacity_wh / 1_000;
                    if setpoint_w < 0 {
                        prop_assert!(stored_wh - drawn_wh >= reserve_wh, "reserve broken");
                    }
                    let room_wh = battery.capacity_wh - stored_wh;
                    prop_assert!(setpoint_w.max(0) * 15 / 60 <= room_wh);
                }
                ControlOrder::Heater { on, limit_w, rule } => {
                    prop_assert!(limit_w <= heater.power_w.min(cap));
                    if heater.must_run {
                        prop_assert!(on);
                        prop_assert_eq!(rule, FiredRule::MustRun);
                    }
                    if heater.stored_permille < u16::from(preferences.heater.comfort_low_pct) * 10 {
                        prop_assert!(on, "left cold");
                    }
                }
                ControlOrder::Keep { .. } => prop_assert!(false, "every device has its turn"),
                ControlOrder::Ev { limit_w, .. } => {
                    prop_assert!(limit_w >= 0 && limit_w <= ev.max_w.min(cap));
                    prop_assert!(ev.connected || limit_w == 0);
                }
            }
        }
    }

    #[test]
    fn cheaper_never_takes_less_and_dearer_never_gives_less(
        preferences in preferences(),
        facts in facts(),
        price in 0_i64..45 * CENT,
        rise in 0_i64..20 * CENT,
        kind in 0_usize..EnergyType::COUNT,
        spread in any::<u16>(),
    ) {
        let template = every_slot();
        let instance = instance(preferences);
        let cheap = input(facts, price, spread);
        let mut dear = cheap.clone();
        dear.prices[kind] += rise;
        let (cheap, dear) = (run(&template, &instance, &cheap), run(&template, &instance, &dear));
        for (a, b) in cheap.orders.iter().zip(&dear.orders) {
            prop_assert!(a.power_w() >= b.power_w(), "{:?} at {}, {:?} at {}", a, price, b, price + rise);
        }
    }

    #[test]
    fn the_reserve_holds_while_an_order_stands(
        reserve_pct in 0_u8..=100,
        soc_permille in 0_u16..=1_000,
        prices in proptest::collection::vec(0_i64..40 * CENT, 64),
        turn_slots in 1_u16..16,
        spread in any::<u16>(),
    ) {
        let template = EmTemplate { turn_slots, ..EmTemplate::default() };
        let mut terms = solar_lover();
        terms.battery.reserve_pct = reserve_pct;
        let instance = instance(terms);
        let capacity_wh = 10_000;
        let efficiency = i64::from(template.assumed_efficiency_permille);
        let mut stored_mwh = i64::from(soc_permille) * capacity_wh;
        let mut setpoint_w = 0;
        let mut answers = 0;
        for (slot, price) in prices.into_iter().enumerate() {
            let facts = MeterFacts {
                battery: Some(BatteryFacts {
                    soc_permille: (stored_mwh / capacity_wh) as u16,
                    capacity_wh,
                    max_charge_w: 5_000,
                    max_discharge_w: 5_000,
                }),
                ..MeterFacts::default()
            };
            let input = RunInput { slot: slot as u32, ..input(facts, price, spread) };
            let outcome = run(&template, &instance, &input);
            match outcome.orders[0] {
                ControlOrder::Keep { device } => {
                    prop_assert_eq!((device, outcome.trace[0].rule), (Subject::Battery, FiredRule::NotItsTurn));
                }
                order => {
                    setpoint_w = battery_of(&order);
                    answers += 1;
                }
            }
            let before = stored_mwh;
            stored_mwh += if setpoint_w > 0 { setpoint_w * 250 } else { setpoint_w * 250 * 1_000 / efficiency };
            stored_mwh = stored_mwh.min(capacity_wh * 1_000);
            let reserve_mwh = i64::from(reserve_pct) * capacity_wh * 10;
            prop_assert!(stored_mwh >= reserve_mwh.min(before), "{} below the reserve {}", stored_mwh, reserve_mwh);
        }
        prop_assert!(answers >= 64 / i64::from(turn_slots));
    }

    #[test]
    fn the_same_facts_give_the_same_bytes(
        preferences in preferences(),
        facts in facts(),
        price in 0_i64..45 * CENT,
        spread in any::<u16>(),
    ) {
        let template = every_slot();
        let instance = instance(preferences);
        let input = input(facts, price, spread);
        let bytes = |outcome| borsh::to_vec(&outcome).expect("a vector takes any size");
        prop_assert_eq!(
            bytes(run(&template, &instance, &input)),
            bytes(run(&template.clone(), &instance.clone(), &input.clone()))
        );
    }

    #[test]
    fn absurd_facts_never_panic(
        numbers in proptest::collection::vec(any::<i64>(), 14),
        permille in any::<(u16, u16, u16)>(),
        slot_min in any::<u16>(),
        minute_of_day in any::<u16>(),
        preferences in preferences(),
    ) {
        let facts = MeterFacts {
            net_wh: numbers[0],
            battery: Some(BatteryFacts {
                soc_permille: permille.0,
                capacity_wh: numbers[1],
                max_charge_w: numbers[2],
                max_discharge_w: numbers[3],
            }),
            heater: Some(HeaterFacts {
                stored_permille: permille.1,
                store_wh: numbers[4],
                power_w: numbers[5],
                must_run: numbers[0] > 0,
            }),
            ev: Some(EvFacts { connected: true, need_wh: numbers[6], slots_left: permille.2, max_w: numbers[7] }),
            other: Vec::new(),
        };
        let mut input = input(facts, 10 * CENT, permille.0);
        let outcome = run(&every_slot(), &instance(preferences.clone()), &input);
        prop_assert!(outcome.orders.len() <= 3);
        input.slot_min = slot_min;
        input.minute_of_day = minute_of_day;
        let _ = run(&every_slot(), &instance(preferences.clone()), &input);
        input.prices[0] = numbers[8];
        input.supply_wh[0] = numbers[9];
        input.import = numbers[10];
        let outcome = run(&every_slot(), &instance(preferences), &input);
        prop_assert!(outcome.steps_used <= every_slot().max_steps);
    }
}

fn everything() -> MeterFacts {
    MeterFacts {
        net_wh: 250,
        battery: Some(BatteryFacts {
            soc_permille: 500,
            capacity_wh: 10_000,
            max_charge_w: 4_000,
            max_discharge_w: 4_000,
        }),
        heater: Some(HeaterFacts {
            stored_permille: 600,
            store_wh: 6_000,
            power_w: 2_000,
            must_run: false,
        }),
        ev: Some(EvFacts {
            connected: true,
            need_wh: 8_000,
            slots_left: 60,
            max_w: 7_000,
        }),
        other: vec![],
    }
}

fn solar_lover() -> Preferences {
    Preferences {
        weights: TypeWeights {
            solar: 1,
            ..TypeWeights::default()
        },
        ..Preferences::default()
    }
}

#[test]
fn cheap_sun_charges_and_dear_evening_discharges() {
    let template = every_slot();
    let instance = instance(solar_lover());
    let noon = run(&template, &instance, &input(everything(), 11 * CENT, 0));
    assert_eq!(battery_of(&noon.orders[0]), 4_000);
    assert_eq!(
        noon.trace[0].to_string(),
        "battery: solar 11.0 ct < 19.0 ct: charge 4 000 W"
    );
    // Half the band past the threshold: half the power.
    let morning = run(&template, &instance, &input(everything(), 15 * CENT, 0));
    assert_eq!(battery_of(&morning.orders[0]), 2_000);
    let evening = run(&template, &instance, &input(everything(), 25 * CENT, 0));
    assert_eq!(battery_of(&evening.orders[0]), -3_000);
    assert_eq!(
        evening.trace[0].to_string(),
        "battery: battery 25.0 ct > 19.0 ct: discharge 3 000 W"
    );
}

#[test]
fn a_street_does_not_answer_as_one() {
    let template = every_slot();
    let instance = instance(solar_lover());
    let orders: Vec<ControlOrder> = (0..=10)
        .map(|n| {
            run(
                &template,
                &instance,
                &input(everything(), 20 * CENT, n * 6_553),
            )
            .orders[1]
        })
        .collect();
    let on = orders
        .iter()
        .filter(|order| order.power_w() > Some(0))
        .count();
    assert!(
        (2..=9).contains(&on),
        "{on} of 11 heaters run at the same price"
    );
}

#[test]
fn a_car_waits_for_cheap_energy_and_leaves_charged() {
    let template = every_slot();
    let instance = instance(solar_lover());
    let rule_at = |price, slots_left| {
        let mut facts = everything();
        facts.ev.as_mut().expect("has a charger").slots_left = slots_left;
        run(&template, &instance, &input(facts, price, 0)).orders[2].rule()
    };
    assert_eq!(rule_at(29 * CENT, 60), FiredRule::Wait);
    assert_eq!(rule_at(12 * CENT, 60), FiredRule::RunCheap);
    // 8 kWh at 7 kW take five slots, one more is the guard.
    assert_eq!(rule_at(29 * CENT, 6), FiredRule::Deadline);
    assert_eq!(rule_at(29 * CENT, 7), FiredRule::Wait);
}

#[test]
fn what_cannot_be_steered_is_said_and_left_alone() {
    let template = every_slot();
    let mut terms = solar_lover();
    terms.allow.battery = false;
    let mut facts = everything();
    facts.heater.as_mut().expect("has a heater").power_w = -5;
    facts.other = vec![77];
    let outcome = run(&template, &instance(terms), &input(facts, 12 * CENT, 0));
    let said: Vec<(Subject, FiredRule)> = outcome
        .trace
        .iter()
        .map(|line| (line.subject, line.rule))
        .collect();
    assert_eq!(
        said,
        [
            (Subject::Battery, FiredRule::NotAllowed),
            (Subject::Heater, FiredRule::BadFacts),
            (Subject::Ev, FiredRule::RunCheap),
            (Subject::Unknown(77), FiredRule::UnknownDevice),
        ]
    );
    assert_eq!(outcome.orders.len(), 1);
}

#[test]
fn an_instance_acts_from_its_height_on_and_only_with_valid_terms() {
    let template = every_slot();
    let mut early = input(everything(), 12 * CENT, 0);
    early.height = 4;
    let outcome = run(&template, &instance(solar_lover()), &early);
    assert_eq!(
        (outcome.orders.len(), outcome.trace[0].rule),
        (0, FiredRule::NotActive)
    );
    let outcome = run(
        &template,
        &instance(Preferences::default()),
        &input(everything(), 12 * CENT, 0),
    );
    assert_eq!(
        (outcome.orders.len(), outcome.trace[0].rule),
        (0, FiredRule::BadTerms)
    );
}

#[test]
fn a_run_stops_at_its_step_limit_and_says_so_once() {
    let template = EmTemplate {
        max_steps: 64,
        ..every_slot()
    };
    let mut facts = everything();
    facts.other = vec![1; 500];
    let outcome = run(
        &template,
        &instance(solar_lover()),
        &input(facts, 12 * CENT, 0),
    );
    assert_eq!(outcome.steps_used, 64);
    let stops = outcome
        .trace
        .iter()
        .filter(|line| line.rule == FiredRule::StepLimit)
        .count();
    assert_eq!((outcome.orders.len(), stops), (3, 1));
}

#[test]
fn preferences_are_read_from_a_scene_file() {
    let text = r#"(
        weights: (solar: 4, wind: 2, grid_mix: 1),
        battery: (reserve_pct: 30, charge_below: 160000),
        heater: (run_below: 170000, ready_by: Some("06:30")),
        ev: (guard_slots: 2),
    )"#;
    let read: Preferences = ron::from_str(text).expect("valid");
    assert_eq!(read.weights.to_array(), [4, 2, 0, 0, 0, 0, 1]);
    assert_eq!(read.heater.ready_by, Some(ClockTime::from_minute(390)));
    assert_eq!(read.validate(), vec![]);
    let written = ron::to_string(&read).expect("serialises");
    assert_eq!(
        ron::from_str::<Preferences>(&written).expect("round trip"),
        read
    );
    assert!(ron::from_str::<Preferences>("(weights: (sun: 1))").is_err());
    let template: EmTemplate =
        ron::from_str("(version: 2, price: (exponent: Two, rule: Liu))").expect("valid");
    assert_eq!(template.validate(), vec![]);
    let bytes = borsh::to_vec(&template).expect("encodes");
    assert_eq!(
        borsh::from_slice::<EmTemplate>(&bytes).expect("decodes"),
        template
    );
}
