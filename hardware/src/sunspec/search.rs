//! Finding the models of a device.

use std::collections::VecDeque;

use super::model::{Placed, Type, model, place};
use super::{BASES, END, MARK};
use crate::modbus::ReadRequest;
use crate::profile::{
    Area, Identity as Mark, Point, PointType, PollGroup, Profile, Protocol, Scale, SerialAt,
    SerialCode, WordOrder, text_in,
};

/// Most models of a device; one with more is not believed.
const MOST_MODELS: usize = 64;
/// Registers of one request.
const STEP: u16 = 120;

/// A device as it described itself.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Register of the mark.
    pub base: u16,
    /// Its models in order.
    pub models: Vec<FoundModel>,
}

/// A model of a device.
#[derive(Clone, Debug)]
pub struct FoundModel {
    /// Number.
    pub id: u16,
    /// Register of its `ID`.
    pub addr: u16,
    /// Its registers, `ID` and `L` included, as they were while searching.
    pub words: Vec<u16>,
}

/// Who made the device, from its common model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Maker.
    pub manufacturer: String,
    /// Model.
    pub model: String,
    /// Version.
    pub version: String,
    /// Serial number.
    pub serial: String,
}

impl FoundModel {
    /// Its points at their places; empty when the model is not known.
    #[must_use]
    pub fn points(&self) -> Vec<Placed> {
        let Some(known) = model(self.id) else {
            return Vec::new();
        };
        let count = |_: &str, offset: usize| self.words.get(offset).copied();
        let mut points = place(known, &count, Some(self.words.len().saturating_sub(2)));
        // A device may have an older, shorter form of the model.
        points.retain(|point| point.offset + usize::from(point.def.size) <= self.words.len());
        points
    }
}

impl Found {
    /// Who made it.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let Some(common) = self.models.iter().find(|model| model.id == 1) else {
            return Identity::default();
        };
        let points = common.points();
        let text = |name: &str| {
            points
                .iter()
                .find(|point| point.path == name)
                .map(|point| {
                    let end = point.offset + usize::from(point.def.size);
                    text_in(&common.words[point.offset..end])
                })
                .unwrap_or_default()
        };
        Identity {
            manufacturer: text("Mn"),
            model: text("Md"),
            version: text("Vr"),
            serial: text("SN"),
        }
    }
}

/// What to do next.
#[derive(Clone, Debug)]
pub enum SearchStep {
    /// Read this and tell the outcome.
    Read(ReadRequest),
    /// The whole map is known.
    Done(Found),
    /// There is no map.
    NotFound,
}

#[derive(Clone, Debug)]
enum State {
    Base,
    Header(u16),
    Body {
        addr: u16,
        id: u16,
        left: u16,
        words: Vec<u16>,
    },
    Done,
    NotFound,
}

/// A walk through a device's models.
#[derive(Clone, Debug)]
pub struct Search {
    bases: VecDeque<u16>,
    found: Found,
    state: State,
}

impl Default for Search {
    fn default() -> Self {
        Self::new()
    }
}

impl Search {
    /// From the start.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bases: BASES.into(),
            found: Found::default(),
            state: State::Base,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self) -> SearchStep {
        let read = |addr: u16, count: u16| {
            SearchStep::Read(ReadRequest {
                area: Area::Holding,
                addr,
                count,
            })
        };
        match &self.state {
            State::Base => match self.bases.front() {
                Some(base) => read(*base, 2),
                None => SearchStep::NotFound,
            },
            State::Header(addr) => read(*addr, 2),
            State::Body { addr, left, .. } => read(*addr, (*left).min(STEP)),
            State::Done => SearchStep::Done(self.found.clone()),
            State::NotFound => SearchStep::NotFound,
        }
    }

    /// Takes the registers asked for.
    pub fn found(&mut self, registers: &[u16]) {
        self.state = match std::mem::replace(&mut self.state, State::NotFound) {
            State::Base if registers == MARK => {
                self.found.base = self.bases.front().copied().unwrap_or(0);
                State::Header(self.found.base.saturating_add(2))
            }
            State::Base => self.other_base(),
            State::Header(addr) => match *registers {
                [END, _] => State::Done,
                [id, length] if self.found.models.len() < MOST_MODELS => {
                    let behind = u32::from(addr) + 2 + u32::from(length);
                    if behind > u32::from(u16::MAX) {
                        State::NotFound
                    } else if length == 0 {
                        self.add(addr, id, vec![id, 0])
                    } else {
                        State::Body {
                            addr: addr + 2,
                            id,
                            left: length,
                            words: vec![id, length],
                        }
                    }
                }
                _ => State::NotFound,
            },
            State::Body {
                addr,
                id,
                left,
                mut words,
            } => {
                let got = u16::try_from(registers.len()).unwrap_or(0).min(left);
                words.extend_from_slice(&registers[..usize::from(got)]);
                if got == 0 {
                    State::NotFound
                } else if got == left {
                    let first = addr + got - (words.len() as u16);
                    self.add(first, id, words)
                } else {
                    State::Body {
                        addr: addr + got,
                        id,
                        left: left - got,
                        words,
                    }
                }
            }
            state => state,
        };
    }

    /// Notes that the device refused the request.
    pub fn refused(&mut self) {
        self.state = match &self.state {
            State::Base => self.other_base(),
            // Some devices leave out the end mark.
            State::Header(_) if !self.found.models.is_empty() => State::Done,
            _ => State::NotFound,
        };
    }

    fn other_base(&mut self) -> State {
        self.bases.pop_front();
        if self.bases.is_empty() {
            State::NotFound
        } else {
            State::Base
        }
    }

    fn add(&mut self, addr: u16, id: u16, words: Vec<u16>) -> State {
        let next = addr.saturating_add(words.len() as u16);
        self.found.models.push(FoundModel { id, addr, words });
        State::Header(next)
    }
}

