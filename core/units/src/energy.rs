//! Energy types and the integer units of the market (`5.1` of the market design).

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Energy in whole watt-hours.
pub type EnergyWh = i64;

/// Price in micro-euro per kilowatt-hour; 1 ct/kWh is 10 000.
pub type PriceMicroEurPerKwh = i64;

/// Money in nano-euro; 1 EUR is 1 000 000 000.
pub type MoneyNanoEur = i128;

/// What `energy_wh` costs at `price`, exact to the nano-euro.
#[must_use]
pub fn amount(energy_wh: EnergyWh, price: PriceMicroEurPerKwh) -> MoneyNanoEur {
    i128::from(energy_wh) * i128::from(price)
}

/// The kind of plant a kilowatt-hour comes from (paper rows G5 and P2).
///
/// The order of the variants is the canonical order of every typed vector.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum EnergyType {
    /// Photovoltaic generation.
    Solar,
    /// Wind turbines.
    Wind,
    /// Hydro power and biomass.
    HydroBio,
    /// Energy delivered out of storage.
    Battery,
    /// Fossil generation.
    Fossil,
    /// Nuclear generation.
    Nuclear,
    /// The mix bought from the upstream grid.
    GridMix,
}

impl EnergyType {
    /// Every type in canonical order.
    pub const ALL: [Self; 7] = [
        Self::Solar,
        Self::Wind,
        Self::HydroBio,
        Self::Battery,
        Self::Fossil,
        Self::Nuclear,
        Self::GridMix,
    ];

    /// Number of types.
    pub const COUNT: usize = Self::ALL.len();

    /// Position in canonical order, `0..COUNT`.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Short label for tables.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Solar => "solar",
            Self::Wind => "wind",
            Self::HydroBio => "hydro/bio",
            Self::Battery => "battery",
            Self::Fossil => "fossil",
            Self::Nuclear => "nuclear",
            Self::GridMix => "grid mix",
        }
    }
}

/// Watt-hours per energy type, in canonical order.
pub type TypedWh = [EnergyWh; EnergyType::COUNT];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kilowatt_hour_at_one_cent_is_one_cent() {
        assert_eq!(amount(1_000, 10_000), 10_000_000);
    }

    #[test]
    fn types_are_listed_in_index_order() {
        for (position, kind) in EnergyType::ALL.iter().enumerate() {
            assert_eq!(kind.index(), position);
        }
    }
}
