//! DSMR P1 telegrams (IEC 62056-21 mode D): framing, checksum, objects.
//!
//! A telegram begins with `/`, ends with `!` and, from DSMR 4 on, a CRC-16/ARC
//! of everything from `/` to `!` in up to four hexadecimal digits. Objects are
//! `CODE(value)(value*unit)…`; a line that begins with `(` goes on with the
//! object before it (DSMR 2 and 3).

use super::Sent;

/// Longest telegram, bytes; the standard's largest messages stay well below.
const MOST: usize = 8 * 1_024;
/// Most objects of a telegram.
const MOST_OBJECTS: usize = 512;

/// Why bytes are no telegram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum P1Error {
    /// The checksum is not that of the telegram.
    #[error("checksum {got:#06x} instead of {expected:#06x}")]
    Checksum {
        /// Of the bytes.
        expected: u16,
        /// In the telegram.
        got: u16,
    },
    /// There is no checksum and one is needed.
    #[error("no checksum")]
    NoChecksum,
    /// Longer than a telegram can be.
    #[error("no end within {MOST} bytes")]
    TooLong,
    /// Something that is no object.
    #[error("line {0} is no object")]
    Object(usize),
}

/// CRC-16/ARC (polynomial 0x8005 reflected, start 0).
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xa001
            } else {
                crc >> 1
            }
        })
    })
}

/// A value in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The text before `*`.
    pub text: String,
    /// The text behind it.
    pub unit: Option<String>,
}

/// An object of a telegram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// OBIS code as sent (`1-0:1.7.0`).
    pub code: String,
    /// Its values in order.
    pub items: Vec<Item>,
}

/// A whole telegram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telegram {
    /// What stands behind `/`.
    pub header: String,
    /// Its objects in order.
    pub objects: Vec<Object>,
    /// Whether it had a checksum, which then was right.
    pub checked: bool,
}

impl Telegram {
    /// Every object whose last value is a number, in the meter's unit. A gas
    /// or heat meter's reading of DSMR 2 stands in a line of its own behind its
    /// unit.
    #[must_use]
    pub fn numbers(&self) -> Vec<Sent> {
        let number = |object: &Object| {
            let last = object.items.last()?;
            // A code with a list or a time in it is no reading of now.
            if object.items.len() > 2 && !old_gas(object) {
                return None;
            }
            let unit = match &last.unit {
                Some(unit) => unit.clone(),
                None if old_gas(object) => object.items.get(5)?.text.clone(),
                None if object.items.len() > 1 => return None,
                None => String::new(),
            };
            let value = decimal(&last.text)?;
            Some(Sent {
                code: object.code.clone(),
                value,
                unit,
            })
        };
        self.objects.iter().filter_map(number).collect()
    }
}

/// The seven values of an M-Bus reading in DSMR 2 and 3.
fn old_gas(object: &Object) -> bool {
    object.code.ends_with(":24.3.0") && object.items.len() == 7
}

/// A decimal number as meters write it; no exponents, no infinities.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain = !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().filter(|b| *b == b'.').count() <= 1
        && digits.bytes().any(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Milliseconds since 1970 of a meter's time `YYMMDDhhmmssX`; `None` when it is
/// none. The time is civil time of central Europe, whose summer time begins and
/// ends on the last Sundays of March and October at 01:00 UTC; `S` (summer) or
/// `W` (winter) tells the two apart only in the hour that comes twice, since
/// meters also write it where it cannot be. DSMR 2 leaves it out.
#[must_use]
pub fn timestamp_ms(text: &str) -> Option<i64> {
    let (digits, zone) = text.split_at_checked(12)?;
    if !matches!(zone, "S" | "W" | "") {
        return None;
    }
    let two = |at: usize| digits.get(at..at + 2)?.parse::<i64>().ok();
    // Two digits of a year: a clock that was never set says 1970, not 2070.
    let century = if two(0)? >= 69 { 1_900 } else { 2_000 };
    let (year, month, day) = (century + two(0)?, two(2)?, two(4)?);
    let (hour, minute, second) = (two(6)?, two(8)?, two(10)?);
    let sane = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !sane {
        return None;
    }
    let local_s = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    let change_s = |month: i64, hour: i64| (last_sunday(year, month) * 24 + hour) * 3_600;
    let (begins, ends) = (change_s(3, 2), change_s(10, 3));
    let twice = (ends - 3_600..ends).contains(&local_s);
    let summer = (begins..ends).contains(&local_s) && !(twice && zone == "W");
    Some((local_s - if summer { 7_200 } else { 3_600 }) * 1_000)
}

/// Days of the civil calendar since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have the leap day at their end.
    let (y, m) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468
}

