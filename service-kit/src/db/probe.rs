//! Where a transaction can be interrupted: the places a simulation stops, kills or fails a service at. Without a probe,
//! which is the rule, none of this costs more than a comparison.

use std::fmt;

use async_trait::async_trait;

use super::DbError;

/// A place in the life of a write transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Boundary {
    /// Nothing is held yet.
    Begin,
    /// All is written, nothing is durable. The connection is held, so nobody may be kept waiting here.
    Commit,
    /// All is durable, nothing is held, and the caller does not know yet.
    Committed,
}

/// Asked at each boundary.
#[async_trait]
pub trait Probe: Send + Sync + fmt::Debug {
    /// Goes on, fails with what it returns, or never returns (the caller is then dropped here).
    ///
    /// # Errors
    /// What the caller is to be told; after [`Boundary::Committed`] that is a lie about what is durable, as of a
    /// connection that broke while the answer was on its way.
    async fn at(&self, boundary: Boundary) -> Result<(), DbError>;
}
