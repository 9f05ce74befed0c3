//! Conventions that hold the tree in shape, as tests: what decides does no I/O, SQL stands in stores only,
//! every rule has its proof, and the project's text stays free of one machine's paths.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use domain::effects::notification::NotificationState;
use service_kit::auth::Proof;
use shared_types::audit::{FaultKind, Via};
use shared_types::decision::{Cause, Verdict, ViolationAction};
use shared_types::incident::{EvidenceState, IncidentState, RcaState, ReviewState};
use shared_types::rollout::TransitionKind;
use shared_types::rollout::{HoldReason, RolloutState, TransitionState};
use strum::IntoEnumIterator;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace root").to_path_buf()
}

/// Every file below `directory` with one of `endings`, without build output and hidden folders.
fn files(directory: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

fn sources_below(relative: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root().join(relative), &[".rs"], &mut found);
    assert!(!found.is_empty(), "no sources below {relative}: has the folder moved?");
    found
}

/// Whether the whole file is a test: `tests.rs`, `…_tests.rs`, or below a folder `tests`.
fn is_test(source: &Path) -> bool {
    let named_so = source.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
    let inside = source.strip_prefix(root()).unwrap_or(source);
    named_so || inside.components().any(|part| part.as_os_str() == "tests")
}

/// The lines of a source file before the tests in it, with their numbers. A test module that is a file of its own is only
/// declared here, and what follows the declaration counts.
fn production_part(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let begins_tests = |at: usize| {
        let mut rest = lines[at..].iter().skip_while(|line| line.starts_with("#["));
        lines[at] == "#[cfg(test)]" && rest.next().is_some_and(|item| item.ends_with('{'))
    };
    let end = (0..lines.len()).find(|at| begins_tests(*at)).unwrap_or(lines.len());
    lines.into_iter().take(end).enumerate()
}

#[test]
fn what_follows_the_declaration_of_a_test_module_is_looked_at() {
    let text = "#[cfg(test)]\n#[path = \"x.rs\"]\nmod other;\nuse a;\n#[cfg(test)]\nmod tests {\nuse b;\n}\n";
    assert_eq!(production_part(text).last(), Some((3, "use a;")));
}

#[test]
fn files_that_decide_import_no_io_and_read_no_clock() {
    // The domain crate is held by its dependencies and its clippy.toml.
    let pure = [
        "shared-types/src",
        "collector-svc/src/intake.rs",
        "collector-svc/src/schedule.rs",
        "collector-svc/src/state.rs",
    ];
    let forbidden = [
        "axum",
        "sqlx",
        "reqwest",
        "tokio",
        "std::fs",
        "std::net",
        "std::process",
        "Timestamp::now",
        "SystemTime",
        "Instant::now",
    ];
    let mut offences = Vec::new();
    for place in pure {
        let path = root().join(place);
        let sources = if path.is_file() { vec![path] } else { sources_below(place) };
        for source in sources.into_iter().filter(|source| !is_test(source)) {
            let text = fs::read_to_string(&source).expect("readable source");
            for (number, line) in production_part(&text) {
                let code = line.trim_start();
                if code.starts_with("//") {
                    continue;
                }
                if let Some(word) = forbidden.iter().find(|word| code.contains(*word)) {
                    offences.push(format!("{}:{}: {word}", source.display(), number + 1));
                }
            }
        }
    }
    assert!(offences.is_empty(), "pure files must not do I/O:\n{}", offences.join("\n"));
}

