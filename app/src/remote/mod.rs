//! Validators of a run that are processes of their own.
//!
//! The run listens; a process that has a validator's key joins and takes its
//! place. After each tick the process is told what reached its validator and
//! answers with what the validator says, which enters with the next tick. So
//! the run waits for it, at most [`PATIENCE`]; then, or when the line breaks,
//! the validator is simulated again. Lines are not encrypted: between machines
//! they belong into a tunnel.

mod join;
mod wire;

use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use gridloom_consensus::{Ed25519, Outward, PeerIndex, Sig, verify};
use gridloom_core::{Command, Twin};
use gridloom_ledger::LedgerChain;

pub use self::join::{JoinOptions, join};
use self::wire::{Begin, FromNode, Heard, ToNode, VERSION, proof_bytes};

/// How long a tick waits for a validator elsewhere.
const PATIENCE: Duration = Duration::from_secs(2);
/// Handshakes that may wait for the run.
const WAITING: usize = 16;
/// Handshakes under way at most; who comes then is refused.
const HANDSHAKES: usize = 16;
/// Ticks in which a validator must have been given away.
const TICKS_TO_BEGIN: u32 = 3;

/// A validator that may be run elsewhere.
struct Place {
    ledger: u32,
    name: String,
    node: PeerIndex,
    key: [u8; 32],
    genesis: [u8; 32],
}

/// A process that has shown that it has the key.
struct Joined {
    ledger: u32,
    name: String,
    node: PeerIndex,
    stream: BufReader<TcpStream>,
    /// Ticks since it joined.
    ticks: u32,
    begun: bool,
    asked: bool,
    height: u64,
    /// What reached the validator before it began.
    held: Vec<Outward<LedgerChain>>,
}

/// The run's end of all lines to validators elsewhere.
pub struct RemoteHost {
    joining: Receiver<Joined>,
    joined: Vec<Joined>,
    /// The newest tick that was told.
    told: u64,
    /// What happened, newest last, bounded.
    pub notes: Vec<String>,
}

/// Notes kept.
const NOTES: usize = 64;

impl RemoteHost {
    /// Listens at an address for validators of this run.
    ///
    /// # Errors
    /// When the address cannot be listened at.
    pub fn listen(address: &str, twin: &mut Twin) -> Result<Self> {
        let listener =
            TcpListener::bind(address).with_context(|| format!("cannot listen at {address}"))?;
        let places = Arc::new(places(twin));
        let (sender, joining) = bounded(WAITING);
        std::thread::Builder::new()
            .name("validators".into())
            .spawn(move || {
                let busy = Arc::new(());
                for stream in listener.incoming().flatten() {
                    if Arc::strong_count(&busy) > HANDSHAKES {
                        tracing::warn!("refused: {HANDSHAKES} handshakes are under way");
                        continue;
                    }
                    let (places, sender) = (Arc::clone(&places), sender.clone());
                    let one = Arc::clone(&busy);
                    // A handshake has its own time limit, so it has its own thread.
                    let started =
                        std::thread::Builder::new()
                            .name("handshake".into())
                            .spawn(move || {
                                welcome(stream, &places, &sender);
                                drop(one);
                            });
                    if let Err(error) = started {
                        tracing::warn!("no thread for a handshake: {error}");
                    }
                }
            })
            .context("cannot start a thread")?;
        Ok(Self {
            joining,
            joined: Vec::new(),
            told: 0,
            notes: Vec::new(),
        })
    }

