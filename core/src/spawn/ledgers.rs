//! Ledger groups with their genesis, validators and officials.

use bevy::prelude::*;
use gridloom_consensus::{ChainId, Cluster, ClusterConfig, KeyPair, LinkConfig, ValidatorSet};
use gridloom_ledger::{ClusterGenesis, LedgerChain, MarketRules, RootGenesis};
use gridloom_model::scene::{LedgerSpec, LoadedScene};
use gridloom_units::{AccountId, MoneyNanoEur, SimTime, Stream, draw_u64};

use super::organisation::{Organisation, key};
use super::{SpawnError, Spawner};
use crate::ledger::{LedgerGroup, LedgerNode, Ledgers, Officials};

/// Longest pause between empty blocks, in block intervals.
const EMPTY_INTERVALS: u64 = 1;

/// Everything about the ledgers of a scene.
pub(super) struct Built {
    pub spawners: Vec<Spawner>,
    pub names: Ledgers,
    pub officials: Officials,
}

struct Group {
    chain: ChainId,
    keys: Vec<KeyPair>,
    set: ValidatorSet,
    spec: LedgerSpec,
}

/// Builds every group of the scene: clusters in scene order, then the root.
pub(super) fn build(
    loaded: &LoadedScene,
    organisation: &Organisation,
    seed: u64,
) -> Result<Built, SpawnError> {
    let scene = &loaded.scene;
    let specs = scene.clusters.iter().map(|c| c.ledger).chain([scene.root]);
    let groups = organisation
        .ledger_names
        .iter()
        .zip(specs)
        .map(|(name, spec)| group(name, spec, seed))
        .collect::<Result<Vec<_>, _>>()?;
    let mut built = Built {
        spawners: Vec::new(),
        names: Ledgers {
            chains: groups.iter().map(|group| group.chain).collect(),
            names: organisation.ledger_names.clone(),
            block_interval_ms: groups.iter().map(|g| g.spec.block_interval_ms).collect(),
        },
        officials: Officials::default(),
    };
    for name in &organisation.ledger_names {
        built.officials.add(
            key(seed, "operator", "operator"),
            key(seed, "cloud", "cloud"),
            key(seed, "aggregator", name),
        );
    }
    let root = groups.len() - 1;
    let mut nodes: Vec<Spawner> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let chain = if index == root {
            root_chain(group, &groups[..root])
        } else {
            cluster_chain(loaded, organisation, group, index, seed)
        }
        .map_err(|reason| SpawnError::Ledger {
            ledger: built.names.names[index].clone(),
            reason,
        })?;
        let config = config(group.spec, index, seed);
        let keys: Vec<KeyPair> = group.keys.clone();
        let validators = keys.len() as u32;
        let engines = Cluster::new(&config, keys, &chain, SimTime(0));
        let ledger = index as u32;
        built.spawners.push(Box::new(move |world: &mut World| {
            world
                .spawn(LedgerGroup {
                    index: ledger,
                    group: engines,
                })
                .id()
        }));
        for node in 0..validators {
            let node = LedgerNode {
                ledger,
                node,
                height: 1,
                round: 0,
                up: true,
            };
            nodes.push(Box::new(move |world: &mut World| world.spawn(node).id()));
        }
    }
    built.spawners.extend(nodes);
    Ok(built)
}

fn group(name: &str, spec: LedgerSpec, seed: u64) -> Result<Group, SpawnError> {
    let keys: Vec<KeyPair> = (0..spec.validators)
        .map(|node| {
            let secret = blake3::derive_key(
                "gridloom simulated validators' keys",
                format!("{seed}/{name}/{node}").as_bytes(),
            );
            KeyPair::from_seed(secret)
        })
        .collect();
    let set = ValidatorSet::new(keys.iter().map(|key| (key.public(), 1))).map_err(|e| {
        SpawnError::Ledger {
            ledger: name.into(),
            reason: e.to_string(),
        }
    })?;
    Ok(Group {
        chain: ChainId::from_name(&format!("gridloom-{name}")),
        keys,
        set,
        spec,
    })
}

fn config(spec: LedgerSpec, index: usize, seed: u64) -> ClusterConfig {
    ClusterConfig {
        min_block_interval_ms: spec.block_interval_ms,
        empty_block_interval_ms: spec.block_interval_ms * EMPTY_INTERVALS,
        links: LinkConfig {
            latency_min_us: spec.latency_ms.0 * 1_000,
            latency_max_us: spec.latency_ms.1 * 1_000,
            loss_ppm: spec.loss_permille * 1_000,
            seed: draw_u64(seed, 0, index as u64, Stream::ConsensusLatency),
            ..LinkConfig::default()
        },
        ..ClusterConfig::default()
    }
}

fn root_chain(root: &Group, clusters: &[Group]) -> Result<LedgerChain, String> {
    LedgerChain::root(&RootGenesis {
        chain: root.chain,
        validators: root.set.clone(),
        clusters: clusters
            .iter()
            .map(|group| (group.chain, group.set.clone()))
            .collect(),
    })
    .map_err(|error| error.to_string())
}

fn cluster_chain(
    loaded: &LoadedScene,
    organisation: &Organisation,
    group: &Group,
    index: usize,
    seed: u64,
) -> Result<LedgerChain, String> {
    let scene = &loaded.scene;
    let homes = scene
        .homes
        .iter()
        .zip(&loaded.refs.homes)
        .map(|(h, r)| (h.deposit_eur, r.cluster));
    let batteries = scene
        .shared_batteries
        .iter()
        .zip(&loaded.refs.shared_batteries)
        .map(|(b, r)| (b.deposit_eur, r.cluster));
    let mut accounts: Vec<(AccountId, MoneyNanoEur)> = homes
        .chain(batteries)
        .zip(&organisation.participants)
        .filter(|((_, cluster), _)| *cluster == index)
        .map(|((eur, _), party)| (party.account, i128::from(eur) * 1_000_000_000))
        .collect();
    let market = &scene.market;
    let (operator, utility) = (
        key(seed, "operator", "operator").account(),
        key(seed, "utility", "utility").account(),
    );
    accounts.push((
        operator,
        i128::from(market.operator_deposit_eur) * 1_000_000_000,
    ));
    accounts.push((
        utility,
        i128::from(market.utility_deposit_eur) * 1_000_000_000,
    ));
    let name = &organisation.ledger_names[index];
    LedgerChain::cluster(&ClusterGenesis {
        chain: group.chain,
        validators: group.set.clone(),
        operator,
        utility,
        cloud: key(seed, "cloud", "cloud").account(),
        aggregator: key(seed, "aggregator", name).account(),
        accounts,
        market: MarketRules {
            slot_ms: u64::from(market.slot_min) * 60_000,
            reading_ms: u64::from(market.reading_s) * 1_000,
            feed_in: market.feed_in,
            import: market.import,
            max_step: market.max_step,
        },
    })
    .map_err(|error| error.to_string())
}
