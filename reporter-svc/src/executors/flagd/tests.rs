//! Flag files as people keep them: what is not ours stays, what is not as expected is refused, and a move is done once.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use domain::executors::flagd::Settings;
use proptest::prelude::*;
use serde_json::Value;
use shared_types::PhaseId;
use shared_types::rollout::TransitionKind;
use uuid::Uuid;

use super::text::{self, Refused, Stamp};
use super::{FlagFileError, set};
use domain::executors::flagd::Planned;
use domain::executors::share::{Before, Share};

const FILE: &str = r#"{
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "flags": {
    "other": {"state":"ENABLED", "variants" : {"on":true,"off":false}, "defaultVariant":"on" },
    "autosave": {
      "state": "ENABLED",
      "variants": { "on": true, "off": false },
      "defaultVariant": "off",
      "targeting": {"fractional": [["on", 5], ["off", 95]]},
      "metadata": { "owner": "editor \"team\" \u00e9", "phase": "A", "epoch": 1, "transition": "x", "fence": 8 }
    }
  },
  "metadata": { "version" : 1.50 }
}
"#;

fn share(to: &str, thousandths: u32) -> Planned {
    let settings = Settings {
        file: "flags.json".to_owned(),
        flag: "autosave".to_owned(),
        variant: "on".to_owned(),
        otherwise: None,
    };
    let share = Share { thousandths, before: None };
    Planned { settings, share, phase: PhaseId::parse(to).unwrap() }
}

fn stamp() -> Stamp {
    Stamp { epoch: 4, transition: Uuid::from_u128(7), fence: 9 }
}

fn in_time() -> bool {
    false
}

fn edited(file: &str, share: &Planned) -> String {
    text::set(file, share, stamp()).unwrap()
}

/// RB-9: only the weights and our metadata differ, byte for byte.
#[test]
fn only_the_rule_and_our_metadata_are_touched() {
    let expected = FILE.replace(r#"[["on", 5], ["off", 95]]"#, r#"[["on", 30], ["off", 70]]"#).replace(
        r#""phase": "A", "epoch": 1, "transition": "x", "fence": 8"#,
        r#""phase": "B", "epoch": 4, "transition": "00000000-0000-0000-0000-000000000007", "fence": 9"#,
    );
    assert_eq!(edited(FILE, &share("B", 30_000)), expected);
    let served = text::served(&expected, &share("B", 0).settings).unwrap();
    assert!(served.is(&share("B", 30_000)), "{served}");
    assert!(!served.is(&share("C", 30_000)) && !served.is(&share("B", 5000)));
    assert_eq!(served.to_string(), "B at 30%");
}

