//! GO-1 to GO-3: the root cause analysis, its deadline, the review it opens and the rollback that may force.

use std::time::Duration;

use shared_types::Verdict;
use shared_types::incident::{IncidentState, RcaState, Recommendation, ReviewState};
use shared_types::story::{Hop, InTime, LoggedHop};

use super::world::{World, minutes, phase, submission};
use crate::rollout::{
    Effect, Event, Finding, Incident, NoticeKind, Reason, Refusal, Rejection, Stage, TargetState,
};

const DAY: u64 = 24 * 60;

fn confirm(by: &str) -> Event {
    Event::RcaConfirmed { by: by.into(), comment: "RCA confirmed".into(), read: None }
}

fn rule(approve: bool) -> Event {
    Event::ReviewDecided { by: "gov".into(), approve, comment: "as the RCA is missing".into() }
}

fn told(world: &World, wanted: fn(&NoticeKind) -> bool) -> usize {
    world.notices(wanted).len()
}

fn reviews_announced(world: &World) -> usize {
    told(world, |kind| matches!(kind, NoticeKind::ReviewOpened { .. }))
}

fn files(world: &World) -> Vec<bool> {
    let write =
        |effect: &Effect| if let Effect::WriteRca { prepare, .. } = effect { Some(*prepare) } else { None };
    world.effects.iter().filter_map(write).collect()
}

/// A rollout in C whose incident went to B and recovered there, or not; the clock stands after the deadline and the
/// review is open.
fn overdue(recovered: bool) -> (World, Incident) {
    let mut world = World::in_phase("C");
    world.violation();
    world.apply(Event::Acknowledged { by: "ana".into(), at: world.now }).unwrap();
    world.finish_command();
    // Batches with too few samples neither confirm nor refute: the incident stays open.
    let verdict = if recovered { Verdict::Ok } else { Verdict::Insufficient };
    for _ in 0..6 {
        world.judged(verdict, None);
    }
    let incident = world.incident().clone();
    world.now = incident.rca.due_at;
    world.apply_to(Some(incident.id.clone()), Event::Tick).unwrap();
    let incident = world.incident().clone();
    assert_eq!(incident.review.as_ref().map(|it| it.state), Some(ReviewState::Open));
    (world, incident)
}

/// GO-1: asked for with the opening, written as a file, and brought up to date when there is something to tell.
#[test]
fn the_file_is_prepared_when_the_incident_opens_and_follows_it() {
    let mut world = World::in_phase("B");
    world.violation();
    assert_eq!(files(&world), [true]);
    let view = |world: &World| world.incident().rca.view(&world.incident().id, world.incident().opened_at);
    assert_eq!(view(&world).state, RcaState::Missing);
    assert_eq!(view(&world).file, "reports/rca/2026-11-22-INC-20261122-001.md");
    world.apply(Event::RcaPrepared).unwrap();
    world.apply(Event::RcaPrepared).unwrap();
    assert_eq!(view(&world).state, RcaState::Draft);
    assert_eq!(world.hops.iter().filter(|hop| *hop == "rca_prepared").count(), 1);
    world.finish_command();
    assert_eq!(files(&world), [true, false], "after the rollback");
    world.apply(submission("ana")).unwrap();
    assert_eq!((view(&world).state, view(&world).in_time), (RcaState::Submitted, Some(true)));
    assert_eq!(files(&world).len(), 3);
}

/// GO-1: the first writing is told, and a reminder is due when three quarters of the time have passed.
#[test]
fn the_first_writing_of_the_file_is_told() {
    let mut world = World::in_phase("B");
    world.violation();
    let rca = world.incident().rca.clone();
    assert_eq!(rca.remind_at, Some(world.now.plus(minutes(DAY * 3 / 4))));
    for told in [1, 0, 0] {
        assert_eq!(world.apply(Event::RcaPrepared).unwrap().timeline.len(), told);
    }
}

