//! The alert rules can be read, and every metric they name is there.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde::Deserialize;

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem};

pub(super) const CHECK: Check = Check {
    name: "alerts",
    title: "the alert rules ask for metrics that there are",
    look: |ask| Box::pin(look(ask)),
};

/// Those of this release.
const SHIPPED: &str = include_str!("../../../../deploy/grafana/alerts.yaml");
/// Rules and dashboard together ask for every metric there is, and for no other (a test holds them to that): some come to be only
/// with what they count.
const DASHBOARD: &str = include_str!("../../../../deploy/grafana/dashboard.json");

#[derive(Debug, Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    alert: Option<String>,
    record: Option<String>,
    expr: String,
}

async fn look(ask: &Ask) -> Looked {
    let (place, text) = match &ask.place.alerts {
        None => ("the rules of this release".to_owned(), Ok(SHIPPED.to_owned())),
        Some(file) => (file.display().to_string(), std::fs::read_to_string(file)),
    };
    let wrong = |why: String| {
        let remedy = "correct it; deploy/grafana/alerts.yaml is as shipped, `promtool check rules` says more";
        Looked::wrong("not read", vec![Problem::failed(format!("{place}: {why}"), remedy)])
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => return wrong(error.to_string()),
    };
    let rules: Rules = match serde_saphyr::from_str(&text) {
        Ok(rules) => rules,
        Err(error) => return wrong(error.to_string().lines().next().unwrap_or_default().to_owned()),
    };
    let rules: Vec<Rule> = rules.groups.into_iter().flat_map(|it| it.rules).collect();
    let mut problems = Vec::new();
    let known: BTreeSet<&str> = asked(SHIPPED).chain(asked(DASHBOARD)).collect();
    let mut exposed = BTreeSet::new();
    for (peer, text) in
        ask.peers().into_iter().zip(join_all(ask.peers().map(|it| it.api.get_text("/metrics"))).await)
    {
        match text {
            Ok(text) => exposed.extend(asked(&text).map(str::to_owned)),
            Err(error) => problems.push(Problem::not_checked(
                format!("the {}: {error:#}", peer.name),
                "see `services` above; its metrics may be among those that are missing",
            )),
        }
    }
    let whole = problems.is_empty();
    for rule in &rules {
        let name = rule.alert.as_ref().or(rule.record.as_ref()).map_or("a rule", String::as_str);
        let missing = asked(&rule.expr).filter(|it| !exposed.contains(*it) && !known.contains(it));
        let missing: Vec<&str> = missing.collect();
        if !missing.is_empty() && whole {
            problems.push(Problem::failed(
                format!("{name} asks for {}, which no service has: it never fires", missing.join(", ")),
                "take the rules of this release, deploy/grafana/alerts.yaml, or correct the name",
            ));
        }
    }
    Looked::wrong(format!("{place}: {} rules over {} metrics", rules.len(), exposed.len()), problems)
}

/// The metrics of ours in a text, whatever of a histogram is meant.
fn asked(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    let base = |word| {
        ["_bucket", "_sum", "_count"].iter().find_map(|it| str::strip_suffix(word, it)).unwrap_or(word)
    };
    words.filter(|word| word.starts_with("phasegate_")).map(base)
}
