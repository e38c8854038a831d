//! Definitions of the information models.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The definitions, reduced to what coding needs.
const TEXT: &str = include_str!("../../sunspec/models.txt");

/// A model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Number (`103`).
    pub id: u16,
    /// Name (`inverter_three_phase`).
    pub name: String,
    /// Its points and groups; the first two points are `ID` and `L`.
    pub group: Group,
}

/// Points that belong together.
#[derive(Clone, Debug)]
pub struct Group {
    /// Name.
    pub name: String,
    /// How often it repeats.
    pub count: Count,
    /// Its points.
    pub points: Vec<PointDef>,
    /// Groups behind them.
    pub groups: Vec<Group>,
}

/// How often a group repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Count {
    /// As often as said.
    Times(u16),
    /// As often as this point says.
    Point(String),
    /// As often as the model is long.
    ToEnd,
}

/// A point.
#[derive(Clone, Debug)]
pub struct PointDef {
    /// Name (`PhVphA`).
    pub name: String,
    /// Coding.
    pub ty: Type,
    /// Registers.
    pub size: u16,
    /// Point that holds its power of ten.
    pub scale: Option<String>,
    /// Whether it may be written.
    pub writable: bool,
    /// Whether every device has it.
    pub mandatory: bool,
    /// Unit.
    pub units: String,
}

/// Coding of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum Type {
    Int16,
    Uint16,
    Acc16,
    Enum16,
    Bitfield16,
    Count,
    Sunssf,
    Pad,
    Int32,
    Uint32,
    Acc32,
    Enum32,
    Bitfield32,
    Ipaddr,
    Int64,
    Uint64,
    Acc64,
    Bitfield64,
    Float32,
    Float64,
    String,
    Other,
}

impl Type {
    fn parse(text: &str) -> Self {
        match text {
            "int16" => Self::Int16,
            "uint16" => Self::Uint16,
            "acc16" => Self::Acc16,
            "enum16" => Self::Enum16,
            "bitfield16" => Self::Bitfield16,
            "count" => Self::Count,
            "sunssf" => Self::Sunssf,
            "pad" => Self::Pad,
            "int32" => Self::Int32,
            "uint32" => Self::Uint32,
            "acc32" => Self::Acc32,
            "enum32" => Self::Enum32,
            "bitfield32" => Self::Bitfield32,
            "ipaddr" => Self::Ipaddr,
            "int64" => Self::Int64,
            "uint64" => Self::Uint64,
            "acc64" => Self::Acc64,
            "bitfield64" => Self::Bitfield64,
            "float32" => Self::Float32,
            "float64" => Self::Float64,
            "string" => Self::String,
            _ => Self::Other,
        }
    }

    /// The number that says "not implemented", most significant word first;
    /// `None` for strings and NaNs.
    #[must_use]
    pub fn unimplemented(self) -> Option<u64> {
        match self {
            Self::Int16 | Self::Sunssf | Self::Pad => Some(0x8000),
            Self::Uint16 | Self::Enum16 | Self::Bitfield16 | Self::Count => Some(0xffff),
            Self::Acc16 | Self::Acc32 | Self::Acc64 | Self::Ipaddr => Some(0),
            Self::Int32 => Some(0x8000_0000),
            Self::Uint32 | Self::Enum32 | Self::Bitfield32 => Some(0xffff_ffff),
            Self::Int64 => Some(1 << 63),
            Self::Uint64 | Self::Bitfield64 => Some(u64::MAX),
            // One of many NaNs; any is taken as one.
            Self::Float32 => Some(0x7fc0_0000),
            Self::Float64 => Some(0x7ff8_0000_0000_0000),
            Self::String | Self::Other => None,
        }
    }
}

/// The model with this number.
#[must_use]
pub fn model(id: u16) -> Option<&'static Model> {
    models().get(&id)
}

/// Every known model by number.
#[must_use]
pub fn models() -> &'static BTreeMap<u16, Model> {
    static MODELS: OnceLock<BTreeMap<u16, Model>> = OnceLock::new();
    MODELS.get_or_init(|| parse(TEXT))
}

fn parse(text: &str) -> BTreeMap<u16, Model> {
    let mut models = BTreeMap::new();
    // The open groups of the model being read, outermost first.
    let mut open: Vec<Group> = Vec::new();
    let mut id = 0;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["model", number, name] => {
                close(&mut models, id, &mut open);
                id = number.parse().unwrap_or(0);
                open.push(group(name, Count::Times(1)));
            }
            ["g", name, count] => {
                let count = match *count {
                    "-" => Count::Times(1),
                    "0" => Count::ToEnd,
                    text => text
                        .parse()
                        .map_or_else(|_| Count::Point(text.to_owned()), Count::Times),
                };
                open.push(group(name, count));
            }
            ["e"] => {
                if let Some(done) = open.pop()
                    && let Some(parent) = open.last_mut()
                {
                    parent.groups.push(done);
                }
            }
            ["p", name, ty, size, scale, access, need, units @ ..] => {
                if let Some(parent) = open.last_mut() {
                    parent.points.push(PointDef {
                        name: (*name).to_owned(),
                        ty: Type::parse(ty),
                        size: size.parse().unwrap_or(1),
                        scale: (*scale != "-").then(|| (*scale).to_owned()),
                        writable: *access == "RW",
                        mandatory: *need == "M",
                        units: units.join(" "),
                    });
                }
            }
            _ => {}
        }
    }
    close(&mut models, id, &mut open);
    models
}

