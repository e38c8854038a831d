//! Under-frequency load shedding in stages, and the rule by which load returns.
//!
//! Every stage is a relay with a frequency and a delay (IEC 60255-181); the
//! order of shedding is that of the thresholds. Restoring is slow on purpose:
//! one stage at a time, the last shed first, and only when frequency and
//! reserve have been good for a while.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{IslandError, check};

/// One stage.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct StageParams {
    /// Frequency below which it picks up, Hz.
    pub f_hz: f64,
    /// Time below the frequency before it trips, ms.
    pub delay_ms: u32,
}

/// A scheme.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SheddingParams {
    /// Stages, highest frequency first.
    pub stages: Vec<StageParams>,
    /// Opening time of what a stage trips, ms.
    pub breaker_ms: u32,
    /// Frequency above which load may return, Hz.
    pub restore_hz: f64,
    /// How long frequency and reserve must have been good, s.
    pub restore_after_s: f64,
    /// Reserve that must remain after the load has returned, share of that load.
    pub restore_margin: f64,
}

impl SheddingParams {
    /// Most stages.
    pub const MAX_STAGES: usize = 32;

    /// Checks every figure.
    ///
    /// # Errors
    /// Names the first one outside its range.
    pub fn check(&self, nominal_hz: f64) -> Result<(), IslandError> {
        const WHAT: &str = "load shedding";
        let count = self.stages.len() as f64;
        let ok = self.stages.len() <= Self::MAX_STAGES;
        check(ok, WHAT, "stages", count, "at most 32")?;
        let mut above = nominal_hz;
        for stage in &self.stages {
            let ok = stage.f_hz > 0.8 * nominal_hz && stage.f_hz < nominal_hz;
            check(ok, WHAT, "f_hz", stage.f_hz, "80 % of nominal to nominal")?;
            let ordered = stage.f_hz <= above;
            check(
                ordered,
                WHAT,
                "f_hz",
                stage.f_hz,
                "not above the stage before",
            )?;
            above = stage.f_hz;
        }
        let restore = self.restore_hz;
        let ok = restore <= nominal_hz && self.stages.iter().all(|s| restore > s.f_hz);
        check(
            ok,
            WHAT,
            "restore_hz",
            restore,
            "above every stage, at most nominal",
        )?;
        let after = self.restore_after_s;
        check(after >= 0.0, WHAT, "restore_after_s", after, "0 or more")?;
        let margin = self.restore_margin;
        check(margin >= 0.0, WHAT, "restore_margin", margin, "0 or more")
    }
}

/// State of one stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Stage {
    /// Whether its load is off.
    pub shed: bool,
    /// Time below its frequency, ms.
    below_ms: f64,
}

/// State of a scheme.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Shedding {
    stages: Vec<Stage>,
    /// Stages in the order in which they were shed.
    order: Vec<u32>,
    good_ms: u64,
}

impl Shedding {
    /// Nothing shed.
    #[must_use]
    pub fn new(stages: usize) -> Self {
        Self {
            stages: vec![Stage::default(); stages],
            ..Self::default()
        }
    }

    /// Whether a stage's load is off.
    #[must_use]
    pub fn is_shed(&self, stage: usize) -> bool {
        self.stages.get(stage).is_some_and(|stage| stage.shed)
    }

    /// Stages whose load is off, in the order of shedding.
    #[must_use]
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// One relay looks at the frequency; `true` when it trips now.
    pub fn watch(&mut self, params: &SheddingParams, stage: usize, f_hz: f64, dt_ms: f64) -> bool {
        let (Some(state), Some(set)) = (self.stages.get_mut(stage), params.stages.get(stage))
        else {
            return false;
        };
        // Not-a-number is no frequency to rely on: it counts as low.
        if state.shed || f_hz >= set.f_hz {
            state.below_ms = 0.0;
            return false;
        }
        state.below_ms += dt_ms;
        if state.below_ms < f64::from(set.delay_ms) {
            return false;
        }
        state.shed = true;
        state.below_ms = 0.0;
        self.order.push(stage as u32);
        self.good_ms = 0;
        true
    }

    /// A relay without voltage resets.
    pub fn reset(&mut self, stage: usize) {
        if let Some(state) = self.stages.get_mut(stage) {
            state.below_ms = 0.0;
        }
    }

