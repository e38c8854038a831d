//! Gates 11 to 13: the street over seasons and random numbers.

use std::ops::Range;

use crate::street::{Herd, Outcome, Street, StreetData, Variant, Window, event_peaks, run};

/// Homes of the experiment.
const HOMES: usize = 600;
/// Gate 11: reversals in a hundred slots.
const REVERSALS_PCT: usize = 2;
/// Gate 11: peak over the inflexible one.
const PEAK_RATIO: f64 = 1.15;
/// Gate 12: peak after an event over the one without it.
const REBOUND_RATIO: f64 = 1.10;

/// What one variant came to over several streets of one window.
#[derive(Clone, Copy, Debug)]
pub struct StabilityRow {
    /// The week.
    pub window: Window,
    /// How the street was steered.
    pub variant: Variant,
    /// Streets.
    pub streets: usize,
    /// Mean of the peaks, kW.
    pub peak_kw: f64,
    /// Largest peak over the same street's inflexible peak.
    pub worst_ratio: f64,
    /// Largest peak over the same street's line limit.
    pub worst_line: f64,
    /// Mean of the ramps that 95 % of the slots stay below, kW per slot.
    pub ramp95_kw: f64,
    /// Most reversals in a street, of more than 10 % of the price bounds.
    pub reversals: usize,
    /// The same for turns of more than 2 %.
    pub small_reversals: usize,
    /// Mean energy given to the grid, kWh.
    pub export_kwh: f64,
    /// Most heat not delivered, kWh.
    pub unmet_kwh: f64,
    /// Slots of a run.
    pub slots: usize,
    /// Streets that missed gate 11 (or 13).
    pub missed: usize,
}

impl StabilityRow {
    fn new(window: Window, variant: Variant) -> Self {
        Self {
            window,
            variant,
            streets: 0,
            peak_kw: 0.0,
            worst_ratio: 0.0,
            worst_line: 0.0,
            ramp95_kw: 0.0,
            reversals: 0,
            small_reversals: 0,
            export_kwh: 0.0,
            unmet_kwh: 0.0,
            slots: 0,
            missed: 0,
        }
    }

    fn note(&mut self, fixed: &Outcome, steered: &Outcome) {
        let mean = |mean: f64, value: f64, before: usize| {
            (mean * before as f64 + value) / (before + 1) as f64
        };
        let before = self.streets;
        let (ratio, line) = (
            steered.peak_kw / fixed.peak_kw,
            steered.peak_kw / steered.line_kw,
        );
        self.peak_kw = mean(self.peak_kw, steered.peak_kw, before);
        self.ramp95_kw = mean(self.ramp95_kw, steered.ramp95_kw, before);
        self.export_kwh = mean(self.export_kwh, steered.export_kwh, before);
        self.worst_ratio = self.worst_ratio.max(ratio);
        self.worst_line = self.worst_line.max(line);
        self.reversals = self.reversals.max(steered.reversals);
        self.small_reversals = self.small_reversals.max(steered.small_reversals);
        self.unmet_kwh = self.unmet_kwh.max(steered.unmet_kwh);
        self.slots = steered.slots;
        let kept = steered.reversals * 100 <= REVERSALS_PCT * steered.slots
            && ratio <= PEAK_RATIO
            && line <= 1.0
            && steered.unmet_kwh < 1e-6;
        self.missed += usize::from(!kept);
        self.streets += 1;
    }
}

/// Runs streets of one window, one per seed, under several variants; the
/// same street for all of them.
#[must_use]
pub fn stability(
    window: Window,
    seeds: Range<u64>,
    herd: Herd,
    variants: &[Variant],
) -> Vec<StabilityRow> {
    let data = StreetData::of(window);
    let mut rows: Vec<StabilityRow> = variants
        .iter()
        .map(|variant| StabilityRow::new(window, *variant))
        .collect();
    for seed in seeds {
        let street = Street::new(&data, HOMES, seed, herd);
        let fixed = run(&street, Variant::Inflexible);
        for row in &mut rows {
            row.note(&fixed, &run(&street, row.variant));
        }
    }
    rows
}

/// Gate 12 over streets of one window.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreetGate {
    /// Streets.
    pub streets: usize,
    /// Largest peak of the day after the event over that of the day before.
    pub worst_ratio: f64,
    /// Largest peak of the day after over the same day without the event.
    pub worst_same_day: f64,
    /// Mean energy that the event took out of its hour, kWh.
    pub relief_kwh: f64,
    /// Streets whose peak after the event is more than a tenth above the peak
    /// of the same time without it.
    pub missed: usize,
}

/// An hour of the third day in which a demand-response event asks for no import
/// at all, so that everything that can wait waits and batteries give what the
/// hours after can spare; then the peak of the 24 h after it.
#[must_use]
pub fn rebound(window: Window, hour: usize, seeds: Range<u64>) -> StreetGate {
    let data = StreetData::of(window);
    let mut gate = StreetGate::default();
    for seed in seeds {
        let street = Street::new(&data, HOMES, seed, Herd::Mixed);
        let peaks = event_peaks(&street, hour);
        let ratio = peaks.after_kw / peaks.before_kw;
        gate.worst_ratio = gate.worst_ratio.max(ratio);
        gate.worst_same_day = gate
            .worst_same_day
            .max(peaks.after_kw / peaks.undisturbed_kw);
        let streets = gate.streets as f64;
        gate.relief_kwh = (gate.relief_kwh * streets + peaks.relief_kwh) / (streets + 1.0);
        gate.missed += usize::from(peaks.after_kw > REBOUND_RATIO * peaks.undisturbed_kw);
        gate.streets += 1;
    }
    gate
}
