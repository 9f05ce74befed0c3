//! GO-4: each kind of change behind the service's back is found, at the row where it begins.

use domain::audit::hash_of;
use phasegate_tests::stores::both_engines;
use reporter_svc::audit;
use reporter_svc::store::MIGRATIONS;
use serde_json::Value;
use service_kit::clock::Clock as _;
use service_kit::db::Engine;
use service_kit::seal::SealKey;
use shared_types::AuditEntry;
use shared_types::audit::{FaultKind, StreamVerification};
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
        let found = self.verify_stream("autosave").await;
        assert_eq!(found.ok, found.fault.is_none());
        found.fault.map(|it| (it.seq, it.kind))
    }

    async fn verify_stream(&self, stream: &str) -> StreamVerification {
        let (store, keeper) = (&self.rig.reporter.store, &self.rig.keeper);
        let verifying = audit::Verifying::begin(store, keeper, self.rig.clock.now()).await.unwrap();
        verifying.one(stream).await.unwrap()
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
    assert_eq!(whole["items"][0]["stream"], "@service");
    assert_eq!(whole["items"][1]["stream"], "autosave");
    assert_eq!(whole["items"][1]["head"], scene.rows.last().unwrap().hash);
    assert_eq!(verify("?stream=nobody").await["items"][0]["rows"], 0);
    scene.sql("UPDATE audit SET action = 'nothing' WHERE seq = 2 AND stream = 'autosave'").await;
    let broken = verify("?stream=autosave").await;
    assert_eq!(broken["ok"], false);
    assert_eq!(broken["items"][0]["fault"]["seq"], 2);
    assert_eq!(broken["items"][0]["fault"]["kind"], "edited");
    let (status, _) = call(&app, "GET", "/v1/audit/verification?stream=../x", None).await;
    assert_eq!(status, 400);
}

/// OP-9: a file that is taken away, or cut, is missed at once, and not made anew from the table.
#[tokio::test]
async fn an_archive_that_is_gone_is_missed_and_not_made_again() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let scene = Scene::new(db).await;
        let (rig, path) = (&scene.rig, scene.rig.keeper.archive().path("autosave"));
        let last = scene.rows.len() as u64;
        std::fs::remove_file(&path).unwrap();
        rig.clock.advance(std::time::Duration::from_secs(10));
        rig.keeper.catch_up(rig.clock.now()).await.unwrap();
        let missed = format!(
            "autosave: the archive held {last} rows and ends at row 0 now: its file was taken away or cut"
        );
        assert_eq!(rig.keeper.departed().await, [missed]);
        // New rows do not make it begin again, nor does a new process.
        rig.judged(shared_types::Verdict::Ok, None).await;
        let restarted = rig.restarted().await;
        for keeper in [&rig.keeper, &restarted.keeper] {
            keeper.catch_up(rig.clock.now()).await.unwrap();
            assert_eq!(keeper.departed().await.len(), 1);
        }
        assert!(!path.exists());
        assert_eq!(scene.verify().await, Some((1, FaultKind::ArchiveMissing)));
        // The whole directory as well.
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert_eq!(scene.verify().await, Some((1, FaultKind::ArchiveMissing)));
        // Brought back, it is gone on with.
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &scene.copy).unwrap();
        let again = rig.restarted().await;
        again.keeper.catch_up(rig.clock.now()).await.ok();
        assert_eq!(scene.verify().await, None);
    })
    .await;
}

