//! The gates of this crate: what has to hold against other people's software.
//!
//! Each gate starts its peers on loopback or a pseudo-terminal and ends them.
//! What a missing peer leaves out is said, never passed over.

mod bench;
mod control;
mod late;
mod malformed;
mod peers;
mod push;
mod recovery;
mod sunspec;
mod wire;

/// Steers an entity of a running twin; for the gate that looks at the twin.
pub const STEER: &str = include_str!("../../peers/sunspec_steer.py");

pub use bench::{BenchOptions, bench};
pub use peers::{Peers, run_script};

/// A measured figure with its target.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Case.
    pub case: String,
    /// Metric, unit last in the name.
    pub metric: &'static str,
    /// Measured value.
    pub value: f64,
    /// Unit.
    pub unit: &'static str,
    /// What it must reach, as text; `None` for a figure without a target.
    pub target: Option<String>,
    /// Whether it does.
    pub pass: Option<bool>,
    /// Figures of others beside it.
    pub note: String,
}

impl Gate {
    /// A figure without a target.
    #[must_use]
    pub fn figure(
        case: impl Into<String>,
        metric: &'static str,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self {
            case: case.into(),
            metric,
            value,
            unit,
            target: None,
            pass: None,
            note: String::new(),
        }
    }

    /// It must not be above this.
    #[must_use]
    pub fn at_most(mut self, limit: f64) -> Self {
        self.target = Some(format!("<= {limit}"));
        self.pass = Some(self.value <= limit);
        self
    }

    fn at_least(mut self, limit: f64) -> Self {
        self.target = Some(format!(">= {limit}"));
        self.pass = Some(self.value >= limit);
        self
    }

    /// Something beside it.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.note = text.into();
        self
    }

    /// A gate that could not be run at all counts as failed.
    #[must_use]
    pub fn failed(case: impl Into<String>, metric: &'static str, why: &str) -> Self {
        Self {
            pass: Some(false),
            target: Some("runs".to_owned()),
            ..Self::figure(case, metric, f64::NAN, "")
        }
        .note(why)
    }
}

/// Runs every gate; `say` hears what is run and what is left out and why.
pub fn check(peers: &Peers, quick: bool, say: &mut dyn FnMut(&str)) -> Vec<Gate> {
    let mut gates = Vec::new();
    say("late replies on RTU (own in-order device on pseudo-terminals)");
    gates.extend(late::gates(quick));
    say("malformed replies and telegrams");
    gates.extend(malformed::gates());
    say("a misbehaving device on the wire");
    gates.extend(wire::gates());
    say("P1 and SML");
    gates.extend(push::gates(peers, say));
    say("SunSpec server");
    gates.extend(sunspec::gates(peers, say));
    say("recovery of killed, stopped, unplugged and restarted devices");
    gates.extend(recovery::gates(peers, quick, say));
    say("control");
    gates.extend(control::gates(peers, say));
    gates
}
