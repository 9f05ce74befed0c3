//! `phasegate demo`: a whole rollout on a real workload in about a minute.
//!
//! Three processes: the editor (the workload), `phasegate up` (the services), and this one, which only
//! does what a person would: starts the rollout, moves it up when the gate says so, and watches. The
//! violation, the rollback and the recovery are the services' and the editor's own doing.

mod app_command;
mod checks;
mod child;
mod editor;
mod editor_command;
mod flag_command;
mod observer;
mod policy;
mod screen;
mod stage;
mod story;
mod walk;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use service_kit::client::Neighbour;
use shared_types::incident::IncidentState;
use tokio_util::sync::CancellationToken;

use self::checks::Facts;
use self::editor::flag::FlagDir;
use self::observer::{Observer, Seen};
use self::policy::TARGET;
use self::screen::{Screen, Tone};
use self::stage::Stage;

pub use self::app_command::AppArgs;
pub use self::editor_command::EditorArgs;
pub use self::flag_command::FlagArgs;

/// The whole demo takes no longer than this, `--keep` aside.
const LIMIT: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the command line says.
#[derive(Debug, Clone)]
pub struct Options {
    pub keep: bool,
    /// None: a new directory for temporary files.
    pub data_dir: Option<PathBuf>,
}

/// Why the demo did not show what it promises, though everything could be started.
#[derive(Debug)]
pub struct NotShown(String);

impl std::fmt::Display for NotShown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotShown {}

fn not_shown(why: impl Into<String>) -> anyhow::Error {
    NotShown(why.into()).into()
}

/// Runs the demo from beginning to end. It starts the program it runs in again, as `up`, `demo-editor` and `demo-flag`.
///
/// # Errors
/// [`NotShown`], or what kept its processes from starting.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let interrupted = service_kit::shutdown::on_signals()?;
    let screen = Screen::new();
    screen.heading("phasegate demo: a real editor, a regression that only many users see, a guarded rollout");
    screen.text("");
    let mut stage = tokio::select! {
        stage = Stage::set_up(&screen, options.data_dir.as_deref()) => stage?,
        () = interrupted.cancelled() => return Err(not_shown("interrupted")),
    };
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(LIMIT, play(&screen, &mut stage)) => {
            outcome.unwrap_or_else(|_| Err(not_shown(format!("not over after {LIMIT:?}"))))
        }
        () = interrupted.cancelled() => Err(not_shown("interrupted")),
    };
    if interrupted.is_cancelled() {
        stage.tear_down(false).await;
        return Err(not_shown("interrupted"));
    }
    let ended = tell_the_end(&screen, &stage, outcome, options.keep).await;
    if options.keep {
        screen.line(Tone::Heading, "", "Everything is left running. Ctrl-C ends it.");
        keep(&mut stage, &interrupted).await;
    }
    stage.tear_down(options.keep).await;
    ended
}

/// The walk: off → A → B, and what follows from it.
async fn play(screen: &Screen, stage: &mut Stage) -> anyhow::Result<()> {
    let reporter = stage.reporter.clone();
    let (in_a, in_b) = (stage.tuning.users_in_a, stage.tuning.users_in_b);
    let mut observer = Observer::new(screen, (&stage.analyzer, &reporter), (&stage.slack, &stage.pagerduty));
    let mut alive = Alive(&mut stage.editor, &mut stage.services);

    act(&reporter, &format!("/v1/rollouts/{TARGET}/start")).await?;
    screen.line(Tone::Heading, "rollout", &format!("off → A: the new merge for 5 % of the users ({in_a})"));
    wait(&mut observer, &mut alive, "phase A's gate was not satisfied", |seen| {
        let satisfied = seen.rollout.gate.as_ref().is_some_and(|gate| gate.satisfied);
        Ok(seen.rollout.phase.as_str() == "A" && satisfied && seen.rollout.blockers.is_empty())
    })
    .await?;

    act(&reporter, &format!("/v1/rollouts/{TARGET}/promotions")).await?;
    screen.line(Tone::Heading, "rollout", &format!("A → B: now for 30 % ({in_b})"));
    wait(&mut observer, &mut alive, "no violation was seen in phase B", |seen| {
        Ok(!seen.incidents.is_empty())
    })
    .await?;
    wait(&mut observer, &mut alive, "the rollback did not succeed", |seen| {
        Ok(seen.rollout.phase.as_str() == "A" && seen.rollout.epoch >= 3)
    })
    .await?;
    screen.line(
        Tone::Heading,
        "rollout",
        "B → A, verified: the editor serves 5 % again. Watching the recovery",
    );
    wait(&mut observer, &mut alive, "the recovery was not confirmed", |seen| {
        if seen.rollout.phase.is_off() {
            return Err(not_shown("the recovery watch failed: rolled back to off"));
        }
        Ok(seen.incidents.iter().all(|incident| incident.state != IncidentState::Open))
    })
    .await?;
    screen.line(Tone::Good, "rollout", "recovered");
    Ok(())
}

