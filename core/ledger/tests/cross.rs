//! Clusters deal with each other through the root: exactly once, in order,
//! within limits, and with one contract version at a time.

use std::sync::Arc;

use gridloom_consensus::{
    Block as _, BuildAt, Certificate, Chain, ChainId, Decided, KeyPair as ValidatorKey, preimage,
};
use gridloom_contract::EmTemplate;
use gridloom_ledger::rehearsal::{any_energy, four_validators};
use gridloom_ledger::{
    Chosen, ClusterGenesis, Decision, DecisionStatus, Inadmissible, KeyPair, LedgerChain, LotTerms,
    MarketRules, MeterReading, Receipt, RootGenesis, RootLink, Transaction, TxBody, WholesaleAgent,
    Worth, courier,
};

use gridloom_market::wholesale::{HOURS, WholesaleTerms};

const DEPOSIT: i128 = 1_000;

/// Two clusters (0 and 1) and the root (2), one replica each, with good certificates.
struct Net {
    chains: Vec<LedgerChain>,
    keys: Vec<Vec<ValidatorKey>>,
    people: Vec<KeyPair>,
    operators: Vec<KeyPair>,
    nonces: Vec<u64>,
    now_ms: u64,
}

fn name(index: usize) -> ChainId {
    ChainId::from_name(["A", "B", "root"][index])
}

/// Key of a service of a cluster: 1 utility, 2 cloud, 3 LG-Aggregator.
fn service(index: usize, role: u8) -> KeyPair {
    KeyPair::from_seed([90 + role + 10 * index as u8; 32])
}

/// Key of a person's meter.
fn meter(person: usize) -> KeyPair {
    KeyPair::from_seed([120 + person as u8; 32])
}

impl Net {
    fn new(limit: i128) -> Self {
        Self::with(limit, DEPOSIT, 0)
    }

    /// With a deposit of each person, and one of operator and utility.
    fn with(limit: i128, deposit: i128, services: i128) -> Self {
        let sets: Vec<_> = (0..3)
            .map(|i| four_validators(20 + i).expect("good keys"))
            .collect();
        let people: Vec<KeyPair> = (0..4).map(|i| KeyPair::from_seed([60 + i; 32])).collect();
        let operators: Vec<KeyPair> = (0..2).map(|i| KeyPair::from_seed([80 + i; 32])).collect();
        let cluster = |index: usize| {
            let role = |r: u8| service(index, r).account();
            let genesis = ClusterGenesis {
                setup: gridloom_ledger::Setup::default(),
                chain: name(index),
                validators: sets[index].1.clone(),
                operator: operators[index].account(),
                utility: role(1),
                cloud: role(2),
                aggregator: role(3),
                accounts: people[2 * index..][..2]
                    .iter()
                    .map(|key| (key.account(), deposit))
                    .chain([(operators[index].account(), services), (role(1), services)])
                    .collect(),
                market: MarketRules {
                    slot_ms: 60_000,
                    reading_ms: 60_000,
                    feed_in: 80_000,
                    import: 300_000,
                    max_step: 0,
                    wholesale: None,
                    island: 320_000,
                },
                root: Some(RootLink {
                    chain: name(2),
                    validators: sets[2].1.clone(),
                    index: index as u32,
                }),
            };
            LedgerChain::cluster(&genesis).expect("a good genesis")
        };
        let root = LedgerChain::root(&RootGenesis {
            setup: gridloom_ledger::Setup::default(),
            chain: name(2),
            validators: sets[2].1.clone(),
            clusters: (0..2).map(|i| (name(i), sets[i].1.clone())).collect(),
            limits: vec![
                Worth {
                    money: limit,
                    wh: 1_000
                };
                2
            ],
        })
        .expect("a good genesis");
        Self {
            chains: vec![cluster(0), cluster(1), root],
            keys: sets.into_iter().map(|(keys, _)| keys).collect(),
            people,
            operators,
            nonces: vec![0; 8],
            now_ms: 1_000,
        }
    }

