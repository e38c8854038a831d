//! Questions to a ledger; none of them changes anything.

use std::sync::Arc;

use gridloom_consensus::Decided;
use gridloom_contract::{EmInstance, EmTemplate};
use gridloom_market::MoneyLine;
use gridloom_market::forward::Outlook;
use gridloom_units::{
    AccountId, EnergyType, MoneyNanoEur, PriceMicroEurPerKwh, RecordChain, TypedWh,
};

use super::{Entry, LedgerChain};
use crate::audit::{AuditError, AuditReport, audit};
use crate::cross::{DecisionRecord, Flows, Governance, Inbound, Lot, Parcel, RootSeen};
use crate::execute::form_price;
use crate::header::{BlockHeader, LedgerBlock};
use crate::merkle::{InclusionProof, LineProof, ListPath, ReceiptProof, receipt_leaf};
use crate::receipt::{Bill, Delivery, Receipt, SettledSlot};
use crate::state::{
    AreaLoad, ClusterRecord, ForwardState, IslandSlot, LastReading, MarketState, Meter,
    Participant, PlacedBid, PlacedOrder, SlotPrice, StateKey, StateProof, StateValue, TreePath,
    View,
};

/// Most settled slots one statement looks through.
const SCANNED_SLOTS: usize = 4_096;

/// What an account has (paper P6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// The account.
    pub account: AccountId,
    /// Money, nano-EUR.
    pub money: MoneyNanoEur,
    /// Owed to the operator, nano-EUR.
    pub debt: MoneyNanoEur,
    /// Energy minted or bought and not yet sold or retired, per type, Wh.
    pub held_wh: TypedWh,
    /// Metered out of its plant since the beginning, per type, Wh.
    pub produced_wh: TypedWh,
    /// Received and consumed since the beginning, per type, Wh.
    pub consumed_wh: TypedWh,
    /// Sold since the beginning, per type, Wh.
    pub sold_wh: TypedWh,
    /// Bought since the beginning, per type, Wh.
    pub bought_wh: TypedWh,
}

/// A participant as the roster lists it.
pub type ParticipantRow = Participant;

impl LedgerChain {
    /// Height of the last decided block; 0 before the first.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Commitment to the state after the last block.
    #[must_use]
    pub fn state_root(&self) -> [u8; 32] {
        self.state.root()
    }

    /// A decided block with a certificate.
    #[must_use]
    pub fn block(&self, height: u64) -> Option<Decided<LedgerBlock>> {
        self.entry(height).map(|entry| entry.decided.clone())
    }

    /// Header of the last block.
    #[must_use]
    pub fn tip_header(&self) -> Option<&BlockHeader> {
        match self.blocks.last() {
            Some(entry) => Some(entry.decided.block.header()),
            None => self.base.as_deref(),
        }
    }

    /// What a block did.
    #[must_use]
    pub fn receipts(&self, height: u64) -> Option<Arc<Vec<Receipt>>> {
        self.entry(height).map(|entry| Arc::clone(&entry.receipts))
    }

    /// Money and energy of an account.
    #[must_use]
    pub fn wallet(&self, account: AccountId) -> Option<Wallet> {
        let record = self.state.account(account)?;
        Some(Wallet {
            account,
            money: record.money,
            debt: record.debt,
            held_wh: record.held_wh(),
            produced_wh: record.minted_wh,
            consumed_wh: record.retired_wh,
            sold_wh: record.sold_wh,
            bought_wh: record.bought_wh,
        })
    }

    /// A nonce the account has not used, above all it used.
    #[must_use]
    pub fn next_nonce(&self, account: AccountId) -> Option<u64> {
        self.state.account(account).map(|record| record.nonces.next)
    }

    /// Number the meter's next reading may have.
    #[must_use]
    pub fn next_seq(&self, meter: AccountId) -> Option<u64> {
        let record = self.state.meter(meter)?;
        Some(record.last_seq.map_or(0, |last| last.saturating_add(1)))
    }

    /// Lots delivered to an account, newest first (paper F5, P8).
    #[must_use]
    pub fn statement(&self, account: AccountId, limit: usize) -> Vec<Delivery> {
        self.lots(limit, |line| line.buyer == account)
    }

    /// Lots delivered out of an account's plant, newest first.
    #[must_use]
    pub fn sales(&self, account: AccountId, limit: usize) -> Vec<Delivery> {
        self.lots(limit, |line| line.seller == account)
    }

    fn lots(&self, limit: usize, wanted: impl Fn(&MoneyLine) -> bool) -> Vec<Delivery> {
        let mut found = Vec::new();
        for at in self.settled.rev().take(SCANNED_SLOTS) {
            let Some(Receipt::Settled(settled)) = at.receipts.get(at.index) else {
                continue;
            };
            for line in settled.lines.iter().rev().filter(|line| wanted(line)) {
                if found.len() >= limit {
                    return found;
                }
                found.push(Delivery {
                    plant: line.seller,
                    consumer: line.buyer,
                    kind: line.kind,
                    generated_slot: settled.slot,
                    delivered_slot: settled.slot,
                    wh: line.energy_wh,
                    price: line.price,
                    height: at.height,
                });
            }
        }
        found
    }

