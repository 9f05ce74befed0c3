//! `phasegate policy check`.

use std::path::Path;

use domain::kinds::Kinds;
use domain::policy::{Policy, PolicyError, WrongPolicy};
use domain::template::Templates;
use serde_json::{Value, json};

use super::{unusable, wrong};
use crate::exit::Exit;
use crate::output::{Format, OutputArgs, print, yellow};

pub(super) const EXAMPLES: &str = "\
Examples:
  phasegate policy check
  phasegate policy check new-policy.yaml && mv new-policy.yaml governance/policy.yaml
  phasegate policy check new-policy.yaml --output json | jq -r '.errors[].message'

All that is wrong is told in one run: each place with file, line, path and what to write instead; a rule of the lint stands
before it, as in [PL-1], and `allow: [PL-1]` in a target leaves it out there. Warnings change nothing.
Exit status 0 if the policy is in order, 1 if it is wrong.";

/// Checks a policy, its lint, and the texts that it names.
pub(super) fn run(file: &Path, kinds: &Kinds, output: OutputArgs) -> anyhow::Result<Exit> {
    let policy = match Policy::load_with(file, kinds) {
        Ok(policy) => policy,
        Err(PolicyError::Wrong(places)) => return refused(file, &Found::places(&places), output),
        Err(cause) => return Err(unusable(file, cause)),
    };
    let mut found = Found::places(&policy.lint.refused);
    for (name, target) in &policy.targets {
        if let Err(errors) = Templates::load(Path::new("."), target) {
            found.extend(errors.lines().into_iter().map(|line| Found {
                value: json!({ "target": name, "message": line }),
                line: format!("target {name}: {line}"),
            }));
        }
    }
    if !found.is_empty() {
        return refused(file, &found, output);
    }
    let targets: Vec<_> = policy
        .targets
        .iter()
        .map(|(name, target)| {
            let phases: Vec<&str> = target.phases.iter().map(|phase| phase.id.as_str()).collect();
            json!({ "target": name, "phases": phases, "metrics": target.metrics.len() })
        })
        .collect();
    let summary = json!({
        "file": file,
        "version": policy.version,
        "targets": targets,
        "warnings": policy.lint.warnings,
    });
    output.print(&summary, |_| text(file, &policy))?;
    Ok(Exit::Ok)
}

/// One thing that is wrong, for scripts and for people.
struct Found {
    value: Value,
    line: String,
}

impl Found {
    fn places(places: &[WrongPolicy]) -> Vec<Self> {
        places.iter().map(|it| Self { value: json!(it), line: it.to_string() }).collect()
    }
}

fn refused(file: &Path, found: &[Found], output: OutputArgs) -> anyhow::Result<Exit> {
    if output.output == Format::Json {
        let errors: Vec<&Value> = found.iter().map(|it| &it.value).collect();
        print(&serde_json::to_string_pretty(&json!({ "file": file, "errors": errors }))?)?;
        return Ok(Exit::Refused);
    }
    let lines: Vec<String> = found.iter().map(|it| it.line.clone()).collect();
    Err(wrong(file, &lines))
}

fn text(file: &Path, policy: &Policy) -> String {
    let mut text = format!("{}: in order, version {}\n", file.display(), policy.version);
    for (name, target) in &policy.targets {
        let phases: Vec<String> =
            target.phases.iter().map(|phase| format!("{} {} %", phase.id, phase.audience_percent)).collect();
        text.push_str(&format!("  {name}: {} · {} metrics\n", phases.join(" → "), target.metrics.len()));
    }
    for warning in &policy.lint.warnings {
        text.push_str(&format!("{} {warning}\n", yellow("warning:")));
    }
    text
}
