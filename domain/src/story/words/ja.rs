//! Japanese. Places and sections are those of [`fill`](super::fill).

use shared_types::decision::Cause;
use shared_types::incident::Recommendation;
use shared_types::story::{
    Acknowledgement, Deed, EscalationReason, Hold, Hop, HopKind, InTime, Recovery, Ruling, WatchFailure,
};

use crate::effects::notification::NotificationKind;
use crate::pagers::PAGER;
use crate::rollout::blocker::{Blocker, BlockerCode, Reached, TaskMissing};
use crate::rollout::evidence::{Figure, Lack};
use shared_types::rollout::TransitionKind;

/// What a check of evidence does not find, and what follows it: a text is one literal, so that the page can fill it.
macro_rules! lack {
    ($lack:expr, $after:literal) => {
        match $lack {
            Lack::Page => concat!("PagerDuty がまだ呼び出しを受理していません", $after),
            Lack::CommandInPage => concat!("呼び出しの本文にロールバックのコマンドがありません", $after),
            Lack::Acknowledgement => concat!("まだ誰も確認していません", $after),
            Lack::AcknowledgementInTime { .. } => concat!("確認の期限は {due_at} でした", $after),
            Lack::Analysis { .. } => concat!("RCA（期限 {due_at}）", $after),
            Lack::Confirmation => concat!("RCA の確認", $after),
            Lack::AnalysisInTime => concat!("期限を過ぎてから提出されました", $after),
            Lack::Figures => concat!("インシデントの発生後、数値入りの通知がまだ送信されていません", $after),
            Lack::Agreement { .. } => concat!("通知とカードが一致しません: {names}", $after),
        }
    };
}

/// What stands before a hop's sentence.
#[must_use]
pub fn hop_title(kind: HopKind) -> &'static str {
    match kind {
        HopKind::BatchWindowEnded => "ウィンドウ終了",
        HopKind::Decided => "判定",
        HopKind::DecisionReceived => "判定を受信",
        HopKind::DecisionStale => "判定は対象外",
        HopKind::ViolationJoined => "違反の継続",
        HopKind::IncidentOpened => "インシデント発生",
        HopKind::Acknowledged => "確認",
        HopKind::Escalated => "エスカレーション",
        HopKind::RollbackRequested => "ロールバックが必要",
        HopKind::WaitingForPromotion => "昇格の終了待ち",
        HopKind::PromotionSuperseded => "昇格を取り消し",
        HopKind::RollbackWaiting => "ロールバック待機",
        HopKind::RollbackReleased => "ロールバック待機の解除",
        HopKind::RollbackRetried => "ロールバック再試行",
        HopKind::RollbackFailed => "ロールバック失敗",
        HopKind::CollectionStopped => "収集を停止",
        HopKind::CollectionStopPending => "収集停止は未達",
        HopKind::CommandStarted => "コマンド開始",
        HopKind::CommandFinished => "コマンド終了",
        HopKind::CommandFailed => "コマンド失敗",
        HopKind::Verified => "読み戻し",
        HopKind::PhaseChanged => "フェーズ変更",
        HopKind::RollbackTold => "ロールバックを記録",
        HopKind::DirectiveDelivered => "Collector へ指示",
        HopKind::DirectiveSuperseded => "指示は新しいものに置換",
        HopKind::WatchStarted => "回復の監視を開始",
        HopKind::WatchBatch => "回復監視のウィンドウ",
        HopKind::WatchFailed => "期限までに回復せず",
        HopKind::Recovered => "回復",
        HopKind::Closed => "終了",
        HopKind::NotificationSent => "通知を送信",
        HopKind::NotificationLogged => "通知はログのみ",
        HopKind::PageResolved => "呼び出しを解決",
        HopKind::PageResolutionLogged => "呼び出しの解決はログのみ",
        HopKind::PageResolvedByPerson => "呼び出しを人が解決",
        HopKind::RcaPrepared => "RCA の下書きを作成",
        HopKind::RcaReminded => "RCA の催促",
        HopKind::RcaSubmitted => "RCA を提出",
        HopKind::RcaConfirmed => "RCA を確認",
        HopKind::ReviewOpened => "レビュー開始",
        HopKind::ReviewDecided => "レビュー決定",
        HopKind::ReviewVoid => "レビュー不要",
        HopKind::EvidenceSigned => "エビデンスに署名",
        HopKind::EvidenceTaskDone => "再発防止タスク完了",
        HopKind::Frozen => "凍結",
        HopKind::Unfrozen => "凍結解除",
        HopKind::Told => "",
    }
}

