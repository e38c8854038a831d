//! How many readings become final per second, over the number of clusters and
//! over the number of validators of one flat ledger, on links of limited rate.
//!
//! Everything is the real thing but the network: validators, blocks,
//! execution, checkpoints at a root. A reading counts as final when the block
//! that holds it is decided and, with clusters, covered by a checkpoint in a
//! decided root block.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gridloom_consensus::{
    ChainId, Cluster, ClusterConfig, KeyPair as ValidatorKey, LinearTimeouts, LinkConfig,
    ValidatorSet, default_timeouts,
};
use gridloom_contract::EmTemplate;
use gridloom_units::{AccountId, MoneyNanoEur, SimTime, Stream, draw_u64};

use crate::chain::LedgerChain;
use crate::courier;
use crate::cross::ExportLimit;
use crate::genesis::{ClusterGenesis, MarketRules, RootGenesis, RootLink};
use crate::keys::KeyPair;
use crate::transaction::{MeterReading, Transaction, TxBody, encoded};

/// Simulated time between two looks, ms.
const STEP_MS: u64 = 100;
/// Time for registration and the first blocks, ms.
const WARM_UP_MS: u64 = 20_000;

/// A network of ledgers under load.
#[derive(Clone, Copy, Debug)]
pub struct ScaleSetting {
    /// Clusters; 0 for one flat ledger without a root.
    pub clusters: u32,
    /// Validators of each cluster, or of the flat ledger.
    pub validators: u32,
    /// Validators of the root.
    pub root_validators: u32,
    /// Meters in all.
    pub meters: u32,
    /// Time between two readings of a meter, ms.
    pub reading_ms: u64,
    /// Least time between blocks, ms.
    pub block_ms: u64,
    /// What each validator can send, kbit/s; 0 for no limit.
    pub kbit_per_s: u32,
    /// Timeout of a proposal, ms; votes get a third of it.
    pub propose_ms: u64,
    /// Measured time, ms.
    pub measured_ms: u64,
    /// Seed of all draws.
    pub seed: u64,
}

/// What it did.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScalePoint {
    /// Readings offered per second.
    pub offered_per_s: f64,
    /// Readings final per second.
    pub finalised_per_s: f64,
    /// Blocks decided in the measured time, over all clusters.
    pub blocks: u64,
    /// Messages sent in the measured time, root included.
    pub messages: u64,
    /// Bytes sent in the measured time, root included.
    pub bytes: u64,
    /// From the end of a reading's interval to its finality, median, ms.
    pub finality_p50_ms: u64,
    /// The same, 99th percentile.
    pub finality_p99_ms: u64,
    /// Bytes of blocks and certificates one validator of a cluster stored since the start.
    pub stored_bytes: u64,
}

/// One cluster with its keys.
pub(crate) struct Group {
    pub(crate) cluster: Cluster<LedgerChain>,
    pub(crate) chain: ChainId,
    pub(crate) meters: Vec<(KeyPair, KeyPair)>,
    operator: KeyPair,
    /// Readings in blocks up to each height; index 0 for height 0.
    readings: Vec<u64>,
    /// Readings decided and not yet final: height, end of interval, ms.
    open: VecDeque<(u64, u64)>,
    stored_bytes: u64,
}

fn secret(role: u8, group: u32, index: u32) -> [u8; 32] {
    let mut seed = [role; 32];
    seed[..4].copy_from_slice(&group.to_le_bytes());
    seed[4..8].copy_from_slice(&index.to_le_bytes());
    seed
}

fn validators(group: u32, count: u32) -> Result<(Vec<ValidatorKey>, ValidatorSet), String> {
    let keys: Vec<ValidatorKey> = (0..count)
        .map(|index| ValidatorKey::from_seed(secret(21, group, index)))
        .collect();
    let set = ValidatorSet::new(keys.iter().map(|key| (key.public(), 1)))
        .map_err(|error| error.to_string())?;
    Ok((keys, set))
}

fn config(setting: &ScaleSetting, group: u32) -> ClusterConfig {
    let third = Duration::from_millis(setting.propose_ms / 3);
    ClusterConfig {
        min_block_interval_ms: setting.block_ms,
        empty_block_interval_ms: setting.block_ms,
        timeouts: timeouts(setting.propose_ms, third),
        links: LinkConfig {
            kbit_per_s: setting.kbit_per_s,
            seed: draw_u64(setting.seed, u64::from(group), 0, Stream::ConsensusLatency),
            ..LinkConfig::default()
        },
        ..ClusterConfig::default()
    }
}

