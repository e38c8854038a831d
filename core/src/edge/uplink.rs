//! The way from an LG-Aggregator to the cloud and back (paper E2 to E5).
//!
//! The cloud sends a strategy down; by it the aggregator reports the load of
//! its areas. Every report is answered with the state of the whole grid, which
//! the aggregator keeps with its age. A report that is not answered is repeated,
//! with everything that has come since; after a while the aggregator knows that
//! it is alone, and acts for its own area until the cloud answers again.

use std::collections::VecDeque;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_model::scene::UploadSpec;

/// Pause before a report that was not answered is sent again, ms.
const RESEND_MS: u64 = 20_000;

/// Time without an answer after which an aggregator knows that it is alone, ms.
const ALONE_MS: u64 = 60_000;

/// Intervals that wait for the cloud at most: a month of five minutes. The
/// oldest are given up, and counted.
const BACKLOG_LIMIT: usize = 8_928;

/// Intervals in one report at most, so that a long absence is caught up in
/// messages of a bounded size.
const REPORT_LIMIT: usize = 256;

/// An upload strategy of the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Strategy {
    /// Version, counted by the cloud.
    pub version: u32,
    /// Reading intervals between two reports.
    pub every: u32,
    /// Change of an interval's load that is reported at once, Wh; 0 for none.
    pub threshold_wh: u32,
}

impl Strategy {
    /// A strategy of a scene or command.
    #[must_use]
    pub const fn new(version: u32, spec: UploadSpec) -> Self {
        Self {
            version,
            every: spec.every,
            threshold_wh: spec.threshold_wh,
        }
    }
}

impl Default for Strategy {
    fn default() -> Self {
        Self::new(0, UploadSpec::default())
    }
}

/// The state of the whole grid as the cloud sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GridState {
    /// Counted by the cloud; grows with everything it learns.
    pub version: u64,
    /// End of the newest interval that all clusters have reported, ms.
    pub until_ms: u64,
    /// Energy into all areas since the start at that time, Wh.
    pub load_wh: i64,
    /// Mean power into all areas over what was learnt last, W.
    pub load_w: i64,
}

/// An aggregator's side of the link.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Uplink {
    /// The strategy it has.
    pub strategy: Strategy,
    /// The state of the grid it has.
    pub grid: GridState,
    /// When the cloud last answered, ms.
    pub heard_ms: Option<u64>,
    /// Reports sent, repetitions included.
    pub reports: u64,
    /// Intervals given up because too many waited.
    pub dropped: u64,
    /// Complete intervals the cloud has not confirmed: end (ms), Wh since the start.
    waiting: VecDeque<(u64, i64)>,
    /// Newest interval, whether it was reported or not.
    newest: (u64, i64),
    /// Interval of the last report: its end (ms) and its load (Wh).
    reported: (u64, i64),
    /// When the oldest unanswered report left, and when the last one, ms.
    unanswered: Option<(u64, u64)>,
}

