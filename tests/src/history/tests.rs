//! A checker that finds nothing must be shown to find something.

use super::*;

const TEXT: &str = "🚨 A violation";
const KEY: &str = "phasegate/autosave/INC-1";

/// One violation in A, as it should be.
fn sound() -> History {
    let told = |id: &str, kind: &str, channel: &str| Notification {
        id: id.to_owned(),
        kind: kind.to_owned(),
        channel: channel.to_owned(),
        text: TEXT.to_owned(),
        incident: Some("INC-1".to_owned()),
        attempts: vec![Outcome::NotDone, Outcome::Done],
    };
    History {
        phases: ["off", "A", "B"].map(str::to_owned).to_vec(),
        incidents: vec![Incident {
            id: "INC-1".to_owned(),
            epoch: 1,
            covers: BTreeSet::from([1]),
            rollbacks: vec![Move::new("A", "off")],
        }],
        notifications: vec![
            told("n1", "incident", "#incident"),
            told("n2", "page", "pagerduty"),
            told("n3", "rollback", "runbook"),
        ],
        violating_epochs: BTreeSet::from([1]),
        moves: vec![Move::new("off", "A"), Move::new("A", "off")],
        messages: vec![("#incident".to_owned(), TEXT.to_owned())],
        page_events: vec![event("trigger"), event("resolve")],
        runbook: vec!["n3".to_owned()],
    }
}

fn event(action: &str) -> PageEvent {
    let summary = if action == "trigger" { TEXT } else { "" };
    PageEvent { action: action.to_owned(), dedup_key: KEY.to_owned(), summary: summary.to_owned() }
}

/// What the checker says of a sound history after `change`.
fn wrong(change: impl FnOnce(&mut History)) -> String {
    let mut history = sound();
    change(&mut history);
    judge(&history).wrong.join("; ")
}

#[test]
fn a_sound_history_holds() {
    assert_eq!(judge(&sound()), Findings { rollbacks: 1, ..Findings::default() });
}

#[test]
fn what_is_lost_is_found() {
    assert!(wrong(|it| it.moves.truncate(1)).contains("the flag says []"));
    assert!(wrong(|it| it.messages.clear()).contains("0 copies where 1..=1"));
    assert!(wrong(|it| it.runbook.clear()).contains("0 copies where 1..=1"));
    assert!(wrong(|it| it.page_events.clear()).contains("0 copies where 1..=1"));
    assert!(wrong(|it| it.notifications[0].attempts = vec![Outcome::Unknown]).contains("was lost"));
    assert!(wrong(|it| it.notifications.truncate(2)).contains("0 runbook entries"));
    assert!(wrong(|it| it.violating_epochs.extend([2])).contains("epoch 2 was violated"));
}

#[test]
fn what_is_doubled_is_found() {
    let again = |it: &mut History| {
        it.moves.extend([Move::new("off", "A"), Move::new("A", "off")]);
    };
    assert!(wrong(again).contains("the incidents say"));
    assert!(wrong(|it| it.moves.push(Move::new("A", "off"))).contains("where it was not"));
    let skips = |it: &mut History| it.moves = vec![Move::new("off", "B"), Move::new("B", "off")];
    assert!(wrong(skips).contains("not one phase"));
    assert!(wrong(|it| it.incidents.push(it.incidents[0].clone())).contains("a second incident"));
    assert!(wrong(|it| it.messages.push(("#x".to_owned(), "who?".to_owned()))).contains("nobody wrote down"));
}

#[test]
fn a_duplicate_is_allowed_where_an_outcome_was_unknown_and_nowhere_else() {
    let twice = |it: &mut History| it.messages.push(it.messages[0].clone());
    assert!(wrong(twice).contains("2 copies where 1..=1"));
    let mut marked = sound();
    twice(&mut marked);
    marked.notifications[0].attempts = vec![Outcome::Unknown, Outcome::Done];
    let findings = judge(&marked);
    assert_eq!((findings.wrong.len(), findings.duplicates, findings.unknown), (0, 1, 1), "{findings:?}");
    twice(&mut marked);
    assert!(judge(&marked).wrong[0].contains("3 copies where 1..=2"));
}

#[test]
fn a_page_keeps_its_key_and_is_not_triggered_after_its_end() {
    assert!(wrong(|it| it.page_events.push(event("trigger"))).contains("after it was resolved"));
    assert!(wrong(|it| it.page_events.truncate(1)).contains("not resolved"));
    let other = |it: &mut History| {
        it.page_events.insert(0, PageEvent { dedup_key: "other".to_owned(), ..event("trigger") });
    };
    assert!(wrong(other).contains("was triggered under"));
}
