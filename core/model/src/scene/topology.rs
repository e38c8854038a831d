//! Which M-LMD stands over what, seen from the sources of the network.
//!
//! An M-LMD's area is what lies behind its line (paper G19): of the M-LMDs on
//! the way from a bus back to the nearest source, the first one is the bus's
//! own. The way is found breadth first over lines, transformers and closed
//! switches, so in a meshed network it is the one with the fewest elements.
//! M-LMDs count as closed here: their areas do not change when they open.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::grid::{GridCase, LineEnd};

/// Supply paths of a network with its M-LMDs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Supply {
    /// Per bus: whether a source reaches it.
    reached: Vec<bool>,
    /// Per bus: index of its M-LMD.
    mlmd: Vec<Option<usize>>,
    /// Per line: the end that is nearer to a source, and the M-LMD over it.
    line: Vec<Option<(LineEnd, Option<usize>)>>,
}

impl Supply {
    /// Follows the network from its sources; `mlmds` maps a line to the M-LMD on it,
    /// `ties` are lines that are open in normal operation.
    pub(super) fn trace(
        grid: &GridCase,
        mlmds: &BTreeMap<usize, usize>,
        ties: &BTreeSet<&str>,
    ) -> Self {
        let buses: BTreeMap<&str, usize> = grid
            .buses
            .iter()
            .enumerate()
            .map(|(i, bus)| (bus.id.as_str(), i))
            .collect();
        let bus = |id: &str| buses.get(id).copied();
        let edges = edges(grid, &bus, ties);
        let mut supply = Self {
            reached: vec![false; grid.buses.len()],
            mlmd: vec![None; grid.buses.len()],
            line: vec![None; grid.lines.len()],
        };
        let mut queue: VecDeque<usize> = VecDeque::new();
        for start in grid.sources.iter().filter_map(|source| bus(&source.at.bus)) {
            if !supply.reached[start] {
                supply.reached[start] = true;
                queue.push_back(start);
            }
        }
        while let Some(here) = queue.pop_front() {
            for &(there, via) in &edges[here] {
                let over = supply.mlmd[here];
                let mut own = over;
                if let Some((line, end)) = via {
                    if supply.line[line].is_none() {
                        supply.line[line] = Some((end, over));
                    }
                    own = mlmds.get(&line).copied().or(over);
                }
                if !supply.reached[there] {
                    supply.reached[there] = true;
                    supply.mlmd[there] = own;
                    queue.push_back(there);
                }
            }
        }
        supply
    }

    /// Whether a source reaches the bus.
    pub(super) fn reaches(&self, bus: usize) -> bool {
        self.reached.get(bus).copied().unwrap_or(false)
    }

    /// The M-LMD whose area the bus lies in.
    pub(super) fn mlmd_of_bus(&self, bus: usize) -> Option<usize> {
        self.mlmd.get(bus).copied().flatten()
    }

    /// The end of the line towards the source and the M-LMD over the line.
    pub(super) fn line(&self, line: usize) -> Option<(LineEnd, Option<usize>)> {
        self.line.get(line).copied().flatten()
    }
}

/// Neighbour bus, and the line with the end that is here, if it is one.
type Edge = (usize, Option<(usize, LineEnd)>);

fn edges(
    grid: &GridCase,
    bus: &impl Fn(&str) -> Option<usize>,
    ties: &BTreeSet<&str>,
) -> Vec<Vec<Edge>> {
    let mut edges: Vec<Vec<Edge>> = vec![Vec::new(); grid.buses.len()];
    let open: BTreeSet<&str> = grid
        .switches
        .iter()
        .filter(|switch| !switch.closed)
        .map(|s| s.line.as_str())
        .chain(ties.iter().copied())
        .collect();
    for (i, line) in grid.lines.iter().enumerate() {
        let open = open.contains(line.id.as_str());
        if let (Some(from), Some(to), false) = (bus(&line.from.bus), bus(&line.to.bus), open) {
            edges[from].push((to, Some((i, LineEnd::From))));
            edges[to].push((from, Some((i, LineEnd::To))));
        }
    }
    for transformer in &grid.transformers {
        let ends: Vec<usize> = transformer
            .windings
            .iter()
            .filter_map(|winding| bus(&winding.at.bus))
            .collect();
        for &a in &ends {
            for &b in ends.iter().filter(|&&b| b != a) {
                edges[a].push((b, None));
            }
        }
    }
    edges
}
