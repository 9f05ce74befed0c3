//! `phasegate map`: the logs of common loggers, as a shell sees what becomes of them (TE-7).

#[allow(dead_code, reason = "each test program uses its part")]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{run, run_with_input, workspace};

fn fixtures() -> PathBuf {
    workspace().join("tests/fixtures/loggers")
}

/// The shipped policy about payments, with a map if there is one.
fn policy(directory: &Path, map: Option<&str>) -> String {
    let shipped = std::fs::read_to_string(workspace().join("governance/policy.yaml")).expect("it is read");
    let payments = shipped
        .replace("autosave.save.completed", "checkout.payment.completed")
        .replace("autosave.save.error", "checkout.payment.error");
    let before = "source: { jsonl: { paths: [\"telemetry/autosave/*.jsonl\"] } }";
    assert!(payments.contains(before));
    let map = map.unwrap_or_default().lines().map(|line| format!("\n        {line}")).collect::<String>();
    let source = format!("source:\n        jsonl: {{ paths: [\"telemetry/*.jsonl\"] }}{map}\n     ");
    let path = directory.join("policy.yaml");
    std::fs::write(&path, payments.replace(before, &source)).expect("it is written");
    path.to_str().expect("UTF-8").to_owned()
}

fn mapped(arguments: &[&str]) -> Value {
    let (status, out, err) = run(&[&["map", "--output", "json"], arguments].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{arguments:?}\n{out}");
    serde_json::from_str(&out).expect("JSON")
}

fn lines_of(mapped: &Value) -> BTreeMap<&str, u64> {
    let events = mapped["events"].as_object().expect("an object");
    events.iter().map(|(event, it)| (event.as_str(), it["lines"].as_u64().expect("a count"))).collect()
}

/// Each fixture holds three payments that went well, two that failed and one broken line; what is proposed for it reads all of
/// them, is a policy, and counts in a batch.
#[track_caller]
fn reads(logger: &str, wrapper: Option<&str>, codes: [&str; 2]) {
    let name = wrapper.map_or(logger, |wrapper| if wrapper == "cri" { "kubernetes" } else { wrapper });
    let log = fixtures().join(format!("{name}.log"));
    let log = log.to_str().expect("UTF-8");
    let directory = tempfile::tempdir().expect("a directory");
    let given = ["--target", "autosave", "--policy"];
    let proposed = mapped(&[&[log], &given[..], &[&policy(directory.path(), None)]].concat());
    let map = proposed["map"].as_str().expect("a text");
    let says = |line: String| map.lines().any(|it| it.trim() == line);
    assert!(says(format!("preset: {logger}")), "{name}\n{map}");
    assert!(wrapper.is_none_or(|wrapper| says(format!("wrapper: {wrapper}"))), "{map}");
    let asked = proposed["asked"].to_string();
    assert!(asked.contains("no value looks like `autosave.history.drift`"), "{name}: {asked}");

    let policy = policy(directory.path(), Some(map));
    assert_eq!(run(&["policy", "check", &policy]).0, 0, "{name}\n{map}");
    let tried = mapped(&[&[log], &given[..], &[&policy]].concat());
    assert_eq!((&tried["proposed"], &proposed["proposed"]), (&false.into(), &true.into()));
    for mapped in [&proposed, &tried] {
        let counts = [("checkout.payment.completed", 3), ("checkout.payment.error", 2)];
        assert_eq!(lines_of(mapped), BTreeMap::from(counts), "{name}\n{map}");
        assert_eq!(mapped["malformed"], 1, "{name}: {}", mapped["reasons"]);
        let told: Vec<&Value> = mapped["events"]["checkout.payment.error"]["codes"]
            .as_array()
            .expect("it is there")
            .iter()
            .map(|code| &code[0])
            .collect();
        let codes = if codes[0] == codes[1] { &codes[..1] } else { &codes[..] };
        assert_eq!(told, codes, "{name}");
        let took: Vec<f64> = mapped["shown"]
            .as_array()
            .expect("it is there")
            .iter()
            .filter_map(|it| it["duration_ms"].as_f64())
            .collect();
        assert_eq!(took, [640.5, 720.25, 1812.75], "{name}");
    }
    let batch = directory.path().join("batch.jsonl");
    let batch = batch.to_str().expect("UTF-8");
    let at = ["--at", "2026-11-22T10:01:00Z", "--phase", "A", "--source", log, "--output", batch];
    let (status, _, err) = run(&[&["collect", "--policy", &policy][..], &at].concat());
    assert_eq!(status, 0, "{err}");
    let batch: Value =
        serde_json::from_str(&std::fs::read_to_string(batch).expect("it is read")).expect("it is there");
    let counters = &batch["counters"];
    assert_eq!(
        [&counters["checkout.payment.completed"], &counters["checkout.payment.error"]],
        [3, 2],
        "{name}"
    );
    assert_eq!((&batch["intake"]["malformed"], &batch["intake"]["ignored"]), (&1.into(), &tried["ignored"]));
}

/// TE-7: the log of each logger that has a preset, nested fields, wrapped, cut-up, broken and text lines among them.
#[test]
fn the_logs_of_common_loggers_are_read() {
    reads("pino", None, ["CardError", "CardError"]);
    reads("bunyan", None, ["E_CARD", "E_LIMIT"]);
    reads("zap", None, ["E_CARD", "E_LIMIT"]);
    reads("logrus", None, ["E_CARD", "E_LIMIT"]);
    reads("slog", None, ["E_CARD", "E_LIMIT"]);
    reads("structlog", None, ["E_CARD", "E_LIMIT"]);
    reads("log4j2", None, ["shop.E_CARD", "shop.E_LIMIT"]);
    reads("serilog", None, ["E_CARD", "E_LIMIT"]);
    reads("winston", None, ["E_CARD", "E_LIMIT"]);
    reads("tracing", None, ["E_CARD", "E_LIMIT"]);
    reads("ecs", None, ["E_CARD", "E_LIMIT"]);
    reads("pino", Some("docker"), ["E_CARD", "E_LIMIT"]);
    reads("slog", Some("cri"), ["E_CARD", "E_LIMIT"]);
}

/// TE-7: a log of nobody's logger, without a policy: what stands where is told by the values.
#[test]
fn a_log_of_another_shape_is_mapped_by_its_values() {
    let line =
        |at: u64, rest: &str| format!("{{\"when\":{{\"us\":\"{}\"}},{rest}}}\n", 1_795_341_600_000_000 + at);
    let log = line(1, r#""evt":"search","stats":{"took_us":1500},"uuid":"a","variant":"control""#)
        + &line(2, r#""evt":"search","stats":{"took_us":2500},"uuid":"b""#)
        + &line(3, r#""evt":"searchFailed","sev":"x","errorCode":503,"uuid":"c""#)
        + &line(4, r#""evt":"tick""#);
    let (status, out, err) = run_with_input(&["map", "-"], &log);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let map: String = out
        .lines()
        .skip(2)
        .take_while(|line| !line.is_empty())
        .map(|line| format!("{}\n", &line[2..]))
        .collect();
    assert_eq!(
        map,
        "map:\n  ts: { path: when.us, format: epoch_us }\n  name: evt\n  duration: { path: stats.took_us, unit: us }\n  \
         code: errorCode\n  event_id: uuid\n  variant: variant\n  events:\n    search: search\n    \
         searchFailed: searchfailed\n"
    );
    assert!(
        out.contains("1.5 ms") && out.contains("codes: 503 1") && out.contains("left out: tick 1"),
        "{out}"
    );
    assert!(out.contains("`searchFailed`") || out.contains("name them as the metrics"), "{out}");
}

/// TE-7: a value that would be read as a pattern for others is proposed for nothing, and an id that comes again now and then is
/// one all the same.
#[test]
fn values_that_look_like_patterns_are_left_out() {
    let line = |at: u32, value: &str, id: u32| {
        format!(
            "{{\"ts\":\"2026-11-22T10:00:{at:02}Z\",\"event\":\"{value}\",\"ms\":5,\"uuid\":{id},\"req\":{}}}\n",
            id / 2
        )
    };
    let log: String = (0..40)
        .map(|at| line(at, "ok", at.max(1)))
        .chain([line(50, "!ok", 50), line(51, "x*", 51)])
        .collect();
    let (status, out, err) = run_with_input(&["map", "-"], &log);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("40  ok, 40 with an id") && out.contains("2  left out: !ok 1, x* 1"), "{out}");
}

/// What cannot be mapped says why, and has its exit status.
#[test]
fn what_cannot_be_mapped_says_why() {
    let says = |input: &str, status: i32, expected: &str| {
        let (found, out, err) = run_with_input(&["map", "-"], input);
        assert_eq!((found, out.as_str(), err.lines().count()), (status, "", 1), "{err}");
        assert!(err.starts_with("phasegate: -: ") && err.contains(expected), "{err}");
    };
    says("Listening on 8080\n", 1, "no line holds a JSON object");
    says("", 1, "no line holds a JSON object");
    says("{\"msg\":\"up\"}\n", 1, "a time");
    says("{\"ts\":\"2026-11-22T10:00:00Z\",\"n\":7}\n", 1, "name an event");
    says("[{\"ts\":1}]\n", 2, "jq -c");
    assert_eq!(run(&["map", "no-such.log"]).0, 3);
    assert_eq!(run(&["map", "/"]).0, 2);
    assert_eq!(run(&["map", "x", "--propose"]).0, 2);
    let log = fixtures().join("pino.log");
    assert_eq!(run(&["map", log.to_str().unwrap(), "--target", "no-such"]).0, 3);
}
