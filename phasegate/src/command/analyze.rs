//! `phasegate analyze --dry-run` (SLO-11).

use std::io::Read;
use std::path::{Path, PathBuf};

use domain::kinds::Kinds;
use domain::policy::Policy;
use domain::template::Templates;
use domain::whatif::dry_run::{DryRunError, Reaction, dry_run, react, render, worst};
use serde_json::json;
use shared_types::{Decision, PhaseId, TargetName};

use crate::exit::{Exit, error};
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate analyze --dry-run --fixture tests/fixtures/autosave_phaseA_violation.jsonl --phase A
  phasegate analyze --dry-run --fixture - --phase B --policy new-policy.yaml < telemetry.jsonl
  phasegate collect --target autosave --phase A | phasegate analyze --dry-run --fixture - --phase B

The fixture holds batches (as in logs/<target>/) or raw telemetry events, one JSON object a line. Every window
is judged as one of --phase. What the reporter would do is played by its own rules: commands succeed at once,
nobody acknowledges, approves or moves anything, and after a rollback the windows of --phase change nothing.
Exit statuses: 0 ok, 1 warn, 2 violation, 3 insufficient, 4 unsure; 11 wrong policy, 12 wrong usage or fixture,
13 file not found, 15 failed.";

/// Judge a file and say what would follow, without sending or storing anything
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Has to be given: there is nothing else that this command does
    #[arg(long, required = true)]
    dry_run: bool,
    /// Batches or telemetry events, one JSON object a line; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    fixture: PathBuf,
    /// The phase whose thresholds hold
    #[arg(long)]
    phase: PhaseId,
    /// The feature, as the policy names it [default: the policy's only target]
    #[arg(long)]
    target: Option<TargetName>,
    /// The policy file
    #[arg(long, env = "PHASEGATE_POLICY", default_value = "governance/policy.yaml", value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self, kinds: &Kinds) -> anyhow::Result<Exit> {
        debug_assert!(self.dry_run);
        let policy = super::policy::load(&self.policy, kinds)?;
        let target = super::policy::target(&policy, self.target)?;
        let fixture = read(&self.fixture)?;
        let decisions = dry_run(&policy, &target, &self.phase, &fixture).map_err(|cause| {
            error(exit_of(&cause), format!("{}: {:#}", self.fixture.display(), chain(cause)))
        })?;
        let reactions = reactions(&policy, &target, &self.phase, &decisions)?;
        let verdict = worst(&decisions);
        let result = json!({ "verdict": verdict, "decisions": decisions, "plans": reactions });
        self.output.print(&result, |_| render(&decisions, &reactions))?;
        Ok(Exit::Verdict(verdict))
    }
}

fn reactions(
    policy: &Policy,
    target: &TargetName,
    phase: &PhaseId,
    decisions: &[Decision],
) -> anyhow::Result<Vec<Reaction>> {
    let templates = Templates::load(Path::new("."), &policy.targets[target])
        .map_err(|cause| error(Exit::Refused, format!("{:#}", chain(cause))))?;
    Ok(react(policy, target, phase, &templates, decisions)?)
}

fn read(fixture: &Path) -> anyhow::Result<Vec<u8>> {
    if fixture.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(fixture).map_err(|cause| {
        let missing = cause.kind() == std::io::ErrorKind::NotFound;
        let exit = if missing { Exit::NotFound } else { Exit::Failed };
        error(exit, format!("{}: {cause}", fixture.display()))
    })
}

fn exit_of(cause: &DryRunError) -> Exit {
    match cause {
        DryRunError::UnknownTarget(_) | DryRunError::UnknownPhase { .. } => Exit::NotFound,
        DryRunError::Empty
        | DryRunError::NotABatch { .. }
        | DryRunError::OtherTarget { .. }
        | DryRunError::Batch { .. }
        | DryRunError::Different { .. }
        | DryRunError::TooMuchEvidence { .. }
        | DryRunError::Events(_) => Exit::Usage,
    }
}

fn chain(cause: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    cause.into()
}
