//! Flags over environment over TOML file over defaults, for any set of clap arguments.
//!
//! Environment and file are turned into flags in front of the given ones, so that one parser checks all
//! three alike; where each value came from is kept, for errors and `--print-config`.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command, FromArgMatches};
use secrecy::SecretString;
use toml::de::{DeTable, DeValue};

/// The names of the services: sections of the configuration file that other services pass over.
const SECTIONS: [&str; 3] = ["collector", "analyzer", "reporter"];

/// Looks up an environment variable. A test gives its own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The process's own environment.
#[must_use]
pub fn process_environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Which part of the command line and of the file is meant.
#[derive(Debug, Clone, Copy)]
pub struct Spec<'a> {
    /// The subcommand whose arguments are layered; `None`: the command itself.
    pub subcommand: Option<&'a str>,
    /// The sections of the file whose keys count as this command's own.
    pub sections: &'a [&'a str],
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Flag,
    Environment(String),
    /// File and line.
    File(PathBuf, usize),
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// One line that names the place, the value (unless it is a secret) and what was expected.
    #[error("{0}")]
    Invalid(String),
    /// Not an error: the help or the version was asked for.
    #[error("{0}")]
    Display(clap::Error),
}

/// The values, checked, with their sources.
#[derive(Debug)]
pub struct Loaded {
    pub(super) command: Command,
    pub(super) matches: ArgMatches,
    pub(super) sources: BTreeMap<String, Source>,
}

impl Loaded {
    /// The values as they are.
    #[must_use]
    pub fn matches(&self) -> &ArgMatches {
        &self.matches
    }

    /// The values as a struct that derives `clap::Args`.
    ///
    /// # Errors
    /// The struct has arguments that the command did not.
    pub fn get<A: FromArgMatches>(&self) -> Result<A, ConfigError> {
        A::from_arg_matches(&self.matches).map_err(|error| ConfigError::Invalid(first_line(&error)))
    }
}

/// Layers and parses. `arguments` starts with the program's name, as `std::env::args_os` does.
///
/// # Errors
/// [`ConfigError`]: one line, or what `--help` prints.
pub fn load(
    command: Command,
    spec: Spec<'_>,
    arguments: &[OsString],
    environment: Environment<'_>,
) -> Result<Loaded, ConfigError> {
    let command = command.args_override_self(true);
    let target = spec.subcommand.and_then(|name| command.find_subcommand(name)).unwrap_or(&command).clone();
    let start =
        arguments.iter().position(|argument| Some(argument.as_os_str()) == spec.subcommand.map(OsStr::new));
    let start = start.unwrap_or(0) + 1;
    let (before, given) = arguments.split_at(start.min(arguments.len()));

    let file = match given_value(given, "config").or_else(|| non_empty(environment, "PHASEGATE_CONFIG")) {
        Some(path) if target.get_arguments().any(|arg| arg.get_id() == "config") => {
            read_file(Path::new(&path), &target, spec.sections)?
        }
        _ => BTreeMap::new(),
    };
    let mut sources = BTreeMap::new();
    let mut inserted = Vec::new();
    for argument in target.get_arguments() {
        let (id, Some(long)) = (argument.get_id().as_str(), argument.get_long()) else { continue };
        if given.iter().any(|text| is_flag(text, long)) {
            sources.insert(id.to_owned(), Source::Flag);
            continue;
        }
        let variable = argument.get_env().and_then(OsStr::to_str);
        let found = variable
            .and_then(|name| Some((non_empty(environment, name)?, Source::Environment(name.to_owned()))));
        let found = found.or_else(|| file.get(id).map(|(text, source)| (text.into(), source.clone())));
        if let Some((value, source)) = found {
            inserted.extend(as_flag(argument, long, &value, &source)?);
            sources.insert(id.to_owned(), source);
        }
    }
    let arguments = before.iter().chain(&inserted).chain(given);
    let parser = match spec.subcommand {
        Some(name) => command.mut_subcommand(name, without_variables),
        None => without_variables(command),
    };
    let matches =
        parser.try_get_matches_from(arguments).map_err(|error| translate(error, &target, &sources))?;
    let matches = match spec.subcommand.and_then(|name| matches.subcommand_matches(name)) {
        Some(matches) => matches.clone(),
        None => matches,
    };
    Ok(Loaded { command: target, matches, sources })
}

/// The environment has been looked at; clap must not look again, as an empty variable counts as not set. The
/// help still names the variables, without their values.
fn without_variables(command: Command) -> Command {
    command.args_override_self(true).mut_args(|arg| {
        let Some(name) = arg.get_env().and_then(OsStr::to_str).map(str::to_owned) else { return arg };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        arg.env(None).help(format!("{help} [env: {name}]"))
    })
}

fn non_empty(environment: Environment<'_>, name: &str) -> Option<OsString> {
    environment(name).filter(|value| !value.is_empty())
}

