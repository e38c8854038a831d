//! The ledgers of one life, their customers and their relay.

use std::sync::Arc;

use gridloom_consensus::{
    ChainId, Cluster, ClusterConfig, KeyPair as ValidatorKey, LinkConfig, PeerIndex, Sabotage,
    ValidatorSet,
};
use gridloom_contract::EmTemplate;
use gridloom_units::{AccountId, MoneyNanoEur, SimTime, Stream, draw_u64};

use super::Life;
use super::checks::Checks;
use super::plan::{Event, GroupPlan, Liar, Plan, What};
use crate::chain::LedgerChain;
use crate::courier;
use crate::cross::{Chosen, Decision, Worth, seats};
use crate::genesis::{ClusterGenesis, MarketRules, RootGenesis, RootLink};
use crate::header::forge;
use crate::keys::KeyPair;
use crate::transaction::{Transaction, TxBody};

/// Customers of each cluster.
const PEOPLE: u32 = 5;
const DEPOSIT: MoneyNanoEur = 1_000_000;
/// Simulated time between two rounds of the relay, ms.
const RELAY_MS: u64 = 200;
/// Old transactions that are sent again.
const KEPT: usize = 32;

/// One group with its keys.
pub(super) struct Group {
    pub cluster: Cluster<LedgerChain>,
    keys: Vec<ValidatorKey>,
    chain: ChainId,
    liar: bool,
    standby: bool,
    calm: LinkConfig,
}

/// A customer: key, meter, next number per cluster.
struct Person {
    key: KeyPair,
    nonces: [u64; 2],
}

/// Everything of one life.
pub(super) struct World {
    seed: u64,
    pub groups: Vec<Group>,
    people: Vec<Person>,
    operators: Vec<(KeyPair, u64)>,
    now_ms: u64,
    draws: u64,
    pace: u64,
    trading: bool,
    sent: Vec<(usize, Arc<Transaction>)>,
    pub checks: Checks,
    version: u32,
}

