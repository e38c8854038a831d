//! A cluster that splits and merges again while its meters go on reporting.
//!
//! All meters begin in one of two clusters. A decision of the root moves a part
//! of them, another one brings them back; readings and payments continue all
//! the time, each meter signing for the ledger that has it. At the end nothing
//! may be missing and nothing may be there twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use gridloom_consensus::{Cluster, KeyPair as ValidatorKey};
use gridloom_units::{AccountId, EnergyWh, MoneyNanoEur, SimTime};

use crate::chain::LedgerChain;
use crate::courier;
use crate::cross::{Chosen, Decision};
use crate::receipt::Receipt;
use crate::scale::{Federation, ScaleSetting};
use crate::transaction::{MeterReading, Transaction, TxBody};

const STEP_MS: u64 = 100;
/// Time for registration, ms.
const SETTLE_IN_MS: u64 = 20_000;
/// Deposit of every home, nano-EUR.
pub(crate) const DEPOSIT: MoneyNanoEur = 1_000_000_000;

/// A split and a merge.
#[derive(Clone, Copy, Debug)]
pub struct SplitSetting {
    /// Meters in all.
    pub meters: u32,
    /// Share of them that moves, per mille.
    pub share_permille: u16,
    /// Time between two readings of a meter, ms.
    pub reading_ms: u64,
    /// Least time between blocks, ms.
    pub block_ms: u64,
    /// Seed of all draws.
    pub seed: u64,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub struct SplitReport {
    /// Meters that moved over.
    pub moved: u64,
    /// Meters that came back.
    pub returned: u64,
    /// From the decision to the last arrival, ms of simulated time.
    pub split_ms: u64,
    /// The same for the merge.
    pub merge_ms: u64,
    /// Readings recorded in all.
    pub readings: u64,
    /// Readings recorded between the decision to split and the last arrival.
    pub readings_during: u64,
    /// Accounts that are in no cluster, or in two.
    pub misplaced: u64,
    /// Money that is missing or too much, nano-EUR.
    pub money_off: MoneyNanoEur,
    /// Meters whose register on record is below what they had sent a minute before the end.
    pub behind: u64,
    /// Energy on record less what the meters say, summed where it is more, Wh.
    pub doubled_wh: EnergyWh,
}

struct Life {
    federation: Federation,
    root_keys: Vec<ValidatorKey>,
    now_ms: u64,
    /// Where each home is, by account.
    home_of: BTreeMap<AccountId, u32>,
    sequence: BTreeMap<AccountId, u64>,
    moved: u64,
    readings: u64,
}

/// Runs a split and a merge under load.
///
/// # Errors
/// Says what cannot be set up, or which phase did not end.
pub fn run(setting: &SplitSetting) -> Result<SplitReport, String> {
    let scale = ScaleSetting {
        clusters: 2,
        validators: 4,
        root_validators: 4,
        meters: setting.meters,
        reading_ms: setting.reading_ms,
        block_ms: setting.block_ms,
        kbit_per_s: 0,
        propose_ms: 3_000,
        measured_ms: 0,
        seed: setting.seed,
    };
    let (federation, root_keys) = Federation::lopsided(&scale, DEPOSIT)?;
    let home_of = federation.homes(0).map(|home| (home, 0)).collect();
    let mut life = Life {
        federation,
        root_keys,
        now_ms: 0,
        home_of,
        sequence: BTreeMap::new(),
        moved: 0,
        readings: 0,
    };
    life.run_for(SETTLE_IN_MS, setting)?;
    let mut report = SplitReport::default();
    let share = Chosen::Share {
        from: 0,
        until: setting.share_permille,
    };
    let expected = life
        .home_of
        .keys()
        .filter(|account| share.includes(**account))
        .count() as u64;
    let before = life.readings;
    let (start, split) = (
        life.now_ms,
        Decision::Move {
            from: 0,
            to: 1,
            members: share,
        },
    );
    life.decide(split);
    life.until_moved(expected, setting)?;
    report.moved = life.moved;
    report.split_ms = life.now_ms - start;
    report.readings_during = life.readings - before;
    life.run_for(5_000, setting)?;
    let start = life.now_ms;
    life.moved = 0;
    life.decide(Decision::Move {
        from: 1,
        to: 0,
        members: Chosen::All,
    });
    life.until_moved(expected, setting)?;
    report.returned = life.moved;
    report.merge_ms = life.now_ms - start;
    life.run_for(3 * setting.reading_ms.max(5_000), setting)?;
    life.inspect(setting, &mut report)?;
    Ok(report)
}

impl Life {
    fn chain(&self, index: usize) -> Option<&LedgerChain> {
        self.federation.groups[index].cluster.best_chain()
    }

    fn root(&mut self) -> Option<&mut Cluster<LedgerChain>> {
        self.federation.root.as_mut()
    }

    fn decide(&mut self, decision: Decision) {
        let keys = self.root_keys.clone();
        if let Some(root) = self.root()
            && let Some(chain) = root.best_chain()
        {
            let tx = courier::decide(chain, &keys, decision);
            root.submit(Arc::new(tx));
        }
    }

