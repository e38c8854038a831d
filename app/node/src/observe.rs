//! Looking at a running ledger from outside: a client of the nodes' endpoints
//! that votes on nothing and believes nothing.
//!
//! With the genesis it checks every header against the last one and its
//! certificate, as a header-only node does ([`gridloom_ledger::tier`]); what
//! nodes tell of themselves it shows beside that. Without the genesis it only
//! compares what the nodes say with each other.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use borsh::BorshDeserialize;
use gridloom_consensus::Certificate;
use gridloom_ledger::tier::HeaderChain;
use gridloom_ledger::{BlockHeader, Seat};

use crate::api::{Client, ClientError};
use crate::config::Genesis;
use crate::hex;
use crate::problem::Problem;
use crate::status::Status;

/// Most nodes one observer looks at.
pub const MAX_NODES: usize = 64;
/// Time between two looks.
const PACE: Duration = Duration::from_millis(500);
/// How long a node is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a failure a node is asked again this much later.
const RETRY: Duration = Duration::from_secs(2);
/// Headers fetched in one look.
const HEADERS: u64 = 256;
/// Newest blocks kept for show.
pub const KEPT_BLOCKS: usize = 64;
/// Headers kept for the next check.
const KEPT_HEADERS: usize = 4;

/// A node as the observer sees it.
#[derive(Clone, Debug, Default)]
pub struct SeenNode {
    /// Where its endpoint is.
    pub address: String,
    /// What it last told, if it ever answered.
    pub status: Option<Box<Status>>,
    /// Why it does not answer; empty while it does.
    pub away: String,
}

/// A block as the observer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenBlock {
    /// Height.
    pub height: u64,
    /// Identity, hexadecimal.
    pub block: String,
    /// Time on the ledger's clock, ms.
    pub time_ms: u64,
    /// Round in which it was decided.
    pub round: u32,
    /// Signatures in its certificate.
    pub signatures: usize,
    /// Whether header and certificate were checked.
    pub checked: bool,
}

/// Everything seen so far.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The nodes in the order given.
    pub nodes: Vec<SeenNode>,
    /// Newest blocks, oldest first.
    pub blocks: VecDeque<SeenBlock>,
    /// Whether the genesis is known, so that headers are checked.
    pub checks: bool,
    /// Every header up to this height is good.
    pub checked_through: u64,
    /// Highest height that any node told.
    pub height: u64,
    /// What is wrong with the ledger: a header that proves nothing, or two
    /// nodes with different blocks at one height.
    pub alarm: Option<String>,
}

/// A thread that looks at a ledger until it is dropped.
#[derive(Debug)]
pub struct Observer {
    seen: Arc<Mutex<Arc<Observed>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Begins to look at the nodes with these endpoints; with a genesis file
    /// it also checks what they say.
    ///
    /// # Errors
    /// When there is no address, too many, or the genesis is not sound.
    pub fn start(addresses: &[String], genesis: Option<&Path>) -> Result<Self, ObserveError> {
        if addresses.is_empty() || addresses.len() > MAX_NODES {
            return Err(ObserveError::Nodes(addresses.len()));
        }
        let follow = match genesis {
            Some(path) => {
                let genesis = Genesis::load(path)?;
                let ledger = &genesis.ledger;
                Some(HeaderChain::new(ledger.chain, ledger.validators.clone()))
            }
            None => None,
        };
        let first = Observed {
            nodes: addresses.iter().map(|a| SeenNode::at(a)).collect(),
            checks: follow.is_some(),
            ..Observed::default()
        };
        let seen = Arc::new(Mutex::new(Arc::new(first.clone())));
        let stop = Arc::new(AtomicBool::new(false));
        let mut watch = Watch {
            links: addresses.iter().map(|_| Link::default()).collect(),
            told: first,
            follow,
        };
        let (shown, told) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("observer".into())
            .spawn(move || {
                while !told.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    watch.look();
                    *shown.lock().unwrap_or_else(PoisonError::into_inner) =
                        Arc::new(watch.told.clone());
                    std::thread::park_timeout(PACE.saturating_sub(began.elapsed()));
                }
            })
            .map_err(ObserveError::Thread)?;
        Ok(Self {
            seen,
            stop,
            thread: Some(thread),
        })
    }

    /// What is seen now.
    #[must_use]
    pub fn seen(&self) -> Arc<Observed> {
        Arc::clone(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // It ends within one look; nobody need wait for that.
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
        }
    }
}

/// Why nothing is observed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// No address, or too many.
    #[error("name 1 to {MAX_NODES} endpoints of nodes (HOST:PORT), not {0}")]
    Nodes(usize),
    /// The genesis file.
    #[error("{0}")]
    Genesis(#[from] Problem),
    /// The system has no thread left.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl SeenNode {
    fn at(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            away: "not asked yet".into(),
            ..Self::default()
        }
    }
}

