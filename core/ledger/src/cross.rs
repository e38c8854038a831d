//! What passes between clusters, and between clusters and the root.
//!
//! A cluster keeps *parcels* for each other cluster in its state, numbered
//! without gaps. The root records each cluster's certified header together
//! with its [`Flows`]: how many parcels went where, what they were worth and
//! how many arrived. The destination imports parcels strictly in order, its
//! cursor being part of its state, and answers each with an *outcome*, which
//! the source reads, again through the root, to burn or give back what it
//! held. So a parcel counts exactly once, whoever carries it and however often.
//!
//! The shape follows QuarkChain's cross-shard cursor (Boson paper) and IBC's
//! packet and acknowledgement; nothing is refunded by a clock of the sender.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{BlockId, Certificate, Sig, ValidatorSet};
use gridloom_contract::{EmInstance, EmTemplate};
use gridloom_units::{
    AccountId, EnergyType, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh, RecordChain, TypedWh,
    amount,
};

use crate::genesis::MarketRules;
use crate::header::BlockHeader;
use crate::keys::tagged_hash;
use crate::receipt::Bill;
use crate::state::{Account, Meter, Participant, TreePath};
use crate::transaction::encoded;

/// Bytes of parcels a block may have to import through one message of the root's news.
pub const IMPORT_BUDGET_BYTES: usize = 96 * 1024;
/// Most parcels or outcomes in one message of the root's news.
pub const MAX_CARRIED: usize = 512;
/// Most accounts one decision may list.
pub const MAX_LISTED: usize = 256;
/// Most lots of other clusters one account may hold; older ones of one plant become one.
pub const MAX_CLAIMS: usize = 1_024;
/// Most answers to contract decisions a cluster keeps in its flows.
pub const MAX_VOTES: usize = 8;
/// Most validators a set may have on the ledger.
pub const MAX_SEATS: usize = 128;

/// A seat in a validator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Seat {
    /// Public key.
    pub key: [u8; 32],
    /// Voting power.
    pub power: u64,
}

/// A validator set as seats.
#[must_use]
pub fn seats(set: &ValidatorSet) -> Vec<Seat> {
    set.members()
        .iter()
        .map(|member| Seat {
            key: member.key.to_bytes(),
            power: member.power,
        })
        .collect()
}

/// The validator set of these seats.
///
/// # Errors
/// Says which seat cannot be.
pub fn set_of(seats: &[Seat]) -> Result<ValidatorSet, String> {
    if seats.len() > MAX_SEATS {
        return Err(format!("{} seats, {MAX_SEATS} at most", seats.len()));
    }
    let mut members = Vec::with_capacity(seats.len());
    for seat in seats {
        let key = gridloom_consensus::Ed25519::public_key(&seat.key)
            .map_err(|error| error.to_string())?;
        members.push((key, seat.power));
    }
    ValidatorSet::new(members).map_err(|error| error.to_string())
}

/// Money and energy together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Worth {
    /// Money, nano-EUR.
    pub money: MoneyNanoEur,
    /// Energy, Wh.
    pub wh: EnergyWh,
}

impl Worth {
    /// Sum; `None` when it cannot be represented.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            money: self.money.checked_add(other.money)?,
            wh: self.wh.checked_add(other.wh)?,
        })
    }

    /// Whether neither part exceeds `limit`.
    #[must_use]
    pub fn within(self, limit: Self) -> bool {
        self.money <= limit.money && self.wh <= limit.wh
    }

    fn is_sound(self) -> bool {
        self.money >= 0 && self.wh >= 0
    }
}

/// Energy of one plant and slot that keeps its origin wherever it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Lot {
    /// Cluster whose meter recorded it.
    pub cluster: u32,
    /// Account of the plant.
    pub plant: AccountId,
    /// Its type.
    pub kind: EnergyType,
    /// Slot in which it was generated.
    pub slot: u32,
    /// Energy, Wh.
    pub wh: EnergyWh,
}

/// A participant on the way to another cluster, with everything it has.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MovedMember {
    /// Account.
    pub account: Account,
    /// What it received and paid.
    pub bill: Option<Bill>,
    /// Name, meter, version.
    pub participant: Participant,
    /// The meter and its registers.
    pub meter: Meter,
    /// The EM instance in force.
    pub instance: EmInstance,
    /// Lots of other clusters it holds.
    pub claims: Vec<Lot>,
    /// Signed readings of its physical meter.
    pub records: Option<RecordChain>,
}

