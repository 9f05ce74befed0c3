//! Finishes a service's OpenAPI 3.1 document, so that the one that is checked in is complete and
//! deterministic: title, version, licence, operational routes, shared errors, bearer security.

use axum::http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, Content, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi, PathItem, RefOr, ResponseBuilder,
    path::{Operation, OperationBuilder},
};

use super::error::{SHARED_ERRORS, problem_response};
use super::health::ReadinessReport;
use crate::ServiceName;
use crate::auth::role::{VIEWER, is_service};
use crate::auth::{BEARER, COOKIE_NAME, SESSION, SIGNED};
use domain::stored::{plain, plain_text, pretty_text};

const BEARER_TEXT: &str = "A token of the file that PHASEGATE_TOKENS names, or a JWT of the configured issuer. The \
names that an operation lists are roles, of which any one suffices; none listed: any valid token.";
const SESSION_TEXT: &str = "The cookie that `POST /v1/session` sets, for browsers. A call that changes something also sends \
`X-Phasegate-Request: 1` and has to come from the service's own page.";

/// The whole document from the one that `utoipa_axum::OpenApiRouter` gathered.
///
/// Operations under `/v1/webhooks/` are signed by their sender instead of carrying a token. The others declare
/// the roles that may call them, see [`crate::auth::Access`]; those that only read may leave it out.
#[must_use]
pub fn finish(mut document: OpenApi, service: ServiceName) -> OpenApi {
    document.info = InfoBuilder::new()
        .title(format!("Phasegate {service}"))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    document.servers = None;
    for (path, item) in &mut document.paths.paths {
        if let Some(get) = item.get.as_mut().filter(|_| is_guarded(path)) {
            get.security.get_or_insert_with(|| vec![SecurityRequirement::new(BEARER, [VIEWER])]);
        }
        for operation in operations(item) {
            name_each_role(operation);
            finish_operation(path, operation);
            if service == ServiceName::Reporter {
                offer_session(operation);
            }
        }
    }
    add_operational_routes(&mut document);
    // utoipa refers to the types of path and query parameters, but does not gather them.
    let text = plain_text(&document);
    let components = document.components.get_or_insert_with(Components::default);
    add_if_named::<shared_types::TargetName>(components, &text);
    add_if_named::<shared_types::PhaseId>(components, &text);
    add_if_named::<shared_types::IncidentId>(components, &text);
    add_if_named::<shared_types::Timestamp>(components, &text);
    add_if_named::<shared_types::Verdict>(components, &text);
    add_schema::<shared_types::Problem>(components);
    add_schema::<ReadinessReport>(components);
    let scheme = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some(BEARER_TEXT)).build();
    components.security_schemes.insert(BEARER.to_owned(), RefOr::T(SecurityScheme::Http(scheme)));
    if service == ServiceName::Reporter {
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description(COOKIE_NAME, SESSION_TEXT));
        components.security_schemes.insert(SESSION.to_owned(), RefOr::T(SecurityScheme::ApiKey(cookie)));
    }
    document
}

/// Several roles may be declared as one text ([`Roles`](crate::auth::role::Roles)). An empty one stays, and is no known role.
fn name_each_role(operation: &mut Operation) {
    let Some(security) = &mut operation.security else { return };
    let mut declared = plain(&*security);
    let requirements = declared.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut);
    for roles in requirements.flat_map(serde_json::Map::values_mut) {
        let texts = roles.as_array().into_iter().flatten().filter_map(Value::as_str);
        *roles = json!(texts.flat_map(|it| it.split(' ')).collect::<Vec<_>>());
    }
    if let Ok(each) = serde_json::from_value(declared) {
        *security = each;
    }
}

/// What people may do they may do in the browser, by the same roles.
fn offer_session(operation: &mut Operation) {
    let Some(security) = &mut operation.security else { return };
    let declared = plain(&*security);
    let roles: Vec<String> = serde_json::from_value(declared[0][BEARER].clone()).unwrap_or_default();
    if !roles.iter().all(|role| is_service(role)) || roles.is_empty() {
        security.push(SecurityRequirement::new(SESSION, roles));
    }
}

/// The document as it is checked in and served: pretty-printed, with a newline at its end.
#[must_use]
pub fn to_text(document: &OpenApi) -> String {
    let mut text = pretty_text(document);
    text.push('\n');
    text
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// Whether calls need a token.
fn is_guarded(path: &str) -> bool {
    path.starts_with("/v1/") && !path.starts_with(SIGNED)
}

fn finish_operation(path: &str, operation: &mut Operation) {
    for (status, description, only_with_body) in SHARED_ERRORS {
        if only_with_body && operation.request_body.is_none() {
            continue;
        }
        if matches!(status, "403" | "429") && !is_guarded(path) {
            continue;
        }
        // Two a caller cannot meet on a path and method that the document names, unless the handler says so.
        if status == "405" || (status == "404" && !path.contains('{')) {
            continue;
        }
        let response = || RefOr::T(problem_response(description));
        operation.responses.responses.entry(status.to_owned()).or_insert_with(response);
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            finish_response(status, response);
        }
    }
}

/// OpenAPI wants a description on every response, and ours are problems on every error.
fn finish_response(status: &str, response: &mut utoipa::openapi::Response) {
    let code = status.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
    if response.description.is_empty() {
        let reason = code.and_then(|code| code.canonical_reason()).unwrap_or("Answer");
        reason.clone_into(&mut response.description);
    }
    if response.content.is_empty()
        && code.is_some_and(|code| code.is_client_error() || code.is_server_error())
    {
        response.content = problem_response("").content;
    }
}

fn add_operational_routes(document: &mut OpenApi) {
    let text = || Content::new(Some(<String as utoipa::PartialSchema>::schema()));
    let ok = |description: &str, kind: &str, content: Content| {
        RefOr::T(ResponseBuilder::new().description(description).content(kind, content).build())
    };
    let ready = || Content::new(Some(utoipa::openapi::Ref::from_schema_name("ReadinessReport")));
    let get = |id: &str, summary: &str| {
        OperationBuilder::new().operation_id(Some(id)).summary(Some(summary)).tag("operations")
    };
    let routes = [
        (
            "/healthz",
            get("healthz", "The process is alive").response("200", ok("Alive", "text/plain", text())),
        ),
        (
            "/readyz",
            get("readyz", "The service can do its work")
                .response("200", ok("Ready; `checks` may name what is degraded", "application/json", ready()))
                .response("503", ok("Not ready; `checks` names what fails", "application/json", ready())),
        ),
        (
            "/metrics",
            get("metrics", "Metrics for Prometheus")
                .response("200", ok("Text exposition format 0.0.4", "text/plain", text())),
        ),
    ];
    for (path, operation) in routes {
        document.paths.paths.insert(path.to_owned(), PathItem::new(HttpMethod::Get, operation));
    }
}

/// Adds a type's schema and those it refers to.
fn add_schema<T: utoipa::ToSchema>(components: &mut Components) {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    for (name, schema) in schemas {
        components.schemas.entry(name).or_insert(schema);
    }
}

fn add_if_named<T: utoipa::ToSchema>(components: &mut Components, document: &str) {
    if document.contains(&format!("#/components/schemas/{}\"", T::name())) {
        add_schema::<T>(components);
    }
}
