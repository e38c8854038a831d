//! What a ledger starts from.

use borsh::BorshSerialize;
use gridloom_consensus::{BlockId, ChainId, ValidatorSet};
use gridloom_market::wholesale::{GridPrices, WholesaleTerms};
use gridloom_units::{AccountId, MoneyNanoEur, PriceMicroEurPerKwh};

use crate::cross::ExportLimit;
use crate::keys::tagged_hash;
use crate::transaction::encoded;

/// Rules of the market of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
pub struct MarketRules {
    /// Length of a market slot, ms.
    pub slot_ms: u64,
    /// Interval between readings of a meter, ms.
    pub reading_ms: u64,
    /// What the utility pays, micro-EUR/kWh.
    pub feed_in: PriceMicroEurPerKwh,
    /// What the utility asks, micro-EUR/kWh.
    pub import: PriceMicroEurPerKwh,
    /// Largest change of a price from slot to slot, micro-EUR/kWh; 0 for no limit.
    pub max_step: PriceMicroEurPerKwh,
    /// Who deals for the cluster at the wholesale market; `None` for the
    /// utility's tariff in every slot.
    pub wholesale: Option<WholesaleAgent>,
    /// Highest price while islanded: cost of the dearest dispatchable source
    /// or value of lost load, micro-EUR/kWh.
    pub island: PriceMicroEurPerKwh,
}

/// An agent that bids for the community at the wholesale market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
pub struct WholesaleAgent {
    /// Its account: it earns the margin and bears the imbalance.
    pub account: AccountId,
    /// On which terms.
    pub terms: WholesaleTerms,
}

/// Who becomes a member of a cluster's ledger (paper Table 1, network).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize)]
pub enum Admission {
    /// Who has an account: those of the genesis, and for whom the operator opens one.
    #[default]
    Listed,
    /// Anybody with a key of its own making; the account begins empty.
    Anyone,
}

/// What a ledger takes from the technology it runs on (paper Table 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize)]
pub struct Setup {
    /// Who becomes a member.
    pub admission: Admission,
    /// Whether blocks come from whom another family of consensus chose, and not
    /// from validators in turn.
    pub any_builder: bool,
}

impl Setup {
    /// What a genesis commits, with this: nothing more where it is the usual one.
    fn add_to(self, mut content: Vec<u8>) -> Vec<u8> {
        if self != Self::default() {
            content.extend(encoded(&self));
        }
        content
    }
}

/// Start of a cluster's ledger.
#[derive(Clone, Debug)]
pub struct ClusterGenesis {
    /// Name of the chain.
    pub chain: ChainId,
    /// Who decides its blocks.
    pub validators: ValidatorSet,
    /// Grid operator: registers contracts, opens accounts, lends to empty wallets.
    pub operator: AccountId,
    /// Utility: the other side of the exchange with the grid.
    pub utility: AccountId,
    /// Cloud service that proposes prices.
    pub cloud: AccountId,
    /// LG-Aggregator: reports area loads, settles slots.
    pub aggregator: AccountId,
    /// Deposits. The four services have an account even when not listed.
    pub accounts: Vec<(AccountId, MoneyNanoEur)>,
    /// Rules of the market.
    pub market: MarketRules,
    /// What follows from its technology.
    pub setup: Setup,
    /// The root it reports to; without one the cluster deals with nobody else.
    pub root: Option<RootLink>,
}

/// How a cluster knows its root.
#[derive(Clone, Debug)]
pub struct RootLink {
    /// Name of the root's chain.
    pub chain: ChainId,
    /// The root's first validators.
    pub validators: ValidatorSet,
    /// Index of this cluster at the root.
    pub index: u32,
}

/// Start of the root ledger.
#[derive(Clone, Debug)]
pub struct RootGenesis {
    /// Name of the chain.
    pub chain: ChainId,
    /// Who decides its blocks.
    pub validators: ValidatorSet,
    /// Known clusters: name and validators of each.
    pub clusters: Vec<(ChainId, ValidatorSet)>,
    /// The most each cluster may send beyond what it received; nothing where the list ends.
    pub limits: Vec<ExportLimit>,
    /// What follows from its technology.
    pub setup: Setup,
}

