//! Settlement of a slot: energy becomes lots, lots become money.

use std::collections::BTreeMap;

use gridloom_market::wholesale::GridPrices;
use gridloom_market::{
    Allocation, BuyOrder, GridPart, IslandInput, MeteredNet, MoneyLine, PlantWish, Reason, Rule,
    SellOrder, Settlement, SettlementInput, SlotOrders, Terms, TypedPrice, Wallet, book_settlement,
    clear_slot, settle, settle_island,
};
use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh, SimTime};

use super::wholesale::Margin;
use super::{Executor, Refusal};
use crate::genesis::{ClusterRoles, MarketRules};
use crate::receipt::{Footing, Receipt, SettledSlot};
use crate::state::{Account, MarketState, Meter, Registers, SlotPrice, StateKey, StateValue};

/// Metered energy of one participant in the slot.
pub(super) struct Metered {
    account: AccountId,
    meter_id: AccountId,
    meter: Meter,
    pub(super) energy: Registers,
    /// What of the registers is an estimate, Wh.
    pub(super) estimated: Registers,
    weights: [u32; EnergyType::COUNT],
    limits: (Option<PriceMicroEurPerKwh>, Option<PriceMicroEurPerKwh>),
    wishes: Vec<PlantWish>,
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
        let metered = self.metered(&roles.market, slot);
        let footing = self.footing(slot, &metered);
        let price = self.view.price(slot).cloned();
        let grid = grid_of(&roles.market, price.as_ref(), footing);
        let typed = price
            .as_ref()
            .map(|price| held(price, bounds(&roles.market, grid, footing), footing));
        let placed = self.placed(metered.iter().map(|entry| entry.account), slot);
        let rule = self
            .view
            .template(market.template_version)
            .map_or(Rule::Typed, |template| template.price.rule.clone());
        let decided = typed.map(|typed| (typed, &rule));
        let (allocation, settlement) = trade(roles, grid, &metered, &placed, decided, footing)?;
        let mut accounts = self.book_energy(&metered, &settlement)?;
        let mut settled = summary(slot, price.is_some(), &allocation, &settlement);
        settled.footing = footing;
        let margin = Margin::of(roles, price.as_ref(), grid, &settlement);
        let paid = margin.iter().flat_map(|m| [m.agent, m.utility]);
        for id in paid.chain([roles.operator]) {
            accounts
                .entry(id)
                .or_insert_with(|| self.account_or_new(id));
        }
        let mut changes = settlement.balances();
        if let Some(margin) = &margin {
            margin.add_to(&mut changes);
        }
        pay(roles.operator, &mut accounts, &changes, &mut settled)?;
        settled.estimated = metered
            .iter()
            .filter(|entry| entry.estimated != Registers::default())
            .map(|entry| entry.account)
            .collect();

