//! The schema of a batch line is the one that is checked in.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use collector_svc::archive::line_of;
use collector_svc::collect::{OneShot, OneShotSource, Span, collect_windows};
use collector_svc::schema::{batch_schema, batch_schema_text};
use serde_json::Value;
use shared_types::PhaseId;

use crate::rig::{at, autosave, policy};

/// With `PHASEGATE_UPDATE=1` the file is written instead.
fn hold(path: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("PHASEGATE_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == expected,
        "{} is not what the types say; PHASEGATE_UPDATE=1 writes it",
        path.display()
    );
}

/// CO-3, source §7.3: the schema of the JSONL lines does not change unnoticed.
#[test]
fn the_batch_schema_is_the_one_checked_in() {
    hold("schema/batch.schema.json", &batch_schema_text());
}

/// CO-3: a real line is valid by the schema, and one with a field missing or of another type is not.
#[test]
fn batch_lines_are_valid_by_their_schema() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/collector/autosave_latency.json");
    let request = OneShot {
        target: autosave(),
        policy: Arc::new(policy()),
        phase: PhaseId::parse("A").unwrap(),
        epoch: 1,
        window: Duration::from_secs(900),
        span: Span::Last(Duration::from_secs(3600)),
        source: OneShotSource::Files(vec![fixture.to_owned()]),
        simulate_latency: Duration::ZERO,
    };
    let validator = jsonschema::validator_for(&batch_schema()).unwrap();
    for batch in collect_windows(&request, at("11:00:00")).unwrap().batches {
        let line: Value = serde_json::from_slice(&line_of(&batch).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&line).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        for (field, wrong) in
            [("epoch", Value::from("1")), ("window", Value::Null), ("counters", Value::from(1))]
        {
            let mut broken = line.clone();
            broken[field] = wrong;
            assert!(!validator.is_valid(&broken), "{field}");
            broken.as_object_mut().unwrap().remove(field);
            assert!(!validator.is_valid(&broken), "{field}");
        }
    }
}
