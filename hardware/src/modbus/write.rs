//! Requests that change a device. They exist only with a [`Permit`].

use super::pdu::{Ask, Refusal, ReplyError, check_function};
use crate::control::Permit;

/// Most registers one request may write (Modbus application protocol, 6.12).
const MAX_REGISTERS: usize = 123;

/// A request to write registers or a coil.
///
/// It takes a [`Permit`], which only an armed [`crate::control::Control`]
/// gives out: code without one cannot make a writing request at all.
#[derive(Debug)]
pub struct WriteRequest {
    addr: u16,
    what: What,
    permit: Permit,
}

#[derive(Debug)]
enum What {
    Coil(bool),
    Register(u16),
    Registers(Vec<u16>),
}

impl WriteRequest {
    /// Switches a coil (function 5).
    #[must_use]
    pub fn coil(permit: Permit, addr: u16, on: bool) -> Self {
        Self {
            addr,
            what: What::Coil(on),
            permit,
        }
    }

    /// Writes one register with function 6.
    #[must_use]
    pub fn register(permit: Permit, addr: u16, value: u16) -> Self {
        Self {
            addr,
            what: What::Register(value),
            permit,
        }
    }

    /// Writes consecutive registers with function 16.
    #[must_use]
    pub fn registers(permit: Permit, addr: u16, values: Vec<u16>) -> Self {
        Self {
            addr,
            what: What::Registers(values),
            permit,
        }
    }

    /// Gives the permit back, for the next write of the same task.
    pub(crate) fn into_permit(self) -> Permit {
        self.permit
    }
}

impl Ask for WriteRequest {
    type Answer = ();

    fn function(&self) -> u8 {
        match self.what {
            What::Coil(_) => 5,
            What::Register(_) => 6,
            What::Registers(_) => 16,
        }
    }

    fn pdu(&self) -> Result<Vec<u8>, Refusal> {
        let mut bytes = vec![self.function()];
        bytes.extend_from_slice(&self.addr.to_be_bytes());
        match &self.what {
            What::Coil(on) => bytes.extend_from_slice(&[if *on { 0xff } else { 0 }, 0]),
            What::Register(value) => bytes.extend_from_slice(&value.to_be_bytes()),
            What::Registers(values) => {
                let end = usize::from(self.addr) + values.len();
                if values.is_empty() || values.len() > MAX_REGISTERS || end > 1 << 16 {
                    return Err(Refusal {
                        addr: self.addr,
                        count: u16::try_from(values.len()).unwrap_or(u16::MAX),
                    });
                }
                bytes.extend_from_slice(&(values.len() as u16).to_be_bytes());
                bytes.push(2 * values.len() as u8);
                bytes.extend(values.iter().flat_map(|value| value.to_be_bytes()));
            }
        }
        Ok(bytes)
    }

    fn reply_len(&self) -> usize {
        5
    }

    fn states_length(&self) -> bool {
        false
    }

    fn echoes(&self) -> bool {
        !matches!(self.what, What::Registers(_))
    }

    /// The reply repeats function, address and value or count.
    fn decode(&self, reply: &[u8]) -> Result<(), ReplyError> {
        let wrong_length = ReplyError::Length {
            expected: 5,
            got: reply.len(),
        };
        check_function(reply, self.function(), wrong_length)?;
        let sent = self.pdu().map_err(|_| wrong_length)?;
        if reply.len() != 5 {
            return Err(wrong_length);
        }
        if sent[..5] == *reply {
            Ok(())
        } else {
            Err(ReplyError::Repeat)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_examples_are_written_and_their_replies_checked() {
        // Examples of the Modbus application protocol specification, 6.5, 6.6 and 6.12.
        let coil = WriteRequest::coil(Permit::for_tests(), 172, true);
        assert_eq!(coil.pdu(), Ok(vec![5, 0, 0xac, 0xff, 0]));
        assert_eq!(coil.decode(&[5, 0, 0xac, 0xff, 0]), Ok(()));
        assert_eq!(coil.decode(&[5, 0, 0xac, 0, 0]), Err(ReplyError::Repeat));
        let one = WriteRequest::register(Permit::for_tests(), 1, 3);
        assert_eq!(one.pdu(), Ok(vec![6, 0, 1, 0, 3]));
        let two = WriteRequest::registers(Permit::for_tests(), 1, vec![10, 258]);
        assert_eq!(two.pdu(), Ok(vec![16, 0, 1, 0, 2, 4, 0, 10, 1, 2]));
        assert_eq!(two.decode(&[16, 0, 1, 0, 2]), Ok(()));
        assert_eq!(two.decode(&[0x90, 3]), Err(ReplyError::Exception(3)));
        assert!(matches!(
            two.decode(&[16, 0, 1]),
            Err(ReplyError::Length { .. })
        ));
        assert!(
            WriteRequest::registers(Permit::for_tests(), 1, vec![])
                .pdu()
                .is_err()
        );
    }
}