/// GO-1: what comes when it is due is in time; a millisecond later it is late.
#[test]
fn an_analysis_is_late_after_the_moment_it_was_due() {
    let due = minutes(DAY);
    let millisecond = Duration::from_millis(1);
    for (after, expected) in
        [(due - millisecond, InTime::InTime), (due, InTime::InTime), (due + millisecond, InTime::Late)]
    {
        let mut world = World::in_phase("B");
        world.violation();
        world.advance(after);
        let step = world.apply(submission("ana")).unwrap();
        let how =
            |it: &LoggedHop| if let Hop::RcaSubmitted { how, .. } = &it.hop { Some(*how) } else { None };
        assert_eq!(step.timeline.iter().find_map(how), Some(expected));
        let view = world.incident().rca.view(&world.incident().id, world.incident().opened_at);
        assert_eq!(view.in_time, Some(expected == InTime::InTime));
    }
}

/// GO-3: confirmed once; the same again is answered as a repeat and told nobody.
#[test]
fn an_analysis_is_confirmed_once() {
    let mut world = World::in_phase("B");
    world.violation();
    world.apply(submission("ana")).unwrap();
    for (repeated, told) in [(false, 1), (true, 0)] {
        let step = world.apply(confirm("gov")).unwrap();
        assert_eq!((step.repeated, step.timeline.len()), (repeated, told));
    }
}

/// GO-3: what is confirmed is what was read, by its hash or enough of its beginning, and the confirmation keeps it.
#[test]
fn an_analysis_is_confirmed_by_the_hash_that_was_read() {
    let mut world = World::in_phase("B");
    world.violation();
    world.apply(submission("ana")).unwrap();
    let view = |world: &World| world.incident().rca.view(&world.incident().id, world.incident().opened_at);
    let hash = view(&world).hash.unwrap();
    let other = Finding { cause: "the network".into(), prevention: "shard it".into(), link: None };
    let confirm = |read: &str| Event::RcaConfirmed {
        by: "gov".into(),
        comment: "RCA confirmed".into(),
        read: Some(read.to_owned()),
    };
    for read in ["", "sha256:", &hash[..18], &other.hash(), "the lock"] {
        let refused = world.apply(confirm(read)).unwrap_err();
        assert_eq!(refused.reason(), Reason::Outdated, "{read}");
        assert!(matches!(refused.refusal, Refusal::RcaChanged { hash: it, .. } if it == hash), "{read}");
    }
    assert_eq!(view(&world).confirmed_hash, None);
    world.apply(confirm(&hash[..19])).unwrap();
    assert_eq!(view(&world).confirmed_hash, Some(hash.clone()));
    assert!(world.apply(confirm(&hash)).unwrap().repeated);

    // What is submitted anew has another one, and says what it stands in place of.
    let mut world = World::in_phase("B");
    world.violation();
    world.apply(submission("ana")).unwrap();
    world.apply(Event::RcaSubmitted { by: "ana".into(), finding: other.clone() }).unwrap();
    assert_eq!(view(&world).hash, Some(other.hash()));
    let earlier = world.incident().rca.submission.as_ref().and_then(|it| it.earlier.clone());
    assert_eq!(earlier.map(|it| it.hash()), Some(hash.clone()));
    assert_eq!(world.apply(confirm(&hash)).unwrap_err().reason(), Reason::Outdated);
}

/// GO-2: a decision that was made is repeated by the same person in the same words alone; a void one is called void.
#[test]
fn a_ruling_is_repeated_whole_or_refused() {
    fn check(world: &mut World, by: &str, comment: &str, approve: bool, expected: &str) {
        let id = world.incident().id.clone();
        let ruling = Event::ReviewDecided { by: by.into(), approve, comment: comment.into() };
        let answer = match world.apply_to(Some(id), ruling) {
            Ok(step) if step.repeated => "repeated",
            Ok(_) => "decided",
            Err(Rejection { refusal: Refusal::ReviewDecided { .. }, .. }) => "was decided",
            Err(Rejection { refusal: Refusal::ReviewVoid { .. }, .. }) => "void",
            Err(other) => panic!("{other}"),
        };
        assert_eq!(answer, expected, "{by}, {comment}, {approve}");
    }
    let (mut world, _) = overdue(true);
    check(&mut world, "gov", "stay", false, "decided");
    check(&mut world, "gov", "stay", false, "repeated");
    check(&mut world, "eve", "stay", false, "was decided");
    check(&mut world, "gov", "go", false, "was decided");
    check(&mut world, "gov", "stay", true, "was decided");
    let (mut world, incident) = overdue(false);
    world.apply_to(Some(incident.id.clone()), submission("ana")).unwrap();
    world.apply_to(Some(incident.id), confirm("gov")).unwrap();
    check(&mut world, "gov", "stay", false, "void");
}

