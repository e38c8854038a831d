use super::*;
use crate::Step;

const CENT: i64 = 10_000;
const ANY: [u32; EnergyType::COUNT] = [1; EnergyType::COUNT];

fn account(n: u8) -> AccountId {
    AccountId([n; 32])
}

fn buy(n: u8, demand_wh: i64) -> BuyOrder {
    BuyOrder {
        account: account(n),
        demand_wh,
        weights: ANY,
    }
}

fn sell(n: u8, offered_wh: i64) -> SellOrder {
    SellOrder {
        account: account(n),
        kind: EnergyType::Solar,
        offered_wh,
    }
}

fn cleared(rule: &Rule, buyers: &[BuyOrder], sellers: &[SellOrder]) -> Cleared {
    cleared_with(rule, buyers, sellers, &BTreeMap::new())
}

fn cleared_with(
    rule: &Rule,
    buyers: &[BuyOrder],
    sellers: &[SellOrder],
    placed: &BTreeMap<AccountId, Terms>,
) -> Cleared {
    let cents = |buy: i64, sell: i64| (Some(buy * CENT), Some(sell * CENT));
    let limits = BTreeMap::from([
        (account(1), cents(28, 8)),
        (account(2), cents(20, 8)),
        (account(8), cents(30, 10)),
        (account(9), cents(30, 25)),
    ]);
    clear_slot(
        rule,
        &SlotOrders {
            lower: 8 * CENT,
            upper: 30 * CENT,
            decided: &[19 * CENT; EnergyType::COUNT],
            buyers,
            sellers,
            wishes: &[],
            limits: &limits,
            placed,
        },
    )
    .expect("valid")
}

#[test]
fn the_auctions_match_the_highest_bid_with_the_lowest_ask() {
    let (buyers, sellers) = ([buy(2, 5), buy(1, 5)], [sell(9, 5), sell(8, 5)]);
    let bid = cleared(&Rule::PayAsBid, &buyers, &sellers);
    assert_eq!(bid.paid, [28 * CENT]);
    assert_eq!(bid.allocation.transfers[0].buyer, account(1));
    assert_eq!(bid.allocation.unmet, [(account(2), 5)]);
    assert_eq!(bid.allocation.unsold, [(account(9), EnergyType::Solar, 5)]);
    // 20 to 25 ct clear the same 5 Wh; nobody pays more than they bid.
    let one = cleared(&Rule::PayAsClear, &buyers, &sellers);
    assert_eq!(one.paid, [225_000]);
    assert_eq!(one.allocation, bid.allocation);
}

#[test]
fn an_order_book_in_two_orders_clears_alike() {
    let (mut buyers, mut sellers) = (
        vec![buy(1, 7), buy(2, 9), buy(3, 4)],
        vec![sell(8, 6), sell(9, 11), sell(7, 3)],
    );
    for rule in [
        Rule::PayAsBid,
        Rule::PayAsClear,
        Rule::BillSharing,
        Rule::Typed,
    ] {
        let before = cleared(&rule, &buyers, &sellers);
        buyers.reverse();
        sellers.reverse();
        assert_eq!(
            cleared(&rule, &buyers, &sellers),
            before,
            "{}",
            rule_name(&rule)
        );
    }
}

fn rule_name(rule: &Rule) -> &'static str {
    crate::PriceRule::name(rule)
}

#[test]
fn bill_sharing_splits_the_outside_bill_by_consumption() {
    // 60 of 100 kWh come from inside: everybody buys 40 % outside.
    let (buyers, sellers) = ([buy(1, 75_000), buy(2, 25_000)], [sell(8, 60_000)]);
    let shared = cleared(&Rule::BillSharing, &buyers, &sellers);
    assert!(shared.paid.iter().all(|price| *price == 0));
    // To the watt-hour that rounding moves.
    for ((of, wh), (n, share)) in shared
        .allocation
        .unmet
        .iter()
        .zip([(1, 30_000), (2, 10_000)])
    {
        assert!(*of == account(n) && (wh - share).abs() <= 1, "{wh}");
    }
}

