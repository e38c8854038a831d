//! One RTU line: requests and replies without transaction numbers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout, timeout_at};

use super::link::{GATEWAY, LinkError, UnitShape};
use super::status::{Direction, Wire};
use crate::modbus::rtu::{ProbeEnd, Progress, Resync, ResyncStep, Sync, encode, judge};
use crate::modbus::{Ask, ReadRequest, ReplyError};
use crate::profile::Area;

/// The line is drained until it has been quiet for this long.
const QUIET: Duration = Duration::from_millis(20);
/// Bytes drained at most; a line that talks on by itself is not usable.
const DRAIN_MOST: usize = 16 * 1_024;
/// The longest frame of the standard is 256 bytes; an echo comes before it.
const RECEIVE_MOST: usize = 2 * 256;

/// An RTU line with its units.
pub(crate) struct RtuLink<S> {
    stream: S,
    wire: Wire,
    /// Whether the line hears its own sender.
    echo: bool,
    /// Silence that must lie between two frames.
    silence: Duration,
    last_byte: Instant,
    units: BTreeMap<u8, Unit>,
    /// Whether the line has to be opened anew.
    lost: bool,
    /// Probes sent.
    pub(crate) probes: u64,
    /// Times a unit was brought back into step.
    pub(crate) resyncs: u64,
}

/// A unit's step with its replies. A late reply names its unit, so it can only
/// be taken for a later one of the same unit.
struct Unit {
    sync: Sync,
    probe: (Area, u16),
}

impl<S: AsyncRead + AsyncWrite + Unpin> RtuLink<S> {
    pub(crate) fn new(stream: S, wire: Wire, echo: bool, silence_us: u64) -> Self {
        Self {
            stream,
            wire,
            echo,
            silence: Duration::from_micros(silence_us),
            last_byte: Instant::now(),
            units: BTreeMap::new(),
            lost: false,
            probes: 0,
            resyncs: 0,
        }
    }

    pub(crate) fn add(&mut self, shape: UnitShape) {
        let unit = Unit {
            sync: Sync::new(&shape.used),
            probe: shape.probe,
        };
        self.units.insert(shape.unit, unit);
    }

    /// Whether the line can be used after its last error.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Sends a request and reads its reply within `limit`, after bringing the
    /// unit into step if there was any fault before.
    pub(crate) async fn ask<A: Ask>(
        &mut self,
        unit: u8,
        request: &A,
        limit: Duration,
        patience: u32,
    ) -> Result<(A::Answer, Duration), LinkError> {
        if self.has_unread().await? {
            // Nobody was asked: what came belongs to an earlier request, and
            // the line has to be emptied before the next.
            self.taint(unit);
            self.drain().await?;
        }
        if self.units.get(&unit).is_none_or(|u| u.sync.is_tainted()) {
            self.resynchronise(unit, limit, patience).await?;
        }
        let started = Instant::now();
        let answer = self.exchange(unit, request, limit).await;
        match &answer {
            Ok(_) | Err(LinkError::Request(_)) => {}
            Err(LinkError::Reply(ReplyError::Exception(code))) if !GATEWAY.contains(code) => {}
            Err(_) => self.taint(unit),
        }
        Ok((answer?, started.elapsed()))
    }

    /// Asks a unit nobody knows yet. The answer only shows that there is
    /// somebody: it may belong to an earlier request and is no value.
    pub(crate) async fn knock<A: Ask>(
        &mut self,
        unit: u8,
        request: &A,
        limit: Duration,
    ) -> Result<A::Answer, LinkError> {
        self.drain().await?;
        self.exchange(unit, request, limit).await
    }

    fn taint(&mut self, unit: u8) {
        if let Some(unit) = self.units.get_mut(&unit) {
            unit.sync.taint();
        }
    }

    async fn resynchronise(
        &mut self,
        unit: u8,
        limit: Duration,
        patience: u32,
    ) -> Result<(), LinkError> {
        let mut resync = Resync::patient(patience);
        loop {
            self.drain().await?;
            let Some(known) = self.units.get_mut(&unit) else {
                return Err(LinkError::OutOfStep);
            };
            let (area, addr) = known.probe;
            let probe = ReadRequest {
                area,
                addr,
                count: known.sync.probe_count(),
            };
            self.probes += 1;
            let answer = self.exchange(unit, &probe, limit).await;
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
            let Some(known) = self.units.get_mut(&unit) else {
                return Err(LinkError::OutOfStep);
            };
            match known.sync.after_probe(&mut resync, end) {
                ResyncStep::Again => {}
                ResyncStep::InStep => {
                    self.resyncs += 1;
                    return Ok(());
                }
                ResyncStep::GivenUp => {
                    return Err(if end == ProbeEnd::Silent {
                        LinkError::Timeout
                    } else {
                        LinkError::OutOfStep
                    });
                }
            }
        }
    }

    async fn exchange<A: Ask>(
        &mut self,
        unit: u8,
        request: &A,
        limit: Duration,
    ) -> Result<A::Answer, LinkError> {
        let sent = encode(unit, request)?;
        let quiet = self.last_byte.elapsed();
        if let Some(left) = self.silence.checked_sub(quiet)
            && !left.is_zero()
        {
            sleep(left).await;
        }
        self.wire.note(Direction::Out, &sent);
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
            self.last_byte = Instant::now();
            self.wire.note(Direction::In, &chunk[..count]);
            received.extend_from_slice(&chunk[..count]);
            if received.len() > RECEIVE_MOST {
                return Err(ReplyError::Length {
                    expected: RECEIVE_MOST,
                    got: received.len(),
                }
                .into());
            }
            if let Progress::Complete(registers) =
                judge(&received, &sent, unit, request, self.echo)?
            {
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
                count => {
                    self.wire.note(Direction::In, &chunk[..count]);
                    Ok(true)
                }
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
                    count => {
                        drained += count;
                        self.last_byte = Instant::now();
                        self.wire.note(Direction::In, &chunk[..count]);
                    }
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
