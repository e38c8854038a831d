//! Bytes from outside: what is decoded is what was encoded, and nothing makes the decoder panic.
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use std::sync::Arc;

use common::{Number, TestChain, fast, group};
use gridloom_consensus::{Block, Due, Message};
use gridloom_units::SimTime;
use proptest::prelude::*;

/// Real messages of a troubled run, every kind that occurs.
fn messages() -> Vec<Vec<u8>> {
    let mut cluster = group(4, &fast(3, 150_000));
    let mut found = std::collections::BTreeMap::new();
    cluster.submit(Arc::new(Number(1)));
    for step in 0..400 {
        cluster.advance(SimTime(step * 20));
        match step {
            20 => cluster.crash(1),
            100 => cluster.restart(1),
            150 => cluster.partition(&[vec![0, 1], vec![2, 3]]),
            250 => cluster.heal(),
            _ => {}
        }
        let mut network = cluster.network().clone();
        while let Some((_, due)) = network.pop(u64::MAX) {
            if let Due::Deliver { message, .. } = due {
                let bytes = borsh::to_vec(message.as_ref()).expect("encodes");
                found.insert(message.kind(), bytes);
            }
        }
    }
    let kinds: Vec<&str> = found.keys().copied().collect();
    for kind in [
        "block",
        "precommit",
        "prevote",
        "proposal",
        "round",
        "sync-request",
        "sync-response",
    ] {
        assert!(kinds.contains(&kind), "{kind} missing in {kinds:?}");
    }
    found.into_values().collect()
}

#[test]
fn messages_survive_the_wire() {
    for bytes in messages() {
        let message: Message<TestChain> = borsh::from_slice(&bytes).expect("decodes");
        assert_eq!(borsh::to_vec(&message).expect("encodes"), bytes);
        if let Message::SyncResponse(list) = &message {
            assert!(list.iter().all(|d| d.block.id() == d.certificate.block));
        }
    }
}

#[test]
fn mutated_bytes_never_panic_a_validator() {
    let samples = messages();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 3_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    // Whatever still decodes is fed to a running validator.
    let cluster = std::cell::RefCell::new(group(4, &fast(5, 0)));
    cluster.borrow_mut().advance(SimTime(200));
    let input = (
        0..samples.len(),
        any::<proptest::sample::Index>(),
        any::<u8>(),
        any::<bool>(),
    );
    runner
        .run(&input, |(which, at, byte, cut)| {
            let mut bytes = samples[which].clone();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            if let Ok(message) = borsh::from_slice::<Message<TestChain>>(&bytes) {
                let mut cluster = cluster.borrow_mut();
                let now = cluster.now();
                cluster.inject(1, 0, Arc::new(message));
                cluster.advance(SimTime(now.0 + 1));
            }
            Ok(())
        })
        .expect("no panic");
    assert_eq!(cluster.borrow().fork(), None);
    assert!(cluster.borrow().height() > 10);
}
