//! The conformance suite: every method of the store, on every engine.

use std::time::Duration;

use domain::audit::AuditDraft;
use domain::effects::lower::Plan;
use domain::effects::{NewMessage, TellUser};
use domain::policy::Retention;
use domain::rollout::{Aggregate, Event, Reason, Step};
use phasegate_tests::stores::both_engines;
use reporter_svc::reporter::Cause;
use reporter_svc::store::*;
use service_kit::clock::Clock;
use service_kit::outbox::{Attempt, ListFilter, Outcome, Recorded};
use shared_types::decision::ViolationAction;
use shared_types::incident::IncidentState;
use shared_types::story::{Deed, Hop, LoggedHop};
use shared_types::{Actor, IncidentId, TargetName, Verdict, Via};

use crate::rig::{KEEP, Rig, autosave, minutes};

#[tokio::test]
async fn targets_and_what_has_changed_of_them() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let store = &rig.reporter.store;
        let names = ["zeta", "alpha"].map(|it| TargetName::parse(it).unwrap());
        store.ensure_targets(&names, rig.clock.now()).await.unwrap();
        store.ensure_targets(&names, rig.clock.now()).await.unwrap();
        let listed = store.targets(None, 10).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|it| it.state.target.as_str()).collect();
        assert_eq!(listed, ["alpha", "autosave", "zeta"]);
        assert_eq!(store.targets(Some("alpha"), 1).await.unwrap()[0].state.target, autosave());
        let begun = rig.clock.now();
        rig.clock.advance(Duration::from_secs(1));
        rig.event(Event::Start { by: "ana".into(), obstacles: Vec::new() }).await;
        let changed = store.versions_since(rig.clock.now()).await.unwrap();
        assert_eq!(changed, [(autosave(), 1)]);
        assert_eq!(store.versions_since(begun).await.unwrap().len(), 3);
        let named = [autosave(), TargetName::parse("nobody").unwrap(), names[1].clone()];
        let found = store.targets_of(&named).await.unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.state.target.as_str(), it.version)).collect();
        assert_eq!(found, [("alpha", 0), ("autosave", 1)]);
        assert_eq!(store.target(&autosave()).await.unwrap().unwrap().version, 1);
        assert!(store.target(&TargetName::parse("nobody").unwrap()).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn an_act_is_answered_as_the_first_time() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let act = Act::new("r1".into(), "autosave", "start", serde_json::Value::Null);
        let other = Act::new("r1".into(), "autosave", "promote", serde_json::Value::Null);
        let start = async |act: &Act| {
            let cause = Cause { act: Some(act), ..Cause::default() };
            let event = Event::Start { by: "ana".into(), obstacles: Vec::new() };
            rig.reporter.apply(&autosave(), cause, &|_| event.clone()).await.unwrap()
        };
        let Changed::Applied { answer: first, .. } = start(&act).await else { panic!("not applied") };
        rig.work().await;
        let Changed::Repeated { answer } = start(&act).await else { panic!("not known") };
        assert_eq!(answer, first);
        assert!(matches!(start(&other).await, Changed::KeyReused));
    })
    .await;
}

/// Two targets are two rows, so their locks do not keep them from acting under one key; its row does.
#[tokio::test]
async fn two_targets_never_act_under_one_key() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let names = ["alpha", "zeta"].map(|it| TargetName::parse(it).unwrap());
        rig.reporter.store.ensure_targets(&names, rig.clock.now()).await.unwrap();
        let plan = |before: &Aggregate, _: &Given| {
            let (step, answer) = (Step::from(before), serde_json::json!("done"));
            Ok(Plan { step, answer, messages: vec![], notifications: vec![], cancels: vec![], audit: vec![] })
        };
        for round in 0..8 {
            let act = Act::new(format!("r{round}"), "autosave", "freeze", serde_json::Value::Null);
            let freeze = |target| {
                rig.reporter.store.change(Change {
                    target,
                    incident: None,
                    of_transition: false,
                    decision: None,
                    act: Some(&act),
                    settle: None,
                    retry: None,
                    lost: None,
                    window: Duration::from_secs(900),
                    now: rig.clock.now(),
                    plan: &plan,
                })
            };
            let both = tokio::join!(freeze(&names[0]), freeze(&names[1]));
            let applied =
                [&both.0, &both.1].into_iter().filter(|it| matches!(it, Ok(Changed::Applied { .. })));
            assert_eq!(applied.count(), 1, "{both:?}");
        }
    })
    .await;
}

