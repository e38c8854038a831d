//! Models with values as registers.

use std::collections::BTreeMap;

use super::model::{Placed, Type, model, place};
use super::{END, MARK};
use crate::profile::times_power_of_ten;

/// A value of a point before scaling, as it stands in the registers.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number: integers, enumerations, bits, scale factors.
    Int(i128),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(String),
}

/// Why a value cannot be put into an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The model is not in the tables.
    #[error("SunSpec model {0} is not known")]
    NoModel(u16),
    /// The model has no such point.
    #[error("SunSpec model {model} has no point `{path}`")]
    NoPoint {
        /// Model.
        model: u16,
        /// Path.
        path: String,
    },
    /// The value does not fit its registers.
    #[error("{value} does not fit point `{path}` of SunSpec model {model}")]
    DoesNotFit {
        /// Model.
        model: u16,
        /// Path.
        path: String,
        /// Value.
        value: String,
    },
    /// The image does not fit behind its base.
    #[error("the models do not fit into the address space")]
    TooLong,
}

/// Registers of a device from its mark to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    base: u16,
    words: Vec<u16>,
    /// Place of every point, by model and path.
    places: BTreeMap<(u16, String), PlaceOf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PlaceOf {
    at: usize,
    size: usize,
    ty: Type,
    scale: Option<usize>,
    writable: bool,
}

impl Image {
    /// Encodes models in order with their values, everything else "not
    /// implemented".
    ///
    /// # Errors
    /// Fails when a model or point is not known or a value does not fit.
    pub fn encode(base: u16, models: &[(u16, Vec<(&str, Value)>)]) -> Result<Self, ImageError> {
        let mut image = Self {
            base,
            words: MARK.to_vec(),
            places: BTreeMap::new(),
        };
        for (id, values) in models {
            image.add(*id, values)?;
        }
        image.words.extend([END, 0]);
        if usize::from(base) + image.words.len() > 1 << 16 {
            return Err(ImageError::TooLong);
        }
        Ok(image)
    }

    fn add(&mut self, id: u16, values: &[(&str, Value)]) -> Result<(), ImageError> {
        let known = model(id).ok_or(ImageError::NoModel(id))?;
        let count = |path: &str, _: usize| {
            values
                .iter()
                .find(|(p, _)| *p == path)
                .and_then(|(_, value)| match value {
                    Value::Int(count) => u16::try_from(*count).ok(),
                    _ => None,
                })
        };
        // A group that repeats to the end repeats as often as values name it.
        let repeats = values.iter().filter_map(|(path, _)| repeat_of(path)).max();
        let length = repeats.map(|times| {
            let size = |times: usize| {
                let fixed: usize = known.group.points.iter().map(|p| usize::from(p.size)).sum();
                let inner = known.group.groups.first().map_or(0, |group| {
                    group.points.iter().map(|p| usize::from(p.size)).sum()
                });
                fixed + times * inner
            };
            size(times) - 2
        });
        let start = self.words.len();
        let placed = place(known, &count, length);
        for point in &placed {
            self.words.extend(empty(point));
            self.places.insert(
                (id, point.path.clone()),
                PlaceOf {
                    at: start + point.offset,
                    size: usize::from(point.def.size),
                    ty: point.def.ty,
                    scale: point.scale.map(|offset| start + offset),
                    writable: point.def.writable,
                },
            );
        }
        let length = self.words.len() - start - 2;
        self.set(id, "ID", &Value::Int(i128::from(id)))?;
        self.set(id, "L", &Value::Int(length as i128))?;
        for (path, value) in values {
            self.set(id, path, value)?;
        }
        Ok(())
    }

    /// Sets a point of a model.
    ///
    /// # Errors
    /// Fails when there is none or the value does not fit.
    pub fn set(&mut self, model: u16, path: &str, value: &Value) -> Result<(), ImageError> {
        let key = (model, path.to_owned());
        let place = self.places.get(&key).ok_or_else(|| ImageError::NoPoint {
            model,
            path: path.to_owned(),
        })?;
        let words = words_of(place, value).ok_or_else(|| ImageError::DoesNotFit {
            model,
            path: path.to_owned(),
            value: format!("{value:?}"),
        })?;
        self.words[place.at..place.at + place.size].copy_from_slice(&words);
        Ok(())
    }

    /// Sets a point to a physical value, through its scale factor as it is in
    /// the image; a value beyond its registers is clamped to them.
    ///
    /// # Errors
    /// Fails when there is no such point.
    pub fn set_scaled(&mut self, model: u16, path: &str, value: f64) -> Result<(), ImageError> {
        let key = (model, path.to_owned());
        let place = self.places.get(&key).ok_or_else(|| ImageError::NoPoint {
            model,
            path: path.to_owned(),
        })?;
        if matches!(place.ty, Type::Float32 | Type::Float64) {
            return self.set(model, path, &Value::Float(value));
        }
        let exponent = place.scale.map_or(0, |at| self.words[at].cast_signed());
        let number = times_power_of_ten(value, -exponent).round();
        let (low, high) = limits(place.ty, place.size);
        let number = (number as i128).clamp(low, high);
        self.set(model, path, &Value::Int(number))
    }

