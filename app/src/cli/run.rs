//! `gridloom run`: a scene without a window.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use gridloom_core::expect::{Expectations, Outcome};
use gridloom_core::report::Summary;
use gridloom_core::{Twin, TwinOptions};
use gridloom_model::scene::Preset;
use gridloom_units::{SimTime, Tick};
use indicatif::{ProgressBar, ProgressStyle};

use super::archive::Recorder;
use super::run_agents::{AgentArgs, Outside, words};
use super::{output, records, scene};
use crate::remote::RemoteHost;

/// Arguments of `run`.
#[derive(Args)]
pub struct RunArgs {
    /// Scene file.
    #[arg(value_name = "SCENE")]
    scene: PathBuf,
    /// Stop at this simulated time (24h, 90m, 12:00); default: end of the scene.
    #[arg(long, value_parser = SimTime::parse)]
    until: Option<SimTime>,
    /// Seed instead of the scene's.
    #[arg(long)]
    seed: Option<u64>,
    /// Write summary.json, expectations.json and events.csv into this folder.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Write the sequence of events (1 ms stamps, causes) as a table.
    #[arg(long, value_name = "FILE")]
    soe: Option<PathBuf>,
    /// Write the fault records as COMTRADE (IEEE C37.111-2013) into this folder.
    #[arg(long, value_name = "DIR")]
    comtrade: Option<PathBuf>,
    /// Write the state hash after every tick, one a line.
    #[arg(long, value_name = "FILE")]
    hashes: Option<PathBuf>,
    /// Write what the ledgers decide into a database as the run goes on: a SQLite file,
    /// or postgres://user@host/name.
    #[arg(long, value_name = "DATABASE")]
    db: Option<String>,
    /// Say on standard error after each slot that its facts are in the database.
    #[arg(long, requires = "db", hide = true)]
    db_progress: bool,
    /// Make every ledger of the scene like this one: gridloom, fabric, authority, neo,
    /// algorand, ethereum, ethereum-stake or quarkchain.
    #[arg(long, value_name = "PRESET", value_parser = scene::preset)]
    ledger: Option<Preset>,
    /// Threads of the task pool (the result never depends on it).
    #[arg(long)]
    threads: Option<usize>,
    /// Let the scene's autopilot act (what a good operator does).
    #[arg(long)]
    autopilot: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Listen here for processes that run validators of the scene (`gridloom node join`).
    #[arg(long, value_name = "HOST:PORT")]
    validators: Option<String>,
    /// Begin when so many validators have joined.
    #[arg(long, requires = "validators", default_value_t = 0)]
    await_validators: usize,
    #[command(flatten)]
    agents: AgentArgs,
}

/// What goes along with a run.
struct Beside {
    recorder: Option<Recorder>,
    outside: Outside,
    remote: Option<RemoteHost>,
}

impl Beside {
    /// One tick, with what comes from outside before it and goes out after it.
    fn step(&mut self, twin: &mut Twin, db_progress: bool) -> Result<()> {
        self.outside.before_tick(twin);
        twin.step();
        self.outside.after_tick(twin);
        if let Some(remote) = &mut self.remote {
            remote.after_tick(twin);
        }
        if let Some(recorder) = &mut self.recorder
            && recorder.observe(twin)?
            && db_progress
        {
            output::error(&format!("committed {}", recorder.slots));
        }
        Ok(())
    }

    /// Ends what goes along; the recorder has everything then.
    fn finish(self, twin: &mut Twin) -> Result<Option<Recorder>> {
        let mut recorder = self.recorder;
        if let Some(recorder) = &mut recorder {
            recorder.flush(twin)?;
        }
        if let Some(mut remote) = self.remote {
            remote.finish("the run is over");
            for what in &remote.notes {
                output::note(what);
            }
        }
        if let Some(counts) = self.outside.finish(twin)? {
            output::note(&words(&counts));
        }
        Ok(recorder)
    }
}

/// The twin of the scene, on the ledgers that were asked for.
fn prepared(args: &RunArgs) -> Result<Twin> {
    let options = TwinOptions {
        seed: args.seed,
        threads: args.threads,
        autopilot: args.autopilot,
        ..TwinOptions::default()
    };
    let mut loaded = scene::load(&args.scene)?;
    if let Some(preset) = args.ledger {
        scene::make_like(&mut loaded, preset)?;
    }
    for misfit in loaded.scene.misfits() {
        output::note(&misfit);
    }
    Ok(Twin::new(loaded, options)?)
}