/// What decides cannot talk to anything, because nothing it is built from could.
#[test]
fn the_domain_crate_has_no_dependency_that_does_io() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "domain",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--locked",
            "--offline",
        ])
        .args(["--format", "{lib}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).expect("UTF-8");
    assert!(text.lines().any(|name| name == "shared_types"), "the tree is read: {text}");
    let io = ["tokio", "mio", "axum", "hyper", "sqlx", "sqlx_core", "reqwest", "rustls", "service_kit"];
    let found: Vec<&str> = text.lines().filter(|name| io.contains(name)).collect();
    assert!(found.is_empty(), "the domain crate depends on {found:?}");
}

#[test]
fn sql_stands_only_in_stores_and_migrations() {
    let verbs = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "CREATE TABLE"];
    let mut offences = Vec::new();
    for member in [
        "shared-types/src",
        "domain/src",
        "events/src",
        "service-kit/src",
        "collector-svc/src",
        "analyzer-svc/src",
        "reporter-svc/src",
        "phasegate/src",
        "demo/src",
    ] {
        for source in sources_below(member).into_iter().filter(|source| !is_test(source)) {
            let inside = source.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            let is_store = inside.contains("/store")
                || inside.starts_with("service-kit/src/db")
                || inside.starts_with("service-kit/src/outbox");
            if is_store {
                continue;
            }
            let text = fs::read_to_string(&source).expect("readable source");
            for (number, line) in production_part(&text) {
                let code = line.trim_start();
                if !code.starts_with("//") && verbs.iter().any(|verb| code.contains(verb)) {
                    offences.push(format!("{inside}:{}", number + 1));
                }
            }
        }
    }
    assert!(offences.is_empty(), "SQL outside the stores:\n{}", offences.join("\n"));
}

/// OP-1: a task that is started past `service_kit::Tasks` may die unseen. Elsewhere: what waits for signals as long as the process lives, and
/// a question that is asked once.
#[test]
fn long_lived_tasks_are_started_in_one_place() {
    let allowed = ["service-kit/src/tasks.rs", "service-kit/src/shutdown.rs", "service-kit/src/db/pool.rs"];
    let mut offences = Vec::new();
    for member in ["service-kit/src", "collector-svc/src", "analyzer-svc/src", "reporter-svc/src"] {
        for source in sources_below(member).into_iter().filter(|source| !is_test(source)) {
            let inside = source.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            let text = fs::read_to_string(&source).expect("readable source");
            let spawns = production_part(&text).filter(|(_, line)| line.contains("tokio::spawn("));
            if !allowed.contains(&inside.as_str()) {
                offences.extend(spawns.map(|(number, _)| format!("{inside}:{}", number + 1)));
            }
        }
    }
    assert!(offences.is_empty(), "tasks that nobody watches:\n{}", offences.join("\n"));
}

/// OP-7: a field of a log line is not called as what the line has by itself: JSON would have the key twice.
#[test]
fn no_field_of_a_log_line_has_the_name_of_one_of_the_lines_own() {
    const OWN: [&str; 8] =
        ["timestamp", "level", "message", "target", "filename", "line_number", "span", "spans"];
    const MACROS: [&str; 6] = ["trace!(", "debug!(", "info!(", "warn!(", "error!(", "seldom!("];
    let mut offences = Vec::new();
    for member in
        ["service-kit/src", "collector-svc/src", "analyzer-svc/src", "reporter-svc/src", "phasegate/src"]
    {
        for source in sources_below(member).into_iter().filter(|source| !is_test(source)) {
            let text = fs::read_to_string(&source).expect("readable source");
            let code: Vec<&str> = production_part(&text).map(|(_, line)| line).collect();
            let code = code.join("\n");
            for (at, called) in MACROS.iter().flat_map(|name| code.match_indices(name)) {
                let fields = arguments(&code[at + called.len()..]);
                offences.extend(
                    fields
                        .iter()
                        .map(|field| {
                            field.split('=').next().unwrap_or(field).trim().trim_start_matches(['%', '?'])
                        })
                        .filter(|name| OWN.contains(name))
                        .map(|name| format!("{}: `{name}` in {called}", source.display())),
                );
            }
        }
    }
    assert!(offences.is_empty(), "keys that a log line would have twice:\n{}", offences.join("\n"));
}

/// The arguments of a call up to its closing bracket, by their commas; literals are left out.
fn arguments(after_the_bracket: &str) -> Vec<String> {
    let (mut arguments, mut depth, mut quoted, mut escaped) = (vec![String::new()], 0, false, false);
    for c in after_the_bracket.chars() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '"' => quoted = true,
            ')' | ']' | '}' if depth == 0 => break,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => arguments.push(String::new()),
            _ if depth == 0 => arguments.last_mut().expect("one is there").push(c),
            _ => {}
        }
    }
    arguments
}

