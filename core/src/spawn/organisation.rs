//! Who belongs where: lookups that are fixed for a run.

use std::collections::BTreeMap;

use bevy::prelude::*;
use gridloom_contract::{EmTemplate, Preferences};
use gridloom_ledger::KeyPair;
use gridloom_model::scene::LoadedScene;
use gridloom_units::{AccountId, MoneyNanoEur, Stream, draw_u64};

use crate::view::Place;

/// A party with a meter, an account and a contract.
#[derive(Clone, Debug)]
pub struct Participant {
    /// Id in the scene.
    pub name: String,
    /// Its end of messages.
    pub place: Place,
    /// What it wants.
    pub preferences: Preferences,
    /// Hash of the device, spreads reactions.
    pub spread: u16,
    /// Its ledger account.
    pub account: AccountId,
}

/// The organisation of the scene.
#[derive(Resource, Clone, Debug)]
pub struct Organisation {
    /// The contract template.
    pub template: EmTemplate,
    /// Per meter: homes in scene order, then shared batteries.
    pub participants: Vec<Participant>,
    /// Number of homes.
    pub homes: u32,
    /// Ids of the clusters.
    pub cluster_names: Vec<String>,
    /// Ids of the ledgers: clusters, then the root.
    pub ledger_names: Vec<String>,
    /// Ids of the M-LMDs.
    pub mlmd_names: Vec<String>,
    /// Per cluster: money that members, operator and utility brought in, nano-EUR.
    pub deposits: Vec<MoneyNanoEur>,
    /// Per M-LMD: homes anywhere behind it.
    pub customers_behind: Vec<u32>,
    /// Per M-LMD: meters in its own area.
    pub meters_of_mlmd: Vec<u32>,
    mlmd_clusters: Vec<u32>,
    by_account: BTreeMap<AccountId, u32>,
    mlmd_by_meter_key: BTreeMap<[u8; 32], u32>,
}

/// A key that depends on the run's seed and a name, nothing else.
#[must_use]
pub(super) fn key(seed: u64, role: &str, name: &str) -> KeyPair {
    let mut hasher = blake3::Hasher::new_derive_key("gridloom simulated participants' keys");
    hasher.update(&draw_u64(seed, 0, 0, Stream::Keys).to_le_bytes());
    hasher.update(role.as_bytes());
    hasher.update(&[0]);
    hasher.update(name.as_bytes());
    KeyPair::from_seed(*hasher.finalize().as_bytes())
}

impl Organisation {
    /// From a loaded scene.
    #[must_use]
    pub fn new(loaded: &LoadedScene, seed: u64) -> Self {
        let scene = &loaded.scene;
        let mut participants = Vec::new();
        let homes = scene.homes.iter().map(|home| (&home.id, &home.preferences));
        let batteries = scene
            .shared_batteries
            .iter()
            .map(|b| (&b.id, &b.preferences));
        let home_count = scene.homes.len();
        for (meter, (name, set)) in homes.chain(batteries).enumerate() {
            let place = match meter.checked_sub(home_count) {
                None => Place::Home(meter as u32),
                Some(battery) => Place::SharedBattery(battery as u32),
            };
            participants.push(Participant {
                name: name.clone(),
                place,
                preferences: scene.preferences.get(set).cloned().unwrap_or_default(),
                spread: draw_u64(seed, 0, meter as u64, Stream::DeviceSpread) as u16,
                account: key(seed, "account", name).account(),
            });
        }
        let mlmd_of_meter: Vec<usize> = loaded
            .refs
            .homes
            .iter()
            .map(|home| home.mlmd)
            .chain(
                loaded
                    .refs
                    .shared_batteries
                    .iter()
                    .map(|battery| battery.mlmd),
            )
            .collect();
        let mut meters_of_mlmd = vec![0; scene.mlmds.len()];
        let mut customers_behind = vec![0; scene.mlmds.len()];
        let mut mlmd_by_meter_key = BTreeMap::new();
        for (meter, &mlmd) in mlmd_of_meter.iter().enumerate() {
            meters_of_mlmd[mlmd] += 1;
            let public = key(seed, "meter", &participants[meter].name).public();
            mlmd_by_meter_key.insert(public, mlmd as u32);
            let mut above = (meter < home_count).then_some(mlmd);
            while let Some(m) = above {
                customers_behind[m] += 1;
                above = loaded.refs.mlmds[m].parent;
            }
        }
        let cluster_names: Vec<String> = scene.clusters.iter().map(|c| c.id.clone()).collect();
        let mut ledger_names = cluster_names.clone();
        ledger_names.push("root".into());
        Self {
            template: scene.contract.clone(),
            by_account: participants
                .iter()
                .enumerate()
                .map(|(meter, party)| (party.account, meter as u32))
                .collect(),
            participants,
            deposits: deposits(loaded),
            homes: home_count as u32,
            cluster_names,
            ledger_names,
            mlmd_names: scene.mlmds.iter().map(|mlmd| mlmd.id.clone()).collect(),
            customers_behind,
            meters_of_mlmd,
            mlmd_clusters: loaded
                .refs
                .mlmds
                .iter()
                .map(|mlmd| mlmd.cluster as u32)
                .collect(),
            mlmd_by_meter_key,
        }
    }

    /// Cluster of an M-LMD.
    #[must_use]
    pub fn cluster_of_mlmd(&self, mlmd: u32) -> u32 {
        self.mlmd_clusters[mlmd as usize]
    }

    /// Number of M-LMDs of a cluster.
    #[must_use]
    pub fn mlmds_of_cluster(&self, cluster: u32) -> usize {
        self.mlmd_clusters.iter().filter(|&&c| c == cluster).count()
    }

    /// Meter and place of an account's owner.
    #[must_use]
    pub fn meter_of(&self, account: &AccountId) -> Option<(u32, Place)> {
        let meter = *self.by_account.get(account)?;
        Some((meter, self.participants[meter as usize].place))
    }

    /// M-LMD in whose area the meter with this key is.
    #[must_use]
    pub fn mlmd_of_meter_key(&self, public: &[u8; 32]) -> Option<u32> {
        self.mlmd_by_meter_key.get(public).copied()
    }
}

/// Money brought into each cluster's ledger, nano-EUR.
fn deposits(loaded: &LoadedScene) -> Vec<MoneyNanoEur> {
    let scene = &loaded.scene;
    let market = &scene.market;
    let officials =
        i128::from(market.operator_deposit_eur) + i128::from(market.utility_deposit_eur);
    let mut sums = vec![officials * 1_000_000_000; scene.clusters.len()];
    let homes = scene.homes.iter().map(|home| home.deposit_eur);
    let batteries = scene
        .shared_batteries
        .iter()
        .map(|battery| battery.deposit_eur);
    let clusters = loaded.refs.homes.iter().map(|home| home.cluster);
    let clusters = clusters.chain(loaded.refs.shared_batteries.iter().map(|b| b.cluster));
    for (eur, cluster) in homes.chain(batteries).zip(clusters) {
        sums[cluster] += i128::from(eur) * 1_000_000_000;
    }
    sums
}
