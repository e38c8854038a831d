//! Entities of the twin as devices: SunSpec over Modbus, topics over MQTT.
//!
//! Every tick gives a new image that replaces the last one whole: no client
//! sees half of a tick. A server is read-only unless it is told otherwise, and
//! what is written then is checked against the device's limits, kept in its
//! settings and handed over as a [`Request`]; the twin decides.

mod image;
mod mqtt;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

pub use mqtt::{MqttExport, payload};

use crate::HardwareError;
use crate::profile::Area;
use crate::serve::{Exception, Listen, Registers, Server, Units};
use crate::sunspec::Image;

/// Requests that may wait for the twin.
const REQUESTS: usize = 64;
/// First register of the map.
const BASE: u16 = 40_000;

/// What an entity is and what it may be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// Name (`"H17"`), the serial number of the device.
    pub id: String,
    /// Name of the model, for people.
    pub model: String,
    /// Rated power of its inverter, W; zero when it has none.
    pub inverter_w: f64,
    /// Energy of its battery, Wh; zero when it has none.
    pub battery_wh: f64,
    /// Largest power of its battery, W.
    pub battery_w: f64,
    /// Whether it is a breaker: coil 0 is its state.
    pub breaker: bool,
    /// Largest power through its connection, W, for the scale factors.
    pub scale_w: f64,
}

/// An entity at a tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntityState {
    /// Power from the network, W; negative gives.
    pub p_w: f64,
    /// Voltage per phase, V; zero for a phase it does not have.
    pub v_v: [f64; 3],
    /// Frequency, Hz.
    pub f_hz: f64,
    /// Registers, Wh.
    pub import_wh: f64,
    /// Registers, Wh.
    pub export_wh: f64,
    /// Inverter output, W.
    pub pv_w: f64,
    /// Battery power, W, positive charges.
    pub battery_w: f64,
    /// State of charge, 0 to 1.
    pub soc: f64,
    /// Whether a breaker is closed.
    pub closed: bool,
}

/// What a client of a device asks of the twin.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Limit the inverter to so many permille of its rating; `None` ends it.
    Limit {
        /// The entity.
        entity: String,
        /// Permille of the rating.
        permille: Option<u32>,
    },
    /// Run the battery at this power, W, positive charges; `None` ends it.
    Battery {
        /// The entity.
        entity: String,
        /// Power.
        p_w: Option<i64>,
    },
    /// Open or close a breaker.
    Breaker {
        /// The entity.
        entity: String,
        /// Whether to close it.
        close: bool,
    },
}

/// Settings a client made, with the device's own revert timers.
#[derive(Clone, Debug, Default)]
struct Settings {
    limit_on: bool,
    limit_permille: u16,
    limit_revert_s: u32,
    limit_until: Option<Instant>,
    set_on: bool,
    set_w: i32,
    set_revert_s: u32,
    set_until: Option<Instant>,
}

/// A served entity.
pub(crate) struct Device {
    entity: Entity,
    writable: bool,
    shown: RwLock<Arc<Shown>>,
    settings: Mutex<Settings>,
    requests: Sender<Request>,
}

/// What clients see.
struct Shown {
    image: Image,
    closed: bool,
}

