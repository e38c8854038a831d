//! A device that misbehaves in every way the reference names, over TCP and on
//! a line, read by a bus.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use gridloom_units::DeviceId;

use super::Gate;
use crate::bus::{Bus, Endpoint, EndpointConfig, UnitConfig};
use crate::modbus::rtu::framed;
use crate::{HardwareError, Profile};

/// What the device does at an address, and whether the value may be good.
const CASES: [(u16, &str, bool); 14] = [
    (100, "answers", true),
    (101, "a register short", false),
    (102, "a register long", false),
    (103, "another unit", false),
    (104, "another function", false),
    (105, "bad checksum or transaction", false),
    (106, "a byte every 5 ms", true),
    (107, "noise before it", false),
    (108, "echo before it", true),
    (109, "exception 6", false),
    (110, "exception 11", false),
    (111, "odd byte count", false),
    (112, "silence", false),
    (113, "closes", false),
];

fn reply(addr: u16, function: u8) -> Vec<u8> {
    let registers = match addr {
        101 => 1,
        102 => 3,
        _ => 2_u16,
    };
    let function = if addr == 104 { 3 } else { function };
    match addr {
        109 => vec![function | 0x80, 6],
        110 => vec![function | 0x80, 11],
        111 => vec![function, 3, 0x11, 0x22, 0x33],
        _ => {
            let mut pdu = vec![function, 2 * registers as u8];
            pdu.extend((0..registers).flat_map(|n| (0x1100 + n).to_be_bytes()));
            pdu
        }
    }
}

/// Answers one connection; RTU frames have eight bytes, TCP requests twelve.
fn talk(mut stream: TcpStream, rtu: bool) {
    let mut request = [0; 12];
    let length = if rtu { 8 } else { 12 };
    let at = if rtu { 0 } else { 6 };
    while stream.read_exact(&mut request[..length]).is_ok() {
        let word = |from: usize| u16::from_be_bytes([request[from], request[from + 1]]);
        let (unit, function, addr) = (request[at], request[at + 1], word(at + 2));
        // Probes of the resynchronisation are answered as they should be.
        let pdu = if CASES.iter().any(|(case, ..)| *case == addr) {
            reply(addr, function)
        } else {
            let count = word(at + 4).min(125);
            let mut pdu = vec![function, 2 * count as u8];
            pdu.resize(2 + 2 * usize::from(count), 0);
            pdu
        };
        let named = if addr == 103 { unit + 1 } else { unit };
        let mut frame = if rtu {
            framed(named, &pdu)
        } else {
            let mut frame = request[..4].to_vec();
            frame.extend((pdu.len() as u16 + 1).to_be_bytes());
            frame.push(named);
            frame.extend(&pdu);
            frame
        };
        match addr {
            105 if rtu => {
                if let Some(last) = frame.last_mut() {
                    *last ^= 0x5a;
                }
            }
            105 => frame[1] = frame[1].wrapping_add(7),
            107 => frame.splice(0..0, [0x00, 0xff, 0x55]).for_each(drop),
            108 if rtu => frame.splice(0..0, request[..8].to_vec()).for_each(drop),
            112 => continue,
            113 => return,
            _ => {}
        }
        let pieces = if addr == 106 { 1 } else { frame.len() };
        for piece in frame.chunks(pieces) {
            if stream.write_all(piece).is_err() {
                return;
            }
            if addr == 106 {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

fn device(rtu: bool) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    thread::spawn(move || {
        // It ends with the process; a gate makes 28 of them.
        for stream in listener.incoming().flatten() {
            let _ = stream.set_nodelay(true);
            thread::spawn(move || talk(stream, rtu));
        }
    });
    Ok(address)
}

fn run(rtu: bool) -> Result<(u32, u32, String), HardwareError> {
    let bus = Bus::start(4_096, None)?;
    for (addr, ..) in CASES {
        // A device each, so that one that closes spoils only itself.
        let address = device(rtu).map_err(|source| HardwareError::Listen {
            address: "127.0.0.1".to_owned(),
            source,
        })?;
        let text = format!(
            r#"(vendor: "Test", model: "wire", timeout_ms: 150, probe_block: (Input, 0), points: [
                (id: "p", area: Input, addr: {addr}, ty: U32, poll: "fast")])"#
        );
        let endpoint = if rtu {
            Endpoint::RtuOverTcp(address)
        } else {
            Endpoint::Tcp(address)
        };
        let mut at = EndpointConfig::new(endpoint);
        at.back_off_min = Duration::from_millis(100);
        at.back_off_max = Duration::from_millis(200);
        let mut unit = UnitConfig::new(DeviceId(u32::from(addr)), Profile::parse(&text, "wire")?);
        unit.poll_interval = Duration::from_millis(50);
        bus.bind(&at, unit)?;
    }
    let mut seen: BTreeMap<u16, (u32, u32, u32)> = BTreeMap::new();
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let Some(reading) = bus.next_within(Duration::from_millis(50)) else {
            continue;
        };
        let entry = seen.entry(reading.device.0 as u16).or_default();
        if !reading.quality.is_good() {
            entry.2 += 1;
        } else if reading.value == Some(f64::from(0x1100_1101_u32)) {
            entry.0 += 1;
        } else {
            entry.1 += 1;
        }
    }
    bus.stop();
    let (mut wrong, mut unexpected, mut note) = (0, 0, String::new());
    for (addr, name, may_be_good) in CASES {
        let (right, bad_good, bad) = seen.get(&addr).copied().unwrap_or_default();
        wrong += bad_good + if may_be_good { 0 } else { right };
        if may_be_good && right == 0 || !may_be_good && bad == 0 {
            unexpected += 1;
            note.push_str(&format!("{name}: {right} good, {bad} bad; "));
        }
    }
    Ok((wrong, unexpected, note))
}

pub(super) fn gates() -> Vec<Gate> {
    let mut gates = Vec::new();
    for (rtu, case) in [
        (false, "misbehaving device, tcp"),
        (true, "misbehaving device, rtu"),
    ] {
        match run(rtu) {
            Ok((wrong, unexpected, note)) => {
                gates.push(
                    Gate::figure(case, "wrong_values", f64::from(wrong), "reads").at_most(0.0),
                );
                gates.push(
                    Gate::figure(case, "cases_off", f64::from(unexpected), "cases")
                        .at_most(0.0)
                        .note(note),
                );
            }
            Err(error) => gates.push(Gate::failed(case, "wrong_values", &error.to_string())),
        }
    }
    gates
}
