//! How a store's statements find their rows: read from each engine's own plan, of the statements that were really made.
//!
//! A test fills the tables, calls the store's methods on [`Plans::db`] and then asks whether each statement went by an index. No
//! statement is written down a second time: PostgreSQL tells which ones its session has prepared, and SQLite is asked about the
//! same text.

use std::collections::BTreeSet;

use service_kit::db::{Db, DbSettings, Migration};
use sqlx::{AssertSqlSafe, Row as _};

use crate::postgres::TestDatabase;

/// A store's tables on both engines, filled alike.
#[derive(Debug)]
pub struct Plans {
    postgres: Db,
    sqlite: Db,
    tables: BTreeSet<String>,
    seen: BTreeSet<String>,
    last: Option<Prepared>,
    _database: TestDatabase,
}

/// A statement that its session holds: what it is called, its text, and how many values it takes.
type Prepared = (String, String, i64);

const PREPARED: &str = "SELECT name::text, statement, COALESCE(cardinality(parameter_types), 0)::bigint \
     FROM pg_prepared_statements ORDER BY prepare_time, name";
const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table'";

/// `rows` numbers as the table `n`, for an `INSERT … SELECT`.
#[must_use]
pub fn numbers(rows: u32) -> String {
    format!("WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})")
}

/// An outbox in which much is done and little is left, and most lanes are empty.
#[must_use]
pub fn busy_outbox() -> [String; 2] {
    let rows = "INSERT INTO outbox (id, dedup_key, lane, kind, subject, payload, retry, state, due_at, next_at, claims, \
             enqueued_at, finished_at) \
         SELECT CAST(n AS TEXT), CAST(n AS TEXT), 'poll/' || (n % 2000), 'k', 's' || n, '{}', '{}', \
             CASE WHEN n % 500 = 1 THEN 'ready' WHEN n % 5000 = 2 THEN 'dead' ELSE 'done' END, n, n, 1, n, \
             CASE WHEN n % 500 = 1 THEN NULL ELSE n END FROM n";
    let lanes = "INSERT INTO outbox_lanes (lane, receiver, next_at) \
         SELECT 'poll/' || n, 'poll', CASE WHEN n % 500 = 1 AND n < 2000 THEN n END FROM n";
    [format!("{} {rows}", numbers(20_000)), format!("{} {lanes}", numbers(20_000))]
}

impl Plans {
    /// Tables with the rows that `fill` brings, which planners know of.
    ///
    /// # Panics
    /// A database cannot be had, or a statement fails.
    pub async fn over(service: &str, migrations: &[Migration], fill: &[String]) -> Self {
        let database = TestDatabase::create().await;
        // One connection: what it has prepared is all that was made.
        let mut settings = DbSettings::usual(database.url().to_owned(), service).expect("a schema's name");
        settings.connections = Some(1.try_into().expect("not zero"));
        let postgres = Db::open(&settings, migrations).await.expect("PostgreSQL opens");
        let sqlite = Db::connect("sqlite::memory:", service, migrations).await.expect("SQLite opens");
        for db in [&postgres, &sqlite] {
            for sql in fill.iter().map(String::as_str).chain(["ANALYZE"]) {
                let filled = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(db.pool()).await;
                filled.unwrap_or_else(|error| panic!("{error}: {sql}"));
            }
        }
        // As a statement is planned that was made a few times: for whatever values.
        sqlx::query("SET plan_cache_mode = force_generic_plan")
            .execute(postgres.pool())
            .await
            .expect("is set");
        let tables = sqlx::query(TABLES).fetch_all(sqlite.pool()).await.expect("tables");
        let tables: BTreeSet<String> = tables.iter().map(|row| row.get("name")).collect();
        // What a test deletes must not become a short table in the planner's eyes while it runs.
        for table in tables.iter().filter(|table| !table.starts_with("sqlite_")) {
            let sql = AssertSqlSafe(format!("ALTER TABLE {table} SET (autovacuum_enabled = false)"));
            sqlx::query(sql)
                .execute(postgres.pool())
                .await
                .unwrap_or_else(|error| panic!("{error}: {table}"));
        }
        let mut plans =
            Self { postgres, sqlite, tables, seen: BTreeSet::new(), last: None, _database: database };
        plans.new_statements().await;
        plans
    }

    /// What a store is to be made over.
    #[must_use]
    pub fn db(&self) -> Db {
        self.postgres.clone()
    }

