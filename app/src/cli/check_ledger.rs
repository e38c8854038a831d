//! `gridloom check ledger`: proofs, node tiers, conservation, privacy, splits and merges.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use gridloom_consensus::{Certificate, Chain as _, Sabotage, SigMemo};
use gridloom_core::TwinOptions;
use gridloom_ledger::split::{self, SplitSetting};
use gridloom_ledger::tier::{
    FullNode, HeaderChain, LightNode, SuperLightWallet, prove_balance, prove_origin,
};
use gridloom_ledger::{
    Delivery, LedgerChain, StateKey, Transaction, TxBody, decode, encode, rehearsal, sweep,
};
use gridloom_units::{AccountId, SimTime, Stream, Tick, draw_u64};

use super::output::{self, Figure};
use super::scene;

/// Mutated proofs and certificates that are tried.
const MUTATIONS: u64 = 100_000;
/// Most bytes a wallet needs for its balance and the origin of a kilowatt-hour.
const WALLET_BYTES: f64 = 4_096.0;
/// Seeds of the fault sweep that are part of the gates.
const SEEDS: u64 = 200;

fn plain(metric: &str, value: f64, unit: &str) -> Figure {
    Figure {
        case: "ledger".into(),
        metric: metric.into(),
        value,
        unit: unit.into(),
        target: None,
        pass: None,
        peer: None,
        ratio: None,
    }
}

fn at_most(metric: &str, value: f64, unit: &str, limit: f64) -> Figure {
    Figure {
        target: Some(format!("<= {}", output::number(limit))),
        pass: Some(value <= limit),
        ..plain(metric, value, unit)
    }
}

fn at_least(metric: &str, value: f64, unit: &str, limit: f64) -> Figure {
    Figure {
        target: Some(format!(">= {}", output::number(limit))),
        pass: Some(value >= limit),
        ..plain(metric, value, unit)
    }
}

/// The ledgers of a scene after a while, and a lot a home received.
struct Subject {
    cluster: u32,
    chain: LedgerChain,
    root: LedgerChain,
    all: Vec<LedgerChain>,
    lot: Delivery,
}

/// Runs every gate.
///
/// # Errors
/// When the scene cannot be run, or has no local trade to prove.
pub fn figures(path: &Path, until: SimTime, meters: u32) -> Result<Vec<Figure>> {
    output::error(&format!(
        "workload: {} until {until}, {MUTATIONS} mutated proofs, {SEEDS} seeds of faults, a split \
         and merge of {meters} meters",
        path.display()
    ));
    let subject = subject(path, until)?;
    let mut figures = wallet(&subject)?;
    figures.extend(mutations(&subject)?);
    figures.extend(tiers(&subject)?);
    figures.extend(authorisation()?);
    figures.extend(conservation(&subject));
    figures.extend(privacy()?);
    figures.extend(split_and_merge(meters)?);
    Ok(figures)
}

fn subject(path: &Path, until: SimTime) -> Result<Subject> {
    let mut twin = scene::twin(path, TwinOptions::default())?;
    let end = Tick(until.as_millis() / twin.tick_ms()).min(twin.end());
    twin.run_until(end);
    let mut all: Vec<LedgerChain> = twin.ledgers().into_iter().map(|(_, chain)| chain).collect();
    let root = all
        .pop()
        .ok_or_else(|| anyhow!("the scene has no ledgers"))?;
    for (index, chain) in all.iter().enumerate() {
        for participant in chain.participants() {
            let lots = chain.statement(participant.account, 256);
            let local = lots.into_iter().find(|lot| {
                lot.plant != lot.consumer && chain.participant(lot.plant).is_some() && lot.wh > 0
            });
            if let Some(lot) = local {
                return Ok(Subject {
                    cluster: index as u32,
                    chain: chain.clone(),
                    root,
                    lot,
                    all: all.clone(),
                });
            }
        }
    }
    bail!("until {until} nobody received energy of a neighbour: choose a later --until")
}

fn wallet_of(subject: &Subject, account: AccountId) -> SuperLightWallet {
    SuperLightWallet::new(
        account,
        subject.cluster,
        subject.chain.id(),
        subject.root.id(),
        subject.root.validators(),
    )
}

fn proofs(subject: &Subject) -> Result<(Vec<u8>, Vec<u8>)> {
    let lot = &subject.lot;
    let balance = prove_balance(subject.cluster, lot.consumer, &subject.chain, &subject.root)
        .ok_or_else(|| anyhow!("the root has not recorded a recent block of the cluster"))?;
    let origin = prove_origin(&subject.chain, lot.height, |line| {
        line.buyer == lot.consumer && line.seller == lot.plant && line.energy_wh == lot.wh
    })
    .ok_or_else(|| anyhow!("block {} does not settle the lot", lot.height))?;
    Ok((encode(&balance), encode(&origin)))
}

