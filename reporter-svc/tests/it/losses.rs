//! NO-7: nothing is lost without a name. NO-8: one message a second and channel, over all replicas.

use std::time::Duration;

use domain::effects::{PostMessage, TriggerPage};
use domain::stored::Document as _;
use phasegate_tests::stores::both_engines;
use reporter_svc::store::MIGRATIONS;
use service_kit::clock::Clock as _;
use service_kit::outbox::{Outcome, work_once};
use shared_types::Verdict;
use shared_types::decision::ViolationAction;

use crate::api::call;
use crate::rig::Rig;

fn never(reason: &str) -> Outcome {
    Outcome::Never { reason: reason.to_owned() }
}

async fn hops(rig: &Rig, id: &str) -> Vec<(String, String)> {
    let incident = call(&rig.router(), "GET", &format!("/v1/incidents/{id}"), None).await.1;
    let timeline = incident["timeline"].as_array().unwrap().clone();
    let given_up = timeline.into_iter().filter(|it| it["kind"] == "given_up");
    let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
    given_up.map(|it| (text(&it["data"]["how"]), text(&it["detail"]))).collect()
}

/// NO-7, case 88: a page that is refused is a hop of its incident, told in Slack with its button, and shown with the rollout.
#[tokio::test]
async fn a_dead_page_is_told_in_slack() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        rig.world.pager.lock().unwrap().push_back(never("400 Invalid routing key"));
        rig.violation().await;
        let id = rig.incident().await.id;
        let [(how, detail)] = hops(&rig, id.as_str()).await.try_into().unwrap();
        assert_eq!(how, "message");
        assert!(
            detail.contains("TriggerPage to pagerduty/autosave") && detail.contains("Invalid routing key")
        );
        let told: Vec<PostMessage> = rig
            .world
            .messages
            .lock()
            .unwrap()
            .iter()
            .map(|it| it.0.clone())
            .filter(|it| it.of_loss)
            .collect();
        let [told] = told.try_into().unwrap();
        assert_eq!((told.channel.as_str(), told.incident.as_ref()), ("#incident", Some(&id)));
        assert!(told.text.contains("TriggerPage of INC-") && !told.buttons.is_empty(), "{}", told.text);
        for path in ["/v1/rollouts/autosave", "/v1/dashboard"] {
            let shown = call(&rig.router(), "GET", path, None).await.1;
            let target = if path.ends_with("dashboard") { &shown["targets"][0] } else { &shown };
            assert_eq!(target["given_up"][0]["kind"], TriggerPage::KIND, "{shown}");
            assert_eq!(target["given_up"][0]["incident"], id.as_str());
        }
        let rows = rig.reporter.store.audit_piece("autosave", 1, 1000).await.unwrap();
        assert_eq!(rows.iter().filter(|row| row.action == "effect.given_up").count(), 1);
    })
    .await;
}

/// NO-7: a dead message pages, beside the incident's own page; one that is tried again and dies again is told of again.
#[tokio::test]
async fn a_dead_message_pages() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        rig.world.slack.lock().unwrap().push_back(never("200 channel_not_found"));
        rig.judged(Verdict::Warn, None).await;
        let notices = || rig.world.notices.lock().unwrap().clone();
        let [notice] = notices().try_into().unwrap();
        assert_eq!(notice.dedup_key, "phasegate/autosave/given-up/20261122/slack/#autosave-rollout");
        assert!(notice.summary.contains("channel_not_found"), "{}", notice.summary);
        assert_eq!(rig.world.pages.lock().unwrap().len(), 0);
        rig.work().await;
        assert_eq!(notices().len(), 1, "once");
        let dead = &rig.reporter.store.given_up().await.unwrap()[&crate::rig::autosave()][0];
        rig.world.slack.lock().unwrap().push_back(never("200 is_archived"));
        let path = format!("/v1/effects/{}/retry", dead.effect);
        assert_eq!(call(&rig.router(), "POST", &path, None).await.0, 200);
        rig.work().await;
        assert_eq!(notices().len(), 2);
        assert!(notices()[1].summary.contains("is_archived"));
    })
    .await;
}

/// NO-7: with both ways dead each loss is a hop and a row of the audit log, and no loss is told of that only told of another.
#[tokio::test]
async fn two_dead_vendors_do_not_chase_each_other() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        rig.world.slack.lock().unwrap().extend((0..50).map(|_| never("200 account_inactive")));
        rig.world.pager.lock().unwrap().extend((0..50).map(|_| never("400 Invalid routing key")));
        rig.judged(Verdict::Violation, Some(ViolationAction::Rollback)).await;
        let id = rig.incident().await.id;
        let mut how: Vec<String> = hops(&rig, id.as_str()).await.into_iter().map(|it| it.0).collect();
        how.sort();
        how.dedup();
        assert_eq!(how, ["message", "nobody", "page"]);
        let lost = rig.reporter.store.outbox_stats(rig.clock.now()).await.unwrap().dead;
        rig.work().await;
        assert_eq!(rig.reporter.store.outbox_stats(rig.clock.now()).await.unwrap().dead, lost);
        assert_eq!(rig.world.notices.lock().unwrap().len(), 1, "of the one text of the incident");
        let rows = rig.reporter.store.audit_piece("autosave", 1, 1000).await.unwrap();
        let rows = rows.iter().filter(|row| row.action == "effect.given_up").count();
        assert_eq!(u64::try_from(rows).unwrap(), lost);
    })
    .await;
}

/// NO-8, case 90: two reporters on one database.
#[tokio::test]
async fn two_reporters_send_one_message_a_second_into_a_channel() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        let other = rig.restarted().await;
        for _ in 0..2 {
            let decision = rig.decision(Verdict::Warn, None).await;
            rig.reporter.decide(&decision).await.unwrap();
            rig.clock.advance(Duration::from_millis(1));
        }
        let sent = || {
            rig.world.messages.lock().unwrap().iter().filter(|it| it.0.channel == "#autosave-rollout").count()
        };
        let work = async |rig: &Rig| work_once(&rig.db, &*rig.clock, &*rig.effects).await.unwrap();
        work(&rig).await;
        assert_eq!(sent(), 1);
        rig.clock.advance(Duration::from_millis(999));
        work(&other).await;
        work(&rig).await;
        assert_eq!(sent(), 1);
        rig.clock.advance(Duration::from_millis(1));
        work(&other).await;
        assert_eq!(sent(), 2);
    })
    .await;
}
