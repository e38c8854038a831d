//! A family measured on its own, under an even load.

use gridloom_units::{Stream, draw_u64};

use super::Machine;
use super::model::{Bench, HEADER_BYTES};
use super::offer::Offer;
use super::types::{Load, Outcome, Setting};
use crate::network::LinkConfig;
use crate::node::Micros;

/// Runs a family over a network for a while.
#[must_use]
pub fn compare(setting: &Setting, load: &Load) -> Outcome {
    let links = LinkConfig {
        seed: draw_u64(load.seed, 1, 0, Stream::ConsensusLatency),
        ..setting.links
    };
    let setting = Setting { links, ..*setting };
    let offer = Offer::Even {
        per_s: load.per_s,
        tx_bytes: load.tx_bytes,
    };
    let mut bench = Bench::new(&setting, offer, load.seed);
    let mut machine = Machine::begin(&mut bench);
    let mut finals = Finals::default();
    while let Some(due) = bench.next(load.horizon_ms * 1_000) {
        machine.handle(&mut bench, due);
        for (_, block) in bench.take_final() {
            finals.note(block.through, bench.now, load.per_s);
        }
    }
    finals.outcome(&bench, load)
}

/// When transactions became final.
#[derive(Default)]
struct Finals {
    /// Transactions below this number are final.
    through: u64,
    /// Time from offer to finality and number of transactions, ms.
    delays: Vec<(u64, u64)>,
}

impl Finals {
    fn note(&mut self, through: u64, at: Micros, per_s: f64) {
        if through <= self.through {
            return;
        }
        // Offers come evenly, so the middle of a block's transactions stands for them.
        let middle = (self.through + through) as f64 / 2.0 / per_s.max(1e-12) * 1e6;
        let delay_ms = (at as f64 - middle).max(0.0) as u64 / 1_000;
        self.delays.push((delay_ms, through - self.through));
        self.through = through;
    }

    /// Delay of the given share of transactions, ms.
    fn at(&self, share: f64) -> u64 {
        let wanted = (self.through as f64 * share) as u64;
        let mut sum = 0;
        self.delays
            .iter()
            .find(|(_, count)| {
                sum += count;
                sum >= wanted
            })
            .or(self.delays.last())
            .map_or(0, |(delay, _)| *delay)
    }

    fn outcome(mut self, bench: &Bench, load: &Load) -> Outcome {
        self.delays.sort_unstable();
        let counters = bench.network.counters();
        let hours = load.horizon_ms as f64 / 3.6e6;
        let setting = &bench.setting;
        Outcome {
            offered: (load.per_s * load.horizon_ms as f64 / 1e3) as u64,
            finalised: self.through,
            finality_p50_ms: self.at(0.5),
            finality_p99_ms: self.at(0.99),
            messages: counters.sent,
            bytes: counters.bytes,
            energy_kwh: setting.node_w * f64::from(setting.nodes) * hours / 1_000.0,
            blocks: bench.final_height,
            orphans: bench.orphans(),
            deepest_reorganisation: bench.deepest,
            storage_bytes: self.through * load.tx_bytes + bench.final_height * HEADER_BYTES,
        }
    }
}
