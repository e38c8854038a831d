//! Modbus servers: TCP, RTU over TCP and RTU on a serial line or a pty.
//!
//! One function answers a request ([`answer`]), so that every transport gives
//! the same exceptions: 1 for a function that does not exist, 2 for an address,
//! 3 for a value. Units that are not served stay silent, as on a real bus.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_serial::{SerialPort, SerialStream};

use crate::HardwareError;
use crate::bus::open_serial;
use crate::modbus::rtu::{crc16, framed};
use crate::modbus::tcp::{HEADER_LEN, parse_header};
use crate::profile::{Area, Line};

/// Clients of one server at the same time.
const MAX_CLIENTS: usize = 2_048;
/// Silence after which bytes that are no request are thrown away on a line.
const QUIET: Duration = Duration::from_millis(50);
/// Longest request frame.
const MOST: usize = 260;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// The function does not exist here.
    Function,
    /// The address does not exist.
    Address,
    /// The value is not allowed.
    Value,
    /// It could not be done.
    Failure,
    /// The device is busy with another request.
    Busy,
}

impl Exception {
    /// Code on the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Function => 1,
            Self::Address => 2,
            Self::Value => 3,
            Self::Failure => 4,
            Self::Busy => 6,
        }
    }
}

/// The tables of a served device.
pub trait Registers: Send + Sync {
    /// `count` registers (or bits as 0 and 1) from `addr`.
    ///
    /// # Errors
    /// Says which exception is given.
    fn read(&self, area: Area, addr: u16, count: u16) -> Result<Vec<u16>, Exception>;

    /// Writes holding registers or coils; read-only unless overridden.
    ///
    /// # Errors
    /// Says which exception is given.
    fn write(&self, area: Area, addr: u16, values: &[u16]) -> Result<(), Exception> {
        let _ = (area, addr, values);
        Err(Exception::Function)
    }
}

/// Devices by unit.
pub type Units = BTreeMap<u8, Arc<dyn Registers>>;

/// The reply to a request's data unit.
#[must_use]
pub fn answer(device: &dyn Registers, pdu: &[u8]) -> Vec<u8> {
    let function = pdu.first().copied().unwrap_or(0);
    match reply(device, function, pdu.get(1..).unwrap_or(&[])) {
        Ok(reply) => reply,
        Err(exception) => vec![function | 0x80, exception.code()],
    }
}

fn reply(device: &dyn Registers, function: u8, body: &[u8]) -> Result<Vec<u8>, Exception> {
    let word = |at: usize| match body.get(at..at + 2) {
        Some(pair) => Ok(u16::from_be_bytes([pair[0], pair[1]])),
        None => Err(Exception::Value),
    };
    let range = |count: u16, most: u16| {
        let addr = word(0)?;
        if !(1..=most).contains(&count) {
            return Err(Exception::Value);
        }
        if u32::from(addr) + u32::from(count) > 1 << 16 {
            return Err(Exception::Address);
        }
        Ok(addr)
    };
    let exact = |length: usize| {
        if body.len() == length {
            Ok(())
        } else {
            Err(Exception::Value)
        }
    };
    match function {
        1 | 2 => {
            exact(4)?;
            let area = if function == 1 {
                Area::Coil
            } else {
                Area::Discrete
            };
            let count = word(2)?;
            let bits = device.read(area, range(count, 2_000)?, count)?;
            let mut bytes = vec![0; bits.len().div_ceil(8)];
            for (at, bit) in bits.iter().enumerate() {
                bytes[at / 8] |= u8::from(*bit != 0) << (at % 8);
            }
            Ok([vec![function, bytes.len() as u8], bytes].concat())
        }
        3 | 4 => {
            exact(4)?;
            let area = if function == 3 {
                Area::Holding
            } else {
                Area::Input
            };
            let count = word(2)?;
            let words = device.read(area, range(count, 125)?, count)?;
            let mut reply = Vec::with_capacity(2 + 2 * words.len());
            reply.extend([function, 2 * words.len() as u8]);
            reply.extend(words.iter().flat_map(|word| word.to_be_bytes()));
            Ok(reply)
        }
        5 => {
            exact(4)?;
            let on = match word(2)? {
                0xff00 => 1,
                0 => 0,
                _ => return Err(Exception::Value),
            };
            device.write(Area::Coil, word(0)?, &[on])?;
            Ok([&[function], body].concat())
        }
        6 => {
            exact(4)?;
            device.write(Area::Holding, word(0)?, &[word(2)?])?;
            Ok([&[function], body].concat())
        }
        15 => {
            let count = word(2)?;
            let addr = range(count, 1_968)?;
            let bytes = usize::from(count).div_ceil(8);
            exact(5 + bytes)?;
            if usize::from(body[4]) != bytes {
                return Err(Exception::Value);
            }
            let bits: Vec<u16> = (0..usize::from(count))
                .map(|at| u16::from(body[5 + at / 8] >> (at % 8) & 1))
                .collect();
            device.write(Area::Coil, addr, &bits)?;
            Ok([&[function], &body[..4]].concat())
        }
        16 => {
            let count = word(2)?;
            let addr = range(count, 123)?;
            exact(5 + 2 * usize::from(count))?;
            if usize::from(body[4]) != 2 * usize::from(count) {
                return Err(Exception::Value);
            }
            let words: Vec<u16> = body[5..]
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect();
            device.write(Area::Holding, addr, &words)?;
            Ok([&[function], &body[..4]].concat())
        }
        _ => Err(Exception::Function),
    }
}

