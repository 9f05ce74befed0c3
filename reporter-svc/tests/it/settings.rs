//! What kinds can be told, as the README lists it.
//!
//! `PHASEGATE_UPDATE=1 cargo test -p reporter-svc --test it readme` writes the list anew instead of comparing.

use std::fs;
use std::path::Path;

use clap::{Arg, Command};
use reporter_svc::composition::Composition;

const BEGIN: &str = "<!-- generated: settings of kinds -->\n";
const END: &str = "<!-- end -->";

fn row(kind: &str, arg: &Arg) -> Option<String> {
    let variable = arg.get_env()?.to_string_lossy();
    let what = arg.get_help().expect("every setting is explained");
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|it| format!("`{}`", it.to_string_lossy())).collect();
    let default = if defaults.is_empty() { "none".to_owned() } else { defaults.join(", ") };
    Some(format!("| `{variable}` | {kind} | {what} | {default} |\n"))
}

fn rows(kind: &str, arguments: fn(Command) -> Command) -> String {
    arguments(Command::new("reporter")).get_arguments().filter_map(|arg| row(kind, arg)).collect()
}

#[test]
fn the_readme_lists_what_every_kind_can_be_told() {
    let all = Composition::shipped();
    let executors = all.executors.iter().map(|kind| rows(kind.name, kind.arguments));
    let notifiers = all.notifiers.iter().map(|kind| rows(kind.name, kind.arguments));
    let told: String =
        executors.chain(notifiers).chain([rows(all.pager.name, all.pager.arguments)]).collect();
    let content = format!("\n| variable | of | what | default |\n| --- | --- | --- | --- |\n{told}\n");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the list must be marked");
    let (_, after) = rest.split_once(END).expect("the list must end");
    let expected = format!("{before}{BEGIN}{content}{END}{after}");
    if std::env::var_os("PHASEGATE_UPDATE").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    let hint = "PHASEGATE_UPDATE=1 cargo test -p reporter-svc --test it readme";
    assert!(text == expected, "README.md differs from what kinds can be told: {hint}");
}