fn named(seed: u64, role: u64, index: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (part, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        let word = draw_u64(seed, role * 1_000 + index, part as u64, Stream::Keys);
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn chain_name(index: usize, alone: bool) -> ChainId {
    match (alone, index) {
        (false, 2) => ChainId::from_name("root"),
        (_, index) => ChainId::from_name(&format!("cluster-{index}")),
    }
}

impl World {
    pub(super) fn new(plan: &Plan, sabotage: Sabotage) -> Result<Self, String> {
        let alone = plan.groups.len() == 1;
        let keys: Vec<Vec<ValidatorKey>> = plan
            .groups
            .iter()
            .enumerate()
            .map(|(index, group)| {
                let count = u64::from(group.validators) + u64::from(group.standby);
                (0..count)
                    .map(|i| ValidatorKey::from_seed(named(index as u64, 1, i)))
                    .collect()
            })
            .collect();
        let mut sets = Vec::new();
        for (group, keys) in plan.groups.iter().zip(&keys) {
            let members = keys.iter().take(usize::from(group.validators));
            let set = ValidatorSet::new(members.map(|key| (key.public(), 1)));
            sets.push(set.map_err(|error| error.to_string())?);
        }
        let people: Vec<Person> = (0..PEOPLE * 2)
            .map(|i| Person {
                key: KeyPair::from_seed(named(0, 2, u64::from(i))),
                nonces: [0; 2],
            })
            .collect();
        let operators: Vec<(KeyPair, u64)> = (0..2)
            .map(|i| (KeyPair::from_seed(named(0, 3, i)), 0))
            .collect();
        let mut groups = Vec::new();
        for (index, group) in plan.groups.iter().enumerate() {
            let chain = if !alone && index == 2 {
                root_chain(&sets)?
            } else {
                let operator = operators[index].0.account();
                cluster_chain(index, alone, &sets, operator, &people)?
            };
            let cluster = Cluster::new(
                &config(group, sabotage),
                keys[index].clone(),
                &chain,
                SimTime(0),
            );
            groups.push(start(
                group,
                cluster,
                keys[index].clone(),
                chain_name(index, alone),
            ));
        }
        let mut world = Self {
            seed: plan.seed,
            checks: Checks::new(groups.len()),
            groups,
            people,
            operators,
            now_ms: 0,
            draws: 0,
            pace: plan.pace,
            trading: true,
            sent: Vec::new(),
            version: 1,
        };
        world.checks.deposited = world.wealth()?;
        world.register();
        Ok(world)
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.draws += 1;
        draw_u64(self.seed, self.draws, 73, Stream::Behaviour) % below
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn clusters(&self) -> usize {
        if self.groups.len() == 1 { 1 } else { 2 }
    }

    pub(super) fn chain(&self, group: usize) -> Option<&LedgerChain> {
        self.groups[group].cluster.best_chain()
    }

    /// Contract and customers of every cluster (paper steps a and b).
    fn register(&mut self) {
        for cluster in 0..self.clusters() {
            let body = TxBody::RegisterContract {
                template: EmTemplate {
                    version: 1,
                    ..EmTemplate::default()
                },
            };
            let chain = self.groups[cluster].chain;
            let (key, nonce) = &mut self.operators[cluster];
            let tx = Transaction::sign(&chain, key, *nonce, body);
            *nonce += 1;
            self.submit(cluster, tx);
        }
    }

    fn enrol(&mut self) {
        for person in 0..self.people.len() {
            let cluster = person / PEOPLE as usize;
            if cluster >= self.clusters() {
                continue;
            }
            let body = TxBody::RegisterParticipant {
                name: format!("P{person}"),
                meter_key: KeyPair::from_seed(named(0, 4, person as u64)).public(),
                preferences: crate::rehearsal::any_energy(),
                spread: 0,
            };
            self.sign_and_submit(person, cluster, body);
        }
    }

    fn sign_and_submit(&mut self, person: usize, cluster: usize, body: TxBody) {
        let chain = self.groups[cluster].chain;
        let who = &mut self.people[person];
        let tx = Transaction::sign(&chain, &who.key, who.nonces[cluster], body);
        who.nonces[cluster] += 1;
        self.submit(cluster, tx);
    }

    fn submit(&mut self, group: usize, tx: Transaction) {
        let tx = Arc::new(tx);
        if !tx.proves_itself() {
            if self.sent.len() >= KEPT {
                let place = self.draw(KEPT as u64) as usize;
                self.sent.swap_remove(place);
            }
            self.sent.push((group, Arc::clone(&tx)));
        }
        self.groups[group].cluster.submit(tx);
    }

    /// One payment of somebody to somebody, perhaps in the other cluster; or an old one again.
    fn pay(&mut self) {
        let count = self.clusters() as u64 * u64::from(PEOPLE);
        let (payer, payee) = (self.draw(count) as usize, self.draw(count) as usize);
        let amount = MoneyNanoEur::from(1 + self.draw(2_000));
        if self.draw(8) == 0 && !self.sent.is_empty() {
            let place = self.draw(self.sent.len() as u64) as usize;
            let (group, tx) = self.sent[place].clone();
            self.groups[group].cluster.submit(tx);
            return;
        }
        let (here, there) = (payer / PEOPLE as usize, payee / PEOPLE as usize);
        let to = self.people[payee].key.account();
        let seen = self.chain(here).and_then(LedgerChain::root_seen);
        let height = seen.map_or(0, |seen| seen.height);
        let body = if here == there {
            TxBody::Transfer { to, amount }
        } else {
            TxBody::Export {
                dst: there as u32,
                // Sometimes to nobody, so that it comes back.
                to: if self.draw(6) == 0 {
                    AccountId([9; 32])
                } else {
                    to
                },
                amount,
                deadline_root_height: height + 1 + self.draw(30),
            }
        };
        self.sign_and_submit(payer, here, body);
    }

    pub(super) fn step(&mut self, by_ms: u64) -> Result<(), String> {
        let before = self.now_ms;
        self.now_ms += by_ms;
        let now = SimTime(self.now_ms);
        if before < 250 && self.now_ms >= 250 {
            self.enrol();
        }
        for group in &mut self.groups {
            group.cluster.advance(now);
        }
        if self.trading && self.now_ms > 300 {
            let due = self.pace * self.clusters() as u64 * by_ms;
            let count = due / 1_000 + u64::from(self.draw(1_000) < due % 1_000);
            for _ in 0..count {
                self.pay();
            }
        }
        if self.groups.len() == 3 && before / RELAY_MS != self.now_ms / RELAY_MS {
            self.relay();
        }
        self.observe()
    }

    /// Anybody may carry; whoever does here carries everything it can, again and again.
    fn relay(&mut self) {
        let mut carried = Vec::new();
        let Some(root) = self.chain(2) else { return };
        for index in 0..2 {
            let Some(chain) = self.chain(index) else {
                continue;
            };
            carried.extend(courier::checkpoint(index as u32, chain, root).map(|body| (2, body)));
            let peer = |peer: u32| self.chain(peer as usize);
            carried
                .extend(courier::news(index as u32, chain, root, peer).map(|body| (index, body)));
        }
        for (group, body) in carried {
            self.submit(group, Transaction::unsigned(body));
        }
    }

    pub(super) fn inflict(&mut self, event: &Event) {
        let group = &mut self.groups[event.group];
        let n = group.keys.len() as PeerIndex;
        match event.what {
            What::Crash { node, survives } => group.cluster.crash_torn(node, survives),
            What::Restart(node) => group.cluster.restart(node),
            What::LoseLog(node) => group.cluster.lose_log(node),
            What::Cut(border) => {
                let sides = [(0..border).collect(), (border..n).collect::<Vec<_>>()];
                group.cluster.partition(&sides);
            }
            What::Isolate(node) => {
                let others: Vec<PeerIndex> = (0..n).filter(|other| *other != node).collect();
                group.cluster.partition(&[others]);
            }
            What::Heal => group.cluster.heal(),
            What::ChangeValidators => self.change_validators(event.group),
            What::Move {
                from,
                until_permille,
            } => self.decide(Decision::Move {
                from,
                to: 1 - from,
                members: Chosen::Share {
                    from: 0,
                    until: until_permille,
                },
            }),
            What::Contract => {
                self.version += 1;
                self.decide(Decision::Contract {
                    template: EmTemplate {
                        version: self.version,
                        ..EmTemplate::default()
                    },
                    from_ms: 60_000 * (1 + self.now_ms / 60_000),
                });
            }
        }
    }

    fn decide(&mut self, decision: Decision) {
        let group = &self.groups[2];
        let Some(root) = group.cluster.best_chain() else {
            return;
        };
        let tx = courier::decide(root, &group.keys, decision);
        self.submit(2, tx);
    }

    /// The standby validator replaces the first one.
    fn change_validators(&mut self, index: usize) {
        let group = &self.groups[index];
        if !group.standby {
            return;
        }
        let members = group.keys.iter().skip(1).map(|key| (key.public(), 1));
        let Ok(set) = ValidatorSet::new(members) else {
            return;
        };
        let body = TxBody::SetValidators { seats: seats(&set) };
        let chain = group.chain;
        let (key, nonce) = &mut self.operators[index];
        let tx = Transaction::sign(&chain, key, *nonce, body);
        *nonce += 1;
        self.submit(index, tx);
    }

    /// Ends every fault but the lies of those that lie.
    pub(super) fn heal(&mut self) {
        self.trading = false;
        for group in &mut self.groups {
            group.cluster.heal();
            group.cluster.set_links(group.calm);
            for node in 0..group.keys.len() as PeerIndex {
                group.cluster.restart(node);
            }
        }
    }

    /// Validators whose progress counts: all but the liar and those outside of the set.
    fn honest(&self, group: &Group) -> Vec<u64> {
        let last = group.keys.len() - 1;
        group
            .cluster
            .statuses()
            .iter()
            .enumerate()
            .filter(|(index, status)| status.member && !(group.liar && *index == last))
            .map(|(_, status)| status.tip)
            .collect()
    }

    pub(super) fn heights(&self) -> Vec<u64> {
        self.groups.iter().map(|g| g.cluster.height()).collect()
    }

    /// Whether every honest validator is beyond these heights.
    pub(super) fn reached(&self, targets: &[u64]) -> bool {
        self.groups
            .iter()
            .zip(targets)
            .all(|(group, target)| self.honest(group).iter().all(|tip| tip > target))
    }

    pub(super) fn positions(&self) -> String {
        let of = |group: &Group| {
            let parts = group.cluster.statuses();
            let parts: Vec<String> = parts
                .iter()
                .map(|s| format!("{}:{}/{}{:?}", s.index, s.tip, s.round, s.step))
                .collect();
            format!("[{}]", parts.join(" "))
        };
        self.groups.iter().map(of).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn life(&self) -> Life {
        Life {
            heights: self.groups.iter().map(|g| g.cluster.height()).sum(),
            events: self.groups.iter().map(|g| g.cluster.events()).sum(),
            simulated_ms: self.now_ms,
            evidence: self.groups.iter().map(|g| g.cluster.evidence()).sum(),
            ..self.checks.life()
        }
    }

    /// Money and energy of all clusters and under way between them.
    pub(super) fn wealth(&self) -> Result<Worth, String> {
        let mut sum = Worth::default();
        for index in 0..self.clusters() {
            let chain = self.chain(index).ok_or("no chain")?;
            let report = chain.audit().map_err(|error| error.to_string())?;
            sum.money += report.money;
        }
        if self.clusters() == 2 {
            for (src, dst) in [(0, 1), (1, 0)] {
                let under_way = self.under_way(src, dst)?;
                sum.money += under_way.money;
                sum.wh += under_way.wh;
            }
        }
        Ok(sum)
    }

    /// Worth of the parcels that neither side has at the moment.
    fn under_way(&self, src: u32, dst: u32) -> Result<Worth, String> {
        let (source, destination) = self
            .chain(src as usize)
            .zip(self.chain(dst as usize))
            .ok_or("no chain")?;
        let flow = source.flows().map(|f| f.with(dst)).unwrap_or_default();
        let theirs = destination.flows().map(|f| f.with(src)).unwrap_or_default();
        if theirs.next > flow.sent || flow.acked > theirs.next {
            return Err(format!(
                "cursor of {src} to {dst} out of order: sent {}, imported {}, acknowledged {}",
                flow.sent, theirs.next, flow.acked
            ));
        }
        let mut sum = Worth::default();
        for seq in flow.acked..flow.sent {
            let taken = seq < theirs.next && destination.outcome(src, seq) == Some(true);
            if !taken {
                let parcel = source.parcel(dst, seq).ok_or("a parcel is missing")?;
                sum = sum
                    .checked_add(parcel.cargo.worth())
                    .ok_or("worth overflows")?;
            }
        }
        Ok(sum)
    }

    fn observe(&mut self) -> Result<(), String> {
        let mut fresh = false;
        for index in 0..self.groups.len() {
            let group = &mut self.groups[index];
            let blocks = group.cluster.drain_decided();
            fresh |= !blocks.is_empty();
            if let Some(fork) = group.cluster.fork() {
                return Err(format!("group {index}: {fork:?}"));
            }
            if let Some(address) = group.cluster.double_signed() {
                return Err(format!(
                    "group {index}: honest validator {address} signed twice"
                ));
            }
            for status in group.cluster.statuses() {
                if let Some(reason) = status.stopped {
                    let who = status.index;
                    return Err(format!("group {index}: validator {who} stopped: {reason}"));
                }
            }
            let Some(chain) = self.groups[index].cluster.best_chain() else {
                continue;
            };
            for block in &blocks {
                self.checks.block(index, chain, &block.decided.block)?;
            }
        }
        if fresh {
            let now = self.wealth()?;
            let then = self.checks.deposited;
            if now != then {
                return Err(format!("{then:?} were deposited, {now:?} are there"));
            }
        }
        Ok(())
    }

    /// Whether nothing is under way between clusters and no honest mempool waits.
    pub(super) fn is_settled(&self) -> bool {
        self.unsettled().is_empty()
    }

    pub(super) fn unsettled(&self) -> String {
        if self.clusters() == 1 {
            return String::new();
        }
        let mut open = Vec::new();
        for (src, dst) in [(0_u32, 1_u32), (1, 0)] {
            let flow = self
                .chain(src as usize)
                .and_then(LedgerChain::flows)
                .map(|flows| flows.with(dst))
                .unwrap_or_default();
            if flow.acked < flow.sent {
                open.push(format!("{src} to {dst}: {} of {}", flow.acked, flow.sent));
            }
        }
        open.join(", ")
    }

    pub(super) fn final_checks(&self) -> Result<(), String> {
        self.checks.finish()
    }
}

fn start(
    plan: &GroupPlan,
    mut cluster: Cluster<LedgerChain>,
    keys: Vec<ValidatorKey>,
    chain: ChainId,
) -> Group {
    let last = PeerIndex::from(plan.validators) - 1;
    cluster.set_forge(forge);
    match plan.liar {
        Liar::None => {}
        Liar::DoubleVotes => cluster.set_equivocator(last, true),
        Liar::Conduct(conduct) => cluster.set_misconduct(last, Some(conduct)),
    }
    if plan.forger {
        cluster.set_forger(last, true);
    }
    Group {
        calm: LinkConfig {
            loss_ppm: 0,
            duplicate_ppm: 0,
            ..plan.links
        },
        liar: plan.liar != Liar::None,
        standby: plan.standby,
        cluster,
        keys,
        chain,
    }
}

fn config(plan: &GroupPlan, sabotage: Sabotage) -> ClusterConfig {
    ClusterConfig {
        min_block_interval_ms: plan.interval_ms,
        empty_block_interval_ms: plan.interval_ms * 2,
        links: plan.links,
        sabotage,
        ..ClusterConfig::default()
    }
}

fn root_chain(sets: &[ValidatorSet]) -> Result<LedgerChain, String> {
    let limit = Worth {
        money: DEPOSIT * i128::from(PEOPLE),
        wh: 0,
    };
    LedgerChain::root(&RootGenesis {
        setup: crate::Setup::default(),
        chain: chain_name(2, false),
        validators: sets[2].clone(),
        clusters: (0..2)
            .map(|index| (chain_name(index, false), sets[index].clone()))
            .collect(),
        limits: vec![limit; 2],
    })
    .map_err(|error| error.to_string())
}

fn cluster_chain(
    index: usize,
    alone: bool,
    sets: &[ValidatorSet],
    operator: AccountId,
    people: &[Person],
) -> Result<LedgerChain, String> {
    let role = |role| KeyPair::from_seed(named(0, role, index as u64)).account();
    let own = people
        .iter()
        .skip(index * PEOPLE as usize)
        .take(PEOPLE as usize);
    LedgerChain::cluster(&ClusterGenesis {
        setup: crate::Setup::default(),
        chain: chain_name(index, alone),
        validators: sets[index].clone(),
        operator,
        utility: role(5),
        cloud: role(6),
        aggregator: role(7),
        accounts: own.map(|person| (person.key.account(), DEPOSIT)).collect(),
        market: MarketRules {
            slot_ms: 60_000,
            reading_ms: 60_000,
            feed_in: 80_000,
            import: 300_000,
            max_step: 0,
            wholesale: None,
            island: 320_000,
        },
        root: (!alone).then(|| RootLink {
            chain: chain_name(2, false),
            validators: sets[2].clone(),
            index: index as u32,
        }),
    })
    .map_err(|error| error.to_string())
}