    /// The settlement of the newest settled slots, newest first, with heights.
    pub fn settlements(&self) -> impl Iterator<Item = (u64, &SettledSlot)> {
        self.settled
            .rev()
            .filter_map(|at| match at.receipts.get(at.index) {
                Some(Receipt::Settled(settled)) => Some((at.height, settled)),
                _ => None,
            })
    }

    /// What an account received and paid since the beginning.
    #[must_use]
    pub fn bill(&self, account: AccountId) -> Bill {
        self.state.bill(account).cloned().unwrap_or_default()
    }

    /// Everybody who registered, in order of account.
    #[must_use]
    pub fn participants(&self) -> Vec<ParticipantRow> {
        let roster = self.state.roster().map_or(&[][..], Vec::as_slice);
        roster
            .iter()
            .filter_map(|account| self.state.participant(*account).cloned())
            .collect()
    }

    /// One participant.
    #[must_use]
    pub fn participant(&self, account: AccountId) -> Option<&Participant> {
        self.state.participant(account)
    }

    /// Signed readings of a participant's physical meter.
    #[must_use]
    pub fn records(&self, account: AccountId) -> Option<&RecordChain> {
        self.state.records(account)
    }

    /// A version of a participant's contract; older versions stay readable.
    #[must_use]
    pub fn instance(&self, account: AccountId, version: u32) -> Option<&EmInstance> {
        self.state.instance(account, version)
    }

    /// The EM contract in force.
    #[must_use]
    pub fn contract(&self) -> Option<&EmTemplate> {
        self.state.template(self.state.market()?.template_version)
    }

    /// Decided price of a slot.
    #[must_use]
    pub fn price(&self, slot: u32) -> Option<SlotPrice> {
        self.state.price(slot).cloned()
    }

    /// The newest decided price.
    #[must_use]
    pub fn latest_price(&self) -> Option<SlotPrice> {
        self.price(self.state.market()?.priced_through?)
    }

    /// Last reading on record of a meter.
    #[must_use]
    pub fn recorded(&self, meter: AccountId) -> Option<LastReading> {
        self.state.meter(meter)?.last.clone()
    }

    /// A meter's record.
    #[must_use]
    pub fn meter(&self, meter: AccountId) -> Option<&Meter> {
        self.state.meter(meter)
    }

    /// Last load on record of an M-LMD's area.
    #[must_use]
    pub fn area_load(&self, mlmd: u32) -> Option<AreaLoad> {
        self.state.area_load(mlmd).copied()
    }

    /// What was stated about a slot without a grid.
    #[must_use]
    pub fn island(&self, slot: u32) -> Option<IslandSlot> {
        self.state.island(slot).copied()
    }

    /// Whether every area's register is on record at both ends of a slot.
    #[must_use]
    pub fn areas_complete(&self, slot: u32) -> bool {
        let areas = self.state.market().map_or(&[][..], |market| &market.areas);
        self.market_rules().is_some_and(|rules| {
            areas.iter().all(|mlmd| {
                let area = self.state.area_load(*mlmd);
                area.is_some_and(|area| area.energy_in(slot, &rules).is_some())
            })
        })
    }

    /// Meters whose reading at the end of a slot is on record, and meters in all.
    #[must_use]
    pub fn slot_complete(&self, slot: u32) -> (usize, usize) {
        let Some(roles) = self.is_cluster() else {
            return (0, 0);
        };
        let roster = self.state.roster().map_or(&[][..], Vec::as_slice);
        let there = |account: &&AccountId| {
            self.state
                .participant(**account)
                .and_then(|participant| self.state.meter(participant.meter))
                .is_some_and(|meter| meter.has_end_of(slot, &roles.market))
        };
        (roster.iter().filter(there).count(), roster.len())
    }

    /// What a correct price transaction for a slot contains, from the readings
    /// on record now.
    #[must_use]
    pub fn next_price(
        &self,
        slot: u32,
    ) -> Option<(
        [PriceMicroEurPerKwh; EnergyType::COUNT],
        PriceMicroEurPerKwh,
    )> {
        self.preview_price(slot)
            .map(|price| (price.typed, price.scalar))
    }

    /// The price a slot would get from the readings on record now, and what it
    /// is formed from.
    #[must_use]
    pub fn preview_price(&self, slot: u32) -> Option<SlotPrice> {
        let roles = self.is_cluster()?;
        let formed = form_price(&View::new(&self.state), &roles.market, slot);
        formed.ok().map(|formed| formed.price)
    }

    /// Forecasts of the cluster's supply and demand, and how good they were.
    #[must_use]
    pub fn outlook(&self) -> Option<&Outlook> {
        self.state.outlook()
    }

    /// Rules of the cluster's market; `None` for the root ledger.
    #[must_use]
    pub fn market_rules(&self) -> Option<crate::MarketRules> {
        self.is_cluster().map(|roles| roles.market)
    }

    /// Orders of a participant for slots that are not settled, by slot.
    #[must_use]
    pub fn orders(&self, account: AccountId) -> &[PlacedOrder] {
        self.state.orders(account).map_or(&[], Vec::as_slice)
    }