/// What an act was answered is kept once, whether it changed something or not, and what is to be told goes with it.
#[tokio::test]
async fn an_answer_is_remembered_once() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let store = &rig.reporter.store;
        let act = Act::new("slack:1".into(), "autosave", "start", serde_json::Value::Null);
        let told = TellUser {
            notifier: "slack".into(),
            channel: "C1".into(),
            user: "U1".into(),
            text: "Not done.".into(),
        };
        let message = NewMessage::of(&told, "tell:1".into(), "U1".into(), rig.clock.now());
        for text in ["first", "second"] {
            let answer = serde_json::json!(text);
            store.remember(&act, &answer, Some(&message), rig.clock.now()).await.unwrap();
        }
        let cause = Cause { act: Some(&act), ..Cause::default() };
        let event = Event::Start { by: "ana".into(), obstacles: Vec::new() };
        let changed = rig.reporter.apply(&autosave(), cause, &|_| event.clone()).await.unwrap();
        let Changed::Repeated { answer } = changed else { panic!("{changed:?}") };
        assert_eq!(answer, "first");
        rig.work().await;
        assert_eq!(rig.world.answers.lock().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_rejection_and_an_unknown_name_leave_nothing_behind() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let refused = rig.event(Event::Promote { by: "ana".into(), from: None }).await;
        let Changed::Rejected { rejection, .. } = refused else { panic!("{refused:?}") };
        assert_eq!(rejection.reason(), Reason::Blocked);
        assert_eq!(rig.reporter.store.target(&autosave()).await.unwrap().unwrap().version, 0);
        let nobody = TargetName::parse("nobody").unwrap();
        let event = Event::Tick;
        let unknown = rig.reporter.apply(&nobody, Cause::default(), &|_| event.clone()).await.unwrap();
        assert!(matches!(unknown, Changed::UnknownTarget));
        let id = IncidentId::parse("INC-20260101-001").unwrap();
        assert!(matches!(rig.on_incident(&id, Event::Tick).await, Changed::UnknownIncident));
        let cause = Cause { retry: Some("no-such-effect"), ..Cause::default() };
        let event = Event::TransitionRetried { transition: uuid::Uuid::nil(), by: "ana".into() };
        let dead = rig.reporter.apply(&autosave(), cause, &|_| event.clone()).await.unwrap();
        assert!(matches!(dead, Changed::NotDead));
    })
    .await;
}

