//! Protocol data units of the reading functions.

use crate::profile::Area;

/// Most registers one request may ask for (Modbus application protocol, 6.3).
const MAX_REGISTERS: u16 = 125;
/// Most bits one request may ask for (6.1).
const MAX_BITS: u16 = 2_000;
/// Flag of an exception in the function code.
const EXCEPTION: u8 = 0x80;

/// A request with a reply of known form.
pub trait Ask {
    /// What a whole reply says.
    type Answer;
    /// Function code.
    fn function(&self) -> u8;
    /// Bytes of the data unit.
    ///
    /// # Errors
    /// Fails when the request cannot be sent.
    fn pdu(&self) -> Result<Vec<u8>, Refusal>;
    /// Bytes of a whole reply's data unit.
    fn reply_len(&self) -> usize;
    /// Whether the reply states the number of its data bytes after the function.
    fn states_length(&self) -> bool;
    /// Whether a whole reply is a copy of its request, so that an echo of the
    /// request cannot be told apart by its form.
    fn echoes(&self) -> bool;
    /// Takes a reply apart.
    ///
    /// # Errors
    /// Fails unless the reply has exactly the form this request asks for.
    fn decode(&self, reply: &[u8]) -> Result<Self::Answer, ReplyError>;
}

/// Function and exception of a reply, checked against the request's function.
pub(super) fn check_function(
    reply: &[u8],
    function: u8,
    wrong_length: ReplyError,
) -> Result<&[u8], ReplyError> {
    let (got, rest) = reply.split_first().ok_or(wrong_length)?;
    if *got == function | EXCEPTION {
        return match rest {
            [code] => Err(ReplyError::Exception(*code)),
            _ => Err(ReplyError::Length {
                expected: 2,
                got: reply.len(),
            }),
        };
    }
    if *got != function {
        return Err(ReplyError::Function {
            expected: function,
            got: *got,
        });
    }
    Ok(rest)
}

/// A request to read registers or bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// Table.
    pub area: Area,
    /// First address, from zero.
    pub addr: u16,
    /// Registers or bits, at least 1.
    pub count: u16,
}

/// Why a request cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} items from {addr} are more than a request can carry or than there are addresses")]
pub struct Refusal {
    /// First address.
    pub addr: u16,
    /// Items asked for.
    pub count: u16,
}

/// Why a reply is not the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The device refuses, with a code.
    #[error("exception {0}")]
    Exception(u8),
    /// Another function than the request's.
    #[error("function {got} instead of {expected}")]
    Function {
        /// Function of the request.
        expected: u8,
        /// Function of the reply.
        got: u8,
    },
    /// Not as many bytes as the request asks for.
    #[error("{got} bytes instead of {expected}")]
    Length {
        /// Bytes the request asks for.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
    /// The reply names another unit.
    #[error("unit {got} instead of {expected}")]
    Unit {
        /// Unit asked.
        expected: u8,
        /// Unit that answered.
        got: u8,
    },
    /// The reply to a write does not repeat what was written.
    #[error("the reply does not repeat what was written")]
    Repeat,
    /// The reply belongs to another request.
    #[error("transaction {got} instead of {expected}")]
    Transaction {
        /// Transaction of the request.
        expected: u16,
        /// Transaction of the reply.
        got: u16,
    },
    /// The checksum is not that of the bytes before it.
    #[error("checksum {got:#06x} instead of {expected:#06x}")]
    Checksum {
        /// Of the bytes.
        expected: u16,
        /// In the reply.
        got: u16,
    },
    /// The header is not Modbus.
    #[error("the header is not Modbus/TCP (protocol {protocol}, length {length})")]
    Header {
        /// Protocol field, 0 in Modbus.
        protocol: u16,
        /// Length field.
        length: u16,
    },
}

impl ReadRequest {
    /// Bytes of the request.
    ///
    /// # Errors
    /// Fails when it asks for nothing, too much or past the last address.
    pub fn encode(&self) -> Result<[u8; 5], Refusal> {
        let most = if self.area.is_bits() {
            MAX_BITS
        } else {
            MAX_REGISTERS
        };
        let end = u32::from(self.addr) + u32::from(self.count);
        if self.count == 0 || self.count > most || end > 1 << 16 {
            return Err(Refusal {
                addr: self.addr,
                count: self.count,
            });
        }
        let [addr_high, addr_low] = self.addr.to_be_bytes();
        let [count_high, count_low] = self.count.to_be_bytes();
        Ok([self.function(), addr_high, addr_low, count_high, count_low])
    }

    /// The request in a data unit, when it is one of the reading functions.
    #[must_use]
    pub fn from_pdu(pdu: &[u8]) -> Option<Self> {
        let [function, addr_high, addr_low, count_high, count_low] = *pdu else {
            return None;
        };
        let area = match function {
            1 => Area::Coil,
            2 => Area::Discrete,
            3 => Area::Holding,
            4 => Area::Input,
            _ => return None,
        };
        Some(Self {
            area,
            addr: u16::from_be_bytes([addr_high, addr_low]),
            count: u16::from_be_bytes([count_high, count_low]),
        })
    }

