//! Who sees what: the table, row by row.

/// A party that looks at the ledger or at what lies beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Anybody who can read blocks.
    Outsider,
    /// Another participant of the cluster.
    Neighbour,
    /// A validator of the cluster.
    Validator,
    /// The LG-Aggregator.
    Aggregator,
    /// The grid operator, who bills.
    Operator,
    /// The regulator, on request.
    Regulator,
    /// The home itself.
    Owner,
}

impl Role {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Outsider,
        Self::Neighbour,
        Self::Validator,
        Self::Aggregator,
        Self::Operator,
        Self::Regulator,
        Self::Owner,
    ];

    /// Name for a table.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Outsider => "outsider",
            Self::Neighbour => "neighbour",
            Self::Validator => "validator",
            Self::Aggregator => "LG-Aggregator",
            Self::Operator => "grid operator",
            Self::Regulator => "regulator",
            Self::Owner => "the home itself",
        }
    }
}

/// A piece of knowledge about a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Datum {
    /// Energy of one home in one slot.
    Reading,
    /// Energy of the whole cluster in one slot.
    ClusterSum,
    /// Which home is behind a pseudonym.
    Identity,
    /// Whether two slots of different epochs belong to one home.
    Linkage,
    /// What equipment a home has.
    Equipment,
    /// That the claimed sum is the sum of what was metered.
    SumIsRight,
}

impl Datum {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Reading,
        Self::ClusterSum,
        Self::Identity,
        Self::Linkage,
        Self::Equipment,
        Self::SumIsRight,
    ];

    /// Name for a table.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Reading => "reading of one home",
            Self::ClusterSum => "sum of the cluster",
            Self::Identity => "home behind a pseudonym",
            Self::Linkage => "one home over two epochs",
            Self::Equipment => "equipment of a home",
            Self::SumIsRight => "whether the sum is right",
        }
    }
}

/// Whether a role can see a piece of knowledge in private mode. The test of
/// this table holds each role's bytes and keys and tries.
#[must_use]
pub fn sees(role: Role, datum: Datum) -> bool {
    use Datum::{ClusterSum, Equipment, Identity, Linkage, Reading, SumIsRight};
    match datum {
        // The price is public, so is what it is formed from.
        ClusterSum | SumIsRight => true,
        Reading => matches!(role, Role::Operator | Role::Regulator | Role::Owner),
        Identity | Linkage => matches!(role, Role::Operator | Role::Regulator | Role::Owner),
        Equipment => matches!(role, Role::Operator | Role::Owner),
    }
}