impl Uplink {
    /// With the strategy of the start.
    #[must_use]
    pub fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            ..Self::default()
        }
    }

    /// Takes a complete interval; whether the strategy wants a report now.
    pub(super) fn note(&mut self, end_ms: u64, energy_wh: i64, slot_ms: u64) -> bool {
        if end_ms <= self.newest.0 {
            return false;
        }
        let reading_ms = end_ms - self.newest.0;
        let load_wh = energy_wh - self.newest.1;
        self.newest = (end_ms, energy_wh);
        self.waiting.push_back((end_ms, energy_wh));
        if self.waiting.len() > BACKLOG_LIMIT {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        let Strategy {
            every,
            threshold_wh,
            ..
        } = self.strategy;
        let due = end_ms - self.reported.0 >= u64::from(every) * reading_ms;
        let changed = load_wh.abs_diff(self.reported.1);
        let jumped = threshold_wh > 0 && changed >= u64::from(threshold_wh);
        if due || jumped || end_ms.is_multiple_of(slot_ms) {
            self.reported = (end_ms, load_wh);
            return true;
        }
        false
    }

    /// What goes into a report that leaves now: the oldest that wait.
    pub(super) fn report(&mut self, now_ms: u64) -> Vec<(u64, i64)> {
        self.reports += 1;
        let first = self.unanswered.map_or(now_ms, |(first, _)| first);
        self.unanswered = Some((first, now_ms));
        self.waiting.iter().take(REPORT_LIMIT).copied().collect()
    }

    /// Whether a report must be repeated.
    pub(super) fn must_repeat(&self, now_ms: u64) -> bool {
        self.unanswered
            .is_some_and(|(_, last)| now_ms >= last + RESEND_MS)
    }

    /// The cloud has answered: it has everything up to `through_ms`. Whether
    /// more waits that a report had no room for.
    pub(super) fn answered(
        &mut self,
        now_ms: u64,
        through_ms: u64,
        strategy: Strategy,
        grid: GridState,
    ) -> bool {
        let before = self.waiting.len();
        while self
            .waiting
            .front()
            .is_some_and(|&(end_ms, _)| end_ms <= through_ms)
        {
            self.waiting.pop_front();
        }
        // Answers may overtake each other.
        if strategy.version >= self.strategy.version {
            self.strategy = strategy;
        }
        if grid.version >= self.grid.version {
            self.grid = grid;
        }
        self.heard_ms = Some(now_ms);
        self.unanswered = None;
        self.waiting.len() >= REPORT_LIMIT && self.waiting.len() < before
    }

    /// Since when the aggregator knows that the cloud does not answer, ms.
    #[must_use]
    pub fn alone_since_ms(&self, now_ms: u64) -> Option<u64> {
        let (first, _) = self.unanswered?;
        (now_ms >= first + ALONE_MS).then_some(first + ALONE_MS)
    }

    /// Intervals that wait for the cloud.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// End of the newest complete interval, ms.
    #[must_use]
    pub const fn complete_until_ms(&self) -> u64 {
        self.newest.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING_MS: u64 = 60_000;
    const SLOT_MS: u64 = 900_000;

    fn with(every: u32, threshold_wh: u32) -> Uplink {
        Uplink::new(Strategy {
            version: 1,
            every,
            threshold_wh,
        })
    }

    fn grid(version: u64) -> GridState {
        GridState {
            version,
            ..GridState::default()
        }
    }

    #[test]
    fn the_strategy_says_when_and_the_end_of_a_slot_always() {
        let mut link = with(4, 0);
        let due: Vec<u64> = (1..=30)
            .filter(|n| link.note(n * READING_MS, *n as i64 * 10, SLOT_MS))
            .collect();
        assert_eq!(due, [4, 8, 12, 15, 19, 23, 27, 30]);
    }

    #[test]
    fn a_jump_is_reported_at_once() {
        let mut link = with(10, 50);
        let mut total = 0;
        let loads = [10, 20, 30, 100, 100, 20, 10];
        let due: Vec<usize> = loads
            .iter()
            .enumerate()
            .filter(|(n, load)| {
                total += **load;
                link.note((*n as u64 + 1) * READING_MS, total, SLOT_MS)
            })
            .map(|(n, _)| n)
            .collect();
        // From nothing to 100, and from 100 to 20.
        assert_eq!(due, [3, 5]);
    }

    #[test]
    fn what_is_not_answered_waits_and_goes_again() {
        let mut link = with(1, 0);
        for n in 1..=3 {
            assert!(link.note(n * READING_MS, 0, SLOT_MS));
            link.report(n * READING_MS);
        }
        assert!(!link.must_repeat(3 * READING_MS + RESEND_MS - 1));
        assert!(link.must_repeat(3 * READING_MS + RESEND_MS));
        assert_eq!(link.alone_since_ms(READING_MS + ALONE_MS - 1), None);
        let since = link.alone_since_ms(READING_MS + ALONE_MS);
        assert_eq!(since, Some(READING_MS + ALONE_MS));
        let again = link.report(4 * READING_MS);
        assert_eq!(again.len(), 3, "everything that waits");
        let newer = Strategy {
            version: 2,
            every: 5,
            threshold_wh: 0,
        };
        link.answered(4 * READING_MS, 3 * READING_MS, newer, grid(7));
        assert_eq!((link.waiting(), link.strategy.version), (0, 2));
        assert_eq!(link.alone_since_ms(u64::MAX / 2), None);
        // An old answer changes nothing back.
        link.answered(4 * READING_MS, 0, Strategy::default(), grid(3));
        assert_eq!((link.strategy.version, link.grid.version), (2, 7));
    }

    #[test]
    fn a_long_absence_is_bounded_and_caught_up_in_parts() {
        let mut link = with(1, 0);
        let all = BACKLOG_LIMIT as u64 + 5;
        for n in 1..=all {
            link.note(n * READING_MS, 0, SLOT_MS);
        }
        assert_eq!((link.waiting(), link.dropped), (BACKLOG_LIMIT, 5));
        let mut rounds = 0;
        loop {
            let part = link.report(all * READING_MS);
            rounds += 1;
            let (through, _) = *part.last().expect("not empty");
            if !link.answered(all * READING_MS, through, Strategy::default(), grid(rounds)) {
                break;
            }
        }
        assert!(link.waiting() < REPORT_LIMIT);
        assert_eq!(rounds as usize, BACKLOG_LIMIT / REPORT_LIMIT);
    }
}
