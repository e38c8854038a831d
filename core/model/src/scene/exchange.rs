//! What values on a ledger stand for and how they are exchanged: the paper's
//! Table 2 as settings of a scene.

use serde::{Deserialize, Serialize};

use super::technology::{Consensus, Identity, Network, TechnologySpec};

/// What a value on the ledger stands for (Table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Only itself.
    SelfReferring,
    /// Digital events outside.
    DigitalOnly,
    /// Physical things that can be told apart.
    Distinguishable,
    /// Physical things that cannot, such as electricity.
    Indistinguishable,
    /// Assurances.
    Abstract,
}

/// How closely the ledger follows the physical world (Table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coupling {
    /// In the end.
    Eventual,
    /// A reading must be final so many seconds after its interval; later ones
    /// are counted and raise an alarm.
    Immediate(u32),
}

/// How long transactions are kept (Table 2, value type).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retention {
    /// All of them.
    Derivable,
    /// Those of about so many newest blocks; balances stay.
    TimeBound(u32),
}

/// How disputes are settled (Table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dispute {
    /// By rules that can be checked.
    Objective,
    /// By a drawn quorum.
    RandomQuorum,
    /// By an expert.
    Arbitration,
    /// By law.
    Legal,
}

/// Everything Table 2 asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExchangeSpec {
    /// What values stand for.
    pub value: Value,
    /// How closely the ledger follows.
    pub coupling: Coupling,
    /// How long transactions are kept.
    pub retention: Retention,
    /// How disputes are settled.
    pub dispute: Dispute,
}

impl Default for ExchangeSpec {
    fn default() -> Self {
        Self {
            value: Value::Indistinguishable,
            coupling: Coupling::Eventual,
            retention: Retention::Derivable,
            dispute: Dispute::Objective,
        }
    }
}

impl ExchangeSpec {
    /// Where it does not fit a ledger's technology (paper section 3.2).
    #[must_use]
    pub fn misfits(&self, technology: &TechnologySpec) -> Vec<&'static str> {
        let mut found = Vec::new();
        let probabilistic = technology.consensus == Consensus::Work;
        if matches!(self.coupling, Coupling::Immediate(_)) && probabilistic {
            found.push("immediate coupling needs absolute finality, which proof of work has not");
        }
        if self.value == Value::Abstract && technology.network == Network::Public {
            found.push("abstract values rest on trusted actors, which a public network has not");
        }
        if self.dispute == Dispute::Legal && technology.identity == Identity::SelfSovereign {
            found.push("law needs to know who holds a key, which a self-made one does not tell");
        }
        found
    }
}
