//! One lot of energy from its consumer to the meter readings behind it, and back.
//!
//! Every step carries the proof it rests on, checked as an outsider would who
//! knows the validators. The link is contractual: within a slot the ledger
//! assigns what plants metered out to what consumers metered in (book and
//! claim). Which electrons went where, no ledger and no meter knows.

use gridloom_consensus::Chain as _;
use gridloom_market::MoneyLine;
use gridloom_units::{AccountId, EnergyType, EnergyWh, SimTime};

use crate::chain::{LedgerChain, Missing};
use crate::receipt::Delivery;
use crate::state::{Registers, StateKey};
use crate::tier::{CompactCertificate, prove_balance};
use crate::transaction::{TxBody, encoded};

/// Most blocks looked through for a meter's readings of one slot.
const SCANNED_BLOCKS: u64 = 8_192;

/// A step of a trace with the proof it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceStep {
    /// What it shows, for people.
    pub what: String,
    /// What proves it.
    pub proof: String,
    /// Size of the proof, bytes.
    pub bytes: usize,
    /// Whether it holds.
    pub holds: bool,
}

/// A traced lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The lot.
    pub lot: Delivery,
    /// From the consumer to the plant's meter.
    pub there: Vec<TraceStep>,
    /// From the plant's meter to the consumer.
    pub back: Vec<TraceStep>,
}

impl Trace {
    /// Whether every step holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.there.iter().chain(&self.back).all(|step| step.holds)
    }
}

/// A meter's registers at the last reading before and in a slot.
struct SlotReadings {
    before: Option<Registers>,
    end: Registers,
    end_ms: u64,
    height: u64,
    index: usize,
}

fn name_of(chain: &LedgerChain, account: AccountId) -> String {
    chain
        .participant(account)
        .map_or_else(|| account.to_string(), |known| known.name.clone())
}

/// Whether the chain's validators certified the block at a height.
fn certified(chain: &LedgerChain, height: u64) -> Option<(bool, usize)> {
    let decided = chain.block(height)?;
    let set = chain.validators();
    let compact = CompactCertificate::new(&decided.certificate, &set)?;
    let header = decided.block.header();
    let holds = compact.certifies(header, &chain.id(), &set);
    Some((holds, encoded(header).len() + encoded(&compact).len()))
}

/// Traces a lot that an account received.
///
/// # Errors
/// Says what is missing: no such lot, or a record that is not there any more.
pub fn trace(
    cluster: u32,
    chain: &LedgerChain,
    root: &LedgerChain,
    lot: Delivery,
) -> Result<Trace, String> {
    let plant = name_of(chain, lot.plant);
    let consumer = name_of(chain, lot.consumer);
    let there = vec![
        root_step(cluster, chain, root, lot.consumer)?,
        settlement_step(chain, &lot, &consumer, &plant)?,
        meter_step(chain, lot.plant, &plant)?,
        reading_step(chain, &lot, lot.plant, &plant, false)?,
    ];
    let back = vec![
        sold_step(chain, &lot, &plant)?,
        reading_step(chain, &lot, lot.consumer, &consumer, true)?,
    ];
    Ok(Trace { lot, there, back })
}

/// The root vouches for the cluster's block and with it for the consumer's account.
fn root_step(
    cluster: u32,
    chain: &LedgerChain,
    root: &LedgerChain,
    consumer: AccountId,
) -> Result<TraceStep, String> {
    let proof = prove_balance(cluster, consumer, chain, root)
        .ok_or("the root has not recorded a block of the cluster yet, or an old one")?;
    let bytes = encoded(&proof);
    let mut wallet = crate::tier::SuperLightWallet::new(
        consumer,
        cluster,
        chain.id(),
        root.id(),
        root.validators(),
    );
    let verified = wallet.balance(&bytes);
    Ok(TraceStep {
        what: format!(
            "root block {} records block {} of the cluster; the account is in its state",
            proof.root.height, proof.record.height
        ),
        proof: "root certificate, record and account under their state roots".into(),
        bytes: bytes.len(),
        holds: verified.is_ok(),
    })
}

fn settlement_step(
    chain: &LedgerChain,
    lot: &Delivery,
    consumer: &str,
    plant: &str,
) -> Result<TraceStep, String> {
    let wanted = |line: &MoneyLine| {
        line.buyer == lot.consumer
            && line.seller == lot.plant
            && line.kind == lot.kind
            && line.energy_wh == lot.wh
    };
    let proof = crate::tier::prove_origin(chain, lot.height, wanted)
        .ok_or_else(|| format!("block {} has no such settlement", lot.height))?;
    let (signed, _) = certified(chain, lot.height).ok_or("the settling block is not there")?;
    Ok(TraceStep {
        what: format!(
            "block {} settles slot {}: {} Wh {} from {plant} to {consumer} at {} µEUR/kWh",
            lot.height,
            lot.delivered_slot,
            lot.wh,
            lot.kind.label(),
            lot.price
        ),
        proof: "certificate of the block, path of the lot to its receipts root".into(),
        bytes: encoded(&proof).len(),
        holds: signed && proof.line.verify(&proof.header),
    })
}

