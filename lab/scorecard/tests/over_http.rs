//! A running `phasegate up` beside the functions that the scorecard is made from: the same batches over HTTP, the same decisions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use domain::gate::decision_id;
use domain::gate::recompute::differences;
use domain::policy::Policy;
use domain::whatif::archive::{Archived, Judge};
use phasegate_scorecard::batch::batch;
use phasegate_scorecard::corpus::{PHASES, Trace, WINDOW, WINDOWS, each_rollout_of};
use phasegate_scorecard::python::folder;
use phasegate_tests::stack::{Layout, Stack};
use serde::Serialize;
use serde_json::json;
use shared_types::collector_event::CollectorEventKind;
use shared_types::decision::Cause;
use shared_types::{Batch, CollectorEvent, Decision, Epoch, PhaseId, TargetName, Timestamp, Window};

/// Windows of a rollout that are judged.
const JUDGED: usize = 60;
/// So many of them before something happens in it.
const BEFORE: usize = 30;
/// A move up comes so many windows before that.
const MOVED: usize = 2;

/// Which rollouts of the small corpus, and whether they move up from A to B.
const PLAYED: [(&str, bool); 7] = [
    ("outside_incident", false),
    ("outside_incident", true),
    ("one_bad_user", true),
    ("step_1.5", true),
    ("step_in_incident", false),
    ("missing_late", false),
    ("spike_train", true),
];
/// Windows of the past do not come too late: so long nobody misses them.
const DELAYED_AFTER: Duration = Duration::from_secs(30 * 86_400);

/// What a proof over nothing would not have met.
const MET: [&str; 9] =
    ["alarm", "insufficient", "left out", "moved up", "ok", "outside", "surroundings", "unsure", "violation"];

/// SLO-9, JU-12: the figures of the scorecard are those of what people run. Everything that is said of a batch is the same, but
/// for the time at which it was said, and a stay's last decision is recomputed from what was stored.
#[tokio::test]
async fn a_running_phasegate_decides_as_the_scorecard_does() {
    let mut both = Both::start().await;
    for (class, moves_up) in PLAYED {
        both.play(&of_class(class), moves_up).await;
    }
    let missing: Vec<&str> = MET.into_iter().filter(|what| !both.met.contains(*what)).collect();
    assert!(missing.is_empty(), "never met: {missing:?}; met: {:?}", both.met);
}

fn of_class(class: &str) -> Trace {
    let mut found = None;
    each_rollout_of(&folder().join("seed-2.small.jsonl.gz"), |trace| {
        if trace.class == class {
            found = Some(trace);
        }
        Ok(())
    })
    .expect("a corpus");
    found.unwrap_or_else(|| panic!("no rollout of the class {class}"))
}

/// The first window that is out of the ordinary in phase A: it does not come, the control group fails, or one session does.
fn something_happens(trace: &Trace) -> usize {
    let (counted, control) = (&trace.phases[0], &trace.phases[0].control);
    let happens =
        |w: &usize| trace.is_missing(*w) || counted.top[*w] >= 4 || control.k[*w] * 25 > control.n[*w];
    (0..WINDOWS).find(happens).unwrap_or(BEFORE).clamp(BEFORE, WINDOWS - BEFORE)
}

/// The shipped policy with a control group, for windows of the past.
fn policy() -> String {
    let shipped = folder().join("../../../examples/policies/control-group.yaml");
    let shipped = std::fs::read_to_string(shipped).expect("a policy");
    let text = shipped
        .replace("delayed_after: 5m", "delayed_after: 30d")
        .replace("telemetry/autosave/*.jsonl", "@TELEMETRY@/*.jsonl")
        .replace("templates: templates/alerts", "templates: \"@TEMPLATES@\"");
    assert!(["delayed_after: 30d", "@TELEMETRY@", "@TEMPLATES@"].iter().all(|it| text.contains(it)));
    text
}

/// The two that are compared.
struct Both {
    stack: Stack,
    judge: Judge,
    target: TargetName,
    epoch: Epoch,
    /// Where the next window begins.
    next: Timestamp,
    met: BTreeSet<&'static str>,
}