/// Prices of energy that one cluster sells to another.
///
/// Both sides have settled with the utility: the plant was paid feed-in, the
/// consumer paid import. The utility gives back on each ledger what the trade is
/// better than that, `seller - feed_in` here and `import - buyer` there, and
/// keeps what is between the two prices: network fees and congestion rent. So
/// no money has to cross for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LotTerms {
    /// What the plant gets, micro-EUR/kWh.
    pub seller: PriceMicroEurPerKwh,
    /// What the consumer pays, micro-EUR/kWh.
    pub buyer: PriceMicroEurPerKwh,
}

impl LotTerms {
    /// Whether nobody is worse off than with the utility: feed-in, seller's price,
    /// buyer's price and import in this order. Where an agent deals for the cluster at
    /// the wholesale market, what is left over is its business, at other prices.
    #[must_use]
    pub fn fit(&self, rules: &MarketRules) -> bool {
        rules.wholesale.is_none()
            && rules.feed_in <= self.seller
            && self.seller <= self.buyer
            && self.buyer <= rules.import
    }

    /// What the utility pays a plant for a lot, nano-EUR.
    #[must_use]
    pub fn to_seller(&self, rules: &MarketRules, wh: EnergyWh) -> MoneyNanoEur {
        amount(wh, self.seller - rules.feed_in)
    }

    /// What the utility pays a consumer back for a lot, nano-EUR.
    #[must_use]
    pub fn to_buyer(&self, rules: &MarketRules, wh: EnergyWh) -> MoneyNanoEur {
        amount(wh, rules.import - self.buyer)
    }
}

/// What a parcel holds.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Cargo {
    /// Money from an account here to one there.
    Money {
        /// Payer.
        from: AccountId,
        /// Payee.
        to: AccountId,
        /// Amount, nano-EUR.
        amount: MoneyNanoEur,
    },
    /// Surplus of a plant here for a consumer there, who took as much from the grid.
    Lot {
        /// Consumer.
        to: AccountId,
        /// The energy.
        lot: Lot,
        /// At which prices, if it is a trade and not only a statement of origin.
        terms: Option<LotTerms>,
    },
    /// A participant that changes its cluster.
    Member(Box<MovedMember>),
}

impl Cargo {
    /// What it is worth.
    #[must_use]
    pub fn worth(&self) -> Worth {
        match self {
            Self::Money { amount, .. } => Worth {
                money: *amount,
                wh: 0,
            },
            Self::Lot { lot, .. } => Worth {
                money: 0,
                wh: lot.wh,
            },
            Self::Member(member) => Worth {
                money: member.account.money,
                wh: member.claims.iter().map(|lot| lot.wh).sum(),
            },
        }
    }
}

/// A numbered parcel from one cluster to another.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Parcel {
    /// Index of the cluster it comes from.
    pub src: u32,
    /// Index of the cluster it goes to.
    pub dst: u32,
    /// Its number on that way, from 0.
    pub seq: u64,
    /// Imported on a root block above this height it is sent back.
    pub deadline_root_height: u64,
    /// What is in it.
    pub cargo: Cargo,
}

/// What passed between a cluster and one other, seen from the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Flow {
    /// Index of the other cluster.
    pub peer: u32,
    /// Parcels sent, the number of the next one.
    pub sent: u64,
    /// Parcels whose outcome is known here.
    pub acked: u64,
    /// Parcels imported or sent back, the number of the next one: the cursor.
    pub next: u64,
    /// Worth of everything sent.
    pub out: Worth,
    /// Worth of what came back of it.
    pub refunded: Worth,
    /// Worth of everything imported.
    pub taken: Worth,
    /// Worth of everything sent back.
    pub rejected: Worth,
}

/// What came with members that joined, less what went with members that left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Moved {
    /// Metered out of their plants, per type, Wh.
    pub minted_wh: TypedWh,
    /// Received and consumed by them, per type, Wh.
    pub retired_wh: TypedWh,
    /// Settled registers of their meters: import, solar export, battery export, Wh.
    pub metered_wh: [EnergyWh; 3],
}

