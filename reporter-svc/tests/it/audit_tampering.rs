//! GO-4: each kind of change behind the service's back is found, at the row where it begins.

use domain::audit::hash_of;
use phasegate_tests::stores::both_engines;
use reporter_svc::audit;
use reporter_svc::store::MIGRATIONS;
use serde_json::Value;
use service_kit::clock::Clock as _;
use service_kit::db::Engine;
use shared_types::AuditEntry;
use shared_types::audit::FaultKind;
use sqlx::AssertSqlSafe;

use crate::api::call;
use crate::rig::{Rig, minutes};

/// A reporter with some history, copied into the archive, and the rows as they were.
struct Scene {
    rig: Rig,
    rows: Vec<AuditEntry>,
    copy: String,
}

impl Scene {
    async fn new(db: service_kit::db::Db) -> Self {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        rig.violation().await;
        rig.pass(minutes(20)).await;
        rig.keeper.catch_up(rig.clock.now()).await.unwrap();
        rig.clock.advance(minutes(10));
        let rows = rig.reporter.store.audit_piece("autosave", 1, 1000).await.unwrap();
        assert!(rows.len() >= 7, "{}", rows.len());
        let copy = std::fs::read_to_string(rig.keeper.archive().path("autosave")).unwrap();
        let scene = Self { rig, rows, copy };
        // What an owner of the database can do; whoever has less is refused (see the tests of that).
        match scene.rig.db.engine() {
            Engine::Postgres => scene.sql("ALTER TABLE audit DISABLE TRIGGER USER").await,
            Engine::Sqlite => {
                for trigger in ["are_not_changed", "stay", "are_not_replaced"] {
                    scene.sql(&format!("DROP TRIGGER audit_rows_{trigger}")).await;
                }
            }
        }
        scene.sql("CREATE TABLE audit_before AS SELECT * FROM audit").await;
        scene
    }

    async fn sql(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql)).execute(self.rig.db.pool()).await.unwrap();
    }

    async fn verify(&self) -> Option<(u64, FaultKind)> {
        let (store, archive) = (&self.rig.reporter.store, self.rig.keeper.archive());
        let found = audit::page(store, archive, "", 10, self.rig.clock.now()).await.unwrap();
        assert_eq!(found.len(), 1, "one stream");
        assert_eq!(found[0].ok, found[0].fault.is_none());
        found[0].fault.as_ref().map(|it| (it.seq, it.kind))
    }

    /// Does it, looks, and undoes it.
    async fn tamper(&self, statements: &[String], expected: (u64, FaultKind)) {
        for sql in statements {
            self.sql(sql).await;
        }
        assert_eq!(self.verify().await, Some(expected), "{statements:?}");
        self.sql("DELETE FROM audit").await;
        self.sql("INSERT INTO audit SELECT * FROM audit_before").await;
        assert_eq!(self.verify().await, None);
    }

    async fn tamper_with_the_copy(&self, lines: &[&str], expected: Option<(u64, FaultKind)>) {
        let path = self.rig.keeper.archive().path("autosave");
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        assert_eq!(self.verify().await, expected, "{} lines", lines.len());
        std::fs::write(&path, &self.copy).unwrap();
    }

    /// From row `from` on, with another name, hashes and all.
    fn rewritten(&self, from: usize, count: usize) -> Vec<String> {
        let mut rows = self.rows.clone();
        let mut statements = Vec::new();
        for index in from - 1..from - 1 + count {
            rows[index].actor.name = "mallory".to_owned();
            if index >= from {
                rows[index].prev_hash = rows[index - 1].hash.clone();
            }
            rows[index].hash = hash_of(&rows[index]);
            let AuditEntry { seq, prev_hash, hash, .. } = &rows[index];
            statements.push(format!(
                "UPDATE audit SET actor = 'mallory', prev_hash = '{prev_hash}', hash = '{hash}' WHERE seq = {seq}"
            ));
        }
        statements
    }
}

/// GO-4: an edit of any field, a deletion, a reorder, a truncation, a forgery, a rewriting.
#[tokio::test]
async fn every_kind_of_change_to_the_table_is_found_where_it_begins() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let scene = Scene::new(db).await;
        assert_eq!(scene.verify().await, None);
        let last = scene.rows.len() as u64;
        let one = |sql: &str| vec![sql.to_owned()];
        for change in [
            "at = at + 1",
            "actor = 'mallory'",
            "roles = '[\"governance\"]'",
            "roles = 'no list'",
            "via = 'slack'",
            "verified = 1 - verified",
            "action = 'nothing'",
            "subject = 'nobody'",
            "detail = '{}'",
            "detail = 'no json'",
            "hash = 'sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'",
            "prev_hash = 'sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'",
        ] {
            let sql = format!("UPDATE audit SET {change} WHERE seq = 4");
            scene.tamper(&[sql], (4, FaultKind::Edited)).await;
        }
        scene.tamper(&one("DELETE FROM audit WHERE seq = 4"), (4, FaultKind::Missing)).await;
        scene.tamper(&one("DELETE FROM audit WHERE seq = 1"), (1, FaultKind::Missing)).await;
        let swap = ["seq = 999 WHERE seq = 3", "seq = 3 WHERE seq = 5", "seq = 5 WHERE seq = 999"];
        let swap: Vec<String> = swap.iter().map(|it| format!("UPDATE audit SET {it}")).collect();
        scene.tamper(&swap, (3, FaultKind::Reordered)).await;
        let truncate = format!("DELETE FROM audit WHERE seq > {}", last - 2);
        scene.tamper(&[truncate], (last - 1, FaultKind::Truncated)).await;
        scene.tamper(&one("DELETE FROM audit"), (1, FaultKind::Truncated)).await;
        scene.tamper(&scene.rewritten(4, 1), (4, FaultKind::Rewritten)).await;
        let rest = scene.rows.len() - 3;
        scene.tamper(&scene.rewritten(4, rest), (4, FaultKind::Rewritten)).await;
    })
    .await;
}

