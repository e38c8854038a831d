//! What operator and customer agree on.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_market::{Exponent, Rule};
use gridloom_units::{AccountId, EnergyType, PriceMicroEurPerKwh};
use serde::{Deserialize, Serialize};

use crate::clock::ClockTime;

/// The contract template the operator registers (paper step a).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmTemplate {
    /// Version of the template; instances name the one they were made from.
    pub version: u32,
    /// How the price is formed.
    pub price: PriceTerms,
    /// How devices are steered.
    pub control: Control,
    /// What the cluster's line carries, W; 0 when no limit is known. Forward
    /// clearing keeps the cluster's import below it.
    pub line_limit_w: u32,
    /// Price range over which a battery or charger goes from no power to full
    /// power, micro-EUR/kWh. Wider is gentler.
    pub proportional_band: PriceMicroEurPerKwh,
    /// Width over which the thresholds of batteries and chargers are spread
    /// from device to device, micro-EUR/kWh.
    pub spread: PriceMicroEurPerKwh,
    /// The same for heaters, which only switch on and off.
    pub heater_spread: PriceMicroEurPerKwh,
    /// How much dearer a heater may buy as it nears its lowest comfortable
    /// level, micro-EUR/kWh.
    pub heater_urgency: PriceMicroEurPerKwh,
    /// Slots over which the latest start of chargers and heaters is staggered.
    pub stagger_slots: u16,
    /// Slots between two answers of a device to the price, 1 to 96. In each
    /// slot another part of the devices has its turn and the others keep their
    /// order, which holds a loop of up to about this gain stable.
    pub turn_slots: u16,
    /// One-way battery efficiency the reserve is calculated with, permille;
    /// at or below what the batteries have.
    pub assumed_efficiency_permille: u16,
    /// Largest power an order may ask of one device, W.
    pub max_order_w: u32,
    /// Largest number of steps one run may take.
    pub max_steps: u32,
}

/// How devices are steered.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Control {
    /// Cleared together over the coming day, the running slot committed.
    #[default]
    Forward,
    /// Each device answers the decided price by its owner's thresholds.
    Price,
}

/// Price formation under the contract.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct PriceTerms {
    /// The rule.
    pub rule: Rule,
    /// Exponent of the typed price curve.
    pub exponent: Exponent,
    /// What the slot's supply and demand are taken to be.
    pub basis: Basis,
}

/// What a slot's price is formed from, before anybody can know the slot.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Basis {
    /// Supply and demand of the slot before, as metered (the paper's step d).
    #[default]
    Metered,
    /// What is expected of the slot by type, from the cluster's history.
    Forecast,
}

impl Default for EmTemplate {
    /// Band and heater spread of the damped variant of the stability
    /// experiment (8 ct and 14 ct); turns and stagger for slots of a quarter of
    /// an hour, found with the same experiment (`tests/street.rs`).
    fn default() -> Self {
        Self {
            version: 1,
            price: PriceTerms::default(),
            control: Control::default(),
            line_limit_w: 0,
            proportional_band: 80_000,
            spread: 20_000,
            heater_spread: 140_000,
            heater_urgency: 60_000,
            stagger_slots: 32,
            turn_slots: 8,
            assumed_efficiency_permille: 900,
            max_order_w: 100_000,
            max_steps: 1_000,
        }
    }
}

/// What a customer wants (paper P3 and P4).
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Preferences {
    /// How much each energy type is wanted.
    pub weights: TypeWeights,
    /// Devices the contract may steer.
    #[serde(default)]
    pub allow: AllowedDevices,
    /// Terms of the battery.
    #[serde(default)]
    pub battery: BatteryTerms,
    /// Terms of the water heater.
    #[serde(default)]
    pub heater: HeaterTerms,
    /// Terms of the EV charger.
    #[serde(default)]
    pub ev: EvTerms,
    /// Price limits for the auction rules.
    #[serde(default)]
    pub limits: TradeLimits,
    /// Wishes about the energy of single households and plants.
    #[serde(default)]
    pub plants: Vec<PlantFactor>,
}

