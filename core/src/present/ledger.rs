//! Ledgers, blocks, prices and wallets for the view.

use bevy::prelude::*;
use gridloom_consensus::{Block, Chain, Tx};
use gridloom_ledger::{LedgerChain, Transaction};
use gridloom_units::SimTime;

use crate::clock::SimClock;
use crate::ledger::{LedgerGroup, Ledgers, Makings, RecordLags};
use crate::market::{Books, MarketClock};
use crate::record::ConsensusLog;
use crate::spawn::Organisation;
use crate::view::{BlockView, LedgerView, MakingView, PriceView, ViewModel};

/// Newest blocks of a ledger that are shown.
const BLOCKS_SHOWN: u64 = 12;

/// Transactions per block that count as a full block in the drawing.
const FULL_BLOCK: f32 = 40.0;

/// Fills ledgers, prices and wallets.
pub(super) fn fill(world: &mut World, view: &mut ViewModel) {
    let now = world.resource::<SimClock>().time();
    let mut query = world.query::<&LedgerGroup>();
    let slots_per_hour = 3_600_000.0 / world.resource::<MarketClock>().slot_ms.max(1) as f64;
    let ledgers = world.resource::<Ledgers>();
    let organisation = world.resource::<Organisation>();
    let log = world.resource::<ConsensusLog>();
    let (makings, lags) = (world.resource::<Makings>(), world.resource::<RecordLags>());
    let mut groups: Vec<&LedgerGroup> = query.iter(world).collect();
    groups.sort_by_key(|group| group.index);
    for group in groups {
        let statuses = group.group.statuses();
        let up = statuses.iter().filter(|status| status.up).count();
        let id = ledgers.names[group.index as usize].clone();
        let Some(chain) = group.chain() else {
            view.ledgers.push(LedgerView {
                id,
                validators: statuses.len(),
                ..LedgerView::default()
            });
            continue;
        };
        let tip = chain.height();
        let from = tip.saturating_sub(BLOCKS_SHOWN - 1).max(1);
        view.ledgers.push(LedgerView {
            id,
            height: tip,
            age_s: now.0.saturating_sub(tip_time_ms(chain)) as f64 / 1_000.0,
            validators_up: up,
            validators: statuses.len(),
            elsewhere: statuses.iter().filter(|status| status.remote).count(),
            mempool: statuses
                .iter()
                .map(|status| status.pending)
                .max()
                .unwrap_or(0),
            blocks: (from..=tip)
                .rev()
                .filter_map(|height| block(chain, height))
                .collect(),
            messages: group.group.network_counters().sent,
            message_log: log.messages(group.index as usize),
            rounds: log.rounds(group.index as usize),
            messages_dropped: log.dropped(group.index as usize),
            making: making(group, chain, makings, lags),
        });
        if group.index == ledgers.root() {
            continue;
        }
        view.prices.push(price(chain, slots_per_hour));
        for (meter, party) in organisation.participants.iter().enumerate() {
            let Some(wallet) = chain.wallet(party.account) else {
                continue;
            };
            let eur = wallet.money as f64 / 1e9;
            match meter.checked_sub(view.homes.len()) {
                None => view.homes[meter].wallet_eur = eur,
                Some(battery) => view.shared_batteries[battery].wallet_eur = eur,
            }
        }
    }
    let books = world.resource::<Books>();
    view.books.money_off_nano_eur = books.money_off_nano_eur;
    view.books.energy_off_wh = books.energy_off_wh;
}

fn making(
    group: &LedgerGroup,
    chain: &LedgerChain,
    makings: &Makings,
    lags: &RecordLags,
) -> MakingView {
    let parts = makings.of(group.index);
    let (figures, kept) = (group.group.figures(), chain.kept());
    let lag = lags.of(group.index);
    let seconds = |ms: u64| ms as f64 / 1e3;
    MakingView {
        family: family_name(group),
        codes: parts.codes(),
        group: parts.group(),
        lag_p95_s: lag.and_then(crate::ledger::Lag::p95_ms).map(seconds),
        lag_worst_s: lag.map_or(0.0, |lag| seconds(lag.worst_ms)),
        deadline_s: makings.deadline_ms().map(seconds),
        late: lag.map_or(0, |lag| lag.late),
        orphans: figures.orphans,
        deepest_reorganisation: figures.deepest_reorganisation,
        differing: figures.differing,
        not_taken: figures.overflow + figures.unendorsed,
        chain_bytes: kept.chain_bytes,
        outside_bytes: kept.outside_bytes,
        first_kept: chain.first_kept(),
        lost_through: kept.lost_through,
    }
}

/// Family of a ledger's consensus, in words.
pub(crate) fn family_name(group: &LedgerGroup) -> &'static str {
    let ours = "Byzantine fault tolerant voting";
    group.group.family().map_or(ours, |family| family.name())
}

fn price(chain: &LedgerChain, slots_per_hour: f64) -> PriceView {
    let Some(price) = chain.latest_price() else {
        return PriceView::default();
    };
    let forward = chain
        .contract()
        .is_some_and(|template| template.control == gridloom_contract::Control::Forward);
    let kw = |wh: i64| wh as f64 * slots_per_hour / 1_000.0;
    let plan = chain.forward().filter(|_| forward);
    let outlook = chain.outlook();
    let (error, naive) = outlook.map_or((0, 0), |outlook| {
        let all = std::iter::once(&outlook.demand).chain(&outlook.supply);
        all.fold((0, 0), |(error, naive), series| {
            (error + series.error_wh, naive + series.naive_error_wh)
        })
    });
    PriceView {
        typed: price.typed.map(Some),
        scalar: price.scalar,
        slot: price.slot,
        island: price.island,
        bounds: (price.grid.feed_in, price.grid.import),
        control: if forward { "forward" } else { "price" },
        loop_gain: crate::market::loop_gain(chain),
        steered_kw: plan.map_or(0.0, |plan| kw(plan.steered_wh)),
        planned_kw: plan.map_or_else(Vec::new, |plan| {
            plan.path_wh.iter().map(|wh| kw(*wh) as f32).collect()
        }),
        expected_demand_kwh: outlook.map_or(0.0, |o| o.demand.expected().wh as f64 / 1e3),
        expected_supply_kwh: outlook
            .map_or(0.0, |o| o.supply_wh().iter().sum::<i64>() as f64 / 1e3),
        forecast_share: (naive > 0).then(|| error as f64 / naive as f64),
    }
}

/// Time of the last decided block, ms; zero before the first.
pub(crate) fn tip_time_ms(chain: &LedgerChain) -> u64 {
    chain.tip_header().map_or(0, |header| header.time_ms)
}

/// First eight hex digits.
fn short(hash: &[u8; 32]) -> String {
    hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A block with its transactions, one line each.
pub(super) fn block(chain: &LedgerChain, height: u64) -> Option<BlockView> {
    let decided = chain.block(height)?;
    let block = &decided.block;
    let header = block.header();
    Some(BlockView {
        height,
        round: decided.certificate.round,
        hash: short(&block.id().0),
        parent: short(&header.parent.0),
        state_root: short(&header.state_root),
        time: SimTime(block.header().time_ms),
        proposer: chain.validators().position(&block.proposer()).unwrap_or(0),
        signatures: decided.certificate.signatures.len(),
        fullness: (block.transactions().len() as f32 / FULL_BLOCK).min(1.0),
        transactions: block.transactions().iter().map(|tx| line(tx)).collect(),
    })
}

fn line(tx: &Transaction) -> (String, String) {
    (tx.kind().to_owned(), tx.summary())
}
