//! Templates, and targets that stand in files of their own (PO-1).

use std::fs;
use std::path::Path;

use shared_types::TargetName;

use super::SHIPPED;
use crate::load::PolicyFiles;
use crate::policy::place::Places;
use crate::policy::{Policy, TargetPolicy};

/// The shipped target as a template `usual`, with targets that name it.
fn policy(targets: &str) -> String {
    policy_with("targets:\n", targets)
}

fn policy_with(key: &str, targets: &str) -> String {
    let text = SHIPPED.replacen("targets:\n  autosave:\n    title: AutoSave\n", "templates:\n  usual:\n", 1);
    assert_ne!(text, SHIPPED);
    text.replacen("\nretention:", &format!("\n{key}{targets}\nretention:"), 1)
}

const TWO: &str = "  one: { template: usual, title: One }\n  two: { template: usual, title: Two }\n";

fn read(text: &str) -> Policy {
    Policy::parse(text, "policy.yaml").unwrap_or_else(|error| panic!("{error}"))
}

fn target<'a>(policy: &'a Policy, name: &str) -> &'a TargetPolicy {
    &policy.targets[&TargetName::parse(name).unwrap()]
}

#[track_caller]
fn error(text: &str) -> String {
    Policy::parse(text, "governance/policy.yaml").and_then(Policy::admitted).expect_err(text).to_string()
}

/// The line that a text stands in, from 1.
fn line(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}")) + 1
}

/// PO-1
#[test]
fn a_target_is_its_template_but_for_what_it_says_itself() {
    let shipped = read(SHIPPED);
    let autosave = target(&shipped, "autosave");
    let policy = read(&policy(
        "  plain: { template: usual, title: AutoSave }\n  other:\n    template: usual\n    title: Other\n    \
         collection: { window: 10m }\n    evidence: []\n    gate: { min_samples: 200 }\n",
    ));
    assert_eq!(target(&policy, "plain"), autosave);
    let mut expected = autosave.clone();
    expected.title = "Other".to_owned();
    expected.collection.window = std::time::Duration::from_mins(10);
    expected.evidence = Vec::new().into();
    expected.gate.min_samples = 200;
    assert_eq!(*target(&policy, "other"), expected);
}

/// PO-1: ten thousand targets do not hold ten thousand times the same.
#[test]
fn what_targets_have_from_one_template_is_there_once() {
    let text = policy(&format!(
        "{TWO}  own:\n    template: usual\n    title: Own\n    collection: {{ window: 10m }}\n"
    ));
    let policy = read(&text);
    let [one, two, own] = ["one", "two", "own"].map(|name| target(&policy, name));
    assert!(one.metrics.is(&two.metrics) && one.phases.is(&two.phases) && one.collection.is(&two.collection));
    assert!(one.notifications.is(&own.notifications) && one.transitions.is(&own.transitions));
    assert!(!one.collection.is(&own.collection), "another window");
}

/// PO-1: the place is where the wrong text stands.
#[test]
fn what_is_wrong_is_told_where_it_stands() {
    let own = policy("  one: { template: usual, title: One, gate: { min_samples: x } }\n");
    let at = line(&own, "min_samples: x");
    assert_eq!(
        error(&own),
        format!(
            "governance/policy.yaml:{at}:60: targets.one.gate.min_samples: expected a whole number from 0 on, found `x`"
        )
    );
    let of_template = policy(TWO).replacen("min_samples: 50", "min_samples: x", 1);
    let at = line(&of_template, "min_samples: x");
    assert_eq!(
        error(&of_template),
        format!(
            "governance/policy.yaml:{at}:20: templates.usual.gate.min_samples: expected a whole number from 0 on, found `x`"
        ),
        "once, though two targets have it"
    );
    let of_both = policy("  one: { template: usual, title: One, metrics: { more: { count: x } } }\n");
    let told = error(&of_both);
    assert!(
        told.contains(
            "templates.usual.gate.on_violation: the metric `more` is missing, as the target `one` takes it"
        ),
        "{told}"
    );
}

/// PO-1
#[test]
fn a_template_that_is_wrong_or_not_there_is_refused() {
    for (targets, expected) in [
        (
            "  one: { template: usul, title: One }\n",
            "targets.one.template: there is no template `usul`; expected `usual`",
        ),
        ("  one: { template: [usual], title: One }\n", "targets.one.template: there is no template ``"),
        ("  one: { template: usual }\n", "targets.one: the key `title` is missing"),
        (
            "  one: { template: usual, title: One, titel: x }\n",
            "targets.one.titel: unknown key `titel`; expected `template`",
        ),
        ("  one: { template: usual, title: One, gate: [] }\n", "targets.one.gate: expected a mapping"),
        (
            "  one: { template: usual, title: One, phases: [] }\n",
            "targets.one.phases: expected at least one phase",
        ),
        ("  one: { template: usual, title: One, gate: null }\n", "targets.one: the key `gate` is missing"),
        ("  one: {}\n", "targets.one: the keys `title`, `collection`, `metrics`,"),
        ("  one: x\n", "targets.one: expected a mapping"),
        ("  {}\n", "targets: expected at least one target"),
    ] {
        let told = error(&policy(targets));
        assert!(told.contains(expected) && told.starts_with("governance/policy.yaml:"), "{targets}: {told}");
    }
    let without = SHIPPED.replacen("title: AutoSave", "title: AutoSave\n    template: usual", 1);
    assert!(error(&without).contains("there is no template `usual`; the policy has none"));
}

