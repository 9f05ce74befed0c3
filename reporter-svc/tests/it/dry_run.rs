//! The dry run of an archive says what the live reporter sends for the same archive, text for text (SLO-11).
//!
//! The archive is judged once. Its decisions are given to a reporter with its store, one after the other, with all that is
//! due in between done at its time; the vendors' ports keep what reaches them. The dry run plays the same decisions. After
//! each of them, both must have said the same.

use std::path::Path;

use domain::gate::fixture::{Counts, WINDOW, ten_o_clock};
use domain::notifiers::RUNBOOK;
use domain::pagers::PAGER;
use domain::policy::Policy;
use domain::template::Templates;
use domain::whatif::dry_run::{Reaction, dry_run, react, render};
use reporter_svc::store::IncidentFilter;
use service_kit::clock::Clock as _;
use shared_types::decision::ViolationAction;
use shared_types::{Decision, Timestamp, Window};

use crate::rig::{Rig, autosave, phase, policy, shipped};

/// A text of a notification: kind, channel, text.
type Told = (String, String, String);

/// What one window of an archive holds.
#[derive(Clone, Copy)]
enum Of {
    Healthy,
    /// Saves that are close to the limit.
    Nearing,
    /// The p95 is violated.
    Slow,
    /// The error rate is violated.
    Failing,
    /// Too few events.
    Quiet,
}

/// Windows of a stay that has begun before them.
fn archive(of: &[Of], phase: &'static str, epoch: u64) -> Vec<u8> {
    let lines = (4..).zip(of).map(|(n, of)| {
        let start = ten_o_clock().plus(WINDOW * n);
        let good =
            Counts { phase, epoch, window: Window { start, end: start.plus(WINDOW) }, ..Counts::default() };
        let limit = if phase == "A" { 2_500.0 } else { 2_000.0 };
        let counts = match of {
            Of::Healthy => good,
            Of::Nearing => Counts { save_ms: limit * 0.9, ..good },
            Of::Slow => Counts { save_ms: limit * 1.5, ..good },
            Of::Failing => Counts { errors: 200, ..good },
            Of::Quiet => Counts { completed: 3, ..good },
        };
        serde_json::to_string(&counts.batch()).unwrap() + "\n"
    });
    lines.collect::<String>().into_bytes()
}

/// The policy with what a violated p95 asks for; all else rolls back.
fn with_slow(mut policy: Policy, action: ViolationAction) -> Policy {
    for metric in policy.targets.values_mut().flat_map(|target| &mut target.metrics) {
        let slow = metric.name == "save_latency_p95";
        metric.on_violation = if slow { action } else { ViolationAction::Rollback };
    }
    policy
}

/// The numbers that the live store and the dry run give to incidents are their own.
fn numbered(text: &str) -> String {
    (1..10).fold(text.to_owned(), |text, n| {
        text.replace(&format!("INC-20261122-{n:03}"), &format!("INC-dry-run-{n}"))
    })
}

/// Does what falls due up to then, each at its own time.
async fn until(rig: &Rig, end: Timestamp) {
    rig.work().await;
    loop {
        let incidents = rig.reporter.store.incidents(&IncidentFilter::default(), None, 100).await.unwrap();
        let due = incidents.iter().filter_map(domain::rollout::Incident::next_due);
        let due = due.chain(rig.state().await.next_due()).min().filter(|due| *due <= end);
        let Some(due) = due else { break };
        rig.clock.set(due.max(rig.clock.now()));
        rig.work().await;
    }
    rig.clock.set(end);
}

/// All that the live reporter has told so far, in order.
async fn told(rig: &Rig) -> Vec<Told> {
    let kept = rig.reporter.store.notifications(&Default::default(), None, 200).await.unwrap();
    kept.into_iter().rev().map(|it| (it.kind, it.channel, numbered(&it.text))).collect()
}

fn in_parts(reactions: &[Reaction]) -> Vec<Told> {
    let messages = reactions.iter().flat_map(|it| &it.messages);
    messages.map(|it| (it.kind.clone(), it.channel.clone(), it.text.clone())).collect()
}

/// What came out at the vendors' ends.
fn assert_sent(rig: &Rig, reactions: &[Reaction]) {
    let sorted = |mut texts: Vec<[String; 2]>| {
        texts.sort();
        texts
    };
    let posted = rig.world.messages.lock().unwrap();
    let posted = posted.iter().map(|(it, ..)| [it.channel.clone(), numbered(&it.text)]).collect();
    let messages = in_parts(reactions);
    let slack =
        messages.iter().filter(|it| it.1 != RUNBOOK.name).map(|it| [it.1.clone(), it.2.clone()]).collect();
    assert_eq!(sorted(posted), sorted(slack), "posted, and said to be posted");

    let pages = rig.world.pages.lock().unwrap();
    let paged: Vec<[String; 4]> = pages
        .iter()
        .map(|it| [it.service.clone(), it.priority.clone(), numbered(&it.summary), numbered(&it.text)])
        .collect();
    let said: Vec<[String; 4]> = reactions
        .iter()
        .flat_map(|it| &it.pages)
        .map(|it| &it.page)
        .map(|it| [&it.service, &it.priority, &it.summary, &it.text].map(Clone::clone))
        .collect();
    assert_eq!(paged, said, "paged, and said to be paged");

    let commands = rig.world.commands.lock().unwrap();
    let ran: Vec<_> =
        commands.iter().map(|it| (it.from.clone(), it.to.clone(), numbered(&it.request.words))).collect();
    let said: Vec<_> = reactions
        .iter()
        .filter_map(|it| it.rollback.as_ref())
        .map(|it| (it.from.clone(), it.to.clone(), it.command.clone()))
        .collect();
    assert_eq!(ran, said, "run, and said to be run");
}

