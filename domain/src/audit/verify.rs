//! Walks a stream of the audit log, row by row, beside its copy in the archive, and names the first row that is wrong.
//!
//! Pure. A chain alone shows that a row was edited, taken out or moved. It does not show that its end was cut off, nor
//! that somebody who could write everything wrote it anew from some row on: that shows against the copy.

use shared_types::audit::{AuditFault, AuditHead, FaultKind, StreamVerification};
use shared_types::{AuditEntry, Timestamp};

use super::{GENESIS, hash_of, hashed, sha256};

/// How far around its place a moved row is looked for.
const AROUND: u64 = 1000;

/// Checks one stream; rows are given piece by piece, oldest first.
#[derive(Debug)]
pub struct Walk {
    stream: String,
    next: u64,
    prev: String,
    rows: u64,
    archived: u64,
    unarchived: u64,
    /// A row younger than this may still be on its way into the archive.
    archived_before: Timestamp,
    /// The archive has held the rows up to this one, however young they are.
    kept: u64,
    sealed: Option<AuditHead>,
    fault: Option<AuditFault>,
}

impl Walk {
    /// From a stream's first row on. Rows from before `archived_before` must be in the archive.
    #[must_use]
    pub fn new(stream: &str, archived_before: Timestamp) -> Self {
        Self::behind(stream, 0, GENESIS, archived_before)
    }

    /// From the row after `seq` on, whose hash is taken on trust.
    #[must_use]
    pub fn behind(stream: &str, seq: u64, hash: &str, archived_before: Timestamp) -> Self {
        Self {
            stream: stream.to_owned(),
            next: seq + 1,
            prev: hash.to_owned(),
            rows: 0,
            archived: 0,
            unarchived: 0,
            archived_before,
            kept: 0,
            sealed: None,
            fault: None,
        }
    }

    /// The archive is known to have held the rows up to this one.
    #[must_use]
    pub fn kept(self, kept: u64) -> Self {
        Self { kept, ..self }
    }

    /// A signature that holds names this row (OP-9).
    #[must_use]
    pub fn sealed(self, head: Option<AuditHead>) -> Self {
        Self { sealed: head, ..self }
    }

