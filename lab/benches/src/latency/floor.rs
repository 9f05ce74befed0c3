//! The floor: commit a row, call over HTTP, commit a row there, have the answer. The same database layer, the
//! same HTTP server and client, rows as large as a decision; nothing is judged, and nobody is woken.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use service_kit::ServiceName;
use service_kit::client::Neighbour;
use service_kit::db::{Db, DbError, Migration};
use service_kit::http::{HttpOptions, Json, Readiness, ServiceParts, serve};
use service_kit::outbox::Outcome;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::incident::QUIET;
use super::sample::Sample;

const TABLE: &str = "CREATE TABLE rows (number BIGINT NOT NULL PRIMARY KEY, body TEXT NOT NULL)";
const MIGRATIONS: &[Migration] = &[Migration { version: 100, name: "rows", postgres: TABLE, sqlite: TABLE }];
/// About a decision.
const BODY_BYTES: usize = 2000;

/// So many times, one after the other.
pub(crate) async fn measure(
    directory: &Path,
    database: Option<&str>,
    times: usize,
) -> anyhow::Result<Sample> {
    let (caller, callee) =
        (open(directory, database, "caller").await?, open(directory, database, "callee").await?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = service_kit::config::http_url(&format!("http://{}", listener.local_addr()?));
    let neighbour =
        Neighbour::new(url.map_err(anyhow::Error::msg)?, None, std::time::Duration::from_secs(5))?;
    let stop = CancellationToken::new();
    let parts = ServiceParts {
        service: ServiceName::Reporter,
        router: Router::new().route("/v1/rows", post(take)).with_state(callee.clone()),
        openapi: reporter_svc::openapi(),
        readiness: Readiness::new(),
        tokens: None,
        options: HttpOptions::default(),
    };
    let server = tokio::spawn(serve(parts, listener, stop.clone()));
    let mut sample = Sample::default();
    // The first ones open connections.
    for number in 0..times + 10 {
        let row = (i64::try_from(number)?, "x".repeat(BODY_BYTES));
        // In the rhythm of the incidents: caches and disks that were busy just now would flatter the floor.
        tokio::time::sleep(QUIET).await;
        let started = Instant::now();
        insert(&caller, &row).await?;
        let outcome = neighbour.deliver("/v1/rows", &row).await;
        anyhow::ensure!(matches!(outcome, Outcome::Done(_)), "the callee answered {outcome:?}");
        if number >= 10 {
            sample.add(started.elapsed());
        }
    }
    stop.cancel();
    server.await??;
    caller.close().await;
    callee.close().await;
    Ok(sample)
}

async fn open(directory: &Path, database: Option<&str>, name: &str) -> anyhow::Result<Db> {
    let url = database.map_or_else(|| Db::embedded_url(directory, name), str::to_owned);
    Db::connect(&url, name, MIGRATIONS).await.context("the floor's database")
}

async fn take(State(db): State<Db>, Json(row): Json<(i64, String)>) -> StatusCode {
    match insert(&db, &row).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn insert(db: &Db, (number, body): &(i64, String)) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    sqlx::query("INSERT INTO rows (number, body) VALUES ($1, $2)")
        .bind(*number)
        .bind(body.as_str())
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}
