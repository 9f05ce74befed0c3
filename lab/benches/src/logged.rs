//! The same telemetry as an app's own log, and the map that reads it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use events::map::{Map, Rules, TimeFormat, Unit};
use serde_json::{Value, json};
use shared_types::Timestamp;

/// Writes each line anew, beside its file, as a logger of nested fields would have.
pub(crate) fn write(files: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    files.iter().map(|file| write_one(file)).collect()
}

fn write_one(file: &Path) -> anyhow::Result<PathBuf> {
    let path = file.with_extension("log");
    let mut log = BufWriter::new(File::create(&path)?);
    for line in BufReader::new(File::open(file)?).lines() {
        let line = line?;
        match serde_json::from_str::<Value>(&line).ok().and_then(|event| logged(&event)) {
            Some(logged) => writeln!(log, "{logged}")?,
            None => writeln!(log, "{line}")?,
        }
    }
    log.flush()?;
    Ok(path)
}

fn logged(event: &Value) -> Option<Value> {
    let ts = Timestamp::parse(event["ts"].as_str()?).ok()?;
    Some(json!({
        "level": 30, "time": ts.as_millis(), "pid": 7, "hostname": "web-1", "msg": event["name"],
        "req": { "id": event["event_id"], "user": event["session"] },
        "responseTime": event["duration_ms"],
        "err": { "code": event["code"], "retryable": event["retryable"] },
    }))
}

pub(crate) fn map() -> anyhow::Result<Arc<Map>> {
    let path = |path: &str| Some(path.to_owned());
    let rules = Rules {
        ts: Some(("time".to_owned(), TimeFormat::EpochMs)),
        name: "msg".to_owned(),
        others_are_unknown: true,
        duration: Some(("responseTime".to_owned(), Unit::Milliseconds)),
        code: path("err.code"),
        retryable: path("err.retryable"),
        event_id: path("req.id"),
        session: path("req.user"),
        ..Rules::default()
    };
    Ok(Arc::new(Map::new(rules)?))
}
