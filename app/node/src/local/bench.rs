//! How much a cluster of processes on this machine decides, and how fast.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::oracle::Oracle;
use super::{LocalCluster, LocalError, Program, free_ports};
use crate::api::Client;
use crate::chain::SpentMs;
use crate::config::{InitOptions, Pacing};
use crate::hex;
use crate::load::Load;

/// What to measure.
#[derive(Clone, Debug)]
pub struct BenchPlan {
    /// How a node is started.
    pub program: Program,
    /// New folder for the cluster.
    pub dir: PathBuf,
    /// Validators.
    pub validators: usize,
    /// Homes whose meters send.
    pub homes: u32,
    /// Rates offered one after the other, 1/s.
    pub rates_per_s: Vec<u32>,
    /// Seconds at each rate.
    pub seconds: u64,
    /// Pacing of blocks.
    pub pacing: Pacing,
}

/// What one rate gave.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Offered, 1/s.
    pub offered_per_s: f64,
    /// Decided, 1/s, from the first to the last block of the step.
    pub committed_per_s: f64,
    /// Decided.
    pub committed: u64,
    /// Median time from sending to durable in a block, ms.
    pub p50_ms: f64,
    /// 99th percentile of it, ms.
    pub p99_ms: f64,
    /// Offered and never decided.
    pub lost: u64,
    /// Refused by the node they were sent to.
    pub refused: u64,
    /// Blocks.
    pub blocks: u64,
    /// Mean size of a transaction, bytes.
    pub tx_bytes: f64,
    /// Where the nodes' time went, ms, summed over the nodes.
    pub spent_ms: SpentMs,
    /// Length of the step, s.
    pub seconds: f64,
    /// Processor time of the nodes during the step, s.
    pub cpu_s: f64,
}

/// What all rates gave.
#[derive(Clone, Debug, Default)]
pub struct BenchReport {
    /// One per rate.
    pub steps: Vec<Step>,
}

/// A batch of transactions to send, with identities.
type Batch = (Vec<String>, Vec<String>);

/// Sends batches to one node and says when each left.
struct Sender {
    batches: SyncSender<Batch>,
    thread: JoinHandle<(Vec<(Instant, Vec<String>)>, u64)>,
}

impl Sender {
    fn start(mut client: Client) -> Self {
        let (batches, inbox) = sync_channel::<Batch>(64);
        let thread = std::thread::spawn(move || {
            let (mut sent, mut refused) = (Vec::new(), 0);
            while let Ok((texts, ids)) = inbox.recv() {
                let count = texts.len();
                sent.push((Instant::now(), ids));
                refused += match client.submit(texts) {
                    Ok((_, list)) => list.len(),
                    Err(_) => count,
                } as u64;
            }
            (sent, refused)
        });
        Self { batches, thread }
    }
}

/// Runs the plan; `tell` is given a line after each rate.
///
/// # Errors
/// When the cluster cannot be set up.
pub fn bench(plan: &BenchPlan, tell: &mut dyn FnMut(&str)) -> Result<BenchReport, LocalError> {
    let options = InitOptions {
        validators: plan.validators,
        port: free_ports(plan.validators, u64::from(std::process::id()))?,
        homes: plan.homes,
        pacing: plan.pacing,
        ..InitOptions::default()
    };
    let mut cluster = LocalCluster::new(plan.program.clone(), &plan.dir, &options)?;
    for node in 0..cluster.len() {
        cluster.start(node)?;
    }
    cluster.wait_connected(Duration::from_secs(30))?;
    let mut load = Load::open(&plan.dir, plan.homes)?;
    let mut client = cluster.client(0, Duration::from_secs(5))?;
    load.register(&mut client, Duration::from_secs(120))?;
    let mut report = BenchReport::default();
    for rate in &plan.rates_per_s {
        let step = step(&cluster, &mut load, *rate, plan.seconds)?;
        tell(&format!(
            "{rate} offered: {:.0} decided per second, p50 {:.0} ms, p99 {:.0} ms, {} lost",
            step.committed_per_s, step.p50_ms, step.p99_ms, step.lost
        ));
        report.steps.push(step);
    }
    for node in 0..cluster.len() {
        cluster.stop(node, Duration::from_secs(20))?;
    }
    Ok(report)
}