/// A connection to one node.
#[derive(Default)]
struct Link {
    client: Option<Client>,
    not_before: Option<Instant>,
}

impl Link {
    fn ask<T>(
        &mut self,
        address: &str,
        ask: impl Fn(&mut Client) -> Result<T, ClientError>,
    ) -> Result<T, String> {
        let client = match &mut self.client {
            Some(client) => client,
            None => {
                let client = Client::connect(address, PATIENCE).map_err(|e| e.to_string());
                self.client.insert(client.inspect_err(|_| {
                    self.not_before = Some(Instant::now() + RETRY);
                })?)
            }
        };
        ask(client).map_err(|error| {
            if !matches!(error, ClientError::Refused(..)) {
                self.client = None;
                self.not_before = Some(Instant::now() + RETRY);
            }
            error.to_string()
        })
    }

    fn is_due(&self) -> bool {
        self.not_before.is_none_or(|at| Instant::now() >= at)
    }
}

struct Watch {
    links: Vec<Link>,
    told: Observed,
    follow: Option<HeaderChain>,
}

impl Watch {
    fn look(&mut self) {
        for (link, node) in self.links.iter_mut().zip(&mut self.told.nodes) {
            if !link.is_due() {
                continue;
            }
            match link.ask(&node.address, Client::status) {
                Ok(status) => {
                    self.told.height = self.told.height.max(status.validator.height);
                    node.status = Some(Box::new(status));
                    node.away.clear();
                }
                Err(why) => node.away = why,
            }
        }
        self.fetch();
        self.compare();
    }

    /// Fetches the next headers from whoever has them.
    fn fetch(&mut self) {
        let known = self.told.blocks.back().map(|block| block.height);
        let newest = self.told.height;
        let recent = newest.saturating_sub(KEPT_BLOCKS as u64 - 1);
        let from = match &self.follow {
            Some(chain) => chain.last().map_or(0, |header| header.height) + 1,
            None => known.map_or(recent, |height| (height + 1).max(recent)),
        };
        for height in from.max(1)..=newest.min(from + HEADERS) {
            let Some(certified) = self.header(height) else {
                return;
            };
            if !self.take(height, certified) {
                return;
            }
        }
    }

    fn header(&mut self, height: u64) -> Option<CertifiedHeader> {
        for (link, node) in self.links.iter_mut().zip(&self.told.nodes) {
            let has = node.status.as_ref();
            if !node.away.is_empty() || has.is_none_or(|s| s.validator.height < height) {
                continue;
            }
            if let Ok(header) = link.ask(&node.address, |client| client.header(height)) {
                return Some(header);
            }
        }
        None
    }

    /// Whether the header is good, as far as can be told.
    fn take(&mut self, height: u64, certified: CertifiedHeader) -> bool {
        let CertifiedHeader {
            header,
            certificate,
            seats,
        } = certified;
        if header.height != height {
            self.told.alarm = Some(format!("asked for header {height}, got {}", header.height));
            return false;
        }
        if let Some(chain) = &mut self.follow {
            if let Err(fault) = chain.follow(&header, &certificate, seats.as_deref()) {
                self.told.alarm = Some(fault.to_string());
                return false;
            }
            chain.forget(KEPT_HEADERS);
            self.told.checked_through = height;
        }
        if self.told.blocks.len() == KEPT_BLOCKS {
            self.told.blocks.pop_front();
        }
        self.told.blocks.push_back(SeenBlock {
            height,
            block: hex::encode(&header.id().0),
            time_ms: header.time_ms,
            round: certificate.round,
            signatures: certificate.signatures.len(),
            checked: self.follow.is_some(),
        });
        true
    }

    /// Compares the newest block of every node with the one that is known of that height.
    fn compare(&mut self) {
        for node in &self.told.nodes {
            let Some(status) = &node.status else { continue };
            let v = &status.validator;
            let known = self.told.blocks.iter().find(|b| b.height == v.height);
            if let Some(known) = known
                && known.block != v.block
            {
                self.told.alarm = Some(format!(
                    "{} has another block at height {} than was certified",
                    status.name, v.height
                ));
            }
        }
    }
}

/// A header with its certificate, and the next validators where it changes them.
#[derive(Clone, Debug)]
pub struct CertifiedHeader {
    /// The header.
    pub header: BlockHeader,
    /// Who signed it.
    pub certificate: Certificate,
    /// The next validators, where they change.
    pub seats: Option<Vec<Seat>>,
}

impl CertifiedHeader {
    /// From the hexadecimal text of an answer.
    pub(crate) fn decode(header: &str, certificate: &str, seats: Option<&str>) -> Option<Self> {
        Some(Self {
            header: BlockHeader::try_from_slice(&hex::decode(header)?).ok()?,
            certificate: Certificate::try_from_slice(&hex::decode(certificate)?).ok()?,
            seats: match seats {
                Some(text) => Some(Vec::try_from_slice(&hex::decode(text)?).ok()?),
                None => None,
            },
        })
    }
}
