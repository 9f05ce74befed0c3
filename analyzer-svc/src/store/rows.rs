//! Rows to types: what was stored as text is parsed, and named when it does not parse.

use serde::de::DeserializeOwned;
use service_kit::db::DbError;
use service_kit::forms::Forms;
use shared_types::{Batch, Decision, TargetName, Timestamp, Window};
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::{Receipt, StoredBatch, histograms};
use domain::gate::GateState;
use domain::gate::{EarlierBatch, Run};

pub(super) fn json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|error| DbError::decode(what, error))
}

pub(super) fn number(row: &AnyRow, column: &str) -> Result<i64, DbError> {
    Ok(row.try_get(column)?)
}

pub(super) fn text(row: &AnyRow, column: &str) -> Result<String, DbError> {
    Ok(row.try_get(column)?)
}

fn id(row: &AnyRow, column: &str) -> Result<Uuid, DbError> {
    text(row, column)?.parse().map_err(|error| DbError::decode("decision id", error))
}

fn time(row: &AnyRow, column: &str) -> Result<Timestamp, DbError> {
    Ok(Timestamp::from_millis(number(row, column)?))
}

fn window(row: &AnyRow) -> Result<Window, DbError> {
    Ok(Window { start: time(row, "window_start_ms")?, end: time(row, "window_end_ms")? })
}

pub(super) fn decision(forms: &Forms, row: &AnyRow) -> Result<Decision, DbError> {
    forms.read_wire(&text(row, "decision_id")?, &text(row, "body")?)
}

pub(super) fn target(row: &AnyRow) -> Result<TargetName, DbError> {
    TargetName::parse(&text(row, "target")?).map_err(|error| DbError::decode("target", error))
}

pub(super) fn target_state(forms: &Forms, row: &AnyRow) -> Result<GateState, DbError> {
    let target = target(row)?;
    let phase: Option<String> = row.try_get("phase")?;
    let run: Option<String> = row.try_get("run")?;
    let watch: Option<String> = row.try_get("watch")?;
    let run = match (phase, run) {
        (Some(phase), Some(run)) => {
            let phase = phase.parse().map_err(|error| DbError::decode("phase", error))?;
            Some((phase, forms.read::<Run>(target.as_str(), &run)?))
        }
        _ => None,
    };
    Ok(GateState {
        version: number(row, "version")?,
        run,
        watch: watch.map(|watch| forms.read(target.as_str(), &watch)).transpose()?,
        target,
    })
}

pub(super) fn receipt(row: &AnyRow) -> Result<Receipt, DbError> {
    Ok(Receipt {
        hash: text(row, "batch_hash")?,
        window: window(row)?,
        decision_id: id(row, "decision_id")?,
        received_at: time(row, "received_at_ms")?,
    })
}

pub(super) fn earlier(row: &AnyRow) -> Result<EarlierBatch, DbError> {
    Ok(EarlierBatch {
        epoch: u64::try_from(number(row, "epoch")?).unwrap_or(0),
        window: window(row)?,
        counters: json("counters", &text(row, "counters")?)?,
    })
}

/// With its histograms, where they are still kept.
pub(super) fn batch(forms: &Forms, row: &AnyRow, id: &str, body: &str) -> Result<Batch, DbError> {
    let mut batch: Batch = forms.read_wire(id, body)?;
    let kept: Option<Vec<u8>> = row.try_get("histograms")?;
    histograms::put_back(&mut batch, kept.as_deref())?;
    Ok(batch)
}

pub(super) fn stored_batch(forms: &Forms, row: &AnyRow) -> Result<StoredBatch, DbError> {
    Ok(StoredBatch {
        batch: batch(forms, row, &text(row, "decision_id")?, &text(row, "body")?)?,
        batch_hash: text(row, "batch_hash")?,
        received_at: time(row, "received_at_ms")?,
        decision_id: id(row, "decision_id")?,
        verdict: json("verdict", &format!("\"{}\"", text(row, "verdict")?))?,
    })
}
