//! Orders and wholesale bids in the twin: they move prices and bills, rewind
//! and record like everything that a person does.

use gridloom_core::expect::Expectations;
use gridloom_core::market::agents::{member, order_outcome, orders_so_far, slot_facts};
use gridloom_core::market::{OrderSlot, OrderState, WholesaleDesk, bill, inspect};
use gridloom_core::query::Query;
use gridloom_core::recording::recorded;
use gridloom_core::{Command, Twin, TwinOptions};
use gridloom_market::{Step, Terms};
use gridloom_model::scene::{EventAction, LoadedScene};
use gridloom_units::Tick;

fn loaded() -> LoadedScene {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenes/wholesale.scene.ron");
    gridloom_model::scene::load(path.as_ref()).expect("the scene loads")
}

/// The scene without its own bids.
fn quiet(options: TwinOptions) -> Twin {
    let mut loaded = loaded();
    loaded.scene.events.clear();
    Twin::new(loaded, options).expect("it can be built")
}

fn rewindable() -> TwinOptions {
    TwinOptions {
        rewindable: true,
        ..TwinOptions::default()
    }
}

fn buys(limit: i64) -> Box<Terms> {
    Box::new(Terms {
        buy: Some(vec![Step {
            limit,
            wh: None,
            kind: None,
        }]),
        sell: None,
    })
}

fn value(twin: &Twin, text: &str) -> bool {
    let query = Query::new(text, twin.scene()).expect(text);
    twin.value(&query).is_true()
}

/// Bids for every slot after the running one; the terms of a number of slots.
fn bid_on(twin: &mut Twin, end: Tick, limit: i64) {
    let (_, device) = member(twin, "H2").expect("a home");
    while twin.tick() < end {
        // Half way through every slot of five minutes.
        if twin.tick().0 % 300 == 150 {
            twin.send(Command::PlaceOrder {
                device,
                slot: OrderSlot::Ahead(1),
                terms: buys(limit),
            });
        }
        twin.step();
    }
}

#[test]
fn the_scene_meets_its_expectations() {
    let mut twin = Twin::new(loaded(), TwinOptions::default()).expect("it can be built");
    let specs = twin.scene().scene.expect.clone();
    let end = twin.end().start(twin.tick_ms());
    let mut watch = Expectations::new(&specs, end).expect("times are valid");
    while twin.tick() < twin.end() {
        twin.step();
        watch.observe(&mut twin);
    }
    for outcome in watch.finish(&mut twin) {
        assert!(outcome.met, "{}: {}", outcome.what, outcome.seen);
    }
    let books = twin.resource::<WholesaleDesk>().books[0];
    assert!(
        books.slots >= 6 && books.bought_wh > 0 && books.sold_wh > 0,
        "{books:?}"
    );
}

#[test]
fn a_lower_bid_is_cheaper_or_buys_nothing() {
    let end = Tick(3_600);
    let bill = |limit: Option<i64>| {
        let mut twin = quiet(TwinOptions::default());
        match limit {
            Some(limit) => bid_on(&mut twin, end, limit),
            None => twin.run_until(end),
        }
        let bill = bill::bill(&mut twin, "H2").expect("a bill");
        let local: i64 = (bill.lines.iter())
            .filter(|line| line.what == "local trade")
            .map(|line| line.energy_wh)
            .sum();
        (local, bill.total_nano_eur)
    };
    let (alone_wh, alone) = bill(None);
    let (cheap_wh, cheap) = bill(Some(115_000));
    let (low_wh, low) = bill(Some(90_000));
    assert!(alone_wh > 300, "{alone_wh}");
    assert_eq!(cheap_wh, alone_wh);
    assert!(cheap > alone, "{cheap} {alone}");
    assert!(low_wh < alone_wh / 2 && low < cheap, "{low_wh} {low}");
}

