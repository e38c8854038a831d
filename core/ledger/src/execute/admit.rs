//! Whether somebody can be held to a transaction.

use gridloom_consensus::SigMemo;

use super::Env;
use super::follow::{decision, root_news};
use crate::cross::set_of;
use crate::genesis::{Admission, Kind};
use crate::state::{StateKey, StateValue, View};
use crate::transaction::{Transaction, TxBody};

/// Why a transaction must not be in a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inadmissible {
    /// Larger than a transaction may be.
    #[error("{0} bytes are too many")]
    TooLarge(usize),
    /// The signature does not belong to signer, content and chain.
    #[error("the signature is bad")]
    Signature,
    /// No account or meter of this key is registered.
    #[error("the signer {0} is not known to this ledger")]
    UnknownSigner(gridloom_units::AccountId),
    /// The nonce was used, or a later reading of the meter is on record.
    #[error("the number {0} was used before")]
    UsedNonce(u64),
    /// The kind of transaction does not belong on this ledger.
    #[error("this ledger does not take transactions of this kind")]
    WrongLedger,
    /// A checkpoint of a cluster the root does not know.
    #[error("cluster {0} is not known")]
    UnknownCluster(u32),
    /// A checkpoint that is not newer than the recorded one.
    #[error("height {0} of the cluster is recorded already")]
    OldCheckpoint(u64),
    /// A checkpoint of a frozen cluster.
    #[error("cluster {0} is frozen because it certified two blocks at one height")]
    Frozen(u32),
    /// A checkpoint that does not follow from the recorded one.
    #[error("the checkpoint does not fit: {0}")]
    Checkpoint(String),
    /// A checkpoint of a cluster that was declared dead.
    #[error("cluster {0} was declared dead")]
    Dead(u32),
    /// News of the root, or a decision, that do not fit or prove nothing.
    #[error("the news does not fit: {0}")]
    News(String),
    /// Evidence that proves nothing, or is recorded already.
    #[error("the evidence proves nothing new")]
    Evidence,
}

/// Checks signature, signer and nonce (for proofs: the proof itself).
pub(crate) fn admit(
    env: Env<'_>,
    view: &View<'_>,
    tx: &Transaction,
    id: &[u8; 32],
) -> Result<(), Inadmissible> {
    match &tx.body {
        TxBody::Checkpoint { .. } => return checkpoint(env, view, tx, id),
        TxBody::Evidence(_) => return evidence(env, view, tx, id),
        TxBody::FollowRoot(_) => return root_news(env, view, tx, id),
        TxBody::Decide(_) => return decision(env, view, tx, id),
        _ => {}
    }
    if matches!(env.genesis.kind, Kind::Root(_)) {
        return Err(Inadmissible::WrongLedger);
    }
    let signer = tx.account();
    if matches!(tx.body, TxBody::Reading(_)) {
        let meter = view
            .meter(signer)
            .ok_or(Inadmissible::UnknownSigner(signer))?;
        if tx.nonce == u64::MAX || meter.last_seq.is_some_and(|last| tx.nonce <= last) {
            return Err(Inadmissible::UsedNonce(tx.nonce));
        }
    } else {
        match view.account(signer) {
            Some(account) if !account.nonces.admits(tx.nonce) => {
                return Err(Inadmissible::UsedNonce(tx.nonce));
            }
            Some(_) => {}
            None if joins_unasked(env, tx) => {}
            None => return Err(Inadmissible::UnknownSigner(signer)),
        }
    }
    signed(env, tx, id)
}

/// Whether somebody without an account may send this: where anybody may join,
/// the first transaction registers.
fn joins_unasked(env: Env<'_>, tx: &Transaction) -> bool {
    env.genesis.setup.admission == Admission::Anyone
        && tx.nonce == 0
        && matches!(tx.body, TxBody::RegisterParticipant { .. })
}

fn signed(env: Env<'_>, tx: &Transaction, id: &[u8; 32]) -> Result<(), Inadmissible> {
    if env.memo.proves(id, || tx.is_signed_for(&env.genesis.chain)) {
        Ok(())
    } else {
        Err(Inadmissible::Signature)
    }
}

/// The checkpoint rule of the root ledger.
fn checkpoint(
    env: Env<'_>,
    view: &View<'_>,
    tx: &Transaction,
    id: &[u8; 32],
) -> Result<(), Inadmissible> {
    let (
        Kind::Root(clusters),
        TxBody::Checkpoint {
            cluster,
            header,
            certificate,
            extras,
        },
    ) = (&env.genesis.kind, &tx.body)
    else {
        return Err(Inadmissible::WrongLedger);
    };
    let known = usize::try_from(*cluster)
        .ok()
        .and_then(|index| clusters.get(index));
    let ((chain, _), record) = known
        .zip(view.cluster(*cluster))
        .ok_or(Inadmissible::UnknownCluster(*cluster))?;
    if record.frozen {
        return Err(Inadmissible::Frozen(*cluster));
    }
    if record.dead {
        return Err(Inadmissible::Dead(*cluster));
    }
    let block = header.id();
    let contradicts = header.height == record.height && block != record.block;
    if header.height < record.height || (header.height == record.height && !contradicts) {
        return Err(Inadmissible::OldCheckpoint(header.height));
    }
    let misfit = |what: &str| Err(Inadmissible::Checkpoint(what.into()));
    if header.chain != *chain {
        return misfit("its header is of another chain");
    }
    if certificate.block != block || certificate.height != header.height {
        return misfit("its certificate is of another block");
    }
    if !contradicts {
        if header.height == record.height + 1 && header.parent != record.block && record.height > 0
        {
            return misfit("its parent is not the recorded block");
        }
        if header.time_ms < record.time_ms {
            return misfit("it is older than the recorded one");
        }
        let next = match &extras.next {
            Some(seats) => set_of(seats).map_err(Inadmissible::Checkpoint)?.hash(),
            None => record.validators,
        };
        if header.next_validators != next {
            return misfit("it names validators the root does not know");
        }
    }
    let flows_hold = || {
        extras.flows.as_ref().is_none_or(|(flows, path)| {
            let value = StateValue::Flows(flows.clone()).hash();
            path.shows(&header.state_root, &StateKey::Flows.hash(), Some(&value))
        })
    };
    // A contradiction is judged by the set of the recorded block, which the
    // record names only while the set has not changed with that very block.
    let validators = set_of(&record.seats).map_err(Inadmissible::Checkpoint)?;
    let proven = env.memo.proves(id, || {
        tx.is_signed_for(&env.genesis.chain)
            && certificate
                .verify(
                    chain,
                    &validators,
                    &mut SigMemo::new(validators.members().len()),
                )
                .is_ok()
            && flows_hold()
    });
    if proven {
        Ok(())
    } else {
        misfit("its signature or certificate is bad")
    }
}

fn evidence(
    env: Env<'_>,
    view: &View<'_>,
    tx: &Transaction,
    id: &[u8; 32],
) -> Result<(), Inadmissible> {
    let TxBody::Evidence(evidence) = &tx.body else {
        return Err(Inadmissible::WrongLedger);
    };
    let recorded = StateKey::Evidence(evidence.offender, evidence.height);
    let fresh = evidence.height <= env.height && view.get(&recorded).is_none();
    let proven = || {
        tx.is_signed_for(&env.genesis.chain)
            && (evidence.holds(&env.genesis.chain, env.validators)
                || evidence.holds(&env.genesis.chain, &env.genesis.validators))
    };
    if fresh && env.memo.proves(id, proven) {
        Ok(())
    } else {
        Err(Inadmissible::Evidence)
    }
}
