//! EV-1 to EV-3, and PH-5's part of it.

use std::time::Duration;

use crate::policy::{EvidenceItem, Shared};
use shared_types::decision::{Cause, ViolationAction};
use shared_types::incident::EvidenceState as S;
use shared_types::{Decision, IncidentId, Verdict};

use super::world::{World, minutes, phase, submission};
use crate::rollout::Finding;
use crate::rollout::evidence::{
    CheckResult, Facts, Figure, FiguresFact, Lack, PageFact, Signing, check, missing, view,
};
use crate::rollout::promotion;
use crate::rollout::{Blocker, Effect, Event, Reason, Rejection, Step};
use crate::story::words;

/// The shipped policy's checklist.
fn checklist() -> Shared<Vec<EvidenceItem>> {
    crate::gate::fixture::policy().evidence
}

pub(super) fn sign(item: &str, by: &str) -> Signing {
    Signing { item: item.to_owned(), by: by.to_owned(), comment: None, link: None, task: None }
}

/// A rollout in B that an incident has taken back to A; the incident is still open.
pub(super) struct Scene {
    pub(super) world: World,
    id: IncidentId,
}

impl Scene {
    pub(super) fn new() -> Self {
        let mut world = World::in_phase("B");
        world.policy.evidence = checklist();
        world.violation();
        world.finish_command();
        let id = world.incident().id.clone();
        Self { world, id }
    }

    pub(super) fn apply(&mut self, event: Event) -> Result<Step, Rejection> {
        self.world.apply_to(Some(self.id.clone()), event)
    }

    pub(super) fn sign(&mut self, signing: Signing) -> Result<Step, Rejection> {
        self.apply(Event::EvidenceSigned(signing))
    }

    fn states(&self) -> Vec<(String, S)> {
        let items = view(self.world.incident(), &self.world.policy);
        items.into_iter().map(|it| (it.item, it.state)).collect()
    }

    fn state(&self, item: &str) -> S {
        self.states().into_iter().find(|it| it.0 == item).unwrap().1
    }

    fn missing(&self, item: &str) -> Vec<String> {
        let items = view(self.world.incident(), &self.world.policy);
        items.into_iter().find(|it| it.item == item).unwrap().missing
    }

    /// What stands between the target and its next move, of evidence.
    fn blockers(&self) -> Vec<String> {
        let found = promotion::blockers(&self.world.target, &self.world.terms());
        found.iter().filter(|it| it.code() == "evidence_incomplete").map(words::blocker).collect()
    }

    pub(super) fn learn(&mut self, facts: Facts) {
        self.apply(Event::EvidenceChecked { facts }).unwrap();
    }

    pub(super) fn facts(&self) -> Facts {
        let page = PageFact {
            at: self.world.incident().opened_at,
            template: "autosave-incident".to_owned(),
            command: Some("phasegate rollback".to_owned()),
            in_text: true,
        };
        let pairs = vec![("p95".to_owned(), Some(1.71), Some(1.71))];
        let figures = FiguresFact { phase: "A".to_owned(), same_phase: true, pairs };
        Facts { page: Some(page), exhausted: Vec::new(), figures: Some(figures) }
    }

    pub(super) fn acknowledge(&mut self) {
        let at = self.world.now;
        self.apply(Event::Acknowledged { by: "ana".into(), at }).unwrap();
    }

    pub(super) fn explain(&mut self) {
        self.apply(submission("ana")).unwrap();
        self.apply(Event::RcaConfirmed { by: "gov".into(), comment: "RCA confirmed".into(), read: None })
            .unwrap();
    }

    /// An analysis with that for both parts.
    pub(super) fn submit(&mut self, text: &str) {
        let finding =
            Finding { cause: text.to_owned(), prevention: text.to_owned(), link: Some(text.to_owned()) };
        self.apply(Event::RcaSubmitted { by: "ana".to_owned(), finding }).unwrap();
    }

