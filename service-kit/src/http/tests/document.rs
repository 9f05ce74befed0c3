//! The OpenAPI document and its page.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::openapi;
use super::*;
use crate::auth::Access;
use crate::auth::role::MAY_OPERATE;

#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
struct Thing {
    name: String,
}

/// Stores a thing.
#[utoipa::path(put, path = "/v1/things/{target}", security(("bearer" = [MAY_OPERATE])), params(("target" = TargetName, Path, description = "Its target")),
    responses((status = 200, body = Thing), (status = 409, description = "It is another's")))]
async fn put_thing(Path(_target): Path<TargetName>, Json(thing): Json<Thing>) -> Json<Thing> {
    Json(thing)
}

/// Lists things.
#[utoipa::path(get, path = "/v1/things", params(PageQuery), responses((status = 200, body = [Thing])))]
async fn get_things(Query(_page): Query<PageQuery>) -> Json<Vec<Thing>> {
    Json(Vec::new())
}

#[utoipa::path(post, path = "/v1/webhooks/pager", responses((status = 202)))]
async fn webhook() {}

fn document() -> OpenApi {
    let (_, document) = OpenApiRouter::<()>::new()
        .routes(routes!(put_thing))
        .routes(routes!(get_things))
        .routes(routes!(webhook))
        .split_for_parts();
    openapi::finish(document, ServiceName::Collector)
}

#[test]
fn the_document_is_complete_and_deterministic() {
    let text = openapi::to_text(&document());
    assert_eq!(text, openapi::to_text(&document()));
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut outline = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let statuses: Vec<&str> =
                operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
            let lock =
                operation.get("security").map(|roles| format!(" {}", roles[0]["bearer"])).unwrap_or_default();
            outline.push(format!("{method} {path}{lock}: {}", statuses.join(" ")));
        }
    }
    insta::assert_snapshot!(outline.join("\n"), @r#"
    get /healthz: 200
    get /metrics: 200
    get /readyz: 200 503
    get /v1/things ["viewer"]: 200 400 401 403 408 422 429 500 503
    put /v1/things/{target} ["sre","dev-lead","release-ops"]: 200 400 401 403 404 408 409 413 415 422 429 500 503
    post /v1/webhooks/pager: 202 400 401 408 422 500 503
    "#);
    insta::assert_snapshot!(document["info"], @r#"{"title":"Phasegate collector","license":{"name":"Apache-2.0","identifier":"Apache-2.0"},"version":"0.1.0"}"#);
}

/// What OpenAPI 3.1 demands of every response, and what this product promises of every error.
#[test]
fn every_response_is_described_and_every_error_is_a_problem() {
    let text = openapi::to_text(&document());
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    for operation in items.flat_map(|item| item.as_object().unwrap().values()) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(!response["description"].as_str().unwrap().is_empty(), "{response}");
            let operational = operation["tags"][0] == "operations";
            if status.starts_with(['4', '5']) && !operational {
                assert!(response["content"]["application/problem+json"].is_object(), "{status} {response}");
            }
        }
    }
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let text = openapi::to_text(&document());
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (at, _) in text.match_indices("\"$ref\": \"#") {
        let pointer = text[at + 10..].split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

/// Whoever adds a route is told what is missing, before anybody calls it.
#[test]
fn a_call_that_changes_and_declares_no_role_is_a_problem() {
    #[utoipa::path(post, path = "/v1/things", responses((status = 201)))]
    async fn post_thing() {}
    #[utoipa::path(delete, path = "/v1/things", security(("bearer" = ["root"])), responses((status = 204)))]
    async fn delete_things() {}

    assert_eq!(Access::of(&document()).problems(), Vec::<String>::new());
    let (_, document) =
        OpenApiRouter::<()>::new().routes(routes!(post_thing, delete_things)).split_for_parts();
    let problems = Access::of(&openapi::finish(document, ServiceName::Collector)).problems();
    insta::assert_snapshot!(problems.join("\n"), @r#"
    DELETE /v1/things declares `root`, which is no known role
    POST /v1/things declares no role: write security(("bearer" = ["sre", …])) into its utoipa::path; any one of the roles suffices, an empty list means any valid token
    "#);
}

#[tokio::test]
async fn the_document_is_served_and_the_page_shows_it() {
    let answer = call("GET", "/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let served: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(served["openapi"], "3.1.0");
    assert_eq!(served["info"]["title"], "Phasegate analyzer");
    let page = call("GET", "/docs/").await;
    assert!(page.text().contains("swagger-ui"));
    let script = call("GET", "/docs/swagger-initializer.js").await;
    assert!(script.text().contains("/openapi.json"));
}