    /// Decides a block of everything that waits; returns what it did.
    fn step(&mut self, index: usize) -> Vec<Receipt> {
        self.now_ms += 1_000;
        let chain = &mut self.chains[index];
        let height = chain.height() + 1;
        let block = chain.build(BuildAt {
            height,
            round: 0,
            proposer: chain.validators().proposer(height, 0).address,
            now_ms: self.now_ms,
        });
        chain.check(&block, self.now_ms).expect("a good block");
        let mut signatures: Vec<_> = self.keys[index][..3]
            .iter()
            .map(|key| {
                let bytes =
                    preimage::precommit(&name(index), height, 0, block.id(), &key.address());
                (key.address(), key.sign(&bytes))
            })
            .collect();
        signatures.sort_by_key(|(address, _)| *address);
        let certificate = Certificate {
            height,
            round: 0,
            block: block.id(),
            signatures,
        };
        chain
            .apply(Decided {
                block,
                certificate: Arc::new(certificate),
            })
            .expect("a good block");
        chain.receipts(height).expect("applied").as_ref().clone()
    }

    fn give(&mut self, index: usize, body: TxBody) -> bool {
        self.chains[index].submit(Arc::new(Transaction::unsigned(body)))
    }

    fn checkpoint(&mut self, index: usize) -> Vec<Receipt> {
        let body = courier::checkpoint(index as u32, &self.chains[index], &self.chains[2]);
        assert!(self.give(2, body.expect("something new")));
        self.step(2)
    }

    fn news(&self, index: usize) -> Option<TxBody> {
        let peer = |peer: u32| Some(&self.chains[peer as usize]);
        courier::news(index as u32, &self.chains[index], &self.chains[2], peer)
    }

    fn follow(&mut self, index: usize) -> Vec<Receipt> {
        let body = self.news(index).expect("something new");
        assert!(
            self.give(index, body),
            "{:?}",
            self.chains[index].refusals()
        );
        self.step(index)
    }

    fn send(&mut self, person: usize, to: usize, amount: i128, deadline: u64) -> Vec<Receipt> {
        let home = person / 2;
        let to = self.people[to].account();
        let body = TxBody::Export {
            dst: 1 - home as u32,
            to,
            amount,
            deadline_root_height: deadline,
        };
        let tx = Transaction::sign(&name(home), &self.people[person], self.nonces[person], body);
        self.nonces[person] += 1;
        assert!(self.chains[home].submit(Arc::new(tx)));
        self.step(home)
    }

    fn money(&self, person: usize) -> Vec<i128> {
        let account = self.people[person].account();
        let of = |chain: &LedgerChain| chain.wallet(account).map(|wallet| wallet.money);
        self.chains[..2].iter().filter_map(of).collect()
    }

    fn decide(&mut self, decision: Decision) -> Vec<Receipt> {
        let tx = courier::decide(&self.chains[2], &self.keys[2], decision);
        assert!(self.chains[2].submit(Arc::new(tx)));
        self.step(2)
    }
}

#[test]
fn a_payment_arrives_once_and_the_sender_learns_it() {
    let mut net = Net::new(DEPOSIT);
    net.step(1);
    net.send(0, 2, 300, 100);
    assert_eq!(net.money(0), [700]);
    net.checkpoint(0);
    let news = net.news(1).expect("a parcel");
    let arrived = net.follow(1);
    assert!(arrived.iter().any(
        |r| matches!(r, Receipt::Imported { seq: 0, refused: None, worth, .. } if worth.money == 300)
    ));
    assert_eq!(net.money(2), [1_300]);
    // The same news again is refused, however often it is carried.
    assert!(!net.give(1, news));
    net.checkpoint(1);
    let learnt = net.follow(0);
    assert!(learnt.contains(&Receipt::Acknowledged {
        dst: 1,
        seq: 0,
        accepted: true
    }));
    for chain in &net.chains[..2] {
        chain.audit().expect("balanced books");
    }
}

#[test]
fn late_and_homeless_payments_come_back() {
    let mut net = Net::new(DEPOSIT);
    net.step(1);
    net.send(0, 2, 300, 1);
    net.send(0, 1, 200, 100); // no such account in B
    net.checkpoint(0);
    // A further root block passes the deadline of the first.
    net.step(2);
    let arrived = net.follow(1);
    let refused = arrived.iter().filter(|r| {
        matches!(
            r,
            Receipt::Imported {
                refused: Some(_),
                ..
            }
        )
    });
    assert_eq!(refused.count(), 2);
    assert_eq!(net.money(0), [500]);
    net.checkpoint(1);
    net.follow(0);
    assert_eq!(net.money(0), [1_000]);
}

