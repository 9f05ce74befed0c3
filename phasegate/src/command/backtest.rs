//! `phasegate backtest` (PO-4).

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use analyzer_svc::http::BacktestRequest;
use analyzer_svc::store::StoredBatch;
use domain::kinds::Kinds;
use domain::policy::Policy;
use domain::policy::units::parse_duration;
use domain::whatif::archive::Archive;
use domain::whatif::compare::{Backtest, Limits};
use service_kit::clock::{Clock, SystemClock};
use shared_types::{Batch, Decision, Page, TargetName, Timestamp};

use crate::api::{AnalyzerArgs, Api};
use crate::backtest::{Compared, Courses, Rollout, archived, parsed, text};
use crate::exit::{Exit, error};
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate backtest --policy new-policy.yaml --last 30d
  phasegate backtest --policy new-policy.yaml --from 2026-10-01T00:00:00Z --to 2026-11-01T00:00:00Z
  phasegate backtest --policy new-policy.yaml --jsonl 'logs/autosave/*.jsonl'

History comes from the analyzer, which compares with what was decided; or from archived batches, which
are judged under --against too. The rollout is played by the reporter's machine under both policies:
every command succeeds at once, every approval is there, every incident is acknowledged, and what was
measured stays as it was measured, at the audience of its time.
What the past does not show is said, and is no agreement: windows of another length than the new policy asks
for, windows that are missing, metrics that were not counted. With it comes the spread of each metric with
attempts, as `gate.spread` has it, measured over the compliant windows of the last 30 days.
Exit statuses: 0 nobody would have acted otherwise, 1 somebody would, 3 no such target or file, 6 no difference
was found, and not all of it could be replayed.";

/// Try a policy on what was: changed decisions, rollbacks gained and lost, phases reached, detection delay
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The policy to try
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The policy it is held against: of archived batches the whole comparison, of stored history the rollout
    #[arg(long, env = "PHASEGATE_POLICY", default_value = "governance/policy.yaml", value_name = "FILE")]
    against: PathBuf,
    /// The feature [default: the policy's only target]
    #[arg(long)]
    target: Option<TargetName>,
    /// Windows that begin at or after this (RFC 3339)
    #[arg(long, value_parser = moment, value_name = "TIME", required_unless_present_any = ["jsonl", "last"])]
    from: Option<Timestamp>,
    /// And before this [default: now]
    #[arg(long, value_parser = moment, value_name = "TIME")]
    to: Option<Timestamp>,
    /// So far back from now
    #[arg(long, value_parser = duration, value_name = "DURATION", conflicts_with_all = ["from", "to"])]
    last: Option<Duration>,
    /// Archived batches instead of the analyzer's history: a file or glob; may be repeated
    #[arg(long, value_name = "FILE")]
    jsonl: Vec<String>,
    /// Only the gate's comparison, without the rollout
    #[arg(long)]
    gate_only: bool,
    /// Judge stored history from its batches, also where what was observed would do
    #[arg(long, conflicts_with = "jsonl")]
    whole: bool,
    /// So many changed decisions are listed in the JSON; all are counted
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(..=10_000))]
    limit: u32,
    #[command(flatten)]
    analyzer: AnalyzerArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|it| !it.is_zero())
        .ok_or_else(|| "expected a duration such as 30d".to_owned())
}

impl Args {
    pub(super) fn run(self, kinds: &Kinds) -> anyhow::Result<Exit> {
        let new = Arc::new(super::policy::load(&self.policy, kinds)?);
        let old = Arc::new(super::policy::load(&self.against, kinds)?);
        let target = super::policy::target(&new, self.target.clone())?;
        super::policy::target(&old, Some(target.clone()))?;
        let compared = if self.jsonl.is_empty() {
            super::block_on(self.stored(&old, &new, &target))?
        } else {
            self.archived(&old, &new, &target)?
        };
        self.output.print(&compared, text)?;
        Ok(match (compared.same, compared.differs) {
            (true, _) => Exit::Ok,
            (false, true) => Exit::Refused,
            (false, false) => Exit::Unknown,
        })
    }

    fn rollouts(&self, old: &Arc<Policy>, new: &Arc<Policy>, target: &TargetName) -> Option<[Rollout; 2]> {
        let rollout = |policy: &Arc<Policy>| Rollout::new(Arc::clone(policy), target, old);
        (!self.gate_only).then(|| Some([rollout(old)?, rollout(new)?])).flatten()
    }

