//! What is generated from the policy and checked in: its JSON Schema, the tables in `docs/policy.md`, the sources in
//! `docs/collector.md`.
//!
//! `PHASEGATE_UPDATE=1 cargo test -p domain generated` writes them anew instead of comparing.

use std::fs;
use std::path::{Path, PathBuf};

use super::{SHIPPED, autosave};
use crate::policy::{Policy, render, schema};
use crate::sources::{self, SourceKind};
use crate::template::Templates;

fn repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

#[track_caller]
fn holds(file: &str, expected: &str) {
    let path = repository(file);
    if std::env::var_os("PHASEGATE_UPDATE").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let hint = "PHASEGATE_UPDATE=1 cargo test -p domain generated";
    assert!(found == expected, "{file} is not what the policy gives; write it anew with: {hint}");
}

/// Replaces what stands between `<!-- generated: <name> -->` and `<!-- end -->`.
fn with_section(text: &str, name: &str, content: &str) -> String {
    let start = format!("<!-- generated: {name} -->\n");
    let (before, rest) = text.split_once(&start).expect("the section must be marked");
    let (_, after) = rest.split_once("<!-- end -->").expect("the section must end");
    format!("{before}{start}\n{content}\n<!-- end -->{after}")
}

/// PO-1
#[test]
fn the_checked_in_schema_is_the_generated_one() {
    holds("governance/policy.schema.json", &schema::schema_json());
}

/// PO-3
#[test]
fn the_tables_in_the_documentation_are_the_generated_ones() {
    let target = autosave();
    let templates = Templates::load(&repository(""), &target).unwrap();
    let mut text = fs::read_to_string(repository("docs/policy.md")).unwrap();
    for (name, content) in [
        ("thresholds", render::threshold_table(&target)),
        ("phases", render::phase_table(&target)),
        ("templates", render::template_table(&target, &templates)),
        ("placeholders", render::placeholder_table()),
        ("keys", render::key_table()),
        ("example", format!("```yaml\n{}```\n", render::example())),
    ] {
        text = with_section(&text, name, &content);
    }
    holds("docs/policy.md", &text);
}

#[test]
fn what_is_particular_to_a_source_is_told_by_its_kind() {
    let item = |kind: &SourceKind| format!("- `{}` {}", kind.key, kind.docs.replace('\n', "\n  "));
    let items: Vec<String> = sources::SHIPPED.iter().map(item).collect();
    let text = fs::read_to_string(repository("docs/collector.md")).unwrap();
    holds("docs/collector.md", &with_section(&text, "sources", &format!("{}\n", items.join("\n"))));
}

/// PO-1
#[test]
fn the_schema_accepts_the_shipped_policy_and_refuses_what_the_reader_refuses() {
    let schema = serde_json::from_str(&schema::schema_json()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let value = |text: &str| serde_saphyr::from_str::<serde_json::Value>(text).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value(SHIPPED)).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    for (from, to) in [
        ("warn_ratio: 80%", "warn_ration: 80%"),
        ("window: 15m", "window: 15 minutes"),
        ("propose: rollback", "propose: nothing"),
        ("{ compliant_for: 24h, critical_alerts: 0, approvals: [sre] }", "{ approvals: [sre] }"),
        (
            "{ mean: autosave.history.drift, over: 1h }",
            "{ mean: autosave.history.drift, ratio: x, over: 1h, to: [x] }",
        ),
    ] {
        let text = SHIPPED.replacen(from, to, 1);
        assert_ne!(text, SHIPPED);
        assert!(!validator.is_valid(&value(&text)), "{to}");
        assert!(Policy::parse(&text, "policy.yaml").is_err(), "{to}");
    }
}
