//! A meter made of software: serves a profile's registers over Modbus.
//!
//! The registers hold values the caller sets, all of one call changing at the
//! same time, so that no client sees half of a change. It is read-only: writing
//! functions are refused with exception 1, addresses outside the profile with
//! exception 2, and requests to another unit are not answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use crate::profile::{Area, Profile, Scale, SerialCode, encode};
use crate::serve::{Exception, Listen, Registers, Server, Units};
use crate::{HardwareError, Point};

/// What to serve and where.
#[derive(Clone, Debug)]
pub struct EmulatorConfig {
    /// The device's registers.
    pub profile: Profile,
    /// Where to serve.
    pub listen: Vec<Listen>,
    /// Unit that answers.
    pub unit: u8,
    /// Its serial number, where the profile says where it is.
    pub serial: u64,
    /// Contents of scale factor registers; 0 where not given.
    pub exponents: BTreeMap<(Area, u16), i16>,
}

impl EmulatorConfig {
    /// Serves `profile` as unit 1 on a free port of the loopback interface.
    #[must_use]
    pub fn loopback(profile: Profile) -> Self {
        Self {
            profile,
            listen: vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))],
            unit: 1,
            serial: 1,
            exponents: BTreeMap::new(),
        }
    }
}

/// Contents of the device's tables.
type Image = BTreeMap<(Area, u16), u16>;

/// The tables, as clients see them.
struct Tables {
    image: RwLock<Arc<Image>>,
}

impl Tables {
    fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Registers for Tables {
    fn read(&self, area: Area, addr: u16, count: u16) -> Result<Vec<u16>, Exception> {
        read(&self.image(), area, addr, count)
    }
}

/// A running emulator. Stops when dropped.
pub struct Emulator {
    profile: Profile,
    exponents: BTreeMap<(Area, u16), i16>,
    tables: Arc<Tables>,
    server: Server,
}

impl Emulator {
    /// Starts serving; every value is 0 until it is set.
    ///
    /// # Errors
    /// Fails when the profile is invalid, the address cannot be listened on or
    /// the thread cannot start.
    pub fn start(config: EmulatorConfig) -> Result<Self, HardwareError> {
        let EmulatorConfig {
            profile,
            listen,
            unit,
            serial,
            exponents,
        } = config;
        let problems = profile.problems();
        if !problems.is_empty() {
            return Err(HardwareError::InvalidProfile {
                name: profile.name(),
                problems,
            });
        }
        let tables = Arc::new(Tables {
            image: RwLock::new(Arc::new(empty_image(&profile, serial, &exponents))),
        });
        let units = Units::from([(unit, Arc::clone(&tables) as Arc<dyn Registers>)]);
        let server = Server::start(units, &listen)?;
        Ok(Self {
            profile,
            exponents,
            tables,
            server,
        })
    }

    /// Address of its first socket; an unusable one when it has none.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        let none = SocketAddr::from(([0, 0, 0, 0], 0));
        self.server.addr().unwrap_or(none)
    }

    /// The server behind it.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Requests answered so far, refusals included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.server.requests()
    }

    /// Clients turned away because too many were connected.
    #[must_use]
    pub fn refused_clients(&self) -> u64 {
        self.server.refused_clients()
    }

    /// Sets points to values in their units, all at the same time.
    ///
    /// # Errors
    /// Fails, changing nothing, when a point does not exist or a value does
    /// not fit its registers.
    pub fn set(&self, values: &[(&str, f64)]) -> Result<(), HardwareError> {
        let mut words: Vec<((Area, u16), u16)> = Vec::new();
        for (id, value) in values {
            let point = &self.profile.points[self.profile.index_of(id)?];
            let exponent = exponent_of(point, &self.exponents);
            let registers =
                encode(point, *value, exponent).map_err(|reason| HardwareError::DoesNotFit {
                    point: point.id.clone(),
                    value: *value,
                    reason,
                })?;
            words.extend((point.addr..).map(|addr| (point.area, addr)).zip(registers));
        }
        let mut image = self
            .tables
            .image
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let changed = Arc::make_mut(&mut image);
        changed.extend(words);
        Ok(())
    }

    /// Stops serving, closes every connection and waits for the thread.
    pub fn stop(self) {
        self.server.stop();
    }
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

fn exponent_of(point: &Point, exponents: &BTreeMap<(Area, u16), i16>) -> i16 {
    match point.scale {
        Scale::Fixed(_) => 0,
        Scale::Pow10Reg(register) => exponents.get(&(point.area, register)).copied().unwrap_or(0),
    }
}

/// Registers of a text, padded with zeros.
fn text_words(text: &str, count: u16) -> Vec<u16> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(2 * usize::from(count), 0);
    bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect()
}

/// What the device says of itself: model and serial number.
fn marks(profile: &Profile, serial: u64) -> Vec<((Area, u16), u16)> {
    let mut marks = Vec::new();
    let mut put = |area: Area, addr: u16, words: Vec<u16>| {
        marks.extend((addr..).map(|addr| (area, addr)).zip(words));
    };
    for identity in &profile.identity {
        let words = if identity.words.is_empty() {
            text_words(&identity.text, identity.count)
        } else {
            identity.words.clone()
        };
        put(identity.area, identity.addr, words);
    }
    if let Some(place) = &profile.serial {
        let words = match place.coded {
            SerialCode::Text => text_words(&serial.to_string(), place.count),
            SerialCode::Number => (0..place.count)
                .rev()
                .map(|nth| (serial >> (16 * u32::from(nth)) & 0xffff) as u16)
                .collect(),
        };
        put(place.area, place.addr, words);
    }
    marks
}

fn empty_image(profile: &Profile, serial: u64, exponents: &BTreeMap<(Area, u16), i16>) -> Image {
    let mut image = Image::from_iter(marks(profile, serial));
    // Probes of a serial line read ten registers from here.
    if let Some((area, first)) = profile.probe_block {
        image.extend((first..=first.saturating_add(9)).map(|addr| ((area, addr), 0)));
    }
    for point in &profile.points {
        for addr in point.addr..=point.addr.saturating_add(point.ty.width() - 1) {
            image.insert((point.area, addr), 0);
        }
        if let Scale::Pow10Reg(register) = point.scale {
            image.insert(
                (point.area, register),
                exponent_of(point, exponents).cast_unsigned(),
            );
        }
    }
    image
}

/// Consecutive registers, or the exception the standard asks for.
///
/// Gaps between the points of a profile read as zero, as on a real meter;
/// addresses before the first or after the last point do not exist.
fn read(image: &Image, area: Area, addr: u16, count: u16) -> Result<Vec<u16>, Exception> {
    let most = if area.is_bits() { 2_000 } else { 125 };
    if !(1..=most).contains(&count) {
        return Err(Exception::Value);
    }
    let last = addr.checked_add(count - 1).ok_or(Exception::Address)?;
    let table = || {
        image
            .range((area, 0)..=(area, u16::MAX))
            .map(|((_, addr), _)| *addr)
    };
    let (low, high) = table()
        .next()
        .zip(table().next_back())
        .ok_or(Exception::Address)?;
    if addr < low || last > high {
        return Err(Exception::Address);
    }
    Ok((addr..=last)
        .map(|addr| image.get(&(area, addr)).copied().unwrap_or(0))
        .collect())
}
