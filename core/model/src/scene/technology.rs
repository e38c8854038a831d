//! What a ledger is made of: the paper's Table 1 as settings of a scene.

use serde::{Deserialize, Serialize};

use super::schema::Scene;

/// Who may join a ledger (Table 1, network management).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// Whoever wants, with a key of its own making.
    Public,
    /// The members that the founders listed.
    Consortium,
    /// Whom the owner, the grid operator, opens an account for.
    Private,
}

/// Where the data of transactions lie (Table 1, data management).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataPlace {
    /// In the blocks.
    OnChain,
    /// Readings in a store of the LG-Aggregator, their hashes in the blocks.
    OffChain,
}

/// Who may commit a block (Table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitRight {
    /// A draw decides among all.
    Randomised,
    /// Certain nodes, in turn or by election.
    Elective,
    /// An elected set draws among itself.
    Hybrid,
}

/// Family of consensus algorithms (Table 1, A1 to A5, and proof of authority).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consensus {
    /// The own engine: Byzantine fault tolerant voting.
    Bft,
    /// Leader and followers, crash faults only.
    CrashFault,
    /// Known signers in turn.
    Authority,
    /// Proposers drawn by stake, finality by epochs.
    Stake,
    /// A committee drawn by stake votes on each block.
    Delegated,
    /// Heaviest chain of work.
    Work,
}

/// How a key comes to its owner (Table 1, identity).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identity {
    /// Made by the owner; the ledger knows a pseudonym.
    SelfSovereign,
    /// Proofed by the grid operator; the ledger knows the name.
    Proofed,
}

/// How contracts run (Table 1, automation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Execution {
    /// Every node computes the same by itself.
    Deterministic,
    /// So many nodes simulate a transaction and compare before it is ordered.
    Compared(u16),
}

/// Everything a ledger is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TechnologySpec {
    /// Who may join.
    pub network: Network,
    /// Where data lie.
    pub data: DataPlace,
    /// Who may commit.
    pub commit_right: CommitRight,
    /// How nodes agree.
    pub consensus: Consensus,
    /// How keys come to their owners.
    pub identity: Identity,
    /// How contracts run.
    pub execution: Execution,
}

impl Default for TechnologySpec {
    fn default() -> Self {
        Preset::Gridloom.parts()
    }
}

/// Ledgers that the paper names, and ours (Table 1, its three groups).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preset {
    /// Ours: a consortium's validators vote.
    Gridloom,
    /// Group 1: ordered by a leader, simulated and compared, data outside.
    Fabric,
    /// Known signers in turn.
    Authority,
    /// Group 2: an elected set votes.
    Neo,
    /// Group 2: a committee drawn by stake votes.
    Algorand,
    /// Group 3 as the paper has it: proof of work.
    Ethereum,
    /// Proof of stake with finality by epochs, what Ethereum became in 2022.
    EthereumStake,
    /// Proof of work in shards under a root chain: the clusters of a scene and its root.
    Quarkchain,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Gridloom,
        Self::Fabric,
        Self::Authority,
        Self::Neo,
        Self::Algorand,
        Self::Ethereum,
        Self::EthereumStake,
        Self::Quarkchain,
    ];

    /// What it is made of.
    #[must_use]
    pub fn parts(self) -> TechnologySpec {
        use CommitRight::{Elective, Hybrid, Randomised};
        use Network::{Consortium, Public};
        let own = |commit_right, consensus| TechnologySpec {
            network: Consortium,
            data: DataPlace::OnChain,
            commit_right,
            consensus,
            identity: Identity::Proofed,
            execution: Execution::Deterministic,
        };
        let open = |commit_right, consensus, execution| TechnologySpec {
            network: Public,
            identity: Identity::SelfSovereign,
            execution,
            ..own(commit_right, consensus)
        };
        let (alone, compared) = (Execution::Deterministic, Execution::Compared(2));
        match self {
            Self::Gridloom => own(Elective, Consensus::Bft),
            Self::Authority => own(Elective, Consensus::Authority),
            Self::Fabric => TechnologySpec {
                data: DataPlace::OffChain,
                execution: compared,
                ..own(Elective, Consensus::CrashFault)
            },
            Self::Neo => open(Hybrid, Consensus::Bft, compared),
            Self::Algorand => open(Hybrid, Consensus::Delegated, compared),
            Self::Ethereum | Self::Quarkchain => open(Randomised, Consensus::Work, alone),
            Self::EthereumStake => open(Randomised, Consensus::Stake, alone),
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gridloom => "gridloom",
            Self::Fabric => "fabric",
            Self::Authority => "authority",
            Self::Neo => "neo",
            Self::Algorand => "algorand",
            Self::Ethereum => "ethereum",
            Self::EthereumStake => "ethereum-stake",
            Self::Quarkchain => "quarkchain",
        }
    }
}

/// A ledger's making: named, or part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Technology {
    /// As this one.
    Like(Preset),
    /// These parts; what is left out is as in ours.
    Of(TechnologySpec),
}

impl Default for Technology {
    fn default() -> Self {
        Self::Like(Preset::Gridloom)
    }
}

impl Technology {
    /// Its parts.
    #[must_use]
    pub fn parts(self) -> TechnologySpec {
        match self {
            Self::Like(preset) => preset.parts(),
            Self::Of(parts) => parts,
        }
    }
}

