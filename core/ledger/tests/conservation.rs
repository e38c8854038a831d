//! Money and energy over random slots, to the last unit.

use gridloom_contract::{EmTemplate, Preferences, TypeWeights};
use gridloom_ledger::rehearsal::{CENT, EURO, Rehearsal};
use gridloom_ledger::{Footing, IslandOver, MarketRules, MeterReading, Receipt, TxBody};
use gridloom_units::{EnergyType, MoneyNanoEur};
use proptest::prelude::*;

/// One home in one slot: energies, whether the reading gets through.
#[derive(Clone, Copy, Debug)]
struct Moment {
    import_wh: i64,
    solar_wh: i64,
    battery_wh: i64,
    heard: bool,
}

fn moment() -> impl Strategy<Value = Moment> {
    let energy = || prop_oneof![Just(0_i64), 0_i64..20, 0_i64..3_000];
    (energy(), energy(), energy(), prop::bool::weighted(0.8)).prop_map(
        |(import_wh, solar_wh, battery_wh, heard)| Moment {
            import_wh,
            solar_wh,
            battery_wh,
            heard,
        },
    )
}

#[derive(Clone, Debug)]
struct Case {
    weights: Vec<[u32; 3]>,
    /// Moments, whether a price is decided, whether there is no grid.
    slots: Vec<(Vec<Moment>, bool, bool)>,
    deposit: MoneyNanoEur,
    max_step: i64,
}

fn case() -> impl Strategy<Value = Case> {
    (1_usize..6).prop_flat_map(|homes| {
        let weights = prop::collection::vec([0_u32..4, 0_u32..4, 1_u32..4], homes);
        let slot = (
            prop::collection::vec(moment(), homes),
            prop::bool::weighted(0.8),
            prop::bool::weighted(0.4),
        );
        let slots = prop::collection::vec(slot, 1..6);
        let deposit = prop_oneof![Just(0), Just(EURO / 2), Just(50 * EURO)];
        let max_step = prop_oneof![Just(0), Just(CENT)];
        (weights, slots, deposit, max_step).prop_map(|(weights, slots, deposit, max_step)| Case {
            weights,
            slots,
            deposit,
            max_step,
        })
    })
}

