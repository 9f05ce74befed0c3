//! Reading, counting and the one commit that makes both durable (TE-5).

use std::sync::Arc;

use domain::effects::NewMessage;
use domain::stored::plain_text;
use domain::telemetry::totals::{Breakdown, NAMES_SHOWN, name_top};
use futures_util::future::join;
use service_kit::clock::Clock as _;
use service_kit::db::DbError;
use shared_types::Timestamp;
use shared_types::batch::LostFile;

use super::Worker;
use super::undelivered::Undelivered;
use crate::counters;
use crate::effects::messages;
use crate::intake::{Applied, Counts, IdSet, WindowChange};
use crate::sources::{
    Asked, Contribution, Input, Origin, Part, Places, Push, PushReply, Source as _, SourceError, WindowTotals,
};
use crate::state::TargetState;
use crate::store::{Commit, Committed, PushAnswer};
use events::records::Records;

/// Commits remembered by id, so that one whose answer got lost can be found again.
const COMMIT_IDS_KEPT: usize = 8;

/// What is being committed: enough to answer it, or to start over.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    id: String,
    changes: Vec<WindowChange>,
    pushes: Vec<(Part, Push)>,
}

/// What a commit carries besides the worker's own state.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Places of the source that was read, which moved on.
    pub(super) moved: Vec<String>,
    pub(super) closed: Vec<crate::store::ClosedWindow>,
    pub(super) messages: Vec<NewMessage>,
}

impl Worker {
    /// Reads what is there, counts it and commits, with a pause's end if there was one. True: there is more.
    pub(super) async fn take_in(
        &mut self,
        now: Timestamp,
        resumed: Option<NewMessage>,
    ) -> Result<bool, DbError> {
        let mut changed = resumed.is_some();
        let mut extra = Extra { messages: Vec::from_iter(resumed), ..Extra::default() };
        let (pulled, began) = self.read_pull(now).await;
        let pulled = match pulled {
            None => Input { caught_up: true, ..Input::default() },
            Some(Ok(mut input)) => {
                changed |= self.state.source.succeeded(now);
                self.left_out = std::mem::take(&mut input.left_out);
                input
            }
            Some(Err(error)) => {
                changed = true;
                self.source_failed(&error, now, &mut extra.messages);
                Input { caught_up: true, ..Input::default() }
            }
        };
        let pushed = self.push.read(&self.asked(now)).await.unwrap_or_default();
        let more = !(pulled.caught_up && pushed.caught_up);
        let read_ahead = !pulled.caught_up;
        let nothing = pulled.contributions.is_empty() && pulled.moved.is_empty();
        changed |= !(nothing && pushed.contributions.is_empty());
        if !changed {
            self.caught_up_at = began.or(self.caught_up_at);
            return Ok(more);
        }
        for moved in pulled.moved {
            extra.moved.push(moved.place.clone());
            self.places.take(self.source, moved);
        }
        let found = pulled.contributions.into_iter().chain(pushed.contributions).collect();
        let committed = self.count_and_read_ahead(found, extra, read_ahead, now).await?;
        if committed && pulled.caught_up {
            self.caught_up_at = began.or(self.caught_up_at);
        }
        Ok(more)
    }

    /// Counts and commits; the next piece is read and parsed meanwhile, if there is one.
    async fn count_and_read_ahead(
        &mut self,
        found: Vec<Contribution>,
        extra: Extra,
        read_ahead: bool,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let mut pull = self.pull.take();
        let asked = read_ahead.then(|| self.asked(now));
        let reading = async {
            match (&mut pull, &asked) {
                (Some(pull), Some(asked)) => Some(pull.read(asked).await),
                _ => None,
            }
        };
        // The read is polled first: it goes on in a thread of its own while this one counts.
        let (ahead, committed) = join(reading, self.count_and_commit(found, extra, now)).await;
        self.pull = pull;
        if let (Ok(true), Some(result)) = (&committed, ahead) {
            self.ahead = Some(ReadAhead { result, began: now });
        }
        committed
    }

    async fn count_and_commit(
        &mut self,
        found: Vec<Contribution>,
        extra: Extra,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        self.in_flight = Some(InFlight::default());
        self.stale = true; // until the commit is through
        let mut found = found.into_iter();
        while let Some(contribution) = found.next() {
            let counted = match contribution {
                Contribution::Records(part) => self.count(part, now).await,
                Contribution::Totals(totals) => {
                    self.count_totals(&totals, now);
                    Ok(())
                }
                Contribution::Lost(file) => {
                    self.count_lost(file, now);
                    Ok(())
                }
            };
            if let Err(error) = counted {
                let pushed = found.filter_map(|it| match it {
                    Contribution::Records(part) => Some(part),
                    Contribution::Totals(_) | Contribution::Lost(_) => None,
                });
                self.push.take_back(pushed.filter(|part| matches!(part.origin, Origin::Push(_))).collect());
                return Err(error);
            }
        }
        self.commit(extra, now).await
    }

