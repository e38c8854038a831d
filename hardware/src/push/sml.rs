//! SML files (Smart Message Language, BSI TR-03109): framing by `sml-rs`,
//! values by OBIS code with scaler and unit.

use sml_rs::parser::common::{ListEntry, Value};
use sml_rs::parser::complete::{MessageBody, parse};
use sml_rs::transport::{DecodeErr, Decoder};

use super::{Heard, Sent};

/// Largest scaler that is believed.
const MOST_SCALER: i8 = 12;
/// Longest file, bytes.
const MOST: usize = 16 * 1_024;

/// Cuts SML files out of a stream of bytes.
#[derive(Default)]
pub struct Framer {
    decoder: Decoder<Vec<u8>>,
    length: usize,
}

impl std::fmt::Debug for Framer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Framer")
    }
}

impl Framer {
    /// Takes bytes; gives what ended in them.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Heard> {
        let mut found = Vec::new();
        for byte in bytes {
            self.length += 1;
            if self.length > MOST {
                *self = Self::default();
                found.push(Heard::Shape);
            }
            match self.decoder.push_byte(*byte) {
                Ok(None) => {}
                Ok(Some(file)) => {
                    found.push(values(file));
                    self.length = 0;
                }
                Err(DecodeErr::DiscardedBytes(_)) => {}
                Err(DecodeErr::InvalidMessage { .. }) => {
                    found.push(Heard::Checksum);
                    self.length = 0;
                }
                Err(_) => {
                    found.push(Heard::Shape);
                    self.length = 0;
                }
            }
        }
        found
    }
}

/// The numbers of a file without its transport.
fn values(file: &[u8]) -> Heard {
    let Ok(file) = parse(file) else {
        return Heard::Shape;
    };
    let mut sent = Vec::new();
    for message in &file.messages {
        if let MessageBody::GetListResponse(list) = &message.message_body {
            sent.extend(list.val_list.iter().filter_map(number));
        }
    }
    Heard::Telegram(sent)
}

fn number(entry: &ListEntry<'_>) -> Option<Sent> {
    let [a, b, c, d, e, f] = *entry.obj_name else {
        return None;
    };
    let whole = match entry.value {
        Value::I8(n) => f64::from(n),
        Value::I16(n) => f64::from(n),
        Value::I32(n) => f64::from(n),
        Value::I64(n) => n as f64,
        Value::U8(n) => f64::from(n),
        Value::U16(n) => f64::from(n),
        Value::U32(n) => f64::from(n),
        Value::U64(n) => n as f64,
        Value::Bool(_) | Value::Bytes(_) | Value::List(_) => return None,
    };
    let scaler = entry.scaler.unwrap_or(0);
    if scaler.unsigned_abs() > MOST_SCALER.unsigned_abs() {
        return None;
    }
    let value = if scaler < 0 {
        // Dividing keeps decimal fractions exact to the last bit.
        whole / 10_f64.powi(-i32::from(scaler))
    } else {
        whole * 10_f64.powi(i32::from(scaler))
    };
    Some(Sent {
        code: format!("{a}-{b}:{c}.{d}.{e}*{f}"),
        value,
        unit: entry.unit.map_or("", unit).to_owned(),
    })
}

/// Units of the DLMS list that electricity meters use.
fn unit(code: u8) -> &'static str {
    match code {
        8 => "deg",
        27 => "W",
        28 => "VA",
        29 => "var",
        30 => "Wh",
        32 => "varh",
        33 => "A",
        35 => "V",
        44 => "Hz",
        _ => "",
    }
}

/// Files as meters send them, built for tests and for the gates.
pub mod build {
    /// A value of an entry.
    #[derive(Clone, Copy, Debug)]
    pub enum Coded {
        /// Signed integer of so many bytes.
        Int(i64, usize),
        /// Unsigned integer of so many bytes.
        Uint(u64, usize),
        /// Bytes.
        Bytes(&'static [u8]),
    }

