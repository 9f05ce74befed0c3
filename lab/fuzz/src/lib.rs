//! What is fuzzed: one plain function a kind of input, which panics when something does not hold. The corpus replay
//! and the long runs call the same functions.

use domain::telemetry::event_specs;
use std::path::Path;
use std::sync::OnceLock;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::routing::post;
use domain::gate::{CheckedBatch, judge, observe_batch};
use domain::placeholder::Values;
use domain::policy::{Policy, TargetPolicy};
use domain::template::{Template, TemplateKind};
use events::EventSpecs;
use events::records::{Before, LINE_LENGTH_MAX, MALFORMED_KEPT, Records};
use reporter_svc::notifiers::slack::inbound::{Forged, pressed};
use reporter_svc::notifiers::slack::{SlackInbound, SlackUsers};
use reporter_svc::pagers::pagerduty::webhook;
use service_kit::ServiceName;
use service_kit::http::{self, HttpOptions, Json, Readiness, ServiceParts};
use shared_types::{Batch, Decision, Directive, Timestamp};
use tower::ServiceExt as _;
use utoipa::openapi::{InfoBuilder, OpenApi, PathsBuilder};

const BODY_LIMIT: usize = 64 << 10;

/// What a target is called, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// The targets by name.
pub const TARGETS: [Target; 9] = [
    ("telemetry", telemetry),
    ("push", push),
    ("batch", |bytes| request("/v1/batch", bytes)),
    ("decision", |bytes| request("/v1/decision", bytes)),
    ("directive", |bytes| request("/v1/directive", bytes)),
    ("policy", policy),
    ("template", template),
    ("pagerduty", pagerduty),
    ("slack", slack),
];

fn shipped() -> &'static TargetPolicy {
    static SHIPPED: OnceLock<TargetPolicy> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        let text = include_str!("../../../governance/policy.yaml");
        let policy = Policy::parse(text, "governance/policy.yaml").expect("the shipped policy");
        policy.targets.into_values().next().expect("its target")
    })
}

fn specs() -> &'static EventSpecs {
    static SPECS: OnceLock<EventSpecs> = OnceLock::new();
    SPECS.get_or_init(|| event_specs(shipped()).expect("its events"))
}

/// Lines of telemetry: every line is an event, malformed or blank; what is counted is a number (TE-1, TE-2).
pub fn telemetry(bytes: &[u8]) {
    let records = Records::of_lines(bytes, specs());
    hold(&records);
    assert!(records.lines <= bytes.len() as u64);
    let (mut singly, mut before) = (Records::default(), Before::default());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        singly.push_line(line.strip_suffix(b"\n").unwrap_or(line), specs(), &mut before);
    }
    singly.end(before);
    assert_eq!(singly, records, "whatever the line before looked like, it is the same telemetry");
    let slices = Records::of_slices(2, bytes, specs());
    slices.iter().for_each(hold);
    let (lines, malformed, events) = slices.iter().fold((0, 0, 0), |(lines, malformed, events), slice| {
        (lines + slice.lines, malformed + slice.malformed, events + slice.events.len())
    });
    assert_eq!((lines, malformed, events), (records.lines, records.malformed, records.events.len()));
}

fn hold(records: &Records) {
    assert!(records.malformed + records.events.len() as u64 <= records.lines);
    assert!(records.kept.len() <= MALFORMED_KEPT && records.kept.len() as u64 <= records.malformed);
    for event in &records.events {
        assert!(event.duration_ms.is_finite() && event.duration_ms >= 0.0, "{event:?}");
        assert!(u64::from(event.line) <= records.lines);
    }
    assert!(
        records.kept.iter().all(|kept| kept.reason.len() < LINE_LENGTH_MAX && !kept.reason.contains('\n'))
    );
}

