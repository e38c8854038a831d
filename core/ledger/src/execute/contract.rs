//! The decided price triggers the EM contract (paper step e).

use gridloom_contract::{
    Committed, Control, EmInstance, EmTemplate, Member, MeterFacts, Moment, RunInput,
    clear_cluster, run,
};
use gridloom_market::Wallet;
use gridloom_units::{AccountId, EnergyWh, PriceMicroEurPerKwh, amount};

use super::Executor;
use crate::genesis::MarketRules;
use crate::receipt::Receipt;
use crate::state::{ForwardState, LastReading, SlotPrice, StateKey, StateValue};

/// A participant whose contract runs in this block.
struct Running {
    account: AccountId,
    meter: AccountId,
    spread: u16,
    instance: EmInstance,
    facts: MeterFacts,
    /// Energy taken in the slot before, Wh.
    import_wh: EnergyWh,
    /// Energy taken less given in the slot before, Wh.
    net_wh: EnergyWh,
    /// Energy the wallet covers beyond what is expected anyway, Wh.
    affordable_wh: EnergyWh,
}

impl Executor<'_> {
    /// Runs every instance on its meter's last facts, in order of account.
    /// Under forward control the devices of all of them are cleared first.
    pub(super) fn run_contracts(
        &mut self,
        rules: &MarketRules,
        price: &SlotPrice,
        previous_scalar: PriceMicroEurPerKwh,
    ) {
        let mut running = self.running(rules, price.slot);
        self.hold_money(price.grid.import, &mut running);
        let committed = self.clear_forward(rules, price.slot, &running);
        for (index, participant) in running.into_iter().enumerate() {
            let version = participant.instance.template_version;
            let Some(template) = self.view.template(version) else {
                continue;
            };
            let input = RunInput {
                height: self.env.height,
                slot: price.slot,
                slot_min: rules.slot_min(),
                minute_of_day: rules.minute_of_day(price.slot),
                prices: price.typed,
                supply_wh: price.supply_wh,
                scalar: price.scalar,
                previous_scalar,
                import: price.grid.import,
                facts: participant.facts,
                spread: participant.spread,
                committed: committed.as_ref().and_then(|all| all.get(index).copied()),
            };
            let outcome = run(template, &participant.instance, &input);
            let receipt = Receipt::ContractRun {
                account: participant.account,
                meter: participant.meter,
                slot: price.slot,
                orders: outcome.orders,
                trace: outcome.trace,
                steps: outcome.steps_used,
            };
            self.receipts.push(receipt);
        }
    }

    /// Everybody with a contract that can run, in order of account.
    fn running(&self, rules: &MarketRules, slot: u32) -> Vec<Running> {
        let roster = self.view.roster().map_or(&[][..], Vec::as_slice);
        let of = |account: &AccountId| {
            let participant = self.view.participant(*account)?;
            let instance = self.view.instance(*account, participant.version)?;
            self.view.template(instance.template_version)?;
            let meter = self.view.meter(participant.meter);
            let energy = meter
                .zip(slot.checked_sub(1))
                .and_then(|(meter, before)| meter.energy_in(before, rules))
                .unwrap_or_default();
            let last = meter.and_then(|meter| meter.last.as_ref());
            Some(Running {
                account: *account,
                meter: participant.meter,
                spread: participant.spread,
                instance: instance.clone(),
                facts: last.map(facts).unwrap_or_default(),
                import_wh: energy.import_wh,
                net_wh: energy.net_wh(),
                affordable_wh: 0,
            })
        };
        roster.iter().filter_map(of).collect()
    }

    /// Holds in every wallet what this slot and the one not settled yet may
    /// cost at the highest price; what is left over bounds what may be moved.
    fn hold_money(&mut self, highest: PriceMicroEurPerKwh, running: &mut [Running]) {
        for participant in running {
            let Some(account) = self.view.account(participant.account) else {
                continue;
            };
            let mut account = account.clone();
            let mut wallet = Wallet {
                money: account.money,
                held: 0,
                debt: account.debt,
            };
            // One slot more than the two that are open, as a margin.
            wallet.hold(amount(3 * participant.import_wh, highest.max(0)));
            let price = i128::from(highest.max(1));
            participant.affordable_wh =
                EnergyWh::try_from(wallet.free() / price).unwrap_or(EnergyWh::MAX);
            if account.held != wallet.held {
                account.held = wallet.held;
                self.view.put(
                    StateKey::Account(participant.account),
                    StateValue::Account(account),
                );
            }
        }
    }

    /// Clears the cluster's devices for the slot; `None` under price control.
    fn clear_forward(
        &mut self,
        rules: &MarketRules,
        slot: u32,
        running: &[Running],
    ) -> Option<Vec<Committed>> {
        let version = self.view.market()?.template_version;
        let template: EmTemplate = self.view.template(version)?.clone();
        if template.control != Control::Forward {
            return None;
        }
        let moment = Moment {
            slot_min: rules.slot_min(),
            minute_of_day: rules.minute_of_day(slot),
        };
        let day = usize::from(1_440 / moment.slot_min.max(1)).max(1);
        let mut state: ForwardState = self.view.forward().cloned().unwrap_or_default();
        let net_wh: EnergyWh = running.iter().map(|participant| participant.net_wh).sum();
        // What was steered counts only for the slot it was steered in.
        let steered_wh = if state.slot + 1 == slot {
            state.steered_wh
        } else {
            0
        };
        if slot > 0 {
            state.history.push(net_wh - steered_wh, day);
        }
        let members: Vec<Member<'_>> = running
            .iter()
            .map(|participant| Member {
                instance: &participant.instance,
                facts: &participant.facts,
                spread: participant.spread,
                affordable_wh: participant.affordable_wh,
            })
            .collect();
        // Figures out of range leave the devices to their own fallback.
        let cleared = clear_cluster(&template, &members, moment, &state.history, steered_wh)
            .unwrap_or_default();
        state.slot = slot;
        state.steered_wh = cleared
            .committed
            .iter()
            .map(|committed| committed.energy_wh(moment.slot_min))
            .sum();
        state.path_wh = cleared.plan.path_wh;
        state.capacity_wh = cleared.plan.capacity_wh;
        state.forced_wh = cleared.plan.forced_wh;
        state.deferred_wh = cleared.plan.deferred_wh;
        self.view.put(StateKey::Forward, StateValue::Forward(state));
        Some(cleared.committed)
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
