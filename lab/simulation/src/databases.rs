//! The three databases of a thread's runs, in memory.

use reporter_svc::store::MIGRATIONS as REPORTER;
use service_kit::db::{Db, DbError};

use crate::replica::Service;
use crate::sqlite;

/// One for each service.
pub struct Databases {
    collector: Db,
    analyzer: Db,
    reporter: Db,
}

impl Databases {
    /// Migrated and empty. All that is written later goes into one transaction, which [`Self::empty`] takes back: tables
    /// and prepared statements serve the next run as well.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn open() -> Result<Self, DbError> {
        sqlite::install();
        let url = "sqlite::memory:";
        let databases = Self {
            collector: Db::connect(url, "collector", collector_svc::store::MIGRATIONS).await?,
            analyzer: Db::connect(url, "analyzer", analyzer_svc::store::MIGRATIONS).await?,
            reporter: Db::connect(url, "reporter", REPORTER).await?,
        };
        for service in Service::ALL {
            sqlx::query("SAVEPOINT untouched").execute(databases.of(service).pool()).await?;
        }
        Ok(databases)
    }

    /// That of a service.
    #[must_use]
    pub fn of(&self, service: Service) -> &Db {
        match service {
            Service::Collector => &self.collector,
            Service::Analyzer => &self.analyzer,
            Service::Reporter => &self.reporter,
        }
    }

    /// Takes a copy of the reporter's store, which it can be put back to. No transaction is open.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn copy_reporter(&self) -> Result<(), DbError> {
        sqlx::query("SAVEPOINT copy").execute(self.reporter.pool()).await?;
        Ok(())
    }

    /// Puts the reporter's store back to the copy: all that was written since is gone. No transaction is open.
    ///
    /// # Errors
    /// SQLite's; no copy was taken.
    pub async fn put_reporter_back(&self) -> Result<(), DbError> {
        sqlx::query("ROLLBACK TO copy").execute(self.reporter.pool()).await?;
        Ok(())
    }

    /// Takes back whatever was written since they were opened.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn empty(&self) -> Result<(), DbError> {
        // Ended and begun anew: what SQLite remembers of savepoints within one transaction only grows, and each further one
        // walks through it.
        let anew = "ROLLBACK TO untouched; RELEASE untouched; SAVEPOINT untouched";
        for service in Service::ALL {
            sqlx::raw_sql(anew).execute(self.of(service).pool()).await?;
        }
        Ok(())
    }
}
