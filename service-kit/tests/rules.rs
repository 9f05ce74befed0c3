//! The life of a policy: found, believed, refused or taken over, kept; on both engines.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]
#![allow(clippy::float_cmp, reason = "a ratio is read as it is written")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::policy::{Policy, Retention};
use phasegate_tests::stores::both_engines;
use service_kit::ServiceName;
use service_kit::clock::{Clock, ManualClock};
use service_kit::db::{Db, DbError};
use service_kit::http::{CheckState, PageQuery};
use service_kit::rules::{self, PolicySubscriber, PolicyVersions, PolicyWatcher, Rules, RulesFiles};
use shared_types::Timestamp;

/// So long after it was found a version is in force: every replica has looked once.
const LEAD: Duration = Duration::from_secs(2);

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A service's files, database and clock.
struct World {
    folder: tempfile::TempDir,
    db: Db,
    clock: Arc<ManualClock>,
    subscriber: Arc<Says>,
}

/// What the service has to say.
#[derive(Default)]
struct Says {
    objection: Mutex<Option<String>>,
    prepared: AtomicUsize,
}

#[async_trait]
impl PolicySubscriber for Says {
    async fn objection(&self, _next: &Rules) -> Result<Option<String>, DbError> {
        Ok(self.objection.lock().unwrap().clone())
    }

