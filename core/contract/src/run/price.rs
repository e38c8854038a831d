//! The prices a household reacts to.

use gridloom_units::{EnergyType, PriceMicroEurPerKwh};

use super::RunInput;

/// What the next kilowatt-hour costs and earns this household.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenPrices {
    /// Price of energy taken, micro-EUR/kWh.
    pub(crate) buy: PriceMicroEurPerKwh,
    /// Type that weighs most in it; `None` when nothing accepted is on offer.
    pub(crate) kind: Option<EnergyType>,
    /// Price of energy given out of storage, micro-EUR/kWh.
    pub(crate) sell: PriceMicroEurPerKwh,
}

impl SeenPrices {
    /// The buying price is the mean of the accepted types, weighted by
    /// preference and supply: what the household can expect to pay. It moves
    /// smoothly as supply comes and goes, which the price of the cheapest type
    /// would not. With nothing accepted on offer the decided prices already
    /// say so and are weighted by preference alone; switching to the import
    /// price instead would be a jump that the step limit cannot hold. It is
    /// never above the import price.
    pub(crate) fn of(weights: &[u32; EnergyType::COUNT], input: &RunInput) -> Self {
        let on_offer = (0..EnergyType::COUNT).any(|k| weights[k] > 0 && input.supply_wh[k] > 0);
        let shares = |k: usize| {
            i128::from(weights[k])
                * if on_offer {
                    i128::from(input.supply_wh[k])
                } else {
                    1
                }
        };
        let total: i128 = (0..EnergyType::COUNT).map(shares).sum();
        let sell = input.prices[EnergyType::Battery.index()];
        if total == 0 {
            return Self {
                buy: input.import,
                kind: None,
                sell,
            };
        }
        let value: i128 = (0..EnergyType::COUNT)
            .map(|k| shares(k) * i128::from(input.prices[k]))
            .sum();
        let mean = (2 * value + total).div_euclid(2 * total);
        let heaviest = (0..EnergyType::COUNT).rev().max_by_key(|k| shares(*k));
        Self {
            // A mean of i64 prices is an i64.
            buy: PriceMicroEurPerKwh::try_from(mean)
                .unwrap_or(input.import)
                .min(input.import),
            kind: heaviest.filter(|_| on_offer).map(|k| EnergyType::ALL[k]),
            sell,
        }
    }
}
