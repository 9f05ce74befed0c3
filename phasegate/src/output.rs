//! Text for people, JSON for scripts.

use std::io::{IsTerminal as _, Write};

use domain::story::visible::{visible, visible_json};
use serde::Serialize;

/// `--output`, wherever a script may want to read the result.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct OutputArgs {
    /// How to print the result: text for people, or one JSON document for scripts
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

impl OutputArgs {
    /// Prints `value` as JSON, or what `text` makes of it.
    pub(crate) fn print<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        match self.output {
            Format::Json => print_json(value),
            Format::Text => print(text(value).trim_end()),
        }
    }
}

/// Text on standard output, whatever came from outside made visible (OP-8); a reader that went away is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    write_out(&visible(text))
}

/// A JSON document on standard output.
pub(crate) fn print_json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    write_out(&visible_json(&serde_json::to_string_pretty(value)?))
}

/// A colour that a mark is printed in, where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Green,
    Yellow,
}

/// As [`print`], with the mark that a line begins with in its colour.
pub(crate) fn print_marked(text: &str, marks: &[(&str, Colour)]) -> anyhow::Result<()> {
    let marked = |line: &str| {
        let found = marks.iter().find_map(|(mark, colour)| Some((*mark, *colour, line.strip_prefix(mark)?)));
        match found {
            Some((mark, colour, rest)) => format!("{}{}", coloured(mark, colour), visible(rest)),
            None => visible(line).into_owned(),
        }
    };
    write_out(&text.lines().map(marked).collect::<Vec<_>>().join("\n"))
}

/// A line on standard error, made visible.
pub(crate) fn complain(text: &str) {
    eprintln!("{}", visible(text));
}

fn write_out(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// In a colour, where standard output is a terminal that wants colours.
fn coloured(text: &str, colour: Colour) -> String {
    let wanted = std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let code = match colour {
        Colour::Red => 31,
        Colour::Green => 32,
        Colour::Yellow => 33,
    };
    if wanted { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
