//! Checks of terms, all problems at once, each with what to do.

use std::fmt;

use gridloom_market::{MarketError, PriceInput, PriceRule};

use crate::terms::{EmInstance, EmTemplate, Preferences};
use crate::{POWER_LIMIT_W, PRICE_LIMIT};

/// Most wishes about single plants in one contract.
const MAX_PLANT_WISHES: usize = 16;
/// Longest name of a plant, bytes; participants on the ledger have no longer ones.
const MAX_PLANT_NAME_BYTES: usize = 64;

/// Something wrong with a template, an instance or preferences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Field, with dots (`battery.reserve_pct`).
    pub field: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.what, self.hint)
    }
}

/// Collects problems.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn check(
        &mut self,
        good: bool,
        field: &'static str,
        what: impl FnOnce() -> String,
        hint: &'static str,
    ) {
        if !good {
            self.0.push(Problem {
                field,
                what: what(),
                hint,
            });
        }
    }

    fn price(&mut self, field: &'static str, price: i64) {
        self.check(
            price.checked_abs().is_some_and(|size| size <= PRICE_LIMIT),
            field,
            || format!("{price} micro-EUR/kWh is out of range"),
            "1 ct/kWh is 10000",
        );
    }

    fn width(&mut self, field: &'static str, width: i64, least: i64) {
        self.check(
            (least..=PRICE_LIMIT).contains(&width),
            field,
            || format!("{width} micro-EUR/kWh is out of range"),
            if least > 0 {
                "give a positive width, 80000 is 8 ct/kWh"
            } else {
                "give 0 or more"
            },
        );
    }
}

impl EmTemplate {
    /// Everything wrong with the template; empty when it can be registered.
    #[must_use]
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        problems.check(self.version > 0, "version", || "is 0".into(), "start at 1");
        problems.width("proportional_band", self.proportional_band, 1);
        problems.width("spread", self.spread, 0);
        problems.width("heater_spread", self.heater_spread, 0);
        problems.width("heater_urgency", self.heater_urgency, 0);
        problems.check(
            (1..=96).contains(&self.turn_slots),
            "turn_slots",
            || format!("{} is not between 1 and 96", self.turn_slots),
            "1 lets every device answer in every slot",
        );
        problems.check(
            (1..=1_000).contains(&self.assumed_efficiency_permille),
            "assumed_efficiency_permille",
            || {
                format!(
                    "{} is not between 1 and 1000",
                    self.assumed_efficiency_permille
                )
            },
            "900 stands for 90 %",
        );
        problems.check(
            self.max_order_w > 0 && i64::from(self.max_order_w) <= POWER_LIMIT_W,
            "max_order_w",
            || {
                format!(
                    "{} W is not between 1 and {POWER_LIMIT_W}",
                    self.max_order_w
                )
            },
            "give the largest power one device may be asked for",
        );
        problems.check(
            self.max_steps >= crate::run::LEAST_STEPS,
            "max_steps",
            || format!("{} is too few for one device of each kind", self.max_steps),
            "give 64 or more",
        );
        if let Err(error) = self.probe_price_rule() {
            problems.check(
                false,
                "price.rule",
                || error.to_string(),
                "correct the rule's table",
            );
        }
        problems.0
    }

    /// Prices an empty slot, which finds malformed tables.
    fn probe_price_rule(&self) -> Result<(), MarketError> {
        let input = PriceInput {
            lower: 0,
            upper: 0,
            exponent: self.price.exponent,
            supply_wh: [0; 7],
            buyers: Vec::new(),
            asks: Vec::new(),
        };
        self.price.rule.price(&input, 0).map(|_| ())
    }
}

