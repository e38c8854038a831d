//! A cluster of node processes on this machine, for tests and benchmarks.

mod bench;
mod damage;
mod kill;
mod oracle;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use bench::{BenchPlan, BenchReport, Step as BenchStep, bench};
pub use damage::{Damage, DamageReport};
pub use kill::{KillPlan, KillReport, kill_test};

use crate::api::{Client, ClientError};
use crate::config::{InitOptions, Initialised, init};
use crate::problem::Problem;
use crate::status::Status;

/// How a node process is started: the program and what stands before `--config FILE`.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its first arguments.
    pub arguments: Vec<String>,
}

/// What can go wrong around a local cluster.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A file.
    #[error(transparent)]
    File(#[from] Problem),
    /// A client's call.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The load.
    #[error(transparent)]
    Load(#[from] crate::load::LoadError),
    /// A process or its files.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// A node does not do what it should.
    #[error("{0}")]
    Node(String),
}

/// Node processes on this machine; those that run are killed when it is dropped.
#[derive(Debug)]
pub struct LocalCluster {
    program: Program,
    /// Folder of the whole cluster.
    pub dir: PathBuf,
    written: Initialised,
    children: Vec<Option<Child>>,
}

impl LocalCluster {
    /// Writes a cluster into a new folder; nothing runs yet.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn new(program: Program, dir: &Path, options: &InitOptions) -> Result<Self, LocalError> {
        let written = init(dir, options)?;
        Ok(Self {
            program,
            dir: dir.to_path_buf(),
            children: written.nodes.iter().map(|_| None).collect(),
            written,
        })
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.children.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Folder of a node.
    #[must_use]
    pub fn folder(&self, node: usize) -> &Path {
        let config = self.written.nodes[node].as_path();
        config.parent().unwrap_or(config)
    }

    /// Address of a node's endpoint for clients.
    #[must_use]
    pub fn api(&self, node: usize) -> &str {
        &self.written.apis[node]
    }

    /// Starts a node; what it prints goes to `output.txt` in its folder.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(&mut self, node: usize) -> Result<(), LocalError> {
        let place = self.folder(node).join("output.txt");
        let io = |error| LocalError::Io(place.display().to_string(), error);
        let output = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&place)
            .map_err(io)?;
        let child = Command::new(&self.program.path)
            .args(&self.program.arguments)
            .arg("--config")
            .arg(&self.written.nodes[node])
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(io)?)
            .stderr(output)
            .spawn()
            .map_err(|error| LocalError::Io(self.program.path.display().to_string(), error))?;
        self.children[node] = Some(child);
        Ok(())
    }

    /// Kills a node at once (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn kill(&mut self, node: usize) -> Result<(), LocalError> {
        let Some(mut child) = self.children[node].take() else {
            return Ok(());
        };
        let io = |error| LocalError::Io(format!("node {}", node + 1), error);
        if let Some(status) = child.try_wait().map_err(io)? {
            return Err(LocalError::Node(format!(
                "node {} ended by itself ({status}): see {}",
                node + 1,
                self.folder(node).join("output.txt").display()
            )));
        }
        child.kill().map_err(io)?;
        child.wait().map(|_| ()).map_err(io)
    }

    /// Asks a node to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it does not end within `patience`, or not cleanly.
    pub fn stop(&mut self, node: usize, patience: Duration) -> Result<(), LocalError> {
        let Some(mut child) = self.children[node].take() else {
            return Ok(());
        };
        let io = |error| LocalError::Io(format!("node {}", node + 1), error);
        // The standard library sends SIGKILL only.
        let asked = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .map_err(io)?;
        let end = Instant::now() + patience;
        while asked.success() && Instant::now() < end {
            if let Some(status) = child.try_wait().map_err(io)? {
                return if status.success() {
                    Ok(())
                } else {
                    Err(LocalError::Node(format!(
                        "node {} ended with {status}",
                        node + 1
                    )))
                };
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().map_err(io)?;
        child.wait().map_err(io)?;
        Err(LocalError::Node(format!(
            "node {} did not end when asked",
            node + 1
        )))
    }

    /// A connection to a node, tried until `patience` is over.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn client(&self, node: usize, patience: Duration) -> Result<Client, LocalError> {
        connect(self.api(node), patience)
    }

    /// Waits until every node knows all others.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn wait_connected(&self, patience: Duration) -> Result<(), LocalError> {
        let end = Instant::now() + patience;
        for node in 0..self.len() {
            let mut client = self.client(node, patience)?;
            while !client.status()?.peers.iter().all(|peer| peer.connected) {
                if Instant::now() > end {
                    let what = format!("node {} does not find all others", node + 1);
                    return Err(LocalError::Node(what));
                }
                std::thread::sleep(Duration::from_millis(30));
            }
        }
        Ok(())
    }

    /// Processor time the running nodes have used, s; 0 where the system does
    /// not tell.
    #[must_use]
    pub fn cpu_s(&self) -> f64 {
        // Fields 14 and 15 of the file count user and system time in ticks of 10 ms.
        let of = |child: &Child| -> Option<f64> {
            let text = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
            let rest = text.rsplit_once(')')?.1;
            let mut fields = rest.split_whitespace().skip(11);
            let ticks: f64 =
                fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
            Some(ticks / 100.0)
        };
        self.children.iter().flatten().filter_map(of).sum()
    }

    /// Status of every node that answers.
    #[must_use]
    pub fn statuses(&self) -> Vec<Option<Status>> {
        (0..self.len())
            .map(|node| {
                let mut client = Client::connect(self.api(node), Duration::from_secs(2)).ok()?;
                client.status().ok()
            })
            .collect()
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Connects to an endpoint, trying until `patience` is over.
pub(crate) fn connect(address: &str, patience: Duration) -> Result<Client, LocalError> {
    let end = Instant::now() + patience;
    loop {
        match Client::connect(address, Duration::from_secs(5)) {
            Ok(client) => return Ok(client),
            Err(error) if Instant::now() > end => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// First of a run of free ports for a cluster of `nodes`, found from a seed.
///
/// # Errors
/// When none is free.
pub fn free_ports(nodes: usize, seed: u64) -> Result<u16, LocalError> {
    let mut port = 20_000 + (seed % 20_000) as u16;
    for _ in 0..500 {
        let all = port..port + 2 * nodes as u16;
        if all
            .clone()
            .all(|p| std::net::TcpListener::bind(("127.0.0.1", p)).is_ok())
        {
            return Ok(port);
        }
        port = if all.end > 60_000 { 20_000 } else { all.end };
    }
    Err(LocalError::Node("no free ports".into()))
}