impl TechnologySpec {
    /// The paper's codes of Table 1.
    #[must_use]
    pub fn codes(&self) -> String {
        format!(
            "N{} D{} C{} {} I{} U{}",
            match self.network {
                Network::Public => 1,
                Network::Consortium => 2,
                Network::Private => 3,
            },
            1 + u8::from(self.data == DataPlace::OffChain),
            match self.commit_right {
                CommitRight::Randomised => 1,
                CommitRight::Elective => 2,
                CommitRight::Hybrid => 3,
            },
            match self.consensus {
                Consensus::Work => "A1",
                Consensus::Stake => "A2",
                Consensus::Delegated => "A3",
                Consensus::Bft => "A4",
                Consensus::CrashFault => "A5",
                Consensus::Authority => "PoA",
            },
            1 + u8::from(self.identity == Identity::Proofed),
            1 + u8::from(self.execution != Execution::Deterministic),
        )
    }

    /// Group of configurations (paper section 3.1): 1 centralised elective, 2
    /// decentralised elective, 3 decentralised.
    #[must_use]
    pub fn group(&self) -> u8 {
        match (self.network, self.commit_right) {
            (Network::Public, CommitRight::Randomised) => 3,
            (Network::Public, _) => 2,
            _ => 1,
        }
    }

    /// Where the paper's table says that two parts do not go together: worth a
    /// word, never forbidden, as its own second group does so too.
    #[must_use]
    pub fn misfits(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        let public = self.network == Network::Public;
        if public && self.commit_right == CommitRight::Elective {
            found.push("an elective commit right (C2) is not for public networks (N1)");
        }
        if self.network == Network::Private && self.commit_right == CommitRight::Hybrid {
            found.push("a hybrid commit right (C3) is not for private networks (N3)");
        }
        if public && self.execution != Execution::Deterministic {
            found.push("simulate and compare (U2) does not support public networks (N1)");
        }
        found
    }

    /// The commit right that this consensus gives; a ledger cannot have another.
    #[must_use]
    pub fn gives(consensus: Consensus) -> &'static [CommitRight] {
        match consensus {
            Consensus::Bft => &[CommitRight::Elective, CommitRight::Hybrid],
            Consensus::CrashFault | Consensus::Authority => &[CommitRight::Elective],
            Consensus::Delegated => &[CommitRight::Hybrid],
            Consensus::Stake | Consensus::Work => &[CommitRight::Randomised],
        }
    }
}

impl Scene {
    /// Ids of the ledgers with what each is made of: clusters in order, then the root.
    pub fn technologies(&self) -> impl Iterator<Item = (&str, Technology)> {
        let clusters = self.clusters.iter();
        clusters
            .map(|cluster| (cluster.id.as_str(), cluster.ledger.technology))
            .chain([("root", self.root.technology)])
    }

    /// Gives every ledger of the scene the same technology.
    pub fn set_technology(&mut self, technology: Technology) {
        for cluster in &mut self.clusters {
            cluster.ledger.technology = technology;
        }
        self.root.technology = technology;
    }

    /// Where technology and exchange do not go together by the paper's tables.
    #[must_use]
    pub fn misfits(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (id, technology) in self.technologies() {
            let parts = technology.parts();
            let all = parts.misfits().into_iter();
            for what in all.chain(self.exchange.misfits(&parts)) {
                found.push(format!("ledger {id}: {what}"));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::exchange::{Coupling, Dispute, ExchangeSpec};

    #[test]
    fn presets_have_the_codes_of_the_table() {
        let codes: Vec<_> = Preset::ALL
            .iter()
            .map(|preset| (preset.parts().group(), preset.parts().codes()))
            .collect();
        assert_eq!(
            codes,
            [
                (1, "N2 D1 C2 A4 I2 U1".to_owned()),
                (1, "N2 D2 C2 A5 I2 U2".to_owned()),
                (1, "N2 D1 C2 PoA I2 U1".to_owned()),
                (2, "N1 D1 C3 A4 I1 U2".to_owned()),
                (2, "N1 D1 C3 A3 I1 U2".to_owned()),
                (3, "N1 D1 C1 A1 I1 U1".to_owned()),
                (3, "N1 D1 C1 A2 I1 U1".to_owned()),
                (3, "N1 D1 C1 A1 I1 U1".to_owned()),
            ]
        );
    }

    #[test]
    fn every_preset_has_a_commit_right_that_its_consensus_gives() {
        for preset in Preset::ALL {
            let parts = preset.parts();
            let gives = TechnologySpec::gives(parts.consensus);
            assert!(gives.contains(&parts.commit_right), "{preset:?}");
        }
    }

    #[test]
    fn the_second_group_is_warned_about_and_not_refused() {
        assert_eq!(Preset::Algorand.parts().misfits().len(), 1);
        assert!(Preset::Gridloom.parts().misfits().is_empty());
        let law = ExchangeSpec {
            dispute: Dispute::Legal,
            coupling: Coupling::Immediate(10),
            ..ExchangeSpec::default()
        };
        assert_eq!(law.misfits(&Preset::Ethereum.parts()).len(), 2);
        assert!(law.misfits(&Preset::Fabric.parts()).is_empty());
    }
}
