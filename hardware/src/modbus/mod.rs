//! Modbus requests and replies as bytes, without any input or output.
//!
//! Only the four reading functions exist here: a monitor built on this module
//! cannot write. A reply is accepted when it has exactly the form its request
//! asks for, function and length included; a reply that is a register short is
//! an error and not a smaller answer.

mod pdu;
pub mod rtu;
pub mod tcp;

pub use pdu::{ReadRequest, Refusal, ReplyError};
