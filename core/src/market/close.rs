//! Closing a slot: settlement on the ledger and three accounts of the truth.

use std::collections::BTreeMap;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_equipment::NANO_WH_PER_WH;
use gridloom_ledger::{Receipt, TxBody};

use super::MarketClock;
use super::island::IslandDesk;
use super::price::{Pricing, due};
use crate::clock::SimClock;
use crate::edge::Outbox;
use crate::grid::{Mlmd, Through};
use crate::ledger::{FreshBlocks, LedgerGroup, Ledgers, Officials};
use crate::meter::Meter;
use crate::report::deviation;
use crate::sim_state::plain_sim_state;
use crate::site::Site;
use crate::spawn::Organisation;

/// How long a settlement waits for missing readings, ms.
const GRACE_MS: u64 = 240_000;

/// Slot boundaries kept for the comparison of the accounts.
const BOUNDARIES_KEPT: usize = 8;

/// What the ledgers' books say.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Books {
    /// Slots settled over all clusters.
    pub slots_settled: u64,
    /// Meter values estimated in settled slots because the meter was silent.
    pub estimated: u64,
    /// Energy traded between members, Wh.
    pub traded_wh: i64,
    /// Energy traded between clusters, Wh; bought from and sold to the utility at
    /// first, which has paid back the difference.
    pub between_wh: i64,
    /// Energy bought from the utility, Wh.
    pub bought_wh: i64,
    /// Energy sold to the utility, Wh.
    pub sold_wh: i64,
    /// Slots settled without the utility over all clusters.
    pub island_slots: u64,
    /// Open demand that islands served, Wh.
    pub island_wh: i64,
    /// Settled slots after which money or energy did not balance to the last unit.
    pub unbalanced: u64,
    /// Sum of the deviations found: money, nano-EUR.
    pub money_off_nano_eur: i128,
    /// Sum of the deviations found: energy, Wh.
    pub energy_off_wh: i64,
}

/// Cumulative energy at a slot boundary, Wh, per M-LMD area.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SlotTruth {
    /// Into the area at its boundary.
    pub physics_wh: Vec<i64>,
    /// Lost in its conductors.
    pub losses_wh: Vec<i64>,
    /// Net of the meters' registers.
    pub meters_wh: Vec<i64>,
    /// Net of the registers as recorded on the ledger, and how many are recorded.
    pub ledger_wh: Vec<(i64, u32)>,
}

/// The last slot boundaries, by time (ms).
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Truth {
    boundaries: BTreeMap<u64, SlotTruth>,
}

plain_sim_state!(Books, Truth);

impl Truth {
    /// For a number of M-LMDs: everything is zero at the start of the run.
    #[must_use]
    pub fn new(mlmds: usize, meters: &[u32]) -> Self {
        let zero = SlotTruth {
            physics_wh: vec![0; mlmds],
            losses_wh: vec![0; mlmds],
            meters_wh: vec![0; mlmds],
            ledger_wh: meters.iter().map(|&count| (0, count)).collect(),
        };
        Self {
            boundaries: BTreeMap::from([(0, zero)]),
        }
    }

    /// Cumulative sums at two successive boundaries whose ledger records are
    /// complete, newest first choice.
    #[must_use]
    pub fn last_complete(&self, meters: &[u32]) -> Option<(&SlotTruth, &SlotTruth)> {
        let complete = |truth: &SlotTruth| {
            truth
                .ledger_wh
                .iter()
                .zip(meters)
                .all(|((_, recorded), expected)| recorded == expected)
        };
        let all: Vec<&SlotTruth> = self.boundaries.values().collect();
        all.windows(2)
            .rev()
            .find(|pair| complete(pair[0]) && complete(pair[1]))
            .map(|pair| (pair[0], pair[1]))
    }

    /// Cumulative sums at a boundary, while it is kept.
    pub(super) fn at(&self, boundary_ms: u64) -> Option<&SlotTruth> {
        self.boundaries.get(&boundary_ms)
    }

    /// The newest two boundaries, complete or not.
    #[must_use]
    pub fn last(&self) -> Option<(&SlotTruth, &SlotTruth)> {
        let mut newest = self.boundaries.values().rev();
        let end = newest.next()?;
        Some((newest.next()?, end))
    }
}

/// Energy into one M-LMD area over a slot, three ways, Wh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaTruth {
    /// From the power flow.
    pub physics_wh: i64,
    /// Meters plus computed losses.
    pub meters_wh: i64,
    /// Ledger records plus computed losses, where all are there.
    pub ledger_wh: Option<i64>,
    /// Computed losses.
    pub losses_wh: i64,
}

impl AreaTruth {
    /// Largest difference relative to the throughput (at least 100 Wh), percent.
    #[must_use]
    pub fn residual_pct(&self) -> f64 {
        let off = |other: i64| (self.physics_wh - other).abs();
        let off = off(self.meters_wh).max(self.ledger_wh.map_or(0, off));
        off as f64 * 100.0 / self.physics_wh.abs().max(100) as f64
    }
}

