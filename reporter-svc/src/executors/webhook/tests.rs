//! A receiver of webhooks as its double answers.

use std::time::Duration;

use domain::effects::RunTransition;
use domain::executors::webhook::Settings;
use serde_json::json;
use service_kit::outbox::Outcome;
use service_kit::vendors::{Code, Vendor as _};
use shared_types::rollout::TransitionKind;
use vendor_doubles::{Mode, ReceiverDouble};

use super::{KIND, WebhookExecutor};
use crate::effects::run_transition::carry_out;
use crate::executors::Executors;
use crate::executors::tests::{Token, order, planned, planned_from};
use crate::tests::{TIMEOUT, Trial, opened, turn};

const SECRET: &str = "whsec_czNjcmV0LW9mLXRoZS13ZWJob29r";

/// A receiver that is asked nothing besides; `verify`: at the same place.
pub(crate) fn settings(url: &str, secret: &Token, verify: bool) -> Settings {
    Settings {
        url: url.to_owned(),
        secret: secret.from(),
        headers: [("x-team".to_owned(), "editor".to_owned())].into_iter().collect(),
        verify: verify.then(|| url.to_owned()),
    }
}

/// The way in which a receiver is told.
pub(crate) fn trials() -> Vec<Trial> {
    fn body(_code: Code) -> &'static str {
        r#"{"phase":"A"}"#
    }
    vec![Trial {
        name: "webhook",
        table: WebhookExecutor::TABLE,
        reference: WebhookExecutor::REFERENCE,
        body,
        only_reads: false,
        secrets: &[SECRET],
        call: |url, timeout| {
            Box::pin(async move {
                let secret = Token::of(SECRET);
                let asked = order(&planned(&settings(&url, &secret, false).into()));
                // *Not yet* is asked again for as long.
                let asked = RunTransition { timeout_ms: 100, ..asked };
                match opened(&KIND, &[], timeout).run(&asked, &turn(1)).await {
                    Ok(report) => Outcome::Done(json!(report)),
                    Err(outcome) => outcome,
                }
            })
        },
        documented: &[
            (200, r#"{"phase":"A"}"#, "done"),
            (200, r#"{"phase":"5%"}"#, "done"),
            (204, "", "done"),
            (201, "thanks", "done"),
            (200, r#"{"phase":"C"}"#, "failed"),
            (202, "", "failed"),
            (409, r#"{"phase":"C"}"#, "never"),
            (410, "", "never"),
            (400, "", "never"),
            (404, "", "refused"),
            (500, "", "failed"),
            (504, "", "failed"),
        ],
        shown: |url| format!("{:?}", planned(&settings(url, &Token::of(SECRET), true).into())),
    }]
}

struct Stage {
    receiver: ReceiverDouble,
    secret: Token,
    all: Executors,
}

impl Stage {
    async fn at(phase: &str) -> Self {
        let receiver = ReceiverDouble::start(phase).await.unwrap();
        let secret = Token::of(receiver.secret());
        Self { receiver, secret, all: Executors::default().with(opened(&KIND, &[], TIMEOUT)) }
    }

    fn order(&self, kind: TransitionKind, from: &str, to: &str, verify: bool) -> RunTransition {
        let settings = settings(&self.receiver.url(), &self.secret, verify);
        RunTransition { kind, ..order(&planned_from(&settings.into(), kind, from, to)) }
    }

    /// Back from B to A, which `order` asks for.
    async fn back(&self, attempt: u32, verify: bool) -> Outcome {
        carry_out(&self.all, &self.order(TransitionKind::Rollback, "B", "A", verify), &turn(attempt)).await
    }
}

/// RB-9: the receiver gets all it needs, and a repeat by the same id is no second move.
#[tokio::test]
async fn a_move_is_told_whole_and_repeated_by_the_same_id() {
    let stage = Stage::at("B").await;
    stage.receiver.next(Mode::AcceptThenDropReply);
    assert_eq!(stage.back(1, false).await.label(), "unknown");
    let Outcome::Done(report) = stage.back(2, false).await else { panic!() };
    assert_eq!((report["verified"].as_str(), stage.receiver.phase().as_str()), (Some("A"), "A"));
    let ids = stage.receiver.ids();
    assert!(ids.len() == 2 && ids[0] == ids[1] && !ids[0].is_empty(), "{ids:?}");
    let told = &stage.receiver.attempts()[1].body;
    assert_eq!(told["type"], "phasegate.transition");
    let expected = json!({
        "target": "autosave", "kind": "rollback", "from": "B", "to": "A", "audience_percent": 5.0,
        "expected": ["B", "A", "C"], "epoch": 3, "fence": 7, "incident": null, "reason": "",
        "deadline": "2026-11-22T10:16:31.000Z",
    });
    assert_eq!(told["data"], expected);
}

/// RB-9: *not yet* is waited for, by looking where that can be and else by asking again.
#[tokio::test]
async fn not_yet_is_asked_again() {
    for verify in [true, false] {
        let stage = Stage::at("B").await;
        stage.receiver.not_yet(1);
        let late =
            RunTransition { timeout_ms: 1500, ..stage.order(TransitionKind::Rollback, "B", "A", verify) };
        let outcome = carry_out(&stage.all, &late, &turn(1)).await;
        let methods: Vec<String> = stage.receiver.attempts().into_iter().map(|it| it.method).collect();
        if verify {
            // The double makes no move by itself: it was never made, and that is no success.
            assert!(outcome.reason().unwrap().contains("has not made it in time"), "{outcome:?}");
            assert_eq!(methods[..2], ["POST", "GET"]);
        } else {
            assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
            assert_eq!(methods, ["POST", "POST"]);
        }
    }
}

/// RB-9: a receiver that found something else is not asked again: people are called.
#[tokio::test]
async fn what_somebody_else_has_moved_is_left_alone() {
    let stage = Stage::at("A").await;
    let up = stage.order(TransitionKind::Promote, "B", "C", true);
    let outcome = carry_out(&stage.all, &up, &turn(1)).await;
    let reason = "the receiver found A where B or C was expected: somebody else has moved it".to_owned();
    assert_eq!(outcome, Outcome::Never { reason });
    let stage = Stage::at("C").await;
    assert!(matches!(stage.back(1, true).await, Outcome::Done(_)), "a rollback takes a move up back");
}

/// RB-9: what is read back decides, whatever the receiver answered.
#[tokio::test]
async fn a_silent_receiver_is_read_back() {
    let stage = Stage::at("B").await;
    stage.receiver.be_silent();
    let Outcome::Done(report) = stage.back(1, true).await else { panic!() };
    assert_eq!(report["verified"], "A");
    stage.receiver.set_phase("B");
    let looked = stage.order(TransitionKind::Rollback, "A", "A", true);
    let found = stage.all.of(KIND.name).unwrap().read_back(&looked).await.unwrap();
    assert_eq!((found.as_asked, found.served.as_str()), (false, "B"));
}

/// PL-2, RB-9: a secret of another form, and one that the receiver does not know.
#[tokio::test]
async fn a_wrong_secret_is_told_without_showing_it() {
    let mut stage = Stage::at("B").await;
    stage.secret = Token::of("whsec_b3RoZXI=");
    let outcome = stage.back(1, true).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("401")), "{outcome:?}");
    stage.secret = Token::of("hunter2");
    let outcome = format!("{:?}", stage.back(1, true).await);
    assert!(
        outcome.contains("expected `whsec_` and base64 after it") && !outcome.contains("hunter2"),
        "{outcome}"
    );
    let request = stage.order(TransitionKind::Rollback, "B", "A", true).request;
    assert!(opened(&KIND, &[], Duration::from_secs(1)).obstacle(&request).is_some());
}
