//! What a program outside may know of the market, and what became of its orders.
//!
//! The window and the command line serve this to agents; nothing here writes.

use std::collections::BTreeMap;

use bevy::prelude::*;
use gridloom_ledger::LedgerChain;
use gridloom_market::{PriceRule, Reason};
use gridloom_units::{AccountId, DeviceId, EnergyType};
use serde::Serialize;

use super::MarketClock;
use super::orders::{OrderDesk, OrderOutcome};
use crate::ledger::{LedgerGroup, Ledgers, Membership};
use crate::sim_state::Roster;
use crate::spawn::Organisation;
use crate::twin::Twin;

/// A cluster with its members.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterFacts {
    /// Its id.
    pub id: String,
    /// Homes and shared batteries that are members now.
    pub members: Vec<String>,
    /// How its contract forms prices.
    pub rule: &'static str,
    /// Whether that asks for orders.
    pub takes_orders: bool,
    /// Whether an agent deals for it at the wholesale market.
    pub wholesale: bool,
}

/// The market at a moment, as an agent is told.
#[derive(Clone, Debug, Serialize)]
pub struct SlotFacts {
    /// The running slot.
    pub slot: u32,
    /// Its start, ms.
    pub start_ms: u64,
    /// Simulated time, ms.
    pub time_ms: u64,
    /// Slots that may be bid for.
    pub open: [u32; 2],
    /// Until when a bid for the first of them should be sent, ms.
    pub deadline_ms: u64,
    /// The newest decided price, if there is one.
    pub price: Option<PriceFacts>,
    /// The newest settled slot, if there is one.
    pub settled: Option<SettledFacts>,
    /// The home of the agent, if it acts for one.
    pub home: Option<HomeFacts>,
}

/// A decided price, micro-EUR/kWh.
#[derive(Clone, Debug, Serialize)]
pub struct PriceFacts {
    /// Its slot.
    pub slot: u32,
    /// Mean price.
    pub scalar: i64,
    /// Price per type.
    pub typed: BTreeMap<&'static str, i64>,
    /// What the grid pays in that slot.
    pub feed_in: i64,
    /// What the grid asks in that slot.
    pub import: i64,
}

/// A settled slot of the cluster, Wh.
#[derive(Clone, Debug, Serialize)]
pub struct SettledFacts {
    /// The slot.
    pub slot: u32,
    /// Traded inside the cluster.
    pub local_wh: i64,
    /// Bought from the grid.
    pub bought_wh: i64,
    /// Sold to the grid.
    pub sold_wh: i64,
}

/// A home in the newest settled slot, and its wallet.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HomeFacts {
    /// Its id.
    pub id: String,
    /// Energy its meter took in the settled slot, Wh.
    pub taken_wh: i64,
    /// Of that bought inside the cluster, Wh.
    pub taken_local_wh: i64,
    /// Energy its meter gave, Wh.
    pub given_wh: i64,
    /// Of that sold inside the cluster, Wh.
    pub given_local_wh: i64,
    /// Received less paid in the settled slot, nano-EUR.
    pub slot_nano_eur: i128,
    /// Received less paid since the start, nano-EUR.
    pub bill_nano_eur: i128,
    /// Money in the wallet, nano-EUR.
    pub balance_nano_eur: i128,
    /// Owed to the operator, nano-EUR.
    pub debt_nano_eur: i128,
}

/// Every cluster with its members.
#[must_use]
pub fn clusters(twin: &mut Twin) -> Vec<ClusterFacts> {
    let mut found: Vec<ClusterFacts> = {
        let organisation = twin.world().resource::<Organisation>();
        let of = |(name, template): (&String, &gridloom_contract::EmTemplate)| ClusterFacts {
            id: name.clone(),
            members: Vec::new(),
            rule: template.price.rule.name(),
            takes_orders: template.price.rule.takes_orders(),
            wholesale: false,
        };
        let names = organisation.cluster_names.iter();
        names.zip(&organisation.templates).map(of).collect()
    };
    let membership = twin.world().resource::<Membership>();
    let participants = &twin.world().resource::<Organisation>().participants;
    for (meter, party) in participants.iter().enumerate() {
        let cluster = membership.of(meter as u32) as usize;
        if let Some(cluster) = found.get_mut(cluster) {
            cluster.members.push(party.name.clone());
        }
    }
    for (cluster, facts) in found.iter_mut().enumerate() {
        let rules = chain(twin, cluster as u32).and_then(|chain| chain.market_rules());
        facts.wholesale = rules.is_some_and(|rules| rules.wholesale.is_some());
    }
    found
}

fn chain(twin: &mut Twin, cluster: u32) -> Option<LedgerChain> {
    let world = twin.world_mut();
    let mut query = world.query::<&LedgerGroup>();
    let group = query.iter(world).find(|group| group.index == cluster)?;
    // A copy shares everything with the running one.
    group.chain().cloned()
}

