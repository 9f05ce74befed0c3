//! `phasegate map` (TE-7).

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use domain::kinds::Kinds;
use domain::telemetry::event_specs;
use events::records::is_array;
use shared_types::TargetName;

use crate::exit::{Exit, error, of_file};
use crate::mapping::{Look, Mapped, Proposal, propose, section, text, tried};
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate map /var/log/checkout/app.log
  phasegate map app.log --target checkout      with the events of the policy's metrics
  kubectl logs deploy/checkout | phasegate map -

Looks at the lines, tells the logger and what a container's runtime has written around them, proposes
`source.map`, and shows what lines become and what is left out. With --target, a map that the policy has already
is tried instead; --propose proposes another one.
Nothing is changed: put the map into the policy, and try it with `phasegate map FILE --target TARGET`.

Exit statuses: 0 lines became events, 1 none did; the others as everywhere.";

/// Bytes of a log that are looked at.
const LOOKED_AT: u64 = 64 << 20;

/// Look at an app's log, propose the map that reads it, and show what its lines become
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The log: one JSON object a line, as it is or wrapped by Docker or Kubernetes; `-` is standard input
    file: PathBuf,
    /// The feature whose events are looked for, as the policy names it
    #[arg(long)]
    target: Option<TargetName>,
    /// Propose a map where the policy has one
    #[arg(long, requires = "target")]
    propose: bool,
    /// Lines to look at, from the beginning
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    lines: u64,
    /// The policy file; read with --target
    #[arg(long, env = "PHASEGATE_POLICY", default_value = "governance/policy.yaml", value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self, kinds: &Kinds) -> anyhow::Result<Exit> {
        let (lines, more) = read(&self.file, self.lines)?;
        if lines.first().is_some_and(|line| is_array(line)) {
            let hint = "a JSON array: give each of its elements a line, as `jq -c '.[]'` does";
            return Err(error(Exit::Usage, format!("{}: {hint}", self.file.display())));
        }
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let blank = |line: &&&[u8]| line.iter().all(u8::is_ascii_whitespace);
        let count = lines.len() - lines.iter().filter(blank).count();
        let wanted = match self.target {
            Some(target) => {
                let policy = super::policy::load(&self.policy, kinds)?;
                let target = super::policy::target(&policy, Some(target))?;
                Some(event_specs(&policy.targets[&target])?)
            }
            None => None,
        };
        let look = Look::at(&lines);
        let own = wanted.as_ref().filter(|_| !self.propose).and_then(|specs| Some((specs, specs.map()?)));
        let unusable = |reason: String| error(Exit::Refused, format!("{}: {reason}", self.file.display()));
        let proposed = own.is_none();
        let Proposal { preset, rules, specs, asked } = match own {
            Some((specs, map)) => Proposal::settled(map.rules(), specs),
            None => propose(&look, wanted.as_ref()).map_err(unusable)?,
        };
        let trial = tried(&lines, &look, &rules, &specs);
        let mapped =
            Mapped { lines: count as u64, more, map: section(&rules, preset), proposed, asked, trial };
        self.output.print(&mapped, text)?;
        Ok(if mapped.trial.accepted() > 0 { Exit::Ok } else { Exit::Refused })
    }
}

/// The first lines, and whether there are more.
fn read(file: &Path, most: u64) -> anyhow::Result<(Vec<Vec<u8>>, bool)> {
    let failed = |cause: std::io::Error| error(of_file(&cause), format!("{}: {cause}", file.display()));
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(failed)?)
    };
    let mut input = BufReader::new(input.take(LOOKED_AT));
    let mut lines = Vec::new();
    while (lines.len() as u64) < most {
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok((lines, input.get_ref().limit() == 0));
        }
        line.pop_if(|byte| *byte == b'\n');
        lines.push(line);
    }
    let more = !input.fill_buf().map_err(failed)?.is_empty();
    Ok((lines, more))
}
