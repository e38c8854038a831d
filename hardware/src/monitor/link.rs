//! One connection: a request, its reply, and what went wrong.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::rtu_link::RtuLink;
use super::{ErrorCounts, MonitorConfig, Transport};
use crate::modbus::tcp::{HEADER_LEN, check_header, encode};
use crate::modbus::{ReadRequest, Refusal, ReplyError};
use crate::profile::{PollGroup, Profile, plan_blocks};
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
    /// The line cannot be brought back into step.
    #[error("the line is out of step")]
    OutOfStep,
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
            Self::OutOfStep => BadReason::OutOfStep,
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
            Self::OutOfStep => &mut errors.out_of_step,
            Self::Reply(ReplyError::Exception(_)) => &mut errors.exception,
            Self::Reply(ReplyError::Function { .. }) => &mut errors.function,
            Self::Reply(ReplyError::Unit { .. }) => &mut errors.unit,
            Self::Reply(ReplyError::Transaction { .. }) => &mut errors.transaction,
            Self::Reply(ReplyError::Checksum { .. }) => &mut errors.checksum,
            Self::Reply(ReplyError::Length { .. } | ReplyError::Header { .. })
            | Self::Request(_) => &mut errors.shape,
        };
        *class += 1;
    }
}

/// A connection to a device.
pub(crate) enum Link {
    /// Modbus/TCP.
    Tcp(TcpLink),
    /// RTU frames over a TCP connection.
    Rtu(Box<RtuLink<TcpStream>>),
}

impl Link {
    /// Connects as the configuration says.
    pub(crate) async fn connect(config: &MonitorConfig) -> Result<Self, LinkError> {
        let connect = TcpStream::connect(&config.address);
        let stream = timeout(config.connect_timeout, connect)
            .await
            .map_err(|_| LinkError::Timeout)??;
        // Requests are small and wait for their reply.
        stream.set_nodelay(true)?;
        let unit = config.unit;
        Ok(match (config.transport, config.profile.probe_block) {
            (Transport::RtuOverTcp, Some(probe)) => {
                let used = counts_used(&config.profile);
                Self::Rtu(Box::new(RtuLink::new(stream, unit, &used, probe)))
            }
            // A configuration without a probe block is refused for RTU.
            _ => Self::Tcp(TcpLink {
                stream,
                unit,
                transaction: 0,
            }),
        })
    }

    /// Sends a request and reads its reply within `limit`.
    pub(crate) async fn read(
        &mut self,
        request: &ReadRequest,
        limit: Duration,
    ) -> Result<(Vec<u16>, Duration), LinkError> {
        match self {
            Self::Tcp(link) => link.read(request, limit).await,
            Self::Rtu(link) => link.read(request, limit).await,
        }
    }

    /// Whether the connection has to be rebuilt after this error.
    pub(crate) fn is_lost(&self, error: &LinkError) -> bool {
        match self {
            Self::Tcp(_) => !error.keeps_connection(),
            Self::Rtu(link) => link.is_lost(),
        }
    }

    /// Probes sent and resynchronisations made on this connection.
    pub(crate) fn probes(&self) -> (u64, u64) {
        match self {
            Self::Tcp(_) => (0, 0),
            Self::Rtu(link) => (link.probes, link.resyncs),
        }
    }
}

/// Every register count a poll of the profile can use.
fn counts_used(profile: &Profile) -> Vec<u16> {
    let all = || 0..profile.points.len();
    let slowest = [
        PollGroup::Fast,
        PollGroup::Normal,
        PollGroup::Slow,
        PollGroup::Once,
    ];
    let mut used: Vec<u16> = slowest
        .iter()
        .flat_map(|group| {
            let due = all().filter(|index| profile.points[*index].poll <= *group);
            plan_blocks(&profile.points, due, profile.plan_limits())
        })
        .chain(all().flat_map(|index| plan_blocks(&profile.points, [index], profile.plan_limits())))
        .map(|block| block.count)
        .collect();
    used.sort_unstable();
    used.dedup();
    used
}

/// A Modbus/TCP connection.
pub(crate) struct TcpLink {
    stream: TcpStream,
    unit: u8,
    transaction: u16,
}

impl TcpLink {
    async fn read(
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
