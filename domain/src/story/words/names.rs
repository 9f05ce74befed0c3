//! Names that the page shows in words.

use shared_types::decision::Cause;
use shared_types::incident::IncidentState;
use shared_types::story::Deed;

use super::pair::{Words, both};
use crate::effects::notification::NotificationKind;

/// How far an incident is.
#[must_use]
pub fn incident_state(it: IncidentState) -> Words {
    match it {
        IncidentState::Open => both("Open", "対応中"),
        IncidentState::Recovered => both("Recovered", "回復"),
        IncidentState::Closed => both("Closed", "終了"),
    }
}

/// What a message is.
#[must_use]
pub fn notice(it: NotificationKind) -> Words {
    match it {
        NotificationKind::Ok => both("healthy", "正常"),
        NotificationKind::Warn => both("near a limit", "閾値に接近"),
        NotificationKind::Gap => both("telemetry missing", "テレメトリ欠落"),
        NotificationKind::Vanished => both("event missing", "イベントが途絶"),
        NotificationKind::Hold => both("held back", "昇格を保留"),
        NotificationKind::Incident => both("incident", "インシデント"),
        NotificationKind::StillHeld => both("still held back", "保留が継続"),
        NotificationKind::Escalation => both("escalation", "エスカレーション"),
        NotificationKind::RollbackFailed => both("rollback failed", "ロールバック失敗"),
        NotificationKind::RollbackWaiting => both("rollback waits", "ロールバック待機"),
        NotificationKind::Unproven => both("recovery not proven", "回復は未証明"),
        NotificationKind::Storm => both("storm of incidents", "インシデントの多発"),
        NotificationKind::Drifted => both("drift", "記録との相違"),
        NotificationKind::DriftOver => both("drift over", "相違の解消"),
        NotificationKind::ServedUnread => both("flag system unread", "フラグの読み取り不可"),
        NotificationKind::MoveFailed => both("move failed", "昇格の失敗"),
        NotificationKind::Rollback => both("rollback", "ロールバック"),
        NotificationKind::Page => both("page", "呼び出し"),
        NotificationKind::ApprovalAsked => both("approval asked", "承認の依頼"),
        NotificationKind::Frozen => both("frozen", "凍結"),
        NotificationKind::Unfrozen => both("unfrozen", "凍結解除"),
        NotificationKind::RcaReminder => both("analysis due", "RCA の催促"),
        NotificationKind::ReviewOpened => both("review opened", "レビュー開始"),
        NotificationKind::ReviewDecided => both("review decided", "レビュー決定"),
        NotificationKind::Daily => both("report of a day", "日次レポート"),
        NotificationKind::StoreBehind => both("store restored?", "ストアの後退"),
        NotificationKind::GivenUp => both("not delivered elsewhere", "他の経路で未達"),
    }
}

/// What was done.
#[must_use]
pub fn deed(it: Deed) -> Words {
    match it {
        Deed::DecisionReceived => both("Decision received", "判定を受信"),
        Deed::DecisionRefused => both("Decision refused", "判定を拒否"),
        Deed::RolloutStart => both("Start", "開始"),
        Deed::RolloutPromote => both("Move up", "昇格"),
        Deed::RolloutApprove => both("Approval", "承認"),
        Deed::RolloutWithdraw => both("Approval withdrawn", "承認の取り消し"),
        Deed::RolloutFreeze => both("Freeze", "凍結"),
        Deed::RolloutUnfreeze => both("Unfreeze", "凍結解除"),
        Deed::RolloutRollback => both("Rollback by hand", "手動ロールバック"),
        Deed::RolloutAbort => both("Abort", "緊急停止"),
        Deed::TargetReadBack => both("Flag system read back", "フラグの読み取り"),
        Deed::CommandStarted => both("Command started", "コマンド開始"),
        Deed::CommandAttemptFailed => both("Attempt of the command failed", "コマンドの試行に失敗"),
        Deed::CommandSucceeded => both("Command succeeded", "コマンド成功"),
        Deed::CommandFailed => both("Command given up", "コマンドを断念"),
        Deed::CommandSkipped => both("Command not needed", "コマンド不要"),
        Deed::CommandRetried => both("Command tried again", "コマンド再試行"),
        Deed::IncidentAcknowledged => both("Acknowledgement", "確認"),
        Deed::PageResolvedByPerson => both("Page resolved by a person", "呼び出しを人が解決"),
        Deed::RcaPrepared => both("Analysis prepared", "RCA の下書きを作成"),
        Deed::RcaSubmitted => both("Analysis submitted", "RCA を提出"),
        Deed::RcaConfirmed => both("Analysis confirmed", "RCA を確認"),
        Deed::ReviewDecided => both("Review decided", "レビュー決定"),
        Deed::PolicyAdopted => both("Policy taken over", "ポリシーの適用"),
        Deed::PolicyWindowChanged => both("Window of the policy changed", "ポリシーのウィンドウ変更"),
        Deed::EvidenceChecked => both("Evidence checked", "エビデンスの照合"),
        Deed::EvidenceSigned => both("Evidence signed", "エビデンスに署名"),
        Deed::EvidenceTaskDone => both("Follow-up done", "再発防止タスク完了"),
        Deed::EffectGivenUp => both("Effect given up", "処理を断念"),
        Deed::EffectRetried => both("Stuck effect tried again", "止まった処理の再試行"),
        Deed::ChannelsTested => both("Channels tried with a test message", "通知先へのテスト送信"),
        Deed::StreamOpened => both("Log of a target opened", "対象のログを開始"),
        Deed::StreamsAdopted => both("Logs of targets taken over", "対象のログを引き継ぎ"),
        Deed::CollectorPause => both("Collection paused", "収集の一時停止"),
        Deed::CollectorResume => both("Collection resumed", "収集の再開"),
        Deed::StoreBehind => both("Store found to be behind", "ストアの後退を検知"),
        Deed::StoreAccepted => both("Restored store accepted", "復元したストアを承認"),
        Deed::TimerDue => both("Time has come", "期限の到来"),
    }
}

/// Why a window was decided on, in few words.
#[must_use]
pub fn cause(it: Cause) -> Words {
    match it {
        Cause::Slo => both("limits", "閾値との照合"),
        Cause::CollectionDelayed => both("collection delayed", "収集の遅れ"),
        Cause::RetryExhausted => both("retries exhausted", "再試行の上限"),
    }
}

/// Yes and no of a fact.
#[must_use]
pub fn truth(it: bool) -> Words {
    if it { both("true", "する") } else { both("false", "しない") }
}
