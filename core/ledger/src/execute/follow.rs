//! Whether the root's news and its decisions prove themselves and fit.

use std::collections::BTreeMap;

use gridloom_consensus::{ChainId, SigMemo};

use super::Env;
use super::admit::Inadmissible;
use crate::cross::{
    Approved, DecisionStatus, IMPORT_BUDGET_BYTES, Inbound, MAX_CARRIED, Parcel, RootNews,
    approval_preimage, set_of,
};
use crate::genesis::Kind;
use crate::keys::verify;
use crate::state::{StateKey, StateValue, TreePath, View};
use crate::transaction::{Transaction, TxBody, encoded};

fn misfit<T>(what: impl Into<String>) -> Result<T, Inadmissible> {
    Err(Inadmissible::News(what.into()))
}

/// Whether a root has exactly this value under this name.
fn shows(path: &TreePath, root: &[u8; 32], key: StateKey, value: Option<&StateValue>) -> bool {
    let value = value.map(StateValue::hash);
    path.shows(root, &key.hash(), value.as_ref())
}

/// News of the root for this cluster.
pub(super) fn root_news(
    env: Env<'_>,
    view: &View<'_>,
    tx: &Transaction,
    id: &[u8; 32],
) -> Result<(), Inadmissible> {
    let (Kind::Cluster(roles), TxBody::FollowRoot(news)) = (&env.genesis.kind, &tx.body) else {
        return Err(Inadmissible::WrongLedger);
    };
    let Some(((chain, own), seen)) = roles.root.zip(view.root_seen()) else {
        return Err(Inadmissible::WrongLedger);
    };
    if news.header.chain != chain {
        return misfit("it is of another root");
    }
    if news.header.height < seen.height
        || (news.header.height == seen.height && news.header.id() != seen.block)
    {
        return misfit(format!(
            "root block {} is known, {} is older or another",
            seen.height, news.header.height
        ));
    }
    let brings = news.header.height > seen.height
        || !news.parcels.is_empty()
        || !news.outcomes.is_empty()
        || !news.decisions.is_empty();
    if !brings || news.parcels.len() > MAX_CARRIED || news.outcomes.len() > MAX_CARRIED {
        return misfit("it brings nothing new, or too much");
    }
    let set = set_of(&seen.seats).map_err(Inadmissible::News)?;
    match &news.next {
        None if news.header.next_validators != set.hash() => {
            return misfit("it names validators that are not known, without saying who they are");
        }
        Some(seats) => {
            let next = set_of(seats).map_err(Inadmissible::News)?;
            if next.hash() != news.header.next_validators {
                return misfit("the validators it brings are not those of its header");
            }
        }
        None => {}
    }
    fits(view, own, news)?;
    let proven = env.memo.proves(id, || {
        tx.is_signed_for(&env.genesis.chain)
            && certified(news, &chain, &set)
            && paths_hold(own, news)
    });
    if proven {
        Ok(())
    } else {
        misfit("a signature, the certificate or a path in it is bad")
    }
}

fn certified(news: &RootNews, chain: &ChainId, set: &gridloom_consensus::ValidatorSet) -> bool {
    news.certificate.block == news.header.id()
        && news.certificate.height == news.header.height
        && news
            .certificate
            .verify(chain, set, &mut SigMemo::new(set.members().len()))
            .is_ok()
}

/// The proofs, which depend on nothing but the news itself.
fn paths_hold(own: u32, news: &RootNews) -> bool {
    let root = &news.header.state_root;
    let decisions = news.decisions.iter().all(|(record, path)| {
        let value = StateValue::Decision(record.clone());
        shows(path, root, StateKey::Decision(record.number), Some(&value))
    });
    let Some((inbound, path)) = &news.inbound else {
        return decisions && news.parcels.is_empty() && news.outcomes.is_empty();
    };
    let value = StateValue::Inbound(inbound.clone());
    let told = shows(path, root, StateKey::Inbound(own), Some(&value));
    let parcels = news.parcels.iter().all(|(parcel, path)| {
        let value = StateValue::Parcel(parcel.clone());
        let key = StateKey::Parcel(own, parcel.seq);
        parcel.dst == own
            && shows(
                path,
                &inbound.with(parcel.src).state_root,
                key,
                Some(&value),
            )
    });
    let outcomes = news.outcomes.iter().all(|(dst, seq, accepted, path)| {
        let peer = inbound.with(*dst);
        let value = accepted.map(StateValue::Outcome);
        (accepted.is_some() || peer.dead)
            && shows(
                path,
                &peer.state_root,
                StateKey::Outcome(own, *seq),
                value.as_ref(),
            )
    });
    decisions && told && parcels && outcomes
}

