//! One RTU line: requests and replies without transaction numbers.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{timeout, timeout_at};

use super::link::LinkError;
use crate::modbus::rtu::{ProbeEnd, Progress, Resync, ResyncStep, Sync, encode, judge};
use crate::modbus::{ReadRequest, ReplyError};
use crate::profile::Area;

/// The line is drained until it has been quiet for this long.
const QUIET: Duration = Duration::from_millis(20);
/// Bytes drained at most; a line that talks on by itself is not usable.
const DRAIN_MOST: usize = 16 * 1_024;
/// The longest frame of the standard is 256 bytes; an echo comes before it.
const RECEIVE_MOST: usize = 2 * 256;

/// Exceptions with which a gateway says that the device did not answer it; the
/// answer may still come.
const GATEWAY: [u8; 2] = [0x0a, 0x0b];

/// An RTU line to one unit.
pub(crate) struct RtuLink<S> {
    stream: S,
    unit: u8,
    sync: Sync,
    probe: (Area, u16),
    /// Whether the line has to be opened anew.
    lost: bool,
    /// Probes sent.
    pub(crate) probes: u64,
    /// Times the line was brought back into step.
    pub(crate) resyncs: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> RtuLink<S> {
    /// A line on which real reads use the counts `used`; `probe` can be read
    /// at any time without effect.
    pub(crate) fn new(stream: S, unit: u8, used: &[u16], probe: (Area, u16)) -> Self {
        Self {
            stream,
            unit,
            sync: Sync::new(used),
            probe,
            lost: false,
            probes: 0,
            resyncs: 0,
        }
    }

    /// Whether the line can be used after its last error.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Sends a request and reads its reply within `limit`, after bringing the
    /// line into step if there was any fault before.
    pub(crate) async fn read(
        &mut self,
        request: &ReadRequest,
        limit: Duration,
    ) -> Result<(Vec<u16>, Duration), LinkError> {
        if self.has_unread().await? {
            // Nobody was asked: what came belongs to an earlier request.
            self.sync.taint();
        }
        if self.sync.is_tainted() {
            self.resynchronise(limit).await?;
        }
        let started = Instant::now();
        let answer = self.exchange(request, limit).await;
        match &answer {
            Ok(_) | Err(LinkError::Request(_)) => {}
            Err(LinkError::Reply(ReplyError::Exception(code))) if !GATEWAY.contains(code) => {}
            Err(_) => self.sync.taint(),
        }
        Ok((answer?, started.elapsed()))
    }

    async fn resynchronise(&mut self, limit: Duration) -> Result<(), LinkError> {
        let mut resync = Resync::default();
        loop {
            self.drain().await?;
            let (area, addr) = self.probe;
            let probe = ReadRequest {
                area,
                addr,
                count: self.sync.probe_count(),
            };
            self.probes += 1;
            let answer = self.exchange(&probe, limit).await;
            let end = match &answer {
                Ok(_) => ProbeEnd::Whole,
                Err(LinkError::Timeout) => ProbeEnd::Silent,
                Err(LinkError::Reply(_)) => ProbeEnd::Wrong,
                Err(LinkError::Io(_) | LinkError::Request(_) | LinkError::OutOfStep) => {
                    self.lost = true;
                    answer?;
                    return Err(LinkError::OutOfStep);
                }
            };
            match self.sync.after_probe(&mut resync, end) {
                ResyncStep::Again => {}
                ResyncStep::InStep => {
                    self.resyncs += 1;
                    return Ok(());
                }
                ResyncStep::GivenUp => {
                    self.lost = true;
                    return Err(if end == ProbeEnd::Silent {
                        LinkError::Timeout
                    } else {
                        LinkError::OutOfStep
                    });
                }
            }
        }
    }

    async fn exchange(
        &mut self,
        request: &ReadRequest,
        limit: Duration,
    ) -> Result<Vec<u16>, LinkError> {
        let sent = encode(self.unit, request)?;
        let deadline = tokio::time::Instant::now() + limit;
        let written = timeout_at(deadline, self.stream.write_all(&sent)).await;
        self.noted(written.map_err(|_| LinkError::Timeout)?)?;
        let mut received = Vec::with_capacity(64);
        let mut chunk = [0; 256];
        loop {
            let read = timeout_at(deadline, self.stream.read(&mut chunk)).await;
            let count = self.noted(read.map_err(|_| LinkError::Timeout)?)?;
            if count == 0 {
                return self.closed();
            }
            received.extend_from_slice(&chunk[..count]);
            if received.len() > RECEIVE_MOST {
                return Err(ReplyError::Length {
                    expected: RECEIVE_MOST,
                    got: received.len(),
                }
                .into());
            }
            if let Progress::Complete(registers) = judge(&received, &sent, self.unit, request)? {
                return Ok(registers);
            }
        }
    }

    /// Whether bytes wait that nobody asked for.
    async fn has_unread(&mut self) -> Result<bool, LinkError> {
        let mut chunk = [0; 256];
        match timeout(Duration::ZERO, self.stream.read(&mut chunk)).await {
            Err(_) => Ok(false),
            Ok(read) => match self.noted(read)? {
                0 => self.closed(),
                _ => Ok(true),
            },
        }
    }

    async fn drain(&mut self) -> Result<(), LinkError> {
        let mut chunk = [0; 256];
        let mut drained = 0;
        while drained < DRAIN_MOST {
            match timeout(QUIET, self.stream.read(&mut chunk)).await {
                Err(_) => return Ok(()),
                Ok(read) => match self.noted(read)? {
                    0 => return self.closed(),
                    count => drained += count,
                },
            }
        }
        self.lost = true;
        Err(LinkError::OutOfStep)
    }

    fn noted<T>(&mut self, result: std::io::Result<T>) -> Result<T, LinkError> {
        result.map_err(|error| {
            self.lost = true;
            LinkError::Io(error)
        })
    }

    fn closed<T>(&mut self) -> Result<T, LinkError> {
        self.lost = true;
        Err(LinkError::Io(std::io::ErrorKind::UnexpectedEof.into()))
    }
}
