//! The Grafana dashboard and the alert rules ask for metrics that the services have, under the labels they have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace root").to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("a readable file")
}

fn sources(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(fs::read_to_string(&path).expect("readable source"));
        }
    }
}

/// Every metric name that production code writes down.
fn exposed() -> BTreeSet<String> {
    let mut texts = Vec::new();
    for member in ["service-kit/src", "collector-svc/src", "analyzer-svc/src", "reporter-svc/src"] {
        sources(&root().join(member), &mut texts);
    }
    let names = texts.iter().flat_map(|text| text.split('"')).filter(|word| {
        word.starts_with("phasegate_") && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    });
    let endings = ["_total", "_seconds", "_ready", "_dead", "_refused"];
    names.filter(|word| endings.iter().any(|ending| word.ends_with(ending))).map(str::to_owned).collect()
}

/// The metric names in an expression.
fn asked(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let base = |word: &str| {
        let endings = ["_bucket", "_sum", "_count"];
        let cut = endings.iter().find_map(|ending| word.strip_suffix(ending));
        cut.unwrap_or(word).to_owned()
    };
    words.filter(|word| word.starts_with("phasegate_")).map(base).collect()
}

fn dashboard_expressions() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").clone();
    let mut found = Vec::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("a title").to_owned();
        for target in panel["targets"].as_array().into_iter().flatten() {
            found.push((title.clone(), target["expr"].as_str().expect("an expression").to_owned()));
        }
    }
    found
}

fn alert_expressions() -> Vec<(String, String)> {
    let text = read("deploy/grafana/alerts.yaml");
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            found.push((name.to_owned(), String::new()));
        } else if let (Some(expression), Some(alert)) = (line.strip_prefix("expr: "), found.last_mut()) {
            expression.clone_into(&mut alert.1);
        }
    }
    found
}

#[test]
fn dashboard_and_alerts_ask_only_for_metrics_that_the_services_expose() {
    let exposed = exposed();
    let mut all = dashboard_expressions();
    all.extend(alert_expressions());
    let mut asked_for = BTreeMap::new();
    for (place, expression) in &all {
        let names = asked(expression);
        assert!(!names.is_empty(), "{place}: `{expression}` asks for nothing of ours");
        for name in names {
            assert!(exposed.contains(&name), "{place}: no service exposes {name}");
            asked_for.insert(name, place.clone());
        }
    }
    let unseen: Vec<_> =
        exposed.iter().filter(|name| !name.ends_with("_bucket") && !asked_for.contains_key(*name)).collect();
    assert!(unseen.is_empty(), "neither dashboard nor alerts show {unseen:?}");
}

#[test]
fn every_alert_says_what_to_do() {
    let text = read("deploy/grafana/alerts.yaml");
    let alerts = alert_expressions().len();
    assert!(alerts >= 5, "{alerts}");
    for part in ["summary: ", "description: ", "severity: "] {
        assert_eq!(text.matches(part).count(), alerts, "each alert has one `{part}`");
    }
}