/// The running slot.
#[must_use]
pub fn running_slot(twin: &Twin) -> u32 {
    let slot_ms = twin.world().resource::<MarketClock>().slot_ms;
    u32::try_from(twin.time().0 / slot_ms).unwrap_or(u32::MAX)
}

/// Whether agents may be told of the running slot: every cluster has its price
/// and the settlement of the slot before, or half of the slot is over.
#[must_use]
pub fn is_ready(twin: &mut Twin) -> bool {
    let slot = running_slot(twin);
    let slot_ms = twin.world().resource::<MarketClock>().slot_ms;
    if twin.time().0 >= u64::from(slot) * slot_ms + slot_ms / 2 {
        return true;
    }
    let Some(before) = slot.checked_sub(1) else {
        return false;
    };
    let clusters = twin.world().resource::<Ledgers>().root();
    (0..clusters).all(|cluster| {
        chain(twin, cluster).is_some_and(|chain| {
            chain.price(slot).is_some() && chain.settled_through().is_some_and(|s| s >= before)
        })
    })
}

/// The market of a cluster now, with a member's own figures.
#[must_use]
pub fn slot_facts(twin: &mut Twin, cluster: u32, home: Option<&str>) -> SlotFacts {
    let slot = running_slot(twin);
    let slot_ms = twin.world().resource::<MarketClock>().slot_ms;
    let ledgers = twin.world().resource::<Ledgers>();
    // A transaction needs a block, and one more when that one is full.
    let finality_ms = 2 * ledgers
        .block_interval_ms
        .get(cluster as usize)
        .copied()
        .unwrap_or(0);
    let next_ms = (u64::from(slot) + 1) * slot_ms;
    let account = home.and_then(|home| twin.account(home)).map(|(_, id)| id);
    let mut facts = SlotFacts {
        slot,
        start_ms: u64::from(slot) * slot_ms,
        time_ms: twin.time().0,
        open: [slot.saturating_add(1), slot.saturating_add(2)],
        deadline_ms: next_ms.saturating_sub(finality_ms),
        price: None,
        settled: None,
        home: None,
    };
    let Some(chain) = chain(twin, cluster) else {
        return facts;
    };
    facts.price = chain.latest_price().map(|price| PriceFacts {
        slot: price.slot,
        scalar: price.scalar,
        typed: EnergyType::ALL
            .iter()
            .map(|kind| (kind.label(), price.typed[kind.index()]))
            .collect(),
        feed_in: price.grid.feed_in,
        import: price.grid.import,
    });
    let newest = chain.settlements().next();
    facts.settled = newest.map(|(_, settled)| SettledFacts {
        slot: settled.slot,
        local_wh: settled.local_wh,
        bought_wh: settled.bought_wh,
        sold_wh: settled.sold_wh,
    });
    if let Some((id, account)) = home.zip(account) {
        facts.home = Some(home_facts(&chain, id, account));
    }
    facts
}

fn home_facts(chain: &LedgerChain, id: &str, account: AccountId) -> HomeFacts {
    let wallet = chain.wallet(account);
    let mut facts = HomeFacts {
        id: id.to_owned(),
        bill_nano_eur: chain.bill(account).total,
        balance_nano_eur: wallet.map_or(0, |wallet| wallet.money),
        debt_nano_eur: wallet.map_or(0, |wallet| wallet.debt),
        ..HomeFacts::default()
    };
    let newest = chain.settlements().next();
    for line in newest.iter().flat_map(|(_, settled)| &settled.lines) {
        let local = line.reason == Reason::LocalTrade;
        if line.buyer == account {
            facts.taken_wh += line.energy_wh;
            facts.taken_local_wh += if local { line.energy_wh } else { 0 };
            facts.slot_nano_eur -= line.money();
        }
        if line.seller == account {
            facts.given_wh += line.energy_wh;
            facts.given_local_wh += if local { line.energy_wh } else { 0 };
            facts.slot_nano_eur += line.money();
        }
    }
    facts
}

/// Cluster that a home or shared battery is a member of now, and its device.
#[must_use]
pub fn member(twin: &Twin, name: &str) -> Option<(u32, DeviceId)> {
    let organisation = twin.world().resource::<Organisation>();
    let meter = organisation
        .participants
        .iter()
        .position(|party| party.name == name)?;
    let cluster = twin.world().resource::<Membership>().of(meter as u32);
    // Devices are numbered homes first, then shared batteries, like meters.
    Some((cluster, DeviceId(meter as u32)))
}

fn desk(world: &World, device: DeviceId) -> Option<&OrderDesk> {
    let entity = world.resource::<Roster>().0.get(device.0 as usize)?;
    world.get::<OrderDesk>(*entity)
}

/// Orders handed in for a home so far.
#[must_use]
pub fn orders_so_far(twin: &Twin, device: DeviceId) -> u64 {
    desk(twin.world(), device).map_or(0, |desk| desk.count)
}

/// What became of an order of a home, by its number.
#[must_use]
pub fn order_outcome(twin: &Twin, device: DeviceId, number: u64) -> Option<OrderOutcome> {
    desk(twin.world(), device)?.outcome(number).cloned()
}
