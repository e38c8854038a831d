//! What the cloud is told and keeps: every settled lot is in the archive, and
//! nothing is lost while the link to the cloud is cut.

use std::path::Path;

use gridloom_core::archive::{Archive, Fact};
use gridloom_core::edge::Cloud;
use gridloom_core::market::{Books, Pricing};
use gridloom_core::query::Query;
use gridloom_core::{Command, Twin, TwinOptions};
use gridloom_model::scene;
use gridloom_units::Tick;

fn twin() -> Twin {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenes/two_houses.scene.ron");
    let loaded = scene::load(&path).unwrap_or_else(|issues| panic!("{issues:?}"));
    Twin::new(loaded, TwinOptions::default()).expect("the scene builds")
}

fn number(twin: &mut Twin, text: &str) -> f64 {
    let query = Query::new(text, twin.scene()).expect("known");
    twin.value(&query).number().expect("a number")
}

#[test]
fn the_archive_holds_every_lot_of_the_books() {
    let mut twin = twin();
    let mut archive = Archive::new(&mut twin);
    let mut facts = Vec::new();
    while twin.tick() < Tick(1_700) {
        twin.step();
        if archive.is_due(&twin) {
            facts.extend(archive.take(&mut twin));
        }
    }
    facts.extend(archive.take(&mut twin));
    let sum = |wanted: &str| -> i64 {
        let lots = facts.iter().filter_map(|fact| match fact {
            Fact::Trade {
                reason, energy_wh, ..
            } if *reason == wanted => Some(*energy_wh),
            _ => None,
        });
        lots.sum()
    };
    let books = twin.resource::<Books>().clone();
    assert!(books.slots_settled >= 3 && books.traded_wh > 0, "{books:?}");
    assert_eq!(sum("local trade"), books.traded_wh);
    assert_eq!(sum("export to the grid"), books.sold_wh);
    // Each slot was expected before it came, and judged by what it was.
    let expected = |wanted: &str| {
        let all = facts.iter().filter_map(|fact| match fact {
            Fact::Forecast { quantity, slot, .. } if *quantity == wanted => Some(*slot),
            _ => None,
        });
        all.collect::<Vec<u32>>()
    };
    assert_eq!(expected("demand"), [1, 2, 3, 4, 5]);
    assert_eq!(expected("solar").len(), 5);
}

#[test]
fn the_edge_prices_alone_and_hands_in_what_the_cloud_missed() {
    let mut connected = twin();
    let mut cut = twin();
    connected.run_until(Tick(1_500));
    cut.run_until(Tick(290));
    cut.send(Command::CloudLink { up: false });
    cut.run_until(Tick(420));
    assert_eq!(number(&mut cut, "uplink"), 0.0);
    assert_eq!(number(&mut cut, "alone(A)"), 1.0);
    cut.run_until(Tick(1_100));
    // Slots of five minutes: the fourth runs, and all have their price.
    assert_eq!(number(&mut cut, "slot(A)"), 3.0);
    assert!(number(&mut cut, "backlog(A)") > 8.0);
    assert_eq!(cut.resource::<Pricing>().by_edge, 3);
    let height = number(&mut cut, "height(root)");
    assert!(height > 0.0, "the root's own validators go on");
    cut.send(Command::CloudLink { up: true });
    cut.run_until(Tick(1_500));
    assert_eq!(number(&mut cut, "backlog(A)"), 0.0);
    assert_eq!(number(&mut cut, "alone(A)"), 0.0);
    // The cloud has every interval, as if nothing had been.
    let cloud = |twin: &Twin| twin.resource::<Cloud>().clone();
    let (one, other) = (cloud(&connected), cloud(&cut));
    assert_eq!(one.loads_until_ms, other.loads_until_ms);
    assert_eq!(one.intervals, other.intervals);
    assert_eq!(
        cut.resource::<Books>().unbalanced,
        0,
        "and the books balance"
    );
}

#[test]
fn another_strategy_reaches_the_edge_and_saves_reports() {
    let mut twin = twin();
    twin.run_until(Tick(310));
    twin.send(Command::Upload {
        every: 5,
        threshold_wh: 0,
    });
    twin.run_until(Tick(620));
    let view = twin.view(None);
    assert_eq!((view.edges[0].strategy, view.edges[0].every), (2, 5));
    twin.run_until(Tick(1_000));
    let view = twin.view(None);
    assert!(view.edges[0].waiting > 0, "intervals wait for their turn");
    assert!(view.edges[0].alone_s.is_none(), "and that is no silence");
    twin.send(Command::Upload {
        every: 0,
        threshold_wh: 0,
    });
    twin.run_until(Tick(1_002));
    let view = twin.view(None);
    let said = view.rejections.last().expect("refused");
    assert!(said.contains("1 to 96"), "{said}");
}