fn timeouts(propose_ms: u64, vote: Duration) -> LinearTimeouts {
    LinearTimeouts {
        propose: Duration::from_millis(propose_ms),
        prevote: vote,
        precommit: vote,
        propose_delta: vote / 2,
        prevote_delta: vote / 2,
        precommit_delta: vote / 2,
        rebroadcast: Duration::from_millis(propose_ms),
        ..default_timeouts()
    }
}

/// Clusters and their root.
pub(crate) struct Federation {
    pub(crate) groups: Vec<Group>,
    pub(crate) root: Option<Cluster<LedgerChain>>,
}

/// Runs a setting.
///
/// # Errors
/// Says what cannot be set up.
pub fn run(setting: &ScaleSetting) -> Result<ScalePoint, String> {
    let count = setting.clusters.max(1);
    let share = |index: u32| {
        let part = |k: u32| (u64::from(setting.meters) * u64::from(k) / u64::from(count)) as u32;
        part(index + 1) - part(index)
    };
    let (mut federation, _) = Federation::new(setting, share, 0)?;
    Ok(drive(
        setting,
        &mut federation.groups,
        federation.root.as_mut(),
    ))
}

impl Federation {
    /// Two clusters with every meter in the first, for a split.
    pub(crate) fn lopsided(
        setting: &ScaleSetting,
        deposit: MoneyNanoEur,
    ) -> Result<(Self, Vec<ValidatorKey>), String> {
        let share = |index: u32| if index == 0 { setting.meters } else { 0 };
        Self::new(setting, share, deposit)
    }

    /// Accounts of the homes that begin in a cluster.
    pub(crate) fn homes(&self, index: usize) -> impl Iterator<Item = AccountId> {
        self.groups[index]
            .meters
            .iter()
            .map(|(home, _)| home.account())
    }

    fn new(
        setting: &ScaleSetting,
        share: impl Fn(u32) -> u32,
        deposit: MoneyNanoEur,
    ) -> Result<(Self, Vec<ValidatorKey>), String> {
        let flat = setting.clusters == 0;
        let count = setting.clusters.max(1);
        if setting.validators == 0 || setting.meters < count || setting.reading_ms == 0 {
            return Err("a ledger needs validators, a meter and an interval".into());
        }
        let names: Vec<ChainId> = (0..count)
            .map(|index| ChainId::from_name(&format!("scale-{index}")))
            .collect();
        let sets = (0..count)
            .map(|index| validators(index, setting.validators))
            .collect::<Result<Vec<_>, _>>()?;
        let root_name = ChainId::from_name("scale-root");
        let (root_keys, root_set) = validators(u32::MAX, setting.root_validators.max(1))?;
        let mut groups = Vec::new();
        for (index, (keys, set)) in (0..count).zip(&sets) {
            let root = (!flat).then(|| RootLink {
                chain: root_name,
                validators: root_set.clone(),
                index,
            });
            let place = (index, names[index as usize]);
            let homes = (share(index), deposit);
            groups.push(group(setting, place, keys.clone(), set, homes, root)?);
        }
        let limit = ExportLimit {
            money: deposit * i128::from(setting.meters),
            wh: 0,
        };
        let first = LedgerChain::root(&RootGenesis {
            setup: crate::Setup::default(),
            chain: root_name,
            validators: root_set,
            clusters: names
                .iter()
                .zip(&sets)
                .map(|(name, (_, set))| (*name, set.clone()))
                .collect(),
            limits: vec![limit; count as usize],
        })
        .map_err(|error| error.to_string())?;
        let root = (!flat).then(|| {
            let config = config(setting, u32::MAX);
            let mut cluster = Cluster::new(&config, root_keys.clone(), &first, SimTime(0));
            cluster.count_bytes(true);
            cluster
        });
        Ok((Self { groups, root }, root_keys))
    }
}

