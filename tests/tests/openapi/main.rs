//! The checked-in OpenAPI documents are what the services serve, and are whole.
//!
//! `PHASEGATE_UPDATE=1 cargo test -p phasegate-tests --test openapi` writes them anew.

mod roles;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use service_kit::auth::Access;

fn documents() -> [(&'static str, utoipa::openapi::OpenApi); 3] {
    [
        ("collector", collector_svc::openapi()),
        ("analyzer", analyzer_svc::openapi()),
        ("reporter", reporter_svc::openapi()),
    ]
}

fn file(service: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../openapi/{service}.json"))
}

#[test]
fn checked_in_documents_are_the_generated_ones() {
    for (service, document) in documents() {
        let generated = format!("{}\n", document.to_pretty_json().expect("a document is JSON"));
        if std::env::var_os("PHASEGATE_UPDATE").is_some() {
            fs::create_dir_all(file(service).parent().expect("a folder")).expect("the folder");
            fs::write(file(service), &generated).expect("the document");
        }
        let stored = fs::read_to_string(file(service)).unwrap_or_default();
        assert!(
            stored == generated,
            "openapi/{service}.json differs from the code: PHASEGATE_UPDATE=1 cargo test -p phasegate-tests --test openapi"
        );
    }
}

#[test]
fn every_operation_is_named_once_and_documents_its_errors() {
    for (service, document) in documents() {
        let document: Value = serde_json::to_value(document).expect("a document is JSON");
        assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{service}");
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let place = format!("{service}: {method} {path}");
                let name =
                    operation["operationId"].as_str().unwrap_or_else(|| panic!("{place} has no operationId"));
                assert!(names.insert(name.to_owned()), "{place}: operationId {name} is taken");
                let responses = operation["responses"].as_object().expect("responses");
                assert!(
                    responses.keys().any(|status| status.starts_with('2')),
                    "{place} documents no success"
                );
                if path.starts_with("/v1/") {
                    let wanted: &[&str] = if operation["requestBody"].is_object() {
                        &["400", "401", "413", "415", "422", "500", "503"]
                    } else {
                        &["401", "500", "503"]
                    };
                    for status in wanted {
                        let content =
                            resolve(&document, &responses.get(*status).cloned().unwrap_or_default());
                        assert!(
                            content["content"]["application/problem+json"].is_object(),
                            "{place} does not document {status} as problem+json"
                        );
                    }
                }
            }
        }
    }
}

/// Who may call what is declared here, and enforced from here.
#[test]
fn every_call_declares_the_roles_that_may_make_it() {
    for (service, document) in documents() {
        let problems = Access::of(&document).problems();
        assert!(problems.is_empty(), "{service}:\n  {}", problems.join("\n  "));
    }
}

#[test]
fn every_reference_leads_somewhere() {
    for (service, document) in documents() {
        let document: Value = serde_json::to_value(document).expect("a document is JSON");
        let mut references = BTreeSet::new();
        collect_references(&document, &mut references);
        for reference in references {
            let pointer = reference
                .strip_prefix('#')
                .unwrap_or_else(|| panic!("{service}: {reference} leaves the document"));
            assert!(document.pointer(pointer).is_some(), "{service}: {reference} leads nowhere");
        }
    }
}

fn resolve(document: &Value, value: &Value) -> Value {
    match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).cloned().unwrap_or_default(),
        None => value.clone(),
    }
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                found.insert(reference.to_owned());
            }
            fields.values().for_each(|inner| collect_references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_references(inner, found)),
        _ => {}
    }
}
