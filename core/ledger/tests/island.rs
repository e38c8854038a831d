//! Slots without a grid: who may say so, what is checked, who pays whom.

use gridloom_ledger::rehearsal::{CENT, EURO, Rehearsal};
use gridloom_ledger::{
    Footing, IslandOver, MarketRules, MeterReading, Receipt, SettledSlot, TxBody,
};
use gridloom_market::Reason;
use gridloom_units::EnergyType;

const SLOT_MS: u64 = 900_000;
const RULES: MarketRules = MarketRules {
    slot_ms: SLOT_MS,
    reading_ms: SLOT_MS,
    feed_in: 8 * CENT,
    import: 30 * CENT,
    max_step: 0,
    island: 32 * CENT,
    wholesale: None,
};

/// Nothing came in, and there was no grid from beginning to end.
const NOTHING: IslandOver = IslandOver {
    from_neighbours_wh: 0,
    from_grid_wh: None,
};

/// Three homes: two that take energy and one whose battery holds the island.
fn cluster() -> Rehearsal {
    let mut cluster = Rehearsal::with(3, 2, 50 * EURO, RULES).expect("a good genesis");
    cluster.register_all(0).expect("registered");
    cluster
}

/// Registers at the end of a slot: import of homes 0 and 1, export of home 2.
fn read(cluster: &mut Rehearsal, slot: u64, imports: [i64; 2], battery_wh: i64) {
    let interval_end_ms = (slot + 1) * SLOT_MS;
    for (home, import_wh) in imports.into_iter().enumerate() {
        assert!(cluster.read(
            home,
            MeterReading {
                interval_end_ms,
                import_wh,
                ..MeterReading::default()
            }
        ));
    }
    assert!(cluster.read(
        2,
        MeterReading {
            interval_end_ms,
            export_battery_wh: battery_wh,
            ..MeterReading::default()
        }
    ));
    cluster.step(interval_end_ms).expect("a block");
}

/// The register of the only M-LMD at a slot boundary.
fn area(cluster: &mut Rehearsal, interval_end_ms: u64, energy_wh: i64) {
    let aggregator = cluster.aggregator.clone();
    let load = TxBody::AreaLoad {
        mlmd: 0,
        interval_end_ms,
        energy_wh,
    };
    let tx = cluster.sign(&aggregator, load);
    assert!(cluster.submit(tx));
}

