//! The node's side of the endpoint.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use gridloom_consensus::Block;
use gridloom_ledger::{Seat, Transaction, TxBody, account_of};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, oneshot, watch};

use super::{Answer, MAX_LINE, MAX_SUBMIT, Request};
use crate::config::Config;
use crate::hex;
use crate::host::{Shared, TxInput};
use crate::net::Shown;
use crate::repair::Repairs;
use crate::status::{Committed, DiskStatus, Status};
use crate::store::Store;

/// The validator is given this long to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the endpoint works with.
pub(crate) struct Serving {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) repairs: Arc<Repairs>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shown: Arc<Shown>,
    pub(crate) txs: Sender<TxInput>,
    pub(crate) started: Instant,
    pub(crate) clients: AtomicUsize,
}

/// Serves clients until told to stop.
pub(crate) async fn serve(
    serving: Arc<Serving>,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    let limit = serving.config.file.limits.clients;
                    if serving.clients.load(Ordering::Relaxed) >= limit {
                        tracing::warn!(%from, "refused: {limit} clients are connected");
                        continue;
                    }
                    serving.clients.fetch_add(1, Ordering::Relaxed);
                    let (serving, stop) = (Arc::clone(&serving), stop.clone());
                    tokio::spawn(async move {
                        if let Err(error) = converse(&serving, stream, stop).await {
                            tracing::debug!(%from, "client: {error}");
                        }
                        serving.clients.fetch_sub(1, Ordering::Relaxed);
                    });
                }
                Err(error) => {
                    tracing::warn!("clients: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = stop.changed() => break,
        }
    }
}

async fn converse(
    serving: &Serving,
    stream: TcpStream,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::with_capacity(64 * 1024, read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut read).take(MAX_LINE as u64 + 1);
        let length = tokio::select! {
            length = limited.read_until(b'\n', &mut line) => length?,
            _ = stop.changed() => return Ok(()),
        };
        if length == 0 {
            return Ok(());
        }
        if length > MAX_LINE {
            let what = format!("a line may have {MAX_LINE} bytes");
            return send(&mut write, &Answer::Error(what)).await;
        }
        let answer = match serde_json::from_slice::<Request>(&line) {
            Ok(Request::Watch {}) => {
                let blocks = serving.shared.commits.subscribe();
                return watch_blocks(blocks, &mut write, stop).await;
            }
            Ok(request) => answer(serving, request).await,
            Err(error) => Answer::Error(format!(
                "not a request: {error}; for example {{\"status\":{{}}}}"
            )),
        };
        send(&mut write, &answer).await?;
    }
}

async fn send(write: &mut OwnedWriteHalf, answer: &Answer) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(answer)?;
    text.push(b'\n');
    write.write_all(&text).await
}

