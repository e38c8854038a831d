//! What a relay carries between clusters and root, made from their chains.
//!
//! Anybody may be the relay: everything here proves itself, and the ledgers
//! check it. A relay that lies is refused, one that is lazy is replaced by
//! another one.

use gridloom_consensus::{Chain as _, KeyPair as ValidatorKey, Sig};

use crate::chain::LedgerChain;
use crate::cross::{
    Approved, CheckpointExtras, Decision, DecisionRecord, DecisionStatus, Flows, Inbound,
    MAX_CARRIED, Parcel, RootNews, approval_preimage, seats, set_of,
};
use crate::execute::follow::{due_sources, is_full};
use crate::state::{StateKey, StateValue, TreePath};
use crate::transaction::{Transaction, TxBody, encoded};

/// A cluster hears of a new root block at the latest after this many of them.
const FOLLOW_EVERY: u64 = 8;

/// The newest checkpoint of a cluster that the root can record; `None` when it
/// knows the newest block.
///
/// Where the validators changed, the block that changed them comes first: it
/// is the last one the root can check with the set it knows.
#[must_use]
pub fn checkpoint(cluster: u32, chain: &LedgerChain, root: &LedgerChain) -> Option<TxBody> {
    let record = root.cluster_record(cluster)?;
    let tip = chain.height();
    if record.frozen || record.dead || tip <= record.height {
        return None;
    }
    let changed = (record.height + 1..=tip).find(|height| {
        chain
            .block(*height)
            .is_some_and(|decided| decided.block.header().next_validators != record.validators)
    });
    let height = changed.unwrap_or(tip);
    let decided = chain.block(height)?;
    let flows = match chain.prove_at(height, StateKey::Flows) {
        Some((Some(StateValue::Flows(flows)), path)) => {
            let wanted = flows != record.flows || is_unfinished(cluster, &flows, root);
            wanted.then_some((flows, path))
        }
        _ => None,
    };
    let next = changed.and_then(|height| match chain.prove_at(height, StateKey::Seats) {
        Some((Some(StateValue::Seats(seats)), _)) => Some(seats),
        _ => None,
    });
    Some(TxBody::Checkpoint {
        cluster,
        header: decided.block.header().clone(),
        certificate: (*decided.certificate).clone(),
        extras: Box::new(CheckpointExtras { flows, next }),
    })
}

/// Whether somebody still needs proofs under a fresh state of this cluster.
fn is_unfinished(cluster: u32, flows: &Flows, root: &LedgerChain) -> bool {
    flows.list.iter().any(|flow| {
        let theirs = root
            .cluster_record(flow.peer)
            .map(|peer| peer.flows.with(cluster))
            .unwrap_or_default();
        flow.sent > flow.acked || theirs.acked < flow.next
    })
}

/// News of the root for a cluster; `None` when there is nothing it should know.
/// `peer` gives the chain of another cluster, as far as the relay has it.
#[must_use]
pub fn news<'c>(
    cluster: u32,
    chain: &LedgerChain,
    root: &LedgerChain,
    peer: impl Fn(u32) -> Option<&'c LedgerChain>,
) -> Option<TxBody> {
    let seen = chain.root_seen()?;
    let known = set_of(&seen.seats).ok()?.hash();
    let tip = root.height();
    let changed = (seen.height + 1..=tip).find(|height| {
        root.block(*height)
            .is_some_and(|decided| decided.block.header().next_validators != known)
    });
    let height = changed.unwrap_or(tip);
    if height == 0 || height < seen.height {
        return None;
    }
    let decided = root.block(height)?;
    let next = changed.and_then(|height| match root.prove_at(height, StateKey::Seats) {
        Some((Some(StateValue::Seats(seats)), _)) => Some(seats),
        _ => None,
    });
    let decisions = decisions(chain, root, height);
    let inbound = match root.prove_at(height, StateKey::Inbound(cluster)) {
        Some((Some(StateValue::Inbound(inbound)), path)) => Some((inbound, path)),
        _ => None,
    };
    let carried = inbound
        .as_ref()
        .and_then(|(inbound, _)| carry(cluster, chain, inbound, seen.served, peer));
    let (inbound, parcels, outcomes) = match carried {
        Some((parcels, outcomes)) => (inbound, parcels, outcomes),
        None => (None, Vec::new(), Vec::new()),
    };
    let anything = next.is_some()
        || !decisions.is_empty()
        || !parcels.is_empty()
        || !outcomes.is_empty()
        || height >= seen.height + FOLLOW_EVERY
        || seen.height == 0;
    let inbound = inbound.filter(|_| !parcels.is_empty() || !outcomes.is_empty());
    anything.then(|| {
        TxBody::FollowRoot(Box::new(RootNews {
            header: decided.block.header().clone(),
            certificate: (*decided.certificate).clone(),
            next,
            inbound,
            parcels,
            outcomes,
            decisions,
        }))
    })
}

