//! NO-9: more incidents in a window than people can read are told as one.

use axum::http::StatusCode;
use domain::policy::{OnStorm, Policy};
use domain::rollout::Event;
use domain::rollout::storm::BEYOND;
use phasegate_tests::stores::both_engines;
use reporter_svc::reporter::Cause;
use reporter_svc::store::{Changed, IncidentFilter, MIGRATIONS};
use service_kit::clock::Clock as _;
use shared_types::decision::ViolationAction;
use shared_types::{Decision, TargetName, Verdict};
use uuid::Uuid;

use crate::api::call;
use crate::incidents::{event, signed};
use crate::rig::{Rig, autosave, minutes, phase, policy, submission};

const TARGETS: usize = BEYOND + 4;

/// The policy's one target, and as many beside it as make a storm.
fn many(storm: OnStorm) -> Policy {
    let mut policy = policy();
    let mut one = policy.targets[&autosave()].clone();
    one.transitions.storm = storm;
    policy.targets = names().into_iter().map(|name| (name, one.clone())).collect();
    policy
}

fn names() -> Vec<TargetName> {
    let others = (1..TARGETS).map(|number| TargetName::parse(&format!("f{number:02}")).unwrap());
    std::iter::once(autosave()).chain(others).collect()
}

async fn apply(rig: &Rig, target: &TargetName, event: Event) {
    let changed = rig.reporter.apply(target, Cause::default(), &|_| event.clone()).await.unwrap();
    assert!(matches!(changed, Changed::Applied { .. }), "{changed:?}");
}

/// Each runs in its first phase.
async fn started(rig: &Rig) {
    for target in names() {
        apply(rig, &target, Event::Start { by: "ana".into(), obstacles: Vec::new() }).await;
    }
    rig.work().await;
    rig.clock.advance(minutes(15));
}

/// One after the other is violated; within a window.
async fn violate(rig: &Rig, targets: &[TargetName], action: ViolationAction) {
    let one = rig.decision(Verdict::Violation, Some(action)).await;
    // The first target may have moved already.
    let one = Decision { phase: phase("A"), epoch: 1, ..one };
    for target in targets {
        let decision = Decision { target: target.clone(), decision_id: Uuid::now_v7(), ..one.clone() };
        rig.reporter.decide(&decision).await.unwrap();
        rig.clock.advance(std::time::Duration::from_secs(1));
    }
    rig.work().await;
}

/// The keys of the pages so far, each with how often it was triggered, in the order of their first.
fn pages(rig: &Rig) -> Vec<(String, usize)> {
    let mut keys: Vec<(String, usize)> = Vec::new();
    for page in rig.world.pages.lock().unwrap().iter() {
        match keys.iter_mut().find(|(key, _)| *key == page.dedup_key) {
            Some((_, count)) => *count += 1,
            None => keys.push((page.dedup_key.clone(), 1)),
        }
    }
    keys
}

#[tokio::test]
async fn beyond_ten_there_is_one_summary_and_one_page_and_the_rollbacks_go_on() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::under(many(OnStorm::Rollback), db).await;
        started(&rig).await;
        violate(&rig, &names(), ViolationAction::Rollback).await;
        let texts = rig.texts("#incident-autosave");
        let (summaries, own): (Vec<_>, Vec<_>) = texts.iter().partition(|it| it.contains("Storm:"));
        assert_eq!((summaries.len(), own.len()), (1, BEYOND), "{texts:#?}");
        insta::assert_snapshot!("summary", summaries[0]);
        let keys = pages(&rig);
        assert_eq!(keys.len(), BEYOND + 1, "{keys:#?}");
        assert_eq!(keys[BEYOND].1, TARGETS - BEYOND, "one page for the rest: {keys:#?}");
        let texts: Vec<String> = {
            let pages = rig.world.pages.lock().unwrap();
            pages.iter().skip(BEYOND).map(|it| format!("{} {}", it.target, it.text)).collect()
        };
        for name in names().iter().skip(BEYOND) {
            assert!(texts.iter().any(|it| it.contains(name.as_str())), "{name} is not named: {texts:#?}");
        }
        let downward = rig.commands().iter().filter(|(_, to)| to.is_off()).count();
        assert_eq!(downward, TARGETS, "every rollback is made");
    })
    .await;
}