    /// What the pulled source is asked for now.
    fn asked(&self, now: Timestamp) -> Asked {
        Asked { cursor: self.places.cursor(self.source), now, windows: self.state.windows_begun(now) }
    }

    fn count_totals(&mut self, counted: &WindowTotals, now: Timestamp) {
        let mut counts = Counts::default();
        self.intake.add(counted.window, &counted.totals, now, &mut counts);
        counters::events(&self.target, &counts);
    }

    fn count_lost(&mut self, file: LostFile, now: Timestamp) {
        tracing::warn!(target_name = %self.target, file = file.file, bytes_at_least = file.bytes,
            "source.lost: the file was moved away or written anew before it was read to its end");
        counters::source_lost(&self.target);
        self.intake.lost(&file, now);
        self.state.lose(file, now);
    }

    /// `None`: there is no such source, or it is not its time. With the moment the read began, if it worked.
    async fn read_pull(&mut self, now: Timestamp) -> (Option<Result<Input, SourceError>>, Option<Timestamp>) {
        let asked = self.asked(now);
        let Some(pull) = &mut self.pull else { return (None, Some(now)) };
        if !self.state.source.may_read(now) {
            return (None, None);
        }
        let (result, began) = match self.ahead.take() {
            Some(ReadAhead { result, began }) => (result, began),
            None => (pull.read(&asked).await, now),
        };
        let began = result.is_ok().then_some(began);
        (Some(result), began)
    }

    fn source_failed(&mut self, error: &SourceError, now: Timestamp, out: &mut Vec<NewMessage>) {
        let version = Arc::clone(self.versions.of(self.state.closed_until));
        let retry = &version.policy.collection.retry;
        let reason = error.to_string();
        self.state.source.failed(&reason, retry, now);
        counters::source_failed(&self.target);
        tracing::warn!(target_name = %self.target, reason, failures = self.state.source.failures, "the source failed");
        let planned = self.state.window_of_outage(now);
        let told = planned.phase.is_gated() && !self.state.is_held(now);
        if told && self.state.source.is_newly_exhausted(retry) {
            self.state.source.exhausted = true;
            let since = self.state.source.failing_since.unwrap_or(now);
            let attempts = self.state.source.failures;
            out.extend(messages::exhausted(&self.target, &planned, "source", since, attempts, &reason, now));
        }
    }

    /// Counts one part, unless it is a push that was answered before.
    async fn count(&mut self, part: Part, now: Timestamp) -> Result<(), DbError> {
        let Some(mut part) = self.answered_before(part).await? else { return Ok(()) };
        let specs = self.intake.specs();
        if !Arc::ptr_eq(&part.specs, specs) {
            // Read just before another version of the policy came into force.
            part.records = std::mem::take(&mut part.records).translated(&part.specs, specs);
            part.specs = Arc::clone(specs);
        }
        let mut counts = Counts::default();
        if let Err(error) = self.apply(&part.records, now, &mut counts).await {
            if matches!(part.origin, Origin::Push(_)) {
                self.push.take_back(vec![part]);
            }
            return Err(error);
        }
        let lines_before = match part.origin {
            Origin::Place { line, .. } => line,
            Origin::Push(_) => 0,
        };
        self.intake.malformed(&part.records, lines_before, now, &mut counts);
        counters::events(&self.target, &counts);
        match &part.origin {
            Origin::Place { name, line } => {
                if counts.malformed > 0 {
                    self.places.tell(self.source, name, &counts, *line);
                }
            }
            Origin::Push(_) => {
                let report = Push {
                    accepted: counts.accepted,
                    duplicates: counts.duplicates,
                    late: counts.late,
                    malformed: counts.malformed,
                    unknown: counts.unknown,
                    errors: counts.kept,
                    unknown_names: unknown_names(&part.records),
                    examples: counts.examples,
                };
                if let Some(in_flight) = &mut self.in_flight {
                    in_flight.pushes.push((part, report));
                }
            }
        }
        Ok(())
    }

    async fn apply(&mut self, records: &Records, now: Timestamp, counts: &mut Counts) -> Result<(), DbError> {
        let mut from = 0;
        loop {
            match self.intake.apply(records, from, now, counts) {
                Applied::All => return Ok(()),
                Applied::NeedsIds { start, at } => {
                    let ids: IdSet = self.store.ids(&self.target, start).await?.into_iter().collect();
                    self.intake.give_ids(start, ids);
                    from = at;
                }
            }
        }
    }

