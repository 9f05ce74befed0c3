//! PagerDuty.

use super::{PagerKind, Words};

/// The kind.
pub(super) const KIND: PagerKind = PagerKind {
    name: "pagerduty",
    shown: "PagerDuty",
    resolved: Words { en: "resolved in PagerDuty", ja: "PagerDuty で解決しました" },
    not_configured: Words {
        en: "PagerDuty is not configured", ja: "PagerDuty は設定されていません"
    },
};
