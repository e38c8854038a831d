//! One connection: a request, its reply, and what went wrong.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_serial::SerialStream;

use super::rtu_link::RtuLink;
use super::status::{ErrorCounts, Wire};
use super::tcp_link::TcpLink;
use super::{Endpoint, EndpointConfig};
use crate::modbus::{Ask, Refusal, ReplyError};
use crate::profile::{Area, Identity, Line, Parity, PollGroup, Profile, Protocol, plan_blocks};
use crate::reading::BadReason;
use crate::sunspec::BASES;

/// Exceptions with which a gateway says that the device did not answer it; the
/// answer may still come.
pub(crate) const GATEWAY: [u8; 2] = [0x0a, 0x0b];

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

    /// Whether the unit itself answered, with a refusal. Gateways answer for a
    /// silent unit with exceptions 0x0a and 0x0b.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Reply(ReplyError::Exception(code)) => !GATEWAY.contains(code),
            _ => false,
        }
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
            Self::Reply(
                ReplyError::Length { .. } | ReplyError::Header { .. } | ReplyError::Repeat,
            )
            | Self::Request(_) => &mut errors.shape,
        };
        *class += 1;
    }
}

/// What a link must know of a unit.
pub(crate) struct UnitShape {
    /// Modbus unit.
    pub(crate) unit: u8,
    /// Register counts its real reads use.
    pub(crate) used: Vec<u16>,
    /// Registers that can be read at any time.
    pub(crate) probe: (Area, u16),
}

impl UnitShape {
    pub(crate) fn of(unit: u8, profile: &Profile) -> Self {
        Self {
            unit,
            used: counts_used(profile),
            probe: profile.probe_block.unwrap_or(match profile.protocol {
                // Mark and common model can be read at any time.
                Protocol::SunSpec => (Area::Holding, BASES[0]),
                // RTU without a probe block is refused when the unit is bound.
                _ => (Area::Holding, 0),
            }),
        }
    }
}

/// A connection to the devices of an endpoint.
pub(crate) enum Link {
    /// Modbus/TCP.
    Tcp(TcpLink),
    /// RTU frames over a TCP connection.
    RtuTcp(Box<RtuLink<TcpStream>>),
    /// RTU on a serial line.
    Serial(Box<RtuLink<SerialStream>>),
}

impl Link {
    /// Connects as the configuration says.
    pub(crate) async fn connect(config: &EndpointConfig, wire: Wire) -> Result<Self, LinkError> {
        Ok(match &config.endpoint {
            Endpoint::Tcp(address) => {
                let stream = connect_tcp(address, config.connect_timeout).await?;
                Self::Tcp(TcpLink::new(stream, wire))
            }
            Endpoint::RtuOverTcp(address) => {
                let stream = connect_tcp(address, config.connect_timeout).await?;
                Self::RtuTcp(Box::new(RtuLink::new(stream, wire, config.line.echo, 0)))
            }
            Endpoint::Serial(path) => {
                let stream = open_serial(path, &config.line)?;
                let silence_us = config.line.silence_us();
                let link = RtuLink::new(stream, wire, config.line.echo, silence_us);
                Self::Serial(Box::new(link))
            }
            // Refused when a unit is bound.
            Endpoint::Http(_) | Endpoint::Mqtt(_) => {
                return Err(LinkError::Io(std::io::ErrorKind::Unsupported.into()));
            }
        })
    }

    /// Makes a unit known before it is asked.
    pub(crate) fn add(&mut self, shape: UnitShape) {
        match self {
            Self::Tcp(_) => {}
            Self::RtuTcp(link) => link.add(shape),
            Self::Serial(link) => link.add(shape),
        }
    }

    /// Sends a request and reads its reply within `limit`. A line that has to
    /// be brought into step first is given up after `patience` silent probes.
    pub(crate) async fn ask<A: Ask>(
        &mut self,
        unit: u8,
        request: &A,
        limit: Duration,
        patience: u32,
    ) -> Result<(A::Answer, Duration), LinkError> {
        match self {
            Self::Tcp(link) => {
                let started = Instant::now();
                let answer = link.ask(unit, request, limit).await?;
                Ok((answer, started.elapsed()))
            }
            Self::RtuTcp(link) => link.ask(unit, request, limit, patience).await,
            Self::Serial(link) => link.ask(unit, request, limit, patience).await,
        }
    }

    /// Asks a unit nobody knows yet; see [`RtuLink::knock`].
    pub(crate) async fn knock<A: Ask>(
        &mut self,
        unit: u8,
        request: &A,
        limit: Duration,
    ) -> Result<A::Answer, LinkError> {
        match self {
            Self::Tcp(link) => link.ask(unit, request, limit).await,
            Self::RtuTcp(link) => link.knock(unit, request, limit).await,
            Self::Serial(link) => link.knock(unit, request, limit).await,
        }
    }

    /// Whether the connection has to be rebuilt.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Tcp(link) => link.is_lost(),
            Self::RtuTcp(link) => link.is_lost(),
            Self::Serial(link) => link.is_lost(),
        }
    }

    /// Probes sent and resynchronisations made on this connection.
    pub(crate) fn probes(&self) -> (u64, u64) {
        match self {
            Self::Tcp(_) => (0, 0),
            Self::RtuTcp(link) => (link.probes, link.resyncs),
            Self::Serial(link) => (link.probes, link.resyncs),
        }
    }
}

async fn connect_tcp(address: &str, limit: Duration) -> Result<TcpStream, LinkError> {
    let stream = timeout(limit, TcpStream::connect(address))
        .await
        .map_err(|_| LinkError::Timeout)??;
    // Requests are small and wait for their reply.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Opens a serial line, for itself alone.
pub(crate) fn open_serial(path: &str, line: &Line) -> Result<SerialStream, LinkError> {
    let builder = tokio_serial::new(path, line.baud)
        .parity(match line.parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        })
        .data_bits(if line.data_bits == 7 {
            tokio_serial::DataBits::Seven
        } else {
            tokio_serial::DataBits::Eight
        })
        .stop_bits(if line.stop_bits == 2 {
            tokio_serial::StopBits::Two
        } else {
            tokio_serial::StopBits::One
        });
    SerialStream::open(&builder).map_err(|error| LinkError::Io(error.into()))
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
        .chain(profile.identity.iter().map(Identity::registers))
        .chain(profile.serial.iter().map(|serial| serial.count))
        .collect();
    used.sort_unstable();
    used.dedup();
    used
}
