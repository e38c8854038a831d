//! Contract versions that every cluster runs from one slot on, or none does.
//!
//! Two phases over the root: a cluster that learns of a decision answers
//! whether it can still follow; the root confirms when all have, before the
//! first slot under the version begins, and gives up otherwise. From that slot
//! on a cluster that said yes prices nothing until it knows which: the price
//! falls back to the utility's tariff rather than to the wrong version.

use gridloom_contract::EmTemplate;

use super::{Executor, Refusal};
use crate::cross::{DecisionRecord, DecisionStatus, MAX_VOTES};
use crate::genesis::MarketRules;
use crate::receipt::Receipt;
use crate::state::{MarketState, ScheduledContract, StateKey, StateValue};

impl MarketState {
    /// The contract version a slot is priced under.
    ///
    /// # Errors
    /// Says why it is not known yet.
    pub(crate) fn version_for(&self, slot: u32) -> Result<u32, Refusal> {
        match &self.scheduled {
            Some(next) if slot >= next.from_slot => {
                if next.confirmed {
                    Ok(next.version)
                } else {
                    Err(format!(
                        "version {} of the contract is due from slot {}, but the root has neither confirmed it nor given it up",
                        next.version, next.from_slot
                    ))
                }
            }
            _ => Ok(self.template_version),
        }
    }
}

impl Executor<'_> {
    pub(super) fn prepare_contract(
        &mut self,
        rules: &MarketRules,
        record: &DecisionRecord,
        template: &EmTemplate,
        from_ms: u64,
    ) {
        let mut market = self.market();
        let from_slot = rules.slot_at(from_ms);
        let can = template.validate().is_empty()
            && template.version > market.template_version
            && market.scheduled.is_none()
            && from_ms.is_multiple_of(rules.slot_ms)
            && market.priced_through.is_none_or(|last| last < from_slot)
            && record.status != DecisionStatus::Abandoned;
        if can {
            market.scheduled = Some(ScheduledContract {
                decision: record.number,
                version: template.version,
                from_slot,
                confirmed: record.status == DecisionStatus::Confirmed,
            });
            self.put_market(market);
            self.view.put(
                StateKey::Template(template.version),
                StateValue::Template(template.clone()),
            );
        }
        let mut flows = self.flows();
        if flows.votes.len() >= MAX_VOTES {
            flows.votes.remove(0);
        }
        flows.votes.push((record.number, can));
        self.put_flows(flows);
    }

    pub(super) fn close_contract(&mut self, decision: u32, confirmed: bool) {
        let mut market = self.market();
        let Some(next) = market
            .scheduled
            .as_mut()
            .filter(|next| next.decision == decision)
        else {
            return;
        };
        if confirmed {
            next.confirmed = true;
        } else {
            market.scheduled = None;
        }
        self.put_market(market);
    }

    /// Puts a confirmed version into force with the first slot under it.
    pub(super) fn begin_version(&mut self, slot: u32) {
        let mut market = self.market();
        let due = market
            .scheduled
            .filter(|next| next.confirmed && slot >= next.from_slot);
        if let Some(next) = due {
            market.template_version = next.version;
            market.scheduled = None;
            self.put_market(market);
            self.upgrade_instances(next.version);
            self.receipts.push(Receipt::ContractRegistered {
                version: next.version,
            });
        }
    }

    /// Instances follow the version; preferences stay, and so does the older instance's record.
    fn upgrade_instances(&mut self, version: u32) {
        let roster = self.view.roster().cloned().unwrap_or_default();
        for account in roster {
            let Some(participant) = self.view.participant(account) else {
                continue;
            };
            let number = participant.version;
            let Some(instance) = self.view.instance(account, number) else {
                continue;
            };
            let mut instance = instance.clone();
            instance.template_version = version;
            self.view.put(
                StateKey::Instance(account, number),
                StateValue::Instance(instance),
            );
        }
    }
}
