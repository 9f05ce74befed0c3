//! The hot queries go by indexes, on both engines, however long the history is.

use std::time::Duration;

use domain::effects::lower::Plan;
use domain::rollout::{Aggregate, Step};
use futures_util::future::join_all;
use phasegate_tests::plans::{Plans, busy_outbox, numbers};
use reporter_svc::store::*;
use service_kit::outbox::ListFilter;
use shared_types::incident::IncidentState;
use shared_types::{IncidentId, TargetName, Timestamp, Verdict, Window};
use uuid::Uuid;

use crate::rig::autosave;

/// A history of many targets, as wide as real rows are.
fn history() -> Vec<String> {
    let (wide, hash) = ("x".repeat(600), "0".repeat(64));
    let known = [
        "ended_sessions (id, person, opened_before, forget_at) SELECT CAST(n AS TEXT), 'p', n, n",
        "webhook_events (id, kind, received_at) SELECT CAST(n AS TEXT), 'k', n",
        "acts (request_id, fingerprint, answer, at) SELECT CAST(n AS TEXT), 'f', '1', n",
        "pages (id, dedup_key, learned_at) SELECT CAST(n AS TEXT), 'k', n",
        "daily_reports (target, date, made_at) SELECT 't1', CAST(n AS TEXT), n",
    ];
    let known = known.map(|rows| format!("{} INSERT INTO {rows} FROM n", numbers(5_000)));
    let mut history = vec![
        format!(
            "{} INSERT INTO targets (target, version, phase, epoch, state, due_at, updated_at) \
             SELECT 't' || n, 1, 'A', 1, '{wide}', n, n FROM n",
            numbers(5_000)
        ),
        format!(
            "{} INSERT INTO incidents (id, target, state, opened_at, due_at, body) \
             SELECT 'INC-20261122-' || n, 't' || (n % 500 + 1), 'closed', n, CASE WHEN n % 100 = 0 THEN n END, '{wide}' FROM n",
            numbers(5_000)
        ),
        format!(
            "{} INSERT INTO decisions (id, target, phase, epoch, window_start, window_end, verdict, stale, received_at, body, counted) \
             SELECT CAST(n AS TEXT), 't' || (n % 500 + 1), 'A', 1, n, n + 1, \
                 CASE WHEN n % 1000 = 0 THEN 'violation' WHEN n % 50 = 0 THEN 'warn' ELSE 'ok' END, 0, n, '{wide}', 1 FROM n",
            numbers(20_000)
        ),
        format!(
            "{} INSERT INTO days (target, day, metric, ok, warn, unsure, violation, insufficient, alarms, stale, \
                 rollback_required, at_least, unit) \
             SELECT 't' || (n % 500 + 1), n, '', 1, 0, 0, 0, 0, 0, 0, 0, 0, '' FROM n",
            numbers(20_000)
        ),
        format!(
            "{} INSERT INTO notifications (id, target, kind, channel, text, incident, state, created_at, sent_at) \
             SELECT CAST(n AS TEXT), 't' || (n % 500 + 1), 'incident', '#c', '{wide}', \
                 'INC-20261122-' || (n % 5000 + 1), 'sent', n, n FROM n",
            numbers(20_000)
        ),
        format!(
            "{} INSERT INTO audit (stream, seq, at, actor, roles, via, verified, action, target, detail, prev_hash, hash) \
             SELECT 't' || (n % 500 + 1), n, n, 'ana', '[]', 'api', 1, 'start', 't' || (n % 500 + 1), '{wide}', \
                 SUBSTR(CAST(1000000 + n AS TEXT) || '{hash}', 1, 71), SUBSTR(CAST(1000001 + n AS TEXT) || '{hash}', 1, 71) FROM n",
            numbers(20_000)
        ),
        format!(
            "{} INSERT INTO timeline (incident, seq, at, kind, detail) \
             SELECT 'INC-20261122-' || (n % 5000 + 1), n, n, 'opened', '{wide}' FROM n",
            numbers(20_000)
        ),
    ];
    history.extend(known);
    history.extend(busy_outbox());
    history
}