/// A push as it comes over HTTP: the first byte says how it is packed, the rest is the body.
pub fn push(bytes: &[u8]) {
    let Some((packing, body)) = bytes.split_first() else { return };
    let mut request = Request::post("/v1/push").body(Body::from(body.to_vec())).expect("a request");
    let encoding = match packing % 3 {
        0 => None,
        1 => Some("gzip"),
        _ => Some("zstd"),
    };
    if let Some(encoding) = encoding {
        request.headers_mut().insert("content-encoding", encoding.parse().expect("a header"));
    }
    let (status, _) = call(request);
    let refused = [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE];
    assert!(status == StatusCode::OK || refused.contains(&status), "{status}");
}

/// A JSON body of another service or of a person: taken, or refused by name.
fn request(path: &'static str, bytes: &[u8]) {
    let request = Request::post(path).header("content-type", "application/json");
    let (status, body) = call(request.body(Body::from(bytes.to_vec())).expect("a request"));
    if status != StatusCode::OK {
        assert!(matches!(status.as_u16(), 400 | 413 | 422), "{status}");
        let problem: shared_types::Problem = serde_json::from_slice(&body).expect("a problem");
        assert!(!problem.detail.is_empty() && !problem.detail.contains('\n'), "{}", problem.detail);
    }
}

fn call(request: Request<Body>) -> (StatusCode, Vec<u8>) {
    thread_local! {
        static SERVICE: (tokio::runtime::Runtime, Router) = (
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
            service(),
        );
    }
    SERVICE.with(|(runtime, app)| {
        runtime.block_on(async {
            let response = app.clone().oneshot(request).await.expect("an answer");
            let status = response.status();
            (status, to_bytes(response.into_body(), usize::MAX).await.expect("a body").to_vec())
        })
    })
}

/// The layers of every service around what this one does with each body.
fn service() -> Router {
    let router = Router::new()
        .route("/v1/push", post(|http::Body(body): http::Body| async move { pushed(&body) }))
        .route("/v1/batch", post(|Json(batch): Json<Batch>| async move { judged(batch) }))
        .route("/v1/decision", post(|Json(it): Json<Decision>| async move { survives(&it) }))
        .route("/v1/directive", post(|Json(it): Json<Directive>| async move { survives(&it) }));
    let document = OpenApi::new(InfoBuilder::new().build(), PathsBuilder::new().build());
    http::app(ServiceParts {
        service: ServiceName::Collector,
        router,
        openapi: http::openapi::finish(document, ServiceName::Collector),
        readiness: Readiness::new(),
        tokens: None,
        options: HttpOptions { body_limit: BODY_LIMIT, ..HttpOptions::default() },
    })
}

fn pushed(body: &[u8]) -> StatusCode {
    assert!(body.len() <= BODY_LIMIT);
    let Ok(records) = Records::of_body(body, specs()) else { return StatusCode::BAD_REQUEST };
    hold(&records);
    StatusCode::OK
}

/// A batch that passes the check is judged with numbers only, and its decision is JSON (SLO-10).
fn judged(batch: Batch) -> StatusCode {
    survives(&batch);
    let policy = shipped();
    let Ok(batch) = CheckedBatch::check(batch, policy) else { return StatusCode::OK };
    let phase = batch.phase_policy(policy).expect("a checked batch is of a phase");
    let observed = observe_batch(&batch, &[], policy, phase);
    let judgement = judge(&observed, batch.batch().window, None, policy, phase);
    for metric in &judgement.metrics {
        assert!(
            metric.observed.is_none_or(f64::is_finite) && metric.ratio.is_none_or(f64::is_finite),
            "{metric:?}"
        );
        let evidence = metric.weighed.as_ref().and_then(|weighed| weighed.evidence);
        assert!(evidence.is_none_or(f64::is_finite), "{metric:?}");
    }
    assert_eq!(judgement.violated.is_empty(), judgement.action.is_none());
    StatusCode::OK
}

/// What was read is written as it is read again.
fn survives<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
    it: &T,
) -> StatusCode {
    let text = serde_json::to_string(it).expect("it is JSON");
    let again: T = serde_json::from_str(&text).expect("it is read again");
    assert_eq!(&again, it);
    StatusCode::OK
}