/// Day of the last Sunday of a month with 31 days.
fn last_sunday(year: i64, month: i64) -> i64 {
    let last = days(year, month, 31);
    // 1970-01-01 was a Thursday.
    last - (last + 4).rem_euclid(7)
}

/// Cuts telegrams out of a stream of bytes.
#[derive(Debug)]
pub struct Framer {
    needs_crc: bool,
    buffer: Vec<u8>,
}

impl Framer {
    /// `needs_crc` refuses telegrams without a checksum.
    #[must_use]
    pub fn new(needs_crc: bool) -> Self {
        Self {
            needs_crc,
            buffer: Vec::new(),
        }
    }

    /// Takes bytes; gives what ended in them.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Result<Telegram, P1Error>> {
        let mut found = Vec::new();
        for byte in bytes {
            if *byte == b'/' && !self.buffer.contains(&b'!') && self.at_line_start() {
                // A new telegram before the end of the last: that one was cut.
                self.buffer.clear();
            }
            if self.buffer.is_empty() && *byte != b'/' {
                continue;
            }
            self.buffer.push(*byte);
            if *byte == b'\n'
                && let Some(end) = self.end_mark()
            {
                found.push(parse_frame(&self.buffer, end, self.needs_crc));
                self.buffer.clear();
            } else if self.buffer.len() > MOST {
                found.push(Err(P1Error::TooLong));
                self.buffer.clear();
            }
        }
        found
    }

    fn at_line_start(&self) -> bool {
        self.buffer.last().is_none_or(|byte| *byte == b'\n')
    }

    /// Where the `!` is that begins the last line.
    fn end_mark(&self) -> Option<usize> {
        let line = self.buffer[..self.buffer.len() - 1]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        (self.buffer.get(line) == Some(&b'!')).then_some(line)
    }
}

/// Takes apart a telegram whose `!` is at `end`.
fn parse_frame(frame: &[u8], end: usize, needs_crc: bool) -> Result<Telegram, P1Error> {
    let stated = std::str::from_utf8(&frame[end + 1..]).unwrap_or("").trim();
    let checked = if stated.is_empty() {
        if needs_crc {
            return Err(P1Error::NoChecksum);
        }
        false
    } else {
        // Some meters leave out leading zeros.
        let got = Some(stated)
            .filter(|text| text.len() <= 4 && text.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|text| u16::from_str_radix(text, 16).ok())
            .ok_or(P1Error::NoChecksum)?;
        let expected = crc16(&frame[..=end]);
        if got != expected {
            return Err(P1Error::Checksum { expected, got });
        }
        true
    };
    let text = String::from_utf8_lossy(&frame[1..end]);
    let mut lines = text.lines();
    let header = lines.next().unwrap_or("").trim().to_owned();
    let mut objects: Vec<Object> = Vec::new();
    for (number, line) in lines.enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let wrong = P1Error::Object(number + 2);
        let open = line.find('(').ok_or(wrong)?;
        let mut items = items(&line[open..]).ok_or(wrong)?;
        if open == 0 {
            objects.last_mut().ok_or(wrong)?.items.append(&mut items);
        } else if objects.len() < MOST_OBJECTS {
            objects.push(Object {
                code: line[..open].to_owned(),
                items,
            });
        } else {
            return Err(wrong);
        }
    }
    Ok(Telegram {
        header,
        objects,
        checked,
    })
}

/// `(a)(b*u)` as items; `None` when the brackets do not match.
fn items(text: &str) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let inner = rest.strip_prefix('(')?;
        let (value, behind) = inner.split_once(')')?;
        if value.contains('(') {
            return None;
        }
        let (text, unit) = match value.split_once('*') {
            Some((text, unit)) => (text, Some(unit.to_owned())),
            None => (value, None),
        };
        items.push(Item {
            text: text.to_owned(),
            unit,
        });
        rest = behind;
    }
    Some(items)
}

