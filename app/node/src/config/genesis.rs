//! The genesis file: what all nodes of a ledger have in common.

use std::path::Path;

use gridloom_consensus::{ChainId, ValidatorSet};
use gridloom_ledger::{ClusterGenesis, LedgerChain, MarketRules, account_of, is_usable};
use gridloom_units::{MoneyNanoEur, PriceMicroEurPerKwh};
use libp2p::PeerId;
use serde::{Deserialize, Serialize};

use crate::hex;
use crate::problem::{Problem, Source};

/// Most validators of one ledger between machines.
pub const MAX_VALIDATORS: usize = 32;
/// Most accounts with a deposit.
const MAX_ACCOUNTS: usize = 100_000;

/// A genesis as written. Keys are hexadecimal ed25519 public keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisFile {
    /// Name of the ledger, 1 to 16 bytes.
    pub chain: String,
    /// Start of its clock: local midnight of the first day, ms since 1970 UTC.
    pub epoch_unix_ms: u64,
    /// Who decides its blocks, in network order.
    pub validators: Vec<ValidatorEntry>,
    /// Keys of the services.
    pub roles: RolesEntry,
    /// Rules of the market.
    pub market: MarketEntry,
    /// Deposits.
    pub accounts: Vec<AccountEntry>,
}

/// One validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorEntry {
    /// Its name, by which configurations call it.
    pub name: String,
    /// Key that signs its votes.
    pub key: String,
    /// Key of its network identity.
    pub identity: String,
    /// Voting power.
    pub power: u64,
}

/// Keys of the services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolesEntry {
    /// Grid operator.
    pub operator: String,
    /// Utility.
    pub utility: String,
    /// Cloud service.
    pub cloud: String,
    /// LG-Aggregator.
    pub aggregator: String,
}

/// Rules of the market.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarketEntry {
    /// Length of a slot, min.
    pub slot_min: u64,
    /// Interval between readings of a meter, s.
    pub reading_s: u64,
    /// What the utility pays, micro-EUR/kWh.
    pub feed_in: PriceMicroEurPerKwh,
    /// What the utility asks, micro-EUR/kWh.
    pub import: PriceMicroEurPerKwh,
    /// Largest change of a price from slot to slot, micro-EUR/kWh; 0 for no limit.
    pub max_step: PriceMicroEurPerKwh,
    /// Highest price while islanded, micro-EUR/kWh.
    #[serde(default = "island_price")]
    pub island: PriceMicroEurPerKwh,
}

/// Ten times a usual import price, for load that cannot be served otherwise.
fn island_price() -> PriceMicroEurPerKwh {
    3_000_000
}

/// A deposit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEntry {
    /// Key of the holder.
    pub key: String,
    /// Deposit, EUR.
    pub deposit_eur: u32,
}

/// One validator, checked.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Key that signs its votes.
    pub key: [u8; 32],
    /// Network identity.
    pub peer: PeerId,
}

/// A genesis, checked.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// As written.
    pub file: GenesisFile,
    /// Validators in network order.
    pub members: Vec<Member>,
    /// What the ledger starts from.
    pub ledger: ClusterGenesis,
}

impl Genesis {
    /// Reads and checks a genesis file.
    ///
    /// # Errors
    /// Names file, line and the first problem.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        let source = Source::read(path)?;
        Self::check(&source, source.parse()?)
    }

    /// The ledger before its first block. A node checks every signature
    /// itself, so its memory of facts is its own.
    ///
    /// # Errors
    /// What [`ClusterGenesis::check`] refuses.
    pub fn chain(&self) -> Result<LedgerChain, gridloom_ledger::GenesisError> {
        LedgerChain::cluster(&self.ledger)
    }

    /// Hash that all nodes of a ledger agree on before they talk.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"gridloom/genesis-file/1");
        let file = &self.file;
        let mut put = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        put(&file.chain);
        put(&file.epoch_unix_ms.to_string());
        for validator in &file.validators {
            put(&validator.name);
            put(&validator.key);
            put(&validator.identity);
            put(&validator.power.to_string());
        }
        let roles = &file.roles;
        for key in [
            &roles.operator,
            &roles.utility,
            &roles.cloud,
            &roles.aggregator,
        ] {
            put(key);
        }
        put(&format!("{:?}", file.market));
        for account in &file.accounts {
            put(&account.key);
            put(&account.deposit_eur.to_string());
        }
        *hasher.finalize().as_bytes()
    }

    fn check(source: &Source, file: GenesisFile) -> Result<Self, Problem> {
        if file.chain.is_empty() || file.chain.len() > 16 || file.chain.contains('/') {
            let message = "the chain's name must have 1 to 16 bytes and no slash";
            return Err(source.at("chain:", message, "for example \"akerby-1\""));
        }
        if file.validators.is_empty() || file.validators.len() > MAX_VALIDATORS {
            let message = format!(
                "{} validators: there must be 1 to {MAX_VALIDATORS}",
                file.validators.len()
            );
            let hint = "four tolerate one fault, seven two; more come in clusters";
            return Err(source.at("validators:", message, hint));
        }
        if file.accounts.len() > MAX_ACCOUNTS {
            let message = format!("more than {MAX_ACCOUNTS} accounts");
            return Err(source.at("accounts:", message, "open the others later"));
        }
        let mut members = Vec::new();
        for entry in &file.validators {
            members.push(member(source, &file, entry)?);
        }
        let mut keys = Vec::new();
        for (entry, member) in file.validators.iter().zip(&members) {
            let key = gridloom_consensus::Ed25519::public_key(&member.key)
                .map_err(|error| source.at(&entry.key, error.to_string(), KEY_HINT))?;
            keys.push((key, entry.power));
        }
        let validators = ValidatorSet::new(keys)
            .map_err(|error| source.at("validators:", error.to_string(), ""))?;
        let ledger = ledger(source, &file, validators)?;
        ledger.check().map_err(|error| {
            source.at(
                "market:",
                error.to_string(),
                "see MarketRules in the library",
            )
        })?;
        Ok(Self {
            file,
            members,
            ledger,
        })
    }
}