/// Decisions the cluster does not know, and those it waits for.
fn decisions(
    chain: &LedgerChain,
    root: &LedgerChain,
    height: u64,
) -> Vec<(DecisionRecord, TreePath)> {
    let Some(seen) = chain.root_seen() else {
        return Vec::new();
    };
    let at = |number: u32| match root.prove_at(height, StateKey::Decision(number)) {
        Some((Some(StateValue::Decision(record)), path)) => Some((record, path)),
        _ => None,
    };
    let closed = seen
        .open
        .iter()
        .filter_map(|number| at(*number))
        .filter(|(record, _)| record.status != DecisionStatus::Prepared);
    // A few at a time: a decision may list many accounts.
    let fresh = (seen.decisions..).map_while(at).take(4);
    closed.chain(fresh).collect()
}

type Carried = (
    Vec<(Parcel, TreePath)>,
    Vec<(u32, u64, Option<bool>, TreePath)>,
);

/// Parcels and outcomes that are due; `None` when the relay lacks the proofs of one.
fn carry<'c>(
    cluster: u32,
    chain: &LedgerChain,
    inbound: &Inbound,
    served: u32,
    peer: impl Fn(u32) -> Option<&'c LedgerChain>,
) -> Option<Carried> {
    let flows = chain.flows()?;
    let mut parcels: Vec<(Parcel, TreePath)> = Vec::new();
    let mut bytes = 0;
    let due = due_sources(inbound, served, cluster, |peer| flows.with(peer).next);
    'sources: for (src, from, until) in due {
        let source = peer(src)?;
        for seq in from..until {
            if is_full(bytes, parcels.len()) {
                break 'sources;
            }
            let height = inbound.with(src).height;
            match source.prove_at(height, StateKey::Parcel(cluster, seq)) {
                Some((Some(StateValue::Parcel(parcel)), path)) => {
                    bytes += encoded(&parcel).len();
                    parcels.push((parcel, path));
                }
                _ => return None,
            }
        }
    }
    let mut outcomes = Vec::new();
    for view in &inbound.list {
        let flow = flows.with(view.peer);
        let until = if view.dead {
            flow.sent
        } else {
            view.next.min(flow.sent)
        };
        for seq in flow.acked..until {
            if outcomes.len() >= MAX_CARRIED {
                break;
            }
            let key = StateKey::Outcome(cluster, seq);
            match peer(view.peer)?.prove_at(view.height, key) {
                Some((Some(StateValue::Outcome(accepted)), path)) => {
                    outcomes.push((view.peer, seq, Some(accepted), path));
                }
                Some((None, path)) if view.dead => {
                    outcomes.push((view.peer, seq, None, path));
                }
                _ => return None,
            }
        }
    }
    Some((parcels, outcomes))
}

/// A decision of the root, approved by the holders of these keys.
#[must_use]
pub fn decide(root: &LedgerChain, keys: &[ValidatorKey], decision: Decision) -> Transaction {
    let number = root.governance().map_or(0, |known| known.next);
    let bytes = approval_preimage(&root.id(), number, &decision);
    let set = seats(&root.validators());
    let mut approvals: Vec<([u8; 32], Sig)> = keys
        .iter()
        .map(|key| (key.public().to_bytes(), key.sign(&bytes)))
        .filter(|(key, _)| set.iter().any(|seat| seat.key == *key))
        .collect();
    approvals.sort_unstable();
    Transaction::unsigned(TxBody::Decide(Box::new(Approved {
        number,
        decision,
        approvals,
    })))
}