/// Everything a cluster tells the root about its dealings with others.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Flows {
    /// Per other cluster, in order of index.
    pub list: Vec<Flow>,
    /// What moved with members.
    pub moved: Moved,
    /// Answers to the newest contract decisions: number, whether it can be prepared.
    pub votes: Vec<(u32, bool)>,
}

impl Flows {
    /// The flow with one other cluster.
    #[must_use]
    pub fn with(&self, peer: u32) -> Flow {
        self.list
            .binary_search_by_key(&peer, |flow| flow.peer)
            .map_or_else(
                |_| Flow {
                    peer,
                    ..Flow::default()
                },
                |place| self.list[place],
            )
    }

    pub(crate) fn put(&mut self, flow: Flow) {
        match self.list.binary_search_by_key(&flow.peer, |f| f.peer) {
            Ok(place) => self.list[place] = flow,
            Err(place) => self.list.insert(place, flow),
        }
    }

    /// Money and energy that came less what went, over all others.
    #[must_use]
    pub fn net(&self) -> Worth {
        self.list.iter().fold(Worth::default(), |sum, flow| Worth {
            money: sum.money + flow.taken.money - flow.out.money + flow.refunded.money,
            wh: sum.wh + flow.taken.wh - flow.out.wh + flow.refunded.wh,
        })
    }

    /// Whether this can follow `older`: nothing shrinks, cursors stay behind what they count.
    pub(crate) fn follows(&self, older: &Self) -> bool {
        let ordered = self.list.windows(2).all(|pair| pair[0].peer < pair[1].peer);
        let kept = older
            .list
            .iter()
            .all(|flow| self.list.iter().any(|now| now.peer == flow.peer));
        let grows = self.list.iter().all(|now| {
            let then = older.with(now.peer);
            let worths = [
                (now.out, then.out),
                (now.refunded, then.refunded),
                (now.taken, then.taken),
                (now.rejected, then.rejected),
            ];
            now.sent >= then.sent
                && now.acked >= then.acked
                && now.next >= then.next
                && now.acked <= now.sent
                && worths
                    .iter()
                    .all(|(a, b)| a.is_sound() && a.money >= b.money && a.wh >= b.wh)
        });
        ordered && kept && grows && self.votes.len() <= MAX_VOTES
    }
}

/// The most a cluster may have sent beyond what it received.
pub type ExportLimit = Worth;

/// What the root knows of another cluster, told to one cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PeerView {
    /// Index of the other cluster.
    pub peer: u32,
    /// Height of its block these figures come from.
    pub height: u64,
    /// State root of that block: parcels and outcomes are proven under it.
    pub state_root: [u8; 32],
    /// Parcels it has sent to the cluster that is told.
    pub sent: u64,
    /// Parcels of the cluster that is told which it has imported or sent back.
    pub next: u64,
    /// Whether the root declared it dead.
    pub dead: bool,
}

/// What the root tells one cluster about all others.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Inbound {
    /// Per other cluster that dealt with it, in order of index.
    pub list: Vec<PeerView>,
}

impl Inbound {
    pub(crate) fn with(&self, peer: u32) -> PeerView {
        self.list
            .binary_search_by_key(&peer, |view| view.peer)
            .map_or_else(
                |_| PeerView {
                    peer,
                    ..PeerView::default()
                },
                |place| self.list[place],
            )
    }

    pub(crate) fn put(&mut self, view: PeerView) {
        match self.list.binary_search_by_key(&view.peer, |v| v.peer) {
            Ok(place) => self.list[place] = view,
            Err(place) => self.list.insert(place, view),
        }
    }
}

/// The root block a cluster builds on.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RootSeen {
    /// Its height; 0 before the first.
    pub height: u64,
    /// Its identity.
    pub block: BlockId,
    /// When it was built, ms.
    pub time_ms: u64,
    /// Validators of the next root block.
    pub seats: Vec<Seat>,
    /// Root decisions known here.
    pub decisions: u32,
    /// Contract decisions that are neither confirmed nor given up.
    pub open: Vec<u32>,
    /// Cluster whose parcels were imported last when the budget ran out.
    pub served: u32,
}

