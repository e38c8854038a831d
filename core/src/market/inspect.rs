//! What came out of the market, for tables: slots with the reason of their
//! price, and how good the forecasts were.

use std::collections::BTreeMap;

use gridloom_ledger::{LedgerChain, ParticipantRow, Receipt, SettledSlot, SlotPrice, TxBody};
use gridloom_market::wholesale::Position;
use gridloom_market::{Household, PriceInput, PriceRule, Terms, TypedPrice};
use gridloom_units::{AccountId, EnergyType, EnergyWh, PriceMicroEurPerKwh, TypedWh};
use serde::Serialize;

use crate::ledger::{LedgerGroup, Ledgers};
use crate::twin::Twin;

/// A decided slot of a cluster.
#[derive(Clone, Debug, Serialize)]
pub struct SlotRow {
    /// Cluster.
    pub cluster: String,
    /// The slot.
    pub slot: u32,
    /// Minute of the day at which it starts.
    pub minute: u16,
    /// Mean price, micro-EUR/kWh.
    pub scalar: PriceMicroEurPerKwh,
    /// Price per type, micro-EUR/kWh.
    pub typed: TypedPrice,
    /// Supply per type the price was formed from, Wh.
    pub supply_wh: TypedWh,
    /// Demand the price was formed from, Wh.
    pub demand_wh: EnergyWh,
    /// Supply per type metered in the slot before, Wh.
    pub metered_supply_wh: TypedWh,
    /// Demand metered in the slot before, Wh.
    pub metered_demand_wh: EnergyWh,
    /// Traded inside the cluster in this slot, Wh; zero until it is settled.
    pub local_wh: EnergyWh,
    /// Bought from the utility, Wh.
    pub bought_wh: EnergyWh,
    /// Sold to the utility, Wh.
    pub sold_wh: EnergyWh,
    /// Whether the price was formed for a slot without a grid.
    pub island: bool,
    /// Open demand that the island served in this slot, Wh.
    pub island_wh: EnergyWh,
    /// Meters that were estimated because they were silent.
    pub estimated: usize,
    /// Why the price is what it is; `None` when the slot before is not settled.
    pub why: Option<Why>,
}

/// A price taken apart.
#[derive(Clone, Debug, Serialize)]
pub struct Why {
    /// Name of the rule.
    pub rule: &'static str,
    /// What the grid pays, micro-EUR/kWh; nothing in an island.
    pub lower: PriceMicroEurPerKwh,
    /// What the grid asks, micro-EUR/kWh; in an island the cost of its dearest source.
    pub upper: PriceMicroEurPerKwh,
    /// Orders that stood for the slot in place of the contracts' limits.
    pub orders: usize,
    /// What the wholesale agent's bid cleared at: where the grid's prices come from.
    pub position: Option<Position>,
    /// Demand pressure per type (demand for it over supply of it).
    pub pressure: [f64; EnergyType::COUNT],
    /// The price by the rule alone, micro-EUR/kWh.
    pub free: PriceMicroEurPerKwh,
    /// What the step limit added to it, micro-EUR/kWh.
    pub held: PriceMicroEurPerKwh,
    /// The price by the rule without batteries, micro-EUR/kWh.
    pub without_batteries: PriceMicroEurPerKwh,
    /// The largest seller and the price by the rule without it, micro-EUR/kWh.
    pub without_largest: Option<(String, PriceMicroEurPerKwh)>,
}

/// How good the forecasts of one quantity of a cluster were.
#[derive(Clone, Debug, Serialize)]
pub struct OutlookRow {
    /// Cluster.
    pub cluster: String,
    /// `demand`, or the type of the energy that members give.
    pub quantity: &'static str,
    /// Slots judged.
    pub slots: u32,
    /// Expected of the coming slot, Wh.
    pub expected_wh: EnergyWh,
    /// How it is formed now.
    pub method: &'static str,
    /// Sum of the absolute errors, Wh.
    pub error_wh: EnergyWh,
    /// The same, had each slot been expected to be as the one before, Wh.
    pub naive_error_wh: EnergyWh,
}

