//! File descriptors: a process starts with the soft limit, usually 1,024, and may raise it to the hard one itself.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than the services use. Programs that close all that could be open would take long with some hard limits.
const ENOUGH: u64 = 65_536;

static BEFORE: OnceLock<Option<u64>> = OnceLock::new();

/// Raises the soft limit as far as the hard one allows and is of use. To be called once a process, before it listens.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    BEFORE.get_or_init(|| limit.current);
    let Some(soft) = limit.current else { return };
    let wanted = limit.maximum.map_or(ENOUGH, |hard| hard.min(ENOUGH));
    if wanted > soft {
        set_soft(wanted);
    }
}

/// The soft limit; `None`: there is none.
#[must_use]
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// The soft limit that this process was started with, for the commands that it starts; `None`: it was not raised.
pub(crate) fn before() -> Option<u64> {
    BEFORE.get().copied().flatten()
}

/// Sets the soft limit. One that the hard limit does not allow stays as it is: every use of it looks at what is in force.
pub(crate) fn set_soft(soft: u64) {
    let limit = Rlimit { current: Some(soft), ..getrlimit(Resource::Nofile) };
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, soft, "the limit of file descriptors stays as it is");
    }
}
