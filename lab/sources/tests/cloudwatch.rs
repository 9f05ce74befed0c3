//! The source of CloudWatch on moto, which checks signatures and rights as Amazon does, and keeps numbers by their time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use collector_svc::sources::{Asked, AskedWindow, Contribution, Opening, SHIPPED, open};
use domain::kinds::Chosen;
use domain::policy::Policy;
use domain::sources::cloudwatch::{CloudWatch, Credentials, Metric};
use domain::telemetry::event_specs;
use domain::telemetry::totals::Totals;
use phasegate_sources::moto::{Key, Moto, REGION};
use shared_types::{PhaseId, SecretFrom, Timestamp, Window};

/// 2026-11-22T10:00:00Z.
const TEN: i64 = 1_795_341_600;

fn saves(stat: &str) -> Metric {
    Metric {
        namespace: "Shop".to_owned(),
        metric: "Saves".to_owned(),
        dimensions: BTreeMap::from([("Service".to_owned(), "editor".to_owned())]),
        stat: stat.to_owned(),
    }
}

/// The key in files.
fn settings(moto: &Moto, key: &Key, directory: &Path) -> CloudWatch {
    let kept = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        SecretFrom::File(path.display().to_string())
    };
    CloudWatch {
        region: REGION.to_owned(),
        endpoint: moto.url.clone(),
        credentials: Credentials {
            access_key_id: kept("id", &key.id),
            secret_access_key: kept("secret", &key.secret),
            session_token: key.token.as_ref().map(|token| kept("token", token)),
        },
        settle: Duration::from_secs(180),
        metrics: BTreeMap::from([("saved".to_owned(), saves("Sum")), ("most".to_owned(), saves("Maximum"))]),
        values: ["saved", "most"].map(|name| (name.to_owned(), name.to_owned())).into(),
    }
}

/// What a minute from ten on holds, so long after its end.
async fn totals(settings: CloudWatch, minute: i64, later: Duration) -> Result<Option<Totals>, String> {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../governance/policy.yaml");
    let (target, mut policy) = Policy::load(Path::new(policy)).unwrap().targets.into_iter().next().unwrap();
    policy.collection.source = Chosen(Arc::new(settings));
    let specs = Arc::new(event_specs(&policy).unwrap());
    let mut source =
        open(&SHIPPED, &Opening { target: &target, policy: &policy, specs: &specs, threads: 1 }).unwrap();
    let start = Timestamp::from_millis((TEN + 60 * minute) * 1000);
    let window = Window { start, end: start.plus(Duration::from_secs(60)) };
    let windows = vec![AskedWindow { window, phase: PhaseId::parse("A").unwrap(), begins_stay: false }];
    let asked = Asked { cursor: Arc::default(), now: window.end.plus(later), windows };
    let input = source.read(&asked).await.map_err(|error| error.to_string())?;
    Ok(input.contributions.into_iter().next().map(|it| match it {
        Contribution::Totals(it) => it.totals,
        other => panic!("{other:?}"),
    }))
}

/// JU-16, CO-5: each window has its own numbers, with the key of a user and with one that a role was given for a while; what is
/// not there is none, and who has not the key is told so without it.
#[tokio::test]
async fn numbers_are_those_of_the_window() {
    let moto = Moto::start().await.unwrap();
    let numbers = [(TEN, 3.0), (TEN + 59, 4.5), (TEN + 60, 100.0)];
    moto.put(("Shop", "Saves"), ("Service", "editor"), &numbers).await.unwrap();
    moto.put(("Shop", "Saves"), ("Service", "search"), &[(TEN + 30, 1000.0)]).await.unwrap();
    let (of_user, of_role) = moto.guarded().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let settled = Duration::from_secs(180);

    for key in [&of_user, &of_role] {
        let settings = settings(&moto, key, directory.path());
        assert_eq!(totals(settings.clone(), 0, Duration::from_secs(179)).await.unwrap(), None, "too early");
        for (minute, saved, most) in [(0, 7.5, 4.5), (1, 100.0, 100.0)] {
            let totals = totals(settings.clone(), minute, settled).await.unwrap().unwrap();
            let expected = BTreeMap::from([("saved".to_owned(), saved), ("most".to_owned(), most)]);
            assert_eq!((totals.values, totals.intake.missing.len()), (expected, 0));
        }
        let error = totals(settings.clone(), 2, settled).await.unwrap_err();
        assert!(error.contains("gives nothing for the window 2026-11-22T10:02Z/10:03Z"), "{error}");
        let late = totals(settings, 2, Duration::from_secs(3600)).await.unwrap().unwrap();
        assert_eq!((late.values.len(), late.intake.missing.len()), (0, 2));
    }

    let stranger = Key { secret: "hunter2".to_owned(), ..of_user };
    let error = totals(settings(&moto, &stranger, directory.path()), 0, settled).await.unwrap_err();
    assert!(error.contains("HTTP 403") && error.contains("SignatureDoesNotMatch"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}
