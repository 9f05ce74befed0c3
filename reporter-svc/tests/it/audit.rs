//! GO-4: what becomes a row of the audit log, how it is listed, and how it comes into the archive.

use std::collections::BTreeSet;
use std::io::Write as _;

use domain::audit::verify::Walk;
use domain::audit::{AuditDraft, digest};
use domain::rollout::Event;
use phasegate_tests::postgres::TestDatabase;
use phasegate_tests::stores::both_engines;
use reporter_svc::audit;
use reporter_svc::store::{AuditFilter, MIGRATIONS};
use serde_json::{Value, json};
use service_kit::clock::Clock as _;
use service_kit::db::Db;
use service_kit::outbox::Outcome;
use shared_types::audit::{SERVICE_STREAM, StreamVerification};
use shared_types::story::Deed;
use shared_types::{Actor, AuditEntry, Verdict, Via};
use sqlx::AssertSqlSafe;

use crate::api::call;
use crate::rig::{Rig, minutes};

async fn rows(rig: &Rig) -> Vec<AuditEntry> {
    rig.reporter.store.audit_piece("autosave", 1, 1000).await.unwrap()
}

fn actions(rows: &[AuditEntry]) -> Vec<&str> {
    rows.iter().map(|it| it.action.as_str()).collect()
}

/// GO-4, DE-5: from the start to the rollback each act is one row, by whom, and chained.
#[tokio::test]
async fn every_act_of_a_rollout_is_a_row_with_its_actor() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let app = rig.router();
        call(&app, "POST", "/v1/rollouts/autosave/start", Some(json!({ "by": "ana" }))).await;
        rig.work().await;
        rig.world.executor.lock().unwrap().push_back(Outcome::Failed { reason: "flags: 503".into() });
        let decision = rig.violation().await;
        rig.pass(minutes(1)).await;
        let incident = rig.incident().await.id;
        let acknowledged = format!("/v1/incidents/{incident}/acknowledgement");
        for _ in 0..2 {
            call(&app, "POST", &acknowledged, Some(json!({ "by": "kim" }))).await;
        }
        let rows = rows(&rig).await;
        let by = |row: &AuditEntry| format!("{} {} {}", row.action, row.actor.name, row.actor.via.as_str());
        let expected = [
            "rollout.start ana api",
            "command.started phasegate phasegate",
            "command.succeeded phasegate phasegate",
            "decision.received analyzer analyzer",
            "command.started phasegate phasegate",
            "command.attempt_failed phasegate phasegate",
            "rca.prepared phasegate phasegate",
            "command.started phasegate phasegate",
            "command.succeeded phasegate phasegate",
            "incident.acknowledged kim api",
        ];
        assert_eq!(
            rows.iter().map(by).collect::<Vec<_>>(),
            expected,
            "the second acknowledgement changes nothing"
        );
        assert!(!rows[0].actor.verified, "no token proved that it is ana");

        let judged = &rows[3];
        assert_eq!(judged.subject, Some(decision.decision_id.to_string()));
        assert_eq!(judged.detail["digest"], digest(&serde_json::to_value(&decision).unwrap()));
        assert_eq!(judged.detail["incident"], incident.as_str());
        assert_eq!(judged.detail["changed"]["open_incident"], json!([null, incident]));
        assert_eq!(judged.detail["changed"]["stage"], json!(["idle", "rolling_back"]));
        let hops: BTreeSet<&str> =
            judged.detail["hops"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(hops.contains("incident_opened") && hops.contains("rollback_requested"), "{hops:?}");
        assert_eq!(rows[5].detail["reason"], "flags: 503");
        assert_eq!(rows[8].detail["changed"]["phase"], json!(["A", "off"]));
        assert_eq!(rows[9].subject, Some(incident.to_string()));

        let mut walk = Walk::new("autosave", rig.clock.now());
        walk.chain(&rows);
        assert!(walk.verdict().ok);
    })
    .await;
}

/// GO-4: an act that is refused, or asked for again under its key, changes nothing and is no row.
#[tokio::test]
async fn what_changes_nothing_is_no_row() {
    let rig = Rig::in_memory().await;
    rig.event(Event::Promote { by: "ana".into(), from: None }).await;
    assert!(rows(&rig).await.is_empty());
    rig.bring_to("A").await;
    let before = rows(&rig).await.len();
    let decision = rig.decision(Verdict::Ok, None).await;
    rig.reporter.decide(&decision).await.unwrap();
    rig.reporter.decide(&decision).await.unwrap();
    rig.event(Event::Tick).await;
    assert_eq!(rows(&rig).await.len(), before + 1);
}

