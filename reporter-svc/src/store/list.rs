//! Lists go newest first, by time and id, so that a page is an index lookup.

use service_kit::db::{Db, DbError};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::After;

/// `SELECT … WHERE … ORDER BY time DESC, id DESC LIMIT …` with the filters that are given.
pub(super) fn listing(
    select: &str,
    time: &str,
    filters: &[(&str, Option<&str>)],
    after: Option<&After>,
) -> String {
    let mut sql = format!("{select} WHERE 1 = 1");
    let mut next = 2;
    for (column, value) in filters {
        if value.is_some() {
            sql.push_str(&format!(" AND {column} = ${next}"));
            next += 1;
        }
    }
    if after.is_some() {
        let (at, id) = (next, next + 1);
        // As a row it is a range of the index; as `<` or `=` and `<` PostgreSQL reads all newer rows first.
        sql.push_str(&format!(" AND ({time}, id) < (${at}, ${id})"));
    }
    sql.push_str(&format!(" ORDER BY {time} DESC, id DESC LIMIT $1"));
    sql
}

pub(super) async fn list(
    db: &Db,
    sql: String,
    filters: &[(&str, Option<&str>)],
    after: Option<&After>,
    limit: u32,
) -> Result<Vec<AnyRow>, DbError> {
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(i64::from(limit));
    for (_, value) in filters {
        if let Some(value) = value {
            query = query.bind(*value);
        }
    }
    if let Some((at, id)) = after {
        query = query.bind(*at).bind(id.as_str());
    }
    Ok(query.fetch_all(db.pool()).await?)
}
