//! The owner of one connection: connects, polls, reports, backs off.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use gridloom_units::{Stream, draw_f64};
use tokio::sync::watch;
use tokio::time::sleep;

use super::link::{Link, LinkError};
use super::publish::Publisher;
use super::{MonitorConfig, SharedStatus, with_status};
use crate::modbus::{ReadRequest, ReplyError};
use crate::profile::{Block, PollGroup, decode, plan_blocks};
use crate::reading::DeviceReading;

/// The exception that says that an address does not exist.
const ILLEGAL_DATA_ADDRESS: u8 = 2;

/// Runs until told to stop or until nobody listens any more.
pub(crate) async fn run(
    config: MonitorConfig,
    sender: Sender<DeviceReading>,
    status: SharedStatus,
    mut stop: watch::Receiver<bool>,
) {
    let publisher = Publisher::new(config.device, &config.profile, sender, status.clone());
    let mut actor = Actor {
        config,
        publisher,
        status,
        alone: BTreeSet::new(),
    };
    tokio::select! {
        () = actor.forever() => {}
        // An error means that the handle is gone, which is a stop as well.
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

struct Actor {
    config: MonitorConfig,
    publisher: Publisher,
    status: SharedStatus,
    /// Points that must be read by themselves: a request that joined them with
    /// others was refused for its addresses.
    alone: BTreeSet<usize>,
}

/// Why the polling of a connection ended.
enum End {
    /// The connection is not usable any more.
    Lost,
    /// Nobody listens.
    Unheard,
}

impl Actor {
    async fn forever(&mut self) {
        let mut failures = 0_u32;
        loop {
            let polls_before = with_status(&self.status, |status| status.polls);
            match Link::connect(&self.config).await {
                Ok(mut link) => {
                    with_status(&self.status, |status| {
                        status.connected = true;
                        status.connects += 1;
                    });
                    sleep(Duration::from_millis(self.config.profile.connect_delay_ms)).await;
                    if matches!(self.poll(&mut link).await, End::Unheard) {
                        return;
                    }
                }
                Err(error) => {
                    self.failed(&error);
                    self.publisher.publish_all(error.reason());
                }
            }
            with_status(&self.status, |status| status.connected = false);
            // A line that gave answers before it broke starts its back-off anew.
            let answered = with_status(&self.status, |status| status.polls) > polls_before;
            failures = if answered {
                1
            } else {
                failures.saturating_add(1)
            };
            self.back_off(failures).await;
        }
    }

    /// Waits before connecting again, delivering what is still waiting.
    async fn back_off(&mut self, failures: u32) {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
        let pause = self
            .config
            .back_off_min
            .saturating_mul(doubled)
            .min(self.config.back_off_max);
        // Up to a quarter less, so that many monitors do not return together.
        let jitter = draw_f64(
            u64::from(self.config.device.0),
            u64::from(failures),
            u64::from(self.config.unit),
            Stream::LinkLatency,
        );
        let until = Instant::now() + pause.mul_f64(1.0 - jitter / 4.0);
        while let Some(left) = until
            .checked_duration_since(Instant::now())
            .filter(|d| !d.is_zero())
        {
            self.publisher.flush();
            sleep(left.min(Duration::from_millis(250))).await;
        }
    }

    /// Polls on one connection until it fails.
    async fn poll(&mut self, link: &mut Link) -> End {
        let started = Instant::now();
        let interval = self.config.poll_interval;
        let mut turn = 0_u64;
        loop {
            for block in self.blocks_of(turn) {
                if let Some(end) = self.read_block(link, &block).await {
                    return end;
                }
            }
            if !self.publisher.flush() {
                return End::Unheard;
            }
            turn += 1;
            let late = started.elapsed();
            let due = interval.saturating_mul(u32::try_from(turn).unwrap_or(u32::MAX));
            if let Some(ahead) = due.checked_sub(late) {
                sleep(ahead).await;
            } else {
                // Turns that are over are skipped and counted, not made up for.
                let behind = (late - due).as_nanos() / interval.as_nanos().max(1);
                let behind = u64::try_from(behind).unwrap_or(u64::MAX);
                turn = turn.saturating_add(behind);
                with_status(&self.status, |status| status.missed += behind);
            }
        }
    }

    /// Requests of a turn: the groups that are due.
    fn blocks_of(&self, turn: u64) -> Vec<Block> {
        let profile = &self.config.profile;
        let due = |group: PollGroup| match group.every() {
            Some(every) => turn.is_multiple_of(every),
            None => turn == 0,
        };
        let chosen: Vec<usize> = (0..profile.points.len())
            .filter(|index| due(profile.points[*index].poll))
            .collect();
        let limits = profile.plan_limits();
        let joined = chosen
            .iter()
            .copied()
            .filter(|index| !self.alone.contains(index));
        let mut blocks = plan_blocks(&profile.points, joined, limits);
        for index in chosen.iter().filter(|index| self.alone.contains(index)) {
            blocks.extend(plan_blocks(&profile.points, [*index], limits));
        }
        blocks
    }

    /// Reads one block and publishes its points; `Some` ends the connection.
    async fn read_block(&mut self, link: &mut Link, block: &Block) -> Option<End> {
        let request = ReadRequest {
            area: block.area,
            addr: block.addr,
            count: block.count,
        };
        let limit = Duration::from_millis(self.config.profile.timeout_ms);
        let before = link.probes();
        let answer = link.read(&request, limit).await;
        let after = link.probes();
        with_status(&self.status, |status| {
            status.probes += after.0 - before.0;
            status.resyncs += after.1 - before.1;
        });
        let now = Instant::now();
        match answer {
            Ok((registers, round_trip)) => {
                with_status(&self.status, |status| {
                    status.polls += 1;
                    status.round_trip = Some(round_trip);
                });
                for index in &block.points {
                    let found = decode(&self.config.profile.points[*index], block.addr, &registers);
                    self.publisher.publish(*index, found, now);
                }
            }
            Err(error) => {
                self.failed(&error);
                let lost = link.is_lost(&error);
                let split = matches!(
                    error,
                    LinkError::Reply(ReplyError::Exception(ILLEGAL_DATA_ADDRESS))
                ) && block.points.len() > 1;
                if split {
                    // Some devices refuse a request that crosses a hole in
                    // their map; from now on these points are read one by one.
                    self.alone.extend(&block.points);
                }
                if lost {
                    self.publisher.publish_all(error.reason());
                    return Some(End::Lost);
                }
                for index in &block.points {
                    self.publisher.publish(*index, Err(error.reason()), now);
                }
            }
        }
        let pause = Duration::from_millis(self.config.profile.min_interval_ms);
        if !pause.is_zero() {
            sleep(pause).await;
        }
        None
    }

    fn failed(&self, error: &LinkError) {
        with_status(&self.status, |status| {
            error.count(&mut status.errors);
            status.last_error = Some(error.to_string());
        });
    }
}
