//! What came of a transaction.

use crate::cross::{DecisionStatus, Worth};
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{Address, BlockId};
use gridloom_contract::{ControlOrder, TraceLine};
use gridloom_market::forward::Expected;
use gridloom_market::wholesale::{Delivered, Position};
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
    /// What is expected of a slot, with what was metered in the one before.
    Expected {
        /// The slot.
        slot: u32,
        /// Demand.
        demand: Expected,
        /// Supply per type.
        supply: Box<[Expected; EnergyType::COUNT]>,
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
    /// Money changed hands in the cluster.
    Transferred {
        /// Payer.
        from: AccountId,
        /// Payee.
        to: AccountId,
        /// Amount, nano-EUR.
        amount: MoneyNanoEur,
    },
    /// A parcel left for another cluster.
    Exported {
        /// Index of that cluster.
        dst: u32,
        /// Its number.
        seq: u64,
        /// What it is worth.
        worth: Worth,
    },
    /// A parcel of another cluster was imported or sent back.
    Imported {
        /// Index of that cluster.
        src: u32,
        /// Its number.
        seq: u64,
        /// What it is worth.
        worth: Worth,
        /// Why it was sent back, if it was.
        refused: Option<String>,
    },
    /// The outcome of an own parcel is known.
    Acknowledged {
        /// Index of the cluster it went to.
        dst: u32,
        /// Its number.
        seq: u64,
        /// Whether it was taken; else its value is back.
        accepted: bool,
    },
    /// A member sold to another cluster, or bought from one: what the utility
    /// pays back for it.
    NeighbourTrade {
        /// Index of the other cluster.
        peer: u32,
        /// Slot of the energy.
        slot: u32,
        /// The payment: plant to utility, or utility to consumer at a price below zero.
        line: MoneyLine,
    },
    /// The cluster builds on this root block.
    RootSeen {
        /// Its height.
        height: u64,
    },
    /// A participant left for another cluster.
    MemberLeft {
        /// Its account.
        account: AccountId,
        /// Index of that cluster.
        dst: u32,
    },
    /// A participant came from another cluster.
    MemberJoined {
        /// Its account.
        account: AccountId,
        /// Index of that cluster.
        src: u32,
    },
    /// The root recorded a decision, or closed one.
    DecisionRecorded {
        /// Its number.
        number: u32,
        /// How far it has come.
        status: DecisionStatus,
    },
    /// A cluster learnt of a decision of the root.
    DecisionLearnt {
        /// Its number.
        number: u32,
        /// How far it has come.
        status: DecisionStatus,
    },
    /// An account may be a full node, or no longer.
    Authorised {
        /// The account.
        node: AccountId,
        /// Whether it may.
        granted: bool,
    },
    /// The next block has other validators.
    ValidatorsChanged {
        /// Their number.
        count: u32,
    },
    /// A transaction was executed without effect.
    Refused {
        /// Its identity.
        transaction: [u8; 32],
        /// Why, for people.
        reason: String,
    },
    /// An edge reads a participant's physical meter from now on.
    MeterTrusted {
        /// The participant's account.
        account: AccountId,
        /// Public key of the edge.
        key: [u8; 32],
    },
    /// A signed reading of a physical meter is on record.
    RecordTaken {
        /// The participant's account.
        account: AccountId,
        /// Name of the point.
        point: String,
        /// Value as a whole number.
        value: i64,
        /// Power of ten of the value.
        exponent: i8,
        /// Number of the reading.
        seq: u64,
    },
    /// A signed reading of a physical meter was refused; the others of its
    /// transaction stand for themselves.
    RecordRefused {
        /// The participant's account.
        account: AccountId,
        /// Number of the reading.
        seq: u64,
        /// Why, for people.
        reason: String,
    },
    /// An order stands for a coming slot.
    OrderPlaced {
        /// The participant's account.
        account: AccountId,
        /// The slot.
        slot: u32,
        /// Number of its transaction.
        nonce: u64,
    },
    /// A bid at the wholesale market stands for a coming slot.
    WholesaleBid {
        /// The slot.
        slot: u32,
        /// Energy bought (positive) or sold in all steps, Wh.
        wh: EnergyWh,
    },
    /// A position at the wholesale market was settled with its slot.
    WholesaleSettled {
        /// The slot.
        slot: u32,
        /// What the bid had cleared at.
        position: Position,
        /// What came of it.
        delivered: Delivered,
    },
    /// A statement about a slot without a grid is on record.
    IslandStated {
        /// The slot.
        slot: u32,
        /// Whether the slot is over.
        over: bool,
    },
}

/// What a slot was settled against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Footing {
    /// The utility.
    #[default]
    Grid,
    /// The island alone: there was no utility.
    Island {
        /// Energy that other clusters of the island gave, Wh; negative when they took.
        from_neighbours_wh: EnergyWh,
    },
    /// The utility as far as it exchanged anything, and the island: there was a
    /// grid for a part of the slot.
    Part {
        /// As above.
        from_neighbours_wh: EnergyWh,
        /// Energy that the utility gave, Wh; negative when it took.
        from_grid_wh: EnergyWh,
    },
    /// The utility, because the meters took more than an island could have
    /// given: the statement does not hold.
    Doubted {
        /// What members and neighbours did not give, Wh.
        short_wh: EnergyWh,
    },
}

impl Footing {
    /// Whether it is an island.
    #[must_use]
    pub fn is_island(self) -> bool {
        matches!(self, Self::Island { .. })
    }
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
    /// What it was settled against.
    pub footing: Footing,
    /// Open demand served by the island, Wh.
    pub island_wh: EnergyWh,
    /// Supply nobody took while islanded, Wh.
    pub unused_wh: EnergyWh,
    /// Energy delivered inside the cluster per type, Wh.
    pub local_typed_wh: TypedWh,
    /// Money paid from payers to payees, nano-EUR.
    pub moved: MoneyNanoEur,
    /// What the operator lent in this slot because wallets were empty, nano-EUR.
    pub lent: MoneyNanoEur,
    /// Debt paid back to the operator in this slot, nano-EUR.
    pub repaid: MoneyNanoEur,
    /// Accounts whose meter had not reported the end of the slot: what is
    /// missing was estimated, and is put right with their next readings.
    pub estimated: Vec<AccountId>,
    /// Lots of energy that changed hands: who delivered what to whom at which price.
    pub lines: Vec<MoneyLine>,
}

impl SettledSlot {
    /// The settlement without its lines.
    pub(crate) fn summary(&self) -> Self {
        Self {
            slot: self.slot,
            priced: self.priced,
            local_wh: self.local_wh,
            bought_wh: self.bought_wh,
            sold_wh: self.sold_wh,
            footing: self.footing,
            island_wh: self.island_wh,
            unused_wh: self.unused_wh,
            local_typed_wh: self.local_typed_wh,
            moved: self.moved,
            lent: self.lent,
            repaid: self.repaid,
            lines: Vec::new(),
            estimated: self.estimated.clone(),
        }
    }
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
