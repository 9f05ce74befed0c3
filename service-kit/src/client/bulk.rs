//! Deliveries that come while others to the same path are under way travel together (`POST <path>/bulk`), each with its own trace
//! and its own outcome. One alone, and what a receiver does not take together, goes as it always has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;
use shared_types::bulk::{BulkAnswer, BulkAnswers, BulkItem, MOST_IN_BULK};

use super::error::ClientError;
use super::outcome::{outcome_of_error, outcome_of_status, retry_after};
use super::{Neighbour, reason_of};
use crate::gather::Gather;
use crate::outbox::Outcome;
use crate::trace_context::trace_parent;

/// Bodies of one request, in bytes; far below what a receiver takes.
const BYTES_MAX: usize = 2 << 20;

type Parcel = Arc<BulkItem<Box<RawValue>>>;

type Gathered = Arc<Gather<Parcel, Outcome>>;

/// What is on its way, by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Together(Arc<Mutex<HashMap<&'static str, Gathered>>>);

/// `Bulk` of parcels that others hold too.
#[derive(Serialize)]
struct Items<'p> {
    items: Vec<&'p BulkItem<Box<RawValue>>>,
}

/// It has to be sent in pieces.
struct InPieces;

impl Together {
    fn to(&self, path: &'static str) -> Gathered {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(paths.entry(path).or_insert_with(|| Arc::new(Gather::of(MOST_IN_BULK))))
    }
}

impl Neighbour {
    /// As [`Neighbour::deliver`], with what is delivered to `path` at the same time: for receivers that have `<path>/bulk`.
    pub async fn deliver_together<B: Serialize + ?Sized>(&self, path: &'static str, body: &B) -> Outcome {
        let item = match serde_json::value::to_raw_value(body) {
            Ok(item) => item,
            Err(error) => return Outcome::Never { reason: self.bad(path, &error.to_string()).to_string() },
        };
        let parcel = Arc::new(BulkItem { trace_parent: trace_parent(), item });
        let outcome = self.together.to(path).ask(parcel, |parcels| self.send_all(path, parcels)).await;
        let lost = || Outcome::Unknown { reason: self.bad(path, "an answer is missing").to_string() };
        outcome.ok().flatten().unwrap_or_else(lost)
    }

    async fn send_all(&self, path: &str, parcels: Vec<Parcel>) -> Result<Vec<Outcome>, InPieces> {
        // One that waited for the turn of another keeps its own trace.
        if let [alone] = parcels.as_slice()
            && alone.trace_parent == trace_parent()
        {
            return Ok(vec![self.deliver(path, &alone.item).await]);
        }
        if parcels.iter().map(|it| it.item.get().len()).sum::<usize>() > BYTES_MAX {
            return Err(InPieces);
        }
        let many = parcels.len();
        let to_all = |outcome: Outcome| Ok(vec![outcome; many]);
        let path = format!("{path}/bulk");
        let items = Items { items: parcels.iter().map(Arc::as_ref).collect() };
        let Ok(body) = self.encode(&path, &items) else { return Err(InPieces) };
        let reply = match self.send(Method::POST, &path, Some(body), HeaderMap::new()).await {
            Ok(reply) => reply,
            Err(error) => return to_all(outcome_of_error(&error)),
        };
        let unclear = |error: &ClientError| Outcome::Unknown { reason: error.to_string() };
        let (status, retry_after) = (reply.status, retry_after(&reply.headers));
        match reply.body {
            Ok(bytes) if status.is_success() => match serde_json::from_slice::<BulkAnswers>(&bytes) {
                Ok(BulkAnswers { answers }) if answers.len() == many => {
                    Ok(answers.into_iter().map(outcome_of).collect())
                }
                Ok(_) => to_all(unclear(&self.bad(&path, "not an answer for each"))),
                Err(error) => to_all(unclear(&self.bad(&path, &error.to_string()))),
            },
            Err(lost) if status.is_success() => to_all(unclear(&self.failed(&path, lost))),
            body => {
                let reason = reason_of(status, &body.unwrap_or_default());
                match outcome_of_status(status, retry_after, reason) {
                    // An older receiver has no such path, and of one that cannot be read all are refused.
                    Outcome::Never { .. } => Err(InPieces),
                    outcome => to_all(outcome),
                }
            }
        }
    }
}

fn outcome_of(answer: BulkAnswer) -> Outcome {
    let BulkAnswer { status, retry_after_s, body } = answer;
    match StatusCode::from_u16(status) {
        Ok(status) if status.is_success() => Outcome::Done(body),
        Ok(status) => {
            let after = retry_after_s.map(std::time::Duration::from_secs);
            let reason = reason_of(status, body.to_string().as_bytes());
            outcome_of_status(status, after, reason)
        }
        Err(_) => Outcome::Unknown { reason: format!("{status} is no status") },
    }
}