    /// After a tick: the stage that returns now, if one may.
    ///
    /// `lowest_hz` is the lowest frequency of the tick, `reserve_kw` what the
    /// units could add, `stage_kw` what each stage would take again.
    pub fn restore(
        &mut self,
        params: &SheddingParams,
        lowest_hz: f64,
        reserve_kw: f64,
        stage_kw: &[f64],
        dt_ms: u64,
    ) -> Option<usize> {
        let last = *self.order.last()? as usize;
        let needed = stage_kw.get(last).copied().unwrap_or(0.0) * (1.0 + params.restore_margin);
        if !(lowest_hz >= params.restore_hz && reserve_kw >= needed) {
            self.good_ms = 0;
            return None;
        }
        self.good_ms += dt_ms;
        if (self.good_ms as f64) < params.restore_after_s * 1_000.0 {
            return None;
        }
        self.good_ms = 0;
        self.release(last);
        Some(last)
    }

    /// Takes a stage's load off without its relay: a black start holds it back.
    pub fn hold(&mut self, stage: usize) {
        let Some(state) = self.stages.get_mut(stage) else {
            return;
        };
        if !state.shed {
            *state = Stage {
                shed: true,
                below_ms: 0.0,
            };
            self.order.push(stage as u32);
        }
    }

    /// Returns a stage's load, whatever the rule says.
    pub fn release(&mut self, stage: usize) {
        self.order.retain(|&shed| shed as usize != stage);
        if let Some(state) = self.stages.get_mut(stage) {
            *state = Stage::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> SheddingParams {
        let stage = |f_hz, delay_ms| StageParams { f_hz, delay_ms };
        SheddingParams {
            stages: vec![stage(49.2, 200), stage(48.8, 200)],
            breaker_ms: 60,
            restore_hz: 49.8,
            restore_after_s: 3.0,
            restore_margin: 0.5,
        }
    }

    #[test]
    fn a_stage_needs_its_whole_delay() {
        let (params, mut scheme) = (params(), Shedding::new(2));
        for _ in 0..19 {
            assert!(!scheme.watch(&params, 0, 49.1, 10.0));
        }
        assert!(!scheme.watch(&params, 0, 49.3, 10.0), "it recovers");
        for _ in 0..19 {
            assert!(!scheme.watch(&params, 0, 49.1, 10.0));
        }
        assert!(scheme.watch(&params, 0, 49.1, 10.0));
        assert!(scheme.is_shed(0) && !scheme.is_shed(1));
        assert!(!scheme.watch(&params, 0, 40.0, 1_000.0), "only once");
    }

    #[test]
    fn the_last_shed_returns_first_and_only_into_reserve() {
        let (params, mut scheme) = (params(), Shedding::new(2));
        assert!(scheme.watch(&params, 0, 48.0, 200.0));
        assert!(scheme.watch(&params, 1, 48.0, 200.0));
        let kw = [4.0, 6.0];
        assert_eq!(
            scheme.restore(&params, 49.9, 8.0, &kw, 10_000),
            None,
            "6 kW need 9"
        );
        assert_eq!(scheme.restore(&params, 49.9, 9.0, &kw, 1_000), None);
        assert_eq!(
            scheme.restore(&params, 49.7, 9.0, &kw, 1_000),
            None,
            "low again"
        );
        for _ in 0..2 {
            assert_eq!(scheme.restore(&params, 49.9, 9.0, &kw, 1_000), None);
        }
        assert_eq!(scheme.restore(&params, 49.9, 9.0, &kw, 1_000), Some(1));
        assert_eq!(scheme.order(), [0]);
        for _ in 0..2 {
            assert_eq!(scheme.restore(&params, 49.9, 9.0, &kw, 1_000), None);
        }
        assert_eq!(scheme.restore(&params, 49.9, 9.0, &kw, 1_000), Some(0));
        assert_eq!(scheme.restore(&params, 49.9, 9.0, &kw, 1_000), None);
    }

    #[test]
    fn stages_out_of_order_are_refused() {
        let mut wrong = params();
        wrong.stages.swap(0, 1);
        assert_eq!(wrong.check(50.0).unwrap_err().field, "f_hz");
        assert_eq!(params().check(50.0), Ok(()));
        let mut wrong = params();
        wrong.restore_hz = 49.0;
        assert_eq!(wrong.check(50.0).unwrap_err().field, "restore_hz");
    }
}
