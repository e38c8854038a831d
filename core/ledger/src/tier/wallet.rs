//! A wallet that trusts the root's validators and nothing else.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{ChainId, ValidatorSet};
use gridloom_market::MoneyLine;
use gridloom_units::{AccountId, MoneyNanoEur, TypedWh};

use super::headers::CompactCertificate;
use crate::chain::LedgerChain;
use crate::cross::set_of;
use crate::header::BlockHeader;
use crate::merkle::LineProof;
use crate::state::{Account, ClusterRecord, StateKey, StateValue, TreePath};
use crate::transaction::encoded;

/// Largest proof a wallet takes, bytes.
pub const MAX_BYTES: usize = 4_096;

/// What a wallet needs to know its balance: root header and certificate, the
/// root's record of its cluster, its account under that record.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BalanceProof {
    /// A root header.
    pub root: BlockHeader,
    /// Its certificate.
    pub certificate: CompactCertificate,
    /// The root's record of the cluster.
    pub record: ClusterRecord,
    /// Path of the record to the root header's state root.
    pub record_path: TreePath,
    /// The account.
    pub account: Account,
    /// Path of the account to the record's state root.
    pub account_path: TreePath,
}

/// What a wallet needs to know where a lot came from, beside the record of its
/// cluster: the settling block's header and certificate, the lot's path.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OriginProof {
    /// Header of the settling block.
    pub header: BlockHeader,
    /// Its certificate.
    pub certificate: CompactCertificate,
    /// The lot with its path.
    pub line: LineProof,
}

/// What a wallet has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletStatement {
    /// Root height it holds at.
    pub root_height: u64,
    /// Height of the cluster's block it holds at.
    pub height: u64,
    /// Money, nano-EUR.
    pub money: MoneyNanoEur,
    /// Owed to the operator, nano-EUR.
    pub debt: MoneyNanoEur,
    /// Energy received and consumed, per type, Wh.
    pub consumed_wh: TypedWh,
}

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletFault {
    /// More bytes than a wallet takes.
    #[error("{0} bytes are more than a wallet takes ({MAX_BYTES})")]
    TooLarge(usize),
    /// Not the canonical form.
    #[error("the bytes are no proof")]
    Malformed,
    /// The root header is older than the one known.
    #[error("root height {0} is older than the one known")]
    Old(u64),
    /// The root's certificate is no good.
    #[error("the root's certificate proves nothing")]
    Root,
    /// The cluster's record is not the root's, or of another cluster.
    #[error("the record of the cluster is not the root's")]
    Record,
    /// The cluster is frozen: it certified two blocks at one height.
    #[error("the cluster is frozen: it certified two blocks at one height")]
    Frozen,
    /// The account is not in the cluster's state.
    #[error("the account is not in the cluster's state")]
    Account,
    /// The settling block's certificate is no good.
    #[error("the certificate of the settling block proves nothing")]
    Block,
    /// The lot is not in the settlement, or did not go to this wallet.
    #[error("the lot is not one of this wallet's")]
    Lot,
}

/// A super-light wallet: account, cluster, the root's validators, one root header.
#[derive(Clone, Debug)]
pub struct SuperLightWallet {
    account: AccountId,
    cluster: u32,
    cluster_chain: ChainId,
    root_chain: ChainId,
    root_set: ValidatorSet,
    last_root: u64,
    record: Option<ClusterRecord>,
}

impl SuperLightWallet {
    /// A wallet that knows who it is and whom it trusts.
    #[must_use]
    pub fn new(
        account: AccountId,
        cluster: u32,
        cluster_chain: ChainId,
        root_chain: ChainId,
        root_set: ValidatorSet,
    ) -> Self {
        Self {
            account,
            cluster,
            cluster_chain,
            root_chain,
            root_set,
            last_root: 0,
            record: None,
        }
    }

