//! A street of any size, for measuring: feeders of fifty homes, four feeders
//! to a cluster. Elements are those of `scenes/two_houses.scene.ron`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Homes of a feeder.
const FEEDER: usize = 50;

/// Homes at one pole.
const POLE: usize = 5;

/// Feeders of a cluster.
const CLUSTER: usize = 4;

/// Most meters a generated street has.
const MOST: usize = 20_000;

/// Writes a scene with this many meters into a folder; `source` is the folder
/// of the shipped scenes. Returns its file.
///
/// # Errors
/// When the size is impossible or a file cannot be written.
pub fn street(meters: usize, source: &Path, folder: &Path) -> Result<PathBuf> {
    if !(FEEDER..=MOST).contains(&meters) {
        bail!("a street has {FEEDER} to {MOST} meters, not {meters}");
    }
    fs::create_dir_all(folder)?;
    let profile = source.join("profiles/two_houses.profile.ron");
    let text = fs::read_to_string(&profile).with_context(|| profile.display().to_string())?;
    fs::write(folder.join("street.profile.ron"), text)?;
    let feeders = meters.div_ceil(FEEDER);
    fs::write(folder.join("street.grid.ron"), grid(feeders)?)?;
    let path = folder.join("street.scene.ron");
    fs::write(&path, scene(feeders)?)?;
    Ok(path)
}

/// Place of a pole, m: feeders side by side in rows of ten.
fn place(feeder: usize, pole: usize) -> (f64, f64) {
    let (column, row) = (feeder % 10, feeder / 10);
    (
        column as f64 * 60.0 + pole as f64 * 0.6,
        row as f64 * 330.0 + 20.0 + pole as f64 * 28.0,
    )
}

fn grid(feeders: usize) -> Result<String> {
    let poles = FEEDER / POLE;
    let mut buses = String::new();
    let mut lines = String::new();
    let mut loads = String::new();
    for f in 0..feeders {
        let mut before = "station".to_owned();
        for p in 0..poles {
            let name = format!("p{f}_{p}");
            let (x, y) = place(f, p);
            writeln!(
                buses,
                "(id: \"{name}\", kv_ln: 0.24, xy: ({x:.2}, {y:.2})),"
            )?;
            writeln!(
                lines,
                "(id: \"m{f}_{p}\", from: \"{before}.1.2.3\", to: \"{name}.1.2.3\", code: \"main\", km: 0.01),"
            )?;
            for h in 0..POLE {
                let home = f * FEEDER + p * POLE + h;
                let side = if h % 2 == 0 { -1.0 } else { 1.0 };
                let (hx, hy) = (x + side * (9.0 + h as f64 * 2.0), y + h as f64 * 4.5);
                writeln!(
                    buses,
                    "(id: \"h{home}\", kv_ln: 0.24, xy: ({hx:.2}, {hy:.2})),"
                )?;
                writeln!(
                    lines,
                    "(id: \"s{home}\", from: \"{name}.1.2.3\", to: \"h{home}.1.2.3\", code: \"service\", km: 0.008),"
                )?;
                let phase = home % 3 + 1;
                writeln!(
                    loads,
                    "(id: \"L{home}\", at: \"h{home}.{phase}.0\", phases: 1, kv: 0.23, kw: 1.0, kvar: 0.2, band: (min_pu: 0.0, max_pu: 2.0, low_pu: 0.0)),"
                )?;
            }
            before = name;
        }
    }
    let kva = feeders * FEEDER * 8;
    Ok(format!(
        "(format: 1, name: \"Street\", base_frequency_hz: 50.0,
buses: [(id: \"grid\", kv_ln: 6.35, xy: (-40.0, 0.0)), (id: \"station\", kv_ln: 0.24, xy: (-10.0, 0.0)),
{buses}],
sources: [(id: \"upstream\", at: \"grid.1.2.3\", kv: 11.0, v_pu: 1.0, impedance: ShortCircuit(mva3: 5000.0, mva1: 2500.0, x1r1: 4.0, x0r0: 3.0))],
line_codes: [
(id: \"main\", conductors: 3, norm_amps: 400.0, per_km: Sequence(r1: 0.06, x1: 0.07, r0: 0.2, x0: 0.08)),
(id: \"service\", conductors: 3, norm_amps: 80.0, per_km: Sequence(r1: 1.15, x1: 0.088, r0: 1.2, x0: 0.088))],
lines: [
{lines}],
transformers: [(id: \"TR1\", phases: 3, windings: [
(at: \"grid.1.2.3\", connection: Delta, kv: 11.0, kva: {kva}.0, r_percent: 0.2),
(at: \"station.1.2.3.0\", connection: Wye, kv: 0.416, kva: {kva}.0, r_percent: 0.2)], x_percent: [4.0])],
loads: [
{loads}],
)"
    ))
}

fn scene(feeders: usize) -> Result<String> {
    let mut homes = String::new();
    for home in 0..feeders * FEEDER {
        let (profile, kit) = match home % 4 {
            0 => ("house_1", "pv: (kw_peak: 4.0, inverter_kva: 4.0),"),
            1 => (
                "house_2",
                "heater: (kw: 2.0, store_kwh: 6.0, loss_kw: 0.06, level: 0.5, draws: [(\"00:20\", 1.0)]),",
            ),
            2 => (
                "house_1",
                "pv: (kw_peak: 5.0, inverter_kva: 5.0), battery: (capacity_kwh: 8.0, max_kw: 3.0, charge_efficiency: 0.95, discharge_efficiency: 0.95, soc: 0.5),",
            ),
            _ => ("house_2", ""),
        };
        writeln!(
            homes,
            "(id: \"H{home}\", load: \"L{home}\", profile: \"{profile}\", {kit} preferences: \"any\", deposit_eur: 20),"
        )?;
    }
    let mut mlmds = String::new();
    let mut clusters = String::new();
    for f in 0..feeders {
        writeln!(mlmds, "(id: \"M{f}\", line: \"m{f}_0\", limit_a: 600),")?;
    }
    for c in 0..feeders.div_ceil(CLUSTER) {
        let own: Vec<String> = (c * CLUSTER..((c + 1) * CLUSTER).min(feeders))
            .map(|f| format!("\"M{f}\""))
            .collect();
        writeln!(
            clusters,
            "(id: \"C{c}\", aggregator: \"LG-{c}\", mlmds: [{}], ledger: (validators: 4, block_interval_ms: 5000, latency_ms: (20, 80), loss_permille: 1)),",
            own.join(", ")
        )?;
    }
    Ok(format!(
        "(format: 1, title: \"Street\", seed: 11, date: \"2026-06-18\", tick_ms: 1000, duration_h: 2.0,
grid: Ron(\"street.grid.ron\"), profiles: [\"street.profile.ron\"], solar_series: \"sun\",
homes: [
{homes}],
mlmds: [
{mlmds}],
clusters: [
{clusters}],
root: (validators: 4, block_interval_ms: 10000, latency_ms: (20, 80), loss_permille: 1),
links: (meter: (latency_ms: (20, 200), loss_permille: 5), mlmd: (latency_ms: (10, 100), loss_permille: 2), cloud: (latency_ms: (20, 60), loss_permille: 1)),
market: (slot_min: 5, reading_s: 60, feed_in: 80000, import: 300000, max_step: 20000),
contract: (version: 1, price: (rule: Typed, exponent: One)),
preferences: {{\"any\": (weights: (solar: 1, battery: 1, grid_mix: 1))}},
)"
    ))
}