    /// Archived batches: everything is judged here.
    fn archived(
        &self,
        old: &Arc<Policy>,
        new: &Arc<Policy>,
        target: &TargetName,
    ) -> anyhow::Result<Compared> {
        let limits = Limits { changes: usize::try_from(self.limit)?, strip: 0 };
        let unknown = || error(Exit::NotFound, format!("the policy has no target `{target}`"));
        let mut archive =
            Archive::new(target.clone(), Arc::clone(old), Arc::clone(new), limits).ok_or_else(unknown)?;
        let mut rollouts = self.rollouts(old, new, target);
        let mut progress = Progress::new();
        let from = self.last.map(|last| SystemClock.now().minus(last)).or(self.from);
        let mut newest: Option<Batch> = None;
        for batch in parsed(archived(&self.jsonl)?, target.clone(), from, self.to) {
            let batch = batch?;
            in_order(newest.as_ref(), &batch)?;
            let observed = archive.add(&batch, batch.collected_at);
            for rollout in rollouts.iter_mut().flatten() {
                rollout.add(&batch, batch.collected_at, observed.as_ref());
            }
            newest = Some(batch);
            progress.step();
        }
        progress.end();
        let nothing = || {
            error(
                Exit::NotFound,
                format!(
                    "the files hold no batch of `{target}` in that time; those of `off` and `completed` do not count"
                ),
            )
        };
        Ok(Compared::new(archive.finish().ok_or_else(nothing)?, rollouts.map(courses)))
    }

    /// Stored history: the gate's side is the analyzer's, the rollout is played here.
    async fn stored(
        &self,
        old: &Arc<Policy>,
        new: &Arc<Policy>,
        target: &TargetName,
    ) -> anyhow::Result<Compared> {
        let api = self.analyzer.api()?;
        let now = SystemClock.now();
        let to = self.to.unwrap_or(now);
        let from = self.last.map(|last| now.minus(last)).or(self.from).unwrap_or(to);
        let request = BacktestRequest {
            target: target.clone(),
            from,
            to: Some(to),
            policy: Some(new.text.to_string()),
            policy_version: None,
            whole: self.whole,
            limit: Some(self.limit),
            strip: None,
        };
        let gate: Backtest = api.post("/v1/backtests", &serde_json::to_value(request)?).await?;
        let Some(mut rollouts) = self.rollouts(old, new, target) else {
            return Ok(Compared::new(gate, None));
        };
        let mut progress = Progress::new();
        let mut measure = domain::whatif::archive::Judge::new(Arc::clone(old), target.clone(), None);
        for stored in batches(&api, target, from, to).await? {
            let (batch, arrived) = (&stored.batch, stored.received_at);
            let of = domain::whatif::archive::Archived::as_recorded(batch, arrived);
            let observed: Option<Decision> = measure.as_mut().and_then(|judge| judge.judge(of, None).ok());
            for rollout in &mut rollouts {
                rollout.add(batch, arrived, observed.as_ref());
            }
            progress.step();
        }
        progress.end();
        Ok(Compared::new(gate, Some(courses(rollouts))))
    }
}

fn courses([old, new]: [Rollout; 2]) -> Courses {
    Courses { old: old.finish(), new: new.finish() }
}

/// A window of a time is judged after all before it.
fn in_order(before: Option<&Batch>, batch: &Batch) -> anyhow::Result<()> {
    match before.filter(|before| before.window.end > batch.window.start) {
        None => Ok(()),
        Some(before) => {
            let (this, before) = (batch.window, before.window);
            Err(error(
                Exit::Usage,
                format!(
                    "the window {this} stands after {before}: give files and lines in order, each window once"
                ),
            ))
        }
    }
}

/// Every batch of a time, the oldest first.
async fn batches(
    api: &Api,
    target: &TargetName,
    from: Timestamp,
    to: Timestamp,
) -> anyhow::Result<Vec<StoredBatch>> {
    let mut found: Vec<StoredBatch> = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/batches?target={target}&from={from}&to={to}&limit=500{cursor}");
        let page: Page<StoredBatch> = api.get(&path).await?;
        found.extend(page.items);
        match page.next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    found.reverse();
    Ok(found)
}

/// How far it is, on a terminal only.
struct Progress {
    shown: bool,
    count: u64,
    told: Instant,
}

impl Progress {
    fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), count: 0, told: Instant::now() }
    }

    fn step(&mut self) {
        self.count += 1;
        if self.shown && self.told.elapsed() > Duration::from_millis(250) {
            eprint!("\r{} windows judged", self.count);
            self.told = Instant::now();
        }
    }

    fn end(&self) {
        if self.shown && self.count > 0 {
            eprint!("\r{:40}\r", "");
        }
    }
}