        // Nothing above has written anything; from here on nothing can fail.
        book_totals(&mut market, roles.utility, &metered, &settlement);
        market.lent += settled.lent - settled.repaid;
        market.settled_through = Some(slot);
        self.put_market(market);
        self.book_bills(slot, &settlement);
        for (id, account) in accounts {
            self.put_account(id, account);
        }
        self.forget_orders(metered.iter().map(|entry| entry.account), slot);
        for entry in metered {
            self.view.put(
                StateKey::Meter(entry.meter_id),
                StateValue::Meter(entry.meter),
            );
        }
        self.keep_surplus(roles, slot, &settlement.lines);
        settled.lines = settlement.lines;
        self.receipts.push(Receipt::Settled(settled));
        self.receipts
            .extend(margin.map(|margin| margin.receipt(slot)));
        Ok(())
    }

    fn account_or_new(&self, id: AccountId) -> Account {
        self.view
            .account(id)
            .cloned()
            .unwrap_or_else(|| Account::new(id, 0))
    }

    fn metered(&self, rules: &MarketRules, slot: u32) -> Vec<Metered> {
        let roster = self.view.roster().map_or(&[][..], Vec::as_slice);
        let named: BTreeMap<&str, AccountId> = roster
            .iter()
            .filter_map(|account| self.view.participant(*account))
            .map(|participant| (participant.name.as_str(), participant.account))
            .collect();
        let of = |account: &AccountId| {
            let participant = self.view.participant(*account)?;
            let mut meter = self.view.meter(participant.meter)?.clone();
            let (energy, estimated) = meter.settle_through(slot, rules);
            let instance = self.view.instance(*account, participant.version)?;
            Some(Metered {
                account: *account,
                meter_id: participant.meter,
                meter,
                energy,
                estimated,
                weights: instance.preferences.weights.to_array(),
                limits: (
                    instance.preferences.limits.buy_up_to,
                    instance.preferences.limits.sell_from,
                ),
                // Names nobody in the cluster has wish for nothing.
                wishes: instance
                    .preferences
                    .plants
                    .iter()
                    .filter_map(|wish| {
                        Some(PlantWish {
                            buyer: *account,
                            seller: *named.get(wish.plant.as_str())?,
                            factor: wish.factor,
                        })
                    })
                    .collect(),
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
                if line.reason.is_consumed() {
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

/// What members get from and pay to the grid in a slot: what the wholesale
/// agent's position made of it, as long as there was a grid all along.
fn grid_of(rules: &MarketRules, price: Option<&SlotPrice>, footing: Footing) -> GridPrices {
    match footing {
        Footing::Grid | Footing::Doubted { .. } => price
            .filter(|price| !price.island)
            .map_or(rules.tariff(), |price| price.grid),
        Footing::Island { .. } | Footing::Part { .. } => rules.tariff(),
    }
}

/// The decided price, within the bounds that the slot has turned out to have: the
/// grid may have gone or come back within it, and nobody does worse than outside.
fn held(
    price: &SlotPrice,
    (lower, upper): (PriceMicroEurPerKwh, PriceMicroEurPerKwh),
    footing: Footing,
) -> TypedPrice {
    if price.island == footing.is_island() {
        return price.typed;
    }
    price.typed.map(|typed| typed.clamp(lower, upper))
}

/// Lowest and highest price of a slot by what it is settled against.
fn bounds(
    rules: &MarketRules,
    grid: GridPrices,
    footing: Footing,
) -> (PriceMicroEurPerKwh, PriceMicroEurPerKwh) {
    let island = rules.bounds(true);
    match footing {
        Footing::Grid | Footing::Doubted { .. } => (grid.feed_in, grid.import),
        Footing::Island { .. } => island,
        Footing::Part { .. } => (grid.feed_in.min(island.0), grid.import.max(island.1)),
    }
}

/// Local trade at the decided price, the rest with the grid at its prices;
/// without a decided price everybody deals with the utility at its tariff (what
/// a household without a local market has), or with the island at its highest
/// price.
fn trade(
    roles: &ClusterRoles,
    grid: GridPrices,
    metered: &[Metered],
    placed: &BTreeMap<AccountId, Terms>,
    price: Option<([i64; EnergyType::COUNT], &Rule)>,
    footing: Footing,
) -> Result<(Allocation, Settlement), Refusal> {
    let (buyers, sellers) = offered(metered, price.is_some());
    let (lower, upper) = bounds(&roles.market, grid, footing);
    let (typed, rule) = price.unwrap_or(([upper; EnergyType::COUNT], &Rule::Typed));
    let limits = metered
        .iter()
        .map(|entry| (entry.account, entry.limits))
        .collect();
    let wishes: Vec<PlantWish> = metered
        .iter()
        .flat_map(|entry| entry.wishes.clone())
        .collect();
    let nets: Vec<MeteredNet> = metered
        .iter()
        .map(|entry| MeteredNet {
            account: entry.account,
            net_wh: entry.energy.net_wh(),
        })
        .collect();
    let cleared = clear_slot(
        rule,
        &SlotOrders {
            lower,
            upper,
            decided: &typed,
            buyers: &buyers,
            sellers: &sellers,
            wishes: &wishes,
            limits: &limits,
            placed,
        },
    )
    .map_err(|error| error.to_string())?;
    let allocation = cleared.allocation;
    let outcome = Outcome {
        typed,
        paid: Some(cleared.paid.as_slice()),
        allocation: &allocation,
        metered: &nets,
    };
    let settlement = settled_on(roles, grid, footing, &outcome)?;
    Ok((allocation, settlement))
}

/// What everybody wants and gives in a slot; without a decided price nobody
/// takes anything from a member.
fn offered(metered: &[Metered], priced: bool) -> (Vec<BuyOrder>, Vec<SellOrder>) {
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
    let buyers = metered.iter().map(|entry| BuyOrder {
        account: entry.account,
        demand_wh: entry.energy.import_wh,
        weights: if priced {
            entry.weights
        } else {
            [0; EnergyType::COUNT]
        },
    });
    (buyers.collect(), metered.iter().flat_map(sells).collect())
}

/// A cleared slot before its money is known.
struct Outcome<'a> {
    typed: TypedPrice,
    paid: Option<&'a [PriceMicroEurPerKwh]>,
    allocation: &'a Allocation,
    metered: &'a [MeteredNet],
}

/// The money of a cleared slot: against the utility, or within the island.
fn settled_on(
    roles: &ClusterRoles,
    grid: GridPrices,
    footing: Footing,
    outcome: &Outcome<'_>,
) -> Result<Settlement, Refusal> {
    let &Outcome {
        typed,
        paid,
        allocation,
        metered,
    } = outcome;
    let island = |from_neighbours_wh: EnergyWh, from_grid_wh: EnergyWh| {
        settle_island(&IslandInput {
            carrier: roles.operator,
            price: roles.market.island,
            to_neighbours_wh: from_neighbours_wh.saturating_neg(),
            grid: GridPart {
                utility: roles.utility,
                feed_in: grid.feed_in,
                import: grid.import,
                from_grid_wh,
            },
            typed,
            paid,
            allocation,
            metered,
        })
    };
    match footing {
        Footing::Island { from_neighbours_wh } => island(from_neighbours_wh, 0),
        Footing::Part {
            from_neighbours_wh,
            from_grid_wh,
        } => island(from_neighbours_wh, from_grid_wh),
        Footing::Grid | Footing::Doubted { .. } => settle(&SettlementInput {
            utility: roles.utility,
            feed_in: grid.feed_in,
            import: grid.import,
            price: typed,
            paid,
            allocation,
            metered,
        }),
    }
    .map_err(|error| error.to_string())
}

/// Moves the money. What a wallet cannot pay the operator lends it; what a
/// wallet in debt earns pays the operator back first.
fn pay(
    operator: AccountId,
    accounts: &mut BTreeMap<AccountId, Account>,
    changes: &BTreeMap<AccountId, MoneyNanoEur>,
    settled: &mut SettledSlot,
) -> Result<(), Refusal> {
    let mut wallets: BTreeMap<AccountId, Wallet> = accounts
        .iter()
        .map(|(id, account)| {
            let wallet = Wallet {
                money: account.money,
                held: account.held,
                debt: account.debt,
            };
            (*id, wallet)
        })
        .collect();
    let credit =
        book_settlement(&mut wallets, operator, changes).map_err(|short| short.to_string())?;
    for (id, wallet) in wallets {
        let account = accounts.entry(id).or_insert_with(|| Account::new(id, 0));
        account.money = wallet.money;
        account.held = wallet.held;
        account.debt = wallet.debt;
    }
    settled.moved = changes.values().map(|change| (*change).max(0)).sum();
    settled.lent = credit.lent;
    settled.repaid = credit.repaid;
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
        island_wh: sum(Reason::IslandSupply),
        unused_wh: sum(Reason::Unused),
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
        reason,
        ..
    } in &settlement.lines
    {
        let k = kind.index();
        if *seller == utility {
            totals.bought_wh[k] += energy_wh;
        }
        if *buyer == utility {
            totals.sold_wh[k] += energy_wh;
        } else if reason.is_consumed() {
            totals.retired_wh[k] += energy_wh;
        }
    }
}
