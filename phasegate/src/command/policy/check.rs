//! `phasegate policy check`.

use std::collections::HashSet;
use std::path::Path;

use domain::policy::lint::Rule;
use domain::policy::place::{Place, Places};
use domain::policy::{Policy, PolicyError, WrongPolicy};
use domain::template::texts::Texts;
use serde_json::{Value, json};

use super::file::{unusable, wrong};
use crate::Product;
use crate::exit::Exit;
use crate::output::{Colour, Format, OutputArgs, print_json, print_marked};

pub(super) const EXAMPLES: &str = "\
Examples:
  phasegate policy check
  phasegate policy check new-policy.yaml && mv new-policy.yaml governance/policy.yaml
  phasegate policy check new-policy.yaml --output json | jq -r '.errors[].message'

All that is wrong is told in one run: each place with file, line, path and what to write instead; a rule of the lint stands
before it, as in [PL-1], and `allow: [PL-1]` in a target leaves it out there. Warnings change nothing.
Exit status 0 if the policy is in order, 1 if it is wrong.";

/// Checks a policy, its lint, and the texts that it names.
pub(super) fn run(file: &Path, product: &Product, output: OutputArgs) -> anyhow::Result<Exit> {
    let policy = match Policy::load_with(file, product.kinds()) {
        Ok(policy) => policy,
        Err(PolicyError::Wrong(places)) => return refused(file, &Found::places(&places), output),
        Err(cause) => return Err(unusable(file, cause)),
    };
    let mut found = Found::places(&policy.lint.refused);
    let mut texts = Texts::new(|file| std::fs::read_to_string(file));
    for (name, target) in &policy.targets {
        if let Err(errors) = texts.of(target) {
            found.extend(errors.lines().into_iter().map(|line| Found {
                value: json!({ "target": name, "message": line }),
                line: format!("target {name}: {line}"),
            }));
        }
    }
    if !found.is_empty() {
        return refused(file, &found, output);
    }
    let mut warnings = policy.lint.warnings.clone();
    warnings.extend(programs(file, &policy, product)?);
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
        "warnings": warnings,
    });
    match output.output {
        Format::Json => print_json(&summary)?,
        Format::Text => {
            print_marked(text(file, &policy, &warnings).trim_end(), &[(WARNING, Colour::Yellow)])?;
        }
    }
    Ok(Exit::Ok)
}

/// PL-2: what would keep moves from being made, were the reporter started here. It may be started elsewhere, so it is a warning,
/// and it is the start of a rollout that is refused.
fn programs(file: &Path, policy: &Policy, product: &Product) -> anyhow::Result<Vec<WrongPolicy>> {
    let (executors, places) = (product.executors()?, Places::of(&policy.text));
    let (mut found, mut told) = (Vec::new(), HashSet::new());
    for (name, target) in &policy.targets {
        for obstacle in executors.obstacles(name, target) {
            let place = places.as_ref().and_then(|it| Some((it, it.transitions(name.as_str())?)));
            let Some((places, place)) = place else { continue };
            let message = format!("{obstacle} here; where the reporter runs without it, no rollout starts");
            // What targets have from one template is told once.
            if told.insert((place.line, place.column, message.clone())) {
                let (file, line) = places.in_file(&place, &file.display().to_string());
                let (Place { path, column, .. }, rule) = (place, Some(Rule::Programs));
                found.push(WrongPolicy { file, line, column, path, rule, message });
            }
        }
    }
    Ok(found)
}

/// What a warning's line begins with.
const WARNING: &str = "warning:";

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
        print_json(&json!({ "file": file, "errors": errors }))?;
        return Ok(Exit::Refused);
    }
    let lines: Vec<String> = found.iter().map(|it| it.line.clone()).collect();
    Err(wrong(file, &lines))
}

fn text(file: &Path, policy: &Policy, warnings: &[WrongPolicy]) -> String {
    let mut text = format!("{}: in order, version {}\n", file.display(), policy.version);
    for (name, target) in &policy.targets {
        let phases: Vec<String> =
            target.phases.iter().map(|phase| format!("{} {} %", phase.id, phase.audience_percent)).collect();
        text.push_str(&format!("  {name}: {} · {} metrics\n", phases.join(" → "), target.metrics.len()));
    }
    for warning in warnings {
        text.push_str(&format!("{WARNING} {warning}\n"));
    }
    text
}
