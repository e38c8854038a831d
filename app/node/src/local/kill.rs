//! Killing one of several nodes at random moments, again and again, and
//! looking whether anything was lost, signed twice or stuck.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gridloom_consensus::{BlockId, SignedPlace};
use gridloom_units::{Stream, draw_u64};

use super::damage::{self, DamageReport};
use super::oracle::Oracle;
use super::{LocalCluster, LocalError, Program, connect, free_ports};
use crate::config::{InitOptions, Pacing};
use crate::load::Load;
use crate::{hex, journal, ops};

/// What to do to the nodes.
#[derive(Clone, Debug)]
pub struct KillPlan {
    /// How a node is started.
    pub program: Program,
    /// New folder for the cluster.
    pub dir: PathBuf,
    /// Kills.
    pub kills: u32,
    /// Seed of victims and moments.
    pub seed: u64,
    /// Transactions offered meanwhile, 1/s.
    pub rate_per_s: u32,
    /// Homes they come from.
    pub homes: u32,
    /// Whether files are damaged as well, after the kills.
    pub damage: bool,
    /// A node that does not catch up within this is stuck.
    pub patience: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct KillReport {
    /// Kills.
    pub kills: u32,
    /// Heights decided.
    pub heights: u64,
    /// Transactions in decided blocks.
    pub transactions: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// Blocks a node had called durable and did not have afterwards.
    pub lost_blocks: u64,
    /// Heights at which nodes have different blocks.
    pub disagreements: u64,
    /// Signed messages in the journals.
    pub signed: u64,
    /// Places at which a validator signed two different things, or evidence of it.
    pub double_signed: u64,
    /// Nodes that did not come back, catch up, or let the others go on.
    pub stuck: u64,
    /// Times from restart to having caught up, ms, in rising order.
    pub recovery_ms: Vec<u64>,
    /// What the verification of the four folders found.
    pub problems: Vec<String>,
    /// Damage done to files, and whether it was named and healed.
    pub damage: Vec<DamageReport>,
}

impl KillReport {
    /// A share of the recovery times, ms.
    #[must_use]
    pub fn recovery_at(&self, share: f64) -> u64 {
        let last = self.recovery_ms.len().saturating_sub(1);
        let at = (share * last as f64).round() as usize;
        self.recovery_ms.get(at).copied().unwrap_or(0)
    }
}

/// Transactions at a constant rate, to whichever nodes are up.
struct Loader {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Loader {
    fn start(mut load: Load, apis: Vec<String>, rate_per_s: u32) -> Self {
        let (stop, accepted) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (ended, count) = (Arc::clone(&stop), Arc::clone(&accepted));
        let thread = std::thread::spawn(move || {
            const BEAT: Duration = Duration::from_millis(50);
            let per_beat = (rate_per_s / 20).max(1);
            let mut turn = 0;
            while !ended.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let txs = (0..per_beat)
                    .map(|_| hex::encode(&load.reading().encode()))
                    .collect();
                turn += 1;
                let api = &apis[turn % apis.len()];
                // A node that is down takes nothing; the next one is tried next.
                if let Ok(mut client) = crate::api::Client::connect(api, Duration::from_secs(1))
                    && let Ok((taken, _)) = client.submit(txs)
                {
                    count.fetch_add(taken as u64, Ordering::Relaxed);
                }
                std::thread::sleep(BEAT.saturating_sub(begun.elapsed()));
            }
        });
        Self {
            stop,
            accepted,
            thread: Some(thread),
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs the plan; `tell` is given a line now and then.
///
/// # Errors
/// When the cluster cannot be set up or a file not be read. What goes wrong
/// with the nodes is in the report.
pub fn kill_test(plan: &KillPlan, tell: &mut dyn FnMut(&str)) -> Result<KillReport, LocalError> {
    let begun = Instant::now();
    let options = InitOptions {
        port: free_ports(4, plan.seed)?,
        homes: plan.homes,
        pacing: Pacing {
            min_block_ms: 50,
            empty_block_ms: 1_000,
        },
        save_state_every: 40,
        journal: true,
        ..InitOptions::default()
    };
    let mut cluster = LocalCluster::new(plan.program.clone(), &plan.dir, &options)?;
    for node in 0..cluster.len() {
        cluster.start(node)?;
    }
    cluster.wait_connected(Duration::from_secs(30))?;
    let mut load = Load::open(&plan.dir, plan.homes)?;
    load.register(
        &mut cluster.client(0, Duration::from_secs(5))?,
        Duration::from_secs(60),
    )?;
    let apis: Vec<String> = (0..cluster.len())
        .map(|n| cluster.api(n).to_string())
        .collect();
    let oracle = Oracle::watch(&apis, false);
    let loader = Loader::start(load, apis, plan.rate_per_s);
    let mut report = KillReport::default();
    for kill in 0..plan.kills {
        one_kill(plan, kill, &mut cluster, &oracle, &mut report)?;
        if (kill + 1) % 10 == 0 || kill + 1 == plan.kills {
            let seen = oracle.seen();
            tell(&format!(
                "{} kills, height {}, {} transactions, slowest recovery {} ms, {} stuck",
                kill + 1,
                seen.blocks.keys().next_back().unwrap_or(&0),
                seen.transactions,
                report.recovery_ms.iter().max().unwrap_or(&0),
                report.stuck
            ));
        }
    }
    if plan.damage {
        for kind in damage::ALL {
            let node = (draw(plan.seed, kind as u32, 3) % cluster.len() as u64) as usize;
            let done = damage::inflict(kind, node, &mut cluster, plan.patience)?;
            tell(&format!("{}: {}", done.what, done.outcome()));
            report.damage.push(done);
        }
    }
    let offered = loader.accepted.load(Ordering::Relaxed);
    drop(loader);
    settle(&cluster, plan.patience, &mut report);
    for status in cluster.statuses().iter().flatten() {
        report.double_signed += status.validator.evidence;
    }
    for node in 0..cluster.len() {
        if let Err(error) = cluster.stop(node, Duration::from_secs(20)) {
            report.problems.push(error.to_string());
        }
    }
    tell(&format!(
        "{offered} transactions were taken in; verifying four folders"
    ));
    judge(&cluster, &oracle, &mut report)?;
    report.recovery_ms.sort_unstable();
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

fn draw(seed: u64, what: u32, stream: u32) -> u64 {
    draw_u64(seed, u64::from(what), u64::from(stream), Stream::Behaviour)
}

fn one_kill(
    plan: &KillPlan,
    kill: u32,
    cluster: &mut LocalCluster,
    oracle: &Oracle,
    report: &mut KillReport,
) -> Result<(), LocalError> {
    let victim = (draw(plan.seed, kill, 0) % cluster.len() as u64) as usize;
    std::thread::sleep(Duration::from_micros(draw(plan.seed, kill, 1) % 600_000));
    if let Err(error) = cluster.kill(victim) {
        report.problems.push(error.to_string());
    }
    report.kills += 1;
    let down = Duration::from_millis(draw(plan.seed, kill, 2) % 400);
    std::thread::sleep(down);
    // What the watcher had read by now was durable before the kill.
    let (acknowledged, best) = {
        let seen = oracle.seen();
        let best = seen.blocks.keys().next_back().copied().unwrap_or(0);
        (seen.acknowledged[victim], best)
    };
    let restarted = Instant::now();
    cluster.start(victim)?;
    match came_back(cluster, victim, acknowledged, best, plan.patience) {
        Ok(lost) => {
            report.lost_blocks += lost;
            report
                .recovery_ms
                .push(restarted.elapsed().as_millis() as u64);
        }
        Err(what) => {
            report.stuck += 1;
            report.problems.push(format!("kill {}: {what}", kill + 1));
        }
    }
    Ok(())
}

/// Waits until a restarted node stands where the others stood; gives the
/// number of blocks it had called durable and came back without.
fn came_back(
    cluster: &LocalCluster,
    node: usize,
    acknowledged: u64,
    best: u64,
    patience: Duration,
) -> Result<u64, String> {
    let end = Instant::now() + patience;
    let mut client = connect(cluster.api(node), patience).map_err(|error| error.to_string())?;
    let mut first = None;
    while Instant::now() < end {
        match client.status() {
            // Before its first turn the validator shows nothing.
            Ok(status) if !status.validator.step.is_empty() => {
                let height = status.validator.height;
                first.get_or_insert(height);
                if height > best && status.peers.iter().all(|peer| peer.connected) {
                    return Ok(acknowledged.saturating_sub(first.unwrap_or(height)));
                }
            }
            Ok(_) => {}
            Err(_) => {
                client = connect(cluster.api(node), patience).map_err(|e| e.to_string())?;
            }
        }
        std::thread::sleep(Duration::from_millis(15));
    }
    Err(format!(
        "node {} did not go beyond height {best} within {} s",
        node + 1,
        patience.as_secs()
    ))
}

/// All nodes must reach one height after the last kill.
fn settle(cluster: &LocalCluster, patience: Duration, report: &mut KillReport) {
    let end = Instant::now() + patience;
    let height = |status: &Option<crate::status::Status>| {
        status.as_ref().map_or(0, |status| status.validator.height)
    };
    let target = cluster.statuses().iter().map(height).max().unwrap_or(0) + 2;
    loop {
        let statuses = cluster.statuses();
        if statuses.iter().all(|status| height(status) >= target) {
            return;
        }
        if Instant::now() > end {
            report.stuck += statuses.iter().filter(|s| height(s) < target).count() as u64;
            report
                .problems
                .push(format!("not all nodes reach height {target}"));
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Compares the folders with each other, with what was seen, and the journals.
fn judge(
    cluster: &LocalCluster,
    oracle: &Oracle,
    report: &mut KillReport,
) -> Result<(), LocalError> {
    let seen = oracle.seen();
    report.disagreements += seen.disagreements.len() as u64;
    report.transactions = seen.transactions;
    let mut signed: BTreeMap<SignedPlace, Option<BlockId>> = BTreeMap::new();
    for node in 0..cluster.len() {
        let verified = ops::verify(cluster.folder(node))?;
        report.problems.extend(verified.problems);
        report.heights = report.heights.max(verified.height);
        for (height, block) in &verified.blocks {
            if seen.blocks.get(height).is_some_and(|known| known != block) {
                report.disagreements += 1;
            }
        }
        let last = seen.acknowledged.get(node).copied().unwrap_or(0);
        report.lost_blocks += last.saturating_sub(verified.height);
        let data = cluster.folder(node).join("data");
        let entries = journal::read(&data)
            .map_err(|error| LocalError::Io(data.display().to_string(), error))?;
        for (place, value) in entries {
            report.signed += 1;
            if *signed.entry(place).or_insert(value) != value {
                report.double_signed += 1;
            }
        }
    }
    Ok(())
}