/// GO-4: an act that is about no target the policy knows goes into the service's own stream.
#[tokio::test]
async fn acts_without_a_target_have_a_stream_of_their_own() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let store = &rig.reporter.store;
        let note = async |action: Deed| {
            let actor = Actor::service("", Via::Phasegate);
            let draft = AuditDraft { actor, action, subject: None, detail: json!({ "n": "\0" }) };
            let nobody = shared_types::TargetName::parse("nobody").unwrap();
            store.note(Some(&nobody), draft, rig.clock.now()).await.unwrap()
        };
        let (first, second) = (note(Deed::PolicyAdopted).await, note(Deed::TimerDue).await);
        assert_eq!((first.seq, first.stream.as_str(), first.target), (1, SERVICE_STREAM, None));
        assert_eq!((second.seq, &second.prev_hash), (2, &first.hash));
        assert_eq!(second.actor.name, "unknown", "a name from outside is nothing to fail for");
        let stored = store.audit_piece(SERVICE_STREAM, 1, 10).await.unwrap();
        let mut walk = Walk::new(SERVICE_STREAM, rig.clock.now());
        walk.chain(&stored);
        assert_eq!(walk.verdict().rows, 2);
        assert_eq!(store.audit_stream_after("").await.unwrap().as_deref(), Some(SERVICE_STREAM));
        assert_eq!(store.audit_stream_after(SERVICE_STREAM).await.unwrap(), None);
        assert_eq!(store.audit_head(SERVICE_STREAM).await.unwrap(), 2);
        assert_eq!(store.audit_heads(rig.clock.now()).await.unwrap(), [(SERVICE_STREAM.to_owned(), 2)]);
        assert!(store.audit_heads(rig.clock.now().plus(minutes(1))).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        rig.violation().await;
        let app = rig.router();
        let all = rows(&rig).await;
        let list = async |query: &str| call(&app, "GET", &format!("/v1/audit?{query}"), None).await.1;
        let mut newest_first: Vec<u64> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = list(&format!("target=autosave&limit=2{cursor}")).await;
            newest_first.extend(page["items"].as_array().unwrap().iter().filter_map(|it| it["seq"].as_u64()));
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let seqs: Vec<u64> = all.iter().rev().map(|it| it.seq).collect();
        assert_eq!(newest_first, seqs);
        let count = async |query: &str| list(query).await["items"].as_array().unwrap().len();
        assert_eq!(count("actor=analyzer").await, 1);
        assert_eq!(count("action=command.started").await, 2);
        let decision = all.iter().find(|it| it.action == "decision.received").unwrap();
        assert_eq!(count(&format!("subject={}", decision.subject.as_ref().unwrap())).await, 1);
        let first = all[0].at;
        assert_eq!(
            count(&format!("to={}", first.plus(minutes(1)))).await,
            4,
            "opening, start, command, its end"
        );
        assert_eq!(count(&format!("from={}", first.plus(minutes(1)))).await, all.len() - 3);
        assert_eq!(count("stream=@service").await, 1, "that the stream was opened");
        let (status, _) = call(&app, "GET", "/v1/audit?target=autosave&stream=@service", None).await;
        assert_eq!(status, 400);
        let filter = AuditFilter { action: Some("rollout.start".into()), ..AuditFilter::default() };
        let started = rig.reporter.store.audit(&filter, None, 10).await.unwrap();
        assert_eq!(actions(&started), ["rollout.start"]);
    })
    .await;
}

async fn verified(rig: &Rig, keeper: &audit::Keeper) -> StreamVerification {
    let verifying = audit::Verifying::begin(&rig.reporter.store, keeper, rig.clock.now()).await.unwrap();
    verifying.one("autosave").await.unwrap()
}

/// GO-4: rows committed before a crash are copied after it; each reporter has a copy of its own.
#[tokio::test]
async fn the_archive_catches_up_after_a_crash() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        rig.keeper.catch_up(rig.clock.now()).await.unwrap();
        let path = rig.keeper.archive().path("autosave");
        let copied = std::fs::read_to_string(&path).unwrap().lines().count();
        assert_eq!(copied, rows(&rig).await.len());
        // Killed after the commit, in the middle of a line.
        rig.violation().await;
        let torn = serde_json::to_string(&rows(&rig).await[copied]).unwrap();
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&torn.as_bytes()[..40]).unwrap();
        drop(file);
        let again = rig.restarted().await;
        assert_eq!(again.keeper.catch_up(rig.clock.now()).await.unwrap(), 1);
        assert_eq!(again.keeper.catch_up(rig.clock.now()).await.unwrap(), 0);
        rig.keeper.catch_up(rig.clock.now()).await.unwrap();
        rig.clock.advance(minutes(60));
        let found = verified(&rig, &rig.keeper).await;
        assert!(found.ok, "{found:?}");
        assert_eq!((found.rows, found.unarchived), (found.archived, 0));

        let elsewhere = tempfile::tempdir().unwrap();
        let archive = audit::Archive::below(elsewhere.path());
        let replica = audit::Keeper::new(std::sync::Arc::clone(&rig.reporter), archive);
        replica.catch_up(rig.clock.now()).await.unwrap();
        let found = verified(&rig, &replica).await;
        assert_eq!(found.archived, rows(&rig).await.len() as u64);
    })
    .await;
}