    /// Answers a push whose key is known; gives back any other.
    async fn answered_before(&mut self, part: Part) -> Result<Option<Part>, DbError> {
        let Origin::Push(receipt) = &part.origin else { return Ok(Some(part)) };
        let Some((key, body_hash)) = &receipt.key else { return Ok(Some(part)) };
        let found = match self.store.answer(&self.target, key).await {
            Ok(found) => found,
            Err(error) => {
                self.push.take_back(vec![part]);
                return Err(error);
            }
        };
        let Some(answer) = found else { return Ok(Some(part)) };
        let same = answer.body_hash == *body_hash;
        if let Origin::Push(receipt) = part.origin {
            let reply = if same { PushReply::Repeated(answer.answer) } else { PushReply::KeyReused };
            receipt.reply.send(reply).ok();
        }
        Ok(None)
    }

    /// Writes the worker's state and what there is to tell of it. False: somebody else was there first.
    pub(super) async fn write_state(
        &mut self,
        messages: Vec<NewMessage>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        self.in_flight = Some(InFlight::default());
        self.stale = true;
        self.commit(Extra { messages, ..Extra::default() }, now).await
    }

    /// Commits what the worker holds. False: a conflict; load again.
    pub(super) async fn commit(&mut self, extra: Extra, now: Timestamp) -> Result<bool, DbError> {
        let mut in_flight = self.in_flight.take().unwrap_or_default();
        in_flight.id = uuid::Uuid::now_v7().simple().to_string();
        in_flight.changes = self.intake.take_changes();
        self.state.newest_event = self.intake.newest_event();
        let earlier = self.commit_ids.split_whitespace().take(COMMIT_IDS_KEPT - 1);
        let ids: Vec<&str> = std::iter::once(in_flight.id.as_str()).chain(earlier).collect();
        let commit = Commit {
            target: self.target.clone(),
            generation: self.generation,
            ids: ids.join(" "),
            state: self.state.clone(),
            windows: std::mem::take(&mut in_flight.changes),
            places: extra.moved.iter().filter_map(|name| self.places.place(self.source, name)).collect(),
            answers: in_flight.pushes.iter().filter_map(answer_of).collect(),
            closed: extra.closed,
            messages: extra.messages,
            now,
        };
        let result = self.store.commit(&commit).await;
        if let Ok(Committed::Yes(generation)) = result {
            self.generation = generation;
            self.commit_ids = commit.ids;
            self.stale = false;
            in_flight.answer();
            self.intake.shed();
            return Ok(true);
        }
        in_flight.changes = commit.windows;
        self.in_flight = Some(in_flight);
        result.map(|_| false)
    }

    /// The schedule, the watermarks and the open windows, as they are now.
    pub(super) fn tell_intake(&mut self, open: &[Timestamp]) {
        let state = &self.state;
        self.intake.synchronise(state.schedule.clone(), state.closed_until, state.newest_event, open);
    }

    /// Takes over what the store says, after anything that left it in doubt: a start, a conflict, an error.
    pub(super) async fn reload(&mut self) -> Result<(), DbError> {
        let initial = TargetState::initial(self.versions.newest().policy.collection.window);
        let loaded = self.store.load(&self.target, &initial).await?;
        let foreign = self.store.ids_since(&self.target, self.generation).await?;
        if let Some(in_flight) = self.in_flight.take() {
            let landed = loaded.commit_ids.split_whitespace().any(|id| id == in_flight.id);
            let mut lost = self.intake.take_changes();
            if landed {
                in_flight.answer();
            } else {
                lost.extend(in_flight.changes);
                self.push.take_back(in_flight.pushes.into_iter().map(|(part, _)| part).collect());
            }
            self.intake.take_back(&lost);
        }
        self.places = Places::of(loaded.places);
        self.state = loaded.state;
        self.looked_at = self.clock.now();
        self.undelivered = Undelivered::Unknown;
        self.follow_policy().await?;
        self.state.use_window(self.versions.newest().policy.collection.window, self.looked_at);
        self.tell_intake(&loaded.open);
        for chunk in foreign {
            self.intake.add_foreign_ids(chunk.window_start, &chunk.hashes);
        }
        self.generation = loaded.generation;
        self.commit_ids = loaded.commit_ids;
        self.ahead = None;
        self.stale = false;
        Ok(())
    }
}

/// A read that went on while the one before it was counted and committed.
#[derive(Debug)]
pub(super) struct ReadAhead {
    result: Result<Input, SourceError>,
    began: Timestamp,
}

impl InFlight {
    fn answer(self) {
        for (part, report) in self.pushes {
            if let Origin::Push(receipt) = part.origin {
                receipt.reply.send(PushReply::Committed(report)).ok();
            }
        }
    }
}

fn answer_of((part, report): &(Part, Push)) -> Option<PushAnswer> {
    let Origin::Push(receipt) = &part.origin else { return None };
    let (key, body_hash) = receipt.key.clone()?;
    let answer = plain_text(report);
    Some(PushAnswer { idempotency_key: key, body_hash, answer })
}

fn unknown_names(records: &Records) -> Breakdown {
    let mut names = records.names.counts().map(|(name, count)| (name.to_owned(), count)).collect();
    name_top(&mut names, NAMES_SHOWN);
    names
}
