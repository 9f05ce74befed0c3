//! The words of what is in the way. Places and sections are those of [`fill`](super::fill); `{within}` is the sentence of
//! [`within`], filled.

use shared_types::rollout::TransitionKind;

use super::checks::lack;
use super::hops::hold;
use super::pair::{Words, both};
use crate::rollout::blocker::{Blocker, Reached, TaskMissing};

/// Its sentence says it all.
const PLAIN: Words = both("{detail}", "{detail}");

/// How it stands in a list without its code, `{detail}` being its sentence; and that sentence.
#[must_use]
pub fn blocker(it: &Blocker) -> (Words, Words) {
    match it {
        Blocker::Completed => (
            PLAIN,
            both(
                "the rollout is completed; there is no phase above",
                "ロールアウトは完了しており、上のフェーズはありません",
            ),
        ),
        Blocker::UnknownPhase { .. } => {
            (PLAIN, both("the policy has no phase {phase}", "ポリシーにフェーズ {phase} がありません"))
        }
        Blocker::NotStarted => {
            (both("Start the rollout", "ロールアウトの開始"), both("start it first", "先に開始してください"))
        }
        Blocker::MoveImpossible { .. } => (
            PLAIN,
            both("a move cannot be made here: {obstacle}", "ここでは移行を実行できません: {obstacle}"),
        ),
        Blocker::Started { .. } => (
            both("It has started: phase {detail}", "開始済み: {detail}"),
            both("{phase}", "フェーズ {phase}"),
        ),
        Blocker::WrongPhase { .. } => {
            (PLAIN, both("current phase is {phase}", "現在のフェーズは {phase} です"))
        }
        Blocker::Frozen { .. } => (
            both("Frozen {detail}", "{detail}"),
            both(
                "by {by} since {since}: {reason}; `phasegate unfreeze --target {target}` lifts it",
                "{by} が {since} から凍結中（{reason}）。`phasegate unfreeze --target {target}` で解除します",
            ),
        ),
        Blocker::TransitionRunning { how, .. } => (
            PLAIN,
            match how {
                TransitionKind::Promote => both("promote to {to} is under way", "{to} へ昇格しています"),
                TransitionKind::Rollback => {
                    both("rollback to {to} is under way", "{to} へロールバックしています")
                }
            },
        ),
        Blocker::TransitionFailed { .. } => (
            PLAIN,
            both(
                "the rollback to {to} failed and waits for a person",
                "{to} へのロールバックに失敗し、人の対応を待っています",
            ),
        ),
        Blocker::MoveFailed { .. } => (
            both("The move failed: {detail}", "昇格の失敗: {detail}"),
            both(
                "to {to}, after {attempts} attempts: {output}; ask for it again once it is repaired",
                "{to} へ、{attempts} 回の試行後: {output}。修復後に再度実行してください",
            ),
        ),
        Blocker::StoreBehind { .. } => (
            both("The store is behind: {detail}", "ストアの後退: {detail}"),
            both(
                "the {told_by} was told more than it knows, found {since}: restored? See docs/backup.md",
                "{told_by} への通知がストアにありません（{since} に検知）。復元後でないか docs/backup.md を確認してください",
            ),
        ),
        Blocker::Drifted { .. } => (
            both("Drifted: {detail}", "記録との相違: {detail}"),
            both(
                "the flag system serves {served} since {since}, on record is {phase}",
                "記録は {phase} ですが、フラグは {since} から {served} を配信しています",
            ),
        ),
        Blocker::RollbackBudgetSpent { .. } => (
            both("No automatic rollback is left: {detail}", "自動ロールバックの残りなし: {detail}"),
            both(
                "{most} have started in {per}; the next may at {until}",
                "{per} に {most} 回開始済み。次は {until} 以降",
            ),
        ),
        Blocker::RollbackWaiting { .. } => {
            (PLAIN, both("the rollback to {to} waits: {within}", "{to} へのロールバックが待機中: {within}"))
        }
        Blocker::IncidentOpen { .. } => (
            both("Open incident {detail}", "対応中のインシデント {detail}"),
            both("{incident}", "{incident}"),
        ),
        Blocker::GateUnsatisfied { reached, .. } => (
            both("Time in compliance: {detail}", "遵守期間: {detail}"),
            match reached {
                Reached::NotJudged => both(
                    "no batch of this epoch has been judged yet",
                    "このエポックのバッチはまだ判定されていません",
                ),
                Reached::NotReported => both(
                    "the analyzer has not reported the gate of this epoch",
                    "analyzer はこのエポックのゲートをまだ報告していません",
                ),
                Reached::Batches { .. } => both(
                    "{reached} of {needed} compliant batches in a row\
                     [; last broken by {broken_by} in {broken_in}]",
                    "連続遵守 {reached} / {needed} バッチ[。直近の中断: {broken_in} の {broken_by}]",
                ),
                Reached::Time { .. } => both(
                    "{reached_ms} of {needed_ms} compliant in a row\
                     [; last broken by {broken_by} in {broken_in}]",
                    "連続遵守 {reached_ms} / {needed_ms}[。直近の中断: {broken_in} の {broken_by}]",
                ),
                Reached::Otherwise => both(
                    "not satisfied[; last broken by {broken_by} in {broken_in}]",
                    "未達成[。直近の中断: {broken_in} の {broken_by}]",
                ),
            },
        ),
        Blocker::GateStale { .. } => (
            both("The gate is out of date: {detail}", "ゲートの情報が古い: {detail}"),
            both(
                "the newest judged window ended at {ended_at}; a newer one is due",
                "最後に判定したウィンドウは {ended_at} に終わり、次が届くはずです",
            ),
        ),
        Blocker::Hold => (
            both("Held: {detail}", "保留: {detail}"),
            both(
                "the newest batch violates a metric whose policy is `hold`",
                "最新のバッチが `hold` の指標に違反しています",
            ),
        ),
        Blocker::Unsure { .. } => (
            both("Not sure: {detail}", "判定できません: {detail}"),
            both(
                "beyond its limit, and it may be chance: {metrics}",
                "上限を超えていますが、偶然の可能性があります: {metrics}",
            ),
        ),
        Blocker::EvidenceStale { .. } => (
            both("No proof any more: {detail}", "証拠が古くなりました: {detail}"),
            both(
                "since {since}, {windows} windows in a row, none has been `ok` or `warn`",
                "{since} 以降 {windows} ウィンドウ連続で `ok` も `warn` もありません",
            ),
        ),
        Blocker::StayOverLimit { .. } => (
            both("The whole stay is over a limit: {detail}", "滞在全体が上限を超えています: {detail}"),
            both(
                "{metric}: {observed} in this whole phase, at most {allowed} may be",
                "{metric}: このフェーズ全体で {observed}、上限は {allowed} です",
            ),
        ),
        Blocker::AlertsInPhase { .. } => (
            both("Alerts: {detail}", "アラート: {detail}"),
            both(
                "{count} incidents or pages in this phase",
                "このフェーズでインシデントまたは呼び出し {count} 件",
            ),
        ),
        Blocker::IncidentNotified { .. } => (
            both("Too soon after an incident: {detail}", "インシデント通知の直後: {detail}"),
            both("{count} incident notifications in that time", "この期間のインシデント通知 {count} 件"),
        ),
        Blocker::EvidenceIncomplete { .. } => (
            both("Evidence missing: {detail}", "不足しているエビデンス: {detail}"),
            both("[{incident}: ]{missing}", "[{incident}: ]{missing}"),
        ),
        Blocker::EvidenceMissing { .. } => (
            both("Evidence missing: {detail}", "不足しているエビデンス: {detail}"),
            both("{within}", "{within}"),
        ),
        Blocker::CommentMissing { .. } => (
            both("A comment is missing: {detail}", "コメントが必要: {detail}"),
            both(
                "{within}: sign it with a comment that says why it is good all the same",
                "{within}。それでもよい理由をコメントに書いて署名してください",
            ),
        ),
        Blocker::TaskMissing { how, .. } => (
            both("A task is missing: {detail}", "タスクが必要: {detail}"),
            match how {
                TaskMissing::Asked => both(
                    "the follow-up task against the exhausted retries",
                    "再試行の上限到達に対する再発防止タスク",
                ),
                TaskMissing::None => {
                    both("`{item}` has no follow-up task", "「{item}」に再発防止タスクはありません")
                }
            },
        ),
        Blocker::SignedAlone { .. } => (
            PLAIN,
            both(
                "{by} signed all the others; `{item}` takes another person",
                "他はすべて {by} の署名です。「{item}」は別の人が必要です",
            ),
        ),
        Blocker::AlreadySigned { .. } => (
            PLAIN,
            both(
                "`{item}` was signed by {by} at {at}; that stays",
                "「{item}」は {at} に {by} が署名済みで、変更できません",
            ),
        ),
        Blocker::ApprovalMissing { .. } => {
            (both("Approval by {detail}", "{detail} の承認"), both("{role}", "{role}"))
        }
        Blocker::ApprovalByRequester { .. } => (
            PLAIN,
            both(
                "{by} asks for the move and is the only one who approved it: \
                 somebody else must ask for it, or somebody else must approve it as {any_of}",
                "昇格を求めた {by} だけが承認しています。別の人が昇格を求めるか、\
                 別の人が {any_of} として承認してください",
            ),
        ),
        Blocker::ApprovalBySamePerson { .. } => (
            PLAIN,
            both(
                "{by} has approved as {earlier}: {role} has to be somebody else, \
                 or {by} withdraws that one first",
                "{by} は {earlier} として承認済みです。{role} は別の人が承認するか、\
                 {by} が先の承認を取り消してください",
            ),
        ),
        Blocker::ApprovalNotAsked { .. } => (
            PLAIN,
            both(
                "phase {phase} asks for the approval of [{wanted}|nobody], not of {role}",
                "フェーズ {phase} が求める承認は[{wanted}|なし]で、{role} ではありません",
            ),
        ),
        Blocker::RcaMissing { .. } => {
            (PLAIN, both("{incident} has no RCA yet", "{incident} の RCA はまだありません"))
        }
        Blocker::FourEyes { .. } => (
            both("Another person has to: {detail}", "別の人が必要: {detail}"),
            both("{by} submitted it", "提出者は {by} です"),
        ),
    }
}

/// The sentence of something else that its own says as it is.
#[must_use]
pub fn within(it: &Blocker) -> Option<Words> {
    match it {
        Blocker::RollbackWaiting { hold: why, .. } => Some(hold(why)),
        Blocker::EvidenceMissing { lack: what } | Blocker::CommentMissing { lack: what } => Some(lack(what)),
        _ => None,
    }
}
