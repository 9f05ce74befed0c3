//! In `lab/`: `cargo run --release -p phasegate-scorecard -- --small`. See docs/judgement.md.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use phasegate_scorecard::bound::fewest_windows;
use phasegate_scorecard::chart::chart;
use phasegate_scorecard::compare::Comparison;
use phasegate_scorecard::corpus::{Trace, each_rollout_of};
use phasegate_scorecard::python::{self, Asked, draw};
use phasegate_scorecard::row::Row;
use phasegate_scorecard::table::{self, Rule};
use phasegate_scorecard::walk::{Gate, walk};

const HELP: &str = "\
A rollout of the corpus is five days of a version whose truth is known: healthy, bad (it breaks a limit of a phase), or worse than \
what it replaces but within its limits. Phasegate's gate judges each window and Phasegate's rules move the rollout, so what a window \
holds depends on what was decided before. A rollback is right if the version broke a limit of that phase within the last hour. \
Rules of peers walk through the same rollouts, in Python and in our words.

  phasegate-scorecard --small                     two small corpora that are checked in; needs no Python
  phasegate-scorecard --seeds 2,3                 472 rollouts a seed; python3 with numpy; minutes
  phasegate-scorecard --seeds 7 --only near_limit step_1.5 --rules 'phasegate' 'argo'
  phasegate-scorecard --seeds 2 --bunch 1.5       a session that fails has 1.5 errors in the mean
  phasegate-scorecard --seeds 2 --compare         the gate beside its reference, window by window
  phasegate-scorecard --corpus seed-2.jsonl       what `corpus/write.py --seed 2 --rules --log` wrote

Errors carry sessions, and 5 % of the users are left out as a control group, or as many as `--control` says. The line `reference` is the \
same rule in Python; the two should agree within two points.";

/// Counts how often the gate is right, on rollouts whose truth is known
#[derive(Parser)]
#[command(after_long_help = HELP)]
struct Arguments {
    /// Draw these seeds of the corpus anew
    #[arg(long, value_delimiter = ',', value_name = "SEED,…")]
    seeds: Vec<u64>,
    /// The corpora that are checked in: one rollout of each class, of the seeds 2 and 3
    #[arg(long, conflicts_with_all = ["seeds", "corpus"])]
    small: bool,
    /// Files that `corpus/write.py` wrote; `.gz` too
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "seeds")]
    corpus: Vec<PathBuf>,
    /// Rollouts of these classes alone
    #[arg(long, num_args = 1.., value_name = "CLASS")]
    only: Vec<String>,
    /// Rules of peers whose names begin so; without it all of them
    #[arg(long, num_args = 1.., value_name = "RULE")]
    rules: Vec<String>,
    /// Mean errors of a session that has any; 1: errors come singly
    #[arg(long, value_name = "ERRORS", requires = "seeds")]
    bunch: Option<f64>,
    /// The control group at full exposure, as a part of all users: 0.05 is a hold-out, 0.3 a sibling event
    #[arg(long, value_name = "SHARE", requires = "seeds")]
    control: Option<f64>,
    /// Instead of the tables: where the gate and its reference part, window by window
    #[arg(long)]
    compare: bool,
    /// A table a class of these rules too, by the first letters of their names
    #[arg(long, num_args = 1.., value_name = "RULE", default_values_t = ["Phasegate".to_owned()])]
    classes: Vec<String>,
    /// Writes how each rollout went by each rule, as JSON
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,
    /// Draws all rules as one picture (SVG)
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
    /// A policy of yours instead of `examples/policies/control-group.yaml`
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("phasegate-scorecard: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let gates = gates(arguments.policy.as_deref())?;
    if arguments.compare {
        let mut comparison = Comparison::default();
        rollouts(arguments, |trace| comparison.add(&trace, &gates[0]))?;
        anyhow::ensure!(comparison.windows() > 0, "no line of the corpus has a log of the reference");
        print!("{comparison}");
        return Ok(());
    }
    let mut rules: Vec<Rule> =
        gates.iter().map(|gate| Rule { name: gate.name.clone(), rows: Vec::new() }).collect();
    rollouts(arguments, |trace| {
        for (gate, rule) in std::iter::zip(&gates, &mut rules) {
            rule.rows.push(bounded(walk(&trace, gate)?, &trace));
        }
        for (name, row) in &trace.rules {
            let wanted = arguments.rules.is_empty() || arguments.rules.iter().any(|it| name.starts_with(it));
            if wanted {
                let row: Row = serde_json::from_value(row.clone()).with_context(|| trace.id.clone())?;
                of(&mut rules, name).rows.push(bounded(row, &trace));
            }
        }
        Ok(())
    })?;
    if let Some(file) = &arguments.rows {
        let rows: serde_json::Map<String, serde_json::Value> = rules
            .iter()
            .map(|rule| Ok((rule.name.clone(), serde_json::to_value(&rule.rows)?)))
            .collect::<Result<_>>()?;
        std::fs::write(file, serde_json::to_vec(&rows)?).with_context(|| file.display().to_string())?;
    }
    if let Some(file) = &arguments.chart {
        std::fs::write(file, chart(&rules)).with_context(|| file.display().to_string())?;
    }
    print!("{}", table::rules(&rules));
    for rule in &rules {
        if arguments.classes.iter().any(|it| rule.name.starts_with(it)) {
            print!("\n### {}\n\n{}", rule.name, table::classes(rule));
        }
    }
    Ok(())
}

