//! The words of what a check of evidence finds. Places and sections are those of [`fill`](super::fill).

use super::pair::{Words, both};
use crate::rollout::evidence::{Figure, Lack};

/// What it goes by.
#[must_use]
pub fn figure(it: &Figure) -> Words {
    match it {
        Figure::NoRetryExhausted => both("no retry was exhausted", "上限に達した再試行はありません"),
        Figure::RetriesExhausted { .. } => {
            both("retries exhausted in {windows}", "再試行の上限に達したウィンドウ: {windows}")
        }
        Figure::Page { .. } => both(
            "template {template}, command [{command}|none, nothing was rolled back], accepted at {at}\
             [, acknowledged at {acknowledged_at} by {by}]",
            "テンプレート {template}、コマンド [{command}|なし（ロールバックなし）]、受理 {at}\
             [、確認 {acknowledged_at}（{by}）]",
        ),
        Figure::Analysis { .. } => both(
            "submitted at {submitted_at}, due at {due_at}[, confirmed at {confirmed_at} by {by}]",
            "提出 {submitted_at}、期限 {due_at}[、確認 {confirmed_at}（{by}）]",
        ),
        Figure::Phase { .. } => both("phase {phase}", "フェーズ {phase}"),
        Figure::Compared { .. } => both(
            "{name} {message} in the message, {card} on the card[ ({apart} apart)]",
            "{name}: 通知 {message}、カード {card}[（差 {apart}）]",
        ),
    }
}

/// What it does not find.
#[must_use]
pub fn lack(it: &Lack) -> Words {
    match it {
        Lack::Page => both("PagerDuty has not accepted a page", "PagerDuty がまだ呼び出しを受理していません"),
        Lack::CommandInPage => both(
            "the page does not hold the rollback command",
            "呼び出しの本文にロールバックのコマンドがありません",
        ),
        Lack::Acknowledgement => both("nobody has acknowledged it", "まだ誰も確認していません"),
        Lack::AcknowledgementInTime { .. } => {
            both("the acknowledgement was due at {due_at}", "確認の期限は {due_at} でした")
        }
        Lack::Analysis { .. } => both("the root cause analysis, due at {due_at}", "RCA（期限 {due_at}）"),
        Lack::Confirmation => both("the confirmation of the RCA", "RCA の確認"),
        Lack::AnalysisInTime => both("it was submitted after it was due", "期限を過ぎてから提出されました"),
        Lack::Figures => both(
            "no message with figures has been sent since the incident opened",
            "インシデントの発生後、数値入りの通知がまだ送信されていません",
        ),
        Lack::Agreement { .. } => {
            both("message and card do not agree on {names}", "通知とカードが一致しません: {names}")
        }
    }
}
