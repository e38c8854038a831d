//! Going on from a saved state gives what executing every block gives.
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use gridloom_consensus::Chain;
use gridloom_ledger::rehearsal::Rehearsal;
use gridloom_ledger::{LedgerChain, MeterReading, ResumeError, SavedState};

fn reading(slot: u64, wh: i64) -> MeterReading {
    MeterReading {
        interval_end_ms: slot * 900_000,
        import_wh: wh,
        ..MeterReading::default()
    }
}

/// Two replicas that have settled one slot.
fn settled() -> Rehearsal {
    let mut cluster = Rehearsal::new(3, 2).unwrap();
    cluster.register_all(0).unwrap();
    for home in 0..3 {
        assert!(cluster.read(home, reading(1, 100 + home as i64)));
    }
    cluster.step(900_000).unwrap();
    assert!(cluster.price(0));
    cluster.step(901_000).unwrap();
    assert!(cluster.settle(0));
    cluster.step(902_000).unwrap();
    cluster
}

#[test]
fn a_resumed_ledger_goes_on_like_the_others() {
    let mut cluster = settled();
    let bytes = borsh::to_vec(&cluster.chain().save().unwrap()).unwrap();
    let saved: SavedState = borsh::from_slice(&bytes).unwrap();
    let genesis = Rehearsal::new(3, 1).unwrap().chain().clone().without_memo();
    cluster.replicas[1] = genesis.resume(&saved).unwrap();
    let resumed = &cluster.replicas[1];
    assert_eq!(resumed.height(), cluster.chain().height());
    assert_eq!(resumed.tip_header(), cluster.chain().tip_header());
    assert_eq!(resumed.first_kept(), resumed.height() + 1);
    assert!(resumed.decided(resumed.height()).is_none());
    resumed.audit().unwrap();

    for slot in 2..5 {
        for home in 0..3 {
            assert!(cluster.read(home, reading(slot, 100 * slot as i64)));
        }
        // Every replica checks and applies each block; a difference is an error.
        cluster.step(slot * 900_000).unwrap();
        assert!(cluster.price(slot as u32 - 1));
        cluster.step(slot * 900_000 + 1).unwrap();
        assert!(cluster.settle(slot as u32 - 1));
        cluster.step(slot * 900_000 + 2).unwrap();
    }
    let roots: Vec<[u8; 32]> = cluster
        .replicas
        .iter()
        .map(LedgerChain::state_root)
        .collect();
    assert_eq!(roots[0], roots[1]);
    let resumed = &cluster.replicas[1];
    assert!(resumed.decided(saved.header.height).is_none());
    assert!(resumed.decided(saved.header.height + 1).is_some());
    assert!(cluster.replicas[0].save() == cluster.replicas[1].save());
}

#[test]
fn a_changed_state_is_refused() {
    let cluster = settled();
    let genesis = Rehearsal::new(3, 1).unwrap().chain().clone();
    let good = borsh::to_vec(&cluster.chain().save().unwrap()).unwrap();
    let mut refused = 0;
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        if let Ok(saved) = borsh::from_slice::<SavedState>(&bytes) {
            match genesis.resume(&saved) {
                // A header that says something else has another identity, which
                // whoever holds the certified block sees.
                Ok(_) => assert_ne!(
                    saved.header.id(),
                    cluster.chain().tip_header().unwrap().id()
                ),
                Err(ResumeError::Root(_) | ResumeError::Chain) => refused += 1,
            }
        }
    }
    assert!(refused > good.len() / 2, "{refused} of {}", good.len());
}
