//! PO-2: the policy changes while the collector runs; its windows go by the version of their beginning.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::policy::Policy;
use service_kit::rules::PolicyVersion;
use shared_types::{Page, Timestamp};

use crate::http::{Service, World, accepted};
use crate::rig::{at, saved, saves};

const ROLLED: &str = r#"{"ts":"2026-11-22T10:16:00Z","name":"autosave.merge.conflict"}"#;

fn text(replaced: &[(&str, &str)]) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/policy.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let pushed = ("{ jsonl: { paths: [\"telemetry/autosave/*.jsonl\"] } }", "{ http: {} }");
    replaced.iter().chain([&pushed]).fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

/// Another grace, and an event that was not counted before.
fn stricter() -> String {
    text(&[
        ("grace: 30s", "grace: 10s"),
        (
            "      history_drift:     { mean: autosave.history.drift, over: 1h }",
            "      history_drift:     { mean: autosave.history.drift, over: 1h }\n      merges: { mean: autosave.merge.conflict, over: 1h }",
        ),
        ("history_drift: rollback", "history_drift: rollback, merges: hold"),
        ("history_drift: 0,", "history_drift: 0, merges: 5,"),
    ])
}

struct Changing {
    world: World,
    file: PathBuf,
}

impl Changing {
    async fn new() -> (Self, Service) {
        let world = World::new().await;
        let file = world.directory.path().join("policy.yaml");
        std::fs::write(&file, text(&[])).unwrap();
        let changing = Self { world, file };
        let service = changing.start().await;
        (changing, service)
    }

    async fn start(&self) -> Service {
        let policy = Arc::new(Policy::load(&self.file).unwrap());
        self.world.start_with(&self.file, policy).await
    }

