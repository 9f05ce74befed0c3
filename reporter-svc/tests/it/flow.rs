//! A violation from its decision to the resolved page, on both engines.

use std::sync::Arc;
use std::time::Duration;

use domain::rollout::Event;
use phasegate_tests::stores::both_engines;
use reporter_svc::store::{AuditFilter, Changed, MIGRATIONS};
use service_kit::outbox::{WorkerOptions, run_worker};
use shared_types::Verdict;
use shared_types::decision::ViolationAction;
use shared_types::incident::IncidentState;
use shared_types::rollout::TransitionState;
use tokio_util::sync::CancellationToken;

use crate::rig::{Rig, phase, submission};

/// JU-4: whatever the gate says of a window is kept and told; a doubt moves nothing.
#[tokio::test]
async fn a_decision_of_every_verdict_is_kept() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("B").await;
        for verdict in [Verdict::Ok, Verdict::Insufficient, Verdict::Warn, Verdict::Unsure] {
            rig.judged(verdict, None).await;
            assert_eq!(rig.state().await.latest.unwrap().verdict, verdict);
        }
        assert_eq!((rig.phase().await, rig.commands().len()), (phase("B"), 0));
    })
    .await;
}

/// DE-3, DE-5, RB-1, RB-5, RB-6, RB-8, ES-1, ES-4, NO-5: the whole story, with every hop in its log.
#[tokio::test]
async fn a_violation_is_rolled_back_watched_and_closed() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("B").await;
        let decision = rig.violation().await;

        assert_eq!(rig.commands(), [(phase("B"), phase("A"))]);
        assert_eq!(rig.phase().await, phase("A"));
        let incident = rig.incident().await;
        assert_eq!(incident.id.as_str(), "INC-20261122-001");
        assert_eq!(incident.decisions, [decision.decision_id]);
        assert_eq!(incident.rollback.as_ref().unwrap().state, TransitionState::Succeeded);
        assert!(incident.runbook.as_ref().unwrap().contains("Rollback of AutoSave: B → A"));
        let hops: Vec<&str> = incident.timeline.iter().map(|hop| hop.kind.as_str()).collect();
        for hop in [
            "batch_window_ended",
            "decided",
            "decision_received",
            "incident_opened",
            "rollback_requested",
            "directive_delivered",
            "command_started",
            "command_finished",
            "phase_changed",
            "autosave-rollback",
            "watch_started",
            "notification_sent",
        ] {
            assert!(hops.contains(&hop), "{hop} is missing in {hops:?}");
        }
        let page = rig.world.pages.lock().unwrap()[0].clone();
        assert_eq!((page.priority.as_str(), page.template.as_str()), ("P2", "autosave-incident"));
        assert!(page.rollback_command.unwrap().starts_with("phasegate rollback --target autosave --phase B"));

        for _ in 0..6 {
            rig.judged(Verdict::Ok, None).await;
        }
        assert_eq!(rig.incident().await.state, IncidentState::Recovered);
        let id = incident.id;
        rig.on_incident(&id, submission("ana")).await;
        rig.on_incident(
            &id,
            Event::RcaConfirmed { by: "gov".into(), comment: "RCA confirmed".into(), read: None },
        )
        .await;
        rig.work().await;
        assert_eq!(rig.incident().await.state, IncidentState::Closed);
        assert_eq!(rig.world.resolved.lock().unwrap().len(), 1);
        assert_eq!(rig.commands().len(), 1);
        rig.assert_nothing_is_left().await;
    })
    .await;
}

/// RB-5, CO-6: the stop is committed with the rollback and told beside its command; where the command is faster, the new phase with
/// the recovery's cadence is told in its place, and never an older one after it.
#[tokio::test]
async fn the_collector_is_told_to_stop_and_then_of_the_new_phase() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    let heard = rig.world.directives.lock().unwrap().clone();
    let last = heard.last().map(|it| (it.phase.as_str(), it.collect, it.cadence_ms));
    assert_eq!(last, Some(("A", true, 300_000)));
    assert!(heard.is_sorted_by_key(|it| it.sequence));
    let incident = rig.incident().await;
    let about = |entry: &shared_types::incident::TimelineEntry| {
        let stop = entry.data["phase"] == "B" && entry.data["collect"] == false;
        entry.kind.starts_with("directive_") && stop
    };
    assert_eq!(incident.timeline.iter().filter(|entry| about(entry)).count(), 1, "{:?}", incident.timeline);
}