/// By evidence beside a control group, by evidence as shipped, and window by window as the source document says.
fn gates(policy: Option<&Path>) -> Result<[Gate; 3]> {
    let root = python::folder().join("../../..");
    let of = |name: &str, file: &Path| {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        Gate::of(name, &text).with_context(|| file.display().to_string())
    };
    let with_control = root.join("examples/policies/control-group.yaml");
    Ok([
        of("Phasegate, control group", policy.unwrap_or(&with_control))?,
        of("Phasegate, no control group", &root.join("governance/policy.yaml"))?,
        of("Phasegate, judge: window", &root.join("examples/policies/source-document.yaml"))?,
    ])
}

fn bounded(row: Row, trace: &Trace) -> Row {
    Row { bound: fewest_windows(trace, &row), ..row }
}

fn of<'r>(rules: &'r mut Vec<Rule>, name: &str) -> &'r mut Rule {
    let found = rules.iter().position(|rule| rule.name == name);
    let index = found.unwrap_or_else(|| {
        rules.push(Rule { name: name.to_owned(), rows: Vec::new() });
        rules.len() - 1
    });
    &mut rules[index]
}

/// All rollouts that were asked for; how many there were so far goes to standard error.
fn rollouts(arguments: &Arguments, mut take: impl FnMut(Trace) -> Result<()>) -> Result<()> {
    let mut count = 0_u64;
    let mut told = |trace: Trace| {
        if !arguments.only.is_empty() && !arguments.only.contains(&trace.class) {
            return Ok(());
        }
        count += 1;
        if count.is_multiple_of(50) {
            eprintln!("{count} rollouts, at {} of seed {}", trace.id, trace.seed);
        }
        take(trace)
    };
    for seed in &arguments.seeds {
        let asked = Asked {
            seed: *seed,
            only: arguments.only.clone(),
            rules: arguments.rules.clone(),
            log: arguments.compare,
            bunch: arguments.bunch,
            control: arguments.control,
        };
        draw(&asked, &mut told)?;
    }
    for file in &arguments.corpus {
        each_rollout_of(file, &mut told)?;
    }
    if arguments.small || (arguments.seeds.is_empty() && arguments.corpus.is_empty()) {
        for name in ["seed-2.small.jsonl.gz", "seed-3.small.jsonl.gz"] {
            each_rollout_of(&python::folder().join(name), &mut told)?;
        }
    }
    Ok(())
}
