//! How a target stands, in words: one sentence, and what to do about it.

use super::pair::{Words, both};
use crate::rollout::standing::Standing;

/// Nothing to be done.
const NOTHING: Words = both("", "");

/// Its sentence, and what to do; that is empty where nothing is to be done.
#[must_use]
pub fn standing(it: &Standing) -> (Words, Words) {
    match it {
        Standing::RollbackFailed { .. } => (
            both(
                "The rollback from {phase} to {to} failed after {attempts} attempts[: {output}]",
                "{phase} から {to} へのロールバックは {attempts} 回の試行後に失敗しました[: {output}]",
            ),
            both(
                "repair the cause, then try the effect again, or `phasegate rollback --target {target} --phase {phase}`",
                "原因を修復して再試行するか、`phasegate rollback --target {target} --phase {phase}` を実行",
            ),
        ),
        Standing::StoreBehind { .. } => (
            both(
                "Nothing is decided: the store knows {phase}, and less than the {told_by} was told, since {since}: restored?",
                "判定を停止中: ストアの記録（{phase}）が {told_by} への通知より古くなっています（{since} から）",
            ),
            both(
                "put the newest copy back, or `phasegate restore --accept` (docs/backup.md)",
                "最新のコピーに戻すか、`phasegate restore --accept` を実行（docs/backup.md）",
            ),
        ),
        Standing::NotMeasured { .. } => (
            both(
                "Users are in {phase}, and nothing is measured",
                "{phase} は公開中ですが、計測されていません",
            ),
            both("look at the collector", "Collector を確認"),
        ),
        Standing::IncidentOpen { .. } => (
            both(
                "Incident {incident} in {phase}, and nobody has taken it on",
                "{phase} のインシデント {incident} は未確認です",
            ),
            both("`phasegate ack {incident}`", "`phasegate ack {incident}`"),
        ),
        Standing::RollbackWaits { .. } => (
            both(
                "The rollback from {phase} to {to} waits: {why}",
                "{phase} から {to} へのロールバックが待機中: {why}",
            ),
            both(
                "`phasegate rollback --target {target} --phase {phase}` has it now",
                "`phasegate rollback --target {target} --phase {phase}` で直ちに実行",
            ),
        ),
        Standing::MoveFailed { .. } => (
            both(
                "The move from {phase} to {to} failed after {attempts} attempts[: {output}]",
                "{phase} から {to} への昇格は {attempts} 回の試行後に失敗しました[: {output}]",
            ),
            both("repair it and ask for it again, or leave it", "修復して再度実行するか、見送る"),
        ),
        Standing::Drifted { .. } => (
            both(
                "The flag system serves {served} since {since}, on record is {phase}",
                "記録は {phase} ですが、フラグは {since} から {served} を配信しています",
            ),
            both(
                "set it to {phase} again, or `phasegate rollback --target {target} --phase {phase}`",
                "{phase} に戻すか、`phasegate rollback --target {target} --phase {phase}` を実行",
            ),
        ),
        Standing::ServedUnread { .. } => (
            both(
                "What is served in {phase} could not be read since {since}[: {reason}]",
                "{phase} の配信状況を {since} から読み取れません[: {reason}]",
            ),
            both("look at the flag system", "フラグシステムを確認"),
        ),
        Standing::Silent { .. } => (
            both(
                "Silent in {phase}: a verdict was due by {expected_by}",
                "{phase} は無応答です: 判定期限は {expected_by} でした",
            ),
            both("look at collector and analyzer", "Collector と Analyzer を確認"),
        ),
        Standing::WithoutData { .. } => (
            both("Nothing proves how {phase} fares", "{phase} の状態を示すデータがありません"),
            both("look at the telemetry", "テレメトリを確認"),
        ),
        Standing::Held { .. } => (
            both(
                "Held in {phase}[: {metrics} is over its limit]",
                "{phase} で保留[: {metrics} が上限を超過]",
            ),
            both("look at the metric", "指標を確認"),
        ),
        Standing::Unsure { .. } => (
            both(
                "Beyond a limit in {phase}, and it may be chance[: {metrics}]",
                "{phase}: 上限を超えていますが、偶然の可能性があります[: {metrics}]",
            ),
            NOTHING,
        ),
        Standing::Moving { .. } => {
            (both("Moving from {phase} to {to}", "{phase} から {to} へ移行中"), NOTHING)
        }
        Standing::Watching { .. } => (
            both(
                "Incident {incident} in {phase}, taken on by {by}; its recovery is not confirmed",
                "{phase} のインシデント {incident} は {by} が対応中で、回復は未確認です",
            ),
            NOTHING,
        ),
        Standing::Frozen { .. } => (
            both("Frozen in {phase} by {by}: {reason}", "{by} が {phase} で凍結中: {reason}"),
            both(
                "`phasegate unfreeze --target {target}` lifts it",
                "`phasegate unfreeze --target {target}` で解除",
            ),
        ),
        Standing::Asked { .. } => (
            both(
                "Ready to move from {phase} to {next}[ once approved by {roles}]",
                "{phase} から {next} へ昇格可能[（{roles} の承認待ち）]",
            ),
            both("`phasegate promote --target {target}`", "`phasegate promote --target {target}`"),
        ),
        Standing::NearLimit { .. } => {
            (both("Near a limit in {phase}[: {metrics}]", "{phase} で上限に接近[: {metrics}]"), NOTHING)
        }
        Standing::Waiting { .. } => (
            both("In {phase}; the first verdict is still to come", "{phase}: 最初の判定を待っています"),
            NOTHING,
        ),
        Standing::Healthy { .. } => (both("Healthy in {phase}", "{phase} は正常"), NOTHING),
        Standing::Off => (both("Off: nobody has the feature", "停止: 誰にも公開されていません"), NOTHING),
        Standing::Completed => {
            (both("Completed: everybody has the feature", "完了: 全員に公開されています"), NOTHING)
        }
    }
}
