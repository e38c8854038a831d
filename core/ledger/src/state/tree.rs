//! The authenticated state: a sparse Merkle tree whose versions share nodes.
//!
//! Roots and proofs are those of the Jellyfish Merkle tree (`jmt`) with BLAKE3
//! (a test compares the two): a subtree with one leaf is that leaf. Unlike the
//! crate, every version is a plain value that shares its nodes with others, so
//! a snapshot of a chain costs one pointer and two branches after a rewind
//! cannot overwrite each other's nodes, which are keyed by height there.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

const EMPTY: [u8; 32] = *b"SPARSE_MERKLE_PLACEHOLDER_HASH__";
const LEAF_TAG: &[u8] = b"JMT::LeafNode";
const INNER_TAG: &[u8] = b"JMT::IntrnalNode";
/// Bits of a key, the greatest depth.
const BITS: usize = 256;

/// A version of the tree.
#[derive(Debug)]
pub(crate) struct Tree<V>(Option<Arc<Node<V>>>);

impl<V> Clone for Tree<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V> Default for Tree<V> {
    fn default() -> Self {
        Self(None)
    }
}

#[derive(Debug)]
struct Leaf<V> {
    key: [u8; 32],
    value_hash: [u8; 32],
    value: Arc<V>,
}

#[derive(Debug)]
enum Node<V> {
    Leaf {
        hash: [u8; 32],
        leaf: Leaf<V>,
    },
    Inner {
        hash: [u8; 32],
        sides: [Option<Arc<Node<V>>>; 2],
    },
}

/// A value to write: hash of its key, hash of it, itself.
pub(crate) type Write<V> = ([u8; 32], [u8; 32], Arc<V>);

impl<V> Node<V> {
    fn leaf(leaf: Leaf<V>) -> Arc<Self> {
        Arc::new(Self::Leaf {
            hash: leaf_hash(&leaf.key, &leaf.value_hash),
            leaf,
        })
    }

    fn inner(sides: [Option<Arc<Self>>; 2]) -> Arc<Self> {
        Arc::new(Self::Inner {
            hash: inner_hash(&hash_of(sides[0].as_ref()), &hash_of(sides[1].as_ref())),
            sides,
        })
    }

    fn hash(&self) -> [u8; 32] {
        match self {
            Self::Leaf { hash, .. } | Self::Inner { hash, .. } => *hash,
        }
    }
}

fn hash_of<V>(node: Option<&Arc<Node<V>>>) -> [u8; 32] {
    node.map_or(EMPTY, |node| node.hash())
}

fn leaf_hash(key: &[u8; 32], value: &[u8; 32]) -> [u8; 32] {
    let mut bytes = [0; LEAF_TAG.len() + 64];
    bytes[..LEAF_TAG.len()].copy_from_slice(LEAF_TAG);
    bytes[LEAF_TAG.len()..][..32].copy_from_slice(key);
    bytes[LEAF_TAG.len() + 32..].copy_from_slice(value);
    *blake3::hash(&bytes).as_bytes()
}

fn inner_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut bytes = [0; INNER_TAG.len() + 64];
    bytes[..INNER_TAG.len()].copy_from_slice(INNER_TAG);
    bytes[INNER_TAG.len()..][..32].copy_from_slice(left);
    bytes[INNER_TAG.len() + 32..].copy_from_slice(right);
    *blake3::hash(&bytes).as_bytes()
}

fn bit(key: &[u8; 32], depth: usize) -> usize {
    usize::from(key[depth / 8] >> (7 - depth % 8) & 1)
}

impl<V> Tree<V> {
    /// Commitment to the whole content.
    pub(crate) fn root(&self) -> [u8; 32] {
        hash_of(self.0.as_ref())
    }

    /// The value under a key.
    pub(crate) fn get(&self, key: &[u8; 32]) -> Option<&Arc<V>> {
        let mut node = self.0.as_deref()?;
        for depth in 0..=BITS {
            match node {
                Node::Leaf { leaf, .. } => return (leaf.key == *key).then_some(&leaf.value),
                Node::Inner { sides, .. } if depth < BITS => {
                    node = sides[bit(key, depth)].as_deref()?;
                }
                Node::Inner { .. } => break,
            }
        }
        None
    }

    /// A version with these values written; keys must differ.
    pub(crate) fn put(&self, mut writes: Vec<Write<V>>) -> Self {
        writes.sort_unstable_by_key(|(key, ..)| *key);
        if writes.is_empty() {
            return self.clone();
        }
        Self(put(self.0.as_ref(), 0, &writes))
    }