/// A genesis no ledger can start from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Slot or reading interval is zero or does not fit.
    #[error(
        "a slot of {slot_ms} ms and readings every {reading_ms} ms: both must be whole minutes or parts that fill a slot"
    )]
    Intervals {
        /// Length of a slot, ms.
        slot_ms: u64,
        /// Interval between readings, ms.
        reading_ms: u64,
    },
    /// Prices reversed, out of range, or a negative step.
    #[error(
        "feed-in {feed_in}, import {import}, step {max_step}, island {island} µEUR/kWh: feed-in must not exceed import, step and island not be negative"
    )]
    Prices {
        /// Feed-in price.
        feed_in: PriceMicroEurPerKwh,
        /// Import price.
        import: PriceMicroEurPerKwh,
        /// Step limit.
        max_step: PriceMicroEurPerKwh,
        /// Highest price while islanded.
        island: PriceMicroEurPerKwh,
    },
    /// Terms of the wholesale agent that no market could quote.
    #[error(
        "the wholesale terms have a negative spread, impact or margin, no block, no position, or a price out of range"
    )]
    Wholesale,
    /// Two deposits for one account, or a negative one.
    #[error("the deposit of account {0} is negative or listed twice")]
    Deposit(AccountId),
    /// One account in two roles that settle against each other.
    #[error("two of operator, utility and wholesale agent are one account ({0})")]
    Roles(AccountId),
    /// One cluster listed twice.
    #[error("cluster {0} is listed twice")]
    Cluster(ChainId),
}

