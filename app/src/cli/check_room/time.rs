//! T4, T5, E2, E6, E7: time as something one can go through in both directions.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use gridloom_core::branch::first_difference;
use gridloom_core::query::Query;
use gridloom_core::{Command, Twin, TwinOptions};
use gridloom_units::Tick;

#[cfg(feature = "window")]
use super::at_least;
use super::{at_most, bar, ms, rewindable};
use crate::cli::output::Figure;
use crate::cli::scene;

/// T4, T5, E2, E6, E7 on the smallest scene.
pub fn time(small: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let mut twin = scene::twin(small, rewindable())?;
    twin.run_until(Tick(1_200));
    let mut again = scene::twin(small, TwinOptions::default())?;
    again.run_until(Tick(1_200));
    let pairs = twin.hashes().iter().zip(again.hashes());
    let differing = pairs.filter(|(a, b)| a != b).count() as f64;
    out.push(at_most(
        "T4",
        "ticks_that_differ_on_repeat",
        differing,
        "",
        0.0,
    ));
    let texts: Vec<String> = (0..20)
        .map(|i| {
            format!(
                "v(H1) < {} and dark > 0 or f > 51",
                0.5 + f64::from(i) * 0.01
            )
        })
        .collect();
    let mut watched = scene::twin(small, TwinOptions::default())?;
    let queries: Vec<Query> = texts
        .iter()
        .map(|text| Query::new(text, watched.scene()))
        .collect::<Result<_, String>>()
        .map_err(anyhow::Error::msg)?;
    let mut plain = scene::twin(small, TwinOptions::default())?;
    let share = slowdown(&mut plain, &mut watched, &queries) * 100.0;
    out.push(at_most(
        "E6",
        "slowdown_with_20_breakpoints",
        share,
        "%",
        5.0,
    ));
    exact(small, out)?;
    let begun = Instant::now();
    twin.seek(Tick(900));
    twin.send(Command::SetCloud(500));
    twin.step();
    out.push(at_most("T5", "fork", ms(begun), "ms", 200.0));
    let branch = twin.branches().all()[0].clone();
    let part = first_difference(twin.hashes(), &branch.hashes).map_or(-1.0, |t| t.0 as f64);
    out.push(bar(
        "T5",
        "fork_differs_at",
        part,
        "tick",
        "= 900",
        part == 900.0,
    ));
    let mut a: Vec<[u8; 32]> = (0..100_000_u64)
        .map(|i| *blake_like(i).first_chunk().unwrap_or(&[0; 32]))
        .collect();
    let b = a.clone();
    a[99_998][0] ^= 1;
    let begun = Instant::now();
    let found = first_difference(&a, &b).map_or(-1.0, |t| t.0 as f64);
    out.push(at_most(
        "E7",
        "first_difference_of_100000",
        ms(begun),
        "ms",
        1_000.0,
    ));
    out.push(bar(
        "E7",
        "found_at",
        found,
        "tick",
        "= 99998",
        found == 99_998.0,
    ));
    #[cfg(feature = "window")]
    {
        let (found, all) = crate::window::measure::reach::steps(&mut twin);
        let words = "kinds_of_steps_with_a_key_each_way";
        out.push(at_least("E2", words, found as f64, "", all as f64));
    }
    Ok(())
}

/// Distinct bytes per number; hashes of no run.
fn blake_like(i: u64) -> Vec<u8> {
    (0..4).flat_map(|k| (i ^ (k << 60)).to_le_bytes()).collect()
}

/// Share by which queries after every tick slow a run down: the median over
/// stretches that both runs go through in turn, so that other work of the
/// machine hits both.
fn slowdown(plain: &mut Twin, watched: &mut Twin, queries: &[Query]) -> f64 {
    const STRETCHES: usize = 45;
    const TICKS: usize = 40;
    let stretch = |twin: &mut Twin, queries: &[Query]| {
        let begun = Instant::now();
        for _ in 0..TICKS {
            twin.step();
            for query in queries {
                std::hint::black_box(twin.value(query));
            }
        }
        ms(begun)
    };
    let mut shares: Vec<f64> = (0..STRETCHES)
        .map(|_| {
            let without = stretch(plain, &[]);
            stretch(watched, queries) / without - 1.0
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    shares[STRETCHES / 2]
}

/// E6: a condition stops at the tick at which it begins to hold.
fn exact(small: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let mut twin = scene::twin(small, rewindable())?;
    let query = Query::new("height(A) >= 20", twin.scene()).map_err(anyhow::Error::msg)?;
    while !twin.value(&query).is_true() && twin.tick() < twin.end() {
        twin.step();
    }
    let stopped = twin.tick();
    twin.seek(Tick(stopped.0 - 1));
    let before = twin.value(&query).is_true();
    let off = if before { 1.0 } else { 0.0 };
    out.push(at_most("E6", "ticks_late", off, "", 0.0));
    Ok(())
}
