//! Proofs hold, mutated ones do not; bytes are frozen; no bytes make a panic.

use gridloom_consensus::{Address, Block, BlockId, ChainId};
use gridloom_ledger::rehearsal::Rehearsal;
use gridloom_ledger::{
    BlockHeader, InclusionProof, KeyPair, LedgerBlock, MeterReading, ReceiptProof, StateKey,
    StateProof, Transaction, TxBody,
};
use proptest::prelude::*;

/// A ledger with a block of seven readings, a price and a settlement.
fn ledger() -> Rehearsal {
    let mut cluster = Rehearsal::new(7, 1).expect("a good genesis");
    cluster.register_all(0).expect("registered");
    for home in 0..7 {
        cluster.read(
            home,
            MeterReading {
                interval_end_ms: 900_000,
                import_wh: 100 * home as i64,
                export_solar_wh: 50,
                ..MeterReading::default()
            },
        );
    }
    cluster.step(900_000).expect("a block");
    cluster.price(1);
    cluster.settle(0);
    cluster.step(901_000).expect("a block");
    cluster
}

#[test]
fn every_transaction_receipt_and_account_can_be_proven() {
    let cluster = ledger();
    let chain = cluster.chain();
    for height in 1..=chain.height() {
        let block = chain.block(height).expect("decided").block;
        for index in 0..block.transactions().len() {
            let proof = chain.prove(height, index).expect("there");
            assert!(proof.verify());
            assert_eq!(proof.header.id(), block.id());
        }
        assert!(chain.prove(height, block.transactions().len()).is_none());
        let receipts = chain.receipts(height).expect("decided");
        for (index, receipt) in receipts.iter().enumerate() {
            let proof = chain.prove_receipt(height, index).expect("there");
            assert!(proof.verify() && proof.receipt == *receipt);
        }
    }
    let account = cluster.homes[3].0.account();
    let proof = chain
        .prove_state(StateKey::Account(account))
        .expect("a tip");
    assert!(proof.verify() && proof.value.is_some());
    let size = borsh::to_vec(&proof).expect("a vector").len();
    assert!(size <= 4_096, "{size} bytes");
    let absent = chain.prove_state(StateKey::Price(77)).expect("a tip");
    assert!(absent.verify() && absent.value.is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_mutated_proof_holds(at in any::<prop::sample::Index>(), flip in 1_u8..=255, which in 0..3) {
        thread_local! {
            static PROOFS: [Vec<u8>; 3] = {
                let cluster = ledger();
                let chain = cluster.chain();
                let account = cluster.homes[3].0.account();
                [
                    borsh::to_vec(&chain.prove(3, 4)).expect("a vector"),
                    borsh::to_vec(&chain.prove_receipt(4, 5)).expect("a vector"),
                    borsh::to_vec(&chain.prove_state(StateKey::Account(account))).expect("a vector"),
                ]
            };
            static IDS: [BlockId; 2] = {
                let cluster = ledger();
                [3, 4].map(|height| cluster.chain().block(height).expect("decided").block.id())
            };
        }
        let mut bytes = PROOFS.with(|proofs| proofs[which as usize].clone());
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        // A proof counts when it verifies under a header of the chain.
        let known = |header: &BlockHeader| IDS.with(|ids| ids.contains(&header.id()));
        let holds = match which {
            0 => matches!(borsh::from_slice::<Option<InclusionProof>>(&bytes),
                Ok(Some(proof)) if proof.verify() && known(&proof.header)),
            1 => matches!(borsh::from_slice::<Option<ReceiptProof>>(&bytes),
                Ok(Some(proof)) if proof.verify() && known(&proof.header)),
            _ => matches!(borsh::from_slice::<Option<StateProof>>(&bytes),
                Ok(Some(proof)) if proof.verify() && known(&proof.header)),
        };
        prop_assert!(!holds, "byte {at} of proof {which} does not matter");
    }

    #[test]
    fn mutated_blocks_never_panic_and_never_keep_their_name(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..=255), 1..4),
        cut in any::<prop::sample::Index>(),
        truncate in any::<bool>(),
    ) {
        thread_local! {
            static BLOCK: (Vec<u8>, BlockId) = {
                let block = ledger().chain().block(3).expect("decided").block;
                (borsh::to_vec(block.as_ref()).expect("a vector"), block.id())
            };
        }
        let (original, id) = BLOCK.with(Clone::clone);
        let mut bytes = original.clone();
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if truncate {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(block) = borsh::from_slice::<LedgerBlock>(&bytes) {
            prop_assert!(block.id() != id || bytes == original);
        }
        let _ = Transaction::decode(&bytes);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn bytes_of_a_header_are_frozen() {
    let header = BlockHeader {
        chain: ChainId::from_name("cluster/A"),
        height: 258,
        round: 3,
        proposer: Address([0xaa; 32]),
        time_ms: 900_000,
        parent: BlockId([0xbb; 32]),
        tx_root: [0xcc; 32],
        receipts_root: [0xdd; 32],
        state_root: [0xee; 32],
        next_validators: [0xff; 32],
    };
    let expected = [
        "636c75737465722f4100000000000000".to_owned(),
        "0201000000000000".to_owned(),
        "03000000".to_owned(),
        "aa".repeat(32),
        "a0bb0d0000000000".to_owned(),
        "bb".repeat(32),
        "cc".repeat(32),
        "dd".repeat(32),
        "ee".repeat(32),
        "ff".repeat(32),
    ];
    assert_eq!(
        hex(&borsh::to_vec(&header).expect("a vector")),
        expected.concat()
    );
    assert_eq!(
        hex(&header.id().0),
        "832ede1ced3624d37d2e448f27b9569ba74a3236ee15560b0a8433a8f9d68f92"
    );
}

#[test]
fn bytes_of_a_transaction_are_frozen() {
    let chain = ChainId::from_name("cluster/A");
    let key = KeyPair::from_seed([7; 32]);
    let reading = MeterReading {
        interval_end_ms: 300_000,
        import_wh: 500,
        export_solar_wh: 258,
        ..MeterReading::default()
    };
    let tx = Transaction::sign(&chain, &key, 9, TxBody::Reading(reading));
    let body = concat!(
        "03",
        "e093040000000000",
        "f401000000000000",
        "0201000000000000",
        "0000000000000000",
        "000000",
        "00000000",
    );
    let expected = format!(
        "{body}{}0900000000000000{}",
        hex(&key.public()),
        hex(&tx.signature)
    );
    assert_eq!(hex(&tx.encode()), expected);
    assert!(tx.is_signed_for(&chain) && !tx.is_signed_for(&ChainId::from_name("cluster/B")));
    assert_eq!(
        hex(&tx.preimage(&chain)),
        "677269646c6f6f6d2f74782f7369676e2f31636c75737465722f41000000000000000900000000000000c36fc1c6121fafe6e1e2b39b718bf4c1c5f4b8bfc20fdd1a2b5b9906f516e0b7b32b509d7e09afd424c9a5f589efa02c"
    );
    assert_eq!(
        hex(&tx.signature),
        "a4760ab5627a7a3f662225dbb92f2bd00a59e000294eac15bb074cc03c7a3a5ddb8bc79254e5e8048f3d70576302818f0bca4db4ccb30f9a483cb8862228da05"
    );
    assert_eq!(Transaction::decode(&tx.encode()).expect("canonical"), tx);
}
