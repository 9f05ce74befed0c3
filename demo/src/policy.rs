//! The demo's policy: the shipped one's shape with short windows and the limits of the calibration.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::editor::EditorDirs;
use super::editor::tuning::Tuning;

/// The target under rollout.
pub(super) const TARGET: &str = "autosave";
/// What phase A has to show before it may move up.
pub(super) const COMPLIANT_WINDOWS: u64 = 3;
pub(super) const WINDOW: Duration = Duration::from_secs(2);
pub(super) const WATCH: Duration = Duration::from_secs(12);
pub(super) const CADENCE: Duration = Duration::from_secs(3);

const TEMPLATES: [(&str, &str); 6] = [
    ("autosave-ok.txt", include_str!("../../templates/alerts/autosave-ok.txt")),
    ("autosave-warn.txt", include_str!("../../templates/alerts/autosave-warn.txt")),
    ("autosave-incident.txt", include_str!("../../templates/alerts/autosave-incident.txt")),
    ("autosave-rollback.txt", include_str!("../../templates/alerts/autosave-rollback.txt")),
    ("rollback.md", include_str!("../../templates/alerts/rollback.md")),
    ("rca.md", include_str!("../../templates/alerts/rca.md")),
];

/// Audience of every phase, in percent.
pub(super) fn audiences() -> BTreeMap<String, f64> {
    [("off", 0.0), ("A", 5.0), ("B", 30.0)].map(|(phase, audience)| (phase.to_owned(), audience)).into()
}

/// Writes policy and message templates under `root`; gives back the policy's path.
pub(super) fn write(
    root: &Path,
    dirs: &EditorDirs,
    tuning: &Tuning,
    program: &Path,
) -> std::io::Result<std::path::PathBuf> {
    let templates = root.join("templates");
    std::fs::create_dir_all(&templates)?;
    for (name, text) in TEMPLATES {
        std::fs::write(templates.join(name), text)?;
    }
    let path = root.join("policy.yaml");
    std::fs::write(&path, text(&templates, dirs, tuning, program))?;
    Ok(path)
}

/// Fills the template. A JSON text is a YAML text too, so that paths with any characters are quoted right.
fn text(templates: &Path, dirs: &EditorDirs, tuning: &Tuning, program: &Path) -> String {
    let flag = |arguments: &[&str]| {
        let program = program.display().to_string();
        let directory = dirs.flag.display().to_string();
        let mut command = vec![program, "demo-flag".to_owned(), "--dir".to_owned(), directory];
        // A literal brace in a path is no placeholder.
        command.iter_mut().for_each(|part| *part = part.replace('{', "{{").replace('}', "}}"));
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        json!(command).to_string()
    };
    let values = [
        ("@TARGET@", TARGET.to_owned()),
        ("@WINDOW@", WINDOW.as_secs().to_string()),
        ("@WATCH@", WATCH.as_secs().to_string()),
        ("@CADENCE@", CADENCE.as_secs().to_string()),
        ("@COMPLIANT_WINDOWS@", COMPLIANT_WINDOWS.to_string()),
        ("@LIMIT_A_MS@", tuning.limit_a_ms.to_string()),
        ("@LIMIT_B_MS@", tuning.limit_b_ms.to_string()),
        ("@ROLLBACK@", flag(&["set", "--phase", "{prev}"])),
        ("@PROMOTE@", flag(&["set", "--phase", "{next}"])),
        ("@VERIFY@", flag(&["served"])),
        ("@TEMPLATES@", json!(templates).to_string()),
        ("@TELEMETRY@", json!(dirs.telemetry.join("*.jsonl")).to_string()),
    ];
    let template = include_str!("policy.template.yaml").to_owned();
    values.iter().fold(template, |text, (name, value)| text.replace(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::policy::Policy;
    use domain::template::Templates;
    use shared_types::TargetName;

    #[test]
    fn the_demo_policy_is_in_order_and_holds_the_calibrated_limits() {
        let root = tempfile::Builder::new().prefix("a{b}'\" #: ").tempdir().unwrap();
        let dirs = EditorDirs::under(root.path());
        let tuning = Tuning {
            quiet_p95_ms: 12.0,
            limit_a_ms: 375,
            limit_b_ms: 300,
            lock_patience_ms: 750,
            pause_ms: 400,
            document_lines: 500,
            users: 260,
            users_in_a: 12,
            users_in_b: 79,
        };
        let path = write(root.path(), &dirs, &tuning, Path::new("/opt/phasegate")).unwrap();

        let policy = Policy::load(&path).unwrap().admitted().unwrap();
        let target = &policy.targets[&TargetName::parse(TARGET).unwrap()];
        let limits: Vec<f64> =
            target.phases.iter().map(|phase| phase.thresholds["save_latency_p95"]).collect();
        assert_eq!(limits, [0.375, 0.3]);
        let audience: BTreeMap<String, f64> =
            target.phases.iter().map(|phase| (phase.id.to_string(), phase.audience_percent)).collect();
        assert!(audience.iter().all(|(phase, percent)| (audiences()[phase] - percent).abs() < 1e-9));
        Templates::load(Path::new("."), target).unwrap();
    }
}
