//! Gate 10: clearing results recorded from GridLAB-D's own auction tests.
//!
//! The project ships no copy of the vectors; they are read from the data folder
//! beside the repository where there is one, and the test says so where not.

use std::path::Path;

use gridloom_market::{Order, clear_auction};
use gridloom_units::AccountId;
use serde_json::Value;

/// Scale from the tool's price unit to integers.
const PRICE_SCALE: f64 = 1_000_000.0;
/// Scale from the tool's quantity unit to integers.
const QUANTITY_SCALE: f64 = 1_000.0;
/// The tool nudges a price past a marginal order by a cent.
const TOLERANCE: f64 = 0.011;

fn orders(side: &Value, offset: u8) -> Vec<Order> {
    let rows = side.as_array().expect("a list of orders");
    rows.iter()
        .enumerate()
        .map(|(n, row)| {
            let number = |i: usize| row[i].as_f64().expect("price and quantity are numbers");
            Order {
                account: AccountId([offset.wrapping_add(n as u8); 32]),
                price: (number(0) * PRICE_SCALE).round() as i64,
                energy_wh: (number(1) * QUANTITY_SCALE).round() as i64,
            }
        })
        .collect()
}

#[test]
fn every_golden_vector_clears_as_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/market/gridlabd_auction_vectors/vectors.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no auction vectors beside the repository");
        return;
    };
    let vectors: Vec<Value> = serde_json::from_str(&text).expect("valid JSON");
    let mut golden = 0;
    for vector in vectors
        .iter()
        .filter(|v| v["agrees_with_rule"] == Value::Bool(true))
    {
        golden += 1;
        let (bids, asks) = (orders(&vector["bids"], 0), orders(&vector["asks"], 100));
        let outcome = clear_auction(&bids, &asks).expect("within the limits");
        let clearing = outcome.clearing.expect("a golden vector trades");
        let quantity = clearing.quantity_wh as f64 / QUANTITY_SCALE;
        let expected = vector["quantity"].as_f64().expect("a number");
        assert!(
            (quantity - expected).abs() < 1e-6,
            "{}: {quantity}",
            vector["note"]
        );
        let price = vector["price"].as_f64().expect("a number");
        let (low, high) = (
            clearing.low as f64 / PRICE_SCALE,
            clearing.high as f64 / PRICE_SCALE,
        );
        assert!(
            (low - TOLERANCE..=high + TOLERANCE).contains(&price),
            "{}: {price} is not in [{low}, {high}]",
            vector["note"]
        );
        assert!((clearing.low..=clearing.high).contains(&clearing.price));
    }
    println!("{golden} golden vectors cleared");
    assert_eq!(golden, 59);
}