/// RB-9: a flag without a rule or metadata gets them; the share may be finer than a percent; who is counted as one stays.
#[test]
fn what_is_missing_is_added_and_the_bucket_is_kept() {
    let bare = r#"{"flags":{"autosave":{"variants":{"off":1,"on":2},"state":"ENABLED"}}}"#;
    assert_eq!(
        edited(bare, &share("A", 500)),
        r#"{"flags":{"autosave":{"variants":{"off":1,"on":2},"state":"ENABLED", "targeting": {"fractional": [["on", 5], ["off", 995]]}, "metadata": {"phase": "A", "epoch": 4, "transition": "00000000-0000-0000-0000-000000000007", "fence": 9}}}}"#
    );
    let bucket = r#"{ "cat":[{"var":"$flagd.flagKey"},{"var":"email"}] }"#;
    let by_email = FILE.replace(r#"[["on", 5],"#, &format!(r#"[{bucket},["on", 5],"#));
    let after = edited(&by_email, &share("off", 0));
    assert!(after.contains(&format!(r#"{{"fractional": [{bucket}, ["on", 0], ["off", 100]]}}"#)), "{after}");
    let empty = FILE.replace(r#"{"fractional": [["on", 5], ["off", 95]]}"#, "{}");
    assert!(edited(&empty, &share("C", 100_000)).contains(r#"{"fractional": [["on", 100], ["off", 0]]}"#));
}

/// RB-9: what is not as expected is left alone, and says what it is.
#[test]
fn a_flag_that_is_not_as_expected_is_refused() {
    for (from, to, expected) in [
        ("\"autosave\"", "\"autosav\"", "the file has no flag `autosave`"),
        ("\"flags\"", "\"flag\"", "the file has no `flags`"),
        (
            "      \"state\": \"ENABLED\"",
            "      \"state\": \"DISABLED\"",
            "the state of `autosave` is DISABLED",
        ),
        ("{ \"on\": true, \"off\"", "{ \"yes\": true, \"off\"", "`autosave` has no variant `on`"),
        ("{ \"on\": true,", "{ \"on\": true, \"x\": 1,", "name it as `otherwise`"),
        ("{\"fractional\": [[", "{\"if\": [[", "it is decided by `if`"),
        ("[\"off\", 95]", "[\"gone\", 95]", "it gives out `gone` too"),
        ("[\"off\", 95]", "[\"off\"]", "a part is not a variant with a whole weight"),
        ("{\"fractional\":", "{\"x\": 1, \"fractional\":", "it has several rules"),
        ("\"phase\": \"A\"", "\"phase\": \"A\", \"phase\": \"B\"", "`phase` stands twice in `metadata`"),
        ("\n}\n", "\n", "the file is no JSON object"),
    ] {
        let file = FILE.replacen(from, to, 1);
        assert_ne!(file, FILE, "{from}");
        let refused = text::set(&file, &share("B", 30_000), stamp()).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}

/// RB-9: what a person set meanwhile is not undone, and it is not for another attempt to try; a rollback takes away whatever is
/// above its goal.
#[test]
fn what_somebody_else_has_moved_is_left_alone() {
    let moved = |kind, before, goal| {
        let planned = share("B", goal);
        Planned {
            share: Share { before: Some(Before { kind, thousandths: before }), ..planned.share },
            ..planned
        }
    };
    let up = text::set(FILE, &moved(TransitionKind::Promote, 1000, 30_000), stamp());
    assert!(
        matches!(&up, Err(Refused::Moved(why)) if why.contains("5% of users are served where 1%")),
        "{up:?}"
    );
    let back = text::set(FILE, &moved(TransitionKind::Rollback, 100_000, 30_000), stamp());
    assert!(matches!(&back, Err(Refused::Moved(why)) if why.contains("raises nothing")), "{back:?}");
    assert!(text::set(FILE, &moved(TransitionKind::Rollback, 100_000, 1000), stamp()).is_ok());
    assert!(text::set(FILE, &moved(TransitionKind::Promote, 5000, 30_000), stamp()).is_ok());
}

proptest! {
    /// RB-9, RB-3: whatever else stands in the file stays byte for byte, any share is read back as set, and setting it again
    /// changes nothing.
    #[test]
    fn foreign_bytes_stay_and_twice_is_once(
        before in "[ \\n\\t]{0,5}",
        note in "\\PC{0,20}",
        thousandths in prop_oneof![0_u32..=100_000, (0_u32..=100).prop_map(|it| it * 1000)],
        weight in 0_u32..=1000,
    ) {
        let note = Value::from(note).to_string();
        let head = format!("{before}{{{before}\"note\":{note},\"flags\":{{\"autosave\":{{\"variants\":{{\"on\":1,\"off\":{note}}},\"state\":\"ENABLED\"{before},\"targeting\"{before}:");
        let tail = format!("{before},\"metadata\":{{\"our\":{note}}}}},\"z\":{note}}}}}{before}");
        let file = format!("{head}{{\"fractional\":[[\"off\",{weight}],[\"on\",7]]}}{tail}");
        let share = share("B", thousandths);
        let after = text::set(&file, &share, stamp()).unwrap();
        prop_assert!(text::served(&after, &share.settings).unwrap().is(&share));
        prop_assert_eq!(&text::set(&after, &share, stamp()).unwrap(), &after);
        prop_assert!(after.starts_with(&head), "{}", after);
        let foreign = |text: &str| -> Value {
            let mut value: Value = serde_json::from_str(text).unwrap();
            let flag = value["flags"]["autosave"].as_object_mut().unwrap();
            flag.remove("targeting");
            let metadata = flag["metadata"].as_object_mut().unwrap();
            for ours in ["phase", "epoch", "transition", "fence"] {
                metadata.remove(ours);
            }
            value
        };
        prop_assert_eq!(foreign(&after), foreign(&file));
        let (kept, rest) = tail.split_once("\"our\":").unwrap();
        prop_assert!(after.contains(kept) && after.ends_with(&rest[note.len() + 1..]), "{}", after);
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.file(), FILE).unwrap();
        folder
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("flags.json")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// RB-3: a crash before the rename leaves the old file whole, and the same move tried again leaves nothing beside it.
#[test]
fn a_crash_in_between_leaves_the_old_file_or_the_new_one() {
    let folder = Folder::new();
    let share = share("B", 30_000);
    let dies = || set(&folder.file(), &share, stamp(), || panic!("the machine stops"), in_time);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(dies)).is_err());
    assert_eq!(folder.text(), FILE);
    let left = folder.0.path().join(format!(".flags.json.{}.tmp", stamp().transition));
    std::fs::write(left, "half of").unwrap();
    assert!(set(&folder.file(), &share, stamp(), || assert_eq!(folder.text(), FILE), in_time).unwrap());
    assert_eq!(folder.text(), edited(FILE, &share));
    assert_eq!(folder.names(), ["flags.json"]);
    assert!(!set(&folder.file(), &share, stamp(), || panic!("nothing is to be written"), in_time).unwrap());
}

/// RB-9: an edit by somebody else between reading and renaming is not lost; the next attempt keeps it.
#[test]
fn an_edit_in_between_is_noticed_and_kept() {
    let folder = Folder::new();
    let share = share("B", 30_000);
    let theirs = FILE.replace("1.50", "1.51");
    let edit = || std::fs::write(folder.file(), &theirs).unwrap();
    let outcome = set(&folder.file(), &share, stamp(), edit, in_time);
    assert!(matches!(outcome, Err(FlagFileError::Changed { .. })), "{outcome:?}");
    assert_eq!((folder.text(), folder.names().len()), (theirs.clone(), 1));
    assert!(set(&folder.file(), &share, stamp(), || {}, in_time).unwrap());
    assert_eq!(folder.text(), edited(&theirs, &share));
}

/// RB-10: an attempt that comes late changes nothing: neither after a later one, nor when its own time is over.
#[test]
fn a_late_attempt_never_overwrites_a_later_one() {
    let folder = Folder::new();
    let later = Stamp { fence: 12, transition: Uuid::from_u128(8), ..stamp() };
    let meanwhile = || assert!(set(&folder.file(), &share("A", 5000), later, || {}, in_time).unwrap());
    let overtaken = set(&folder.file(), &share("B", 30_000), stamp(), meanwhile, in_time);
    assert!(matches!(overtaken, Err(FlagFileError::Changed { .. })), "{overtaken:?}");
    let late = set(&folder.file(), &share("B", 30_000), stamp(), || {}, in_time).unwrap_err().to_string();
    assert_eq!(late, "a later attempt (12) has set the flag; this one (9) comes too late");
    let next = Stamp { fence: 13, ..later };
    let over = set(&folder.file(), &share("B", 30_000), next, || {}, || true);
    assert!(matches!(over, Err(FlagFileError::TooLate { .. })), "{over:?}");
    let kept = folder.text();
    assert!(kept.contains("\"phase\": \"A\"") && kept.contains("\"fence\": 12"), "{kept}");
    assert_eq!(folder.names(), ["flags.json"]);
    assert!(set(&folder.file(), &share("B", 30_000), next, || {}, in_time).unwrap());
}

/// RB-9: a link stays one, and the mode stays what it was.
#[test]
fn links_and_modes_are_kept() {
    let folder = Folder::new();
    std::fs::set_permissions(folder.file(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.0.path().join("link.json");
    symlink("flags.json", &link).unwrap();
    assert!(set(&link, &share("B", 30_000), stamp(), || {}, in_time).unwrap());
    assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("flags.json"));
    assert_eq!(std::fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(folder.text().contains("[\"on\", 30]"));
}