fn group(
    setting: &ScaleSetting,
    (index, chain): (u32, ChainId),
    keys: Vec<ValidatorKey>,
    set: &ValidatorSet,
    (meters, deposit): (u32, MoneyNanoEur),
    root: Option<RootLink>,
) -> Result<Group, String> {
    let operator = KeyPair::from_seed(secret(22, index, 0));
    let service = |number| KeyPair::from_seed(secret(23, index, number)).account();
    let meters: Vec<(KeyPair, KeyPair)> = (0..meters)
        .map(|meter| {
            let key = |role| KeyPair::from_seed(secret(role, index, meter));
            (key(24), key(25))
        })
        .collect();
    let first = LedgerChain::cluster(&ClusterGenesis {
        setup: crate::Setup::default(),
        chain,
        validators: set.clone(),
        operator: operator.account(),
        utility: service(0),
        cloud: service(1),
        aggregator: service(2),
        accounts: meters
            .iter()
            .map(|(home, _)| (home.account(), deposit))
            .collect(),
        market: MarketRules {
            slot_ms: 900_000,
            reading_ms: setting.reading_ms.min(900_000),
            feed_in: 80_000,
            import: 300_000,
            max_step: 0,
            wholesale: None,
            island: 320_000,
        },
        root,
    })
    .map_err(|error| error.to_string())?;
    let mut cluster = Cluster::new(&config(setting, index), keys, &first, SimTime(0));
    cluster.count_bytes(true);
    Ok(Group {
        cluster,
        chain,
        meters,
        operator,
        readings: vec![0],
        open: VecDeque::new(),
        stored_bytes: 0,
    })
}

impl Group {
    /// The contract, then everybody.
    pub(crate) fn register(&mut self, template: bool) {
        if template {
            let body = TxBody::RegisterContract {
                template: EmTemplate::default(),
            };
            let tx = Transaction::sign(&self.chain, &self.operator, 0, body);
            self.cluster.submit(Arc::new(tx));
            return;
        }
        for (index, (home, meter)) in self.meters.iter().enumerate() {
            let body = TxBody::RegisterParticipant {
                name: format!("M{index}"),
                meter_key: meter.public(),
                preferences: crate::rehearsal::any_energy(),
                spread: 0,
            };
            let tx = Transaction::sign(&self.chain, home, 0, body);
            self.cluster.submit(Arc::new(tx));
        }
    }

    fn read(&mut self, now_ms: u64, setting: &ScaleSetting) {
        for (index, (_, meter)) in self.meters.iter().enumerate() {
            // Meters do not speak all at once.
            let phase = index as u64 * setting.reading_ms / self.meters.len() as u64;
            let due = (now_ms + setting.reading_ms - phase) / setting.reading_ms;
            let before = (now_ms - STEP_MS + setting.reading_ms - phase) / setting.reading_ms;
            if due == before {
                continue;
            }
            let body = TxBody::Reading(MeterReading {
                interval_end_ms: now_ms,
                import_wh: due as i64,
                ..MeterReading::default()
            });
            let tx = Transaction::sign(&self.chain, meter, due, body);
            self.cluster.submit(Arc::new(tx));
        }
    }

    fn collect(&mut self) {
        for block in self.cluster.drain_decided() {
            let new = block
                .decided
                .block
                .transactions()
                .iter()
                .filter(|tx| matches!(tx.body, TxBody::Reading(_)))
                .count() as u64;
            let before = self.readings.last().copied().unwrap_or(0);
            self.readings.push(before + new);
            let height = block.decided.certificate.height;
            let ends = block.decided.block.transactions().iter();
            self.open.extend(ends.filter_map(|tx| match &tx.body {
                TxBody::Reading(reading) => Some((height, reading.interval_end_ms)),
                _ => None,
            }));
            self.stored_bytes += (encoded(block.decided.block.as_ref()).len()
                + encoded(block.decided.certificate.as_ref()).len())
                as u64;
        }
    }

    fn readings_at(&self, height: u64) -> u64 {
        let last = self.readings.len() - 1;
        self.readings[(height as usize).min(last)]
    }
}

/// Height up to which a cluster's blocks are final.
fn final_height(index: usize, group: &Group, root: Option<&LedgerChain>) -> u64 {
    match root {
        Some(root) => root
            .cluster_record(index as u32)
            .map_or(0, |record| record.height),
        None => group.cluster.height(),
    }
}