/// CO-7, GO-4: what a collector tells is one row, however often it is told; by the collector's way, whatever it says.
#[tokio::test]
async fn acts_at_a_collector_are_rows_once() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let app = rig.router();
        let act = |id: u128, target: &str, kind: &str, name: &str| {
            let actor = json!({ "name": name, "roles": ["sre"], "via": "slack", "verified": true });
            json!({ "id": uuid::Uuid::from_u128(id), "target": target, "kind": kind, "at": rig.clock.now(),
                    "paused_until": rig.clock.now().plus(minutes(5)), "actor": actor })
        };
        let pause = act(1, "autosave", "collector.pause", "ana");
        let resume = act(2, "autosave", "collector.resume", "ana");
        for told in [&pause, &pause, &resume, &pause, &act(3, "nobody", "collector.pause", "ana")] {
            assert_eq!(call(&app, "POST", "/v1/audit/acts", Some(told.clone())).await.0, 204);
        }
        let rows = rows(&rig).await;
        assert_eq!(actions(&rows), ["collector.pause", "collector.resume"]);
        assert_eq!((rows[0].actor.name.as_str(), rows[0].actor.via), ("ana", Via::Collector));
        assert_eq!(rows[0].subject, Some(uuid::Uuid::from_u128(1).to_string()));
        assert_eq!(rows[0].detail["paused_until"], pause["paused_until"]);
        assert_eq!(
            rig.reporter.store.audit_head(SERVICE_STREAM).await.unwrap(),
            2,
            "that a stream was opened, and of no target known here"
        );
        for wrong in
            [act(4, "autosave", "rollout.promote", "ana"), act(4, "autosave", "collector.pause", " ")]
        {
            assert_eq!(call(&app, "POST", "/v1/audit/acts", Some(wrong)).await.0, 422);
        }
    })
    .await;
}

/// GO-4: SQL that changes a row is refused on either engine, by whatever statement.
#[tokio::test]
async fn rows_cannot_be_changed_or_deleted() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        let before = rows(&rig).await;
        let mut statements = vec![
            "UPDATE audit SET actor = 'mallory'",
            "DELETE FROM audit",
            "DELETE FROM audit WHERE seq = 2",
        ];
        match rig.db.engine() {
            service_kit::db::Engine::Postgres => statements.push("TRUNCATE audit"),
            service_kit::db::Engine::Sqlite => {
                statements.push("INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 1");
            }
        }
        for sql in statements {
            let error = sqlx::query(AssertSqlSafe(sql)).execute(rig.db.pool()).await.unwrap_err().to_string();
            assert!(error.contains("append-only"), "{sql}: {error}");
        }
        assert_eq!(rows(&rig).await, before);
    })
    .await;
}

/// GO-4: on PostgreSQL a service's own role may read and insert, even where it owns the table and the trigger is gone.
#[tokio::test]
async fn the_services_role_may_only_insert() {
    let database = TestDatabase::create().await;
    let owner = Db::connect(database.url(), "setup", &[]).await.unwrap();
    let run = async |sql: String| sqlx::query(AssertSqlSafe(sql)).execute(owner.pool()).await.unwrap();
    let role = format!("phasegate_role_{}", std::process::id());
    let name = database.url().rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    sqlx::query(AssertSqlSafe(format!("DROP ROLE IF EXISTS {role}"))).execute(owner.pool()).await.unwrap();
    run(format!("CREATE ROLE {role} LOGIN")).await;
    run(format!("GRANT CREATE, CONNECT ON DATABASE \"{name}\" TO {role}")).await;
    let start = database.url().find("://").unwrap() + 3;
    let at = database.url().find('@').unwrap();
    let url = format!("{}{role}{}", &database.url()[..start], &database.url()[at..]);
    let rig = Rig::new(Db::connect(&url, "reporter", MIGRATIONS).await.unwrap()).await;
    rig.bring_to("A").await;
    run("ALTER TABLE reporter.audit DISABLE TRIGGER USER".to_owned()).await;
    for sql in ["UPDATE audit SET actor = 'mallory'", "DELETE FROM audit", "TRUNCATE audit"] {
        let error = sqlx::query(sql).execute(rig.db.pool()).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{sql}: {error}");
    }
    assert!(!rows(&rig).await.is_empty());
    rig.db.close().await;
    run(format!("DROP OWNED BY {role} CASCADE")).await;
    run(format!("DROP ROLE {role}")).await;
    owner.close().await;
}