/// A state of a newer release is the machine's business, not the table's; one that is not closed is unfinished.
#[tokio::test]
async fn an_incident_may_be_in_any_state_and_is_unfinished_until_it_is_closed() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db.clone()).await;
        let store = &rig.reporter.store;
        assert!(store.unfinished_incident(&autosave()).await.unwrap().is_none());
        rig.bring_to("A").await;
        rig.violation().await;
        let incident = rig.incident().await.id;
        let put = async |state: &str| {
            let sql = "UPDATE incidents SET state = $2 WHERE id = $1";
            sqlx::query(sql).bind(incident.as_str()).bind(state).execute(db.pool()).await.unwrap();
        };
        for state in ["open", "mitigated", "recovered"] {
            put(state).await;
            let unfinished = store.unfinished_incident(&autosave()).await.unwrap();
            assert_eq!(unfinished.map(|it| it.id), Some(incident.clone()), "{state}");
        }
        put("closed").await;
        assert!(store.unfinished_incident(&autosave()).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn lists_go_newest_first_and_page_by_cursor() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let store = &rig.reporter.store;
        for _ in 0..3 {
            rig.bring_to("A").await;
            rig.violation().await;
            rig.pass(minutes(16)).await;
        }
        let all = store.incidents(&IncidentFilter::default(), None, 10).await.unwrap();
        let ids: Vec<_> = all.iter().map(|it| it.id.as_str().to_owned()).collect();
        assert_eq!(ids, ["INC-20261122-003", "INC-20261122-002", "INC-20261122-001"]);
        let after = (all[0].opened_at.as_millis(), ids[0].clone());
        let rest = store.incidents(&IncidentFilter::default(), Some(&after), 10).await.unwrap();
        assert_eq!(rest.len(), 2);
        let filter = IncidentFilter { target: Some(autosave()), state: Some(IncidentState::Recovered) };
        assert_eq!(store.incidents(&filter, None, 10).await.unwrap().len(), 3);
        let open = IncidentFilter { state: Some(IncidentState::Open), ..IncidentFilter::default() };
        assert!(store.incidents(&open, None, 10).await.unwrap().is_empty());
        assert_eq!(store.incident(&all[0].id).await.unwrap().as_ref(), Some(&all[0]));
        assert_eq!(store.decisions_of(&all[0].id).await.unwrap().len(), 1);

        let told = NotificationFilter { incident: Some(all[0].id.clone()), ..NotificationFilter::default() };
        let told = store.notifications(&told, None, 10).await.unwrap();
        let kinds: Vec<_> = told.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(kinds, ["rollback", "page", "incident"]);
        let page = store.notifications(&NotificationFilter::default(), None, 2).await.unwrap();
        let after = (page[1].created_at.as_millis(), page[1].id.to_string());
        let next = store.notifications(&NotificationFilter::default(), Some(&after), 100).await.unwrap();
        assert_eq!(
            page.len() + next.len(),
            store.notifications(&NotificationFilter::default(), None, 100).await.unwrap().len()
        );
        let filter = NotificationFilter {
            target: Some(autosave()),
            kind: Some("page".into()),
            state: Some("sent".into()),
            ..NotificationFilter::default()
        };
        let pages = store.notifications(&filter, None, 100).await.unwrap();
        assert!(pages.len() >= 3 && pages.iter().all(|it| it.kind == "page"));
        let thread = store.thread(&all[0].id, "#incident-autosave").await.unwrap();
        assert!(thread.unwrap()["ts"].is_string());
        assert!(store.thread(&all[0].id, "#nowhere").await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn what_is_due_is_found_by_its_time() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let store = &rig.reporter.store;
        assert_eq!(store.next_due().await.unwrap(), None);
        rig.bring_to("A").await;
        rig.violation().await;
        let banner = rig.clock.now().plus(minutes(15));
        assert_eq!(store.next_due().await.unwrap(), Some(banner));
        assert!(store.due(rig.clock.now(), 10).await.unwrap().is_empty());
        assert_eq!(store.due(banner, 10).await.unwrap(), [Due { target: autosave(), incident: None }]);
        let both = store.due(rig.clock.now().plus(minutes(30)), 10).await.unwrap();
        assert_eq!(both.len(), 2);
        assert_eq!(store.due(rig.clock.now().plus(minutes(30)), 1).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn effects_are_listed_retried_and_counted() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let store = &rig.reporter.store;
        rig.bring_to("A").await;
        rig.world.slack.lock().unwrap().push_back(Outcome::Never { reason: "channel_not_found".into() });
        rig.judged(Verdict::Warn, None).await;
        let dead = ListFilter { state: Some("dead".into()), ..ListFilter::default() };
        let found = store.effects(&dead, None, 10).await.unwrap().items;
        assert_eq!(found.len(), 1);
        assert_eq!(store.outbox_stats(rig.clock.now()).await.unwrap().dead, 1);
        let failed = NotificationFilter { state: Some("failed".into()), ..NotificationFilter::default() };
        assert_eq!(store.notifications(&failed, None, 10).await.unwrap().len(), 1);
        let retry = async || {
            let act = AuditDraft {
                actor: Actor::service("ana", Via::Api),
                action: Deed::EffectRetried,
                subject: Some(found[0].id.clone()),
                detail: serde_json::json!({}),
            };
            store.retry_effect(&found[0].id, Some(&autosave()), act, rig.clock.now()).await.unwrap()
        };
        assert!(retry().await);
        assert!(!retry().await);
        let retried = store.audit_piece("autosave", 1, 100).await.unwrap();
        let retried: Vec<_> = retried.iter().filter(|it| it.action == "effect.retried").collect();
        assert_eq!(retried.len(), 1, "only the one that did something: {retried:?}");
        assert_eq!(retried[0].actor.name, "ana");
        rig.work().await;
        assert_eq!(store.effect(&found[0].id).await.unwrap().unwrap().state, "done");
        assert!(store.notifications(&failed, None, 10).await.unwrap().is_empty());
    })
    .await;
}

