//! Whose tables stand where a service wants its own, and whether they are up to date.

use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::{Engine, Migration, migration};

const TABLE_OF_MIGRATIONS: &str = "_sqlx_migrations";

/// Tables, views and the like; not what an extension brought.
const RELATIONS_OF_POSTGRES: &str = "SELECT c.relname::text AS name FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
     AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY c.relname";
const RELATIONS_OF_SQLITE: &str = "SELECT name FROM sqlite_master \
     WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite@_%' ESCAPE '@' ORDER BY name";

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    UpToDate,
    /// So many steps are missing, or differ.
    Behind(usize),
    /// Another application's: some of its tables.
    Foreign(String),
}

/// Looks at a schema (a file's only one, on SQLite), which is in the search path. Needs no right but to read.
pub(super) async fn standing(
    connection: &mut AnyConnection,
    engine: Engine,
    schema: &str,
    migrations: &[Migration],
) -> Result<Standing, sqlx::Error> {
    let relations = match engine {
        Engine::Postgres => sqlx::query(RELATIONS_OF_POSTGRES).bind(schema),
        Engine::Sqlite => sqlx::query(RELATIONS_OF_SQLITE),
    };
    let rows = relations.fetch_all(&mut *connection).await?;
    let names: Vec<String> = rows.iter().map(|row| row.try_get("name")).collect::<Result<_, _>>()?;
    let wanted = migration::steps(engine, migrations);
    if !names.iter().any(|name| name == TABLE_OF_MIGRATIONS) {
        return Ok(if names.is_empty() {
            Standing::Behind(wanted.len())
        } else {
            Standing::Foreign(some(&names))
        });
    }
    // By its schema, so that who may not look there is told that, and not that there is no table.
    let table = match engine {
        Engine::Postgres => format!("\"{schema}\".{TABLE_OF_MIGRATIONS}"),
        Engine::Sqlite => TABLE_OF_MIGRATIONS.to_owned(),
    };
    let applied =
        format!("SELECT version, description, checksum, CASE WHEN success THEN 1 ELSE 0 END FROM {table}");
    let applied: Vec<(i64, String, Vec<u8>, i32)> =
        sqlx::query_as(AssertSqlSafe(applied)).fetch_all(&mut *connection).await?;
    let ours = |(version, name, ..): &(i64, String, Vec<u8>, i32)| {
        migration::KIT.iter().any(|step| step.version == *version && step.name == name)
    };
    if !applied.is_empty() && !applied.iter().any(ours) {
        return Ok(Standing::Foreign(some(&names)));
    }
    let missing = wanted.iter().filter(|step| {
        !applied.iter().any(|(version, _, checksum, success)| {
            *version == step.version && *checksum == *step.checksum && *success == 1
        })
    });
    Ok(match missing.count() {
        0 => Standing::UpToDate,
        missing => Standing::Behind(missing),
    })
}

/// A few names, for a person to recognise whose they are.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().filter(|name| *name != TABLE_OF_MIGRATIONS).take(SHOWN).cloned();
    shown.collect::<Vec<_>>().join(", ")
}