/// Balance and origin of a kilowatt-hour with a super-light wallet.
fn wallet(subject: &Subject) -> Result<Vec<Figure>> {
    let (balance, origin) = proofs(subject)?;
    let mut wallet = wallet_of(subject, subject.lot.consumer);
    let statement = wallet.balance(&balance).context("the balance proof")?;
    let (slot, line) = wallet.origin(&origin).context("the origin proof")?;
    let truth = subject
        .root
        .cluster_record(subject.cluster)
        .and_then(|record| {
            subject
                .chain
                .prove_at(record.height, StateKey::Account(subject.lot.consumer))
        });
    let known = matches!(
        truth,
        Some((Some(gridloom_ledger::StateValue::Account(account)), _))
            if account.money == statement.money
    );
    let right = known
        && slot == subject.lot.delivered_slot
        && line.seller == subject.lot.plant
        && line.energy_wh == subject.lot.wh;
    let bytes = (balance.len() + origin.len()) as f64;
    Ok(vec![
        plain("wallet_balance_bytes", balance.len() as f64, "B"),
        plain("wallet_origin_bytes", origin.len() as f64, "B"),
        at_most("wallet_bytes", bytes, "B", WALLET_BYTES),
        at_most("wallet_wrong", f64::from(!right), "statements", 0.0),
    ])
}

/// Flips one to four bytes somewhere.
fn mutate(bytes: &[u8], number: u64) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let draw = |what| draw_u64(7, number, what, Stream::Behaviour);
    for flip in 0..=draw(0) % 4 {
        let at = (draw(1 + 2 * flip) % bytes.len().max(1) as u64) as usize;
        let by = (draw(2 + 2 * flip) % 255 + 1) as u8;
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= by;
        }
    }
    changed
}

/// Mutated proofs and certificates; none may be accepted.
fn mutations(subject: &Subject) -> Result<Vec<Figure>> {
    let (balance, origin) = proofs(subject)?;
    let decided = subject
        .chain
        .block(subject.lot.height)
        .ok_or_else(|| anyhow!("the settling block is gone"))?;
    let certificate = encode(decided.certificate.as_ref());
    let state = subject
        .chain
        .prove_state(StateKey::Account(subject.lot.consumer))
        .ok_or_else(|| anyhow!("no block is decided"))?;
    let inclusion = subject
        .chain
        .prove(subject.lot.height, 0)
        .ok_or_else(|| anyhow!("the settling block is empty"))?;
    let (state, inclusion) = (encode(&state), encode(&inclusion));
    let mut ready = wallet_of(subject, subject.lot.consumer);
    ready.balance(&balance).context("the balance proof")?;
    let set = subject.chain.validators();
    let tip = subject.chain.tip_header().map(|header| header.id());
    let settling = decided.certificate.block;
    let (mut tried, mut accepted) = (0_u64, 0_u64);
    // A change that changes nothing is none: others are tried in its place.
    for number in 0..2 * MUTATIONS {
        if tried == MUTATIONS {
            break;
        }
        let source = match number % 5 {
            0 => &balance,
            1 => &origin,
            2 => &certificate,
            3 => &state,
            _ => &inclusion,
        };
        let changed = mutate(source, number);
        if changed == *source {
            continue;
        }
        tried += 1;
        let good = match number % 5 {
            0 => wallet_of(subject, subject.lot.consumer)
                .balance(&changed)
                .is_ok(),
            1 => ready.origin(&changed).is_ok(),
            2 => decode::<Certificate>(&changed).is_some_and(|certificate| {
                let mut memo = SigMemo::new(set.members().len());
                certificate
                    .verify(&subject.chain.id(), &set, &mut memo)
                    .is_ok()
            }),
            // A proof counts together with the certified id of its header.
            3 => decode::<gridloom_ledger::StateProof>(&changed)
                .is_some_and(|proof| proof.verify() && Some(proof.header.id()) == tip),
            _ => decode::<gridloom_ledger::InclusionProof>(&changed)
                .is_some_and(|proof| proof.verify() && proof.header.id() == settling),
        };
        accepted += u64::from(good);
    }
    Ok(vec![
        at_least("mutations_tried", tried as f64, "proofs", MUTATIONS as f64),
        at_most("mutations_accepted", accepted as f64, "proofs", 0.0),
    ])
}