/// Compliant windows until its incident is over, and its cause.
async fn close(rig: &Rig, target: &TargetName) {
    for _ in 0..4 {
        rig.clock.advance(minutes(15));
        let decision = rig.decision(Verdict::Ok, None).await;
        let decision = Decision { target: target.clone(), decision_id: Uuid::now_v7(), ..decision };
        rig.reporter.decide(&decision).await.unwrap();
        rig.work().await;
    }
    let filter = IncidentFilter { target: Some(target.clone()), ..IncidentFilter::default() };
    let incident = rig.reporter.store.incidents(&filter, None, 1).await.unwrap().pop().unwrap();
    for event in
        [submission("ana"), Event::RcaConfirmed { by: "gwen".into(), comment: "seen".into(), read: None }]
    {
        let cause = Cause { incident: Some(&incident.id), ..Cause::default() };
        rig.reporter.apply(target, cause, &|_| event.clone()).await.unwrap();
    }
    rig.work().await;
}

/// ES-3: whoever takes the page on takes all of it on; it is resolved with the last incident.
#[tokio::test]
async fn what_is_done_with_the_page_is_done_with_each_incident_of_it() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::under(many(OnStorm::Rollback), db).await;
        started(&rig).await;
        violate(&rig, &names(), ViolationAction::Page).await;
        let (key, _) = pages(&rig).pop().unwrap();
        let body = event("E1", "incident.acknowledged", rig.clock.now(), Some(&key));
        assert_eq!(signed(&rig.router(), &body).await.0, StatusCode::ACCEPTED);
        rig.work().await;
        let (_, page) = call(&rig.router(), "GET", "/v1/incidents?limit=100", None).await;
        let taken_on = page["items"].as_array().unwrap().iter().filter(|it| !it["acknowledged_at"].is_null());
        let taken_on: Vec<&str> = taken_on.map(|it| it["target"].as_str().unwrap()).collect();
        assert_eq!(taken_on.len(), TARGETS - BEYOND, "{taken_on:?}");
        rig.pass(minutes(31)).await;
        assert_eq!(rig.texts("#incident").len(), BEYOND, "the others escalate, these do not");

        let resolved = || rig.world.resolved.lock().unwrap().iter().filter(|it| it.dedup_key == key).count();
        for target in names().iter().skip(BEYOND) {
            assert_eq!(resolved(), 0, "the page goes before {target} is over");
            close(&rig, target).await;
        }
        assert_eq!(resolved(), 1);
    })
    .await;
}

/// ES-3: a storm that nobody takes on is told louder once, and its page raised.
#[tokio::test]
async fn a_storm_escalates_as_one() {
    let rig = Rig::in_memory_under(many(OnStorm::Rollback)).await;
    started(&rig).await;
    violate(&rig, &names(), ViolationAction::Page).await;
    rig.pass(minutes(31)).await;
    assert_eq!(rig.texts("#incident").len(), BEYOND + 1, "each before it, and it");
    assert_eq!(pages(&rig).last().unwrap().1, 2 * (TARGETS - BEYOND), "opened and raised under one key");
}

#[tokio::test]
async fn a_storm_holds_every_further_rollback_where_the_policy_says_so() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::under(many(OnStorm::Hold), db).await;
        started(&rig).await;
        violate(&rig, &names(), ViolationAction::Rollback).await;
        let downward = rig.commands().iter().filter(|(_, to)| to.is_off()).count();
        assert_eq!(downward, BEYOND);
        let (status, shown) = call(&rig.router(), "GET", "/v1/rollouts/f13", None).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(shown["rollback_waiting"]["why"], "storm", "{shown}");
        let told = rig.texts("#incident-autosave");
        assert_eq!(told.iter().filter(|it| it.contains("`storm: hold`")).count(), 1, "{told:#?}");
        let asked = rig.texts("#incident");
        assert_eq!(asked.iter().filter(|it| it.contains("`storm: hold`")).count(), 1, "{asked:#?}");
    })
    .await;
}

/// The next window's incidents are told as ever.
#[tokio::test]
async fn a_storm_is_over_with_its_window() {
    let rig = Rig::in_memory_under(many(OnStorm::Rollback)).await;
    started(&rig).await;
    let (first, last) = (names(), TARGETS - 1);
    violate(&rig, &first[..last], ViolationAction::Rollback).await;
    rig.pass(minutes(16)).await;
    violate(&rig, &first[last..], ViolationAction::Rollback).await;
    let texts = rig.texts("#incident-autosave");
    assert!(!texts.last().unwrap().contains("Storm:"), "{texts:#?}");
    assert_eq!(pages(&rig).last().unwrap().1, 1);
}
