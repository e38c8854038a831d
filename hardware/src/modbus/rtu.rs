//! Framing of Modbus RTU: unit, data unit, checksum; no transaction number.
//!
//! A reply carries nothing that ties it to its request but its form, so a
//! reply that comes too late looks like the answer to the next request. The
//! rules here are about that: see [`Sync`].

use super::pdu::{Ask, Refusal, ReplyError};

/// Bytes of a frame around the data unit: unit and checksum.
const AROUND: usize = 3;
/// Bytes of an exception frame.
const EXCEPTION_LEN: usize = 5;

/// CRC-16/MODBUS of `bytes` (polynomial 0x8005 reflected, start 0xffff).
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc: u16, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xa001
            } else {
                crc >> 1
            }
        })
    })
}

/// Bytes of a request to `unit`.
///
/// # Errors
/// Fails when the request cannot be sent.
pub fn encode(unit: u8, request: &impl Ask) -> Result<Vec<u8>, Refusal> {
    Ok(framed(unit, &request.pdu()?))
}

/// A data unit as a frame of `unit`.
#[must_use]
pub fn framed(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = vec![unit];
    frame.extend_from_slice(pdu);
    frame.extend_from_slice(&crc16(&frame).to_le_bytes());
    frame
}

/// What the bytes received so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T = Vec<u16>> {
    /// More has to come.
    Incomplete,
    /// The whole reply.
    Complete(T),
}

/// Judges the bytes received after `sent` was written.
///
/// An echo of the request itself (a two-wire line that hears its own sender)
/// is skipped: always before the reply to a read, which it cannot be confused
/// with, and with `echo` before the reply to any request. A reply that happens
/// to begin with all bytes of its request is refused, never misread.
///
/// # Errors
/// Fails as soon as the bytes cannot be the answer: another unit, another
/// function, another length, a wrong checksum, or more than the answer.
pub fn judge<A: Ask>(
    received: &[u8],
    sent: &[u8],
    unit: u8,
    request: &A,
    echo: bool,
) -> Result<Progress<A::Answer>, ReplyError> {
    let skips = echo || !request.echoes();
    let received = if skips
        && sent.starts_with(&received[..received.len().min(sent.len())])
        && !received.is_empty()
    {
        // All of it echo so far, or the echo and something behind it.
        received.get(sent.len()..).unwrap_or(&[])
    } else {
        received
    };
    let Some(first) = received.first() else {
        return Ok(Progress::Incomplete);
    };
    if *first != unit {
        return Err(ReplyError::Unit {
            expected: unit,
            got: *first,
        });
    }
    let Some(function) = received.get(1) else {
        return Ok(Progress::Incomplete);
    };
    let length = if *function == request.function() | 0x80 {
        EXCEPTION_LEN
    } else if *function == request.function() {
        AROUND + request.reply_len()
    } else {
        return Err(ReplyError::Function {
            expected: request.function(),
            got: *function,
        });
    };
    // The byte count comes third; a wrong one shows before the frame is whole.
    if let Some(stated) = received.get(2)
        && length != EXCEPTION_LEN
        && request.states_length()
        && AROUND + 2 + usize::from(*stated) != length
    {
        return Err(ReplyError::Length {
            expected: length,
            got: AROUND + 2 + usize::from(*stated),
        });
    }
    if received.len() < length {
        return Ok(Progress::Incomplete);
    }
    if received.len() > length {
        return Err(ReplyError::Length {
            expected: length,
            got: received.len(),
        });
    }
    let (body, sum) = received.split_at(length - 2);
    let got = u16::from_le_bytes([sum[0], sum[1]]);
    let expected = crc16(body);
    if got != expected {
        return Err(ReplyError::Checksum { expected, got });
    }
    request.decode(&body[1..]).map(Progress::Complete)
}

/// Probes in a row that must come back whole before the line counts as in step.
const PROBES_NEEDED: u32 = 2;
/// Probes after which a resynchronisation is given up.
const PROBES_MOST: u32 = 30;
/// Silent probes in a row after which it is given up, where nothing else says.
pub const SILENT_MOST: u32 = 8;

/// Whether requests and replies of a line are in step, and how to get there.
///
/// Any fault taints the line. Before the next real read, probes are sent that
/// ask for register counts no real read uses, another one each time: a late
/// reply to a real read or to an earlier probe then has the wrong length and
/// cannot pass for the probe's. Two probes in a row that come back whole show
/// that nothing late is under way any more.
#[derive(Clone, Debug)]
pub struct Sync {
    tainted: bool,
    /// Counts no real read uses.
    counts: Vec<u16>,
    next: usize,
}

/// A resynchronisation in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resync {
    whole: u32,
    sent: u32,
    silent: u32,
    silent_most: u32,
}

impl Default for Resync {
    fn default() -> Self {
        Self::patient(SILENT_MOST)
    }
}

impl Resync {
    /// One that is given up after `silent_most` silent probes in a row.
    #[must_use]
    pub fn patient(silent_most: u32) -> Self {
        Self {
            whole: 0,
            sent: 0,
            silent: 0,
            silent_most,
        }
    }
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeEnd {
    /// It came back whole.
    Whole,
    /// Something else came.
    Wrong,
    /// Nothing came.
    Silent,
}

/// What to do after a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResyncStep {
    /// Drain the line and probe again.
    Again,
    /// The line is in step.
    InStep,
    /// It cannot be brought into step now.
    GivenUp,
}

impl Sync {
    /// For a line on which real reads use `used` counts.
    ///
    /// A new line is tainted: whoever used it before may have left a reply
    /// under way.
    #[must_use]
    pub fn new(used: &[u16]) -> Self {
        // Small probes are quick; five counts tell successive probes apart.
        let counts = (3..=125)
            .filter(|count| !used.contains(count))
            .take(5)
            .collect();
        Self {
            tainted: true,
            counts,
            next: 0,
        }
    }