fn refused(cluster: &Rehearsal) -> Vec<String> {
    let receipts = cluster.receipts();
    let reasons = receipts.iter().filter_map(|receipt| match receipt {
        Receipt::Refused { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    reasons.collect()
}

fn settled(cluster: &Rehearsal) -> SettledSlot {
    let receipts = cluster.receipts();
    let mut slots = receipts.iter().filter_map(|receipt| match receipt {
        Receipt::Settled(settled) => Some(settled.clone()),
        _ => None,
    });
    slots.next().expect("settled")
}

/// States the end of an islanded slot and settles it.
fn island_slot(cluster: &mut Rehearsal, slot: u32) -> SettledSlot {
    assert!(cluster.island(slot, Some(NOTHING)) && cluster.settle(slot));
    cluster
        .step(u64::from(slot + 1) * SLOT_MS + 1_000)
        .expect("a block");
    assert_eq!(refused(cluster), Vec::<String>::new());
    cluster.chain().audit().expect("balanced books");
    settled(cluster)
}

#[test]
fn an_island_bills_members_and_its_battery_and_never_the_utility() {
    let mut cluster = cluster();
    let utility = cluster.utility.account();
    let [first, second, battery] = [0, 1, 2].map(|home: usize| cluster.homes[home].0.account());
    // Slot 0 has a grid.
    area(&mut cluster, SLOT_MS, 400);
    read(&mut cluster, 0, [300, 100], 0);
    assert!(cluster.settle(0));
    cluster.step(SLOT_MS + 500).expect("a block");
    assert_eq!(settled(&cluster).footing, Footing::Grid);
    let before = cluster.chain().wallet(utility).expect("a wallet");
    assert!(before.money > 10_000 * EURO);

    // Slot 1 begins without one; its price has the bounds of an island.
    assert!(cluster.island(1, None));
    cluster.step(SLOT_MS + 600).expect("a block");
    assert!(cluster.price(1));
    cluster.step(SLOT_MS + 700).expect("a block");
    let price = cluster.chain().price(1).expect("a price");
    assert!(price.island);
    // Nothing was on offer in slot 0, so every type costs the dearest source.
    assert_eq!(price.typed, [32 * CENT; EnergyType::COUNT]);
    area(&mut cluster, 2 * SLOT_MS, 400);
    read(&mut cluster, 1, [1_300, 600], 1_530);
    let slot = island_slot(&mut cluster, 1);
    let from_neighbours_wh = 0;
    assert_eq!(slot.footing, Footing::Island { from_neighbours_wh });
    assert_eq!((slot.bought_wh, slot.sold_wh, slot.local_wh), (0, 0, 1_500));
    // What the conductors lost found no buyer.
    assert_eq!(slot.unused_wh, 30);
    assert_eq!(cluster.chain().wallet(utility).expect("a wallet"), before);
    let money = |account| cluster.chain().bill(account).total;
    assert_eq!(money(battery), 1_500 * 320_000);
    assert_eq!(money(first), -300 * 300_000 - 1_000 * 320_000);
    assert_eq!(money(second), -100 * 300_000 - 500 * 320_000);
    let after = cluster.chain().bill(second);
    assert!(
        after
            .lines
            .iter()
            .any(|line| line.reason == Reason::LocalTrade)
    );

    // Slot 2 has a lower price: batteries offered more than was wanted.
    assert!(cluster.island(2, None));
    cluster.step(2 * SLOT_MS + 2_000).expect("a block");
    assert!(cluster.price(2));
    cluster.step(2 * SLOT_MS + 3_000).expect("a block");
    let price = cluster.chain().price(2).expect("a price");
    // rho = 1500/1530 of 0 to 32 ct: below the utility's 30 ct, above nothing.
    let solar = price.typed[EnergyType::Battery.index()];
    assert_eq!(solar, (320_000 * 1_500 + 1_515) / 3_030);
}

#[test]
fn a_slot_without_a_price_costs_what_the_dearest_source_costs() {
    let mut cluster = cluster();
    read(&mut cluster, 0, [700, 200], 900);
    let slot = island_slot(&mut cluster, 0);
    assert_eq!((slot.local_wh, slot.island_wh), (0, 900));
    let lines = slot.lines.iter();
    assert!(
        lines
            .clone()
            .all(|line| line.reason == Reason::IslandSupply)
    );
    assert!(lines.clone().all(|line| line.price == 32 * CENT));
    assert!(lines.clone().all(|line| line.kind == EnergyType::Battery));
}

#[test]
fn a_grid_that_comes_back_within_the_slot_brings_its_bounds() {
    let mut cluster = cluster();
    read(&mut cluster, 0, [0, 0], 0);
    assert!(cluster.island(1, None) && cluster.settle(0));
    cluster.step(SLOT_MS + 500).expect("a block");
    assert!(cluster.price(1));
    cluster.step(SLOT_MS + 600).expect("a block");
    assert_eq!(cluster.chain().price(1).expect("a price").scalar, 32 * CENT);
    // Its end is not stated, as if the aggregator had gone.
    read(&mut cluster, 1, [500, 0], 300);
    assert!(cluster.settle(1));
    cluster.step(2 * SLOT_MS + 500).expect("a block");
    let slot = settled(&cluster);
    assert_eq!(
        (slot.footing, slot.local_wh, slot.bought_wh),
        (Footing::Grid, 300, 200)
    );
    assert!(slot.lines.iter().all(|line| line.price == 30 * CENT));
}

#[test]
fn a_slot_with_a_grid_for_a_part_names_the_utility_for_that_part_only() {
    let mut cluster = cluster();
    let utility = cluster.utility.account();
    let before = cluster.chain().wallet(utility).expect("a wallet").money;
    area(&mut cluster, SLOT_MS, 600);
    read(&mut cluster, 0, [700, 200], 300);
    let over = IslandOver {
        from_grid_wh: Some(600),
        ..NOTHING
    };
    assert!(cluster.island(0, Some(over)) && cluster.settle(0));
    cluster.step(SLOT_MS + 1_000).expect("a block");
    assert_eq!(refused(&cluster), Vec::<String>::new());
    let slot = settled(&cluster);
    let footing = Footing::Part {
        from_neighbours_wh: 0,
        from_grid_wh: 600,
    };
    assert_eq!(slot.footing, footing);
    assert_eq!(
        (slot.bought_wh, slot.sold_wh, slot.island_wh),
        (600, 0, 300)
    );
    let after = cluster.chain().wallet(utility).expect("a wallet").money;
    assert_eq!(after - before, 600 * 300_000);
    let battery = cluster.homes[2].0.account();
    assert_eq!(cluster.chain().bill(battery).total, 300 * 320_000);
    cluster.chain().audit().expect("balanced books");
}

#[test]
fn a_statement_that_area_loads_contradict_is_refused() {
    let mut cluster = cluster();
    // 900 Wh came through the point of connection.
    area(&mut cluster, SLOT_MS, 900);
    read(&mut cluster, 0, [700, 200], 0);
    assert!(cluster.island(0, Some(NOTHING)) && cluster.settle(0));
    cluster.step(SLOT_MS + 1_000).expect("a block");
    let reasons = refused(&cluster);
    assert!(
        reasons.len() == 1
            && reasons[0].contains("900 Wh more came through the point of connection"),
        "{reasons:?}"
    );
    assert_eq!(settled(&cluster).footing, Footing::Grid);
    assert_eq!(settled(&cluster).bought_wh, 900);
}

#[test]
fn a_statement_that_meters_contradict_does_not_hold() {
    let mut cluster = cluster();
    // The area load is false as well, but the meters took more than was given.
    area(&mut cluster, SLOT_MS, 0);
    read(&mut cluster, 0, [700, 200], 100);
    assert!(cluster.island(0, Some(NOTHING)) && cluster.settle(0));
    cluster.step(SLOT_MS + 1_000).expect("a block");
    assert_eq!(refused(&cluster), Vec::<String>::new());
    let slot = settled(&cluster);
    assert_eq!(slot.footing, Footing::Doubted { short_wh: 800 });
    // Without a price everything is exchanged with the utility.
    assert_eq!((slot.bought_wh, slot.sold_wh), (900, 100));
    cluster.chain().audit().expect("balanced books");
}

#[test]
fn statements_come_from_the_aggregator_in_time_and_once() {
    let mut cluster = cluster();
    let home = cluster.homes[0].0.clone();
    let body = TxBody::Island {
        slot: 0,
        over: None,
    };
    let tx = cluster.sign(&home, body);
    cluster.submit(tx);
    cluster.step(1_000).expect("a block");
    assert!(refused(&cluster)[0].contains("only the LG-Aggregator"));
    let neighbours = IslandOver {
        from_neighbours_wh: 70,
        ..NOTHING
    };
    let mut says = |slot, over, now_ms| {
        cluster.island(slot, over);
        cluster.step(now_ms).expect("a block");
        refused(&cluster).pop().unwrap_or_default()
    };
    assert!(says(1, None, 2_000).contains("does not begin"));
    assert_eq!(says(0, None, 3_000), "");
    assert!(says(0, None, 4_000).contains("stated already"));
    assert!(says(0, Some(NOTHING), 5_000).contains("is not over"));
    assert!(says(0, Some(neighbours), SLOT_MS).contains("no neighbours"));
    read(&mut cluster, 0, [0, 0], 0);
    assert!(cluster.settle(0));
    cluster.step(SLOT_MS + 1_000).expect("a block");
    // The beginning alone settles nothing as an island.
    assert_eq!(settled(&cluster).footing, Footing::Grid);
    cluster.island(0, Some(NOTHING));
    cluster.step(SLOT_MS + 2_000).expect("a block");
    assert!(refused(&cluster)[0].contains("settled already"));
}