/// GO-4: nor can the copy be changed without being found.
#[tokio::test]
async fn every_kind_of_change_to_the_archive_is_found_where_it_begins() {
    let db = service_kit::db::Db::connect("sqlite::memory:", "reporter", MIGRATIONS).await.unwrap();
    let scene = Scene::new(db).await;
    let lines: Vec<&str> = scene.copy.lines().collect();
    let with = |index: usize, line: &'static str| {
        let mut lines = lines.clone();
        lines[index] = line;
        lines
    };
    let mut edited = lines.clone();
    let forged = lines[3].replace("\"phasegate\"", "\"mallory\"").replace("\"analyzer\"", "\"mallory\"");
    edited[3] = &forged;
    scene.tamper_with_the_copy(&lines, None).await;
    scene.tamper_with_the_copy(&edited, Some((4, FaultKind::ArchiveEdited))).await;
    scene.tamper_with_the_copy(&with(3, "{torn"), Some((4, FaultKind::ArchiveMissing))).await;
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    scene.tamper_with_the_copy(&swapped, Some((4, FaultKind::ArchiveMissing))).await;
    scene.tamper_with_the_copy(&lines[..5], Some((6, FaultKind::ArchiveMissing))).await;
    scene.tamper_with_the_copy(&[], Some((1, FaultKind::ArchiveMissing))).await;
    std::fs::remove_file(scene.rig.keeper.archive().path("autosave")).unwrap();
    assert_eq!(scene.verify().await, Some((1, FaultKind::ArchiveMissing)));
}

/// GO-4: a table that departs from its archive is not copied over it, and a person is told.
#[tokio::test]
async fn an_archive_is_never_written_over() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let scene = Scene::new(db).await;
        let last = scene.rows.len();
        scene.sql(&format!("DELETE FROM audit WHERE seq > {}", last - 2)).await;
        let restarted = scene.rig.restarted().await;
        restarted.keeper.catch_up(scene.rig.clock.now()).await.unwrap();
        let departed = restarted.keeper.departed().await;
        assert_eq!(
            departed,
            [format!("autosave: the table ends at row {}, the archive at row {last}", last - 2)]
        );
        // New rows take the place of those that are gone.
        for _ in 0..4 {
            scene.rig.judged(shared_types::Verdict::Ok, None).await;
        }
        restarted.keeper.catch_up(scene.rig.clock.now()).await.unwrap();
        assert!(restarted.keeper.departed().await[0].contains("does not follow"), "{departed:?}");
        let copy = std::fs::read_to_string(scene.rig.keeper.archive().path("autosave")).unwrap();
        assert_eq!(copy, scene.copy);
        let begins = last as u64 - 1;
        assert_eq!(scene.verify().await, Some((begins, FaultKind::Rewritten)));
    })
    .await;
}

/// GO-4: over HTTP: a page of streams, each with its head or its first wrong row.
#[tokio::test]
async fn the_verification_is_an_answer_of_the_api() {
    let db = service_kit::db::Db::connect("sqlite::memory:", "reporter", MIGRATIONS).await.unwrap();
    let scene = Scene::new(db).await;
    let app = scene.rig.router();
    let verify = async |query: &str| -> Value {
        call(&app, "GET", &format!("/v1/audit/verification{query}"), None).await.1
    };
    let whole = verify("").await;
    assert_eq!(whole["ok"], true, "{whole}");
    assert_eq!(whole["items"][0]["stream"], "autosave");
    assert_eq!(whole["items"][0]["head"], scene.rows.last().unwrap().hash);
    assert_eq!(verify("?stream=@service").await["items"][0]["rows"], 0);
    scene.sql("UPDATE audit SET action = 'nothing' WHERE seq = 2").await;
    let broken = verify("?stream=autosave").await;
    assert_eq!(broken["ok"], false);
    assert_eq!(broken["items"][0]["fault"]["seq"], 2);
    assert_eq!(broken["items"][0]["fault"]["kind"], "edited");
    let (status, _) = call(&app, "GET", "/v1/audit/verification?stream=../x", None).await;
    assert_eq!(status, 400);
}
