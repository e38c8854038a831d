//! Writing and reading back, for units whose binding can be armed.

use std::time::Instant;

use super::actor::Actor;
use super::control_task::{ControlRequest, refuse_all};
use super::link::Link;
use crate::control::{DisarmReason, Measured, Permit, Task};
use crate::modbus::{ReadRequest, WriteRequest};
use crate::profile::{Area, Point, PointType, Scale, decode, encode};
use crate::reading::BadReason;

impl Actor {
    /// Takes requests and does what is due; `Some` ends the connection.
    pub(super) async fn serve_controls(&mut self, link: &mut Link) -> Option<BadReason> {
        for at in 0..self.units.len() {
            if self.units[at].bound.control.is_none() {
                continue;
            }
            self.take_requests(link, at).await;
            if let Some(reason) = self.recognise(link, at).await {
                return Some(reason);
            }
            if !self.units[at].identified {
                let now_ms = self.now_ms();
                if let Some(end) = &mut self.units[at].bound.control {
                    end.look(now_ms);
                }
                continue;
            }
            // Bounded: every task moves the state on, and reads go on between.
            for _ in 0..8 {
                let now_ms = self.now_ms();
                let Some(end) = &mut self.units[at].bound.control else {
                    break;
                };
                end.look(now_ms);
                let Some(task) = end.control.next(now_ms) else {
                    break;
                };
                self.carry_out(link, at, task).await;
                if link.is_lost() {
                    return Some(BadReason::Comm);
                }
            }
            let now_ms = self.now_ms();
            if let Some(end) = &mut self.units[at].bound.control {
                end.look(now_ms);
            }
        }
        None
    }

    /// Nothing is written, not even a fail-safe value, to a device that has not
    /// been found to be the same; a release does not wait for the next poll to
    /// find out. `Some` ends the connection.
    async fn recognise(&mut self, link: &mut Link, at: usize) -> Option<BadReason> {
        let unit = &self.units[at];
        let control = unit.bound.control.as_ref();
        let releasing = control.is_some_and(|end| end.control.is_releasing());
        if unit.identified || !releasing || unit.slot.is_silent() {
            return None;
        }
        if unit.unknown {
            let ended = self.discover(link, at).await;
            if ended.is_some() || self.units[at].unknown {
                return ended;
            }
        }
        self.identify(link, at).await.err().flatten()
    }

    async fn take_requests(&mut self, link: &mut Link, at: usize) {
        loop {
            let now_ms = self.now_ms();
            let Some(end) = &mut self.units[at].bound.control else {
                return;
            };
            match end.requests.try_recv() {
                Err(_) => return,
                Ok(ControlRequest::Disarm(by)) => {
                    end.control.disarm(DisarmReason::Released(by));
                }
                Ok(ControlRequest::Arm(mut request, answer)) => {
                    request.identity_checked &= self.identity_holds(link, at).await;
                    let now_ms = self.now_ms();
                    if let Some(end) = &mut self.units[at].bound.control {
                        let _ = answer.try_send(end.control.arm(now_ms, &request));
                    }
                }
                Ok(ControlRequest::Set(point, value, answer)) => {
                    let now = Instant::now();
                    let unit = &mut self.units[at];
                    let publisher = &unit.publisher;
                    let readings = |id: &str| {
                        publisher.measured(id).map(|(value, good, at)| Measured {
                            value,
                            good,
                            age_ms: u64::try_from(now.saturating_duration_since(at).as_millis())
                                .unwrap_or(u64::MAX),
                        })
                    };
                    if let Some(end) = &mut unit.bound.control {
                        let set = end.control.set(now_ms, &point, value, &readings);
                        let _ = answer.try_send(set);
                    }
                }
            }
        }
    }

