//! What came of a transaction.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{Address, BlockId};
use gridloom_contract::{ControlOrder, TraceLine};
use gridloom_market::{MoneyLine, Reason};
use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh, TypedWh};

/// An effect of executing a block, in order of execution.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Receipt {
    /// A version of the EM contract is registered.
    ContractRegistered {
        /// Its version.
        version: u32,
    },
    /// An account is open.
    AccountOpened {
        /// The account.
        account: AccountId,
        /// Its first deposit, nano-EUR.
        deposit: MoneyNanoEur,
    },
    /// A home is part of the microgrid, or has new terms.
    ParticipantRegistered {
        /// Its account.
        account: AccountId,
        /// Its name.
        name: String,
        /// Its meter's account.
        meter: AccountId,
        /// Version of its EM instance.
        version: u32,
    },
    /// A reading is on record.
    ReadingRecorded {
        /// The meter's account.
        meter: AccountId,
        /// End of the interval, ms.
        interval_end_ms: u64,
    },
    /// An area load is on record.
    AreaLoadRecorded {
        /// Number of the M-LMD.
        mlmd: u32,
        /// End of the interval, ms.
        interval_end_ms: u64,
    },
    /// The price of a slot is decided.
    PriceDecided {
        /// The slot.
        slot: u32,
        /// Price per type, micro-EUR/kWh.
        typed: [PriceMicroEurPerKwh; EnergyType::COUNT],
        /// Mean price, micro-EUR/kWh.
        scalar: PriceMicroEurPerKwh,
    },
    /// The price ran the contract of one participant (paper step e).
    ContractRun {
        /// The participant's account.
        account: AccountId,
        /// The participant's meter, which obeys the orders.
        meter: AccountId,
        /// The slot of the price.
        slot: u32,
        /// Orders to the devices.
        orders: Vec<ControlOrder>,
        /// Why.
        trace: Vec<TraceLine>,
        /// Effort of the run, steps.
        steps: u32,
    },
    /// A slot is settled.
    Settled(SettledSlot),
    /// The root recorded a cluster's block.
    CheckpointAccepted {
        /// Index of the cluster.
        cluster: u32,
        /// Its height.
        height: u64,
        /// Its block.
        block: BlockId,
    },
    /// A cluster certified two blocks at one height and is frozen.
    ClusterFrozen {
        /// Index of the cluster.
        cluster: u32,
        /// The height.
        height: u64,
    },
    /// A validator's misbehaviour is on record.
    EvidenceRecorded {
        /// The validator.
        offender: Address,
        /// The height of its two messages.
        height: u64,
    },
    /// A transaction was executed without effect.
    Refused {
        /// Its identity.
        transaction: [u8; 32],
        /// Why, for people.
        reason: String,
    },
}

/// The settlement of one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SettledSlot {
    /// The slot.
    pub slot: u32,
    /// Whether a price was decided for it; without one all energy is exchanged
    /// with the utility at its tariff.
    pub priced: bool,
    /// Energy traded inside the cluster, Wh.
    pub local_wh: EnergyWh,
    /// Energy bought from the utility, Wh.
    pub bought_wh: EnergyWh,
    /// Energy sold to the utility, Wh.
    pub sold_wh: EnergyWh,
    /// Energy delivered inside the cluster per type, Wh.
    pub local_typed_wh: TypedWh,
    /// Money paid from payers to payees, nano-EUR.
    pub moved: MoneyNanoEur,
    /// What the operator lent in this slot because wallets were empty, nano-EUR.
    pub lent: MoneyNanoEur,
    /// Debt paid back to the operator in this slot, nano-EUR.
    pub repaid: MoneyNanoEur,
    /// Lots of energy that changed hands: who delivered what to whom at which price.
    pub lines: Vec<MoneyLine>,
}

/// A lot of energy that reached a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Delivery {
    /// Account of the plant it was metered out of; the utility for energy from outside.
    pub plant: AccountId,
    /// Account it was delivered to; the utility for energy sold outside.
    pub consumer: AccountId,
    /// Its type.
    pub kind: EnergyType,
    /// Slot in which it was generated.
    pub generated_slot: u32,
    /// Slot in which it was consumed.
    pub delivered_slot: u32,
    /// Energy, Wh.
    pub wh: EnergyWh,
    /// Price, micro-EUR/kWh.
    pub price: PriceMicroEurPerKwh,
    /// Height of the block that settled it.
    pub height: u64,
}

/// A participant's account of energy and money since the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Bill {
    /// Positions, one per reason, direction and type.
    pub lines: Vec<BillLine>,
    /// Received less paid, nano-EUR; negative when the participant paid.
    pub total: MoneyNanoEur,
    /// Last slot in it.
    pub through_slot: Option<u32>,
}

/// A position of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BillLine {
    /// What it is for.
    pub reason: Reason,
    /// Whether the participant received the energy (else delivered it).
    pub received: bool,
    /// Type of the energy.
    pub kind: EnergyType,
    /// Energy, Wh.
    pub energy_wh: EnergyWh,
    /// Money received (positive) or paid (negative), nano-EUR.
    pub money: MoneyNanoEur,
}

impl Bill {
    /// Adds one movement, seen from the side that received or delivered the energy.
    pub(crate) fn add(&mut self, line: &MoneyLine, received: bool) {
        let money = if received {
            -line.money()
        } else {
            line.money()
        };
        self.total += money;
        let place = (line.reason, received, line.kind);
        let found = self
            .lines
            .binary_search_by_key(&place, |l| (l.reason, l.received, l.kind));
        match found {
            Ok(index) => {
                self.lines[index].energy_wh += line.energy_wh;
                self.lines[index].money += money;
            }
            Err(index) => self.lines.insert(
                index,
                BillLine {
                    reason: line.reason,
                    received,
                    kind: line.kind,
                    energy_wh: line.energy_wh,
                    money,
                },
            ),
        }
    }
}