/// Whom a decision moves.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Chosen {
    /// Every participant.
    All,
    /// These, at most [`MAX_LISTED`].
    Listed(Vec<AccountId>),
    /// Those whose account, as a number, falls into a part of all, in per mille.
    Share {
        /// From.
        from: u16,
        /// Up to, exclusive.
        until: u16,
    },
}

impl Chosen {
    /// Whether an account is among them.
    #[must_use]
    pub fn includes(&self, account: AccountId) -> bool {
        match self {
            Self::All => true,
            Self::Listed(list) => list.contains(&account),
            Self::Share { from, until } => {
                let head = u32::from(u16::from_be_bytes([account.0[0], account.0[1]]));
                let place = head * 1_000 / 65_536;
                (u32::from(*from)..u32::from(*until)).contains(&place)
            }
        }
    }
}

/// What more than two thirds of the root's validators can decide.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Decision {
    /// A contract version that every cluster runs from one moment on, or none.
    Contract {
        /// The contract.
        template: EmTemplate,
        /// Start of the first slot under it, ms.
        from_ms: u64,
    },
    /// Participants change their cluster: a split when the other is empty, a
    /// merge when all go.
    Move {
        /// Index of the cluster they leave.
        from: u32,
        /// Index of the cluster they join.
        to: u32,
        /// Who.
        members: Chosen,
    },
    /// A cluster is gone for good: what it did not import is given back.
    DeclareDead {
        /// Index of the cluster.
        cluster: u32,
    },
    /// Another export limit of a cluster.
    Limit {
        /// Index of the cluster.
        cluster: u32,
        /// The limit.
        limit: ExportLimit,
    },
    /// Another validator set of the root.
    RootValidators {
        /// Its seats.
        seats: Vec<Seat>,
    },
}

/// How far a decision has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum DecisionStatus {
    /// Clusters are asked whether they can follow.
    Prepared,
    /// In force.
    Confirmed,
    /// Given up; nobody follows.
    Abandoned,
}

/// A decision on the root's record.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DecisionRecord {
    /// Its number, from 0.
    pub number: u32,
    /// What was decided.
    pub decision: Decision,
    /// How far it has come.
    pub status: DecisionStatus,
    /// Answers of the clusters.
    pub votes: Vec<(u32, bool)>,
    /// Height of the root block that recorded it.
    pub height: u64,
}

/// Counters of the root's decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Governance {
    /// Number of the next decision.
    pub next: u32,
    /// Contract decisions that are neither confirmed nor given up.
    pub open: Vec<u32>,
}

/// Bytes root validators sign to approve a decision.
#[must_use]
pub fn approval_preimage(
    chain: &gridloom_consensus::ChainId,
    number: u32,
    decision: &Decision,
) -> [u8; 32] {
    tagged_hash(
        b"gridloom/decision/1",
        &[&chain.0, &number.to_le_bytes(), &encoded(decision)],
    )
}

/// A decision with the approvals that make it one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Approved {
    /// Its number, the next one of the root.
    pub number: u32,
    /// What is decided.
    pub decision: Decision,
    /// Signatures over [`approval_preimage`] in rising order of key.
    pub approvals: Vec<([u8; 32], Sig)>,
}

/// News of the root for one cluster; proves itself, so anybody may bring it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RootNews {
    /// A root header.
    pub header: BlockHeader,
    /// Its certificate.
    pub certificate: Certificate,
    /// The next validators, where the header names other ones than are known.
    pub next: Option<Vec<Seat>>,
    /// What the root tells this cluster, with a path to the header's state root.
    pub inbound: Option<(Inbound, TreePath)>,
    /// Parcels to import, source by source, each in order.
    pub parcels: Vec<(Parcel, TreePath)>,
    /// Outcomes of own parcels: destination, number, accepted (`None` at a dead one), path.
    pub outcomes: Vec<(u32, u64, Option<bool>, TreePath)>,
    /// New decisions, and old ones that were confirmed or given up.
    pub decisions: Vec<(DecisionRecord, TreePath)>,
}

/// What comes with a checkpoint where it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CheckpointExtras {
    /// The cluster's flows with a path to the header's state root.
    pub flows: Option<(Flows, TreePath)>,
    /// The next validators, where the header names other ones than are recorded.
    pub next: Option<Vec<Seat>>,
}