    /// Waits until so many validators have joined.
    pub fn wait_for(&mut self, count: usize, twin: &mut Twin) {
        while self.joined.len() < count {
            match self.joining.recv() {
                Ok(joined) => self.take(joined, twin),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, joined: Joined, twin: &mut Twin) {
        twin.send(Command::GiveAway {
            ledger: joined.ledger,
            node: u32::from(joined.node),
        });
        self.note(format!(
            "validator {} of {} joined",
            joined.node, joined.name
        ));
        self.joined.push(joined);
    }

    fn note(&mut self, what: String) {
        tracing::info!("{what}");
        if self.notes.len() == NOTES {
            self.notes.remove(0);
        }
        self.notes.push(what);
    }

    /// After a tick: tells every validator what it heard and takes what it says.
    pub fn after_tick(&mut self, twin: &mut Twin) {
        let (tick, head) = (twin.tick(), twin.head());
        if head.0 < self.told {
            self.forget_all(twin, "the past was changed: join again");
            self.told = head.0;
        }
        if tick < head || tick.0 <= self.told {
            // An earlier tick again: what was said then is in the input log, and
            // what was heard then was told.
            for joined in &self.joined {
                let _ = twin.take_outward(joined.ledger, joined.node);
            }
            return;
        }
        self.told = tick.0;
        while let Ok(joined) = self.joining.try_recv() {
            self.take(joined, twin);
        }
        let mut lost: Vec<(usize, String)> = Vec::new();
        for (at, joined) in self.joined.iter_mut().enumerate() {
            if let Err(why) = tell(joined, twin) {
                lost.push((at, why));
            }
        }
        for (at, joined) in self.joined.iter_mut().enumerate() {
            if !joined.asked || lost.iter().any(|(gone, _)| *gone == at) {
                continue;
            }
            match hear(joined) {
                Ok(said) if said.is_empty() => {}
                Ok(said) => twin.send(Command::SaidElsewhere {
                    ledger: joined.ledger,
                    node: u32::from(joined.node),
                    said,
                }),
                Err(why) => lost.push((at, why)),
            }
        }
        lost.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, why) in lost {
            self.let_go(at, twin, &why);
        }
    }

    fn let_go(&mut self, at: usize, twin: &mut Twin, why: &str) {
        let mut joined = self.joined.remove(at);
        let _ = wire::write(joined.stream.get_mut(), &ToNode::Over(why.to_owned()));
        if joined.begun {
            twin.send(Command::TakeBack {
                ledger: joined.ledger,
                node: u32::from(joined.node),
            });
        }
        self.note(format!(
            "validator {} of {} left at height {}: {why}",
            joined.node, joined.name, joined.height
        ));
    }

    fn forget_all(&mut self, twin: &mut Twin, why: &str) {
        while !self.joined.is_empty() {
            self.let_go(0, twin, why);
        }
    }

    /// Says goodbye to all, and changes nothing in the run.
    pub fn finish(&mut self, why: &str) {
        for mut joined in self.joined.drain(..) {
            let _ = wire::write(joined.stream.get_mut(), &ToNode::Over(why.to_owned()));
        }
    }
}

/// Every validator that votes.
fn places(twin: &mut Twin) -> Vec<Place> {
    let names: Vec<String> = twin.ledgers().into_iter().map(|(name, _)| name).collect();
    let mut places = Vec::new();
    for (ledger, name) in names.into_iter().enumerate() {
        for node in 0.. {
            let Some(seat) = twin.seat(ledger as u32, node) else {
                break;
            };
            places.push(Place {
                ledger: ledger as u32,
                name: name.clone(),
                node,
                key: *seat.config.key.public().as_bytes(),
                genesis: seat.genesis.state_root(),
            });
        }
    }
    places
}

fn welcome(stream: TcpStream, places: &[Place], run: &Sender<Joined>) {
    let mut stream = BufReader::new(stream);
    if let Err(why) = greet(&mut stream, places).and_then(|(ledger, name, node)| {
        let joined = Joined {
            ledger,
            name,
            node,
            stream: BufReader::new(stream.get_ref().try_clone().map_err(|e| e.to_string())?),
            ticks: 0,
            begun: false,
            asked: false,
            height: 0,
            held: Vec::new(),
        };
        run.try_send(joined).map_err(|error| match error {
            TrySendError::Full(_) => "too many join at once: try again".to_owned(),
            TrySendError::Disconnected(_) => "the run is over".to_owned(),
        })
    }) {
        tracing::warn!("a validator was refused: {why}");
        let _ = wire::write(stream.get_mut(), &ToNode::Over(why));
    }
}

fn greet(
    stream: &mut BufReader<TcpStream>,
    places: &[Place],
) -> Result<(u32, String, PeerIndex), String> {
    let text = |error: std::io::Error| error.to_string();
    let line = stream.get_ref();
    line.set_nodelay(true).map_err(text)?;
    line.set_read_timeout(Some(PATIENCE)).map_err(text)?;
    line.set_write_timeout(Some(PATIENCE)).map_err(text)?;
    let FromNode::Join {
        version,
        ledger,
        node,
        genesis,
    } = wire::read(stream).map_err(text)?
    else {
        return Err("a validator begins by saying who it is".into());
    };
    if version != VERSION {
        return Err(format!("version {version} of the messages, not {VERSION}"));
    }
    let place = places
        .iter()
        .find(|place| place.name == ledger && place.node == node)
        .ok_or_else(|| format!("there is no validator {node} that votes on ledger {ledger}"))?;
    if place.genesis != genesis {
        return Err("it starts from another scene or seed than this run".into());
    }
    let mut challenge = [0; 32];
    getrandom::fill(&mut challenge).map_err(|error| error.to_string())?;
    wire::write(stream.get_mut(), &ToNode::Challenge(challenge)).map_err(text)?;
    let FromNode::Proof(signature) = wire::read(stream).map_err(text)? else {
        return Err("it does not show that it has the key".into());
    };
    let key = Ed25519::public_key(&place.key).map_err(|error| error.to_string())?;
    let bytes = proof_bytes(&challenge, &ledger, node);
    if !verify(&key, &bytes, &Sig(signature)) {
        return Err("it does not have the validator's key".into());
    }
    Ok((place.ledger, ledger, node))
}

/// Tells a validator what it heard in the last tick, or that it begins.
fn tell(joined: &mut Joined, twin: &mut Twin) -> Result<(), String> {
    joined.ticks += 1;
    joined.asked = false;
    let until_us = twin.time().0 * 1_000;
    let mut outward = std::mem::take(&mut joined.held);
    let fresh = twin.take_outward(joined.ledger, joined.node);
    outward.extend(fresh.ok_or("more reached it than could be carried")?);
    let mut held = Vec::new();
    let what = if joined.begun {
        ToNode::Tick {
            until_us,
            heard: outward
                .into_iter()
                .map(|out| Heard {
                    at_us: out.at,
                    from: out.from,
                    bytes: borsh::to_vec(out.message.as_ref()).unwrap_or_default(),
                })
                .collect(),
        }
    } else {
        let Some(handover) = twin.handover(joined.ledger, joined.node) else {
            return if joined.ticks < TICKS_TO_BEGIN {
                Ok(())
            } else {
                Err("the run did not give the validator away".into())
            };
        };
        joined.begun = true;
        // What reached it in this tick comes with the next.
        held = outward;
        ToNode::Begin(Box::new(Begin {
            now_us: until_us,
            saved: handover.chain.save(),
            log: handover.log,
            kept: handover.kept.iter().map(|b| b.as_ref().clone()).collect(),
        }))
    };
    joined.held = held;
    joined.asked = true;
    wire::write(joined.stream.get_mut(), &what).map_err(|error| error.to_string())
}

/// What a validator says to what it was told.
fn hear(joined: &mut Joined) -> Result<Vec<gridloom_core::ledger::SaidElsewhere>, String> {
    match wire::read(&mut joined.stream) {
        Ok(FromNode::Said { said, height }) => {
            joined.height = height;
            Ok(said)
        }
        Ok(other) => Err(format!("it says {other:?} at the wrong time")),
        Err(error) => Err(format!(
            "no answer within {} s: {error}",
            PATIENCE.as_secs()
        )),
    }
}