fn group(name: &str, count: Count) -> Group {
    Group {
        name: name.to_owned(),
        count,
        points: Vec::new(),
        groups: Vec::new(),
    }
}

fn close(models: &mut BTreeMap<u16, Model>, id: u16, open: &mut Vec<Group>) {
    if let Some(top) = open.drain(..).next() {
        let name = top.name.clone();
        models.insert(
            id,
            Model {
                id,
                name,
                group: top,
            },
        );
    }
}

/// A point at its place in a model.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Path, repeated groups counted from 1 (`Crv1.Pt2.V`).
    pub path: String,
    /// What it is.
    pub def: &'static PointDef,
    /// Registers from the model's `ID`.
    pub offset: usize,
    /// Where its power of ten is, registers from the model's `ID`.
    pub scale: Option<usize>,
}

/// Most points of one model; a device that says more is not believed.
const MOST_POINTS: usize = 20_000;

/// Places every point of a model. `count` tells the value of a count point by
/// path and offset; `length` the registers behind `L`, where a group repeats
/// to the end.
#[must_use]
pub fn place(
    model: &'static Model,
    count: &dyn Fn(&str, usize) -> Option<u16>,
    length: Option<usize>,
) -> Vec<Placed> {
    let mut placer = Placer {
        count,
        length,
        offset: 0,
        placed: Vec::new(),
    };
    placer.group(&model.group, "");
    placer.placed
}

struct Placer<'a> {
    count: &'a dyn Fn(&str, usize) -> Option<u16>,
    length: Option<usize>,
    offset: usize,
    placed: Vec<Placed>,
}

impl Placer<'_> {
    fn group(&mut self, group: &'static Group, prefix: &str) {
        let first = self.placed.len();
        for def in &group.points {
            self.placed.push(Placed {
                path: format!("{prefix}{}", def.name),
                def,
                offset: self.offset,
                scale: None,
            });
            self.offset += usize::from(def.size);
        }
        // Scale factors stand in the same group or in one around it.
        for at in first..self.placed.len() {
            if let Some(name) = &self.placed[at].def.scale {
                self.placed[at].scale = self.find(prefix, name).map(|(_, offset)| offset);
            }
        }
        for inner in &group.groups {
            let times = match &inner.count {
                Count::Times(times) => *times,
                Count::Point(name) => self
                    .find(prefix, name)
                    .and_then(|(path, offset)| (self.count)(&path, offset))
                    .filter(|times| *times != u16::MAX)
                    .unwrap_or(0),
                Count::ToEnd => {
                    let size: usize = inner.points.iter().map(|p| usize::from(p.size)).sum();
                    let left = self.length.map(|l| (l + 2).saturating_sub(self.offset));
                    let fit = left.unwrap_or(0) / size.max(1);
                    u16::try_from(fit).unwrap_or(0)
                }
            };
            for nth in 1..=times {
                if self.placed.len() > MOST_POINTS {
                    return;
                }
                let prefix = if inner.count == Count::Times(1) {
                    format!("{prefix}{}.", inner.name)
                } else {
                    format!("{prefix}{}{nth}.", inner.name)
                };
                self.group(inner, &prefix);
            }
        }
    }

    /// Path and offset of a point as seen from inside the group at `prefix`.
    fn find(&self, prefix: &str, name: &str) -> Option<(String, usize)> {
        let mut around = prefix;
        loop {
            let path = format!("{around}{name}");
            if let Some(found) = self.placed.iter().rev().find(|placed| placed.path == path) {
                return Some((path, found.offset));
            }
            if around.is_empty() {
                return None;
            }
            around = around[..around.len() - 1]
                .rfind('.')
                .map_or("", |dot| &around[..=dot]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_whole() {
        let lengths: Vec<(u16, usize)> = [1, 101, 103, 113, 160, 203, 213, 701, 702, 704, 713, 802]
            .into_iter()
            .map(|id| {
                let placed = place(model(id).expect("known"), &|_, _| None, None);
                let last = placed.last().expect("points");
                (id, last.offset + usize::from(last.def.size) - 2)
            })
            .collect();
        // Lengths as the SunSpec specifications state them.
        assert_eq!(
            lengths,
            [
                (1, 66),
                (101, 50),
                (103, 50),
                (113, 60),
                (160, 8),
                (203, 105),
                (213, 124),
                (701, 153),
                (702, 50),
                (704, 65),
                (713, 7),
                (802, 62)
            ]
        );
        for model in models().values() {
            let placed = place(model, &|_, _| Some(1), Some(100));
            assert_eq!(placed[0].path, "ID");
            assert!(
                placed.iter().all(|p| p.def.ty != Type::Other),
                "{}",
                model.id
            );
            let lost = placed
                .iter()
                .find(|p| p.def.scale.is_some() && p.scale.is_none());
            assert!(lost.is_none(), "{}: {lost:?}", model.id);
        }
    }

    #[test]
    fn groups_repeat_as_their_counts_say() {
        let counts = |path: &str, _: usize| match path {
            "NCrv" => Some(2),
            "NPt" => Some(3),
            _ => None,
        };
        let placed = place(model(705).expect("known"), &counts, None);
        let paths: Vec<&str> = placed.iter().map(|p| p.path.as_str()).collect();
        assert!(paths.contains(&"Crv2.Pt3.Var") && !paths.contains(&"Crv3.Pt1.V"));
        let point = placed
            .iter()
            .find(|p| p.path == "Crv2.Pt1.V")
            .expect("placed");
        let scale = placed.iter().find(|p| p.path == "V_SF").expect("placed");
        assert_eq!(point.scale, Some(scale.offset));
    }
}
