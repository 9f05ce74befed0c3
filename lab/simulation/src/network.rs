//! The network between the services: requests as bytes, to whichever replica the draw picks, through its real router.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http;
use rand::RngExt as _;
use reqwest::Request;
use reqwest::header::HeaderMap;
use service_kit::client::{Lost, Reply, Transport};

use crate::boundary::Kind;
use crate::faults::Fate;
use crate::replica::{ReplicaId, Service};
use crate::scheduler::{Scheduler, TaskId};

/// What a replica answers with.
#[async_trait]
pub trait Serve: Send + Sync {
    /// One request; its answer goes into the slot the moment it is there.
    async fn serve(&self, request: http::Request<Body>, slot: Slot);

    /// Whether the request needs what only one task may use at a time.
    fn is_exclusive(&self, request: &http::Request<()>) -> bool;
}

/// Who serves.
#[derive(Clone, Default)]
pub struct Routes(Arc<Mutex<BTreeMap<ReplicaId, Arc<dyn Serve>>>>);

impl Routes {
    /// Takes a replica up.
    pub fn insert(&self, replica: ReplicaId, serve: Arc<dyn Serve>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(replica, serve);
    }

    /// Takes it away.
    pub fn remove(&self, replica: ReplicaId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&replica);
    }

    fn of(&self, service: Service) -> Vec<(ReplicaId, Arc<dyn Serve>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(id, _)| id.service == service).map(|(id, it)| (*id, Arc::clone(it))).collect()
    }
}

/// One end of the network.
#[derive(Clone)]
pub struct Wire {
    pub scheduler: Scheduler,
    pub routes: Routes,
}

/// Where an answer is put.
#[derive(Clone, Default)]
pub struct Slot(Arc<Mutex<Option<Reply>>>);

impl Slot {
    /// Puts it there.
    pub async fn fill(&self, response: http::Response<Body>) {
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.map_or_else(|_| Vec::new(), |bytes| bytes.to_vec());
        let reply = Reply { status: head.status, headers: head.headers, body: Ok(body) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
    }

    fn take(&self) -> Option<Reply> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What is sent: it may be sent twice.
#[derive(Clone)]
struct Letter {
    method: http::Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Letter {
    fn head(&self) -> http::Request<()> {
        let mut head = http::Request::new(());
        *head.method_mut() = self.method.clone();
        *head.uri_mut() = self.path.parse().unwrap_or_default();
        *head.headers_mut() = self.headers.clone();
        head
    }

    /// Without ids that differ from run to run.
    fn label(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let path = if path.starts_with("/v1/effects/") { "/v1/effects/…" } else { path };
        format!("{} {path}", self.method)
    }
}

impl Wire {
    fn deliver(
        &self,
        to: &(ReplicaId, Arc<dyn Serve>),
        letter: &Letter,
        after: Option<Duration>,
    ) -> (TaskId, Slot) {
        let slot = Slot::default();
        let (scheduler, filled, serve) = (self.scheduler.clone(), slot.clone(), Arc::clone(&to.1));
        let head = letter.head();
        let exclusive = serve.is_exclusive(&head);
        let label = letter.label();
        let (body, what) = (letter.body.clone(), label.clone());
        let from = after.map(|after| self.scheduler.now().plus(after));
        let task = self.scheduler.spawn(Some(to.0), &label, from, exclusive, async move {
            serve.serve(head.map(|()| Body::from(body)), filled).await;
            scheduler.boundary(Kind::Answered, &what).await.ok();
        });
        (task, slot)
    }

    /// Carries the letter, with what the draw does to it.
    async fn carry(&self, to: Service, letter: Letter) -> Result<Reply, Lost> {
        let scheduler = &self.scheduler;
        let fate = scheduler.draw(|faults, rng, now| faults.message(now, rng));
        let replicas = self.routes.of(to);
        let chosen = match replicas.len() {
            0 => None,
            some => replicas.get(scheduler.draw(|_, rng, _| rng.random_range(0..some))),
        };
        let Some(chosen) = chosen else { return Err(Lost::Unreached("connection refused".to_owned())) };
        let unanswered = || Err(Lost::Unanswered("no answer".to_owned()));
        let met = match fate {
            Fate::Delivered => None,
            Fate::Dropped => Some("dropped messages"),
            Fate::Delayed(_) => Some("delayed messages"),
            Fate::Duplicated(_) => Some("duplicated messages"),
            Fate::ReplyLost => Some("lost replies"),
        };
        if let Some(met) = met {
            scheduler.met(met);
            scheduler.note(&format!("{} to {}: {fate:?}", letter.label(), chosen.0));
        }
        match fate {
            Fate::Dropped => return Err(Lost::Unreached("connection refused".to_owned())),
            Fate::Delayed(after) => {
                self.deliver(chosen, &letter, Some(after));
                return unanswered();
            }
            Fate::Duplicated(after) => {
                self.deliver(chosen, &letter, Some(after));
            }
            Fate::Delivered | Fate::ReplyLost => {}
        }
        let (task, slot) = self.deliver(chosen, &letter, None);
        scheduler.wait_for(task).await;
        let reply = slot.take();
        match reply {
            Some(reply) if fate != Fate::ReplyLost => Ok(reply),
            _ => unanswered(),
        }
    }
}

#[async_trait]
impl Transport for Wire {
    async fn exchange(&self, request: Request) -> Result<Reply, Lost> {
        let url = request.url();
        let to = url.host_str().and_then(Service::of_host);
        let Some(to) = to else { return Err(Lost::Unreached("no such host".to_owned())) };
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        let letter = Letter {
            method: request.method().clone(),
            path: format!("{}{query}", url.path()),
            headers: request.headers().clone(),
            body: request.body().and_then(|body| body.as_bytes()).unwrap_or_default().to_vec(),
        };
        let label = letter.label();
        let lost = |()| Lost::Unreached("connection refused".to_owned());
        self.scheduler.boundary(Kind::Send, &label).await.map_err(lost)?;
        let reply = self.carry(to, letter).await;
        self.scheduler.boundary(Kind::Answered, &label).await.map_err(lost)?;
        reply
    }
}