    /// Bytes of data a whole reply carries.
    fn data_len(&self) -> usize {
        if self.area.is_bits() {
            usize::from(self.count).div_ceil(8)
        } else {
            2 * usize::from(self.count)
        }
    }
}

impl Ask for ReadRequest {
    type Answer = Vec<u16>;

    fn function(&self) -> u8 {
        match self.area {
            Area::Coil => 1,
            Area::Discrete => 2,
            Area::Holding => 3,
            Area::Input => 4,
        }
    }

    fn pdu(&self) -> Result<Vec<u8>, Refusal> {
        self.encode().map(|bytes| bytes.to_vec())
    }

    fn reply_len(&self) -> usize {
        2 + self.data_len()
    }

    fn states_length(&self) -> bool {
        true
    }

    fn echoes(&self) -> bool {
        false
    }

    /// Bits become registers of 0 or 1.
    fn decode(&self, reply: &[u8]) -> Result<Vec<u16>, ReplyError> {
        let expected = self.data_len();
        let wrong_length = ReplyError::Length {
            expected: expected + 2,
            got: reply.len(),
        };
        let rest = check_function(reply, self.function(), wrong_length)?;
        let (stated, data) = rest.split_first().ok_or(wrong_length)?;
        if data.len() != expected || usize::from(*stated) != expected {
            return Err(wrong_length);
        }
        if self.area.is_bits() {
            return Ok((0..usize::from(self.count))
                .map(|bit| u16::from(data[bit / 8] >> (bit % 8) & 1))
                .collect());
        }
        Ok(data
            .chunks_exact(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO: ReadRequest = ReadRequest {
        area: Area::Input,
        addr: 0x34,
        count: 2,
    };

    #[test]
    fn the_standard_example_reads_three_registers() {
        // Example of the Modbus application protocol specification, 6.3.
        let request = ReadRequest {
            area: Area::Holding,
            addr: 107,
            count: 3,
        };
        assert_eq!(request.encode(), Ok([0x03, 0x00, 0x6b, 0x00, 0x03]));
        let reply = [0x03, 0x06, 0x02, 0x2b, 0x00, 0x00, 0x00, 0x64];
        assert_eq!(request.decode(&reply), Ok(vec![0x022b, 0, 0x64]));
    }

    #[test]
    fn the_standard_example_reads_coils() {
        // Example of 6.1: coils 20 to 38.
        let request = ReadRequest {
            area: Area::Coil,
            addr: 19,
            count: 19,
        };
        let bits = request
            .decode(&[0x01, 0x03, 0xcd, 0x6b, 0x05])
            .expect("whole");
        assert_eq!(bits.len(), 19);
        assert_eq!(bits[..8], [1, 0, 1, 1, 0, 0, 1, 1]);
        assert_eq!(bits[16..], [1, 0, 1]);
    }

    #[test]
    fn a_reply_of_another_form_is_refused() {
        for (reply, error) in [
            (
                vec![],
                ReplyError::Length {
                    expected: 6,
                    got: 0,
                },
            ),
            (
                vec![4, 2, 0, 1],
                ReplyError::Length {
                    expected: 6,
                    got: 4,
                },
            ),
            (
                vec![4, 6, 0, 1, 0, 2, 0, 3],
                ReplyError::Length {
                    expected: 6,
                    got: 8,
                },
            ),
            (
                vec![4, 3, 0, 1, 0],
                ReplyError::Length {
                    expected: 6,
                    got: 5,
                },
            ),
            (
                vec![4, 5, 0, 1, 0, 2],
                ReplyError::Length {
                    expected: 6,
                    got: 6,
                },
            ),
            (
                vec![3, 4, 0, 1, 0, 2],
                ReplyError::Function {
                    expected: 4,
                    got: 3,
                },
            ),
            (vec![0x84, 2], ReplyError::Exception(2)),
            (
                vec![0x84],
                ReplyError::Length {
                    expected: 2,
                    got: 1,
                },
            ),
            (
                vec![0x83, 2],
                ReplyError::Function {
                    expected: 4,
                    got: 0x83,
                },
            ),
        ] {
            assert_eq!(TWO.decode(&reply), Err(error), "{reply:?}");
        }
    }

    #[test]
    fn a_request_for_nothing_or_too_much_is_not_sent() {
        for (addr, count) in [(0, 0), (0, 126), (65_535, 2)] {
            let request = ReadRequest { addr, count, ..TWO };
            assert_eq!(request.encode(), Err(Refusal { addr, count }));
        }
        assert!(
            ReadRequest {
                addr: 65_535,
                count: 1,
                ..TWO
            }
            .encode()
            .is_ok()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_give_the_asked_count_or_an_error(
            reply in proptest::collection::vec(any::<u8>(), 0..300),
            count in 1_u16..126,
        ) {
            let request = ReadRequest { count, ..TWO };
            if let Ok(registers) = request.decode(&reply) {
                prop_assert_eq!(registers.len(), usize::from(count));
            }
        }
    }
}
