//! Execution: what a list of transactions does to a state.
//!
//! Two kinds of failure are kept apart. A transaction that nobody can be held
//! to (bad signature, unknown signer, used nonce) is *inadmissible*: honest
//! proposers leave it out, and a block that contains one is invalid. One that
//! is properly signed but asks for something wrong (a false price, a register
//! that runs backwards) is *refused*: it stays in the block with a receipt
//! that says why, uses up its nonce and changes nothing else. A false price in
//! particular must not make the block invalid: a reading that arrived in
//! between makes an honest one false, and its proposer cannot know.

mod admit;
mod agree;
mod contract;
mod cross;
mod estimate;
pub(crate) mod follow;
mod island;
mod lots;
mod order;
mod price;
mod reading;
mod record;
mod register;
mod root;
mod settle;
mod wholesale;

use std::sync::Arc;

use gridloom_consensus::{Tx as _, ValidatorSet};

use crate::audit::{AuditError, check_changes};
use crate::cross::Lot;
use crate::genesis::{Genesis, Kind};
use crate::header::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};
use crate::memo::Memo;
use crate::merkle::{list_root, receipt_leaf};
use crate::receipt::Receipt;
use crate::state::{State, StateKey, StateValue, View};
use crate::transaction::{Transaction, TxBody};

pub use admit::Inadmissible;
pub(crate) use admit::admit;
pub use order::{MAX_OPEN_SLOTS, MAX_ORDERS_PER_SLOT};
pub(crate) use price::form as form_price;

/// Where a block sits.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    pub(crate) genesis: &'a Genesis,
    pub(crate) memo: &'a Memo,
    /// Validators of the block.
    pub(crate) validators: &'a ValidatorSet,
    pub(crate) height: u64,
    pub(crate) time_ms: u64,
}

/// What a block did.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) state: State,
    pub(crate) state_root: [u8; 32],
    pub(crate) receipts: Arc<Vec<Receipt>>,
    pub(crate) receipts_root: [u8; 32],
}

impl Executed {
    /// What a block without transactions does.
    pub(crate) fn nothing(state: &State) -> Self {
        Self {
            state: state.clone(),
            state_root: state.root(),
            receipts: Arc::default(),
            receipts_root: list_root(&[]),
        }
    }
}

/// Why a block cannot be executed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockFault {
    #[error("transaction {index} ({kind}) is inadmissible: {reason}")]
    Inadmissible {
        index: usize,
        kind: &'static str,
        reason: Inadmissible,
    },
    #[error("the books do not balance after the block: {0}")]
    Books(#[from] AuditError),
}

/// Why a properly signed transaction has no effect.
pub(crate) type Refusal = String;

struct Executor<'a> {
    env: Env<'a>,
    view: View<'a>,
    receipts: Vec<Receipt>,
}

/// Executes the transactions of a block.
pub(crate) fn execute(
    env: Env<'_>,
    state: &State,
    transactions: &[Arc<Transaction>],
    ids: &[[u8; 32]],
) -> Result<Executed, BlockFault> {
    let mut executor = Executor::new(env, state);
    for (index, (tx, id)) in transactions.iter().zip(ids).enumerate() {
        executor
            .step(tx, id)
            .map_err(|reason| BlockFault::Inadmissible {
                index,
                kind: tx.kind(),
                reason,
            })?;
    }
    executor.finish()
}

