//! The schema, once for both databases, and rows for it.

/// A table; the order here is the order in which rows of a batch are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// A run of a scene.
    Run,
    /// A home, shared battery, operator or utility with an account.
    Participant,
    /// A term of the contract, a tariff or a factor in force.
    Policy,
    /// A decided reading: registers since the start.
    Reading,
    /// A decided price of a slot and type.
    Price,
    /// A lot of energy that changed hands, and the money for it.
    Trade,
    /// What was expected of a slot when it was priced, by type.
    Forecast,
    /// A decided area load of an M-LMD.
    AreaLoad,
    /// Minutes of a slot in which a home had no supply.
    Outage,
    /// Something that happened.
    Event,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 10] = [
        Self::Run,
        Self::Participant,
        Self::Policy,
        Self::Reading,
        Self::Price,
        Self::Trade,
        Self::Forecast,
        Self::AreaLoad,
        Self::Outage,
        Self::Event,
    ];

    /// Name in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.shape().name
    }

    /// Name and columns; the first `key` columns are the primary key.
    pub(crate) const fn shape(self) -> Shape {
        match self {
            Self::Run => Shape {
                name: "run",
                key: 1,
                columns: &["run_id", "scene", "seed", "slot_ms", "reading_ms"],
            },
            Self::Participant => Shape {
                name: "participant",
                key: 2,
                columns: &[
                    "run_id",
                    "participant_id",
                    "name",
                    "kind",
                    "cluster",
                    "mlmd",
                ],
            },
            Self::Policy => Shape {
                name: "policy",
                key: 2,
                columns: &["run_id", "name", "value"],
            },
            Self::Reading => Shape {
                name: "reading",
                key: 3,
                columns: &[
                    "run_id",
                    "participant_id",
                    "interval_end_ms",
                    "import_wh",
                    "export_solar_wh",
                    "export_battery_wh",
                    "block_height",
                ],
            },
            Self::Price => Shape {
                name: "price",
                key: 4,
                columns: &[
                    "run_id",
                    "cluster",
                    "slot",
                    "kind",
                    "start_ms",
                    "micro_eur_per_kwh",
                    "block_height",
                ],
            },
            Self::Trade => Shape {
                name: "trade",
                key: 4,
                columns: &[
                    "run_id",
                    "cluster",
                    "slot",
                    "line",
                    "start_ms",
                    "buyer_id",
                    "seller_id",
                    "kind",
                    "reason",
                    "energy_wh",
                    "micro_eur_per_kwh",
                    "nano_eur",
                    "block_height",
                ],
            },
            Self::Forecast => Shape {
                name: "forecast",
                key: 4,
                columns: &[
                    "run_id",
                    "cluster",
                    "slot",
                    "quantity",
                    "start_ms",
                    "expected_wh",
                    "last_wh",
                    "method",
                    "block_height",
                ],
            },
            Self::AreaLoad => Shape {
                name: "area_load",
                key: 3,
                columns: &[
                    "run_id",
                    "mlmd",
                    "interval_end_ms",
                    "energy_wh",
                    "block_height",
                ],
            },
            Self::Outage => Shape {
                name: "outage",
                key: 3,
                columns: &["run_id", "participant_id", "start_ms", "minutes"],
            },
            Self::Event => Shape {
                name: "event",
                key: 2,
                columns: &["run_id", "event_id", "time_ms", "kind", "what"],
            },
        }
    }

    /// The statement that makes the table where it is missing.
    pub(crate) fn create(self) -> String {
        let shape = self.shape();
        let columns: Vec<String> = shape
            .columns
            .iter()
            .map(|column| {
                let kind = if is_text(column) { "TEXT" } else { "BIGINT" };
                format!("{column} {kind} NOT NULL")
            })
            .collect();
        format!(
            "CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY ({}))",
            shape.name,
            columns.join(", "),
            shape.columns[..shape.key].join(", ")
        )
    }

    /// The statement that adds `rows` rows; a row that exists stays as it is,
    /// so writing a batch twice changes nothing.
    pub(crate) fn insert(self, rows: usize) -> String {
        let shape = self.shape();
        let width = shape.columns.len();
        let values: Vec<String> = (0..rows)
            .map(|row| {
                let places: Vec<String> = (1..=width)
                    .map(|c| format!("${}", row * width + c))
                    .collect();
                format!("({})", places.join(", "))
            })
            .collect();
        format!(
            "INSERT INTO {} ({}) VALUES {} ON CONFLICT DO NOTHING",
            shape.name,
            shape.columns.join(", "),
            values.join(", ")
        )
    }
}

/// Columns that hold words; all others hold whole numbers.
fn is_text(column: &str) -> bool {
    matches!(
        column,
        "scene"
            | "name"
            | "value"
            | "kind"
            | "cluster"
            | "mlmd"
            | "reason"
            | "what"
            | "quantity"
            | "method"
    )
}

/// Name, columns and number of key columns of a table.
pub(crate) struct Shape {
    pub name: &'static str,
    pub key: usize,
    pub columns: &'static [&'static str],
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// Words.
    Text(String),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

/// Rows that are written together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    rows: Vec<(Table, Vec<Value>)>,
}

impl Batch {
    /// Adds a row in the order of the table's columns.
    ///
    /// # Panics
    /// In debug builds when the number of values is not that of the columns.
    pub fn push<const N: usize>(&mut self, table: Table, row: [Value; N]) {
        debug_assert_eq!(N, table.shape().columns.len(), "{}", table.shape().name);
        self.rows.push((table, row.into()));
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows by table, in the order of the tables.
    pub(crate) fn by_table(&self) -> impl Iterator<Item = (Table, Vec<&[Value]>)> {
        Table::ALL.into_iter().filter_map(|table| {
            let rows: Vec<&[Value]> = self
                .rows
                .iter()
                .filter(|(of, _)| *of == table)
                .map(|(_, row)| row.as_slice())
                .collect();
            (!rows.is_empty()).then_some((table, rows))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_a_key_and_distinct_columns() {
        for table in Table::ALL {
            let shape = table.shape();
            assert!(shape.key >= 1 && shape.key <= shape.columns.len());
            let mut columns = shape.columns.to_vec();
            columns.sort_unstable();
            columns.dedup();
            assert_eq!(columns.len(), shape.columns.len(), "{}", shape.name);
        }
    }

    #[test]
    fn places_are_numbered_across_rows() {
        let sql = Table::Policy.insert(2);
        assert!(sql.contains("($1, $2, $3), ($4, $5, $6)"), "{sql}");
    }
}