impl Both {
    async fn start() -> Self {
        let stack = Stack::start(Layout::OneOnSqlite, &policy(), &[]).await;
        let text = std::fs::read_to_string(stack.directory.path().join("policy.yaml")).expect("a policy");
        let policy = Arc::new(Policy::parse(&text, "policy.yaml").expect("a policy"));
        let target = TargetName::parse("autosave").expect("a name");
        let judge = Judge::new(policy, target.clone(), None).expect("the policy has the target");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
        let now = Timestamp::from_millis(i64::try_from(now.as_millis()).expect("milliseconds"));
        let windows = u32::try_from(JUDGED * (PLAYED.len() + 1)).expect("few");
        let next = now.minus(WINDOW * windows).align_down(WINDOW);
        Self { stack, judge, target, epoch: 0, next, met: BTreeSet::new() }
    }

    /// A rollout from its own epoch on; if it moves up, the next one.
    async fn play(&mut self, trace: &Trace, moves_up: bool) {
        let from = something_happens(trace) - BEFORE;
        self.epoch += 1;
        let mut index = 0;
        let mut last = None;
        for w in from..from + JUDGED {
            if moves_up && w == from + BEFORE - MOVED {
                (index, self.epoch) = (1, self.epoch + 1);
                self.met.insert("moved up");
            }
            let phase = PhaseId::parse(PHASES[index]).expect("a phase");
            let batch = self.placed(batch(trace, &self.target, (index, &phase), self.epoch, w));
            last = Some(self.judged(&batch, trace.is_missing(w), &format!("{} {phase} {w}", trace.id)).await);
            self.next = batch.window.end;
        }
        let last = last.expect("a decision");
        let path = format!("/v1/decisions/{}/explanation", last.decision_id);
        let explained = self.stack.get("analyzer", &path).await.expect("an explanation");
        assert_eq!(explained["recomputed"], json!({ "same": true, "differences": [] }), "{}", trace.id);
        assert_eq!(explained["decision"], serde_json::to_value(&last).expect("JSON"), "{}", trace.id);
    }

    /// The batch, as if its window were the next one.
    fn placed(&self, batch: Batch) -> Batch {
        let latency = batch.collected_at.since(batch.window.end);
        let window = Window { start: self.next, end: self.next.plus(WINDOW) };
        Batch { window, collected_at: window.end.plus(latency), ..batch }
    }

    /// By both, and the same.
    async fn judged(&mut self, batch: &Batch, is_missing: bool, place: &str) -> Decision {
        let of = Archived::as_recorded(batch, batch.collected_at);
        let (ours, theirs) = if is_missing {
            let ours = self.judge.alarm(of, batch.window).expect("an alarm");
            (ours, self.told("/v1/collector-events", &alarm(batch)).await)
        } else {
            let ours = self.judge.judge(of, None).unwrap_or_else(|why| panic!("{place}: {why}"));
            (ours, self.told("/v1/batches", batch).await)
        };
        let ours = Decision { decided_at: theirs.decided_at, ..ours };
        assert!(ours == theirs, "{place}: {:#?}", differences(&theirs, &ours));
        self.meets(&theirs);
        theirs
    }

    async fn told(&self, path: &str, body: &impl Serialize) -> Decision {
        let body = serde_json::to_value(body).expect("JSON");
        let (status, answer) = self.stack.post("analyzer", path, &body).await;
        assert_eq!(status, 201, "{path}: {answer}");
        serde_json::from_value(answer).expect("a decision")
    }

    fn meets(&mut self, decision: &Decision) {
        self.met.insert(decision.verdict.as_str());
        if decision.cause == Cause::CollectionDelayed {
            self.met.insert("alarm");
        }
        for weighed in decision.metrics.iter().filter_map(|it| it.weighed.as_ref()) {
            self.met.extend(weighed.left_out.map(|_| "left out"));
            let finding = weighed.control.as_ref().and_then(|control| control.finding);
            self.met.extend(finding.map(<&'static str>::from));
        }
    }
}

/// What a collector says of a batch that it does not have.
fn alarm(batch: &Batch) -> CollectorEvent {
    CollectorEvent {
        event_id: decision_id(&batch.target, batch.window, Cause::CollectionDelayed),
        kind: CollectorEventKind::Delayed,
        target: batch.target.clone(),
        phase: batch.phase.clone(),
        epoch: batch.epoch,
        window: batch.window,
        elapsed_ms: u64::try_from(DELAYED_AFTER.as_millis()).expect("milliseconds"),
        attempts: 1,
        detail: "nothing was read".to_owned(),
        occurred_at: batch.window.end.plus(DELAYED_AFTER),
    }
}
