//! The guard's own trouble is not the feature's (JU-8, JU-17, CO-10): a host that slept, windows that did not come, an analyzer
//! that was away. What the gate says of it, and what follows.

use std::time::Duration;

use shared_types::decision::{Cause, ViolationAction};
use shared_types::incident::IncidentState;
use shared_types::story::{Hop, StillHeld};
use shared_types::{Decision, Verdict, Window};

use super::lowering::lowered;
use super::world::{World, minutes, phase};
use crate::gate::fixture::{Counts, autosave, policy as literal, shipped, with_control};
use crate::gate::ledger::{Judged, Rules, decide};
use crate::gate::{CheckedBatch, GateState, Subject, observe_batch, observe_missing};
use crate::policy::TargetPolicy;
use crate::rollout::promotion::blockers;
use crate::rollout::{Blocker, Event, NoticeKind, Step};

/// A rollout in phase B, judged by the gate.
struct Guarded {
    world: World,
    state: GateState,
}

impl Guarded {
    fn by(policy: &TargetPolicy) -> Self {
        let mut world = World::in_phase("B");
        world.policy.gate = policy.gate.clone();
        world.policy.metrics = policy.metrics.clone();
        world.policy.phases.clone_from(&policy.phases);
        Self { world, state: GateState::unheard(autosave()) }
    }

    fn as_shipped() -> Self {
        Self::by(&shipped())
    }

    /// The window that ends now, whose batch comes so much later.
    fn batch(&mut self, window: Window, latency: Duration) -> Decision {
        let latency_ms = u64::try_from(latency.as_millis()).unwrap();
        self.counted(&Counts { window, latency_ms, ..Counts::default() }).0
    }

    fn counted(&mut self, of: &Counts) -> (Decision, Step) {
        let counts = Counts { phase: "B", epoch: self.world.target.epoch, ..of.clone() };
        let checked = CheckedBatch::check(counts.batch(), &self.world.policy).unwrap();
        let observed = observe_batch(&checked, &[], &self.world.policy, &self.world.policy.phases[1]);
        let at = counts.window.end.plus(Duration::from_millis(counts.latency_ms));
        self.decided(Subject::of(checked.batch()), observed, at)
    }

    /// The next window: errors of 600 saves each, of the version and of the control group.
    fn beside(&mut self, errors: u64, control: u64) -> (Decision, Step) {
        let window = self.next();
        let (completed, control) = (600 - errors, Some((control, 600)));
        self.counted(&Counts { window, completed, errors, control, ..Counts::default() })
    }

    fn decided(
        &mut self,
        subject: Subject,
        observed: crate::gate::Observed,
        at: shared_types::Timestamp,
    ) -> (Decision, Step) {
        let policy = &self.world.policy;
        let rules = Rules { version: "v", policy, phase: &policy.phases[1] };
        let judged = Judged { subject, observed, batch_hash: None, elapsed_ms: None, sequence: 1, at };
        let decision = decide(&mut self.state, rules, judged);
        self.world.now = self.world.now.max(at);
        let step = self.world.apply(Event::Decided(Box::new(decision.clone()))).unwrap();
        (decision, step)
    }

    fn next(&mut self) -> Window {
        let start = self.world.now.align_down(minutes(15));
        Window { start, end: start.plus(minutes(15)) }
    }

    fn good(&mut self) {
        let window = self.next();
        self.batch(window, Duration::from_secs(31));
    }

    /// The next window does not come, or the collector gives it up.
    fn missing(&mut self, cause: Cause) -> Step {
        let window = self.next();
        let subject =
            Subject { target: autosave(), phase: phase("B"), epoch: self.world.target.epoch, window };
        let elapsed = Duration::from_secs(301);
        let observed = observe_missing(cause, elapsed, &self.world.policy);
        self.decided(subject, observed, window.end.plus(elapsed)).1
    }

    fn gaps_told(&self) -> usize {
        self.world.notices(|kind| *kind == NoticeKind::Gap).len()
    }
}

/// JU-17, CO-10: a host that slept for ten windows closes them late when it wakes. A person is paged as of a notice; nothing
/// moves, nothing is to be explained, and it closes by itself.
#[test]
fn a_host_that_slept_pages_as_a_notice() {
    let mut it = Guarded::as_shipped();
    (0..3).for_each(|_| it.good());
    let first = it.next();
    let woke = first.start.plus(minutes(15 * 10)).plus(Duration::from_secs(40));
    let slept = (0..10).map(|n| {
        let start = first.start.plus(minutes(15 * n));
        Window { start, end: start.plus(minutes(15)) }
    });
    for window in slept.collect::<Vec<_>>() {
        it.batch(window, woke.since(window.end));
    }
    assert_eq!((it.world.runs().len(), it.world.target.phase.clone()), (0, phase("B")));
    let incident = it.world.incident();
    assert!(incident.notice && incident.metric == "collector_latency", "{incident:?}");
    assert_eq!((it.world.pages(), it.world.target.alerts), (vec!["P2"], 0));
    assert!(it.world.target.incident_notices.is_empty());
    let id = incident.id.clone();
    it.good();
    assert_eq!(it.world.incidents[&id].state(), IncidentState::Closed);
    assert!(it.world.target.evidence_open.is_empty(), "no checklist stands in the way");
}

