//! `gridloom market --tiers`: slots cleared over cluster, neighbours and grid,
//! within voltage limits if there are any.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use gridloom_core::Twin;
use gridloom_core::market::between::{BetweenRow, Fees, between};
use gridloom_core::market::feeder;
use gridloom_core::market::voltage::{VoltageLimits, VoltageRow};

use super::market::{MarketArgs, ct, eur, kwh};
use super::output;

/// Prints the slots cleared over cluster, neighbours and grid.
pub fn tiers(twin: &mut Twin, args: &MarketArgs) -> Result<ExitCode> {
    let fee = |cents: f64| {
        if (0.0..=1_000.0).contains(&cents) {
            Ok((cents * 10_000.0).round() as i64)
        } else {
            Err(anyhow!("a fee is 0 to 1000 ct/kWh, not {cents}"))
        }
    };
    let fees = Fees {
        neighbour: fee(args.neighbour_fee)?,
        grid: fee(args.grid_fee)?,
    };
    let rows = between(twin, fees, voltage_limits(args)?).map_err(|error| anyhow!(error))?;
    if args.json {
        for row in &rows {
            output::line(&serde_json::to_string(row)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    output::line(
        "slot |  inside between  import  export kWh | fees EUR  rent EUR  gap EUR | boundary prices ct/kWh, per cluster",
    );
    for row in &rows {
        let boundary: Vec<String> = row
            .boundary
            .iter()
            .map(|price| format!("{:.2}", ct(*price)))
            .collect();
        output::line(&format!(
            "{:>4} | {:>7.2} {:>7.2} {:>7.2} {:>7.2}     | {:>8.4} {:>9.4} {:>8.4} | {}",
            row.slot,
            kwh(row.inside_wh),
            kwh(row.between_wh),
            kwh(row.import_wh),
            kwh(row.export_wh),
            eur(row.fees_nano_eur),
            eur(row.rent_nano_eur),
            eur(row.gap_nano_eur),
            boundary.join("  ")
        ));
    }
    voltages(&rows);
    let sum = |of: fn(&BetweenRow) -> i64| kwh(rows.iter().map(of).sum());
    output::line(&format!(
        "{} slots: {:.1} kWh inside clusters, {:.1} kWh between them, {:.1} kWh from and {:.1} kWh to the grid; \
         money off by {} nEUR",
        rows.len(),
        sum(|row| row.inside_wh),
        sum(|row| row.between_wh),
        sum(|row| row.import_wh),
        sum(|row| row.export_wh),
        rows.iter().map(|row| row.off_nano_eur.abs()).sum::<i128>()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Limits of the voltage: those of EN 50160 where only one is given.
fn voltage_limits(args: &MarketArgs) -> Result<Option<VoltageLimits>> {
    if args.v_min.is_none() && args.v_max.is_none() {
        return Ok(None);
    }
    let (min, max) = (args.v_min.unwrap_or(0.9), args.v_max.unwrap_or(1.1));
    if !(0.5..=1.0).contains(&min) || !(1.0..=1.5).contains(&max) {
        return Err(anyhow!(
            "--v-min is 0.5 to 1 and --v-max 1 to 1.5 pu, not {min} and {max}"
        ));
    }
    Ok(Some(VoltageLimits {
        min_upu: feeder::micro(min),
        max_upu: feeder::micro(max),
    }))
}

/// Prints voltages predicted against solved.
fn voltages(rows: &[BetweenRow]) {
    let all: Vec<(u32, &VoltageRow)> = rows
        .iter()
        .filter_map(|row| Some((row.slot, row.voltage.as_ref()?)))
        .collect();
    if all.is_empty() {
        return;
    }
    let pu = |upu: i64| upu as f64 / 1e6;
    let mpu = |upu: i64| upu as f64 / 1e3;
    output::line("");
    output::line(
        "slot | without limits pu | predicted pu     solved pu        error mpu  linear mpu | held back kWh | rounds | voltage component ct/kWh, per cluster",
    );
    for (slot, row) in &all {
        let component: Vec<String> = row
            .component
            .iter()
            .map(|price| format!("{:.2}", ct(*price)))
            .collect();
        output::line(&format!(
            "{slot:>4} | {:.4} to {:.4}  | {:.4} to {:.4} {:.4} to {:.4} {:>9.3} {:>11.3} | {:>6.2} {:>6.2} | {:>6} | {}{}",
            pu(row.free_upu.0),
            pu(row.free_upu.1),
            pu(row.predicted_upu.0),
            pu(row.predicted_upu.1),
            pu(row.solved_upu.0),
            pu(row.solved_upu.1),
            mpu(row.error_upu),
            mpu(row.linear_error_upu),
            kwh(row.curtailed_wh),
            kwh(row.shed_wh),
            row.rounds,
            component.join("  "),
            if row.holds { "" } else { "  beyond the limit" }
        ));
    }
    let bound_error = |row: &VoltageRow| if row.rounds > 0 { row.error_upu } else { 0 };
    let most = |of: fn(&VoltageRow) -> i64| all.iter().map(|(_, row)| of(row)).max().unwrap_or(0);
    let bound = all.iter().filter(|(_, row)| row.rounds > 0).count();
    let held = all.iter().filter(|(_, row)| row.holds).count();
    output::line(&format!(
        "voltage: {bound} of {} slots held back, limits kept by the power flow in {held}; largest error of a prediction \
         {:.3} mpu, of the sensitivities alone over the day {:.3} mpu; rent {:.4} EUR",
        all.len(),
        mpu(all
            .iter()
            .map(|(_, row)| bound_error(row))
            .max()
            .unwrap_or(0)),
        mpu(most(|row| row.linear_error_upu)),
        eur(all.iter().map(|(_, row)| row.rent_nano_eur).sum()),
    ));
}
