//! The client's side of the endpoint: plain blocking calls.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::{Answer, Request};
use crate::observe::CertifiedHeader;
use crate::status::{Committed, Status};

/// Longest answer, bytes: a block of many transactions, or a long status.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// Why a node did not answer as hoped.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It cannot be reached, or the connection broke.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// It answered with an error.
    #[error("{0}: {1}")]
    Refused(String, String),
    /// It answered something else.
    #[error("{0}: the answer means nothing: {1}")]
    Strange(String, String),
}

/// A connection to a node.
#[derive(Debug)]
pub struct Client {
    address: String,
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a node's endpoint for clients.
    ///
    /// # Errors
    /// When it cannot be reached within `patience`.
    pub fn connect(address: &str, patience: Duration) -> Result<Self, ClientError> {
        let io = |error| ClientError::Io(address.to_string(), error);
        let place = address
            .to_socket_addrs()
            .map_err(io)?
            .next()
            .ok_or_else(|| {
                io(std::io::Error::new(
                    std::io::ErrorKind::NotFound,
                    "no such address",
                ))
            })?;
        let stream = TcpStream::connect_timeout(&place, patience).map_err(io)?;
        stream.set_read_timeout(Some(patience)).map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        Ok(Self {
            address: address.to_string(),
            stream: BufReader::with_capacity(64 * 1024, stream),
        })
    }

    fn io(&self, error: std::io::Error) -> ClientError {
        ClientError::Io(self.address.clone(), error)
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// When the connection breaks or the node refuses.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ClientError> {
        let strange = |error: serde_json::Error| {
            ClientError::Strange(self.address.clone(), error.to_string())
        };
        let mut line = serde_json::to_vec(request).map_err(strange)?;
        line.push(b'\n');
        let sent = self.stream.get_mut().write_all(&line);
        sent.map_err(|error| self.io(error))?;
        self.next()
    }

    fn next(&mut self) -> Result<Answer, ClientError> {
        let mut line = Vec::new();
        let read = (&mut self.stream)
            .take(MAX_ANSWER)
            .read_until(b'\n', &mut line);
        if read.map_err(|error| self.io(error))? == 0 {
            return Err(self.io(std::io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_slice(&line) {
            Ok(Answer::Error(why)) => Err(ClientError::Refused(self.address.clone(), why)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(ClientError::Strange(
                self.address.clone(),
                error.to_string(),
            )),
        }
    }

    fn unexpected(&self, answer: &Answer) -> ClientError {
        ClientError::Strange(self.address.clone(), format!("{answer:?}"))
    }

    /// How the node is.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn status(&mut self) -> Result<Status, ClientError> {
        match self.ask(&Request::Status {})? {
            Answer::Status(status) => Ok(*status),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Puts encoded transactions into the waiting line; how many were taken,
    /// and positions and reasons of the others.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn submit(
        &mut self,
        transactions: Vec<String>,
    ) -> Result<(usize, Vec<(usize, String)>), ClientError> {
        match self.ask(&Request::Submit { transactions })? {
            Answer::Submitted { accepted, refused } => Ok((accepted, refused)),
            other => Err(self.unexpected(&other)),
        }
    }

    /// One decided block.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn block(&mut self, height: u64) -> Result<Committed, ClientError> {
        match self.ask(&Request::Block { height })? {
            Answer::Block(block) => Ok(block),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Header and certificate of a decided block.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn header(&mut self, height: u64) -> Result<CertifiedHeader, ClientError> {
        let answer = self.ask(&Request::Header { height })?;
        let certified = match &answer {
            Answer::Header {
                header,
                certificate,
                seats,
            } => CertifiedHeader::decode(header, certificate, seats.as_deref()),
            _ => None,
        };
        certified.ok_or_else(|| self.unexpected(&answer))
    }

    /// Asks for every block from now on; read them with [`Self::next_block`].
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn watch(&mut self) -> Result<(), ClientError> {
        let sent = self.stream.get_mut().write_all(b"{\"watch\":{}}\n");
        sent.map_err(|error| self.io(error))
    }

    /// The next block of a watched node; `None` if none came within the
    /// patience given on connecting.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn next_block(&mut self) -> Result<Option<Committed>, ClientError> {
        match self.stream.fill_buf() {
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(self.io(error)),
        }
        match self.next()? {
            Answer::Block(block) => Ok(Some(block)),
            other => Err(self.unexpected(&other)),
        }
    }
}
