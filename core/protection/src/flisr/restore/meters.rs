//! Questions to the meters of a dead zone before anybody closes onto it.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::flisr::{Body, Flisr, Scope};

/// How long meters are waited for that do not answer, us.
const METERS_US: u64 = 1_500_000;

/// What the meters of the dead zone say.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(in crate::flisr) struct Meters {
    /// Number of the question to them.
    pub(super) number: u64,
    /// Not heard of yet.
    pub(super) waiting: BTreeSet<usize>,
    /// Without voltage.
    pub(super) dead: usize,
    /// The first that has voltage.
    pub(super) live: Option<usize>,
    /// Silent ones are waited for until then, us.
    pub(super) until_us: u64,
}

/// Who else was heard before closing.
pub(super) fn heard(meters: &Meters, beyond: Vec<usize>, scope: &Scope<'_>) -> String {
    let mut text = String::new();
    if meters.dead > 0 {
        let plural = if meters.dead == 1 { "" } else { "s" };
        text = format!(", {} meter{plural} without voltage", meters.dead);
    }
    if !beyond.is_empty() {
        let names = scope.names(beyond.into_iter());
        text.push_str(&format!(", beyond it answered {names}"));
    }
    text
}

impl Flisr {
    pub(super) fn ask_meters(&mut self, i: usize, zone: usize, number: u64, scope: &Scope<'_>) {
        let meters = &scope.config.zones[zone].meters;
        let asked = meters.iter().filter(|meter| **meter < scope.meters.len());
        let waiting: BTreeSet<usize> = asked.copied().collect();
        for &meter in &waiting {
            let address = scope.config.meter_address(meter);
            let ask = Body::MeterAsk(number);
            self.radio.send(scope.now_us, i, address, ask);
        }
        if let Some(run) = &mut self.agents[i].restore.run {
            run.meters = Meters {
                number,
                waiting,
                until_us: scope.now_us + METERS_US,
                ..Meters::default()
            };
        }
    }

    /// A meter of the dead zone has answered.
    pub(in crate::flisr) fn take_meter(
        &mut self,
        from: usize,
        to: usize,
        (number, live): (u64, bool),
        scope: &mut Scope<'_>,
    ) {
        let meter = from.checked_sub(self.agents.len());
        let run = self.agents[to].restore.run.as_mut();
        let (Some(meter), Some(run)) = (meter, run) else {
            return;
        };
        if run.meters.number != number || !run.meters.waiting.remove(&meter) {
            return;
        }
        if live {
            run.meters.live.get_or_insert(meter);
        } else {
            run.meters.dead += 1;
        }
        self.advance(to, scope);
    }
}