#[test]
fn the_arguments_of_a_call_are_told_apart() {
    let found = arguments("%target, a = f(b, target), \"x, target\", target = %it.name);");
    let found: Vec<&str> = found.iter().map(|it| it.trim()).collect();
    assert_eq!(found, ["%target", "a = f", "", "target = %it.name"]);
}

/// A document that failed to be serialised would be kept as nothing, and nobody would be told.
#[test]
fn nothing_is_serialised_with_a_silent_default() {
    let serialising = [
        "serde_json::to_value(",
        "serde_json::to_string(",
        "serde_json::to_vec(",
        "serde_json::to_string_pretty(",
        ".to_json(",
        ".to_pretty_json(",
    ];
    let mut offences = Vec::new();
    for member in [
        "shared-types/src",
        "domain/src",
        "events/src",
        "service-kit/src",
        "collector-svc/src",
        "analyzer-svc/src",
        "reporter-svc/src",
        "phasegate/src",
    ] {
        for source in sources_below(member).into_iter().filter(|source| !is_test(source)) {
            let text = fs::read_to_string(&source).expect("readable source");
            let code: Vec<&str> = production_part(&text).map(|(_, line)| line).collect();
            // What rustfmt has broken into lines is one statement all the same.
            for statement in code.join("\n").split(';') {
                let named = serialising.iter().any(|it| {
                    let after = statement.split(it).nth(1).unwrap_or_default();
                    let end = after.find(".unwrap_or").unwrap_or(0);
                    // Nothing but the call's own arguments stands between.
                    let (between, what) = after.split_at(end);
                    let silent = what.starts_with(".unwrap_or_default()") || what.starts_with(".unwrap_or(");
                    silent && balanced(between) && !between.contains("fn ")
                });
                if named {
                    offences.push(format!("{}: {}", source.display(), statement.trim()));
                }
            }
        }
    }
    assert!(offences.is_empty(), "serialised with a silent default:\n{}", offences.join("\n"));
}

/// Whether `text` ends the parenthesis that was open before it, and nothing else.
fn balanced(text: &str) -> bool {
    let opened = text.matches('(').count();
    text.trim_end().ends_with(')') && text.matches(')').count() == opened + 1
}

/// A word that only one kind of a seam may know, and where it may stand.
struct Own {
    word: &'static str,
    /// The kind's own files, in both halves.
    files: &'static [&'static str],
    /// The literals in which it is registered.
    registries: &'static [&'static str],
    /// Elsewhere, and why.
    exceptions: &'static [(&'static str, &'static str)],
}

const OWN_WORDS: [Own; 4] = [
    Own {
        word: "slack",
        files: &["domain/src/notifiers/slack.rs", "reporter-svc/src/notifiers/slack/"],
        registries: &["domain/src/notifiers/mod.rs", "reporter-svc/src/notifiers/mod.rs"],
        exceptions: &[
            (
                "shared-types/src/audit.rs",
                "by which way an act came in: rows of the audit log have one form for ever",
            ),
            ("service-kit/src/auth/identity.rs", "a name on the wire, in the OpenAPI documents"),
        ],
    },
    Own {
        word: "pagerduty",
        files: &["domain/src/pagers/pagerduty.rs", "reporter-svc/src/pagers/pagerduty/"],
        registries: &["domain/src/pagers/mod.rs", "reporter-svc/src/pagers/mod.rs"],
        exceptions: &[
            (
                "shared-types/src/audit.rs",
                "by which way an act came in: rows of the audit log have one form for ever",
            ),
            ("domain/src/story/words/", "a sentence of its checklist, put together while it is compiled"),
        ],
    },
    Own { word: "argv", files: &["reporter-svc/src/executors/command/"], registries: &[], exceptions: &[] },
    // An address as Slack has them, in a literal or in a comment.
    Own {
        word: "#address",
        files: &["domain/src/notifiers/slack.rs", "reporter-svc/src/notifiers/slack/"],
        registries: &[],
        exceptions: &[
            (
                "domain/src/policy/section/notifications.rs",
                "the example in the policy's documentation, which has to name some address",
            ),
            (
                "domain/src/policy/section/file.rs",
                "the example of a team's file in the policy's documentation, which overrides an address",
            ),
        ],
    },
];

