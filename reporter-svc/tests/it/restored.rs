//! OP-3: a reporter whose store is older than what its neighbours know.

use std::sync::Arc;

use axum::http::StatusCode;
use domain::rollout::Event;
use phasegate_tests::stores::both_engines;
use reporter_svc::restored::{self, Restored};
use reporter_svc::store::MIGRATIONS;
use serde_json::Value;
use service_kit::ServiceName;
use service_kit::clock::Clock as _;
use service_kit::http::CheckState;
use service_kit::mark::{self, Acceptance, Mark};
use shared_types::decision::ViolationAction;
use shared_types::{Decision, Directive, Verdict};
use uuid::Uuid;

use crate::api::call;
use crate::drift::read_back;
use crate::incidents::{event, signed};
use crate::rig::{Rig, minutes, phase};

async fn acts(rig: &Rig, action: &str) -> Vec<Value> {
    let (_, page) = call(&rig.router(), "GET", &format!("/v1/audit?action={action}"), None).await;
    page["items"].as_array().unwrap().clone()
}

fn called(rig: &Rig) -> (usize, usize) {
    let paged = rig.world.notices.lock().unwrap().len();
    let told = rig.texts("#incident").iter().filter(|it| it.contains("restored?")).count();
    (paged, told)
}

/// A person has said at the database that this store is gone on from.
async fn accept(rig: &Rig) -> Arc<Mark> {
    let now = rig.clock.now();
    let acceptance = Acceptance { by: "ana".into(), reason: "the disk is gone".into(), at: now };
    mark::accept(&rig.db, rig.data.path(), ServiceName::Reporter, &acceptance).await.unwrap();
    Arc::new(Mark::open(&rig.db, rig.data.path(), ServiceName::Reporter, now).await.unwrap())
}

fn looking(rig: &Rig, mark: Option<Arc<Mark>>) -> Restored {
    Restored::new(Arc::clone(&rig.reporter), mark, rig.effects.collector.clone())
}

/// A decision of an epoch that this store never began, in which the phase on record had to be left.
async fn from_beyond(rig: &Rig) -> Decision {
    rig.clock.advance(minutes(15));
    let decision = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
    Decision { epoch: decision.epoch + 2, decision_id: Uuid::now_v7(), ..decision }
}

/// OP-3, DE-5: it is not taken for stale and not refused for good: it waits at its sender, people are called once, nothing is
/// ready; once a person has accepted the store it is taken in, and rolls back.
#[tokio::test]
async fn a_required_rollback_from_beyond_waits_and_is_made_after_the_acceptance() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("B").await;
        assert_eq!(restored::state(&rig.reporter).await, CheckState::Ok);
        let body = serde_json::to_value(from_beyond(&rig).await).unwrap();
        for _ in 0..3 {
            let (status, problem) = call(&rig.router(), "POST", "/v1/decisions", Some(body.clone())).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
            assert!(problem["detail"].as_str().unwrap().contains("was it restored?"), "{problem}");
            rig.work().await;
        }
        assert_eq!((called(&rig), rig.commands()), ((1, 1), vec![]));
        let CheckState::Failing(why) = restored::state(&rig.reporter).await else { panic!("ready") };
        assert!(why.contains("the analyzer was told epoch 4") && why.contains("epoch 2 here"), "{why}");
        assert_eq!(acts(&rig, "store.behind").await.len(), 1);
        assert_eq!(acts(&rig, "decision.refused").await, Vec::<Value>::new());
        let (_, shown) = call(&rig.router(), "GET", "/v1/rollouts/autosave", None).await;
        assert_eq!(shown["standing"]["code"], "store_behind", "{shown}");

        let mark = accept(&rig).await;
        let looking = looking(&rig, Some(Arc::clone(&mark)));
        looking.take_over().await.unwrap();
        looking.take_over().await.unwrap();
        assert_eq!(mark.accepted().await.unwrap(), None);
        assert_eq!(restored::state(&rig.reporter).await, CheckState::Ok);
        let [act] = acts(&rig, "store.accepted").await.try_into().unwrap();
        assert_eq!(
            (&act["actor"]["name"], &act["detail"]["reason"]),
            (&"ana".into(), &"the disk is gone".into())
        );
        assert_eq!(act["actor"]["verified"], false);
        assert!(rig.state().await.epoch > 4);

        let (status, _) = call(&rig.router(), "POST", "/v1/decisions", Some(body)).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        rig.work().await;
        assert_eq!((rig.commands(), rig.phase().await), (vec![(phase("B"), phase("A"))], phase("A")));
    })
    .await;
}

