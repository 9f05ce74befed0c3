//! PagerDuty.

use super::PagerKind;
use crate::story::words::pair::both;

/// The kind.
pub(super) const KIND: PagerKind = PagerKind {
    name: "pagerduty",
    shown: "PagerDuty",
    resolved: both("resolved in PagerDuty", "PagerDuty で解決しました"),
    not_configured: both("PagerDuty is not configured", "PagerDuty は設定されていません"),
};
