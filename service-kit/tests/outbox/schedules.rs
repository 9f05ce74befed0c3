//! Exact retries, on a clock moved by hand.

use std::time::Duration;

use domain::effects::{NewMessage, RetrySchedule};
use service_kit::clock::Clock;
use service_kit::outbox::{Outcome, Recorded, claim};

use crate::harness::*;

/// CO-5, RB-4: four retries after 30, 60, 120 and 240 s, each counted from the failure before it; then dead.
#[tokio::test]
async fn four_retries_follow_the_schedule_exactly_and_the_fifth_failure_is_final() {
    everywhere(async |db| {
        let clock = clock();
        put(&db, &message("command/autosave", "a")).await;
        for (failures, delay) in [30, 60, 120, 240].into_iter().enumerate() {
            let claim = take_one(&db, "command", clock.now()).await;
            assert_eq!(usize::try_from(claim.failures).unwrap(), failures);
            assert!(!claim.exhausts_retries(&failed()));
            // The attempt takes 7 s; the delay is counted from its end.
            clock.advance(seconds(7));
            let next = clock.now().plus(seconds(delay));
            assert_eq!(settle(&db, &claim, failed(), clock.now()).await, Recorded::Retrying(next));
            assert_eq!(next_in(&db, "command", &clock).await, Some(delay));
            clock.set(next.minus(Duration::from_millis(1)));
            assert!(take(&db, "command", clock.now()).await.is_empty(), "not a millisecond early");
            clock.set(next);
        }
        let last = take_one(&db, "command", clock.now()).await;
        assert!(last.exhausts_retries(&failed()));
        assert!(!last.exhausts_retries(&done()));
        assert_eq!(settle(&db, &last, failed(), clock.now()).await, Recorded::Dead);
        let dead = view(&db, "a").await;
        assert_eq!((dead.state.as_str(), dead.failures, dead.claims), ("dead", 5, 5));
        assert_eq!(dead.last_error.as_deref(), Some("503 from the receiver"));
        assert_eq!(next_in(&db, "command", &clock).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_neighbour_is_tried_for_ever_and_the_listed_retries_are_exhausted_once() {
    everywhere(async |db| {
        let clock = clock();
        let mut to_neighbour = message("analyzer/autosave", "a");
        to_neighbour.retry = RetrySchedule::then_repeat([1, 2].map(seconds));
        put(&db, &to_neighbour).await;
        let mut exhausted = Vec::new();
        let mut delays = Vec::new();
        for attempt in 0..6 {
            let claim = take_one(&db, "analyzer", clock.now()).await;
            if claim.exhausts_retries(&failed()) {
                exhausted.push(attempt);
            }
            settle(&db, &claim, failed(), clock.now()).await;
            let delay = next_in(&db, "analyzer", &clock).await.unwrap();
            delays.push(delay);
            clock.advance(seconds(delay));
        }
        assert_eq!(delays, [1, 2, 2, 2, 2, 2]);
        assert_eq!(exhausted, [2]);
    })
    .await;
}

/// NO-3, NO-4: an unknown outcome is tried again by the schedule, but marked, and kept apart from failures.
#[tokio::test]
async fn an_unknown_outcome_follows_the_schedule_and_marks_the_resend() {
    everywhere(async |db| {
        let clock = clock();
        put(&db, &message("slack/x", "a")).await;
        let first = take_one(&db, "slack", clock.now()).await;
        let unknown = Outcome::Unknown { reason: "no reply after the request was written".into() };
        let recorded = settle(&db, &first, unknown, clock.now()).await;
        assert_eq!(recorded, Recorded::Retrying(start().plus(seconds(30))));
        clock.advance(seconds(30));
        let resend = take_one(&db, "slack", clock.now()).await;
        assert_eq!((resend.unknowns, resend.failures, resend.step), (1, 0, 1));
        settle(&db, &resend, failed(), clock.now()).await;
        assert_eq!(next_in(&db, "slack", &clock).await, Some(60), "the schedule's second delay");
        let seen = view(&db, "a").await;
        assert_eq!((seen.unknowns, seen.failures), (1, 1));
    })
    .await;
}

/// NO-3: 429 is obeyed, and uses up no retry.
#[tokio::test]
async fn a_receiver_that_asks_for_patience_gets_it_without_a_failure() {
    everywhere(async |db| {
        let clock = clock();
        put(&db, &message("slack/x", "a")).await;
        for _ in 0..10 {
            let claim = take_one(&db, "slack", clock.now()).await;
            assert_eq!((claim.step, claim.failures), (0, 0));
            let patience = Outcome::Postponed { after: seconds(17), reason: "429".into() };
            settle(&db, &claim, patience, clock.now()).await;
            assert_eq!(next_in(&db, "slack", &clock).await, Some(17));
            clock.advance(seconds(17));
        }
        let claim = take_one(&db, "slack", clock.now()).await;
        let for_ever = Outcome::Postponed { after: seconds(1_000_000), reason: "429".into() };
        settle(&db, &claim, for_ever, clock.now()).await;
        assert_eq!(next_in(&db, "slack", &clock).await, Some(3600), "patience has an end");
    })
    .await;
}

#[tokio::test]
async fn what_can_never_work_is_dead_at_once_and_the_lane_goes_on() {
    everywhere(async |db| {
        put(&db, &message("pagerduty", "a")).await;
        put(&db, &message("pagerduty", "b")).await;
        let claim = take_one(&db, "pagerduty", start()).await;
        let never = Outcome::Never { reason: "400 invalid routing key".into() };
        assert_eq!(settle(&db, &claim, never, start()).await, Recorded::Dead);
        assert_eq!(view(&db, "a").await.failures, 1);
        assert_eq!(keys(&take(&db, "pagerduty", start()).await), ["b"]);
    })
    .await;
}

/// NO-7: what may be a proxy's word is tried for as long as an outage would be, and then given up, pages too.
#[tokio::test]
async fn a_refusal_is_tried_along_the_schedule_and_given_up_at_its_end() {
    everywhere(async |db| {
        let clock = clock();
        let retry = RetrySchedule::then_repeat([30, 60].map(seconds));
        put(&db, &NewMessage { retry, ..message("pagerduty/a", "a") }).await;
        let refused = || Outcome::Refused { reason: "407 Proxy Authentication Required".into() };
        for wait in [30, 60] {
            let claim = take_one(&db, "pagerduty", clock.now()).await;
            let recorded = settle(&db, &claim, refused(), clock.now()).await;
            assert_eq!(recorded, Recorded::Retrying(clock.now().plus(seconds(wait))));
            clock.advance(seconds(wait));
        }
        let claim = take_one(&db, "pagerduty", clock.now()).await;
        assert_eq!(settle(&db, &claim, refused(), clock.now()).await, Recorded::Dead);
        assert_eq!(view(&db, "a").await.failures, 3);
    })
    .await;
}

/// NO-8: one message a second, whichever replica sends it; another lane does not wait.
#[tokio::test]
async fn a_lane_rests_after_an_attempt_for_every_replica() {
    everywhere(async |db| {
        let clock = clock();
        let paced = |lane: &str, key: &str| NewMessage { pace: seconds(1), ..message(lane, key) };
        for (lane, key) in [("slack/#a", "1"), ("slack/#a", "2"), ("slack/#b", "3")] {
            put(&db, &paced(lane, key)).await;
        }
        let first = take(&db, "slack", clock.now()).await;
        assert_eq!(keys(&first), ["1", "3"]);
        // Counted from the end, which the vendor saw at the latest.
        clock.advance(Duration::from_millis(400));
        settle(&db, &first[0], done(), clock.now()).await;
        settle(&db, &first[1], done(), clock.now()).await;
        put(&db, &paced("slack/#b", "4")).await;
        for millis in [0, 999] {
            let now = clock.now().plus(Duration::from_millis(millis));
            assert!(claim(&db, "replica", "slack", 10, &|_| LEASE, now).await.unwrap().is_empty());
        }
        clock.advance(seconds(1));
        let second = take(&db, "slack", clock.now()).await;
        assert_eq!(keys(&second), ["2", "4"]);
        settle(&db, &second[0], failed(), clock.now()).await;
        settle(&db, &second[1], failed(), clock.now()).await;
        assert_eq!(next_in(&db, "slack", &clock).await, Some(30), "a longer wait stays as it is");
    })
    .await;
}