/// What a hop says of itself.
#[must_use]
pub fn hop(it: &Hop) -> &'static str {
    match it {
        Hop::BatchWindowEnded { .. } => "ウィンドウ {window}",
        Hop::Decided { .. } => "{verdict}（{cause}）",
        Hop::DecisionReceived(_) | Hop::DecisionStale(_) | Hop::ViolationJoined(_) => {
            "フェーズ {phase}、エポック {epoch}: [{violated}|{cause}]"
        }
        Hop::IncidentOpened { .. } => "{incident}",
        Hop::Acknowledged { how, .. } => match how {
            Acknowledgement::First => "{by} が確認しました",
            Acknowledgement::LearnedLate => "{by} が {acknowledged_at} に確認済みでした（後から判明）",
            Acknowledgement::AfterEscalation => "エスカレーション後に {by} が確認しました",
        },
        Hop::Escalated { how, .. } => match how {
            EscalationReason::Unacknowledged => {
                "優先度を {priority} に上げました: 時間内に確認されませんでした"
            }
            EscalationReason::RollbackFailed => {
                "優先度を {priority} に上げました: ロールバックに失敗しました"
            }
            EscalationReason::RollbackWaiting => {
                "優先度を {priority} に上げました: ロールバックには人の判断が必要です"
            }
        },
        Hop::RollbackRequested { .. } => "{by}: {from} から {to} へ、{reason}",
        Hop::WaitingForPromotion { .. } => {
            "{to} への昇格コマンドは開始済みのため、終わり次第ロールバックします"
        }
        Hop::PromotionSuperseded { .. } => "{to} への昇格は終わりましたが、無効です",
        Hop::RollbackWaiting { hold, .. } => self::hold(hold),
        Hop::RollbackReleased { .. } => "妨げるものがなくなりました",
        Hop::RollbackRetried { .. } => "{by} が再試行を指示しました",
        Hop::RollbackFailed { .. } => "{attempts} 回試行して断念しました: {reason}",
        Hop::CollectionStopped { .. } => "Collector はウィンドウを保留しています",
        Hop::CollectionStopPending { .. } => "コマンドの前に Collector へ連絡できませんでした: {reason}",
        Hop::CommandStarted { .. } => "試行 {attempt} 回目: {command}",
        Hop::CommandFinished { .. } => "{summary}",
        Hop::CommandFailed { .. } => "試行 {attempt} 回目が失敗、次は {next}: {reason}",
        Hop::Verified { .. } => "読み戻したフェーズ: {phase}",
        Hop::PhaseChanged { .. } => "{from} から {to} へ、エポック {epoch}",
        Hop::RollbackTold { .. } => "{text}",
        Hop::DirectiveDelivered(_) | Hop::DirectiveSuperseded(_) => {
            "フェーズ {phase}、収集 {collect}、通番 {sequence}"
        }
        Hop::WatchStarted { .. } => "{until} までの全バッチが遵守である必要があります",
        Hop::WatchBatch { .. } => "{window} は{verdict}。これまでに遵守 {compliant} 件、違反 {violations} 件",
        Hop::WatchFailed { how } => match how {
            WatchFailure::Silent => "回復を確認できるバッチが期限までに届きませんでした",
            WatchFailure::Violated => "監視中のバッチが違反しました",
        },
        Hop::Recovered { how } => match how {
            Recovery::Watched => "監視中に判定した全バッチが遵守でした",
            Recovery::Covered => "回復監視と同じ時間、遵守が続きました",
            Recovery::NobodyServed => "利用者がいなくなり、守るべき SLO がありません",
        },
        Hop::Closed => "回復し、RCA も確認されました",
        Hop::NotificationSent(_) | Hop::NotificationLogged(_) => "{channel}[（優先度 {priority}）]",
        Hop::PageResolved => PAGER.resolved.ja,
        Hop::PageResolutionLogged => PAGER.not_configured.ja,
        Hop::PageResolvedByPerson { .. } => "{by} が呼び出しを解決しました。インシデントは継続します",
        Hop::RcaPrepared { .. } => "{file}",
        Hop::RcaReminded { .. } => "原因と再発防止策の期限は {due_at} です",
        Hop::RcaSubmitted { how, .. } => match how {
            InTime::InTime => "{by} が RCA を提出しました",
            InTime::Late => "{by} が期限後に RCA を提出しました",
        },
        Hop::RcaConfirmed { .. } => "{by} が RCA を確認しました",
        Hop::ReviewOpened { how, .. } => match how {
            Recommendation::Rollback => {
                "{due_at} までに RCA がありません。ガバナンスへの推奨: 1 フェーズ戻す"
            }
            Recommendation::Stay => "{due_at} までに RCA がありません。ガバナンスへの推奨: 維持する",
        },
        Hop::ReviewDecided { how, .. } => match how {
            Ruling::Approved => "{by} が {incident} のレビューでロールバックを承認しました",
            Ruling::Declined => "{by} が {incident} のレビューでロールバックを却下しました",
        },
        Hop::ReviewVoid => "レビューの決定前に RCA が確認されました",
        Hop::EvidenceSigned { .. } => "{by} が「{item}」に署名しました",
        Hop::EvidenceTaskDone { .. } => "{by} が「{item}」のタスクを完了しました",
        Hop::Frozen { .. } => "{by}: {reason}",
        Hop::Unfrozen { .. } => "{by}[: {reason}]",
        Hop::Told(_) => "",
    }
}

