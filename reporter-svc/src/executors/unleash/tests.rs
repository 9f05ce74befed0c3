//! Unleash as its double answers; the real one is asked in `lab/sources`.

use domain::effects::RunTransition;
use domain::executors::Request;
use domain::executors::unleash::{Planned, Settings};
use serde_json::json;
use service_kit::outbox::Outcome;
use service_kit::vendors::{Code, Vendor as _};
use shared_types::SecretFrom;
use shared_types::rollout::TransitionKind;
use vendor_doubles::{Mode, UnleashDouble};

use super::{KIND, UnleashExecutor};
use crate::effects::run_transition::carry_out;
use crate::executors::Executors;
use crate::executors::tests::{Token, order, planned, planned_from};
use crate::tests::{TIMEOUT, Trial, opened, turn};

const TOKEN: &str = "*:*.s3cret-of-unleash";

/// The feature `autosave` of a server.
pub(crate) fn settings(url: &str, token: &Token) -> Settings {
    Settings {
        url: url.to_owned(),
        token: token.from(),
        project: "default".to_owned(),
        environment: "production".to_owned(),
        feature: "autosave".to_owned(),
        strategy: "flexibleRollout".to_owned(),
    }
}

/// The way in which Unleash is asked.
pub(crate) fn trials() -> Vec<Trial> {
    fn body(code: Code) -> &'static str {
        match code {
            Code::Is(code) => format!(r#"{{"name":"UnknownError","message":"{code}"}}"#).leak(),
            Code::Other => r#"{"name":"AnErrorOfTomorrow","message":"no"}"#,
            Code::Any | Code::Unreadable => {
                r#"{"enabled":true,"strategies":[{"id":"1","name":"flexibleRollout","parameters":{"rollout":"30"}}]}"#
            }
        }
    }
    vec![Trial {
        name: "unleash",
        table: UnleashExecutor::TABLE,
        reference: UnleashExecutor::REFERENCE,
        body,
        only_reads: false,
        secrets: &[TOKEN],
        call: |url, timeout| {
            Box::pin(async move {
                let token = Token::of(TOKEN);
                let order = order(&planned(&settings(&url, &token).into()));
                match opened(&KIND, &[], timeout).run(&order, &turn(1)).await {
                    Ok(report) => Outcome::Done(json!(report)),
                    Err(outcome) => outcome,
                }
            })
        },
        documented: &[
            (401, r#"{"name":"UnauthorizedError","message":"You must log in"}"#, "never"),
            (403, "", "refused"),
            (403, r#"{"name":"NoAccessError","message":"You need permission"}"#, "never"),
            (404, r#"{"name":"NotFoundError","message":"Could not find environment"}"#, "never"),
            (400, r#"{"name":"BadDataError","message":"Request validation failed"}"#, "never"),
            (500, r#"{"name":"UnknownError","message":"oops"}"#, "unknown"),
            (200, "<html>", "failed"),
        ],
        shown: |url| format!("{:?}", planned(&settings(url, &Token::of(TOKEN)).into())),
    }]
}

/// A double with the feature at a share, and who moves it.
struct Stage {
    unleash: UnleashDouble,
    token: Token,
    all: Executors,
}

impl Stage {
    async fn at(rollout: &str) -> Self {
        let unleash = UnleashDouble::start("autosave").await.unwrap();
        unleash.set_rollout(rollout);
        let token = Token::of(&unleash.token());
        Self { unleash, token, all: Executors::default().with(opened(&KIND, &[], TIMEOUT)) }
    }

    fn request(&self, kind: TransitionKind, from: &str, to: &str) -> Request {
        planned_from(&settings(&self.unleash.url(), &self.token).into(), kind, from, to)
    }

    fn order(&self, kind: TransitionKind, from: &str, to: &str) -> RunTransition {
        RunTransition { kind, ..order(&self.request(kind, from, to)) }
    }

    /// Back from B (30 %) to A (5 %), which `order` asks for.
    async fn back(&self, attempt: u32) -> Outcome {
        carry_out(&self.all, &self.order(TransitionKind::Rollback, "B", "A"), &turn(attempt)).await
    }
}

#[track_caller]
fn failed(outcome: &Outcome, label: &str, said: &str) {
    let reason = outcome.reason().unwrap_or_default();
    assert!(outcome.label() == label && reason.contains(said), "{outcome:?}");
}

/// RB-9: whatever the answer was, it is done when the share is read back, and only then.
#[tokio::test]
async fn what_is_read_back_decides_and_not_the_answer() {
    let stage = Stage::at("30").await;
    let Outcome::Done(report) = stage.back(1).await else { panic!() };
    assert_eq!((stage.unleash.rollout().as_str(), &report["verified"]), ("5", &json!("A")));
    // An answer that was lost: looked at first, and not done again.
    let stage = Stage::at("30").await;
    stage.unleash.next(Mode::Normal).next(Mode::AcceptThenDropReply);
    failed(&stage.back(1).await, "unknown", "");
    let before = stage.unleash.attempts().len();
    assert!(matches!(stage.back(2).await, Outcome::Done(_)));
    assert!(stage.unleash.attempts()[before..].iter().all(|it| it.method == "GET"));
    // 200, and nothing changed.
    let stage = Stage::at("30").await;
    stage.unleash.lock();
    failed(&stage.back(1).await, "failed", "read back \"30% of users\" where A was expected");
}

/// RB-9: clients may take their time: what is read back at once is read back again when they have had it.
#[tokio::test]
async fn a_move_is_looked_at_again_when_it_has_settled() {
    let stage = Stage::at("30").await;
    let settles = |settle_ms| RunTransition { settle_ms, ..stage.order(TransitionKind::Rollback, "B", "A") };
    assert!(matches!(carry_out(&stage.all, &settles(20), &turn(1)).await, Outcome::Done(_)));
    let looks = stage.unleash.attempts().iter().filter(|it| it.method == "GET").count();
    assert_eq!(looks, 3, "before the change, after it, and when it has settled");
    let late = stage.order(TransitionKind::Rollback, "B", "A");
    let disturbed = async {
        while stage.unleash.attempts().len() < 6 {
            tokio::task::yield_now().await;
        }
        stage.unleash.set_rollout("40");
    };
    stage.unleash.set_rollout("30");
    let late = RunTransition { settle_ms: 200, ..late };
    let once = turn(1);
    let (outcome, ()) = tokio::join!(carry_out(&stage.all, &late, &once), disturbed);
    failed(&outcome, "failed", "read back \"40% of users\" where A was expected");
}

/// RB-9: what a person does meanwhile is not overwritten unseen: the test in the patch fails, and the next attempt judges anew.
#[tokio::test]
async fn a_change_by_somebody_else_is_noticed() {
    let stage = Stage::at("30").await;
    stage.unleash.set_meanwhile("50");
    failed(&stage.back(1).await, "failed", "TEST_OPERATION_FAILED");
    assert_eq!(stage.unleash.rollout(), "50");
    assert!(matches!(stage.back(2).await, Outcome::Done(_)), "more than its goal a rollback takes away");
    let stage = Stage::at("2").await;
    failed(&stage.back(1).await, "never", "2% of users are served, less than the 5% to go back to");
    assert_eq!(stage.unleash.rollout(), "2");
    let up = stage.order(TransitionKind::Promote, "A", "B");
    failed(
        &carry_out(&stage.all, &up, &turn(1)).await,
        "never",
        "2% of users are served where 5% was expected",
    );
}

/// RB-9: each thing that may be wrong has its outcome, and words that say what to do; none is ever done.
#[tokio::test]
async fn what_cannot_be_moved_says_why() {
    let stage = Stage::at("30").await;
    stage.unleash.rename("autosave2");
    failed(&stage.back(1).await, "never", "or its strategy does not exist");
    let stage = Stage::at("30").await;
    stage.unleash.revoke();
    failed(&stage.back(1).await, "never", "is not accepted");
    let stage = Stage::at("5").await;
    stage.unleash.enable(false);
    let up = stage.order(TransitionKind::Promote, "off", "A");
    failed(&carry_out(&stage.all, &up, &turn(1)).await, "failed", "the environment is off for the feature");
    failed(&stage.back(1).await, "never", "(the environment is off for the feature)");
    let stage = Stage::at("250").await;
    failed(&stage.back(1).await, "failed", "no whole percentage from 0 to 100");
    let stage = Stage::at("30").await;
    let second =
        json!({ "id": "2", "name": "flexibleRollout", "title": "beta", "parameters": { "rollout": "50" } });
    stage.unleash.add_strategy(second);
    failed(&stage.back(1).await, "failed", "name one by its id");
    let Outcome::Failed { reason } = stage.back(1).await else { panic!() };
    assert!(reason.contains("flexibleRollout \"beta\" at 50 (2)"), "{reason}");
}

/// RB-9: what another strategy gives to everybody is what users get.
#[tokio::test]
async fn another_strategy_counts_for_what_users_get() {
    let stage = Stage::at("30").await;
    stage.unleash.add_strategy(json!({ "id": "2", "name": "default", "parameters": {} }));
    failed(&stage.back(1).await, "failed", "read back \"100% of users (by default (2))\"");
    let testers = json!({ "id": "3", "name": "default", "constraints": [{ "contextName": "userId" }] });
    let stage = Stage::at("30").await;
    stage.unleash.add_strategy(testers);
    assert!(matches!(stage.back(1).await, Outcome::Done(_)), "testers are nobody's share");
}

/// PH-10: a share that is served already is not set again, and confirms `completed`.
#[tokio::test]
async fn an_equal_share_is_only_read() {
    let stage = Stage::at("100").await;
    let order = stage.order(TransitionKind::Promote, "C", "completed");
    assert!(matches!(carry_out(&stage.all, &order, &turn(1)).await, Outcome::Done(_)));
    assert!(stage.unleash.attempts().iter().all(|it| it.method == "GET"));
}

/// RB-11: what is found is a share that people can read.
#[tokio::test]
async fn a_drift_is_read_as_a_share() {
    let stage = Stage::at("55").await;
    let as_recorded = stage.order(TransitionKind::Rollback, "B", "B");
    let found = stage.all.of(KIND.name).unwrap().read_back(&as_recorded).await.unwrap();
    assert_eq!((found.as_asked, found.served.as_str()), (false, "55% of users"));
}

/// PL-2: what keeps a rollout from starting is known before; no secret stands in what is kept.
#[tokio::test]
async fn a_token_that_is_not_there_is_an_obstacle() {
    let stage = Stage::at("0").await;
    let request = stage.request(TransitionKind::Promote, "off", "A");
    let unleash = stage.all.of(KIND.name).unwrap();
    assert_eq!(unleash.obstacle(&request), None);
    assert!(!request.data.to_string().contains(&stage.unleash.token()));
    let mut without = Planned::of(&request).unwrap();
    without.settings.token = SecretFrom::File("/nowhere/token".to_owned());
    let request = Request { data: json!(without), ..request };
    assert!(unleash.obstacle(&request).unwrap().starts_with("the token of Unleash: /nowhere/token: "));
}
