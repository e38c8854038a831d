//! A cluster's ledger driven without consensus: blocks are built in turn by
//! the validators, checked and applied by all replicas. For benchmarks, tests
//! and anybody who wants to see the ledger work on its own.

use std::sync::Arc;

use gridloom_consensus::{
    Block, BuildAt, Certificate, Chain, ChainId, Decided, KeyPair as ValidatorKey, ValidatorSet,
};
use gridloom_contract::{EmTemplate, Preferences, PriceTerms, TypeWeights};
use gridloom_market::{Rule, Terms};
use gridloom_units::{AccountId, MoneyNanoEur, PriceMicroEurPerKwh, SignedReading};

use crate::chain::LedgerChain;
use crate::genesis::{Admission, ClusterGenesis, MarketRules, Setup};
use crate::header::LedgerBlock;
use crate::keys::{KeyPair, tagless_hash};
use crate::receipt::Receipt;
use crate::transaction::{IslandOver, MeterReading, Transaction, TxBody};

/// One cent per kilowatt-hour.
pub const CENT: PriceMicroEurPerKwh = 10_000;
/// One euro.
pub const EURO: MoneyNanoEur = 1_000_000_000;

/// The edge of a physical meter: signs readings, each chained to the one before.
#[derive(Clone)]
pub struct MeterEdge {
    /// Its key.
    pub key: KeyPair,
    seq: u64,
    before: [u8; 32],
}

impl MeterEdge {
    /// An edge with a key of its own.
    #[must_use]
    pub fn new(seed: u8) -> Self {
        Self {
            key: KeyPair::from_seed([seed; 32]),
            seq: 0,
            before: [0; 32],
        }
    }

    /// Reads a counter and signs, Wh.
    pub fn read(&mut self, point: &str, value: i64, good: bool) -> SignedReading {
        self.seq += 1;
        let mut reading = SignedReading {
            meter: self.key.public(),
            point: point.into(),
            value,
            exponent: 0,
            unit: "Wh".into(),
            good,
            wall_ms: 1_000 * self.seq,
            device_ms: None,
            frame: [8; 32],
            seq: self.seq,
            before: self.before,
            signature: [0; 64],
        };
        reading.signature = self.key.sign(&reading.signed_bytes());
        self.before = tagless_hash(&reading.chained_bytes());
        reading
    }
}

/// A cluster with its keys and one or more replicas of its ledger.
pub struct Rehearsal {
    /// Replicas, all at one height.
    pub replicas: Vec<LedgerChain>,
    /// Keys of the four validators.
    pub validators: Vec<ValidatorKey>,
    /// Grid operator.
    pub operator: KeyPair,
    /// Utility.
    pub utility: KeyPair,
    /// Cloud service.
    pub cloud: KeyPair,
    /// LG-Aggregator.
    pub aggregator: KeyPair,
    /// Homes: account key and meter key.
    pub homes: Vec<(KeyPair, KeyPair)>,
    nonces: std::collections::BTreeMap<AccountId, u64>,
}

/// Key number `index` of a role.
fn key(role: u8, index: u32) -> KeyPair {
    let mut seed = [role; 32];
    seed[..4].copy_from_slice(&index.to_le_bytes());
    KeyPair::from_seed(seed)
}

/// The four validators of a rehearsal and their set.
///
/// # Errors
/// Says why the set was refused.
pub fn four_validators(salt: u8) -> Result<(Vec<ValidatorKey>, ValidatorSet), String> {
    let keys: Vec<ValidatorKey> = (1..=4)
        .map(|i| ValidatorKey::from_seed([salt.wrapping_mul(16).wrapping_add(i); 32]))
        .collect();
    let set = ValidatorSet::new(keys.iter().map(|key| (key.public(), 1)))
        .map_err(|error| error.to_string())?;
    Ok((keys, set))
}

/// Preferences of somebody who takes energy of any type.
#[must_use]
pub fn any_energy() -> Preferences {
    Preferences {
        weights: TypeWeights {
            solar: 1,
            battery: 1,
            grid_mix: 1,
            ..TypeWeights::default()
        },
        ..Preferences::default()
    }
}