/// GO-2: at the deadline, not before, once; announced once; also when the incident has recovered long ago.
#[test]
fn a_review_opens_exactly_once_when_the_rca_is_overdue() {
    for recovered in [false, true] {
        let mut world = World::in_phase("B");
        world.violation();
        world.apply(Event::Acknowledged { by: "ana".into(), at: world.now }).unwrap();
        if recovered {
            world.finish_command();
            for _ in 0..6 {
                world.judged(Verdict::Ok, None);
            }
        }
        let id = world.incident().id.clone();
        let due_at = world.incident().opened_at.plus(minutes(DAY));
        world.now = due_at.minus(Duration::from_millis(1));
        world.apply_to(Some(id.clone()), Event::Tick).unwrap();
        assert_eq!(world.incident().review, None);
        assert_eq!(world.incident().next_due(), Some(due_at));
        world.now = due_at;
        world.apply_to(Some(id.clone()), Event::Tick).unwrap();
        world.apply_to(Some(id), Event::Tick).unwrap();
        let review = world.incident().review.clone().unwrap();
        assert_eq!((review.state, review.recommendation), (ReviewState::Open, Recommendation::Rollback));
        assert_eq!(reviews_announced(&world), 1);
        assert_eq!(world.incident().next_due(), None, "nothing is due but a person's decision");
    }
}

/// GO-1: one that came in time asks nobody for anything; people were reminded once before.
#[test]
fn an_rca_in_time_opens_no_review() {
    let mut world = World::in_phase("B");
    world.violation();
    world.apply(Event::Acknowledged { by: "ana".into(), at: world.now }).unwrap();
    let opened = world.incident().opened_at;
    world.now = opened.plus(minutes(DAY * 3 / 4));
    world.apply(Event::Tick).unwrap();
    world.apply(Event::Tick).unwrap();
    assert_eq!(told(&world, |kind| matches!(kind, NoticeKind::RcaReminder { .. })), 1);
    world.apply(submission("ana")).unwrap();
    assert_eq!(world.incident().next_due(), None);
    world.now = opened.plus(minutes(2 * DAY));
    world.apply(Event::Tick).unwrap();
    assert_eq!((&world.incident().review, reviews_announced(&world)), (&None, 0));
}

/// GO-1: the clock of a service that was down may have passed both times: the review says it all.
#[test]
fn a_reminder_that_is_overdue_itself_is_left_out() {
    let (world, _) = overdue(true);
    assert_eq!(told(&world, |kind| matches!(kind, NoticeKind::RcaReminder { .. })), 0);
}

/// GO-2, RB-1: the forced rollback of an incident that recovered long ago: one phase down from where the target is now,
/// in a later epoch, with the gate as it may; nothing is left to watch.
#[test]
fn an_approval_forces_one_phase_down_without_an_open_incident() {
    let (mut world, incident) = overdue(true);
    assert_eq!((world.target.phase.clone(), world.target.incident.clone()), (phase("B"), None));
    world.effects.clear();
    world.apply_to(Some(incident.id.clone()), rule(true)).unwrap();
    assert_eq!(world.runs(), [(phase("B"), phase("A"))]);
    let review = world.incident().review.clone().unwrap();
    let ruling = review.ruling.unwrap();
    let forced = ruling.rollback.unwrap();
    assert_eq!((review.state, forced.from, forced.to), (ReviewState::Approved, phase("B"), phase("A")));
    assert_eq!((ruling.by.as_str(), ruling.comment.as_str()), ("gov", "as the RCA is missing"));
    assert_eq!(told(&world, |kind| matches!(kind, NoticeKind::ReviewDecided { to: Some(_), .. })), 1);
    let running = world.running();
    assert_eq!((running.initiator.as_str(), running.incident.as_ref()), ("gov", Some(&incident.id)));

    world.hops.clear();
    world.finish_command_of(&incident.id);
    assert_eq!((world.target.phase.clone(), world.target.incident.clone()), (phase("A"), None));
    assert_eq!(world.incident().state(), IncidentState::Recovered);
    assert_eq!(world.incident().rollback, incident.rollback, "the rollback it needed stays the one it shows");
    for hop in ["command_started", "command_finished", "phase_changed"] {
        assert!(world.hops.iter().any(|it| it == hop), "{hop} is missing in {:?}", world.hops);
    }
    let text = world.notices(|kind| matches!(kind, NoticeKind::Rollback(_)));
    assert_eq!((text[0].phase.clone(), text[0].incident.as_ref()), (phase("B"), Some(&incident.id)));
}