/// Executes what is admissible of the candidates, within the limits of a
/// block; returns what was taken, with identities.
pub(crate) fn select<'c>(
    env: Env<'_>,
    state: &State,
    candidates: impl Iterator<Item = (&'c [u8; 32], &'c Arc<Transaction>, usize)>,
) -> Result<(Vec<Arc<Transaction>>, Vec<[u8; 32]>, Executed), BlockFault> {
    let mut executor = Executor::new(env, state);
    let (mut taken, mut ids, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (id, tx, size) in candidates {
        if taken.len() >= MAX_BLOCK_TRANSACTIONS {
            break;
        }
        if bytes + size > MAX_BLOCK_BYTES || executor.step(tx, id).is_err() {
            continue;
        }
        bytes += size;
        taken.push(Arc::clone(tx));
        ids.push(*id);
    }
    Ok((taken, ids, executor.finish()?))
}

impl<'a> Executor<'a> {
    fn new(env: Env<'a>, state: &'a State) -> Self {
        Self {
            env,
            view: View::new(state),
            receipts: Vec::new(),
        }
    }

    /// Executes one transaction; an inadmissible one changes nothing.
    fn step(&mut self, tx: &Transaction, id: &[u8; 32]) -> Result<(), Inadmissible> {
        admit(self.env, &self.view, tx, id)?;
        self.use_nonce(tx);
        let before = self.receipts.len();
        if let Err(reason) = self.dispatch(tx, id) {
            debug_assert_eq!(
                before,
                self.receipts.len(),
                "a refused transaction left receipts"
            );
            self.receipts.push(Receipt::Refused {
                transaction: *id,
                reason,
            });
        }
        Ok(())
    }

    fn use_nonce(&mut self, tx: &Transaction) {
        if tx.proves_itself() {
            return;
        }
        let signer = tx.account();
        if matches!(tx.body, TxBody::Reading(_)) {
            if let Some(meter) = self.view.meter(signer) {
                let mut meter = meter.clone();
                meter.last_seq = Some(tx.nonce);
                self.view
                    .put(StateKey::Meter(signer), StateValue::Meter(meter));
            }
        } else if let Some(account) = self.view.account(signer) {
            let mut account = account.clone();
            account.nonces.take(tx.nonce);
            self.view
                .put(StateKey::Account(signer), StateValue::Account(account));
        }
    }

    fn dispatch(&mut self, tx: &Transaction, id: &[u8; 32]) -> Result<(), Refusal> {
        let signer = tx.account();
        let Kind::Cluster(roles) = &self.env.genesis.kind else {
            return match &tx.body {
                TxBody::Checkpoint {
                    cluster,
                    header,
                    extras,
                    ..
                } => self.checkpoint(*cluster, header, extras),
                TxBody::Decide(approved) => self.decide(approved),
                TxBody::Evidence(evidence) => self.evidence(evidence),
                _ => Err("the root ledger takes checkpoints, decisions and evidence only".into()),
            };
        };
        let roles = **roles;
        let only = |role, allowed: bool| {
            if allowed {
                Ok(())
            } else {
                Err(format!("only the {role} may send this, not {signer}"))
            }
        };
        match &tx.body {
            TxBody::RegisterContract { template } => {
                only("operator", signer == roles.operator)?;
                self.register_contract(template)
            }
            TxBody::OpenAccount { account, deposit } => {
                only("operator", signer == roles.operator)?;
                self.open_account(roles.operator, *account, *deposit)
            }
            TxBody::RegisterParticipant {
                name,
                meter_key,
                preferences,
                spread,
            } => self.register_participant(&roles, signer, name, meter_key, preferences, *spread),
            TxBody::Reading(reading) => self.reading(&roles.market, signer, tx.nonce, reading, id),
            TxBody::AreaLoad {
                mlmd,
                interval_end_ms,
                energy_wh,
            } => {
                only("LG-Aggregator", signer == roles.aggregator)?;
                self.area_load(&roles.market, *mlmd, *interval_end_ms, *energy_wh)
            }
            TxBody::Price {
                slot,
                typed,
                scalar,
            } => {
                // Everybody recomputes it, so who proposes it decides nothing; the
                // LG-Aggregator does when the cloud is gone (paper E5).
                let may = [roles.cloud, roles.aggregator].contains(&signer);
                only("cloud service or the LG-Aggregator", may)?;
                self.price(&roles.market, *slot, typed, *scalar)
            }
            TxBody::Settle { slot } => {
                only("LG-Aggregator", signer == roles.aggregator)?;
                self.settle(&roles, *slot)
            }
            TxBody::Transfer { to, amount } => self.transfer(signer, *to, *amount),
            TxBody::Export {
                dst,
                to,
                amount,
                deadline_root_height,
            } => self.export(&roles, signer, *dst, *to, *amount, *deadline_root_height),
            TxBody::ExportLot {
                dst,
                to,
                slot,
                plant,
                kind,
                wh,
                terms,
                deadline_root_height,
            } => {
                only("LG-Aggregator", signer == roles.aggregator)?;
                let wanted = Lot {
                    cluster: 0,
                    plant: *plant,
                    kind: *kind,
                    slot: *slot,
                    wh: *wh,
                };
                self.export_lot(&roles, *to, *dst, wanted, *terms, *deadline_root_height)
            }
            TxBody::Authorise { node, granted } => {
                only("operator", signer == roles.operator)?;
                self.authorise(*node, *granted)
            }
            TxBody::SetValidators { seats } => {
                only("operator", signer == roles.operator)?;
                self.set_validators(seats)
            }
            TxBody::TrustMeter { key } => self.trust_meter(signer, key),
            TxBody::MeterRecords(readings) => self.meter_records(signer, readings),
            TxBody::Order { slot, terms } => {
                self.order(&roles.market, signer, tx.nonce, *slot, terms)
            }
            TxBody::WholesaleBid { slot, steps } => {
                self.wholesale_bid(&roles.market, signer, tx.nonce, *slot, steps)
            }
            TxBody::Island { slot, over } => {
                only("LG-Aggregator", signer == roles.aggregator)?;
                self.island(&roles, *slot, *over)
            }
            TxBody::FollowRoot(news) => self.follow_root(&roles, news),
            TxBody::Checkpoint { .. } | TxBody::Decide(_) => {
                Err("checkpoints and decisions belong to the root ledger".into())
            }
            TxBody::Evidence(evidence) => self.evidence(evidence),
        }
    }

    fn finish(self) -> Result<Executed, BlockFault> {
        check_changes(self.env.genesis, &self.view)?;
        let leaves: Vec<[u8; 32]> = self.receipts.iter().map(receipt_leaf).collect();
        let state = self.view.commit();
        Ok(Executed {
            state_root: state.root(),
            state,
            receipts_root: list_root(&leaves),
            receipts: Arc::new(self.receipts),
        })
    }
}