    /// The number in a point, scaled; `None` when there is none.
    #[must_use]
    pub fn get_scaled(&self, model: u16, path: &str) -> Option<f64> {
        let place = self.places.get(&(model, path.to_owned()))?;
        let raw = join(&self.words[place.at..place.at + place.size]);
        if Some(raw) == place.ty.unimplemented() {
            return None;
        }
        let signed = matches!(
            place.ty,
            Type::Int16 | Type::Int32 | Type::Int64 | Type::Sunssf
        );
        let number = match (signed, place.size) {
            (true, 1) => f64::from((raw as u16).cast_signed()),
            (true, 2) => f64::from((raw as u32).cast_signed()),
            (true, _) => raw.cast_signed() as f64,
            (false, 2) if place.ty == Type::Float32 => f64::from(f32::from_bits(raw as u32)),
            (false, _) if place.ty == Type::Float64 => f64::from_bits(raw),
            (false, _) => raw as f64,
        };
        let exponent = place.scale.map_or(0, |at| self.words[at].cast_signed());
        Some(times_power_of_ten(number, exponent))
    }

    /// What a client should read of every point: model, path, and the number or
    /// text in its registers, `None` where it is not implemented.
    #[must_use]
    pub fn contents(&self) -> Vec<(u16, String, Option<String>)> {
        self.places
            .iter()
            .filter(|(_, place)| place.ty != Type::Pad)
            .map(|((model, path), place)| {
                let words = &self.words[place.at..place.at + place.size];
                (*model, path.clone(), text_of(place.ty, words))
            })
            .collect()
    }

    /// First register.
    #[must_use]
    pub fn base(&self) -> u16 {
        self.base
    }

    /// The registers from the base on.
    #[must_use]
    pub fn words(&self) -> &[u16] {
        &self.words
    }

    /// Register of a point, its size and whether the model lets it be written.
    #[must_use]
    pub fn locate(&self, model: u16, path: &str) -> Option<(u16, u16, bool)> {
        let place = self.places.get(&(model, path.to_owned()))?;
        let addr = u16::try_from(usize::from(self.base) + place.at).ok()?;
        Some((addr, place.size as u16, place.writable))
    }

