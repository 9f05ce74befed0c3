//! The words of hops. Places and sections are those of [`fill`](super::fill).

use shared_types::incident::Recommendation;
use shared_types::story::{
    Acknowledgement, EscalationReason, Hold, Hop, InTime, Recovery, Ruling, ToldBy, WatchFailure,
};

use super::pair::{Words, both};
use crate::pagers::PAGER;

const HEARD: Words = both(
    "phase {phase} epoch {epoch}: [{violated}|{cause}]",
    "フェーズ {phase}、エポック {epoch}: [{violated}|{cause}]",
);
const DIRECTED: Words = both(
    "phase {phase}, collect {collect}, sequence {sequence}",
    "フェーズ {phase}、収集 {collect}、通番 {sequence}",
);
const SENT: Words = both("{channel}[ at priority {priority}]", "{channel}[（優先度 {priority}）]");
/// It was told in its own words.
const NOTHING: Words = both("", "");

/// What stands before a hop's sentence, and what it says of itself.
#[must_use]
pub fn hop(it: &Hop) -> (Words, Words) {
    match it {
        Hop::BatchWindowEnded { .. } => {
            (both("Window ended", "ウィンドウ終了"), both("window {window}", "ウィンドウ {window}"))
        }
        Hop::Decided { .. } => (both("Decided", "判定"), both("{verdict} ({cause})", "{verdict}（{cause}）")),
        Hop::DecisionReceived(_) => (both("Decision received", "判定を受信"), HEARD),
        Hop::DecisionStale(_) => (both("Decision not gated", "判定は対象外"), HEARD),
        Hop::ViolationJoined(_) => (both("Further violation", "違反の継続"), HEARD),
        Hop::StillHeld(_) => (
            both("Still held", "保留が継続"),
            both(
                "the control group has been as bad for {windows} windows in a row\
                 [; last move up {from} → {to} {before_ms} before it began]",
                "対照群も {windows} ウィンドウ連続で同様に悪化しています\
                 [（直前の昇格は {from} → {to}、開始の {before_ms} 前）]",
            ),
        ),
        Hop::IncidentOpened { .. } => {
            (both("Incident opened", "インシデント発生"), both("{incident}", "{incident}"))
        }
        Hop::StormJoined { .. } => (
            both("Storm of incidents", "インシデントの多発"),
            both(
                "{before} others opened within a window; one page and one summary tell of all: see {begun_by}",
                "1 ウィンドウ内に他 {before} 件が発生。呼び出しと要約は {begun_by} にまとめます",
            ),
        ),
        Hop::Acknowledged { how, .. } => (
            both("Acknowledged", "確認"),
            match how {
                Acknowledgement::First => both("{by} acknowledged it", "{by} が確認しました"),
                Acknowledgement::LearnedLate => both(
                    "{by} acknowledged it already at {acknowledged_at}; that was learned later",
                    "{by} が {acknowledged_at} に確認済みでした（後から判明）",
                ),
                Acknowledgement::AfterEscalation => both(
                    "{by} acknowledged it, after the escalation",
                    "エスカレーション後に {by} が確認しました",
                ),
            },
        ),
        Hop::Escalated { how, .. } => (
            both("Escalated", "エスカレーション"),
            match how {
                EscalationReason::Unacknowledged => both(
                    "priority is {priority} now: nobody acknowledged in time",
                    "優先度を {priority} に上げました: 時間内に確認されませんでした",
                ),
                EscalationReason::RollbackFailed => both(
                    "priority is {priority} now: the rollback failed",
                    "優先度を {priority} に上げました: ロールバックに失敗しました",
                ),
                EscalationReason::RollbackWaiting => both(
                    "priority is {priority} now: a person has to decide on the rollback",
                    "優先度を {priority} に上げました: ロールバックには人の判断が必要です",
                ),
            },
        ),
        Hop::RollbackRequested { .. } => (
            both("Rollback required", "ロールバックが必要"),
            both("{by}: {from} to {to}, {reason}", "{by}: {from} から {to} へ、{reason}"),
        ),
        Hop::WaitingForPromotion { .. } => (
            both("Waiting for the command under way to end", "実行中のコマンドの終了待ち"),
            both(
                "the command to {to} has started; the rollback follows it",
                "{to} へのコマンドは開始済みのため、終わり次第ロールバックします",
            ),
        ),
        Hop::PromotionSuperseded { .. } => (
            both("Command superseded", "コマンドを無効化"),
            both(
                "the command to {to} has ended and does not count",
                "{to} へのコマンドは終わりましたが、無効です",
            ),
        ),
        Hop::RollbackWaiting { hold, .. } => (both("Rollback waits", "ロールバック待機"), self::hold(hold)),
        Hop::RollbackReleased { .. } => (
            both("Rollback released", "ロールバック待機の解除"),
            both("nothing holds it any more", "妨げるものがなくなりました"),
        ),
        Hop::RollbackRetried { .. } => (
            both("Rollback tried again", "ロールバック再試行"),
            both("{by} has it tried again", "{by} が再試行を指示しました"),
        ),
        Hop::RollbackFailed { .. } => (
            both("Rollback failed", "ロールバック失敗"),
            both(
                "gave up after {attempts} attempts: {reason}",
                "{attempts} 回試行して断念しました: {reason}",
            ),
        ),
        Hop::Drifted { .. } => (
            both("Drift", "記録との相違"),
            both(
                "the flag system serves {served}, on record is {phase}",
                "記録は {phase} ですが、フラグは {served} を配信しています",
            ),
        ),
        Hop::DriftOver { .. } => (
            both("Drift over", "相違の解消"),
            both("the flag system serves {phase} again", "フラグは再び {phase} を配信しています"),
        ),
        Hop::MoveFailed { .. } => (
            both("Move failed", "昇格の失敗"),
            both(
                "the move to {to} was given up after {attempts} attempts: {reason}",
                "{to} への移行を {attempts} 回試行して断念しました: {reason}",
            ),
        ),
        Hop::CollectionStopped { .. } => (
            both("Collection stopped", "収集を停止"),
            both("the collector holds its windows", "Collector はウィンドウを保留しています"),
        ),
        Hop::CollectionStopPending { .. } => (
            both("Collection not stopped yet", "収集停止は未達"),
            both(
                "the collector was not reached before the command: {reason}",
                "コマンドの前に Collector へ連絡できませんでした: {reason}",
            ),
        ),
        Hop::CommandStarted { .. } => (
            both("Command started", "コマンド開始"),
            both("attempt {attempt}: {command}", "試行 {attempt} 回目: {command}"),
        ),
        Hop::CommandFinished { .. } => {
            (both("Command finished", "コマンド終了"), both("{summary}", "{summary}"))
        }
        Hop::CommandFailed { .. } => (
            both("Command failed", "コマンド失敗"),
            both(
                "attempt {attempt} failed, the next is due at {next}: {reason}",
                "試行 {attempt} 回目が失敗、次は {next}: {reason}",
            ),
        ),
        Hop::Verified { .. } => {
            (both("Read back", "読み戻し"), both("read back: {phase}", "読み戻したフェーズ: {phase}"))
        }
        Hop::PhaseChanged { .. } => (
            both("Phase changed", "フェーズ変更"),
            both("{from} to {to}, epoch {epoch}", "{from} から {to} へ、エポック {epoch}"),
        ),
        Hop::RollbackTold { .. } => (both("Rollback told", "ロールバックを記録"), both("{text}", "{text}")),
        Hop::DirectiveDelivered(_) => (both("Collector told", "Collector へ指示"), DIRECTED),
        Hop::DirectiveSuperseded(_) => (both("Directive superseded", "指示は新しいものに置換"), DIRECTED),
        Hop::WatchStarted { .. } => (
            both("Recovery watch started", "回復の監視を開始"),
            both(
                "the windows until {until} say whether it has recovered",
                "{until} までのウィンドウで回復したかを判断します",
            ),
        ),
        Hop::WatchBatch { .. } => (
            both("Window of the recovery", "回復監視のウィンドウ"),
            both(
                "{verdict} in {window}; {compliant} compliant, {violations} violating so far",
                "{window} は{verdict}。これまでに遵守 {compliant} 件、違反 {violations} 件",
            ),
        ),
        Hop::WatchFailed { how } => (
            both("No recovery in time", "期限までに回復せず"),
            match how {
                WatchFailure::Silent => both(
                    "no batch confirmed the recovery in time",
                    "回復を確認できるバッチが期限までに届きませんでした",
                ),
                WatchFailure::Violated => {
                    both("a batch of the watch violated", "監視中のバッチが違反しました")
                }
                WatchFailure::OverLimit => both(
                    "the windows of the watch together are over a limit by more than chance",
                    "監視期間全体が偶然とは言えない程度に閾値を超えています",
                ),
            },
        ),
        Hop::Recovered { how } => (
            both("Recovered", "回復"),
            match how {
                Recovery::Watched => both(
                    "every judged batch of the watch was compliant",
                    "監視中に判定した全バッチが遵守でした",
                ),
                Recovery::Covered => both(
                    "compliant for as long as a recovery watch lasts",
                    "回復監視と同じ時間、遵守が続きました",
                ),
                Recovery::NobodyServed => both(
                    "nobody is served any more, so no SLO is left to hold",
                    "利用者がいなくなり、守るべき SLO がありません",
                ),
                Recovery::Restored => both(
                    "the flag system serves the phase on record again",
                    "フラグは再び記録どおりのフェーズを配信しています",
                ),
                Recovery::Unproven => both(
                    "nothing was violated, but that all is well is not proven: a person is paged",
                    "違反はありませんが正常とは証明できないため、担当者を呼び出します",
                ),
            },
        ),
        Hop::Closed => (
            both("Closed", "終了"),
            both("recovered, and the RCA is confirmed", "回復し、RCA も確認されました"),
        ),
        Hop::NotificationSent(_) => (both("Told", "通知を送信"), SENT),
        Hop::NotificationLogged(_) => (both("Told to the log only", "通知はログのみ"), SENT),
        Hop::PageResolved => (both("Page resolved", "呼び出しを解決"), PAGER.resolved),
        Hop::PageResolutionLogged => {
            (both("Page resolution in the log only", "呼び出しの解決はログのみ"), PAGER.not_configured)
        }
        Hop::PageResolvedByPerson { .. } => (
            both("Page resolved by a person", "呼び出しを人が解決"),
            both(
                "{by} resolved the page; the incident goes on",
                "{by} が呼び出しを解決しました。インシデントは継続します",
            ),
        ),
        Hop::RcaPrepared { .. } => {
            (both("Analysis prepared", "RCA の下書きを作成"), both("{file}", "{file}"))
        }
        Hop::RcaReminded { .. } => (
            both("Reminded of the analysis", "RCA の催促"),
            both("cause and prevention are due at {due_at}", "原因と再発防止策の期限は {due_at} です"),
        ),
        Hop::RcaSubmitted { how, .. } => (
            both("Analysis submitted", "RCA を提出"),
            match how {
                InTime::InTime => both("{by} submitted the RCA", "{by} が RCA を提出しました"),
                InTime::Late => {
                    both("{by} submitted the RCA, after it was due", "{by} が期限後に RCA を提出しました")
                }
            },
        ),
        Hop::RcaConfirmed { .. } => (
            both("Analysis confirmed", "RCA を確認"),
            both("{by} confirmed the RCA", "{by} が RCA を確認しました"),
        ),
        Hop::ReviewOpened { how, .. } => (
            both("Review opened", "レビュー開始"),
            match how {
                Recommendation::Rollback => both(
                    "no RCA by {due_at}; recommendation to governance: go back one phase",
                    "{due_at} までに RCA がありません。ガバナンスへの推奨: 1 フェーズ戻す",
                ),
                Recommendation::Stay => both(
                    "no RCA by {due_at}; recommendation to governance: stay",
                    "{due_at} までに RCA がありません。ガバナンスへの推奨: 維持する",
                ),
            },
        ),
        Hop::ReviewDecided { how, .. } => (
            both("Review decided", "レビュー決定"),
            match how {
                Ruling::Approved => both(
                    "{by} approved the review of {incident}",
                    "{by} が {incident} のレビューでロールバックを承認しました",
                ),
                Ruling::Declined => both(
                    "{by} declined the review of {incident}",
                    "{by} が {incident} のレビューでロールバックを却下しました",
                ),
            },
        ),
        Hop::ReviewVoid => (
            both("Review not needed any more", "レビュー不要"),
            both(
                "the RCA was confirmed before the review was decided",
                "レビューの決定前に RCA が確認されました",
            ),
        ),
        Hop::EvidenceSigned { .. } => (
            both("Evidence signed", "エビデンスに署名"),
            both("{by} signed `{item}`", "{by} が「{item}」に署名しました"),
        ),
        Hop::EvidenceTaskDone { .. } => (
            both("Follow-up done", "再発防止タスク完了"),
            both("{by} has done the task of `{item}`", "{by} が「{item}」のタスクを完了しました"),
        ),
        Hop::Frozen { .. } => (both("Frozen", "凍結"), both("{by}: {reason}", "{by}: {reason}")),
        Hop::Unfrozen { .. } => (both("Unfrozen", "凍結解除"), both("{by}[: {reason}]", "{by}[: {reason}]")),
        Hop::GivenUp { how, .. } => (
            both("Given up", "断念"),
            match how {
                ToldBy::Page => both(
                    "{what} to {lane} did not get through, so somebody is paged: {reason}",
                    "{lane} への {what} は届かなかったため、担当者を呼び出します: {reason}",
                ),
                ToldBy::Message => both(
                    "{what} to {lane} did not get through, so a message says so: {reason}",
                    "{lane} への {what} は届かなかったため、メッセージで知らせます: {reason}",
                ),
                ToldBy::Nobody => both(
                    "{what} to {lane} did not get through: {reason}",
                    "{lane} への {what} は届きませんでした: {reason}",
                ),
            },
        ),
        Hop::Told(_) => (NOTHING, NOTHING),
    }
}

/// Why a required rollback waits.
#[must_use]
pub fn hold(it: &Hold) -> Words {
    match it {
        Hold::Frozen { .. } => both(
            "frozen by {by}, {reason}; it starts at `phasegate unfreeze --target {target}`",
            "{by} が凍結中（{reason}）。`phasegate unfreeze --target {target}` で開始します",
        ),
        Hold::Budget { .. } => both(
            "the budget of {most} automatic rollbacks per {per} is spent, so a person decides; \
             it starts by itself at {until}",
            "自動ロールバックの上限（{per} に {most} 回）に達したため人が判断します。\
             {until} に自動で開始します",
        ),
        Hold::Storm { .. } => both(
            "very many incidents opened at once and the policy says `storm: hold`, so a person decides: \
             `phasegate rollback --target {target} --phase {phase}`",
            "インシデントが多発中で、ポリシーは `storm: hold` のため人が判断します: \
             `phasegate rollback --target {target} --phase {phase}`",
        ),
    }
}
