//! Commitments to lists (transactions, receipts) and proofs of membership.
//!
//! The tree is the one of RFC 6962 over SHA-256. Its root does not fix the
//! number of leaves, so the commitment hashes both.

use borsh::{BorshDeserialize, BorshSerialize};
use ct_merkle::RootHash;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;

use crate::header::BlockHeader;
use crate::keys::tagged_hash;
use gridloom_market::MoneyLine;

use crate::receipt::{Receipt, SettledSlot};
use crate::transaction::{Transaction, hash_encoded};

type Tree = MemoryBackedTree<Sha256, [u8; 32]>;

/// Most siblings a proof may have; a list of 2^32 items needs 32.
const MAX_SIBLINGS: usize = 32;

fn tree(leaves: &[[u8; 32]]) -> Tree {
    let mut tree = Tree::new();
    for leaf in leaves {
        tree.push(*leaf);
    }
    tree
}

fn commitment(count: u64, root: &[u8]) -> [u8; 32] {
    tagged_hash(b"gridloom/list/1", &[&count.to_le_bytes(), root])
}

/// Commitment to a list of hashes, their order and number, as headers hold it.
#[must_use]
pub fn list_root(leaves: &[[u8; 32]]) -> [u8; 32] {
    if leaves.is_empty() {
        return commitment(0, &[0; 32]);
    }
    commitment(leaves.len() as u64, tree(leaves).root().as_bytes())
}

/// Hash of a receipt as a leaf. A settlement commits its lines as a list of
/// their own, so that one of a hundred can be shown without the others.
pub(crate) fn receipt_leaf(receipt: &Receipt) -> [u8; 32] {
    match receipt {
        Receipt::Settled(settled) => {
            let lines = list_root(&line_leaves(settled));
            settled_leaf(&settled.summary(), &lines)
        }
        _ => hash_encoded(b"gridloom/receipt/1", receipt),
    }
}

fn settled_leaf(summary: &SettledSlot, lines: &[u8; 32]) -> [u8; 32] {
    hash_encoded(b"gridloom/receipt/settled/1", &(summary, lines))
}

fn line_leaf(line: &MoneyLine) -> [u8; 32] {
    hash_encoded(b"gridloom/receipt/line/1", line)
}

fn line_leaves(settled: &SettledSlot) -> Vec<[u8; 32]> {
    settled.lines.iter().map(line_leaf).collect()
}

/// Proof that a lot changed hands in a settlement, without the other lots.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LineProof {
    /// The lot.
    pub line: MoneyLine,
    /// The settlement without its lines.
    pub summary: SettledSlot,
    /// Path from the lot to the settlement.
    pub line_path: ListPath,
    /// Path from the settlement to the header's commitment.
    pub path: ListPath,
}

impl LineProof {
    /// Proof of line `line` of receipt `index`; `None` if there is none.
    pub(crate) fn new(receipts: &[Receipt], index: usize, line: usize) -> Option<Self> {
        let Receipt::Settled(settled) = receipts.get(index)? else {
            return None;
        };
        let leaves: Vec<[u8; 32]> = receipts.iter().map(receipt_leaf).collect();
        Some(Self {
            line: *settled.lines.get(line)?,
            summary: settled.summary(),
            line_path: ListPath::new(&line_leaves(settled), line)?,
            path: ListPath::new(&leaves, index)?,
        })
    }

    /// Whether the lot is one of a settlement of the block with this header.
    #[must_use]
    pub fn verify(&self, header: &BlockHeader) -> bool {
        if !self.summary.lines.is_empty() {
            return false;
        }
        let lines = self.line_path.commitment();
        self.line_path.leads_from(&line_leaf(&self.line), &lines)
            && self
                .path
                .leads_from(&settled_leaf(&self.summary, &lines), &header.receipts_root)
    }
}

/// Path from one leaf to a list's commitment.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ListPath {
    /// Position of the leaf.
    pub index: u64,
    /// Length of the list.
    pub count: u64,
    /// Root of the RFC 6962 tree.
    pub root: [u8; 32],
    /// Sibling hashes, from the leaf up.
    pub siblings: Vec<[u8; 32]>,
}

impl ListPath {
    /// Path of leaf `index`; `None` if there is no such leaf.
    pub(crate) fn new(leaves: &[[u8; 32]], index: usize) -> Option<Self> {
        if index >= leaves.len() {
            return None;
        }
        let tree = tree(leaves);
        let siblings = tree
            .prove_inclusion(index)
            .as_bytes()
            .chunks_exact(32)
            .filter_map(|chunk| chunk.try_into().ok())
            .collect();
        Some(Self {
            index: index as u64,
            count: leaves.len() as u64,
            root: (*tree.root().as_bytes()).into(),
            siblings,
        })
    }

    /// Commitment this path leads to, if it leads anywhere.
    pub(crate) fn commitment(&self) -> [u8; 32] {
        commitment(self.count, &self.root)
    }

    /// Whether `leaf` sits at this place of the list behind `commitment`.
    #[must_use]
    pub fn leads_from(&self, leaf: &[u8; 32], to: &[u8; 32]) -> bool {
        if self.siblings.len() > MAX_SIBLINGS
            || self.index >= self.count
            || self.count > u64::from(u32::MAX)
            || commitment(self.count, &self.root) != *to
        {
            return false;
        }
        let Ok(proof) = ct_merkle::InclusionProof::try_from_bytes(self.siblings.concat()) else {
            return false;
        };
        RootHash::<Sha256>::new(self.root.into(), self.count)
            .verify_inclusion(leaf, self.index, &proof)
            .is_ok()
    }
}

/// Proof that a transaction is in a block, checked against the block's id.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct InclusionProof {
    /// Header of the block.
    pub header: BlockHeader,
    /// The transaction.
    pub transaction: Transaction,
    /// Path to the header's commitment.
    pub path: ListPath,
}

impl InclusionProof {
    /// Whether the transaction is in the block of this header. That the header
    /// is the chain's is shown by a certificate of [`BlockHeader::id`].
    #[must_use]
    pub fn verify(&self) -> bool {
        self.path
            .leads_from(&self.transaction.id(), &self.header.tx_root)
    }
}

/// Proof that a receipt came out of a block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReceiptProof {
    /// Header of the block.
    pub header: BlockHeader,
    /// The receipt.
    pub receipt: Receipt,
    /// Path to the header's commitment.
    pub path: ListPath,
}

impl ReceiptProof {
    /// Whether the receipt is one of the block of this header.
    #[must_use]
    pub fn verify(&self) -> bool {
        self.path
            .leads_from(&receipt_leaf(&self.receipt), &self.header.receipts_root)
    }
}
