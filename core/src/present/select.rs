//! Details of the selected entity: wallet, provenance, contract trace, causes.

use bevy::prelude::*;
use gridloom_ledger::{LedgerChain, Receipt};
use gridloom_protection::{SoeEvent, SoeKind};
use gridloom_units::{AccountId, SimTime};

use super::ledger::block;
use super::{phasor, trace};
use crate::ledger::{LedgerGroup, Membership};
use crate::spawn::Organisation;
use crate::view::{ProvenanceView, Selected, SelectionView, ViewModel, WalkStep};

/// Deliveries listed.
const DELIVERIES: usize = 24;

/// Longest chain of causes that is shown.
const CAUSES: usize = 8;

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
            let cluster = world.resource::<Membership>().of(home as u32) as usize;
            if let Some(chain) = group(cluster).and_then(LedgerGroup::chain) {
                account(chain, organisation, home, &mut details);
            }
            home_causes(view, home, &mut details);
        }
        Selected::SharedBattery(battery) if battery < view.scene.shared_batteries.len() => {
            let meter = (view.scene.homes.len() + battery) as u32;
            let cluster = world.resource::<Membership>().of(meter) as usize;
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
            protection_causes(view, mlmd, &mut details);
            mlmd_causes(view, mlmd, &mut details);
        }
        Selected::Block(ledger, height) => {
            let chain = group(ledger).and_then(LedgerGroup::chain);
            details.block = chain.and_then(|chain| block(chain, height));
        }
        Selected::Transaction(ledger, height, index) => {
            if let Some(chain) = group(ledger).and_then(LedgerGroup::chain) {
                details.block = block(chain, height);
                let place = (ledger, height, index);
                details.transaction = trace::transaction(chain, organisation, place);
            }
        }
        _ => {}
    }
    let membership = world.resource::<Membership>();
    details.walk = walk(view, organisation, membership, &group, &details, what);
    details.phasors = phasor::of(world, view, what);
    details
}

/// The walk of the meter behind the selection.
fn walk<'a>(
    view: &ViewModel,
    organisation: &Organisation,
    membership: &Membership,
    group: &dyn Fn(usize) -> Option<&'a LedgerGroup>,
    details: &SelectionView,
    what: Selected,
) -> Vec<WalkStep> {
    let homes = view.scene.homes.len();
    let meter = |what: Selected| match what {
        Selected::Home(i) => Some(i),
        Selected::SharedBattery(i) => Some(homes + i),
        _ => None,
    };
    let (who, tx) = match what {
        Selected::Transaction(_, height, index) => (
            details.transaction.as_ref().and_then(|t| t.by),
            Some((height, index)),
        ),
        Selected::Line(line) => {
            let bus = view.scene.lines.get(line).map(|l| l.to);
            let home = view.scene.homes.iter().position(|h| Some(h.bus) == bus);
            (home.map(Selected::Home), None)
        }
        other => (Some(other), None),
    };
    let Some(meter) = who.and_then(meter) else {
        return Vec::new();
    };
    let cluster = membership.of(meter as u32) as usize;
    let Some(chain) = group(cluster).and_then(LedgerGroup::chain) else {
        return Vec::new();
    };
    trace::walk(view, chain, organisation, cluster, meter as u32, tx)
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

/// Why an open breaker is open: from its last event back to what began it.
fn protection_causes(view: &ViewModel, mlmd: usize, details: &mut SelectionView) {
    let devices = view.protection.devices.iter();
    let Some(device) = devices.clone().find(|d| d.mlmd == Some(mlmd) && !d.closed) else {
        return;
    };
    let soe = &view.protection.soe;
    let of = |e: &&SoeEvent| e.device == device.id;
    let opened = soe.iter().filter(of).rfind(|e| e.kind == SoeKind::Opened);
    let mut next = opened.or_else(|| soe.iter().rfind(of));
    let mut first = None;
    for _ in 0..CAUSES {
        let Some(event) = next else { break };
        details.why.push(cause(event));
        first = Some(event);
        next = event.cause.and_then(|cause| {
            let at = soe.binary_search_by_key(&cause, |e| e.id).ok()?;
            soe.get(at)
        });
    }
    // Evidence of neighbours has no single event as its cause: it is of the last fault.
    if let Some(first) = first.filter(|e| e.kind != SoeKind::Fault) {
        let before = soe.iter().rev().skip_while(|e| e.id >= first.id);
        if let Some(fault) = before.into_iter().find(|e| e.kind == SoeKind::Fault) {
            details.why.push(cause(fault));
        }
    }
}

/// An event of the sequence as a line of a chain.
fn cause(event: &SoeEvent) -> (String, String) {
    let time = SimTime(event.at_ms()).to_string();
    (format!("{}: {}", event.device, event.text), time)
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