/// PO-1: a template names no other one, not even itself, so there is no circle of them.
#[test]
fn a_template_is_checked_whether_it_is_used_or_not() {
    let unused =
        |body: &str| policy(TWO).replacen("templates:\n", &format!("templates:\n  unused: {body}\n"), 1);
    for (body, expected) in [
        ("{ template: usual }", "templates.unused.template: a template cannot name another one"),
        ("{ template: unused }", "templates.unused.template: a template cannot name another one"),
        ("{ gat: {} }", "templates.unused.gat: unknown key `gat`; expected `template`, `title`"),
        ("{ gate: { warn_ration: 1 } }", "templates.unused.gate.warn_ration: unknown key `warn_ration`"),
        ("{ phases: x }", "templates.unused.phases: expected a list"),
        ("[]", "templates.unused: expected a mapping"),
    ] {
        let told = error(&unused(body));
        assert!(told.contains(expected), "{body}: {told}");
    }
    read(&unused("{ collection: { window: 5m } }"));
}

/// PL-6: what warns of a template's numbers warns once.
#[test]
fn what_the_lint_finds_in_a_template_is_told_once() {
    let warnings = |text: &str| {
        let policy = read(text);
        policy.lint.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (alone, shared) = (warnings(SHIPPED), warnings(&policy(TWO)));
    assert_eq!(alone.len(), shared.len(), "{shared:#?}");
    assert!(shared.iter().all(|it| it.contains("templates.usual.")), "{shared:#?}");
    let strict = policy(TWO).replacen("min_samples: 50", "min_samples: 0", 1);
    let told = error(&strict);
    assert_eq!(told.matches("[PL-3]").count(), 1, "{told}");
    let allowed = strict.replacen("title: One", "title: One, allow: [PL-3]", 1);
    assert_eq!(error(&allowed).matches("[PL-3]").count(), 1, "the other target does not allow it");
    let both = allowed.replacen("title: Two", "title: Two, allow: [PL-3]", 1);
    read(&both).admitted().unwrap();
}

/// SLO-10: a limit that a target has from its template is found there.
#[test]
fn a_limit_is_found_in_the_template_that_says_it() {
    let text = policy(TWO);
    let place = Places::of(&text).unwrap().threshold("two", "B", "save_latency_p95").unwrap();
    assert_eq!(place.path, "templates.usual.phases[1].thresholds.save_latency_p95");
    let at = text.lines().nth(usize::try_from(place.line).unwrap() - 1).unwrap();
    assert!(at[usize::try_from(place.column).unwrap() - 1..].starts_with("2.0s"), "{at}");
}

/// A folder with a policy whose targets stand in files below it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(patterns: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("policy.yaml", &policy_with(&format!("targets_from: {patterns}\n"), ""));
        folder.write("teams/b.yaml", "targets:\n  two: { template: usual, title: Two }\n");
        folder.write("teams/a.yaml", "---\n# ours\ntargets:\n  one: { template: usual, title: One }");
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self) -> Result<Policy, String> {
        let read = Policy::load(&self.0.path().join("policy.yaml"));
        let base = format!("{}/", self.0.path().display());
        read.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|it| format!(": {it}")).unwrap_or_default();
            format!("{error}{cause}").replace(&base, "")
        })
    }
}

/// PO-1, PO-2: whoever keeps the text of a policy keeps all of it.
#[test]
fn targets_from_files_are_a_policy_whose_text_is_that_of_all_files() {
    let folder = Folder::new("teams/*.yaml");
    folder.write("teams/.hidden.yaml", "no target");
    folder.write("teams/notes.txt", "no target");
    let policy = folder.load().unwrap();
    assert_eq!(policy.targets.keys().map(TargetName::as_str).collect::<Vec<_>>(), ["one", "two"]);
    let kept = Policy::parse(&policy.text, "policy").unwrap();
    assert_eq!((&kept, &kept.version), (&policy, &Policy::version_of(policy.text.as_bytes())));
    folder.write("whole/policy.yaml", &policy.text);
    assert_eq!(Policy::load(&folder.0.path().join("whole/policy.yaml")).unwrap(), policy, "read alone");
    folder.write("teams/b.yaml", "targets:\n  two: { template: usual, title: Second }\n");
    assert_ne!(folder.load().unwrap().version, policy.version);
    folder.write("policy.yaml", &policy_with("targets_from: [./teams/b.yaml, teams/*]\ntargets: {}\n", ""));
    assert!(folder.load().unwrap_err().starts_with("teams/notes.txt:1:1: expected a mapping"));
}

