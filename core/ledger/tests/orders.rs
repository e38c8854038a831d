//! Orders of participants and bids of the wholesale agent on a cluster's ledger.

use gridloom_ledger::rehearsal::{CENT, EURO, Rehearsal};
use gridloom_ledger::{
    KeyPair, MAX_ORDERS_PER_SLOT, MarketRules, MeterReading, Receipt, TxBody, WholesaleAgent,
};
use gridloom_market::wholesale::{BidStep, HOURS, WholesaleTerms};
use gridloom_market::{Reason, Rule, Step, Terms};
use proptest::prelude::*;

const SLOT_MS: u64 = 900_000;

fn rules() -> MarketRules {
    MarketRules {
        slot_ms: SLOT_MS,
        reading_ms: SLOT_MS,
        feed_in: 8 * CENT,
        import: 30 * CENT,
        max_step: 0,
        wholesale: None,
        island: 32 * CENT,
    }
}

fn under(rule: Rule, rules: MarketRules) -> Rehearsal {
    let mut cluster = Rehearsal::with(2, 2, 50 * EURO, rules).expect("a good genesis");
    cluster.register_under(rule, 0).expect("registered");
    cluster
}

fn buys(cents: i64) -> Terms {
    Terms {
        buy: Some(vec![Step {
            limit: cents * CENT,
            wh: None,
            kind: None,
        }]),
        sell: None,
    }
}

fn refused(cluster: &Rehearsal) -> Vec<String> {
    let reason = |receipt: &Receipt| match receipt {
        Receipt::Refused { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    cluster.receipts().iter().filter_map(reason).collect()
}

/// One slot in which the first home takes and the second gives, with orders of
/// the first for the slot after; returns what was traded and at what price.
fn slot(cluster: &mut Rehearsal, slot: u32, next: &[Terms]) -> (i64, Option<i64>) {
    let start_ms = u64::from(slot) * SLOT_MS;
    if slot > 0 {
        assert!(cluster.price(slot));
        cluster.step(start_ms + 5_000).expect("a block");
        assert!(cluster.chain().price(slot).is_some());
    }
    for (n, terms) in next.iter().enumerate() {
        assert!(cluster.order(0, slot + 1, terms.clone()));
        cluster.step(start_ms + 10_000 + n as u64).expect("a block");
        assert_eq!(refused(cluster), [""; 0]);
    }
    let wh = 1_000 * (i64::from(slot) + 1);
    let end_ms = start_ms + SLOT_MS;
    let taken = MeterReading {
        interval_end_ms: end_ms,
        import_wh: wh,
        ..MeterReading::default()
    };
    let given = MeterReading {
        interval_end_ms: end_ms,
        export_solar_wh: wh,
        ..MeterReading::default()
    };
    cluster.read(0, taken);
    cluster.read(1, given);
    cluster.step(end_ms + 100).expect("a block");
    cluster.settle(slot);
    cluster.step(end_ms + 200).expect("a block");
    cluster.chain().audit().expect("balanced books");
    let (_, settled) = cluster.chain().settlements().next().expect("settled");
    let local = |line: &&gridloom_market::MoneyLine| line.reason == Reason::LocalTrade;
    let line = settled.lines.iter().find(local);
    (settled.local_wh, line.map(|line| line.price))
}

#[test]
fn an_order_moves_price_and_trade_of_its_slot_only() {
    for (rule, ordered, standing) in [
        (Rule::PayAsBid, 20 * CENT, 30 * CENT),
        // As much offered as asked for: one price lies in the middle of bid and ask.
        (Rule::PayAsClear, 14 * CENT, 19 * CENT),
    ] {
        let mut cluster = under(rule, rules());
        let scalar = |cluster: &Rehearsal, slot| cluster.chain().price(slot).map(|p| p.scalar);
        slot(&mut cluster, 0, &[buys(20)]);
        assert_eq!(slot(&mut cluster, 1, &[]), (1_000, Some(ordered)));
        assert_eq!(scalar(&cluster, 1), Some(ordered));
        // The order of a settled slot is forgotten, and without one the limits
        // of the contract stand again: the grid's prices.
        let home = cluster.homes[0].0.account();
        assert!(cluster.chain().orders(home).is_empty());
        let nothing = Terms {
            buy: Some(vec![]),
            sell: None,
        };
        assert_eq!(slot(&mut cluster, 2, &[nothing]), (1_000, Some(standing)));
        assert_eq!(scalar(&cluster, 2), Some(standing));
        // Who buys nothing inside buys from the grid.
        let newest = [buys(12), buys(20)];
        assert_eq!(slot(&mut cluster, 3, &newest), (0, None));
        // The newest order counts, a cancelled one does not.
        let cancelled = [buys(12), Terms::default()];
        assert_eq!(slot(&mut cluster, 4, &cancelled), (1_000, Some(ordered)));
        assert_eq!(slot(&mut cluster, 5, &[]), (1_000, Some(standing)));
    }
}

#[test]
fn orders_are_refused_with_the_reason() {
    let mut cluster = under(Rule::PayAsBid, rules());
    let mut say = |slot: u32, terms: Terms, time_ms: u64| {
        assert!(cluster.order(0, slot, terms));
        cluster.step(time_ms).expect("a block");
        refused(&cluster).first().cloned().unwrap_or_default()
    };
    assert!(say(0, buys(20), 1_000).contains("slot 0 is not open"));
    assert!(say(3, buys(20), 2_000).contains("the next two slots are"));
    assert_eq!(say(1, buys(20), 3_000), "");
    assert_eq!(say(2, buys(20), 4_000), "");
    assert!(say(1, buys(31), 5_000).contains("not between what the grid pays"));
    assert!(say(1, buys(7), 6_000).contains("not between what the grid pays"));
    // The gate closes with the start of the slot.
    assert!(say(1, buys(20), SLOT_MS).contains("slot 1 is not open"));
    // One slot takes a limited number of orders.
    let mut last = String::new();
    for n in 0..=MAX_ORDERS_PER_SLOT {
        last = say(3, buys(20), SLOT_MS + 1_000 + u64::from(n));
    }
    assert!(last.contains("more are not taken"), "{last}");

    let mut typed = under(Rule::Typed, rules());
    assert!(typed.order(0, 1, buys(20)));
    typed.step(1_000).expect("a block");
    assert!(refused(&typed)[0].contains("asks for no orders"));
    let operator = typed.operator.clone();
    let body = TxBody::Order {
        slot: 1,
        terms: buys(20),
    };
    let tx = typed.sign(&operator, body);
    assert!(typed.submit(tx));
    typed.step(2_000).expect("a block");
    assert!(refused(&typed)[0].contains("is no participant"));
}

#[test]
fn an_order_that_was_overtaken_does_not_come_back() {
    let mut cluster = under(Rule::PayAsBid, rules());
    let home = cluster.homes[0].0.clone();
    let order = |cluster: &mut Rehearsal, cents| {
        let body = TxBody::Order {
            slot: 1,
            terms: buys(cents),
        };
        cluster.sign(&home, body)
    };
    let older = order(&mut cluster, 12);
    let newer = order(&mut cluster, 25);
    assert!(cluster.submit(newer));
    cluster.step(1_000).expect("a block");
    assert!(cluster.submit(older));
    cluster.step(2_000).expect("a block");
    assert!(refused(&cluster)[0].contains("a newer order for slot 1 stands"));
    let orders = cluster.chain().orders(home.account());
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].terms, buys(25));
}