/// How a point is polled; `None` for texts and padding.
fn pollable(found: &FoundModel, placed: &Placed) -> Option<Point> {
    let ty = match placed.def.ty {
        Type::Int16 | Type::Sunssf => PointType::I16,
        Type::Uint16 | Type::Acc16 | Type::Enum16 | Type::Bitfield16 | Type::Count => {
            PointType::U16
        }
        Type::Int32 => PointType::I32,
        Type::Uint32 | Type::Acc32 | Type::Enum32 | Type::Bitfield32 | Type::Ipaddr => {
            PointType::U32
        }
        Type::Int64 => PointType::I64,
        Type::Uint64 | Type::Acc64 | Type::Bitfield64 => PointType::U64,
        Type::Float32 => PointType::F32,
        Type::Float64 => PointType::F64,
        Type::String | Type::Pad | Type::Other => return None,
    };
    let at = |offset: usize| u16::try_from(usize::from(found.addr) + offset).ok();
    // An accumulator of zero may be a new meter; only the others say no value.
    let invalid = match placed.def.ty {
        Type::Acc16 | Type::Acc32 | Type::Acc64 => None,
        ty => ty.unimplemented(),
    };
    Some(Point {
        id: format!("{}/{}", found.id, placed.path),
        area: Area::Holding,
        addr: at(placed.offset)?,
        ty,
        order: WordOrder::Abcd,
        scale: match placed.scale {
            Some(offset) => Scale::Pow10Reg(at(offset)?),
            None => Scale::Fixed(1.0),
        },
        negate: false,
        unit: placed.def.units.clone(),
        poll: PollGroup::Fast,
        invalid: invalid.into_iter().collect(),
        range: None,
        write: None,
    })
}

/// A profile of every number the device has.
#[must_use]
pub fn full_profile(found: &Found) -> Profile {
    let identity = found.identity();
    let points = found
        .models
        .iter()
        .flat_map(|model| {
            model
                .points()
                .iter()
                .filter(|placed| !matches!(placed.path.as_str(), "ID" | "L"))
                .filter_map(|placed| pollable(model, placed))
                .collect::<Vec<_>>()
        })
        .collect();
    Profile {
        vendor: identity.manufacturer,
        model: identity.model,
        max_regs: 125,
        max_gap: 124,
        points,
        ..Profile::empty(Protocol::Modbus)
    }
}

/// The profile with which a found device is polled for the keys of `wanted`,
/// and the keys it does not have. Points carry the ids of their keys.
#[must_use]
pub fn resolve(wanted: &Profile, found: &Found) -> (Profile, Vec<usize>) {
    let mut profile = wanted.clone();
    profile.protocol = Protocol::Modbus;
    profile.keys.clear();
    profile.max_regs = profile.max_regs.max(124);
    let mut missing = Vec::new();
    for (index, key) in wanted.keys.iter().enumerate() {
        let point = key.key.split_once(':').and_then(|(models, path)| {
            let numbers = models.split(',').filter_map(|id| id.parse::<u16>().ok());
            let mut chosen = numbers.filter_map(|id| found.models.iter().find(|m| m.id == id));
            let model = chosen.next()?;
            let placed = model.points().into_iter().find(|p| p.path == path)?;
            pollable(model, &placed)
        });
        match point {
            Some(mut point) => {
                point.id.clone_from(&key.id);
                point.negate = key.negate;
                point.poll = key.poll;
                point.range = key.range;
                if !key.unit.is_empty() {
                    point.unit.clone_from(&key.unit);
                }
                profile.points.push(point);
            }
            None => missing.push(index),
        }
    }
    if profile.probe_block.is_none() {
        // The mark and the common model can be read at any time.
        profile.probe_block = Some((Area::Holding, found.base));
    }
    mark(&mut profile, found);
    (profile, missing)
}

/// What a found device must still say of itself at its next connection.
fn mark(profile: &mut Profile, found: &Found) {
    let nameplate = profile.nameplate.take().unwrap_or_default();
    let Some(common) = found.models.iter().find(|model| model.id == 1) else {
        return;
    };
    let points = common.points();
    let place = |name: &str| {
        let point = points.iter().find(|point| point.path == name)?;
        let offset = u16::try_from(point.offset).ok()?;
        Some((common.addr.checked_add(offset)?, point.def.size))
    };
    for (name, text) in [("Mn", &nameplate.maker), ("Md", &nameplate.model)] {
        if let Some((addr, count)) = place(name)
            && !text.is_empty()
        {
            profile.identity.push(Mark {
                area: Area::Holding,
                addr,
                text: text.clone(),
                count,
                ..Mark::default()
            });
        }
    }
    profile.serial = place("SN").map(|(addr, count)| SerialAt {
        area: Area::Holding,
        addr,
        count,
        coded: SerialCode::Text,
    });
}