/// Slots of 15 min, readings every 5 min.
fn quarter_hours() -> MarketRules {
    MarketRules {
        slot_ms: 900_000,
        reading_ms: 300_000,
        feed_in: 8 * CENT,
        import: 30 * CENT,
        max_step: 2 * CENT,
        wholesale: None,
        island: 32 * CENT,
    }
}

impl Rehearsal {
    /// A cluster of `homes` with a deposit of 50 EUR each, slots of 15 min and
    /// readings every 5 min.
    ///
    /// # Errors
    /// Says why the genesis was refused.
    pub fn new(homes: u32, replicas: usize) -> Result<Self, String> {
        Self::with(homes, replicas, 50 * EURO, quarter_hours())
    }

    /// The same where anybody may join and no home has an account yet.
    ///
    /// # Errors
    /// Says why the genesis was refused.
    pub fn public(homes: u32) -> Result<Self, String> {
        let setup = Setup {
            admission: Admission::Anyone,
            ..Setup::default()
        };
        Self::made(homes, 1, None, quarter_hours(), setup)
    }

    /// The same with another deposit and other rules.
    ///
    /// # Errors
    /// Says why the genesis was refused.
    pub fn with(
        homes: u32,
        replicas: usize,
        deposit: MoneyNanoEur,
        market: MarketRules,
    ) -> Result<Self, String> {
        Self::made(homes, replicas, Some(deposit), market, Setup::default())
    }

    fn made(
        homes: u32,
        replicas: usize,
        deposit: Option<MoneyNanoEur>,
        market: MarketRules,
        setup: Setup,
    ) -> Result<Self, String> {
        let (validators, set) = four_validators(1)?;
        let [operator, utility, cloud, aggregator] = [2, 3, 4, 5].map(|role| key(role, 0));
        let homes: Vec<(KeyPair, KeyPair)> = (0..homes).map(|i| (key(6, i), key(7, i))).collect();
        let mut accounts: Vec<(AccountId, MoneyNanoEur)> = homes
            .iter()
            .filter_map(|(home, _)| Some((home.account(), deposit?)))
            .collect();
        accounts.push((operator.account(), 10_000 * EURO));
        accounts.push((utility.account(), 10_000 * EURO));
        let genesis = ClusterGenesis {
            setup,
            chain: ChainId::from_name("rehearsal"),
            validators: set,
            operator: operator.account(),
            utility: utility.account(),
            cloud: cloud.account(),
            aggregator: aggregator.account(),
            accounts,
            market,
            root: None,
        };
        let first = LedgerChain::cluster(&genesis).map_err(|error| error.to_string())?;
        Ok(Self {
            replicas: vec![first; replicas.max(1)],
            validators,
            operator,
            utility,
            cloud,
            aggregator,
            homes,
            nonces: Default::default(),
        })
    }

    /// The first replica.
    ///
    /// # Panics
    /// Never: there is at least one.
    #[must_use]
    pub fn chain(&self) -> &LedgerChain {
        self.replicas
            .first()
            .expect("made with at least one replica")
    }

    /// Signs with the signer's next number.
    pub fn sign(&mut self, signer: &KeyPair, body: TxBody) -> Transaction {
        let nonce = self.nonces.entry(signer.account()).or_default();
        let tx = Transaction::sign(&ChainId::from_name("rehearsal"), signer, *nonce, body);
        *nonce += 1;
        tx
    }

    /// Gives a transaction to every replica; says whether all took it.
    pub fn submit(&mut self, tx: Transaction) -> bool {
        let tx = Arc::new(tx);
        let mut all = true;
        for replica in &mut self.replicas {
            all &= replica.submit(Arc::clone(&tx));
        }
        all
    }

    /// Builds the next block at `now_ms`, checks and applies it everywhere.
    ///
    /// # Errors
    /// Says which replica refused it and why.
    pub fn step(&mut self, now_ms: u64) -> Result<Arc<LedgerBlock>, String> {
        let height = self.chain().height() + 1;
        let proposer = self.chain().validators().proposer(height, 0).address;
        let builder = (height as usize) % self.replicas.len();
        let block = self.replicas[builder].build(BuildAt {
            height,
            round: 0,
            proposer,
            now_ms,
        });
        self.finish(block, now_ms)
    }