/// Whether parcels, outcomes and decisions are the next ones, and all that are due.
fn fits(view: &View<'_>, own: u32, news: &RootNews) -> Result<(), Inadmissible> {
    let seen = view.root_seen().ok_or(Inadmissible::WrongLedger)?;
    let mut next = seen.decisions;
    for (record, _) in &news.decisions {
        let closes =
            seen.open.contains(&record.number) && record.status != DecisionStatus::Prepared;
        if record.number == next {
            next += 1;
        } else if !closes {
            return misfit(format!("decision {} is not the next one", record.number));
        }
    }
    let flows = view.flows().cloned().unwrap_or_default();
    let empty = Inbound::default();
    let inbound = news.inbound.as_ref().map_or(&empty, |(inbound, _)| inbound);
    let mut acked: BTreeMap<u32, u64> = BTreeMap::new();
    for (dst, seq, ..) in &news.outcomes {
        let flow = flows.with(*dst);
        let due = acked.entry(*dst).or_insert(flow.acked);
        if *seq != *due || *seq >= flow.sent {
            return misfit(format!(
                "outcome {seq} of cluster {dst} is not the next one"
            ));
        }
        *due += 1;
    }
    if news.inbound.is_none() {
        return Ok(());
    }
    // Every parcel that is due has to be there, source by source, as far as the budget goes.
    let due = due_sources(inbound, seen.served, own, |peer| flows.with(peer).next);
    let mut carried = news.parcels.iter().map(|(parcel, _)| parcel).peekable();
    let (mut bytes, mut count) = (0, 0);
    for (peer, from, until) in due {
        for seq in from..until {
            if is_full(bytes, count) {
                return nothing_left(carried.next());
            }
            match carried.next() {
                Some(parcel) if parcel.src == peer && parcel.seq == seq => {
                    bytes += encoded(parcel).len();
                    count += 1;
                }
                _ => {
                    return misfit(format!(
                        "parcel {seq} of cluster {peer} is due and not in it"
                    ));
                }
            }
        }
    }
    nothing_left(carried.next())
}

fn nothing_left(parcel: Option<&Parcel>) -> Result<(), Inadmissible> {
    match parcel {
        None => Ok(()),
        Some(parcel) => misfit(format!(
            "parcel {} of cluster {} is not due",
            parcel.seq, parcel.src
        )),
    }
}

/// Whether a block has imported enough.
pub(crate) fn is_full(bytes: usize, count: usize) -> bool {
    bytes >= IMPORT_BUDGET_BYTES || count >= MAX_CARRIED
}

/// Sources with parcels that are due: index, first number, one past the last;
/// in turn after the one that was served last.
pub(crate) fn due_sources(
    inbound: &Inbound,
    served: u32,
    own: u32,
    next: impl Fn(u32) -> u64,
) -> Vec<(u32, u64, u64)> {
    let mut due: Vec<(u32, u64, u64)> = inbound
        .list
        .iter()
        .filter(|view| view.peer != own)
        .map(|view| (view.peer, next(view.peer), view.sent))
        .filter(|(_, from, until)| from < until)
        .collect();
    let turn = due.partition_point(|(peer, ..)| *peer <= served);
    due.rotate_left(turn);
    due
}

/// A decision of the root's validators.
pub(super) fn decision(
    env: Env<'_>,
    view: &View<'_>,
    tx: &Transaction,
    id: &[u8; 32],
) -> Result<(), Inadmissible> {
    let (Kind::Root(_), TxBody::Decide(approved)) = (&env.genesis.kind, &tx.body) else {
        return Err(Inadmissible::WrongLedger);
    };
    let next = view.governance().map_or(0, |known| known.next);
    if approved.number != next {
        return misfit(format!("decision {next} is the next one"));
    }
    let proven = env.memo.proves(id, || {
        tx.is_signed_for(&env.genesis.chain) && has_quorum(env, approved)
    });
    if proven {
        Ok(())
    } else {
        misfit("not more than two thirds of the root's validators approve of it")
    }
}

fn has_quorum(env: Env<'_>, approved: &Approved) -> bool {
    let set = env.validators;
    let bytes = approval_preimage(&env.genesis.chain, approved.number, &approved.decision);
    let rising = approved
        .approvals
        .windows(2)
        .all(|pair| pair[0].0 < pair[1].0);
    let power_of = |key: &[u8; 32]| {
        set.members()
            .iter()
            .find(|member| member.key.to_bytes() == *key)
            .map_or(0, |member| member.power)
    };
    let good = |(key, sig): &&([u8; 32], gridloom_consensus::Sig)| verify(key, &bytes, &sig.0);
    let signed: u64 = approved
        .approvals
        .iter()
        .filter(good)
        .map(|(key, _)| power_of(key))
        .sum();
    rising && u128::from(signed) * 3 > u128::from(set.total_power()) * 2
}
