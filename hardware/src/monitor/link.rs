//! One connection: a request, its reply, and what went wrong.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ErrorCounts;
use crate::modbus::tcp::{HEADER_LEN, check_header, encode};
use crate::modbus::{ReadRequest, Refusal, ReplyError};
use crate::reading::BadReason;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The connection failed.
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// An answer that is none.
    #[error("answer refused: {0}")]
    Reply(#[from] ReplyError),
    /// A request that cannot be sent.
    #[error("request refused: {0}")]
    Request(#[from] Refusal),
}

impl LinkError {
    /// Quality of the values that were to be read.
    pub(crate) fn reason(&self) -> BadReason {
        match self {
            Self::Io(_) => BadReason::Comm,
            Self::Timeout => BadReason::Timeout,
            Self::Reply(ReplyError::Exception(code)) => BadReason::Exception(*code),
            Self::Reply(_) => BadReason::Malformed,
            Self::Request(_) => BadReason::ConfigMismatch,
        }
    }

    /// Whether the connection is still in step afterwards.
    pub(crate) fn keeps_connection(&self) -> bool {
        matches!(
            self,
            Self::Reply(ReplyError::Exception(_)) | Self::Request(_)
        )
    }

    /// Adds itself to the counters.
    pub(crate) fn count(&self, errors: &mut ErrorCounts) {
        let class = match self {
            Self::Io(_) => &mut errors.io,
            Self::Timeout => &mut errors.timeout,
            Self::Reply(ReplyError::Exception(_)) => &mut errors.exception,
            Self::Reply(ReplyError::Function { .. }) => &mut errors.function,
            Self::Reply(ReplyError::Unit { .. }) => &mut errors.unit,
            Self::Reply(ReplyError::Transaction { .. }) => &mut errors.transaction,
            Self::Reply(ReplyError::Length { .. } | ReplyError::Header { .. })
            | Self::Request(_) => &mut errors.shape,
        };
        *class += 1;
    }
}

/// A connection to a device.
pub(crate) struct Link {
    stream: TcpStream,
    unit: u8,
    transaction: u16,
}

impl Link {
    /// Connects within `limit`.
    pub(crate) async fn connect(
        address: &str,
        unit: u8,
        limit: Duration,
    ) -> Result<Self, LinkError> {
        let connect = TcpStream::connect(address);
        let stream = timeout(limit, connect)
            .await
            .map_err(|_| LinkError::Timeout)??;
        // Requests are small and wait for their reply.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            unit,
            transaction: 0,
        })
    }

    /// Sends a request and reads its reply within `limit`.
    pub(crate) async fn read(
        &mut self,
        request: &ReadRequest,
        limit: Duration,
    ) -> Result<(Vec<u16>, Duration), LinkError> {
        self.transaction = self.transaction.wrapping_add(1);
        let frame = encode(self.transaction, self.unit, request)?;
        let started = Instant::now();
        let registers = timeout(limit, self.exchange(&frame, request))
            .await
            .map_err(|_| LinkError::Timeout)??;
        Ok((registers, started.elapsed()))
    }

    async fn exchange(
        &mut self,
        frame: &[u8],
        request: &ReadRequest,
    ) -> Result<Vec<u16>, LinkError> {
        self.stream.write_all(frame).await?;
        let mut header = [0; HEADER_LEN];
        self.stream.read_exact(&mut header).await?;
        let length = check_header(&header, self.transaction, self.unit)?;
        // At most 253 bytes, as the header's check says.
        let mut pdu = vec![0; length];
        self.stream.read_exact(&mut pdu).await?;
        Ok(request.decode(&pdu)?)
    }
}
