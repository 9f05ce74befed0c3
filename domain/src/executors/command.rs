//! The command: an argument vector from the policy with placeholders, started without a shell (RB-2).
//!
//! In the policy it stands as `rollback`, `promote` and `verify` right below `transitions`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Description, ExecutorKind, ExecutorPolicy, Facts, Planner, Report, Request, share};
use crate::placeholder::{Pattern, Values, render_arguments};
use crate::policy::Wrong;
use crate::policy::at::At;
use crate::policy::kind_section::Section;
use crate::policy::tree::{Node, Tree};
use shared_types::PhaseId;
use shared_types::rollout::TransitionKind;

/// Its name.
pub const NAME: &str = "command";

/// The placeholders that commands may use; a checked one can always be rendered.
const PLACEHOLDERS: [&str; 7] = ["target", "phase", "prev", "next", "audience", "incident", "reason"];

/// The kind.
#[derive(Debug, Clone, Copy)]
pub struct Command;

impl ExecutorKind for Command {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, section: &Section) -> Result<Box<dyn Planner>, Wrong> {
        let Shape { rollback, promote, verify } = section.read()?;
        let checked = |key: &str, vector: Vector| vector.checked(section.at(key).at("command"));
        Ok(Box::new(Commands {
            rollback: checked("rollback", rollback)?,
            promote: checked("promote", promote)?,
            verify: verify.map(|it| checked("verify", it)).transpose()?,
        }))
    }

    fn lint(&self, section: &Section, phases: &[&PhaseId]) -> Vec<Wrong> {
        let Ok(Shape { rollback, .. }) = section.read() else { return Vec::new() };
        rollback.lint(section.at("rollback").at("command"), phases)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    rollback: Vector,
    promote: Vector,
    verify: Option<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    command: Vec<String>,
}

impl Vector {
    fn checked(self, section: &Section) -> Result<Vec<String>, Wrong> {
        let (Some(program), Some(place)) = (self.command.first(), section.items().first()) else {
            return Err(section.wrong("expected a program and its arguments"));
        };
        if program.trim().is_empty() {
            return Err(place.wrong("expected a text that is not empty"));
        }
        for (argument, place) in std::iter::zip(&self.command, section.items()) {
            if argument.contains('\0') {
                return Err(place.wrong("expected an argument without a NUL character"));
            }
            Pattern::parse(argument, &PLACEHOLDERS).map_err(|error| place.wrong(error.to_string()))?;
        }
        Ok(self.command)
    }

    /// What keeps a rollback's command from naming the phase to reach.
    fn lint(&self, section: &Section, phases: &[&PhaseId]) -> Vec<Wrong> {
        let uses = |argument: &str, name: &str| {
            Pattern::parse(argument, &PLACEHOLDERS).is_ok_and(|pattern| pattern.names().any(|it| it == name))
        };
        let mut wrong = Vec::new();
        for (index, (argument, place)) in std::iter::zip(&self.command, section.items()).enumerate() {
            if uses(argument, "next") {
                let message = "`{next}` is the phase above: a rollback would raise exposure; write `{prev}`";
                wrong.push(place.wrong(message));
            }
            // `A`, or `--phase=A`.
            let value = argument.rsplit('=').next().unwrap_or_default();
            let is_end = PhaseId::parse(value).is_ok_and(|end| !end.is_gated());
            let is_phase = is_end || phases.iter().any(|phase| phase.as_str() == value);
            if index > 0 && is_phase {
                let message = format!(
                    "`{argument}` is the same phase for every rollback; write `{{prev}}`, the phase to reach"
                );
                wrong.push(place.wrong(message));
            }
        }
        // The share of users to reach says it as well.
        let names_goal = self.command.iter().any(|it| uses(it, "prev") || uses(it, "audience"));
        if wrong.is_empty() && !names_goal {
            let message =
                "the command does not learn the phase to reach; write `{prev}` where the phase belongs";
            wrong.push(section.wrong(message));
        }
        wrong
    }
}

/// A command, started without a shell.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCommand {
    /// Program and arguments; placeholders `{target}` `{phase}` `{prev}` `{next}` `{audience}` `{incident}` `{reason}`.
    pub(crate) command: At<Vec<At<String>>>,
}

impl RawCommand {
    /// As a section: arguments are texts, however they are written.
    pub(crate) fn tree(&self) -> At<Tree> {
        let At { line, column, .. } = self.command;
        let text = |it: &At<String>| At {
            value: Tree(Node::Text(it.value.clone())),
            line: it.line,
            column: it.column,
        };
        let list = Tree::list(self.command.value.iter().map(text).collect());
        let command = (At::new("command", (line, column)), At { value: list, line, column });
        At { value: Tree::map(vec![command]), line, column }
    }
}

