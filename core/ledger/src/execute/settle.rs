//! Settlement of a slot: energy becomes lots, lots become money.

use std::collections::BTreeMap;

use gridloom_market::{
    Allocation, BuyOrder, MeteredNet, MoneyLine, Reason, SellOrder, Settlement, SettlementInput,
    allocate, settle,
};
use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur, SimTime};

use super::{Executor, Refusal};
use crate::genesis::ClusterRoles;
use crate::receipt::{Receipt, SettledSlot};
use crate::state::{Account, MarketState, Meter, Registers, StateKey, StateValue};

/// Metered energy of one participant in the slot.
struct Metered {
    account: AccountId,
    meter_id: AccountId,
    meter: Meter,
    energy: Registers,
    weights: [u32; EnergyType::COUNT],
}

impl Meter {
    /// Takes everything up to the end of the slot as settled; returns it.
    fn settle_through(&mut self, slot: u32) -> Registers {
        let count = self.boundaries.partition_point(|b| b.slot <= slot);
        let Some(end) = count.checked_sub(1).map(|last| self.boundaries[last]) else {
            return Registers::default();
        };
        let energy = end.registers.since(&self.settled);
        self.settled = end.registers;
        // The next price is formed from the newest of them.
        self.boundaries.drain(..count - 1);
        energy
    }
}

impl Executor<'_> {
    pub(super) fn settle(&mut self, roles: &ClusterRoles, slot: u32) -> Result<(), Refusal> {
        let mut market = self.market();
        if let Some(last) = market.settled_through
            && u64::from(slot) != u64::from(last) + 1
        {
            return Err(format!(
                "slots are settled once and in order: {} is next, not {slot}",
                u64::from(last) + 1
            ));
        }
        let end_ms = roles.market.slot_end_ms(slot);
        if self.env.time_ms < end_ms {
            return Err(format!(
                "slot {slot} ends at {}, after the block's time {}",
                SimTime(end_ms),
                SimTime(self.env.time_ms)
            ));
        }
        let metered = self.metered(slot);
        let price = self.view.price(slot).map(|price| price.typed);
        let (allocation, settlement) = trade(roles, &metered, price)?;
        let mut accounts = self.book_energy(&metered, &settlement)?;
        let mut settled = summary(slot, price.is_some(), &allocation, &settlement);
        accounts
            .entry(roles.operator)
            .or_insert_with(|| self.account_or_new(roles.operator));
        pay(roles.operator, &mut accounts, &settlement, &mut settled)?;

        // Nothing above has written anything; from here on nothing can fail.
        book_totals(&mut market, roles.utility, &metered, &settlement);
        market.lent += settled.lent - settled.repaid;
        market.settled_through = Some(slot);
        self.put_market(market);
        self.book_bills(slot, &settlement);
        for (id, account) in accounts {
            self.put_account(id, account);
        }
        for entry in metered {
            self.view.put(
                StateKey::Meter(entry.meter_id),
                StateValue::Meter(entry.meter),
            );
        }
        settled.lines = settlement.lines;
        self.receipts.push(Receipt::Settled(settled));
        Ok(())
    }

    fn account_or_new(&self, id: AccountId) -> Account {
        self.view
            .account(id)
            .cloned()
            .unwrap_or_else(|| Account::new(id, 0))
    }

    fn metered(&self, slot: u32) -> Vec<Metered> {
        let roster = self.view.roster().map_or(&[][..], Vec::as_slice);
        let of = |account: &AccountId| {
            let participant = self.view.participant(*account)?;
            let mut meter = self.view.meter(participant.meter)?.clone();
            let energy = meter.settle_through(slot);
            let instance = self.view.instance(*account, participant.version)?;
            Some(Metered {
                account: *account,
                meter_id: participant.meter,
                meter,
                energy,
                weights: instance.preferences.weights.to_array(),
            })
        };
        roster.iter().filter_map(of).collect()
    }

    /// Accounts of everybody in the slot with its lots minted, moved and retired.
    fn book_energy(
        &self,
        metered: &[Metered],
        settlement: &Settlement,
    ) -> Result<BTreeMap<AccountId, Account>, Refusal> {
        let mut accounts: BTreeMap<AccountId, Account> = BTreeMap::new();
        let parties = metered.iter().map(|entry| entry.account);
        let traders = settlement
            .lines
            .iter()
            .flat_map(|line| [line.buyer, line.seller]);
        for id in parties.chain(traders) {
            accounts
                .entry(id)
                .or_insert_with(|| self.account_or_new(id));
        }
        for entry in metered {
            if let Some(account) = accounts.get_mut(&entry.account) {
                account.minted_wh[EnergyType::Solar.index()] += entry.energy.export_solar_wh;
                account.minted_wh[EnergyType::Battery.index()] += entry.energy.export_battery_wh;
            }
        }
        for line in &settlement.lines {
            if line.reason == Reason::Imbalance {
                // Orders are the metered energy, so there is nothing left over.
                return Err(format!("{} deviates from its own meter", line.buyer));
            }
            let k = line.kind.index();
            if let Some(seller) = accounts.get_mut(&line.seller) {
                seller.sold_wh[k] += line.energy_wh;
            }
            if let Some(buyer) = accounts.get_mut(&line.buyer) {
                buyer.bought_wh[k] += line.energy_wh;
                if line.reason != Reason::GridExport {
                    buyer.retired_wh[k] += line.energy_wh;
                }
            }
        }
        Ok(accounts)
    }

    fn book_bills(&mut self, slot: u32, settlement: &Settlement) {
        let mut bills = BTreeMap::new();
        for line in &settlement.lines {
            for (party, received) in [(line.buyer, true), (line.seller, false)] {
                bills
                    .entry(party)
                    .or_insert_with(|| self.view.bill(party).cloned().unwrap_or_default())
                    .add(line, received);
            }
        }
        for (party, mut bill) in bills {
            bill.through_slot = Some(slot);
            self.view.put(StateKey::Bill(party), StateValue::Bill(bill));
        }
    }
}

