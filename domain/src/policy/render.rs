//! The policy as Markdown: the tables and the example of `docs/policy.md` (PO-3).
//!
//! Only what the policy and the templates say; a test holds the checked-in tables to it.

use std::fmt::Write as _;

use serde_json::Value;

use super::section::{advance, file, phases};
use super::{TargetPolicy, schema};
use crate::story::figures::format_number;
use crate::template::{RCA_FILE, RUNBOOK_FILE, TemplateKind, Templates};

/// A row a metric, a column a phase.
#[must_use]
pub fn threshold_table(target: &TargetPolicy) -> String {
    let phases = target.phases.iter().map(|phase| format!("{} ({})", phase.id, phase.name));
    let mut table = Table::new(["metric".to_owned(), "made from".to_owned()].into_iter().chain(phases));
    for metric in &target.metrics {
        let limits = target.phases.iter().map(|phase| phases::threshold_words(metric, phase));
        table.row([format!("`{}`", metric.name), metric.kind.words()].into_iter().chain(limits));
    }
    table.text
}

/// A row a phase: audience, what it takes to move up, who approves.
#[must_use]
pub fn phase_table(target: &TargetPolicy) -> String {
    let mut table =
        Table::new(["phase", "name", "audience", "moves up after", "approvals"].map(String::from));
    for phase in &target.phases {
        table.row([
            phase.id.to_string(),
            phase.name.clone(),
            format!("{}%", format_number(Some(phase.audience_percent))),
            advance::words(&phase.advance),
            if phase.advance.approvals.is_empty() {
                "none".into()
            } else {
                phase.advance.approvals.join(", ")
            },
        ]);
    }
    table.text
}

/// A row a template: where and when it is sent, its text.
#[must_use]
pub fn template_table(target: &TargetPolicy, templates: &Templates) -> String {
    let mut table = Table::new(["id", "sent on", "phases", "channel", "text"].map(String::from));
    let notifications = &target.notifications;
    for &kind in TemplateKind::ALL {
        let (sent_on, policy) = match kind {
            TemplateKind::Ok => ("`ok`, after the dashboard has the values", &notifications.ok),
            TemplateKind::Warn => ("`warn`", &notifications.warn),
            TemplateKind::Incident => ("`violation` that opens an incident", &notifications.incident),
            TemplateKind::Rollback => ("the start of a rollback", &notifications.rollback),
            TemplateKind::Runbook | TemplateKind::Rca => continue,
        };
        let phases: Vec<&str> = policy.phases.iter().map(shared_types::PhaseId::as_str).collect();
        let text = &templates.get(kind).source;
        let fence = if text.contains('`') { "``" } else { "`" };
        table.row([
            format!("`{}`", policy.template),
            sent_on.to_owned(),
            phases.join(", "),
            policy.channel.to_string(),
            text.lines().map(|line| format!("{fence}{line}{fence}")).collect::<Vec<_>>().join("<br>"),
        ]);
    }
    let runbook = ["the start of a rollback", "all", "kept with the incident", "the runbook, Markdown"];
    table.row([format!("`{RUNBOOK_FILE}`")].into_iter().chain(runbook.map(String::from)));
    let rca = ["the opening of an incident", "all", "`reports/rca/`", "the root cause analysis, Markdown"];
    table.row([format!("`{RCA_FILE}`")].into_iter().chain(rca.map(String::from)));
    table.text
}

/// A row a kind of text: the placeholders it may use.
#[must_use]
pub fn placeholder_table() -> String {
    let mut table = Table::new(["text", "placeholders"].map(String::from));
    for &kind in TemplateKind::ALL {
        let names: Vec<String> = kind.placeholders().iter().map(|name| format!("`{{{name}}}`")).collect();
        let values = match kind {
            TemplateKind::Rollback | TemplateKind::Runbook | TemplateKind::Rca => "",
            TemplateKind::Ok | TemplateKind::Warn | TemplateKind::Incident => {
                ", and those of `notifications.values`"
            }
        };
        table.row([kind.as_str().to_owned(), format!("{}{values}", names.join(" "))]);
    }
    table.text
}

/// A row a key of the file, with its description; in the order of the schema.
#[must_use]
pub fn key_table() -> String {
    let schema: Value = serde_json::from_str(&schema::schema_json()).unwrap_or_default();
    let mut table = Table::new(["key", "meaning"].map(String::from));
    add_keys(&schema, &schema, "", &mut table);
    table.text
}

/// A policy with every key in it, as YAML.
#[must_use]
pub fn example() -> String {
    file::example()
}

fn add_keys(root: &Value, node: &Value, path: &str, table: &mut Table) {
    let node = resolved(root, node);
    // One that stands beside each of several kinds is described with what they share.
    let described = |(_, property): &(&String, &Value)| property.is_object();
    for (key, property) in node["properties"].as_object().into_iter().flatten().filter(described) {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let required = node["required"].as_array().is_some_and(|names| names.iter().any(|name| name == key));
        let description =
            property["description"].as_str().or_else(|| resolved(root, property)["description"].as_str());
        let optional = if required { "" } else { " *(optional)*" };
        // A row is one line.
        let description: Vec<&str> = description.unwrap_or_default().lines().collect();
        table.row([format!("`{path}`"), format!("{}{optional}", description.join(" "))]);
        add_below(root, property, &path, table);
    }
    for choice in node["oneOf"].as_array().into_iter().flatten() {
        if choice["properties"].is_object() {
            add_keys(root, choice, path, table);
        }
    }
}

/// The keys inside a mapping, a list of mappings, or a mapping with free keys.
fn add_below(root: &Value, property: &Value, path: &str, table: &mut Table) {
    let node = resolved(root, property);
    if node["additionalProperties"].is_object() {
        add_keys(root, &node["additionalProperties"], &format!("{path}.<name>"), table);
    } else if node["items"].is_object() {
        add_keys(root, &node["items"], &format!("{path}[]"), table);
    } else {
        add_keys(root, node, path, table);
    }
}

/// Follows a reference, looks through `anyOf: [<it>, null]` of an optional key, and takes what is whole where a part would do.
pub(super) fn resolved<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    let node = if node["else"].is_object() { &node["else"] } else { node };
    let node = match node["anyOf"].as_array().map(Vec::as_slice) {
        Some([some, none]) if none["type"] == "null" => some,
        _ => node,
    };
    let name = node["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/"));
    name.map_or(node, |name| &root["$defs"][name])
}

/// A Markdown table.
struct Table {
    text: String,
}

impl Table {
    fn new(heads: impl IntoIterator<Item = String>) -> Self {
        let heads: Vec<String> = heads.into_iter().collect();
        let mut table = Self { text: String::new() };
        let rule = heads.iter().map(|_| "---".to_owned()).collect::<Vec<_>>();
        table.row(heads);
        table.row(rule);
        table
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }
}
