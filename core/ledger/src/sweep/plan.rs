//! What a seed draws.

use gridloom_consensus::{LinkConfig, Misconduct, PeerIndex};
use gridloom_units::{Stream, draw_u64};

/// Longest time with faults, ms.
const TROUBLE_MS: u64 = 2_600;

/// A fault, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Crash {
        node: PeerIndex,
        survives: usize,
    },
    Restart(PeerIndex),
    LoseLog(PeerIndex),
    /// Validators below the border against the others.
    Cut(PeerIndex),
    Isolate(PeerIndex),
    Heal,
    /// The root moves a share of the participants to the other cluster.
    Move {
        from: u32,
        until_permille: u16,
    },
    /// The standby validator takes the place of another one.
    ChangeValidators,
    /// A contract version for all clusters.
    Contract,
}

/// Something that happens to a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub at_ms: u64,
    pub group: usize,
    pub what: What,
}

/// Kinds of faults in a life, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultKinds(pub u32);

impl FaultKinds {
    /// Names of the bits.
    pub const NAMES: [&'static str; 17] = [
        "loss",
        "duplication",
        "reordering",
        "crash",
        "torn log",
        "lost log",
        "partition",
        "isolation",
        "double votes",
        "forged votes",
        "silence",
        "withheld blocks",
        "invalid blocks",
        "two blocks",
        "replay",
        "member moves",
        "validator change",
    ];

    /// Whether a bit is set.
    #[must_use]
    pub fn has(self, bit: usize) -> bool {
        self.0 >> bit & 1 == 1
    }

    fn set(&mut self, bit: usize, on: bool) {
        self.0 |= u32::from(on) << bit;
    }
}

/// How one validator of a group lies all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Liar {
    None,
    DoubleVotes,
    Conduct(Misconduct),
}

/// One group of a life.
#[derive(Clone, Debug)]
pub(super) struct GroupPlan {
    pub validators: u8,
    /// A validator that is not in the set yet.
    pub standby: bool,
    pub links: LinkConfig,
    pub interval_ms: u64,
    pub liar: Liar,
    pub forger: bool,
}

/// A whole life.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub seed: u64,
    /// One group alone, or two clusters and the root.
    pub groups: Vec<GroupPlan>,
    pub events: Vec<Event>,
    pub heal_ms: u64,
    /// Payments per second and cluster.
    pub pace: u64,
}

struct Draw {
    seed: u64,
    count: u64,
}

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.count += 1;
        draw_u64(self.seed, self.count, 71, Stream::Behaviour) % limit
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

impl Plan {
    pub(super) fn draw(seed: u64) -> Self {
        let mut draw = Draw { seed, count: 0 };
        let alone = draw.below(2) == 0;
        // Every tenth life is free of faults: the baseline.
        let calm = draw.one_in(10);
        let count = if alone { 1 } else { 3 };
        let changes = draw.one_in(4);
        let mut groups = Vec::new();
        for index in 0..count {
            groups.push(group(&mut draw, index, alone, calm, changes));
        }
        let mut events = Vec::new();
        for (index, plan) in groups.iter().enumerate() {
            if !calm {
                trouble(&mut draw, index, plan, &mut events);
            }
            if plan.standby {
                let at_ms = 300 + draw.below(1_500);
                let what = What::ChangeValidators;
                events.push(Event {
                    at_ms,
                    group: index,
                    what,
                });
            }
        }
        if !alone && draw.one_in(3) {
            events.push(Event {
                at_ms: 400 + draw.below(1_200),
                group: 2,
                what: What::Move {
                    from: draw.below(2) as u32,
                    until_permille: 200 + draw.below(801) as u16,
                },
            });
        }
        if !alone && draw.one_in(4) {
            events.push(Event {
                at_ms: 100 + draw.below(1_500),
                group: 2,
                what: What::Contract,
            });
        }
        events.sort_by_key(|event| event.at_ms);
        Self {
            seed,
            groups,
            events,
            heal_ms: TROUBLE_MS,
            pace: 4 + draw.below(8),
        }
    }