/// The forecasts of every cluster, demand first, of what was ever given.
#[must_use]
pub fn outlooks(twin: &mut Twin) -> Vec<OutlookRow> {
    let mut rows = Vec::new();
    each_cluster(twin, |cluster, chain| {
        let Some(outlook) = chain.outlook() else {
            return;
        };
        let supply = EnergyType::ALL.into_iter().zip(&outlook.supply);
        let supply = supply.map(|(kind, series)| (kind.label(), series));
        for (quantity, series) in std::iter::once(("demand", &outlook.demand)).chain(supply) {
            if series.judged > 0 {
                let expected = series.expected();
                rows.push(OutlookRow {
                    cluster: cluster.to_owned(),
                    quantity,
                    slots: series.judged,
                    expected_wh: expected.wh,
                    method: expected.method.label(),
                    error_wh: series.error_wh,
                    naive_error_wh: series.naive_error_wh,
                });
            }
        }
    });
    rows
}

/// Every decided slot of every cluster, by cluster and time.
#[must_use]
pub fn slots(twin: &mut Twin) -> Vec<SlotRow> {
    let mut rows = Vec::new();
    each_cluster(twin, |cluster, chain| {
        let settled: BTreeMap<u32, &SettledSlot> = chain
            .settlements()
            .map(|(_, settled)| (settled.slot, settled))
            .collect();
        let newest = chain.latest_price().map_or(0, |price| price.slot);
        for price in (0..=newest).filter_map(|slot| chain.price(slot)) {
            let own = settled.get(&price.slot);
            let before = price
                .slot
                .checked_sub(1)
                .and_then(|slot| settled.get(&slot));
            rows.push(SlotRow {
                cluster: cluster.to_owned(),
                slot: price.slot,
                minute: chain
                    .market_rules()
                    .map_or(0, |rules| rules.minute_of_day(price.slot)),
                scalar: price.scalar,
                typed: price.typed,
                supply_wh: price.supply_wh,
                demand_wh: price.demand_wh,
                metered_supply_wh: price.metered_supply_wh,
                metered_demand_wh: price.metered_demand_wh,
                local_wh: own.map_or(0, |slot| slot.local_wh),
                bought_wh: own.map_or(0, |slot| slot.bought_wh),
                sold_wh: own.map_or(0, |slot| slot.sold_wh),
                island: price.island,
                island_wh: own.map_or(0, |slot| slot.island_wh),
                estimated: own.map_or(0, |slot| slot.estimated.len()),
                why: before.and_then(|before| why(chain, &price, before)),
            });
        }
    });
    rows
}

pub(super) fn each_cluster(twin: &mut Twin, mut visit: impl FnMut(&str, &LedgerChain)) {
    let world = twin.world_mut();
    let names = world.resource::<Ledgers>().names.clone();
    let root = world.resource::<Ledgers>().root();
    let mut query = world.query::<&LedgerGroup>();
    let mut groups: Vec<&LedgerGroup> = query.iter(world).filter(|g| g.index != root).collect();
    groups.sort_by_key(|group| group.index);
    for group in groups {
        if let Some(chain) = group.chain() {
            visit(&names[group.index as usize], chain);
        }
    }
}

/// A member in the slot a price was formed from.
struct Part {
    account: AccountId,
    name: String,
    home: Household,
}

/// Members with the energies that were settled for a slot.
fn parts(chain: &LedgerChain, before: &SettledSlot) -> Option<Vec<Part>> {
    let mut bought: BTreeMap<AccountId, EnergyWh> = BTreeMap::new();
    let mut sold: BTreeMap<AccountId, TypedWh> = BTreeMap::new();
    for line in &before.lines {
        *bought.entry(line.buyer).or_default() += line.energy_wh;
        sold.entry(line.seller).or_default()[line.kind.index()] += line.energy_wh;
    }
    let of = |member: ParticipantRow| {
        let instance = chain.instance(member.account, member.version)?;
        let limits = instance.preferences.limits;
        Some(Part {
            account: member.account,
            name: member.name,
            home: Household {
                demand_wh: bought.get(&member.account).copied().unwrap_or(0),
                supply_wh: sold.get(&member.account).copied().unwrap_or_default(),
                weights: instance.preferences.weights.to_array(),
                buy_up_to: limits.buy_up_to,
                sell_from: limits.sell_from,
            },
        })
    };
    chain.participants().into_iter().map(of).collect()
}