/// Readings final so far.
fn finalised(groups: &[Group], root: Option<&Cluster<LedgerChain>>) -> u64 {
    let root = root.and_then(Cluster::best_chain);
    let of = |(index, group): (usize, &Group)| group.readings_at(final_height(index, group, root));
    groups.iter().enumerate().map(of).sum()
}

fn sent(groups: &[Group], root: Option<&Cluster<LedgerChain>>) -> (u64, u64) {
    let counters = groups.iter().map(|group| group.cluster.network_counters());
    let root = root.map(Cluster::network_counters);
    counters.chain(root).fold((0, 0), |(messages, bytes), c| {
        (messages + c.sent, bytes + c.bytes)
    })
}

fn drive(
    setting: &ScaleSetting,
    groups: &mut [Group],
    mut root: Option<&mut Cluster<LedgerChain>>,
) -> ScalePoint {
    let mut now_ms = 0;
    let mut told = vec![0; groups.len()];
    let mut start = None;
    let mut delays: Vec<u64> = Vec::new();
    while now_ms < WARM_UP_MS + setting.measured_ms {
        now_ms += STEP_MS;
        for group in groups.iter_mut() {
            match now_ms {
                200 => group.register(true),
                5_000 => group.register(false),
                12_000.. => group.read(now_ms, setting),
                _ => {}
            }
            group.cluster.advance(SimTime(now_ms));
            group.collect();
        }
        if let Some(root) = root.as_deref_mut() {
            relay(setting, groups, root, now_ms, &mut told);
            root.advance(SimTime(now_ms));
            let _ = root.drain_decided();
        }
        let at_root = root.as_deref().and_then(Cluster::best_chain);
        for (index, group) in groups.iter_mut().enumerate() {
            let height = final_height(index, group, at_root);
            while let Some((at, end_ms)) = group.open.front().copied()
                && at <= height
            {
                group.open.pop_front();
                if now_ms > WARM_UP_MS {
                    delays.push(now_ms.saturating_sub(end_ms));
                }
            }
        }
        if now_ms == WARM_UP_MS {
            start = Some((
                finalised(groups, root.as_deref()),
                sent(groups, root.as_deref()),
                groups.iter().map(|g| g.cluster.height()).sum::<u64>(),
            ));
        }
    }
    let (readings, (messages, bytes), heights) = start.unwrap_or_default();
    let seconds = setting.measured_ms as f64 / 1_000.0;
    let (messages_now, bytes_now) = sent(groups, root.as_deref());
    delays.sort_unstable();
    let at = |share: usize| {
        let place = (delays.len() * share / 100).min(delays.len().saturating_sub(1));
        delays.get(place).copied().unwrap_or(0)
    };
    ScalePoint {
        finality_p50_ms: at(50),
        finality_p99_ms: at(99),
        stored_bytes: groups.first().map_or(0, |group| group.stored_bytes),
        offered_per_s: f64::from(setting.meters) * 1_000.0 / setting.reading_ms as f64,
        finalised_per_s: (finalised(groups, root.as_deref()) - readings) as f64 / seconds,
        blocks: groups.iter().map(|g| g.cluster.height()).sum::<u64>() - heights,
        messages: messages_now - messages,
        bytes: bytes_now - bytes,
    }
}

/// Checkpoints of clusters with new blocks, once per block interval of the root.
fn relay(
    setting: &ScaleSetting,
    groups: &[Group],
    root: &mut Cluster<LedgerChain>,
    now_ms: u64,
    told: &mut [u64],
) {
    if now_ms % setting.block_ms.max(STEP_MS) >= STEP_MS {
        return;
    }
    let Some(root_chain) = root.best_chain().cloned() else {
        return;
    };
    for (index, (group, told)) in groups.iter().zip(told).enumerate() {
        let height = group.cluster.height();
        let Some(chain) = group.cluster.best_chain() else {
            continue;
        };
        // One checkpoint of a cluster at a time: a newer one makes it needless, and
        // what waits would grow faster than the root's lines carry it.
        let recorded = root_chain
            .cluster_record(index as u32)
            .map_or(0, |record| record.height);
        if height > *told
            && recorded >= *told
            && let Some(body) = courier::checkpoint(index as u32, chain, &root_chain)
        {
            *told = height;
            root.submit(Arc::new(Transaction::unsigned(body)));
        }
    }
}
