//! Slots without a grid: what the LG-Aggregator states and what others measured.
//!
//! The statement that a slot begins without a grid switches the price bounds of
//! that slot. The one after its end changes the settlement, so it is checked
//! twice: M-LMDs (area loads) must not show more energy through the point of
//! connection than it says, and the I-meters must not have taken more than members and
//! neighbours gave. A lie would have to be told by all of them.

use gridloom_market::ENERGY_LIMIT_WH;
use gridloom_units::{EnergyWh, SimTime};

use super::settle::Metered;
use super::{Executor, Refusal};
use crate::genesis::ClusterRoles;
use crate::receipt::{Footing, Receipt};
use crate::state::{IslandSlot, StateKey, StateValue};
use crate::transaction::IslandOver;

/// What measurements may differ by, beyond the rounding of registers, percent
/// of the energy: the limits of two class B meters (EN 50470-3).
const ALLOWED_PERCENT: EnergyWh = 2;

impl Executor<'_> {
    /// Records a statement about a slot without a grid.
    pub(super) fn island(
        &mut self,
        roles: &ClusterRoles,
        slot: u32,
        over: Option<IslandOver>,
    ) -> Result<(), Refusal> {
        let rules = &roles.market;
        let known = self.view.island(slot).copied();
        match over {
            None => {
                let now = rules.slot_at(self.env.time_ms);
                if known.is_some() || slot != now {
                    return Err(format!(
                        "slot {slot} does not begin at {}, or it is stated already",
                        SimTime(self.env.time_ms)
                    ));
                }
            }
            Some(over) => {
                let end_ms = rules.slot_end_ms(slot);
                let settled = self.market().settled_through;
                if self.env.time_ms < end_ms || settled.is_some_and(|last| slot <= last) {
                    return Err(format!(
                        "slot {slot} is not over or settled already, at {}",
                        SimTime(self.env.time_ms)
                    ));
                }
                self.nothing_else_came_in(roles, slot, over)?;
            }
        }
        let stated = IslandSlot {
            slot,
            over,
            height: self.env.height,
        };
        self.view
            .put(StateKey::Island(slot), StateValue::Island(stated));
        self.receipts.push(Receipt::IslandStated {
            slot,
            over: over.is_some(),
        });
        Ok(())
    }

    /// Whether the area loads leave no more energy for the point of connection
    /// than was stated. What is not on record says nothing: then the meters
    /// decide alone.
    fn nothing_else_came_in(
        &self,
        roles: &ClusterRoles,
        slot: u32,
        over: IslandOver,
    ) -> Result<(), Refusal> {
        for wh in [over.from_neighbours_wh, over.from_grid_wh.unwrap_or(0)] {
            if wh.checked_abs().is_none_or(|size| size > ENERGY_LIMIT_WH) {
                return Err(format!("{wh} Wh are out of range"));
            }
        }
        if roles.root.is_none() && over.from_neighbours_wh != 0 {
            return Err("a cluster without a root has no neighbours".into());
        }
        let market = self.market();
        let areas: Option<Vec<EnergyWh>> = market
            .areas
            .iter()
            .map(|mlmd| self.view.area_load(*mlmd)?.energy_in(slot, &roles.market))
            .collect();
        let Some(areas) = areas.filter(|areas| !areas.is_empty()) else {
            return Ok(());
        };
        let more_wh = areas.iter().sum::<EnergyWh>() - over.total_wh();
        let size_wh: EnergyWh = areas.iter().map(|wh| wh.abs()).sum();
        // A register is cut to whole Wh at both ends of the slot.
        let rounding_wh = 2 * areas.len() as EnergyWh;
        if more_wh.abs() > rounding_wh + size_wh * ALLOWED_PERCENT / 100 {
            return Err(format!(
                "slot {slot} was no such island: by the area loads {more_wh} Wh more came through the point of connection"
            ));
        }
        Ok(())
    }

    /// What a slot is settled against.
    pub(super) fn footing(&self, slot: u32, metered: &[Metered]) -> Footing {
        let Some(over) = self.view.island(slot).and_then(|stated| stated.over) else {
            return Footing::Grid;
        };
        // Estimates are no evidence: the meter may be silent because it is dark.
        let sum = |of: fn(&Metered) -> EnergyWh| metered.iter().map(of).sum::<EnergyWh>();
        let taken_wh = sum(|m| (m.energy.import_wh - m.estimated.import_wh).max(0));
        let given_wh = sum(|m| m.energy.import_wh - m.energy.net_wh());
        let short_wh = taken_wh - given_wh - over.total_wh();
        let size_wh = taken_wh + over.total_wh().abs();
        // Three registers a meter, each cut to whole Wh.
        let rounding_wh = 3 * metered.len() as EnergyWh;
        if short_wh > rounding_wh + size_wh * ALLOWED_PERCENT / 100 {
            return Footing::Doubted { short_wh };
        }
        let from_neighbours_wh = over.from_neighbours_wh;
        match over.from_grid_wh {
            None => Footing::Island { from_neighbours_wh },
            Some(from_grid_wh) => Footing::Part {
                from_neighbours_wh,
                from_grid_wh,
            },
        }
    }
}