fn step(
    cluster: &LocalCluster,
    load: &mut Load,
    rate_per_s: u32,
    seconds: u64,
) -> Result<Step, LocalError> {
    const BEAT: Duration = Duration::from_millis(20);
    let apis: Vec<String> = (0..cluster.len())
        .map(|n| cluster.api(n).to_string())
        .collect();
    // Each node tells its own blocks; the first to have one durable counts.
    let oracle = Oracle::watch(&apis, true);
    let senders: Vec<Sender> = (0..cluster.len())
        .map(|node| {
            cluster
                .client(node, Duration::from_secs(5))
                .map(Sender::start)
        })
        .collect::<Result<_, _>>()?;
    std::thread::sleep(Duration::from_millis(300));
    let (before, cpu_before) = (spent(cluster), cluster.cpu_s());
    let begun = Instant::now();
    let mut offered = 0_u64;
    let mut beat = 0_u32;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let due = (begun.elapsed().as_secs_f64() * f64::from(rate_per_s)) as u64;
        // A meter always speaks to the same node: its readings keep their order.
        let mut shares: Vec<Batch> = vec![Batch::default(); senders.len()];
        while offered < due {
            let tx = load.reading();
            let share = &mut shares[load.last_home() % senders.len()];
            share.0.push(hex::encode(&tx.encode()));
            share.1.push(hex::encode(&tx.id()));
            offered += 1;
        }
        for (sender, share) in senders.iter().zip(shares) {
            if !share.0.is_empty() && sender.batches.send(share).is_err() {
                return Err(LocalError::Node(
                    "a node no longer takes transactions".into(),
                ));
            }
        }
        beat += 1;
        std::thread::sleep((BEAT * beat).saturating_sub(begun.elapsed()));
    }
    let ended = Instant::now();
    let (mut sent, mut refused) = (Vec::new(), 0);
    for sender in senders {
        drop(sender.batches);
        let (list, no) = sender
            .thread
            .join()
            .map_err(|_| LocalError::Node("a sender broke".into()))?;
        sent.extend(list);
        refused += no;
    }
    // What was sent last needs its time, too.
    std::thread::sleep(Duration::from_millis(2_500));
    let (after, cpu_after) = (spent(cluster), cluster.cpu_s());
    let seen = oracle.seen();
    let mut figures = latencies(&sent, &seen.committed, begun, ended);
    figures.offered_per_s = offered as f64 / (ended - begun).as_secs_f64();
    figures.refused = refused;
    figures.lost = figures.lost.saturating_sub(refused);
    figures.tx_bytes = seen.bytes as f64 / seen.transactions.max(1) as f64;
    figures.spent_ms = difference(after, before);
    figures.seconds = begun.elapsed().as_secs_f64();
    figures.cpu_s = cpu_after - cpu_before;
    Ok(figures)
}

fn latencies(
    sent: &[(Instant, Vec<String>)],
    committed: &[(Instant, Vec<String>)],
    begun: Instant,
    ended: Instant,
) -> Step {
    let mut left: BTreeMap<&str, Instant> = BTreeMap::new();
    for (at, ids) in sent {
        left.extend(ids.iter().map(|id| (id.as_str(), *at)));
    }
    let (mut waits, mut blocks, mut last) = (Vec::new(), 0, begun);
    for (at, ids) in committed {
        blocks += u64::from(*at >= begun && *at <= ended);
        for id in ids {
            if let Some(sent) = left.remove(id.as_str()) {
                waits.push((*at - sent).as_secs_f64() * 1_000.0);
                last = last.max(*at);
            }
        }
    }
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = waits.len().saturating_sub(1);
        waits
            .get((share * last as f64) as usize)
            .copied()
            .unwrap_or(f64::NAN)
    };
    Step {
        committed_per_s: waits.len() as f64 / (last.max(ended) - begun).as_secs_f64(),
        committed: waits.len() as u64,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        lost: left.len() as u64,
        blocks,
        ..Step::default()
    }
}

fn fields(spent: &mut SpentMs) -> [&mut f64; 9] {
    [
        &mut spent.submit,
        &mut spent.build,
        &mut spent.check,
        &mut spent.apply,
        &mut spent.engine,
        &mut spent.log,
        &mut spent.store,
        &mut spent.codec,
        &mut spent.idle,
    ]
}

/// What all nodes spent so far.
fn spent(cluster: &LocalCluster) -> SpentMs {
    let mut sum = SpentMs::default();
    for status in cluster.statuses().into_iter().flatten() {
        let mut one = status.spent_ms;
        for (sum, one) in fields(&mut sum).into_iter().zip(fields(&mut one)) {
            *sum += *one;
        }
    }
    sum
}

fn difference(mut after: SpentMs, mut before: SpentMs) -> SpentMs {
    for (after, before) in fields(&mut after).into_iter().zip(fields(&mut before)) {
        *after -= *before;
    }
    after
}
