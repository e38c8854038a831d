//! Speed: a thousand emulated devices, beside pymodbus in the same run.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gridloom_units::DeviceId;

use super::Gate;
use super::peers::Peers;
use crate::bus::{Bus, Endpoint, EndpointConfig, UnitConfig};
use crate::profile::Area;
use crate::serve::{Exception, Listen, Registers, Server, Units};
use crate::{HardwareError, Profile};

const PACED: &str = include_str!("../../peers/pymodbus_paced.py");
/// Registers of a poll, as in the reference's comparison.
const REGISTERS: u16 = 60;
/// Devices of one server thread's socket list.
const READINGS: usize = 1 << 16;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct BenchOptions {
    /// Emulated devices.
    pub devices: u16,
    /// Length of every measurement, s.
    pub seconds: u64,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            devices: 1_000,
            seconds: 8,
        }
    }
}

/// Registers of a meter: 0x4366 0x4000 (230.25) again and again.
struct Meter;

impl Registers for Meter {
    fn read(&self, _: Area, _: u16, count: u16) -> Result<Vec<u16>, Exception> {
        Ok((0..count)
            .map(|n| if n.is_multiple_of(2) { 0x4366 } else { 0x4000 })
            .collect())
    }
}

fn profile() -> Result<Profile, HardwareError> {
    let last = REGISTERS - 2;
    let text = format!(
        r#"(vendor: "Test", model: "meter", timeout_ms: 2000, max_regs: 125, max_gap: 125, points: [
            (id: "v", area: Input, addr: 0, ty: F32, unit: "V", poll: "fast"),
            (id: "p", area: Input, addr: {last}, ty: F32, unit: "W", poll: "fast"),
        ])"#
    );
    Profile::parse(&text, "bench")
}

struct Measured {
    polls_per_s: f64,
    missed: u64,
    errors: u64,
}

fn run(ports: &[u16], seconds: u64, period: Duration) -> Result<Measured, HardwareError> {
    let bus = Bus::start(READINGS, None)?;
    let count = ports.len() as f64;
    for (nth, port) in ports.iter().enumerate() {
        let at = EndpointConfig::new(Endpoint::Tcp(format!("127.0.0.1:{port}")));
        let mut unit = UnitConfig::new(DeviceId(nth as u32), profile()?);
        unit.poll_interval = period;
        unit.phase = nth as f64 / count;
        bus.bind(&at, unit)?;
    }
    // Connecting is not what is measured.
    let devices: Vec<DeviceId> = (0..ports.len()).map(|n| DeviceId(n as u32)).collect();
    let until = Instant::now() + Duration::from_secs(20);
    let all = |test: &dyn Fn(&crate::Status) -> bool| {
        devices
            .iter()
            .all(|d| bus.status(*d).is_some_and(|s| test(&s)))
    };
    while !all(&|status| status.polls > 0) && Instant::now() < until {
        bus.try_iter().for_each(drop);
        thread::sleep(Duration::from_millis(20));
    }
    let totals = || {
        devices
            .iter()
            .filter_map(|d| bus.status(*d))
            .fold((0, 0, 0), |sum, s| {
                (sum.0 + s.polls, sum.1 + s.missed, sum.2 + s.errors.total())
            })
    };
    let (before, began) = (totals(), Instant::now());
    while began.elapsed() < Duration::from_secs(seconds) {
        // The reader takes what comes, as the twin does.
        bus.try_iter().for_each(drop);
        thread::sleep(Duration::from_millis(5));
    }
    let (after, took) = (totals(), began.elapsed().as_secs_f64());
    bus.stop();
    Ok(Measured {
        polls_per_s: (after.0 - before.0) as f64 / took,
        missed: after.1 - before.1,
        errors: after.2 - before.2,
    })
}

