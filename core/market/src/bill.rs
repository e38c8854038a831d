//! Bills: what one participant paid and received, and for what.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh};
use serde::{Deserialize, Serialize};

use crate::settlement::{Reason, Settlement};

/// A participant's bill for one slot or several.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Bill {
    /// Positions by reason, direction, type and price.
    pub lines: Vec<BillLine>,
    /// What the participant receives in all, nano-EUR; negative when they pay.
    pub total: MoneyNanoEur,
}

/// One position of a bill.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct BillLine {
    /// What it is for.
    pub reason: Reason,
    /// Type of the energy.
    pub kind: EnergyType,
    /// Energy received (positive) or delivered (negative), Wh.
    pub energy_wh: EnergyWh,
    /// Price, micro-EUR/kWh.
    pub price: PriceMicroEurPerKwh,
    /// Money received (positive) or paid (negative), nano-EUR.
    pub money: MoneyNanoEur,
}

impl Bill {
    /// Positions of one account over several slots; positions that agree in
    /// reason, direction, type and price are added up.
    #[must_use]
    pub fn of<'a>(slots: impl IntoIterator<Item = &'a Settlement>, account: AccountId) -> Self {
        let mut positions: BTreeMap<(Reason, bool, EnergyType, PriceMicroEurPerKwh), BillLine> =
            BTreeMap::new();
        let mut total = 0;
        for line in slots.into_iter().flat_map(|slot| &slot.lines) {
            for (party, received) in [(line.buyer, true), (line.seller, false)] {
                if party != account {
                    continue;
                }
                let sign = if received { 1 } else { -1 };
                let money = -MoneyNanoEur::from(sign) * line.money();
                total += money;
                let position = positions
                    .entry((line.reason, received, line.kind, line.price))
                    .or_insert(BillLine {
                        reason: line.reason,
                        kind: line.kind,
                        energy_wh: 0,
                        price: line.price,
                        money: 0,
                    });
                position.energy_wh = position.energy_wh.saturating_add(sign * line.energy_wh);
                position.money += money;
            }
        }
        Self {
            lines: positions.into_values().collect(),
            total,
        }
    }
}

impl Settlement {
    /// Positions of one account.
    #[must_use]
    pub fn bill(&self, account: AccountId) -> Bill {
        Bill::of(std::iter::once(self), account)
    }
}

/// Life-cycle emissions of a type, g CO2-equivalent per kWh.
///
/// Medians of IPCC AR5 WG III, Annex III, table A.III.2: rooftop PV 41, wind on
/// land 11, hydropower 24, nuclear 12, gas (for fossil) 490. What comes out of
/// a battery in the community is stored sun with a tenth lost. The mix of the
/// grid is a round figure near the average of the European Union in 2022; put
/// the grid's own one in its place where it is known.
#[must_use]
pub fn co2_g_per_kwh(kind: EnergyType) -> f64 {
    match kind {
        EnergyType::Solar => 41.0,
        EnergyType::Wind => 11.0,
        EnergyType::HydroBio => 24.0,
        EnergyType::Battery => 46.0,
        EnergyType::Fossil => 490.0,
        EnergyType::Nuclear => 12.0,
        EnergyType::GridMix => 250.0,
    }
}