/// OP-6: what a release before hops had data logged is told in its words, beside what this one logs with its facts.
#[tokio::test]
async fn hops_that_were_stored_without_data_are_read_as_told() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db.clone()).await;
        rig.bring_to("B").await;
        rig.violation().await;
        let id = rig.incident().await.id;
        let links = r#"{"transition":"00000000-0000-0000-0000-000000000007"}"#;
        let rows = [
            ("phase_changed", "B to A, epoch 3", None),
            ("rollback_requested", "phasegate: B to A, error_rate violation", Some(links)),
        ];
        for (seq, (kind, detail, data)) in (9001_i64..).zip(rows) {
            sqlx::query(
                "INSERT INTO timeline (incident, seq, at, kind, detail, data) VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(id.as_str())
            .bind(seq)
            .bind(rig.clock.now().as_millis())
            .bind(kind)
            .bind(detail)
            .bind(data)
            .execute(db.pool())
            .await
            .unwrap();
        }
        let hops = rig.reporter.store.timeline(&id).await.unwrap();
        let told = hops.iter().filter_map(|it| match &it.hop {
            Hop::Told(it) => Some((it.kind.as_str(), it.detail.as_str(), it.links.is_null())),
            _ => None,
        });
        let expected = rows.map(|(kind, detail, data)| (kind, detail, data.is_none()));
        assert_eq!(told.collect::<Vec<_>>(), expected);
        let ours = |it: &LoggedHop| matches!(&it.hop, Hop::RollbackRequested { from, .. } if from.as_str() == "B");
        assert!(hops.iter().any(ours), "{hops:?}");
    })
    .await;
}

#[tokio::test]
async fn a_fenced_outcome_changes_nothing() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let store = &rig.reporter.store;
        rig.bring_to("A").await;
        rig.clock.advance(minutes(15));
        let warn = rig.decision(Verdict::Warn, None).await;
        rig.reporter.decide(&warn).await.unwrap();
        let lease = |_: &str| minutes(1);
        let claim = async || {
            let now = rig.clock.now();
            service_kit::outbox::claim(&rig.db, "w", "slack", 1, &lease, now).await.unwrap().remove(0)
        };
        let lost = claim().await;
        rig.clock.advance(minutes(2));
        let held = claim().await;
        let notification = held.decode::<domain::effects::PostMessage>().unwrap().notification;
        let settled = || Settled { notification: Some(notification), incident: None, hop: None };
        let done = Outcome::Done(serde_json::Value::Null);
        let (outcome, db, ended_at) = (&done, &rig.db, rig.clock.now());
        let ended = |claim| Attempt { db, claim, outcome, ended_at };
        assert_eq!(store.settle(&ended(&lost), settled()).await.unwrap(), Recorded::Fenced);
        let pending = NotificationFilter { state: Some("pending".into()), ..NotificationFilter::default() };
        assert_eq!(store.notifications(&pending, None, 10).await.unwrap().len(), 1);
        assert_eq!(store.settle(&ended(&held), settled()).await.unwrap(), Recorded::Done);
        assert!(store.notifications(&pending, None, 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn old_rows_are_forgotten() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        for _ in 0..3 {
            rig.judged(Verdict::Warn, None).await;
        }
        let later = rig.clock.now().plus(minutes(2));
        let minute = Some(minutes(1));
        assert_eq!(rig.forget(KEEP, later).await, 0);
        assert_eq!(rig.forget(Retention { decisions: minute, ..KEEP }, later).await, 3);
        let keep = Retention { decisions: minute, notifications: minute, ..KEEP };
        assert_eq!(rig.forget(keep, later).await, 3);
        assert_eq!(rig.forget(keep, later).await, 0);
    })
    .await;
}