/// JU-17: what the feature's own metric asks for beside it makes an incident of it.
#[test]
fn a_slow_collector_hides_no_violation() {
    let mut policy = shipped();
    policy.metrics[1].on_violation = ViolationAction::Page;
    let mut it = Guarded::by(&policy);
    let slow = Duration::from_secs(200);
    for _ in 0..3 {
        let window = it.next();
        it.batch(window, slow);
    }
    assert!(it.world.incident().notice);
    let window = it.next();
    it.counted(&Counts { window, errors: 500, latency_ms: 200_000, ..Counts::default() });
    assert!(!it.world.incident().notice);
    assert_eq!(it.world.target.alerts, 1);
}

/// JU-17: by `judge: window` a slow collector is an incident as it always was.
#[test]
fn by_the_letter_a_slow_collector_is_an_incident() {
    let mut policy = literal();
    policy.metrics[3].on_violation = ViolationAction::Page;
    let mut it = Guarded::by(&policy);
    let window = it.next();
    it.batch(window, Duration::from_secs(200));
    assert!(!it.world.incident().notice);
    assert_eq!(it.world.target.alerts, 1);
}

/// JU-8: a gap is told once when it begins, in the rollout channel, and pages nobody; the next gap is told again.
#[test]
fn a_gap_is_told_once() {
    let mut it = Guarded::as_shipped();
    it.good();
    let step = it.missing(Cause::CollectionDelayed);
    let plan = lowered(&it.world, step);
    let [told] = &plan.notifications[..] else { panic!("{:?}", plan.notifications) };
    assert_eq!(told.channel, "#autosave-rollout");
    let text = "📭 AutoSave B: the window 2026-11-22T10:30Z/10:45Z did not come / up to 3 in a row pass, one more pages / action=watch";
    assert_eq!(told.text, text);
    it.missing(Cause::CollectionDelayed);
    assert_eq!(it.gaps_told(), 1);
    it.good();
    it.missing(Cause::CollectionDelayed);
    assert_eq!((it.gaps_told(), it.world.pages().len()), (2, 0));
    let mut window = Guarded::by(&literal());
    window.missing(Cause::CollectionDelayed);
    assert_eq!(window.gaps_told(), 0);
}

/// JU-8, ES-2: an analyzer that was away for longer than all retries is an incident that pages at once; a rollback only where
/// the policy says so.
#[test]
fn exhausted_retries_take_nothing_back_by_default() {
    let mut it = Guarded::as_shipped();
    it.good();
    it.missing(Cause::RetryExhausted);
    assert_eq!((it.world.pages(), it.world.runs().len()), (vec!["P2"], 0));
    assert!(!it.world.incident().notice && it.world.target.phase == phase("B"));
    let mut policy = shipped();
    policy.metrics[3].on_violation = ViolationAction::Rollback;
    let mut strict = Guarded::by(&policy);
    strict.missing(Cause::RetryExhausted);
    assert_eq!(strict.world.runs(), [(phase("B"), phase("A"))]);
}

/// JU-3, JU-8: one late batch alone is a doubt about the guard, and no page.
#[test]
fn one_late_batch_pages_nobody() {
    let mut it = Guarded::as_shipped();
    let window = it.next();
    let decision = it.batch(window, Duration::from_secs(280));
    assert_eq!((decision.verdict, it.world.pages().len()), (Verdict::Unsure, 0));
}

