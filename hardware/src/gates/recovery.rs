//! Devices that are killed, stopped, unplugged and restarted.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use gridloom_units::DeviceId;

use super::Gate;
use super::peers::{Peers, Running, free_port};
use crate::bus::{Bus, Endpoint, EndpointConfig, UnitConfig};
use crate::emulator::{Emulator, EmulatorConfig};
use crate::profile::Line;
use crate::serve::Listen;
use crate::{HardwareError, Profile};

const DEVICE: &str = include_str!("../../peers/pymodbus_device.py");
const PATIENCE: Duration = Duration::from_secs(15);
const BACK_OFF: Duration = Duration::from_millis(500);
/// Time a dead device is watched.
const DEAD: Duration = Duration::from_secs(2);

fn profile() -> Result<Profile, HardwareError> {
    Profile::parse(
        r#"(vendor: "Test", model: "one", timeout_ms: 300, probe_block: (Input, 0),
            points: [(id: "p", area: Input, addr: 0, ty: F32, unit: "W", poll: "fast")])"#,
        "recovery",
    )
}

struct Watch {
    bus: Bus,
}

impl Watch {
    fn start(
        endpoint: Endpoint,
        profile: Profile,
        back_off: Duration,
    ) -> Result<Self, HardwareError> {
        let bus = Bus::start(1_024, None)?;
        let mut at = EndpointConfig::new(endpoint);
        at.back_off_min = back_off / 5;
        at.back_off_max = back_off;
        at.connect_timeout = Duration::from_secs(1);
        let mut unit = UnitConfig::new(DeviceId(1), profile);
        unit.poll_interval = Duration::from_millis(20);
        bus.bind(&at, unit)?;
        Ok(Self { bus })
    }

    /// Waits for good (or bad); the time it took.
    fn wait(&self, good: bool) -> Option<Duration> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Some(reading) = self.bus.next_within(Duration::from_millis(20))
                && reading.quality.is_good() == good
                && (!good || reading.sampled_at.is_some_and(|at| at >= since))
            {
                return Some(since.elapsed());
            }
        }
        None
    }

    fn complaint(&self, what: &str) -> String {
        let status = self.bus.status(DeviceId(1)).unwrap_or_default();
        format!("{what}: {}", status.last_error.unwrap_or_default())
    }

    /// Good readings sampled within `time` from now.
    fn good_within(&self, time: Duration) -> u32 {
        let since = Instant::now();
        let mut good = 0;
        while since.elapsed() < time {
            if let Some(reading) = self.bus.next_within(Duration::from_millis(20)) {
                let fresh = reading.sampled_at.is_some_and(|at| at >= since);
                good += u32::from(reading.quality.is_good() && fresh);
            }
        }
        good
    }
}

/// What a way of dying looked like.
struct Death {
    good_while_dead: u32,
    recovered_s: Option<f64>,
}

fn gates_of(case: &str, death: Result<Death, String>, limit_s: f64) -> Vec<Gate> {
    match death {
        Err(why) => vec![Gate::failed(case, "good_while_dead", &why)],
        Ok(death) => vec![
            Gate::figure(case, "good_while_dead", f64::from(death.good_while_dead), "readings")
                .at_most(0.0),
            Gate::figure(
                case,
                "recovered_s",
                death.recovered_s.unwrap_or(f64::INFINITY),
                "s",
            )
            .at_most(limit_s)
            .note("from the device's return to the first good reading; the limit is the back-off, a timeout and what the machine needs"),
        ],
    }
}

pub(super) fn gates(peers: &Peers, quick: bool, say: &mut dyn FnMut(&str)) -> Vec<Gate> {
    let mut gates = descriptors(if quick { 20 } else { 100 });
    match peers.python_with("pymodbus") {
        None => say("left out: pymodbus is not installed"),
        Some(python) => {
            gates.extend(gates_of(
                "pymodbus killed and restarted",
                killed(python),
                2.0,
            ));
            gates.extend(gates_of(
                "pymodbus stopped and continued",
                stopped(python),
                2.0,
            ));
        }
    }
    if peers.has("socat") {
        gates.extend(gates_of(
            "serial line unplugged and plugged in",
            unplugged(),
            2.0,
        ));
    } else {
        say("left out: socat is not installed");
    }
    if peers.has("mosquitto") {
        gates.extend(gates_of("mosquitto killed and restarted", broker(), 3.0));
    } else {
        say("left out: mosquitto is not installed");
    }
    gates
}

