//! Forward control: devices cleared together, owners' limits kept.

use gridloom_contract::{
    BatteryFacts, ClockTime, Committed, ControlOrder, EmInstance, EmTemplate, EvFacts, EvTerms,
    FiredRule, HeaterFacts, HeaterTerms, Member, MeterFacts, Moment, Preferences, RunInput,
    TypeWeights, clear_cluster, run,
};
use gridloom_market::forward::LoadHistory;
use gridloom_units::{AccountId, EnergyType};
use proptest::prelude::*;

const CENT: i64 = 10_000;
const MOMENT: Moment = Moment {
    slot_min: 15,
    minute_of_day: 720,
};

fn instance() -> EmInstance {
    EmInstance {
        owner: AccountId([1; 32]),
        version: 1,
        template_version: 1,
        preferences: Preferences {
            weights: TypeWeights {
                grid_mix: 1,
                ..TypeWeights::default()
            },
            ..Preferences::default()
        },
        activation_height: 0,
    }
}

fn heater(stored_permille: u16) -> HeaterFacts {
    HeaterFacts {
        stored_permille,
        store_wh: 4_500,
        power_w: 2_000,
        must_run: false,
    }
}

fn battery(soc_permille: u16) -> BatteryFacts {
    BatteryFacts {
        soc_permille,
        capacity_wh: 5_000,
        max_charge_w: 2_500,
        max_discharge_w: 2_500,
    }
}

/// A day with a valley of 1 kWh and a hill of 9 kWh a slot, seen until noon.
fn history() -> LoadHistory {
    let mut history = LoadHistory::default();
    for slot in 0..96 + 48 {
        let of_day = slot % 96;
        let wh = match of_day {
            44..=56 => 1_000,
            72..=84 => 9_000,
            _ => 4_000,
        };
        history.push(wh, 96);
    }
    history
}

fn members<'a>(instance: &'a EmInstance, facts: &'a [MeterFacts]) -> Vec<Member<'a>> {
    facts
        .iter()
        .enumerate()
        .map(|(n, facts)| Member {
            instance,
            facts,
            spread: (n * 977 % 65_536) as u16,
            affordable_wh: 100_000,
        })
        .collect()
}

#[test]
fn equal_devices_are_not_switched_together() {
    let instance = instance();
    let facts = vec![
        MeterFacts {
            heater: Some(heater(600)),
            ..MeterFacts::default()
        };
        40
    ];
    let plan = clear_cluster(
        &EmTemplate::default(),
        &members(&instance, &facts),
        MOMENT,
        &history(),
        0,
    )
    .expect("valid");
    let on = plan
        .committed
        .iter()
        .filter(|committed| committed.heater_w.is_some_and(|w| w > 0))
        .count();
    // 40 heaters need 1.6 kWh each over the next hours, the valley takes them in turns.
    assert!((1..30).contains(&on), "{on} of 40 heaters at once");
    assert_eq!(plan.plan.above_wh, 0);
}

#[test]
fn a_wallet_bounds_what_may_wait_and_nothing_else() {
    let instance = instance();
    let facts = [
        MeterFacts {
            heater: Some(heater(100)),
            battery: Some(battery(300)),
            ..MeterFacts::default()
        },
        MeterFacts {
            ev: Some(EvFacts {
                connected: true,
                need_wh: 9_000,
                slots_left: 6,
                max_w: 7_400,
            }),
            ..MeterFacts::default()
        },
    ];
    let mut poor = members(&instance, &facts);
    for member in &mut poor {
        member.affordable_wh = 0;
    }
    let plan = clear_cluster(&EmTemplate::default(), &poor, MOMENT, &history(), 0).expect("valid");
    // Below the comfort band the water is heated whatever it costs.
    assert_eq!(plan.committed[0].heater_w, Some(2_000));
    assert!(plan.committed[0].battery_w.is_some_and(|w| w <= 0));
    assert_eq!(plan.committed[1].ev_w, None);
    let rich = members(&instance, &facts);
    let plan = clear_cluster(&EmTemplate::default(), &rich, MOMENT, &history(), 0).expect("valid");
    assert!(plan.committed[1].ev_w.is_some_and(|w| w > 0));
}

