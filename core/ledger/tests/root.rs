//! The root ledger takes certified headers of clusters it knows.

use gridloom_consensus::{
    Address, BlockId, BuildAt, Certificate, Chain, ChainId, Decided, KeyPair as ValidatorKey,
    preimage,
};
use gridloom_ledger::rehearsal::four_validators;
use gridloom_ledger::{
    BlockHeader, Inadmissible, KeyPair, LedgerChain, Receipt, RootGenesis, StateKey, Transaction,
    TxBody,
};
use std::sync::Arc;

struct Root {
    chain: LedgerChain,
    cluster: Vec<ValidatorKey>,
    set: [u8; 32],
}

fn root() -> Root {
    let (_, set) = four_validators(8).expect("good keys");
    let (cluster, cluster_set) = four_validators(9).expect("good keys");
    let genesis = RootGenesis {
        setup: gridloom_ledger::Setup::default(),
        chain: ChainId::from_name("root"),
        validators: set,
        clusters: vec![(ChainId::from_name("A"), cluster_set.clone())],
        limits: Vec::new(),
    };
    Root {
        chain: LedgerChain::root(&genesis).expect("a good genesis"),
        set: cluster_set.hash(),
        cluster,
    }
}

impl Root {
    fn header(&self, height: u64, parent: BlockId) -> BlockHeader {
        BlockHeader {
            chain: ChainId::from_name("A"),
            height,
            round: 0,
            proposer: Address([1; 32]),
            time_ms: height * 1_000,
            parent,
            tx_root: [2; 32],
            receipts_root: [3; 32],
            state_root: [height as u8; 32],
            next_validators: self.set,
        }
    }

    fn certificate(&self, header: &BlockHeader, signers: usize) -> Certificate {
        let chain = ChainId::from_name("A");
        let block = header.id();
        let mut signatures: Vec<_> = self.cluster[..signers]
            .iter()
            .map(|key| {
                let bytes = preimage::precommit(&chain, header.height, 0, block, &key.address());
                (key.address(), key.sign(&bytes))
            })
            .collect();
        signatures.sort_by_key(|(address, _)| *address);
        Certificate {
            height: header.height,
            round: 0,
            block,
            signatures,
        }
    }

    fn offer(&mut self, header: &BlockHeader, certificate: Certificate) -> bool {
        self.chain
            .submit(Arc::new(Transaction::unsigned(TxBody::Checkpoint {
                cluster: 0,
                header: header.clone(),
                certificate,
                extras: Box::default(),
            })))
    }

    fn step(&mut self, now_ms: u64) -> Vec<Receipt> {
        let height = self.chain.height() + 1;
        let block = self.chain.build(BuildAt {
            height,
            round: 0,
            proposer: self.chain.validators().proposer(height, 0).address,
            now_ms,
        });
        self.chain.check(&block, now_ms).expect("a good block");
        let certificate = Certificate {
            height,
            round: 0,
            block: block.header().id(),
            signatures: Vec::new(),
        };
        self.chain
            .apply(Decided {
                block,
                certificate: Arc::new(certificate),
            })
            .expect("a good block");
        self.chain
            .receipts(height)
            .expect("applied")
            .as_ref()
            .clone()
    }

    fn reason(&self) -> Option<Inadmissible> {
        self.chain
            .refusals()
            .last()
            .map(|refusal| refusal.reason.clone())
    }
}