    /// Puts another version there, and waits until it is in force.
    async fn change(&self, service: &Service, text: &str) -> Vec<PolicyVersion> {
        let wanted = Policy::version_of(text.as_bytes());
        std::fs::write(&self.file, text).unwrap();
        let url = service.base.replace("/targets/autosave", "/policies");
        for _ in 0..1000 {
            let page: Page<PolicyVersion> =
                service.http.get(&url).send().await.unwrap().json().await.unwrap();
            if page.items[0].version == wanted {
                return page.items;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not taken over within 10 s");
    }

    async fn wait_for(&self, batches: usize) {
        for _ in 0..1000 {
            if self.world.analyzer.batches().len() >= batches {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {batches} batches: {:?}", self.world.analyzer.batches().len());
    }
}

async fn until_status(service: &Service, url: &str, status: u16) {
    for _ in 0..1000 {
        if service.http.get(url).send().await.unwrap().status() == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{url} is never answered with {status}");
}

/// PO-2: the open window keeps its version, its grace and what it counts; the next one has the new; none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_takes_effect_with_the_next_window_and_stops_nothing() {
    let (changing, service) = Changing::new().await;
    accepted(service.push(saved("10:00:01", "a"), &[]).await, 202).await;
    changing.world.clock.set(at("10:07:00"));
    let versions = changing.change(&service, &stricter()).await;
    assert_eq!((versions.len(), versions[0].in_force_from), (2, at("10:07:02")));
    accepted(service.push(saved("10:08:00", "b"), &[]).await, 202).await;
    // The worker reads for the windows to come as well, from a moment later on.
    let early = ROLLED.replace("10:16", "10:09");
    let mut pushed = 0;
    loop {
        pushed += 1;
        let answer = service.push(early.clone(), &[]).await;
        if answer.status() != 422 {
            assert_eq!(accepted(answer, 202).await.accepted, 1);
            break;
        }
        assert!(pushed < 1000, "never read");
    }

    // Both windows are open: the old one for its own grace of 30 s.
    changing.world.clock.set(at("10:15:20"));
    accepted(service.push(saved("10:14:59", "c"), &[]).await, 202).await;
    accepted(service.push(saved("10:15:10", "d") + ROLLED, &[]).await, 202).await;
    assert_eq!(changing.world.analyzer.batches().len(), 0);
    changing.world.clock.set(at("10:15:30"));
    changing.wait_for(1).await;
    changing.world.clock.set(at("10:30:10"));
    changing.wait_for(2).await;

    let batches = changing.world.analyzer.batches();
    let conflicts = |at: usize| batches[at].counters.get("autosave.merge.conflict").copied();
    assert_eq!((saves(&batches[0]), conflicts(0), batches[0].intake.unknown), (3, None, pushed));
    assert_eq!((saves(&batches[1]), conflicts(1), batches[1].intake.unknown), (1, Some(1), 0));
    assert_eq!(batches[0].policy_version.as_ref(), Some(&versions[1].version));
    assert_eq!(batches[1].policy_version.as_ref(), Some(&versions[0].version));
    assert_eq!(batches[0].window.end, batches[1].window.start);
    assert_eq!(batches[1].collected_at, at("10:30:10"));
    service.stop().await;
}

/// PO-2: a restart in the middle forgets neither version.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_the_version_of_the_open_window() {
    let (changing, service) = Changing::new().await;
    accepted(service.push(saved("10:00:01", "a"), &[]).await, 202).await;
    service.stop().await;
    changing.world.clock.set(at("10:07:00"));
    std::fs::write(&changing.file, stricter()).unwrap();
    let service = changing.start().await;
    accepted(service.push(saved("10:08:00", "b") + &ROLLED.replace("10:16", "10:09"), &[]).await, 202).await;
    changing.world.clock.set(at("10:15:30"));
    changing.wait_for(1).await;
    let batch = &changing.world.analyzer.batches()[0];
    assert_eq!((saves(batch), batch.intake.unknown), (2, 1));
    assert_eq!(batch.policy_version, Some(Policy::version_of(text(&[]).as_bytes())));
    service.stop().await;
}

/// PO-2: targets join without a restart; one that is being collected cannot be taken away, nor its phase.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_join_and_those_in_a_phase_stay() {
    let (changing, service) = Changing::new().await;
    let whole = text(&[]);
    let from = whole.find("  autosave:\n").unwrap();
    let to = whole.find("retention:").unwrap();
    let second = whole[from..to].replace("  autosave:\n", "  search:\n");
    let both = format!("{}{second}{}", &whole[..to], &whole[to..]);
    changing.change(&service, &both).await;
    let search = service.base.replace("autosave", "search");
    until_status(&service, &search, 200).await;
    let pushed = service.http.post(format!("{search}/events")).body(saved("10:00:01", "s")).send().await;
    assert_eq!(pushed.unwrap().status(), 202);

    // `search` is off and may go; `autosave` is in phase A and may not.
    let only_search = format!("{}{second}{}", &whole[..from], &whole[to..]);
    std::fs::write(&changing.file, &only_search).unwrap();
    let ready = service.base.replace("/v1/targets/autosave", "/readyz");
    let mut told = String::new();
    for _ in 0..1000 {
        told = service.http.get(&ready).send().await.unwrap().text().await.unwrap();
        if told.contains("refused") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(told.contains("targets.autosave: it cannot leave the policy while it is in phase A"), "{told}");
    assert_eq!(service.http.get(&search).send().await.unwrap().status(), 200);
    changing.change(&service, &whole).await;
    until_status(&service, &search, 404).await;
    accepted(service.push(saved("10:00:02", "a"), &[]).await, 202).await;
    service.stop().await;
}

/// PO-2: a longer or shorter window, for a target that the reporter has not directed otherwise, begins at its next
/// boundary.
#[test]
fn windows_still_tile_time() {
    use collector_svc::state::TargetState;

    let minutes = |count: u64| Duration::from_secs(60 * count);
    let mut state = TargetState::initial(minutes(15));
    let at = |minute: u64| Timestamp::parse("2026-11-22T10:00:00Z").unwrap().plus(minutes(minute));
    state.closed_until = at(0);
    state.use_window(minutes(5), at(7));
    assert_eq!(state.schedule.at(at(7)).window.end, at(10));
    assert_eq!(state.schedule.at(at(12)).window.length(), minutes(5));
}
