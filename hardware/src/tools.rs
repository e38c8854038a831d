//! What the command line does with devices.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::emulator::{Emulator, EmulatorConfig};
use crate::reading::{BadReason, DeviceReading, Quality};
use crate::{HardwareError, Monitor, MonitorConfig, Profile, Status};

/// Reads every point of a device once.
///
/// Returns the readings in the order of the profile, good or not, and the
/// state of the line.
///
/// # Errors
/// Fails when the configuration is unusable or the device gave no answer at
/// all within `limit`.
pub fn read_once(
    profile: Profile,
    address: &str,
    unit: u8,
    limit: Duration,
) -> Result<(Vec<DeviceReading>, Status), HardwareError> {
    let names: Vec<String> = profile
        .points
        .iter()
        .map(|point| point.id.clone())
        .collect();
    let mut config = MonitorConfig::new(profile, address, unit);
    config.connect_timeout = limit.clamp(Duration::from_millis(10), Duration::from_secs(86_400));
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
            address: address.to_owned(),
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

/// Serves a profile's registers on `bind` (`host:port`) as `unit`.
///
/// # Errors
/// Fails when the address is unusable or the profile invalid.
pub fn serve(profile: Profile, bind: &str, unit: u8) -> Result<Emulator, HardwareError> {
    let bad = || HardwareError::BadAddress {
        address: bind.to_owned(),
    };
    let bind: SocketAddr = bind
        .to_socket_addrs()
        .map_err(|_| bad())?
        .next()
        .ok_or_else(bad)?;
    Emulator::start(EmulatorConfig {
        bind,
        unit,
        ..EmulatorConfig::loopback(profile)
    })
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