fn killed(python: &Path) -> Result<Death, String> {
    let text = |error: HardwareError| error.to_string();
    let port = free_port();
    let start = || Running::script(python, DEVICE, &["tcp", &port.to_string()]);
    let device = start()?;
    let endpoint = Endpoint::Tcp(format!("127.0.0.1:{port}"));
    let watch = Watch::start(endpoint, profile().map_err(text)?, BACK_OFF).map_err(text)?;
    watch
        .wait(true)
        .ok_or_else(|| watch.complaint("never good"))?;
    drop(device);
    watch
        .wait(false)
        .ok_or_else(|| watch.complaint("never bad"))?;
    let good_while_dead = watch.good_within(DEAD);
    let _device = start()?;
    let recovered = watch.wait(true);
    Ok(Death {
        good_while_dead,
        recovered_s: recovered.map(|time| time.as_secs_f64()),
    })
}

fn stopped(python: &Path) -> Result<Death, String> {
    let text = |error: HardwareError| error.to_string();
    let port = free_port();
    let device = Running::script(python, DEVICE, &["tcp", &port.to_string()])?;
    let endpoint = Endpoint::Tcp(format!("127.0.0.1:{port}"));
    let watch = Watch::start(endpoint, profile().map_err(text)?, BACK_OFF).map_err(text)?;
    watch
        .wait(true)
        .ok_or_else(|| watch.complaint("never good"))?;
    if !device.signal("STOP") {
        return Err("it could not be stopped".to_owned());
    }
    watch
        .wait(false)
        .ok_or_else(|| watch.complaint("never bad"))?;
    let good_while_dead = watch.good_within(DEAD);
    device.signal("CONT");
    let recovered = watch.wait(true);
    Ok(Death {
        good_while_dead,
        recovered_s: recovered.map(|time| time.as_secs_f64()),
    })
}