/// The same devices polled by pymodbus; polls a second and missed turns.
fn pymodbus(python: &Path, ports: &[u16], seconds: u64, period_ms: u64) -> Option<(f64, f64)> {
    let mut child = Command::new(python)
        .args([
            "-c",
            PACED,
            &seconds.to_string(),
            &period_ms.to_string(),
            &REGISTERS.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    if let Some(mut to) = child.stdin.take() {
        for port in ports {
            writeln!(to, "{port}").ok()?;
        }
    }
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Measures and compares.
///
/// # Errors
/// Fails when the devices cannot be emulated, for example because the process
/// may open too few descriptors.
pub fn bench(
    peers: &Peers,
    options: BenchOptions,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Gate>, HardwareError> {
    let places: Vec<Listen> = (0..options.devices)
        .map(|_| Listen::Tcp(([127, 0, 0, 1], 0).into()))
        .collect();
    let units = Units::from([(1, Arc::new(Meter) as Arc<dyn Registers>)]);
    let server = Server::start(units, &places)?;
    let ports: Vec<u16> = server
        .addrs()
        .iter()
        .map(std::net::SocketAddr::port)
        .collect();
    let python = peers.python_with("pymodbus");
    if python.is_none() {
        say("pymodbus is not installed: no figures beside ours");
    }
    let mut gates = Vec::new();
    for (hz, period_ms) in [(1, 1_000), (10, 100)] {
        let case = format!(
            "{} devices, {hz} Hz, {REGISTERS} registers",
            options.devices
        );
        say(&case);
        let ours = run(&ports, options.seconds, Duration::from_millis(period_ms))?;
        let theirs = python.and_then(|python| {
            say("the same by pymodbus");
            pymodbus(python, &ports, options.seconds, period_ms)
        });
        let beside = |of: usize| {
            theirs.map_or_else(String::new, |theirs| {
                let value = if of == 0 { theirs.0 } else { theirs.1 };
                format!("pymodbus {value:.0}")
            })
        };
        let wanted = f64::from(options.devices) * f64::from(hz);
        let rate = Gate::figure(&case, "polls_per_s", ours.polls_per_s, "1/s");
        let missed = Gate::figure(&case, "missed", ours.missed as f64, "turns");
        let (rate, missed) = if hz == 1 {
            (rate, missed.at_most(0.0))
        } else {
            (rate.at_least(wanted * 0.9), missed)
        };
        gates.push(rate.note(beside(0)));
        gates.push(missed.note(beside(1)));
        gates.push(Gate::figure(&case, "errors", ours.errors as f64, "polls").at_most(0.0));
    }
    server.stop();
    say("ten units on a serial line, one of them silent");
    gates.extend(silent_unit(options.seconds)?);
    Ok(gates)
}

/// A meter that answers after a device's usual turnaround.
struct Paced;

impl Registers for Paced {
    fn read(&self, _: Area, addr: u16, count: u16) -> Result<Vec<u16>, Exception> {
        thread::sleep(Duration::from_millis(12));
        Ok((addr..addr.saturating_add(count)).collect())
    }
}

/// Ten units on a line, the tenth silent or alive.
struct TenUnits {
    bus: Bus,
    _server: Server,
}

impl TenUnits {
    fn start(silent: bool) -> Result<Self, HardwareError> {
        let profile = Profile::parse(
            r#"(vendor: "Test", model: "meter", timeout_ms: 300, probe_block: (Input, 0),
                points: [(id: "p", area: Input, addr: 20, ty: U32, poll: "fast")])"#,
            "silent",
        )?;
        let meter: Arc<dyn Registers> = Arc::new(Paced);
        let last = if silent { 9 } else { 10 };
        let units: Units = (1..=last).map(|unit| (unit, Arc::clone(&meter))).collect();
        let server = Server::start(units, &[Listen::Pty])?;
        let bus = Bus::start(4_096, None)?;
        let path = server.ptys().first().cloned().unwrap_or_default();
        let mut at = EndpointConfig::new(Endpoint::Serial(path));
        at.line.baud = 19_200;
        for unit in 1..=10 {
            let mut config = UnitConfig::new(DeviceId(u32::from(unit)), profile.clone());
            config.unit = unit;
            // More than the line can carry: every answer counts.
            config.poll_interval = Duration::from_millis(100);
            bus.bind(&at, config)?;
        }
        Ok(Self {
            bus,
            _server: server,
        })
    }

    /// Polls of the nine units that answer on both lines.
    fn polls(&self) -> u64 {
        let status = (1..=9).filter_map(|unit| self.bus.status(DeviceId(unit)));
        status.map(|status| status.polls).sum()
    }
}

/// Polls of nine units whose tenth is silent, beside the same line with all
/// alive at the same time, so that both have the same machine.
fn silent_unit(seconds: u64) -> Result<Vec<Gate>, HardwareError> {
    let (alive, with_silent) = (TenUnits::start(false)?, TenUnits::start(true)?);
    thread::sleep(Duration::from_secs(5));
    let before = (alive.polls(), with_silent.polls());
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2 * seconds) {
        alive.bus.try_iter().for_each(drop);
        with_silent.bus.try_iter().for_each(drop);
        thread::sleep(Duration::from_millis(10));
    }
    let took = began.elapsed().as_secs_f64();
    let rate = |now: u64, before: u64| (now - before) as f64 / took;
    let rates = (
        rate(alive.polls(), before.0),
        rate(with_silent.polls(), before.1),
    );
    let kept = 100.0 * rates.1 / rates.0.max(1e-9);
    Ok(vec![
        Gate::figure("one silent unit in ten", "others_rate_kept_pct", kept, "%")
            .at_least(90.0)
            .note(format!(
                "nine units: {:.1} polls/s with all alive, {:.1} with one silent",
                rates.0, rates.1
            )),
    ])
}
