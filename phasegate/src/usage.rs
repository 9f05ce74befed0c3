//! A wrong command line, said in one line as every other error is.

use clap::error::ErrorKind;

/// Whether clap's message is a help or a version, asked for or shown because nothing was given.
pub(crate) fn is_help(message: &clap::Error) -> bool {
    matches!(
        message.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// clap's several lines as one: what is wrong, what was meant perhaps, and where the help is.
pub(crate) fn line(message: &clap::Error) -> String {
    let text = message.render().to_string();
    let mut help = "phasegate --help".to_owned();
    let mut said = String::new();
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(usage) = part.strip_prefix("Usage: ") {
            // Up to the first argument it is the subcommand.
            let names = usage.split(' ').take_while(|word| !word.starts_with(['-', '<', '[']));
            help = names.chain(["--help"]).collect::<Vec<_>>().join(" ");
        } else if !part.starts_with("For more information") {
            let part = part.strip_prefix("error: ").unwrap_or(part);
            let joint = if said.is_empty() || said.ends_with(':') { " " } else { ", " };
            said.push_str(joint);
            said.push_str(part.strip_prefix("tip: ").unwrap_or(part));
        }
    }
    format!("{}; see `{help}`", said.trim_start())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::command::Cli;

    #[track_caller]
    fn said(arguments: &[&str], expected: &str) {
        let error = Cli::try_parse_from(std::iter::once(&"phasegate").chain(arguments)).unwrap_err();
        assert!(!is_help(&error));
        assert_eq!(line(&error), expected);
    }

    #[test]
    fn a_wrong_command_line_is_one_line_that_names_its_help() {
        said(
            &["analyze", "--phase", "A"],
            "the following required arguments were not provided: --dry-run, --fixture <FILE>; \
             see `phasegate analyze --help`",
        );
        said(&["bogus"], "unrecognized subcommand 'bogus'; see `phasegate --help`");
        said(
            &["helthcheck"],
            "unrecognized subcommand 'helthcheck', a similar subcommand exists: 'healthcheck'; see `phasegate --help`",
        );
        said(
            &["policy", "check", "a", "b"],
            "unexpected argument 'b' found; see `phasegate policy check --help`",
        );
        said(
            &["completions", "klingon"],
            "invalid value 'klingon' for '<SHELL>', \
             [possible values: bash, elvish, fish, powershell, zsh]; see `phasegate --help`",
        );
    }

    #[test]
    fn a_help_is_no_error() {
        for arguments in [&["phasegate"][..], &["phasegate", "--help"], &["phasegate", "policy"]] {
            assert!(is_help(&Cli::try_parse_from(arguments).unwrap_err()), "{arguments:?}");
        }
    }
}