/// A policy is taken, or refused in one line (PO-1).
pub fn policy(bytes: &[u8]) {
    match Policy::parse_bytes(bytes, "policy.yaml") {
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("policy.yaml") && text.lines().count() == 1, "{text}");
        }
        Ok(policy) => {
            assert!(!policy.targets.is_empty());
            for target in policy.targets.values() {
                assert!(!target.phases.is_empty());
                event_specs(target).expect("what the collector needs of a policy is checked in it");
            }
        }
    }
}

/// A text is refused when it is loaded, or renders whole (NO-2).
pub fn template(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for &kind in TemplateKind::ALL {
        let notifications = &shipped().notifications;
        match Template::parse(Path::new("text.txt"), text, kind, notifications) {
            Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
            Ok(template) => {
                let known = kind
                    .placeholders()
                    .iter()
                    .copied()
                    .chain(notifications.values.keys().map(String::as_str));
                let values: Values = known.map(|name| (name.to_owned(), "{phase}".to_owned())).collect();
                template.render(&values).expect("every placeholder of a loaded text can be filled");
            }
        }
    }
}

/// A webhook of PagerDuty's: the first line is the header, the rest the body. Nothing passes but what was signed with
/// the secret, and what passes is read to words that may stand in a log (ES-3).
pub fn pagerduty(bytes: &[u8]) {
    let Some((Ok(header), body)) = first_line(bytes) else { return };
    let secret = "fuzz".into();
    if let Ok(text) = std::str::from_utf8(body) {
        let right = vendor_doubles::signature("fuzz", text);
        assert_eq!(webhook::is_genuine(&secret, header, body), names(header, &right), "{header}");
        assert!(webhook::is_genuine(&secret, &format!("v1={right}"), body));
        let mut longer = body.to_vec();
        longer.push(b' ');
        assert!(!webhook::is_genuine(&secret, &format!("v1={right}"), &longer));
    }
    match webhook::read(body) {
        Err(why) => assert_eq!(why.lines().count(), 1, "{why}"),
        Ok(event) => {
            let page = event.page.iter().flat_map(|it| [Some(&it.id), it.incident_key.as_ref()]).flatten();
            for word in [&event.id, &event.kind, &event.by].into_iter().chain(page) {
                assert!(!word.chars().any(char::is_control) && word.chars().count() <= 255, "{word:?}");
            }
        }
    }
}

/// A press of a button in Slack: the first line is the time, the second the signature, the rest the body.
pub fn slack(bytes: &[u8]) {
    let Some((Ok(time), rest)) = first_line(bytes) else { return };
    let Some((Ok(signature), body)) = first_line(rest) else { return };
    let inbound = SlackInbound { signing_secret: "fuzz".into(), users: SlackUsers::default() };
    let now = Timestamp::from_millis(1_531_420_618_000);
    if let Ok(text) = std::str::from_utf8(body) {
        let right = format!("v0={}", vendor_doubles::signature("fuzz", &format!("v0:{time}:{text}")));
        let taken = inbound.check(Some(time), Some(&right), body, now);
        let seconds = time.parse::<i64>().ok();
        let fresh = seconds.is_some_and(|it| (1_531_420_318..=1_531_420_918).contains(&it));
        assert_eq!(taken, if fresh { Ok(()) } else { Err(Forged::NotFresh) }, "{time}");
        if !right.eq_ignore_ascii_case(signature) {
            let forged = inbound.check(Some(time), Some(signature), body, now);
            assert_eq!(forged, Err(Forged::WrongSignature), "{signature}");
        }
    }
    if let Err(why) = pressed(body) {
        assert_eq!(why.lines().count(), 1, "{why}");
    }
}

fn first_line(bytes: &[u8]) -> Option<(Result<&str, std::str::Utf8Error>, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]), &bytes[end + 1..]))
}

/// Whether the header names this signature, in either case of its digits.
fn names(header: &str, hex: &str) -> bool {
    let mut named = header.split(',').take(16).filter_map(|it| it.trim().strip_prefix("v1="));
    named.any(|it| it.eq_ignore_ascii_case(hex))
}
