//! Signed readings of physical meters.
//!
//! The participant says which edge it trusts; what that edge signed is checked
//! here against everything it signed before. Settlement goes by the I-meters:
//! a record is evidence beside them, not a second bill.

use gridloom_units::{AccountId, RecordChain, RecordRefusal, SignedReading};

use super::{Executor, Refusal};
use crate::keys::{is_usable, tagless_hash, verify};
use crate::receipt::Receipt;
use crate::state::{StateKey, StateValue};
use crate::transaction::MAX_RECORDS;

impl Executor<'_> {
    fn name_of(&self, account: AccountId) -> Result<&str, Refusal> {
        let participant = self.view.participant(account);
        participant
            .map(|participant| participant.name.as_str())
            .ok_or_else(|| "only a participant has a physical meter".to_owned())
    }

    /// Another key than before is another meter or another edge: its counters
    /// begin anew, and the receipt shows it. One that was trusted earlier goes
    /// on where it stopped, or its old readings would count twice.
    pub(super) fn trust_meter(
        &mut self,
        account: AccountId,
        key: &[u8; 32],
    ) -> Result<(), Refusal> {
        let name = self.name_of(account)?;
        if !is_usable(key) {
            return Err(format!(
                "{name}: the meter's key is not a usable ed25519 key"
            ));
        }
        let before = self.view.records(account).cloned();
        if before.as_ref().is_some_and(|chain| chain.meter == *key) {
            return Err(format!("{name}: this meter is trusted already"));
        }
        if let Some(before) = before {
            let former = StateKey::FormerRecords(account, before.meter);
            self.view.put(former, StateValue::Records(before));
        }
        let known = self.view.former_records(account, *key).cloned();
        let chain = known.unwrap_or_else(|| RecordChain::new(*key));
        self.view
            .put(StateKey::Records(account), StateValue::Records(chain));
        self.receipts
            .push(Receipt::MeterTrusted { account, key: *key });
        Ok(())
    }

    /// Every reading is judged by itself, in order; what is refused leaves the
    /// record as it was, with the reason as a receipt.
    pub(super) fn meter_records(
        &mut self,
        account: AccountId,
        readings: &[SignedReading],
    ) -> Result<(), Refusal> {
        let name = self.name_of(account)?.to_owned();
        if readings.is_empty() || readings.len() > MAX_RECORDS {
            return Err(format!(
                "{name}: {} records in one transaction, 1 to {MAX_RECORDS} are taken",
                readings.len()
            ));
        }
        let known = self.view.records(account).cloned();
        let Some(mut chain) = known else {
            return Err(format!("{name}: no meter is trusted here"));
        };
        for reading in readings {
            self.receipts.push(match take(&mut chain, reading) {
                Ok(()) => Receipt::RecordTaken {
                    account,
                    point: reading.point.clone(),
                    value: reading.value,
                    exponent: reading.exponent,
                    seq: reading.seq,
                },
                Err(why) => Receipt::RecordRefused {
                    account,
                    seq: reading.seq,
                    reason: format!(
                        "{name}: record {} of {:.32}: {why}",
                        reading.seq, reading.point
                    ),
                },
            });
        }
        self.view
            .put(StateKey::Records(account), StateValue::Records(chain));
        Ok(())
    }
}

fn take(chain: &mut RecordChain, reading: &SignedReading) -> Result<(), RecordRefusal> {
    if !verify(&reading.meter, &reading.signed_bytes(), &reading.signature) {
        return Err(RecordRefusal::Signature);
    }
    chain.follow(reading, tagless_hash(&reading.chained_bytes()))
}