/// Why a required rollback waits.
#[must_use]
pub fn hold(it: &Hold) -> &'static str {
    match it {
        Hold::Frozen { .. } => {
            "{by} が凍結中（{reason}）。`phasegate unfreeze --target {target}` で開始します"
        }
        Hold::Budget { .. } => {
            "自動ロールバックの上限（{per} に {most} 回）に達したため人が判断します。{until} に自動で開始します"
        }
    }
}

/// What is in the way; its code stands before it.
#[must_use]
pub fn blocker(it: &Blocker) -> &'static str {
    match it {
        Blocker::Completed => "ロールアウトは完了しており、上のフェーズはありません",
        Blocker::UnknownPhase { .. } => "ポリシーにフェーズ {phase} がありません",
        Blocker::NotStarted => "先に開始してください",
        Blocker::Started { .. } => "フェーズ {phase}",
        Blocker::WrongPhase { .. } => "現在のフェーズは {phase} です",
        Blocker::Frozen { .. } => {
            "{by} が {since} から凍結中（{reason}）。`phasegate unfreeze --target {target}` で解除します"
        }
        Blocker::TransitionRunning { how, .. } => match how {
            TransitionKind::Promote => "{to} へ昇格しています",
            TransitionKind::Rollback => "{to} へロールバックしています",
        },
        Blocker::TransitionFailed { .. } => "{to} へのロールバックに失敗し、人の対応を待っています",
        Blocker::RollbackWaiting { hold, .. } => match hold {
            Hold::Frozen { .. } => {
                "{to} へのロールバックが待機中: {by} が凍結中（{reason}）。`phasegate unfreeze --target {target}` で開始します"
            }
            Hold::Budget { .. } => {
                "{to} へのロールバックが待機中: 自動ロールバックの上限（{per} に {most} 回）に達したため人が判断します。{until} に自動で開始します"
            }
        },
        Blocker::IncidentOpen { .. } => "{incident}",
        Blocker::GateUnsatisfied { reached, .. } => match reached {
            Reached::NotJudged => "このエポックのバッチはまだ判定されていません",
            Reached::NotReported => "analyzer はこのエポックのゲートをまだ報告していません",
            Reached::Batches { .. } => {
                "連続遵守 {reached} / {needed} バッチ[。直近の中断: {broken_in} の {broken_by}]"
            }
            Reached::Time { .. } => {
                "連続遵守 {reached_ms} / {needed_ms}[。直近の中断: {broken_in} の {broken_by}]"
            }
            Reached::Otherwise => "未達成[。直近の中断: {broken_in} の {broken_by}]",
        },
        Blocker::GateStale { .. } => "最後に判定したウィンドウは {ended_at} に終わり、次が届くはずです",
        Blocker::Hold => "最新のバッチが `hold` の指標に違反しています",
        Blocker::Unsure { .. } => "上限を超えていますが、偶然の可能性があります: {metrics}",
        Blocker::StayOverLimit { .. } => {
            "{metric}: このフェーズ全体で {attempts} 件中 {bad} 件 ({observed})、上限は {allowed} です"
        }
        Blocker::AlertsInPhase { .. } => "このフェーズでインシデントまたは呼び出し {count} 件",
        Blocker::IncidentNotified { .. } => "この期間のインシデント通知 {count} 件",
        Blocker::EvidenceIncomplete { .. } => "[{incident}: ]{missing}",
        Blocker::EvidenceMissing { lack } => self::lack(lack),
        Blocker::CommentMissing { lack } => {
            lack!(lack, "。それでもよい理由をコメントに書いて署名してください")
        }
        Blocker::TaskMissing { how, .. } => match how {
            TaskMissing::Asked => "再試行の上限到達に対する再発防止タスク",
            TaskMissing::None => "「{item}」に再発防止タスクはありません",
        },
        Blocker::SignedAlone { .. } => "他はすべて {by} の署名です。「{item}」は別の人が必要です",
        Blocker::AlreadySigned { .. } => "「{item}」は {at} に {by} が署名済みで、変更できません",
        Blocker::ApprovalMissing { .. } => "{role}",
        Blocker::ApprovalByRequester { .. } => {
            "昇格を求めた {by} だけが承認しています。別の人が昇格を求めるか、別の人が {any_of} として承認してください"
        }
        Blocker::ApprovalBySamePerson { .. } => {
            "{by} は {earlier} として承認済みです。{role} は別の人が承認するか、{by} が先の承認を取り消してください"
        }
        Blocker::ApprovalNotAsked { .. } => {
            "フェーズ {phase} が求める承認は[{wanted}|なし]で、{role} ではありません"
        }
        Blocker::RcaMissing { .. } => "{incident} の RCA はまだありません",
        Blocker::FourEyes { .. } => "提出者は {by} です",
    }
}

