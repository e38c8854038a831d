//! The paper's procedure, steps a to e, through one cluster's ledger.

use gridloom_contract::{
    BatteryFacts, Control, ControlOrder, EmTemplate, Preferences, TypeWeights,
};
use gridloom_ledger::rehearsal::{CENT, Rehearsal};
use gridloom_ledger::{DeviceFacts, MeterReading, Receipt, TxBody};
use gridloom_units::EnergyType;

fn preferences(solar: u32) -> Preferences {
    Preferences {
        weights: TypeWeights {
            solar,
            grid_mix: 1,
            ..TypeWeights::default()
        },
        ..Preferences::default()
    }
}

fn register(cluster: &mut Rehearsal, index: usize, name: &str, solar: u32) -> bool {
    let (home, meter) = cluster.homes[index].clone();
    let body = TxBody::RegisterParticipant {
        name: name.into(),
        meter_key: meter.public(),
        preferences: preferences(solar),
        spread: 0,
    };
    let tx = cluster.sign(&home, body);
    cluster.submit(tx)
}

#[test]
fn steps_a_to_e_lead_from_contract_to_control_and_money() {
    let mut cluster = Rehearsal::new(2, 4).expect("a good genesis");
    let (seller, buyer) = (cluster.homes[0].0.account(), cluster.homes[1].0.account());
    let operator = cluster.operator.clone();

    //= paper#F7 (a) The operator registers the EM contract.
    // Every device has its turn in every slot.
    let template = EmTemplate {
        turn_slots: 1,
        // Step e to the letter: the price itself switches the devices.
        control: Control::Price,
        ..EmTemplate::default()
    };
    let tx = cluster.sign(&operator, TxBody::RegisterContract { template });
    assert!(cluster.submit(tx));
    cluster.step(1_000).expect("block 1");
    assert_eq!(
        cluster.receipts()[..],
        [Receipt::ContractRegistered { version: 1 }]
    );

    //= paper#F8 (b) Users register; each has an instance with its preferences.
    assert!(register(&mut cluster, 0, "H01", 1) && register(&mut cluster, 1, "H02", 5));
    cluster.step(2_000).expect("block 2");
    let names: Vec<(String, u32)> = cluster
        .chain()
        .participants()
        .into_iter()
        .map(|row| (row.name, row.version))
        .collect();
    assert!(names.contains(&("H01".into(), 1)) && names.contains(&("H02".into(), 1)));

    //= paper#F9 (c) Meters report; the ledger records.
    let battery = BatteryFacts {
        soc_permille: 300,
        capacity_wh: 5_000,
        max_charge_w: 2_500,
        max_discharge_w: 2_500,
    };
    let with_battery = DeviceFacts {
        battery: Some(battery),
        ..DeviceFacts::default()
    };
    assert!(cluster.read(
        0,
        MeterReading {
            interval_end_ms: 900_000,
            export_solar_wh: 900,
            ..MeterReading::default()
        }
    ));
    assert!(cluster.read(
        1,
        MeterReading {
            interval_end_ms: 900_000,
            import_wh: 400,
            facts: with_battery.clone(),
            ..MeterReading::default()
        }
    ));
    cluster.step(900_500).expect("block 3");
    assert_eq!(cluster.chain().slot_complete(0), (2, 2));

    //= paper#F10 (d) Area load, then the price, which every validator recomputes.
    let aggregator = cluster.aggregator.clone();
    let load = TxBody::AreaLoad {
        mlmd: 1,
        interval_end_ms: 900_000,
        energy_wh: -500,
    };
    let tx = cluster.sign(&aggregator, load);
    assert!(cluster.submit(tx) && cluster.price(1) && cluster.settle(0));
    cluster.step(901_000).expect("block 4");
    let price = cluster.chain().latest_price().expect("a price");
    let solar = price.typed[EnergyType::Solar.index()];
    // rho = 400/900 from a buyer who weighs solar 5 and the absent grid mix 1.
    assert_eq!(solar, 80_000 + (220_000 * 400_i64 + 650) / 1_300);
    assert_eq!(price.typed[EnergyType::GridMix.index()], 30 * CENT);
    assert_eq!(
        (price.recorded, price.expected, price.supply_wh[0]),
        (2, 2, 900)
    );

    //= paper#F11 (e) The price ran the contract, which orders the battery to charge.
    let receipts = cluster.receipts();
    let run = receipts.iter().find_map(|receipt| match receipt {
        Receipt::ContractRun {
            account,
            orders,
            trace,
            ..
        } if *account == buyer => Some((orders.clone(), trace.clone())),
        _ => None,
    });
    let (orders, trace) = run.expect("a contract run of the buyer");
    let charge = matches!(orders[..], [ControlOrder::Battery { setpoint_w, .. }] if setpoint_w > 0);
    assert!(charge, "{orders:?} {trace:?}");
    assert!(
        trace[0].to_string().starts_with("battery: solar"),
        "{}",
        trace[0]
    );

    // Slot 0 had no price yet: everybody dealt with the utility at its tariff.
    let wallet = cluster.chain().wallet(buyer).expect("a wallet");
    assert_eq!(wallet.money, 50_000_000_000 - 400 * 300_000);

    // Slot 1 is settled at the price decided at its start, solar from the neighbour.
    cluster.read(
        0,
        MeterReading {
            interval_end_ms: 1_800_000,
            export_solar_wh: 1_900,
            ..MeterReading::default()
        },
    );
    cluster.read(
        1,
        MeterReading {
            interval_end_ms: 1_800_000,
            import_wh: 1_000,
            facts: with_battery,
            ..MeterReading::default()
        },
    );
    cluster.step(1_800_500).expect("block 5");
    cluster.settle(1);
    cluster.step(1_801_000).expect("block 6");
    //= paper#P8 //= paper#P9 The delivered lot names its plant.
    let statement = cluster.chain().statement(buyer, 1);
    let lot = statement.first().expect("a delivery");
    assert_eq!(
        (lot.plant, lot.kind, lot.wh),
        (seller, EnergyType::Solar, 600)
    );
    assert_eq!((lot.delivered_slot, lot.price, lot.height), (1, solar, 6));
    assert_eq!(cluster.chain().sales(seller, 10).len(), 3);
    //= paper#F4 Balances change with the settled slot.
    let now = cluster.chain().wallet(buyer).expect("a wallet");
    assert_eq!(wallet.money - now.money, i128::from(600 * solar));
    assert_eq!(now.consumed_wh[EnergyType::Solar.index()], 600);
    let bill = cluster.chain().bill(buyer);
    assert_eq!(bill.total, now.money - 50_000_000_000);
    assert_eq!(bill.through_slot, Some(1));
    cluster.chain().audit().expect("balanced books");
}

#[test]
fn new_preferences_are_a_new_version_and_the_old_one_stays_readable() {
    //= paper#P4
    let mut cluster = Rehearsal::new(2, 1).expect("a good genesis");
    cluster.register_all(0).expect("registered");
    assert!(register(&mut cluster, 0, "H01 renamed", 9));
    cluster.step(1_000).expect("a block");
    let account = cluster.homes[0].0.account();
    let row = cluster.chain().participant(account).expect("registered");
    assert_eq!((row.version, row.name.as_str()), (2, "H01 renamed"));
    let weight = |version| {
        let instance = cluster.chain().instance(account, version);
        instance.map(|instance| instance.preferences.weights.solar)
    };
    assert_eq!((weight(1), weight(2), weight(3)), (Some(3), Some(9), None));
}