/// Everybody's part in what the price was formed from, which may be expected
/// instead of metered.
fn as_formed(parts: &mut [Part], price: &SlotPrice) {
    let scale = |wh: EnergyWh, to: EnergyWh, of: EnergyWh| {
        let scaled = i128::from(wh) * i128::from(to) / i128::from(of.max(1));
        EnergyWh::try_from(scaled).unwrap_or(wh)
    };
    let demand_wh = parts.iter().map(|part| part.home.demand_wh).sum();
    let supply_wh: TypedWh =
        std::array::from_fn(|k| parts.iter().map(|part| part.home.supply_wh[k]).sum());
    for part in parts {
        part.home.demand_wh = scale(part.home.demand_wh, price.demand_wh, demand_wh);
        for (k, wh) in part.home.supply_wh.iter_mut().enumerate() {
            *wh = scale(*wh, price.supply_wh[k], supply_wh[k]);
        }
    }
}

/// Orders that stood for a slot, from the blocks before its price: the state
/// forgets them when the slot is settled.
fn orders(chain: &LedgerChain, price: &SlotPrice, slot_ms: u64) -> BTreeMap<AccountId, Terms> {
    let opened_ms = u64::from(price.slot.saturating_sub(2)) * slot_ms;
    let mut found: BTreeMap<AccountId, (u64, Terms)> = BTreeMap::new();
    for height in (1..=price.height).rev() {
        let Some(decided) = chain.block(height) else {
            break;
        };
        if decided.block.header().time_ms < opened_ms {
            break;
        }
        let receipts = chain.receipts(height).unwrap_or_default();
        for tx in decided.block.transactions() {
            let TxBody::Order { slot, terms } = &tx.body else {
                continue;
            };
            let (account, nonce) = (tx.account(), tx.nonce);
            let placed = Receipt::OrderPlaced {
                account,
                slot: *slot,
                nonce,
            };
            let newest = found.get(&account).is_none_or(|(last, _)| *last < nonce);
            if *slot == price.slot && newest && receipts.contains(&placed) {
                found.insert(account, (nonce, terms.clone()));
            }
        }
    }
    let standing = found.into_iter().map(|(id, (_, terms))| (id, terms));
    standing.filter(|(_, terms)| !terms.is_cancel()).collect()
}

/// Takes a price apart with what was settled for the slot it was formed from.
fn why(chain: &LedgerChain, price: &SlotPrice, before: &SettledSlot) -> Option<Why> {
    let rules = chain.market_rules()?;
    let template = chain.contract()?;
    let rule = &template.price.rule;
    let mut parts = parts(chain, before)?;
    as_formed(&mut parts, price);
    let placed = if rule.takes_orders() {
        orders(chain, price, rules.slot_ms)
    } else {
        BTreeMap::new()
    };
    let minute = rules.minute_of_day(price.slot);
    // By the rule alone, with part of the supply left out.
    let free = |supply: &dyn Fn(&Part) -> TypedWh| {
        let mut input = PriceInput {
            lower: price.grid.feed_in,
            upper: price.grid.import,
            exponent: template.price.exponent,
            supply_wh: [0; EnergyType::COUNT],
            buyers: Vec::new(),
            asks: Vec::new(),
        };
        for part in &parts {
            let home = Household {
                supply_wh: supply(part),
                ..part.home
            };
            input.add(&home, placed.get(&part.account));
        }
        let outcome = rule.price(&input, minute).ok()?;
        let none = input.supply_wh.iter().all(|wh| *wh == 0);
        let scalar = if none { input.upper } else { outcome.scalar };
        Some((scalar, outcome.pressure))
    };
    let (alone, pressure) = free(&|part| part.home.supply_wh)?;
    let (without_batteries, _) = free(&|part| {
        let mut supply_wh = part.home.supply_wh;
        supply_wh[EnergyType::Battery.index()] = 0;
        supply_wh
    })?;
    let given = |part: &Part| part.home.supply_wh.iter().sum::<EnergyWh>();
    // The first of the largest, in order of account.
    let largest = parts
        .iter()
        .rev()
        .max_by_key(|part| given(part))
        .filter(|part| given(part) > 0);
    let without_largest = largest.and_then(|largest| {
        let (scalar, _) = free(&|part| {
            if part.account == largest.account {
                [0; EnergyType::COUNT]
            } else {
                part.home.supply_wh
            }
        })?;
        Some((largest.name.clone(), scalar))
    });
    Some(Why {
        rule: rule.name(),
        lower: price.grid.feed_in,
        upper: price.grid.import,
        orders: placed.len(),
        position: price.position,
        pressure: pressure.map(|rho| rho as f64 / (1_u64 << 32) as f64),
        free: alone,
        held: price.scalar - alone,
        without_batteries,
        without_largest,
    })
}
