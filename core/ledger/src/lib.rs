//! Transactions, blocks, state and proofs of the cluster and root ledgers
