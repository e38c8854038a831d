//! What a ledger takes from its technology: who joins, and what a node keeps
//! (paper Tables 1 and 2).

use gridloom_consensus::ChainId;
use gridloom_ledger::rehearsal::{EURO, Rehearsal, any_energy};
use gridloom_ledger::{Keeping, MeterReading, Missing, Receipt, TxBody};

fn registration(cluster: &Rehearsal, home: usize) -> TxBody {
    TxBody::RegisterParticipant {
        name: format!("key-{home}"),
        meter_key: cluster.homes[home].1.public(),
        preferences: any_energy(),
        spread: 0,
    }
}

fn with_contract(mut cluster: Rehearsal) -> Rehearsal {
    let operator = cluster.operator.clone();
    let template = gridloom_contract::EmTemplate::default();
    let tx = cluster.sign(&operator, TxBody::RegisterContract { template });
    assert!(cluster.submit(tx));
    cluster.step(1_000).expect("a block");
    cluster
}

#[test]
fn in_a_public_network_a_key_joins_unasked_and_begins_empty() {
    let mut cluster = with_contract(Rehearsal::public(2).expect("a good genesis"));
    let home = cluster.homes[0].0.clone();
    let body = registration(&cluster, 0);
    let tx = cluster.sign(&home, body.clone());
    assert!(cluster.submit(tx));
    cluster.step(2_000).expect("a block");
    assert!(matches!(
        cluster.receipts()[..],
        [Receipt::ParticipantRegistered { version: 1, .. }]
    ));
    assert_eq!(
        cluster
            .chain()
            .wallet(home.account())
            .expect("an account")
            .money,
        0
    );
    // Its first number is used: the same once more is not taken.
    let again =
        gridloom_ledger::Transaction::sign(&ChainId::from_name("rehearsal"), &home, 0, body);
    assert!(!cluster.submit(again));
    // Anything else than joining still needs an account.
    let stranger = cluster.homes[1].0.clone();
    let to = home.account();
    let tx = cluster.sign(&stranger, TxBody::Transfer { to, amount: 1 });
    assert!(!cluster.submit(tx));
    // A deposit reaches the newcomer, and the books still balance.
    let operator = cluster.operator.clone();
    let amount = 20 * EURO;
    let tx = cluster.sign(&operator, TxBody::Transfer { to, amount });
    assert!(cluster.submit(tx));
    cluster.step(3_000).expect("a block");
    assert_eq!(
        cluster.chain().wallet(to).expect("an account").money,
        amount
    );
    cluster.chain().audit().expect("balanced books");
}

#[test]
fn in_any_other_network_a_key_of_its_own_making_is_refused() {
    let mut cluster = with_contract(Rehearsal::new(1, 1).expect("a good genesis"));
    let stranger = gridloom_ledger::KeyPair::from_seed([99; 32]);
    let body = TxBody::RegisterParticipant {
        name: "stranger".into(),
        meter_key: gridloom_ledger::KeyPair::from_seed([98; 32]).public(),
        preferences: any_energy(),
        spread: 0,
    };
    let tx = cluster.sign(&stranger, body);
    assert!(!cluster.submit(tx));
}

/// A cluster whose blocks are kept in this way, with readings in 300 of them.
fn kept(keeping: Keeping) -> Rehearsal {
    let mut cluster = Rehearsal::new(1, 1).expect("a good genesis");
    cluster.replicas[0] = cluster.replicas[0].clone().keeping(keeping);
    cluster.register_all(1_000).expect("registered");
    for n in 1..=300_u64 {
        let reading = MeterReading {
            interval_end_ms: n * 300_000,
            import_wh: n as i64,
            ..MeterReading::default()
        };
        assert!(cluster.read(0, reading));
        cluster.step(n * 300_000 + 1_000).expect("a block");
    }
    cluster
}

#[test]
fn readings_outside_leave_hashes_behind_that_tell_when_they_are_lost() {
    let inside = kept(Keeping::default());
    let outside = Keeping {
        outside: true,
        ..Keeping::default()
    };
    let mut cluster = kept(outside);
    let (all, some) = (inside.chain().kept(), cluster.chain().kept());
    assert!(some.chain_bytes < all.chain_bytes && some.outside_bytes > 0);
    // What is not in the blocks is outside, less a pointer for each reading.
    let moved = all.chain_bytes - some.chain_bytes;
    assert_eq!(
        moved + 300 * gridloom_ledger::POINTER_BYTES,
        some.outside_bytes
    );
    assert_eq!(inside.chain().state_root(), cluster.chain().state_root());

    let tip = cluster.chain().height();
    assert_eq!(cluster.chain().at_hand(tip), Ok(()));
    cluster.replicas[0].lose_outside();
    let chain = cluster.chain();
    assert_eq!(chain.at_hand(tip), Err(Missing::Lost(tip)));
    assert!(chain.block(tip).is_none());
    // Blocks without readings lost nothing, and neither did the state.
    assert_eq!(chain.at_hand(1), Ok(()));
    assert_eq!(chain.state_root(), inside.chain().state_root());
    chain.audit().expect("balanced books");
}

#[test]
fn what_is_let_go_is_said_so_and_balances_stay_provable() {
    let bound = Keeping {
        blocks: Some(128),
        ..Keeping::default()
    };
    let cluster = kept(bound);
    let chain = cluster.chain();
    assert_eq!(chain.at_hand(3), Err(Missing::LetGo(3)));
    assert!(chain.first_kept() > 100 && chain.block(3).is_none());
    let home = cluster.homes[0].0.account();
    let key = gridloom_ledger::StateKey::Account(home);
    let proof = chain.prove_state(key).expect("a proof of the newest state");
    assert!(proof.verify() && proof.header.state_root == chain.state_root());
}