/// GO-2, RB-6: while the incident is open, the forced rollback is a further one of it, with a watch of its own.
#[test]
fn an_approval_during_the_incident_is_its_next_rollback() {
    let (mut world, incident) = overdue(false);
    assert_eq!(world.target.incident, Some(incident.id.clone()));
    world.apply(rule(true)).unwrap();
    assert_eq!(world.incident().rollbacks, incident.rollbacks + 1);
    world.finish_command();
    assert_eq!(world.target.phase, phase("A"));
    for _ in 0..6 {
        world.judged(Verdict::Ok, None);
    }
    assert_eq!(world.incident().state(), IncidentState::Recovered);
}

/// GO-2, DE-4: with another incident open, the forced rollback counts for that one: its watch begins anew.
#[test]
fn a_forced_rollback_under_another_incident_belongs_to_that_one_in_the_end() {
    let (mut world, first) = overdue(true);
    world.violation();
    world.finish_command();
    let second = world.incident().id.clone();
    assert_eq!((world.target.phase.clone(), world.target.incident.as_ref()), (phase("A"), Some(&second)));
    world.apply_to(Some(first.id.clone()), rule(true)).unwrap();
    assert_eq!(world.incidents[&first.id].state(), IncidentState::Recovered);
    world.finish_command();
    assert_eq!(world.target.phase, phase("off"));
    assert_eq!(world.incidents[&second].state(), IncidentState::Recovered, "nobody is served any more");
}

/// GO-2, DE-4: a violation during the forced rollback opens an incident, which takes the rollback over.
#[test]
fn a_violation_during_the_forced_rollback_takes_it_over() {
    let (mut world, first) = overdue(true);
    world.apply_to(Some(first.id.clone()), rule(true)).unwrap();
    world.violation();
    let second = world.incident().id.clone();
    assert_ne!(second, first.id);
    assert_eq!(world.runs().len(), 2, "the first incident's and the forced one");
    world.finish_command();
    assert_eq!((world.target.phase.clone(), world.target.incident.as_ref()), (phase("A"), Some(&second)));
    for _ in 0..6 {
        world.judged(Verdict::Ok, None);
    }
    assert_eq!(world.target.incident, None);
}

/// RB-4: a forced rollback that fails opens an incident, as one by hand does: somebody has to act now.
#[test]
fn a_forced_rollback_that_fails_opens_an_incident() {
    let (mut world, first) = overdue(true);
    world.apply_to(Some(first.id.clone()), rule(true)).unwrap();
    world.fail_command();
    let second = world.incident().clone();
    assert_ne!(second.id, first.id);
    assert_eq!((second.priority.as_str(), world.target.stage.name()), ("P1", "rollback_failed"));
    let transition = world.running().id;
    world.apply(Event::TransitionRetried { transition, by: "ana".into() }).unwrap();
    world.finish_command();
    assert_eq!((world.target.phase.clone(), world.target.incident.as_ref()), (phase("A"), Some(&second.id)));
}

/// GO-2: a freeze stops what nobody asked for by hand; governance has asked.
#[test]
fn an_approval_forces_the_rollback_of_a_frozen_target() {
    let (mut world, incident) = overdue(true);
    world.apply(Event::Freeze { by: "ben".into(), reason: "r".into() }).unwrap();
    world.apply_to(Some(incident.id.clone()), rule(true)).unwrap();
    world.finish_command_of(&incident.id);
    assert_eq!((world.target.phase.clone(), world.target.frozen.is_some()), (phase("A"), true));
}

