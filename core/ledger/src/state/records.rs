//! The records a state is made of.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{BlockId, ChainId};
use gridloom_market::Terms;
use gridloom_market::forward::LoadHistory;
use gridloom_market::wholesale::{BidStep, GridPrices, Position};
use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh, TypedWh};

use crate::cross::{ExportLimit, Flows, Seat};
use crate::genesis::MarketRules;
use crate::transaction::{DeviceFacts, IslandOver, MeterReading};

/// Money and energy of an account (paper P6).
///
/// A kilowatt-hour is minted to the account whose meter exported it, moves to
/// the buyer and is retired when the buyer's meter consumed it, all in the
/// settlement of its slot; so `held_wh` is what is minted and not yet retired.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Account {
    /// Its own name.
    pub id: AccountId,
    /// Money, nano-EUR; never negative.
    pub money: MoneyNanoEur,
    /// Owed to the operator, nano-EUR; never negative.
    pub debt: MoneyNanoEur,
    /// Part of the money held for what the running slots may cost, nano-EUR.
    pub held: MoneyNanoEur,
    /// Metered out of the account's plant since the beginning, per type, Wh.
    pub minted_wh: TypedWh,
    /// Received and consumed since the beginning, per type, Wh.
    pub retired_wh: TypedWh,
    /// Sold to others, per type, Wh.
    pub sold_wh: TypedWh,
    /// Bought from others, per type, Wh.
    pub bought_wh: TypedWh,
    /// Which nonces were used.
    pub nonces: NonceWindow,
}

impl Account {
    /// An account with a first deposit.
    pub(crate) fn new(id: AccountId, money: MoneyNanoEur) -> Self {
        Self {
            id,
            money,
            ..Self::default()
        }
    }

    /// This account and another one of the same owner as one. Every number
    /// either of them may have used counts as used.
    pub(crate) fn joined_with(&self, other: &Self) -> Self {
        let sum = |a: &TypedWh, b: &TypedWh| -> TypedWh { std::array::from_fn(|k| a[k] + b[k]) };
        Self {
            id: self.id,
            money: self.money + other.money,
            debt: self.debt + other.debt,
            held: self.held + other.held,
            minted_wh: sum(&self.minted_wh, &other.minted_wh),
            retired_wh: sum(&self.retired_wh, &other.retired_wh),
            sold_wh: sum(&self.sold_wh, &other.sold_wh),
            bought_wh: sum(&self.bought_wh, &other.bought_wh),
            nonces: NonceWindow {
                next: self.nonces.next.max(other.nonces.next),
                used: u64::MAX,
            },
        }
    }

    /// Energy in the wallet, per type, Wh.
    #[must_use]
    pub fn held_wh(&self) -> TypedWh {
        std::array::from_fn(|k| {
            self.minted_wh[k] + self.bought_wh[k] - self.sold_wh[k] - self.retired_wh[k]
        })
    }
}

/// Which nonces of a signer were used: those below `next`, except the last 64
/// whose bit is not set. Every nonce works once, and transactions that
/// overtake each other on the way do no harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NonceWindow {
    /// One above the highest nonce used.
    pub next: u64,
    /// Bit `i` stands for nonce `next - 1 - i`.
    pub used: u64,
}

impl NonceWindow {
    /// The same with every number below the highest used counted as used.
    pub(crate) fn closed(self) -> Self {
        Self {
            used: u64::MAX,
            ..self
        }
    }

    /// Whether this nonce may still be used.
    #[must_use]
    pub fn admits(&self, nonce: u64) -> bool {
        if nonce >= self.next {
            return nonce < u64::MAX;
        }
        let back = self.next - 1 - nonce;
        back < 64 && self.used >> back & 1 == 0
    }

    /// Marks a nonce as used.
    pub(crate) fn take(&mut self, nonce: u64) {
        if nonce >= self.next {
            let ahead = nonce - self.next + 1;
            self.used = u32::try_from(ahead)
                .ok()
                .and_then(|ahead| self.used.checked_shl(ahead))
                .unwrap_or(0)
                | 1;
            self.next = nonce.saturating_add(1);
        } else {
            self.used |= 1_u64
                .checked_shl((self.next - 1 - nonce) as u32)
                .unwrap_or(0);
        }
    }
}

/// A home in the microgrid (paper step b).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Participant {
    /// Its account.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Account of its meter's key.
    pub meter: AccountId,
    /// Version of its EM instance.
    pub version: u32,
    /// Hash of the meter's device id.
    pub spread: u16,
}

/// Cumulative registers of a meter, Wh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Registers {
    /// Energy taken, Wh.
    pub import_wh: EnergyWh,
    /// Energy given from photovoltaics, Wh.
    pub export_solar_wh: EnergyWh,
    /// Energy given out of storage, Wh.
    pub export_battery_wh: EnergyWh,
}

