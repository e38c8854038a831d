//! One run of the contract: decided price in, control orders out (paper step e).

mod devices;
mod price;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{EnergyType, EnergyWh, PriceMicroEurPerKwh, TypedWh};
use serde::{Deserialize, Serialize};

use crate::flexible::Committed;
use crate::terms::{EmInstance, EmTemplate};
use crate::trace::{FiredRule, Subject, TraceLine};
use crate::{POWER_LIMIT_W, PRICE_LIMIT};
use price::SeenPrices;

/// Steps of a run over one device of each kind; a template must allow them.
pub(crate) const LEAST_STEPS: u32 = 64;

/// What a meter reported for one interval.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct MeterFacts {
    /// Energy taken less energy given in the last interval, Wh.
    pub net_wh: EnergyWh,
    /// Battery, if there is one.
    pub battery: Option<BatteryFacts>,
    /// Water heater, if there is one.
    pub heater: Option<HeaterFacts>,
    /// EV charger, if there is one.
    pub ev: Option<EvFacts>,
    /// Codes of devices of other kinds.
    pub other: Vec<u16>,
}

/// State of a battery.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct BatteryFacts {
    /// State of charge, permille, rounded down.
    pub soc_permille: u16,
    /// Energy when full, Wh.
    pub capacity_wh: EnergyWh,
    /// Largest charging power, W.
    pub max_charge_w: i64,
    /// Largest discharging power, W.
    pub max_discharge_w: i64,
}

/// State of a water heater.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct HeaterFacts {
    /// Stored heat, permille of the store.
    pub stored_permille: u16,
    /// Energy of a full store, Wh.
    pub store_wh: EnergyWh,
    /// Power of the element, W.
    pub power_w: i64,
    /// Whether the device itself must run now to keep its deadline.
    pub must_run: bool,
}

/// State of an EV charger.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct EvFacts {
    /// Whether a car is plugged in.
    pub connected: bool,
    /// Energy still needed, Wh.
    pub need_wh: EnergyWh,
    /// Whole slots until the car leaves.
    pub slots_left: u16,
    /// Largest charging power, W.
    pub max_w: i64,
}

/// What a run is a function of; all of it is on the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct RunInput {
    /// Height of the block that runs the contract.
    pub height: u64,
    /// Slot the price is for.
    pub slot: u32,
    /// Length of a slot, min.
    pub slot_min: u16,
    /// Minute of the day at which the slot starts.
    pub minute_of_day: u16,
    /// Decided price per type, micro-EUR/kWh.
    pub prices: [PriceMicroEurPerKwh; EnergyType::COUNT],
    /// Supply per type the price was formed from, Wh.
    pub supply_wh: TypedWh,
    /// Decided scalar price, micro-EUR/kWh.
    pub scalar: PriceMicroEurPerKwh,
    /// Scalar price of the slot before, micro-EUR/kWh.
    pub previous_scalar: PriceMicroEurPerKwh,
    /// Import price of the grid, micro-EUR/kWh.
    pub import: PriceMicroEurPerKwh,
    /// The owner's meter.
    pub facts: MeterFacts,
    /// Hash of the meter's device id, spreads thresholds.
    pub spread: u16,
    /// What the forward clearing gave this member; `None` when devices answer
    /// the price.
    pub committed: Option<Committed>,
}

/// An order to the I-meter, valid until the next one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub enum ControlOrder {
    /// Power of the battery.
    Battery {
        /// Power at the terminals, W: positive charges, negative discharges.
        setpoint_w: i64,
        /// The rule that fired.
        rule: FiredRule,
    },
    /// Switch of the water heater.
    Heater {
        /// Whether it heats.
        on: bool,
        /// Largest power, W.
        limit_w: i64,
        /// The rule that fired.
        rule: FiredRule,
    },
    /// Limit of the EV charger.
    Ev {
        /// Largest power, W.
        limit_w: i64,
        /// The rule that fired.
        rule: FiredRule,
    },
    /// The device's last order stands, and is valid for as long as a new one
    /// would be.
    Keep {
        /// The device.
        device: Subject,
    },
}

impl ControlOrder {
    /// The rule that fired.
    #[must_use]
    pub fn rule(&self) -> FiredRule {
        match self {
            Self::Battery { rule, .. } | Self::Heater { rule, .. } | Self::Ev { rule, .. } => *rule,
            Self::Keep { .. } => FiredRule::NotItsTurn,
        }
    }

    /// Power ordered, W: taking positive, giving negative; `None` when the
    /// last order stands.
    #[must_use]
    pub fn power_w(&self) -> Option<i64> {
        match self {
            Self::Battery { setpoint_w, .. } => Some(*setpoint_w),
            Self::Heater { on, limit_w, .. } => Some(i64::from(*on) * limit_w),
            Self::Ev { limit_w, .. } => Some(*limit_w),
            Self::Keep { .. } => None,
        }
    }
}

/// Result of a run.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct RunOutcome {
    /// Orders, at most one per device.
    pub orders: Vec<ControlOrder>,
    /// One line per device and refusal.
    pub trace: Vec<TraceLine>,
    /// Steps used.
    pub steps_used: u32,
}

/// A run in progress.
pub(crate) struct Run<'a> {
    template: &'a EmTemplate,
    instance: &'a EmInstance,
    input: &'a RunInput,
    seen: SeenPrices,
    outcome: RunOutcome,
}