    async fn carry_out(&mut self, link: &mut Link, at: usize, task: Task) {
        match task {
            Task::ReadBack { point } => {
                let found = self.read_back(link, at, point).await;
                let now_ms = self.now_ms();
                if let Some(end) = &mut self.units[at].bound.control {
                    end.control.read_back(now_ms, point, found);
                }
            }
            Task::Write {
                permit,
                point,
                value,
                revert,
                enable,
                releasing,
            } => {
                let enabled = if releasing { 0.0 } else { 1.0 };
                // The device's own timer first, so that it runs when the value
                // counts; the switch that makes it count last.
                let order = revert
                    .into_iter()
                    .chain([(point, value)])
                    .chain(enable.map(|of| (of, enabled)));
                let mut done = Ok(());
                let mut permit = Some(permit);
                for (of, value) in order {
                    let Some(right) = permit.take() else {
                        break;
                    };
                    match self.write(link, at, right, of, value).await {
                        Ok(again) => permit = Some(again),
                        Err(why) => done = Err(why),
                    }
                }
                let now_ms = self.now_ms();
                if let Some(end) = &mut self.units[at].bound.control {
                    end.control.written(now_ms, point, done);
                }
            }
        }
    }

    /// Writes a point; gives the permit back for the points that belong to it.
    async fn write(
        &mut self,
        link: &mut Link,
        at: usize,
        permit: Permit,
        of: usize,
        value: f64,
    ) -> Result<Permit, String> {
        let point = self.polled(at, of)?;
        let exponent = self.exponent(link, at, &point).await?;
        let words = encode(&point, value, exponent)?;
        let request = match (point.area, point.ty, words.as_slice()) {
            (Area::Coil, PointType::Bit, [word]) => {
                WriteRequest::coil(permit, point.addr, *word != 0)
            }
            (Area::Holding, _, [word]) => WriteRequest::register(permit, point.addr, *word),
            (Area::Holding, _, _) => WriteRequest::registers(permit, point.addr, words),
            _ => return Err("the point cannot be written".to_owned()),
        };
        match self.ask(link, at, &request).await {
            Ok(()) => {
                super::with_status(&self.units[at].bound.status, |status| status.writes += 1);
                Ok(request.into_permit())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// The registers of a point of the bound profile, as found on the device.
    fn polled(&self, at: usize, of: usize) -> Result<Point, String> {
        let unit = &self.units[at];
        unit.map
            .iter()
            .position(|index| *index == of)
            .and_then(|at| unit.profile.points.get(at).cloned())
            .ok_or_else(|| "the device has no such point".to_owned())
    }

    /// The scale factor a write has to use: the one the device has now.
    async fn exponent(&mut self, link: &mut Link, at: usize, point: &Point) -> Result<i16, String> {
        let Scale::Pow10Reg(addr) = point.scale else {
            return Ok(0);
        };
        let request = ReadRequest {
            area: point.area,
            addr,
            count: 1,
        };
        let words = self
            .ask(link, at, &request)
            .await
            .map_err(|e| e.to_string())?;
        match words.first().map(|word| word.cast_signed()) {
            Some(exponent @ -10..=10) => Ok(exponent),
            other => Err(format!("scale factor {other:?} is none")),
        }
    }

    async fn read_back(&mut self, link: &mut Link, at: usize, of: usize) -> Result<f64, String> {
        let bound = &self.units[at].bound.config.profile;
        let spec = match bound.points.get(of) {
            Some(point) => point.write.as_ref(),
            None => bound.keys.get(of).and_then(|key| key.write.as_ref()),
        };
        let shown = spec
            .and_then(|spec| spec.read_back.as_ref())
            .and_then(|id| {
                let registers = bound.points.iter().map(|point| &point.id);
                let mut ids = registers.chain(bound.keys.iter().map(|key| &key.id));
                ids.position(|known| known == id)
            })
            .unwrap_or(of);
        let point = self.polled(at, shown)?;
        let (first, last) = point.span();
        let request = ReadRequest {
            area: point.area,
            addr: first,
            count: last - first + 1,
        };
        let registers = match self.ask(link, at, &request).await {
            Ok(registers) => registers,
            Err(error) => return Err(error.to_string()),
        };
        decode(&point, first, &registers)
            .map(|found| found.value)
            .map_err(BadReason::label)
    }

    /// Answers requests while there is no connection.
    pub(super) fn refuse_requests(&mut self) {
        let now_ms = self.now_ms();
        for unit in &mut self.units {
            if let Some(end) = &mut unit.bound.control {
                refuse_all(end, now_ms);
            }
        }
    }
}