impl Registers {
    /// Energy since an earlier state of the registers.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            import_wh: self.import_wh - earlier.import_wh,
            export_solar_wh: self.export_solar_wh - earlier.export_solar_wh,
            export_battery_wh: self.export_battery_wh - earlier.export_battery_wh,
        }
    }

    /// All registers in one order.
    #[must_use]
    pub fn to_array(&self) -> [EnergyWh; 3] {
        [self.import_wh, self.export_solar_wh, self.export_battery_wh]
    }

    /// Energy taken less energy given, Wh.
    #[must_use]
    pub fn net_wh(&self) -> EnergyWh {
        self.import_wh - self.export_solar_wh - self.export_battery_wh
    }
}

impl From<&MeterReading> for Registers {
    fn from(reading: &MeterReading) -> Self {
        Self {
            import_wh: reading.import_wh,
            export_solar_wh: reading.export_solar_wh,
            export_battery_wh: reading.export_battery_wh,
        }
    }
}

/// Most slots a meter's record looks back; older ones merge into the next.
pub(crate) const MAX_BOUNDARIES: usize = 192;

/// Registers at the last reading inside a slot, and at the reading before that
/// slot (for the first reading ever: zero, as if at the start of the slot).
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Boundary {
    pub(crate) slot: u32,
    pub(crate) end_ms: u64,
    pub(crate) registers: Registers,
    pub(crate) from_ms: u64,
    pub(crate) from: Registers,
}

/// A meter and what it reported (paper step c).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Meter {
    /// Account of the participant it belongs to.
    pub owner: AccountId,
    /// Number of the last reading taken or refused.
    pub last_seq: Option<u64>,
    /// The last reading taken.
    pub last: Option<LastReading>,
    /// Registers settled so far.
    pub settled: Registers,
    pub(crate) boundaries: Vec<Boundary>,
}

/// The last reading on record of a meter.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LastReading {
    /// End of its interval, ms.
    pub interval_end_ms: u64,
    /// Registers, Wh.
    pub registers: Registers,
    /// Energy since the reading before, Wh.
    pub interval: Registers,
    /// Length of that interval, ms; 0 for the first reading.
    pub interval_ms: u64,
    /// Devices.
    pub facts: DeviceFacts,
    /// Number of the reading.
    pub seq: u64,
    /// Height of the block that recorded it.
    pub height: u64,
    /// Identity of the transaction.
    pub transaction: [u8; 32],
}

/// Decided price of a slot and what it was formed from (paper step d).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SlotPrice {
    /// The slot.
    pub slot: u32,
    /// Price per type, micro-EUR/kWh.
    pub typed: [PriceMicroEurPerKwh; EnergyType::COUNT],
    /// Mean price, micro-EUR/kWh.
    pub scalar: PriceMicroEurPerKwh,
    /// Supply per type it was formed from: of the slot before, or expected, Wh.
    pub supply_wh: TypedWh,
    /// Demand it was formed from, Wh.
    pub demand_wh: EnergyWh,
    /// Supply per type metered in the slot before, Wh.
    pub metered_supply_wh: TypedWh,
    /// Demand metered in the slot before, Wh.
    pub metered_demand_wh: EnergyWh,
    /// Meters with a reading at the end of the slot before.
    pub recorded: u32,
    /// Meters registered.
    pub expected: u32,
    /// Height of the block that decided it; 0 while it is a preview.
    pub height: u64,
    /// Version of the EM contract it was formed under.
    pub version: u32,
    /// What the members get from and pay to the grid in this slot: the tariff,
    /// or what the wholesale agent's position makes of it.
    pub grid: GridPrices,
    /// What the wholesale agent's bid cleared at, if it did.
    pub position: Option<Position>,
    /// Whether its bounds are those of an island; `grid` has them then.
    pub island: bool,
}

/// An order that stands for a slot.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PlacedOrder {
    /// The slot.
    pub slot: u32,
    /// What it says; a cancelled one says nothing.
    pub terms: Terms,
    /// Number of its transaction: the highest one stands.
    pub nonce: u64,
    /// Orders the participant has placed for this slot.
    pub placed: u32,
    /// Height of the block that recorded it.
    pub height: u64,
}

/// A bid of the wholesale agent that stands for a slot.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PlacedBid {
    /// The slot.
    pub slot: u32,
    /// Its steps.
    pub steps: Vec<BidStep>,
    /// Number of its transaction: the highest one stands.
    pub nonce: u64,
    /// Bids sent for this slot.
    pub placed: u32,
}

/// What forward clearing knows of the cluster and committed for the running slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ForwardState {
    /// Net import of the cluster without what was steered.
    pub history: LoadHistory,
    /// The slot cleared last.
    pub slot: u32,
    /// Energy steered in that slot, charging and running positive, Wh.
    pub steered_wh: EnergyWh,
    /// Planned net import per slot, that slot first, Wh.
    pub path_wh: Vec<EnergyWh>,
    /// Capacity the slot was cleared against, Wh.
    pub capacity_wh: EnergyWh,
    /// What devices took because it could not wait, Wh.
    pub forced_wh: EnergyWh,
    /// What was put off, Wh.
    pub deferred_wh: EnergyWh,
}

