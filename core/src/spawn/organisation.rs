//! Who belongs where: lookups that are fixed for a run.

use std::collections::BTreeMap;

use bevy::prelude::*;
use gridloom_contract::{EmTemplate, Preferences};
use gridloom_ledger::KeyPair;
use gridloom_market::wholesale::{HOURS, WholesaleTerms};
use gridloom_model::scene::{AnchorSpec, LoadedScene};
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
    /// Cluster it joins at the start.
    pub cluster: u32,
    /// Money it brings, nano-EUR.
    pub deposit: MoneyNanoEur,
}

/// The organisation of the scene.
#[derive(Resource, Clone, Debug)]
pub struct Organisation {
    /// The contract template of each cluster.
    pub templates: Vec<EmTemplate>,
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
    /// Ids of all protection devices: M-LMDs, then the others.
    pub device_names: Vec<String>,
    /// Per cluster: money that members, operator and utility brought in, nano-EUR.
    pub deposits: Vec<MoneyNanoEur>,
    /// Per M-LMD: homes anywhere behind it.
    pub customers_behind: Vec<u32>,
    /// Per M-LMD: meters in its own area.
    pub meters_of_mlmd: Vec<u32>,
    /// Per M-LMD: the next one towards the source.
    pub mlmd_parents: Vec<Option<u32>>,
    mlmd_clusters: Vec<u32>,
    by_account: BTreeMap<AccountId, u32>,
    mlmd_by_meter_key: BTreeMap<[u8; 32], u32>,
    meter_by_key: BTreeMap<[u8; 32], u32>,
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

/// The utility's account, the same on every ledger of a run.
#[must_use]
pub(crate) fn utility_account(seed: u64) -> AccountId {
    key(seed, "utility", "utility").account()
}

impl Organisation {
    /// From a loaded scene.
    #[must_use]
    pub fn new(loaded: &LoadedScene, seed: u64) -> Self {
        let scene = &loaded.scene;
        let mut participants = Vec::new();
        let homes = scene.homes.iter().zip(&loaded.refs.homes);
        let homes = homes.map(|(h, r)| (&h.id, &h.preferences, h.deposit_eur, r.cluster));
        let batteries = scene
            .shared_batteries
            .iter()
            .zip(&loaded.refs.shared_batteries);
        let batteries = batteries.map(|(b, r)| (&b.id, &b.preferences, b.deposit_eur, r.cluster));
        let home_count = scene.homes.len();
        for (meter, (name, set, eur, cluster)) in homes.chain(batteries).enumerate() {
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
                cluster: cluster as u32,
                deposit: i128::from(eur) * 1_000_000_000,
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
        let mut meter_by_key = BTreeMap::new();
        for (meter, &mlmd) in mlmd_of_meter.iter().enumerate() {
            meters_of_mlmd[mlmd] += 1;
            let public = key(seed, "meter", &participants[meter].name).public();
            mlmd_by_meter_key.insert(public, mlmd as u32);
            meter_by_key.insert(public, meter as u32);
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
            templates: scene
                .clusters
                .iter()
                .map(|cluster| cluster.contract.as_ref().unwrap_or(&scene.contract).clone())
                .collect(),
            by_account: participants
                .iter()
                .enumerate()
                .map(|(meter, party)| (party.account, meter as u32))
                .collect(),
            deposits: deposits(loaded, &participants),
            participants,
            homes: home_count as u32,
            cluster_names,
            ledger_names,
            mlmd_names: scene.mlmds.iter().map(|mlmd| mlmd.id.clone()).collect(),
            device_names: (scene.mlmds.iter().map(|mlmd| mlmd.id.clone()))
                .chain(scene.protection.devices.iter().map(|d| d.id.clone()))
                .collect(),
            customers_behind,
            meters_of_mlmd,
            mlmd_parents: (loaded.refs.mlmds.iter())
                .map(|mlmd| mlmd.parent.map(|parent| parent as u32))
                .collect(),
            mlmd_clusters: loaded
                .refs
                .mlmds
                .iter()
                .map(|mlmd| mlmd.cluster as u32)
                .collect(),
            mlmd_by_meter_key,
            meter_by_key,
        }
    }

    /// Id of a ledger; its number where there is none of that number.
    #[must_use]
    pub fn ledger_name(&self, ledger: u32) -> String {
        let known = self.ledger_names.get(ledger as usize);
        known.cloned().unwrap_or_else(|| ledger.to_string())
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

    /// Meter that signs with this key.
    #[must_use]
    pub fn meter_of_key(&self, public: &[u8; 32]) -> Option<u32> {
        self.meter_by_key.get(public).copied()
    }

    /// M-LMD in whose area the meter with this key is.
    #[must_use]
    pub fn mlmd_of_meter_key(&self, public: &[u8; 32]) -> Option<u32> {
        self.mlmd_by_meter_key.get(public).copied()
    }
}

/// Terms and deposit (nano-EUR) of a cluster's wholesale agent, if the scene has one.
pub(super) fn wholesale(
    loaded: &LoadedScene,
    cluster: usize,
) -> Option<(WholesaleTerms, MoneyNanoEur)> {
    let scene = &loaded.scene;
    let spec = scene.market.wholesale.as_ref()?;
    let id = &scene.clusters.get(cluster)?.id;
    if !(spec.clusters.is_empty() || spec.clusters.contains(id)) {
        return None;
    }
    let slot_min = i64::from(scene.market.slot_min);
    let slot_wh = |kw: f64| ((kw * 1_000.0).round() as i64 * slot_min / 60).max(1);
    let anchor = match &spec.anchor {
        AnchorSpec::Fixed(price) => [*price; HOURS],
        AnchorSpec::Hourly(prices) => {
            std::array::from_fn(|hour| prices.get(hour).copied().unwrap_or(0))
        }
    };
    let terms = WholesaleTerms {
        anchor,
        spread: spec.spread,
        block_wh: slot_wh(spec.block_kw),
        impact: spec.impact,
        margin: spec.margin,
        max_wh: slot_wh(spec.max_kw),
    };
    Some((terms, i128::from(spec.deposit_eur) * 1_000_000_000))
}

/// Money brought into each cluster's ledger, nano-EUR.
fn deposits(loaded: &LoadedScene, participants: &[Participant]) -> Vec<MoneyNanoEur> {
    let scene = &loaded.scene;
    let market = &scene.market;
    let officials =
        i128::from(market.operator_deposit_eur) + i128::from(market.utility_deposit_eur);
    let mut sums: Vec<MoneyNanoEur> = (0..scene.clusters.len())
        .map(|cluster| officials * 1_000_000_000 + wholesale(loaded, cluster).map_or(0, |(_, d)| d))
        .collect();
    for party in participants {
        sums[party.cluster as usize] += party.deposit;
    }
    sums
}