    /// Every value, in order of hashed keys.
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(&Arc<V>)) {
        fn walk<V>(node: Option<&Arc<Node<V>>>, visit: &mut dyn FnMut(&Arc<V>)) {
            match node.map(AsRef::as_ref) {
                None => {}
                Some(Node::Leaf { leaf, .. }) => visit(&leaf.value),
                Some(Node::Inner { sides, .. }) => {
                    walk(sides[0].as_ref(), visit);
                    walk(sides[1].as_ref(), visit);
                }
            }
        }
        walk(self.0.as_ref(), visit);
    }

    /// Every hashed key with its value, in order of keys.
    pub(crate) fn entries(&self) -> Vec<([u8; 32], Arc<V>)> {
        fn walk<V>(node: Option<&Arc<Node<V>>>, into: &mut Vec<([u8; 32], Arc<V>)>) {
            match node.map(AsRef::as_ref) {
                None => {}
                Some(Node::Leaf { leaf, .. }) => into.push((leaf.key, Arc::clone(&leaf.value))),
                Some(Node::Inner { sides, .. }) => {
                    walk(sides[0].as_ref(), into);
                    walk(sides[1].as_ref(), into);
                }
            }
        }
        let mut entries = Vec::new();
        walk(self.0.as_ref(), &mut entries);
        entries
    }

    /// Proof of what is, or is not, under a key.
    pub(crate) fn prove(&self, key: &[u8; 32]) -> TreePath {
        let mut siblings = Vec::new();
        let mut node = self.0.as_deref();
        let mut depth = 0;
        while let Some(Node::Inner { sides, .. }) = node
            && depth < BITS
        {
            let side = bit(key, depth);
            siblings.push(hash_of(sides[1 - side].as_ref()));
            node = sides[side].as_deref();
            depth += 1;
        }
        let found = match node {
            Some(Node::Leaf { leaf, .. }) => Some((leaf.key, leaf.value_hash)),
            _ => None,
        };
        TreePath { found, siblings }
    }
}

/// Writes sorted values below a node at `depth`.
fn put<V>(node: Option<&Arc<Node<V>>>, depth: usize, writes: &[Write<V>]) -> Option<Arc<Node<V>>> {
    if writes.is_empty() {
        return node.cloned();
    }
    let leaf_of = |(key, value_hash, value): &Write<V>| Leaf {
        key: *key,
        value_hash: *value_hash,
        value: Arc::clone(value),
    };
    match node.map(AsRef::as_ref) {
        // One value in an empty place, or in place of its older version.
        None if writes.len() == 1 => Some(Node::leaf(leaf_of(&writes[0]))),
        Some(Node::Leaf { leaf, .. }) if writes.len() == 1 && writes[0].0 == leaf.key => {
            Some(Node::leaf(leaf_of(&writes[0])))
        }
        // A leaf that has to move down: it goes along with the writes.
        Some(Node::Leaf { leaf, .. }) => {
            let mut all: Vec<Write<V>> = writes.to_vec();
            if let Err(place) = all.binary_search_by_key(&leaf.key, |(key, ..)| *key) {
                all.insert(place, (leaf.key, leaf.value_hash, Arc::clone(&leaf.value)));
            }
            put(None, depth, &all)
        }
        // Distinct keys part at the latest at the last bit.
        None if depth >= BITS => Some(Node::leaf(leaf_of(&writes[0]))),
        None => {
            let (left, right) = halves(writes, depth);
            Some(Node::inner([
                put(None, depth + 1, left),
                put(None, depth + 1, right),
            ]))
        }
        Some(Node::Inner { sides, .. }) => {
            let (left, right) = halves(writes, depth);
            Some(Node::inner([
                put(sides[0].as_ref(), depth + 1, left),
                put(sides[1].as_ref(), depth + 1, right),
            ]))
        }
    }
}

fn halves<V>(writes: &[Write<V>], depth: usize) -> (&[Write<V>], &[Write<V>]) {
    writes.split_at(writes.partition_point(|(key, ..)| bit(key, depth) == 0))
}

/// Path from a key's place to the root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TreePath {
    /// The leaf at the end of the path: hashes of its key and its value.
    pub found: Option<([u8; 32], [u8; 32])>,
    /// Siblings from the root down.
    pub siblings: Vec<[u8; 32]>,
}

