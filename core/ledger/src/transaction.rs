//! Transactions: what people, meters and services ask of a ledger.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{Certificate, ChainId, Equivocation, Tx};
use gridloom_contract::{BatteryFacts, EmTemplate, EvFacts, HeaterFacts, Preferences};
use gridloom_market::Terms;
use gridloom_market::wholesale::BidStep;
use gridloom_units::{
    AccountId, EnergyType, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh, SignedReading, SimTime,
};

use crate::cross::{Approved, CheckpointExtras, LotTerms, RootNews, Seat};
use crate::header::BlockHeader;
use crate::keys::{KeyPair, account_of, tagged_hash, verify};

/// Largest transaction, bytes on the wire.
pub const MAX_TRANSACTION_BYTES: usize = 16 * 1024;
/// Largest transaction that proves itself and carries parcels, bytes on the wire.
pub const MAX_PROOF_BYTES: usize = 512 * 1024;
/// Longest name of a participant, bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Most devices of unknown kind one reading may list.
pub const MAX_OTHER_DEVICES: usize = 24;

/// Most signed readings of a physical meter in one transaction.
pub const MAX_RECORDS: usize = 32;

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
    /// Price of a slot; by the cloud, or by the LG-Aggregator without it. Refused
    /// unless it equals the recomputation.
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
        /// What changed with it: flows to other clusters, validators.
        extras: Box<CheckpointExtras>,
    },
    /// Proof that a validator signed two messages in one place; proves itself.
    Evidence(Equivocation),
    /// Pays another account of the same cluster.
    Transfer {
        /// Payee.
        to: AccountId,
        /// Amount, nano-EUR.
        amount: MoneyNanoEur,
    },
    /// Pays an account of another cluster.
    Export {
        /// Index of that cluster.
        dst: u32,
        /// Payee.
        to: AccountId,
        /// Amount, nano-EUR.
        amount: MoneyNanoEur,
        /// Root height after which it comes back instead.
        deadline_root_height: u64,
    },
    /// Assigns surplus of a settled slot to a consumer in another cluster; LG-Aggregator only.
    ExportLot {
        /// Index of that cluster.
        dst: u32,
        /// Consumer.
        to: AccountId,
        /// Slot of the surplus.
        slot: u32,
        /// Account of the plant.
        plant: AccountId,
        /// Type of the energy.
        kind: EnergyType,
        /// Energy, Wh.
        wh: EnergyWh,
        /// At which prices, if it is a trade and not only a statement of origin.
        terms: Option<LotTerms>,
        /// Root height after which it comes back instead.
        deadline_root_height: u64,
    },
    /// News of the root: parcels, outcomes, decisions; proves itself.
    FollowRoot(Box<RootNews>),
    /// A decision of the root's validators; proves itself.
    Decide(Box<Approved>),
    /// Grants an account the right to be a full node, or takes it away; operator only.
    Authorise {
        /// Account of the node.
        node: AccountId,
        /// Whether it may be one.
        granted: bool,
    },
    /// Another validator set of this cluster from the next block on; operator only.
    SetValidators {
        /// Its seats.
        seats: Vec<Seat>,
    },
    /// The edge with this key reads the sender's physical meter from now on.
    TrustMeter {
        /// Public key of the edge.
        key: [u8; 32],
    },
    /// Readings of the sender's physical meter, signed by its edge, in order, at
    /// most [`MAX_RECORDS`].
    MeterRecords(Vec<SignedReading>),
    /// What the sender bids in a coming slot, in place of the limits of its
    /// contract and of its earlier orders for that slot.
    Order {
        /// The slot.
        slot: u32,
        /// At which prices it trades; both sides as in the contract take an
        /// earlier order back.
        terms: Terms,
    },
    /// What the community bids at the wholesale market for a coming slot;
    /// wholesale agent only.
    WholesaleBid {
        /// The slot.
        slot: u32,
        /// Steps, all buying or all selling.
        steps: Vec<BidStep>,
    },
    /// The cluster has no grid in this slot: stated when it begins, then again
    /// when it is over; LG-Aggregator only.
    Island {
        /// The slot.
        slot: u32,
        /// Once it is over: what came into the cluster.
        over: Option<IslandOver>,
    },
}

