//! Modbus requests and replies as bytes, without any input or output.
//!
//! A reply is accepted when it has exactly the form its request asks for,
//! function and length included; a reply that is a register short is an error
//! and not a smaller answer. Writing requests need a permit that only an armed
//! control gives out: a monitor cannot make one.

mod pdu;
pub mod rtu;
pub mod tcp;
mod write;

pub use pdu::{Ask, ReadRequest, Refusal, ReplyError};
pub use write::WriteRequest;