/// A telegram of objects `CODE(…)`, with its checksum; for tests and for
/// showing a meter of the twin on a P1 port.
#[must_use]
pub fn telegram(header: &str, objects: &[String]) -> Vec<u8> {
    let mut text = format!("/{header}\r\n\r\n");
    for object in objects {
        text.push_str(object);
        text.push_str("\r\n");
    }
    text.push('!');
    let crc = crc16(text.as_bytes());
    text.push_str(&format!("{crc:04X}\r\n"));
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> Vec<u8> {
        telegram(
            "GLM5 test",
            &[
                "1-3:0.2.8(50)".into(),
                "0-0:1.0.0(261126120000W)".into(),
                "1-0:1.8.1(000123.456*kWh)".into(),
                "1-0:1.7.0(01.234*kW)".into(),
                "1-0:32.7.0(230.1*V)".into(),
                "1-0:99.97.0(1)(0-0:96.7.19)(190326095015W)(0000002014*s)".into(),
                "0-1:24.2.1(261126115500W)(00246.138*m3)".into(),
                "0-0:96.13.0()".into(),
            ],
        )
    }

    #[test]
    fn a_telegram_is_taken_apart_however_it_is_cut() {
        // Check value of CRC-16/ARC.
        assert_eq!(crc16(b"123456789"), 0xbb3d);
        for size in [1, 7, 1_000] {
            let mut framer = Framer::new(true);
            let bytes = [b"noise\r\n".to_vec(), example(), example()].concat();
            let found: Vec<_> = bytes.chunks(size).flat_map(|c| framer.push(c)).collect();
            assert_eq!(found.len(), 2, "{size}");
            let telegram = found[1].as_ref().expect("whole");
            let numbers = telegram.numbers();
            let value = |code: &str| numbers.iter().find(|s| s.code == code).map(|s| s.value);
            assert_eq!(value("1-0:1.8.1"), Some(123.456));
            assert_eq!(value("1-0:1.7.0"), Some(1.234));
            assert_eq!(value("0-1:24.2.1"), Some(246.138));
            assert_eq!(value("1-0:99.97.0"), None, "a list is no reading");
            assert_eq!(value("0-0:96.13.0"), None);
        }
    }

    #[test]
    fn checksums_are_required_unless_the_meter_has_none() {
        let mut broken = example();
        broken[40] ^= 1;
        assert!(matches!(
            Framer::new(true).push(&broken)[..],
            [Err(P1Error::Checksum { .. })]
        ));
        let old = b"/GLM old\r\n\r\n0-1:24.3.0(161107190000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00001.001)\r\n!\r\n";
        assert_eq!(Framer::new(true).push(old), [Err(P1Error::NoChecksum)]);
        let found = Framer::new(false).push(old);
        let numbers = found[0].as_ref().expect("whole").numbers();
        assert_eq!((numbers[0].value, numbers[0].unit.as_str()), (1.001, "m3"));
        // A checksum with a leading zero that was left out.
        let short = (0..2_000)
            .map(|n| telegram("GLM", &[format!("1-0:1.7.0({n}*kW)")]))
            .find(|bytes| bytes[bytes.len() - 6] == b'0')
            .expect("one of sixteen");
        let mut unpadded = short.clone();
        unpadded.remove(short.len() - 6);
        assert!(matches!(&Framer::new(true).push(&unpadded)[..], [Ok(t)] if t.checked));
    }

    #[test]
    fn meter_times_become_unix_times() {
        assert_eq!(timestamp_ms("170102192002W"), Some(1_483_381_202_000));
        assert_eq!(timestamp_ms("200426223325S"), Some(1_587_933_205_000));
        // A summer mark in winter, and the hour that comes twice.
        assert_eq!(timestamp_ms("200305122139S"), Some(1_583_407_299_000));
        let twice = |zone: &str| timestamp_ms(&format!("261025023000{zone}"));
        assert_eq!(
            twice("W").zip(twice("S")).map(|(w, s)| w - s),
            Some(3_600_000)
        );
        for none in ["632525252525W", "170102192002X", "", "17010219200éW"] {
            assert_eq!(timestamp_ms(none), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut framer = Framer::new(false);
            for telegram in framer.push(&bytes).into_iter().flatten() {
                prop_assert!(telegram.numbers().iter().all(|sent| sent.value.is_finite()));
            }
        }

        #[test]
        fn a_changed_byte_never_gives_a_value(at in 1_usize..200, flip in 1_u8..) {
            let mut bytes = example();
            let at = at % (bytes.len() - 6);
            bytes[at] ^= flip;
            let good: Vec<_> = Framer::new(true).push(&bytes).into_iter().flatten().collect();
            prop_assert!(good.is_empty(), "{:?}", good);
        }
    }
}
