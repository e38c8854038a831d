//! Ledger groups with their genesis, validators and officials.

use std::time::Duration;

use bevy::prelude::*;
use gridloom_consensus::{
    ChainId, ClusterConfig, Group as Nodes, GroupConfig, KeyPair, LinearTimeouts, LinkConfig,
    ValidatorSet, default_timeouts,
};
use gridloom_ledger::{
    Admission, ClusterGenesis, ExportLimit, LedgerChain, MarketRules, RootGenesis, RootLink, Setup,
    WholesaleAgent,
};
use gridloom_model::scene::{Consensus, LedgerSpec, LoadedScene, Network, Scene};
use gridloom_units::{AccountId, MoneyNanoEur, PriceMicroEurPerKwh, SimTime, Stream, draw_u64};

use super::organisation::{Organisation, key, wholesale};
use super::{SpawnError, Spawner};
use crate::ledger::{
    LedgerGroup, LedgerNode, Ledgers, Makings, Officials, endorsers, family, keeping,
};

/// Longest pause between empty blocks, in block intervals.
const EMPTY_INTERVALS: u64 = 1;

/// Everything about the ledgers of a scene.
pub(super) struct Built {
    pub spawners: Vec<Spawner>,
    pub names: Ledgers,
    pub makings: Makings,
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
        makings: Makings {
            named: groups.iter().map(|group| group.spec.technology).collect(),
            nodes: groups.iter().map(|group| group.spec.validators).collect(),
            exchange: scene.exchange,
        },
        officials: Officials::default(),
    };
    for name in &organisation.ledger_names {
        built.officials.add(
            key(seed, "operator", "operator"),
            key(seed, "cloud", "cloud"),
            key(seed, "aggregator", name),
            key(seed, "wholesale", name),
        );
    }
    let root = groups.len() - 1;
    let mut nodes: Vec<Spawner> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let chain = if index == root {
            root_chain(group, &groups[..root], &organisation.deposits)
        } else {
            cluster_chain(loaded, organisation, &groups, index, seed)
        }
        .map_err(|reason| SpawnError::Ledger {
            ledger: built.names.names[index].clone(),
            reason,
        })?;
        let parts = group.spec.technology.parts();
        let chain = chain.keeping(keeping(&parts, &scene.exchange));
        let config = GroupConfig {
            family: family(parts.consensus),
            endorsers: endorsers(parts.execution),
            cluster: config(group.spec, index, seed),
        };
        let keys: Vec<KeyPair> = group.keys.clone();
        let validators = keys.len() as u32;
        let mut engines = Nodes::new(&config, keys, &chain, SimTime(0));
        engines.set_forge(gridloom_ledger::forge);
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

/// Bytes of a vote with its envelope.
const VOTE_BYTES: u64 = 256;
/// Bytes of a block to be ready for: readings and registrations of some dozen homes.
const BLOCK_BYTES: u64 = 24 * 1_024;

/// Timeouts of a ledger's rounds. On narrow lines a validator sends to one peer
/// after the other; who does not wait until all have heard it never decides, and
/// repetitions before that only fill the lines.
fn timeouts(spec: LedgerSpec) -> LinearTimeouts {
    let usual = default_timeouts();
    if spec.kbit_per_s == 0 {
        return usual;
    }
    let peers = u64::from(spec.validators.saturating_sub(1));
    // Bits over kbit/s are milliseconds.
    let to_all = |bytes: u64| Duration::from_millis(peers * bytes * 8 / u64::from(spec.kbit_per_s));
    let (vote, block) = (to_all(VOTE_BYTES), to_all(BLOCK_BYTES));
    let propose = usual.propose + block;
    LinearTimeouts {
        propose,
        propose_delta: usual.propose_delta + block / 4,
        prevote: usual.prevote + 2 * vote,
        prevote_delta: usual.prevote_delta + vote,
        precommit: usual.precommit + 2 * vote,
        precommit_delta: usual.precommit_delta + vote,
        rebroadcast: usual.rebroadcast + block / 2 + 4 * vote,
        max_timeout: usual.max_timeout.max(4 * propose),
    }
}