/// Every tier follows the scene's ledgers and keeps what it should.
fn tiers(subject: &Subject) -> Result<Vec<Figure>> {
    let hours = subject
        .chain
        .tip_header()
        .map_or(1.0, |header| header.time_ms as f64 / 3.6e6)
        .max(1e-9);
    let own = subject.cluster as usize;
    let genesis: Vec<LedgerChain> = subject.all.iter().map(LedgerChain::at_genesis).collect();
    let root_genesis = subject.root.at_genesis();
    let headers = |chain: &LedgerChain| HeaderChain::new(chain.id(), chain.validators());
    let mut light = LightNode::new(genesis[own].clone(), headers(&root_genesis));
    let mut gateway = headers(&genesis[own]);
    for height in 1..=subject.chain.height() {
        let decided = block(&subject.chain, height)?;
        light.follow_block(&decided)?;
        gateway.follow(decided.block.header(), &decided.certificate, None)?;
    }
    let mut full = FullNode::new(genesis, root_genesis);
    for height in 1..=subject.root.height() {
        let decided = block(&subject.root, height)?;
        light.follow_root(&decided, None)?;
        full.follow_root(&decided)?;
    }
    for (index, chain) in subject.all.iter().enumerate() {
        for height in 1..=chain.height() {
            full.follow_block(index as u32, &block(chain, height)?)?;
        }
    }
    let agree = light.chain().state_root() == subject.chain.state_root()
        && full.root().state_root() == subject.root.state_root()
        && subject.all.iter().enumerate().all(|(index, chain)| {
            full.chain(index as u32)
                .is_some_and(|copy| copy.state_root() == chain.state_root())
        });
    let mut wallet = wallet_of(subject, subject.lot.consumer);
    let (balance, _) = proofs(subject)?;
    wallet.balance(&balance)?;
    let per_day = |bytes: usize| bytes as f64 / hours * 24.0 / 1e6;
    let (full, light) = (full.stored(), light.stored());
    let order = full.bytes() > light.bytes()
        && light.bytes() > gateway.bytes()
        && gateway.bytes() > wallet.bytes();
    Ok(vec![
        at_most("tiers_disagree", f64::from(!agree), "nodes", 0.0),
        plain("full_node_stores", per_day(full.bytes()), "MB/day"),
        plain("light_node_stores_blocks", per_day(light.blocks), "MB/day"),
        plain("light_node_stores_root", per_day(light.headers), "MB/day"),
        plain("header_node_stores", per_day(gateway.bytes()), "MB/day"),
        plain("wallet_stores", wallet.bytes() as f64, "B"),
        at_most("tiers_out_of_order", f64::from(!order), "tiers", 0.0),
    ])
}

fn block(
    chain: &LedgerChain,
    height: u64,
) -> Result<gridloom_consensus::Decided<gridloom_ledger::LedgerBlock>> {
    chain
        .block(height)
        .ok_or_else(|| anyhow!("block {height} is gone"))
}

/// Only who is on the list is a full node (paper D10).
fn authorisation() -> Result<Vec<Figure>> {
    let mut cluster = rehearsal::Rehearsal::new(1, 1).map_err(anyhow::Error::msg)?;
    let operator = cluster.operator.clone();
    let node = AccountId([7; 32]);
    let mut wrong = 0;
    let mut now_ms = 0;
    for (granted, expected) in [(None, false), (Some(true), true), (Some(false), false)] {
        if let Some(granted) = granted {
            let tx: Transaction = cluster.sign(&operator, TxBody::Authorise { node, granted });
            cluster.submit(tx);
        }
        now_ms += 1_000;
        cluster.step(now_ms).map_err(anyhow::Error::msg)?;
        let server = FullNode::new(vec![cluster.chain().clone()], cluster.chain().clone());
        wrong += u32::from(server.serve(node, 0, 1).is_ok() != expected);
    }
    Ok(vec![at_most(
        "full_node_list_wrong",
        f64::from(wrong),
        "answers",
        0.0,
    )])
}

/// Books of every cluster, and a short sweep.
fn conservation(subject: &Subject) -> Vec<Figure> {
    let unbalanced = subject
        .all
        .iter()
        .filter(|chain| chain.audit().is_err())
        .count();
    let failed = (1..=SEEDS)
        .filter(|seed| sweep::live(*seed, Sabotage::None).is_err())
        .count();
    vec![
        at_most("books_unbalanced", unbalanced as f64, "ledgers", 0.0),
        at_most("sweep_failed", failed as f64, "seeds", 0.0),
    ]
}

/// The table of what each role sees, tried out cell by cell.
fn privacy() -> Result<Vec<Figure>> {
    let trials = gridloom_privacy::slot::try_out(1, 8).map_err(anyhow::Error::msg)?;
    let wrong = trials.iter().filter(|t| t.seen != t.expected).count();
    let hidden = trials.iter().filter(|t| !t.expected).count();
    Ok(vec![
        plain("privacy_cells", trials.len() as f64, "cells"),
        plain("privacy_hidden_cells", hidden as f64, "cells"),
        at_most("privacy_cells_wrong", wrong as f64, "cells", 0.0),
    ])
}

/// A cluster that splits and merges under load.
fn split_and_merge(meters: u32) -> Result<Vec<Figure>> {
    let report = split::run(&SplitSetting {
        meters,
        share_permille: 500,
        reading_ms: u64::from(meters).clamp(10_000, 60_000),
        block_ms: 1_000,
        seed: 1,
    })
    .map_err(anyhow::Error::msg)?;
    let money = report.money_off as f64;
    Ok(vec![
        plain("split_members", report.moved as f64, "members"),
        plain("split_takes", report.split_ms as f64 / 1e3, "s"),
        plain("merge_takes", report.merge_ms as f64 / 1e3, "s"),
        plain(
            "split_readings_during",
            report.readings_during as f64,
            "readings",
        ),
        at_most("split_money_off", money, "nEUR", 0.0),
        at_most("split_misplaced", report.misplaced as f64, "members", 0.0),
        at_most("split_doubled", report.doubled_wh as f64, "Wh", 0.0),
        at_most("split_behind", report.behind as f64, "meters", 0.0),
    ])
}
