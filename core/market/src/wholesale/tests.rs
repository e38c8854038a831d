use super::*;
use proptest::prelude::*;

const CENT: i64 = 10_000;
const TARIFF: GridPrices = GridPrices {
    feed_in: 8 * CENT,
    import: 30 * CENT,
};

fn terms(anchor: i64) -> WholesaleTerms {
    WholesaleTerms {
        anchor: [anchor; HOURS],
        spread: CENT,
        block_wh: 1_000,
        impact: CENT / 2,
        margin: 2 * CENT,
        max_wh: 50_000,
    }
}

#[test]
fn a_short_cluster_buys_near_the_anchor() {
    let terms = terms(12 * CENT);
    let bid = terms.bid(2_000, 600, TARIFF);
    assert_eq!(terms.check(&bid, TARIFF), Ok(()));
    assert_eq!(bid.iter().map(|step| step.wh).sum::<i64>(), 2_000);
    let position = terms.clear(&bid, 600).expect("sound").expect("they meet");
    // 1,000 Wh at 13 ct and 750 of the 1,000 at 13.5 ct; the last quarter
    // of the bid is only worth 13 ct and stays out.
    assert_eq!((position.wh, position.price), (1_750, 135_000));
    let prices = terms.prices(Some(position), TARIFF);
    assert_eq!((prices.feed_in, prices.import), (115_000, 155_000));
}

#[test]
fn a_long_cluster_sells_and_a_dear_market_is_left_alone() {
    let long = terms(12 * CENT).bid(-2_000, 0, TARIFF);
    let position = terms(12 * CENT)
        .clear(&long, 0)
        .expect("sound")
        .expect("they meet");
    assert!(
        position.wh < 0 && position.price < 12 * CENT,
        "{position:?}"
    );
    // Above the tariff there is nothing to win by buying.
    assert!(terms(29 * CENT).bid(2_000, 0, TARIFF).is_empty());
    assert!(terms(9 * CENT).bid(-2_000, 0, TARIFF).is_empty());
    assert!(terms(12 * CENT).bid(0, 0, TARIFF).is_empty());
    assert_eq!(terms(12 * CENT).prices(None, TARIFF), TARIFF);
}

#[test]
fn bids_beyond_the_terms_are_faults() {
    let terms = terms(12 * CENT);
    let step = |wh, limit| BidStep { wh, limit };
    for (steps, fault) in [
        (vec![], BidFault::Steps(0)),
        (vec![step(1, 9 * CENT), step(-1, 9 * CENT)], BidFault::Sides),
        (
            vec![step(50_001, 9 * CENT)],
            BidFault::Energy {
                wh: 50_001,
                most: 50_000,
            },
        ),
        (
            vec![step(5, 31 * CENT)],
            BidFault::Limit {
                limit: 31 * CENT,
                lower: 8 * CENT,
                upper: 30 * CENT,
            },
        ),
    ] {
        assert_eq!(terms.check(&steps, TARIFF), Err(fault));
    }
}

#[test]
fn the_agent_bears_the_imbalance_and_keeps_the_margin() {
    let position = Position {
        wh: 1_000,
        price: 13 * CENT,
    };
    let prices = terms(12 * CENT).prices(Some(position), TARIFF);
    assert_eq!(prices.import, 15 * CENT);
    let exact = deliver(position, prices, TARIFF, 1_000, 0);
    assert_eq!(exact.earned, amount(1_000, 2 * CENT));
    let short = deliver(position, prices, TARIFF, 1_500, 0);
    assert_eq!(short.imbalance_wh, 500);
    assert_eq!(
        short.earned,
        amount(1_000, 2 * CENT) - amount(500, 15 * CENT)
    );
    let long = deliver(position, prices, TARIFF, 500, 0);
    assert_eq!(long.earned, amount(500, 2 * CENT) - amount(500, 5 * CENT));
}

#[test]
fn a_forecast_follows_the_day_before() {
    assert_eq!(forecast(&[], 2, 4), None);
    assert_eq!(forecast(&[7], 2, 96), Some(7));
    assert_eq!(forecast(&[300, 600, 900], 2, 96), Some(1_050));
    // Slots 0 to 3 of yesterday, slot 0 of today: slot 2 comes next but one.
    assert_eq!(forecast(&[10, 20, 30, 40, 15], 2, 4), Some(35));
}

proptest! {
    #[test]
    fn members_never_deal_worse_than_at_the_tariff(
        anchor in -50_000_i64..500_000,
        spread in 0_i64..50_000,
        impact in 0_i64..20_000,
        margin in 0_i64..60_000,
        block_wh in 1_i64..20_000,
        forecast_wh in -80_000_i64..80_000,
        taken_wh in 0_i64..90_000,
        given_wh in 0_i64..90_000,
    ) {
        let terms = WholesaleTerms {
            anchor: [anchor; HOURS], spread, impact, margin, block_wh, max_wh: 50_000,
        };
        let bid = terms.bid(forecast_wh, 0, TARIFF);
        if !bid.is_empty() {
            prop_assert_eq!(terms.check(&bid, TARIFF), Ok(()));
        }
        let position = terms.clear(&bid, 0).expect("sound");
        let prices = terms.prices(position, TARIFF);
        prop_assert!(TARIFF.feed_in <= prices.feed_in);
        prop_assert!(prices.feed_in <= prices.import);
        prop_assert!(prices.import <= TARIFF.import);
        if let Some(position) = position {
            prop_assert!(position.wh != 0 && position.wh.abs() <= forecast_wh.abs());
            // What the members pay is what the grid and the agent get.
            let done = deliver(position, prices, TARIFF, taken_wh, given_wh);
            let at = if done.imbalance_wh > 0 { TARIFF.import } else { TARIFF.feed_in };
            let grid = amount(position.wh, position.price) + amount(done.imbalance_wh, at);
            let members =
                amount(taken_wh, prices.import) - amount(given_wh, prices.feed_in);
            prop_assert_eq!(members, grid + done.earned);
        }
    }
}