/// GO-2: declined is recorded, and nothing moves.
#[test]
fn a_declined_review_is_recorded_with_its_comment() {
    let (mut world, incident) = overdue(true);
    world.effects.clear();
    let before = world.target.clone();
    world.apply_to(Some(incident.id.clone()), rule(false)).unwrap();
    let review = world.incident().review.clone().unwrap();
    assert_eq!(review.state, ReviewState::Declined);
    assert_eq!(review.ruling.unwrap().comment, "as the RCA is missing");
    assert_eq!((world.runs().len(), &world.target), (0, &before));
    assert_eq!(told(&world, |kind| matches!(kind, NoticeKind::ReviewDecided { to: None, .. })), 1);
}

/// GO-2: decided once. The same again is answered as the first time, anything else is refused.
#[test]
fn a_decided_review_stays_decided() {
    let (mut world, incident) = overdue(true);
    world.apply_to(Some(incident.id.clone()), rule(false)).unwrap();
    let before = world.incident().clone();
    world.apply_to(Some(incident.id.clone()), rule(false)).unwrap();
    assert_eq!(world.incident(), &before);
    let other = world.apply_to(Some(incident.id), rule(true)).unwrap_err();
    assert_eq!(other.reason(), Reason::IncidentState);
    assert!(other.to_string().contains("was decided by gov"), "{other}");
    assert_eq!(world.incident(), &before);
}

/// GO-2: a rollback under way has to end first, because nobody knows yet from which phase one would go back.
#[test]
fn an_approval_waits_for_a_rollback_under_way() {
    let (mut world, incident) = overdue(true);
    world.apply(Event::Rollback { by: "ben".into(), from: phase("B"), reason: "complaints".into() }).unwrap();
    let refused = world.apply_to(Some(incident.id.clone()), rule(true)).unwrap_err();
    assert_eq!((refused.reason(), refused.blockers[0].code()), (Reason::Blocked, "transition_running"));
    world.finish_command();
    world.apply_to(Some(incident.id), rule(true)).unwrap();
    world.finish_command_of(&world.incident().id.clone());
    assert_eq!(world.target.phase, phase("off"));
}

/// GO-2: from `off` nothing goes back; the review stays open until it is declined.
#[test]
fn there_is_nothing_to_go_back_to_from_off() {
    let mut world = World::in_phase("A");
    world.violation();
    world.finish_command();
    let id = world.incident().id.clone();
    world.now = world.incident().rca.due_at;
    world.apply_to(Some(id.clone()), Event::Tick).unwrap();
    assert_eq!(world.incident().review.as_ref().unwrap().recommendation, Recommendation::Stay);
    let refused = world.apply_to(Some(id.clone()), rule(true)).unwrap_err();
    assert_eq!(refused.reason(), Reason::NoSuchMove);
    world.apply_to(Some(id), rule(false)).unwrap();
    assert_eq!(world.incident().review.as_ref().unwrap().state, ReviewState::Declined);
}

/// GO-2: a late RCA changes the recommendation and leaves the decision to governance; its confirmation voids it.
#[test]
fn a_late_rca_changes_the_recommendation_and_its_confirmation_voids_the_review() {
    for decide_first in [true, false] {
        let (mut world, incident) = overdue(true);
        world.apply_to(Some(incident.id.clone()), submission("ana")).unwrap();
        let review = world.incident().review.clone().unwrap();
        assert_eq!((review.state, review.recommendation), (ReviewState::Open, Recommendation::Stay));
        let rca = world.incident().rca.view(&incident.id, incident.opened_at);
        assert_eq!(rca.in_time, Some(true), "at the very deadline is in time");
        if decide_first {
            world.apply_to(Some(incident.id.clone()), rule(true)).unwrap();
        }
        world.apply_to(Some(incident.id.clone()), confirm("gov")).unwrap();
        let state = world.incident().review.as_ref().unwrap().state;
        assert_eq!(state, if decide_first { ReviewState::Approved } else { ReviewState::Void });
        assert_eq!(world.incident().state(), IncidentState::Closed);
        let late = world.apply_to(Some(incident.id), rule(false)).unwrap_err();
        assert_eq!(late.reason(), Reason::IncidentState);
    }
}