/// Both runs of an archive in a phase; what the dry run says of each decision.
async fn both(policy: Policy, id: &'static str, of: &[Of]) -> Vec<Reaction> {
    let rig = Rig::in_memory_under(policy.clone()).await;
    rig.bring_to(id).await;
    let before = told(&rig).await.len();
    let epoch = rig.state().await.epoch;
    let decisions = dry_run(&policy, &autosave(), &phase(id), &archive(of, id, epoch)).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let templates = Templates::load(&root, &policy.targets[&autosave()]).unwrap();
    let reactions = react(&policy, &autosave(), &phase(id), &templates, &decisions).unwrap();
    assert_eq!(reactions.len(), of.len());
    for (index, decision) in decisions.iter().enumerate() {
        until(&rig, decision.decided_at).await;
        compare(&rig, &reactions[..index], before).await;
        rig.reporter.decide(decision).await.unwrap();
        rig.work().await;
    }
    compare(&rig, &reactions, before).await;
    assert_printed(&decisions, &reactions, &told(&rig).await[before..]);
    rig.assert_nothing_is_left().await;
    reactions
}

async fn compare(rig: &Rig, reactions: &[Reaction], before: usize) {
    let live: Vec<Told> = told(rig).await.into_iter().skip(before).filter(|it| it.1 != PAGER.name).collect();
    assert_eq!(in_parts(reactions), live, "the dry run on the left, the live reporter on the right");
    assert_sent(rig, reactions);
}

/// What stands on the terminal is what was sent, in its order.
fn assert_printed(decisions: &[Decision], reactions: &[Reaction], live: &[Told]) {
    let printed = render(decisions, reactions);
    let mut rest = printed.as_str();
    for (_, channel, text) in live.iter().filter(|it| it.1 != PAGER.name) {
        let line = format!("write to {channel}: {text}\n");
        let at = rest.find(&line).unwrap_or_else(|| panic!("`{line}` is not in\n{rest}"));
        rest = &rest[at + line.len()..];
    }
    let lines = printed.matches("write to ").count();
    assert_eq!(lines, live.iter().filter(|it| it.1 != PAGER.name).count(), "{printed}");
}

/// H4, SLO-11, RB-1, RB-5, PH-8: a rollback, with `initiated_by=phasegate`; what the left phase shows afterwards is stale.
#[tokio::test]
async fn a_rollback_is_said_as_it_is_sent() {
    for id in ["A", "B"] {
        let of = [Of::Healthy, Of::Nearing, Of::Slow, Of::Failing];
        let reactions = both(policy(), id, &of).await;
        let runbook = reactions[2].messages.last().unwrap();
        assert_eq!(runbook.channel, RUNBOOK.name);
        assert!(runbook.text.contains("initiated_by=phasegate"), "{}", runbook.text);
        assert_eq!(in_parts(&reactions[3..]), []);
    }
}

/// H2, SLO-11, ES-1, ES-3: a page names no rollback; nobody acknowledges, so it is raised.
#[tokio::test]
async fn a_page_is_said_as_it_is_sent() {
    let of = [Of::Slow, Of::Slow, Of::Healthy, Of::Quiet, Of::Slow];
    for id in ["A", "B"] {
        let reactions = both(with_slow(policy(), ViolationAction::Page), id, &of).await;
        assert!(reactions[0].messages[0].text.contains("rollback=none\n"), "{:?}", reactions[0].messages);
        let kinds: Vec<String> =
            in_parts(&reactions).into_iter().map(|it| it.0).filter(|it| it != "ok").collect();
        // JU-3: the healthy window after it is in doubt: it was bad, and is not any more.
        assert_eq!(kinds, ["incident", "escalation", "warn"]);
    }
}

/// H3, SLO-4, SLO-11: a hold is told in every phase, C among them, where warnings are not.
#[tokio::test]
async fn a_hold_is_said_as_it_is_sent() {
    let of = [Of::Nearing, Of::Slow, Of::Healthy, Of::Slow];
    for id in ["A", "C"] {
        let reactions = both(with_slow(policy(), ViolationAction::Hold), id, &of).await;
        let holds = in_parts(&reactions).into_iter().filter(|it| it.0 == "hold").count();
        assert_eq!(holds, 2, "{id}: {reactions:#?}");
    }
}

/// H1, SLO-11, DE-4: window 1 only pages, window 2 asks for a rollback: it runs, and a second text goes out.
#[tokio::test]
async fn a_page_and_then_a_rollback_are_said_as_they_are_sent() {
    let reactions =
        both(with_slow(policy(), ViolationAction::Page), "A", &[Of::Slow, Of::Failing, Of::Slow]).await;
    let rollback = reactions[1].rollback.as_ref().unwrap();
    assert_eq!((rollback.from.as_str(), rollback.to.as_str()), ("A", "off"));
    let kinds: Vec<String> = in_parts(&reactions).into_iter().map(|it| it.0).collect();
    assert_eq!(kinds, ["incident", "incident", "rollback", "escalation"]);
}

/// PH-5, SLO-11: under the shipped policy people are asked for approvals, and the dry run says so.
#[tokio::test]
async fn a_question_for_approvals_is_said_as_it_is_sent() {
    let reactions = both(shipped(), "A", &[Of::Healthy; 9]).await;
    let kinds: Vec<String> = in_parts(&reactions).into_iter().map(|it| it.0).collect();
    assert_eq!(kinds, ["approval_asked"]);
}