    /// The seq it looks at next.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// Whether something wrong was found: what comes behind it says nothing more.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.fault.is_some()
    }

    /// Checks a piece by the chain alone.
    pub fn chain(&mut self, piece: &[AuditEntry]) {
        for (index, row) in piece.iter().enumerate() {
            if self.is_broken() {
                return;
            }
            match self.check(row, &piece[index + 1..]) {
                Err((seq, kind, detail)) => self.broken(seq, kind, detail),
                Ok(()) => self.pass(row),
            }
        }
    }

    /// Checks a piece by the chain and against the archive.
    pub fn beside<A: ArchivedRows>(&mut self, piece: &[AuditEntry], archive: &mut A) {
        for (index, row) in piece.iter().enumerate() {
            if self.is_broken() {
                return;
            }
            let checked = self
                .check(row, &piece[index + 1..])
                .and_then(|()| self.compare(row, archive).map_err(|(kind, detail)| (row.seq, kind, detail)));
            match checked {
                Err((seq, kind, detail)) => self.broken(seq, kind, detail),
                Ok(()) => self.pass(row),
            }
        }
    }

    /// After the last piece: whatever the archive still holds is missing in the table.
    pub fn end<A: ArchivedRows>(&mut self, archive: &mut A) {
        if self.is_broken() {
            return;
        }
        if let Some(more) = archive.at_least(self.next) {
            let detail = format!("the archive goes on with row {} ({})", more.seq, more.action);
            self.broken(self.next, FaultKind::Truncated, detail);
        }
        self.finish();
    }

    /// After the last piece, without an archive: what was signed has to be there.
    pub fn finish(&mut self) {
        let sealed = self.sealed.as_ref().map(|head| head.last_seq).filter(|last| *last >= self.next);
        if let (false, Some(last)) = (self.is_broken(), sealed) {
            let detail = format!("a signature says that row {last} was there");
            self.broken(self.next, FaultKind::Truncated, detail);
        }
    }

    /// What does not hold of the stream as a whole, unless a row was wrong already.
    pub fn refuse(&mut self, kind: FaultKind, detail: &str) {
        if !self.is_broken() {
            self.broken(self.next.saturating_sub(self.rows), kind, detail.to_owned());
        }
    }

    /// What was found.
    #[must_use]
    pub fn verdict(self) -> StreamVerification {
        let head = (self.rows > 0).then(|| self.prev.clone());
        StreamVerification {
            ok: self.fault.is_none(),
            rows: self.rows,
            last_seq: self.next - 1,
            head,
            archived: self.archived,
            unarchived: self.unarchived,
            sealed: self.sealed.map(|head| head.last_seq),
            fault: self.fault,
            stream: self.stream,
        }
    }

    fn broken(&mut self, seq: u64, kind: FaultKind, detail: String) {
        self.fault = Some(AuditFault { seq, kind, detail });
    }

    fn pass(&mut self, row: &AuditEntry) {
        self.rows += 1;
        self.next = row.seq + 1;
        self.prev.clone_from(&row.hash);
    }

    fn check(&self, row: &AuditEntry, ahead: &[AuditEntry]) -> Result<(), (u64, FaultKind, String)> {
        let next = self.next;
        if row.seq != next {
            let (kind, detail) = if ahead.iter().any(|it| it.seq == next) || row.seq < next {
                (FaultKind::Reordered, format!("row {} stands in its place", row.seq))
            } else {
                (FaultKind::Missing, format!("row {} follows row {}", row.seq, next - 1))
            };
            return Err((next, kind, detail));
        }
        if hash_of(row) != row.hash {
            let (kind, detail) = match belongs_at(row) {
                Some(place) => (FaultKind::Reordered, format!("it was written as row {place}")),
                None => (FaultKind::Edited, "its fields do not give its hash".to_owned()),
            };
            return Err((next, kind, detail));
        }
        if row.prev_hash != self.prev {
            let detail = format!(
                "it was written behind another row {} than the one there now: that one was replaced, hash and all",
                next - 1
            );
            return Err((next, FaultKind::Unlinked, detail));
        }
        if self.sealed.as_ref().is_some_and(|head| head.last_seq == next && head.hash != row.hash) {
            let detail = "a signature names another row here: the stream was written anew".to_owned();
            return Err((next, FaultKind::Unsealed, detail));
        }
        Ok(())
    }

    fn compare<A: ArchivedRows>(
        &mut self,
        row: &AuditEntry,
        archive: &mut A,
    ) -> Result<(), (FaultKind, String)> {
        let copy = archive.at_least(row.seq);
        let ended = copy.is_none();
        let Some(copy) = copy.filter(|copy| copy.seq == row.seq) else {
            if ended && row.at >= self.archived_before && row.seq > self.kept {
                self.unarchived += 1;
                return Ok(());
            }
            let detail = "the archive does not hold it".to_owned();
            return Err((FaultKind::ArchiveMissing, detail));
        };
        if hash_of(copy) != copy.hash || copy.stream != row.stream {
            let detail =
                "its copy in the archive was edited: the copy's fields do not give its hash".to_owned();
            return Err((FaultKind::ArchiveEdited, detail));
        }
        if copy.hash != row.hash {
            let detail = format!("the archive holds another row here, of {} by {}", copy.at, copy.actor.name);
            return Err((FaultKind::Rewritten, detail));
        }
        self.archived += 1;
        Ok(())
    }
}

/// Where a row that was moved, all else left as it was, came from.
fn belongs_at(row: &AuditEntry) -> Option<u64> {
    let text = hashed(row);
    // Within a string the quotes would be escaped, and no key of `detail` stands behind the row's own `seq`.
    let own = format!("\"seq\":{},\"stream\":", row.seq);
    let (before, after) = text.split_at(text.rfind(&own)?);
    let after = &after[own.len()..];
    let around = row.seq.saturating_sub(AROUND).max(1)..=row.seq.saturating_add(AROUND);
    around.into_iter().find(|seq| sha256(&format!("{before}\"seq\":{seq},\"stream\":{after}")) == row.hash)
}

/// A stream's copy in the archive, read from its first row to its last.
pub trait ArchivedRows {
    /// The first row of `seq` or later; asked with growing seqs only.
    fn at_least(&mut self, seq: u64) -> Option<&AuditEntry>;
}

/// Rows in memory, as an archive.
#[derive(Debug)]
pub struct InMemory<'a>(pub &'a [AuditEntry]);

