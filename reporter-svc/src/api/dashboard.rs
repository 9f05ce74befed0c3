//! The dashboard document and its stream of changes.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::json;
use service_kit::http::{ApiError, Json, Query};
use shared_types::TargetName;
use shared_types::dashboard::Dashboard;
use shared_types::problem::ProblemCode;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;
use utoipa::IntoParams;

use super::App;
use crate::dashboard::{self, News};

/// Between two events of a stream.
const APART: Duration = Duration::from_secs(1);
/// Of more cards that changed at once the names are left out.
const NAMED_MOST: usize = 100;

/// Which cards.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Cards {
    /// The names of targets, separated by commas; all, if it is left out. Those that are not known are left out.
    targets: Option<String>,
}

/// All targets at a glance (DA-1), or some.
#[utoipa::path(
    get, path = "/v1/dashboard", tag = "dashboard", operation_id = "get_dashboard", params(Cards),
    responses(
        (status = 200, description = "The document", body = Dashboard),
        (status = 400, description = "No name of a target, or more than a hundred", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    State(app): State<App>,
    Query(cards): Query<Cards>,
) -> Result<Json<Dashboard>, ApiError> {
    let Some(names) = cards.targets else {
        return Ok(Json(dashboard::document(&app.reporter).await?));
    };
    let named = |it: &str| {
        TargetName::parse(it).map_err(|error| {
            ApiError::bad_request(ProblemCode::InvalidQuery, format!("`targets`: {it}: {error}"))
        })
    };
    let names: Vec<TargetName> = names.split(',').map(named).collect::<Result<_, _>>()?;
    if names.len() > NAMED_MOST {
        return Err(ApiError::bad_request(
            ProblemCode::InvalidQuery,
            format!("`targets`: {NAMED_MOST} at most"),
        ));
    }
    Ok(Json(app.publisher.document_of(&names).await?))
}

/// Server-sent events: `dashboard` with `{"revision": n, "targets": ["a"]}` whenever cards have changed, at most one a second.
/// Without `targets` any may have changed, as at the beginning.
#[utoipa::path(
    get, path = "/v1/stream", tag = "dashboard", operation_id = "stream_dashboard",
    responses((status = 200, description = "A stream that does not end", content_type = "text/event-stream",
               body = String))
)]
pub(super) async fn stream(
    State(app): State<App>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + Send> {
    let listener = Listener { news: app.publisher.news(), told_at: None };
    let first = app.publisher.revision().await;
    let events = stream::unfold((listener, Some(first)), |(mut listener, first)| async move {
        let (revision, names) = match first {
            Some(revision) => (revision, None),
            None => listener.next().await?,
        };
        listener.told_at = Some(Instant::now());
        Some((Ok(event(revision, names.as_ref())), (listener, None)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

fn event(revision: u64, names: Option<&Vec<TargetName>>) -> Event {
    let data = match names {
        Some(names) => json!({ "revision": revision, "targets": names }),
        None => json!({ "revision": revision }),
    };
    Event::default().event("dashboard").id(revision.to_string()).data(data.to_string())
}

/// One stream's way through the news.
struct Listener {
    news: Receiver<News>,
    told_at: Option<Instant>,
}

impl Listener {
    /// The next revision and the cards that are new in it: the first change at once, those that follow together. No names: too many
    /// to say. `None`: there will be no more.
    async fn next(&mut self) -> Option<(u64, Option<Vec<TargetName>>)> {
        let mut all = News::default();
        let mut missed = false;
        match self.news.recv().await {
            Ok(news) => all.take_in(news),
            Err(RecvError::Lagged(_)) => missed = true,
            Err(RecvError::Closed) => return None,
        }
        if let Some(told_at) = self.told_at {
            tokio::time::sleep_until(told_at + APART).await;
        }
        loop {
            match self.news.try_recv() {
                Ok(news) => all.take_in(news),
                Err(TryRecvError::Lagged(_)) => missed = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let named = !missed && all.targets.len() <= NAMED_MOST;
        Some((all.revision, named.then(|| all.targets.into_iter().collect())))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::Sender;

    use super::*;

    fn changed(revision: u64, target: &str) -> News {
        News { revision, targets: [TargetName::parse(target).unwrap()].into() }
    }

    #[tokio::test]
    async fn the_first_change_is_told_at_once_and_those_that_follow_together() {
        let sender = Sender::new(300);
        let mut listener = Listener { news: sender.subscribe(), told_at: None };
        sender.send(changed(1, "a")).unwrap();
        let (revision, names) = listener.next().await.unwrap();
        assert_eq!((revision, names.unwrap().len()), (1, 1));
        // What is told next is told a second later at the earliest.
        listener.told_at = Some(Instant::now());
        let earliest = Instant::now() + APART;
        for (revision, target) in [(2, "b"), (3, "c"), (4, "b")] {
            sender.send(changed(revision, target)).unwrap();
        }
        let (revision, names) = listener.next().await.unwrap();
        assert_eq!((revision, names.unwrap().len()), (4, 2));
        assert!(Instant::now() >= earliest);
    }

    #[tokio::test]
    async fn who_missed_some_or_would_be_told_too_many_is_told_no_names() {
        let sender = Sender::new(4);
        let mut listener = Listener { news: sender.subscribe(), told_at: None };
        for revision in 1..=10 {
            sender.send(changed(revision, "a")).unwrap();
        }
        assert_eq!(listener.next().await.unwrap(), (10, None));
        let targets = (0..200).map(|n| TargetName::parse(&format!("t{n}")).unwrap()).collect();
        sender.send(News { revision: 11, targets }).unwrap();
        assert_eq!(listener.next().await.unwrap(), (11, None));
    }
}