impl Device {
    fn settings<T>(&self, change: impl FnOnce(&mut Settings) -> T) -> T {
        change(&mut self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn show(&self, shown: Shown) {
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shown);
    }

    /// Shows a tick; settings whose timer is over fall back first.
    fn update(&self, state: &EntityState, now: Instant) {
        let mut image = self.shown().image.clone();
        let (over, settings) = self.settings(|settings| {
            let mut over = Vec::new();
            if settings.limit_on && settings.limit_until.is_some_and(|until| now >= until) {
                (settings.limit_on, settings.limit_until) = (false, None);
                over.push(self.limit(settings));
            }
            if settings.set_on && settings.set_until.is_some_and(|until| now >= until) {
                (settings.set_on, settings.set_until) = (false, None);
                over.push(self.battery(settings));
            }
            (over, settings.clone())
        });
        for request in over {
            // A full queue: the twin is told at the next tick by its own limits.
            let _ = self.requests.try_send(request);
        }
        image::fill(&mut image, &self.entity, state);
        image::fill_settings(&mut image, &settings, now);
        self.show(Shown {
            image,
            closed: state.closed,
        });
    }

    fn limit(&self, settings: &Settings) -> Request {
        Request::Limit {
            entity: self.entity.id.clone(),
            permille: settings
                .limit_on
                .then(|| u32::from(settings.limit_permille)),
        }
    }

    fn battery(&self, settings: &Settings) -> Request {
        Request::Battery {
            entity: self.entity.id.clone(),
            // SunSpec counts power as given, the twin as taken.
            p_w: settings.set_on.then(|| -i64::from(settings.set_w)),
        }
    }

    fn send(&self, request: Request) -> Result<(), Exception> {
        match self.requests.try_send(request) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(Exception::Busy),
            Err(TrySendError::Disconnected(_)) => Err(Exception::Failure),
        }
    }

    /// Takes a write of whole points; everything or nothing.
    fn write_points(&self, addr: u16, values: &[u16]) -> Result<(), Exception> {
        let shown = self.shown();
        let count = u16::try_from(values.len()).map_err(|_| Exception::Value)?;
        let named = shown.image.points_in(addr, count);
        let covered: u16 = named
            .iter()
            .filter_map(|(model, path)| shown.image.locate(*model, path))
            .map(|(_, size, _)| size)
            .sum();
        if named.is_empty() || covered != count {
            return Err(Exception::Address);
        }
        let mut written = shown.image.clone();
        written.put(addr, values);
        let now = Instant::now();
        self.settings(|settings| {
            let mut changed = settings.clone();
            let mut requests = BTreeMap::new();
            for (model, path) in &named {
                let old = shown.image.get_scaled(*model, path);
                let new = written.get_scaled(*model, path);
                let known = image::apply(&mut changed, &self.entity, *model, path, new)?;
                match known {
                    image::Applied::Limit => requests.insert(0, ()),
                    image::Applied::Set => requests.insert(1, ()),
                    image::Applied::Kept => None,
                    // A client that writes back what it read changes nothing.
                    image::Applied::ReadOnly if old == new => None,
                    image::Applied::ReadOnly => return Err(Exception::Address),
                };
            }
            let after =
                |seconds: u32| (seconds > 0).then(|| now + Duration::from_secs(u64::from(seconds)));
            if requests.contains_key(&0) {
                changed.limit_until = after(changed.limit_revert_s);
                self.send(self.limit(&changed))?;
            }
            if requests.contains_key(&1) {
                changed.set_until = after(changed.set_revert_s);
                self.send(self.battery(&changed))?;
            }
            *settings = changed;
            Ok(())
        })?;
        // What was written can be read back at once.
        let settings = self.settings(|settings| settings.clone());
        let mut image = shown.image.clone();
        image::fill_settings(&mut image, &settings, now);
        self.show(Shown {
            image,
            closed: shown.closed,
        });
        Ok(())
    }
}

impl Registers for Device {
    fn read(&self, area: Area, addr: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let shown = self.shown();
        match area {
            Area::Coil | Area::Discrete if self.entity.breaker && (addr, count) == (0, 1) => {
                Ok(vec![u16::from(shown.closed)])
            }
            Area::Holding => {
                let first = addr
                    .checked_sub(shown.image.base())
                    .map(usize::from)
                    .ok_or(Exception::Address)?;
                let words = shown.image.words();
                words
                    .get(first..first + usize::from(count))
                    .map(<[u16]>::to_vec)
                    .ok_or(Exception::Address)
            }
            _ => Err(Exception::Address),
        }
    }

