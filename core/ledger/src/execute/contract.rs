//! The decided price triggers the EM contract (paper step e).

use gridloom_contract::{MeterFacts, RunInput, run};
use gridloom_units::PriceMicroEurPerKwh;

use super::Executor;
use crate::genesis::MarketRules;
use crate::receipt::Receipt;
use crate::state::{LastReading, SlotPrice};

impl Executor<'_> {
    /// Runs every instance on its meter's last facts, in order of account.
    pub(super) fn run_contracts(
        &mut self,
        rules: &MarketRules,
        price: &SlotPrice,
        previous_scalar: PriceMicroEurPerKwh,
    ) {
        let roster = self.view.roster().cloned().unwrap_or_default();
        for account in roster {
            let Some(participant) = self.view.participant(account) else {
                continue;
            };
            let Some(instance) = self.view.instance(account, participant.version) else {
                continue;
            };
            let Some(template) = self.view.template(instance.template_version) else {
                continue;
            };
            let last = self
                .view
                .meter(participant.meter)
                .and_then(|meter| meter.last.as_ref());
            let input = RunInput {
                height: self.env.height,
                slot: price.slot,
                slot_min: rules.slot_min(),
                minute_of_day: rules.minute_of_day(price.slot),
                prices: price.typed,
                supply_wh: price.supply_wh,
                scalar: price.scalar,
                previous_scalar,
                import: rules.import,
                facts: last.map(facts).unwrap_or_default(),
                spread: participant.spread,
            };
            let outcome = run(template, instance, &input);
            let receipt = Receipt::ContractRun {
                account,
                meter: participant.meter,
                slot: price.slot,
                orders: outcome.orders,
                trace: outcome.trace,
                steps: outcome.steps_used,
            };
            self.receipts.push(receipt);
        }
    }
}

fn facts(last: &LastReading) -> MeterFacts {
    MeterFacts {
        net_wh: last.interval.net_wh(),
        battery: last.facts.battery,
        heater: last.facts.heater,
        ev: last.facts.ev,
        other: last.facts.other.clone(),
    }
}
