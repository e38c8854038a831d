//! Whose turn it is on a line: earliest deadline first, the silent aside.
//!
//! Pure: time is handed in, microseconds of a clock that only moves forward.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::profile::{Area, Block, PollGroup, Profile, plan_blocks};

/// Readings in a row without any answer after which a unit counts as silent.
const SILENT_AFTER: u32 = 2;

/// Pauses between attempts on a silent unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BackOff {
    pub(crate) min_us: u64,
    pub(crate) max_us: u64,
}

impl BackOff {
    /// Pause after the n-th failure in a row, from 1; `share` (0 to 1)
    /// shortens it by up to a quarter so that many do not return together.
    pub(crate) fn pause_us(self, failures: u32, share: f64) -> u64 {
        let doubled = 1_u64 << failures.saturating_sub(1).min(16);
        let pause = self.min_us.saturating_mul(doubled).min(self.max_us);
        (pause as f64 * (1.0 - share / 4.0)) as u64
    }
}

/// Polling of one unit.
pub(crate) struct Slot {
    period_us: u64,
    /// When the next turn begins.
    due_us: u64,
    turn: u64,
    ready: VecDeque<Arc<Block>>,
    /// Requests by the groups that are due: planned once, used every turn.
    plans: BTreeMap<(bool, bool, bool), Vec<Arc<Block>>>,
    /// Points that must be read by themselves: a request that joined them with
    /// others was refused for its addresses.
    alone: BTreeSet<usize>,
    silent: u32,
    failures: u32,
    wait_until_us: u64,
    /// Time this unit has had on the line.
    served_us: u64,
}

/// What is to be done.
pub(crate) enum Next {
    /// Read this block of this unit.
    Read(usize, Arc<Block>),
    /// Nothing before this time.
    Wait(u64),
}

impl Slot {
    pub(crate) fn new(period_us: u64, first_us: u64) -> Self {
        Self {
            period_us: period_us.max(1),
            due_us: first_us,
            turn: 0,
            ready: VecDeque::new(),
            plans: BTreeMap::new(),
            alone: BTreeSet::new(),
            silent: 0,
            failures: 0,
            wait_until_us: 0,
            served_us: 0,
        }
    }

    /// Whether the unit is silent and only tried now and then.
    pub(crate) fn is_silent(&self) -> bool {
        self.failures > 0
    }

    /// Attempts in a row without any answer since it fell silent.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Starts anew after the connection was rebuilt: once-points are read again.
    pub(crate) fn restart(&mut self, now_us: u64) {
        (self.turn, self.silent) = (0, 0);
        self.ready.clear();
        // The profile may be another one now: that of a map just found.
        self.plans.clear();
        self.due_us = self.due_us.max(now_us);
    }

    /// Earliest time at which there is something to do.
    fn ready_at(&self) -> u64 {
        let due = if self.ready.is_empty() {
            self.due_us
        } else {
            0
        };
        due.max(self.wait_until_us)
    }

    /// Begins a turn if none runs; returns turns that were missed.
    fn begin(&mut self, now_us: u64, profile: &Profile) -> u64 {
        if !self.ready.is_empty() {
            return 0;
        }
        let missed = now_us.saturating_sub(self.due_us) / self.period_us;
        self.turn = self.turn.saturating_add(missed);
        let turn = self.turn;
        let due = |group: PollGroup| is_due(group, turn);
        let groups = (
            due(PollGroup::Normal),
            due(PollGroup::Slow),
            due(PollGroup::Once),
        );
        let plan = self.plans.entry(groups).or_insert_with(|| {
            let blocks = blocks_of(profile, turn, &self.alone);
            blocks.into_iter().map(Arc::new).collect()
        });
        self.ready.extend(plan.iter().cloned());
        self.turn += 1;
        self.due_us += (missed + 1) * self.period_us;
        missed
    }

    /// Notes an answer, also a refusal.
    pub(crate) fn answered(&mut self) {
        (self.silent, self.failures, self.wait_until_us) = (0, 0, 0);
    }

    /// Notes that nothing usable came; true when the unit is silent now.
    pub(crate) fn failed(&mut self, for_good: bool) -> bool {
        self.silent += 1;
        for_good || self.is_silent() || self.silent >= SILENT_AFTER
    }

    /// Sets a silent unit aside.
    pub(crate) fn set_aside(&mut self, now_us: u64, back_off: BackOff, share: f64) {
        self.failures = self.failures.saturating_add(1);
        self.wait_until_us = now_us + back_off.pause_us(self.failures, share);
        self.ready.clear();
        // Turns of the pause are not missed: nobody meant to take them.
        self.due_us = self.due_us.max(self.wait_until_us);
    }

    /// From now on these points are read one by one: some devices refuse a
    /// request that crosses a hole in their map.
    pub(crate) fn part(&mut self, points: &[usize]) {
        self.plans.clear();
        self.alone.extend(points);
    }

    pub(crate) fn spent(&mut self, us: u64) {
        self.served_us += us;
    }
}

/// Whether the points of a group are read in a turn.
fn is_due(group: PollGroup, turn: u64) -> bool {
    match group.every() {
        Some(every) => turn.is_multiple_of(every),
        None => turn == 0,
    }
}