/// 500 a minute went, and no more: less than what 7,500 targets bring.
#[tokio::test]
async fn all_that_is_past_its_time_goes_in_one_turn() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let rows = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500) \
             INSERT INTO decisions (id, target, phase, epoch, window_start, window_end, verdict, stale, received_at, body) \
             SELECT CAST(n AS TEXT), 'autosave', 'A', 1, n, n + 1, 'ok', 0, n / 1000, '{}' FROM n";
        sqlx::query(rows).execute(rig.db.pool()).await.unwrap();
        let keep = Retention { decisions: Some(minutes(1)), ..KEEP };
        assert_eq!(rig.forget(keep, rig.clock.now()).await, 2500);
    })
    .await;
}

/// NO-5: what an incident stands on that is not closed is kept, however old; after that it goes as everything else.
#[tokio::test]
async fn what_an_open_incident_stands_on_is_not_forgotten() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let store = &rig.reporter.store;
        rig.bring_to("A").await;
        rig.judged(Verdict::Warn, None).await;
        rig.judged(Verdict::Violation, Some(ViolationAction::Page)).await;
        let minute = Some(minutes(1));
        let keep = Retention { decisions: minute, notifications: minute, ..KEEP };
        let later = rig.clock.now().plus(minutes(2));
        rig.forget(keep, later).await;
        let kept = store.decisions(&DecisionFilter::default(), None, 10).await.unwrap();
        let verdicts: Vec<_> = kept.iter().map(|it| it.decision.verdict).collect();
        assert_eq!(verdicts, [Verdict::Violation]);
        let told = store.notifications(&NotificationFilter::default(), None, 10).await.unwrap();
        assert!(!told.is_empty() && told.iter().all(|it| it.incident.is_some()), "{told:?}");
        sqlx::query("UPDATE incidents SET state = 'closed'").execute(rig.db.pool()).await.unwrap();
        rig.forget(keep, later).await;
        assert!(store.decisions(&DecisionFilter::default(), None, 10).await.unwrap().is_empty());
        assert!(store.notifications(&NotificationFilter::default(), None, 10).await.unwrap().is_empty());
    })
    .await;
}

/// Acts, pages and daily reports stayed for ever.
#[tokio::test]
async fn what_is_known_for_a_time_is_forgotten_after_it() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        rig.judged(Verdict::Violation, Some(ViolationAction::Page)).await;
        rig.work().await;
        sqlx::query("DELETE FROM acts").execute(rig.db.pool()).await.unwrap();
        for sql in [
            "INSERT INTO acts (request_id, fingerprint, answer, at) VALUES ('r', 'f', '1', $1)",
            "INSERT INTO pages (id, dedup_key, learned_at) VALUES ('p', 'k', $1)",
            "INSERT INTO daily_reports (target, date, made_at) VALUES ('autosave', '2026-11-21', $1)",
        ] {
            let row = sqlx::query(sql).bind(rig.clock.now().as_millis());
            row.execute(rig.db.pool()).await.unwrap();
        }
        let days = |days: u64| rig.clock.now().plus(minutes(days * 24 * 60 + 1));
        assert_eq!(rig.forget(KEEP, days(29)).await, 0);
        assert_eq!(rig.forget(KEEP, days(30)).await, 2);
        assert_eq!(rig.forget(KEEP, days(400)).await, 0, "the page may be about the incident that is open");
        sqlx::query("UPDATE incidents SET state = 'closed'").execute(rig.db.pool()).await.unwrap();
        assert_eq!(rig.forget(KEEP, days(89)).await, 0);
        assert_eq!(rig.forget(KEEP, days(90)).await, 1);
    })
    .await;
}