fn names(line: &str, word: &str) -> bool {
    if word != "#address" {
        return line.to_lowercase().contains(word);
    }
    line.match_indices('#').any(|(at, _)| {
        let quoted = line[..at].ends_with(['"', '`']);
        quoted && line[at + 1..].starts_with(|next: char| next.is_ascii_lowercase())
    })
}

#[test]
fn an_address_is_told_from_other_hashes() {
    for (line, address) in [
        ("let to = \"#incident\";", true),
        ("/// `#incident` or `log`", true),
        ("\"# Title\", \"#/$defs\", r#\"x\"#", false),
        ("`#[derive]`", false),
    ] {
        assert_eq!(names(line, "#address"), address, "{line}");
    }
}

/// What a vendor is called, how its addresses look and what a command is made of is known to the kind's own files, and its name
/// to the literal that registers it: one more kind of a seam is met by nothing else.
#[test]
fn only_its_own_files_name_a_kind_of_a_seam() {
    let (mut offences, mut named) = (Vec::new(), BTreeSet::new());
    for member in [
        "shared-types/src",
        "domain/src",
        "service-kit/src",
        "collector-svc/src",
        "analyzer-svc/src",
        "reporter-svc/src",
        "phasegate/src",
    ] {
        for source in sources_below(member).into_iter().filter(|source| !is_test(source)) {
            let inside = source.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            let text = fs::read_to_string(&source).expect("readable source");
            for (number, line) in production_part(&text) {
                for own in OWN_WORDS.iter().filter(|own| names(line, own.word)) {
                    let places = own.files.iter().chain(own.registries);
                    let exceptions = own.exceptions.iter().map(|(place, _)| place);
                    match places.chain(exceptions).find(|place| inside.starts_with(**place)) {
                        Some(place) => drop(named.insert((own.word, *place))),
                        None => offences.push(format!("{inside}:{}: {}", number + 1, own.word)),
                    }
                }
            }
        }
    }
    assert!(offences.is_empty(), "named outside of their own files:\n{}", offences.join("\n"));
    for own in &OWN_WORDS {
        for (place, why) in own.exceptions {
            assert!(named.contains(&(own.word, *place)), "{place} needs no exception any more ({why})");
        }
    }
}

/// Each costs every first build its time.
#[test]
fn every_dependency_of_a_member_is_used_in_its_code() {
    let mut manifests = Vec::new();
    files(&root(), &["Cargo.toml"], &mut manifests);
    let mut unused = Vec::new();
    for manifest in manifests.iter().filter(|manifest| manifest.parent() != Some(root().as_path())) {
        let member = manifest.parent().expect("a folder");
        let mut sources = Vec::new();
        files(member, &[".rs"], &mut sources);
        let code: String =
            sources.iter().map(|source| fs::read_to_string(source).expect("readable source")).collect();
        let text = fs::read_to_string(manifest).expect("readable manifest");
        // There they are named for their features alone, see lab/fuzz/Cargo.toml.
        let looked_at = |table: &&str| {
            let name = table.split(']').next().unwrap_or_default();
            is_of_dependencies(name) && !(member.ends_with("lab/fuzz") && name == "dev-dependencies")
        };
        let tables = text.split("\n[").filter(looked_at);
        for line in tables.flat_map(str::lines).filter(|line| line.contains(" = ")) {
            let name = line.split(['.', ' ']).next().unwrap_or_default();
            let in_code = name.replace('-', "_");
            let named = |c: &str| code.contains(&format!("{in_code}{c}"));
            if !named("::") && !named("!") && !named(";") {
                unused.push(format!("{}: {name}", member.display()));
            }
        }
    }
    assert!(unused.is_empty(), "remove from the manifests:\n{}", unused.join("\n"));
}

