//! `gridloom device`: physical devices from the command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use gridloom_hardware::replay::replay;
use gridloom_hardware::{
    Bus, Endpoint, EndpointConfig, Line, Parity, Profile, Recorder, UnitConfig, probe, scan, tools,
};
use gridloom_units::DeviceId;

use super::{device_scene, output};

/// Arguments of `device`.
#[derive(Args)]
pub struct DeviceArgs {
    #[command(subcommand)]
    action: Action,
}

/// Where a device is.
#[derive(Args)]
struct At {
    /// host:port (Modbus/TCP), rtu:host:port (RTU frames over TCP), http:host:port,
    /// mqtt:host:port, or the path of a serial line.
    address: String,
    /// Modbus unit (default: the profile's).
    #[arg(long)]
    unit: Option<u8>,
    /// Bits per second of a serial line (default: the profile's).
    #[arg(long)]
    baud: Option<u32>,
    /// Parity of a serial line (default: the profile's).
    #[arg(long)]
    parity: Option<ParityArg>,
    /// The line hears its own sender (two-wire RS-485).
    #[arg(long)]
    echo: bool,
    /// Longest wait for an answer, ms.
    #[arg(long, default_value_t = 2_000)]
    timeout_ms: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ParityArg {
    None,
    Even,
    Odd,
}

impl At {
    fn endpoint(&self, line: Line) -> Result<EndpointConfig> {
        let mut at = EndpointConfig::new(Endpoint::parse(&self.address)?);
        at.line = line;
        if let Some(baud) = self.baud {
            at.line.baud = baud;
        }
        if let Some(parity) = self.parity {
            at.line.parity = match parity {
                ParityArg::None => Parity::None,
                ParityArg::Even => Parity::Even,
                ParityArg::Odd => Parity::Odd,
            };
        }
        at.line.echo |= self.echo;
        Ok(at)
    }

