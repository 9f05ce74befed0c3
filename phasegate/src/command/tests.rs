//! The command line as it is promised: in `--help`, in `docs/cli.md`, in its exit statuses.

use clap::{CommandFactory, Parser};

use super::{Cli, cli};
use crate::Product;
use crate::exit::Exit;

fn documentation() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    std::fs::read_to_string(path).unwrap()
}

fn visible() -> Vec<clap::Command> {
    Cli::command().get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect()
}

#[test]
fn the_command_line_is_without_contradictions() {
    cli(&Product::shipped()).debug_assert();
}

#[test]
fn the_documentation_names_every_subcommand_and_no_other() {
    let documentation = documentation();
    for command in visible() {
        let row = format!("| `phasegate {}` |", command.get_name());
        assert!(documentation.contains(&row), "docs/cli.md has no row {row}");
    }
    let rows = documentation.lines().filter(|line| line.starts_with("| `phasegate ")).count();
    assert_eq!(rows, visible().len());
}

#[test]
fn the_documentation_has_the_exit_statuses_of_the_code() {
    let documentation = documentation();
    let table = [
        (Exit::Ok, "done"),
        (Exit::Refused, "refused"),
        (Exit::Usage, "wrong usage or input"),
        (Exit::NotFound, "not found"),
        (Exit::Unreachable, "not reachable"),
        (Exit::Failed, "failed"),
        (Exit::Unknown, "not known"),
    ];
    for (exit, words) in table {
        let row = format!("| {} | {words}", exit.code());
        assert!(documentation.contains(&row), "docs/cli.md has no row {row}");
    }
}

#[test]
fn every_visible_subcommand_teaches_with_examples() {
    for command in visible() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let example = format!("phasegate {}", command.get_name());
        assert!(
            help.contains("Examples:") && help.contains(&example),
            "{} has no examples",
            command.get_name()
        );
        assert!(command.get_about().is_some(), "{} does not say what it does", command.get_name());
    }
}

/// `--output json` wherever a script may want the result.
#[test]
fn results_can_be_read_by_scripts() {
    let names = [
        "start",
        "status",
        "gate",
        "promote",
        "rollback",
        "incidents",
        "incident",
        "ack",
        "review",
        "analyze",
        "explain",
        "backtest",
        "up",
        "daily",
        "pause",
        "backup",
        "restore",
    ];
    for name in names {
        let command = Cli::command();
        let subcommand = command.find_subcommand(name).unwrap();
        assert!(subcommand.get_arguments().any(|argument| argument.get_id() == "output"), "{name}");
    }
}

#[track_caller]
fn refused(arguments: &[&str], expected: &str) {
    let error = Cli::try_parse_from(std::iter::once(&"phasegate").chain(arguments)).unwrap_err();
    let message = error.to_string();
    assert!(message.contains(expected), "{message}");
}

/// RB-7: the current phase and a reason have to be given. CO-8, SLO-11: so do phase and fixture.
#[test]
fn what_has_to_be_given_is_asked_for() {
    refused(&["rollback", "--target", "autosave", "--phase", "B"], "--reason");
    refused(&["rollback", "--target", "autosave", "--reason", "x"], "--phase");
    refused(&["rollback", "--target", "autosave", "--phase", "B", "--reason", ""], "--reason");
    refused(&["analyze", "--fixture", "f", "--phase", "A"], "--dry-run");
    refused(&["review", "INC-20261122-001", "--comment", "x"], "--approve");
    refused(&["review", "INC-20261122-001", "--approve", "--decline", "--comment", "x"], "--decline");
    refused(&["rca", "confirm", "INC-20261122-001", "--read", "sha256:0b1c2d3e4f5a"], "--comment");
    refused(&["rca", "confirm", "INC-20261122-001", "--comment", "seen"], "--read");
    refused(&["ack", "o ne"], "o ne");
    refused(&["collect"], "--phase");
    refused(&["start", "--target", "a/b"], "not a name");
    refused(&["collect", "--phase", "A", "--window", "15"], "expected a duration");
    refused(&["generate", "--events", "many"], "expected a number");
    refused(&["pause", "--target", "autosave", "--seconds", "301"], "0..=300");
    refused(&["gate"], "--target");
    refused(&["gate", "--target", "autosave", "--wait=0s"], "at most 24h");
    refused(&["gate", "--target", "autosave", "--wait", "45m"], "unexpected argument");
    refused(&["daily", "--target", "autosave", "--date", "yesterday"], "--date");
}

/// What a newcomer sees first.
#[test]
fn the_first_help_is_as_it_was_agreed() {
    insta::assert_snapshot!("help", Cli::command().term_width(100).render_help().to_string());
}