/// The argument vectors of a target, with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    pub rollback: Vec<String>,
    pub promote: Vec<String>,
    /// A command whose trimmed output must be the phase now served.
    pub verify: Option<Vec<String>>,
}

impl From<Commands> for ExecutorPolicy {
    fn from(commands: Commands) -> Self {
        Self::new(NAME, Box::new(commands) as Box<dyn Planner>)
    }
}

impl Planner for Commands {
    fn plan(&self, facts: &Facts<'_>) -> Request {
        let values = values(facts);
        // A checked policy has no placeholder that is left open here; were there one, the vector would be empty, which no
        // executor starts.
        let fill = |vector: &Vec<String>| {
            let filled = render_arguments(vector, &values).unwrap_or_default();
            std::iter::zip(vector, filled)
                .map(|(written, filled)| no_option(written, filled))
                .collect::<Vec<_>>()
        };
        let vector = match facts.kind {
            TransitionKind::Promote => &self.promote,
            TransitionKind::Rollback => &self.rollback,
        };
        let served = share::served_alike(facts);
        request(&Started { command: fill(vector), verify: self.verify.as_ref().map(fill), served })
    }

    fn describe(&self) -> Description {
        Description {
            settings: vec![
                ("rollback command", quoted(&self.rollback)),
                ("promote command", quoted(&self.promote)),
            ],
            read_back: self.verify.as_deref().map(quoted),
        }
    }
}

/// A request's own part: what is started, and what reads back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    pub command: Vec<String>,
    pub verify: Option<Vec<String>>,
    /// As [`share::served_alike`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub served: Vec<String>,
}

impl Started {
    /// Of a request.
    ///
    /// # Errors
    /// It is not one of a command.
    pub fn of(request: &Request) -> Result<Self, serde_json::Error> {
        Self::deserialize(&request.data)
    }
}

/// Vectors that are filled in.
#[must_use]
pub fn request(started: &Started) -> Request {
    Request {
        kind: NAME.to_owned(),
        words: shell_text(&started.command),
        reads_back: started.verify.is_some(),
        data: crate::stored::plain(started),
    }
}

/// The report of a command that ended by itself.
#[must_use]
pub fn exited(status: i32) -> Report {
    let facts = [("exit_status".to_owned(), status.into())].into_iter().collect();
    Report { summary: format!("exit status {status}"), facts, ..Report::default() }
}