    /// An entry of a list: OBIS code, unit, scaler, value.
    #[derive(Clone, Copy, Debug)]
    pub struct Entry {
        /// The six parts of the code.
        pub code: [u8; 6],
        /// Unit of the DLMS list.
        pub unit: Option<u8>,
        /// Power of ten.
        pub scaler: Option<i8>,
        /// The value.
        pub value: Coded,
    }

    fn octets(out: &mut Vec<u8>, bytes: &[u8]) {
        let length = bytes.len() + 1;
        if length < 16 {
            out.push(length as u8);
        } else {
            let length = length + 1;
            out.extend([0x80 | (length >> 4) as u8, (length & 0x0f) as u8]);
        }
        out.extend_from_slice(bytes);
    }

    fn list(out: &mut Vec<u8>, length: usize) {
        if length < 16 {
            out.push(0x70 | length as u8);
        } else {
            out.extend([0xf0 | (length >> 4) as u8, (length & 0x0f) as u8]);
        }
    }

    fn integer(out: &mut Vec<u8>, kind: u8, bytes: [u8; 8], size: usize) {
        out.push(kind | (size + 1) as u8);
        out.extend_from_slice(&bytes[8 - size..]);
    }

    fn entry(out: &mut Vec<u8>, entry: &Entry) {
        list(out, 7);
        octets(out, &entry.code);
        out.extend([0x01, 0x01]);
        match entry.unit {
            Some(unit) => out.extend([0x62, unit]),
            None => out.push(0x01),
        }
        match entry.scaler {
            Some(scaler) => out.extend([0x52, scaler.cast_unsigned()]),
            None => out.push(0x01),
        }
        match entry.value {
            Coded::Int(n, size) => integer(out, 0x50, n.to_be_bytes(), size),
            Coded::Uint(n, size) => integer(out, 0x60, n.to_be_bytes(), size),
            Coded::Bytes(bytes) => octets(out, bytes),
        }
        out.push(0x01);
    }

    /// CRC-16/X-25 as SML uses it.
    fn crc(bytes: &[u8]) -> u16 {
        !bytes.iter().fold(0xffff, |crc: u16, byte| {
            (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
                if crc & 1 == 1 {
                    crc >> 1 ^ 0x8408
                } else {
                    crc >> 1
                }
            })
        })
    }

    fn message(out: &mut Vec<u8>, number: u8, tag: u16, body: &[u8]) {
        let mut text = Vec::new();
        list(&mut text, 6);
        octets(&mut text, &[0x4c, number]);
        text.extend([0x62, 0x00, 0x62, 0x00]);
        list(&mut text, 2);
        integer(&mut text, 0x60, u64::from(tag).to_be_bytes(), 2);
        text.extend_from_slice(body);
        let sum = crc(&text).swap_bytes();
        integer(&mut text, 0x60, u64::from(sum).to_be_bytes(), 2);
        text.push(0x00);
        out.extend(text);
    }

    /// A whole file in its transport: opening, one list, closing.
    #[must_use]
    pub fn file(server: &'static [u8], entries: &[Entry]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut body = Vec::new();
        list(&mut body, 6);
        body.extend([0x01, 0x01]);
        octets(&mut body, &[0x01]);
        octets(&mut body, server);
        body.extend([0x01, 0x01]);
        message(&mut out, 1, 0x0101, &body);
        body.clear();
        list(&mut body, 7);
        body.push(0x01);
        octets(&mut body, server);
        body.extend([0x01, 0x01]);
        list(&mut body, entries.len());
        entries.iter().for_each(|e| entry(&mut body, e));
        body.extend([0x01, 0x01]);
        message(&mut out, 2, 0x0701, &body);
        message(&mut out, 3, 0x0201, &[0x71, 0x01]);
        let fill = (4 - out.len() % 4) % 4;
        out.resize(out.len() + fill, 0);
        // Four escape bytes in the data are sent twice.
        let mut frame = [[0x1b; 4], [0x01; 4]].concat();
        let mut at = 0;
        while at < out.len() {
            if out[at..].starts_with(&[0x1b; 4]) {
                frame.extend([0x1b; 8]);
                at += 4;
            } else {
                frame.push(out[at]);
                at += 1;
            }
        }
        frame.extend([0x1b; 4]);
        frame.extend([0x1a, fill as u8]);
        let sum = crc(&frame).to_le_bytes();
        frame.extend(sum);
        frame
    }