/// OP-9: a stream whose hashes hold, and that nobody opened.
#[tokio::test]
async fn a_stream_that_nobody_opened_is_found() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let scene = Scene::new(db).await;
        let mut forged = scene.rows[0].clone();
        forged.stream = "ghost".to_owned();
        forged.target = Some("ghost".to_owned());
        forged.hash = hash_of(&forged);
        scene
            .sql(&format!(
                "INSERT INTO audit (stream, seq, at, actor, roles, via, verified, action, target, subject, detail, \
                     prev_hash, hash) \
                 SELECT 'ghost', seq, at, actor, roles, via, verified, action, 'ghost', subject, detail, prev_hash, \
                     '{}' FROM audit WHERE stream = 'autosave' AND seq = 1",
                forged.hash
            ))
            .await;
        scene.rig.clock.advance(minutes(61));
        scene.rig.keeper.catch_up(scene.rig.clock.now()).await.unwrap();
        let found = scene.verify_stream("ghost").await;
        assert_eq!((found.rows, found.fault.map(|it| (it.seq, it.kind))), (1, Some((1, FaultKind::Unopened))));
        assert_eq!(scene.verify().await, None);
    })
    .await;
}

/// OP-9: the streams of a release that opened none are taken over once, by name and head.
#[tokio::test]
async fn streams_from_before_are_adopted_once() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let scene = Scene::new(db).await;
        scene.sql("DELETE FROM audit WHERE stream = '@service'").await;
        let store = &scene.rig.reporter.store;
        assert_eq!(store.audit_opened().await.unwrap(), None);
        for _ in 0..2 {
            store.adopt_streams(scene.rig.clock.now()).await.unwrap();
        }
        let rows = store.audit_piece("@service", 1, 10).await.unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0].detail["streams"][0]["hash"], scene.rows.last().unwrap().hash);
        assert!(store.audit_opened().await.unwrap().unwrap().contains("autosave"));
    })
    .await;
}

/// OP-9: who writes table and archive anew, hashes and all, has no key to sign it with.
#[tokio::test]
async fn a_history_written_anew_in_table_and_archive_does_not_fit_what_was_signed() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let scene = Scene::new(db).await;
        let key = |digits: &str| SealKey::parse(&digits.repeat(32).into()).unwrap();
        let (reporter, data) = (&scene.rig.reporter, scene.rig.data.path());
        let keeper = |digits: &str| {
            let archive = audit::Archive::below(data);
            audit::Keeper::new(std::sync::Arc::clone(reporter), archive).sealing(Some(key(digits)))
        };
        let sealing = keeper("42");
        sealing.catch_up(scene.rig.clock.now()).await.unwrap();
        let last = scene.rows.len();
        let newest = audit::Sealed::newest(sealing.archive(), Some(&key("42").public())).unwrap();
        assert_eq!(newest.head("autosave").unwrap().hash, scene.rows[last - 1].hash);
        let verify = async |keeper: &audit::Keeper| {
            let now = scene.rig.clock.now();
            let verifying = audit::Verifying::begin(&reporter.store, keeper, now).await.unwrap();
            verifying.one("autosave").await.unwrap()
        };
        let whole = verify(&sealing).await;
        assert_eq!((whole.ok, whole.sealed), (true, Some(last as u64)), "{whole:?}");
        // Table and archive alike.
        for sql in scene.rewritten(4, last - 3) {
            scene.sql(&sql.replace("WHERE seq", "WHERE stream = 'autosave' AND seq")).await;
        }
        let rows = reporter.store.audit_piece("autosave", 1, 1000).await.unwrap();
        let lines: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
        std::fs::write(sealing.archive().path("autosave"), lines.join("\n") + "\n").unwrap();
        assert!(scene.verify_stream("autosave").await.ok, "without the key nothing is wrong");
        let fault = verify(&sealing).await.fault.unwrap();
        assert_eq!((fault.seq, fault.kind), (last as u64, FaultKind::Unsealed), "{fault:?}");
        // Nor is it sealed from now on.
        let again = keeper("42");
        again.catch_up(scene.rig.clock.now()).await.unwrap();
        assert!(again.departed().await[0].contains("is not the one that was signed"));
        assert_eq!(verify(&keeper("43")).await.fault.unwrap().kind, FaultKind::Unsealed);
    })
    .await;
}
