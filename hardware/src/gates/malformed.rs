//! A generated thousand of malformed replies and telegrams each.

use gridloom_units::{Stream, draw_u64};

use super::Gate;
use crate::modbus::rtu::{Progress, encode, framed, judge};
use crate::modbus::tcp::{HEADER_LEN, check_header};
use crate::modbus::{Ask, ReadRequest};
use crate::profile::Area;
use crate::push::{Heard, p1, sml};

const COUNT: u64 = 1_000;

/// A deterministic source of numbers for case `n`.
struct Dice {
    case: u64,
    drawn: u64,
    stream: u64,
}

impl Dice {
    fn new(stream: u64, case: u64) -> Self {
        Self {
            case,
            drawn: 0,
            stream,
        }
    }

    fn roll(&mut self, below: usize) -> usize {
        self.drawn += 1;
        let drawn = draw_u64(self.stream, self.case, self.drawn, Stream::LinkLatency);
        (drawn % below.max(1) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.roll(256) as u8
    }
}

/// Damages a frame so that it differs from the right one.
fn damage(dice: &mut Dice, right: &[u8]) -> Vec<u8> {
    let mut bytes = right.to_vec();
    loop {
        match dice.roll(6) {
            0 => {
                let at = dice.roll(bytes.len());
                bytes.truncate(at);
            }
            1 => {
                let more = 1 + dice.roll(8);
                for _ in 0..more {
                    bytes.push(dice.byte());
                }
            }
            2 if !bytes.is_empty() => {
                let at = dice.roll(bytes.len());
                bytes[at] ^= 1 << dice.roll(8);
            }
            3 if !bytes.is_empty() => {
                let at = dice.roll(bytes.len());
                bytes.remove(at);
            }
            4 => {
                let at = dice.roll(bytes.len() + 1);
                bytes.insert(at, dice.byte());
            }
            _ => {
                let length = dice.roll(40);
                bytes = (0..length).map(|_| dice.byte()).collect();
            }
        }
        if bytes != right {
            return bytes;
        }
    }
}

fn rtu() -> u64 {
    let mut good = 0;
    for case in 0..COUNT {
        let mut dice = Dice::new(1, case);
        let count = 1 + dice.roll(20) as u16;
        let request = ReadRequest {
            area: Area::Input,
            addr: 10,
            count,
        };
        let Ok(sent) = encode(1, &request) else {
            continue;
        };
        let mut pdu = vec![4, 2 * count as u8];
        pdu.extend((0..2 * count).map(|_| dice.byte()));
        let right = framed(1, &pdu);
        let wrong = damage(&mut dice, &right);
        // A line gives bytes in pieces: the first verdict counts.
        for end in 1..=wrong.len() {
            match judge(&wrong[..end], &sent, 1, &request, false) {
                Ok(Progress::Incomplete) => {}
                Ok(Progress::Complete(_)) => {
                    // The right frame with something behind it is the right
                    // frame; what follows taints the line for the next read.
                    if wrong[..end] != right[..] {
                        good += 1;
                    }
                    break;
                }
                Err(_) => break,
            }
        }
    }
    good
}

/// Modbus/TCP has no checksum: only the form can be wrong.
fn tcp() -> u64 {
    let mut good = 0;
    for case in 0..COUNT {
        let mut dice = Dice::new(2, case);
        let count = 1 + dice.roll(20) as u16;
        let request = ReadRequest {
            area: Area::Input,
            addr: 10,
            count,
        };
        let mut pdu = vec![4, 2 * count as u8];
        pdu.extend((0..2 * count).map(|_| dice.byte()));
        let mut frame = vec![0, 9, 0, 0, 0, pdu.len() as u8 + 1, 1];
        frame.extend(&pdu);
        match dice.roll(5) {
            0 => frame[dice.roll(4)] ^= 1 << dice.roll(8),
            1 => frame[5] ^= 1 << dice.roll(7),
            2 => frame[6 + dice.roll(3)] ^= 1 << dice.roll(7),
            3 => frame.truncate(dice.roll(frame.len())),
            _ => frame = (0..9 + dice.roll(40)).map(|_| dice.byte()).collect(),
        }
        let taken = frame.first_chunk::<HEADER_LEN>().and_then(|header| {
            let length = check_header(header, 9, 1).ok()?;
            let pdu = frame.get(HEADER_LEN..HEADER_LEN + length)?;
            request.decode(pdu).ok()
        });
        good += u64::from(taken.is_some());
    }
    good
}

fn p1() -> u64 {
    let mut good = 0;
    for case in 0..COUNT {
        let mut dice = Dice::new(3, case);
        let right = p1::telegram(
            "GLM5 gate",
            &[
                format!(
                    "1-0:1.8.1({:06}.{:03}*kWh)",
                    dice.roll(999_999),
                    dice.roll(999)
                ),
                format!("1-0:1.7.0({:02}.{:03}*kW)", dice.roll(99), dice.roll(999)),
                "0-1:24.2.1(261126115500W)(00246.138*m3)".to_owned(),
            ],
        );
        let wrong = damage(&mut dice, &right);
        // Noise before or behind a whole telegram leaves it whole.
        if wrong.windows(right.len()).any(|part| part == right) {
            continue;
        }
        // What stands behind the checksum is not covered by it and changes
        // nothing: the telegram is the right one then.
        let whole = p1::Framer::new(true).push(&right);
        let mut framer = p1::Framer::new(true);
        good += framer
            .push(&wrong)
            .iter()
            .filter(|found| found.is_ok() && !whole.contains(found))
            .count() as u64;
    }
    good
}

fn sml() -> u64 {
    let mut good = 0;
    for case in 0..COUNT {
        let mut dice = Dice::new(4, case);
        let power = dice.roll(20_000) as i64 - 10_000;
        let layouts = sml::build::layouts(dice.roll(1 << 20) as f64, 5.0, power);
        let (_, entries) = &layouts[dice.roll(3)];
        let right = sml::build::file(b"\x0a\x01GLM\x00\x00", entries);
        let wrong = damage(&mut dice, &right);
        if wrong.windows(right.len()).any(|part| part == right) {
            continue;
        }
        let mut framer = sml::Framer::default();
        let heard = framer.push(&wrong);
        good += heard
            .iter()
            .filter(|heard| matches!(heard, Heard::Telegram(_)))
            .count() as u64;
    }
    good
}

pub(super) fn gates() -> Vec<Gate> {
    let kinds: [(&str, fn() -> u64); 4] = [
        ("rtu replies", rtu),
        ("tcp replies", tcp),
        ("p1 telegrams", p1),
        ("sml files", sml),
    ];
    let mut gates = Vec::new();
    for (case, run) in kinds {
        let outcome = std::panic::catch_unwind(run);
        let case = format!("{COUNT} malformed {case}");
        let panics = f64::from(u8::from(outcome.is_err()));
        gates.push(Gate::figure(&case, "panics", panics, "runs").at_most(0.0));
        let good = outcome.unwrap_or(0) as f64;
        gates.push(Gate::figure(&case, "good_values", good, "values").at_most(0.0));
    }
    gates
}