/// OP-3: what the collector holds is ahead: found by asking it, and by the answer to a directive, which is then not taken for
/// delivered.
#[tokio::test]
async fn a_collector_that_is_ahead_is_noticed() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let told = rig.state().await.directive.unwrap();
    looking(&rig, None).ask().await.unwrap();
    assert_eq!(restored::state(&rig.reporter).await, CheckState::Ok);
    *rig.world.held.lock().unwrap() = Some(Directive { sequence: told.sequence + 40, ..told.clone() });
    looking(&rig, None).ask().await.unwrap();
    rig.work().await;
    assert_eq!(called(&rig), (1, 1));
    let CheckState::Failing(why) = restored::state(&rig.reporter).await else { panic!("ready") };
    assert!(why.contains("the collector was told"), "{why}");

    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    *rig.world.held.lock().unwrap() =
        Some(Directive { epoch: told.epoch + 3, sequence: told.sequence + 40, ..told });
    let by_hand = Event::Rollback { by: "ben".into(), from: phase("B"), reason: "x".into() };
    rig.event(by_hand).await;
    rig.work().await;
    assert_eq!(called(&rig), (1, 1));
    assert_eq!(rig.phase().await, phase("A"), "the rollback is made all the same");
    let waits =
        "SELECT COUNT(*) FROM outbox WHERE kind = 'PushDirective' AND state NOT IN ('done', 'cancelled')";
    let (waiting,): (i64,) = sqlx::query_as(waits).fetch_one(rig.db.pool()).await.unwrap();
    assert!(waiting > 0);
    accept(&rig).await;
    let mark =
        Arc::new(Mark::open(&rig.db, rig.data.path(), ServiceName::Reporter, rig.clock.now()).await.unwrap());
    looking(&rig, Some(mark)).take_over().await.unwrap();
    rig.pass(minutes(1)).await;
    let newest = rig.world.directives.lock().unwrap().last().cloned().unwrap();
    assert_eq!((newest.phase, newest.epoch), (phase("A"), rig.state().await.epoch));
    assert!(newest.sequence > rig.world.held.lock().unwrap().clone().unwrap().sequence);
}

/// OP-3: the restored store has a rollback under way that was made in the past that is lost, and another one after it. Made again
/// it would raise exposure.
#[tokio::test]
async fn a_rollback_that_a_restored_store_still_has_to_make_is_made_if_its_phase_is_served() {
    for (served, made) in [("off", false), ("B", true)] {
        let rig = Rig::in_memory_under(read_back()).await;
        rig.bring_to("B").await;
        let told = rig.state().await.directive.unwrap();
        rig.event(Event::Rollback { by: "ben".into(), from: phase("B"), reason: "x".into() }).await;
        rig.clock.advance(minutes(1));
        let rig = rig.restarted().await;
        *rig.world.served.lock().unwrap() = Some(phase(served));
        *rig.world.held.lock().unwrap() =
            Some(Directive { epoch: told.epoch + 3, sequence: told.sequence + 40, ..told });
        rig.work().await;
        assert_eq!(called(&rig), (1, 1));
        let commands = if made { vec![(phase("B"), phase("A"))] } else { vec![] };
        assert_eq!(rig.commands(), commands, "{served} is served");

        let mark = accept(&rig).await;
        looking(&rig, Some(mark)).take_over().await.unwrap();
        rig.pass(minutes(1)).await;
        assert_eq!(rig.phase().await, phase("A"));
    }
}

/// OP-3: incident ids that a lost past may have given out are left out, and a page of it does nothing to a new incident.
#[tokio::test]
async fn incident_ids_and_pages_are_not_used_again() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("B").await;
        let mark = accept(&rig).await;
        looking(&rig, Some(mark)).take_over().await.unwrap();
        rig.work().await;
        rig.violation().await;
        let opened = rig.incident().await;
        let number: u64 = opened.id.as_str().rsplit('-').next().unwrap().parse().unwrap();
        // 1000, and the seconds since midnight: no day has had so many incidents by then.
        assert!(number > 1000 + 10 * 3600, "{}", opened.id);
        let page = rig.world.pages.lock().unwrap().last().cloned().unwrap();
        let millis = opened.opened_at.as_millis();
        assert_eq!(page.dedup_key, format!("phasegate/autosave/{}/{millis}", opened.id));
    })
    .await;
}

/// OP-3, ES-3: an acknowledgement of the page of an incident that is lost, whose id was given out again, counts for none here; what
/// PagerDuty told of it is kept.
#[tokio::test]
async fn an_acknowledgement_of_a_lost_incidents_page_changes_nothing() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("B").await;
        rig.violation().await;
        let before = rig.incident().await;
        let lost_at = before.opened_at.minus(minutes(20)).as_millis();
        let key = format!("phasegate/autosave/{}/{lost_at}", before.id);
        let (app, now) = (rig.router(), rig.clock.now());
        // The last one names the page by PagerDuty's own id alone.
        for (id, kind, key) in [
            ("E1", "incident.acknowledged", Some(key.as_str())),
            ("E2", "incident.resolved", Some(key.as_str())),
            ("E3", "incident.acknowledged", None),
        ] {
            let taken = signed(&app, &event(id, kind, now, key)).await;
            assert_eq!(taken, (StatusCode::ACCEPTED, "accepted".to_owned()));
        }
        rig.work().await;
        assert_eq!(rig.incident().await, before);
        let told: Vec<(String, String)> =
            sqlx::query_as("SELECT state, outcome FROM outbox WHERE kind = 'ApplyPageEvent'")
                .fetch_all(rig.db.pool())
                .await
                .unwrap();
        let kept = ("done".to_owned(), r#"{"page":"pagerduty:PINC0001","ours":false}"#.to_owned());
        assert_eq!(told, vec![kept; 3]);
        assert_eq!(acts(&rig, "incident.acknowledged").await, Vec::<Value>::new());
        // So nobody is kept from the escalation.
        rig.pass(minutes(31)).await;
        assert_eq!(rig.incident().await.priority, "P1");
        rig.assert_nothing_is_left().await;
    })
    .await;
}
