//! A command of `transitions`: started without a shell, its arguments with placeholders.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::placeholder::Pattern;
use crate::policy::at::At;
use crate::policy::check::{Checked, Path};
use crate::policy::forms::text;

/// The placeholders that commands may use. The executor fills all of them, see `policy::command`.
pub const COMMAND_PLACEHOLDERS: [&str; 7] =
    ["target", "phase", "prev", "next", "audience", "incident", "reason"];

/// A command, started without a shell.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCommand {
    /// Program and arguments; placeholders `{target}` `{phase}` `{prev}` `{next}` `{audience}` `{incident}` `{reason}`.
    command: At<Vec<At<String>>>,
}

pub(crate) fn check(raw: &RawCommand, path: &Path) -> Checked<Vec<String>> {
    let path = path.key("command");
    let Some(program) = raw.command.value.first() else {
        return Err(raw.command.wrong(&path, "expected a program and its arguments"));
    };
    text(program, &path.index(0))?;
    for (index, argument) in raw.command.value.iter().enumerate() {
        let path = path.index(index);
        if argument.value.contains('\0') {
            return Err(argument.wrong(&path, "expected an argument without a NUL character"));
        }
        Pattern::parse(&argument.value, &COMMAND_PLACEHOLDERS)
            .map_err(|error| argument.wrong(&path, error.to_string()))?;
    }
    Ok(raw.command.value.iter().map(|argument| argument.value.clone()).collect())
}

/// As it would be typed, with quotes around what has blanks in it.
pub(crate) fn words(command: &[String]) -> String {
    let quoted = command.iter().map(|word| {
        if word.is_empty() || word.contains(char::is_whitespace) { format!("{word:?}") } else { word.clone() }
    });
    format!("`{}`", quoted.collect::<Vec<_>>().join(" "))
}