/// RB-3: between a required rollback's decision and its command lies the one commit of its incident, which says that it began.
#[tokio::test]
async fn a_required_rollback_begins_with_the_commit_of_its_incident() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db.clone()).await;
        rig.bring_to("B").await;
        let stop = CancellationToken::new();
        let (clock, effects) = (Arc::clone(&rig.clock), Arc::clone(&rig.effects));
        let options = WorkerOptions::new("reporter");
        let worker = tokio::spawn(run_worker(db, clock, effects, options, stop.clone()));
        // It takes what is committed from its first turn on.
        tokio::task::yield_now().await;
        let decision = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
        let Changed::Applied { step, .. } = rig.reporter.decide(&decision).await.unwrap() else { panic!() };
        let begun = step.target.stage.runnable().unwrap();
        assert_eq!((begun.state, begun.attempts), (TransitionState::Running, 1));
        let done = async {
            while rig.phase().await != phase("A") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), done).await.unwrap();
        assert_eq!(rig.commands(), [(phase("B"), phase("A"))]);
        let filter = AuditFilter { action: Some("command.started".into()), ..AuditFilter::default() };
        let started = rig.reporter.store.audit(&filter, None, 100).await.unwrap();
        let of_it = started.iter().filter(|row| row.subject == Some(begun.id.to_string()));
        assert_eq!(of_it.map(|row| row.detail["attempt"].clone()).collect::<Vec<_>>(), [1], "GO-4: once");
        stop.cancel();
        worker.await.unwrap();
    })
    .await;
}

/// DE-1, DA-1: the ok text goes out only when the file shows the values, and only from phase B on.
#[tokio::test]
async fn an_ok_text_follows_the_dashboard() {
    let rig = Rig::in_memory().await;
    rig.bring_to("A").await;
    rig.judged(Verdict::Ok, None).await;
    assert!(rig.texts("#autosave-rollout").is_empty());
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let decision = rig.judged(Verdict::Ok, None).await;
    let texts = rig.texts("#autosave-rollout");
    assert_eq!(texts.len(), 1);
    assert!(texts[0].contains("AutoSave B OK") && texts[0].contains("p95=1.71s"), "{texts:?}");
    let file = reporter_svc::files::dashboard(rig.data.path());
    let shown: shared_types::dashboard::Dashboard =
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let card = &shown.targets[0];
    assert_eq!(card.window, Some(decision.window));
    assert_eq!(card.slos, decision.metrics);
}

/// DE-2: warnings in A and B, not in C.
#[tokio::test]
async fn a_warning_goes_out_in_the_phases_the_policy_names() {
    for (id, expected) in [("A", 1), ("B", 1), ("C", 0)] {
        let rig = Rig::in_memory().await;
        rig.bring_to(id).await;
        rig.judged(Verdict::Warn, None).await;
        assert_eq!(rig.texts("#autosave-rollout").len(), expected, "phase {id}");
    }
}

/// DA-3
#[tokio::test]
async fn the_banner_is_on_during_the_incident_and_off_one_cycle_later() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let active = async |rig: &Rig| {
        reporter_svc::dashboard::document(&rig.reporter).await.unwrap().targets[0].rollback_active
    };
    assert!(!active(&rig).await);
    rig.violation().await;
    for _ in 0..6 {
        assert!(active(&rig).await);
        rig.judged(Verdict::Ok, None).await;
    }
    assert!(active(&rig).await);
    rig.judged(Verdict::Ok, None).await;
    assert!(!active(&rig).await);
}

/// RB-5: one line a rollback in the runbook log.
#[tokio::test]
async fn the_runbook_log_gets_one_line_a_rollback() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    let log = std::fs::read_to_string(reporter_svc::files::runbook(rig.data.path())).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(lines.len(), 1);
    let text = lines[0]["text"].as_str().unwrap();
    assert!(text.starts_with("Rollback invoked: `phasegate rollback --target autosave --phase B"), "{text}");
    assert!(text.ends_with("initiated_by=phasegate / reason=save_latency_p95"), "{text}");
}
