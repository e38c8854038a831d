//! What a node is told: its own file and the genesis shared by all.

mod genesis;
mod init;

use std::path::{Path, PathBuf};

use gridloom_consensus::{KeyPair, default_timeouts};
use serde::{Deserialize, Serialize};

pub use genesis::{
    AccountEntry, Genesis, GenesisFile, MAX_VALIDATORS, MarketEntry, Member, RolesEntry,
    ValidatorEntry, peer_id,
};
pub use init::{InitOptions, Initialised, init};

use crate::keyfile;
use crate::problem::{Problem, Source};

/// A node's configuration as written; paths are relative to its folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// Its name in the genesis.
    pub name: String,
    /// Genesis file.
    pub genesis: PathBuf,
    /// File of the key that signs votes.
    pub key: PathBuf,
    /// File of the key of the network identity.
    pub identity: PathBuf,
    /// Folder for log, blocks and saved states.
    pub data: PathBuf,
    /// Address to listen on for other validators, `host:port`.
    pub listen: String,
    /// Address to listen on for clients, `host:port`; keep it on loopback.
    pub api: String,
    /// Where the other validators listen.
    pub peers: Vec<PeerEntry>,
    /// Pacing of blocks.
    #[serde(default)]
    pub pacing: Pacing,
    /// Bounds.
    #[serde(default)]
    pub limits: NetLimits,
    /// A state is saved every so many blocks.
    #[serde(default = "default_save_every")]
    pub save_state_every: u64,
    /// Whether every signed vote and proposal seen is written to `data/votes.journal`, for audits.
    #[serde(default)]
    pub journal: bool,
}

fn default_save_every() -> u64 {
    1_000
}

/// Where another validator listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerEntry {
    /// Its name in the genesis.
    pub name: String,
    /// `host:port`.
    pub address: String,
}

/// Pacing of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pacing {
    /// Least time between deciding a block and starting the next, ms.
    pub min_block_ms: u64,
    /// Without transactions the next block starts only after this, ms.
    pub empty_block_ms: u64,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            min_block_ms: 150,
            empty_block_ms: 5_000,
        }
    }
}

/// Bounds of the network; what exceeds them is dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetLimits {
    /// Messages taken from one peer, 1/s.
    pub messages_per_s: u32,
    /// Bytes taken from one peer, 1/s.
    pub bytes_per_s: u64,
    /// Messages waiting for one peer.
    pub queued_messages: usize,
    /// Bytes waiting for one peer.
    pub queued_bytes: usize,
    /// Clients connected at once.
    pub clients: usize,
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            messages_per_s: 20_000,
            bytes_per_s: 32 * 1024 * 1024,
            queued_messages: 16_384,
            queued_bytes: 16 * 1024 * 1024,
            clients: 32,
        }
    }
}

/// Where a peer is found.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its place in the genesis.
    pub index: u16,
    /// Who it is.
    pub member: Member,
    /// `host:port`.
    pub address: String,
}

/// A checked configuration with everything it refers to.
#[derive(Clone, Debug)]
pub struct Config {
    /// As written.
    pub file: NodeFile,
    /// The genesis.
    pub genesis: Genesis,
    /// Its place in the genesis.
    pub index: u16,
    /// Key that signs votes.
    pub key: KeyPair,
    /// Network identity.
    pub identity: libp2p::identity::Keypair,
    /// The others.
    pub peers: Vec<Peer>,
    /// Folder for log, blocks and saved states.
    pub data: PathBuf,
}

