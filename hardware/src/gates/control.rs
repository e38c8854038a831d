//! Control: nothing without arming, read-back, and the fail-safe value as the
//! device's other client sees it.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gridloom_units::{DeviceId, Stream, draw_u64};

use super::Gate;
use super::peers::{Peers, Running, free_port, run_script};
use crate::bus::{Bus, ControlHandle, Endpoint, EndpointConfig, UnitConfig};
use crate::control::{ArmRequest, ControlEvent, ControlState, DisarmReason};
use crate::profile::Area;
use crate::serve::{Exception, Listen, Registers, Server, Units};
use crate::{HardwareError, Profile};

const DEVICE: &str = include_str!("../../peers/pymodbus_device.py");
const READ: &str = include_str!("../../peers/pymodbus_read.py");
const PATIENCE: Duration = Duration::from_secs(10);
/// Register that is controlled.
const REGISTER: u16 = 10;

fn profile() -> Result<Profile, HardwareError> {
    let text = format!(
        r#"(vendor: "Test", model: "inverter", timeout_ms: 300, points: [
            (id: "p", area: Holding, addr: 9, ty: U16, unit: "W", poll: "fast"),
            (id: "set", area: Holding, addr: {REGISTER}, ty: U16, unit: "W", poll: "fast",
             write: (min: 0.0, max: 500.0, fail_safe: 7.0, settle_ms: 100)),
        ])"#
    );
    Profile::parse(&text, "control")
}

fn bind(bus: &Bus, address: String, watchdog: Duration) -> Result<ControlHandle, HardwareError> {
    let mut at = EndpointConfig::new(Endpoint::Tcp(address));
    at.back_off_min = Duration::from_millis(50);
    at.back_off_max = Duration::from_millis(200);
    let mut unit = UnitConfig::new(DeviceId(1), profile()?);
    unit.poll_interval = Duration::from_millis(50);
    bus.bind_control(&at, unit, watchdog)
}

fn request(speed_permille: u32) -> ArmRequest {
    ArmRequest {
        by: "gate".into(),
        lease_ms: 60_000,
        speed_permille,
        identity_checked: true,
        model_agrees: true,
    }
}