/// Listens for validators of the run, and waits for those it needs.
fn remote_host(args: &RunArgs, twin: &mut Twin) -> Result<Option<RemoteHost>> {
    let Some(address) = &args.validators else {
        return Ok(None);
    };
    let mut remote = RemoteHost::listen(address, twin)?;
    if args.await_validators > 0 {
        output::note(&format!(
            "waiting for {} validators: `gridloom node join {address} --scene {} --ledger ID --node N`",
            args.await_validators,
            args.scene.display()
        ));
    }
    remote.wait_for(args.await_validators, twin);
    Ok(Some(remote))
}

/// Runs the scene; exit code 1 when an expectation is not met.
pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let mut twin = prepared(args)?;
    let end = args.until.map_or(twin.end(), |until| {
        Tick(until.as_millis() / twin.tick_ms()).min(twin.end())
    });
    let end_time = end.start(twin.tick_ms());
    let mut expectations =
        Expectations::new(&twin.scene().scene.expect, end_time).map_err(|e| anyhow!(e))?;
    let mut beside = Beside {
        recorder: match &args.db {
            Some(url) => Some(Recorder::open(url, &mut twin)?),
            None => None,
        },
        outside: Outside::start(&args.agents, &mut twin)?,
        remote: remote_host(args, &mut twin)?,
    };
    let bar = progress(end.0, args.json || args.db_progress);
    let started = Instant::now();
    while twin.tick() < end {
        beside.step(&mut twin, args.db_progress)?;
        expectations.observe(&mut twin);
        if twin.tick().0.is_multiple_of(600) {
            bar.set_position(twin.tick().0);
            bar.set_message(twin.time().to_string()[..5].to_owned());
        }
    }
    bar.finish_and_clear();
    let recorder = beside.finish(&mut twin)?;
    let wall_s = started.elapsed().as_secs_f64();
    let outcomes = expectations.finish(&mut twin);
    let summary = Summary::of(&mut twin);
    if args.json {
        output::line(&serde_json::to_string(&summary)?);
    } else {
        print_summary(&summary, wall_s);
        print_outcomes(&outcomes);
        if let (Some(recorder), Some(url)) = (&recorder, &args.db) {
            output::line("");
            output::line(&format!(
                "database: {} rows of run {} in {url}",
                recorder.rows(),
                recorder.run_id()
            ));
        }
    }
    if let Some(file) = &args.hashes {
        write_hashes(file, twin.hashes())?;
    }
    if let Some(file) = &args.soe {
        records::write_soe(file, &twin)?;
    }
    if let Some(folder) = &args.comtrade {
        let count = records::write_comtrade(folder, &twin)?;
        if !args.json {
            output::line(&format!("{count} fault records in {}", folder.display()));
        }
    }
    if let Some(folder) = &args.report {
        write_report(folder, &summary, &outcomes, &mut twin)?;
    }
    let met = !outcomes.iter().any(Outcome::missed);
    Ok(if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn progress(ticks: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(ticks);
    if let Ok(style) =
        ProgressStyle::with_template("{msg} [{wide_bar}] {percent:>3} %  {elapsed} left {eta}")
    {
        bar.set_style(style);
    }
    bar
}

fn print_summary(s: &Summary, wall_s: f64) {
    let line = output::line;
    line(&format!(
        "{}: {:.2} h simulated in {wall_s:.1} s wall ({:.0} x real time, {} ticks)",
        s.title,
        s.hours,
        s.hours * 3_600.0 / wall_s.max(1e-9),
        s.ticks
    ));
    line("");
    line("energy              kWh");
    for (name, value) in [
        ("solar", s.solar_kwh),
        ("import", s.import_kwh),
        ("export", -s.export_kwh),
        ("demand", -s.demand_kwh),
        ("losses", -s.losses_kwh),
        ("into storage", -s.stored_kwh),
    ] {
        line(&format!("  {name:<14} {value:>10.3}"));
    }
    line(&format!(
        "  {:<14} {:>10.3}  Wh",
        "closes to", s.energy_error_wh
    ));
    line(&format!(
        "  curtailed {:.3}, unserved {:.3}",
        s.wasted_kwh, s.unserved_kwh
    ));
    line(&format!(
        "voltage             {:.4} to {:.4} pu, {} power flows without solution",
        s.v_min_pu, s.v_max_pu, s.flow_failures
    ));
    line(&format!(
        "meters and losses against feeder head: {:.5} % off",
        s.meter_residual_pct
    ));
    print_books(s);
}

/// Ledgers, market, messages, alarms.
fn print_books(s: &Summary) {
    let line = output::line;
    line("");
    line("ledger        height  validators  transactions   messages  fork");
    for ledger in &s.ledgers {
        line(&format!(
            "  {:<10} {:>7}  {:>10}  {:>12}  {:>9}  {}",
            ledger.id,
            ledger.height,
            ledger.validators,
            ledger.transactions,
            ledger.messages,
            if ledger.forked { "YES" } else { "no" }
        ));
    }
    print_ledgers(s);
    line("");
    line(&format!(
        "market: {} slots settled; traded {:.3} kWh, bought {:.3}, sold {:.3}, of that between clusters {:.3}",
        s.slots_settled, s.traded_kwh, s.bought_kwh, s.sold_kwh, s.between_kwh
    ));
    if s.lots_left_over != (0, 0) {
        line(&format!(
            "between clusters: {} lots found no room in their slot, {} slots could not be cleared",
            s.lots_left_over.0, s.lots_left_over.1
        ));
    }
    line(&format!(
        "books: money off by {} nano-EUR, energy off by {} Wh",
        s.money_off_nano_eur, s.energy_off_wh
    ));
    if let (Some((low, high)), Some(r)) = (s.solar_price_range, s.solar_price_correlation) {
        line(&format!(
            "solar price: {:.2} to {:.2} ct/kWh, rank correlation with solar supply {r:.3}",
            low as f64 / 10_000.0,
            high as f64 / 10_000.0
        ));
    }
    let (sent, repeated, lost) = s.messages;
    line(&format!(
        "data plane: {sent} messages, {repeated} repeated, {lost} given up"
    ));
    line(&format!("alarms raised: {}", s.alarms));
}

/// How far the ledgers are behind the meters, and what that costs.
fn print_ledgers(s: &Summary) {
    let line = output::line;
    line(
        "behind meters   Table 1                  mean s  longest s   late  orphans  reorg   MB/node  outside",
    );
    for ledger in &s.ledgers {
        let mean = ledger.lag_mean_s;
        line(&format!(
            "  {:<12}  {:<22}  {:>7}  {:>9}  {:>5}  {:>7}  {:>5}  {:>8.3}  {:>7.3}",
            ledger.id,
            ledger.codes,
            mean.map_or("-".to_owned(), |mean| format!("{mean:.2}")),
            mean.map_or("-".to_owned(), |_| format!("{:.2}", ledger.lag_worst_s)),
            ledger.late,
            ledger.orphans,
            ledger.deepest_reorganisation,
            ledger.chain_bytes as f64 / 1e6,
            ledger.outside_bytes as f64 / 1e6,
        ));
    }
    for ledger in s.ledgers.iter().filter(|ledger| ledger.differing > 0) {
        line(&format!(
            "  {}: {} transactions were not ordered because simulated results differed",
            ledger.id, ledger.differing
        ));
    }
    for ledger in s.ledgers.iter().filter(|ledger| ledger.not_taken > 0) {
        line(&format!(
            "  {}: {} transactions were not taken: no room, or too few nodes to simulate them",
            ledger.id, ledger.not_taken
        ));
    }
}

pub(super) fn print_outcomes(outcomes: &[Outcome]) {
    if outcomes.is_empty() {
        return;
    }
    output::line("");
    output::line("expectations");
    for outcome in outcomes {
        let mark = match (outcome.reached, outcome.met) {
            (false, _) => "-   ",
            (true, true) => "met ",
            (true, false) => "NOT ",
        };
        output::line(&format!("  {mark} {}: {}", outcome.what, outcome.seen));
    }
}

fn write_hashes(file: &Path, hashes: &[[u8; 32]]) -> Result<()> {
    let out = fs::File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut out = std::io::BufWriter::new(out);
    for (tick, hash) in hashes.iter().enumerate() {
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(out, "{tick} {hex}")?;
    }
    out.flush()
        .with_context(|| format!("cannot write {}", file.display()))
}

fn write_report(
    folder: &Path,
    summary: &Summary,
    outcomes: &[Outcome],
    twin: &mut gridloom_core::Twin,
) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let write = |name: &str, text: String| {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    write("summary.json", serde_json::to_string_pretty(summary)?)?;
    let outcomes: Vec<_> = outcomes
        .iter()
        .map(|o| serde_json::json!({ "what": o.what, "seen": o.seen, "met": o.met, "reached": o.reached }))
        .collect();
    write(
        "expectations.json",
        serde_json::to_string_pretty(&outcomes)?,
    )?;
    let mut csv = String::from("time,tick,event\n");
    for event in twin.view(None).events.iter() {
        csv.push_str(&format!(
            "{},{},\"{}\"\n",
            event.time,
            event.tick,
            event.text.replace('"', "\"\"")
        ));
    }
    write("events.csv", csv)
}
