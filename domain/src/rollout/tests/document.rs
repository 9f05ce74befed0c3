//! The evidence document, as it is and at its worst (EV-3).

use serde_json::json;
use shared_types::story::{Hop, LoggedHop};
use shared_types::{Actor, AuditEntry, Decision, Timestamp, Via};
use uuid::Uuid;

use super::evidence::{Scene, sign};
use crate::effects::notification::{NotificationState, NotificationView};
use crate::rollout::Event;
use crate::rollout::evidence::Signing;
use crate::story::document::{Bundle, LONGEST, render};
use crate::story::views;

/// What the store would add to an incident.
struct Kept {
    decisions: Vec<Decision>,
    notifications: Vec<NotificationView>,
    timeline: Vec<LoggedHop>,
    audit: Vec<AuditEntry>,
}

fn at() -> Timestamp {
    Timestamp::parse("2026-11-22T10:20:00Z").unwrap()
}

impl Kept {
    /// So many of each, with that for every text.
    fn of(scene: &Scene, count: u32, text: &str) -> Self {
        let incident = scene.world.incident();
        let numbers = || (0..count).map(u128::from);
        let decision = |number: u128| Decision {
            decision_id: Uuid::from_u128(number),
            decided_at: at(),
            uncounted: None,
            vanished: vec![],
            policy_version: format!("sha256:{text}"),
            ..(*incident.subject).clone()
        };
        let notification = |number: u128| NotificationView {
            id: Uuid::from_u128(number),
            target: incident.target.clone(),
            kind: "incident".to_owned(),
            channel: "#incident-autosave".to_owned(),
            text: text.to_owned(),
            incident: Some(incident.id.clone()),
            decision: None,
            state: NotificationState::Sent,
            attempts: 1,
            unknowns: 0,
            created_at: at(),
            sent_at: Some(at()),
            outcome: None,
            last_error: None,
        };
        let hop = |_| LoggedHop { at: at(), hop: Hop::read("command_failed", text, json!(null)) };
        let row = |number: u128| AuditEntry {
            stream: "autosave".to_owned(),
            seq: u64::try_from(number).unwrap() + 1,
            at: at(),
            actor: Actor { name: text.to_owned(), ..Actor::service("ana", Via::Api) },
            action: "incident.acknowledged".to_owned(),
            target: Some("autosave".to_owned()),
            subject: Some(incident.id.to_string()),
            detail: json!({}),
            prev_hash: format!("sha256:{:064}", 0),
            hash: format!("sha256:{:064}", 1),
        };
        Self {
            decisions: numbers().map(decision).collect(),
            notifications: numbers().map(notification).collect(),
            timeline: numbers().map(hop).collect(),
            audit: numbers().map(row).collect(),
        }
    }

    fn document(&self, scene: &Scene) -> String {
        let incident = scene.world.incident();
        let ids = self.decisions.iter().map(|it| it.decision_id).collect();
        let rollback = scene.world.rollback();
        let view = views::incident(incident, rollback, Some(&scene.world.policy), ids, &self.timeline);
        render(&Bundle {
            view: &view,
            rollback,
            decisions: &self.decisions,
            notifications: &self.notifications,
            audit: &self.audit,
        })
    }
}

/// EV-3: everything that is asked of it stands in it.
#[test]
fn a_whole_bundle_reads_so() {
    let mut scene = Scene::new();
    scene.learn(scene.facts());
    scene.acknowledge();
    scene.explain();
    let signing = Signing {
        comment: Some("one outage of the source".into()),
        link: Some("https://tracker/7".into()),
        task: Some("a second source".into()),
        ..sign("retry_log", "ben")
    };
    scene.sign(signing).unwrap();
    let text = Kept::of(&scene, 1, "🚨 AutoSave B violation / metric=save_latency_p95").document(&scene);
    insta::assert_snapshot!(text);
}

/// EV-3: at its longest it still is a comment that GitHub takes.
#[test]
fn the_longest_bundle_is_short_enough() {
    for text in
        ["`".repeat(20_000), "@a `b` ".repeat(3_000), "x\n".repeat(10_000), "\u{202e}<b>".repeat(5_000)]
    {
        let mut scene = Scene::new();
        let by = text.clone();
        let when = scene.world.now;
        scene.apply(Event::Acknowledged { by: by.clone(), at: when }).unwrap();
        for item in ["pagerduty", "retry_log", "dashboard"] {
            let (comment, link, task) = (Some(text.clone()), Some(text.clone()), Some(text.clone()));
            scene.sign(Signing { item: item.to_owned(), by: by.clone(), comment, link, task }).unwrap();
        }
        scene.submit(&text);
        let document = Kept::of(&scene, 300, &text).document(&scene);
        let length = document.chars().count();
        assert!(length <= LONGEST, "{length}");
        assert!(document.contains("more hops are not shown here."), "{document}");
        assert!(document.contains("## Audit log"));
        outside_of_code_nothing_is_left(&document);
    }
}

/// Takes away all code and looks at what is left.
fn outside_of_code_nothing_is_left(document: &str) {
    let mut fence: Option<String> = None;
    for line in document.lines().skip(1) {
        match &fence {
            Some(open) if line == open => fence = None,
            Some(_) => {}
            None if line.starts_with("```") => fence = Some(line.trim_end_matches("text").to_owned()),
            None => {
                let plain = without_spans(line);
                assert!(!plain.contains(['@', '<', '`', '\u{202e}']), "{plain:?} of {line:?}");
            }
        }
    }
    assert_eq!(fence, None, "a block is left open");
}

/// By CommonMark: a span ends at the next run of as many backticks as it began with.
fn without_spans(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        plain.push_str(&rest[..at]);
        let run = rest[at..].len() - rest[at..].trim_start_matches('`').len();
        let inside = &rest[at + run..];
        let Some(end) = closing(inside, run) else {
            return plain + &rest[at..];
        };
        rest = &inside[end + run..];
    }
    plain + rest
}

fn closing(text: &str, run: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let begin = at + found;
        let length = text[begin..].len() - text[begin..].trim_start_matches('`').len();
        if length == run {
            return Some(begin);
        }
        at = begin + length;
    }
    None
}