#[test]
fn news_that_leave_out_or_change_a_parcel_are_refused() {
    let mut net = Net::new(DEPOSIT);
    net.step(1);
    net.send(0, 2, 300, 100);
    net.send(0, 3, 100, 100);
    net.checkpoint(0);
    let Some(TxBody::FollowRoot(news)) = net.news(1) else {
        panic!("no news");
    };
    let mut short = news.clone();
    short.parcels.pop();
    assert!(!net.give(1, TxBody::FollowRoot(short)));
    let mut late = news.clone();
    late.parcels.remove(0);
    assert!(!net.give(1, TxBody::FollowRoot(late)));
    let mut more = news.clone();
    if let gridloom_ledger::Cargo::Money { amount, .. } = &mut more.parcels[0].0.cargo {
        *amount += 1;
    }
    assert!(!net.give(1, TxBody::FollowRoot(more)));
    let mut weak = news.clone();
    weak.certificate.signatures.pop();
    assert!(!net.give(1, TxBody::FollowRoot(weak)));
    let reasons = net.chains[1].refusals();
    assert!(
        reasons
            .iter()
            .all(|refusal| matches!(refusal.reason, Inadmissible::News(_)))
    );
    assert!(net.give(1, TxBody::FollowRoot(news)));
}

#[test]
fn a_cluster_cannot_send_more_than_its_limit() {
    let mut net = Net::new(250);
    net.step(1);
    net.send(0, 2, 300, 100);
    let receipts = net.checkpoint(0);
    assert!(
        matches!(&receipts[..], [Receipt::Refused { reason, .. }] if reason.contains("limit")),
        "{receipts:?}"
    );
    assert_eq!(net.chains[2].cluster_record(0).map(|r| r.height), Some(0));
    // What others send widens it; a decision of the root does so too.
    let limit = Worth { money: 300, wh: 0 };
    net.decide(Decision::Limit { cluster: 0, limit });
    net.step(0);
    let receipts = net.checkpoint(0);
    assert!(matches!(
        receipts[..],
        [Receipt::CheckpointAccepted { cluster: 0, .. }]
    ));
}

#[test]
fn what_a_dead_cluster_did_not_import_is_given_back() {
    let mut net = Net::new(DEPOSIT);
    net.step(1);
    net.checkpoint(1);
    net.send(0, 2, 300, 100);
    net.checkpoint(0);
    net.decide(Decision::DeclareDead { cluster: 1 });
    let learnt = net.follow(0);
    assert!(
        learnt.contains(&Receipt::Acknowledged {
            dst: 1,
            seq: 0,
            accepted: false
        }),
        "{learnt:?}"
    );
    assert_eq!(net.money(0), [1_000]);
    net.step(0);
    net.checkpoint(0);
}

#[test]
fn a_decision_needs_two_thirds_of_the_root() {
    let mut net = Net::new(DEPOSIT);
    let decision = Decision::DeclareDead { cluster: 0 };
    let few = courier::decide(&net.chains[2], &net.keys[2][..2], decision.clone());
    assert!(!net.chains[2].submit(Arc::new(few)));
    let strangers = courier::decide(&net.chains[2], &net.keys[0], decision.clone());
    assert!(!net.chains[2].submit(Arc::new(strangers)));
    let enough = courier::decide(&net.chains[2], &net.keys[2][..3], decision);
    assert!(net.chains[2].submit(Arc::new(enough)));
}

fn register(net: &mut Net) {
    for index in 0..2 {
        let body = TxBody::RegisterContract {
            template: EmTemplate {
                version: 1,
                ..EmTemplate::default()
            },
        };
        let tx = Transaction::sign(&name(index), &net.operators[index], 0, body);
        assert!(net.chains[index].submit(Arc::new(tx)));
        net.step(index);
    }
}

fn contract(from_ms: u64) -> Decision {
    Decision::Contract {
        template: EmTemplate {
            version: 2,
            ..EmTemplate::default()
        },
        from_ms,
    }
}

fn status(net: &Net) -> Option<DecisionStatus> {
    net.chains[2].decision(0).map(|record| record.status)
}