    pub(super) fn kinds(&self) -> FaultKinds {
        let mut kinds = FaultKinds::default();
        for group in &self.groups {
            let links = group.links;
            kinds.set(0, links.loss_ppm > 0);
            kinds.set(1, links.duplicate_ppm > 0);
            kinds.set(2, links.latency_max_us > 4 * links.latency_min_us);
            kinds.set(8, group.liar == Liar::DoubleVotes);
            kinds.set(9, group.forger);
            if let Liar::Conduct(conduct) = group.liar {
                kinds.set(10 + conduct as usize, true);
            }
        }
        for event in &self.events {
            match event.what {
                What::Crash { survives, .. } => {
                    kinds.set(3, true);
                    kinds.set(4, survives > 0);
                }
                What::LoseLog(_) => kinds.set(5, true),
                What::Cut(_) => kinds.set(6, true),
                What::Isolate(_) => kinds.set(7, true),
                What::Move { .. } => kinds.set(15, true),
                What::ChangeValidators => kinds.set(16, true),
                What::Restart(_) | What::Heal | What::Contract => {}
            }
        }
        kinds
    }
}

fn group(draw: &mut Draw, index: usize, alone: bool, calm: bool, changes: bool) -> GroupPlan {
    let validators = if alone && draw.one_in(2) { 7 } else { 4 };
    let shaky = !calm && draw.below(4) > 0;
    let links = LinkConfig {
        seed: draw_u64(draw.seed, index as u64, 72, Stream::Behaviour),
        loss_ppm: if shaky {
            draw.below(16) as u32 * 10_000
        } else {
            0
        },
        duplicate_ppm: if shaky {
            draw.below(6) as u32 * 10_000
        } else {
            0
        },
        latency_min_us: 2_000,
        latency_max_us: if calm {
            12_000
        } else {
            8_000 + draw.below(90_000)
        },
        ..LinkConfig::default()
    };
    let liar = match draw.below(14) {
        _ if calm => Liar::None,
        0 | 1 => Liar::DoubleVotes,
        2 => Liar::Conduct(Misconduct::Silent),
        3 => Liar::Conduct(Misconduct::Withhold),
        4 => Liar::Conduct(Misconduct::InvalidBlock),
        5 => Liar::Conduct(Misconduct::TwoBlocks),
        6 => Liar::Conduct(Misconduct::Replay),
        _ => Liar::None,
    };
    GroupPlan {
        validators,
        // A set with a liar keeps its members, or the liar would be one too many in the new one.
        standby: changes && index == 0 && liar == Liar::None,
        links,
        interval_ms: 200 + draw.below(3) * 50,
        liar,
        forger: !calm && draw.one_in(4),
    }
}

/// Crashes and cuts of one group.
fn trouble(draw: &mut Draw, index: usize, plan: &GroupPlan, events: &mut Vec<Event>) {
    let n = u64::from(plan.validators);
    let mut push = |at_ms, what| {
        events.push(Event {
            at_ms,
            group: index,
            what,
        });
    };
    // The liar is the last one; the others may crash, several of them at a time.
    let mut lost_log = plan.liar != Liar::None;
    for _ in 0..draw.below(3) {
        let node = draw.below(n - 1) as PeerIndex;
        let at = draw.below(TROUBLE_MS - 600);
        let survives = draw.below(3) as usize;
        push(at, What::Crash { node, survives });
        // One that loses what it had flushed counts as the liar of its group.
        if !lost_log && draw.one_in(6) {
            lost_log = true;
            push(at, What::LoseLog(node));
        }
        push(at + 20 + draw.below(1_500), What::Restart(node));
    }
    if draw.one_in(2) {
        let at = draw.below(TROUBLE_MS - 400);
        if draw.one_in(3) {
            push(at, What::Isolate(draw.below(n) as PeerIndex));
        } else {
            push(at, What::Cut(1 + draw.below(n - 1) as PeerIndex));
        }
        push(at + draw.below(2_000), What::Heal);
    }
}