    async fn prepare(&self, _next: &Arc<Rules>) -> Result<(), DbError> {
        self.prepared.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl World {
    fn new(db: Db) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("templates/alerts")).unwrap();
        for file in std::fs::read_dir(shipped().join("templates/alerts")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.path().join("templates/alerts").join(file.file_name()))
                .unwrap();
        }
        let world = Self {
            folder,
            db,
            clock: Arc::new(ManualClock::at(Timestamp::parse("2026-11-22T10:07:00Z").unwrap())),
            subscriber: Arc::default(),
        };
        world.write("80%");
        world
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("policy.yaml")
    }

    fn text(warn_ratio: &str) -> String {
        let text = std::fs::read_to_string(shipped().join("governance/policy.yaml")).unwrap();
        text.replace("warn_ratio: 80%", &format!("warn_ratio: {warn_ratio}"))
    }

    fn write(&self, warn_ratio: &str) {
        std::fs::write(self.file(), Self::text(warn_ratio)).unwrap();
    }

    /// A replica that starts now.
    async fn start(&self) -> (PolicyVersions, PolicyWatcher) {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let files = RulesFiles::with_texts(&self.file(), self.folder.path());
        let policy = Arc::new(Policy::load(&self.file()).unwrap());
        let versions = PolicyVersions::open(&self.db, &files, &policy, clock.as_ref()).await.unwrap();
        let subscriber: Arc<dyn PolicySubscriber> = Arc::clone(&self.subscriber) as _;
        let mut watcher =
            PolicyWatcher::new(ServiceName::Reporter, versions.clone(), files, &self.db, &clock, subscriber);
        watcher.begin(&policy).await.unwrap();
        (versions, watcher)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Two looks that find the same.
async fn look(watcher: &mut PolicyWatcher) {
    watcher.turn().await.unwrap();
    watcher.turn().await.unwrap();
}

fn warn_ratio(rules: &Rules) -> f64 {
    rules.policy.targets.values().next().unwrap().gate.warn_ratio
}

fn refusal(versions: &PolicyVersions) -> String {
    match versions.state() {
        CheckState::Degraded(reason) => reason,
        other => panic!("{other:?}"),
    }
}

/// PO-2: a window goes by the version in force when it began, whenever and wherever it is judged.
#[tokio::test]
async fn a_change_is_in_force_for_windows_that_begin_after_it() {
    both_engines("kit", &[], async |db| {
        let world = World::new(db);
        let (versions, mut watcher) = world.start().await;
        let before = world.now();
        world.write("70%");
        world.clock.advance(Duration::from_secs(60));
        watcher.turn().await.unwrap();
        assert_eq!(warn_ratio(&versions.current()), 0.8, "a file is believed when it was read twice");
        watcher.turn().await.unwrap();
        assert_eq!(warn_ratio(&versions.current()), 0.7);
        let changed_at = world.now().plus(LEAD);
        let check = async |versions: &PolicyVersions| {
            for (moment, ratio) in [
                (Timestamp::from_millis(-5), 0.8),
                (before, 0.8),
                (changed_at.minus(Duration::from_millis(1)), 0.8),
                (changed_at, 0.7),
                (changed_at.plus(Duration::from_secs(900)), 0.7),
            ] {
                assert_eq!(warn_ratio(&versions.at(moment).await.unwrap()), ratio, "{moment}");
            }
        };
        check(&versions).await;
        world.clock.advance(LEAD);
        // A replica, or the same service after a restart.
        let (other, _) = world.start().await;
        check(&other).await;
        let since = other.since(before).await.unwrap();
        assert_eq!(
            since.iter().map(|(from, _)| *from).collect::<Vec<_>>(),
            [Timestamp::from_millis(0), changed_at]
        );
        assert_eq!(other.since(changed_at).await.unwrap().len(), 1);
    })
    .await;
}

/// PO-2: a file that changed while the service was down is a change like any other.
#[tokio::test]
async fn what_changed_during_a_stop_is_in_force_from_the_start_on() {
    both_engines("kit", &[], async |db| {
        let world = World::new(db);
        drop(world.start().await);
        world.write("70%");
        world.clock.advance(Duration::from_secs(3600));
        let (versions, _) = world.start().await;
        assert_eq!(warn_ratio(&versions.current()), 0.7);
        let before = world.now().minus(Duration::from_millis(1));
        assert_eq!(warn_ratio(&versions.at(before).await.unwrap()), 0.8);
    })
    .await;
}

/// PO-1, PO-2: half a file, a wrong one, a missing one and a wrong text are refused by place; the old version stays.
#[tokio::test]
async fn a_wrong_version_is_refused_while_the_old_one_stays_in_force() {
    both_engines("kit", &[], async |db| {
        let world = World::new(db);
        let (versions, mut watcher) = world.start().await;
        let in_force = versions.current();
        let whole = World::text("70%");
        let warn = world.folder.path().join("templates/alerts/autosave-warn.txt");
        let good_warn = std::fs::read_to_string(&warn).unwrap();

        std::fs::write(world.file(), whole.replace("warn_ratio: 70%", "warn_ratio: 170%")).unwrap();
        look(&mut watcher).await;
        let reason = refusal(&versions);
        assert!(
            reason.contains("policy.yaml:") && reason.contains("targets.autosave.gate.warn_ratio"),
            "{reason}"
        );
        assert!(reason.contains(&in_force.policy.version[..19]), "{reason}");
        // PL: what has the shape of a policy and cannot protect.
        std::fs::write(world.file(), whole.replace("{prev}", "{next}").replace("0.5%", "150%")).unwrap();
        look(&mut watcher).await;
        let reason = refusal(&versions);
        assert!(reason.contains("[PL-1]") && reason.contains("[PL-3]"), "all at once: {reason}");
        assert_eq!(versions.current().id(), in_force.id());
        for cut in (0..whole.len()).step_by(97).filter(|at| whole.is_char_boundary(*at)) {
            std::fs::write(world.file(), &whole[..cut]).unwrap();
            look(&mut watcher).await;
            refusal(&versions);
        }
        std::fs::remove_file(world.file()).unwrap();
        look(&mut watcher).await;
        assert!(refusal(&versions).contains("cannot be read"));
        std::fs::write(world.file(), &whole).unwrap();
        std::fs::write(&warn, "{nobody knows this}").unwrap();
        look(&mut watcher).await;
        assert!(refusal(&versions).contains("autosave-warn.txt, line 1"), "{}", refusal(&versions));
        assert_eq!(versions.current(), in_force);

        std::fs::write(&warn, good_warn).unwrap();
        look(&mut watcher).await;
        assert_eq!(versions.state(), CheckState::Ok);
        assert_eq!(warn_ratio(&versions.current()), 0.7);
    })
    .await;
}

/// PO-2: texts change with the policy they belong to: one version of both.
#[tokio::test]
async fn a_changed_text_is_a_version_of_its_own() {
    both_engines("kit", &[], async |db| {
        let world = World::new(db);
        let (versions, mut watcher) = world.start().await;
        let before = versions.current().id();
        std::fs::write(world.folder.path().join("templates/alerts/autosave-ok.txt"), "fine {phase}").unwrap();
        look(&mut watcher).await;
        let after = versions.current().id();
        assert_eq!(before.version, after.version);
        assert_ne!(before.texts_version, after.texts_version);
        let kept = versions.policy_text(&after.version[..15]).await.unwrap();
        assert_eq!(kept.texts["templates/alerts/autosave-ok.txt"], "fine {phase}");
        assert_eq!(kept.policy, World::text("80%"));
        assert_eq!(kept.in_force.len(), 2);
        assert_eq!(kept.in_force[1].until, None);
    })
    .await;
}

/// PO-2: what stands in a version's way is said, and it takes its place once that is gone.
#[tokio::test]
async fn a_version_that_cannot_follow_yet_waits() {
    both_engines("kit", &[], async |db| {
        let world = World::new(db);
        let (versions, mut watcher) = world.start().await;
        let prepared = world.subscriber.prepared.load(Ordering::SeqCst);
        *world.subscriber.objection.lock().unwrap() = Some("a rollout stands on it".to_owned());
        world.write("70%");
        look(&mut watcher).await;
        look(&mut watcher).await;
        assert!(refusal(&versions).contains("a rollout stands on it"));
        assert_eq!(warn_ratio(&versions.current()), 0.8);
        // A restart does not put it into force either.
        let (restarted, _) = world.start().await;
        assert_eq!(warn_ratio(&restarted.current()), 0.8);
        *world.subscriber.objection.lock().unwrap() = None;
        watcher.turn().await.unwrap();
        assert_eq!((warn_ratio(&versions.current()), versions.state()), (0.7, CheckState::Ok));
        assert!(world.subscriber.prepared.load(Ordering::SeqCst) > prepared);
    })
    .await;
}

/// PO-2: replicas are one: what one has taken over the others follow, and one whose file is old changes nothing back.
#[tokio::test]
async fn replicas_follow_the_newest_version_that_any_of_them_has() {
    both_engines("kit", &[], async |db| {
        let world = World::new(db);
        let (_, mut first) = world.start().await;
        let (second_book, mut second) = world.start().await;
        world.write("70%");
        look(&mut first).await;
        world.write("80%");
        look(&mut second).await;
        assert_eq!(warn_ratio(&second_book.current()), 0.7);
        assert!(refusal(&second_book).contains("another replica has moved on"));
        world.write("70%");
        look(&mut second).await;
        assert_eq!(second_book.state(), CheckState::Ok);
        // The old version may come back: as a change.
        world.clock.advance(Duration::from_secs(60));
        world.write("80%");
        look(&mut first).await;
        second.turn().await.unwrap();
        assert_eq!(warn_ratio(&second_book.current()), 0.8);

        let page = second_book.policies(&PageQuery { limit: Some(2), cursor: None }).await.unwrap();
        let next = PageQuery { limit: Some(2), cursor: page.next.clone() };
        let rest = second_book.policies(&next).await.unwrap();
        let all: Vec<_> = page.items.iter().chain(&rest.items).collect();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].in_force_until, all[0].in_force_from), (None, world.now().plus(LEAD)));
        for pair in all.windows(2) {
            assert_eq!(pair[1].in_force_until, Some(pair[0].in_force_from));
        }
        assert_eq!(all[0].version, all[2].version);
    })
    .await;
}

