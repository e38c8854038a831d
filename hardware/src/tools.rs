//! What the command line does with devices.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::time::{Duration, Instant};

use crate::bus::{Endpoint, EndpointConfig, Status};
use crate::emulator::{Emulator, EmulatorConfig};
use crate::profile::Line;
use crate::reading::{BadReason, DeviceReading, Quality};
use crate::serve::Listen;
use crate::{HardwareError, Monitor, MonitorConfig, Profile};

/// Reads every point of a device once, wherever it is.
///
/// Returns the readings in the order of the profile, good or not, and the
/// state of the line.
///
/// # Errors
/// Fails when the configuration is unusable or the device gave no answer at
/// all within `limit`.
pub fn read_once(
    profile: Profile,
    at: EndpointConfig,
    unit: u8,
    limit: Duration,
) -> Result<(Vec<DeviceReading>, Status), HardwareError> {
    let registers = profile.points.iter().map(|point| &point.id);
    let keys = profile.keys.iter().map(|key| &key.id);
    let names: Vec<String> = registers.chain(keys).cloned().collect();
    let address = at.endpoint.to_string();
    let mut config = MonitorConfig::new(profile, "127.0.0.1:0", unit);
    config.at = at;
    config.at.connect_timeout = limit.clamp(Duration::from_millis(10), Duration::from_secs(86_400));
    let monitor = Monitor::start(config)?;
    let until = Instant::now() + limit;
    let mut latest: BTreeMap<String, DeviceReading> = BTreeMap::new();
    while latest.len() < names.len() || !answered(&monitor.status()) {
        let Some(left) = until.checked_duration_since(Instant::now()) else {
            break;
        };
        if let Some(reading) = monitor.next_within(left.min(Duration::from_millis(50))) {
            latest.insert(reading.point.to_string(), reading);
        }
    }
    let status = monitor.status();
    monitor.stop();
    if !answered(&status) {
        let reason = status
            .last_error
            .unwrap_or_else(|| "no answer in time".to_owned());
        return Err(HardwareError::NoAnswer {
            address,
            unit,
            reason,
        });
    }
    Ok((
        names
            .iter()
            .filter_map(|name| latest.remove(name))
            .collect(),
        status,
    ))
}

/// Whether the device gave any answer, refusals included.
fn answered(status: &Status) -> bool {
    status.polls > 0 || status.errors.exception > 0
}

/// Serves a profile's registers as `unit` where `listen` says.
///
/// # Errors
/// Fails when a place is unusable or the profile invalid.
pub fn serve(profile: Profile, listen: Vec<Listen>, unit: u8) -> Result<Emulator, HardwareError> {
    Emulator::start(EmulatorConfig {
        listen,
        unit,
        ..EmulatorConfig::loopback(profile)
    })
}

/// Reads where to serve: `host:port`, `rtu:host:port`, `serial:PATH`, a path,
/// or `pty`.
///
/// # Errors
/// Says how it is written.
pub fn listen(text: &str, line: Line) -> Result<Listen, HardwareError> {
    if text == "pty" {
        return Ok(Listen::Pty);
    }
    let socket = |address: &str| {
        let bad = || HardwareError::BadAddress {
            address: address.to_owned(),
        };
        address
            .to_socket_addrs()
            .map_err(|_| bad())?
            .next()
            .ok_or_else(bad)
    };
    match Endpoint::parse(text)? {
        Endpoint::Tcp(address) => Ok(Listen::Tcp(socket(&address)?)),
        Endpoint::RtuOverTcp(address) => Ok(Listen::RtuOverTcp(socket(&address)?)),
        Endpoint::Serial(path) => Ok(Listen::Serial(path, line)),
        other => Err(HardwareError::BadAddress {
            address: other.to_string(),
        }),
    }
}

/// Device files of the serial lines of this machine.
#[must_use]
pub fn serial_lines() -> Vec<String> {
    // Without udev the library lists nothing on some systems; the files of
    // USB and on-board ports have known names.
    let listed = serialport::available_ports().unwrap_or_default();
    let mut names: Vec<String> = listed.into_iter().map(|port| port.port_name).collect();
    let files = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    names.extend(
        files
            .map(|entry| entry.path().display().to_string())
            .filter(|path| path.starts_with("/dev/ttyUSB") || path.starts_with("/dev/ttyACM")),
    );
    names.sort();
    names.dedup();
    names
}

/// One line of a table of readings.
#[must_use]
pub fn describe(reading: &DeviceReading, now: Instant) -> String {
    let value = match reading.value {
        Some(value) => format!("{value:>14.3} {:<6}", reading.unit),
        None => format!("{:>14} {:<6}", "-", reading.unit),
    };
    let age = match reading.age(now) {
        Some(age) => format!("{:.1} s", age.as_secs_f64()),
        None => "-".to_owned(),
    };
    let quality = match reading.quality {
        Quality::Bad(BadReason::NeverRead) => "never read".to_owned(),
        quality => quality.label(),
    };
    format!("{:<16} {value} {age:>8}  {quality}", reading.point)
}
