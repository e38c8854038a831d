//! Ledgers, blocks, prices and wallets for the view.

use bevy::prelude::*;
use gridloom_consensus::{Block, Chain, Tx};
use gridloom_ledger::{LedgerChain, Transaction};
use gridloom_units::SimTime;

use crate::clock::SimClock;
use crate::ledger::{LedgerGroup, Ledgers};
use crate::market::Books;
use crate::spawn::Organisation;
use crate::view::{BlockView, LedgerView, PriceView, ViewModel};

/// Newest blocks of a ledger that are shown.
const BLOCKS_SHOWN: u64 = 12;

/// Transactions per block that count as a full block in the drawing.
const FULL_BLOCK: f32 = 40.0;

/// Fills ledgers, prices and wallets.
pub(super) fn fill(world: &mut World, view: &mut ViewModel) {
    let now = world.resource::<SimClock>().time();
    let mut query = world.query::<&LedgerGroup>();
    let ledgers = world.resource::<Ledgers>();
    let organisation = world.resource::<Organisation>();
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
        });
        if group.index == ledgers.root() {
            continue;
        }
        view.prices.push(price(chain));
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

fn price(chain: &LedgerChain) -> PriceView {
    chain
        .latest_price()
        .map_or_else(PriceView::default, |price| PriceView {
            typed: price.typed.map(Some),
            scalar: price.scalar,
            slot: price.slot,
        })
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
