//! Who may make which call: the table in `docs/security.md` is made from the documents, and the layers of the
//! services keep to them, for every operation and every role.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::any;
use serde_json::Value;
use service_kit::ServiceName;
use service_kit::auth::{Authenticator, TokenFile, Tokens, role};
use service_kit::clock::SystemClock;
use service_kit::http::{HttpOptions, Readiness, ServiceParts, app};
use tower::ServiceExt as _;

use super::documents;

const BEGIN: &str = "<!-- calls: made from openapi/*.json by the test `openapi` -->\n";
const END: &str = "<!-- end of calls -->\n";

/// One operation under `/v1`, as its document tells it.
struct Operation {
    method: String,
    path: String,
    summary: String,
    /// Any one of these; empty: any valid token. `None`: a signature instead of a token.
    roles: Option<Vec<String>>,
}

fn operations(document: &utoipa::openapi::OpenApi) -> Vec<Operation> {
    let document: Value = serde_json::to_value(document).expect("a document is JSON");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if !path.starts_with("/v1/") {
                continue;
            }
            let roles = operation["security"].as_array().map(|requirements| {
                let bearer = requirements.iter().find_map(|it| it.get("bearer")).expect("a bearer token");
                serde_json::from_value(bearer.clone()).expect("names of roles")
            });
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                summary: one_line(operation["summary"].as_str().unwrap_or_default()),
                roles,
            });
        }
    }
    operations
}

fn table() -> String {
    let mut text = String::new();
    for (service, document) in documents() {
        text.push_str(&format!("\n### {service}\n\n| call | does | who |\n| --- | --- | --- |\n"));
        for operation in operations(&document) {
            let who = match &operation.roles {
                None => "its sender, by signature".to_owned(),
                Some(roles) if roles.is_empty() => "whoever is known".to_owned(),
                Some(roles) if roles[..] == ["viewer"] => "`viewer` (all but `service:telemetry`)".to_owned(),
                Some(roles) => roles.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", "),
            };
            let Operation { method, path, summary, .. } = operation;
            text.push_str(&format!("| `{method} {path}` | {summary} | {who} |\n"));
        }
    }
    text + "\n"
}

#[test]
fn the_table_of_roles_is_made_from_the_documents() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/security.md");
    let stored = fs::read_to_string(&path).expect("docs/security.md");
    let (before, rest) = stored.split_once(BEGIN).expect("the mark before the table");
    let (_, after) = rest.split_once(END).expect("the mark after the table");
    let generated = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("PHASEGATE_UPDATE").is_some() {
        fs::write(&path, &generated).expect("docs/security.md");
    } else {
        assert!(
            stored == generated,
            "docs/security.md differs from the code: PHASEGATE_UPDATE=1 cargo test -p phasegate-tests --test openapi"
        );
    }
}

/// Who may make which call that people make, for the page: it disables what would be refused.
fn module() -> String {
    let [_, _, (_, document)] = documents();
    let document: Value = serde_json::to_value(document).expect("a document is JSON");
    let operations = document["paths"].as_object().expect("paths").values().filter_map(Value::as_object);
    let calls = operations.flat_map(serde_json::Map::values).filter_map(|operation| {
        let roles = operation["security"][0]["bearer"].as_array()?;
        let acts =
            roles.iter().filter_map(Value::as_str).any(|it| it != role::VIEWER && !role::is_service(it));
        acts.then(|| {
            format!(
                "  {}: {},\n",
                operation["operationId"].as_str().expect("an id"),
                Value::from(roles.clone())
            )
        })
    });
    let calls: std::collections::BTreeSet<String> = calls.collect();
    format!(
        "// The roles of which any one suffices for a call, made from openapi/reporter.json: PHASEGATE_UPDATE=1 cargo test -p phasegate-tests --test openapi\n\
         export const may = {{\n{}}};\n",
        calls.into_iter().collect::<String>()
    )
}

#[test]
fn the_pages_list_of_roles_is_made_from_the_document() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../reporter-svc/ui/app/may.mjs");
    let generated = module();
    if std::env::var_os("PHASEGATE_UPDATE").is_some() {
        fs::write(&path, &generated).expect("the page's list");
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == generated,
        "{} differs from the code: PHASEGATE_UPDATE=1 cargo test -p phasegate-tests --test openapi",
        path.display()
    );
}

