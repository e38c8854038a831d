//! What must hold in every life.

use std::collections::{BTreeMap, BTreeSet};

use gridloom_consensus::Block as _;

use super::Life;
use crate::chain::LedgerChain;
use crate::cross::Worth;
use crate::header::LedgerBlock;
use crate::receipt::Receipt;

/// Bookkeeping beside the ledgers, from their receipts alone.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// Money and energy at the start.
    pub deposited: Worth,
    /// Transactions executed, per group.
    executed: Vec<BTreeSet<[u8; 32]>>,
    /// Parcels sent, by source, destination and number.
    sent: BTreeMap<(usize, u32, u64), Worth>,
    /// Outcomes at the destination: taken or sent back.
    imported: BTreeMap<(u32, usize, u64), bool>,
    /// Outcomes as the source learnt them.
    learnt: BTreeMap<(usize, u32, u64), bool>,
    payments: u64,
    moved: u64,
}

impl Checks {
    pub(super) fn new(groups: usize) -> Self {
        Self {
            executed: vec![BTreeSet::new(); groups],
            ..Self::default()
        }
    }

    /// Looks at a decided block: each transaction once, each parcel once and in order.
    pub(super) fn block(
        &mut self,
        group: usize,
        chain: &LedgerChain,
        block: &LedgerBlock,
    ) -> Result<(), String> {
        for (tx, id) in block.transactions().iter().zip(block.transaction_ids()) {
            if !tx.proves_itself() && !self.executed[group].insert(*id) {
                return Err(format!("group {group} executed a transaction twice"));
            }
        }
        let receipts = chain.receipts(block.height()).ok_or("no receipts")?;
        for receipt in receipts.iter() {
            self.receipt(group, receipt)?;
        }
        Ok(())
    }

    fn receipt(&mut self, group: usize, receipt: &Receipt) -> Result<(), String> {
        let index = group as u32;
        match receipt {
            Receipt::Transferred { .. } => self.payments += 1,
            Receipt::Exported { dst, seq, worth } => {
                self.payments += 1;
                if self.sent.insert((group, *dst, *seq), *worth).is_some() {
                    return Err(format!("parcel {seq} of {group} to {dst} was sent twice"));
                }
            }
            Receipt::Imported {
                src,
                seq,
                worth,
                refused,
            } => {
                if self.sent.get(&(*src as usize, index, *seq)) != Some(worth) {
                    return Err(format!(
                        "parcel {seq} of {src} arrived at {group} as nobody sent it"
                    ));
                }
                let key = (*src, group, *seq);
                if self.imported.insert(key, refused.is_none()).is_some() {
                    return Err(format!("parcel {seq} of {src} was imported twice"));
                }
                let before = seq.checked_sub(1).map(|before| (*src, group, before));
                if before.is_some_and(|before| !self.imported.contains_key(&before)) {
                    return Err(format!("parcel {seq} of {src} overtook another one"));
                }
            }
            Receipt::Acknowledged { dst, seq, accepted } => {
                let truth = self.imported.get(&(index, *dst as usize, *seq));
                if truth != Some(accepted) {
                    return Err(format!(
                        "{group} believes parcel {seq} to {dst} was {}, it was {truth:?}",
                        if *accepted { "taken" } else { "sent back" }
                    ));
                }
                if self.learnt.insert((group, *dst, *seq), *accepted).is_some() {
                    return Err(format!("outcome {seq} of {dst} counted twice at {group}"));
                }
            }
            Receipt::MemberJoined { .. } => self.moved += 1,
            _ => {}
        }
        Ok(())
    }

    /// At rest: every parcel has an outcome, and the source knows it.
    pub(super) fn finish(&self) -> Result<(), String> {
        for (src, dst, seq) in self.sent.keys() {
            if !self.learnt.contains_key(&(*src, *dst, *seq)) {
                return Err(format!("parcel {seq} of {src} to {dst} has no outcome"));
            }
        }
        Ok(())
    }

    pub(super) fn life(&self) -> Life {
        Life {
            payments: self.payments,
            imported: self.imported.values().filter(|taken| **taken).count() as u64,
            refunded: self.learnt.values().filter(|taken| !**taken).count() as u64,
            moved: self.moved,
            ..Life::default()
        }
    }
}
