//! Framing of Modbus/TCP: a header of seven bytes before the data unit.

use super::pdu::{Ask, Refusal, ReplyError};

/// Bytes of the header: transaction, protocol, length, unit.
pub const HEADER_LEN: usize = 7;
/// Most bytes of a data unit (253) and the unit id, the length field's range.
const MAX_LENGTH: u16 = 254;

/// Bytes of a request to `unit` with transaction number `transaction`.
///
/// # Errors
/// Fails when the request cannot be sent.
pub fn encode(transaction: u16, unit: u8, request: &impl Ask) -> Result<Vec<u8>, Refusal> {
    let pdu = request.pdu()?;
    let mut frame = Vec::with_capacity(HEADER_LEN + pdu.len());
    frame.extend_from_slice(&transaction.to_be_bytes());
    frame.extend_from_slice(&[0, 0]);
    // A data unit has at most 253 bytes.
    let length = u16::try_from(pdu.len() + 1).unwrap_or(MAX_LENGTH);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.push(unit);
    frame.extend_from_slice(&pdu);
    Ok(frame)
}

/// Transaction, unit and length of the data unit in a header, whatever it
/// answers.
///
/// # Errors
/// Fails when the header is not Modbus.
pub fn parse_header(header: &[u8; HEADER_LEN]) -> Result<(u16, u8, usize), ReplyError> {
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (transaction, protocol, length) = (word(0), word(2), word(4));
    // A data unit has at least two bytes.
    if protocol != 0 || !(3..=MAX_LENGTH).contains(&length) {
        return Err(ReplyError::Header { protocol, length });
    }
    Ok((transaction, header[6], usize::from(length) - 1))
}

/// Checks the header of a reply; returns the length of the data unit behind it.
///
/// # Errors
/// Fails when the header is not Modbus, answers another request or names
/// another unit. The connection is out of step then and has to be rebuilt.
pub fn check_header(
    header: &[u8; HEADER_LEN],
    transaction: u16,
    unit: u8,
) -> Result<usize, ReplyError> {
    let (got, named, length) = parse_header(header)?;
    if got != transaction {
        return Err(ReplyError::Transaction {
            expected: transaction,
            got,
        });
    }
    if named != unit {
        return Err(ReplyError::Unit {
            expected: unit,
            got: named,
        });
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::super::pdu::ReadRequest;
    use super::*;
    use crate::profile::Area;

    #[test]
    fn a_request_is_framed_and_the_header_of_its_reply_checked() {
        let request = ReadRequest {
            area: Area::Input,
            addr: 0,
            count: 2,
        };
        let frame = encode(0x1234, 9, &request).expect("valid");
        assert_eq!(frame, [0x12, 0x34, 0, 0, 0, 6, 9, 4, 0, 0, 0, 2]);
        let good = [0x12, 0x34, 0, 0, 0, 7, 9];
        assert_eq!(check_header(&good, 0x1234, 9), Ok(6));
        let with = |at: usize, value: u8| {
            let mut header = good;
            header[at] = value;
            check_header(&header, 0x1234, 9)
        };
        assert_eq!(
            with(1, 0x35),
            Err(ReplyError::Transaction {
                expected: 0x1234,
                got: 0x1235
            })
        );
        assert_eq!(
            with(6, 8),
            Err(ReplyError::Unit {
                expected: 9,
                got: 8
            })
        );
        assert!(matches!(with(2, 1), Err(ReplyError::Header { .. })));
        assert!(matches!(with(5, 2), Err(ReplyError::Header { .. })));
        assert!(matches!(with(4, 9), Err(ReplyError::Header { .. })));
    }
}
