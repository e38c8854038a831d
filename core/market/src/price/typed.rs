//! The default rule: price per type from the demand pressure on that type.

use std::collections::BTreeMap;

use gridloom_units::{EnergyType, PriceMicroEurPerKwh};

use super::{Exponent, PriceInput, PriceOutcome, Weights, scalar_price};
use crate::MarketError;

/// Fraction bits of the pressure.
const FRACTION_BITS: u32 = 32;
/// One in fixed point.
const ONE: u128 = 1 << FRACTION_BITS;
/// Cap of the pressure: 2^28 times as much demand as supply is "no supply".
const PRESSURE_CAP: u128 = 1 << 60;

/// Typed price of one slot (design section 5.2).
///
/// With supply `S`, demand `d` and weights `a`, the pressure on type `k` is
/// `rho_k = sum_j d_j a_jk / sum_m a_jm S_m` and its price
/// `L + (U - L) rho_k^g / (1 + rho_k^g)`, rounded half up. It falls when `S_k`
/// grows, rises with any demand for `k`, and never leaves `[L, U]`, so that
/// neither side is worse off than with the grid.
///
/// Buyers with proportional weights are added up first, in integers: their
/// order and the splitting of one buyer into several cannot change a digit.
///
/// # Errors
/// Fails on negative or excessive energies and on reversed or excessive bounds.
pub fn typed_price(input: &PriceInput) -> Result<PriceOutcome, MarketError> {
    input.totals()?;
    let mut groups: BTreeMap<Weights, u128> = BTreeMap::new();
    for buyer in &input.buyers {
        if let Some(weights) = reduced(&buyer.weights)
            && buyer.demand_wh > 0
        {
            *groups.entry(weights).or_default() += u128::from(buyer.demand_wh.unsigned_abs());
        }
    }

    let mut pressure = [0_u128; EnergyType::COUNT];
    let mut infinite = [false; EnergyType::COUNT];
    for (weights, demand_wh) in &groups {
        let offered: u128 = weights
            .iter()
            .zip(&input.supply_wh)
            .map(|(weight, wh)| u128::from(*weight) * u128::from(wh.unsigned_abs()))
            .sum();
        for (k, weight) in weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0)
        {
            if offered == 0 {
                infinite[k] = true;
                continue;
            }
            // demand <= 2^48 and weight < 2^32: the shifted product fits 112 bits.
            let term = ((demand_wh * u128::from(*weight)) << FRACTION_BITS) / offered;
            pressure[k] = (pressure[k] + term.min(PRESSURE_CAP)).min(PRESSURE_CAP);
        }
    }

    let mut price = [input.upper; EnergyType::COUNT];
    for k in 0..EnergyType::COUNT {
        if !infinite[k] {
            price[k] = curve(input.lower, input.upper, pressure[k], input.exponent);
        }
    }
    Ok(PriceOutcome {
        scalar: scalar_price(&price, &input.supply_wh, input.upper),
        price,
        // Capped at 2^60 above.
        pressure: pressure.map(|rho| u64::try_from(rho).unwrap_or(u64::MAX)),
        infinite,
    })
}

/// Weights divided by their greatest common divisor; `None` when all are zero.
fn reduced(weights: &Weights) -> Option<Weights> {
    let divisor = weights.iter().fold(0, |acc, weight| gcd(acc, *weight));
    (divisor > 0).then(|| weights.map(|weight| weight / divisor))
}

fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// `lower + (upper - lower) x / (1 + x)` with `x = pressure^g`, rounded half up.
///
/// Bounds within +-2^35 and `x` at most 2^88 keep every product below 2^126.
fn curve(
    lower: PriceMicroEurPerKwh,
    upper: PriceMicroEurPerKwh,
    pressure: u128,
    exponent: Exponent,
) -> PriceMicroEurPerKwh {
    let x = match exponent {
        Exponent::Half => (pressure << FRACTION_BITS).isqrt(),
        Exponent::One => pressure,
        Exponent::Two => (pressure * pressure) >> FRACTION_BITS,
    };
    let spread = u128::from(upper.abs_diff(lower));
    let above = (2 * spread * x + (x + ONE)) / (2 * (x + ONE));
    // `above` is at most the spread, so the sum is at most `upper`.
    PriceMicroEurPerKwh::try_from(above).map_or(upper, |above| (lower + above).min(upper))
}

#[cfg(test)]
mod tests {
    use super::super::Buyer;
    use super::*;

    const CENT: i64 = 10_000;