    /// Bytes it keeps between two questions.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let seats = self.root_set.members().len() * 40;
        let record = self
            .record
            .as_ref()
            .map_or(0, |record| encoded(record).len());
        32 + 4 + 16 + 16 + 8 + seats + record
    }

    /// Checks a balance proof as it comes over the wire.
    ///
    /// # Errors
    /// Says what is wrong with it; the wallet then knows what it knew before.
    pub fn balance(&mut self, bytes: &[u8]) -> Result<WalletStatement, WalletFault> {
        if bytes.len() > MAX_BYTES {
            return Err(WalletFault::TooLarge(bytes.len()));
        }
        let proof: BalanceProof = borsh::from_slice(bytes).map_err(|_| WalletFault::Malformed)?;
        if proof.root.height < self.last_root {
            return Err(WalletFault::Old(proof.root.height));
        }
        if !proof
            .certificate
            .certifies(&proof.root, &self.root_chain, &self.root_set)
        {
            return Err(WalletFault::Root);
        }
        let value = StateValue::Cluster(proof.record.clone()).hash();
        let key = StateKey::Cluster(self.cluster).hash();
        let recorded = proof
            .record_path
            .shows(&proof.root.state_root, &key, Some(&value));
        if !recorded || proof.record.chain != self.cluster_chain {
            return Err(WalletFault::Record);
        }
        if proof.record.frozen {
            return Err(WalletFault::Frozen);
        }
        let account = &proof.account;
        let value = StateValue::Account(account.clone()).hash();
        let key = StateKey::Account(self.account).hash();
        let there = proof
            .account_path
            .shows(&proof.record.state_root, &key, Some(&value));
        if !there || account.id != self.account {
            return Err(WalletFault::Account);
        }
        let statement = WalletStatement {
            root_height: proof.root.height,
            height: proof.record.height,
            money: account.money,
            debt: account.debt,
            consumed_wh: account.retired_wh,
        };
        self.last_root = proof.root.height;
        self.record = Some(proof.record);
        Ok(statement)
    }

    /// Checks where a lot came from. Needs the cluster's record from a balance
    /// proof; that record names the validators that certified the block.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn origin(&self, bytes: &[u8]) -> Result<(u32, MoneyLine), WalletFault> {
        if bytes.len() > MAX_BYTES {
            return Err(WalletFault::TooLarge(bytes.len()));
        }
        let proof: OriginProof = borsh::from_slice(bytes).map_err(|_| WalletFault::Malformed)?;
        let record = self.record.as_ref().ok_or(WalletFault::Record)?;
        let set = set_of(&record.seats).map_err(|_| WalletFault::Record)?;
        let certified = proof.header.height <= record.height
            && proof
                .certificate
                .certifies(&proof.header, &self.cluster_chain, &set);
        if !certified {
            return Err(WalletFault::Block);
        }
        if !proof.line.verify(&proof.header) || proof.line.line.buyer != self.account {
            return Err(WalletFault::Lot);
        }
        Ok((proof.line.summary.slot, proof.line.line))
    }
}

/// What a full node answers a wallet that asks for its balance. `None` before
/// the root has recorded a block of the cluster whose state is still kept.
#[must_use]
pub fn prove_balance(
    cluster: u32,
    account: AccountId,
    chain: &LedgerChain,
    root: &LedgerChain,
) -> Option<BalanceProof> {
    use gridloom_consensus::Chain as _;
    let decided = root.block(root.height())?;
    let (Some(StateValue::Cluster(record)), record_path) =
        root.prove_at(root.height(), StateKey::Cluster(cluster))?
    else {
        return None;
    };
    let (Some(StateValue::Account(account)), account_path) =
        chain.prove_at(record.height, StateKey::Account(account))?
    else {
        return None;
    };
    Some(BalanceProof {
        root: decided.block.header().clone(),
        certificate: CompactCertificate::new(&decided.certificate, &root.validators())?,
        record,
        record_path,
        account,
        account_path,
    })
}

/// What a full node answers a wallet that asks where its newest lot of a plant
/// other than the utility came from; `None` when there is none.
#[must_use]
pub fn prove_origin(
    chain: &LedgerChain,
    height: u64,
    wanted: impl Fn(&MoneyLine) -> bool,
) -> Option<OriginProof> {
    use gridloom_consensus::Chain as _;
    let decided = chain.block(height)?;
    let receipts = chain.receipts(height)?;
    let (index, line) = receipts.iter().enumerate().find_map(|(index, receipt)| {
        let crate::receipt::Receipt::Settled(settled) = receipt else {
            return None;
        };
        let line = settled.lines.iter().position(&wanted)?;
        Some((index, line))
    })?;
    Some(OriginProof {
        header: decided.block.header().clone(),
        certificate: CompactCertificate::new(&decided.certificate, &chain.validators())?,
        line: chain.prove_line(height, index, line)?,
    })
}