    /// The wholesale agent's bid for a slot that has not been over for long.
    #[must_use]
    pub fn wholesale_bid(&self, slot: u32) -> Option<&PlacedBid> {
        self.state.bids()?.iter().find(|bid| bid.slot == slot)
    }

    /// What forward clearing committed for the newest priced slot.
    #[must_use]
    pub fn forward(&self) -> Option<&ForwardState> {
        self.state.forward()
    }

    /// Counters of the market.
    #[must_use]
    pub fn market(&self) -> Option<&MarketState> {
        self.state.market()
    }

    /// Last settled slot.
    #[must_use]
    pub fn settled_through(&self) -> Option<u32> {
        self.state.market()?.settled_through
    }

    /// What the root knows of a cluster.
    #[must_use]
    pub fn cluster_record(&self, cluster: u32) -> Option<&ClusterRecord> {
        self.state.cluster(cluster)
    }

    /// Goes through the whole books. (What a block changes is audited with
    /// every block in any case.)
    ///
    /// # Errors
    /// Names the first sum that does not balance.
    pub fn audit(&self) -> Result<AuditReport, AuditError> {
        audit(&self.genesis, &self.state)
    }

    /// Proof that transaction `index` is in the block at `height`.
    #[must_use]
    pub fn prove(&self, height: u64, index: usize) -> Option<InclusionProof> {
        let block = &self.entry(height)?.decided.block;
        Some(InclusionProof {
            header: block.header().clone(),
            transaction: block.transactions().get(index)?.as_ref().clone(),
            path: ListPath::new(block.transaction_ids(), index)?,
        })
    }

    /// Proof that receipt `index` came out of the block at `height`.
    #[must_use]
    pub fn prove_receipt(&self, height: u64, index: usize) -> Option<ReceiptProof> {
        let Entry { decided, receipts } = self.entry(height)?;
        let leaves: Vec<[u8; 32]> = receipts.iter().map(receipt_leaf).collect();
        Some(ReceiptProof {
            header: decided.block.header().clone(),
            receipt: receipts.get(index)?.clone(),
            path: ListPath::new(&leaves, index)?,
        })
    }

    /// Proof that a lot changed hands in the settlement `receipt` of the block at `height`.
    #[must_use]
    pub fn prove_line(&self, height: u64, receipt: usize, line: usize) -> Option<LineProof> {
        LineProof::new(&self.entry(height)?.receipts, receipt, line)
    }

    /// Dealings with other clusters, from this cluster's side.
    #[must_use]
    pub fn flows(&self) -> Option<&Flows> {
        self.state.flows()
    }

    /// The root block this cluster builds on.
    #[must_use]
    pub fn root_seen(&self) -> Option<&RootSeen> {
        self.state.root_seen()
    }

    /// Accounts that may be full nodes.
    #[must_use]
    pub fn full_nodes(&self) -> &[AccountId] {
        self.state.full_nodes().map_or(&[], Vec::as_slice)
    }

    /// Lots of other clusters an account holds.
    #[must_use]
    pub fn claims(&self, account: AccountId) -> &[Lot] {
        self.state.claims(account).map_or(&[], Vec::as_slice)
    }

    /// What is left of a slot's energy sold to the utility, by plant.
    #[must_use]
    pub fn surplus(&self, slot: u32) -> &[Lot] {
        self.state.surplus(slot).map_or(&[], Vec::as_slice)
    }

    /// A parcel this cluster sent.
    #[must_use]
    pub fn parcel(&self, dst: u32, seq: u64) -> Option<&Parcel> {
        self.state.parcel(dst, seq)
    }

    /// What became of a parcel of another cluster here: accepted or not.
    #[must_use]
    pub fn outcome(&self, src: u32, seq: u64) -> Option<bool> {
        self.state.outcome(src, seq).copied()
    }

    /// What the root tells a cluster about the others.
    #[must_use]
    pub fn inbound(&self, cluster: u32) -> Option<&Inbound> {
        self.state.inbound(cluster)
    }

    /// A decision of the root.
    #[must_use]
    pub fn decision(&self, number: u32) -> Option<&DecisionRecord> {
        self.state.decision(number)
    }

    /// Counters of the root's decisions.
    #[must_use]
    pub fn governance(&self) -> Option<&Governance> {
        self.state.governance()
    }

    /// Path to a piece of state after one of the newest blocks, and the piece.
    #[must_use]
    pub fn prove_at(&self, height: u64, key: StateKey) -> Option<(Option<StateValue>, TreePath)> {
        let (_, state) = self.recent.iter().rev().find(|(h, _)| *h == height)?;
        let value = state.get(&key).map(|value| value.as_ref().clone());
        Some((value, state.prove(&key)))
    }

    /// Proof of a piece of state after the last block; `None` before the first.
    #[must_use]
    pub fn prove_state(&self, key: StateKey) -> Option<StateProof> {
        Some(StateProof {
            header: self.tip_header()?.clone(),
            key,
            value: self.state.get(&key).map(|value| value.as_ref().clone()),
            path: self.state.prove(&key),
        })
    }
}