async fn plans() -> (Plans, Store) {
    let plans = Plans::over("reporter", MIGRATIONS, &history()).await;
    let store = Store::new(plans.db());
    (plans, store)
}

fn incident() -> IncidentId {
    IncidentId::parse("INC-20261122-001").unwrap()
}

/// A rare verdict was looked for in the whole history: 154 ms of a week, seconds of a year.
#[tokio::test]
async fn decisions_are_listed_by_an_index_whatever_they_are_narrowed_to() {
    let (mut plans, store) = plans().await;
    let after: After = (15_000, "x".to_owned());
    for target in [None, Some(TargetName::parse("t7").unwrap())] {
        for verdict in [None, Some(Verdict::Ok), Some(Verdict::Violation), Some(Verdict::Insufficient)] {
            let filter = DecisionFilter { target: target.clone(), verdict, ..DecisionFilter::default() };
            let bounded = DecisionFilter {
                from: Some(Timestamp::from_millis(5)),
                to: Some(Timestamp::from_millis(10_000)),
                ..filter.clone()
            };
            // The bodies are none; what counts is how they are looked for.
            store.decisions(&filter, None, 50).await.ok();
            store.decisions(&bounded, Some(&after), 50).await.ok();
            store.judged_windows(&bounded, Some(&after), 50).await.ok();
        }
    }
    let day = Window { start: Timestamp::from_millis(0), end: Timestamp::from_millis(50) };
    store.decisions_of_windows(&autosave(), day, None, 50).await.unwrap();
    store.decisions_of(&incident()).await.unwrap();
    store.decision(Uuid::nil()).await.unwrap();
    plans.assert_by_index(&[]).await;
}

/// A year of one target was a year of its windows: 36 pages.
#[tokio::test]
async fn days_are_read_by_the_key_and_what_is_not_counted_is_found_by_an_index() {
    let (mut plans, store) = plans().await;
    let year = Window { start: Timestamp::from_millis(0), end: Timestamp::from_millis(1 << 40) };
    store.days(&TargetName::parse("t7").unwrap(), year).await.unwrap();
    plans.assert_by_index(&[]).await;
    let body = r#"{"schema":"phasegate.decision/1","decision_id":"00000000-0000-0000-0000-000000000000","target":"autosave",
        "phase":"A","epoch":1,"window":{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:00:01Z"},"verdict":"ok",
        "rollback_required":false,"cause":"slo","metrics":[],"violated":[],"policy_version":"","decided_at":"1970-01-01T00:00:01Z"}"#;
    let uncounted = format!(
        "INSERT INTO decisions (id, target, phase, epoch, window_start, window_end, verdict, stale, received_at, body) \
         VALUES ('uncounted', 'autosave', 'A', 1, 0, 1, 'ok', 0, 0, '{body}')"
    );
    sqlx::query(sqlx::AssertSqlSafe(uncounted)).execute(plans.db().pool()).await.unwrap();
    assert_eq!(store.days(&autosave(), year).await.unwrap()[0].windows.ok, 1);
    plans.assert_by_index(&[]).await;
    plans.assert_used("decisions_uncounted").await;
}

/// NO-6: before each message of an incident its thread is looked up; a million rows were read for it in a storm.
#[tokio::test]
async fn the_thread_of_an_incident_is_found_by_an_index_of_its_own() {
    let (mut plans, store) = plans().await;
    store.thread(&incident(), "#c").await.unwrap();
    plans.assert_by_index(&[]).await;
    plans.assert_used("notifications_first").await;
}

#[tokio::test]
async fn what_is_due_is_found_by_an_index() {
    let (mut plans, store) = plans().await;
    store.due(Timestamp::from_millis(100), 50).await.ok();
    store.next_due().await.unwrap();
    plans.assert_by_index(&[]).await;
}

#[tokio::test]
async fn the_audit_log_is_read_by_indexes() {
    let (mut plans, store) = plans().await;
    store.audit_heads(Timestamp::from_millis(19_990)).await.unwrap();
    store.audit_head("t7").await.unwrap();
    store.audit_piece("t7", 5, 10).await.unwrap();
    store.audit_stream_after("t7").await.unwrap();
    store.audit(&AuditFilter::default(), None, 50).await.unwrap();
    for (stream, actor, action) in
        [(Some("t7"), None, None), (None, Some("ana"), None), (None, None, Some("start"))]
    {
        let [stream, actor, action] = [stream, actor, action].map(|it: Option<&str>| it.map(str::to_owned));
        let filter = AuditFilter { stream, actor, action, ..AuditFilter::default() };
        store.audit(&filter, None, 50).await.unwrap();
    }
    plans.assert_by_index(&[]).await;
}