fn with_agent(key: &KeyPair) -> MarketRules {
    MarketRules {
        wholesale: Some(WholesaleAgent {
            account: key.account(),
            terms: WholesaleTerms {
                anchor: [12 * CENT; HOURS],
                spread: CENT,
                block_wh: 10_000,
                impact: CENT,
                margin: 2 * CENT,
                max_wh: 20_000,
            },
        }),
        ..rules()
    }
}

fn bid(cluster: &mut Rehearsal, key: &KeyPair, slot: u32, wh: i64, now_ms: u64) {
    let limit = if wh > 0 { 28 * CENT } else { 9 * CENT };
    let body = TxBody::WholesaleBid {
        slot,
        steps: vec![BidStep { wh, limit }],
    };
    let tx = cluster.sign(key, body);
    assert!(cluster.submit(tx));
    cluster.step(now_ms).expect("a block");
}

#[test]
fn what_the_agent_buys_is_what_the_members_pay_and_the_books_balance() {
    let agent = KeyPair::from_seed([77; 32]);
    let mut cluster = under(Rule::Typed, with_agent(&agent));
    bid(&mut cluster, &agent, 1, 2_000, 1_000);
    assert_eq!(refused(&cluster), [""; 0]);
    cluster.step(SLOT_MS - 10_000).expect("a block");
    let take = |cluster: &mut Rehearsal, end_ms, wh| {
        let reading = MeterReading {
            interval_end_ms: end_ms,
            import_wh: wh,
            ..MeterReading::default()
        };
        cluster.read(0, reading);
        cluster.step(end_ms + 100).expect("a block");
    };
    take(&mut cluster, SLOT_MS, 1_000);
    cluster.settle(0);
    assert!(cluster.price(1));
    cluster.step(SLOT_MS + 5_000).expect("a block");
    let price = cluster.chain().price(1).expect("priced");
    // 2 kWh of the first block at 13 ct.
    let position = price.position.expect("it cleared");
    assert_eq!((position.wh, position.price), (2_000, 13 * CENT));
    assert_eq!(
        (price.grid.feed_in, price.grid.import),
        (11 * CENT, 15 * CENT)
    );
    // Nothing is on offer: the next kilowatt-hour is imported, at 15 ct.
    assert_eq!(price.scalar, 15 * CENT);
    take(&mut cluster, 2 * SLOT_MS, 1_000 + 3_000);
    let home = cluster.homes[0].0.account();
    let money = |cluster: &Rehearsal, id| cluster.chain().wallet(id).map_or(0, |w| w.money);
    let before = [home, agent.account()].map(|id| money(&cluster, id));
    cluster.settle(1);
    cluster.step(2 * SLOT_MS + 200).expect("a block");
    let after = [home, agent.account()].map(|id| money(&cluster, id));
    // 3 kWh at 15 ct. The agent bought 2 at 13 and had to buy 1 at 30 ct: it
    // gets 45, owes 56, has nothing and is lent the 11 ct.
    assert_eq!(before[0] - after[0], EURO * 45 / 100);
    assert_eq!(after[1], 0);
    let debt = cluster
        .chain()
        .wallet(agent.account())
        .expect("it has one")
        .debt;
    assert_eq!(debt, EURO * 11 / 100);
    cluster.chain().audit().expect("balanced books");
    assert!(cluster.receipts().iter().any(|receipt| matches!(
        receipt,
        Receipt::WholesaleSettled { slot: 1, delivered, .. }
            if delivered.imbalance_wh == 1_000 && delivered.earned == -EURO * 11 / 100
    )));
    // The slot after has no bid: the tariff again.
    assert!(cluster.price(2));
    cluster.step(2 * SLOT_MS + 5_000).expect("a block");
    let price = cluster.chain().price(2).expect("priced");
    assert_eq!((price.position, price.grid), (None, rules().tariff()));
}