    /// All but the release.
    fn complete_the_rest(&mut self) {
        self.learn(self.facts());
        self.acknowledge();
        self.explain();
        self.sign(sign("retry_log", "ben")).unwrap();
        self.sign(sign("dashboard", "ana")).unwrap();
    }
}

fn codes(rejection: &Rejection) -> Vec<&str> {
    rejection.blockers.iter().map(Blocker::code).collect()
}

/// EV-1, EV-2, EV-3: from nothing to everything, and what each act changes.
#[test]
fn a_checklist_is_completed_item_by_item() {
    let mut scene = Scene::new();
    let owned = |list: &[(&str, S)]| list.iter().map(|(a, b)| ((*a).to_owned(), *b)).collect::<Vec<_>>();
    let opened = [
        ("pagerduty", S::Open),
        ("retry_log", S::Open),
        ("rca", S::Open),
        ("dashboard", S::Open),
        ("release", S::Waiting),
    ];
    assert_eq!(scene.states(), owned(&opened));
    scene.learn(scene.facts());
    assert_eq!(scene.missing("pagerduty"), ["nobody has acknowledged it"]);
    scene.acknowledge();
    assert_eq!(scene.state("pagerduty"), S::Satisfied);
    assert_eq!(scene.state("dashboard"), S::Open, "a reviewer signs even what agrees");
    scene.explain();
    assert_eq!(scene.state("rca"), S::Satisfied);
    scene.sign(sign("retry_log", "ben")).unwrap();
    assert_eq!(scene.blockers(), ["INC-20261122-001: dashboard (sre), release (release-ops)"]);
    scene.sign(sign("dashboard", "ana")).unwrap();
    assert_eq!(scene.state("release"), S::Open);
    scene.sign(sign("release", "rel")).unwrap();
    assert_eq!(missing(scene.world.incident(), &scene.world.policy), Vec::<String>::new());
    assert_eq!(scene.blockers(), Vec::<String>::new());
}

/// PH-5, EV-3: nothing moves up before the last signature, and moves after it.
#[test]
fn no_phase_moves_up_while_evidence_is_missing() {
    let mut scene = Scene::new();
    scene.acknowledge();
    for _ in 0..10 {
        scene.world.judged(Verdict::Ok, None);
    }
    assert_eq!(scene.world.target.incident, None, "it has recovered");
    scene.world.ripen();
    let refused = scene.world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap_err();
    assert_eq!(codes(&refused), ["evidence_incomplete"]);
    let all = "INC-20261122-001: pagerduty (sre), retry_log (sre), rca (governance), dashboard (sre), \
               release (release-ops)";
    assert_eq!(words::blocker(&refused.blockers[0]), all);
    scene.complete_the_rest();
    let refused = scene.world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap_err();
    assert_eq!(words::blocker(&refused.blockers[0]), "INC-20261122-001: release (release-ops)");
    assert!(scene.world.incident().closed_at.is_some(), "evidence outlives the closing");
    scene.sign(sign("release", "rel")).unwrap();
    scene.world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
    scene.world.finish_command();
    assert_eq!(scene.world.target.phase, phase("B"));
}

/// PH-5, PH-6: a rollout that went all the way down is not started again without evidence either.
#[test]
fn a_start_waits_for_the_evidence_too() {
    let mut world = World::in_phase("A");
    world.policy.evidence = checklist();
    world.violation();
    world.finish_command();
    assert!(world.target.phase.is_off());
    let refused = world.apply(Event::Start { by: "ana".into(), obstacles: Vec::new() }).unwrap_err();
    assert_eq!(codes(&refused), ["evidence_incomplete"]);
}

/// EV-1: a policy without a checklist asks for nothing.
#[test]
fn without_a_checklist_nothing_is_held_back() {
    let mut world = World::in_phase("B");
    world.violation();
    assert!(world.target.evidence_open.is_empty());
    assert!(view(world.incident(), &world.policy).is_empty());
}

