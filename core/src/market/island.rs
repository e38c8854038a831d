//! Slots without a grid: what the LG-Aggregators state on their ledgers.
//!
//! A cluster is islanded while all its M-LMDs stand behind the main switch and
//! that switch is open, or its grid side dead. What other clusters of the
//! island gave meanwhile is measured by the M-LMDs between them; in a slot in
//! which the switch moved, what the areas took before and after came from the
//! grid.

use std::collections::BTreeMap;
use std::fmt;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_equipment::{NANO_WH_PER_WH, NanoWh, energy_nano_wh};
use gridloom_ledger::{Footing, IslandOver, LedgerChain, TxBody};
use gridloom_units::EnergyWh;

use super::MarketClock;
use super::close::Truth;
use super::price::due;
use crate::clock::SimClock;
use crate::edge::Outbox;
use crate::grid::{Breaker, Mlmd, Through};
use crate::island::{IslandPlan, Islands};
use crate::ledger::{LedgerGroup, Ledgers, Officials};
use crate::sim_state::plain_sim_state;
use crate::spawn::{Organisation, utility_account};
use crate::twin::Twin;

/// How long the statement about a slot waits for its area loads, ms.
const GRACE_MS: u64 = 120_000;

/// Islanded slots that are kept.
const SLOTS_KEPT: usize = 8;

/// What the LG-Aggregators know of slots without a grid.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct IslandDesk {
    /// Since when there has been no grid without a break, ms.
    since_ms: Option<u64>,
    /// Energy into every M-LMD's area without a grid in the running slot; empty
    /// while there was one all the time.
    areas: Vec<NanoWh>,
    /// Slots without a grid, all or a part of them: per cluster what came in;
    /// `None` for a cluster not behind the main switch.
    slots: BTreeMap<u32, Vec<Option<IslandOver>>>,
    /// Per cluster: slot whose beginning was stated last and when, ms.
    begun: BTreeMap<u32, (u32, u64)>,
    /// Per cluster: slot whose end was stated last and when, ms.
    over: BTreeMap<u32, (u32, u64)>,
}

plain_sim_state!(IslandDesk);

impl IslandDesk {
    /// What came into a cluster in a slot without a grid; `None` for every other slot.
    fn over(&self, cluster: usize, slot: u32) -> Option<IslandOver> {
        *self.slots.get(&slot)?.get(cluster)?
    }

    /// Whether a slot was without a grid and its ledger does not know yet.
    pub(super) fn awaits(&self, chain: &LedgerChain, cluster: usize, slot: u32) -> bool {
        let known = chain.island(slot).and_then(|stated| stated.over);
        self.over(cluster, slot).is_some() && known.is_none()
    }
}

/// Whether all M-LMDs of a cluster stand behind an M-LMD.
fn behind(organisation: &Organisation, cluster: u32, main: u32) -> bool {
    let mlmds = 0..organisation.mlmd_parents.len() as u32;
    let mut own = mlmds.filter(|&mlmd| organisation.cluster_of_mlmd(mlmd) == cluster);
    own.all(|mlmd| {
        let mut at = Some(mlmd);
        while at.is_some_and(|here| here != main) {
            at = at.and_then(|here| organisation.mlmd_parents[here as usize]);
        }
        at.is_some()
    })
}

/// Energy that every cluster got from others, Wh: through the M-LMDs at which
/// one begins inside another. `areas_wh` is what every M-LMD's own area took.
fn exchange(organisation: &Organisation, areas_wh: &[EnergyWh]) -> Vec<EnergyWh> {
    // What flows through an M-LMD is what the areas behind it take.
    let mut through = areas_wh.to_vec();
    for (mlmd, area_wh) in areas_wh.iter().enumerate() {
        let mut above = organisation.mlmd_parents[mlmd];
        while let Some(at) = above {
            through[at as usize] += area_wh;
            above = organisation.mlmd_parents[at as usize];
        }
    }
    let mut got = vec![0; organisation.cluster_names.len()];
    for (mlmd, parent) in organisation.mlmd_parents.iter().enumerate() {
        let Some(parent) = parent else { continue };
        let [to, from] = [mlmd as u32, *parent].map(|at| organisation.cluster_of_mlmd(at));
        if to != from {
            got[to as usize] += through[mlmd];
            got[from as usize] -= through[mlmd];
        }
    }
    got
}

/// Notes whether there is a grid and, at the end of a slot, what came in.
pub(super) fn watch(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    plan: Res<IslandPlan>,
    islands: Res<Islands>,
    organisation: Res<Organisation>,
    truth: Res<Truth>,
    mut desk: ResMut<IslandDesk>,
    mlmds: Query<(&Mlmd, &Breaker, &Through)>,
) {
    let Some(plan) = &plan.0 else {
        return;
    };
    let closed = mlmds
        .iter()
        .any(|(mlmd, breaker, _)| mlmd.index == plan.main && breaker.closed);
    if closed && islands.grid_on {
        desk.since_ms = None;
    } else {
        let begin_ms = clock.end_ms() - clock.tick_ms;
        desk.since_ms.get_or_insert(begin_ms);
        desk.areas.resize(organisation.mlmd_parents.len(), 0);
        for (mlmd, _, through) in &mlmds {
            desk.areas[mlmd.index as usize] += energy_nano_wh(through.area_kw, clock.tick_ms);
        }
    }
    if clock.ends_interval(market.slot_ms) && !desk.areas.is_empty() {
        let areas = std::mem::take(&mut desk.areas);
        let end_ms = clock.end_ms();
        let start_ms = end_ms.saturating_sub(market.slot_ms);
        if let Some((start, end)) = truth.at(start_ms).zip(truth.at(end_ms)) {
            let all_wh: Vec<EnergyWh> = (start.physics_wh.iter().zip(&end.physics_wh))
                .map(|(start, end)| end - start)
                .collect();
            let islanded_wh: Vec<EnergyWh> =
                areas.iter().map(|nano| nano / NANO_WH_PER_WH).collect();
            let whole = desk.since_ms.is_some_and(|since| since <= start_ms);
            let got = came_in(&organisation, plan.main, &all_wh, &islanded_wh, whole);
            let slot = u32::try_from(start_ms / market.slot_ms).unwrap_or(u32::MAX);
            desk.slots.insert(slot, got);
        }
        while desk.slots.len() > SLOTS_KEPT {
            desk.slots.pop_first();
        }
    }
}