async fn watch_blocks(
    mut blocks: broadcast::Receiver<Arc<Committed>>,
    write: &mut OwnedWriteHalf,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    loop {
        let answer = tokio::select! {
            block = blocks.recv() => match block {
                Ok(block) => Answer::Block(block.as_ref().clone()),
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    Answer::Error(format!("too slow: {count} blocks were skipped"))
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
            _ = stop.changed() => return Ok(()),
        };
        send(write, &answer).await?;
    }
}

async fn answer(serving: &Serving, request: Request) -> Answer {
    match request {
        Request::Status {} => Answer::Status(Box::new(serving.status())),
        Request::Submit { transactions } => submit(serving, &transactions).await,
        Request::Account { key } => account(serving, &key).await,
        Request::Block { height } => block(serving, height),
        Request::Header { height } => header(serving, height),
        Request::Watch {} => Answer::Error("watch stands alone".into()),
    }
}

/// Waits for the validator.
async fn ask<T>(
    serving: &Serving,
    input: TxInput,
    reply: oneshot::Receiver<T>,
) -> Result<T, Answer> {
    if serving.txs.try_send(input).is_err() {
        return Err(Answer::Error("the validator is busy: try again".into()));
    }
    match tokio::time::timeout(PATIENCE, reply).await {
        Ok(Ok(answer)) => Ok(answer),
        _ => Err(Answer::Error("the validator does not answer".into())),
    }
}

async fn submit(serving: &Serving, texts: &[String]) -> Answer {
    if texts.len() > MAX_SUBMIT {
        return Answer::Error(format!("at most {MAX_SUBMIT} transactions at once"));
    }
    let (mut list, mut places, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (index, text) in texts.iter().enumerate() {
        let decoded = hex::decode(text)
            .ok_or_else(|| "not hexadecimal".to_string())
            .and_then(|bytes| Transaction::decode(&bytes).map_err(|error| error.to_string()));
        match decoded {
            Ok(tx) => {
                places.push(index);
                list.push(Arc::new(tx));
            }
            Err(why) => refused.push((index, why)),
        }
    }
    let (reply, answer) = oneshot::channel();
    match ask(serving, TxInput::Submit(list, reply), answer).await {
        Ok(submitted) => {
            let at = |(at, why): (usize, String)| (places.get(at).copied().unwrap_or(at), why);
            refused.extend(submitted.refused.into_iter().map(at));
            Answer::Submitted {
                accepted: submitted.accepted,
                refused,
            }
        }
        Err(error) => error,
    }
}

async fn account(serving: &Serving, key: &str) -> Answer {
    let Some(key) = hex::decode_array(key) else {
        return Answer::Error("a key has 64 hexadecimal digits".into());
    };
    let (reply, answer) = oneshot::channel();
    match ask(serving, TxInput::Account(key, reply), answer).await {
        Ok(found) => Answer::Account {
            account: hex::encode(&account_of(&key).0),
            money_nano_eur: found.wallet.map(|wallet| wallet.money.to_string()),
            debt_nano_eur: found.wallet.map(|wallet| wallet.debt.to_string()),
            next_nonce: found.next_nonce,
            next_seq: found.next_seq,
        },
        Err(error) => error,
    }
}

fn block(serving: &Serving, height: u64) -> Answer {
    if height > serving.shared.tip.load(Ordering::Relaxed) {
        return Answer::Error(format!("block {height} is not decided yet"));
    }
    match serving.store.block(height) {
        Ok(decided) => Answer::Block(Committed::of(&decided)),
        Err(why) => Answer::Error(why.to_string()),
    }
}

fn header(serving: &Serving, height: u64) -> Answer {
    if height > serving.shared.tip.load(Ordering::Relaxed) {
        return Answer::Error(format!("block {height} is not decided yet"));
    }
    let bytes = |value: Result<Vec<u8>, std::io::Error>| hex::encode(&value.unwrap_or_default());
    match serving.store.certified(height) {
        Ok((header, certificate)) => Answer::Header {
            header: bytes(borsh::to_vec(&header)),
            certificate: bytes(borsh::to_vec(&certificate)),
            seats: seats(serving, height).map(|seats| bytes(borsh::to_vec(&seats))),
        },
        Err(why) => Answer::Error(why.to_string()),
    }
}

/// Validators that a block puts in place of the present ones.
fn seats(serving: &Serving, height: u64) -> Option<Vec<Seat>> {
    let decided = serving.store.block(height).ok()?;
    let mut transactions = decided.block.transactions().iter().rev();
    transactions.find_map(|tx| match &tx.body {
        TxBody::SetValidators { seats } => Some(seats.clone()),
        _ => None,
    })
}

impl Committed {
    /// What is told of a decided block.
    pub(crate) fn of(decided: &gridloom_consensus::Decided<gridloom_ledger::LedgerBlock>) -> Self {
        let (block, header) = (&decided.block, decided.block.header());
        Self {
            height: header.height,
            block: hex::encode(&block.id().0),
            state_root: hex::encode(&header.state_root),
            time_ms: header.time_ms,
            round: decided.certificate.round,
            transactions: block
                .transaction_ids()
                .iter()
                .map(|id| hex::encode(id))
                .collect(),
            bytes: block
                .transactions()
                .iter()
                .map(|tx| tx.encode().len() as u64)
                .sum(),
        }
    }
}

impl Serving {
    /// Everything a client may know.
    fn status(&self) -> Status {
        let (peers, network) = self.shown.get();
        let (holes, healed) = self.repairs.counts();
        let shared = &self.shared;
        Status {
            name: self.config.file.name.clone(),
            software: env!("CARGO_PKG_VERSION").into(),
            chain: self.config.genesis.file.chain.clone(),
            uptime_s: self.started.elapsed().as_secs_f64(),
            validator: shared
                .status
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            peers,
            network,
            disk: DiskStatus {
                log_flushes: shared.log_flushes.load(Ordering::Relaxed),
                saved_state: shared.saved_state.load(Ordering::Relaxed),
                holes,
                healed,
                report: self.repairs.report(),
            },
            spent_ms: shared.clocks.spent(),
        }
    }
}
