//! A meter made of software: serves a profile's registers over Modbus TCP.
//!
//! The registers hold values the caller sets, all of one call changing at the
//! same time, so that no client sees half of a change. It is read-only: writing
//! functions are refused with exception 1, addresses outside the profile with
//! exception 2, and requests to another unit are not answered.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

use crate::profile::{Area, Profile, Scale, encode};
use crate::{HardwareError, Point};

/// Clients served at the same time.
const MAX_CLIENTS: usize = 64;

/// What to serve and where.
#[derive(Clone, Debug)]
pub struct EmulatorConfig {
    /// The device's registers.
    pub profile: Profile,
    /// Address to listen on; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Unit that answers.
    pub unit: u8,
    /// Contents of scale factor registers; 0 where not given.
    pub exponents: BTreeMap<(Area, u16), i16>,
}

impl EmulatorConfig {
    /// Serves `profile` as unit 1 on a free port of the loopback interface.
    #[must_use]
    pub fn loopback(profile: Profile) -> Self {
        Self {
            profile,
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            unit: 1,
            exponents: BTreeMap::new(),
        }
    }
}

/// Contents of the device's tables.
type Image = BTreeMap<(Area, u16), u16>;

/// What connections and handle share.
struct Shared {
    unit: u8,
    image: RwLock<Arc<Image>>,
    requests: AtomicU64,
    clients: AtomicUsize,
    refused_clients: AtomicU64,
}

impl Shared {
    fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running emulator. Stops when dropped.
pub struct Emulator {
    profile: Profile,
    exponents: BTreeMap<(Area, u16), i16>,
    shared: Arc<Shared>,
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
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
            bind,
            unit,
            exponents,
        } = config;
        let problems = profile.problems();
        if !problems.is_empty() {
            return Err(HardwareError::InvalidProfile {
                name: profile.name(),
                problems,
            });
        }
        let listen = |source| HardwareError::Listen {
            address: bind.to_string(),
            source,
        };
        let socket = std::net::TcpListener::bind(bind).map_err(listen)?;
        socket.set_nonblocking(true).map_err(listen)?;
        let addr = socket.local_addr().map_err(listen)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| HardwareError::Start {
                what: "emulator",
                source,
            })?;
        let shared = Arc::new(Shared {
            unit,
            image: RwLock::new(Arc::new(empty_image(&profile, &exponents))),
            requests: AtomicU64::new(0),
            clients: AtomicUsize::new(0),
            refused_clients: AtomicU64::new(0),
        });
        let (stop, stopped) = watch::channel(false);
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(format!("emulator {addr}"))
            .spawn(move || {
                runtime.block_on(serve(socket, served, stopped));
                // Dropping the runtime closes every connection.
            })
            .map_err(|source| HardwareError::Start {
                what: "emulator",
                source,
            })?;
        Ok(Self {
            profile,
            exponents,
            shared,
            addr,
            stop,
            thread: Some(thread),
        })
    }

    /// Address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Requests answered so far, refusals included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Clients turned away because too many were connected.
    #[must_use]
    pub fn refused_clients(&self) -> u64 {
        self.shared.refused_clients.load(Ordering::Relaxed)
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
            .shared
            .image
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let changed = Arc::make_mut(&mut image);
        changed.extend(words);
        Ok(())
    }

    /// Stops serving, closes every connection and waits for the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

fn exponent_of(point: &Point, exponents: &BTreeMap<(Area, u16), i16>) -> i16 {
    match point.scale {
        Scale::Fixed(_) => 0,
        Scale::Pow10Reg(register) => exponents.get(&(point.area, register)).copied().unwrap_or(0),
    }
}

fn empty_image(profile: &Profile, exponents: &BTreeMap<(Area, u16), i16>) -> Image {
    let mut image = Image::new();
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

async fn serve(
    socket: std::net::TcpListener,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let Ok(listener) = TcpListener::from_std(socket) else {
        return;
    };
    let server = Server::new(listener);
    let on_connected = |stream: TcpStream, _peer: SocketAddr| {
        ready(Ok(admit(&shared).map(|service| {
            // Replies are small; a failure only makes them slower.
            let _ = stream.set_nodelay(true);
            (service, stream)
        })))
    };
    // The listener fails when the process runs out of descriptors; waiting a
    // moment and going on is better than to stop serving.
    loop {
        tokio::select! {
            _ = server.serve(&on_connected, |_error| ()) => {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

fn admit(shared: &Arc<Shared>) -> Option<Client> {
    let before = shared.clients.fetch_add(1, Ordering::Relaxed);
    let client = Client {
        shared: Arc::clone(shared),
    };
    if before >= MAX_CLIENTS {
        shared.refused_clients.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    Some(client)
}

/// Answers one connection.
struct Client {
    shared: Arc<Shared>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Service for Client {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Self::Response, Self::Exception>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        if request.slave != self.shared.unit {
            return ready(Ok(None));
        }
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        let image = self.shared.image();
        let bits = |area, addr, count| {
            read(&image, area, addr, count)
                .map(|words| words.iter().map(|word| *word != 0).collect())
        };
        let answer = match request.request {
            Request::ReadCoils(addr, count) => {
                bits(Area::Coil, addr, count).map(Response::ReadCoils)
            }
            Request::ReadDiscreteInputs(addr, count) => {
                bits(Area::Discrete, addr, count).map(Response::ReadDiscreteInputs)
            }
            Request::ReadHoldingRegisters(addr, count) => {
                read(&image, Area::Holding, addr, count).map(Response::ReadHoldingRegisters)
            }
            Request::ReadInputRegisters(addr, count) => {
                read(&image, Area::Input, addr, count).map(Response::ReadInputRegisters)
            }
            _ => Err(ExceptionCode::IllegalFunction),
        };
        ready(answer.map(Some))
    }
}

/// Consecutive registers, or the exception the standard asks for.
///
/// Gaps between the points of a profile read as zero, as on a real meter;
/// addresses before the first or after the last point do not exist.
fn read(image: &Image, area: Area, addr: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
    let most = if area.is_bits() { 2_000 } else { 125 };
    if !(1..=most).contains(&count) {
        return Err(ExceptionCode::IllegalDataValue);
    }
    let last = addr
        .checked_add(count - 1)
        .ok_or(ExceptionCode::IllegalDataAddress)?;
    let table = || {
        image
            .range((area, 0)..=(area, u16::MAX))
            .map(|((_, addr), _)| *addr)
    };
    let (low, high) = table()
        .next()
        .zip(table().next_back())
        .ok_or(ExceptionCode::IllegalDataAddress)?;
    if addr < low || last > high {
        return Err(ExceptionCode::IllegalDataAddress);
    }
    Ok((addr..=last)
        .map(|addr| image.get(&(area, addr)).copied().unwrap_or(0))
        .collect())
}