    /// Checks and applies a block everywhere.
    ///
    /// # Errors
    /// Says which replica refused it and why.
    pub fn finish(
        &mut self,
        block: Arc<LedgerBlock>,
        now_ms: u64,
    ) -> Result<Arc<LedgerBlock>, String> {
        let decided = Decided {
            certificate: Arc::new(Certificate {
                height: block.height(),
                round: block.round(),
                block: block.id(),
                signatures: Vec::new(),
            }),
            block,
        };
        for (index, replica) in self.replicas.iter_mut().enumerate() {
            replica
                .check(&decided.block, now_ms)
                .and_then(|()| replica.apply(decided.clone()))
                .map_err(|reason| format!("replica {index}: {reason}"))?;
        }
        Ok(decided.block)
    }

    /// Receipts of the last block.
    #[must_use]
    pub fn receipts(&self) -> Arc<Vec<Receipt>> {
        self.chain()
            .receipts(self.chain().height())
            .unwrap_or_default()
    }

    /// Registers the contract and every home with equal preferences (paper
    /// steps a and b) in two blocks.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn register_all(&mut self, now_ms: u64) -> Result<(), String> {
        self.register_under(Rule::default(), now_ms)
    }

    /// The same under a contract that forms prices by another rule.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn register_under(&mut self, rule: Rule, now_ms: u64) -> Result<(), String> {
        let operator = self.operator.clone();
        let template = EmTemplate {
            price: PriceTerms {
                rule,
                ..PriceTerms::default()
            },
            ..EmTemplate::default()
        };
        let tx = self.sign(&operator, TxBody::RegisterContract { template });
        self.submit(tx);
        self.step(now_ms)?;
        for (index, (home, meter)) in self.homes.clone().into_iter().enumerate() {
            let preferences = Preferences {
                weights: TypeWeights {
                    solar: 3,
                    battery: 2,
                    grid_mix: 1,
                    ..TypeWeights::default()
                },
                ..Preferences::default()
            };
            let tx = self.sign(
                &home,
                TxBody::RegisterParticipant {
                    name: format!("H{:02}", index + 1),
                    meter_key: meter.public(),
                    preferences,
                    spread: (index * 2_341 % 65_536) as u16,
                },
            );
            self.submit(tx);
        }
        self.step(now_ms).map(|_| ())
    }

    /// Gives a reading of one home's meter to every replica.
    pub fn read(&mut self, home: usize, reading: MeterReading) -> bool {
        let Some((_, meter)) = self.homes.get(home).cloned() else {
            return false;
        };
        let tx = self.sign(&meter, TxBody::Reading(reading));
        self.submit(tx)
    }

    /// Gives an order of one home for a coming slot.
    pub fn order(&mut self, home: usize, slot: u32, terms: Terms) -> bool {
        let Some((home, _)) = self.homes.get(home).cloned() else {
            return false;
        };
        let tx = self.sign(&home, TxBody::Order { slot, terms });
        self.submit(tx)
    }

    /// Gives the price that the readings on record call for.
    pub fn price(&mut self, slot: u32) -> bool {
        let Some((typed, scalar)) = self.chain().next_price(slot) else {
            return false;
        };
        let cloud = self.cloud.clone();
        let tx = self.sign(
            &cloud,
            TxBody::Price {
                slot,
                typed,
                scalar,
            },
        );
        self.submit(tx)
    }

    /// States that a slot has no grid; once it is over, with what came in.
    pub fn island(&mut self, slot: u32, over: Option<IslandOver>) -> bool {
        let aggregator = self.aggregator.clone();
        let tx = self.sign(&aggregator, TxBody::Island { slot, over });
        self.submit(tx)
    }

    /// Asks for the settlement of a slot.
    pub fn settle(&mut self, slot: u32) -> bool {
        let aggregator = self.aggregator.clone();
        let tx = self.sign(&aggregator, TxBody::Settle { slot });
        self.submit(tx)
    }
}