#[test]
fn a_contract_version_begins_everywhere_or_nowhere() {
    let mut net = Net::new(DEPOSIT);
    register(&mut net);
    net.decide(contract(60_000));
    net.follow(0);
    net.checkpoint(0);
    assert_eq!(status(&net), Some(DecisionStatus::Prepared));
    // A prepared cluster prices the slots before, and not yet the ones after.
    assert_eq!(net.chains[0].preview_price(0).map(|p| p.version), Some(1));
    assert_eq!(net.chains[0].preview_price(1), None);
    net.follow(1);
    net.checkpoint(1);
    assert_eq!(status(&net), Some(DecisionStatus::Confirmed));
    net.follow(0);
    net.follow(1);
    for chain in &net.chains[..2] {
        assert_eq!(chain.preview_price(0).map(|p| p.version), Some(1));
        assert_eq!(chain.preview_price(1).map(|p| p.version), Some(2));
    }
}

#[test]
fn a_version_that_one_cluster_has_not_heard_of_begins_nowhere() {
    let mut net = Net::new(DEPOSIT);
    register(&mut net);
    net.decide(contract(60_000));
    net.follow(0);
    // B hears nothing until the first slot under the version has begun.
    net.now_ms = 61_000;
    net.checkpoint(0);
    assert_eq!(status(&net), Some(DecisionStatus::Abandoned));
    net.follow(0);
    net.follow(1);
    for chain in &net.chains[..2] {
        assert_eq!(chain.preview_price(1).map(|p| p.version), Some(1));
    }
}

#[test]
fn moving_nobody_changes_nothing() {
    let mut net = Net::new(DEPOSIT);
    register(&mut net);
    net.decide(Decision::Move {
        from: 0,
        to: 1,
        members: Chosen::All,
    });
    net.follow(0);
    assert_eq!((net.money(0), net.money(1)), (vec![1_000], vec![1_000]));
}

const EURO: i128 = 1_000_000_000;

/// Two clusters that have settled a slot: person 0 of A gave 500 Wh, person 2
/// of B took 400 Wh, each from and to its utility.
fn settled() -> Net {
    let mut net = Net::with(DEPOSIT, EURO, 100 * EURO);
    register(&mut net);
    for (index, person) in [(0, 0), (1, 2)] {
        let body = TxBody::RegisterParticipant {
            name: format!("P{person}"),
            meter_key: meter(person).public(),
            preferences: any_energy(),
            spread: 0,
        };
        let tx = Transaction::sign(&name(index), &net.people[person], 0, body);
        assert!(net.chains[index].submit(Arc::new(tx)));
        net.step(index);
    }
    net.now_ms = 61_000;
    for (index, person, import_wh, export_solar_wh) in [(0, 0, 0, 500), (1, 2, 400, 0)] {
        let body = TxBody::Reading(MeterReading {
            interval_end_ms: 60_000,
            import_wh,
            export_solar_wh,
            ..MeterReading::default()
        });
        let reading = Transaction::sign(&name(index), &meter(person), 0, body);
        assert!(net.chains[index].submit(Arc::new(reading)));
        net.step(index);
        let body = TxBody::Settle { slot: 0 };
        let settle = Transaction::sign(&name(index), &service(index, 3), 0, body);
        assert!(net.chains[index].submit(Arc::new(settle)));
        let receipts = net.step(index);
        assert!(
            receipts.iter().any(|r| matches!(r, Receipt::Settled(_))),
            "{receipts:?}"
        );
    }
    net
}

/// The aggregator of A sells surplus of person 0 to person 2 of B.
fn sell(net: &mut Net, nonce: u64, wh: i64, seller: i64, buyer: i64) -> Vec<Receipt> {
    let body = TxBody::ExportLot {
        dst: 1,
        to: net.people[2].account(),
        slot: 0,
        plant: net.people[0].account(),
        kind: gridloom_units::EnergyType::Solar,
        wh,
        terms: Some(LotTerms { seller, buyer }),
        deadline_root_height: 100,
    };
    let tx = Transaction::sign(&name(0), &service(0, 3), nonce, body);
    assert!(net.chains[0].submit(Arc::new(tx)));
    net.step(0)
}

fn balanced(net: &Net) {
    for chain in &net.chains[..2] {
        chain.audit().expect("balanced books");
    }
}