impl Truth {
    /// An area over the newest slot whose records are complete, else the
    /// newest one; `meters` counts the meters of every area.
    #[must_use]
    pub fn of_area(&self, area: usize, meters: &[u32]) -> Option<AreaTruth> {
        let (start, end) = self.last_complete(meters).or_else(|| self.last())?;
        let losses_wh = end.losses_wh.get(area)? - start.losses_wh.get(area)?;
        let complete =
            start.ledger_wh[area].1 == meters[area] && end.ledger_wh[area].1 == meters[area];
        Some(AreaTruth {
            physics_wh: end.physics_wh[area] - start.physics_wh[area],
            meters_wh: end.meters_wh[area] - start.meters_wh[area] + losses_wh,
            ledger_wh: complete
                .then(|| end.ledger_wh[area].0 - start.ledger_wh[area].0 + losses_wh),
            losses_wh,
        })
    }

    /// Time of the newest boundary, ms.
    #[must_use]
    pub fn newest_ms(&self) -> u64 {
        self.boundaries.keys().next_back().copied().unwrap_or(0)
    }
}

/// Asks for the settlement of the next slot once its readings are recorded.
pub(super) fn settle_slots(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    ledgers: Res<Ledgers>,
    mut pricing: ResMut<Pricing>,
    mut officials: ResMut<Officials>,
    mut outbox: ResMut<Outbox>,
    desk: Res<IslandDesk>,
    groups: Query<&LedgerGroup>,
) {
    let now_ms = clock.end_ms();
    for (index, chain) in ledgers.clusters(groups) {
        let cluster = index as usize;
        let slot = chain.settled_through().map_or(0, |slot| slot + 1);
        let end_ms = (u64::from(slot) + 1) * market.slot_ms;
        if now_ms < end_ms || !due(pricing.settling[cluster], slot, now_ms) {
            continue;
        }
        let (recorded, expected) = chain.slot_complete(slot);
        if expected == 0 || (recorded < expected && now_ms < end_ms + GRACE_MS) {
            continue;
        }
        if now_ms < end_ms + GRACE_MS && desk.awaits(chain, cluster, slot) {
            continue;
        }
        let signer = officials.aggregator(index);
        outbox.sign(&ledgers, index, signer, TxBody::Settle { slot });
        pricing.settling[cluster] = Some((slot, now_ms));
    }
}

/// How far a cluster's books are from balance (money, energy); always on, once
/// per settled slot.
fn imbalance(
    organisation: &Organisation,
    groups: &Query<&LedgerGroup>,
    ledger: u32,
) -> (i128, i64) {
    let deposits = organisation
        .deposits
        .get(ledger as usize)
        .copied()
        .unwrap_or(0);
    groups
        .iter()
        .find(|group| group.index == ledger)
        .and_then(LedgerGroup::chain)
        .map_or((0, 0), |chain| deviation(chain, deposits))
}

/// Notes the accounts at a slot boundary and what the ledgers recorded of them.
pub(super) fn note_boundary(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    organisation: Res<Organisation>,
    fresh: Res<FreshBlocks>,
    mut truth: ResMut<Truth>,
    mut books: ResMut<Books>,
    mlmds: Query<(&Mlmd, &Through)>,
    sites: Query<(&Site, &Meter)>,
    groups: Query<&LedgerGroup>,
) {
    for block in &fresh.0 {
        for receipt in block.receipts.iter() {
            if let Receipt::NeighbourTrade { line, .. } = receipt
                && organisation.meter_of(&line.buyer).is_some()
            {
                books.between_wh += line.energy_wh;
            }
            if let Receipt::Settled(settled) = receipt {
                books.slots_settled += 1;
                books.estimated += settled.estimated.len() as u64;
                let (money, energy) = imbalance(&organisation, &groups, block.ledger);
                books.unbalanced += u64::from((money, energy) != (0, 0));
                books.money_off_nano_eur += money;
                books.energy_off_wh += energy;
                books.traded_wh += settled.local_wh;
                books.bought_wh += settled.bought_wh;
                books.sold_wh += settled.sold_wh;
                books.island_slots += u64::from(settled.footing.is_island());
                books.island_wh += settled.island_wh;
            }
        }
        for tx in block.decided.block.transactions() {
            let TxBody::Reading(reading) = &tx.body else {
                continue;
            };
            let Some((mlmd, boundary)) = organisation
                .mlmd_of_meter_key(&tx.signer)
                .zip(truth.boundaries.get_mut(&reading.interval_end_ms))
            else {
                continue;
            };
            let (sum, count) = &mut boundary.ledger_wh[mlmd as usize];
            *sum += reading.import_wh - reading.export_solar_wh - reading.export_battery_wh;
            *count += 1;
        }
    }
    if !clock.ends_interval(market.slot_ms) {
        return;
    }
    let count = mlmds.iter().len();
    let mut now = SlotTruth {
        physics_wh: vec![0; count],
        losses_wh: vec![0; count],
        meters_wh: vec![0; count],
        ledger_wh: vec![(0, 0); count],
    };
    for (mlmd, through) in &mlmds {
        now.physics_wh[mlmd.index as usize] = through.area_energy / NANO_WH_PER_WH;
        now.losses_wh[mlmd.index as usize] = through.area_losses / NANO_WH_PER_WH;
    }
    for (site, meter) in &sites {
        let registers = meter.registers.reading();
        now.meters_wh[site.mlmd as usize] += registers.import_wh - registers.export_wh();
    }
    truth.boundaries.insert(clock.end_ms(), now);
    while truth.boundaries.len() > BOUNDARIES_KEPT {
        truth.boundaries.pop_first();
    }
}
