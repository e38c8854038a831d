//! State of the islands.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_island::balance::Closure;
use gridloom_island::blackstart::Sequence;
use gridloom_island::forming::{FormingUnit, Mode};
use gridloom_island::frequency::SectionFrequency;
use gridloom_island::shedding::Shedding;

use super::plan::{Plan, Target};
use crate::sim_state::plain_sim_state;

/// Shed stages remembered for the expectations.
const HISTORY: usize = 10_000;

/// What the main switch is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum MainState {
    /// As it stands; nothing under way.
    #[default]
    Rest,
    /// The units bring the exchange to zero before it opens.
    Balancing {
        /// Time so far, ms.
        waited_ms: u64,
    },
    /// The island is brought in step with the grid before it closes.
    Synchronising {
        /// Time so far, ms.
        waited_ms: u64,
    },
}

/// How much of a site is shed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shed {
    /// Nothing.
    #[default]
    Nothing,
    /// Its deferrable equipment.
    Flexible,
    /// All of it.
    All,
}

/// State of the islands.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Islands {
    /// Grid-forming units, in scene order.
    pub units: Vec<FormingUnit>,
    /// Per unit: frequency of the section it stands in.
    pub frequency: Vec<SectionFrequency>,
    /// Per unit: the section it forms in this tick.
    pub section: Vec<Option<u32>>,
    /// Whether the upstream grid has voltage.
    pub grid_on: bool,
    /// Time the grid has been missing behind a closed main switch, ms.
    pub missing_ms: u64,
    /// Main switch.
    pub main: MainState,
    /// Power through the main switch in the last tick, kW.
    pub exchange_kw: f64,
    /// Load shedding.
    pub shedding: Shedding,
    /// Stages in the order in which they fired since the start.
    pub history: Vec<u32>,
    /// Stages that fired since the start.
    pub fired: u64,
    /// Black start.
    pub sequence: Sequence,
    /// Black starts that carried out all their steps.
    pub completed: u32,
    /// Lowest and highest frequency of any island in the last tick, Hz; zero without one.
    pub band_hz: (f64, f64),
    /// Largest rate of change of frequency in the last tick, Hz/s.
    pub rocof_hz_s: f64,
    /// Power all units could add and take away, kW.
    pub reserve_kw: (f64, f64),
    /// Per unit: power it may deliver, least and most, kW.
    pub window_kw: Vec<(f64, f64)>,
    /// How well the energy of the islands closes.
    pub closure: Closure,
    /// Ticks and sites in which a dead section drew power: a violation of the model.
    pub served_dead: u64,
    /// Closings refused as out of step.
    pub refused: u64,
    /// The last refusal in words.
    pub refusal: Option<String>,
    /// When that was, ms.
    pub refused_ms: u64,
    /// Sections lost by their units since the start.
    pub collapses: u64,
    /// Why the last one was lost.
    pub collapse: Option<String>,
}

plain_sim_state!(Islands);

impl Islands {
    /// At the start of a run of a plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        let count = plan.units.len();
        Self {
            units: vec![FormingUnit::new(); count],
            frequency: vec![SectionFrequency::new(plan.nominal_hz, 0.0); count],
            section: vec![None; count],
            window_kw: vec![(0.0, 0.0); count],
            grid_on: true,
            shedding: Shedding::new(plan.targets.len()),
            ..Self::default()
        }
    }

    /// Whether a unit forms.
    #[must_use]
    pub fn forms(&self, unit: usize) -> bool {
        self.units
            .get(unit)
            .is_some_and(|unit| unit.mode == Mode::Forming)
    }

    /// Units that hold a section in this tick, in order.
    pub(crate) fn holding(&self) -> Vec<usize> {
        (0..self.units.len())
            .filter(|&unit| self.forms(unit) && self.section[unit].is_some())
            .collect()
    }

    /// Live islands in this tick, with their units, in the order of their first units.
    #[must_use]
    pub fn sections(&self) -> Vec<(u32, Vec<usize>)> {
        let mut sections: Vec<(u32, Vec<usize>)> = Vec::new();
        for unit in self.holding() {
            let Some(at) = self.section[unit] else {
                continue;
            };
            match sections.iter_mut().find(|(section, _)| *section == at) {
                Some((_, units)) => units.push(unit),
                None => sections.push((at, vec![unit])),
            }
        }
        sections
    }

    /// The unit whose frequency is that of a section.
    #[must_use]
    pub fn lead_of(&self, section: usize) -> Option<usize> {
        (0..self.units.len())
            .find(|&unit| self.forms(unit) && self.section[unit] == Some(section as u32))
    }

    /// Power a holding unit could add and take away, kW.
    #[must_use]
    pub fn reserve_of(&self, unit: usize) -> (f64, f64) {
        let p_kw = self.units[unit].now.p_kw;
        let (least, most) = self.window_kw[unit];
        ((most - p_kw).max(0.0), (p_kw - least).max(0.0))
    }

    /// How much of a site is shed.
    pub(crate) fn shed(&self, plan: &Plan, mlmd: u32, meter: u32) -> Shed {
        let mut shed = Shed::Nothing;
        for (stage, (target, _)) in plan.targets.iter().enumerate() {
            if !self.shedding.is_shed(stage) {
                continue;
            }
            shed = shed.max(match target {
                Target::Flexible(mlmds) if mlmds.contains(&mlmd) => Shed::Flexible,
                Target::Homes(meters) if meters.contains(&meter) => Shed::All,
                // What is behind an open breaker is dead by itself.
                _ => Shed::Nothing,
            });
        }
        shed
    }

    /// Notes a stage that fired.
    pub(crate) fn remember(&mut self, stage: usize) {
        self.fired += 1;
        if self.history.len() < HISTORY {
            self.history.push(stage as u32);
        }
    }

    /// Notes a closing that was refused.
    pub(crate) fn refuse(&mut self, now_ms: u64, why: String) {
        self.refused += 1;
        self.refusal = Some(why);
        self.refused_ms = now_ms;
    }

    /// Stops a unit and forgets its section.
    pub(crate) fn block(&mut self, unit: usize) {
        self.units[unit].block();
        self.section[unit] = None;
    }
}
