//! Writing a working set of configurations and keys.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use gridloom_ledger::KeyPair;

use super::{
    AccountEntry, Config, GenesisFile, MAX_VALIDATORS, MarketEntry, NetLimits, NodeFile, Pacing,
    PeerEntry, RolesEntry, ValidatorEntry,
};
use crate::problem::Problem;
use crate::wal::Wal;
use crate::{hex, keyfile, load};

/// What to write.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// Number of validators.
    pub validators: usize,
    /// Host of each, in turn; one host serves all.
    pub hosts: Vec<String>,
    /// First port; a node takes two, one for validators and one for clients.
    pub port: u16,
    /// Name of the ledger.
    pub chain: String,
    /// Homes with an account and a deposit.
    pub homes: u32,
    /// Pacing of blocks.
    pub pacing: Pacing,
    /// See [`NodeFile::save_state_every`].
    pub save_state_every: u64,
    /// See [`NodeFile::journal`].
    pub journal: bool,
}

impl Default for InitOptions {
    fn default() -> Self {
        Self {
            validators: 4,
            hosts: vec!["127.0.0.1".into()],
            port: 4_700,
            chain: "gridloom-local".into(),
            homes: 100,
            pacing: Pacing::default(),
            save_state_every: 1_000,
            journal: false,
        }
    }
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Initialised {
    /// Configuration of every node.
    pub nodes: Vec<PathBuf>,
    /// Addresses for clients, in the same order.
    pub apis: Vec<String>,
}

/// Services whose keys are written to `services/`.
pub(crate) const SERVICES: [&str; 4] = ["operator", "utility", "cloud", "aggregator"];

/// Writes genesis, keys and configurations into an empty or new folder.
///
/// # Errors
/// Refuses a folder that is in use, and options no ledger can start from.
pub fn init(dir: &Path, options: &InitOptions) -> Result<Initialised, Problem> {
    let n = options.validators;
    let fail = |message: String, hint: &str| Problem::of_file(dir, message, hint);
    if n == 0 || n > MAX_VALIDATORS || options.hosts.is_empty() {
        return Err(fail(
            format!("{n} validators on {} hosts", options.hosts.len()),
            "there must be 1 to 32 validators and at least one host",
        ));
    }
    let last_port = usize::from(options.port) + 2 * n;
    if options.port == 0 || last_port > usize::from(u16::MAX) {
        return Err(fail(format!("no room for ports from {}", options.port), ""));
    }
    let in_use = dir.exists() && std::fs::read_dir(dir).map_or(true, |mut d| d.next().is_some());
    if in_use {
        return Err(fail("the folder is not empty".into(), "choose a new one"));
    }
    let services = dir.join("services");
    make_dir(&services)?;
    let mut roles = Vec::new();
    for name in SERVICES {
        let secret = keyfile::fresh();
        keyfile::write_new(&services.join(format!("{name}.key")), &secret)?;
        roles.push(hex::encode(&KeyPair::from_seed(secret).public()));
    }
    let homes_seed = keyfile::fresh();
    keyfile::write_new(&services.join("homes.key"), &homes_seed)?;

    let mut validators = Vec::new();
    for i in 0..n {
        let name = format!("v{}", i + 1);
        let folder = dir.join(&name);
        make_dir(&folder.join("data"))?;
        let (key, identity) = (keyfile::fresh(), keyfile::fresh());
        keyfile::write_new(&folder.join("validator.key"), &key)?;
        keyfile::write_new(&folder.join("network.key"), &identity)?;
        let public = |secret: [u8; 32]| hex::encode(&KeyPair::from_seed(secret).public());
        validators.push(ValidatorEntry {
            name,
            key: public(key),
            identity: public(identity),
            power: 1,
        });
    }
    let genesis = genesis(options, roles, &homes_seed, validators)?;
    write_ron(
        &dir.join("genesis.ron"),
        &genesis,
        "All nodes of this ledger have this file.",
    )?;
    let mut written = Initialised {
        nodes: Vec::new(),
        apis: Vec::new(),
    };
    for i in 0..n {
        let file = node_file(options, &genesis, i);
        let path = dir.join(&file.name).join("node.ron");
        write_ron(&path, &file, "Paths are relative to this folder.")?;
        // Loading it checks everything just written.
        let config = Config::load(&path)?;
        // A node whose log is missing must assume that it forgot votes; a new
        // one has an empty log that says so.
        Wal::create(&config.data, &config.genesis.fingerprint(), None)
            .map_err(|error| Problem::of_file(&config.data, error.to_string(), ""))?;
        written.apis.push(file.api.clone());
        written.nodes.push(path);
    }
    Ok(written)
}

fn genesis(
    options: &InitOptions,
    roles: Vec<String>,
    homes_seed: &[u8; 32],
    validators: Vec<ValidatorEntry>,
) -> Result<GenesisFile, Problem> {
    let [operator, utility, cloud, aggregator]: [String; 4] = roles
        .try_into()
        .map_err(|_| Problem::of_file(Path::new("genesis.ron"), "four services", ""))?;
    let deposit = |key: &str| AccountEntry {
        key: key.to_string(),
        deposit_eur: 10_000,
    };
    let mut accounts = vec![deposit(&operator), deposit(&utility)];
    accounts.extend((0..options.homes).map(|i| AccountEntry {
        key: hex::encode(&load::home_keys(homes_seed, i).0.public()),
        deposit_eur: 50,
    }));
    Ok(GenesisFile {
        chain: options.chain.clone(),
        epoch_unix_ms: midnight_unix_ms(),
        validators,
        roles: RolesEntry {
            operator,
            utility,
            cloud,
            aggregator,
        },
        market: MarketEntry {
            slot_min: 15,
            reading_s: 300,
            feed_in: 80_000,
            import: 300_000,
            max_step: 20_000,
            island: 3_000_000,
        },
        accounts,
    })
}

fn node_file(options: &InitOptions, genesis: &GenesisFile, own: usize) -> NodeFile {
    let host = |i: usize| &options.hosts[i % options.hosts.len()];
    let port = |i: usize| options.port + 2 * i as u16;
    let peers = (0..options.validators)
        .filter(|i| *i != own)
        .map(|i| PeerEntry {
            name: genesis.validators[i].name.clone(),
            address: format!("{}:{}", host(i), port(i)),
        })
        .collect();
    let local = host(own) == "127.0.0.1";
    let bind = if local { "127.0.0.1" } else { "0.0.0.0" };
    NodeFile {
        name: genesis.validators[own].name.clone(),
        genesis: "../genesis.ron".into(),
        key: "validator.key".into(),
        identity: "network.key".into(),
        data: "data".into(),
        listen: format!("{bind}:{}", port(own)),
        api: format!("127.0.0.1:{}", port(own) + 1),
        peers,
        pacing: options.pacing,
        limits: NetLimits::default(),
        save_state_every: options.save_state_every,
        journal: options.journal,
    }
}

/// Midnight of today, UTC, ms since 1970.
fn midnight_unix_ms() -> u64 {
    const DAY_MS: u64 = 86_400_000;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64);
    now / DAY_MS * DAY_MS
}

fn make_dir(path: &Path) -> Result<(), Problem> {
    std::fs::create_dir_all(path)
        .map_err(|error| Problem::of_file(path, format!("cannot be made: {error}"), ""))
}

fn write_ron<T: serde::Serialize>(path: &Path, value: &T, about: &str) -> Result<(), Problem> {
    let fail = |error: String| Problem::of_file(path, format!("cannot be written: {error}"), "");
    let pretty = ron::ser::PrettyConfig::new();
    let text =
        ron::ser::to_string_pretty(value, pretty).map_err(|error| fail(error.to_string()))?;
    std::fs::write(path, format!("// {about}\n{text}\n")).map_err(|error| fail(error.to_string()))
}