    fn limit(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

#[derive(Subcommand)]
enum Action {
    /// List the shipped profiles and the serial lines of this machine.
    List,
    /// Check device profiles and report every problem.
    Check {
        /// Profile files.
        #[arg(value_name = "PROFILE", required = true)]
        profiles: Vec<PathBuf>,
    },
    /// Ask which Modbus units answer.
    Probe {
        #[command(flatten)]
        at: At,
        /// First and last unit.
        #[arg(long, value_name = "FIRST-LAST", default_value = "1-10")]
        units: String,
    },
    /// Find the SunSpec models of a device and print every value.
    Scan {
        #[command(flatten)]
        at: At,
    },
    /// Read every point of a device once.
    Read {
        /// Profile file.
        #[arg(value_name = "PROFILE")]
        profile: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// Serve a profile's registers, for trying a binding without hardware.
    Serve {
        /// Profile file.
        #[arg(value_name = "PROFILE")]
        profile: PathBuf,
        /// host:port, rtu:host:port, the path of a serial line, or `pty`; repeatable (loopback
        /// unless you say otherwise).
        #[arg(long, default_value = "127.0.0.1:5502")]
        bind: Vec<String>,
        /// Modbus unit id.
        #[arg(long, default_value_t = 1)]
        unit: u8,
        /// Values as POINT=NUMBER; repeatable.
        #[arg(long = "set", value_name = "POINT=NUMBER")]
        values: Vec<String>,
        /// Stop after this many seconds (default: run until interrupted).
        #[arg(long)]
        seconds: Option<u64>,
    },
    /// Serve the homes, batteries and breakers of a running scene as SunSpec devices.
    Twin(super::device_twin::TwinArgs),
    /// Record everything that goes over a device's line.
    Record {
        /// Profile file.
        #[arg(value_name = "PROFILE")]
        profile: PathBuf,
        #[command(flatten)]
        at: At,
        /// Recording to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// How long, s.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Time between two polls, ms.
        #[arg(long, default_value_t = 1_000)]
        poll_ms: u64,
    },
    /// Play a recording again through the same codecs, opening no port.
    Replay {
        /// Recording.
        #[arg(value_name = "FILE")]
        recording: PathBuf,
        /// Write the power as a load profile that a scene can use.
        #[arg(long, value_name = "PROFILE")]
        load_profile: Option<PathBuf>,
        /// Write a scene that plays the power (NAME.scene.ron, its grid and profile beside it).
        #[arg(long, value_name = "SCENE")]
        scene: Option<PathBuf>,
    },
}

/// Runs the action.
pub fn run(args: &DeviceArgs) -> Result<ExitCode> {
    match &args.action {
        Action::List => list(),
        Action::Check { profiles } => check(profiles),
        Action::Probe { at, units } => probe_units(at, units),
        Action::Scan { at } => scan_models(at),
        Action::Read { profile, at } => read(profile, at),
        Action::Twin(args) => super::device_twin::run(args),
        Action::Replay {
            recording,
            load_profile,
            scene,
        } => play(recording, load_profile.as_deref(), scene.as_deref()),
        Action::Record {
            profile,
            at,
            output,
            seconds,
            poll_ms,
        } => record(profile, at, output, *seconds, *poll_ms),
        Action::Serve {
            profile,
            bind,
            unit,
            values,
            seconds,
        } => serve(profile, bind, *unit, values, *seconds),
    }
}

fn success(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn list() -> Result<ExitCode> {
    let folder = crate::devices::profile_folder();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| format!("no profiles in {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".profile.ron"))
        .collect();
    files.sort();
    for file in files {
        match Profile::load(&file) {
            Ok(profile) => output::line(&format!(
                "{:<32} {:<9} {:>3} points  {}",
                profile.name(),
                format!("{:?}", profile.protocol),
                profile.points.len() + profile.keys.len(),
                file.display()
            )),
            Err(error) => output::line(&error.to_string()),
        }
    }
    let lines = tools::serial_lines();
    output::line(&format!("{} serial lines on this machine", lines.len()));
    for line in lines {
        output::line(&format!("  {line}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn check(profiles: &[PathBuf]) -> Result<ExitCode> {
    let mut good = true;
    for path in profiles {
        match Profile::load(path) {
            Ok(profile) => output::line(&format!(
                "{}: {}, {} points, ok",
                path.display(),
                profile.name(),
                profile.points.len() + profile.keys.len()
            )),
            Err(error) => {
                good = false;
                output::line(&format!("{}: {error}", path.display()));
            }
        }
    }
    Ok(success(good))
}

fn probe_units(at: &At, units: &str) -> Result<ExitCode> {
    let range = units
        .split_once('-')
        .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)))
        .filter(|(first, last): &(u8, u8)| first <= last)
        .ok_or_else(|| anyhow!("`{units}` is no range of units: write 1-10"))?;
    let endpoint = at.endpoint(Line::default())?;
    let present = probe(&endpoint, range.0..=range.1, at.limit())?;
    for unit in &present {
        let map = if unit.sunspec { ", SunSpec map" } else { "" };
        output::line(&format!("unit {}: {}{map}", unit.unit, unit.answer));
    }
    output::line(&format!("{} of units {units} answered", present.len()));
    Ok(success(!present.is_empty()))
}

fn scan_models(at: &At) -> Result<ExitCode> {
    let endpoint = at.endpoint(Line::default())?;
    let unit = at.unit.unwrap_or(1);
    let found = scan(&endpoint, unit, at.limit())?;
    let who = found.identity();
    output::line(&format!(
        "{} {} {} serial {}, map at {}",
        who.manufacturer, who.model, who.version, who.serial, found.base
    ));
    let profile = gridloom_hardware::sunspec::full_profile(&found);
    for model in &found.models {
        output::line(&format!(
            "model {} at {}, {} registers",
            model.id,
            model.addr,
            model.words.len()
        ));
    }
    let (readings, _) = tools::read_once(
        profile,
        endpoint,
        unit,
        at.limit().max(Duration::from_secs(5)),
    )?;
    let now = Instant::now();
    for reading in readings.iter().filter(|reading| reading.quality.is_good()) {
        output::line(&tools::describe(reading, now));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(profile: &std::path::Path, at: &At) -> Result<ExitCode> {
    let profile = Profile::load(profile)?;
    let unit = at.unit.unwrap_or(profile.unit);
    let endpoint = at.endpoint(profile.line)?;
    let (readings, status) = tools::read_once(profile, endpoint, unit, at.limit())?;
    let now = Instant::now();
    for reading in &readings {
        output::line(&tools::describe(reading, now));
    }
    output::line(&format!(
        "{} polls, {} errors",
        status.polls,
        status.errors.total()
    ));
    Ok(success(
        readings.iter().all(|reading| reading.quality.is_good()),
    ))
}

fn serve(
    profile: &std::path::Path,
    bind: &[String],
    unit: u8,
    values: &[String],
    seconds: Option<u64>,
) -> Result<ExitCode> {
    let profile = Profile::load(profile)?;
    let places = bind
        .iter()
        .map(|text| tools::listen(text, profile.line))
        .collect::<Result<Vec<_>, _>>()?;
    let emulator = tools::serve(profile, places, unit)?;
    let values = values
        .iter()
        .map(|text| value(text))
        .collect::<Result<Vec<_>>>()?;
    let set: Vec<(&str, f64)> = values.iter().map(|(id, v)| (id.as_str(), *v)).collect();
    emulator.set(&set)?;
    for addr in emulator.server().addrs() {
        output::line(&format!("serving unit {unit} on {addr}"));
    }
    for path in emulator.server().ptys() {
        output::line(&format!("serving unit {unit} on {path}"));
    }
    wait(seconds);
    emulator.stop();
    Ok(ExitCode::SUCCESS)
}

/// Waits so many seconds, or for ever.
pub(super) fn wait(seconds: Option<u64>) {
    let until = seconds.map(|s| Instant::now() + Duration::from_secs(s));
    while until.is_none_or(|until| Instant::now() < until) {
        thread::sleep(Duration::from_millis(100));
    }
}

fn value(text: &str) -> Result<(String, f64)> {
    let wrong = || anyhow!("`{text}` is no value: write POINT=NUMBER");
    let (id, number) = text.split_once('=').ok_or_else(wrong)?;
    Ok((id.to_owned(), number.parse().map_err(|_| wrong())?))
}

fn record(
    profile: &std::path::Path,
    at: &At,
    output: &std::path::Path,
    seconds: u64,
    poll_ms: u64,
) -> Result<ExitCode> {
    let profile = Profile::load(profile)?;
    let endpoint = at.endpoint(profile.line)?;
    let recorder =
        Recorder::create(output).with_context(|| format!("cannot write {}", output.display()))?;
    let bus = Bus::start(4_096, Some(recorder.clone()))?;
    let mut unit = UnitConfig::new(DeviceId(1), profile);
    unit.unit = at.unit.unwrap_or(unit.unit);
    unit.poll_interval = Duration::from_millis(poll_ms);
    bus.bind(&endpoint, unit)?;
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut good = 0_u64;
    while Instant::now() < until {
        if let Some(reading) = bus.next_within(Duration::from_millis(100)) {
            good += u64::from(reading.quality.is_good());
        }
    }
    bus.stop();
    let summary = recorder
        .finish()
        .with_context(|| format!("cannot write {}", output.display()))?;
    output::line(&format!(
        "{}: {} readings, {good} good, {} bytes, hash {}",
        output.display(),
        summary.readings,
        summary.bytes,
        summary.hash
    ));
    Ok(success(good > 0))
}

fn play(
    recording: &std::path::Path,
    load_profile: Option<&std::path::Path>,
    scene: Option<&std::path::Path>,
) -> Result<ExitCode> {
    let file = std::fs::File::open(recording)
        .with_context(|| format!("cannot read {}", recording.display()))?;
    let played = replay(file).with_context(|| recording.display().to_string())?;
    output::line(&format!(
        "{}: {} readings recorded, {} equal bit by bit, {} faults of the line",
        recording.display(),
        played.recorded,
        played.equal,
        played.faults
    ));
    if let Some(difference) = &played.difference {
        output::line(&format!("first difference: {difference}"));
    }
    match &played.recorded_hash {
        Some(hash) if *hash == played.hash => output::line(&format!("hash {hash}, the same")),
        Some(hash) => output::line(&format!("hash {} instead of {hash}", played.hash)),
        None => output::line("the recording was cut off: it has no hash"),
    }
    if let Some(path) = load_profile {
        device_scene::write_profile(&played, path)?;
    }
    if let Some(path) = scene {
        device_scene::write_scene(&played, path)?;
    }
    Ok(success(played.is_identical()))
}
