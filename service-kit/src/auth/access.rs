//! What each call asks for, read from the OpenAPI document: the one place where it is declared.
//!
//! An operation under `/v1` declares the roles of which any one suffices,
//! `security(("bearer" = ["sre"]))` or a named set, `[MAY_OPERATE]`, in its `utoipa::path`; an empty list means any valid token.
//! One that only reads and declares nothing asks for `viewer`. Everything else must declare; what does not,
//! keeps the service from starting, and nobody may call it.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use super::{Identity, role};
use domain::stored::plain;

/// The security scheme of tokens and JWTs, as the documents name it.
pub const BEARER: &str = "bearer";
/// The security scheme of browser sessions.
pub const SESSION: &str = "session";
/// Calls whose bodies are signed by their senders, instead of a token.
pub(crate) const SIGNED: &str = "/v1/webhooks/";

/// What one operation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// No token: the body is signed.
    Signed,
    Roles {
        /// Any one of these suffices; none named: any valid token.
        any: BTreeSet<String>,
        /// Whether a browser session is proof enough.
        session: bool,
    },
    /// Nothing was declared, so nobody may.
    Undeclared,
}

impl Rule {
    /// Whether this caller may.
    #[must_use]
    pub fn allows(&self, identity: &Identity) -> bool {
        match self {
            Self::Signed => true,
            Self::Roles { any, .. } => any.is_empty() || any.iter().any(|role| identity.holds(role)),
            Self::Undeclared => false,
        }
    }
}

/// What is known of a method and route.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    Found(&'a Rule),
    /// The route has these methods only, as the header `Allow` names them.
    OtherMethods(String),
    /// The document names no such route.
    Unknown,
}

/// The rules of all operations under `/v1`, by route and method.
#[derive(Debug, Clone, Default)]
pub struct Access {
    routes: BTreeMap<String, BTreeMap<&'static str, Rule>>,
}

impl Access {
    /// Reads the declarations of a document that [`crate::http::openapi::finish`] made.
    #[must_use]
    pub fn of(document: &OpenApi) -> Self {
        let versioned = document.paths.paths.iter().filter(|(path, _)| path.starts_with("/v1/"));
        let rules = |(path, item): (&String, &PathItem)| {
            let rules = operations(item).map(|(method, operation)| (method, rule(path, operation)));
            (path.clone(), rules.collect())
        };
        Self { routes: versioned.map(rules).collect() }
    }

    /// The rule of a call. `HEAD` is what `GET` is.
    #[must_use]
    pub fn lookup(&self, method: &Method, route: &str) -> Lookup<'_> {
        let Some(methods) = self.routes.get(route) else { return Lookup::Unknown };
        let name = if method == Method::HEAD { "GET" } else { method.as_str() };
        match methods.get(name) {
            Some(rule) => Lookup::Found(rule),
            None => Lookup::OtherMethods(methods.keys().copied().collect::<Vec<_>>().join(",")),
        }
    }

    /// All operations, as method, route, rule.
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, &str, &Rule)> {
        self.routes.iter().flat_map(|(route, methods)| {
            methods.iter().map(move |(method, rule)| (*method, route.as_str(), rule))
        })
    }

    /// What is wrong with the declarations, a line each, with what to write instead.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (method, route, rule) in self.rules() {
            match rule {
                Rule::Undeclared => problems.push(format!(
                    "{method} {route} declares no role: write security((\"{BEARER}\" = [\"sre\", …])) into its \
                     utoipa::path; any one of the roles suffices, an empty list means any valid token"
                )),
                Rule::Roles { any, .. } => problems.extend(
                    any.iter()
                        .filter(|named| !role::KNOWN.contains(&named.as_str()))
                        .map(|named| format!("{method} {route} declares `{named}`, which is no known role")),
                ),
                Rule::Signed => {}
            }
        }
        problems
    }
}

fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("DELETE", &item.delete),
        ("PATCH", &item.patch),
        ("OPTIONS", &item.options),
        ("TRACE", &item.trace),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// Several requirements are alternatives. One without the bearer scheme is not ours to grant.
fn rule(path: &str, operation: &Operation) -> Rule {
    if path.starts_with(SIGNED) {
        return Rule::Signed;
    }
    // utoipa keeps the names and scopes of a requirement to itself; its JSON does not.
    let requirements = plain(&operation.security);
    let of_scheme = |scheme: &str| -> Vec<BTreeSet<String>> {
        let requirements = requirements.as_array().into_iter().flatten();
        requirements.filter_map(|it| serde_json::from_value(it.get(scheme)?.clone()).ok()).collect()
    };
    let (declared, session) = (of_scheme(BEARER), !of_scheme(SESSION).is_empty());
    if declared.is_empty() {
        return Rule::Undeclared;
    }
    let anybody = declared.iter().any(BTreeSet::is_empty);
    let any = if anybody { BTreeSet::new() } else { declared.into_iter().flatten().collect() };
    Rule::Roles { any, session }
}