fn config(spec: LedgerSpec, index: usize, seed: u64) -> ClusterConfig {
    ClusterConfig {
        timeouts: timeouts(spec),
        min_block_interval_ms: spec.block_interval_ms,
        empty_block_interval_ms: spec.block_interval_ms * EMPTY_INTERVALS,
        links: LinkConfig {
            latency_min_us: spec.latency_ms.0 * 1_000,
            latency_max_us: spec.latency_ms.1 * 1_000,
            loss_ppm: spec.loss_permille * 1_000,
            kbit_per_s: spec.kbit_per_s,
            seed: draw_u64(seed, 0, index as u64, Stream::ConsensusLatency),
            ..LinkConfig::default()
        },
        ..ClusterConfig::default()
    }
}

/// Most energy a cluster may assign to others beyond what it got from them, Wh. The root cannot
/// know what meters recorded; it can refuse what no feeder of this size could have carried.
const EXPORT_LIMIT_WH: i64 = 1_000_000_000;

/// A cluster may send others what was deposited in it and what it received, no more.
fn root_chain(
    root: &Group,
    clusters: &[Group],
    deposits: &[MoneyNanoEur],
) -> Result<LedgerChain, String> {
    LedgerChain::root(&RootGenesis {
        chain: root.chain,
        validators: root.set.clone(),
        clusters: clusters
            .iter()
            .map(|group| (group.chain, group.set.clone()))
            .collect(),
        limits: (0..clusters.len())
            .map(|index| ExportLimit {
                money: deposits.get(index).copied().unwrap_or(0),
                wh: EXPORT_LIMIT_WH,
            })
            .collect(),
        setup: setup(root.spec),
    })
    .map_err(|error| error.to_string())
}

/// What a ledger's technology means for its rules.
fn setup(spec: LedgerSpec) -> Setup {
    let parts = spec.technology.parts();
    Setup {
        admission: match parts.network {
            Network::Public => Admission::Anyone,
            Network::Consortium | Network::Private => Admission::Listed,
        },
        any_builder: parts.consensus != Consensus::Bft,
    }
}

/// Highest price while islanded, micro-EUR/kWh: what the scene says, or the
/// dearest price from which a battery that can form discharges; where none can,
/// a value of lost load of ten times the import price.
fn island_price(scene: &Scene) -> PriceMicroEurPerKwh {
    let dearest = || {
        let forming = scene
            .shared_batteries
            .iter()
            .filter(|b| b.forming.is_some());
        forming
            .filter_map(|b| scene.preferences.get(&b.preferences))
            .map(|preferences| preferences.battery.discharge_above)
            .max()
    };
    let lost_load = || scene.market.import.saturating_mul(10);
    scene
        .market
        .island
        .or_else(dearest)
        .unwrap_or_else(lost_load)
}

fn cluster_chain(
    loaded: &LoadedScene,
    organisation: &Organisation,
    groups: &[Group],
    index: usize,
    seed: u64,
) -> Result<LedgerChain, String> {
    let group = &groups[index];
    let root = groups.last().ok_or("a scene has a root ledger")?;
    let scene = &loaded.scene;
    // Where no list has the members, the operator holds their deposits until they join.
    let listed = group.spec.technology.parts().network == Network::Consortium;
    let members = organisation.participants.iter();
    let members = members.filter(|party| party.cluster as usize == index);
    let brought: MoneyNanoEur = members.clone().map(|party| party.deposit).sum();
    let mut accounts: Vec<(AccountId, MoneyNanoEur)> = members
        .filter(|_| listed)
        .map(|party| (party.account, party.deposit))
        .collect();
    let market = &scene.market;
    let (operator, utility) = (
        key(seed, "operator", "operator").account(),
        super::utility_account(seed),
    );
    accounts.push((
        operator,
        i128::from(market.operator_deposit_eur) * 1_000_000_000 + if listed { 0 } else { brought },
    ));
    accounts.push((
        utility,
        i128::from(market.utility_deposit_eur) * 1_000_000_000,
    ));
    let name = &organisation.ledger_names[index];
    let wholesale = wholesale(loaded, index).map(|(terms, deposit)| {
        let account = key(seed, "wholesale", name).account();
        accounts.push((account, deposit));
        WholesaleAgent { account, terms }
    });
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
            wholesale,
            island: island_price(scene),
        },
        setup: setup(group.spec),
        root: Some(RootLink {
            chain: root.chain,
            validators: root.set.clone(),
            index: index as u32,
        }),
    })
    .map_err(|error| error.to_string())
}