/// JU-9a, JU-17: what happens outside pages as a notice; nothing is rolled back, nothing moves up while it lasts, and it
/// closes with the next compliant window.
#[test]
fn what_happens_outside_pages_as_a_notice() {
    let mut it = Guarded::by(&with_control());
    it.beside(1, 1);
    let (decision, _) = it.beside(30, 28);
    assert_eq!((decision.verdict, decision.action), (Verdict::Unsure, Some(ViolationAction::Page)));
    let incident = it.world.incident().clone();
    assert!(incident.notice && incident.metric == "error_rate", "{incident:?}");
    assert_eq!((it.world.pages(), it.world.incident_texts(), it.world.runs().len()), (vec!["P2"], 1, 0));
    let codes = |it: &Guarded| -> Vec<_> {
        blockers(&it.world.target, &it.world.terms()).iter().map(Blocker::code).collect()
    };
    assert!(codes(&it).contains(&"incident_open") && codes(&it).contains(&"unsure"), "{:?}", codes(&it));
    it.beside(30, 28);
    assert_eq!((it.world.pages().len(), it.world.incident_texts()), (1, 1), "once");
    it.beside(1, 1);
    assert_eq!(it.world.incidents[&incident.id].state(), IncidentState::Closed);
    let left = codes(&it);
    assert!(!left.contains(&"incident_open") && !left.contains(&"evidence_incomplete"), "{left:?}");
    assert_eq!((it.world.target.alerts, it.world.runs().len()), (0, 0));
}

/// JU-9g: a hold of eight windows is told and paged once more, with the last move up and how long before the hold it was.
#[test]
fn a_long_hold_is_told_again() {
    let mut it = Guarded::by(&with_control());
    (0..3).for_each(|_| _ = it.beside(1, 1));
    let told = |it: &Guarded| it.world.notices(|kind| matches!(kind, NoticeKind::StillHeld(_))).len();
    for _ in 0..7 {
        it.beside(30, 28);
        assert_eq!((told(&it), it.world.pages().len()), (0, 1));
    }
    let (_, step) = it.beside(30, 28);
    let still =
        StillHeld { windows: 8, from: Some(phase("A")), to: Some(phase("B")), before_ms: Some(45 * 60_000) };
    let hops: Vec<_> = step.timeline.iter().map(|it| it.hop.clone()).collect();
    assert!(hops.contains(&Hop::StillHeld(still)), "{hops:?}");
    let plan = lowered(&it.world, step);
    let texts: Vec<_> = plan.notifications.iter().map(|it| (it.channel.as_str(), it.text.as_str())).collect();
    let line = "\nStill held: the control group has been as bad for 8 windows in a row; last move up A → B 45m before it began";
    assert!(texts.iter().all(|(_, text)| text.ends_with(line)), "{texts:?}");
    assert_eq!(texts.iter().map(|it| it.0).collect::<Vec<_>>(), ["#incident-autosave", "pagerduty"]);
    (0..8).for_each(|_| _ = it.beside(30, 28));
    assert_eq!((told(&it), it.world.pages(), it.world.incident_texts()), (1, vec!["P2", "P2"], 1));
    assert!(it.world.incident().notice && it.world.runs().is_empty());
}

/// JU-9g: after a rollback there is no move up to name; another page that joins a notice is not told again.
#[test]
fn only_a_hold_is_told_again() {
    let mut it = Guarded::by(&with_control());
    it.world.target.ended.as_mut().unwrap().kind = shared_types::rollout::TransitionKind::Rollback;
    (0..8).for_each(|_| _ = it.beside(30, 28));
    let [told] = &it.world.notices(|kind| matches!(kind, NoticeKind::StillHeld(_)))[..] else { panic!() };
    let still = StillHeld { windows: 8, from: None, to: None, before_ms: None };
    assert_eq!(told.kind, NoticeKind::StillHeld(still));
    let mut slow = Guarded::as_shipped();
    for _ in 0..20 {
        let window = slow.next();
        slow.batch(window, Duration::from_secs(200));
    }
    assert_eq!(slow.world.pages().len(), 1);
}

/// TE-6: an event that is missed is told once, in the rollout channel and in every phase, and pages nobody.
#[test]
fn an_event_that_vanished_is_told_in_the_rollout_channel() {
    let mut it = Guarded::as_shipped();
    let mut plans = vec![];
    for n in 0..20 {
        let window = it.next();
        let errors = if n < 10 { 8 } else { 0 };
        let (_, step) = it.counted(&Counts { window, completed: 2000, errors, ..Counts::default() });
        plans.push(lowered(&it.world, step));
    }
    let told = plans.iter().flat_map(|plan| &plan.notifications).filter(|it| it.text.starts_with("🔍"));
    let told: Vec<_> = told.map(|it| (it.channel.as_str(), it.text.as_str())).collect();
    let text = "🔍 AutoSave B: `autosave.save.error` came regularly, and not since 2026-11-22T12:45:00.000Z (3 windows) / action=look where it went";
    assert_eq!(told, [("#autosave-rollout", text)]);
    assert!(it.world.pages().is_empty());
    let shown = crate::story::views::rollout(&it.world.target, &it.world.terms());
    assert_eq!(shown.gate.unwrap().vanished[0].windows, 10, "shown while it lasts");
}
