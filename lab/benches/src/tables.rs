//! How much the tables of the services hold, looked at beside them: rows, and bytes with all indexes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use service_kit::db::Db;

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};

const SERVICES: [&str; 3] = ["collector", "analyzer", "reporter"];

/// A table as it is now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Table {
    pub(crate) rows: i64,
    pub(crate) bytes: i64,
}

/// By service and name.
pub(crate) type Tables = BTreeMap<(&'static str, String), Table>;

/// What a stack that began with these has in its tables; a service without a store has none.
pub(crate) async fn look(directory: &Path, database: Option<&str>) -> anyhow::Result<Tables> {
    service_kit::db::install_drivers();
    let mut tables = Tables::new();
    for service in SERVICES {
        let Some(mut connection) = open(directory, database, service).await? else { continue };
        // Of PostgreSQL a service's own schema, of SQLite the file; pages of indexes count for their table.
        let sizes = match database {
            Some(_) => format!(
                "SELECT relname::text AS name, pg_total_relation_size(oid)::bigint AS bytes FROM pg_class \
                 WHERE relkind = 'r' AND relnamespace = to_regnamespace('{service}')"
            ),
            None => "SELECT tbl_name AS name, SUM(pgsize) AS bytes FROM dbstat \
                     JOIN sqlite_schema ON sqlite_schema.name = dbstat.name GROUP BY tbl_name"
                .to_owned(),
        };
        let sizes: Vec<(String, i64)> =
            sqlx::query_as(AssertSqlSafe(sizes)).fetch_all(&mut connection).await.context("sizes")?;
        for (name, bytes) in sizes {
            let place = if database.is_some() { format!("{service}.\"{name}\"") } else { name.clone() };
            let count = format!("SELECT COUNT(*) FROM {place}");
            let (rows,) = sqlx::query_as(AssertSqlSafe(count)).fetch_one(&mut connection).await?;
            tables.insert((service, name), Table { rows, bytes });
        }
        connection.close().await?;
    }
    Ok(tables)
}

/// To a service's store; none: it has none.
pub(crate) async fn open(
    directory: &Path,
    database: Option<&str>,
    service: &str,
) -> anyhow::Result<Option<AnyConnection>> {
    if database.is_none() && !directory.join(format!("{service}.sqlite")).exists() {
        return Ok(None);
    }
    let url = database.map_or_else(|| Db::embedded_url(directory, service), str::to_owned);
    Ok(Some(AnyConnection::connect(&url).await.with_context(|| format!("the {service}'s store"))?))
}

pub(crate) fn sum(tables: &Tables) -> Table {
    tables
        .values()
        .fold(Table::default(), |sum, it| Table { rows: sum.rows + it.rows, bytes: sum.bytes + it.bytes })
}
