//! Late replies on RTU: a device that answers in order and sometimes late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gridloom_units::DeviceId;

use super::Gate;
use crate::bus::{Bus, Endpoint, EndpointConfig, Status, UnitConfig};
use crate::profile::Area;
use crate::serve::{Exception, Listen, Registers, Server, Units};
use crate::{HardwareError, Profile};

const TIMEOUT_MS: u64 = 300;
const POINTS: u16 = 60;
const FIRST: u16 = 100;

/// Lateness and what the reference measured of the usual clients: wrong values
/// served as good, of 54 reads on time.
const RUNS: [(u64, &str); 7] = [
    (
        350,
        "tokio-modbus 6, libmodbus 43, pymodbus 6, pysunspec2 6",
    ),
    (
        450,
        "tokio-modbus 34, libmodbus 43, pymodbus 6, pysunspec2 12",
    ),
    (
        550,
        "tokio-modbus 6, libmodbus 43, pymodbus 6, pysunspec2 6",
    ),
    (
        620,
        "tokio-modbus 10, libmodbus with recovery 43, pymodbus 12",
    ),
    (
        700,
        "tokio-modbus 6, libmodbus with recovery 43, pymodbus 12",
    ),
    (
        850,
        "tokio-modbus 11, libmodbus with recovery 43, pymodbus 12",
    ),
    (
        1_300,
        "tokio-modbus 17, libmodbus with recovery 40, pymodbus 23",
    ),
];

/// Every register holds its own address; ten points from the first on, one of
/// ten is read late.
struct Slow {
    late: Duration,
}

fn is_late(addr: u16) -> bool {
    addr >= FIRST && (addr - FIRST) % 20 == 18
}

impl Registers for Slow {
    fn read(&self, _: Area, addr: u16, count: u16) -> Result<Vec<u16>, Exception> {
        if is_late(addr) {
            thread::sleep(self.late);
        }
        Ok((addr..addr.saturating_add(count)).collect())
    }
}

fn profile() -> Result<Profile, HardwareError> {
    let points: Vec<String> = (0..POINTS)
        .map(|n| {
            let addr = FIRST + 2 * n;
            format!(r#"(id: "{addr}", area: Input, addr: {addr}, ty: U16, poll: "fast")"#)
        })
        .collect();
    let text = format!(
        r#"(vendor: "Test", model: "address", timeout_ms: {TIMEOUT_MS}, probe_block: (Input, 0), points: [{}])"#,
        points.join(",")
    );
    Profile::parse(&text, "late")
}

struct Outcome {
    wrong: u32,
    good: u32,
    status: Status,
}

fn run(late_ms: u64) -> Result<Outcome, HardwareError> {
    let slow: Arc<dyn Registers> = Arc::new(Slow {
        late: Duration::from_millis(late_ms),
    });
    let server = Server::start(Units::from([(1, slow)]), &[Listen::Pty])?;
    let path = server.ptys().first().cloned().unwrap_or_default();
    let bus = Bus::start(1_024, None)?;
    let mut at = EndpointConfig::new(Endpoint::Serial(path));
    at.line.baud = 19_200;
    let mut unit = UnitConfig::new(DeviceId(1), profile()?);
    unit.poll_interval = Duration::from_secs(120);
    bus.bind(&at, unit)?;
    let mut seen = BTreeMap::new();
    let until = Instant::now() + Duration::from_secs(90);
    while seen.len() < usize::from(POINTS) && Instant::now() < until {
        if let Some(reading) = bus.next_within(Duration::from_millis(100)) {
            seen.entry(reading.point.to_string()).or_insert(reading);
        }
    }
    let (mut wrong, mut good) = (0, 0);
    for (point, reading) in &seen {
        if !reading.quality.is_good() {
            continue;
        }
        let addr: u16 = point.parse().unwrap_or(0);
        if reading.value != Some(f64::from(addr)) {
            wrong += 1;
        } else if !is_late(addr) {
            good += 1;
        }
    }
    let status = bus.status(DeviceId(1)).unwrap_or_default();
    bus.stop();
    server.stop();
    Ok(Outcome {
        wrong,
        good,
        status,
    })
}

pub(super) fn gates(quick: bool) -> Vec<Gate> {
    let runs = if quick { &RUNS[..3] } else { &RUNS[..] };
    let started: Vec<_> = runs
        .iter()
        .map(|(late, others)| (*late, *others, thread::spawn(move || run(*late))))
        .collect();
    let mut gates = Vec::new();
    for (late, others, running) in started {
        let case = format!("rtu {:.2} s late, timeout 0.30 s", late as f64 / 1_000.0);
        match running.join() {
            Ok(Ok(outcome)) => {
                gates.push(
                    Gate::figure(&case, "wrong_values", f64::from(outcome.wrong), "reads")
                        .at_most(0.0)
                        .note(format!("recorded of others: {others}")),
                );
                gates.push(
                    Gate::figure(
                        &case,
                        "on_time_good_pct",
                        f64::from(outcome.good) / 0.54,
                        "%",
                    )
                    .at_least(95.0)
                    .note(format!(
                        "{} of 54, {} probes",
                        outcome.good, outcome.status.probes
                    )),
                );
            }
            Ok(Err(error)) => gates.push(Gate::failed(&case, "wrong_values", &error.to_string())),
            Err(_) => gates.push(Gate::failed(&case, "wrong_values", "it panicked")),
        }
    }
    gates
}
