//! SQLite in a file, or a PostgreSQL server, behind one interface.

use std::path::Path;
use std::time::Duration;

use postgres::types::ToSql;
use postgres::{Client, NoTls, SimpleQueryMessage};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::schema::{Batch, Table, Value};

/// Rows of one statement sent to a server at once.
const ROWS_AT_ONCE: usize = 256;

/// How long a writer waits for another one, ms.
const BUSY: Duration = Duration::from_secs(10);

/// Rows an answer may have; a longer one is cut and says so.
const ANSWER_LIMIT: usize = 10_000;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// SQLite refused.
    #[error("database {place}: {source}")]
    Sqlite {
        /// File.
        place: String,
        /// Why.
        source: rusqlite::Error,
    },
    /// The server refused, or cannot be reached.
    #[error("database server: {}", describe(.0))]
    Postgres(#[from] postgres::Error),
    /// An answer holds bytes that are no text.
    #[error("column {column} of the answer is binary: cast it to text in the question")]
    Binary {
        /// Index of the column.
        column: usize,
    },
}

/// The server's own words, which the library keeps apart.
fn describe(error: &postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |db| db.message().to_owned())
}

/// Answer to a question, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows; a missing value is empty.
    pub rows: Vec<Vec<String>>,
    /// Whether rows beyond the limit were left out.
    pub cut: bool,
}

/// An open database.
pub struct Store {
    backend: Backend,
    /// Rows written since it was opened, those that existed included.
    pub rows_written: u64,
}

enum Backend {
    Sqlite { place: String, db: Connection },
    Postgres(Box<Client>),
}

impl Store {
    /// Opens `postgres://…` (or `postgresql://…`) on a server, anything else
    /// as a SQLite file, and makes the tables that are missing.
    ///
    /// # Errors
    /// Names the file or gives the server's reason.
    pub fn open(url: &str) -> Result<Self, CloudError> {
        let backend = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Backend::Postgres(Box::new(Client::connect(url, NoTls)?))
        } else {
            open_file(Path::new(url))?
        };
        let mut store = Self {
            backend,
            rows_written: 0,
        };
        for table in Table::ALL {
            store.execute(&table.create())?;
        }
        Ok(store)
    }

    /// A number for a new run.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn next_run(&mut self) -> Result<i64, CloudError> {
        let answer = self.ask("SELECT COALESCE(MAX(run_id), 0) + 1 FROM run")?;
        let first = answer.rows.first().and_then(|row| row.first());
        Ok(first.and_then(|text| text.parse().ok()).unwrap_or(1))
    }

    /// Writes a batch in one transaction; when this returns it is on disk.
    ///
    /// # Errors
    /// Nothing of the batch is kept then.
    pub fn write(&mut self, batch: &Batch) -> Result<(), CloudError> {
        match &mut self.backend {
            Backend::Sqlite { place, db } => {
                write_file(db, batch).map_err(|source| CloudError::Sqlite {
                    place: place.clone(),
                    source,
                })?;
            }
            Backend::Postgres(client) => write_server(client, batch)?,
        }
        self.rows_written += batch.len() as u64;
        Ok(())
    }

    /// Asks a question in SQL.
    ///
    /// # Errors
    /// The database's own words about the question.
    pub fn ask(&mut self, sql: &str) -> Result<Answer, CloudError> {
        match &mut self.backend {
            Backend::Sqlite { place, db } => ask_file(db, sql).map_err(|error| error.at(place)),
            Backend::Postgres(client) => Ok(ask_server(client, sql)?),
        }
    }

    /// Whether the database itself finds its file sound; a server answers for itself.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn is_sound(&mut self) -> Result<bool, CloudError> {
        match &self.backend {
            Backend::Sqlite { .. } => {
                let answer = self.ask("PRAGMA integrity_check")?;
                Ok(answer.rows == [["ok"]])
            }
            Backend::Postgres(_) => Ok(true),
        }
    }

    fn execute(&mut self, sql: &str) -> Result<(), CloudError> {
        match &mut self.backend {
            Backend::Sqlite { place, db } => {
                db.execute_batch(sql).map_err(|source| CloudError::Sqlite {
                    place: place.clone(),
                    source,
                })
            }
            Backend::Postgres(client) => Ok(client.batch_execute(sql)?),
        }
    }
}