const KEY_HINT: &str = "a key has 64 hexadecimal digits; `gridloom node init` makes good ones";

fn public(source: &Source, text: &str) -> Result<[u8; 32], Problem> {
    hex::decode_array(text)
        .filter(is_usable)
        .ok_or_else(|| source.at(text, "this is no usable ed25519 public key", KEY_HINT))
}

fn member(source: &Source, file: &GenesisFile, entry: &ValidatorEntry) -> Result<Member, Problem> {
    let named = |other: &&ValidatorEntry| other.name == entry.name;
    if entry.name.is_empty() || file.validators.iter().filter(named).count() > 1 {
        let message = format!("the validator name {:?} is empty or used twice", entry.name);
        return Err(source.at(&format!("{:?}", entry.name), message, ""));
    }
    if entry.power == 0 || entry.power > 1_000_000 {
        let message = format!(
            "power {} of {}: must be 1 to 1000000",
            entry.power, entry.name
        );
        return Err(source.at(&format!("{:?}", entry.name), message, ""));
    }
    let shared = |other: &&ValidatorEntry| other.identity == entry.identity;
    if file.validators.iter().filter(shared).count() > 1 {
        let message = format!("{} shares its network identity", entry.name);
        return Err(source.at(&entry.identity, message, "every node has its own"));
    }
    Ok(Member {
        name: entry.name.clone(),
        key: public(source, &entry.key)?,
        peer: peer_id(&public(source, &entry.identity)?)
            .ok_or_else(|| source.at(&entry.identity, "this is no network identity", KEY_HINT))?,
    })
}

/// The network's name of an ed25519 public key.
#[must_use]
pub fn peer_id(public: &[u8; 32]) -> Option<PeerId> {
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(public).ok()?;
    Some(libp2p::identity::PublicKey::from(key).to_peer_id())
}

fn ledger(
    source: &Source,
    file: &GenesisFile,
    validators: ValidatorSet,
) -> Result<ClusterGenesis, Problem> {
    let account = |text: &str| public(source, text).map(|key| account_of(&key));
    let minutes = |value: u64, unit_ms: u64| value.checked_mul(unit_ms);
    let (Some(slot_ms), Some(reading_ms)) = (
        minutes(file.market.slot_min, 60_000),
        minutes(file.market.reading_s, 1_000),
    ) else {
        return Err(source.at("market:", "intervals are too long", ""));
    };
    let mut accounts = Vec::new();
    for entry in &file.accounts {
        let deposit = MoneyNanoEur::from(entry.deposit_eur) * 1_000_000_000;
        accounts.push((account(&entry.key)?, deposit));
    }
    Ok(ClusterGenesis {
        setup: gridloom_ledger::Setup::default(),
        chain: ChainId::from_name(&file.chain),
        validators,
        operator: account(&file.roles.operator)?,
        utility: account(&file.roles.utility)?,
        cloud: account(&file.roles.cloud)?,
        aggregator: account(&file.roles.aggregator)?,
        accounts,
        market: MarketRules {
            slot_ms,
            reading_ms,
            feed_in: file.market.feed_in,
            import: file.market.import,
            max_step: file.market.max_step,
            wholesale: None,
            island: file.market.island,
        },
        // A networked ledger stands alone: nothing carries parcels between processes yet.
        root: None,
    })
}
