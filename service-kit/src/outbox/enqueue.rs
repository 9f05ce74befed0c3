//! Putting effects into the caller's transaction: they are kept until it commits, and put in together then.

use shared_types::Timestamp;
use uuid::Uuid;

use super::outgoing::Outgoing;
use crate::db::{DbError, Tx};
use crate::trace_context;
use domain::effects::NewMessage;

/// Puts a message into the transaction, where its key is not known yet. The current span becomes the parent of the span it is
/// done in.
///
/// # Errors
/// It cannot be written down: a bug.
pub fn enqueue(tx: &mut Tx<'_>, message: &NewMessage, now: Timestamp) -> Result<(), DbError> {
    let forms = tx.forms();
    let row = Outgoing {
        id: new_id(now),
        dedup_key: message.dedup_key.clone(),
        lane: message.lane.clone(),
        kind: message.kind,
        subject: message.subject.clone(),
        payload: forms.payload(&message.form, &message.payload)?,
        retry_text: forms.text(&message.retry)?,
        retry: message.retry.clone(),
        trace_parent: trace_context::trace_parent(),
        due_at: message.due_at,
        enqueued_at: now,
        pace: message.pace,
    };
    tx.send(row);
    Ok(())
}

/// Ids sort by the time of enqueueing.
fn new_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, millis / 1000, nanos)).to_string()
}
