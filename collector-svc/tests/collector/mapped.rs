//! An app's own log, by a map.

use collector_svc::sources::PushReply;
use events::map::{Preset, Rules, Wrapper};

use crate::rig::{Rig, directive, saves};

fn pino() -> Rules {
    let events = [("draft saved", "autosave.save.completed"), ("save failed", "autosave.save.error")];
    Rules {
        events: events.map(|(value, event)| (value.parse().unwrap(), event.to_owned())).to_vec(),
        ..Preset::find("pino").unwrap().rules()
    }
}

fn line(ms: u64, rest: &str) -> String {
    let time = 1_795_341_600_000_u64 + ms;
    format!("{{\"level\":30,\"time\":{time},\"pid\":7,{rest}}}\n")
}

/// TE-7, TE-5: files and pushes are read by the map alike, through a kill, and the batch tells what was ignored.
#[tokio::test]
async fn a_log_is_counted_by_its_map() {
    let mut rig = Rig::mapped(pino()).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.append(&line(10, r#""msg":"draft saved","responseTime":640"#));
    rig.append(&line(20, r#""msg":"GET /healthz","responseTime":1"#));
    rig.append(&line(30, r#""msg":"save failed","err":{"type":"LockError","stack":"Error\n  at x"}"#));
    rig.turn().await;
    rig.kill();
    rig.append(&line(40, r#""msg":"draft saved","responseTime":2"#));
    let pushed =
        rig.push(&(line(50, r#""msg":"draft saved","responseTime":3"#) + &line(60, r#""msg":"up""#)), None);
    rig.turn().await;
    let PushReply::Committed(pushed) = pushed.await.unwrap() else { panic!("not committed") };
    assert_eq!((pushed.accepted, pushed.ignored, pushed.refusal()), (1, 1, None));
    rig.turn_at("10:15:30").await;
    let batch = rig.analyzer.batches().remove(0);
    assert_eq!((saves(&batch), batch.counters["autosave.save.error"], batch.intake.ignored), (3, 1, 2));
    assert_eq!(batch.breakdowns["autosave.save.error"]["code"]["LockError"], 1);
    assert!(!batch.breakdowns["autosave.save.error"].contains_key("retryable"));
    assert_eq!((batch.intake.malformed, batch.intake.unknown), (0, 0));
}

/// TE-7, TE-5: a line that a container's runtime has cut up is counted once all of it is there, and once, through a kill in
/// between.
#[tokio::test]
async fn a_line_that_was_cut_up_waits_for_its_end() {
    let mut rig = Rig::mapped(Rules { wrapper: Some(Wrapper::Cri), ..pino() }).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    let wrapped = |tag: &str, piece: &str| format!("2026-11-22T10:00:00.25Z stdout {tag} {piece}\n");
    let (whole, cut) = (
        line(10, r#""msg":"draft saved","responseTime":1"#),
        line(20, r#""msg":"draft saved","responseTime":2"#),
    );
    let (begin, end) = cut.trim_end().split_at(40);
    rig.append(&wrapped("F", whole.trim_end()));
    rig.append(&wrapped("P", begin));
    rig.turn().await;
    rig.kill();
    rig.turn().await;
    rig.append(&wrapped("F", end));
    rig.turn().await;
    rig.turn_at("10:15:30").await;
    let batch = rig.analyzer.batches().remove(0);
    assert_eq!((saves(&batch), batch.intake.malformed, batch.intake.ignored), (2, 0, 0));
}
