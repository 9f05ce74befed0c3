//! Rows that a transaction brings or changes, written by its commit: all of a table by one statement, as each statement is a
//! round trip, and a violation has a dozen rows.

use std::cmp::Ordering;

use sqlx::{Any, AssertSqlSafe};

use super::{DbError, Session};

/// Parameters of one statement.
const PARAMETERS: usize = 1000;

/// What a column takes.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Value {
    Text(Option<String>),
    Number(Option<i64>),
    Real(Option<f64>),
    Bytes(Option<Vec<u8>>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(bytes: Option<Vec<u8>>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Option<f64>> for Value {
    fn from(number: Option<f64>) -> Self {
        Self::Real(number)
    }
}

/// How many rows of so many columns one statement brings.
pub(crate) fn rows_at_once(columns: usize) -> usize {
    (PARAMETERS / columns).max(1)
}

/// `$1, $2, …`, so many.
#[must_use]
pub fn places(count: usize) -> String {
    (1..=count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// `($1, $2), ($3, $4), …`: so many rows of so many columns.
#[must_use]
pub fn rows_of_places(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places: Vec<String> = (1..=columns).map(|n| format!("${}", row * columns + n)).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// When rows are put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// Others may refer to them.
    First,
    Then,
}

/// A statement that takes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    /// What follows the rows is `ON CONFLICT …`, or nothing.
    Insert { table: &'static str, columns: &'static [&'static str], conflict: &'static str },
    /// The rows stand where `{rows}` does; of so many columns.
    Update { sql: &'static str, columns: usize },
}

impl Statement {
    fn columns(self) -> usize {
        match self {
            Self::Insert { columns, .. } => columns.len(),
            Self::Update { columns, .. } => columns,
        }
    }

    /// With `places` for its rows.
    fn of(self, places: &str) -> String {
        match self {
            Self::Insert { table, columns, conflict } => {
                format!("INSERT INTO {table} ({}) VALUES {places} {conflict}", columns.join(", "))
            }
            Self::Update { sql, .. } => sql.replace("{rows}", places),
        }
    }

    /// Whether rows may be there that others hold.
    fn meets_others(self) -> bool {
        !matches!(self, Self::Insert { conflict: "", .. })
    }
}

/// Rows by statement, in the order in which the statements of a turn came first.
#[derive(Debug, Default)]
pub(super) struct Writes(Vec<OfStatement>);

#[derive(Debug)]
struct OfStatement {
    turn: Turn,
    statement: Statement,
    /// Whether each row has to take effect.
    all: bool,
    rows: Vec<Vec<Value>>,
}

impl Writes {
    /// Each has to take effect.
    pub(super) fn add(&mut self, turn: Turn, statement: Statement, row: Vec<Value>) {
        self.rows_of(turn, statement, true, &row).push(row);
    }

    /// It may be without effect.
    pub(super) fn add_if(&mut self, turn: Turn, statement: Statement, row: Vec<Value>) {
        self.rows_of(turn, statement, false, &row).push(row);
    }

    /// In place of one that begins with the same.
    pub(super) fn replace(&mut self, turn: Turn, statement: Statement, row: Vec<Value>) {
        let rows = self.rows_of(turn, statement, true, &row);
        rows.retain(|it| it.first() != row.first());
        rows.push(row);
    }

    fn rows_of(
        &mut self,
        turn: Turn,
        statement: Statement,
        all: bool,
        row: &[Value],
    ) -> &mut Vec<Vec<Value>> {
        debug_assert_eq!(row.len(), statement.columns(), "a value for each column of {statement:?}");
        let known = self.0.iter().position(|it| (it.turn, it.statement, it.all) == (turn, statement, all));
        let at = known.unwrap_or_else(|| {
            self.0.push(OfStatement { turn, statement, all, rows: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[at].rows
    }

    pub(super) async fn put(mut self, session: &mut Session) -> Result<(), DbError> {
        self.0.sort_by_key(|it| it.turn);
        for OfStatement { statement, all, mut rows, .. } in self.0 {
            if statement.meets_others() {
                // In one order, so that transactions of replicas do not wait for each other.
                rows.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
            }
            for rows in rows.chunks(rows_at_once(statement.columns())) {
                let places = session.rows_of_places(rows.len(), statement.columns());
                let query = sqlx::query::<Any>(AssertSqlSafe(statement.of(&places)));
                let query = rows.iter().flatten().fold(query, |query, value| match value {
                    Value::Text(text) => query.bind(text.clone()),
                    Value::Number(number) => query.bind(*number),
                    Value::Real(Some(number)) => query.bind(*number),
                    // sqlx 0.9 tells PostgreSQL of a missing f64 that it is an f32, and the other way round.
                    Value::Real(None) => query.bind(None::<f32>),
                    Value::Bytes(bytes) => query.bind(bytes.clone()),
                });
                let written = query.execute(&mut *session).await?.rows_affected();
                // One of them is not as the transaction took it to be.
                if all && usize::try_from(written).ok() != Some(rows.len()) {
                    return Err(DbError::Busy);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_on_from_row_to_row() {
        assert_eq!(places(3), "$1, $2, $3");
        assert_eq!(rows_of_places(2, 2), "($1, $2), ($3, $4)");
    }
}
