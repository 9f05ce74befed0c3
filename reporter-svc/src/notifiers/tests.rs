//! What every notifier of the registry must hold. Those of vendors have their tables tried besides (`tests/contract.rs`).

use domain::effects::{Effect as _, PostMessage};
use domain::kinds::Kinds;
use domain::notifiers::{Address, LOG, RUNBOOK};
use service_kit::outbox::{Outcome, Registry as _};
use uuid::Uuid;

use super::{Notifiers, slack};
use crate::composition::Composition;
use crate::effects::Effects;
use crate::tests::{self, TIMEOUT, Trial, opening};

fn notifiers(data: &tempfile::TempDir) -> Notifiers {
    let of = Composition::shipped();
    let with = opening(data.path().to_owned(), TIMEOUT);
    Notifiers::open(&of.notifiers, &of.told_nothing().unwrap(), &with).unwrap().0
}

/// An address of each kind, and the ways in which the vendor behind it is asked, where there is one. One that is registered and
/// not here is named.
fn tried(notifier: &str) -> (&'static str, Vec<Trial>) {
    match notifier {
        "slack" => ("#incident", slack::tests::trials()),
        "runbook" => (RUNBOOK.name, Vec::new()),
        "log" => (LOG.name, Vec::new()),
        other => panic!("{other} is registered and not tried"),
    }
}

pub(crate) fn trials_of(notifier: &str) -> Vec<Trial> {
    tried(notifier).1
}

fn message(to: &str) -> PostMessage {
    let address: Address = to.parse().unwrap();
    let message = tests::message(address.notifier(), address.channel(), "AutoSave B violation");
    PostMessage { notification: Uuid::from_u128(5), ..message }
}

/// Each half has its other.
#[test]
fn what_a_policy_may_name_is_there_to_send() {
    let data = tempfile::tempdir().unwrap();
    let mut named: Vec<&str> = Kinds::shipped().notifiers().iter().map(|it| it.name()).collect();
    named.sort_unstable();
    assert_eq!(notifiers(&data).0.into_keys().collect::<Vec<_>>(), named);
}

/// NO-7: which channels of a policy have no webhook is known at the start; without any vendor nothing is lost, it is logged.
#[test]
fn channels_without_a_webhook_are_named() {
    let policy = domain::policy::Policy::parse(include_str!("../../../governance/policy.yaml"), "p").unwrap();
    let data = tempfile::tempdir().unwrap();
    assert_eq!(notifiers(&data).unreachable(&policy), Vec::<String>::new());
    let slack = slack::tests::by_webhook("#autosave-rollout", "https://hooks.example/x");
    assert_eq!(
        notifiers(&data).with(std::sync::Arc::new(slack)).unreachable(&policy),
        ["no webhook is configured for #incident", "no webhook is configured for #incident-autosave"]
    );
    let nobody = Notifiers::default().unreachable(&policy);
    assert_eq!(
        nobody,
        ["this reporter has no notifier called runbook", "this reporter has no notifier called slack"]
    );
}

/// NO-4, NO-6: without any vendor every address takes its message, and twice is as once where it is kept.
#[tokio::test]
async fn every_notifier_takes_a_message_and_takes_it_again() {
    let data = tempfile::tempdir().unwrap();
    for kind in Composition::shipped().notifiers {
        let to = tried(kind.name).0;
        assert_eq!(to.parse::<Address>().unwrap().notifier(), kind.name);
        for resend in [false, true] {
            let outcome = notifiers(&data).post(&message(to), None, resend).await;
            assert!(matches!(outcome, Outcome::Done(_)), "{to}: {outcome:?}");
        }
    }
    let kept = std::fs::read_to_string(crate::files::runbook(data.path())).unwrap();
    assert_eq!(kept.lines().count(), 1, "{kept}");
    assert!(kept.contains("AutoSave B violation"));
}

/// What no one here can send is given up by name.
#[tokio::test]
async fn a_notifier_that_is_not_here_is_named() {
    let data = tempfile::tempdir().unwrap();
    let message = PostMessage { notifier: "pigeon".to_owned(), ..message("log") };
    let reason = "this reporter has no notifier called pigeon".to_owned();
    assert_eq!(notifiers(&data).post(&message, None, false).await, Outcome::Never { reason });
}

/// OP-6: a row of the release before names no notifier, and is Slack's.
#[test]
fn a_row_of_the_release_before_is_sent_by_slack() {
    let mut row = serde_json::to_value(message("#incident")).unwrap();
    row.as_object_mut().unwrap().remove("notifier");
    let read: PostMessage = serde_json::from_value(row).unwrap();
    assert_eq!(read, message("#incident"));
    assert_eq!(read.row_kind(), "PostSlackMessage");
    for kind in ["PostSlackMessage", "PostMessage"] {
        assert_eq!(Effects::effect(kind).unwrap().form.kind, "PostMessage");
    }
}