impl Preferences {
    /// Everything wrong with the preferences; empty when they can be used.
    #[must_use]
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        problems.check(
            self.weights.to_array().iter().any(|weight| *weight > 0),
            "weights",
            || "refuse every energy type".into(),
            "give at least one type a weight, for example grid_mix: 1",
        );
        let battery = &self.battery;
        problems.check(
            battery.reserve_pct <= 100,
            "battery.reserve_pct",
            || format!("{} is more than 100", battery.reserve_pct),
            "give percent of the capacity",
        );
        problems.price("battery.charge_below", battery.charge_below);
        problems.price("battery.discharge_above", battery.discharge_above);
        problems.check(
            battery.charge_below <= battery.discharge_above,
            "battery.charge_below",
            || {
                format!(
                    "{} is above discharge_above {}",
                    battery.charge_below, battery.discharge_above
                )
            },
            "a battery that buys dearer than it sells loses money; lower charge_below",
        );
        let heater = &self.heater;
        problems.check(
            heater.comfort_low_pct <= heater.comfort_high_pct && heater.comfort_high_pct <= 100,
            "heater.comfort_low_pct",
            || {
                format!(
                    "band {} to {} percent is empty or beyond 100",
                    heater.comfort_low_pct, heater.comfort_high_pct
                )
            },
            "give low <= high <= 100",
        );
        problems.price("heater.run_below", heater.run_below);
        problems.price("ev.charge_below", self.ev.charge_below);
        if let Some(price) = self.limits.buy_up_to {
            problems.price("limits.buy_up_to", price);
        }
        if let Some(price) = self.limits.sell_from {
            problems.price("limits.sell_from", price);
        }
        let mut plants: Vec<&str> = self.plants.iter().map(|p| p.plant.as_str()).collect();
        plants.sort_unstable();
        problems.check(
            plants.windows(2).all(|pair| pair[0] != pair[1]),
            "plants",
            || "name a plant twice".into(),
            "give each plant one factor",
        );
        problems.check(
            self.plants.len() <= MAX_PLANT_WISHES
                && self
                    .plants
                    .iter()
                    .all(|p| p.plant.len() <= MAX_PLANT_NAME_BYTES),
            "plants",
            || format!("are {} wishes, or a name is too long", self.plants.len()),
            "at most 16 plants, names of at most 64 bytes",
        );
        problems.0
    }
}

impl EmInstance {
    /// Everything wrong with the instance; empty when it can be registered.
    #[must_use]
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        problems.check(self.version > 0, "version", || "is 0".into(), "start at 1");
        problems.check(
            self.template_version > 0,
            "template_version",
            || "is 0".into(),
            "name the version of the template the instance was made from",
        );
        problems.0.extend(self.preferences.validate());
        problems.0
    }
}

#[cfg(test)]
mod tests {
    use gridloom_market::{Rule, TimeOfUse};

    use super::*;
    use crate::TypeWeights;

    #[test]
    fn defaults_are_valid_once_a_type_is_accepted() {
        assert_eq!(EmTemplate::default().validate(), vec![]);
        let mut preferences = Preferences::default();
        assert_eq!(preferences.validate().len(), 1);
        preferences.weights = TypeWeights {
            grid_mix: 1,
            ..TypeWeights::default()
        };
        assert_eq!(preferences.validate(), vec![]);
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let mut preferences = Preferences::default();
        preferences.battery.reserve_pct = 101;
        preferences.battery.charge_below = 300_000;
        preferences.heater.comfort_low_pct = 99;
        preferences.ev.charge_below = i64::MIN;
        let fields: Vec<_> = preferences
            .validate()
            .iter()
            .map(|problem| problem.field)
            .collect();
        assert_eq!(
            fields,
            [
                "weights",
                "battery.reserve_pct",
                "battery.charge_below",
                "heater.comfort_low_pct",
                "ev.charge_below"
            ]
        );
    }

    #[test]
    fn a_template_that_cannot_run_is_refused() {
        let template = EmTemplate {
            version: 0,
            price: crate::PriceTerms {
                rule: Rule::TimeOfUse(TimeOfUse { bands: vec![] }),
                ..crate::PriceTerms::default()
            },
            proportional_band: 0,
            spread: -1,
            turn_slots: 0,
            assumed_efficiency_permille: 0,
            max_order_w: 0,
            max_steps: 1,
            ..EmTemplate::default()
        };
        assert_eq!(template.validate().len(), 8);
        assert!(template.validate()[0].to_string().contains("start at 1"));
    }
}