    /// Every statement that was made since the last time goes by indexes, on both engines; those that name one of `but` aside.
    ///
    /// # Panics
    /// With the statement and its plan, where one reads a whole table. Where no statement was made.
    pub async fn assert_by_index(&mut self, but: &[&str]) {
        let made = self.new_statements().await;
        assert!(!made.is_empty(), "no statement was made");
        let mut wrong = Vec::new();
        for (name, sql, values) in made.iter().filter(|it| !but.iter().any(|but| it.1.contains(but))) {
            let plan = self.plan_of_postgres(name, *values).await;
            if plan.iter().any(|line| line.contains("Seq Scan")) {
                wrong.push(format!("PostgreSQL: {sql}\n{}", plan.join("\n")));
            }
            let plan = self.plan_of_sqlite(sql).await;
            if plan.iter().any(|step| self.reads_all(step)) {
                wrong.push(format!("SQLite: {sql}\n{}", plan.join("\n")));
            }
        }
        self.new_statements().await;
        self.last = made.into_iter().last();
        assert!(wrong.is_empty(), "not by an index:\n{}", wrong.join("\n\n"));
    }

    /// The statement that was made last on PostgreSQL goes by this index.
    ///
    /// # Panics
    /// With its plan, where it does not.
    pub async fn assert_used(&self, index: &str) {
        let (name, sql, values) = self.last.as_ref().expect("a statement was made");
        let plan = self.plan_of_postgres(name, *values).await.join("\n");
        assert!(plan.contains(index), "{sql}\n{plan}");
    }

    /// Reads and changes; what opens and ends transactions has no plan.
    async fn new_statements(&mut self) -> Vec<Prepared> {
        let all: Vec<Prepared> =
            sqlx::query_as(PREPARED).fetch_all(self.postgres.pool()).await.expect("statements");
        let plannable = |sql: &str| {
            ["SELECT", "WITH", "DELETE", "UPDATE"].iter().any(|verb| sql.trim_start().starts_with(verb))
        };
        let new = all.into_iter().filter(|it| self.seen.insert(it.0.clone()));
        new.filter(|it| plannable(&it.1) && !it.1.contains("pg_prepared_statements")).collect()
    }

    async fn plan_of_postgres(&self, name: &str, values: i64) -> Vec<String> {
        let values = vec!["NULL"; usize::try_from(values).unwrap_or(0)].join(", ");
        let values = if values.is_empty() { values } else { format!("({values})") };
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE \"{name}\"{values}"));
        let plan = sqlx::query(explain).fetch_all(self.postgres.pool()).await;
        plan.unwrap_or_else(|error| panic!("{error}: {name}")).iter().map(|line| line.get(0)).collect()
    }

    async fn plan_of_sqlite(&self, sql: &str) -> Vec<String> {
        let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", without_locks(sql))));
        let plan = plan.fetch_all(self.sqlite.pool()).await;
        plan.unwrap_or_else(|error| panic!("{error}: {sql}")).iter().map(|step| step.get("detail")).collect()
    }

    /// `SCAN decisions`, or by its alias, but `v`, the values that are asked for, and `r`, what a recursion has found; in the order of an index it is read from one end, as
    /// far as is asked for.
    fn reads_all(&self, step: &str) -> bool {
        let Some(what) = step.strip_prefix("SCAN ") else { return false };
        let name = what.split(' ').next().unwrap_or_default();
        (self.tables.contains(name) || name.len() == 1 && !["v", "r"].contains(&name))
            && !what.contains("USING")
    }
}

/// SQLite has no locks of rows: one writes at a time.
fn without_locks(sql: &str) -> String {
    let mut parts = sql.split(" FOR UPDATE");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let part = match part.strip_prefix(" OF ") {
            Some(alias) => alias.trim_start_matches(|it: char| it.is_ascii_alphanumeric() || it == '_'),
            None => part,
        };
        text.push_str(part.strip_prefix(" SKIP LOCKED").unwrap_or(part));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_locks_rows_is_left_out_for_sqlite() {
        let locking = "DELETE FROM a WHERE b IN (SELECT c FROM a FOR UPDATE SKIP LOCKED) RETURNING b FOR UPDATE OF t SKIP LOCKED";
        assert_eq!(without_locks(locking), "DELETE FROM a WHERE b IN (SELECT c FROM a) RETURNING b");
        assert_eq!(without_locks("SELECT a FROM b FOR UPDATE"), "SELECT a FROM b");
    }
}
