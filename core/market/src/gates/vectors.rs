//! Gate 10: double auctions with recorded clearings.

use gridloom_units::AccountId;

use super::{Count, unless};
use crate::{MarketError, Order, clear_auction};

/// Kept vectors; source and licence in the file and in `LICENCES.md` beside it.
const KEPT: &str = include_str!("../../data/auction_vectors.csv");
/// Scale from the tool's price unit to integers.
const PRICE_SCALE: f64 = 1_000_000.0;
/// Scale from the tool's quantity unit to integers.
const QUANTITY_SCALE: f64 = 1_000.0;
/// The tool nudges a price past a marginal order by a cent.
const TOLERANCE: f64 = 0.011;

/// Counts of the vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VectorGates {
    /// Quantity and price agree.
    pub clearing: Count,
    /// Most orders on one side of a vector.
    pub largest: usize,
}

/// Clears every kept vector.
///
/// # Errors
/// Fails when an auction is refused.
pub fn auction_vectors() -> Result<VectorGates, MarketError> {
    let mut gates = VectorGates::default();
    for line in KEPT.lines().filter(|line| !line.starts_with('#')) {
        let mut cells = line.split(';');
        let name = cells.next().unwrap_or_default();
        let mut number = || cells.next().and_then(|cell| cell.parse::<f64>().ok());
        let (price, quantity) = (number(), number());
        let (bids, asks) = (side(cells.next(), 0), side(cells.next(), 1));
        gates.largest = gates.largest.max(bids.len()).max(asks.len());
        let found = clear_auction(&bids, &asks)?.clearing;
        let agrees = found
            .zip(price.zip(quantity))
            .is_some_and(|(found, (price, quantity))| {
                let low = found.low as f64 / PRICE_SCALE - TOLERANCE;
                let high = found.high as f64 / PRICE_SCALE + TOLERANCE;
                (found.quantity_wh as f64 / QUANTITY_SCALE - quantity).abs() < 1e-6
                    && (low..=high).contains(&price)
                    && (found.low..=found.high).contains(&found.price)
            });
        gates
            .clearing
            .note(unless(agrees, || format!("{name}: {found:?}")));
    }
    Ok(gates)
}

fn side(cell: Option<&str>, side: u8) -> Vec<Order> {
    cell.unwrap_or_default()
        .split_whitespace()
        .enumerate()
        .filter_map(|(n, order)| {
            let (price, quantity) = order.split_once(':')?;
            let mut account = AccountId([side; 32]);
            account.0[..8].copy_from_slice(&(n as u64).to_be_bytes());
            Some(Order {
                account,
                price: (price.parse::<f64>().ok()? * PRICE_SCALE).round() as i64,
                energy_wh: (quantity.parse::<f64>().ok()? * QUANTITY_SCALE).round() as i64,
            })
        })
        .collect()
}