    /// Whether the next read must be preceded by a resynchronisation.
    #[must_use]
    pub fn is_tainted(&self) -> bool {
        self.tainted
    }

    /// Notes a fault.
    pub fn taint(&mut self) {
        self.tainted = true;
    }

    /// Register count of the next probe.
    pub fn probe_count(&mut self) -> u16 {
        self.next = self.next.wrapping_add(1);
        // A profile that uses every count leaves none; then any will do.
        self.counts
            .get(self.next % self.counts.len().max(1))
            .copied()
            .unwrap_or(3)
    }

    /// Notes the end of a probe and says what to do.
    pub fn after_probe(&mut self, resync: &mut Resync, end: ProbeEnd) -> ResyncStep {
        resync.sent += 1;
        match end {
            ProbeEnd::Whole => {
                resync.whole += 1;
                resync.silent = 0;
            }
            ProbeEnd::Wrong => {
                resync.whole = 0;
                resync.silent = 0;
            }
            ProbeEnd::Silent => {
                resync.whole = 0;
                resync.silent += 1;
            }
        }
        if resync.whole >= PROBES_NEEDED {
            self.tainted = false;
            return ResyncStep::InStep;
        }
        if resync.sent >= PROBES_MOST || resync.silent >= resync.silent_most {
            return ResyncStep::GivenUp;
        }
        ResyncStep::Again
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::modbus::ReadRequest;
    use crate::profile::Area;

    const TWO: ReadRequest = ReadRequest {
        area: Area::Input,
        addr: 10,
        count: 2,
    };

    #[test]
    fn the_checksum_is_the_standard_one() {
        // Check value of CRC-16/MODBUS.
        assert_eq!(crc16(b"123456789"), 0x4b37);
        // A frame with its own checksum behind it sums to zero.
        assert_eq!(crc16(&encode(1, &TWO).expect("valid")), 0);
    }

    #[test]
    fn a_whole_reply_is_taken_and_every_other_refused() {
        let sent = encode(1, &TWO).expect("valid");
        let good = framed(1, &[4, 4, 0, 10, 0, 11]);
        let judge = |bytes: &[u8]| judge(bytes, &sent, 1, &TWO, false);
        assert_eq!(judge(&good), Ok(Progress::Complete(vec![10, 11])));
        for end in 0..good.len() {
            assert_eq!(judge(&good[..end]), Ok(Progress::Incomplete), "{end} bytes");
        }
        let echoed = [sent.clone(), good.clone()].concat();
        for end in 0..echoed.len() {
            assert_eq!(
                judge(&echoed[..end]),
                Ok(Progress::Incomplete),
                "{end} bytes with echo"
            );
        }
        assert_eq!(judge(&echoed), Ok(Progress::Complete(vec![10, 11])));
        let mut broken = good.clone();
        broken[4] ^= 1;
        assert!(matches!(judge(&broken), Err(ReplyError::Checksum { .. })));
        assert!(matches!(
            judge(&[good, vec![0]].concat()),
            Err(ReplyError::Length { .. })
        ));
        assert_eq!(
            judge(&framed(2, &[4, 4, 0, 10, 0, 11])),
            Err(ReplyError::Unit {
                expected: 1,
                got: 2
            })
        );
        assert_eq!(
            judge(&framed(1, &[3, 4, 0, 10, 0, 11])),
            Err(ReplyError::Function {
                expected: 4,
                got: 3
            })
        );
        assert!(matches!(
            judge(&framed(1, &[4, 2, 0, 10])),
            Err(ReplyError::Length { .. })
        ));
        assert_eq!(judge(&framed(1, &[0x84, 6])), Err(ReplyError::Exception(6)));
    }

    #[test]
    fn a_line_is_in_step_after_two_whole_probes_in_a_row() {
        let mut sync = Sync::new(&[2, 20]);
        assert!(sync.is_tainted());
        let mut resync = Resync::default();
        let counts: Vec<u16> = (0..6).map(|_| sync.probe_count()).collect();
        assert!(counts.iter().all(|count| *count != 2 && *count != 20));
        assert!(counts.windows(2).all(|pair| pair[0] != pair[1]));
        for (end, step) in [
            (ProbeEnd::Wrong, ResyncStep::Again),
            (ProbeEnd::Whole, ResyncStep::Again),
            (ProbeEnd::Silent, ResyncStep::Again),
            (ProbeEnd::Whole, ResyncStep::Again),
            (ProbeEnd::Whole, ResyncStep::InStep),
        ] {
            assert_eq!(sync.after_probe(&mut resync, end), step);
        }
        assert!(!sync.is_tainted());
        let mut resync = Resync::default();
        sync.taint();
        let ends = (0..8)
            .map(|_| sync.after_probe(&mut resync, ProbeEnd::Silent))
            .collect::<Vec<_>>();
        assert_eq!(
            ends.iter()
                .filter(|step| **step == ResyncStep::GivenUp)
                .count(),
            1
        );
        assert!(sync.is_tainted());
    }

    proptest! {
        #[test]
        fn no_bytes_are_taken_for_a_reply_they_are_not(
            received in proptest::collection::vec(any::<u8>(), 0..40),
            count in 1_u16..20,
        ) {
            let request = ReadRequest { count, ..TWO };
            let sent = encode(1, &request).expect("valid");
            if let Ok(Progress::Complete(registers)) = judge(&received, &sent, 1, &request, false) {
                prop_assert_eq!(registers.len(), usize::from(count));
                prop_assert_eq!(crc16(&received), 0);
            }
        }
    }
}
