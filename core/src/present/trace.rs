//! From a value to its origin and back: conductor, meter, message,
//! transaction, block, contract run.

use bevy::prelude::*;
use gridloom_consensus::Tx;
use gridloom_ledger::{LedgerChain, Receipt, Transaction, TxBody};
use gridloom_units::SimTime;

use crate::spawn::Organisation;
use crate::view::{Place, ProofView, Selected, TransactionView, ViewModel, WalkStep};

/// Blocks searched backwards for the transaction of a meter.
const BLOCKS_SEARCHED: u64 = 400;

/// Lines of a contract trace shown.
const TRACE_LINES: usize = 12;

fn hex(bytes: &[u8], count: usize) -> String {
    bytes
        .iter()
        .take(count)
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// A place of messages as something to select.
fn selected(place: Place) -> Option<Selected> {
    match place {
        Place::Home(i) => Some(Selected::Home(i as usize)),
        Place::SharedBattery(i) => Some(Selected::SharedBattery(i as usize)),
        Place::Mlmd(i) => Some(Selected::Mlmd(i as usize)),
        Place::Aggregator(i) => Some(Selected::Aggregator(i as usize)),
        Place::Cloud | Place::Ledger(_) => None,
    }
}

/// A transaction with its proof and what executing it did.
pub(super) fn transaction(
    chain: &LedgerChain,
    organisation: &Organisation,
    (ledger, height, index): (usize, u64, usize),
) -> Option<TransactionView> {
    let decided = chain.block(height)?;
    let tx = decided.block.transactions().get(index)?;
    let proof = chain.prove(height, index)?;
    let meter = organisation.meter_of_key(&tx.signer);
    let receipts = chain.receipts(height).unwrap_or_default();
    let (effects, trace) = effects(tx, &receipts);
    Some(TransactionView {
        ledger,
        height,
        index,
        kind: tx.kind().to_owned(),
        summary: tx.summary(),
        id: hex(&tx.id(), 8),
        signer: hex(&tx.signer, 8),
        signature: hex(&tx.signature, 8),
        by: meter
            .and_then(|m| organisation.participants.get(m as usize))
            .and_then(|p| selected(p.place)),
        interval_end: match &tx.body {
            TxBody::Reading(reading) => Some(SimTime(reading.interval_end_ms)),
            TxBody::AreaLoad {
                interval_end_ms, ..
            } => Some(SimTime(*interval_end_ms)),
            _ => None,
        },
        proof: ProofView {
            index: proof.path.index as usize,
            count: proof.path.count as usize,
            siblings: proof.path.siblings.iter().map(|s| hex(s, 4)).collect(),
            root: hex(&proof.header.tx_root, 4),
            holds: proof.verify(),
        },
        effects,
        trace,
    })
}

/// What a transaction's execution did, one line each, and the contract's reasons.
fn effects(tx: &Transaction, receipts: &[Receipt]) -> (Vec<String>, Vec<String>) {
    let mut lines = Vec::new();
    let mut trace = Vec::new();
    for receipt in receipts {
        match (&tx.body, receipt) {
            (
                _,
                Receipt::Refused {
                    transaction,
                    reason,
                },
            ) if *transaction == tx.id() => {
                lines.push(format!("refused: {reason}"));
            }
            (
                TxBody::Reading(reading),
                Receipt::ReadingRecorded {
                    meter,
                    interval_end_ms,
                },
            ) if *interval_end_ms == reading.interval_end_ms && *meter == tx.account() => {
                lines.push("reading recorded".to_owned());
            }
            (TxBody::Price { slot, .. }, Receipt::PriceDecided { slot: decided, .. })
                if slot == decided =>
            {
                lines.push(format!("price of slot {slot} decided"));
            }
            (
                TxBody::Price { slot, .. },
                Receipt::ContractRun {
                    slot: ran,
                    orders,
                    trace: why,
                    ..
                },
            ) if slot == ran => {
                lines.push(format!("contract run, {} orders", orders.len()));
                let room = TRACE_LINES.saturating_sub(trace.len());
                trace.extend(why.iter().take(room).map(ToString::to_string));
            }
            (TxBody::Settle { slot }, Receipt::Settled(settled)) if *slot == settled.slot => {
                lines.push(format!(
                    "settled: {} Wh local, {} Wh bought, {} Wh sold",
                    settled.local_wh, settled.bought_wh, settled.sold_wh
                ));
            }
            _ => {}
        }
    }
    lines.dedup();
    lines.truncate(TRACE_LINES);
    (lines, trace)
}

/// The newest reading of a meter on its ledger: height and index.
fn newest_reading(
    chain: &LedgerChain,
    organisation: &Organisation,
    meter: u32,
) -> Option<(u64, usize)> {
    let tip = chain.height();
    (tip.saturating_sub(BLOCKS_SEARCHED) + 1..=tip)
        .rev()
        .find_map(|height| {
            let decided = chain.block(height)?;
            let mut txs = decided.block.transactions().iter();
            let at = txs.position(|tx| organisation.meter_of_key(&tx.signer) == Some(meter))?;
            Some((height, at))
        })
}

/// The newest contract run of an account: height.
fn newest_run(chain: &LedgerChain, organisation: &Organisation, meter: u32) -> Option<u64> {
    let account = organisation.participants.get(meter as usize)?.account;
    let tip = chain.height();
    (tip.saturating_sub(BLOCKS_SEARCHED) + 1..=tip)
        .rev()
        .find(|&height| {
            chain.receipts(height).is_some_and(|receipts| {
                receipts.iter().any(
                    |r| matches!(r, Receipt::ContractRun { account: of, .. } if *of == account),
                )
            })
        })
}

/// The walk from the conductor to the contract of one meter, through `tx` if
/// one is given, else through its newest reading.
pub(super) fn walk(
    view: &ViewModel,
    chain: &LedgerChain,
    organisation: &Organisation,
    ledger: usize,
    meter: u32,
    tx: Option<(u64, usize)>,
) -> Vec<WalkStep> {
    let step = |label: &str, value: String, target: Option<Selected>| WalkStep {
        label: label.to_owned(),
        value,
        target,
    };
    let Some(party) = organisation.participants.get(meter as usize) else {
        return Vec::new();
    };
    let homes = view.scene.homes.len();
    let bus = match (meter as usize).checked_sub(homes) {
        None => view.scene.homes.get(meter as usize).map(|h| h.bus),
        Some(battery) => view.scene.shared_batteries.get(battery).map(|b| b.bus),
    };
    let line = bus.and_then(|bus| view.scene.lines.iter().position(|l| l.to == bus));
    let mut steps = Vec::new();
    if let Some(line) = line {
        let name = view.scene.lines[line].name.clone();
        steps.push(step("conductor", name, Some(Selected::Line(line))));
    }
    steps.push(step("meter", party.name.clone(), selected(party.place)));
    let cluster = view.scene.clusters.get(ledger);
    if let Some(cluster) = cluster {
        let target = Some(Selected::Aggregator(ledger));
        steps.push(step("message", cluster.aggregator.clone(), target));
    }
    let found = tx.or_else(|| newest_reading(chain, organisation, meter));
    if let Some((height, index)) = found {
        let target = Some(Selected::Transaction(ledger, height, index));
        steps.push(step("transaction", format!("no. {}", index + 1), target));
        let target = Some(Selected::Block(ledger, height));
        steps.push(step("block", height.to_string(), target));
    }
    if let Some(height) = newest_run(chain, organisation, meter) {
        let target = Some(Selected::Block(ledger, height));
        steps.push(step("contract", format!("EM-{}", party.name), target));
    }
    steps
}