#[test]
fn a_line_limit_defers_what_can_wait() {
    let instance = instance();
    let facts = vec![
        MeterFacts {
            heater: Some(heater(900)),
            battery: Some(battery(500)),
            ..MeterFacts::default()
        };
        60
    ];
    let limited = EmTemplate {
        line_limit_w: 6_000,
        ..EmTemplate::default()
    };
    let plan =
        clear_cluster(&limited, &members(&instance, &facts), MOMENT, &history(), 0).expect("valid");
    assert_eq!(plan.plan.capacity_wh, 1_500);
    assert!(plan.plan.path_wh[0] <= 1_500, "{}", plan.plan.path_wh[0]);
}

fn input(facts: MeterFacts, committed: Committed) -> RunInput {
    RunInput {
        height: 10,
        slot: 48,
        slot_min: 15,
        minute_of_day: 720,
        prices: [20 * CENT; EnergyType::COUNT],
        supply_wh: [1_000; EnergyType::COUNT],
        scalar: 20 * CENT,
        previous_scalar: 20 * CENT,
        import: 30 * CENT,
        facts,
        spread: 7,
        committed: Some(committed),
    }
}

proptest! {
    /// Whatever was cleared, the owner's reserve, comfort and limits hold.
    #[test]
    fn what_was_cleared_is_carried_out_within_the_owners_terms(
        soc in 0_u16..=1_000,
        reserve_pct in 0_u8..=100,
        stored in 0_u16..=1_000,
        cleared in proptest::array::uniform3(-20_000_i64..20_000),
    ) {
        let mut instance = instance();
        instance.preferences.battery.reserve_pct = reserve_pct;
        let facts = MeterFacts {
            battery: Some(battery(soc)),
            heater: Some(heater(stored)),
            ev: Some(EvFacts { connected: true, need_wh: 5_000, slots_left: 9, max_w: 7_400 }),
            ..MeterFacts::default()
        };
        let committed = Committed {
            battery_w: Some(cleared[0]),
            heater_w: Some(cleared[1]),
            ev_w: Some(cleared[2]),
        };
        let outcome = run(&EmTemplate::default(), &instance, &input(facts, committed));
        for order in &outcome.orders {
            match order {
                ControlOrder::Battery { setpoint_w, .. } => {
                    prop_assert!((-2_500..=2_500).contains(setpoint_w));
                    prop_assert!(*setpoint_w >= 0 || i64::from(soc) > i64::from(reserve_pct) * 10);
                    prop_assert!(*setpoint_w <= 0 || soc < 1_000);
                }
                ControlOrder::Heater { on, limit_w, rule } => {
                    prop_assert!(*limit_w <= 2_000);
                    if stored < 200 {
                        prop_assert!(*on && *rule == FiredRule::TooCold);
                    }
                    prop_assert!(!*on || stored < 950);
                }
                ControlOrder::Ev { limit_w, .. } => prop_assert!((0..=7_400).contains(limit_w)),
                ControlOrder::Keep { .. } => prop_assert!(false, "forward control has no turns"),
            }
        }
        prop_assert_eq!(outcome.orders.len(), 3);
    }
}

#[test]
fn deadlines_are_kept_to_the_last_slot() {
    let mut instance = instance();
    instance.preferences.ev = EvTerms {
        guard_slots: 1,
        ..EvTerms::default()
    };
    instance.preferences.heater = HeaterTerms {
        comfort_low_pct: 0,
        comfort_high_pct: 100,
        ready_by: Some(ClockTime::from_minute(720 + 60)),
        ..HeaterTerms::default()
    };
    // 7.4 kW for 7 slots is 12.95 kWh: with the guard there is not a slot to spare.
    let facts = [MeterFacts {
        ev: Some(EvFacts {
            connected: true,
            need_wh: 12_900,
            slots_left: 8,
            max_w: 7_400,
        }),
        heater: Some(heater(560)),
        ..MeterFacts::default()
    }];
    let plan = clear_cluster(
        &EmTemplate::default(),
        &members(&instance, &facts),
        MOMENT,
        &history(),
        0,
    )
    .expect("valid");
    // Nearly all of this slot is needed: what is left over is 50 Wh.
    assert!(plan.committed[0].ev_w.is_some_and(|w| w > 7_000));
    // 1.98 kWh in an hour of 0.5 kWh slots: it must run now.
    assert_eq!(plan.committed[0].heater_w, Some(2_000));
}