fn is_flag(text: &OsStr, long: &str) -> bool {
    let Some(name) = text.to_str().and_then(|text| text.strip_prefix("--")) else { return false };
    name.split('=').next() == Some(long)
}

fn given_value(given: &[OsString], long: &str) -> Option<OsString> {
    let at = given.iter().position(|text| is_flag(text, long))?;
    match given[at].to_str().and_then(|text| text.split_once('=')) {
        Some((_, value)) => Some(value.into()),
        None => given.get(at + 1).cloned(),
    }
}

fn as_flag(arg: &Arg, long: &str, value: &OsStr, source: &Source) -> Result<Option<OsString>, ConfigError> {
    let mut flag = OsString::from(format!("--{long}"));
    if arg.get_action().takes_values() {
        flag.push("=");
        flag.push(value);
        return Ok(Some(flag));
    }
    match value.to_str() {
        Some("true" | "1") => Ok(Some(flag)),
        Some("false" | "0") => Ok(None),
        _ => Err(ConfigError::Invalid(format!("{source}: {}: expected true or false", arg.get_id()))),
    }
}

type FileValues = BTreeMap<String, (String, Source)>;

/// Reads the file's keys as argument ids. A section that belongs to another service is passed over.
fn read_file(path: &Path, command: &Command, sections: &[&str]) -> Result<FileValues, ConfigError> {
    let invalid = |what: String| ConfigError::Invalid(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| invalid(format!("cannot be read: {error}")))?;
    let line_at = |offset: usize| text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
    let document = DeTable::parse(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(span.start));
        ConfigError::Invalid(format!("{}:{line}: {}", path.display(), error.message()))
    })?;
    let known = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id && arg.get_id() != "config");
    let mut values = FileValues::new();
    let mut put = |id: String, shown: &str, value: &DeValue<'_>, offset: usize| {
        let line = line_at(offset);
        let text = scalar(value).ok_or_else(|| {
            let what = "expected a text, a number or true/false";
            ConfigError::Invalid(format!("{}:{line}: {shown}: {what}", path.display()))
        })?;
        values.insert(id, (text, Source::File(path.to_owned(), line)));
        Ok::<(), ConfigError>(())
    };
    let unknown = |shown: &str, offset: usize| {
        ConfigError::Invalid(format!("{}:{}: unknown key `{shown}`", path.display(), line_at(offset)))
    };
    for (key, value) in document.get_ref() {
        let (name, offset) = (key.get_ref().as_ref(), key.span().start);
        let DeValue::Table(section) = value.get_ref() else {
            if !known(name) {
                return Err(unknown(name, offset));
            }
            put(name.to_owned(), name, value.get_ref(), offset)?;
            continue;
        };
        if !SECTIONS.contains(&name) {
            return Err(unknown(name, offset));
        }
        if !sections.contains(&name) {
            continue;
        }
        for (key, value) in section {
            let (inner, offset) = (key.get_ref().as_ref(), key.span().start);
            let shown = format!("{name}.{inner}");
            // `phasegate up` has `collector_listen` where the collector itself has `listen`.
            let id = [format!("{name}_{inner}"), inner.to_owned()].into_iter().find(|id| known(id));
            put(id.ok_or_else(|| unknown(&shown, offset))?, &shown, value.get_ref(), offset)?;
        }
    }
    Ok(values)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// Whether an argument must never be shown: by its type.
pub(super) fn is_secret(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<SecretString>()
}

/// clap's several lines as one that says where the value came from.
fn translate(error: clap::Error, command: &Command, sources: &BTreeMap<String, Source>) -> ConfigError {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return ConfigError::Display(error);
    }
    if let (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        return ConfigError::Invalid(format!("missing {}", missing.join(", ")));
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let named = text(ContextKind::InvalidArg).and_then(|shown| {
        let long = shown.strip_prefix("--")?.split([' ', '=']).next()?;
        command.get_arguments().find(|arg| arg.get_long() == Some(long))
    });
    let (Some(arg), ErrorKind::InvalidValue | ErrorKind::ValueValidation) = (named, error.kind()) else {
        return ConfigError::Invalid(first_line(&error));
    };
    let id = arg.get_id().as_str();
    let place = match sources.get(id) {
        Some(source @ Source::File(..)) => format!("{source}: {id}"),
        Some(Source::Environment(name)) => name.clone(),
        Some(Source::Flag) | None => format!("--{}", arg.get_long().unwrap_or(id)),
    };
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let value = if is_secret(arg) { String::new() } else { format!(" `{value}`") };
    let expected = match (error.get(ContextKind::ValidValue), std::error::Error::source(&error)) {
        (Some(ContextValue::Strings(valid)), _) => format!("expected {}", valid.join(" or ")),
        (_, Some(source)) => source.to_string(),
        _ => "a value is missing".to_owned(),
    };
    ConfigError::Invalid(format!("{place}: invalid value{value}: {expected}"))
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(name) => f.write_str(name),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
        }
    }
}