/// What came into every cluster behind the main switch over a slot.
fn came_in(
    organisation: &Organisation,
    main: u32,
    all_wh: &[EnergyWh],
    islanded_wh: &[EnergyWh],
    whole: bool,
) -> Vec<Option<IslandOver>> {
    let from_grid_wh = |cluster: u32| {
        let own = (0_u32..).zip(all_wh.iter().zip(islanded_wh));
        own.filter(|(mlmd, _)| organisation.cluster_of_mlmd(*mlmd) == cluster)
            .map(|(_, (all, islanded))| all - islanded)
            .sum::<EnergyWh>()
    };
    (0_u32..)
        .zip(exchange(organisation, islanded_wh))
        .map(|(cluster, from_neighbours_wh)| {
            behind(organisation, cluster, main).then(|| IslandOver {
                from_neighbours_wh,
                from_grid_wh: (!whole).then(|| from_grid_wh(cluster)),
            })
        })
        .collect()
}

/// The LG-Aggregators state that a slot begins without a grid, and when it is
/// over what others gave.
pub(super) fn state(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    plan: Res<IslandPlan>,
    organisation: Res<Organisation>,
    ledgers: Res<Ledgers>,
    mut desk: ResMut<IslandDesk>,
    mut officials: ResMut<Officials>,
    mut outbox: ResMut<Outbox>,
    groups: Query<&LedgerGroup>,
) {
    let Some(plan) = &plan.0 else {
        return;
    };
    if desk.since_ms.is_none() && desk.slots.is_empty() {
        return;
    }
    let now_ms = clock.end_ms();
    let running = u32::try_from(now_ms / market.slot_ms).unwrap_or(u32::MAX);
    let begin_ms = u64::from(running) * market.slot_ms;
    let mut clusters = ledgers.clusters(groups);
    clusters.retain(|(index, _)| behind(&organisation, *index, plan.main));
    for (index, chain) in clusters {
        let cluster = index as usize;
        let mut bodies = Vec::new();
        let last = desk.begun.get(&index).copied();
        // A block of the tick in which the slot begins may still be of the one before.
        let begins = desk.since_ms.is_some_and(|since| since <= begin_ms) && now_ms > begin_ms;
        if begins && chain.island(running).is_none() && due(last, running, now_ms) {
            desk.begun.insert(index, (running, now_ms));
            bodies.push((running, None));
        }
        let slot = chain.settled_through().map_or(0, |slot| slot + 1);
        let end_ms = (u64::from(slot) + 1) * market.slot_ms;
        let last = desk.over.get(&index).copied();
        let measured = chain.areas_complete(slot) || now_ms >= end_ms + GRACE_MS;
        if measured && desk.awaits(chain, cluster, slot) && due(last, slot, now_ms) {
            desk.over.insert(index, (slot, now_ms));
            bodies.push((slot, desk.over(cluster, slot)));
        }
        for (slot, over) in bodies {
            let body = TxBody::Island { slot, over };
            outbox.sign(&ledgers, index, officials.aggregator(index), body);
        }
    }
}

/// What a ledger settled without a grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IslandSlots {
    /// Slots settled as an island, without a grid from beginning to end.
    pub slots: u64,
    /// Slots that had a grid for a part.
    pub part: u64,
    /// Lines with the utility in the slots without a grid: none.
    pub with_utility: u64,
    /// Slots whose statement the meters contradict.
    pub doubted: u64,
    /// Open demand the island served, Wh.
    pub island_wh: EnergyWh,
    /// Supply nobody took, Wh.
    pub unused_wh: EnergyWh,
}

impl IslandSlots {
    /// Whether there are so many, all of them without the utility.
    #[must_use]
    pub fn hold(&self, at_least: u64) -> bool {
        self.slots >= at_least && self.with_utility == 0 && self.doubted == 0
    }
}

impl fmt::Display for IslandSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} slots and {} in part, {} lines with the utility, {} in doubt; {} Wh served by the island, {} Wh unused",
            self.slots, self.part, self.with_utility, self.doubted, self.island_wh, self.unused_wh
        )
    }
}

/// Islanded slots on a cluster's ledger, by its id.
pub fn island_slots(twin: &mut Twin, ledger: &str) -> IslandSlots {
    let utility = utility_account(twin.seed());
    let mut found = IslandSlots::default();
    super::inspect::each_cluster(twin, |name, chain| {
        if name != ledger {
            return;
        }
        for (_, settled) in chain.settlements() {
            match settled.footing {
                Footing::Grid => continue,
                Footing::Doubted { .. } => found.doubted += 1,
                Footing::Part { .. } => found.part += 1,
                Footing::Island { .. } => {
                    let lines = settled.lines.iter();
                    let named = lines.filter(|line| [line.buyer, line.seller].contains(&utility));
                    found.with_utility += named.count() as u64;
                    found.slots += 1;
                }
            }
            found.island_wh += settled.island_wh;
            found.unused_wh += settled.unused_wh;
        }
    });
    found
}
