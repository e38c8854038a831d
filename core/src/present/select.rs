//! Details of the selected entity: wallet, provenance, contract trace, causes.

use bevy::prelude::*;
use gridloom_ledger::{LedgerChain, Receipt};
use gridloom_units::AccountId;

use super::ledger::block;
use crate::ledger::LedgerGroup;
use crate::spawn::Organisation;
use crate::view::{ProvenanceView, Selected, SelectionView, ViewModel};

/// Deliveries listed.
const DELIVERIES: usize = 24;

/// Blocks searched for the last contract run of an account.
const BLOCKS_SEARCHED: u64 = 400;

/// Everything that needs a query.
pub(super) fn details(world: &mut World, view: &ViewModel, what: Selected) -> SelectionView {
    let mut details = SelectionView {
        what: Some(what),
        ..SelectionView::default()
    };
    let mut query = world.query::<&LedgerGroup>();
    let organisation = world.resource::<Organisation>();
    let groups: Vec<&LedgerGroup> = query.iter(world).collect();
    let group = |index: usize| {
        groups
            .iter()
            .find(|group| group.index as usize == index)
            .copied()
    };
    match what {
        Selected::Home(home) if home < view.scene.homes.len() => {
            let cluster = view.scene.homes[home].cluster;
            if let Some(chain) = group(cluster).and_then(LedgerGroup::chain) {
                account(chain, organisation, home, &mut details);
            }
            home_causes(view, home, &mut details);
        }
        Selected::SharedBattery(battery) if battery < view.scene.shared_batteries.len() => {
            let cluster = view.scene.shared_batteries[battery].cluster;
            if let Some(chain) = group(cluster).and_then(LedgerGroup::chain) {
                account(
                    chain,
                    organisation,
                    view.scene.homes.len() + battery,
                    &mut details,
                );
            }
        }
        Selected::Mlmd(mlmd) if mlmd < view.scene.mlmds.len() => {
            mlmd_causes(view, mlmd, &mut details);
        }
        Selected::Block(ledger, height) => {
            let chain = group(ledger).and_then(LedgerGroup::chain);
            details.block = chain.and_then(|chain| block(chain, height));
        }
        _ => {}
    }
    details
}

fn account(
    chain: &LedgerChain,
    organisation: &Organisation,
    meter: usize,
    details: &mut SelectionView,
) {
    let Some(party) = organisation.participants.get(meter) else {
        return;
    };
    let plant = |account: &AccountId| {
        organisation.meter_of(account).map_or_else(
            || "grid".to_owned(),
            |(m, _)| organisation.participants[m as usize].name.clone(),
        )
    };
    details.wallet_eur = chain
        .wallet(party.account)
        .map(|wallet| wallet.money as f64 / 1e9);
    details.provenance = chain
        .statement(party.account, DELIVERIES)
        .into_iter()
        .map(|delivery| ProvenanceView {
            plant: plant(&delivery.plant),
            kind: Some(delivery.kind),
            slot: delivery.generated_slot,
            wh: delivery.wh,
            height: delivery.height,
        })
        .collect();
    details.bill = chain
        .bill(party.account)
        .lines
        .iter()
        .map(|line| {
            let side = if line.received {
                "received"
            } else {
                "delivered"
            };
            let label = format!(
                "{}, {} {side}, {} Wh",
                line.reason.label(),
                line.kind.label(),
                line.energy_wh
            );
            (label, line.money as f64 / 1e9)
        })
        .collect();
    details.contract_trace = last_run(chain, party.account);
}

/// Trace of the account's last contract run, searched backwards.
fn last_run(chain: &LedgerChain, owner: AccountId) -> Vec<String> {
    let tip = chain.height();
    for height in (tip.saturating_sub(BLOCKS_SEARCHED) + 1..=tip).rev() {
        for receipt in chain
            .receipts(height)
            .iter()
            .flat_map(|receipts| receipts.iter())
        {
            if let Receipt::ContractRun { account, trace, .. } = receipt
                && *account == owner
            {
                return trace.iter().map(ToString::to_string).collect();
            }
        }
    }
    Vec::new()
}

fn kw(value: f64) -> String {
    let sign = if value < 0.0 { "\u{2212}" } else { "+" };
    format!("{sign}{:.1} kW", value.abs())
}

fn home_causes(view: &ViewModel, home: usize, details: &mut SelectionView) {
    let state = &view.homes[home];
    let spec = &view.scene.homes[home];
    details
        .why
        .push(("Household load".into(), kw(state.load_kw)));
    if spec.pv_kw > 0.0 {
        details.why.push(("Solar".into(), kw(-state.pv_kw)));
    }
    if spec.battery_kwh > 0.0 {
        details.why.push(("Battery".into(), kw(state.battery_kw)));
    }
    if spec.heater_kw > 0.0 {
        details
            .why
            .push(("Water heater".into(), kw(state.heater_kw)));
    }
    if spec.ev_kw > 0.0 {
        details.why.push(("Vehicle".into(), kw(state.ev_kw)));
    }
}

/// Sums over everything behind an M-LMD.
fn mlmd_causes(view: &ViewModel, mlmd: usize, details: &mut SelectionView) {
    let behind = |mut area: usize| loop {
        if area == mlmd {
            return true;
        }
        match view.scene.mlmds[area].parent {
            Some(parent) => area = parent,
            None => return false,
        }
    };
    let (mut solar, mut demand, mut storage) = (0.0, 0.0, 0.0);
    for (state, spec) in view.homes.iter().zip(&view.scene.homes) {
        if behind(spec.mlmd) {
            solar += state.pv_kw;
            demand += state.load_kw + state.heater_kw + state.ev_kw;
            storage += state.battery_kw;
        }
    }
    for (state, spec) in view
        .shared_batteries
        .iter()
        .zip(&view.scene.shared_batteries)
    {
        if behind(spec.mlmd) {
            storage += state.p_kw;
        }
    }
    let id = &view.scene.mlmds[mlmd].id;
    details.why.push((format!("Solar behind {id}"), kw(-solar)));
    details
        .why
        .push((format!("Demand behind {id}"), kw(demand)));
    details.why.push(("Storage".into(), kw(storage)));
    let losses = view.mlmds[mlmd].through_kw - (demand - solar + storage);
    details
        .why
        .push(("Losses in conductors".into(), kw(losses)));
}
