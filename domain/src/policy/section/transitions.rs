//! `transitions`: how a phase is changed, and what follows a rollback.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::budget::{self, RawBudget, RollbackBudget};
use crate::executors::command::{self, RawCommand};
use crate::executors::users::{self, RawUsers, Users};
use crate::executors::{ExecutorKind, ExecutorPolicy};
use crate::kinds::Kinds;
use crate::policy::at::{At, Entries};
use crate::policy::check::{Checked, Path, WrongPlaces};
use crate::policy::diff::changes::{Changes, Effect, times};
use crate::policy::forms::{Dur, duration, positive, retry, window};
use crate::policy::kind_section::Section;
use crate::policy::tree::Tree;
use crate::story::figures::format_duration;

/// How a phase is changed: by commands (`rollback` and `promote`), or by a flag system (`flag`).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["rollback", "promote"] }, { "required": ["flag"] }]))]
pub(crate) struct RawTransitions {
    /// Run to go one phase down.
    rollback: Option<RawCommand>,
    /// Run to go one phase up.
    promote: Option<RawCommand>,
    /// A command whose output must be the phase that is now served; null: not read back.
    verify: Option<RawCommand>,
    /// The flag system that is told in place of the commands, with its settings.
    #[schemars(with = "Option<RawFlag>")]
    flag: Option<At<Entries<Tree>>>,
    /// What users really get is asked after each move and once in each window, whatever moves them.
    #[schemars(with = "Option<RawUsers>")]
    users: Option<At<Tree>>,
    /// How long clients may take to have what was set. So long it is read back again before the move counts as failed; and where `users`
    /// are not asked, so long is waited, and read back once more, before it counts as done: until then telemetry tells of the phase
    /// before. 0s shipped, 15s with `users`.
    settle: Option<At<Dur>>,
    /// How long a command may run before it and its children are ended.
    timeout: At<Dur>,
    /// Waits before each retry of a command that failed; after the last, the incident escalates.
    retry: Vec<At<Dur>>,
    /// What follows a rollback.
    recovery: RawRecovery,
    /// How many rollbacks may start by themselves; without it 6 per 24h.
    budget: Option<RawBudget>,
    /// What follows when the flag system is found to serve another phase than the one on record: `hold` (people are told and
    /// nothing moves up; the default) or `correct` (the phase on record is set again besides). Needs a read-back.
    on_drift: Option<At<OnDrift>>,
    /// What becomes of required rollbacks once more than 10 incidents have opened in one window, of whatever targets: `rollback`
    /// (they go on; the default) or `hold` (each waits for a person). Either way they are told as one.
    storm: Option<At<OnStorm>>,
}

/// What follows a drift (RB-11).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum OnDrift {
    /// Nothing moves up.
    #[default]
    Hold,
    /// The phase on record is set again.
    Correct,
}

/// What becomes of required rollbacks in a storm of incidents (NO-9).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum OnStorm {
    /// They are made.
    #[default]
    Rollback,
    /// A person is asked.
    Hold,
}

/// The watch after a rollback.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawRecovery {
    /// How long a rollback's effect is watched. Recovered: no violation, and its windows together within the limits; where that cannot be
    /// told yet it goes on, twice as long at most.
    watch: At<Dur>,
    /// Length of a window during the watch; at least 1 s, longer than `grace`, at most the watch.
    cadence: At<Dur>,
}

/// One flag system, by its name. They are filled in by `schema`.
struct RawFlag;

impl JsonSchema for RawFlag {
    fn schema_name() -> Cow<'static, str> {
        "RawFlag".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "One flag system, by its name." })
    }
}

/// What is looked for among users may take a few polls of their clients.
const SEEN_WITHIN: Duration = Duration::from_secs(15);

pub(crate) const EXAMPLE: &str = r#"transitions:
  # In place of the three commands: flag: { flagd: { file: flags/checkout.json, flag: checkout, variant: "on" } }
  rollback: { command: [flags, set, "{target}", --phase, "{prev}"] }
  promote: { command: [flags, set, "{target}", --phase, "{next}"] }
  verify: { command: [flags, get, "{target}"] }
  # Left out: nobody asks what users get.
  users: { ofrep: "http://flags:8016", flag: checkout, variant: "on", keys: 2000, token_env: FLAGS_TOKEN, headers: { x-team: shop } }
  settle: 15s
  timeout: 60s
  retry: [30s, 60s, 120s, 240s]
  recovery: { watch: 30m, cadence: 5m }
  budget: { automatic_rollbacks: 6, per: 24h }
  on_drift: hold
  storm: rollback
"#;

#[derive(Debug, Clone, PartialEq)]
pub struct Transitions {
    /// What moves the target, with its settings.
    pub executor: ExecutorPolicy,
    /// Where it is asked what users get.
    pub users: Option<Users>,
    /// How long what was set may take to be seen.
    pub settle: Duration,
    pub timeout: Duration,
    pub retry: Vec<Duration>,
    pub recovery_watch: Duration,
    pub recovery_cadence: Duration,
    pub budget: RollbackBudget,
    pub on_drift: OnDrift,
    pub storm: OnStorm,
}