/// The part of a genesis that execution looks at.
#[derive(Clone, Debug)]
pub(crate) struct Genesis {
    pub(crate) chain: ChainId,
    pub(crate) setup: Setup,
    pub(crate) validators: ValidatorSet,
    pub(crate) kind: Kind,
    /// Stands in for the parent of the first block.
    pub(crate) id: BlockId,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Cluster(Box<ClusterRoles>),
    Root(Vec<(ChainId, ValidatorSet)>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ClusterRoles {
    pub(crate) operator: AccountId,
    pub(crate) utility: AccountId,
    pub(crate) cloud: AccountId,
    pub(crate) aggregator: AccountId,
    pub(crate) market: MarketRules,
    pub(crate) deposited: MoneyNanoEur,
    /// Chain of the root and own index there.
    pub(crate) root: Option<(ChainId, u32)>,
}

impl Genesis {
    /// Clusters the root knows; 0 at a cluster.
    pub(crate) fn cluster_count(&self) -> u32 {
        match &self.kind {
            Kind::Cluster(_) => 0,
            Kind::Root(clusters) => u32::try_from(clusters.len()).unwrap_or(u32::MAX),
        }
    }
}

impl MarketRules {
    /// Whole minutes of a slot.
    #[must_use]
    pub fn slot_min(&self) -> u16 {
        u16::try_from(self.slot_ms / 60_000).unwrap_or(u16::MAX)
    }

    /// The slot a time falls into; its start belongs to it.
    #[must_use]
    pub fn slot_at(&self, time_ms: u64) -> u32 {
        u32::try_from(time_ms / self.slot_ms.max(1)).unwrap_or(u32::MAX)
    }

    /// The slot an interval that ends at `end_ms` falls into; a slot's end belongs to it.
    #[must_use]
    pub fn slot_ending(&self, end_ms: u64) -> u32 {
        self.slot_at(end_ms.saturating_sub(1))
    }

    /// End of a slot, ms.
    #[must_use]
    pub fn slot_end_ms(&self, slot: u32) -> u64 {
        (u64::from(slot) + 1).saturating_mul(self.slot_ms)
    }

    /// Minute of the day at which a slot starts.
    #[must_use]
    pub fn minute_of_day(&self, slot: u32) -> u16 {
        (u64::from(slot).saturating_mul(self.slot_ms) / 60_000 % 1_440) as u16
    }

    /// The utility's tariff.
    #[must_use]
    pub fn tariff(&self) -> GridPrices {
        GridPrices {
            feed_in: self.feed_in,
            import: self.import,
        }
    }

    fn check(&self) -> Result<(), GenesisError> {
        const PRICE_LIMIT: i64 = gridloom_contract::PRICE_LIMIT;
        if let Some(agent) = &self.wholesale
            && !sound(&agent.terms)
        {
            return Err(GenesisError::Wholesale);
        }
        let whole = self.slot_ms >= 60_000
            && self.slot_ms.is_multiple_of(60_000)
            && self.slot_ms <= 86_400_000
            && self.reading_ms > 0
            && self.reading_ms <= self.slot_ms;
        if !whole {
            return Err(GenesisError::Intervals {
                slot_ms: self.slot_ms,
                reading_ms: self.reading_ms,
            });
        }
        let ordered = -PRICE_LIMIT <= self.feed_in
            && self.feed_in <= self.import
            && self.import <= PRICE_LIMIT
            && self.max_step >= 0
            && (0..=PRICE_LIMIT).contains(&self.island);
        if ordered {
            Ok(())
        } else {
            Err(GenesisError::Prices {
                feed_in: self.feed_in,
                import: self.import,
                max_step: self.max_step,
                island: self.island,
            })
        }
    }

    /// Lowest and highest price of a slot, micro-EUR/kWh: what the utility pays
    /// and asks; in an island nothing and the cost of its dearest source.
    #[must_use]
    pub fn bounds(&self, island: bool) -> (PriceMicroEurPerKwh, PriceMicroEurPerKwh) {
        if island {
            (0, self.island)
        } else {
            (self.feed_in, self.import)
        }
    }
}

/// Whether prices and energies are in a range in which nothing overflows.
fn sound(terms: &WholesaleTerms) -> bool {
    const PRICE_LIMIT: i64 = gridloom_contract::PRICE_LIMIT;
    let price = |price: &i64| (-PRICE_LIMIT..=PRICE_LIMIT).contains(price);
    let step = |step: i64| (0..=PRICE_LIMIT).contains(&step);
    let energy = |wh: i64| (1..=MAX_POSITION_WH).contains(&wh);
    terms.anchor.iter().all(price)
        && step(terms.spread)
        && step(terms.impact)
        && step(terms.margin)
        && energy(terms.block_wh)
        && energy(terms.max_wh)
}

/// Largest position and block of a wholesale agent in one slot, Wh.
pub const MAX_POSITION_WH: i64 = 1_000_000_000;

impl ClusterGenesis {
    /// Whether a ledger can start from it.
    ///
    /// # Errors
    /// Names the first problem.
    pub fn check(&self) -> Result<(), GenesisError> {
        self.market.check()?;
        if self.operator == self.utility {
            return Err(GenesisError::Roles(self.operator));
        }
        if let Some(agent) = &self.market.wholesale
            && [self.operator, self.utility].contains(&agent.account)
        {
            return Err(GenesisError::Roles(agent.account));
        }
        let mut seen: Vec<AccountId> = Vec::with_capacity(self.accounts.len());
        for (account, deposit) in &self.accounts {
            if *deposit < 0 || *deposit > MAX_DEPOSIT {
                return Err(GenesisError::Deposit(*account));
            }
            seen.push(*account);
        }
        seen.sort_unstable();
        match seen.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(GenesisError::Deposit(pair[0])),
            None => Ok(()),
        }
    }

    pub(crate) fn seal(&self) -> Genesis {
        let mut accounts = self.accounts.clone();
        accounts.sort_unstable();
        let content = (
            (self.operator, self.utility, self.cloud, self.aggregator),
            &accounts,
            self.market,
            self.root
                .as_ref()
                .map(|link| (link.chain, link.validators.hash(), link.index)),
        );
        let content = self.setup.add_to(encoded(&content));
        Genesis {
            chain: self.chain,
            setup: self.setup,
            validators: self.validators.clone(),
            id: id(&self.chain, &self.validators, b"cluster", &content),
            kind: Kind::Cluster(Box::new(ClusterRoles {
                operator: self.operator,
                utility: self.utility,
                cloud: self.cloud,
                aggregator: self.aggregator,
                market: self.market,
                deposited: self.accounts.iter().map(|(_, deposit)| *deposit).sum(),
                root: self.root.as_ref().map(|link| (link.chain, link.index)),
            })),
        }
    }
}

/// Largest deposit, nano-EUR (a thousand million EUR); keeps sums far from overflow.
pub const MAX_DEPOSIT: MoneyNanoEur = 1_000_000_000_000_000_000;

impl RootGenesis {
    /// Whether a ledger can start from it.
    ///
    /// # Errors
    /// Names the first problem.
    pub fn check(&self) -> Result<(), GenesisError> {
        let mut names: Vec<ChainId> = self.clusters.iter().map(|(chain, _)| *chain).collect();
        names.push(self.chain);
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(GenesisError::Cluster(pair[0])),
            None => Ok(()),
        }
    }

    pub(crate) fn seal(&self) -> Genesis {
        let clusters: Vec<(ChainId, [u8; 32])> = self
            .clusters
            .iter()
            .map(|(chain, set)| (*chain, set.hash()))
            .collect();
        let content = self.setup.add_to(encoded(&(clusters, &self.limits)));
        Genesis {
            chain: self.chain,
            setup: self.setup,
            validators: self.validators.clone(),
            id: id(&self.chain, &self.validators, b"root", &content),
            kind: Kind::Root(self.clusters.clone()),
        }
    }
}

fn id(chain: &ChainId, validators: &ValidatorSet, kind: &[u8], content: &[u8]) -> BlockId {
    let content = blake3::hash(content);
    BlockId(tagged_hash(
        b"gridloom/genesis/1",
        &[kind, &chain.0, &validators.hash(), content.as_bytes()],
    ))
}