/// Requests of a turn: the groups that are due.
pub(crate) fn blocks_of(profile: &Profile, turn: u64, alone: &BTreeSet<usize>) -> Vec<Block> {
    if profile.points.is_empty() {
        // The map has yet to be found: the turn is the search's.
        return vec![Block {
            area: Area::Holding,
            addr: 0,
            count: 1,
            points: Vec::new(),
        }];
    }
    let chosen: Vec<usize> = (0..profile.points.len())
        .filter(|index| is_due(profile.points[*index].poll, turn))
        .collect();
    let limits = profile.plan_limits();
    let joined = chosen.iter().copied().filter(|i| !alone.contains(i));
    let mut blocks = plan_blocks(&profile.points, joined, limits);
    for index in chosen.iter().filter(|index| alone.contains(index)) {
        blocks.extend(plan_blocks(&profile.points, [*index], limits));
    }
    blocks
}

/// What has turns.
pub(crate) trait Polled {
    /// Its turns.
    fn slot(&self) -> &Slot;
    /// Its turns and what they read.
    fn turns(&mut self) -> (&mut Slot, &Profile);
}

/// Chooses the next block among the units of a line. `missed` is told the unit
/// and the turns that were over before they could begin.
pub(crate) fn next<U: Polled>(
    units: &mut [U],
    now_us: u64,
    missed: &mut dyn FnMut(&U, u64),
) -> Next {
    loop {
        let best = units
            .iter()
            .map(Polled::slot)
            .enumerate()
            .filter(|(_, slot)| slot.ready_at() <= now_us)
            // A running turn ends when the next one begins, a waiting one a
            // period after it began.
            .min_by_key(|(_, slot)| {
                let deadline = if slot.ready.is_empty() {
                    slot.due_us + slot.period_us
                } else {
                    slot.due_us
                };
                (deadline, slot.served_us)
            })
            .map(|(index, _)| index);
        let Some(index) = best else {
            let soonest = units.iter().map(|unit| unit.slot().ready_at()).min();
            return Next::Wait(soonest.unwrap_or(u64::MAX));
        };
        let (slot, profile) = units[index].turns();
        let over = slot.begin(now_us, profile);
        let block = slot.ready.pop_front();
        if over > 0 {
            missed(&units[index], over);
        }
        if let Some(block) = block {
            return Next::Read(index, block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile::parse(
            r#"(vendor: "T", model: "t", points: [(id: "a", area: Input, addr: 0, ty: U16, poll: "fast")])"#,
            "t",
        )
        .expect("valid")
    }

    struct Unit(Slot, Profile);

    impl Polled for Unit {
        fn slot(&self) -> &Slot {
            &self.0
        }

        fn turns(&mut self) -> (&mut Slot, &Profile) {
            (&mut self.0, &self.1)
        }
    }

    const BACK_OFF: BackOff = BackOff {
        min_us: 1_000_000,
        max_us: 60_000_000,
    };

    /// Runs ten units on a line whose answers take 30 ms and whose unit 3 is
    /// silent from the start, with a timeout of 300 ms; returns polls per unit.
    fn line(seconds: u64, period_us: u64, silent: Option<usize>) -> Vec<u64> {
        let mut units: Vec<Unit> = (0..10)
            .map(|_| Unit(Slot::new(period_us, 0), profile()))
            .collect();
        let mut polls = vec![0; 10];
        let mut now = 0;
        while now < seconds * 1_000_000 {
            match next(&mut units, now, &mut |_, _| {}) {
                Next::Wait(until) => now = until.min(seconds * 1_000_000),
                Next::Read(unit, _) if Some(unit) == silent => {
                    now += 300_000;
                    units[unit].0.spent(300_000);
                    if units[unit].0.failed(false) {
                        units[unit].0.set_aside(now, BACK_OFF, 0.0);
                    }
                }
                Next::Read(unit, _) => {
                    now += 30_000;
                    units[unit].0.spent(30_000);
                    units[unit].0.answered();
                    polls[unit] += 1;
                }
            }
        }
        polls
    }

    #[test]
    fn a_silent_unit_costs_the_others_next_to_nothing() {
        for period_us in [100_000, 500_000, 2_000_000] {
            let all = line(300, period_us, None);
            let with_silent = line(300, period_us, Some(3));
            for unit in (0..10).filter(|unit| *unit != 3) {
                let kept = with_silent[unit] as f64 / all[unit] as f64;
                assert!(kept >= 0.97, "{period_us}: unit {unit} keeps {kept}");
            }
            assert_eq!(with_silent[3], 0);
        }
    }

    #[test]
    fn an_overloaded_line_is_shared_alike() {
        let polls = line(60, 50_000, None);
        let (least, most) = (polls.iter().min(), polls.iter().max());
        assert!(
            most.zip(least)
                .is_some_and(|(most, least)| most - least <= 2),
            "{polls:?}"
        );
    }

    #[test]
    fn the_pause_doubles_up_to_its_maximum() {
        let pauses: Vec<u64> = (1..9)
            .map(|n| BACK_OFF.pause_us(n, 0.0) / 1_000_000)
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(BACK_OFF.pause_us(1, 1.0), 750_000);
    }
}
