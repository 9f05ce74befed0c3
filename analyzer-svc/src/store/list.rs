//! Lists. A list's SELECT is made from its filter: conditions, cursor and order, so that each page is an index lookup.

use service_kit::db::{DbError, Pool};
use shared_types::{Decision, Verdict};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use super::{BatchKey, DecisionKey, Filter, Store, StoredBatch, rows};

impl Store {
    /// Decisions, newest window first, after the key given; at most `limit`.
    pub async fn decisions(
        &self,
        filter: &Filter,
        after: Option<&DecisionKey>,
        limit: u32,
    ) -> Result<Vec<Decision>, DbError> {
        let after = after.map(|DecisionKey(start, id)| (*start, id.to_string()));
        let query = ListQuery::new("SELECT decision_id, body FROM decisions", filter).page(
            "decision_id",
            after,
            limit,
        );
        let rows = query.rows(self.db.pool()).await?;
        rows.iter().map(|row| rows::decision(self.db.forms(), row)).collect()
    }

    /// Batches, newest window first, after the key given; at most `limit`.
    pub async fn batches(
        &self,
        filter: &Filter,
        after: Option<&BatchKey>,
        limit: u32,
    ) -> Result<Vec<StoredBatch>, DbError> {
        let after = after.map(|BatchKey(start, target)| (*start, target.to_string()));
        let select = "SELECT body, histograms, batch_hash, received_at_ms, decision_id, verdict FROM batches";
        let rows = ListQuery::new(select, filter).page("target", after, limit).rows(self.db.pool()).await?;
        rows.iter().map(|row| rows::stored_batch(self.db.forms(), row)).collect()
    }
}

/// A value that is bound to the statement.
#[derive(Debug, Clone)]
enum Value {
    Number(i64),
    Text(String),
}

/// A SELECT under construction. Only constant text goes into the statement; values are bound.
#[derive(Debug)]
struct ListQuery {
    sql: String,
    values: Vec<Value>,
}

impl ListQuery {
    /// Starts with `SELECT … FROM …`, and the filter's conditions.
    fn new(select: &'static str, filter: &Filter) -> Self {
        let mut query = Self { sql: format!("{select} WHERE 1 = 1"), values: Vec::new() };
        if let Some(target) = &filter.target {
            query.compare("target =", Value::Text(target.to_string()));
        }
        match filter.verdict {
            // What is rare has an index of its own, which wants the verdict in so many words.
            Some(verdict) if verdict != Verdict::Ok => {
                query.sql.push_str(&format!(" AND verdict = '{}' AND verdict <> 'ok'", verdict.as_str()));
            }
            Some(verdict) => query.compare("verdict =", Value::Text(verdict.as_str().to_owned())),
            None => {}
        }
        if let Some(epoch) = filter.epoch {
            query.compare("epoch =", Value::Number(i64::try_from(epoch).unwrap_or(i64::MAX)));
        }
        if let Some(phase) = &filter.phase {
            query.compare("phase =", Value::Text(phase.to_string()));
        }
        if let Some(from) = filter.from {
            query.compare("window_start_ms >=", Value::Number(from.as_millis()));
        }
        if let Some(to) = filter.to {
            query.compare("window_start_ms <", Value::Number(to.as_millis()));
        }
        query
    }

    fn bind(&mut self, value: Value) -> usize {
        self.values.push(value);
        self.values.len()
    }

    fn compare(&mut self, left: &'static str, value: Value) {
        let number = self.bind(value);
        self.sql.push_str(&format!(" AND {left} ${number}"));
    }

    /// Newest window first, ties by `tie`; only what comes after `after`; at most `limit` rows.
    fn page(mut self, tie: &'static str, after: Option<(i64, String)>, limit: u32) -> Self {
        if let Some((start, key)) = after {
            let (start, key) = (self.bind(Value::Number(start)), self.bind(Value::Text(key)));
            self.sql.push_str(&format!(" AND (window_start_ms, {tie}) < (${start}, ${key})"));
        }
        let limit = self.bind(Value::Number(i64::from(limit)));
        self.sql.push_str(&format!(" ORDER BY window_start_ms DESC, {tie} DESC LIMIT ${limit}"));
        self
    }

    async fn rows(self, pool: &Pool) -> Result<Vec<AnyRow>, sqlx::Error> {
        let query = sqlx::query(AssertSqlSafe(self.sql));
        let bind = |query: Query<'static, Any, AnyArguments>, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
        };
        self.values.into_iter().fold(query, bind).fetch_all(pool).await
    }
}