    /// The lists three makers document, with values: total import register in
    /// Wh, exported register, power now (negative where `power_w` is).
    #[must_use]
    pub fn layouts(
        import_wh: f64,
        export_wh: f64,
        power_w: i64,
    ) -> [(&'static str, Vec<Entry>); 3] {
        let code = |c: u8, d: u8, e: u8| [1, 0, c, d, e, 255];
        let register = |of: [u8; 6], wh: f64, scaler: i8, size: usize| Entry {
            code: of,
            unit: Some(30),
            scaler: Some(scaler),
            value: Coded::Uint((wh / 10_f64.powi(i32::from(scaler))).round() as u64, size),
        };
        let power = |of: [u8; 6], scaler: i8, size: usize| Entry {
            code: of,
            unit: Some(27),
            scaler: Some(scaler),
            value: Coded::Int(power_w * 10_i64.pow(scaler.unsigned_abs().into()), size),
        };
        let maker = |bytes: &'static [u8]| Entry {
            code: [129, 129, 199, 130, 3, 255],
            unit: None,
            scaler: None,
            value: Coded::Bytes(bytes),
        };
        [
            (
                "five-byte registers in tenths, power of four bytes",
                vec![
                    maker(b"EMH"),
                    register(code(1, 8, 0), import_wh, -1, 5),
                    register(code(2, 8, 0), export_wh, -1, 5),
                    power(code(16, 7, 0), 0, 4),
                ],
            ),
            (
                "eight-byte registers in ten-thousandths, power of eight bytes",
                vec![
                    maker(b"ESY"),
                    register(code(1, 8, 0), import_wh, -4, 8),
                    register(code(2, 8, 0), export_wh, -4, 8),
                    power(code(16, 7, 0), -2, 8),
                ],
            ),
            (
                "eight-byte registers in tenths, power of three bytes",
                vec![
                    maker(b"ISK"),
                    register(code(1, 8, 0), import_wh, -1, 8),
                    register(code(2, 8, 0), export_wh, -1, 8),
                    power(code(16, 7, 0), 0, 3),
                ],
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(heard: &[Heard], code: &str) -> Option<f64> {
        let [Heard::Telegram(sent)] = heard else {
            return None;
        };
        sent.iter().find(|s| s.code == code).map(|s| s.value)
    }

    #[test]
    fn three_layouts_decode_with_negative_power_and_odd_widths() {
        for power_w in [1_234, -1_234, -1, 0] {
            for (name, entries) in build::layouts(12_345.6, 789.0, power_w) {
                let file = build::file(b"\x0a\x01GLM\x00\x00", &entries);
                for size in [1, 13, 4_096] {
                    let mut framer = Framer::default();
                    let heard: Vec<Heard> =
                        file.chunks(size).flat_map(|c| framer.push(c)).collect();
                    assert_eq!(of(&heard, "1-0:16.7.0*255"), Some(power_w as f64), "{name}");
                    assert_eq!(of(&heard, "1-0:1.8.0*255"), Some(12_345.6), "{name}");
                    assert_eq!(of(&heard, "1-0:2.8.0*255"), Some(789.0), "{name}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_gives_a_value(at in 0_usize..400, flip in 1_u8..) {
            let (_, entries) = &build::layouts(12_345.6, 789.0, -55)[2];
            let mut file = build::file(b"\x0a\x01GLM\x00\x00", entries);
            let at = at % file.len();
            file[at] ^= flip;
            let heard = Framer::default().push(&file);
            let good = heard.iter().any(|h| matches!(h, Heard::Telegram(_)));
            prop_assert!(!good, "{:?}", heard);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Framer::default().push(&bytes);
        }
    }
}
