//! The validator's end: a process that takes the place of a simulated one.

use std::io::BufReader;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use borsh::BorshDeserialize;
use gridloom_consensus::{AwayNode, Chain, Handover, Message, Said};
use gridloom_core::ledger::{SaidElsewhere, Seat};
use gridloom_core::{Twin, TwinOptions};
use gridloom_ledger::LedgerChain;

use super::wire::{self, Begin, FromNode, ToNode, VERSION, proof_bytes};
use crate::cli::scene;

/// Which validator of which run.
pub struct JoinOptions {
    /// Where the run listens.
    pub address: String,
    /// The run's scene: genesis and keys follow from it.
    pub scene: PathBuf,
    /// Seed of the run, if it is not the scene's.
    pub seed: Option<u64>,
    /// The ledger.
    pub ledger: String,
    /// The validator.
    pub node: u16,
}

/// Is a validator of a run until the run is over; `tell` hears of every
/// hundredth block. The height reached, and why it ended.
///
/// # Errors
/// When there is no such validator, the run refuses it, or the line breaks.
pub fn join(options: &JoinOptions, mut tell: impl FnMut(u64)) -> Result<(u64, String)> {
    let seat = seat(options)?;
    let address = &options.address;
    let stream =
        TcpStream::connect(address).with_context(|| format!("cannot reach a run at {address}"))?;
    stream.set_nodelay(true)?;
    let mut line = BufReader::new(stream);
    let first = FromNode::Join {
        version: VERSION,
        ledger: options.ledger.clone(),
        node: options.node,
        genesis: seat.genesis.state_root(),
    };
    wire::write(line.get_mut(), &first)?;
    match wire::read(&mut line)? {
        ToNode::Challenge(challenge) => {
            let bytes = proof_bytes(&challenge, &options.ledger, options.node);
            let signature = seat.config.key.sign(&bytes).0;
            wire::write(line.get_mut(), &FromNode::Proof(signature))?;
        }
        ToNode::Over(why) => bail!("the run refuses: {why}"),
        _ => bail!("the run says something else than a challenge"),
    }
    serve(&mut line, &seat, &mut tell)
}

/// Genesis and key of the validator, from the scene.
fn seat(options: &JoinOptions) -> Result<Seat> {
    let twin_options = TwinOptions {
        seed: options.seed,
        ..TwinOptions::default()
    };
    let mut twin = Twin::new(scene::load(&options.scene)?, twin_options)?;
    let ledger = twin
        .ledger_index(&options.ledger)
        .ok_or_else(|| anyhow!("the scene has no ledger `{}`", options.ledger))?;
    twin.seat(ledger, options.node).ok_or_else(|| {
        anyhow!(
            "ledger `{}` has no validator {} that votes",
            options.ledger,
            options.node
        )
    })
}

fn serve(
    line: &mut BufReader<TcpStream>,
    seat: &Seat,
    tell: &mut impl FnMut(u64),
) -> Result<(u64, String)> {
    let mut node: Option<AwayNode<LedgerChain>> = None;
    let (mut height, mut told) = (0, 0);
    loop {
        let said = match wire::read(line).context("the run is gone")? {
            ToNode::Begin(begin) => {
                let (fresh, said) = go_on(seat, *begin)?;
                node = Some(fresh);
                said
            }
            ToNode::Tick { until_us, heard } => {
                let node = node
                    .as_mut()
                    .ok_or_else(|| anyhow!("the run ticks before it begins"))?;
                let mut messages = Vec::with_capacity(heard.len());
                for heard in heard {
                    let message = Message::try_from_slice(&heard.bytes)
                        .context("the run says what means nothing")?;
                    messages.push((heard.at_us, heard.from, Arc::new(message)));
                }
                node.advance(messages, until_us)
            }
            ToNode::Over(why) => return Ok((height, why)),
            ToNode::Challenge(_) => bail!("the run challenges again"),
        };
        if let Some(node) = &node {
            height = node.node().chain().tip();
            if let Some(why) = node.node().stopped() {
                bail!("the validator stopped itself: {why}");
            }
        }
        let answer = FromNode::Said {
            said: said.iter().map(encoded).collect::<Result<_>>()?,
            height,
        };
        wire::write(line.get_mut(), &answer).context("the run is gone")?;
        if height / 100 > told / 100 {
            told = height;
            tell(height);
        }
    }
}

/// The validator where its simulated self was. The state is as good as its
/// header, and the header as good as the run: who joins a run trusts it.
fn go_on(seat: &Seat, begin: Begin) -> Result<(AwayNode<LedgerChain>, Vec<Said<LedgerChain>>)> {
    let chain = match &begin.saved {
        Some(saved) => seat.genesis.resume(saved)?,
        None => seat.genesis.clone(),
    };
    let handover = Handover {
        chain,
        log: begin.log,
        kept: begin.kept.into_iter().map(Arc::new).collect(),
    };
    let config = Arc::clone(&seat.config);
    Ok(AwayNode::new(config, handover, begin.now_us))
}

fn encoded(said: &Said<LedgerChain>) -> Result<SaidElsewhere> {
    Ok(SaidElsewhere {
        to: said.to,
        bytes: borsh::to_vec(said.message.as_ref())?,
    })
}
