//! What a ledger does not take, and what it says about it.

use std::sync::Arc;

use gridloom_consensus::Chain;
use gridloom_contract::EmTemplate;
use gridloom_ledger::rehearsal::{CENT, EURO, Rehearsal};
use gridloom_ledger::{
    BlockHeader, Inadmissible, KeyPair, LedgerBlock, MarketRules, MeterReading, Receipt,
    Transaction, TxBody,
};

fn cluster() -> Rehearsal {
    let mut cluster = Rehearsal::new(2, 2).expect("a good genesis");
    cluster.register_all(0).expect("registered");
    cluster
}

fn reading(end_s: u64, import_wh: i64) -> MeterReading {
    MeterReading {
        interval_end_ms: end_s * 1_000,
        import_wh,
        ..MeterReading::default()
    }
}

fn refused(cluster: &Rehearsal) -> Vec<String> {
    cluster
        .receipts()
        .iter()
        .filter_map(|receipt| match receipt {
            Receipt::Refused { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .collect()
}

fn last_refusal(cluster: &Rehearsal) -> Option<Inadmissible> {
    cluster
        .chain()
        .refusals()
        .last()
        .map(|refusal| refusal.reason.clone())
}

#[test]
fn a_tampered_reading_reaches_no_block() {
    let mut cluster = cluster();
    let (_, meter) = cluster.homes[0].clone();
    let good = cluster.sign(&meter, TxBody::Reading(reading(300, 50)));
    let mut tampered = good.clone();
    tampered.body = TxBody::Reading(reading(300, 5));
    assert!(!cluster.submit(tampered.clone()));
    assert_eq!(last_refusal(&cluster), Some(Inadmissible::Signature));
    assert_eq!(cluster.chain().mempool_counters().inadmissible, 1);

    // A proposer who slips it in makes its block invalid for everybody.
    assert!(cluster.submit(good.clone()));
    let block = cluster.step(300_500).expect("the good one is taken");
    let header = BlockHeader {
        height: 4,
        parent: block.header().id(),
        ..block.header().clone()
    };
    let slipped = relabelled(&cluster, header, vec![Arc::new(tampered)]);
    let said = cluster
        .chain()
        .check(&slipped, 400_000)
        .expect_err("invalid");
    assert!(said.contains("inadmissible"), "{said}");
    // The good one is known by now.
    assert!(!cluster.submit(good));
    assert_eq!(last_refusal(&cluster), Some(Inadmissible::UsedNonce(0)));
}

/// A block with these transactions whose header is right except for the results.
fn relabelled(
    cluster: &Rehearsal,
    mut header: BlockHeader,
    transactions: Vec<Arc<Transaction>>,
) -> LedgerBlock {
    header.proposer = cluster
        .chain()
        .validators()
        .proposer(header.height, 0)
        .address;
    let ids: Vec<[u8; 32]> = transactions.iter().map(|tx| tx.id()).collect();
    header.tx_root = gridloom_ledger::list_root(&ids);
    LedgerBlock::new(header, transactions).expect("committed as given")
}

#[test]
fn replayed_and_backward_readings_are_refused_with_the_reason() {
    let mut cluster = cluster();
    assert!(cluster.read(0, reading(300, 50)));
    cluster.step(300_500).expect("a block");
    // The register runs backwards.
    assert!(cluster.read(0, reading(600, 49)));
    cluster.step(600_500).expect("a block");
    assert_eq!(
        refused(&cluster),
        ["the import register runs backwards: 49 Wh after 50 Wh"]
    );
    // Time stands still.
    assert!(cluster.read(0, reading(300, 60)));
    cluster.step(600_600).expect("a block");
    assert!(refused(&cluster)[0].contains("not after the last one at 00:05:00"));
    // From the future.
    assert!(cluster.read(0, reading(6_000, 60)));
    cluster.step(600_700).expect("a block");
    assert!(refused(&cluster)[0].contains("after the block's time"));
    // An older number than one on record.
    let (_, meter) = cluster.homes[0].clone();
    let chain = cluster.chain().id();
    let stale = Transaction::sign(&chain, &meter, 2, TxBody::Reading(reading(900, 70)));
    assert!(!cluster.submit(stale));
    assert_eq!(last_refusal(&cluster), Some(Inadmissible::UsedNonce(2)));
    // A number may be left out: the reading before was lost, the registers heal it.
    let later = Transaction::sign(&chain, &meter, 90, TxBody::Reading(reading(900, 70)));
    assert!(cluster.submit(later));
    cluster.step(900_500).expect("a block");
    assert!(refused(&cluster).is_empty());
    let meter = meter.account();
    let last = cluster.chain().recorded(meter).expect("a reading");
    assert_eq!(
        (last.registers.import_wh, last.interval.import_wh, last.seq),
        (70, 20, 90)
    );
    assert_eq!(cluster.chain().next_seq(meter), Some(91));
}

#[test]
fn strangers_and_other_chains_are_not_heard() {
    let mut cluster = cluster();
    let stranger = KeyPair::from_seed([99; 32]);
    let chain = cluster.chain().id();
    let tx = Transaction::sign(&chain, &stranger, 0, TxBody::Settle { slot: 0 });
    assert!(!cluster.submit(tx));
    let account = stranger.account();
    assert_eq!(
        last_refusal(&cluster),
        Some(Inadmissible::UnknownSigner(account))
    );
    let other = gridloom_consensus::ChainId::from_name("other");
    let aggregator = cluster.aggregator.clone();
    let tx = Transaction::sign(&other, &aggregator, 0, TxBody::Settle { slot: 0 });
    assert!(!cluster.submit(tx));
    assert_eq!(last_refusal(&cluster), Some(Inadmissible::Signature));
    // Who is known but not entitled is told so, on the record.
    let (home, _) = cluster.homes[0].clone();
    let template = EmTemplate {
        version: 2,
        ..EmTemplate::default()
    };
    let tx = cluster.sign(&home, TxBody::RegisterContract { template });
    assert!(cluster.submit(tx));
    cluster.step(1_000).expect("a block");
    assert!(refused(&cluster)[0].starts_with("only the operator may send this"));
}

#[test]
fn a_wrong_price_is_refused_and_the_right_one_still_counts() {
    let mut cluster = cluster();
    assert!(cluster.read(0, reading(900, 500)));
    assert!(cluster.read(
        1,
        MeterReading {
            export_solar_wh: 300,
            ..reading(900, 0)
        }
    ));
    cluster.step(900_500).expect("a block");
    let (mut typed, scalar) = cluster.chain().next_price(1).expect("readings are there");
    typed[0] -= 1;
    let cloud = cluster.cloud.clone();
    let wrong = cluster.sign(
        &cloud,
        TxBody::Price {
            slot: 1,
            typed,
            scalar,
        },
    );
    assert!(cluster.submit(wrong));
    cluster.step(901_000).expect("a block");
    assert!(refused(&cluster)[0].contains("but the readings on record give"));
    assert!(cluster.chain().price(1).is_none());
    assert!(cluster.price(1));
    cluster.step(902_000).expect("a block");
    assert!(cluster.chain().price(1).is_some());
    // Not twice, not for a slot that has not begun, not for one that is over.
    for (slot, time_ms, why) in [
        (1, 903_000, "priced already"),
        (2, 904_000, "cannot be priced at"),
        (2, 2_700_000, "cannot be priced at"),
    ] {
        let tx = cluster.sign(
            &cloud,
            TxBody::Price {
                slot,
                typed,
                scalar,
            },
        );
        assert!(cluster.submit(tx));
        cluster.step(time_ms).expect("a block");
        assert!(
            refused(&cluster)[0].contains(why),
            "{:?}",
            refused(&cluster)
        );
    }
}

#[test]
fn slots_are_settled_once_in_order_and_after_their_end() {
    let mut cluster = cluster();
    let mut settle = |slot, time_ms| {
        assert!(cluster.settle(slot));
        cluster.step(time_ms).expect("a block");
        refused(&cluster)
    };
    assert!(settle(0, 899_999)[0].contains("slot 0 ends at 00:15:00.000"));
    assert!(settle(0, 900_000).is_empty());
    assert!(settle(0, 900_001)[0].contains("1 is next, not 0"));
    assert!(settle(2, 9_000_000)[0].contains("1 is next, not 2"));
    assert!(settle(1, 9_000_000).is_empty());
}

#[test]
fn an_empty_wallet_is_lent_to_and_pays_back_before_it_earns() {
    let rules = MarketRules {
        slot_ms: 900_000,
        reading_ms: 900_000,
        feed_in: 8 * CENT,
        import: 30 * CENT,
        max_step: 0,
        wholesale: None,
        island: 32 * CENT,
    };
    let mut cluster = Rehearsal::with(1, 1, EURO / 10, rules).expect("a good genesis");
    cluster.register_all(0).expect("registered");
    let account = cluster.homes[0].0.account();
    let operator = cluster.operator.account();
    let before = cluster.chain().wallet(operator).expect("an account").money;
    // 1 kWh costs 30 ct, of which the wallet has 10.
    cluster.read(0, reading(900, 1_000));
    cluster.step(900_100).expect("a block");
    cluster.settle(0);
    cluster.step(900_200).expect("a block");
    let wallet = cluster.chain().wallet(account).expect("a wallet");
    assert_eq!((wallet.money, wallet.debt), (0, EURO / 5));
    let lender = cluster.chain().wallet(operator).expect("an account").money;
    assert_eq!(before - lender, EURO / 5);
    // 4 kWh sold at 8 ct earn 32: 20 go back, 12 stay.
    cluster.read(
        0,
        MeterReading {
            export_solar_wh: 4_000,
            ..reading(1_800, 1_000)
        },
    );
    cluster.step(1_800_100).expect("a block");
    cluster.settle(1);
    cluster.step(1_800_200).expect("a block");
    let wallet = cluster.chain().wallet(account).expect("a wallet");
    assert_eq!((wallet.money, wallet.debt), (EURO * 12 / 100, 0));
    assert_eq!(
        cluster.chain().wallet(operator).expect("an account").money,
        before
    );
    cluster.chain().audit().expect("balanced books");
}

#[test]
fn a_newcomer_gets_an_account_from_the_operator() {
    let mut cluster = cluster();
    let (newcomer, meter) = (KeyPair::from_seed([50; 32]), KeyPair::from_seed([51; 32]));
    let join = |cluster: &mut Rehearsal| {
        let body = TxBody::RegisterParticipant {
            name: "new".into(),
            meter_key: meter.public(),
            preferences: gridloom_contract::Preferences {
                weights: gridloom_contract::TypeWeights {
                    grid_mix: 1,
                    ..Default::default()
                },
                ..Default::default()
            },
            spread: 7,
        };
        let tx = cluster.sign(&newcomer, body);
        cluster.submit(tx)
    };
    assert!(!join(&mut cluster));
    let operator = cluster.operator.clone();
    let open = TxBody::OpenAccount {
        account: newcomer.account(),
        deposit: 5 * EURO,
    };
    let tx = cluster.sign(&operator, open);
    assert!(cluster.submit(tx));
    cluster.step(1_000).expect("a block");
    assert!(join(&mut cluster));
    cluster.step(2_000).expect("a block");
    assert_eq!(cluster.chain().participants().len(), 3);
    assert_eq!(
        cluster.chain().wallet(newcomer.account()).map(|w| w.money),
        Some(5 * EURO)
    );
    cluster.chain().audit().expect("balanced books");
}

#[test]
fn a_slot_nobody_can_pay_for_waits_and_changes_nothing() {
    let rules = MarketRules {
        slot_ms: 900_000,
        reading_ms: 900_000,
        feed_in: 8 * CENT,
        import: 30 * CENT,
        max_step: 0,
        wholesale: None,
        island: 32 * CENT,
    };
    let mut cluster = Rehearsal::with(1, 1, 0, rules).expect("a good genesis");
    cluster.register_all(0).expect("registered");
    let account = cluster.homes[0].0.account();
    // 40 MWh for 12,000 EUR are beyond the operator's 10,000.
    cluster.read(0, reading(900, 40_000_000));
    cluster.step(900_100).expect("a block");
    let wallets = |cluster: &Rehearsal| {
        [
            account,
            cluster.operator.account(),
            cluster.utility.account(),
        ]
        .map(|id| cluster.chain().wallet(id))
    };
    let before = wallets(&cluster);
    cluster.settle(0);
    cluster.step(900_200).expect("a block");
    assert!(refused(&cluster)[0].contains("credit falls 2000000000000 nEUR short"));
    assert_eq!(
        (wallets(&cluster), cluster.chain().settled_through()),
        (before, None)
    );
    cluster.chain().audit().expect("balanced books");
}