fn unplugged() -> Result<Death, String> {
    let text = |error: HardwareError| error.to_string();
    let folder = std::env::temp_dir();
    let name = |end: &str| {
        let file = format!("gridloom-line-{}-{end}", std::process::id());
        folder.join(file).display().to_string()
    };
    let (device_end, own_end) = (name("device"), name("own"));
    let plug = || -> Result<(Running, Emulator), String> {
        let mut command = Command::new("socat");
        command.args([
            format!("pty,raw,echo=0,link={device_end}"),
            format!("pty,raw,echo=0,link={own_end}"),
        ]);
        let line = Running::start(command, false)?;
        let until = Instant::now() + PATIENCE;
        while !(Path::new(&device_end).exists() && Path::new(&own_end).exists()) {
            if Instant::now() > until {
                return Err("socat made no line".to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        let settings = Line {
            baud: 19_200,
            ..Line::default()
        };
        let device = Emulator::start(EmulatorConfig {
            listen: vec![Listen::Serial(device_end.clone(), settings)],
            ..EmulatorConfig::loopback(profile().map_err(text)?)
        })
        .map_err(text)?;
        Ok((line, device))
    };
    let plugged = plug()?;
    let endpoint = Endpoint::Serial(own_end.clone());
    let watch = Watch::start(endpoint, profile().map_err(text)?, BACK_OFF).map_err(text)?;
    watch
        .wait(true)
        .ok_or_else(|| watch.complaint("never good"))?;
    drop(plugged);
    watch
        .wait(false)
        .ok_or_else(|| watch.complaint("never bad"))?;
    let good_while_dead = watch.good_within(DEAD);
    let _plugged = plug()?;
    let recovered = watch.wait(true);
    Ok(Death {
        good_while_dead,
        recovered_s: recovered.map(|time| time.as_secs_f64()),
    })
}

fn broker() -> Result<Death, String> {
    let text = |error: HardwareError| error.to_string();
    let port = free_port();
    let start = || {
        let mut command = Command::new("mosquitto");
        command.env("PATH", "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin");
        command.args(["-p", &port.to_string()]);
        Running::start(command, false)
    };
    let profile = Profile::parse(
        r#"(vendor: "Test", model: "topic", protocol: Mqtt, timeout_ms: 1000,
            keys: [(id: "p", key: "gridloom/H17#/p_w", unit: "W")])"#,
        "broker",
    )
    .map_err(text)?;
    let broker = start()?;
    thread::sleep(Duration::from_millis(500));
    let address = format!("127.0.0.1:{port}");
    let server = crate::twin_device::TwinServer::start(
        crate::twin_device::TwinServerConfig {
            listen: vec![],
            mqtt: Some(address.clone()),
            writable: false,
        },
        vec![crate::twin_device::Entity {
            id: "H17".into(),
            model: "house".into(),
            inverter_w: 0.0,
            battery_wh: 0.0,
            battery_w: 0.0,
            breaker: false,
            scale_w: 10_000.0,
        }],
    )
    .map_err(text)?;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    // The twin's ticks: a message every 50 ms.
    let ticks = thread::spawn(move || {
        let state = crate::twin_device::EntityState {
            p_w: 1_234.0,
            ..crate::twin_device::EntityState::default()
        };
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            server.update(std::slice::from_ref(&state));
            thread::sleep(Duration::from_millis(50));
        }
    });
    let outcome = (|| {
        let watch = Watch::start(Endpoint::Mqtt(address), profile, BACK_OFF).map_err(text)?;
        watch
            .wait(true)
            .ok_or_else(|| watch.complaint("never good"))?;
        drop(broker);
        watch
            .wait(false)
            .ok_or_else(|| watch.complaint("never bad"))?;
        let good_while_dead = watch.good_within(DEAD);
        let _broker = start()?;
        let recovered = watch.wait(true);
        Ok(Death {
            good_while_dead,
            recovered_s: recovered.map(|time| time.as_secs_f64()),
        })
    })();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let _ = ticks.join();
    outcome
}

fn open_descriptors() -> Option<usize> {
    std::fs::read_dir("/proc/self/fd").map(Iterator::count).ok()
}

/// Rounds in which the device dies and returns, on one running bus.
fn descriptors(rounds: u32) -> Vec<Gate> {
    let case = format!("{rounds} rounds of death and return");
    let outcome = (|| -> Result<(f64, u32), HardwareError> {
        let port = free_port();
        let emulator = |port: u16| {
            Emulator::start(EmulatorConfig {
                listen: vec![Listen::Tcp(([127, 0, 0, 1], port).into())],
                ..EmulatorConfig::loopback(profile()?)
            })
        };
        let endpoint = Endpoint::Tcp(format!("127.0.0.1:{port}"));
        let watch = Watch::start(endpoint, profile()?, Duration::from_millis(50))?;
        let (mut before, mut missed) = (None, 0);
        for round in 0..=rounds {
            let device = emulator(port)?;
            missed += u32::from(watch.wait(true).is_none());
            device.stop();
            missed += u32::from(watch.wait(false).is_none());
            if round == 0 {
                before = open_descriptors();
            }
        }
        let leaked = match (before, open_descriptors()) {
            (Some(before), Some(after)) => after.saturating_sub(before) as f64,
            _ => 0.0,
        };
        Ok((leaked, missed))
    })();
    match outcome {
        Ok((leaked, missed)) => vec![
            Gate::figure(&case, "descriptors_leaked", leaked, "descriptors").at_most(0.0),
            Gate::figure(&case, "rounds_missed", f64::from(missed), "rounds").at_most(0.0),
        ],
        Err(error) => vec![Gate::failed(case, "descriptors_leaked", &error.to_string())],
    }
}
