//! What stands on both sides of an open breaker.

use gridloom_island::synchrocheck::{Side, SyncDifference};

use super::plan::Plan;
use super::state::Islands;
use crate::grid::{Grid, Mlmd};

/// Frequency, voltage and angle of a bus; `None` when dead. The network solves
/// every section against its own reference: the angle of the section's clock
/// comes on top.
pub(super) fn side(grid: &Grid, islands: &Islands, plan: &Plan, bus: usize) -> Option<Side> {
    let network = grid.network();
    let section = network.bus_section(bus)?;
    let node = network
        .bus_nodes(bus)
        .find(|&n| network.node_at(n).1 != 0)?;
    let (f_hz, clock_deg) = islands
        .lead_of(section)
        .and_then(|unit| islands.frequency.get(unit))
        .map_or((plan.nominal_hz, 0.0), |f| (f.f_hz, f.angle_deg));
    Some(Side {
        f_hz,
        v_pu: network.voltage_pu(node)?,
        angle_deg: network.voltage(node).arg_deg() + clock_deg,
    })
}

/// Difference across an open breaker: `None` unless both sides are live and
/// not joined elsewhere.
pub(crate) fn difference(
    grid: &Grid,
    islands: &Islands,
    plan: &Plan,
    mlmd: &Mlmd,
) -> Option<SyncDifference> {
    let network = grid.network();
    let (from, to) = network.line_buses(mlmd.line);
    let beyond = if from == mlmd.bus { to } else { from };
    if network.bus_section(mlmd.bus)? == network.bus_section(beyond)? {
        return None;
    }
    let near = side(grid, islands, plan, mlmd.bus)?;
    let far = side(grid, islands, plan, beyond)?;
    Some(SyncDifference::between(near, far))
}

/// Why a breaker must not close now, if it must not.
pub(crate) fn refusal(
    grid: &Grid,
    islands: &Islands,
    plan: Option<&Plan>,
    mlmd: &Mlmd,
) -> Option<String> {
    let plan = plan?;
    difference(grid, islands, plan, mlmd)?.refusal(&plan.limits)
}