/// PO-2: as long as they are what they were, so is the policy.
#[test]
fn what_was_looked_at_is_each_file_and_each_directory() {
    let folder = Folder::new("[teams/*.yaml, more/x.yaml]");
    let files = PolicyFiles::read(&folder.0.path().join("policy.yaml")).unwrap();
    let names: Vec<_> = files
        .looked_at
        .iter()
        .map(|path| path.strip_prefix(folder.0.path()).unwrap().display().to_string())
        .collect();
    assert_eq!(names, ["more", "policy.yaml", "teams", "teams/a.yaml", "teams/b.yaml"]);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../governance/policy.yaml");
    let alone = PolicyFiles::read(&shipped).unwrap();
    assert_eq!((alone.text.as_str(), alone.looked_at.len()), (SHIPPED, 1));
}

/// PO-1, NO-1: what is shown of it is a policy in order, texts included.
#[test]
fn the_example_of_many_targets_is_admitted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let policy =
        Policy::load(&root.join("examples/policies/many-targets/policy.yaml")).unwrap().admitted().unwrap();
    let names: Vec<&str> = policy.targets.keys().map(TargetName::as_str).collect();
    assert_eq!(names, ["express-checkout", "new-ranking", "saved-cards"]);
    for target in policy.targets.values() {
        crate::template::Templates::load(&root, target).unwrap();
    }
}

/// PO-1: each error names the file that is to be put right.
#[test]
fn what_is_wrong_in_a_file_of_targets_names_that_file() {
    let at = |folder: &Folder, part: &str| {
        line(&fs::read_to_string(folder.0.path().join("policy.yaml")).unwrap(), part)
    };
    for (name, text, expected) in [
        (
            "teams/b.yaml",
            "targets:\n  two: { template: usual, title: \"\" }\n",
            "teams/b.yaml:2:34: targets.two.title: expected a text",
        ),
        ("teams/b.yaml", "targets:\n  two: [\n", "teams/b.yaml:2:8: targets.two[0]: unclosed bracket"),
        (
            "teams/b.yaml",
            "version: 1\ntargets: {}\n",
            "teams/b.yaml:1:1: version: unknown key `version`; expected `targets`",
        ),
        ("teams/b.yaml", "# none yet\n", "teams/b.yaml:1:1: expected a mapping, found nothing"),
        ("teams/b.yaml", "{}\n", "teams/b.yaml:1:1: the key `targets` is missing"),
        (
            "teams/b.yaml",
            "targets:\n  one: { template: usual, title: Two }\n",
            "teams/b.yaml:2:3: targets.one: the target `one` stands there twice, first in `teams/a.yaml`, line 4",
        ),
        (
            "teams/b.yaml",
            "targets: {}\n--- # targets_from: c.yaml\n",
            "teams/b.yaml:2:1: this line stands for the beginning",
        ),
    ] {
        let folder = Folder::new("[teams/*.yaml]");
        folder.write(name, text);
        let told = folder.load().unwrap_err();
        assert!(told.starts_with(expected), "{text}: {told}");
    }
    let folder = Folder::new("[teams/*.yaml, \"\", others/*.yaml, no.yaml, /etc/*.yaml, [x]]");
    let (told, at) = (folder.load().unwrap_err(), at(&folder, "targets_from"));
    for expected in [
        "targets_from[1]: expected files beside or below the policy, such as teams/*.yaml, found ``",
        "targets_from[2]: no file is there for `others/*.yaml`",
        "targets_from[3]: no file is there for `no.yaml`",
        "targets_from[4]: expected files beside or below the policy",
        "targets_from[5]: expected files beside or below the policy",
    ] {
        assert!(
            told.contains(expected) && told.starts_with(&format!("policy.yaml:{at}:")),
            "{expected}: {told}"
        );
    }
}

/// PO-1
#[test]
fn a_file_of_targets_that_cannot_be_read_is_named() {
    let folder = Folder::new("teams/*.yaml");
    std::os::unix::fs::symlink("nowhere", folder.0.path().join("teams/c.yaml")).unwrap();
    let told = folder.load().unwrap_err();
    assert!(told.starts_with("teams/c.yaml: cannot be read: No such file"), "{told}");
    fs::remove_file(folder.0.path().join("teams/c.yaml")).unwrap();
    fs::write(folder.0.path().join("teams/c.yaml"), b"targets:\n  \xff\n").unwrap();
    assert_eq!(folder.load().unwrap_err(), "teams/c.yaml:2:3: expected UTF-8 text");
    folder.write("policy.yaml", &policy_with("targets_from: []\n", ""));
    assert!(folder.load().unwrap_err().contains("targets_from: expected files beside or below the policy"));
}