/// Posts under an idempotency key of its own, so that a repeat on the way is not a second act.
async fn act(reporter: &Neighbour, path: &str) -> anyhow::Result<()> {
    let key = uuid::Uuid::now_v7().to_string();
    let _: serde_json::Value = reporter.post_json_once(path, &serde_json::json!({}), &key).await?;
    Ok(())
}

/// Both processes have to stay alive.
struct Alive<'d>(&'d mut child::Process, &'d mut child::Process);

/// Looks again and again until `met`; what was waited for is named if the time is over.
async fn wait(
    observer: &mut Observer<'_>,
    alive: &mut Alive<'_>,
    otherwise: &str,
    met: impl Fn(&Seen) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let looks = async {
        loop {
            alive.0.check_alive()?;
            alive.1.check_alive()?;
            if met(&observer.look().await?)? {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(LIMIT / 2, looks).await.unwrap_or_else(|_| Err(not_shown(otherwise)))
}

/// Story, verdict, and where to look.
async fn tell_the_end(
    screen: &Screen,
    stage: &Stage,
    outcome: anyhow::Result<()>,
    keeps: bool,
) -> anyhow::Result<()> {
    let facts = gather(stage).await;
    if let Ok(gathered) = &facts {
        gathered.incidents.iter().for_each(|incident| story::incident(screen, incident));
    }
    let mut missing: Vec<String> = outcome.err().map(|error| format!("{error:#}")).into_iter().collect();
    match facts {
        Ok(gathered) => missing.extend(checks::missing(&gathered.facts())),
        Err(error) => missing.push(format!("the record cannot be read: {error:#}")),
    }
    story::where_to_look(screen, &stage.root, keeps.then_some(&stage.urls));
    screen.text("");
    if missing.is_empty() {
        screen.line(Tone::Good, "", "One rollback, and the recovery is confirmed.");
        return Ok(());
    }
    Err(not_shown(format!(
        "the demo did not show what it promises:\n  - {}\nIts limits are measured at the start: on a machine that got \
         busier since, phase A breaks them too. Try again when it is calmer.",
        missing.join("\n  - ")
    )))
}

/// What the checks look at, owned.
struct Gathered {
    journal: Vec<editor::flag::JournalEntry>,
    flag: editor::flag::Flag,
    incidents: Vec<shared_types::incident::Incident>,
    rollbacks_done: usize,
    incident_messages: usize,
    pages: usize,
}

async fn gather(stage: &Stage) -> anyhow::Result<Gathered> {
    let flags = FlagDir::at(&stage.dirs.flag);
    Ok(Gathered {
        journal: flags.journal().context("the flag's journal")?,
        flag: flags.read()?,
        incidents: observer::incidents(&stage.reporter).await?,
        rollbacks_done: observer::rollbacks_done(&stage.reporter).await?,
        incident_messages: stage.slack.messages_in("#incident-autosave").len(),
        pages: stage.pagerduty.incidents().len(),
    })
}

impl Gathered {
    fn facts(&self) -> Facts<'_> {
        Facts {
            journal: &self.journal,
            flag: &self.flag,
            incidents: &self.incidents,
            rollbacks_done: self.rollbacks_done,
            incident_messages: self.incident_messages,
            pages: self.pages,
        }
    }
}

/// Until Ctrl-C, or until one of the two processes has ended.
async fn keep(stage: &mut Stage, interrupted: &CancellationToken) {
    while stage.editor.check_alive().and_then(|()| stage.services.check_alive()).is_ok() {
        tokio::select! {
            () = interrupted.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}