    /// Points that begin within `count` registers from `addr`.
    #[must_use]
    pub fn points_in(&self, addr: u16, count: u16) -> Vec<(u16, String)> {
        let first = usize::from(addr).saturating_sub(usize::from(self.base));
        let last = first + usize::from(count);
        self.places
            .iter()
            .filter(|(_, place)| (first..last).contains(&place.at))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Overwrites registers, for the ones a client may write.
    pub(crate) fn put(&mut self, addr: u16, values: &[u16]) {
        let first = usize::from(addr).saturating_sub(usize::from(self.base));
        if let Some(words) = self.words.get_mut(first..first + values.len()) {
            words.copy_from_slice(values);
        }
    }
}

/// Registers as a client shows them.
fn text_of(ty: Type, words: &[u16]) -> Option<String> {
    if ty == Type::String {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        return (end > 0).then(|| String::from_utf8_lossy(&bytes[..end]).into_owned());
    }
    let raw = join(words);
    if Some(raw) == ty.unimplemented() {
        return None;
    }
    match ty {
        Type::Float32 => {
            let number = f32::from_bits(raw as u32);
            (!number.is_nan()).then(|| f64::from(number).to_string())
        }
        Type::Float64 => Some(f64::from_bits(raw).to_string()),
        Type::Int16 | Type::Sunssf => Some((raw as u16).cast_signed().to_string()),
        Type::Int32 => Some((raw as u32).cast_signed().to_string()),
        Type::Int64 => Some(raw.cast_signed().to_string()),
        _ => Some(raw.to_string()),
    }
}

/// Number of the repetition in `module2.DCW`.
fn repeat_of(path: &str) -> Option<usize> {
    let group = path.split_once('.')?.0;
    let digits = group.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().ok()
}

fn empty(point: &Placed) -> Vec<u16> {
    let size = usize::from(point.def.size);
    match point.def.ty.unimplemented() {
        Some(raw) => split(raw, size),
        None => vec![0; size],
    }
}

fn split(raw: u64, size: usize) -> Vec<u16> {
    (0..size)
        .rev()
        .map(|word| {
            if word < 4 {
                (raw >> (16 * word)) as u16
            } else {
                0
            }
        })
        .collect()
}

fn join(words: &[u16]) -> u64 {
    words
        .iter()
        .fold(0, |raw, word| raw << 16 | u64::from(*word))
}

/// Smallest and largest number that is none of the codes for "no value".
fn limits(ty: Type, size: usize) -> (i128, i128) {
    let bits = 16 * size.min(4) as u32;
    match ty {
        Type::Int16 | Type::Int32 | Type::Int64 => {
            let half = 1_i128 << (bits - 1);
            (1 - half, half - 1)
        }
        Type::Sunssf => (-10, 10),
        Type::Acc16 | Type::Acc32 | Type::Acc64 => (0, (1_i128 << bits) - 1),
        _ => (0, (1_i128 << bits) - 2),
    }
}

fn words_of(place: &PlaceOf, value: &Value) -> Option<Vec<u16>> {
    match (place.ty, value) {
        (Type::String, Value::Text(text)) => {
            let mut bytes = text.as_bytes().to_vec();
            if bytes.len() > 2 * place.size {
                return None;
            }
            bytes.resize(2 * place.size, 0);
            Some(
                bytes
                    .chunks_exact(2)
                    .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                    .collect(),
            )
        }
        (Type::Float32, Value::Float(number)) => {
            Some(split(u64::from((*number as f32).to_bits()), 2))
        }
        (Type::Float64, Value::Float(number)) => Some(split(number.to_bits(), 4)),
        (Type::Float32 | Type::Float64 | Type::String, _)
        | (_, Value::Float(_) | Value::Text(_)) => None,
        (_, Value::Int(number)) => {
            let bits = 16 * place.size.min(4) as u32;
            let (low, high) = (-(1_i128 << (bits - 1)), (1_i128 << bits) - 1);
            (low..=high)
                .contains(number)
                .then(|| split(*number as u64, place.size))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Search, SearchStep, full_profile};
    use super::*;
    use crate::profile::decode;

    fn image() -> Image {
        let text = |text: &str| Value::Text(text.into());
        Image::encode(
            40_000,
            &[
                (
                    1,
                    vec![
                        ("Mn", text("Gridloom")),
                        ("Md", text("Inverter")),
                        ("SN", text("H17")),
                    ],
                ),
                (
                    103,
                    vec![
                        ("W", Value::Int(-1_234)),
                        ("W_SF", Value::Int(-1)),
                        ("WH", Value::Int(70_000)),
                        ("WH_SF", Value::Int(0)),
                    ],
                ),
                (
                    160,
                    vec![
                        ("N", Value::Int(2)),
                        ("DCW_SF", Value::Int(0)),
                        ("module1.DCW", Value::Int(100)),
                        ("module2.DCW", Value::Int(200)),
                    ],
                ),
            ],
        )
        .expect("fits")
    }

    #[test]
    fn what_was_encoded_is_found_and_decoded() {
        let mut image = image();
        image.set_scaled(103, "W", 55.5).expect("there");
        let mut search = Search::new();
        let found = loop {
            match search.next() {
                SearchStep::Read(request) => {
                    let first = usize::from(request.addr - image.base());
                    let last = first + usize::from(request.count);
                    search.found(&image.words()[first..last]);
                }
                SearchStep::Done(found) => break found,
                SearchStep::NotFound => panic!("not found"),
            }
        };
        let ids: Vec<u16> = found.models.iter().map(|model| model.id).collect();
        assert_eq!((ids, found.base), (vec![1, 103, 160], 40_000));
        assert_eq!(found.identity().serial, "H17");
        let profile = full_profile(&found);
        assert_eq!(profile.problems(), vec![]);
        let value = |id: &str| {
            let point = &profile.points[profile.index_of(id).expect("there")];
            decode(point, 40_000, image.words()).map(|found| found.value)
        };
        assert_eq!(value("103/W"), Ok(55.5));
        assert_eq!(value("103/WH"), Ok(70_000.0));
        assert_eq!(value("160/module2.DCW"), Ok(200.0));
        assert!(value("103/Hz").is_err(), "not implemented");
        assert_eq!(image.get_scaled(103, "W"), Some(55.5));
    }

    #[test]
    fn values_beyond_the_registers_are_refused_or_clamped() {
        let mut image = image();
        assert!(matches!(
            image.set(103, "W", &Value::Int(70_000)),
            Err(ImageError::DoesNotFit { .. })
        ));
        image.set_scaled(103, "W", 1e9).expect("clamped");
        assert_eq!(image.get_scaled(103, "W"), Some(3_276.7));
        assert!(matches!(
            image.set(103, "Nope", &Value::Int(0)),
            Err(ImageError::NoPoint { .. })
        ));
    }

    #[test]
    fn a_map_that_makes_no_sense_is_given_up() {
        let mut search = Search::new();
        search.found(&MARK);
        search.found(&[103, 65_000]);
        assert!(matches!(search.next(), SearchStep::NotFound));
        let mut search = Search::new();
        for _ in 0..3 {
            search.refused();
        }
        assert!(matches!(search.next(), SearchStep::NotFound));
    }
}