/// Runs one instance of the contract at a decided price.
///
/// Never fails: what it cannot or may not act on becomes a trace line, and the
/// device in question keeps the mode its meter falls back to.
#[must_use]
pub fn run(template: &EmTemplate, instance: &EmInstance, input: &RunInput) -> RunOutcome {
    let mut run = Run {
        template,
        instance,
        input,
        seen: SeenPrices::default(),
        outcome: RunOutcome::default(),
    };
    run.all();
    run.outcome
}

impl Run<'_> {
    fn all(&mut self) {
        let refusal = self.refusal();
        if let Some(rule) = refusal {
            self.refuse(Subject::Contract, rule);
            return;
        }
        if !self.step(8) {
            return;
        }
        self.seen = SeenPrices::of(&self.instance.preferences.weights.to_array(), self.input);
        let facts = &self.input.facts;
        if let Some(battery) = &facts.battery {
            self.battery(battery);
        }
        if let Some(heater) = &facts.heater {
            self.heater(heater);
        }
        if let Some(ev) = &facts.ev {
            self.ev(ev);
        }
        for code in &facts.other {
            if !self.step(1) {
                return;
            }
            self.refuse(Subject::Unknown(*code), FiredRule::UnknownDevice);
        }
    }

    /// Why nothing may run at all.
    fn refusal(&self) -> Option<FiredRule> {
        let input = self.input;
        if input.height < self.instance.activation_height {
            return Some(FiredRule::NotActive);
        }
        if !self.template.validate().is_empty() || !self.instance.preferences.validate().is_empty()
        {
            return Some(FiredRule::BadTerms);
        }
        let priced = [input.scalar, input.previous_scalar, input.import];
        let in_range = |price: &i64| price.checked_abs().is_some_and(|size| size <= PRICE_LIMIT);
        let sane = input.prices.iter().chain(&priced).all(in_range)
            && input
                .supply_wh
                .iter()
                .all(|wh| (0..=gridloom_market::ENERGY_LIMIT_WH).contains(wh))
            && (1..=1_440).contains(&input.slot_min);
        (!sane).then_some(FiredRule::BadFacts)
    }

    /// Takes `count` steps; false, with a trace line, when they are used up.
    fn step(&mut self, count: u32) -> bool {
        let used = self.outcome.steps_used.saturating_add(count);
        if used > self.template.max_steps {
            if self
                .outcome
                .trace
                .last()
                .is_none_or(|line| line.rule != FiredRule::StepLimit)
            {
                self.refuse(Subject::Contract, FiredRule::StepLimit);
            }
            return false;
        }
        self.outcome.steps_used = used;
        true
    }

    /// Lets the device's last order stand.
    fn keep(&mut self, device: Subject) {
        self.outcome.orders.push(ControlOrder::Keep { device });
        self.refuse(device, FiredRule::NotItsTurn);
    }

    fn refuse(&mut self, subject: Subject, rule: FiredRule) {
        self.outcome.trace.push(TraceLine {
            subject,
            rule,
            kind: None,
            price: self.input.scalar,
            threshold: 0,
            power_w: 0,
        });
    }

    /// Whether the device answers the price in this slot. The low bits of the
    /// hash choose the turn, its size the threshold.
    fn has_turn(&self) -> bool {
        let turns = u32::from(self.template.turn_slots).max(1);
        self.input.slot % turns == u32::from(self.input.spread) % turns
    }

    /// Largest power that moves at most `energy_wh` until the next turn.
    fn power_until_turn_w(&self, energy_wh: i64) -> i64 {
        let minutes = i64::from(self.input.slot_min) * i64::from(self.template.turn_slots.max(1));
        energy_wh.max(0).saturating_mul(60) / minutes
    }

    /// The device's part of the stagger, slots.
    fn stagger(&self) -> i64 {
        i64::from(self.template.stagger_slots) * i64::from(self.input.spread) / i64::from(u16::MAX)
    }

    /// Whole slots at `power_w` that `energy_wh` takes.
    fn slots_for(&self, energy_wh: i64, power_w: i64) -> i64 {
        let per_slot = power_w.saturating_mul(i64::from(self.input.slot_min));
        if per_slot <= 0 {
            return i64::MAX;
        }
        let needed = energy_wh.max(0).saturating_mul(60);
        needed / per_slot + i64::from(needed % per_slot != 0)
    }

    /// The device's part of a spread of this width, from 0 up to it.
    fn spread_of(&self, width: PriceMicroEurPerKwh) -> PriceMicroEurPerKwh {
        width * i64::from(self.input.spread) / i64::from(u16::MAX)
    }

    /// `max_w` times how far the price is past the threshold, in parts of the band.
    fn in_proportion(&self, max_w: i64, past: PriceMicroEurPerKwh) -> i64 {
        let band = self.template.proportional_band;
        max_w.min(i64::from(self.template.max_order_w)) * past.clamp(0, band) / band
    }
}

/// Whether a power is one a device can have.
pub(crate) fn is_power(power_w: i64) -> bool {
    (0..=POWER_LIMIT_W).contains(&power_w)
}

/// Whether an energy is one a device can hold (up to 1 TWh).
pub(crate) fn is_energy(energy_wh: i64) -> bool {
    (0..=1_000_000_000_000).contains(&energy_wh)
}