/// GO-2: a review of an incident that closed meanwhile still has its rollback finished, in its log.
#[test]
fn a_forced_rollback_outlives_the_closing_of_its_incident() {
    let (mut world, incident) = overdue(true);
    world.apply_to(Some(incident.id.clone()), rule(true)).unwrap();
    world.apply_to(Some(incident.id.clone()), submission("ana")).unwrap();
    world.apply_to(Some(incident.id.clone()), confirm("gov")).unwrap();
    assert_eq!(world.incident().state(), IncidentState::Closed);
    world.finish_command_of(&incident.id);
    assert_eq!(world.target.phase, phase("A"));
    assert_eq!(world.incident().state(), IncidentState::Closed);
}

/// GO-3: nobody confirms what they wrote themselves, however they spell their name.
#[test]
fn nobody_confirms_their_own_rca() {
    let mut world = World::in_phase("B");
    world.violation();
    world.apply(submission("Ana")).unwrap();
    for own in ["Ana", "ana", " ANA "] {
        let refused = world.apply(confirm(own)).unwrap_err();
        assert_eq!(refused.blockers[0].code(), "four_eyes");
    }
    world.apply(confirm("gov")).unwrap();
    let before = world.incident().clone();
    world.apply(confirm("other")).unwrap();
    assert_eq!(world.incident(), &before, "the first confirmation stays");
}

/// GO-1: the newest submission counts for the text, the first for the time; after the confirmation it stays.
#[test]
fn a_submission_may_be_corrected_until_it_is_confirmed() {
    let mut world = World::in_phase("B");
    world.violation();
    world.apply(submission("ana")).unwrap();
    let first = world.now;
    world.advance(minutes(5));
    let before = world.incident().clone();
    world.apply(submission("ben")).unwrap();
    assert_eq!(world.incident(), &before, "the same again changes nothing");
    let Event::RcaSubmitted { by, mut finding } = submission("ben") else { panic!("a submission") };
    finding.cause = "the other lock".into();
    let corrected = Event::RcaSubmitted { by, finding };
    world.apply(corrected.clone()).unwrap();
    let rca = world.incident().rca.clone();
    assert_eq!((rca.first_submitted_at, rca.submission.as_ref().unwrap().by.as_str()), (Some(first), "ben"));
    world.apply(confirm("gov")).unwrap();
    world.apply(corrected).unwrap();
    let refused = world.apply(submission("ana")).unwrap_err();
    assert_eq!(refused.reason(), Reason::IncidentState);
}

/// ES-3: PagerDuty's news may come in any order: the earliest is the first.
#[test]
fn an_acknowledgement_that_happened_earlier_counts_as_the_first() {
    let mut world = World::in_phase("B");
    world.violation();
    let early = world.now.plus(minutes(5));
    world.advance(minutes(20));
    world.apply(Event::Acknowledged { by: "ana".into(), at: world.now }).unwrap();
    world.apply(Event::Acknowledged { by: "ben".into(), at: early }).unwrap();
    let first = world.incident().acknowledged.clone().unwrap();
    assert_eq!((first.by.as_str(), first.at), ("ben", early));
    world.apply(Event::PageResolved { by: "ben".into(), at: world.now }).unwrap();
    assert_eq!(world.hops.last().map(String::as_str), Some("page_resolved_by_person"));
    assert_eq!(world.incident().state(), IncidentState::Open, "nothing more than a hop");
}

/// An incident in each state it can be in; the last has no review.
fn at(stand: &str) -> (World, Incident) {
    let (mut world, incident) = overdue(stand != "open");
    match stand {
        "open" | "recovered" => {}
        "closed" => {
            world.apply_to(Some(incident.id.clone()), submission("ana")).unwrap();
            world.apply_to(Some(incident.id.clone()), confirm("gov")).unwrap();
        }
        "no review" => {
            let kept = world.incidents.get_mut(&incident.id).unwrap();
            kept.review = None;
            kept.rca.submission = None;
            kept.rca.due_at = world.now.plus(minutes(60));
        }
        other => panic!("no stand {other}"),
    }
    let incident = world.incident().clone();
    (world, incident)
}

