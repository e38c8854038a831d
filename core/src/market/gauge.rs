//! The stability gauge: how strongly price and demand answer each other.

use gridloom_ledger::LedgerChain;
use gridloom_market::Exponent;

/// Decided slots the estimate looks at.
const SLOTS: u32 = 24;
/// Least slots it needs.
const LEAST: usize = 8;

/// Live estimate of the loop gain of a cluster.
///
/// The gain is the elasticity of demand to the price, measured over the last
/// slots, times the largest elasticity of the price to the demand-to-supply
/// ratio, `g (sqrt r - 1) / (sqrt r + 1)` with `r` = import over feed-in
/// price. The demand's elasticity is the slope of the change of demand in the
/// slot after a price over that price's change, both as logarithms (least
/// squares through the origin); what does not answer the price adds noise and
/// no slope. At 1 a change comes back as large as it went out; design section
/// 5.6 asks for less than 0.8.
#[must_use]
pub fn loop_gain(chain: &LedgerChain) -> Option<f64> {
    let newest = chain.latest_price()?.slot;
    let rules = chain.market_rules()?;
    let (feed_in, import) = (rules.feed_in, rules.import);
    if feed_in <= 0 || import <= feed_in {
        return None;
    }
    let root = libm::sqrt(import as f64 / feed_in as f64);
    let exponent = match chain.contract()?.price.exponent {
        Exponent::Half => 0.5,
        Exponent::One => 1.0,
        Exponent::Two => 2.0,
    };
    let price_elasticity = exponent * (root - 1.0) / (root + 1.0);
    // The record of slot s holds its price and the demand of slot s - 1.
    let records: Vec<(f64, f64)> = (newest.saturating_sub(SLOTS)..=newest)
        .filter_map(|slot| chain.price(slot))
        .map(|price| (price.scalar as f64, price.demand_wh as f64))
        .collect();
    slope(&records).map(|demand_elasticity| demand_elasticity * price_elasticity)
}

/// How often the price turned since the beginning: two successive changes of
/// opposite sign, each of more than a tenth of the price bounds.
#[must_use]
pub fn price_reversals(chain: &LedgerChain) -> u64 {
    let Some((rules, newest)) = chain.market_rules().zip(chain.latest_price()) else {
        return 0;
    };
    let least = (rules.import - rules.feed_in) / 10;
    let prices: Vec<i64> = (0..=newest.slot)
        .filter_map(|slot| chain.price(slot))
        .map(|price| price.scalar)
        .collect();
    let steps: Vec<i64> = prices.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps
        .windows(2)
        .filter(|pair| {
            pair[0].signum() == -pair[1].signum() && pair[0].abs() > least && pair[1].abs() > least
        })
        .count() as u64
}

/// Elasticity of demand: minus the slope of its change over the price's.
fn slope(records: &[(f64, f64)]) -> Option<f64> {
    let (mut products, mut squares, mut count) = (0.0, 0.0, 0);
    for window in records.windows(3) {
        let [(before, _), (price, demand), (_, next_demand)] = window else {
            continue;
        };
        if *before <= 0.0 || *price <= 0.0 || *demand <= 0.0 || *next_demand <= 0.0 {
            continue;
        }
        let change = libm::log(price / before);
        products += change * libm::log(next_demand / demand);
        squares += change * change;
        count += 1;
    }
    if count < LEAST {
        return None;
    }
    if squares < 1e-9 {
        // A price that stands still moves nobody.
        return Some(0.0);
    }
    Some((-products / squares).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demand_that_answers_the_price_shows_its_elasticity() {
        let mut records = Vec::new();
        let mut demand = 1_000.0;
        let mut last = 20.0;
        for slot in 0..20 {
            let price = 20.0 + f64::from(slot % 5);
            records.push((price, demand));
            // The demand of this slot answers this slot's price with 1.5.
            demand *= libm::pow(price / last, -1.5);
            last = price;
        }
        let found = slope(&records).expect("enough slots");
        assert!((found - 1.5).abs() < 0.2, "{found}");
        let deaf: Vec<(f64, f64)> = records.iter().map(|(price, _)| (*price, 500.0)).collect();
        assert!(slope(&deaf).expect("enough slots") < 1e-9);
        assert_eq!(slope(&records[..5]), None);
    }
}