fn is_of_dependencies(table: &str) -> bool {
    table == "dependencies" || table == "dev-dependencies"
}

/// The rules this version keeps. One that loses its proof fails here; a new one is added with its proof.
const PROVEN_RULES: &str = "
    PH-1 PH-2 PH-3 PH-4 PH-5 PH-6 PH-7 PH-8
    TE-1 TE-2 TE-3 TE-4 TE-5
    CO-1 CO-2 CO-3 CO-4 CO-5 CO-6 CO-7 CO-8 CO-9
    SLO-1 SLO-2 SLO-3 SLO-4 SLO-5 SLO-6 SLO-7 SLO-8 SLO-9 SLO-10 SLO-11
    DE-1 DE-2 DE-3 DE-4 DE-5
    NO-1 NO-2 NO-3 NO-4 NO-5 NO-6
    RB-1 RB-2 RB-3 RB-4 RB-5 RB-6 RB-7 RB-8
    ES-1 ES-2 ES-3 ES-4
    GO-1 GO-2 GO-3 GO-4
    EV-1 EV-2 EV-3
    DA-1 DA-2 DA-3 DA-5
    PO-1 PO-2 PO-3 PO-4
    OP-1
    OP-2
    OP-6
    VE-1";

#[test]
fn every_rule_of_this_version_is_named_by_a_test() {
    let mut sources = Vec::new();
    files(&root(), &[".rs"], &mut sources);
    let mut proven = BTreeSet::new();
    for source in sources.iter().filter(|path| !path.ends_with("tests/tests/conventions.rs")) {
        let text = fs::read_to_string(source).expect("readable source");
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if !line.trim_start().starts_with("///") {
                continue;
            }
            // A proof is a doc comment whose item is a test: `#[test]` or its like follows before the body.
            let is_test = lines[number..]
                .iter()
                .take(12)
                .take_while(|next| !next.contains('{'))
                .any(|next| next.contains("test]") || next.contains("test("));
            if is_test {
                proven.extend(
                    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                        .filter(|word| word.contains('-'))
                        .map(str::to_owned),
                );
            }
        }
    }
    let missing: Vec<&str> = PROVEN_RULES.split_whitespace().filter(|rule| !proven.contains(*rule)).collect();
    assert!(missing.is_empty(), "rules without a test that names them: {}", missing.join(" "));
}

#[test]
fn the_text_names_no_machine_of_ours() {
    let mut texts = Vec::new();
    files(
        &root(),
        &[".rs", ".md", ".toml", ".yaml", ".yml", ".json", ".sql", ".txt", "Dockerfile", "run"],
        &mut texts,
    );
    // Put together here, so that this file does not name them itself.
    let forbidden = [format!("/{}/main", "work"), format!("/{}/.cargo", "root"), format!("/tmp/{}/", "wt")];
    let mut offences = Vec::new();
    for path in texts {
        let text = fs::read_to_string(&path).unwrap_or_default();
        offences.extend(
            forbidden
                .iter()
                .filter(|word| text.contains(*word))
                .map(|word| format!("{}: {word}", path.display())),
        );
    }
    assert!(offences.is_empty(), "paths of one machine:\n{}", offences.join("\n"));
}

/// What is compared, stored or printed by its name has the same name as JSON.
#[test]
fn names_of_values_are_those_of_their_json() {
    fn check<T: IntoEnumIterator + Into<&'static str> + serde::Serialize + Copy>() {
        for value in T::iter() {
            assert_eq!(serde_json::to_value(value).unwrap(), value.into(), "{}", std::any::type_name::<T>());
        }
    }
    check::<Verdict>();
    check::<Cause>();
    check::<ViolationAction>();
    check::<RolloutState>();
    check::<TransitionState>();
    check::<HoldReason>();
    check::<IncidentState>();
    check::<RcaState>();
    check::<ReviewState>();
    check::<EvidenceState>();
    check::<Via>();
    check::<FaultKind>();
    check::<Proof>();
    check::<NotificationState>();
    check::<TransitionKind>();
}
