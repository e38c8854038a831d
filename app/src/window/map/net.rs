//! The network as drawable conductor runs; built once per scene.

use gridloom_core::view::SceneView;

/// Consecutive segments without a branch or a breaker between them.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Line indices in order along the run.
    pub lines: Vec<usize>,
    /// Whether each line points along the run.
    pub along: Vec<bool>,
    /// Bus indices, one more than lines.
    pub buses: Vec<usize>,
    /// Whether it only serves one customer.
    pub service: bool,
    /// Length from the head of the strand this run continues, m.
    pub strand_m: f64,
    /// Length on the map, m.
    pub length_m: f64,
    /// Rating, A per phase.
    pub rating_a: f64,
}

/// All runs of a scene and its extent.
#[derive(Clone, Debug, Default)]
pub struct Net {
    /// The runs.
    pub runs: Vec<Run>,
    /// Run of each line.
    pub run_of_line: Vec<usize>,
    /// Smallest and largest coordinates, m.
    pub bounds_m: ((f64, f64), (f64, f64)),
    /// Direction a customer's connection arrives from, per home (unit vector, y up).
    pub home_dir: Vec<(f64, f64)>,
}

impl Net {
    /// Builds the runs. Lines with bus indices out of range are left out.
    pub fn build(scene: &SceneView) -> Self {
        let mut net = Self {
            runs: chain_runs(scene),
            run_of_line: vec![usize::MAX; scene.lines.len()],
            bounds_m: bounds(scene),
            home_dir: Vec::new(),
        };
        for (index, run) in net.runs.iter().enumerate() {
            for &line in &run.lines {
                net.run_of_line[line] = index;
            }
        }
        net.place_strands(scene.buses.len());
        net.home_dir = scene
            .homes
            .iter()
            .map(|home| net.arrival(scene, home.bus))
            .collect();
        net
    }

    /// Continues every run at its end with the longest subtree, so that
    /// chevrons keep their spacing across branches.
    fn place_strands(&mut self, buses: usize) {
        let mut starts: Vec<Vec<usize>> = vec![Vec::new(); buses];
        for (index, run) in self.runs.iter().enumerate() {
            starts[run.buses[0]].push(index);
        }
        let mut below = vec![0.0_f64; self.runs.len()];
        // Runs are in order of depth, so children come after their parent.
        for index in (0..self.runs.len()).rev() {
            let end = self.runs[index].buses[self.runs[index].buses.len() - 1];
            let children: f64 = starts[end]
                .iter()
                .filter(|&&child| child > index)
                .map(|&child| below[child])
                .sum();
            below[index] = self.runs[index].length_m + children;
        }
        for index in 0..self.runs.len() {
            let end = self.runs[index].buses[self.runs[index].buses.len() - 1];
            let next = starts[end]
                .iter()
                .copied()
                .filter(|&child| child > index)
                .max_by(|&a, &b| below[a].total_cmp(&below[b]));
            if let Some(next) = next {
                self.runs[next].strand_m = self.runs[index].strand_m + self.runs[index].length_m;
            }
        }
    }

    /// Where the last metre of conductor comes from at a bus.
    fn arrival(&self, scene: &SceneView, bus: usize) -> (f64, f64) {
        let Some(&here) = scene.buses.get(bus).map(|b| &b.pos_m) else {
            return (1.0, 0.0);
        };
        for run in &self.runs {
            let at_end = run.buses.last() == Some(&bus);
            if !at_end && run.buses.first() != Some(&bus) {
                continue;
            }
            let mut others: Vec<usize> = run.buses.clone();
            if at_end {
                others.reverse();
            }
            for other in others {
                let p = scene.buses[other].pos_m;
                let (dx, dy) = (here.0 - p.0, here.1 - p.1);
                let length = dx.hypot(dy);
                if length > 1.0 {
                    return (dx / length, dy / length);
                }
            }
        }
        (0.0, 1.0)
    }
}

/// Puts the lines of each run id into order, cutting at breakers and gaps.
fn chain_runs(scene: &SceneView) -> Vec<Run> {
    let buses = scene.buses.len();
    let mut order: Vec<usize> = (0..scene.lines.len())
        .filter(|&line| scene.lines[line].from < buses && scene.lines[line].to < buses)
        .collect();
    order.sort_by_key(|&line| (scene.lines[line].run, scene.lines[line].depth, line));
    // Where something is connected, the flow changes: a run ends there.
    let mut tapped = vec![false; buses];
    let homes = scene.homes.iter().map(|home| home.bus);
    for bus in homes.chain(scene.shared_batteries.iter().map(|battery| battery.bus)) {
        if let Some(tapped) = tapped.get_mut(bus) {
            *tapped = true;
        }
    }
    let mut runs: Vec<Run> = Vec::new();
    let mut current = usize::MAX;
    for line in order {
        let view = &scene.lines[line];
        let breaker = scene.mlmds.iter().any(|m| m.line == line);
        let end = runs.last().and_then(|run| run.buses.last().copied());
        let goes_on = view.run == current
            && !breaker
            && end.is_some_and(|end| !tapped[end] && (end == view.from || end == view.to));
        if !goes_on {
            runs.push(Run {
                buses: vec![view.from],
                service: view.service,
                ..Run::default()
            });
            current = view.run;
        }
        if let Some(run) = runs.last_mut() {
            let start = run.buses[run.buses.len() - 1];
            let along = start == view.from;
            let next = if along { view.to } else { view.from };
            let (a, b) = (scene.buses[start].pos_m, scene.buses[next].pos_m);
            run.lines.push(line);
            run.along.push(along);
            run.buses.push(next);
            run.length_m += (b.0 - a.0).hypot(b.1 - a.1);
            run.rating_a = if run.lines.len() == 1 {
                view.rating_a
            } else {
                run.rating_a.min(view.rating_a)
            };
        }
    }
    runs.sort_by_key(|run| scene.lines[run.lines[0]].depth);
    runs
}

/// Extent of all buses that have a finite place.
fn bounds(scene: &SceneView) -> ((f64, f64), (f64, f64)) {
    let mut lo = (f64::INFINITY, f64::INFINITY);
    let mut hi = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    // Only what a line touches: a source bus may carry a place of its own far away.
    let used = scene.lines.iter().flat_map(|line| [line.from, line.to]);
    for bus in used.filter_map(|bus| scene.buses.get(bus)) {
        let (x, y) = bus.pos_m;
        if x.is_finite() && y.is_finite() {
            lo = (lo.0.min(x), lo.1.min(y));
            hi = (hi.0.max(x), hi.1.max(y));
        }
    }
    if lo.0 > hi.0 {
        ((0.0, 0.0), (1.0, 1.0))
    } else {
        (lo, hi)
    }
}
