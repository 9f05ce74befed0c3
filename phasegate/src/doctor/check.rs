//! What a check is.

use futures_util::future::BoxFuture;

use super::ask::Ask;
use super::finding::Looked;

/// One check of the registry.
pub(crate) struct Check {
    /// By which it is chosen and left out.
    pub(crate) name: &'static str,
    /// What it looks at, in a few words.
    pub(crate) title: &'static str,
    pub(crate) look: for<'a> fn(&'a Ask) -> BoxFuture<'a, Looked>,
}
