//! Whole rollouts on flag systems of others: a violation is rolled back once, by what users get.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use phasegate_flags::editor::{Editor, Seen};
use phasegate_flags::flagd::Flagd;
use phasegate_flags::policy::moved_by;
use phasegate_flags::unleash::{ADMIN, ENVIRONMENT, FEATURE, Unleash};
use phasegate_sources::story::rolls_back_and_recovers;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use shared_types::Timestamp;

/// When the rollback was decided, begun and done, and when clients had it.
async fn told(stack: &Stack, system: &str, seen: &[Seen]) {
    let incidents = stack.get("reporter", "/v1/incidents").await.unwrap();
    let incident = &incidents["items"][0];
    assert_eq!(incident["rollback"]["verified"], "A");
    let path = format!("/v1/incidents/{}", incident["id"].as_str().unwrap());
    let detail = stack.get("reporter", &path).await.unwrap();
    let timeline = detail["timeline"].as_array().unwrap();
    let at = |kind: &str| {
        let hop =
            timeline.iter().find(|it| it["kind"] == kind).unwrap_or_else(|| panic!("{kind} in {detail}"));
        Timestamp::parse(hop["at"].as_str().unwrap()).unwrap().as_millis()
    };
    let [requested, started, finished] = ["incident_opened", "command_started", "verified"].map(at);
    let left = seen.iter().find(|(at, share)| *at >= requested && *share < 150).map(|(at, _)| *at).unwrap();
    let before = seen.iter().rev().find(|(at, _)| *at < requested).map(|(_, share)| *share).unwrap();
    let after = seen.last().unwrap().1;
    println!(
        "{system}: {} of 1,000 users before, {} after; incident → begun {} ms → done and read back {} ms; clients had it {} ms after the incident",
        before,
        after,
        started - requested,
        finished - started,
        left - requested
    );
    let shares = seen.iter().map(|(_, share)| match share {
        0 => "nobody",
        // Four standard deviations of a thousand: 5 % and 30 %.
        22..=78 => "A",
        242..=358 => "B",
        _ => panic!("{share} of 1,000 have it"),
    });
    let mut shares: Vec<&str> = shares.collect();
    shares.dedup();
    assert_eq!(shares, ["nobody", "A", "B", "A"]);
}

/// RB-9: A → B → A on a real Unleash, as its own SDK sees it.
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_rolls_a_feature_of_unleash_back() {
    let unleash = Unleash::start("0").await.unwrap();
    let policy = moved_by(&format!(
        "      flag: {{ unleash: {{ url: \"{}\", token_env: UNLEASH_TOKEN, environment: {ENVIRONMENT}, feature: {FEATURE} }} }}\n      settle: 1s\n",
        unleash.url
    ));
    let vendors = Vendors::start().await;
    let environment = [&vendors.environment()[..], &[("UNLEASH_TOKEN", ADMIN.to_owned())]].concat();
    let stack = Stack::start(Layout::OneOnSqlite, &policy, &environment).await;
    let mut client = unleash.client().unwrap();
    let share = Box::new(move || Ok(client.ask("share")?.parse()?));
    let editor = Editor::start(&stack.url("collector", ""), share);

    editor.looked().await;
    rolls_back_and_recovers(&stack, &vendors, || editor.violate()).await;
    assert_eq!(unleash.rollout().await.unwrap(), "5");
    told(&stack, "Unleash", &editor.seen()).await;
}

/// RB-9: A → B → A in a flag file, as flagd's own evaluator serves it; a move counts as done when users have it.
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_rolls_a_flag_of_flagd_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flags.json");
    let flag = r#"{"flags":{"autosave":{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off","targeting":{"fractional":[["on",0],["off",100]]}}}}"#;
    std::fs::write(&file, flag).unwrap();
    let flagd = Flagd::start(&file).unwrap();
    let policy = moved_by(&format!(
        "      flag: {{ flagd: {{ file: \"{}\", flag: autosave, variant: \"on\" }} }}\n      \
               users: {{ ofrep: \"{}\", flag: autosave, variant: \"on\" }}\n      settle: 5s\n",
        file.display(),
        flagd.url
    ));
    let vendors = Vendors::start().await;
    let stack = Stack::start(Layout::OneOnSqlite, &policy, &vendors.environment()).await;
    let mut evaluator = flagd.evaluator;
    let share = Box::new(move || Ok(evaluator.ask("share")?.parse()?));
    let editor = Editor::start(&stack.url("collector", ""), share);

    editor.looked().await;
    rolls_back_and_recovers(&stack, &vendors, || editor.violate()).await;
    told(&stack, "flagd", &editor.seen()).await;
}
