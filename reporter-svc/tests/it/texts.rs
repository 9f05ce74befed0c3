//! NO-1, NO-2, RB-8: the texts as they go out.

use shared_types::Verdict;

use crate::rig::{Rig, minutes};

/// NO-1: every template, as sent.
#[tokio::test]
async fn texts_are_as_agreed() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.judged(Verdict::Ok, None).await;
    rig.judged(Verdict::Warn, None).await;
    rig.violation().await;
    rig.pass(minutes(31)).await;
    let mut all: Vec<String> = Vec::new();
    let kept = rig.reporter.store.notifications(&Default::default(), None, 100).await.unwrap();
    for it in kept.iter().rev() {
        all.push(format!("[{} → {}] {}", it.kind, it.channel, it.text));
    }
    insta::assert_snapshot!(all.join("\n"));
    let incident = rig.incident().await;
    insta::assert_snapshot!("runbook", incident.runbook.unwrap());
}
