//! Rows that a transaction brings, put in by its commit: all of a table by one statement, as each statement is a round trip, and a
//! violation has a dozen rows.

use sqlx::{Any, AssertSqlSafe};

use super::{DbError, Session};

/// Parameters of one statement: SQLite looks each up among all before it.
const PARAMETERS: usize = 400;

/// What a column takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(Option<String>),
    Number(Option<i64>),
    Real(Option<f64>),
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

/// Rows by table, in the order in which the tables of a turn were named first.
#[derive(Debug, Default)]
pub(super) struct Inserts(Vec<OfTable>);

#[derive(Debug)]
struct OfTable {
    turn: Turn,
    table: &'static str,
    columns: &'static [&'static str],
    conflict: &'static str,
    rows: Vec<Vec<Value>>,
}

impl Inserts {
    pub(super) fn add(
        &mut self,
        turn: Turn,
        table: &'static str,
        columns: &'static [&'static str],
        conflict: &'static str,
        row: Vec<Value>,
    ) {
        debug_assert_eq!(row.len(), columns.len(), "a value for each column of {table}");
        match self.0.iter_mut().find(|it| (it.turn, it.table, it.conflict) == (turn, table, conflict)) {
            Some(of_it) => of_it.rows.push(row),
            None => self.0.push(OfTable { turn, table, columns, conflict, rows: vec![row] }),
        }
    }

    pub(super) async fn put(mut self, session: &mut Session) -> Result<(), DbError> {
        self.0.sort_by_key(|it| it.turn);
        for OfTable { table, columns, conflict, rows, .. } in self.0 {
            for rows in rows.chunks(rows_at_once(columns.len())) {
                let sql = format!(
                    "INSERT INTO {table} ({}) VALUES {} {conflict}",
                    columns.join(", "),
                    rows_of_places(rows.len(), columns.len())
                );
                let query = sqlx::query::<Any>(AssertSqlSafe(sql));
                let query = rows.iter().flatten().fold(query, |query, value| match value {
                    Value::Text(text) => query.bind(text.clone()),
                    Value::Number(number) => query.bind(*number),
                    Value::Real(Some(number)) => query.bind(*number),
                    // sqlx 0.9 tells PostgreSQL of a missing f64 that it is an f32, and the other way round.
                    Value::Real(None) => query.bind(None::<f32>),
                });
                let written = query.execute(&mut *session).await?.rows_affected();
                // A row that is there and was not to be changed: it is not as the transaction took it to be.
                if usize::try_from(written).ok() != Some(rows.len()) {
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