/// EV-1: the release comes last, and from somebody who did not sign all the rest.
#[test]
fn the_release_waits_for_the_others_and_for_another_person() {
    let mut scene = Scene::new();
    let refused = scene.sign(sign("release", "rel")).unwrap_err();
    assert_eq!(refused.reason(), Reason::Blocked);
    let waits: Vec<_> = refused.blockers.iter().map(words::blocker).collect();
    assert_eq!(waits, ["pagerduty", "retry_log", "rca", "dashboard"]);
    scene.learn(scene.facts());
    scene.acknowledge();
    scene.explain();
    scene.sign(sign("retry_log", "rel")).unwrap();
    scene.sign(sign("dashboard", "Rel ")).unwrap();
    let refused = scene.sign(sign("release", "rel")).unwrap_err();
    assert_eq!(codes(&refused), ["signed_alone"]);
    scene.sign(sign("release", "ana")).unwrap();
}

/// EV-1: who signed some of the others may still release.
#[test]
fn one_of_several_signers_may_release() {
    let mut scene = Scene::new();
    scene.complete_the_rest();
    scene.sign(sign("release", "ana")).unwrap();
}

/// EV-2: what the check does not find takes a comment; what somebody has yet to do, no comment replaces.
#[test]
fn a_failing_check_is_signed_with_a_comment_only() {
    let mut scene = Scene::new();
    for item in ["pagerduty", "dashboard"] {
        let refused = scene.sign(sign(item, "ana")).unwrap_err();
        assert_eq!(codes(&refused), ["comment_missing"], "{item}");
        let with = Signing { comment: Some("paging was by phone".into()), ..sign(item, "ana") };
        scene.sign(with).unwrap();
        assert_eq!(scene.state(item), S::Signed);
    }
    let with = Signing { comment: Some("never mind".into()), ..sign("rca", "gov") };
    assert_eq!(codes(&scene.sign(with.clone()).unwrap_err()), ["evidence_missing"]);
    scene.apply(submission("ana")).unwrap();
    assert_eq!(codes(&scene.sign(with).unwrap_err()), ["evidence_missing"], "not confirmed yet");
}

/// EV-1, GO-1: late is late; it is signed with a comment.
#[test]
fn an_rca_that_came_late_takes_a_signature() {
    let mut scene = Scene::new();
    scene.world.advance(minutes(25 * 60));
    scene.explain();
    assert_eq!(scene.missing("rca"), ["it was submitted after it was due"]);
    assert_eq!(codes(&scene.sign(sign("rca", "gov")).unwrap_err()), ["comment_missing"]);
    scene.sign(Signing { comment: Some("a holiday".into()), ..sign("rca", "gov") }).unwrap();
}

/// EV-1, ES-3: an acknowledgement after the quarter of an hour does not fill the item in.
#[test]
fn a_late_acknowledgement_does_not_satisfy_the_item() {
    let mut scene = Scene::new();
    scene.learn(scene.facts());
    let due = scene.world.incident().acknowledge_by;
    scene.world.now = due;
    scene.acknowledge();
    assert_eq!(scene.state("pagerduty"), S::Satisfied, "the last moment is in time");
    let mut scene = Scene::new();
    scene.learn(scene.facts());
    scene.world.now = due.plus(Duration::from_millis(1));
    scene.acknowledge();
    assert_eq!(scene.state("pagerduty"), S::Open);
    assert!(scene.missing("pagerduty")[0].starts_with("the acknowledgement was due at"));
}

/// EV-1: the page holds the command, in its text as well.
#[test]
fn a_page_without_the_command_in_its_text_does_not_satisfy_the_item() {
    let mut scene = Scene::new();
    let mut facts = scene.facts();
    facts.page.as_mut().unwrap().in_text = false;
    scene.learn(facts);
    scene.acknowledge();
    assert_eq!(scene.missing("pagerduty"), ["the page does not hold the rollback command"]);
}