/// What came into a cluster over a slot in which it was without a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct IslandOver {
    /// Energy that other clusters of the island gave while there was no grid,
    /// Wh; negative when they took.
    pub from_neighbours_wh: EnergyWh,
    /// Energy that came from outside while there was a grid, Wh, negative when
    /// it went out; `None` when there was none from beginning to end.
    pub from_grid_wh: Option<EnergyWh>,
}

impl IslandOver {
    /// All that came in, Wh.
    pub(crate) fn total_wh(&self) -> EnergyWh {
        self.from_neighbours_wh
            .saturating_add(self.from_grid_wh.unwrap_or(0))
    }
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
        matches!(
            self.body,
            TxBody::Checkpoint { .. }
                | TxBody::Evidence(_)
                | TxBody::FollowRoot(_)
                | TxBody::Decide(_)
        )
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
        if bytes.len() > MAX_PROOF_BYTES {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        let tx: Self = borsh::from_slice(bytes)?;
        if bytes.len() > tx.max_bytes() {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        Ok(tx)
    }

    /// Most bytes a transaction of this kind may have.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        match self.body {
            TxBody::FollowRoot(_) | TxBody::Checkpoint { .. } => MAX_PROOF_BYTES,
            _ => MAX_TRANSACTION_BYTES,
        }
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
            TxBody::Transfer { to, amount } => format!("pay {amount} nEUR to {to}"),
            TxBody::Export {
                dst, to, amount, ..
            } => format!("pay {amount} nEUR to {to} in cluster {dst}"),
            TxBody::ExportLot {
                dst,
                to,
                wh,
                terms: Some(terms),
                ..
            } => format!(
                "sell {wh} Wh to {to} in cluster {dst}, {} for {} µEUR/kWh",
                terms.seller, terms.buyer
            ),
            TxBody::ExportLot { dst, to, wh, .. } => {
                format!("assign {wh} Wh to {to} in cluster {dst}")
            }
            TxBody::FollowRoot(news) => format!(
                "news of root block {}: {} parcels, {} outcomes, {} decisions",
                news.header.height,
                news.parcels.len(),
                news.outcomes.len(),
                news.decisions.len()
            ),
            TxBody::Decide(approved) => format!("root decision {}", approved.number),
            TxBody::Authorise { node, granted } => format!(
                "{} {node} as a full node",
                if *granted { "authorise" } else { "dismiss" }
            ),
            TxBody::SetValidators { seats } => format!("validator set of {} seats", seats.len()),
            TxBody::TrustMeter { .. } => format!("trust the meter of {}", self.account()),
            TxBody::MeterRecords(readings) => {
                format!("{} meter records of {}", readings.len(), self.account())
            }
            TxBody::Order { slot, terms } => {
                format!("{} in slot {slot} {}", self.account(), terms.words())
            }
            TxBody::WholesaleBid { slot, steps } => format!(
                "wholesale bid for slot {slot}: {} Wh in {} steps",
                steps
                    .iter()
                    .fold(0_i64, |sum, step| sum.saturating_add(step.wh)),
                steps.len()
            ),
            TxBody::Island { slot, over } => over.map_or_else(
                || format!("slot {slot} begins without a grid"),
                |over| {
                    let wh = over.from_neighbours_wh;
                    let how = over.from_grid_wh.map_or("no grid", |_| "a grid for a part");
                    format!("slot {slot} had {how}: {wh} Wh from neighbours")
                },
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
            TxBody::Transfer { .. } => "transfer",
            TxBody::Export { .. } => "export",
            TxBody::ExportLot { .. } => "export lot",
            TxBody::FollowRoot(_) => "root news",
            TxBody::Decide(_) => "decision",
            TxBody::Authorise { .. } => "authorise",
            TxBody::SetValidators { .. } => "validators",
            TxBody::TrustMeter { .. } => "trust meter",
            TxBody::MeterRecords(_) => "meter records",
            TxBody::Order { .. } => "order",
            TxBody::WholesaleBid { .. } => "wholesale bid",
            TxBody::Island { .. } => "island",
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

/// Canonical bytes of anything this crate commits, proves or sends.
#[must_use]
pub fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    encoded(value)
}

/// Reads canonical bytes; `None` where they are not, or where others follow.
#[must_use]
pub fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Option<T> {
    borsh::from_slice(bytes).ok()
}
