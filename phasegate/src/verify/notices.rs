//! Item 5: no notification of the time has an unfilled place, and each says what its template says it should (NO-2).

use domain::kinds::Kinds;
use domain::notifiers::Message;
use domain::placeholder::Values;
use domain::template::values::decision_values;
use shared_types::Decision;

use super::facts::{Facts, Notice};
use super::{Finding, Item};

/// What stands where a value was not known. `n/a` is one only in texts on judged batches: an incident may know less.
const UNFILLED: [&str; 4] = ["null", "NaN", "undefined", "None"];

pub(super) fn filled(facts: &Facts) -> Finding {
    let of_the_time = facts.notifications.iter().filter(|it| it.created_at >= facts.from);
    let notices: Vec<&Notice> = of_the_time.collect();
    let mut problems: Vec<String> = Vec::new();
    let mut held_against = 0_u32;
    for notice in &notices {
        if let Some(place) = unfilled(notice) {
            problems.push(format!(
                "{} {} to {}: `{place}` in `{}`",
                notice.kind, notice.id, notice.channel, notice.text
            ));
            continue;
        }
        let Some(values) = values(facts, notice) else { continue };
        held_against += 1;
        for name in placeholders(facts, notice) {
            let Some(value) = values.get(&name).filter(|value| !says(&facts.kinds, &notice.text, value))
            else {
                continue;
            };
            let said = format!("{} {} to {}", notice.kind, notice.id, notice.channel);
            problems.push(format!("{said}: `{value}` ({name}) is not in `{}`", notice.text));
        }
    }
    let undelivered = notices.iter().filter(|it| it.state == "failed").count();
    let mut figure = format!("{} notifications, {held_against} held against their decision", notices.len());
    if undelivered > 0 {
        figure.push_str(&format!("; {undelivered} not delivered (`GET /v1/notifications?state=failed`)"));
    }
    Finding::of(Item::Notifications, figure, problems)
}

/// The first place that nothing was filled into.
fn unfilled(notice: &Notice) -> Option<String> {
    if notice.text.trim().is_empty() {
        return Some("nothing".to_owned());
    }
    if let Some(name) = all_placeholders(&notice.text).first() {
        return Some(format!("{{{name}}}"));
    }
    let words = || notice.text.split(|c: char| !(c.is_alphanumeric() || c == '/' || c == '_'));
    let word = UNFILLED.into_iter().find(|unfilled| words().any(|word| word == *unfilled));
    let judged = matches!(notice.kind.as_str(), "ok" | "warn");
    word.or_else(|| (judged && notice.text.contains("n/a")).then_some("n/a")).map(str::to_owned)
}

/// What the text should say: of the decision it is about, by the policy that can be read here.
fn values(facts: &Facts, notice: &Notice) -> Option<Values> {
    let policy = facts.policy.as_ref()?;
    let decision: &Decision = facts.decisions.iter().find(|it| Some(it.decision_id) == notice.decision)?;
    Some(decision_values(policy, decision))
}

/// The places of its template that a decision fills.
fn placeholders(facts: &Facts, notice: &Notice) -> Vec<String> {
    let Some(templates) = &facts.templates else { return vec!["phase".to_owned()] };
    let template = match notice.kind.as_str() {
        "ok" => &templates.ok,
        "warn" | "hold" => &templates.warn,
        "incident" | "escalation" => &templates.incident,
        _ => return Vec::new(),
    };
    all_placeholders(&template.source)
}

/// The names in braces.
fn all_placeholders(text: &str) -> Vec<String> {
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let names = text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    names.filter(|name| !name.is_empty() && is_name(name)).map(str::to_owned).collect()
}

/// As one of those who tell people shows a value.
fn says(kinds: &Kinds, text: &str, value: &str) -> bool {
    let value = Message::value(value);
    kinds.notifiers().iter().any(|it| text.contains(&it.render(&value)))
}