/// EV-1: within 5 %, the limit included; more, a figure that only one of the two shows, or another phase, is not.
#[test]
fn figures_agree_within_five_percent() {
    let table: [(Option<f64>, Option<f64>, bool, bool); 9] = [
        (Some(2.0), Some(2.0), true, true),
        (Some(2.1), Some(2.0), true, true),
        (Some(1.9), Some(2.0), true, true),
        (Some(2.11), Some(2.0), true, false),
        (Some(0.0), Some(0.0), true, true),
        (Some(0.1), Some(0.0), true, false),
        (None, None, true, true),
        (None, Some(2.0), true, false),
        (Some(2.0), Some(2.0), false, false),
    ];
    for (message, card, same_phase, agrees) in table {
        let mut scene = Scene::new();
        let mut facts = scene.facts();
        let pairs = vec![("p95".to_owned(), message, card)];
        facts.figures = Some(FiguresFact { phase: "A".to_owned(), same_phase, pairs });
        scene.learn(facts);
        assert_eq!(scene.sign(sign("dashboard", "ana")).is_ok(), agrees, "{message:?} {card:?} {same_phase}");
    }
}

/// EV-1: exhausted retries are noted with their windows, and ask for a task that stays until it is done.
#[test]
fn exhausted_retries_ask_for_a_follow_up() {
    let mut scene = Scene::new();
    scene.world.advance(minutes(5));
    let mut decision = scene.world.decision(Verdict::Violation, Some(ViolationAction::Page));
    decision.cause = Cause::RetryExhausted;
    let window = decision.window.to_string();
    scene.world.apply(Event::Decided(Box::new(decision.clone()))).unwrap();
    scene.world.apply(Event::Decided(Box::new(decision))).unwrap();
    assert_eq!(scene.world.incident().evidence.facts.exhausted, std::slice::from_ref(&window));
    scene.learn(scene.facts());
    assert_eq!(scene.world.incident().evidence.facts.exhausted, [window], "the machine's own note stays");
    assert_eq!(codes(&scene.sign(sign("retry_log", "ana")).unwrap_err()), ["task_missing"]);
    let step =
        scene.sign(Signing { task: Some("a second source".into()), ..sign("retry_log", "ana") }).unwrap();
    assert!(step.effects.contains(&Effect::WriteChecklist));
    assert_eq!(scene.world.target.evidence_tasks[0].text, "a second source");
    assert_eq!(scene.state("retry_log"), S::Signed, "the task does not hold the item back");
    let done = Event::EvidenceTaskDone { by: "ben".into(), item: "retry_log".into() };
    let step = scene.apply(done.clone()).unwrap();
    assert!(step.effects.contains(&Effect::WriteChecklist));
    assert!(scene.world.target.evidence_tasks.is_empty());
    let step = scene.apply(done).unwrap();
    assert!(step.effects.is_empty() && step.timeline.is_empty(), "done once");
    let none = Event::EvidenceTaskDone { by: "ben".into(), item: "dashboard".into() };
    assert_eq!(codes(&scene.apply(none).unwrap_err()), ["task_missing"]);
}

/// EV-2: only what the policy says is checked by itself is, and the retries that were used up are told by their windows.
#[test]
fn only_an_automatic_item_is_checked_by_itself() {
    let mut scene = Scene::new();
    scene.learn(scene.facts());
    scene.acknowledge();
    scene.explain();
    for item in checklist().into_iter().filter(|it| it.auto) {
        for auto in [true, false] {
            let result = check(scene.world.incident(), &EvidenceItem { auto, ..item.clone() }).result;
            let expected = if auto { CheckResult::Holds } else { CheckResult::Unchecked };
            assert_eq!(result, expected, "{}, auto: {auto}", item.item);
        }
    }
    let retries = checklist().into_iter().find(|it| it.item == "retry_log").unwrap();
    assert_eq!(check(scene.world.incident(), &retries).figures, [Figure::NoRetryExhausted]);
    let mut exhausted = scene.world.incident().clone();
    exhausted.evidence.facts.exhausted.push("10:00".to_owned());
    let figure = Figure::RetriesExhausted { windows: vec!["10:00".to_owned()] };
    assert_eq!(check(&exhausted, &retries).figures, [figure]);
}

