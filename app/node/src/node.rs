//! A whole node: recovery, threads, and a clean end.

use std::net::ToSocketAddrs;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gridloom_consensus::{BlockId, Chain};
use tokio::sync::{broadcast, mpsc, watch};

use crate::api::{self, Serving};
use crate::chain::{Clocks, TimedChain};
use crate::config::Config;
use crate::host::{Host, Parts, Shared, Start, TxInput};
use crate::net::{self, Network, Shown};
use crate::recover::{RecoverError, recover};
use crate::repair::Repairs;

/// Batches of messages that wait for the validator at most.
const ARRIVED: usize = 1_024;
/// Batches of transactions that wait for the validator at most.
const TXS: usize = 256;
/// Blocks a slow watcher may be behind.
const WATCHED: usize = 256;

/// Why a node ended.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The genesis.
    #[error(transparent)]
    Genesis(#[from] gridloom_ledger::GenesisError),
    /// The disk.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// Something could not be opened.
    #[error("{0}")]
    Open(String),
    /// The validator stopped itself.
    #[error("the validator stopped: {0}")]
    Stopped(String),
}

/// Runs a node until it is asked to stop (interrupt or termination signal) or
/// stops itself.
///
/// # Errors
/// Says why it could not start, or why it stopped itself.
pub fn run(config: Config) -> Result<(), NodeError> {
    let open = |what: &str, error: std::io::Error| NodeError::Open(format!("{what}: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .thread_name("network")
        .enable_all()
        .build()
        .map_err(|error| open("threads", error))?;
    runtime.block_on(live(config))
}

async fn live(config: Config) -> Result<(), NodeError> {
    let genesis = config.genesis.chain()?;
    let begun = Instant::now();
    let recovered = recover(&config.data, &genesis, &config.genesis.fingerprint())?;
    for line in &recovered.report {
        tracing::warn!("{line}");
    }
    let tip = recovered.chain.tip();
    tracing::info!(
        name = config.file.name,
        height = tip,
        ms = begun.elapsed().as_millis() as u64,
        "recovered"
    );
    let anchor = recovered
        .chain
        .tip_header()
        .map_or(BlockId::default(), |h| h.id());
    let store = Arc::new(recovered.store);
    let repairs = Arc::new(Repairs::new(
        recovered.holes,
        (tip, anchor),
        recovered.report,
    ));
    let clocks = Arc::new(Clocks::default());
    let shared = Arc::new(Shared {
        tip: Arc::new(AtomicU64::new(tip)),
        status: Mutex::default(),
        log_flushes: AtomicU64::new(0),
        saved_state: AtomicU64::new(
            crate::saved::heights(&config.data)
                .first()
                .copied()
                .unwrap_or(0),
        ),
        commits: broadcast::channel(WATCHED).0,
        clocks: Arc::clone(&clocks),
    });
    let shown = Arc::new(Shown::default());
    let (arrived_in, arrived) = crossbeam_channel::bounded(ARRIVED);
    let (txs_in, txs) = crossbeam_channel::bounded(TXS);
    let (commands_in, commands) = mpsc::channel(net::COMMANDS);
    let (stop_in, stop) = watch::channel(false);

    let network = Network::new(net::Parts {
        config: config.clone(),
        store: Arc::clone(&store),
        repairs: Arc::clone(&repairs),
        tip: Arc::clone(&shared.tip),
        clocks: Arc::clone(&clocks),
        arrived: arrived_in,
        txs: txs_in.clone(),
        shown: Arc::clone(&shown),
    })
    .map_err(NodeError::Open)?;
    let listener = listen(&config.file.api).await?;
    let serving = Arc::new(Serving {
        config: config.clone(),
        store: Arc::clone(&store),
        repairs: Arc::clone(&repairs),
        shared: Arc::clone(&shared),
        shown: Arc::clone(&shown),
        txs: txs_in.clone(),
        started: begun,
        clients: AtomicUsize::new(0),
    });
    let parts = Parts {
        config,
        store,
        repairs,
        shared: Arc::clone(&shared),
        net: commands_in,
        shown,
        arrived,
        txs,
    };
    let start = Start {
        chain: TimedChain {
            ledger: recovered.chain,
            clocks,
        },
        log: recovered.log,
        kept: recovered.kept,
        silent_below: recovered.silent_below,
    };
    let (ended_in, mut ended) = mpsc::channel(1);
    let validator = std::thread::Builder::new()
        .name("validator".into())
        .spawn(move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                Host::start(parts, start)?.run()
            }));
            let result = result.unwrap_or_else(|_| Err("it panicked".into()));
            // The runtime waits for this.
            let _ = ended_in.blocking_send(result);
        })
        .map_err(|error| NodeError::Open(format!("validator thread: {error}")))?;
    let network = tokio::spawn(network.run(commands, stop.clone()));
    let clients = tokio::spawn(api::serve(serving, listener, stop));

    let result = tokio::select! {
        result = ended.recv() => result,
        () = asked_to_stop() => {
            tracing::info!("stopping");
            let _ = tokio::task::spawn_blocking(move || txs_in.send(TxInput::Stop)).await;
            ended.recv().await
        }
    };
    // Whoever still listens hears that it is over.
    let _ = stop_in.send(true);
    let _ = validator.join();
    let _ = network.await;
    let _ = clients.await;
    tracing::info!(height = shared.tip.load(Ordering::Relaxed), "ended");
    match result {
        Some(Err(reason)) => Err(NodeError::Stopped(reason)),
        _ => Ok(()),
    }
}

async fn listen(address: &str) -> Result<tokio::net::TcpListener, NodeError> {
    let fail = |error: std::io::Error| NodeError::Open(format!("api {address}: {error}"));
    let place = address
        .to_socket_addrs()
        .map_err(fail)?
        .next()
        .ok_or_else(|| NodeError::Open(format!("api {address}: no such address")))?;
    if !place.ip().is_loopback() {
        tracing::warn!(
            %place,
            "the endpoint for clients is open to other machines: whoever reaches it may submit"
        );
    }
    tokio::net::TcpListener::bind(place).await.map_err(fail)
}

/// Ends with an interrupt or a termination signal.
async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = term.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