/// A policy's own role, which is a person's.
const OWN: &str = "data-steward";

fn everybody() -> impl Iterator<Item = &'static str> {
    role::KNOWN.into_iter().chain([OWN])
}

/// One token a role; the token of a role is its name.
fn tokens() -> Arc<Authenticator> {
    let line =
        |role: &str| format!("{} {role} {}\n", role.replace(':', "-"), service_kit::auth::hash_of(role));
    let text: String = everybody().map(line).collect();
    let tokens = Tokens::parse(&text, Path::new("tokens")).expect("the tokens are right");
    Arc::new(Authenticator::new(Some(TokenFile::fixed(tokens)), None, Arc::new(SystemClock)))
}

/// The service's layers and its document, around handlers that answer 204 to every method.
fn guarded(service: ServiceName, document: utoipa::openapi::OpenApi) -> Router {
    let router = operations(&document)
        .iter()
        .map(|operation| operation.path.clone())
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .fold(Router::new(), |router, path| router.route(&path, any(|| async { StatusCode::NO_CONTENT })));
    app(ServiceParts {
        service,
        router,
        openapi: document,
        readiness: Readiness::new(),
        tokens: Some(tokens()),
        options: HttpOptions::default(),
    })
}

async fn call(app: &Router, operation: &Operation, token: Option<&str>) -> (u16, String) {
    let path = operation.path.replace(['{', '}'], "");
    let mut request = Request::builder().method(operation.method.as_str()).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer =
        app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer");
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Every operation of the three services, asked by every role and by nobody.
#[tokio::test]
async fn every_call_is_open_to_its_roles_and_to_no_other() {
    let mut asked = 0;
    for (&service, (_, document)) in ServiceName::ALL.iter().zip(documents()) {
        let app = guarded(service, document.clone());
        for operation in operations(&document) {
            let place = format!("{service}: {} {}", operation.method, operation.path);
            let (status, _) = call(&app, &operation, None).await;
            let Some(roles) = &operation.roles else {
                assert_eq!(status, 204, "{place}: the handler checks the signature");
                continue;
            };
            assert_eq!(status, 401, "{place} without a token");
            for held in everybody() {
                let reads = roles.iter().any(|role| role == "viewer") && held != "service:telemetry";
                let may = roles.is_empty() || reads || roles.iter().any(|role| role == held);
                let (status, body) = call(&app, &operation, Some(held)).await;
                assert_eq!(status, if may { 204 } else { 403 }, "{place} as {held}: {body}");
                if !may {
                    assert!(roles.iter().all(|role| body.contains(role)), "{place} as {held}: {body}");
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 200, "only {asked} calls were tried");
}

/// What the rules themselves say about roles, so that a slip in a declaration is not merely documented.
#[test]
fn the_roles_that_the_rules_name_are_the_declared_ones() {
    let declared = |call: &str| {
        let found = documents().into_iter().flat_map(|(_, document)| operations(&document));
        let mut found = found.filter(|it| format!("{} {}", it.method, it.path) == call);
        let mut roles = found.next().unwrap_or_else(|| panic!("no {call}")).roles.expect("roles");
        roles.sort_unstable();
        roles.join(" ")
    };
    let table = [
        // RB-7
        ("POST /v1/rollouts/{target}/rollbacks", "governance release-ops sre"),
        // GO-3: the handler asks for the policy's approver among these.
        ("POST /v1/incidents/{id}/rca/confirmation", "dev-lead governance release-ops sre"),
        // The services' own calls are open to the service that makes them, and to nobody else.
        ("POST /v1/batches", "service:collector"),
        ("POST /v1/collector-events", "service:collector"),
        ("POST /v1/decisions", "service:analyzer"),
        ("PUT /v1/targets/{target}/directive", "service:reporter"),
        ("POST /v1/targets/{target}/events", "service:telemetry"),
    ];
    for (call, roles) in table {
        assert_eq!(declared(call), roles, "{call}");
    }
}

/// A summary that the source breaks over two lines is one cell all the same.
fn one_line(summary: &str) -> String {
    summary.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}