/// What a check of evidence goes by.
#[must_use]
pub fn figure(it: &Figure) -> &'static str {
    match it {
        Figure::NoRetryExhausted => "上限に達した再試行はありません",
        Figure::RetriesExhausted { .. } => "再試行の上限に達したウィンドウ: {windows}",
        Figure::Page { .. } => {
            "テンプレート {template}、コマンド [{command}|なし（ロールバックなし）]、受理 {at}[、確認 {acknowledged_at}（{by}）]"
        }
        Figure::Analysis { .. } => "提出 {submitted_at}、期限 {due_at}[、確認 {confirmed_at}（{by}）]",
        Figure::Phase { .. } => "フェーズ {phase}",
        Figure::Compared { .. } => "{name}: 通知 {message}、カード {card}[（差 {apart}）]",
    }
}

/// What a check of evidence does not find.
#[must_use]
pub fn lack(it: &Lack) -> &'static str {
    lack!(it, "")
}

/// How a blocker stands in a list without its code; `{detail}` is its sentence.
#[must_use]
pub fn blocker_line(it: BlockerCode) -> &'static str {
    match it {
        BlockerCode::Completed => "{detail}",
        BlockerCode::UnknownPhase => "{detail}",
        BlockerCode::NotStarted => "ロールアウトの開始",
        BlockerCode::Started => "開始済み: {detail}",
        BlockerCode::WrongPhase => "{detail}",
        BlockerCode::Frozen => "{detail}",
        BlockerCode::TransitionRunning => "{detail}",
        BlockerCode::TransitionFailed => "{detail}",
        BlockerCode::RollbackWaiting => "{detail}",
        BlockerCode::IncidentOpen => "対応中のインシデント {detail}",
        BlockerCode::GateUnsatisfied => "遵守期間: {detail}",
        BlockerCode::GateStale => "ゲートの情報が古い: {detail}",
        BlockerCode::Hold => "保留: {detail}",
        BlockerCode::Unsure => "判定できません: {detail}",
        BlockerCode::StayOverLimit => "滞在全体が上限を超えています: {detail}",
        BlockerCode::AlertsInPhase => "アラート: {detail}",
        BlockerCode::IncidentNotified => "インシデント通知の直後: {detail}",
        BlockerCode::EvidenceIncomplete => "不足しているエビデンス: {detail}",
        BlockerCode::EvidenceMissing => "不足しているエビデンス: {detail}",
        BlockerCode::CommentMissing => "コメントが必要: {detail}",
        BlockerCode::TaskMissing => "タスクが必要: {detail}",
        BlockerCode::SignedAlone => "{detail}",
        BlockerCode::AlreadySigned => "{detail}",
        BlockerCode::ApprovalMissing => "{detail} の承認",
        BlockerCode::ApprovalByRequester => "{detail}",
        BlockerCode::ApprovalBySamePerson => "{detail}",
        BlockerCode::ApprovalNotAsked => "{detail}",
        BlockerCode::RcaMissing => "{detail}",
        BlockerCode::FourEyes => "別の人が必要: {detail}",
    }
}

