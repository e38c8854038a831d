//! Sockets of the endpoint: a thread that accepts, two for each connection.
//!
//! Whatever comes in is bounded before it is understood: connections, the
//! length of a line, requests that wait, answers that wait. What goes beyond is
//! counted and answered. Only loopback addresses and Unix sockets are served:
//! whoever may open them may bid.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::wire::{ANSWERS, Answer, MAX_CONNECTIONS, MAX_LINE, MAX_MALFORMED, QUEUE, Request};

/// Longest time a program may leave an answer unread.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks for new connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What the threads tell the run.
pub enum Event {
    /// A program came; answers to it go here.
    Came(u64, Sender<Answer>, JoinHandle<()>),
    /// It asks something.
    Said(u64, Request),
    /// It left.
    Gone(u64),
}

/// What the threads count.
#[derive(Debug, Default)]
pub struct Seen {
    /// Connections now.
    pub connected: AtomicU64,
    /// Connections refused because there were too many.
    pub turned_away: AtomicU64,
    /// Lines longer than allowed.
    pub too_long: AtomicU64,
    /// Lines that are no request.
    pub malformed: AtomicU64,
    /// Requests refused because too many waited.
    pub busy: AtomicU64,
}

/// Where programs connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A loopback address.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Place {
    /// Reads `127.0.0.1:PORT`, `[::1]:PORT`, `localhost:PORT` or `unix:PATH`.
    ///
    /// # Errors
    /// Says what is wrong; an address others can reach is.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() || cfg!(not(unix)) {
                bail!("`{text}` names no Unix socket here: write unix:PATH");
            }
            return Ok(Self::Unix(path.into()));
        }
        let address = text
            .to_socket_addrs()
            .with_context(|| format!("`{text}` is no address: write 127.0.0.1:PORT or unix:PATH"))?
            .next()
            .with_context(|| format!("`{text}` has no address"))?;
        if !address.ip().is_loopback() {
            bail!(
                "`{text}` can be reached by other machines: agents are served on 127.0.0.1, [::1] or unix:PATH only"
            );
        }
        Ok(Self::Tcp(address))
    }
}

/// A listening endpoint; closes when it is dropped.
pub struct Endpoint {
    /// Where it listens, with the port it got.
    pub address: String,
    /// What the threads tell.
    pub events: Receiver<Event>,
    /// What they count.
    pub seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    socket: Option<PathBuf>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(path) = &self.socket {
            let _ = std::fs::remove_file(path);
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    fn open(place: &Place) -> Result<(Self, String)> {
        match place {
            Place::Tcp(address) => {
                let listener = TcpListener::bind(address)
                    .with_context(|| format!("agents cannot be served on {address}"))?;
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?.to_string();
                Ok((Self::Tcp(listener), address))
            }
            #[cfg(unix)]
            Place::Unix(path) => {
                use std::os::unix::fs::{FileTypeExt, PermissionsExt};
                let shown = path.display();
                // A socket that a run left behind goes, another file stays.
                if let Ok(found) = std::fs::symlink_metadata(path) {
                    if !found.file_type().is_socket() {
                        bail!("{shown} exists and is no socket");
                    }
                    if UnixStream::connect(path).is_ok() {
                        bail!("somebody listens on {shown} already");
                    }
                    std::fs::remove_file(path).with_context(|| format!("{shown}"))?;
                }
                let listener = UnixListener::bind(path)
                    .with_context(|| format!("agents cannot be served on {shown}"))?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
                listener.set_nonblocking(true)?;
                Ok((Self::Unix(listener), format!("unix:{shown}")))
            }
            #[cfg(not(unix))]
            Place::Unix(_) => bail!("there are no Unix sockets here"),
        }
    }

    fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                Ok(Stream::Unix(stream))
            }
        }
    }
}

enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            #[cfg(unix)]
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    fn patience(&self, longest: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(longest)),
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_write_timeout(Some(longest)),
        }
    }

    fn close(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens the endpoint and starts its threads.
///
/// # Errors
/// When the place cannot be listened on.
pub fn open(place: &Place) -> Result<Endpoint> {
    let (listener, address) = Listener::open(place)?;
    let (tell, events) = bounded(QUEUE);
    let seen = Arc::new(Seen::default());
    let stop = Arc::new(AtomicBool::new(false));
    let socket = match place {
        Place::Unix(path) => Some(path.clone()),
        Place::Tcp(_) => None,
    };
    let (counts, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
    std::thread::Builder::new()
        .name("agents".into())
        .spawn(move || accept(&listener, &tell, &counts, &stopped))?;
    Ok(Endpoint {
        address,
        events,
        seen,
        stop,
        socket,
    })
}

fn accept(listener: &Listener, tell: &Sender<Event>, seen: &Arc<Seen>, stop: &AtomicBool) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = listener.accept() else {
            std::thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        let _ = stream.patience(WRITE_PATIENCE);
        if seen.connected.load(Ordering::Relaxed) >= MAX_CONNECTIONS as u64 {
            seen.turned_away.fetch_add(1, Ordering::Relaxed);
            let reason = format!("{MAX_CONNECTIONS} programs are connected: no more");
            let _ = stream.write_all(&line_of(&Answer::Error { reason }));
            stream.close();
            continue;
        }
        number += 1;
        if let Err(error) = converse(number, stream, tell, seen) {
            tracing::warn!("agent {number}: {error}");
        }
    }
}

/// Starts the two threads of a connection.
fn converse(number: u64, stream: Stream, tell: &Sender<Event>, seen: &Arc<Seen>) -> io::Result<()> {
    let (read, write) = (stream.again()?, stream);
    let (out, answers) = bounded::<Answer>(ANSWERS);
    let writer = std::thread::Builder::new()
        .name(format!("agent {number} out"))
        .spawn(move || write_answers(write, &answers))?;
    seen.connected.fetch_add(1, Ordering::Relaxed);
    let (told, counted, mine) = (tell.clone(), Arc::clone(seen), out.clone());
    let reader = std::thread::Builder::new()
        .name(format!("agent {number} in"))
        .spawn(move || {
            if told.send(Event::Came(number, mine.clone(), writer)).is_ok() {
                read_requests(number, read, &told, &mine, &counted);
                // The answers' end is dropped before it is said, so the writer can end.
                drop(mine);
                let _ = told.send(Event::Gone(number));
            }
            counted.connected.fetch_sub(1, Ordering::Relaxed);
        });
    if reader.is_err() {
        seen.connected.fetch_sub(1, Ordering::Relaxed);
    }
    reader.map(|_| ())
}

fn line_of(answer: &Answer) -> Vec<u8> {
    let mut text = serde_json::to_vec(answer).unwrap_or_default();
    text.push(b'\n');
    text
}

/// Writes until nobody has anything to say any more, then closes.
fn write_answers(mut stream: Stream, answers: &Receiver<Answer>) {
    for answer in answers {
        // After the last word there is nothing to wait for.
        let last = matches!(answer, Answer::Over { .. });
        if stream.write_all(&line_of(&answer)).is_err() || last {
            break;
        }
    }
    stream.close();
}

/// Reads lines until the connection ends or cannot be trusted with another one.
fn read_requests(
    number: u64,
    stream: Stream,
    tell: &Sender<Event>,
    out: &Sender<Answer>,
    seen: &Seen,
) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    let mut bad = 0;
    loop {
        line.clear();
        let mut limited = (&mut reader).take(MAX_LINE as u64 + 1);
        match limited.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.len() > MAX_LINE {
            seen.too_long.fetch_add(1, Ordering::Relaxed);
            let reason = format!("a line may have {MAX_LINE} bytes: the connection is closed");
            let _ = out.try_send(Answer::Error { reason });
            return;
        }
        let request = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => request,
            Err(error) => {
                seen.malformed.fetch_add(1, Ordering::Relaxed);
                bad += 1;
                let end = if bad < MAX_MALFORMED {
                    ""
                } else {
                    ": the connection is closed"
                };
                let reason = format!(
                    "not a request: {error}; for example {{\"hello\":{{\"version\":1,\"home\":\"H2\"}}}}{end}"
                );
                let _ = out.try_send(Answer::Error { reason });
                if bad >= MAX_MALFORMED {
                    return;
                }
                continue;
            }
        };
        match tell.try_send(Event::Said(number, request)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                seen.busy.fetch_add(1, Ordering::Relaxed);
                let reason = "too many requests wait for the next tick: try again".into();
                let _ = out.try_send(Answer::Error { reason });
            }
            Err(TrySendError::Disconnected(_)) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_unix_sockets_are_places() {
        for good in ["127.0.0.1:0", "[::1]:4711", "unix:/tmp/agents.sock"] {
            assert!(Place::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "0.0.0.0:4711",
            "192.0.2.1:4711",
            "[::]:1",
            "unix:",
            "4711",
            "",
        ] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}
