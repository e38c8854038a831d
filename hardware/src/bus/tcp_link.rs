//! One Modbus/TCP connection, possibly to a gateway with many units.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::link::LinkError;
use super::status::{Direction, Wire};
use crate::modbus::tcp::{HEADER_LEN, encode, parse_header};
use crate::modbus::{Ask, ReplyError};

/// Requests that may be unanswered before the connection is given up.
const OPEN_MOST: usize = 8;
/// Timeouts in a row after which a connection counts as half open.
const SILENT_MOST: u32 = 8;

/// A connection whose replies name their requests: a late one is recognised
/// and dropped, and the connection stays usable.
pub(crate) struct TcpLink {
    stream: TcpStream,
    wire: Wire,
    transaction: u16,
    /// Bytes of a reply that is not whole yet.
    buffer: Vec<u8>,
    /// Transactions whose replies may still come.
    open: VecDeque<u16>,
    silent: u32,
    lost: bool,
}

impl TcpLink {
    pub(crate) fn new(stream: TcpStream, wire: Wire) -> Self {
        Self {
            stream,
            wire,
            transaction: 0,
            buffer: Vec::new(),
            open: VecDeque::new(),
            silent: 0,
            lost: false,
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(crate) async fn ask<A: Ask>(
        &mut self,
        unit: u8,
        request: &A,
        limit: Duration,
    ) -> Result<A::Answer, LinkError> {
        self.transaction = self.transaction.wrapping_add(1);
        let frame = encode(self.transaction, unit, request)?;
        let outcome = timeout(limit, self.exchange(&frame, unit, request)).await;
        match outcome {
            Ok(answer) => {
                match &answer {
                    Ok(_) | Err(LinkError::Reply(ReplyError::Exception(_))) => self.silent = 0,
                    // Anything else says that requests and replies are not
                    // what this client thinks they are.
                    Err(_) => self.lost = true,
                }
                answer
            }
            Err(_) => {
                self.silent += 1;
                self.open.push_back(self.transaction);
                self.lost |= self.open.len() > OPEN_MOST || self.silent >= SILENT_MOST;
                Err(LinkError::Timeout)
            }
        }
    }

    async fn exchange<A: Ask>(
        &mut self,
        frame: &[u8],
        unit: u8,
        request: &A,
    ) -> Result<A::Answer, LinkError> {
        self.wire.note(Direction::Out, frame);
        self.stream.write_all(frame).await?;
        let mut chunk = [0; 512];
        loop {
            if let Some((got, named, end)) = self.frame()? {
                if got == self.transaction {
                    if named != unit {
                        return Err(ReplyError::Unit {
                            expected: unit,
                            got: named,
                        }
                        .into());
                    }
                    let answer = request.decode(&self.buffer[HEADER_LEN..end]);
                    self.buffer.drain(..end);
                    return Ok(answer?);
                }
                if let Some(at) = self.open.iter().position(|open| *open == got) {
                    // The late answer to a request that was given up.
                    self.open.remove(at);
                    self.buffer.drain(..end);
                    continue;
                }
                return Err(ReplyError::Transaction {
                    expected: self.transaction,
                    got,
                }
                .into());
            }
            let count = self.stream.read(&mut chunk).await?;
            if count == 0 {
                return Err(LinkError::Io(std::io::ErrorKind::UnexpectedEof.into()));
            }
            self.wire.note(Direction::In, &chunk[..count]);
            self.buffer.extend_from_slice(&chunk[..count]);
        }
    }

    /// Transaction, unit and end of the first reply in the buffer, when it is
    /// whole.
    fn frame(&self) -> Result<Option<(u16, u8, usize)>, LinkError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let (transaction, unit, length) = parse_header(header)?;
        let end = HEADER_LEN + length;
        Ok((self.buffer.len() >= end).then_some((transaction, unit, end)))
    }
}
