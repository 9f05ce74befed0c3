//! What the collector's archive (CO-3) counted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Events counted, late and duplicate ones included, and windows, of the batches in `folder` (`logs/<target>`).
///
/// # Panics
/// A line is not a whole batch, or a window has two.
#[must_use]
pub fn counted(folder: &Path) -> (u64, usize) {
    let mut by_window: BTreeMap<String, Value> = BTreeMap::new();
    let Ok(entries) = fs::read_dir(folder) else { return (0, 0) };
    let files = entries.flatten().filter(|entry| entry.path().extension().is_some_and(|it| it == "jsonl"));
    for entry in files {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        // The last one may be one that is just being written.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let batch: Value = serde_json::from_str(line).expect("an archived line is a whole batch");
            let start = batch["window"]["start"].as_str().expect("a window").to_owned();
            assert!(by_window.insert(start.clone(), batch).is_none(), "two batches of window {start}");
        }
    }
    let count = |batch: &Value| {
        let counters: u64 =
            batch["counters"].as_object().expect("counters").values().filter_map(Value::as_u64).sum();
        counters + ["late", "duplicates"].iter().filter_map(|key| batch["intake"][key].as_u64()).sum::<u64>()
    };
    (by_window.values().map(count).sum(), by_window.len())
}
