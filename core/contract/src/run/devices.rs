//! The rules per device.

use gridloom_units::PriceMicroEurPerKwh;

use super::{BatteryFacts, ControlOrder, EvFacts, HeaterFacts, Run, is_energy, is_power};
use crate::trace::{FiredRule, Subject, TraceLine};

/// Steps one device costs.
const DEVICE_STEPS: u32 = 16;

impl Run<'_> {
    /// Whether this device may be steered and reported sane figures.
    fn admits(&mut self, subject: Subject, allowed: bool, sane: bool) -> bool {
        if !self.step(DEVICE_STEPS) {
            return false;
        }
        let refusal = match (allowed, sane) {
            (true, true) => return true,
            (false, _) => FiredRule::NotAllowed,
            (true, false) => FiredRule::BadFacts,
        };
        self.refuse(subject, refusal);
        false
    }

    fn note(
        &mut self,
        subject: Subject,
        rule: FiredRule,
        price: PriceMicroEurPerKwh,
        threshold: PriceMicroEurPerKwh,
        power_w: i64,
    ) {
        let kind = if rule == FiredRule::DischargeDear || rule == FiredRule::ReserveKept {
            Some(gridloom_units::EnergyType::Battery)
        } else {
            self.seen.kind
        };
        self.outcome.trace.push(TraceLine {
            subject,
            rule,
            kind,
            price,
            threshold,
            power_w,
        });
    }

    /// Charges below one threshold and discharges above another, in proportion
    /// to how far the price is past it, and never below the owner's reserve.
    ///
    /// The order stands until the battery's next turn, so its energy limits
    /// cover all of that time: near them it tapers off.
    ///
    /// The spread moves thresholds apart only: no device buys dearer or sells
    /// cheaper than its owner said.
    pub(super) fn battery(&mut self, facts: &BatteryFacts) {
        let preferences = &self.instance.preferences;
        let sane = facts.soc_permille <= 1_000
            && is_energy(facts.capacity_wh)
            && is_power(facts.max_charge_w)
            && is_power(facts.max_discharge_w);
        let (terms, allowed) = (preferences.battery, preferences.allow.battery);
        if !self.admits(Subject::Battery, allowed, sane) {
            return;
        }
        if let Some(committed) = self.input.committed {
            self.committed_battery(facts, committed.battery_w.unwrap_or(0));
            return;
        }
        if !self.has_turn() {
            self.keep(Subject::Battery);
            return;
        }
        let apart = self.spread_of(self.template.spread);
        let charge_below = terms.charge_below - apart;
        let discharge_above = terms.discharge_above + apart;
        let (buy, sell) = (self.seen.buy, self.seen.sell);

        let efficiency = i64::from(self.template.assumed_efficiency_permille);
        let soc = i64::from(facts.soc_permille);
        let reserve = i64::from(terms.reserve_pct) * 10;
        // Energy at the terminals: discharging draws more than it delivers.
        let above_reserve_wh =
            (soc - reserve).max(0) * facts.capacity_wh / 1_000 * efficiency / 1_000;
        let room_wh = (1_000 - soc) * facts.capacity_wh / 1_000;

        let wanted_charge = self.in_proportion(facts.max_charge_w, charge_below - buy);
        let wanted_discharge = self.in_proportion(facts.max_discharge_w, sell - discharge_above);
        let charge = wanted_charge.min(self.power_until_turn_w(room_wh));
        let discharge = wanted_discharge.min(self.power_until_turn_w(above_reserve_wh));
        let setpoint_w = charge - discharge;

        let (rule, price, threshold) = match setpoint_w {
            1.. => (FiredRule::ChargeCheap, buy, charge_below),
            ..=-1 => (FiredRule::DischargeDear, sell, discharge_above),
            0 if wanted_discharge > discharge => (FiredRule::ReserveKept, sell, discharge_above),
            0 if wanted_charge > charge => (FiredRule::BatteryFull, buy, charge_below),
            0 => (FiredRule::Hold, buy, charge_below),
        };
        self.outcome
            .orders
            .push(ControlOrder::Battery { setpoint_w, rule });
        self.note(Subject::Battery, rule, price, threshold, setpoint_w);
    }

    /// Carries out what was cleared for the battery, within what it holds above
    /// the reserve and what still fits in.
    fn committed_battery(&mut self, facts: &BatteryFacts, cleared_w: i64) {
        let reserve = i64::from(self.instance.preferences.battery.reserve_pct) * 10;
        let soc = i64::from(facts.soc_permille);
        let most = i64::from(self.template.max_order_w);
        let least = if soc > reserve {
            -facts.max_discharge_w.min(most)
        } else {
            0
        };
        let top = if soc < 1_000 {
            facts.max_charge_w.min(most)
        } else {
            0
        };
        let setpoint_w = cleared_w.clamp(least, top);
        let rule = if cleared_w < 0 && setpoint_w == 0 {
            FiredRule::ReserveKept
        } else if cleared_w > 0 && setpoint_w == 0 {
            FiredRule::BatteryFull
        } else {
            FiredRule::Cleared
        };
        self.outcome
            .orders
            .push(ControlOrder::Battery { setpoint_w, rule });
        let buy = self.seen.buy;
        self.note(Subject::Battery, rule, buy, buy, setpoint_w);
    }

    /// Runs when it must, when it is cold, when it is late, and when energy is
    /// cheap; the emptier the store, the dearer the energy it still takes.
    pub(super) fn heater(&mut self, facts: &HeaterFacts) {
        let preferences = &self.instance.preferences;
        let sane =
            facts.stored_permille <= 1_000 && is_energy(facts.store_wh) && is_power(facts.power_w);
        let (terms, allowed) = (preferences.heater, preferences.allow.heater);
        if !self.admits(Subject::Heater, allowed, sane) {
            return;
        }
        let (low, high) = (
            i64::from(terms.comfort_low_pct) * 10,
            i64::from(terms.comfort_high_pct) * 10,
        );
        let stored = i64::from(facts.stored_permille);
        let missing_wh = (high - stored).max(0) * facts.store_wh / 1_000;
        let late = terms.ready_by.is_some_and(|ready_by| {
            let minutes = ready_by.minutes_after(self.input.minute_of_day);
            let slots_left = i64::from(minutes / self.input.slot_min);
            let latest = self
                .slots_for(missing_wh, facts.power_w)
                .saturating_add(self.stagger());
            missing_wh > 0 && slots_left <= latest
        });
        let emptiness = (high - stored).clamp(0, high - low);
        let urgency = self.template.heater_urgency * emptiness / (high - low).max(1);
        let threshold = terms.run_below - self.spread_of(self.template.heater_spread) + urgency;
        let buy = self.seen.buy;

        let mut cleared_w = 0;
        let rule = if facts.must_run {
            FiredRule::MustRun
        } else if stored >= high {
            FiredRule::Done
        } else if stored < low {
            FiredRule::TooCold
        } else if let Some(committed) = self.input.committed {
            cleared_w = committed.heater_w.unwrap_or(0);
            FiredRule::Cleared
        } else if late {
            FiredRule::Deadline
        } else if !self.has_turn() {
            self.keep(Subject::Heater);
            return;
        } else if buy < threshold {
            FiredRule::RunCheap
        } else {
            FiredRule::Wait
        };
        let on = match rule {
            FiredRule::Done | FiredRule::Wait => false,
            FiredRule::Cleared => cleared_w > 0,
            _ => true,
        };
        let limit_w = facts.power_w.min(i64::from(self.template.max_order_w));
        self.outcome
            .orders
            .push(ControlOrder::Heater { on, limit_w, rule });
        self.note(
            Subject::Heater,
            rule,
            buy,
            threshold,
            i64::from(on) * limit_w,
        );
    }

    /// Charges in proportion while energy is cheap and at full power from the
    /// latest moment that still makes the departure; the latest moment is
    /// staggered so that a street does not start together.
    pub(super) fn ev(&mut self, facts: &EvFacts) {
        let preferences = &self.instance.preferences;
        let sane = is_energy(facts.need_wh) && is_power(facts.max_w);
        let (terms, allowed) = (preferences.ev, preferences.allow.ev);
        if !self.admits(Subject::Ev, allowed, sane) {
            return;
        }
        let threshold = terms.charge_below - self.spread_of(self.template.spread);
        let buy = self.seen.buy;
        let max_w = facts.max_w.min(i64::from(self.template.max_order_w));
        let mut slots_left = i64::from(facts.slots_left);
        if let Some(depart_by) = terms.depart_by {
            let minutes = depart_by.minutes_after(self.input.minute_of_day);
            slots_left = slots_left.min(i64::from(minutes / self.input.slot_min));
        }
        let latest = self
            .slots_for(facts.need_wh, max_w)
            .saturating_add(i64::from(terms.guard_slots))
            .saturating_add(self.stagger());

        let cheap_w = self.in_proportion(max_w, threshold - buy);
        let (rule, limit_w) = if !facts.connected {
            (FiredRule::NoCar, 0)
        } else if facts.need_wh == 0 {
            (FiredRule::Done, 0)
        } else if let Some(committed) = self.input.committed {
            let cleared_w = committed.ev_w.unwrap_or(0).clamp(0, max_w);
            (FiredRule::Cleared, cleared_w)
        } else if slots_left <= latest {
            (FiredRule::Deadline, max_w)
        } else if !self.has_turn() {
            self.keep(Subject::Ev);
            return;
        } else if cheap_w > 0 {
            (FiredRule::RunCheap, cheap_w)
        } else {
            (FiredRule::Wait, 0)
        };
        self.outcome.orders.push(ControlOrder::Ev { limit_w, rule });
        self.note(Subject::Ev, rule, buy, threshold, limit_w);
    }
}