/// EV-1: an analysis that came when it was due is in time.
#[test]
fn an_analysis_in_its_last_moment_is_in_time() {
    for (late, expected) in [(0, CheckResult::Holds), (1, CheckResult::Fails(Lack::AnalysisInTime))] {
        let mut scene = Scene::new();
        let due_at = scene.world.incident().rca.due_at;
        scene.world.now = due_at.plus(Duration::from_millis(late));
        scene.explain();
        let rca = checklist().into_iter().find(|it| it.item == "rca").unwrap();
        assert_eq!(check(scene.world.incident(), &rca).result, expected, "{late} ms late");
    }
}

/// EV-3: an incident owes what the policy asked for when it opened; a longer list holds nothing back afterwards.
#[test]
fn a_list_that_comes_later_does_not_hold_an_incident_back() {
    let mut world = World::in_phase("B");
    world.violation();
    world.policy.evidence = checklist();
    world.finish_command();
    assert_eq!(world.target.evidence_open, []);
}

/// EV-1: exhausted retries are noted with the open incident of their own stay alone.
#[test]
fn other_decisions_are_not_noted_as_exhausted_retries() {
    fn check(what: &str, noted: usize, change: fn(&mut Decision)) {
        let mut scene = Scene::new();
        let mut decision = scene.world.decision(Verdict::Violation, Some(ViolationAction::Page));
        decision.cause = Cause::RetryExhausted;
        change(&mut decision);
        scene.world.apply(Event::Decided(Box::new(decision))).unwrap();
        assert_eq!(scene.world.incident().evidence.facts.exhausted.len(), noted, "{what}");
    }
    check("exhausted", 1, |_| {});
    check("of another epoch", 0, |it| it.epoch -= 1);
    check("delayed", 0, |it| it.cause = Cause::CollectionDelayed);
}

/// EV-1: a task that is left stands with the owner of its item.
#[test]
fn a_task_belongs_to_the_owner_of_its_item() {
    let mut scene = Scene::new();
    scene.world.policy.evidence[1].owner = "owner of the log".into();
    scene.sign(Signing { task: Some("a second source".into()), ..sign("retry_log", "ana") }).unwrap();
    assert_eq!(scene.world.target.evidence_tasks[0].owner, "owner of the log");
}

/// EV-1: the first signature stays; the same again changes nothing, another one is refused.
#[test]
fn an_item_is_signed_once() {
    let mut scene = Scene::new();
    let first =
        Signing { comment: Some("read it".into()), link: Some("l".into()), ..sign("retry_log", "ana") };
    scene.sign(first.clone()).unwrap();
    scene.world.advance(minutes(1));
    for again in [first.clone(), sign("retry_log", "ana")] {
        let step = scene.sign(again).unwrap();
        assert!(step.timeline.is_empty());
    }
    let others = [sign("retry_log", "ben"), Signing { comment: Some("other".into()), ..first }];
    for other in others {
        assert_eq!(codes(&scene.sign(other).unwrap_err()), ["already_signed"]);
    }
    let unknown = scene.sign(sign("nonsense", "ana")).unwrap_err();
    assert_eq!(unknown.reason(), Reason::NoSuchItem);
}

/// PH-5: each incident of the rollout stands there on its own.
#[test]
fn every_incident_is_a_line_of_its_own() {
    let mut scene = Scene::new();
    scene.acknowledge();
    for _ in 0..10 {
        scene.world.judged(Verdict::Ok, None);
    }
    scene.world.violation();
    let lines = scene.blockers();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("INC-20261122-001: ") && lines[1].starts_with("INC-20261122-002: "));
    scene.complete_the_rest();
    scene.sign(sign("release", "rel")).unwrap();
    let lines = scene.blockers();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("INC-20261122-002: "));
}