    fn until_moved(&mut self, count: u64, setting: &SplitSetting) -> Result<(), String> {
        // Ten minutes for ten thousand would be far too long; then something is stuck.
        let limit = self.now_ms + 600_000;
        while self.moved < count {
            if self.now_ms > limit {
                return Err(format!("{} of {count} members arrived", self.moved));
            }
            self.run_for(STEP_MS, setting)?;
        }
        Ok(())
    }

    fn run_for(&mut self, ms: u64, setting: &SplitSetting) -> Result<(), String> {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.now_ms += STEP_MS;
            self.step(setting)?;
        }
        Ok(())
    }

    fn step(&mut self, setting: &SplitSetting) -> Result<(), String> {
        let now = SimTime(self.now_ms);
        match self.now_ms {
            200 => {
                for group in &mut self.federation.groups {
                    group.register(true);
                }
            }
            5_000 => self.federation.groups[0].register(false),
            _ => {}
        }
        if self.now_ms > 12_000 {
            self.read(setting);
        }
        for group in &mut self.federation.groups {
            group.cluster.advance(now);
        }
        if let Some(root) = self.root() {
            root.advance(now);
            let _ = root.drain_decided();
        }
        for index in 0..2 {
            let blocks = self.federation.groups[index].cluster.drain_decided();
            for block in blocks {
                let height = block.decided.certificate.height;
                let receipts = self
                    .chain(index)
                    .and_then(|chain| chain.receipts(height))
                    .ok_or("a decided block has no receipts")?;
                for receipt in receipts.iter() {
                    match receipt {
                        Receipt::MemberJoined { account, .. } => {
                            self.moved += 1;
                            self.home_of.insert(*account, index as u32);
                        }
                        Receipt::ReadingRecorded { .. } => self.readings += 1,
                        _ => {}
                    }
                }
            }
        }
        if self.now_ms.is_multiple_of(setting.block_ms.max(STEP_MS)) {
            self.relay();
        }
        Ok(())
    }

    fn relay(&mut self) {
        let mut bodies = Vec::new();
        {
            let Some(root) = self.federation.root.as_ref().and_then(Cluster::best_chain) else {
                return;
            };
            for index in 0..2_u32 {
                let Some(chain) = self.chain(index as usize) else {
                    continue;
                };
                let to_root = courier::checkpoint(index, chain, root);
                bodies.extend(to_root.map(|body| (None, body)));
                let peer = |peer: u32| self.chain(peer as usize);
                let news = courier::news(index, chain, root, peer);
                bodies.extend(news.map(|body| (Some(index as usize), body)));
            }
        }
        for (to, body) in bodies {
            let tx = Arc::new(Transaction::unsigned(body));
            match to {
                Some(index) => self.federation.groups[index].cluster.submit(tx),
                None => {
                    if let Some(root) = self.root() {
                        root.submit(tx);
                    }
                }
            }
        }
    }

    /// Each meter reports to the ledger that has it.
    fn read(&mut self, setting: &SplitSetting) {
        let count = self.federation.groups[0].meters.len() as u64;
        let chains = [
            self.federation.groups[0].chain,
            self.federation.groups[1].chain,
        ];
        let mut out = Vec::new();
        for (index, (home, meter)) in self.federation.groups[0].meters.iter().enumerate() {
            let phase = index as u64 * setting.reading_ms / count;
            let due = (self.now_ms + setting.reading_ms - phase) / setting.reading_ms;
            let before = (self.now_ms - STEP_MS + setting.reading_ms - phase) / setting.reading_ms;
            if due == before {
                continue;
            }
            let at = self.home_of.get(&home.account()).copied().unwrap_or(0) as usize;
            let body = TxBody::Reading(MeterReading {
                interval_end_ms: self.now_ms,
                import_wh: due as i64,
                ..MeterReading::default()
            });
            self.sequence.insert(home.account(), due);
            out.push((at, Transaction::sign(&chains[at], meter, due, body)));
        }
        for (at, tx) in out {
            self.federation.groups[at].cluster.submit(Arc::new(tx));
        }
    }

    fn inspect(&self, setting: &SplitSetting, report: &mut SplitReport) -> Result<(), String> {
        let chains: Vec<&LedgerChain> = (0..2).filter_map(|index| self.chain(index)).collect();
        let mut money = 0;
        for chain in &chains {
            money += chain.audit().map_err(|error| error.to_string())?.money;
        }
        let homes = &self.federation.groups[0].meters;
        report.money_off = (money - DEPOSIT * homes.len() as i128).abs();
        report.readings = self.readings;
        let grace = 60_000 / setting.reading_ms.max(1) + 1;
        for (home, meter) in homes {
            let places = chains
                .iter()
                .filter(|chain| chain.participant(home.account()).is_some())
                .count();
            report.misplaced += u64::from(places != 1);
            let sent = self.sequence.get(&home.account()).copied().unwrap_or(0);
            let recorded = chains
                .iter()
                .find_map(|chain| chain.recorded(meter.account()))
                .map_or(0, |last| last.registers.import_wh);
            report.behind += u64::from((recorded as u64) + grace < sent);
            report.doubled_wh += (recorded - sent as i64).max(0);
        }
        Ok(())
    }
}
