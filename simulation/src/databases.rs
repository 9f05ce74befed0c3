//! The three databases of a run, in memory.

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
    /// Migrated and empty.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn open() -> Result<Self, DbError> {
        sqlite::install();
        let url = "sqlite::memory:";
        Ok(Self {
            collector: Db::connect(url, "collector", collector_svc::store::MIGRATIONS).await?,
            analyzer: Db::connect(url, "analyzer", analyzer_svc::store::migrations()).await?,
            reporter: Db::connect(url, "reporter", REPORTER).await?,
        })
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

    /// Closes them.
    pub async fn close(&self) {
        for service in Service::ALL {
            self.of(service).close().await;
        }
    }
}