#[test]
fn surplus_is_sold_to_the_next_cluster_and_both_are_better_off() {
    let mut net = settled();
    // 500 Wh at 8 ct, 400 Wh at 30 ct.
    assert_eq!(net.money(0), [EURO + 500 * 80_000]);
    assert_eq!(net.money(2), [EURO - 400 * 300_000]);
    // The next transaction of A's aggregator has number 1.
    sell(&mut net, 1, 300, 150_000, 170_000);
    net.checkpoint(0);
    let arrived = net.follow(1);
    let paid_back = arrived.iter().find_map(|receipt| match receipt {
        Receipt::NeighbourTrade { peer, slot, line } => Some((*peer, *slot, line.money())),
        _ => None,
    });
    assert_eq!(paid_back, Some((0, 0, -300 * 130_000)));
    assert_eq!(net.money(2), [EURO - 100 * 300_000 - 300 * 170_000]);
    // The plant is paid when its cluster learns of it, not before.
    assert_eq!(net.money(0), [EURO + 500 * 80_000]);
    net.checkpoint(1);
    net.follow(0);
    assert_eq!(net.money(0), [EURO + 200 * 80_000 + 300 * 150_000]);
    // What is between the two prices stays with the utilities: the network's fees.
    let utilities: i128 = (0..2)
        .filter_map(|i| net.chains[i].wallet(service(i, 1).account()))
        .map(|wallet| wallet.money)
        .sum();
    let energy_alone = 100 * 300_000 - 200 * 80_000;
    assert_eq!(utilities, 200 * EURO + energy_alone + 300 * 20_000);
    balanced(&net);
    let bill = net.chains[1].bill(net.people[2].account());
    assert_eq!(bill.total, -100 * 300_000 - 300 * 170_000);
}

#[test]
fn a_sale_that_would_harm_somebody_or_is_not_there_is_refused() {
    let mut net = settled();
    let refused = |receipts: &[Receipt]| {
        let mut reasons = receipts.iter().filter_map(|receipt| match receipt {
            Receipt::Refused { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        reasons.next().unwrap_or_default()
    };
    for (nonce, seller, buyer) in [
        (1, 70_000, 170_000),
        (2, 180_000, 170_000),
        (3, 150_000, 310_000),
    ] {
        let said = refused(&sell(&mut net, nonce, 300, seller, buyer));
        assert!(said.contains("between feed-in and import"), "{said}");
    }
    let said = refused(&sell(&mut net, 4, 501, 150_000, 170_000));
    assert!(said.contains("500 Wh of it are left"), "{said}");
    balanced(&net);
}

#[test]
fn a_sale_that_finds_no_demand_comes_back_and_costs_nobody_anything() {
    let mut net = settled();
    // Person 2 took 400 Wh, not 450.
    sell(&mut net, 1, 450, 150_000, 170_000);
    net.checkpoint(0);
    net.follow(1);
    net.checkpoint(1);
    net.follow(0);
    assert_eq!(net.money(0), [EURO + 500 * 80_000]);
    assert_eq!(net.money(2), [EURO - 400 * 300_000]);
    // All of it may be sold again.
    sell(&mut net, 2, 400, 150_000, 170_000);
    net.checkpoint(0);
    net.follow(1);
    net.checkpoint(1);
    net.follow(0);
    assert_eq!(net.money(0), [EURO + 100 * 80_000 + 400 * 150_000]);
    balanced(&net);
}

#[test]
fn an_agent_of_the_cluster_deals_with_the_rest_alone() {
    let terms = LotTerms {
        seller: 150_000,
        buyer: 170_000,
    };
    let mut rules = MarketRules {
        slot_ms: 60_000,
        reading_ms: 60_000,
        feed_in: 80_000,
        import: 300_000,
        max_step: 0,
        wholesale: None,
        island: 320_000,
    };
    assert!(terms.fit(&rules));
    rules.wholesale = Some(WholesaleAgent {
        account: service(0, 2).account(),
        terms: WholesaleTerms {
            anchor: [120_000; HOURS],
            spread: 1,
            block_wh: 1,
            impact: 1,
            margin: 1,
            max_wh: 1,
        },
    });
    assert!(!terms.fit(&rules), "its prices are not the tariff");
}
