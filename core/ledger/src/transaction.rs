//! Transactions: what people, meters and services ask of a ledger.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{Certificate, ChainId, Equivocation, Tx};
use gridloom_contract::{BatteryFacts, EmTemplate, EvFacts, HeaterFacts, Preferences};
use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh, SimTime};

use crate::header::BlockHeader;
use crate::keys::{KeyPair, account_of, tagged_hash, verify};

/// Largest transaction, bytes on the wire.
pub const MAX_TRANSACTION_BYTES: usize = 16 * 1024;
/// Longest name of a participant, bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Most devices of unknown kind one reading may list.
pub const MAX_OTHER_DEVICES: usize = 16;

const PREIMAGE_TAG: &[u8] = b"gridloom/tx/sign/1";
const ID_TAG: &[u8] = b"gridloom/tx/id/1";

/// A signed request to a ledger.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Transaction {
    /// What is asked.
    pub body: TxBody,
    /// Public key of who asks; zeros when the body proves itself.
    pub signer: [u8; 32],
    /// Distinguishes the signer's transactions; for a meter the number of the reading.
    pub nonce: u64,
    /// Strict ed25519 signature over [`Transaction::preimage`].
    pub signature: [u8; 64],
}

/// What a transaction asks.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum TxBody {
    /// Registers a version of the EM contract; operator only (paper step a).
    RegisterContract {
        /// The contract.
        template: EmTemplate,
    },
    /// Opens an account for a newcomer and pays a first deposit into it; operator only.
    OpenAccount {
        /// The account.
        account: AccountId,
        /// Paid out of the operator's account, nano-EUR, at least 0.
        deposit: MoneyNanoEur,
    },
    /// Joins the microgrid, or changes the preferences of a participant (paper step b).
    RegisterParticipant {
        /// Name for people.
        name: String,
        /// Public key of the home's I-meter.
        meter_key: [u8; 32],
        /// What the home wants.
        preferences: Preferences,
        /// Hash of the meter's device id, spreads thresholds.
        spread: u16,
    },
    /// A meter reading, signed by the meter (paper step c).
    Reading(MeterReading),
    /// Load of an area, measured by an M-LMD; LG-Aggregator only (paper step d).
    AreaLoad {
        /// Number of the M-LMD.
        mlmd: u32,
        /// End of the measured interval, ms.
        interval_end_ms: u64,
        /// Energy taken by the area, Wh; negative when it gave.
        energy_wh: EnergyWh,
    },
    /// Price of a slot; cloud only. Refused unless it equals the recomputation.
    Price {
        /// The slot.
        slot: u32,
        /// Price per type, micro-EUR/kWh.
        typed: [PriceMicroEurPerKwh; EnergyType::COUNT],
        /// Mean price, micro-EUR/kWh.
        scalar: PriceMicroEurPerKwh,
    },
    /// Settles a slot; LG-Aggregator only.
    Settle {
        /// The slot.
        slot: u32,
    },
    /// A cluster's certified header, for the root ledger; proves itself.
    Checkpoint {
        /// Index of the cluster in the root's genesis.
        cluster: u32,
        /// Its header.
        header: BlockHeader,
        /// A certificate of that header.
        certificate: Certificate,
    },
    /// Proof that a validator signed two messages in one place; proves itself.
    Evidence(Equivocation),
}

/// What an I-meter reports. Registers are cumulative, so a lost reading is
/// healed by the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MeterReading {
    /// End of the interval, ms since local midnight of the first day.
    pub interval_end_ms: u64,
    /// Register of energy taken, Wh.
    pub import_wh: EnergyWh,
    /// Register of energy given from photovoltaics, Wh.
    pub export_solar_wh: EnergyWh,
    /// Register of energy given out of storage, Wh.
    pub export_battery_wh: EnergyWh,
    /// State of the devices behind the meter.
    pub facts: DeviceFacts,
}

/// State of the devices behind a meter, what the EM contract decides on.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DeviceFacts {
    /// Battery, if there is one.
    pub battery: Option<BatteryFacts>,
    /// Water heater, if there is one.
    pub heater: Option<HeaterFacts>,
    /// EV charger, if there is one.
    pub ev: Option<EvFacts>,
    /// Codes of devices of other kinds, at most [`MAX_OTHER_DEVICES`].
    pub other: Vec<u16>,
}

/// Bytes that are no transaction.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Larger than [`MAX_TRANSACTION_BYTES`].
    #[error("{0} bytes are more than a transaction may have ({MAX_TRANSACTION_BYTES})")]
    TooLarge(usize),
    /// Not the canonical form.
    #[error("not a transaction: {0}")]
    Malformed(#[from] borsh::io::Error),
}