/// A file with a write-ahead log, synced at every commit: a kill loses nothing
/// that was committed.
fn open_file(path: &Path) -> Result<Backend, CloudError> {
    let place = path.display().to_string();
    let open = || -> rusqlite::Result<Connection> {
        let db = Connection::open(path)?;
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        Ok(db)
    };
    match open() {
        Ok(db) => Ok(Backend::Sqlite { place, db }),
        Err(source) => Err(CloudError::Sqlite { place, source }),
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Int(value) => rusqlite::ToSql::to_sql(value),
            Self::Text(text) => rusqlite::ToSql::to_sql(text),
        }
    }
}

fn write_file(db: &mut Connection, batch: &Batch) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    for (table, rows) in batch.by_table() {
        let mut statement = transaction.prepare_cached(&table.insert(1))?;
        for row in rows {
            statement.execute(rusqlite::params_from_iter(row))?;
        }
    }
    transaction.commit()
}

fn write_server(client: &mut Client, batch: &Batch) -> Result<(), postgres::Error> {
    let mut transaction = client.transaction()?;
    for (table, rows) in batch.by_table() {
        for chunk in rows.chunks(ROWS_AT_ONCE) {
            let values: Vec<&(dyn ToSql + Sync)> = chunk
                .iter()
                .flat_map(|row| row.iter())
                .map(|value| match value {
                    Value::Int(value) => value as &(dyn ToSql + Sync),
                    Value::Text(text) => text as &(dyn ToSql + Sync),
                })
                .collect();
            transaction.execute(&table.insert(chunk.len()), &values)?;
        }
    }
    transaction.commit()
}

/// A failure of reading a file, before it knows which file.
enum AskError {
    Sqlite(rusqlite::Error),
    Binary(usize),
}

impl AskError {
    fn at(self, place: &str) -> CloudError {
        match self {
            Self::Sqlite(source) => CloudError::Sqlite {
                place: place.to_owned(),
                source,
            },
            Self::Binary(column) => CloudError::Binary { column },
        }
    }
}

impl From<rusqlite::Error> for AskError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn ask_file(db: &Connection, sql: &str) -> Result<Answer, AskError> {
    let mut statement = db.prepare(sql)?;
    let mut answer = Answer {
        columns: statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        ..Answer::default()
    };
    let width = answer.columns.len();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if answer.rows.len() == ANSWER_LIMIT {
            answer.cut = true;
            break;
        }
        let cells = (0..width).map(|column| {
            Ok(match row.get_ref(column)? {
                ValueRef::Null => String::new(),
                ValueRef::Integer(value) => value.to_string(),
                ValueRef::Real(value) => value.to_string(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                ValueRef::Blob(_) => return Err(AskError::Binary(column)),
            })
        });
        answer.rows.push(cells.collect::<Result<_, AskError>>()?);
    }
    Ok(answer)
}

fn ask_server(client: &mut Client, sql: &str) -> Result<Answer, postgres::Error> {
    let mut answer = Answer::default();
    for message in client.simple_query(sql)? {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                answer.columns = columns.iter().map(|c| c.name().to_owned()).collect();
            }
            SimpleQueryMessage::Row(row) => {
                if answer.rows.len() == ANSWER_LIMIT {
                    answer.cut = true;
                    continue;
                }
                let cells = (0..row.len()).map(|i| row.get(i).unwrap_or_default().to_owned());
                answer.rows.push(cells.collect());
            }
            _ => {}
        }
    }
    Ok(answer)
}