/// What a message is.
#[must_use]
pub fn notice(it: NotificationKind) -> &'static str {
    match it {
        NotificationKind::Ok => "正常",
        NotificationKind::Warn => "閾値に接近",
        NotificationKind::Hold => "昇格を保留",
        NotificationKind::Incident => "インシデント",
        NotificationKind::Escalation => "エスカレーション",
        NotificationKind::RollbackFailed => "ロールバック失敗",
        NotificationKind::RollbackWaiting => "ロールバック待機",
        NotificationKind::Rollback => "ロールバック",
        NotificationKind::Page => "呼び出し",
        NotificationKind::ApprovalAsked => "承認の依頼",
        NotificationKind::Frozen => "凍結",
        NotificationKind::Unfrozen => "凍結解除",
        NotificationKind::RcaReminder => "RCA の催促",
        NotificationKind::ReviewOpened => "レビュー開始",
        NotificationKind::ReviewDecided => "レビュー決定",
        NotificationKind::Daily => "日次レポート",
    }
}

/// What was done.
#[must_use]
pub fn deed(it: Deed) -> &'static str {
    match it {
        Deed::DecisionReceived => "判定を受信",
        Deed::RolloutStart => "開始",
        Deed::RolloutPromote => "昇格",
        Deed::RolloutApprove => "承認",
        Deed::RolloutWithdraw => "承認の取り消し",
        Deed::RolloutFreeze => "凍結",
        Deed::RolloutUnfreeze => "凍結解除",
        Deed::RolloutRollback => "手動ロールバック",
        Deed::CommandStarted => "コマンド開始",
        Deed::CommandAttemptFailed => "コマンドの試行に失敗",
        Deed::CommandSucceeded => "コマンド成功",
        Deed::CommandFailed => "コマンドを断念",
        Deed::CommandSkipped => "コマンド不要",
        Deed::CommandRetried => "コマンド再試行",
        Deed::IncidentAcknowledged => "確認",
        Deed::PageResolvedByPerson => "呼び出しを人が解決",
        Deed::RcaPrepared => "RCA の下書きを作成",
        Deed::RcaSubmitted => "RCA を提出",
        Deed::RcaConfirmed => "RCA を確認",
        Deed::ReviewDecided => "レビュー決定",
        Deed::PolicyAdopted => "ポリシーの適用",
        Deed::PolicyWindowChanged => "ポリシーのウィンドウ変更",
        Deed::EvidenceChecked => "エビデンスの照合",
        Deed::EvidenceSigned => "エビデンスに署名",
        Deed::EvidenceTaskDone => "再発防止タスク完了",
        Deed::EffectRetried => "止まった処理の再試行",
        Deed::CollectorPause => "収集の一時停止",
        Deed::CollectorResume => "収集の再開",
        Deed::TimerDue => "期限の到来",
    }
}

/// Why a window was decided on, in few words.
#[must_use]
pub fn cause(it: Cause) -> &'static str {
    match it {
        Cause::Slo => "閾値との照合",
        Cause::CollectionDelayed => "収集の遅れ",
        Cause::RetryExhausted => "再試行の上限",
    }
}

/// Yes and no of a fact.
#[must_use]
pub fn truth(it: bool) -> &'static str {
    if it { "する" } else { "しない" }
}