fn step(cents: i64, wh: Option<i64>) -> Step {
    Step {
        limit: cents * CENT,
        wh,
        kind: None,
    }
}

#[test]
fn an_order_stands_in_place_of_the_contracts_limits() {
    let (buyers, sellers) = ([buy(2, 5), buy(1, 5)], [sell(9, 5), sell(8, 5)]);
    let order = |buy, sell| Terms { buy, sell };
    // The first buyer bids 9 ct: below every ask. The second one, at 20 ct,
    // gets what is offered from 10 ct on.
    let low = BTreeMap::from([(account(1), order(Some(vec![step(9, None)]), None))]);
    let found = cleared_with(&Rule::PayAsBid, &buyers, &sellers, &low);
    assert_eq!(found.paid, [20 * CENT]);
    assert_eq!(found.allocation.transfers[0].buyer, account(2));
    assert_eq!(found.allocation.unmet, [(account(1), 5)]);
    // A curve: 2 Wh at 28 ct, the rest at 12 ct; the other buyer comes between.
    let curve = vec![step(12, None), step(28, Some(2))];
    let curve = BTreeMap::from([(account(1), order(Some(curve), None))]);
    let found = cleared_with(&Rule::PayAsBid, &buyers, &sellers, &curve);
    let bought: Vec<(AccountId, i64, i64)> = (found.allocation.transfers.iter())
        .zip(&found.paid)
        .map(|(t, price)| (t.buyer, t.energy_wh, *price))
        .collect();
    assert_eq!(
        bought,
        [(account(1), 2, 28 * CENT), (account(2), 3, 20 * CENT)]
    );
    // A seller who keeps back sells the rest to the grid; nobody's demand is lost.
    let back = BTreeMap::from([(account(8), order(None, Some(vec![step(10, Some(1))])))]);
    let found = cleared_with(&Rule::PayAsBid, &buyers, &sellers, &back);
    let unsold: i64 = found.allocation.unsold.iter().map(|(_, _, wh)| wh).sum();
    let unmet: i64 = found.allocation.unmet.iter().map(|(_, wh)| wh).sum();
    let traded: i64 = found.allocation.transfers.iter().map(|t| t.energy_wh).sum();
    assert_eq!((traded + unsold, traded + unmet), (10, 10));
    assert!(
        found
            .allocation
            .unsold
            .contains(&(account(8), EnergyType::Solar, 4))
    );
}

#[test]
fn an_order_for_one_type_leaves_the_others_and_moves_the_one_price() {
    let sellers = [
        sell(8, 5),
        SellOrder {
            kind: EnergyType::Battery,
            ..sell(9, 5)
        },
    ];
    let only = Step {
        kind: Some(EnergyType::Battery),
        ..step(28, None)
    };
    let placed = BTreeMap::from([(
        account(1),
        Terms {
            buy: Some(vec![only]),
            sell: None,
        },
    )]);
    let found = cleared_with(&Rule::PayAsBid, &[buy(1, 8)], &sellers, &placed);
    assert_eq!(found.allocation.transfers.len(), 1);
    assert_eq!(found.allocation.transfers[0].kind, EnergyType::Battery);
    assert_eq!(found.allocation.unmet, [(account(1), 3)]);
    // At one price for all, a lower bid of the marginal buyer lowers it.
    let at = |cents| {
        let terms = Terms {
            buy: Some(vec![step(cents, None)]),
            sell: None,
        };
        let placed = BTreeMap::from([(account(1), terms)]);
        cleared_with(&Rule::PayAsClear, &[buy(1, 8)], &[sell(8, 5)], &placed).paid[0]
    };
    assert_eq!((at(24), at(12)), (24 * CENT, 12 * CENT));
}

#[test]
fn a_decided_price_is_what_everybody_trades_at() {
    let traded = cleared(&Rule::Liu, &[buy(1, 5)], &[sell(8, 9)]);
    assert_eq!(traded.paid, [19 * CENT]);
}