impl TreePath {
    /// Whether `root` has a value of hash `value` under `key` (`None`: nothing).
    #[must_use]
    pub fn shows(&self, root: &[u8; 32], key: &[u8; 32], value: Option<&[u8; 32]>) -> bool {
        if self.siblings.len() > BITS {
            return false;
        }
        let end = match (&self.found, value) {
            (Some((at, hash)), Some(value)) if at == key && hash == value => leaf_hash(at, hash),
            // Another leaf occupies the place, which it can only on its own path.
            (Some((at, hash)), None)
                if at != key
                    && (0..self.siblings.len()).all(|depth| bit(at, depth) == bit(key, depth)) =>
            {
                leaf_hash(at, hash)
            }
            (None, None) => EMPTY,
            _ => return false,
        };
        let top = self
            .siblings
            .iter()
            .enumerate()
            .rev()
            .fold(end, |below, (depth, sibling)| {
                if bit(key, depth) == 0 {
                    inner_hash(&below, sibling)
                } else {
                    inner_hash(sibling, &below)
                }
            });
        top == *root
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jmt::mock::MockTreeStore;
    use jmt::{JellyfishMerkleTree, KeyHash, SimpleHasher};
    use proptest::prelude::*;

    struct Blake3(blake3::Hasher);

    impl SimpleHasher for Blake3 {
        fn new() -> Self {
            Self(blake3::Hasher::new())
        }
        fn update(&mut self, data: &[u8]) {
            self.0.update(data);
        }
        fn finalize(self) -> [u8; 32] {
            *self.0.finalize().as_bytes()
        }
    }

    fn write(key: [u8; 32], value: u8) -> Write<u8> {
        (key, *blake3::hash(&[value]).as_bytes(), Arc::new(value))
    }

    /// Keys that often share long prefixes.
    fn key() -> impl Strategy<Value = [u8; 32]> {
        (any::<[bool; 6]>(), 0_usize..31, any::<u8>()).prop_map(|(bits, at, tail)| {
            let mut key = [0; 32];
            for (i, on) in bits.iter().enumerate() {
                key[i / 3] |= u8::from(*on) << (i % 3 * 3);
            }
            key[at] ^= tail & 0x11;
            key[31] = tail;
            key
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn roots_are_those_of_the_jellyfish_merkle_tree(
            batches in prop::collection::vec(
                prop::collection::btree_map(key(), any::<u8>(), 1..12), 1..6),
        ) {
            let store = MockTreeStore::default();
            let theirs = JellyfishMerkleTree::<_, Blake3>::new(&store);
            let mut ours = Tree::<u8>::default();
            for (version, batch) in batches.iter().enumerate() {
                let (root, update) = theirs
                    .put_value_set(
                        batch.iter().map(|(key, value)| (KeyHash(*key), Some(vec![*value]))),
                        version as u64,
                    )
                    .expect("an in-memory store");
                store.write_tree_update_batch(update).expect("an in-memory store");
                ours = ours.put(batch.iter().map(|(k, v)| write(*k, *v)).collect());
                prop_assert_eq!(ours.root(), root.0);
            }
        }

        #[test]
        fn proofs_hold_for_what_is_and_is_not_there_and_for_nothing_else(
            content in prop::collection::btree_map(key(), any::<u8>(), 0..24),
            asked in key(),
            flip in any::<(u8, u8)>(),
        ) {
            let tree = Tree::default()
                .put(content.iter().map(|(k, v)| write(*k, *v)).collect());
            let root = tree.root();
            let there = content.get(&asked).map(|v| *blake3::hash(&[*v]).as_bytes());
            prop_assert_eq!(tree.get(&asked).map(|v| **v), content.get(&asked).copied());
            let path = tree.prove(&asked);
            prop_assert!(path.shows(&root, &asked, there.as_ref()));
            let other = *blake3::hash(b"other").as_bytes();
            prop_assert!(!path.shows(&root, &asked, Some(&other)));
            if there.is_some() {
                prop_assert!(!path.shows(&root, &asked, None));
            }
            let mut bytes = borsh::to_vec(&path).expect("a vector");
            let at = usize::from(flip.0) % bytes.len();
            bytes[at] ^= flip.1.max(1);
            if let Ok(mutated) = borsh::from_slice::<TreePath>(&bytes) {
                prop_assert!(!mutated.shows(&root, &asked, there.as_ref()));
            }
        }
    }

    #[test]
    fn older_versions_stay_as_they_were() {
        let keys: Vec<[u8; 32]> = (0..200_u8)
            .map(|i| *blake3::hash(&[i]).as_bytes())
            .collect();
        let old = Tree::default().put(keys.iter().map(|k| write(*k, 1)).collect());
        let root = old.root();
        let new = old.put(vec![write(keys[3], 2)]);
        assert_ne!(new.root(), root);
        assert_eq!(old.root(), root);
        assert_eq!(old.get(&keys[3]).map(|v| **v), Some(1));
        assert_eq!(new.get(&keys[3]).map(|v| **v), Some(2));
        assert_eq!(new.put(vec![write(keys[3], 1)]).root(), root);
        let mut count = 0;
        new.for_each(&mut |_| count += 1);
        assert_eq!(count, 200);
    }
}
