//! Reports as they arrive, windows of complete intervals, and findings.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_estimate::{Suspect, Who, Window};
use gridloom_units::EnergyWh;

use super::probe::Quality;
use super::tamper::Registers;
use crate::sim_state::{SimState, StateHasher};

/// Intervals whose reports may be outstanding; older ones are given up.
const PENDING_LIMIT: usize = 4;

/// Evaluations in a row that must agree before somebody is named: more than it
/// takes until a cause that has just set in is a candidate at all. Until then
/// others seem to explain what it does.
const AGREE: u32 = 8;

/// Evaluations without a finding after which it is withdrawn.
const WITHDRAW: u32 = 12;

/// Somebody whose reports cannot be true.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Finding {
    /// Area, by the index of its M-LMD.
    pub area: u32,
    /// Meter; `None` for the M-LMD itself.
    pub meter: Option<u32>,
    /// What it looks like, in words.
    pub words: String,
    /// Standard deviations above noise.
    pub score: f64,
    /// Energy hidden within the window, Wh.
    pub hidden_wh: f64,
    /// When it was named, ms.
    pub named_ms: u64,
    agreed: u32,
    missed: u32,
    told: bool,
}

/// What arrived for an interval.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Pending {
    pub readings: BTreeMap<u32, (Registers, Quality)>,
    pub areas: BTreeMap<u32, (EnergyWh, [u32; 3])>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Inner {
    pub pending: BTreeMap<u64, Pending>,
    /// The last interval taken in full, for differences.
    pub last: Option<(u64, Pending)>,
    pub windows: Vec<Window>,
    /// Which breakers were closed over the window.
    pub closed: Vec<bool>,
    /// Positions of taps and capacitor steps at the end of the last interval.
    pub positions: Vec<u64>,
    /// Intervals since the sensitivities were computed.
    pub sensitivity_age: u32,
    /// Per area: directions in which its voltages say nothing about itself.
    pub blind: Vec<Vec<Vec<f64>>>,
    pub findings: Vec<Finding>,
}

/// What the LG-Aggregators know about the truth of their meters.
#[derive(Resource, Clone, Debug, Default)]
pub struct MeterTruth {
    inner: Arc<Inner>,
    /// Hash of everything that ever changed it: cheaper than hashing windows.
    trail: [u8; 32],
    /// Intervals given up because reports were missing.
    pub incomplete: u64,
    /// Intervals judged.
    pub judged: u64,
}

impl MeterTruth {
    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(super) fn change(&mut self, what: &impl BorshSerialize) -> &mut Inner {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.trail);
        // Writing to a hasher cannot fail.
        let _ = borsh::to_writer(&mut hasher, what);
        self.trail = *hasher.finalize().as_bytes();
        Arc::make_mut(&mut self.inner)
    }

    /// A meter's report arrived.
    pub fn note_reading(
        &mut self,
        meter: u32,
        end_ms: u64,
        registers: Registers,
        quality: Quality,
    ) {
        let inner = self.change(&(meter, end_ms, registers, quality));
        let pending = inner.pending.entry(end_ms).or_default();
        pending.readings.insert(meter, (registers, quality));
        self.give_up_old();
    }

    /// An M-LMD's report arrived.
    pub fn note_area(&mut self, mlmd: u32, end_ms: u64, energy_wh: EnergyWh, phases: [u32; 3]) {
        let inner = self.change(&(mlmd, end_ms, energy_wh, phases));
        let pending = inner.pending.entry(end_ms).or_default();
        pending.areas.insert(mlmd, (energy_wh, phases));
        self.give_up_old();
    }

    fn give_up_old(&mut self) {
        let inner = Arc::make_mut(&mut self.inner);
        while inner.pending.len() > PENDING_LIMIT {
            inner.pending.pop_first();
            self.incomplete += 1;
        }
    }

    /// Who has been named and not withdrawn, in order of area.
    pub fn named(&self) -> impl Iterator<Item = &Finding> {
        self.inner
            .findings
            .iter()
            .filter(|finding| finding.agreed >= AGREE)
    }

    /// Named ones that their meters have not been told of yet; marks them as told.
    pub(super) fn take_untold(&mut self) -> Vec<Finding> {
        let untold = |f: &Finding| f.agreed >= AGREE && !f.told && f.meter.is_some();
        if !self.inner.findings.iter().any(untold) {
            return Vec::new();
        }
        let inner = self.change(&"told");
        let due: Vec<&mut Finding> = inner.findings.iter_mut().filter(|f| untold(f)).collect();
        due.into_iter()
            .map(|finding| {
                finding.told = true;
                finding.clone()
            })
            .collect()
    }

    /// Takes the suspects of an area's evaluation at `now_ms`; `meters` gives
    /// the index of each of its meters, `words` describes a suspect.
    pub(super) fn conclude(
        &mut self,
        area: u32,
        now_ms: u64,
        suspects: &[Suspect],
        meters: &[u32],
        words: impl Fn(&Suspect) -> String,
    ) {
        let inner = Arc::make_mut(&mut self.inner);
        for finding in inner.findings.iter_mut().filter(|f| f.area == area) {
            finding.missed += 1;
        }
        for suspect in suspects {
            let meter = match suspect.who {
                Who::Meter(position) => meters.get(position).copied(),
                Who::Mlmd => None,
            };
            let known = inner
                .findings
                .iter_mut()
                .find(|f| f.area == area && f.meter == meter);
            match known {
                Some(finding) => {
                    finding.missed = 0;
                    finding.agreed += 1;
                    if finding.agreed == AGREE {
                        finding.named_ms = now_ms;
                    }
                    finding.words = words(suspect);
                    finding.score = suspect.score;
                    finding.hidden_wh = suspect.hidden_wh;
                }
                None => inner.findings.push(Finding {
                    area,
                    meter,
                    words: words(suspect),
                    score: suspect.score,
                    hidden_wh: suspect.hidden_wh,
                    named_ms: now_ms,
                    agreed: 1,
                    missed: 0,
                    told: false,
                }),
            }
        }
        inner.findings.retain(|f| {
            // Before anybody is named, agreement must be unbroken.
            let patience = if f.agreed >= AGREE { WITHDRAW } else { 0 };
            f.area != area || f.missed <= patience
        });
        inner.findings.sort_by_key(|f| (f.area, f.meter));
        self.judged += 1;
        self.change(&(area, now_ms, "judged"));
    }
}

impl SimState for MeterTruth {
    type Saved = Self;

    fn save(&self) -> Self {
        self.clone()
    }

    fn load(&mut self, saved: &Self) {
        self.clone_from(saved);
    }

    fn digest(&self, hasher: &mut StateHasher) {
        hasher.add_bytes(&self.trail);
        hasher.add(&(self.incomplete, self.judged));
        for finding in &self.inner.findings {
            hasher.add(finding);
        }
    }
}