/// PO-2: a mounted ConfigMap changes by a link that is replaced, an editor by renaming over the file.
#[tokio::test]
async fn links_and_renames_are_changes_too() {
    both_engines("kit", &[], async |db| {
        let world = World::new(db);
        let folder = world.folder.path();
        for (name, ratio) in [("v1", "80%"), ("v2", "70%")] {
            std::fs::create_dir(folder.join(name)).unwrap();
            std::fs::write(folder.join(name).join("policy.yaml"), World::text(ratio)).unwrap();
        }
        std::os::unix::fs::symlink("v1", folder.join("..data")).unwrap();
        std::fs::remove_file(world.file()).unwrap();
        std::os::unix::fs::symlink("..data/policy.yaml", world.file()).unwrap();
        let (versions, mut watcher) = world.start().await;
        std::os::unix::fs::symlink("v2", folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        look(&mut watcher).await;
        assert_eq!(warn_ratio(&versions.current()), 0.7);
        std::fs::write(folder.join("new.yaml"), World::text("60%")).unwrap();
        std::fs::rename(folder.join("new.yaml"), world.file()).unwrap();
        look(&mut watcher).await;
        assert_eq!(warn_ratio(&versions.current()), 0.6);
    })
    .await;
}

/// A text of a megabyte was kept for each change, for ever.
#[tokio::test]
async fn versions_that_nothing_goes_by_any_more_are_forgotten_with_their_texts() {
    const NONE_OLDER: &str = "SELECT 1 FROM rules_log WHERE seq < 0 AND in_force_from < $1";
    const ONE_OLDER: &str = "SELECT 1 FROM rules_log WHERE in_force_from < $1";
    both_engines("kit", &[], async |db| {
        let world = World::new(db.clone());
        let (versions, mut watcher) = world.start().await;
        let begun = world.now();
        let day = |n: u32| begun.plus(Duration::from_secs(24 * 3600) * n);
        // The first comes back.
        for (n, ratio) in [(10, "70%"), (20, "60%"), (30, "80%")] {
            world.clock.set(day(n));
            world.write(ratio);
            look(&mut watcher).await;
        }
        let days = |n: u64| Some(Duration::from_secs(n * 24 * 3600));
        let keep = Retention {
            batches: days(5),
            histograms: None,
            decisions: days(10),
            notifications: None,
            audit: None,
        };
        let forget = |keep: Retention, n: u32, older| rules::forget(&db, keep, day(n), older);
        let texts = async || {
            let kept: Vec<(String,)> =
                sqlx::query_as("SELECT body FROM rules").fetch_all(db.pool()).await.unwrap();
            kept.len()
        };
        assert_eq!(
            forget(keep, 49, NONE_OLDER).await.unwrap(),
            0,
            "a month longer than what was judged by it"
        );
        assert_eq!(forget(keep, 55, ONE_OLDER).await.unwrap(), 0, "something older is kept");
        assert_eq!(forget(Retention { batches: None, ..keep }, 900, NONE_OLDER).await.unwrap(), 0);
        assert_eq!((forget(keep, 55, NONE_OLDER).await.unwrap(), texts().await), (1, 3));
        assert_eq!((forget(keep, 65, NONE_OLDER).await.unwrap(), texts().await), (1, 2));
        assert_eq!(warn_ratio(&versions.at(day(25)).await.unwrap()), 0.6);
        assert_eq!(
            warn_ratio(&versions.at(day(12)).await.unwrap()),
            0.6,
            "the oldest stands for all before it"
        );
        assert_eq!(versions.since(day(12)).await.unwrap()[0].0, day(12));
        assert_eq!((forget(keep, 9_999, NONE_OLDER).await.unwrap(), texts().await), (1, 1));
        let kept = versions.policies(&PageQuery::default()).await.unwrap();
        assert_eq!(kept.items.len(), 1);
        assert_eq!(kept.items[0].version, versions.current().id().version, "what is in force stays");
    })
    .await;
}