impl ArchivedRows for InMemory<'_> {
    fn at_least(&mut self, seq: u64) -> Option<&AuditEntry> {
        while self.0.first().is_some_and(|first| first.seq < seq) {
            self.0 = &self.0[1..];
        }
        self.0.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::story::Deed;

    use crate::audit::AuditDraft;
    use serde_json::json;
    use shared_types::{Actor, TargetName};

    fn rows(count: u64) -> Vec<AuditEntry> {
        let target = TargetName::parse("autosave").unwrap();
        let mut rows: Vec<AuditEntry> = Vec::new();
        for number in 1..=count {
            let draft = AuditDraft {
                actor: Actor::phasegate(),
                action: Deed::TimerDue,
                subject: None,
                detail: json!({ "number": number }),
            };
            let last = rows.last().map(|it| (it.seq, it.hash.clone()));
            rows.push(draft.after(last, Some(&target), Timestamp::from_millis(1000)));
        }
        rows
    }

    fn rehash(row: &mut AuditEntry) {
        row.hash = hash_of(row);
    }

    /// Both by the chain alone and beside the archive: (row, kind) of each.
    fn check(rows: &[AuditEntry], archive: &[AuditEntry], expected: [Option<(u64, FaultKind)>; 2]) {
        let late = Timestamp::from_millis(2000);
        let found = |walk: Walk| walk.verdict().fault.map(|it| (it.seq, it.kind));
        let mut alone = Walk::new("autosave", late);
        let mut beside = Walk::new("autosave", late);
        let mut archive = InMemory(archive);
        for piece in rows.chunks(3) {
            alone.chain(piece);
            beside.beside(piece, &mut archive);
        }
        beside.end(&mut archive);
        assert_eq!([found(alone), found(beside)], expected);
    }

    fn both(seq: u64, kind: FaultKind) -> [Option<(u64, FaultKind)>; 2] {
        [Some((seq, kind)), Some((seq, kind))]
    }

    /// GO-4: each kind of change is found, at the row where it begins.
    #[test]
    fn every_kind_of_change_is_found_where_it_begins() {
        let good = rows(9);
        check(&good, &good, [None, None]);
        check(&[], &[], [None, None]);

        let mut edited = good.clone();
        edited[4].detail = json!({ "number": 50 });
        check(&edited, &good, both(5, FaultKind::Edited));

        let mut missing = good.clone();
        missing.remove(4);
        check(&missing, &good, both(5, FaultKind::Missing));
        check(&good[1..], &good, both(1, FaultKind::Missing));

        let mut lines_swapped = good.clone();
        lines_swapped.swap(3, 4);
        check(&lines_swapped, &good, both(4, FaultKind::Reordered));
        let mut numbers_swapped = good.clone();
        numbers_swapped.swap(2, 6);
        (numbers_swapped[2].seq, numbers_swapped[6].seq) = (3, 7);
        check(&numbers_swapped, &good, both(3, FaultKind::Reordered));

        check(&good[..7], &good, [None, Some((8, FaultKind::Truncated))]);
        check(&[], &good, [None, Some((1, FaultKind::Truncated))]);

        let mut forged = good.clone();
        forged[4].actor.name = "mallory".to_owned();
        rehash(&mut forged[4]);
        check(&forged, &good, [Some((6, FaultKind::Unlinked)), Some((5, FaultKind::Rewritten))]);
        for index in 5..9 {
            forged[index].prev_hash = forged[index - 1].hash.clone();
            rehash(&mut forged[index]);
        }
        check(&forged, &good, [None, Some((5, FaultKind::Rewritten))]);

        let mut copy = good.clone();
        copy[4].actor.name = "mallory".to_owned();
        check(&good, &copy, [None, Some((5, FaultKind::ArchiveEdited))]);
        copy.remove(4);
        check(&good, &copy, [None, Some((5, FaultKind::ArchiveMissing))]);
        check(&good, &good[..7], [None, Some((8, FaultKind::ArchiveMissing))]);
    }

    /// GO-4: a row that was written a moment ago may be on its way into the archive.
    #[test]
    fn a_young_row_may_be_missing_at_the_archives_end_only() {
        let good = rows(5);
        let young = Timestamp::from_millis(500);
        let mut walk = Walk::new("autosave", young);
        walk.beside(&good, &mut InMemory(&good[..3]));
        let verdict = walk.verdict();
        assert!(verdict.ok);
        assert_eq!((verdict.rows, verdict.archived, verdict.unarchived), (5, 3, 2));
        let mut walk = Walk::new("autosave", young);
        walk.beside(&good, &mut InMemory(&good[1..]));
        assert_eq!(walk.verdict().fault.map(|it| (it.seq, it.kind)), Some((1, FaultKind::ArchiveMissing)));
    }

    /// GO-4: a bundle of some days begins within a stream.
    #[test]
    fn a_part_of_a_stream_is_checked_from_its_first_row_on() {
        let good = rows(6);
        let mut walk = Walk::behind("autosave", 3, &good[3].prev_hash, Timestamp::from_millis(0));
        walk.chain(&good[3..]);
        let verdict = walk.verdict();
        assert_eq!((verdict.ok, verdict.rows, verdict.last_seq), (true, 3, 6));
        assert_eq!(verdict.head.as_ref(), Some(&good[5].hash));
    }
}