fn meter_step(chain: &LedgerChain, account: AccountId, name: &str) -> Result<TraceStep, String> {
    let proof = chain
        .prove_state(StateKey::Participant(account))
        .ok_or("no block is decided")?;
    let meter = chain
        .participant(account)
        .map(|known| known.meter)
        .ok_or_else(|| format!("{name} is no participant: what it delivers is metered outside"))?;
    Ok(TraceStep {
        what: format!("{name} is registered with meter {meter}"),
        proof: "participant record under the state root".into(),
        bytes: encoded(&proof).len(),
        holds: proof.verify() && proof.value.is_some(),
    })
}

/// What a meter's readings say about a slot: blocks before the settlement, newest first.
fn readings(
    chain: &LedgerChain,
    meter: AccountId,
    slot: u32,
    settled_at: u64,
) -> Result<Option<SlotReadings>, Missing> {
    let Some(rules) = chain.market_rules() else {
        return Ok(None);
    };
    let mut found: Option<SlotReadings> = None;
    for height in (1..=settled_at).rev().take(SCANNED_BLOCKS as usize) {
        let Some(decided) = chain.block(height) else {
            chain.at_hand(height)?;
            return Ok(found);
        };
        for (index, tx) in decided.block.transactions().iter().enumerate().rev() {
            let TxBody::Reading(reading) = &tx.body else {
                continue;
            };
            if tx.account() != meter {
                continue;
            }
            let of = rules.slot_ending(reading.interval_end_ms);
            let registers = Registers::from(reading);
            match &mut found {
                None if of == slot => {
                    found = Some(SlotReadings {
                        before: None,
                        end: registers,
                        end_ms: reading.interval_end_ms,
                        height,
                        index,
                    });
                }
                Some(found) if of < slot => {
                    found.before = Some(registers);
                    return Ok(Some(SlotReadings {
                        before: found.before,
                        ..*found
                    }));
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

fn reading_step(
    chain: &LedgerChain,
    lot: &Delivery,
    account: AccountId,
    name: &str,
    taken: bool,
) -> Result<TraceStep, String> {
    let meter = chain
        .participant(account)
        .map(|known| known.meter)
        .ok_or_else(|| format!("{name} has no meter in this cluster"))?;
    let readings = readings(chain, meter, lot.generated_slot, lot.height)
        .map_err(|missing| format!("the readings of {name} cannot be had: {missing}"))?
        .ok_or_else(|| format!("no reading of {name} in slot {}", lot.generated_slot))?;
    let energy = readings.end.since(&readings.before.unwrap_or_default());
    let metered = metered(&energy, lot.kind, taken);
    let proof = chain
        .prove(readings.height, readings.index)
        .ok_or("the block is not there")?;
    let (signed, certificate) = certified(chain, readings.height).ok_or("no certificate")?;
    let direction = if taken { "took" } else { "gave" };
    Ok(TraceStep {
        what: format!(
            "reading of {name} at {} in block {}: it {direction} {metered} Wh in slot {}, {} of them in this lot",
            SimTime(readings.end_ms),
            readings.height,
            lot.generated_slot,
            lot.wh
        ),
        proof: "signature of the meter, path to the block's transactions, certificate".into(),
        bytes: encoded(&proof).len() + certificate,
        holds: signed
            && proof.verify()
            && proof.transaction.is_signed_for(&chain.id())
            && metered >= lot.wh,
    })
}

fn metered(energy: &Registers, kind: EnergyType, taken: bool) -> EnergyWh {
    match kind {
        _ if taken => energy.import_wh,
        EnergyType::Battery => energy.export_battery_wh,
        _ => energy.export_solar_wh,
    }
}

/// From the plant: everything it metered out in the slot is in lots, this one among them.
fn sold_step(chain: &LedgerChain, lot: &Delivery, plant: &str) -> Result<TraceStep, String> {
    let sales: Vec<Delivery> = chain
        .sales(lot.plant, usize::MAX)
        .into_iter()
        .filter(|sale| {
            sale.generated_slot == lot.generated_slot
                && sale.kind == lot.kind
                && sale.height == lot.height
        })
        .collect();
    let sum: EnergyWh = sales.iter().map(|sale| sale.wh).sum();
    let here = sales.contains(lot);
    let meter = chain
        .participant(lot.plant)
        .map(|known| known.meter)
        .ok_or("the plant has no meter in this cluster")?;
    let given = readings(chain, meter, lot.generated_slot, lot.height)
        .map_err(|missing| missing.to_string())?
        .map_or(0, |readings| {
            let energy = readings.end.since(&readings.before.unwrap_or_default());
            metered(&energy, lot.kind, false)
        });
    Ok(TraceStep {
        what: format!(
            "{plant} metered out {given} Wh of it in slot {}; {} lots to {} consumers carry {sum} Wh, this lot among them",
            lot.generated_slot,
            sales.len(),
            {
                let mut buyers: Vec<AccountId> = sales.iter().map(|sale| sale.consumer).collect();
                buyers.sort_unstable();
                buyers.dedup();
                buyers.len()
            }
        ),
        proof: "settlement receipt, executed anew by every validator".into(),
        bytes: 0,
        holds: here && sum == given,
    })
}
