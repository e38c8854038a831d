//! The ledger under real consensus over a lossy network, and its checkpoints
//! in a root ledger under consensus of its own.

use std::sync::Arc;

use gridloom_consensus::{ChainId, Cluster, ClusterConfig, LinkConfig};
use gridloom_ledger::rehearsal::{Rehearsal, four_validators};
use gridloom_ledger::{
    LedgerChain, MeterReading, Receipt, RootGenesis, StateKey, Transaction, TxBody,
};
use gridloom_units::SimTime;

struct Twin {
    keys: Rehearsal,
    group: Cluster<LedgerChain>,
    root: Cluster<LedgerChain>,
    checkpointed: u64,
}

fn config(seed: u64) -> ClusterConfig {
    ClusterConfig {
        min_block_interval_ms: 5_000,
        empty_block_interval_ms: 5_000,
        links: LinkConfig {
            loss_ppm: 30_000,
            seed,
            ..LinkConfig::default()
        },
        ..ClusterConfig::default()
    }
}

impl Twin {
    fn new(homes: u32) -> Self {
        let keys = Rehearsal::new(homes, 1).expect("a good genesis");
        let group = Cluster::new(
            &config(1),
            keys.validators.clone(),
            keys.chain(),
            SimTime::default(),
        );
        let (root_keys, set) = four_validators(8).expect("good keys");
        let (_, cluster_set) = four_validators(1).expect("good keys");
        let genesis = RootGenesis {
            setup: gridloom_ledger::Setup::default(),
            chain: ChainId::from_name("root"),
            validators: set,
            clusters: vec![(ChainId::from_name("rehearsal"), cluster_set)],
            limits: Vec::new(),
        };
        let chain = LedgerChain::root(&genesis).expect("a good genesis");
        Self {
            keys,
            group,
            root: Cluster::new(&config(2), root_keys, &chain, SimTime::default()),
            checkpointed: 0,
        }
    }

    fn chain(&self) -> &LedgerChain {
        self.group.best_chain().expect("four validators")
    }

    fn send(&mut self, signer: &gridloom_ledger::KeyPair, body: TxBody) {
        let tx = self.keys.sign(signer, body);
        self.group.submit(Arc::new(tx));
    }

    /// Runs both groups and relays every third height as a checkpoint.
    fn advance(&mut self, until_ms: u64) {
        self.group.advance(SimTime(until_ms));
        let height = self.chain().height();
        if height >= self.checkpointed + 3
            && let Some(decided) = self.chain().block(height)
        {
            self.checkpointed = height;
            self.root
                .submit(Arc::new(Transaction::unsigned(TxBody::Checkpoint {
                    cluster: 0,
                    header: decided.block.header().clone(),
                    certificate: decided.certificate.as_ref().clone(),
                    extras: Box::default(),
                })));
        }
        self.root.advance(SimTime(until_ms));
    }

    fn register(&mut self) {
        let operator = self.keys.operator.clone();
        let template = gridloom_contract::EmTemplate::default();
        self.send(&operator, TxBody::RegisterContract { template });
        self.advance(20_000);
        for (index, (home, meter)) in self.keys.homes.clone().into_iter().enumerate() {
            self.send(
                &home,
                TxBody::RegisterParticipant {
                    name: format!("H{index}"),
                    meter_key: meter.public(),
                    preferences: gridloom_contract::Preferences {
                        weights: gridloom_contract::TypeWeights {
                            solar: 2,
                            grid_mix: 1,
                            ..Default::default()
                        },
                        ..Default::default()
                    },
                    spread: 0,
                },
            );
        }
        self.advance(60_000);
    }

    fn slot(&mut self, slot: u32) {
        let end_ms = (u64::from(slot) + 1) * 900_000;
        self.advance(end_ms);
        for (index, (_, meter)) in self.keys.homes.clone().into_iter().enumerate() {
            let so_far = i64::from(slot) + 1;
            self.send(
                &meter,
                TxBody::Reading(MeterReading {
                    interval_end_ms: end_ms,
                    import_wh: so_far * 100 * index as i64,
                    export_solar_wh: so_far * 250 * i64::from(index == 0),
                    ..MeterReading::default()
                }),
            );
        }
        self.advance(end_ms + 30_000);
        let (typed, scalar) = self.chain().next_price(slot + 1).expect("a contract");
        let (cloud, aggregator) = (self.keys.cloud.clone(), self.keys.aggregator.clone());
        self.send(
            &cloud,
            TxBody::Price {
                slot: slot + 1,
                typed,
                scalar,
            },
        );
        self.send(&aggregator, TxBody::Settle { slot });
        self.advance(end_ms + 60_000);
    }
}

#[test]
fn four_validators_settle_slots_despite_loss_a_crash_and_a_traitor() {
    let mut twin = Twin::new(4);
    twin.group.set_equivocator(3, true);
    twin.register();
    twin.slot(0);
    let before = twin.group.snapshot();
    let keys = (twin.keys.validators.clone(), twin.chain().height());
    twin.group.crash(1);
    twin.group.advance(SimTime(1_100_000));
    twin.group.restart(1);
    twin.slot(1);
    let first = (twin.group.digest(), twin.chain().state_root());
    let chain = twin.chain();
    assert_eq!(chain.settled_through(), Some(1));
    assert!(chain.height() > keys.1 && twin.group.fork().is_none());
    let books = chain.audit().expect("balanced books");
    assert_eq!(books.totals.minted_wh[0], 500);
    assert_eq!(
        books.totals.retired_wh[0], 250,
        "local sun of the priced slot only"
    );
    // The traitor's two messages are on the record of the honest.
    let mut named = 0;
    for height in 1..=chain.height() {
        for receipt in chain.receipts(height).expect("decided").iter() {
            if let Receipt::EvidenceRecorded { offender, height } = receipt {
                let key = StateKey::Evidence(*offender, *height);
                assert!(chain.prove_state(key).expect("a tip").value.is_some());
                assert_eq!(*offender, keys.0[3].address());
                named += 1;
            }
        }
    }
    assert!(named > 0);
    // Every replica that is up has the same state at the same height.
    let common = (0..4)
        .filter_map(|node| twin.group.chain(node))
        .map(LedgerChain::height)
        .min();
    let ids: Vec<_> = (0..4)
        .filter_map(|node| twin.group.chain(node)?.block(common?))
        .map(|decided| decided.block.header().state_root)
        .collect();
    assert!(ids.len() == 4 && ids.windows(2).all(|pair| pair[0] == pair[1]));

    // The root recorded certified headers of the cluster.
    let root = twin.root.best_chain().expect("four validators");
    let record = root.cluster_record(0).expect("known");
    assert!(record.height > 20 && record.height <= chain.height());
    let block = chain.block(record.height).expect("decided").block;
    assert_eq!(
        (record.block, record.state_root),
        (block.header().id(), block.header().state_root)
    );

    // Back to the snapshot and on again: the same events, the same state. The
    // signers number their transactions from the ledger's point of view.
    twin.group.restore(&before);
    assert_eq!(twin.chain().settled_through(), Some(0));
    let mut again = Twin::new(4);
    again.group.set_equivocator(3, true);
    again.register();
    again.slot(0);
    again.group.restore(&before);
    again.group.crash(1);
    again.group.advance(SimTime(1_100_000));
    again.group.restart(1);
    again.slot(1);
    assert_eq!((again.group.digest(), again.chain().state_root()), first);
}