pub(crate) fn check(
    at: &At<RawTransitions>,
    executor: Option<&ChosenExecutor<'_>>,
    grace: Option<Duration>,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> Option<Transitions> {
    let raw = &at.value;
    let executor = executor.and_then(|it| {
        let planner = wrong.note(it.kind.check(&it.section))?;
        Some(ExecutorPolicy::new(it.kind.name(), planner))
    });
    let users =
        raw.users.as_ref().map(|it| wrong.note(users::read(&Section::new(it, &path.key("users").text()))));
    let settle = match &raw.settle {
        Some(settle) => wrong.note(duration(settle, &path.key("settle"))),
        None if raw.users.is_some() => Some(SEEN_WITHIN),
        None => Some(Duration::ZERO),
    };
    let timeout = wrong.note(positive(&raw.timeout, &path.key("timeout")));
    let retry = wrong.note(retry(&raw.retry, &path.key("retry")));
    let recovery = path.key("recovery");
    let recovery_watch = wrong.note(positive(&raw.recovery.watch, &recovery.key("watch")));
    let cadence_path = recovery.key("cadence");
    let recovery_cadence = wrong.note(window(&raw.recovery.cadence, &cadence_path));
    let fits = |cadence: Duration| {
        grace.is_none_or(|grace| cadence > grace) && recovery_watch.is_none_or(|watch| cadence <= watch)
    };
    if recovery_cadence.is_some_and(|cadence| !fits(cadence)) {
        let found = &raw.recovery.cadence.value.0;
        let message = format!("expected more than `collection.grace` and at most the watch, found `{found}`");
        wrong.add(raw.recovery.cadence.wrong(&cadence_path, message));
    }
    let budget = match &raw.budget {
        Some(raw) => budget::check(raw, &path.key("budget"), wrong),
        None => Some(RollbackBudget::default()),
    };
    Some(Transitions {
        executor: executor?,
        users: match users {
            Some(users) => Some(users?),
            None => None,
        },
        settle: settle?,
        timeout: timeout?,
        retry: retry?,
        recovery_watch: recovery_watch?,
        recovery_cadence: recovery_cadence?,
        budget: budget?,
        on_drift: raw.on_drift.as_ref().map_or(OnDrift::Hold, |it| it.value),
        storm: raw.storm.as_ref().map_or(OnStorm::Rollback, |it| it.value),
    })
}

/// The kind of executor that a target names, with its section of the file.
pub(crate) struct ChosenExecutor<'a> {
    pub(crate) kind: &'a dyn ExecutorKind,
    pub(crate) section: Section,
}

/// The commands that stand right here, or the one flag system below `flag`.
pub(crate) fn executor<'a>(
    at: &At<RawTransitions>,
    kinds: &'a Kinds,
    path: &Path,
) -> Checked<ChosenExecutor<'a>> {
    let raw = &at.value;
    let commands = [("rollback", &raw.rollback), ("promote", &raw.promote), ("verify", &raw.verify)];
    let Some(flag) = &raw.flag else {
        let here = (at.line, at.column);
        let given =
            commands.into_iter().filter_map(|(key, raw)| Some((At::new(key, here), raw.as_ref()?.tree())));
        let section = Section::of(&Tree::map(given.collect()), here, &path.text());
        return Ok(ChosenExecutor { kind: &command::Command, section });
    };
    let path = path.key("flag");
    if let Some((key, _)) = commands.into_iter().find(|(_, raw)| raw.is_some()) {
        let message = format!("expected commands or a flag system, found `{key}` beside it");
        return Err(flag.wrong(&path, message));
    }
    let named: Vec<&str> =
        kinds.executors().iter().map(|it| it.name()).filter(|it| *it != command::NAME).collect();
    let [(name, settings)] = flag.value.0.as_slice() else {
        return Err(flag.wrong(&path, format!("expected one flag system of {}", named.join(", "))));
    };
    let kind = kinds.executor(name).filter(|it| named.contains(&it.name())).ok_or_else(|| {
        let message = format!("the flag system `{name}` is not known; known here: {}", named.join(", "));
        settings.wrong(&path.key(name), message)
    })?;
    Ok(ChosenExecutor { kind, section: Section::new(settings, &path.key(name).text()) })
}

pub(crate) fn diff(place: &str, old: &Transitions, new: &Transitions, list: &mut Changes) {
    let Transitions {
        executor,
        users,
        settle,
        timeout,
        retry,
        recovery_watch,
        recovery_cadence,
        budget,
        on_drift,
        storm,
    } = new;
    moved_by(place, &old.executor, executor, list);
    let words = |users: &Option<Users>| users.as_ref().map(Users::words);
    read_back_by(place, "users", (words(&old.users), words(users)), list);
    list.time(place, "settle", old.settle, *settle);
    list.time(place, "command timeout", old.timeout, *timeout);
    list.text(place, "command retry", &times(&old.retry), &times(retry));
    list.less_is_looser(place, "recovery watch", old.recovery_watch, *recovery_watch, format_duration);
    list.time(place, "recovery cadence", old.recovery_cadence, *recovery_cadence);
    budget::diff(place, old.budget, *budget, list);
    list.text(place, "on_drift", old.on_drift.into(), (*on_drift).into());
    list.text(place, "storm", old.storm.into(), (*storm).into());
}

fn moved_by(place: &str, old: &ExecutorPolicy, new: &ExecutorPolicy, list: &mut Changes) {
    list.text(place, "moved by", old.kind(), new.kind());
    let (before, after) = (old.describe(), new.describe());
    for (name, value) in &after.settings {
        let old = before.settings.iter().find(|(before, _)| before == name);
        list.text(place, name, old.map_or("none", |(_, value)| value), value);
    }
    read_back_by(place, "verify", (before.read_back, after.read_back), list);
}

/// `both`: in words, before and after.
fn read_back_by(place: &str, key: &str, both: (Option<String>, Option<String>), list: &mut Changes) {
    match both {
        (Some(_), None) => {
            list.add(
                place,
                format!("{key} is left out: moves are not read back by it any more"),
                Effect::Looser,
            );
        }
        (None, Some(new)) => list.add(place, format!("{key} is new: {new}"), Effect::Stricter),
        (Some(old), Some(new)) => list.text(place, key, &old, &new),
        (None, None) => {}
    }
}