/// Where to serve.
#[derive(Clone, Debug)]
pub enum Listen {
    /// Modbus/TCP; port 0 takes a free one.
    Tcp(SocketAddr),
    /// RTU frames over TCP.
    RtuOverTcp(SocketAddr),
    /// RTU on a serial line.
    Serial(String, Line),
    /// RTU on a pseudo-terminal made for it: a serial line without hardware.
    Pty,
}

/// What connections and handle share.
struct Shared {
    units: Units,
    requests: AtomicU64,
    clients: AtomicUsize,
    refused_clients: AtomicU64,
}

/// A running server. Stops when dropped.
pub struct Server {
    shared: Arc<Shared>,
    addrs: Vec<SocketAddr>,
    ptys: Vec<String>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("addrs", &self.addrs)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Serves `units` on every place of `listen`, on one thread.
    ///
    /// # Errors
    /// Fails when a place cannot be listened on or the thread cannot start.
    pub fn start(units: Units, listen: &[Listen]) -> Result<Self, HardwareError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| HardwareError::Start {
                what: "server",
                source,
            })?;
        let shared = Arc::new(Shared {
            units,
            requests: AtomicU64::new(0),
            clients: AtomicUsize::new(0),
            refused_clients: AtomicU64::new(0),
        });
        let (stop, mut stopped) = watch::channel(false);
        let (mut addrs, mut ptys) = (Vec::new(), Vec::new());
        for place in listen {
            let _guard = runtime.enter();
            match place {
                Listen::Tcp(addr) | Listen::RtuOverTcp(addr) => {
                    let socket = listener(*addr)?;
                    addrs.push(socket.local_addr().unwrap_or(*addr));
                    let rtu = matches!(place, Listen::RtuOverTcp(_));
                    drop(runtime.spawn(accept(socket, Arc::clone(&shared), rtu)));
                }
                Listen::Serial(path, line) => {
                    let stream =
                        open_serial(path, line).map_err(|error| listen_failed(path, &error))?;
                    drop(runtime.spawn(serve_rtu(stream, Arc::clone(&shared), false)));
                }
                Listen::Pty => {
                    let (master, slave) = SerialStream::pair()
                        .map_err(|error| listen_failed("a pseudo-terminal", &error))?;
                    let name = slave.name();
                    ptys.push(name.ok_or_else(|| listen_failed("a pseudo-terminal", &"no name"))?);
                    drop(runtime.spawn(serve_rtu(master, Arc::clone(&shared), true)));
                }
            }
        }
        let thread = std::thread::Builder::new()
            .name("modbus server".into())
            .spawn(move || {
                runtime.block_on(async {
                    let _ = stopped.wait_for(|stop| *stop).await;
                });
                // Dropping the runtime closes every connection.
            })
            .map_err(|source| HardwareError::Start {
                what: "server",
                source,
            })?;
        Ok(Self {
            shared,
            addrs,
            ptys,
            stop,
            thread: Some(thread),
        })
    }

    /// Address of the first socket.
    #[must_use]
    pub fn addr(&self) -> Option<SocketAddr> {
        self.addrs.first().copied()
    }

    /// Addresses of all sockets, in the order given.
    #[must_use]
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Device files of the pseudo-terminals, in the order given.
    #[must_use]
    pub fn ptys(&self) -> &[String] {
        &self.ptys
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

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn listen_failed(place: &str, why: &dyn std::fmt::Display) -> HardwareError {
    HardwareError::Listen {
        address: place.to_owned(),
        source: std::io::Error::other(why.to_string()),
    }
}

fn listener(addr: SocketAddr) -> Result<TcpListener, HardwareError> {
    let failed = |source| HardwareError::Listen {
        address: addr.to_string(),
        source,
    };
    let socket = std::net::TcpListener::bind(addr).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    TcpListener::from_std(socket).map_err(failed)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, rtu: bool) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The process is out of descriptors; waiting is better than to stop.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if shared.clients.fetch_add(1, Ordering::Relaxed) >= MAX_CLIENTS {
            shared.clients.fetch_sub(1, Ordering::Relaxed);
            shared.refused_clients.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        // Replies are small; a failure only makes them slower.
        let _ = stream.set_nodelay(true);
        let served = Arc::clone(&shared);
        tokio::spawn(async move {
            if rtu {
                serve_rtu(stream, Arc::clone(&served), false).await;
            } else {
                let _ = serve_tcp(stream, &served).await;
            }
            served.clients.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn serve_tcp(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    // One read takes a whole request, as a client sends it in one piece.
    let mut buffer: Vec<u8> = Vec::with_capacity(2 * MOST);
    let mut frame: Vec<u8> = Vec::with_capacity(MOST);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let mut done = 0;
        while let Some(header) = buffer[done..].first_chunk::<HEADER_LEN>() {
            let Ok((_, unit, length)) = parse_header(header) else {
                return Ok(());
            };
            let Some(pdu) = buffer.get(done + HEADER_LEN..done + HEADER_LEN + length) else {
                break;
            };
            if let Some(device) = shared.units.get(&unit) {
                shared.requests.fetch_add(1, Ordering::Relaxed);
                let reply = answer(device.as_ref(), pdu);
                frame.clear();
                frame.extend_from_slice(&header[..4]);
                frame.extend_from_slice(&(reply.len() as u16 + 1).to_be_bytes());
                frame.push(unit);
                frame.extend_from_slice(&reply);
                stream.write_all(&frame).await?;
            }
            done += HEADER_LEN + length;
        }
        buffer.drain(..done);
    }
}

/// Length of the request frame that begins with these bytes; `None` while it
/// cannot be told.
fn request_len(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        15 | 16 => bytes.get(6).map(|count| 9 + usize::from(*count)),
        _ => Some(8),
    }
}

/// Answers on a line; one that `waits` goes on when nobody is at its other end.
async fn serve_rtu(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    shared: Arc<Shared>,
    waits: bool,
) {
    let mut buffer: Vec<u8> = Vec::new();
    let mut chunk = [0; 256];
    loop {
        match timeout(QUIET, stream.read(&mut chunk)).await {
            Err(_) => buffer.clear(),
            Ok(Err(_) | Ok(0)) if waits => {
                buffer.clear();
                tokio::time::sleep(QUIET).await;
            }
            Ok(Err(_) | Ok(0)) => return,
            Ok(Ok(count)) => buffer.extend_from_slice(&chunk[..count]),
        }
        while let Some(length) = request_len(&buffer) {
            if length > MOST {
                buffer.clear();
                break;
            }
            if buffer.len() < length {
                break;
            }
            let rest = buffer.split_off(length);
            let frame = std::mem::replace(&mut buffer, rest);
            // A frame with its checksum behind it sums to zero; anything else
            // is noise, and a device keeps silent about noise.
            if crc16(&frame) != 0 {
                buffer.clear();
                break;
            }
            let Some(device) = shared.units.get(&frame[0]) else {
                continue;
            };
            shared.requests.fetch_add(1, Ordering::Relaxed);
            let reply = framed(frame[0], &answer(device.as_ref(), &frame[1..length - 2]));
            if stream.write_all(&reply).await.is_err() && !waits {
                return;
            }
        }
    }
}
