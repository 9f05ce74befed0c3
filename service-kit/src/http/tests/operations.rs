//! Probes, metrics, request ids and traces.

use super::super::CheckState;
use super::*;
use crate::telemetry;

async fn readyz(readiness: Readiness) -> Answer {
    let app = app(ServiceParts { readiness, ..parts() });
    send(app, Request::get("/readyz").body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn readiness_names_what_fails() {
    let readiness = Readiness::new()
        .check("database", || async { CheckState::Failing("no connection".to_owned()) })
        .check("analyzer", || async { CheckState::Degraded("refused".to_owned()) })
        .check("disk", || async { CheckState::Ok });
    let answer = readyz(readiness).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
    insta::assert_snapshot!(answer.text(), @r#"{"ready":false,"checks":[{"name":"database","state":"failing","detail":"no connection"},{"name":"analyzer","state":"degraded","detail":"refused"},{"name":"disk","state":"ok"}]}"#);
}

#[tokio::test]
async fn a_neighbour_that_is_down_degrades_only() {
    let readiness =
        Readiness::new().check("analyzer", || async { CheckState::Degraded("refused".to_owned()) });
    let answer = readyz(readiness).await;
    assert_eq!(answer.status, StatusCode::OK);
    insta::assert_snapshot!(answer.text(), @r#"{"ready":true,"checks":[{"name":"analyzer","state":"degraded","detail":"refused"}]}"#);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_failing() {
    let answer = readyz(Readiness::new().check("database", std::future::pending)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().contains("no answer within 2s"));
}

#[tokio::test]
async fn calls_are_counted_by_route_and_never_by_path() {
    telemetry::metrics::install();
    call("GET", "/v1/targets/metrics-probe").await;
    call("GET", "/v1/no-such-metrics-probe").await;
    call("BREW", "/v1/busy").await;
    let text = call("GET", "/metrics").await;
    let text = text.text();
    let counted = |labels: &str| text.lines().any(|line| line.contains(labels));
    assert!(
        counted(
            r#"phasegate_http_requests_total{service="analyzer",method="GET",route="/v1/targets/{target}",status="200"}"#
        ),
        "{text}"
    );
    assert!(counted(r#"route="unmatched",status="404""#));
    assert!(counted(r#"method="other""#));
    assert!(counted("phasegate_http_request_seconds_bucket"));
    assert!(!text.contains("metrics-probe"));
}

#[tokio::test]
async fn a_sane_request_id_is_kept_and_another_replaced() {
    let id = async |value: &str| {
        let request = Request::get("/healthz").header("x-request-id", value).body(Body::empty()).unwrap();
        send(app(parts()), request).await.header("x-request-id").to_owned()
    };
    assert_eq!(id("abc-123").await, "abc-123");
    assert_eq!(id(&"x".repeat(129)).await.len(), 36);
    assert_eq!(id("two words").await.len(), 36);
}

#[tokio::test]
async fn answers_are_neither_cached_nor_sniffed() {
    let answer = call("GET", "/v1/me").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}