fn start(case: &Case) -> Rehearsal {
    let rules = MarketRules {
        slot_ms: 900_000,
        reading_ms: 900_000,
        feed_in: 8 * CENT,
        import: 30 * CENT,
        max_step: case.max_step,
        wholesale: None,
        island: 32 * CENT,
    };
    let homes = case.weights.len() as u32;
    let mut cluster = Rehearsal::with(homes, 1, case.deposit, rules).expect("a good genesis");
    let operator = cluster.operator.clone();
    let template = EmTemplate::default();
    let tx = cluster.sign(&operator, TxBody::RegisterContract { template });
    cluster.submit(tx);
    cluster.step(0).expect("a block");
    for (index, [solar, battery, grid_mix]) in case.weights.iter().enumerate() {
        let (home, meter) = cluster.homes[index].clone();
        let weights = TypeWeights {
            solar: *solar,
            battery: *battery,
            grid_mix: *grid_mix,
            ..TypeWeights::default()
        };
        let body = TxBody::RegisterParticipant {
            name: format!("H{index}"),
            meter_key: meter.public(),
            preferences: Preferences {
                weights,
                ..Preferences::default()
            },
            spread: 0,
        };
        let tx = cluster.sign(&home, body);
        assert!(cluster.submit(tx));
    }
    cluster.step(0).expect("a block");
    cluster
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_is_created_or_lost(case in case()) {
        let mut cluster = start(&case);
        let homes = case.weights.len();
        let mut registers = vec![MeterReading::default(); homes];
        let mut reported = vec![(0_i64, 0_i64, 0_i64); homes];
        let mut settled_before = vec![(0_i64, 0_i64, 0_i64); homes];
        let islanded = |slot: usize| case.slots.get(slot).is_some_and(|(_, _, island)| *island);
        if islanded(0) {
            cluster.island(0, None);
            cluster.step(1).map_err(TestCaseError::fail)?;
        }
        let utility = cluster.utility.account();
        let mut refusing = true;
        for (slot, (moments, priced, island)) in case.slots.iter().enumerate() {
            let end_ms = (slot as u64 + 1) * 900_000;
            for (index, moment) in moments.iter().enumerate() {
                let reading = &mut registers[index];
                reading.interval_end_ms = end_ms;
                reading.import_wh += moment.import_wh;
                reading.export_solar_wh += moment.solar_wh;
                reading.export_battery_wh += moment.battery_wh;
                if moment.heard {
                    reported[index] = (
                        reading.import_wh,
                        reading.export_solar_wh,
                        reading.export_battery_wh,
                    );
                    let reading = reading.clone();
                    prop_assert!(cluster.read(index, reading));
                }
            }
            if islanded(slot + 1) {
                cluster.island(slot as u32 + 1, None);
            }
            cluster.step(end_ms).map_err(TestCaseError::fail)?;
            if *priced {
                prop_assert!(cluster.price(slot as u32 + 1));
            }
            if *island {
                // Every other one had a grid for a part.
                let over = IslandOver {
                    from_neighbours_wh: 0,
                    from_grid_wh: (slot % 2 == 1).then_some(700),
                };
                prop_assert!(cluster.island(slot as u32, Some(over)));
            }
            let before = cluster.chain().wallet(utility).expect("a wallet");
            cluster.settle(slot as u32);
            cluster.step(end_ms + 1).map_err(TestCaseError::fail)?;
            let receipts = cluster.receipts();
            let settled = receipts.iter().find_map(|receipt| match receipt {
                Receipt::Settled(settled) => Some(settled),
                _ => None,
            });
            prop_assert!(settled.is_some(), "{:?}", receipts);
            let settled = settled.expect("just seen");
            prop_assert_eq!(*island, settled.footing != Footing::Grid);
            refusing &= !matches!(settled.footing, Footing::Part { .. });
            if settled.footing.is_island() {
                // Energy of an island may come from who holds it, wanted or not.
                refusing = false;
                prop_assert_eq!(cluster.chain().wallet(utility).expect("a wallet"), before);
                for line in &settled.lines {
                    prop_assert!(line.buyer != utility && line.seller != utility);
                    prop_assert!((0..=32 * CENT).contains(&line.price));
                }
            }
            if islanded(slot + 1) && let Some(price) = cluster.chain().price(slot as u32 + 1) {
                prop_assert!(price.island && price.scalar <= 32 * CENT);
                prop_assert_eq!(price.typed[EnergyType::GridMix.index()], 32 * CENT);
            }

            let books = cluster.chain().audit().map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(books.money, 20_000 * EURO + case.deposit * homes as i128);
            // What the meters reported is minted and retired and nothing else; a silent
            // meter's estimate is waited for, never given back and never exceeded.
            for (index, (import, solar, battery)) in reported.iter().enumerate() {
                let account = cluster.homes[index].0.account();
                let wallet = cluster.chain().wallet(account).expect("a wallet");
                prop_assert!(wallet.money >= 0 && wallet.debt >= 0);
                let before = settled_before[index];
                let now = (
                    wallet.consumed_wh.iter().sum::<i64>(),
                    wallet.produced_wh[EnergyType::Solar.index()],
                    wallet.produced_wh[EnergyType::Battery.index()],
                );
                let least = (
                    before.0.max(*import),
                    before.1.max(*solar),
                    before.2.max(*battery),
                );
                if moments[index].heard {
                    prop_assert_eq!(now, least);
                } else {
                    prop_assert!(now.0 >= least.0 && now.1 >= least.1 && now.2 >= least.2);
                }
                settled_before[index] = now;
                prop_assert_eq!(wallet.held_wh, [0; 7]);
                let bill = cluster.chain().bill(account);
                prop_assert_eq!(case.deposit + bill.total, wallet.money - wallet.debt);
                // A refused type is never delivered.
                let [solar_weight, battery_weight, _] = case.weights[index];
                prop_assert!(!refusing || solar_weight > 0 || wallet.consumed_wh[EnergyType::Solar.index()] == 0);
                prop_assert!(
                    !refusing || battery_weight > 0 || wallet.consumed_wh[EnergyType::Battery.index()] == 0
                );
            }
        }
    }
}
