//! Programs of others, as far as they are installed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Where the peers' virtual environment is, when the caller names none.
const FOLDER: &str = ".cache/gridloom/peers";

/// What is installed.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// Python with the packages below.
    pub python: Option<PathBuf>,
    /// Python packages found.
    pub packages: Vec<&'static str>,
    /// Programs found.
    pub programs: Vec<&'static str>,
    /// Everything that was not found.
    pub missing: Vec<&'static str>,
}

/// Python packages, by the name they are imported under.
const PACKAGES: [(&str, &str); 3] = [
    ("pymodbus", "pymodbus"),
    ("pysunspec2", "sunspec2"),
    ("dsmr_parser", "dsmr_parser"),
];
const PROGRAMS: [&str; 3] = ["mbpoll", "mosquitto", "socat"];

impl Peers {
    /// Looks for peers: the packages in the environment at `folder` (or
    /// `GRIDLOOM_PEERS`, or the folder `.ci/run` makes), the programs on the
    /// path.
    #[must_use]
    pub fn find(folder: Option<&Path>) -> Self {
        let named = folder
            .map(Path::to_path_buf)
            .or_else(|| std::env::var_os("GRIDLOOM_PEERS").map(PathBuf::from))
            .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(FOLDER)));
        let mut peers = Self::default();
        let python = named.map(|folder| folder.join("bin/python"));
        peers.python = python.filter(|python| python.is_file());
        for (name, module) in PACKAGES {
            let found = peers.python.as_ref().is_some_and(|python| {
                Command::new(python)
                    .args(["-c", &format!("import {module}")])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .is_ok_and(|status| status.success())
            });
            if found {
                peers.packages.push(name);
            } else {
                peers.missing.push(name);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        for name in PROGRAMS {
            let mut places = std::env::split_paths(&path)
                .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")]);
            if places.any(|folder| folder.join(name).is_file()) {
                peers.programs.push(name);
            } else {
                peers.missing.push(name);
            }
        }
        peers
    }

    /// Python, if it has the package.
    #[must_use]
    pub fn python_with(&self, package: &str) -> Option<&Path> {
        let has = self.packages.contains(&package);
        self.python.as_deref().filter(|_| has)
    }

    /// Whether a program is there.
    pub(super) fn has(&self, program: &str) -> bool {
        self.programs.contains(&program)
    }
}

/// Runs a Python script to its end; its standard output, or why not.
///
/// # Errors
/// Says how it ended, or that it did not in time.
pub fn run_script(
    python: &Path,
    script: &str,
    arguments: &[&str],
    limit: Duration,
) -> Result<String, String> {
    let mut child = Command::new(python)
        .arg("-c")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    // Reading in threads keeps a talkative script from waiting for us.
    let drain = |stream: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            if let Some(mut stream) = stream {
                let _ = stream.read_to_string(&mut text);
            }
            text
        })
    };
    let out = drain(child.stdout.take().map(|s| Box::new(s) as _));
    let err = drain(child.stderr.take().map(|s| Box::new(s) as _));
    let until = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let out = out.join().unwrap_or_default();
    let err = err.join().unwrap_or_default();
    match status {
        Some(status) if status.success() => Ok(out),
        Some(status) => Err(format!("{status}: {}", last_lines(&err))),
        None => Err(format!("not done within {} s", limit.as_secs())),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}

/// A peer that runs until it is dropped.
pub(super) struct Running {
    child: Child,
}

impl Running {
    /// Starts a program and waits until it prints a line, when `ready`.
    pub(super) fn start(mut command: Command, ready: bool) -> Result<Self, String> {
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        if ready {
            command.stdout(Stdio::piped());
        } else {
            command.stdout(Stdio::null());
        }
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        if let Some(out) = child.stdout.take() {
            let mut reader = BufReader::new(out);
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                let _ = child.kill();
                let _ = child.wait();
                return Err("it ended before it was ready".to_owned());
            }
            // What it says later is not needed, but must not block it.
            std::thread::spawn(move || {
                let mut rest = String::new();
                while reader.read_line(&mut rest).unwrap_or(0) > 0 {
                    rest.clear();
                }
            });
        }
        Ok(Self { child })
    }

    /// A Python script as a peer that prints a line when it is ready.
    pub(super) fn script(python: &Path, script: &str, arguments: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(python);
        command.arg("-c").arg(script).args(arguments);
        Self::start(command, true)
    }

    /// Stops it where it stands (`STOP`) or lets it go on (`CONT`).
    pub(super) fn signal(&self, name: &str) -> bool {
        Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that is stopped has to go on to be ended.
        self.signal("CONT");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end.
pub(super) fn run_program(program: &str, arguments: &[&str]) -> Result<Output, String> {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())
}

/// A TCP port nobody listens on now.
pub(super) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_or(0, |addr| addr.port())
}