/// Load of an M-LMD's area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AreaLoad {
    /// Number of the M-LMD.
    pub mlmd: u32,
    /// End of the interval, ms.
    pub interval_end_ms: u64,
    /// Register of the energy taken by the area, Wh.
    pub energy_wh: EnergyWh,
    /// Height of the block that recorded it.
    pub height: u64,
    /// The register at the ends of the newest slots: time in ms, Wh; newest last.
    pub ends: [(u64, EnergyWh); AREA_ENDS],
}

/// Slot ends that are kept of an area's register.
pub(crate) const AREA_ENDS: usize = 8;

impl AreaLoad {
    /// Energy of the area in a slot, Wh; `None` while one end is not on record.
    pub(crate) fn energy_in(&self, slot: u32, rules: &MarketRules) -> Option<EnergyWh> {
        let at = |end_ms: u64| {
            let mut ends = self.ends.iter().rev();
            ends.find(|(at_ms, _)| *at_ms == end_ms).map(|(_, wh)| *wh)
        };
        let end_ms = rules.slot_end_ms(slot);
        // Registers start from zero with the ledger's clock.
        let start_ms = end_ms.saturating_sub(rules.slot_ms);
        let start_wh = if start_ms == 0 { 0 } else { at(start_ms)? };
        Some(at(end_ms)? - start_wh)
    }
}

/// What the LG-Aggregator stated about a slot without a grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct IslandSlot {
    /// The slot.
    pub slot: u32,
    /// Once the slot is over: what came into the cluster.
    pub over: Option<IslandOver>,
    /// Height of the block that recorded the last statement.
    pub height: u64,
}

/// Counters of the market.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MarketState {
    /// Version of the contract in force; 0 before the first.
    pub template_version: u32,
    /// Last slot with a decided price.
    pub priced_through: Option<u32>,
    /// Last slot settled.
    pub settled_through: Option<u32>,
    /// Energy since the beginning.
    pub totals: EnergyTotals,
    /// Sum of all debts to the operator, nano-EUR.
    pub lent: MoneyNanoEur,
    /// A contract version that the root decided and that is not in force yet.
    pub scheduled: Option<ScheduledContract>,
    /// M-LMDs whose area loads are recorded here, sorted.
    pub areas: Vec<u32>,
}

/// A contract version on its way into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ScheduledContract {
    /// Number of the root's decision.
    pub decision: u32,
    /// The version.
    pub version: u32,
    /// First slot under it.
    pub from_slot: u32,
    /// Whether the root confirmed that every cluster follows.
    pub confirmed: bool,
}

/// Energy per type since the beginning, Wh: minted + bought = retired + sold + held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EnergyTotals {
    /// Minted on metered export.
    pub minted_wh: TypedWh,
    /// Bought from the utility.
    pub bought_wh: TypedWh,
    /// Retired on metered consumption.
    pub retired_wh: TypedWh,
    /// Sold to the utility.
    pub sold_wh: TypedWh,
}

impl EnergyTotals {
    /// Flows since an earlier state of the totals.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |now: &TypedWh, then: &TypedWh| std::array::from_fn(|k| now[k] - then[k]);
        Self {
            minted_wh: less(&self.minted_wh, &earlier.minted_wh),
            bought_wh: less(&self.bought_wh, &earlier.bought_wh),
            retired_wh: less(&self.retired_wh, &earlier.retired_wh),
            sold_wh: less(&self.sold_wh, &earlier.sold_wh),
        }
    }
}

/// What the root knows of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ClusterRecord {
    /// Name of its chain.
    pub chain: ChainId,
    /// Height of its last recorded block; 0 before the first.
    pub height: u64,
    /// That block.
    pub block: BlockId,
    /// Its state root.
    pub state_root: [u8; 32],
    /// When it was built, ms.
    pub time_ms: u64,
    /// Hash of the validators of the next height.
    pub validators: [u8; 32],
    /// Whether it certified two blocks at one height.
    pub frozen: bool,
    /// Validators of the next height.
    pub seats: Vec<Seat>,
    /// Its dealings with other clusters, as last certified.
    pub flows: Flows,
    /// The most it may have sent beyond what it received.
    pub limit: ExportLimit,
    /// Whether the root declared it dead.
    pub dead: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn each_nonce_works_once_and_late_ones_within_the_window(
            nonces in prop::collection::vec(prop_oneof![0_u64..200, 0_u64..70], 1..200),
        ) {
            let mut window = NonceWindow::default();
            let mut used = BTreeSet::new();
            for nonce in nonces {
                let next = used.last().map_or(0, |last| last + 1);
                let expected = !used.contains(&nonce) && nonce + 64 >= next;
                prop_assert_eq!(window.admits(nonce), expected, "{} of {:?}", nonce, window);
                if expected {
                    window.take(nonce);
                    used.insert(nonce);
                }
            }
        }
    }

    #[test]
    fn the_last_nonce_is_out_of_reach() {
        let mut window = NonceWindow::default();
        assert!(!window.admits(u64::MAX));
        window.take(u64::MAX - 1);
        assert!(!window.admits(u64::MAX - 1) && !window.admits(u64::MAX) && !window.admits(0));
        assert!(window.admits(u64::MAX - 2));
    }
}
