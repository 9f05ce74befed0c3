//! Who pages people: one, by the name that its pages are kept under. What it does is the reporter's (`reporter-svc/src/pagers`).

mod pagerduty;

use crate::story::words::pair::Words;

/// That of the product.
pub const PAGER: PagerKind = pagerduty::KIND;

/// What pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PagerKind {
    /// What its pages are kept under: the channel of their notifications, the lanes of their effects, the item of the checklist.
    pub name: &'static str,
    /// As people know it.
    pub shown: &'static str,
    /// Of a page that is over.
    pub resolved: Words,
    /// Where it is not configured, and only the log was told.
    pub not_configured: Words,
}
