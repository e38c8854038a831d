//! Keys of the parties that are no customers.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_ledger::KeyPair;

use crate::sim_state::{SimState, StateHasher};

/// An official's key on one chain and the number of its next transaction.
#[derive(Clone)]
struct Signer {
    key: KeyPair,
    nonce: u64,
}

/// Operator, cloud, LG-Aggregators and wholesale agents, per ledger.
#[derive(Resource, Clone, Default)]
pub struct Officials {
    operator: Vec<Signer>,
    cloud: Vec<Signer>,
    aggregator: Vec<Signer>,
    wholesale: Vec<Signer>,
}

/// Next transaction numbers, in the order operator, cloud, aggregator, wholesale agent.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub struct Nonces(Vec<u64>);

impl Officials {
    /// Adds the officials of the next ledger.
    pub fn add(
        &mut self,
        operator: KeyPair,
        cloud: KeyPair,
        aggregator: KeyPair,
        wholesale: KeyPair,
    ) {
        for (list, key) in [
            (&mut self.operator, operator),
            (&mut self.cloud, cloud),
            (&mut self.aggregator, aggregator),
            (&mut self.wholesale, wholesale),
        ] {
            list.push(Signer { key, nonce: 0 });
        }
    }

    /// The operator's key and the number of its next transaction.
    pub fn operator(&mut self, ledger: u32) -> (&KeyPair, u64) {
        Self::next(&mut self.operator, ledger)
    }

    /// The cloud's key and the number of its next transaction.
    pub fn cloud(&mut self, ledger: u32) -> (&KeyPair, u64) {
        Self::next(&mut self.cloud, ledger)
    }

    /// The LG-Aggregator's key and the number of its next transaction.
    pub fn aggregator(&mut self, ledger: u32) -> (&KeyPair, u64) {
        Self::next(&mut self.aggregator, ledger)
    }

    /// The wholesale agent's key and the number of its next transaction.
    pub fn wholesale(&mut self, ledger: u32) -> (&KeyPair, u64) {
        Self::next(&mut self.wholesale, ledger)
    }

    fn next(list: &mut [Signer], ledger: u32) -> (&KeyPair, u64) {
        let signer = &mut list[ledger as usize];
        let nonce = signer.nonce;
        signer.nonce += 1;
        (&signer.key, nonce)
    }

    fn signers(&self) -> impl Iterator<Item = &Signer> {
        self.operator
            .iter()
            .chain(&self.cloud)
            .chain(&self.aggregator)
            .chain(&self.wholesale)
    }
}

impl SimState for Officials {
    type Saved = Nonces;

    fn save(&self) -> Nonces {
        Nonces(self.signers().map(|signer| signer.nonce).collect())
    }

    fn load(&mut self, saved: &Nonces) {
        let signers = self
            .operator
            .iter_mut()
            .chain(&mut self.cloud)
            .chain(&mut self.aggregator)
            .chain(&mut self.wholesale);
        for (signer, nonce) in signers.zip(&saved.0) {
            signer.nonce = *nonce;
        }
    }

    fn digest(&self, hasher: &mut StateHasher) {
        hasher.add(&self.save());
    }
}