/// Arms, trying again until there is a connection.
fn arm(handle: &ControlHandle) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if matches!(
            handle.arm(request(1_000)).recv_timeout(PATIENCE),
            Ok(Ok(()))
        ) {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

fn set(handle: &ControlHandle, value: f64) -> bool {
    matches!(handle.set("set", value).recv_timeout(PATIENCE), Ok(Ok(())))
}

fn confirmed(handle: &ControlHandle, value: f64) -> bool {
    handle.wait_for(PATIENCE, |report| {
        report
            .events
            .iter()
            .any(|event| matches!(event, ControlEvent::Confirmed { value: v, .. } if *v == value))
    })
}

fn released(handle: &ControlHandle) -> bool {
    handle.wait_for(PATIENCE, |report| {
        !report.releasing && matches!(report.state, ControlState::Disarmed(_))
    })
}

pub(super) fn gates(peers: &Peers, say: &mut dyn FnMut(&str)) -> Vec<Gate> {
    let mut gates = vec![
        run("control, sequences without arming", "writes_seen", unarmed),
        run(
            "control, a device that does not hold what is written",
            "checks_missed",
            mismatch,
        ),
    ];
    match peers.python_with("pymodbus") {
        None => say("left out: pymodbus is not installed"),
        Some(python) => {
            for (case, cut) in [
                ("control, link loss, pymodbus device", true),
                ("control, heartbeat loss, pymodbus device", false),
            ] {
                gates.push(match fail_safe(python, cut) {
                    Ok(missed) => checks(case, &missed),
                    Err(why) => Gate::failed(case, "checks_missed", &why),
                });
            }
        }
    }
    gates
}

fn checks(case: &str, list: &[(&'static str, bool)]) -> Gate {
    let missed: Vec<&str> = list
        .iter()
        .filter(|(_, met)| !met)
        .map(|(n, _)| *n)
        .collect();
    let names: Vec<&str> = list.iter().map(|(name, _)| *name).collect();
    let note = if missed.is_empty() {
        names.join(", ")
    } else {
        format!("not met: {}", missed.join(", "))
    };
    Gate::figure(case, "checks_missed", missed.len() as f64, "checks")
        .at_most(0.0)
        .note(note)
}

fn run(
    case: &'static str,
    metric: &'static str,
    gate: fn() -> Result<Gate, HardwareError>,
) -> Gate {
    gate().unwrap_or_else(|error| Gate::failed(case, metric, &error.to_string()))
}

/// A device that counts writes and can hold something else than was written.
#[derive(Default)]
struct Odd {
    words: Mutex<[u16; 16]>,
    writes: AtomicU64,
    off: AtomicBool,
}

impl Registers for Odd {
    fn read(&self, _: Area, addr: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let first = usize::from(addr);
        let found = words.get(first..first + usize::from(count));
        found.map(<[u16]>::to_vec).ok_or(Exception::Address)
    }

    fn write(&self, _: Area, addr: u16, values: &[u16]) -> Result<(), Exception> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let first = usize::from(addr);
        let part = words
            .get_mut(first..first + values.len())
            .ok_or(Exception::Address)?;
        part.copy_from_slice(values);
        if self.off.load(Ordering::Relaxed) {
            part[0] = part[0].wrapping_add(3);
        }
        Ok(())
    }
}

fn odd() -> Result<(Arc<Odd>, Server, String), HardwareError> {
    let device = Arc::new(Odd::default());
    let units = Units::from([(1, Arc::clone(&device) as Arc<dyn Registers>)]);
    let server = Server::start(units, &[Listen::Tcp(([127, 0, 0, 1], 0).into())])?;
    let address = server
        .addr()
        .map_or_else(String::new, |addr| addr.to_string());
    Ok((device, server, address))
}

/// Every kind of request in drawn order, armings that have to be refused among
/// them: the device must see no write.
fn unarmed() -> Result<Gate, HardwareError> {
    let (device, server, address) = odd()?;
    let bus = Bus::start(1_024, None)?;
    let handle = bind(&bus, address, Duration::from_secs(2))?;
    let mut answers = Vec::new();
    for step in 0..400_u64 {
        match draw_u64(5, step, 0, Stream::LinkLatency) % 6 {
            0 => answers.push(handle.arm(request(60_000))),
            1 => answers.push(handle.arm(ArmRequest {
                by: " ".into(),
                ..request(1_000)
            })),
            2 => answers.push(handle.arm(ArmRequest {
                model_agrees: false,
                ..request(1_000)
            })),
            3 => handle.heartbeat(),
            4 => handle.disarm("gate"),
            _ => answers.push(handle.set("set", 100.0)),
        }
        if step % 8 == 7 {
            thread::sleep(Duration::from_millis(30));
        }
    }
    let accepted = answers
        .iter()
        .filter(|answer| matches!(answer.recv_timeout(PATIENCE), Ok(Ok(()))))
        .count();
    bus.stop();
    server.stop();
    let writes = device.writes.load(Ordering::Relaxed) + accepted as u64;
    Ok(Gate::figure(
        "control, sequences without arming",
        "writes_seen",
        writes as f64,
        "writes",
    )
    .at_most(0.0)
    .note("400 requests over a running bus; 256 drawn sequences more in the unit tests"))
}

fn mismatch() -> Result<Gate, HardwareError> {
    let (device, server, address) = odd()?;
    let bus = Bus::start(1_024, None)?;
    let handle = bind(&bus, address, Duration::from_secs(30))?;
    let mut list = vec![("armed", arm(&handle)), ("100 set", set(&handle, 100.0))];
    list.push(("100 confirmed", confirmed(&handle, 100.0)));
    device.off.store(true, Ordering::Relaxed);
    list.push(("200 taken", set(&handle, 200.0)));
    list.push((
        "disarmed by the read-back",
        handle.wait_for(PATIENCE, |report| {
            matches!(
                report.state,
                ControlState::Disarmed(DisarmReason::ReadBack { .. })
            )
        }),
    ));
    list.push((
        "alarm raised",
        handle
            .report()
            .events
            .iter()
            .any(|e| matches!(e, ControlEvent::Alarm(_))),
    ));
    list.push(("nothing more is taken", !set(&handle, 50.0)));
    device.off.store(false, Ordering::Relaxed);
    list.push(("released", released(&handle)));
    let words = *device.words.lock().unwrap_or_else(PoisonError::into_inner);
    list.push(("fail-safe value held", words[usize::from(REGISTER)] == 7));
    bus.stop();
    server.stop();
    Ok(checks(
        "control, a device that does not hold what is written",
        &list,
    ))
}

/// A connection that can be cut and joined again.
struct Proxy {
    address: String,
    cut: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Self {
            address: listener.local_addr()?.to_string(),
            cut: Arc::default(),
            streams: Arc::default(),
        };
        let (cut, streams) = (Arc::clone(&proxy.cut), Arc::clone(&proxy.streams));
        // It ends with the process; a gate makes one.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if cut.load(Ordering::Relaxed) {
                    continue;
                }
                let _ = join(client, port, &streams);
            }
        });
        Ok(proxy)
    }

    fn set_cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
        if cut {
            let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            for stream in streams.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

fn join(client: TcpStream, port: u16, streams: &Mutex<Vec<TcpStream>>) -> io::Result<()> {
    let device = TcpStream::connect(("127.0.0.1", port))?;
    let copies = [client.try_clone()?, device.try_clone()?];
    streams
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(copies);
    for (mut from, mut to) in [(client.try_clone()?, device.try_clone()?), (device, client)] {
        thread::spawn(move || io::copy(&mut from, &mut to));
    }
    Ok(())
}

/// Arms a pymodbus device, writes, and takes away link or heartbeat; what the
/// device holds is read by pymodbus' own client.
fn fail_safe(python: &Path, cut: bool) -> Result<Vec<(&'static str, bool)>, String> {
    let port = free_port();
    let port_text = port.to_string();
    let _device = Running::script(python, DEVICE, &["tcp", &port_text])?;
    let register = REGISTER.to_string();
    let held = || -> Option<u16> {
        let read = run_script(python, READ, &[&port_text, &register], PATIENCE).ok()?;
        read.trim().parse().ok()
    };
    let proxy = Proxy::start(port).map_err(|error| error.to_string())?;
    let text = |error: HardwareError| error.to_string();
    let bus = Bus::start(1_024, None).map_err(text)?;
    let watchdog = Duration::from_secs(if cut { 60 } else { 2 });
    let handle = bind(&bus, proxy.address.clone(), watchdog).map_err(text)?;
    let mut list = vec![("refused before arming", !set(&handle, 120.0))];
    list.push(("untouched before arming", held() == Some(0)));
    list.push((
        "arming at 60x is refused",
        matches!(
            handle.arm(request(60_000)).recv_timeout(PATIENCE),
            Ok(Err(_))
        ),
    ));
    list.push(("armed", arm(&handle)));
    list.push(("120 taken", set(&handle, 120.0)));
    list.push(("120 confirmed", confirmed(&handle, 120.0)));
    if cut {
        // Heartbeats go on: only the link is lost.
        list.push(("the device holds 120", held() == Some(120)));
        proxy.set_cut(true);
        list.push((
            "disarmed by the loss",
            handle.wait_for(PATIENCE, |report| {
                report.state == ControlState::Disarmed(DisarmReason::LinkLost)
            }),
        ));
        proxy.set_cut(false);
    } else {
        list.push((
            "disarmed without heartbeat",
            handle.wait_for(PATIENCE, |report| {
                report.state == ControlState::Disarmed(DisarmReason::Watchdog)
            }),
        ));
    }
    list.push(("released", released(&handle)));
    list.push(("the device holds the fail-safe value", held() == Some(7)));
    list.push(("nothing more is taken", !set(&handle, 50.0)));
    bus.stop();
    Ok(list)
}