impl Config {
    /// Reads and checks a configuration and what it refers to.
    ///
    /// # Errors
    /// Names file, line and the first problem.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        let source = Source::read(path)?;
        let file: NodeFile = source.parse()?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let genesis = Genesis::load(&folder.join(&file.genesis))?;
        let place = |name: &str| genesis.members.iter().position(|m| m.name == name);
        let Some(index) = place(&file.name) else {
            let message = format!("{:?} is no validator of this ledger", file.name);
            let hint = format!("its validators are {}", names(&genesis));
            return Err(source.at("name:", message, hint));
        };
        check_bounds(&source, &file)?;
        let key = KeyPair::from_seed(keyfile::read(&folder.join(&file.key))?);
        if key.public().to_bytes() != genesis.members[index].key {
            let message = format!("this is not the key of {}", file.name);
            return Err(source.at("key:", message, "the genesis names another public key"));
        }
        let mut secret = keyfile::read(&folder.join(&file.identity))?;
        let identity = libp2p::identity::Keypair::ed25519_from_bytes(&mut secret)
            .map_err(|error| source.at("identity:", error.to_string(), ""))?;
        if identity.public().to_peer_id() != genesis.members[index].peer {
            let message = format!("this is not the network identity of {}", file.name);
            return Err(source.at("identity:", message, "the genesis names another"));
        }
        Ok(Self {
            peers: peers(&source, &file, &genesis, index)?,
            data: folder.join(&file.data),
            index: index as u16,
            key,
            identity,
            genesis,
            file,
        })
    }

    /// Settings of the validator inside.
    #[must_use]
    pub fn validator(&self) -> gridloom_consensus::NodeConfig {
        gridloom_consensus::NodeConfig {
            key: self.key.clone(),
            index: self.index,
            peers: self.genesis.members.len() as u16,
            timeouts: default_timeouts(),
            thresholds: Default::default(),
            min_block_interval_ms: self.file.pacing.min_block_ms,
            empty_block_interval_ms: self.file.pacing.empty_block_ms,
            limits: Default::default(),
        }
    }
}

fn names(genesis: &Genesis) -> String {
    let names: Vec<&str> = genesis.members.iter().map(|m| m.name.as_str()).collect();
    names.join(", ")
}

fn check_bounds(source: &Source, file: &NodeFile) -> Result<(), Problem> {
    let pacing = file.pacing;
    if pacing.min_block_ms > 600_000 || pacing.empty_block_ms > 3_600_000 {
        let hint = "at most 600000 and 3600000 ms";
        return Err(source.at("pacing:", "blocks are too far apart", hint));
    }
    let limits = file.limits;
    let good = limits.messages_per_s >= 100
        && limits.bytes_per_s >= 1024 * 1024
        && (64..=1 << 20).contains(&limits.queued_messages)
        && (2 << 20..=1 << 30).contains(&limits.queued_bytes)
        && (1..=1_024).contains(&limits.clients);
    if !good {
        let message = "a limit is too small for a block to pass, or too large to be one";
        let hint = "messages_per_s >= 100, bytes_per_s >= 1 MiB, queued_messages 64 to 1048576, \
                    queued_bytes 2 MiB to 1 GiB, clients 1 to 1024";
        return Err(source.at("limits:", message, hint));
    }
    if file.save_state_every == 0 {
        let message = "save_state_every must be at least 1";
        return Err(source.at("save_state_every:", message, "1000 is a good value"));
    }
    for (field, address) in [("listen:", &file.listen), ("api:", &file.api)] {
        check_address(source, field, address)?;
    }
    Ok(())
}

fn check_address(source: &Source, field: &str, address: &str) -> Result<(), Problem> {
    let port = address
        .rsplit_once(':')
        .map(|(host, port)| (host, port.parse::<u16>()));
    match port {
        Some((host, Ok(_))) if !host.is_empty() => Ok(()),
        _ => Err(source.at(
            field,
            format!("{address:?} is no address"),
            "an address is host:port, for example \"192.0.2.7:4700\"",
        )),
    }
}

fn peers(
    source: &Source,
    file: &NodeFile,
    genesis: &Genesis,
    own: usize,
) -> Result<Vec<Peer>, Problem> {
    let mut peers: Vec<Peer> = Vec::new();
    for entry in &file.peers {
        let quoted = format!("{:?}", entry.name);
        check_address(source, &quoted, &entry.address)?;
        let Some(index) = genesis.members.iter().position(|m| m.name == entry.name) else {
            let message = format!("{quoted} is no validator of this ledger");
            let hint = format!("its validators are {}", names(genesis));
            return Err(source.at(&quoted, message, hint));
        };
        if index == own || peers.iter().any(|peer| usize::from(peer.index) == index) {
            let message = format!("{quoted} is this node itself, or listed twice");
            return Err(source.at(&quoted, message, ""));
        }
        peers.push(Peer {
            index: index as u16,
            member: genesis.members[index].clone(),
            address: entry.address.clone(),
        });
    }
    if peers.len() + 1 != genesis.members.len() {
        let missing: Vec<&str> = (0..genesis.members.len())
            .filter(|i| *i != own && peers.iter().all(|peer| usize::from(peer.index) != *i))
            .map(|i| genesis.members[i].name.as_str())
            .collect();
        let message = format!("no address for {}", missing.join(", "));
        return Err(source.at("peers:", message, "list every other validator"));
    }
    Ok(peers)
}