#[test]
fn certified_headers_are_recorded_once_and_in_order() {
    let mut root = root();
    let first = root.header(3, BlockId([7; 32]));
    let certificate = root.certificate(&first, 3);
    assert!(root.offer(&first, certificate.clone()));
    assert!(!root.offer(&first, certificate.clone()));
    assert_eq!(root.chain.mempool_counters().duplicates, 1);
    assert_eq!(
        root.step(4_000),
        [Receipt::CheckpointAccepted {
            cluster: 0,
            height: 3,
            block: first.id()
        }]
    );
    // Known already, even when somebody else signs the parcel.
    let relayer = KeyPair::from_seed([1; 32]);
    let body = TxBody::Checkpoint {
        cluster: 0,
        header: first.clone(),
        certificate,
        extras: Box::default(),
    };
    let again = Transaction::sign(&ChainId::from_name("root"), &relayer, 0, body);
    assert!(!root.chain.submit(Arc::new(again)));
    assert_eq!(root.reason(), Some(Inadmissible::OldCheckpoint(3)));
    // The next one has to hang on the recorded one; gaps may be skipped.
    let loose = root.header(4, BlockId([8; 32]));
    let certificate = root.certificate(&loose, 4);
    assert!(!root.offer(&loose, certificate));
    assert!(matches!(root.reason(), Some(Inadmissible::Checkpoint(_))));
    let next = root.header(4, first.id());
    let certificate = root.certificate(&next, 4);
    assert!(root.offer(&next, certificate));
    let far = root.header(9, BlockId([8; 32]));
    let certificate = root.certificate(&far, 4);
    assert!(root.offer(&far, certificate));
    assert_eq!(root.step(10_000).len(), 2);
    let record = root.chain.cluster_record(0).expect("known");
    assert_eq!((record.height, record.block), (9, far.id()));
    assert_eq!(record.state_root, [9; 32]);
    let proof = root.chain.prove_state(StateKey::Cluster(0)).expect("a tip");
    assert!(proof.verify());
}

#[test]
fn headers_without_a_quorum_or_of_others_are_refused() {
    let mut root = root();
    let header = root.header(1, BlockId([7; 32]));
    let weak = root.certificate(&header, 2);
    assert!(!root.offer(&header, weak));
    let mut forged = root.certificate(&header, 4);
    forged.signatures[1].1.0[5] ^= 1;
    assert!(!root.offer(&header, forged));
    let other = BlockHeader {
        state_root: [99; 32],
        ..header.clone()
    };
    let certificate = root.certificate(&header, 4);
    assert!(!root.offer(&other, certificate.clone()));
    let foreign = BlockHeader {
        next_validators: [5; 32],
        ..header.clone()
    };
    let of_foreign = root.certificate(&foreign, 4);
    assert!(!root.offer(&foreign, of_foreign));
    let unknown = Transaction::unsigned(TxBody::Checkpoint {
        cluster: 1,
        header,
        certificate,
        extras: Box::default(),
    });
    assert!(!root.chain.submit(Arc::new(unknown)));
    assert_eq!(root.reason(), Some(Inadmissible::UnknownCluster(1)));
    // The root is no market.
    let key = KeyPair::from_seed([1; 32]);
    let tx = Transaction::sign(
        &ChainId::from_name("root"),
        &key,
        0,
        TxBody::Settle { slot: 0 },
    );
    assert!(!root.chain.submit(Arc::new(tx)));
    assert_eq!(root.reason(), Some(Inadmissible::WrongLedger));
    assert!(root.step(1_000).is_empty());
}

#[test]
fn two_certified_blocks_at_one_height_freeze_the_cluster() {
    let mut root = root();
    let one = root.header(5, BlockId([7; 32]));
    let certificate = root.certificate(&one, 3);
    root.offer(&one, certificate);
    root.step(6_000);
    let two = BlockHeader {
        tx_root: [66; 32],
        ..one.clone()
    };
    let certificate = root.certificate(&two, 3);
    assert!(root.offer(&two, certificate));
    assert_eq!(
        root.step(7_000),
        [Receipt::ClusterFrozen {
            cluster: 0,
            height: 5
        }]
    );
    let next = root.header(6, one.id());
    let certificate = root.certificate(&next, 4);
    assert!(!root.offer(&next, certificate));
    assert_eq!(root.reason(), Some(Inadmissible::Frozen(0)));
}
