//! What a check of `/readyz` says.

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckState {
    Ok,
    /// Works, but somebody should look: a neighbour that is down, dead effects. Still ready.
    Degraded(String),
    /// Cannot do its work: not ready.
    Failing(String),
}
