//! Tables are made and changed by numbered scripts, embedded in the binary: one text for both engines, or one an engine where
//! their words differ.
//!
//! Versions 1–99 are service-kit's own, services start at 100. Scripts only ever expand what an older replica still uses.

use sqlx::migrate::{Migration as SqlxMigration, MigrationType, Migrator};
use sqlx::{AnyConnection, SqlSafeStr};

use super::Engine;

/// One step: the same change in each engine's words. A script that was ever released is never edited.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    pub version: i64,
    pub name: &'static str,
    pub postgres: &'static str,
    pub sqlite: &'static str,
}

/// A migration by its script: `migration!(100, "reporter", "reporter/0100_reporter.sql")`, a path below `migrations/both`; with
/// `each` before the path there are two scripts of that name, below `migrations/postgres` and `migrations/sqlite`. For crates
/// that stand right below the workspace's root.
#[macro_export]
macro_rules! migration {
    ($version:literal, $name:literal, $script:literal) => {
        $crate::db::Migration {
            version: $version,
            name: $name,
            postgres: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/both/", $script)),
            sqlite: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/both/", $script)),
        }
    };
    ($version:literal, $name:literal, each $script:literal) => {
        $crate::db::Migration {
            version: $version,
            name: $name,
            postgres: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/postgres/", $script)),
            sqlite: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/sqlite/", $script)),
        }
    };
}

/// What every service's database has.
pub(super) const KIT: &[Migration] = &[
    migration!(1, "outbox", each "kit/0001_outbox.sql"),
    migration!(16, "rules", "kit/0016_rules.sql"),
    migration!(20, "stored forms", "kit/0020_stored_forms.sql"),
    migration!(30, "kind unknown", "kit/0030_kind_unknown.sql"),
    migration!(35, "write probe", "kit/0035_write_probe.sql"),
    migration!(40, "pace and losses", "kit/0040_pace_and_losses.sql"),
    migration!(70, "store mark", "kit/0070_store_mark.sql"),
];

/// The kit's steps and a service's own, in the words of an engine.
pub(super) fn steps(engine: Engine, migrations: &[Migration]) -> Vec<SqlxMigration> {
    let step = |step: &Migration| {
        let sql = match engine {
            Engine::Postgres => step.postgres,
            Engine::Sqlite => step.sqlite,
        };
        let sql = sql.into_sql_str();
        SqlxMigration::new(step.version, step.name.into(), MigrationType::Simple, sql, false)
    };
    KIT.iter().chain(migrations).map(step).collect()
}

/// Applies what is missing. The caller holds the lock that keeps other replicas out meanwhile.
pub(super) async fn run(
    connection: &mut AnyConnection,
    engine: Engine,
    migrations: &[Migration],
) -> Result<(), sqlx::migrate::MigrateError> {
    let mut migrator = Migrator::with_migrations(steps(engine, migrations));
    // A replica of the version before may start while a newer one has already been here.
    migrator.set_ignore_missing(true).set_locking(false);
    migrator.run_direct(None, connection, false).await
}