fn shape(world: &World) -> (TargetState, Incident) {
    (world.target.clone(), world.incident().clone())
}

/// ES-3, GO-1, GO-2, GO-3: every state of an incident against every event that is about one: `-` is a refusal that changes nothing,
/// `=` an answer that changes nothing, `+` a change.
#[test]
fn every_stand_answers_every_event_as_the_table_says() {
    let stands = ["open", "recovered", "closed", "no review"];
    #[expect(clippy::type_complexity, reason = "a table")]
    let events: [(&str, fn(&World) -> Event, [&str; 4]); 10] = [
        ("page_resolved", |it| Event::PageResolved { by: "ana".into(), at: it.now }, ["=", "=", "=", "="]),
        ("acknowledged", |it| Event::Acknowledged { by: "ben".into(), at: it.now }, ["=", "=", "-", "="]),
        ("rca_prepared", |_| Event::RcaPrepared, ["+", "+", "+", "+"]),
        ("rca_submitted", |_| submission("ana"), ["+", "+", "-", "+"]),
        ("rca_confirmed", |_| confirm("gov"), ["-", "-", "-", "-"]),
        ("review_decided", |_| rule(true), ["+", "+", "-", "-"]),
        ("review_decided", |_| rule(false), ["+", "+", "-", "-"]),
        ("tick", |_| Event::Tick, ["=", "=", "=", "="]),
        ("start", |_| Event::Start { by: "ana".into(), obstacles: Vec::new() }, ["-", "-", "-", "-"]),
        ("promote", |_| Event::Promote { by: "ana".into(), from: None }, ["-", "-", "-", "-"]),
    ];
    for (name, event, expected) in events {
        for (stand, expected) in stands.into_iter().zip(expected) {
            let (mut world, incident) = at(stand);
            let before = shape(&world);
            let event = event(&world);
            assert_eq!(event.name(), name);
            let outcome = world.apply_to(Some(incident.id.clone()), event);
            let found = match (&outcome, shape(&world) == before) {
                (Err(_), true) => "-",
                (Err(rejection), false) => panic!("{stand} / {name}: changed and refused: {rejection}"),
                (Ok(_), true) => "=",
                (Ok(_), false) => "+",
            };
            assert_eq!(found, expected, "{stand} / {name}: {outcome:?}");
        }
    }
}

/// GO-2: an approval at each stage of the rollout.
#[test]
fn an_approval_answers_every_stage_as_the_table_says() {
    for (stage, expected) in [
        ("idle", "rolling_back"),
        ("promoting", "rolling_back"),
        ("superseded", "-"),
        ("rolling_back", "-"),
        ("rollback_failed", "rolling_back"),
        ("waiting", "rolling_back"),
    ] {
        let (mut world, incident) = overdue(true);
        world.policy.phases[1].advance.critical_alerts = None;
        match stage {
            "promoting" | "superseded" => {
                world.ripen();
                world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
                if stage == "superseded" {
                    world.start_command();
                    world.violation();
                }
            }
            "rolling_back" | "rollback_failed" => {
                world.violation();
                if stage == "rollback_failed" {
                    world.fail_command();
                }
            }
            "waiting" => {
                world.apply(Event::Freeze { by: "ben".into(), reason: "r".into() }).unwrap();
                world.violation();
            }
            _ => {}
        }
        assert_eq!(world.target.stage.name(), stage);
        let before = world.target.clone();
        match world.apply_to(Some(incident.id), rule(true)) {
            Ok(step) => {
                assert_eq!(step.target.stage.name(), expected, "{stage}");
                let Stage::RollingBack(it) = &step.target.stage else { panic!("{stage}") };
                assert_eq!((&it.from, &it.to), (&phase("B"), &phase("A")));
            }
            Err(rejection) => {
                assert_eq!("-", expected, "{stage}: {rejection}");
                assert_eq!(world.target, before);
            }
        }
    }
}
