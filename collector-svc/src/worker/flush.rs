//! Counting, and the one commit that makes it durable together with how far was read (TE-5).

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::effects::NewMessage;
use domain::stored::plain_text;
use domain::telemetry::totals::{Breakdown, NAMES_SHOWN, name_top};
use service_kit::clock::Clock as _;
use service_kit::db::DbError;
use shared_types::Timestamp;
use shared_types::batch::LostFile;

use super::Worker;
use super::ahead::Ahead;
use super::undelivered::Undelivered;
use crate::counters;
use crate::intake::{Applied, Counts, IdSet, WindowChange};
use crate::sources::otlp::{Delivery, Refused};
use crate::sources::{Contribution, Origin, Part, Places, Push, PushReply, Source as _};
use crate::state::TargetState;
use crate::store::{Commit, Committed, PushAnswer};
use events::records::Records;

/// Commits remembered by id, so that one whose answer got lost can be found again.
const COMMIT_IDS_KEPT: usize = 8;

/// What is being committed: enough to answer it, or to start over.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    id: String,
    pub(super) changes: Vec<WindowChange>,
    pushes: Vec<(Part, Push)>,
    pub(super) deliveries: Vec<(Delivery, Refused)>,
    /// Kinds with places that moved on, or were forgotten, with what was pushed.
    pub(super) moved: BTreeSet<(&'static str, String)>,
}

/// What a commit carries besides the worker's own state.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Places of the source that was read, which moved on.
    pub(super) moved: BTreeSet<String>,
    pub(super) closed: Vec<crate::store::ClosedWindow>,
    pub(super) messages: Vec<NewMessage>,
}

impl Worker {
    /// Counts what was found; it is uncommitted from here on.
    pub(super) async fn count_all(
        &mut self,
        found: Vec<Contribution>,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let mut all = Counts::default();
        let mut found = found.into_iter();
        while let Some(contribution) = found.next() {
            let counted = match contribution {
                Contribution::Records(part) => self.count(part, now, &mut all).await,
                Contribution::Totals(totals) => {
                    self.intake.add(totals.window, &totals.totals, now, &mut all);
                    Ok(())
                }
                Contribution::Delivery(delivery) => {
                    self.count_delivery(delivery, now, &mut all);
                    Ok(())
                }
                Contribution::Lost(file) => {
                    self.count_lost(file, now);
                    Ok(())
                }
            };
            if let Err(error) = counted {
                self.push.take_back(found.filter(Contribution::is_pushed).collect());
                return Err(error);
            }
        }
        counters::events(&self.target, &all);
        self.intake.shed();
        Ok(())
    }

    fn count_lost(&mut self, file: LostFile, now: Timestamp) {
        tracing::warn!(target_name = %self.target, file = file.file, bytes_at_least = file.bytes,
            "source.lost: the file was moved away or written anew before it was read to its end");
        counters::source_lost(&self.target);
        self.intake.lost(&file, now);
        self.state.lose(file, now);
    }

    /// Counts one part, unless it is a push that was answered before.
    async fn count(&mut self, part: Part, now: Timestamp, all: &mut Counts) -> Result<(), DbError> {
        let Some(mut part) = self.answered_before(part).await? else { return Ok(()) };
        let specs = self.intake.specs();
        if !Arc::ptr_eq(&part.specs, specs) {
            // Read just before another version of the policy came into force.
            part.records = std::mem::take(&mut part.records).translated(&part.specs, specs);
            part.specs = Arc::clone(specs);
        }
        self.leave_out_other_windows(&mut part);
        let mut counts = Counts::default();
        if let Err(error) = self.apply(&part.records, now, &mut counts).await {
            let part = Contribution::Records(part);
            if part.is_pushed() {
                self.push.take_back(vec![part]);
            }
            return Err(error);
        }
        let lines_before = match part.origin {
            Origin::Place { line, .. } => line,
            Origin::Push(_) => 0,
        };
        self.intake.malformed(&part.records, lines_before, now, &mut counts);
        all.add(&counts);
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
                    ignored: counts.ignored,
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
                self.push.take_back(vec![Contribution::Records(part)]);
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

    /// From here on what the worker holds is ahead of the store, until a commit is through.
    pub(super) fn begin(&mut self) -> &mut InFlight {
        self.stale = true;
        self.in_flight.get_or_insert_default()
    }

    /// Writes the worker's state and what there is to tell of it. False: somebody else was there first.
    pub(super) async fn write_state(
        &mut self,
        messages: Vec<NewMessage>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        self.commit(Extra { messages, ..Extra::default() }, now).await
    }

    /// Commits what the worker holds. False: a conflict; load again.
    pub(super) async fn commit(&mut self, extra: Extra, now: Timestamp) -> Result<bool, DbError> {
        self.begin();
        let mut in_flight = self.in_flight.take().unwrap_or_default();
        in_flight.id = uuid::Uuid::now_v7().simple().to_string();
        in_flight.changes.extend(self.intake.take_changes());
        self.state.newest_event = self.intake.newest_event();
        let of_source = extra.moved.iter().map(|name| (self.source, name.as_str()));
        let of_pushes = in_flight.moved.iter().map(|(source, name)| (*source, name.as_str()));
        let moved: BTreeSet<(&str, &str)> = of_source.chain(of_pushes).collect();
        let gone = moved.iter().filter(|(source, name)| !self.places.has(source, name));
        let earlier = self.commit_ids.split_whitespace().take(COMMIT_IDS_KEPT - 1);
        let ids: Vec<&str> = std::iter::once(in_flight.id.as_str()).chain(earlier).collect();
        let commit = Commit {
            target: self.target.clone(),
            generation: self.generation,
            ids: ids.join(" "),
            state: self.state.clone(),
            windows: std::mem::take(&mut in_flight.changes),
            places: moved.iter().filter_map(|(source, name)| self.places.place(source, name)).collect(),
            forgotten: gone.map(|(source, name)| ((*source).to_owned(), (*name).to_owned())).collect(),
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
        if let Some(mut in_flight) = self.in_flight.take() {
            let landed = loaded.commit_ids.split_whitespace().any(|id| id == in_flight.id);
            let mut lost = self.intake.take_changes();
            if landed {
                in_flight.answer();
            } else {
                lost.append(&mut in_flight.changes);
                self.push.take_back(in_flight.pushed());
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
        if loaded.generation != self.generation {
            self.others_wrote_at = self.looked_at;
        }
        self.generation = loaded.generation;
        self.commit_ids = loaded.commit_ids;
        self.ahead = Ahead::default();
        self.stale = false;
        Ok(())
    }
}

impl InFlight {
    /// What has no answer yet.
    fn pushed(self) -> Vec<Contribution> {
        let parts = self.pushes.into_iter().map(|(part, _)| Contribution::Records(part));
        parts.chain(self.deliveries.into_iter().map(|(it, _)| Contribution::Delivery(it))).collect()
    }

    fn answer(self) {
        for (delivery, refused) in self.deliveries {
            delivery.reply.send(refused).ok();
        }
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
