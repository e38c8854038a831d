//! Money and energy over random slots, to the last unit.

use gridloom_contract::{EmTemplate, Preferences, TypeWeights};
use gridloom_ledger::rehearsal::{CENT, EURO, Rehearsal};
use gridloom_ledger::{MarketRules, MeterReading, Receipt, TxBody};
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
    slots: Vec<(Vec<Moment>, bool)>,
    deposit: MoneyNanoEur,
    max_step: i64,
}

fn case() -> impl Strategy<Value = Case> {
    (1_usize..6).prop_flat_map(|homes| {
        let weights = prop::collection::vec([0_u32..4, 0_u32..4, 1_u32..4], homes);
        let slot = (
            prop::collection::vec(moment(), homes),
            prop::bool::weighted(0.8),
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
        for (slot, (moments, priced)) in case.slots.iter().enumerate() {
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
            cluster.step(end_ms).map_err(TestCaseError::fail)?;
            if *priced {
                prop_assert!(cluster.price(slot as u32 + 1));
            }
            cluster.settle(slot as u32);
            cluster.step(end_ms + 1).map_err(TestCaseError::fail)?;
            let receipts = cluster.receipts();
            let settled = receipts.iter().any(|receipt| matches!(receipt, Receipt::Settled(_)));
            prop_assert!(settled, "{:?}", receipts);

            let books = cluster.chain().audit().map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(books.money, 20_000 * EURO + case.deposit * homes as i128);
            // What the meters reported and nothing else was minted and retired.
            for (index, (import, solar, battery)) in reported.iter().enumerate() {
                let account = cluster.homes[index].0.account();
                let wallet = cluster.chain().wallet(account).expect("a wallet");
                prop_assert!(wallet.money >= 0 && wallet.debt >= 0);
                prop_assert_eq!(wallet.consumed_wh.iter().sum::<i64>(), *import);
                prop_assert_eq!(wallet.produced_wh[EnergyType::Solar.index()], *solar);
                prop_assert_eq!(wallet.produced_wh[EnergyType::Battery.index()], *battery);
                prop_assert_eq!(wallet.held_wh, [0; 7]);
                let bill = cluster.chain().bill(account);
                prop_assert_eq!(case.deposit + bill.total, wallet.money - wallet.debt);
                // A refused type is never delivered.
                let [solar_weight, battery_weight, _] = case.weights[index];
                prop_assert!(solar_weight > 0 || wallet.consumed_wh[EnergyType::Solar.index()] == 0);
                prop_assert!(
                    battery_weight > 0 || wallet.consumed_wh[EnergyType::Battery.index()] == 0
                );
            }
        }
    }
}
