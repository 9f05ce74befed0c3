//! The demo, as README shows it. A test program of its own, so that nothing else runs beside it.
#![cfg(feature = "demo")]

#[allow(dead_code, reason = "each test program uses its part")]
mod support;

/// Takes under a minute; bounded to three by the demo itself.
#[test]
fn the_demo_rolls_back_once_and_confirms_the_recovery() {
    let directory = tempfile::tempdir().unwrap();
    let (status, out, err) = support::run(&["demo", "--data-dir", directory.path().to_str().unwrap()]);
    assert_eq!(status, 0, "{out}\n{err}");
    assert!(out.contains("One rollback, and the recovery is confirmed."), "{out}");
    assert!(out.contains("🚨 AutoSave B violation / metric="), "the double shows the page's text: {out}");
    assert!(!out.contains('\u{1b}'), "no colour when piped");

    let root = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let telemetry: String = std::fs::read_dir(root.join("telemetry/autosave"))
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(telemetry.contains("E_LOCK"), "the failures are the editor's own");
    let flag = std::fs::read_to_string(root.join("flag/flag.json")).unwrap();
    assert!(flag.contains(r#""phase": "A""#), "{flag}");
}