/// Price limits of a household's orders; the auction rules ask for them.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct TradeLimits {
    /// Most it pays inside the cluster, micro-EUR/kWh; `None` for the grid's price.
    pub buy_up_to: Option<PriceMicroEurPerKwh>,
    /// Least it sells for, micro-EUR/kWh; `None` for the grid's price.
    pub sell_from: Option<PriceMicroEurPerKwh>,
}

/// A wish about the energy of one household or plant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(deny_unknown_fields)]
pub struct PlantFactor {
    /// Name of the household or plant on the ledger (`"H17"`).
    pub plant: String,
    /// Multiplies the weight of its energy's type: 1 changes nothing, 0 refuses it.
    pub factor: u32,
}

/// Preference per energy type; 0 refuses the type, ratios count, not sizes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct TypeWeights {
    /// Photovoltaic.
    pub solar: u32,
    /// Wind.
    pub wind: u32,
    /// Hydro power and biomass.
    pub hydro_bio: u32,
    /// Out of storage.
    pub battery: u32,
    /// Fossil.
    pub fossil: u32,
    /// Nuclear.
    pub nuclear: u32,
    /// The mix of the upstream grid.
    pub grid_mix: u32,
}

impl TypeWeights {
    /// Weights in canonical order of the types.
    #[must_use]
    pub fn to_array(self) -> [u32; EnergyType::COUNT] {
        [
            self.solar,
            self.wind,
            self.hydro_bio,
            self.battery,
            self.fossil,
            self.nuclear,
            self.grid_mix,
        ]
    }
}

/// Devices the customer lets the contract steer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct AllowedDevices {
    /// Battery.
    pub battery: bool,
    /// Water heater.
    pub heater: bool,
    /// EV charger.
    pub ev: bool,
}

impl Default for AllowedDevices {
    fn default() -> Self {
        Self {
            battery: true,
            heater: true,
            ev: true,
        }
    }
}

/// Terms of a battery.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct BatteryTerms {
    /// Charge kept for the owner, percent.
    pub reserve_pct: u8,
    /// Charges only below this price, micro-EUR/kWh.
    pub charge_below: PriceMicroEurPerKwh,
    /// Discharges only above this price, micro-EUR/kWh.
    pub discharge_above: PriceMicroEurPerKwh,
}

impl Default for BatteryTerms {
    /// Both thresholds at the 19 ct of the stability experiment.
    fn default() -> Self {
        Self {
            reserve_pct: 20,
            charge_below: 190_000,
            discharge_above: 190_000,
        }
    }
}

/// Terms of a water heater as a thermal store.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct HeaterTerms {
    /// Below this level it heats at any price, percent of the store.
    pub comfort_low_pct: u8,
    /// At this level it is warm enough, percent of the store.
    pub comfort_high_pct: u8,
    /// Between the two it heats below this price, micro-EUR/kWh.
    pub run_below: PriceMicroEurPerKwh,
    /// Time of day at which it must be warm enough.
    pub ready_by: Option<ClockTime>,
}

impl Default for HeaterTerms {
    fn default() -> Self {
        Self {
            comfort_low_pct: 20,
            comfort_high_pct: 95,
            run_below: 260_000,
            ready_by: None,
        }
    }
}

/// Terms of an EV charger.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct EvTerms {
    /// Charges early below this price, micro-EUR/kWh.
    pub charge_below: PriceMicroEurPerKwh,
    /// Time of day at which the car leaves, if earlier than the charger knows.
    pub depart_by: Option<ClockTime>,
    /// Slots before departure at which the car shall be ready.
    pub guard_slots: u16,
}

impl Default for EvTerms {
    fn default() -> Self {
        Self {
            charge_below: 190_000,
            depart_by: None,
            guard_slots: 1,
        }
    }
}

/// One customer's contract (paper step b).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(deny_unknown_fields)]
pub struct EmInstance {
    /// Whose contract it is.
    pub owner: AccountId,
    /// Version of these terms, rising by one with each change.
    pub version: u32,
    /// Version of the template it was made from.
    pub template_version: u32,
    /// The customer's terms.
    pub preferences: Preferences,
    /// First block height at which it acts.
    pub activation_height: u64,
}