#[test]
fn orders_rewind_and_record() {
    let end = Tick(1_900);
    let mut twin = quiet(rewindable());
    bid_on(&mut twin, end, 120_000);
    assert!(value(&twin, "orders(H2) >= 4"));
    let hashes = twin.hashes().to_vec();
    twin.seek(Tick(450));
    twin.run_until(end);
    assert_eq!(twin.divergence(), None);
    // Every order became an event of the recorded scene, which runs to the same state.
    let recorded = recorded(&twin);
    assert_eq!((recorded.events, recorded.left_out), (6, 0));
    let bids = recorded.scene.events.iter();
    assert!(
        bids.clone()
            .all(|event| matches!(event.action, EventAction::Bid(..)))
    );
    let text = recorded.scene.to_ron().expect("as text");
    assert!(text.contains("Bid(\"H2\""), "{text}");
    let again = LoadedScene {
        scene: recorded.scene,
        ..loaded()
    };
    let mut again = Twin::new(again, TwinOptions::default()).expect("it can be built");
    again.run_until(end);
    assert_eq!(again.hashes(), hashes);
}

#[test]
fn what_cannot_be_ordered_is_said() {
    let mut twin = quiet(TwinOptions::default());
    twin.run_until(Tick(320));
    let (cluster, device) = member(&twin, "H2").expect("a home");
    for (slot, limit) in [
        (OrderSlot::At(1), 120_000),
        (OrderSlot::Ahead(9), 120_000),
        (OrderSlot::Ahead(1), 310_000),
        (OrderSlot::Ahead(1), 120_000),
    ] {
        twin.send(Command::PlaceOrder {
            device,
            slot,
            terms: buys(limit),
        });
    }
    twin.run_until(Tick(350));
    assert_eq!(orders_so_far(&twin, device), 4);
    let reasons: Vec<String> = (1..=4)
        .filter_map(|number| match order_outcome(&twin, device, number)?.state {
            OrderState::Refused { reason } => Some(reason),
            OrderState::Placed { .. } => None,
        })
        .collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(reasons[0].contains("slots 2 and 3 are"));
    assert!(reasons[2].contains("not between what the grid pays"));
    let stands = order_outcome(&twin, device, 4).map(|outcome| (outcome.slot, outcome.state));
    assert!(
        matches!(stands, Some((2, OrderState::Placed { .. }))),
        "{stands:?}"
    );
    let facts = slot_facts(&mut twin, cluster, Some("H2"));
    assert_eq!((facts.slot, facts.open), (1, [2, 3]));
    assert!(facts.deadline_ms < 600_000);

    // A contract that forms its price without bids refuses them on the ledger.
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scenes/two_houses.scene.ron"
    );
    let typed = gridloom_model::scene::load(path.as_ref()).expect("the scene loads");
    let mut twin = Twin::new(typed, TwinOptions::default()).expect("it can be built");
    twin.run_until(Tick(60));
    let (_, device) = member(&twin, "H2").expect("a home");
    twin.send(Command::PlaceOrder {
        device,
        slot: OrderSlot::Ahead(1),
        terms: buys(200_000),
    });
    twin.run_until(Tick(90));
    let state = order_outcome(&twin, device, 1).map(|outcome| outcome.state);
    let Some(OrderState::Refused { reason }) = state else {
        panic!("{state:?}");
    };
    assert!(reason.contains("asks for no orders"), "{reason}");
}

#[test]
fn the_reason_of_a_price_names_bids_and_position() {
    let mut twin = quiet(TwinOptions::default());
    bid_on(&mut twin, Tick(2_700), 120_000);
    let rows = inspect::slots(&mut twin);
    let with = rows.iter().filter_map(|row| row.why.as_ref());
    let sunny = with
        .clone()
        .filter(|why| why.orders == 1 && why.free == 120_000);
    assert!(sunny.count() >= 2, "{rows:?}");
    assert!(
        with.clone()
            .any(|why| why.position.is_some_and(|p| p.wh > 0))
    );
    for why in with {
        // Nothing limits the step here: the price is what the rule gives.
        assert_eq!(why.held, 0, "{why:?}");
        assert!(80_000 <= why.lower && why.lower <= why.upper && why.upper <= 300_000);
    }
}