#[test]
fn bids_of_strangers_and_beyond_the_terms_are_refused() {
    let agent = KeyPair::from_seed([77; 32]);
    let mut cluster = under(Rule::Typed, with_agent(&agent));
    let home = cluster.homes[0].0.clone();
    bid(&mut cluster, &home, 1, 2_000, 1_000);
    assert!(refused(&cluster)[0].contains("only the wholesale agent"));
    bid(&mut cluster, &agent, 1, 20_001, 2_000);
    assert!(refused(&cluster)[0].contains("at most 20000 Wh"));
    bid(&mut cluster, &agent, 0, 2_000, 3_000);
    assert!(refused(&cluster)[0].contains("slot 0 is not open"));
    let mut without = under(Rule::Typed, rules());
    bid(&mut without, &home, 1, 2_000, 1_000);
    assert!(refused(&without)[0].contains("nobody deals at the wholesale market"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is bid, money and energy balance and every member keeps to the
    /// tariff's bounds.
    #[test]
    fn the_books_balance_under_any_orders_and_bids(
        slots in prop::collection::vec(
            (
                (0_i64..3_000, 0_i64..3_000, -9_000_i64..9_000),
                prop::collection::vec((8_i64..=30, prop::option::of(1_i64..2_000)), 0..4),
                prop::collection::vec((8_i64..=30, prop::option::of(1_i64..2_000)), 0..4),
            ),
            1..5,
        ),
        clear in prop::bool::ANY,
    ) {
        let agent = KeyPair::from_seed([77; 32]);
        let rule = if clear { Rule::PayAsClear } else { Rule::PayAsBid };
        let mut cluster = under(rule, with_agent(&agent));
        let (mut taken, mut given) = (0, 0);
        for (slot, ((import_wh, solar_wh, wh), buy, sell)) in slots.into_iter().enumerate() {
            let start_ms = slot as u64 * SLOT_MS;
            if slot > 0 {
                prop_assert!(cluster.price(slot as u32));
                cluster.step(start_ms + 1_000).expect("a block");
            }
            taken += import_wh;
            given += solar_wh;
            let steps = |list: Vec<(i64, Option<i64>)>| -> Vec<Step> {
                let step = |(cents, wh)| Step { limit: cents * CENT, wh, kind: None };
                list.into_iter().map(step).collect()
            };
            let next = slot as u32 + 1;
            cluster.order(0, next, Terms { buy: Some(steps(buy)), sell: None });
            cluster.order(1, next, Terms { buy: None, sell: Some(steps(sell)) });
            cluster.step(start_ms + 2_000).expect("a block");
            if wh != 0 {
                bid(&mut cluster, &agent, next, wh, start_ms + 3_000);
            }
            let end_ms = start_ms + SLOT_MS;
            let read = |import_wh, export_solar_wh| MeterReading {
                interval_end_ms: end_ms, import_wh, export_solar_wh, ..MeterReading::default()
            };
            cluster.read(0, read(taken, 0));
            cluster.read(1, read(0, given));
            cluster.step(end_ms + 100).expect("a block");
            cluster.settle(slot as u32);
            cluster.step(end_ms + 200).expect("a block");
            prop_assert_eq!(cluster.chain().settled_through(), Some(slot as u32));
            prop_assert!(cluster.chain().audit().is_ok());
            let (_, settled) = cluster.chain().settlements().next().expect("settled");
            for line in &settled.lines {
                prop_assert!((8 * CENT..=30 * CENT).contains(&line.price), "{:?}", line);
            }
            let both: i64 = settled.lines.iter().map(|line| line.energy_wh).sum();
            prop_assert_eq!(both + settled.local_wh, import_wh + solar_wh);
        }
    }
}