/// Local trade at the decided price; without one everybody deals with the
/// utility at its tariff (what a household without a local market has).
fn trade(
    roles: &ClusterRoles,
    metered: &[Metered],
    price: Option<[i64; EnergyType::COUNT]>,
) -> Result<(Allocation, Settlement), Refusal> {
    let sells = |entry: &Metered| {
        [
            (EnergyType::Solar, entry.energy.export_solar_wh),
            (EnergyType::Battery, entry.energy.export_battery_wh),
        ]
        .map(|(kind, offered_wh)| SellOrder {
            account: entry.account,
            kind,
            offered_wh,
        })
    };
    let buyers: Vec<BuyOrder> = metered
        .iter()
        .map(|entry| BuyOrder {
            account: entry.account,
            demand_wh: entry.energy.import_wh,
            weights: if price.is_some() {
                entry.weights
            } else {
                [0; EnergyType::COUNT]
            },
        })
        .collect();
    let sellers: Vec<SellOrder> = metered.iter().flat_map(sells).collect();
    let typed = price.unwrap_or([roles.market.import; EnergyType::COUNT]);
    let nets: Vec<MeteredNet> = metered
        .iter()
        .map(|entry| MeteredNet {
            account: entry.account,
            net_wh: entry.energy.net_wh(),
        })
        .collect();
    let allocation = allocate(&buyers, &sellers, &typed).map_err(|error| error.to_string())?;
    let settlement = settle(&SettlementInput {
        utility: roles.utility,
        feed_in: roles.market.feed_in,
        import: roles.market.import,
        price: typed,
        allocation: &allocation,
        metered: &nets,
    })
    .map_err(|error| error.to_string())?;
    Ok((allocation, settlement))
}

/// Moves the money. What a wallet cannot pay the operator lends it; what a
/// wallet in debt earns pays the operator back first.
fn pay(
    operator: AccountId,
    accounts: &mut BTreeMap<AccountId, Account>,
    settlement: &Settlement,
    settled: &mut SettledSlot,
) -> Result<(), Refusal> {
    let mut to_operator: MoneyNanoEur = 0;
    for (id, change) in settlement.balances() {
        let account = accounts.entry(id).or_insert_with(|| Account::new(id, 0));
        settled.moved += change.max(0);
        account.money += change;
        if id == operator {
            continue;
        }
        if account.money < 0 {
            let loan = -account.money;
            account.money = 0;
            account.debt += loan;
            settled.lent += loan;
            to_operator -= loan;
        } else if change > 0 && account.debt > 0 {
            let part = account.debt.min(change);
            account.money -= part;
            account.debt -= part;
            settled.repaid += part;
            to_operator += part;
        }
    }
    if to_operator == 0 {
        return Ok(());
    }
    let lender = accounts
        .entry(operator)
        .or_insert_with(|| Account::new(operator, 0));
    lender.money += to_operator;
    if lender.money < 0 {
        return Err(format!(
            "wallets lack {} nEUR and the operator's credit falls {} nEUR short",
            settled.lent, -lender.money
        ));
    }
    Ok(())
}

fn summary(
    slot: u32,
    priced: bool,
    allocation: &Allocation,
    settlement: &Settlement,
) -> SettledSlot {
    let sum = |reason: Reason| -> EnergyWh {
        let of_reason = settlement.lines.iter().filter(|line| line.reason == reason);
        of_reason.map(|line| line.energy_wh).sum()
    };
    SettledSlot {
        slot,
        priced,
        local_wh: sum(Reason::LocalTrade),
        bought_wh: sum(Reason::GridImport),
        sold_wh: sum(Reason::GridExport),
        local_typed_wh: allocation.delivered_wh,
        ..SettledSlot::default()
    }
}

fn book_totals(
    market: &mut MarketState,
    utility: AccountId,
    metered: &[Metered],
    settlement: &Settlement,
) {
    let totals = &mut market.totals;
    for entry in metered {
        totals.minted_wh[EnergyType::Solar.index()] += entry.energy.export_solar_wh;
        totals.minted_wh[EnergyType::Battery.index()] += entry.energy.export_battery_wh;
    }
    for MoneyLine {
        buyer,
        seller,
        kind,
        energy_wh,
        ..
    } in &settlement.lines
    {
        let k = kind.index();
        if *seller == utility {
            totals.bought_wh[k] += energy_wh;
        }
        if *buyer == utility {
            totals.sold_wh[k] += energy_wh;
        } else {
            totals.retired_wh[k] += energy_wh;
        }
    }
}