#[tokio::test]
async fn incidents_and_what_was_told_are_listed_by_indexes() {
    let (mut plans, store) = plans().await;
    let target = Some(TargetName::parse("t7").unwrap());
    for target in [None, target] {
        for state in [None, Some(IncidentState::Open)] {
            store.incidents(&IncidentFilter { target: target.clone(), state }, None, 50).await.ok();
        }
        let filter = NotificationFilter { target, ..NotificationFilter::default() };
        store.notifications(&filter, None, 50).await.ok();
    }
    let filter = NotificationFilter { incident: Some(incident()), ..NotificationFilter::default() };
    store.notifications(&filter, None, 50).await.ok();
    store.incident(&incident()).await.ok();
    store.unfinished_incident(&autosave()).await.unwrap();
    store.storm_of(&incident()).await.unwrap();
    store.page_is_shared(&incident()).await.unwrap();
    store.timeline(&incident()).await.unwrap();
    store.target(&autosave()).await.unwrap();
    store.targets(Some("t7"), 5).await.ok();
    plans.assert_by_index(&[]).await;
}

/// What an operator looks at, and what is looked for twice a second.
#[tokio::test]
async fn the_outbox_is_read_by_indexes() {
    let mut plans = Plans::over("reporter", MIGRATIONS, &busy_outbox()).await;
    let store = Store::new(plans.db());
    store.outbox_stats(Timestamp::from_millis(5)).await.unwrap();
    store.losses(20).await.ok();
    store.given_up().await.ok();
    store.effects(&ListFilter::default(), None, 50).await.ok();
    store.effect("7").await.ok();
    plans.assert_by_index(&[]).await;
}

/// Retention looks every minute, and finds what it may forget without reading what it keeps.
#[tokio::test]
async fn what_is_past_its_time_is_found_by_an_index() {
    let (mut plans, _) = plans().await;
    let year = Some(Duration::from_secs(365 * 24 * 3600));
    let keep = domain::policy::Retention {
        batches: year,
        histograms: None,
        decisions: year,
        notifications: year,
        audit: None,
    };
    let past = past(keep, Timestamp::parse("2027-11-22T10:00:00Z").unwrap());
    service_kit::retention::turn(&plans.db(), &past, &tokio_util::sync::CancellationToken::new()).await;
    plans.assert_by_index(&[]).await;
}

/// Alone and in company: what a change goes by is looked up by its keys, of one target as of many.
#[tokio::test]
async fn what_a_change_goes_by_is_found_by_indexes() {
    let (mut plans, store) = plans().await;
    let names: Vec<_> = (0..8).map(|n| TargetName::parse(&format!("new-{n}")).unwrap()).collect();
    let now = Timestamp::from_millis(9_000);
    store.ensure_targets(&names, now).await.unwrap();
    let plan = |before: &Aggregate, _: &Given| {
        let (step, answer) = (Step::from(before), serde_json::json!("done"));
        Ok(Plan { step, answer, messages: vec![], notifications: vec![], cancels: vec![], audit: vec![] })
    };
    let incident = incident();
    for (round, incident) in [None, Some(&incident)].into_iter().enumerate() {
        let acts: Vec<_> = (0..names.len())
            .map(|n| Act::new(format!("{round}/{n}"), "new", "freeze", serde_json::Value::Null))
            .collect();
        let change = |n: usize| {
            store.change(Change {
                target: &names[n],
                incident,
                of_transition: true,
                decision: None,
                act: Some(&acts[n]),
                settle: None,
                retry: None,
                lost: None,
                window: Duration::from_secs(900),
                now,
                plan: &plan,
            })
        };
        join_all((0..names.len()).map(change)).await;
        change(0).await.ok();
    }
    plans.assert_by_index(&[]).await;
}
