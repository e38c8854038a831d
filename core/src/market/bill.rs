//! A household's account of energy and money.

use std::collections::BTreeMap;

use gridloom_ledger::{Footing, LedgerChain, Lot};
use gridloom_market::{MoneyLine, Reason, co2_g_per_kwh};
use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur, amount};
use serde::Serialize;

use super::inspect::each_cluster;
use crate::ledger::Ledgers;
use crate::twin::Twin;

/// Where energy comes from that no member gave.
const THE_GRID: &str = "the grid";

/// A household's account since the beginning of the run.
#[derive(Clone, Debug, Serialize)]
pub struct HomeBill {
    /// Home or shared battery.
    pub home: String,
    /// Cluster.
    pub cluster: String,
    /// Settled slots in it.
    pub slots: usize,
    /// Of them settled with an estimate, because the meter was silent.
    pub estimated_slots: usize,
    /// Positions of the slots with a grid, by what they are for and type.
    pub lines: Vec<HomeLine>,
    /// Sum of these positions, nano-EUR.
    pub grid_nano_eur: MoneyNanoEur,
    /// The slots without a grid; `None` when there were none.
    pub island: Option<IslandPart>,
    /// Received energy by plant and type, most first: `(plant, type, Wh)`.
    pub origins: Vec<(String, &'static str, EnergyWh)>,
    /// Sum, nano-EUR: negative when the household pays.
    pub total_nano_eur: MoneyNanoEur,
    /// What the same meter would have cost at the utility's tariff alone in the
    /// slots with a grid, nano-EUR.
    pub utility_only_nano_eur: MoneyNanoEur,
    /// Life-cycle emissions of what was received, g.
    pub co2_g: f64,
    /// The same had all of it come from the grid, g.
    pub co2_grid_g: f64,
    /// Money in the wallet, nano-EUR.
    pub wallet_nano_eur: MoneyNanoEur,
    /// Owed to the operator, nano-EUR.
    pub debt_nano_eur: MoneyNanoEur,
}

/// The part of a bill for slots without a grid.
#[derive(Clone, Debug, Default, Serialize)]
pub struct IslandPart {
    /// Settled slots without a grid from beginning to end.
    pub slots: usize,
    /// Slots without one for a part; what was traded in them otherwise is among
    /// the positions with a grid.
    pub part_slots: usize,
    /// Positions by what they are for and type.
    pub lines: Vec<HomeLine>,
    /// Their sum, nano-EUR.
    pub total_nano_eur: MoneyNanoEur,
}

/// A position of a bill.
#[derive(Clone, Debug, Serialize)]
pub struct HomeLine {
    /// What it is for.
    pub what: &'static str,
    /// Whether the household received the energy.
    pub received: bool,
    /// Type of the energy.
    pub kind: &'static str,
    /// Energy, Wh.
    pub energy_wh: EnergyWh,
    /// Money received (positive) or paid (negative), nano-EUR.
    pub money_nano_eur: MoneyNanoEur,
}

/// A household's bill.
///
/// # Errors
/// Names the homes there are when this one is not among them.
pub fn bill(twin: &mut Twin, home: &str) -> Result<HomeBill, String> {
    let mut found = None;
    let mut names = Vec::new();
    let clusters = twin.resource::<Ledgers>().names.clone();
    each_cluster(twin, |cluster, chain| {
        for member in chain.participants() {
            if member.name == home {
                found = Some(bill_of(cluster, &clusters, chain, member.account, home));
            }
            names.push(member.name.clone());
        }
    });
    found.ok_or_else(|| {
        let mut some = names;
        some.truncate(12);
        format!(
            "no household `{home}` on a ledger; there are {} and so on",
            some.join(", ")
        )
    })
}

/// Received energy by plant and type, Wh.
type Origins = BTreeMap<(String, EnergyType), EnergyWh>;

/// What the settled slots say of a household.
#[derive(Default)]
struct Entries {
    grid: Positions,
    island: Positions,
    origins: Origins,
    slots: usize,
    estimated_slots: usize,
    /// Slots with a grid for a part.
    parts: usize,
}

fn entries(chain: &LedgerChain, account: AccountId) -> Entries {
    let names: BTreeMap<AccountId, String> = chain
        .participants()
        .into_iter()
        .map(|member| (member.account, member.name))
        .collect();
    let mut entries = Entries::default();
    for (_, settled) in chain.settlements() {
        let whole = settled.footing.is_island();
        let in_part = matches!(settled.footing, Footing::Part { .. });
        entries.slots += 1;
        entries.estimated_slots += usize::from(settled.estimated.contains(&account));
        entries.grid.slots += usize::from(!whole && !in_part);
        entries.island.slots += usize::from(whole);
        entries.parts += usize::from(in_part);
        for line in &settled.lines {
            let islanded = whole || line.reason.is_island();
            let (part, outside) = if islanded {
                (&mut entries.island, "the neighbours")
            } else {
                (&mut entries.grid, THE_GRID)
            };
            if line.buyer == account {
                part.add(line, true);
                let plant = names.get(&line.seller).map_or(outside, String::as_str);
                let origin = (plant.to_owned(), line.kind);
                *entries.origins.entry(origin).or_default() += line.energy_wh;
            }
            if line.seller == account {
                part.add(line, false);
            }
        }
    }
    entries
}

/// Where energy from the grid has an origin in another cluster, that is it.
fn name_clusters(origins: &mut Origins, lots: &[Lot], clusters: &[String]) {
    let grid = (THE_GRID.to_owned(), EnergyType::GridMix);
    for lot in lots {
        let from = clusters
            .get(lot.cluster as usize)
            .map_or_else(|| "another cluster".to_owned(), |c| format!("cluster {c}"));
        if let Some(rest) = origins.get_mut(&grid).filter(|rest| **rest >= lot.wh) {
            *rest -= lot.wh;
            *origins.entry((from, lot.kind)).or_default() += lot.wh;
        }
    }
    origins.retain(|_, wh| *wh > 0);
}

fn bill_of(
    cluster: &str,
    clusters: &[String],
    chain: &LedgerChain,
    account: AccountId,
    home: &str,
) -> HomeBill {
    let mut entries = entries(chain, account);
    // What the utility paid back for energy that came from, or went to, another
    // cluster; the energy itself is in its lines.
    for line in &chain.bill(account).lines {
        if line.reason == Reason::NeighbourTrade {
            let place = (line.reason, line.received, line.kind);
            let sums = &mut entries.grid.sums;
            sums.insert(place, (line.energy_wh, line.money));
        }
    }
    name_clusters(&mut entries.origins, chain.claims(account), clusters);
    let Entries {
        grid,
        island,
        origins,
        slots,
        estimated_slots,
        parts,
    } = entries;
    let emitted = |as_if: fn(EnergyType) -> EnergyType| -> f64 {
        let each = origins.iter();
        each.map(|((_, kind), wh)| grams(as_if(*kind), *wh)).sum()
    };
    let (co2_g, co2_grid_g) = (emitted(|kind| kind), emitted(|_| EnergyType::GridMix));
    let mut origins: Vec<(String, &'static str, EnergyWh)> = origins
        .into_iter()
        .map(|((plant, kind), wh)| (plant, kind.label(), wh))
        .collect();
    origins.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    let rules = chain.market_rules();
    let (import, feed_in) = rules.map_or((0, 0), |rules| (rules.import, rules.feed_in));
    let wallet = chain.wallet(account);
    HomeBill {
        home: home.to_owned(),
        cluster: cluster.to_owned(),
        slots,
        estimated_slots,
        total_nano_eur: grid.total() + island.total(),
        utility_only_nano_eur: amount(grid.energy(false), feed_in)
            - amount(grid.energy(true), import),
        grid_nano_eur: grid.total(),
        lines: grid.lines(),
        island: (island.slots + parts > 0).then(|| IslandPart {
            slots: island.slots,
            part_slots: parts,
            lines: island.lines(),
            total_nano_eur: island.total(),
        }),
        origins,
        co2_g,
        co2_grid_g,
        wallet_nano_eur: wallet.map_or(0, |wallet| wallet.money),
        debt_nano_eur: wallet.map_or(0, |wallet| wallet.debt),
    }
}

/// Positions of a part of a bill.
#[derive(Default)]
struct Positions {
    slots: usize,
    sums: BTreeMap<(Reason, bool, EnergyType), (EnergyWh, MoneyNanoEur)>,
}

impl Positions {
    fn add(&mut self, line: &MoneyLine, received: bool) {
        let place = (line.reason, received, line.kind);
        let (energy, money) = self.sums.entry(place).or_default();
        *energy += line.energy_wh;
        *money += if received {
            -line.money()
        } else {
            line.money()
        };
    }

    /// Energy received or delivered, Wh; that of neighbours is in the grid's lines.
    fn energy(&self, received: bool) -> EnergyWh {
        let sums = self
            .sums
            .iter()
            .filter(|((reason, r, _), _)| *r == received && *reason != Reason::NeighbourTrade);
        sums.map(|(_, (wh, _))| wh).sum()
    }

    fn total(&self) -> MoneyNanoEur {
        self.sums.values().map(|(_, money)| money).sum()
    }

    fn lines(&self) -> Vec<HomeLine> {
        self.sums
            .iter()
            .map(|((reason, received, kind), (energy_wh, money))| HomeLine {
                what: reason.label(),
                received: *received,
                kind: kind.label(),
                energy_wh: *energy_wh,
                money_nano_eur: *money,
            })
            .collect()
    }
}

fn grams(kind: EnergyType, energy_wh: EnergyWh) -> f64 {
    co2_g_per_kwh(kind) * energy_wh as f64 / 1_000.0
}
