//! What the kernel says of processes: `/proc/<id>/stat`, times in ticks of 10 ms.

use std::ops::Range;

use anyhow::Context as _;
use sqlx::{AnyConnection, Connection as _};

/// Of the fields behind the name, user and system time of a process, and of its children that have ended besides.
pub(super) const OWN: Range<usize> = 11..13;
const WITH_ENDED: Range<usize> = 11..15;
const PARENT: usize = 1;

/// The fields behind the name.
pub(super) fn stat(process: &str) -> anyhow::Result<Vec<f64>> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = text.rsplit(')').next().context("/proc/<id>/stat")?;
    Ok(after_name.split_whitespace().map(|field| field.parse().unwrap_or(f64::NAN)).collect())
}

pub(super) fn seconds(stat: &[f64], fields: Range<usize>) -> f64 {
    stat.get(fields).map_or(f64::NAN, |ticks| ticks.iter().sum::<f64>() / 100.0)
}

/// A PostgreSQL server on this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    postmaster: f64,
}

impl Server {
    /// The one behind a URL.
    pub(crate) async fn of(url: &str) -> anyhow::Result<Self> {
        service_kit::db::install_drivers();
        let mut connection = AnyConnection::connect(url).await.context("the server")?;
        let (pid,): (i32,) = sqlx::query_as("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        let postmaster = stat(&pid.to_string())?.get(PARENT).copied().context("a backend's parent")?;
        connection.close().await?;
        Ok(Self { postmaster })
    }

    /// User and system time of all its processes, those that have ended too.
    pub(crate) fn processor_seconds(self) -> anyhow::Result<f64> {
        let mut sum = seconds(&stat(&self.postmaster.to_string())?, WITH_ENDED);
        for entry in std::fs::read_dir("/proc")?.flatten() {
            // One may end meanwhile.
            let Ok(stat) = stat(&entry.file_name().to_string_lossy()) else { continue };
            if stat.get(PARENT) == Some(&self.postmaster) {
                sum += seconds(&stat, OWN);
            }
        }
        Ok(sum)
    }
}
