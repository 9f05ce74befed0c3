//! Pushes: answered when committed, once.

use collector_svc::sources::{Push, PushReply};

use crate::rig::{Fault, Rig, directive, push, saved, turn};

fn committed(reply: PushReply) -> Push {
    match reply {
        PushReply::Committed(push) => push,
        other => panic!("{other:?}"),
    }
}

/// TE-5: several pushes are committed together, and each is answered with what became of it.
#[tokio::test]
async fn pushes_are_committed_as_a_group_and_answered_then() {
    let mut rig = Rig::pushed().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    let first = rig.push(&(saved("10:00:00", "a") + "bad\n"), None);
    let second = rig.push(&(saved("10:00:00", "a") + &saved("10:01:00", "b")), None);
    rig.turn().await;
    let (first, second) = (committed(first.await.unwrap()), committed(second.await.unwrap()));
    assert_eq!((first.accepted, first.malformed, first.errors[0].line), (1, 1, 2));
    assert_eq!((second.accepted, second.duplicates), (1, 1));
    rig.turn_at("10:15:30").await;
    assert_eq!(rig.delivered_saves(), 2);
    assert_eq!(rig.analyzer.batches()[0].source, "http");
}

/// TE-5: a retry under the same key gets the first answer, on this replica or another, after a kill too.
#[tokio::test]
async fn a_retried_push_is_recognised_by_its_key() {
    let mut rig = Rig::pushed().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    // Without ids nothing but the key can tell the retry from new events.
    let body = r#"{"ts":"2026-11-22T10:00:00Z","name":"autosave.save.completed","duration_ms":1}"#;
    let unanswered = rig.push(body, Some("k"));
    rig.kill();
    assert!(unanswered.await.is_err());
    let first = rig.push(body, Some("k"));
    let beside = rig.push(body, Some("k"));
    rig.turn().await;
    let answer = serde_json::to_string(&committed(first.await.unwrap())).unwrap();
    assert_eq!(beside.await.unwrap(), PushReply::Repeated(answer.clone()));
    let (mut other, queue) = rig.replica();
    let elsewhere = push(&queue, body, Some("k"));
    let another_body = push(&queue, &saved("10:00:00", "x"), Some("k"));
    turn(&mut other).await;
    assert_eq!(elsewhere.await.unwrap(), PushReply::Repeated(answer));
    assert_eq!(another_body.await.unwrap(), PushReply::KeyReused);
    rig.turn_at("10:15:30").await;
    assert_eq!(rig.delivered_saves(), 1);
}

/// TE-4, TE-5: an id that was counted before a restart is a duplicate after it, in its window only, whatever the push.
#[tokio::test]
async fn an_id_counted_before_a_restart_is_a_duplicate_after_it() {
    let mut rig = Rig::pushed().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    let before = rig.push(&(saved("10:01:00", "a") + &saved("10:02:00", "b")), None);
    rig.turn().await;
    assert_eq!(committed(before.await.unwrap()).accepted, 2);
    rig.kill();
    let after = rig.push(&(saved("10:01:00", "a") + &saved("10:03:00", "c")), None);
    rig.turn_at("10:14:59").await;
    let after = committed(after.await.unwrap());
    assert_eq!((after.accepted, after.duplicates), (1, 1));
    rig.kill();
    let next_window = rig.push(&saved("10:15:10", "a"), None);
    rig.turn_at("10:15:30").await;
    assert_eq!(committed(next_window.await.unwrap()).accepted, 1);
    let batch = rig.batch("10:00:00").await.unwrap().batch;
    assert_eq!((crate::rig::saves(&batch), batch.intake.duplicates), (3, 1));
}

/// TE-5: a commit that fails, or whose answer is lost, is neither forgotten nor counted twice.
#[tokio::test]
async fn a_push_survives_a_store_that_fails() {
    let mut rig = Rig::pushed().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    let anonymous = r#"{"ts":"2026-11-22T10:00:00Z","name":"autosave.save.completed","duration_ms":1}"#;
    for fault in [Fault::Refused, Fault::AnswerLost] {
        let reply = rig.push(anonymous, None);
        rig.faults.fail_next_commit(fault);
        assert!(rig.worker.turn().await.is_err());
        rig.turn().await;
        assert_eq!(committed(reply.await.unwrap()).accepted, 1, "{fault:?}");
    }
    rig.turn_at("10:15:30").await;
    assert_eq!(rig.delivered_saves(), 2);
}

/// JU-10, TE-5: errors by session add up over flushes and a kill; no name of a session is written anywhere.
#[tokio::test]
async fn errors_are_told_by_session_across_restarts() {
    let mut rig = Rig::pushed().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    let of = |line: &str, session: &str| {
        let line = line.trim_end().strip_suffix('}').unwrap().to_owned();
        format!("{line},\"code\":\"E\",\"retryable\":true,\"session\":\"{session}\"}}\n")
    };
    let failed = |id: &str| saved("10:01:00", id).replace("save.completed", "save.error");
    for (round, session) in ["bob-1", "bob-1", "eve-2"].iter().enumerate() {
        let text = [failed(&format!("f{round}")), saved("10:01:00", &format!("s{round}"))];
        let reply = rig.push(&text.map(|line| of(&line, session)).concat(), None);
        rig.turn().await;
        assert_eq!(committed(reply.await.unwrap()).accepted, 2);
        rig.kill();
    }
    rig.turn_at("10:15:30").await;
    let batch = rig.batch("10:00:00").await.unwrap().batch;
    let expected = [("distinct", 2), ("squares", 5), ("top", 2), ("top_attempts", 4)];
    let figures = expected.map(|(figure, value)| (figure.to_owned(), value));
    assert_eq!(batch.breakdowns["autosave.save.error"]["session"], figures.into());
    let line = serde_json::to_string(&batch).unwrap();
    assert!(!line.contains("bob") && !line.contains("eve"), "{line}");
}