impl Transaction {
    /// Signs a request for one chain.
    #[must_use]
    pub fn sign(chain: &ChainId, key: &KeyPair, nonce: u64, body: TxBody) -> Self {
        let mut tx = Self {
            body,
            signer: key.public(),
            nonce,
            signature: [0; 64],
        };
        tx.signature = key.sign(&tx.preimage(chain));
        tx
    }

    /// A request that proves itself (checkpoint, evidence) and needs no signer.
    #[must_use]
    pub fn unsigned(body: TxBody) -> Self {
        Self {
            body,
            signer: [0; 32],
            nonce: 0,
            signature: [0; 64],
        }
    }

    /// Whether the content is its own proof, so that anybody may bring it.
    #[must_use]
    pub fn proves_itself(&self) -> bool {
        matches!(self.body, TxBody::Checkpoint { .. } | TxBody::Evidence(_))
    }

    /// Signed bytes, 90 of fixed width: tag 18, chain 16, nonce 8, BLAKE3 of
    /// the encoded body 32, first 16 bytes of the signer's account.
    #[must_use]
    pub fn preimage(&self, chain: &ChainId) -> [u8; 90] {
        let mut bytes = [0; 90];
        bytes[..18].copy_from_slice(PREIMAGE_TAG);
        bytes[18..34].copy_from_slice(&chain.0);
        bytes[34..42].copy_from_slice(&self.nonce.to_le_bytes());
        bytes[42..74].copy_from_slice(&hash_encoded(b"gridloom/tx/body/1", &self.body));
        bytes[74..90].copy_from_slice(&self.account().0[..16]);
        bytes
    }

    /// Whether the signature is good for this chain.
    #[must_use]
    pub fn is_signed_for(&self, chain: &ChainId) -> bool {
        if self.signer == [0; 32] {
            return self.proves_itself() && self.signature == [0; 64] && self.nonce == 0;
        }
        verify(&self.signer, &self.preimage(chain), &self.signature)
    }

    /// Account of the signer.
    #[must_use]
    pub fn account(&self) -> AccountId {
        account_of(&self.signer)
    }

    /// Identity: a hash over everything, the signature included.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        hash_encoded(ID_TAG, self)
    }

    /// Identity and length on the wire, bytes.
    pub(crate) fn id_and_size(&self) -> ([u8; 32], usize) {
        let bytes = self.encode();
        (tagged_hash(ID_TAG, &[&bytes]), bytes.len())
    }

    /// Canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoded(self)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// Refuses bytes that are too many, malformed or followed by others.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_TRANSACTION_BYTES {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        Ok(borsh::from_slice(bytes)?)
    }

    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        match &self.body {
            TxBody::RegisterContract { template } => {
                format!("register EM contract version {}", template.version)
            }
            TxBody::OpenAccount { account, .. } => format!("open account {account}"),
            TxBody::RegisterParticipant { name, .. } => format!("register participant {name}"),
            TxBody::Reading(reading) => format!(
                "reading of {} at {}: {} Wh in, {} Wh out",
                self.account(),
                SimTime(reading.interval_end_ms),
                reading.import_wh,
                reading
                    .export_solar_wh
                    .saturating_add(reading.export_battery_wh)
            ),
            TxBody::AreaLoad {
                mlmd, energy_wh, ..
            } => {
                format!("area load of M-LMD {mlmd}: {energy_wh} Wh")
            }
            TxBody::Price { slot, scalar, .. } => {
                format!("price of slot {slot}: {scalar} µEUR/kWh")
            }
            TxBody::Settle { slot } => format!("settle slot {slot}"),
            TxBody::Checkpoint {
                cluster, header, ..
            } => {
                format!(
                    "checkpoint of cluster {cluster} at height {}",
                    header.height
                )
            }
            TxBody::Evidence(evidence) => format!(
                "evidence against validator {} at height {}",
                evidence.offender, evidence.height
            ),
        }
    }
}

impl Tx for Transaction {
    fn kind(&self) -> &'static str {
        match self.body {
            TxBody::RegisterContract { .. } => "register contract",
            TxBody::OpenAccount { .. } => "open account",
            TxBody::RegisterParticipant { .. } => "register participant",
            TxBody::Reading(_) => "reading",
            TxBody::AreaLoad { .. } => "area load",
            TxBody::Price { .. } => "price",
            TxBody::Settle { .. } => "settle",
            TxBody::Checkpoint { .. } => "checkpoint",
            TxBody::Evidence(_) => "evidence",
        }
    }
}

/// Hash of a value's canonical bytes.
pub(crate) fn hash_encoded<T: BorshSerialize>(tag: &[u8], value: &T) -> [u8; 32] {
    let bytes = encoded(value);
    tagged_hash(tag, &[&bytes])
}

/// Canonical bytes of a value of this crate.
pub(crate) fn encoded<T: BorshSerialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    // Writing to a vector cannot fail, and no collection here has 2^32 items.
    if value.serialize(&mut bytes).is_err() {
        bytes.clear();
    }
    bytes
}
