//! From a judgement to the decision that is stored and sent: its id, its subject, its time.

use crate::stored::plain_text;
use sha2::{Digest, Sha256};
use shared_types::decision::{Cause, GateProgress, SCHEMA};
use shared_types::{Batch, Decision, Epoch, PhaseId, TargetName, Timestamp, Window};
use uuid::Uuid;

use super::judge::{Basis, Judgement};

/// The name space of decision ids; never changes, or repeats would no longer be recognised.
const DECISIONS: Uuid = Uuid::from_u128(0x6d0f_3f4c_5a67_5b0e_9c35_1f2d_84b7_e0a1);

/// Which window a decision is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    pub target: TargetName,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub window: Window,
}

impl Subject {
    /// The window of a batch.
    #[must_use]
    pub fn of(batch: &Batch) -> Self {
        Self {
            target: batch.target.clone(),
            phase: batch.phase.clone(),
            epoch: batch.epoch,
            window: batch.window,
        }
    }
}

/// SLO-9: the same for the same target, window and cause, whoever makes the decision and however often.
#[must_use]
pub fn decision_id(target: &TargetName, window: Window, cause: Cause) -> Uuid {
    let name = format!("{target}|{}|{}", window.start.as_millis(), cause.as_str());
    Uuid::new_v5(&DECISIONS, name.as_bytes())
}

/// `sha256:<hex>` over the batch's JSON as this version writes it: two deliveries of one batch have the same
/// hash however their sender spaced the text.
#[must_use]
pub fn batch_hash(batch: &Batch) -> String {
    use std::fmt::Write as _;

    let text = plain_text(batch);
    Sha256::digest(&text).iter().fold("sha256:".to_owned(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}

impl Judgement {
    /// The decision, as stored and sent.
    #[must_use]
    pub fn into_decision(
        self,
        subject: Subject,
        basis: Basis,
        policy_version: &str,
        gate: Option<GateProgress>,
        now: Timestamp,
    ) -> Decision {
        Decision {
            schema: SCHEMA.to_owned(),
            decision_id: decision_id(&subject.target, subject.window, self.cause),
            rollback_required: self.rollback_required(),
            evidence: Some(self.evidence(basis)),
            target: subject.target,
            phase: subject.phase,
            epoch: subject.epoch,
            window: subject.window,
            verdict: self.verdict,
            action: self.action,
            cause: self.cause,
            metrics: self.metrics,
            violated: self.violated,
            policy_version: policy_version.to_owned(),
            decided_at: now,
            uncounted: self.uncounted,
            vanished: self.vanished,
            gate,
        }
    }
}