    fn write(&self, area: Area, addr: u16, values: &[u16]) -> Result<(), Exception> {
        if !self.writable {
            return Err(Exception::Function);
        }
        match area {
            Area::Coil if self.entity.breaker && addr == 0 && values.len() == 1 => {
                self.send(Request::Breaker {
                    entity: self.entity.id.clone(),
                    close: values[0] != 0,
                })
            }
            Area::Holding => self.write_points(addr, values),
            _ => Err(Exception::Address),
        }
    }
}

/// Where entities are served and how.
#[derive(Clone, Debug)]
pub struct TwinServerConfig {
    /// Places, all with the same units.
    pub listen: Vec<Listen>,
    /// Broker, `host:port`, if topics are published.
    pub mqtt: Option<String>,
    /// Whether clients may write.
    pub writable: bool,
}

/// Entities as devices, units 1, 2, … in their order. Stops when dropped.
pub struct TwinServer {
    devices: Vec<Arc<Device>>,
    server: Option<Server>,
    mqtt: Option<MqttExport>,
    requests: Receiver<Request>,
}

impl std::fmt::Debug for TwinServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TwinServer({} devices)", self.devices.len())
    }
}

/// Most entities of one server: Modbus has units 1 to 247.
pub const MOST_ENTITIES: usize = 247;

impl TwinServer {
    /// Starts serving; values come with [`TwinServer::update`].
    ///
    /// # Errors
    /// Fails when there are too many entities, a place cannot be used or a
    /// value of an entity does not fit SunSpec.
    pub fn start(config: TwinServerConfig, entities: Vec<Entity>) -> Result<Self, HardwareError> {
        if entities.is_empty() || entities.len() > MOST_ENTITIES {
            return Err(HardwareError::BadSetting {
                what: format!(
                    "{} entities: one server has 1 to {MOST_ENTITIES}",
                    entities.len()
                ),
            });
        }
        let (sender, requests) = bounded(REQUESTS);
        let mut devices = Vec::new();
        for entity in entities {
            let image = image::of(&entity, BASE).map_err(|error| HardwareError::BadSetting {
                what: format!("{}: {error}", entity.id),
            })?;
            devices.push(Arc::new(Device {
                writable: config.writable,
                shown: RwLock::new(Arc::new(Shown {
                    image,
                    closed: false,
                })),
                settings: Mutex::new(Settings {
                    limit_permille: 1_000,
                    ..Settings::default()
                }),
                requests: sender.clone(),
                entity,
            }));
        }
        let units: Units = (1..)
            .zip(devices.iter().map(|d| Arc::clone(d) as Arc<dyn Registers>))
            .collect();
        let server = if config.listen.is_empty() {
            None
        } else {
            Some(Server::start(units, &config.listen)?)
        };
        let mqtt = config.mqtt.as_deref().map(MqttExport::start).transpose()?;
        Ok(Self {
            devices,
            server,
            mqtt,
            requests,
        })
    }

    /// Shows a tick: states in the order of the entities.
    pub fn update(&self, states: &[EntityState]) {
        let now = Instant::now();
        for (device, state) in self.devices.iter().zip(states) {
            device.update(state, now);
        }
        if let Some(mqtt) = &self.mqtt {
            let entities = self.devices.iter().map(|device| &device.entity);
            mqtt.publish(entities.zip(states));
        }
    }

    /// What clients have asked for since the last call.
    pub fn requests(&self) -> crossbeam_channel::TryIter<'_, Request> {
        self.requests.try_iter()
    }

    /// The Modbus server, if there is one.
    #[must_use]
    pub fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// Every point as it is shown now: unit, model, path, value; for checking
    /// what a client reads.
    #[must_use]
    pub fn image(&self, unit: u8) -> Option<Image> {
        let at = usize::from(unit).checked_sub(1)?;
        self.devices
            .get(at)
            .map(|device| device.shown().image.clone())
    }
}