    /// 100 kWh of demand, half 4:2:1, half indifferent; supply in kWh.
    fn example(solar: i64, wind: i64, fossil: i64) -> PriceInput {
        let mut supply_wh = [0; EnergyType::COUNT];
        supply_wh[EnergyType::Solar.index()] = solar * 1_000;
        supply_wh[EnergyType::Wind.index()] = wind * 1_000;
        supply_wh[EnergyType::Fossil.index()] = fossil * 1_000;
        let mut choosy = [0; EnergyType::COUNT];
        choosy[EnergyType::Solar.index()] = 4;
        choosy[EnergyType::Wind.index()] = 2;
        choosy[EnergyType::Fossil.index()] = 1;
        PriceInput {
            lower: 8 * CENT,
            upper: 30 * CENT,
            exponent: Exponent::One,
            supply_wh,
            buyers: vec![
                Buyer::new(50_000, choosy),
                Buyer::new(50_000, [1; EnergyType::COUNT]),
            ],
            asks: vec![],
        }
    }

    fn tenths_of_cent(price: i64) -> i64 {
        (price + 500) / 1_000
    }

    #[test]
    fn the_worked_example_of_the_design_comes_out() {
        let outcome = typed_price(&example(40, 40, 40)).expect("a valid slot");
        let shown = [EnergyType::Solar, EnergyType::Wind, EnergyType::Fossil]
            .map(|kind| tenths_of_cent(outcome.price[kind.index()]));
        assert_eq!(shown, [197, 176, 162]);
        let outcome = typed_price(&example(80, 40, 40)).expect("a valid slot");
        let shown = [EnergyType::Solar, EnergyType::Wind, EnergyType::Fossil]
            .map(|kind| tenths_of_cent(outcome.price[kind.index()]));
        assert_eq!(shown, [175, 157, 146]);
    }

    #[test]
    fn without_preferences_balance_is_the_middle_of_the_bounds() {
        let mut input = example(40, 30, 30);
        for buyer in &mut input.buyers {
            buyer.weights = [3; EnergyType::COUNT];
        }
        for exponent in [Exponent::Half, Exponent::One, Exponent::Two] {
            input.exponent = exponent;
            let outcome = typed_price(&input).expect("a valid slot");
            assert_eq!(outcome.price, [19 * CENT; EnergyType::COUNT]);
            assert_eq!(outcome.scalar, 19 * CENT);
        }
    }

    #[test]
    fn demand_that_nothing_on_offer_can_serve_pays_the_upper_bound() {
        let mut input = example(40, 0, 0);
        let mut only_wind = [0; EnergyType::COUNT];
        only_wind[EnergyType::Wind.index()] = 1;
        input.buyers.push(Buyer::new(1, only_wind));
        let outcome = typed_price(&input).expect("a valid slot");
        assert!(outcome.infinite[EnergyType::Wind.index()]);
        assert_eq!(outcome.price[EnergyType::Wind.index()], input.upper);
        assert!(!outcome.infinite[EnergyType::Solar.index()]);
    }

    #[test]
    fn an_empty_slot_is_priced_at_the_outside_prices() {
        let mut input = example(10, 0, 0);
        input.buyers.clear();
        assert_eq!(typed_price(&input).expect("valid").scalar, input.lower);
        input.supply_wh = [0; EnergyType::COUNT];
        assert_eq!(typed_price(&input).expect("valid").scalar, input.upper);
    }

    #[test]
    fn the_largest_figures_do_not_overflow() {
        let mut input = example(0, 0, 0);
        input.lower = -super::super::PRICE_LIMIT;
        input.upper = super::super::PRICE_LIMIT;
        input.exponent = Exponent::Two;
        input.supply_wh[0] = 1;
        input.buyers = vec![Buyer::new(
            crate::ENERGY_LIMIT_WH,
            [u32::MAX, u32::MAX - 1, 1, 1, 1, 1, 1],
        )];
        let outcome = typed_price(&input).expect("within the limits");
        assert_eq!(outcome.price[0], input.upper);
    }

    #[test]
    fn figures_that_are_no_slot_are_refused() {
        let mut input = example(1, 1, 1);
        input.lower = input.upper + 1;
        assert!(matches!(
            typed_price(&input),
            Err(MarketError::BoundsReversed { .. })
        ));
        let mut input = example(1, 1, 1);
        input.supply_wh[3] = -1;
        assert!(matches!(
            typed_price(&input),
            Err(MarketError::NegativeEnergy { .. })
        ));
        let mut input = example(1, 1, 1);
        input.buyers[0].demand_wh = i64::MAX;
        assert!(matches!(
            typed_price(&input),
            Err(MarketError::TooMuchEnergy { .. })
        ));
        let mut input = example(1, 1, 1);
        input.lower = i64::MIN;
        assert!(matches!(
            typed_price(&input),
            Err(MarketError::PriceOutOfRange { .. })
        ));
    }
}