/// An argument vector as one would type it in a shell; only to be read, the product starts none.
#[must_use]
pub fn shell_text(arguments: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    let quoted = arguments.iter().map(|argument| {
        let bare = !argument.is_empty() && argument.chars().all(plain);
        if bare { argument.clone() } else { format!("'{}'", argument.replace('\'', r"'\''")) }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// What a person typed is no option: an argument that is one only because its value begins with a dash begins with a space.
fn no_option(written: &str, filled: String) -> String {
    if filled.starts_with('-') && !written.starts_with('-') { format!(" {filled}") } else { filled }
}

/// Placeholders and all, as the policy writes it.
fn quoted(command: &[String]) -> String {
    let quoted = command.iter().map(|word| {
        if word.is_empty() || word.contains(char::is_whitespace) { format!("{word:?}") } else { word.clone() }
    });
    format!("`{}`", quoted.collect::<Vec<_>>().join(" "))
}

/// Values for all of [`PLACEHOLDERS`]: `{phase}` is the phase to leave, `{prev}` and `{next}` the phases below and above it
/// (one of them is the phase to reach), `{audience}` the percentage to reach, such as `5`.
fn values(facts: &Facts<'_>) -> Values {
    // A policy that changed its phases since the transition was decided must not move its goal.
    let (prev, next) = match facts.kind {
        TransitionKind::Promote => (facts.below, facts.to),
        TransitionKind::Rollback => (facts.to, facts.above),
    };
    let reason = if facts.reason.is_empty() { "none" } else { facts.reason };
    let values = [
        ("target", facts.target.to_string()),
        ("phase", facts.from.to_string()),
        ("prev", prev.to_string()),
        ("next", next.to_string()),
        ("audience", facts.audience_percent.to_string()),
        ("incident", facts.incident.map_or_else(|| "none".to_owned(), ToString::to_string)),
        ("reason", reason.to_owned()),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use shared_types::{PhaseId, TargetName};

    use super::*;
    use crate::policy::{Policy, TargetPolicy};

    fn autosave() -> (TargetName, TargetPolicy) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../governance/policy.yaml");
        Policy::load(&file).unwrap().targets.into_iter().next().unwrap()
    }

    fn planned(commands: Option<&Commands>, from: &str, to: &str) -> Request {
        planned_for(commands, from, to, "")
    }

    fn planned_for(commands: Option<&Commands>, from: &str, to: &str, reason: &str) -> Request {
        let (target, policy) = autosave();
        let (from, to) = (PhaseId::parse(from).unwrap(), PhaseId::parse(to).unwrap());
        let goes_up = policy.position(&to) > policy.position(&from);
        let facts = Facts {
            kind: if goes_up { TransitionKind::Promote } else { TransitionKind::Rollback },
            target: &target,
            from: &from,
            to: &to,
            below: &policy.below(&from).unwrap_or_else(PhaseId::off),
            above: &policy.above(&from).unwrap_or_else(PhaseId::completed),
            audience_before: policy.audience_percent(&from),
            audience_percent: policy.audience_percent(&to),
            served_alike: &policy.served_alike(&to),
            incident: None,
            reason,
        };
        commands.map_or_else(|| policy.transitions.executor.plan(&facts), |it| it.plan(&facts))
    }

    #[track_caller]
    fn check(from: &str, to: &str, expected: &str) {
        let all: Vec<String> = PLACEHOLDERS.map(|name| format!("{{{name}}}")).into();
        let commands = Commands { rollback: all.clone(), promote: all, verify: None };
        assert_eq!(planned(Some(&commands), from, to).words, expected);
    }

    /// RB-2
    #[test]
    fn every_command_placeholder_has_a_value_in_every_transition() {
        check("C", "B", "autosave C B completed 30 none none");
        check("A", "off", "autosave A off B 0 none none");
        check("off", "A", "autosave off off A 5 none none");
        check("B", "C", "autosave B A C 100 none none");
        check("C", "completed", "autosave C B completed 100 none none");
        check("completed", "C", "autosave completed C completed 100 none none");
    }

    /// RB-2, OP-8: a reason that looks like an option is none.
    #[test]
    fn a_reason_never_becomes_an_option() {
        let vector = ["flags", "{reason}", "--reason={reason}", "--", "{reason} by hand"].map(str::to_owned);
        let commands =
            Commands { rollback: vector.to_vec(), promote: vector.to_vec(), verify: Some(vector.to_vec()) };
        let started = Started::of(&planned_for(Some(&commands), "C", "B", "--phase=C")).unwrap();
        let expected = ["flags", " --phase=C", "--reason=--phase=C", "--", " --phase=C by hand"];
        assert_eq!(started.command, expected);
        assert_eq!(started.verify.unwrap(), expected);
    }

    /// RB-2
    #[test]
    fn the_shipped_rollback_names_the_phase_to_reach() {
        let request = planned(None, "C", "B");
        assert_eq!(request.words, "pnpm run flags:rollback --phase B");
        let started = Started::of(&request).unwrap();
        assert_eq!(started.command, ["pnpm", "run", "flags:rollback", "--phase", "B"]);
        assert_eq!((started.verify, request.reads_back), (None, false));
    }

    /// PH-10: a flag system that knows shares only cannot tell `completed` from the last phase.
    #[test]
    fn what_serves_the_same_share_is_what_was_asked_for() {
        let vector = || vec!["flags".to_owned()];
        let commands = Commands { rollback: vector(), promote: vector(), verify: Some(vector()) };
        let served = |from: &str, to: &str, said: &str| {
            let started = Started::of(&planned(Some(&commands), from, to)).unwrap();
            share::is_served(&PhaseId::parse(to).unwrap(), &started.served, said)
        };
        for said in ["completed", "C", "100%", "100", "100.0 %"] {
            assert!(served("C", "completed", said), "{said}");
        }
        for said in ["B", "30%", "99.9%", "", "1000"] {
            assert!(!served("C", "completed", said), "{said}");
        }
        assert!(served("B", "A", "5%") && !served("B", "A", "B"));
    }

    #[test]
    fn an_argument_vector_is_shown_as_one_would_type_it() {
        let arguments = ["pnpm", "run", "flags:rollback", "it's B", ""].map(str::to_owned);
        assert_eq!(shell_text(&arguments), r"pnpm run flags:rollback 'it'\''s B' ''");
    }
}
