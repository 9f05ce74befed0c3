//! An analyzer that remembers what it was sent and answers as it is told; it takes what is for the reporter too.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use shared_types::audit::CollectorAct;
use shared_types::{Batch, CollectorEvent};

#[derive(Clone, Default)]
pub(crate) struct Analyzer(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    batches: Vec<Batch>,
    events: Vec<CollectorEvent>,
    acts: Vec<CollectorAct>,
    failing: bool,
    attempts: usize,
}

impl Analyzer {
    pub(crate) async fn start() -> (Self, SocketAddr) {
        let analyzer = Self::default();
        let app = Router::new()
            .route("/v1/batches", post(take_batch))
            .route("/v1/collector-events", post(take_event))
            .route("/v1/audit/acts", post(take_act))
            .with_state(analyzer.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        (analyzer, address)
    }

    /// Batches are answered with 500 from now on, or no longer. Events always come through.
    pub(crate) fn fail(&self, failing: bool) {
        self.0.lock().unwrap().failing = failing;
    }

    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.0.lock().unwrap().batches.clone()
    }

    pub(crate) fn events(&self) -> Vec<CollectorEvent> {
        self.0.lock().unwrap().events.clone()
    }

    /// Acts that the audit log was told of.
    pub(crate) fn acts(&self) -> Vec<CollectorAct> {
        self.0.lock().unwrap().acts.clone()
    }

    /// Batches sent, the refused ones included.
    pub(crate) fn attempts(&self) -> usize {
        self.0.lock().unwrap().attempts
    }
}

async fn take_batch(State(analyzer): State<Analyzer>, Json(batch): Json<Batch>) -> StatusCode {
    let mut inner = analyzer.0.lock().unwrap();
    inner.attempts += 1;
    if inner.failing {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    inner.batches.push(batch);
    StatusCode::CREATED
}

async fn take_event(State(analyzer): State<Analyzer>, Json(event): Json<CollectorEvent>) -> StatusCode {
    analyzer.0.lock().unwrap().events.push(event);
    StatusCode::CREATED
}

async fn take_act(State(analyzer): State<Analyzer>, Json(act): Json<CollectorAct>) -> StatusCode {
    analyzer.0.lock().unwrap().acts.push(act);
    StatusCode::NO_CONTENT
}
