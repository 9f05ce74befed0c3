//! In which form this replica keeps each document, and which replicas live beside it (OP-6).
//!
//! A form above the first is written only once it stands in the table of forms, and it gets there only while every
//! replica that lives reads it. What a replica has in memory may lag behind that table: it then writes an older form,
//! which all of them read. [`Replica`] keeps the table; stores ask [`Forms`].

mod packed;
mod replica;
mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use domain::stored::{self, Document, Form, Unreadable, Wire};
use serde::Serialize;
use serde_json::Value;

use crate::db::DbError;
use crate::http::CheckState;

pub use replica::{HEARTBEAT, OLD_RELEASES_LIVE, Replica, SEEN_WITHIN};

/// The documents of the kit itself, which every service keeps.
pub const KIT: &[Form] = &[Form::of::<domain::effects::RetrySchedule>(), packed::FORM];

/// As many damaged documents are remembered by name.
const DAMAGED_MAX: usize = 20;

/// See the module. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Forms(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// What this binary reads. Unset where no [`Replica`] joined, as in tests: the newest forms are written then.
    known: OnceLock<Vec<Form>>,
    /// Forms above the first that may be written.
    allowed: RwLock<BTreeMap<String, u32>>,
    /// Kind and id to what is wrong with the document.
    damaged: Mutex<BTreeMap<(&'static str, String), String>>,
}

impl Forms {
    /// The form in which documents of a kind are to be written.
    #[must_use]
    pub fn form_of<D: Document>(&self) -> u32 {
        self.allowed_of(D::KIND).map_or(D::VERSION, |form| form.min(D::VERSION))
    }

    /// None: the newest.
    fn allowed_of(&self, kind: &str) -> Option<u32> {
        self.0.known.get()?;
        Some(self.0.allowed.read().unwrap_or_else(PoisonError::into_inner).get(kind).copied().unwrap_or(1))
    }

    /// The document as it is to be kept.
    ///
    /// # Errors
    /// It cannot be written: a bug, and nothing may be kept in its place.
    pub fn text<D: Document>(&self, document: &D) -> Result<String, DbError> {
        Ok(stored::write(document, self.form_of::<D>())?)
    }

    /// A payload as it is to be enqueued.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub fn payload(&self, form: &Form, payload: &Value) -> Result<String, DbError> {
        match self.allowed_of(form.kind) {
            Some(to) if to < form.newest() => Ok(stored::lower(form, payload.clone(), to)?.to_string()),
            _ => Ok(payload.to_string()),
        }
    }

    /// Reads a kept document; `id` is what people find it by.
    ///
    /// # Errors
    /// [`DbError::Unreadable`], which is remembered for [`Self::state`].
    pub fn read<D: Document>(&self, id: &str, text: &str) -> Result<D, DbError> {
        self.noted(D::KIND, id, stored::read(text))
    }

    /// A document that carries a `schema`, as it is to be kept: compressed, once all who live read that.
    #[must_use]
    pub fn wire_text<W: Wire + Serialize>(&self, document: &W) -> String {
        let text = stored::plain_text(document);
        match self.history() {
            ..packed::PACKED => text,
            form => packed::pack(text, form),
        }
    }

    /// Whether all who live look for a batch's histograms beside its body.
    #[must_use]
    pub fn parts_histograms(&self) -> bool {
        self.history() >= packed::APART
    }

    fn history(&self) -> u32 {
        self.allowed_of(packed::FORM.kind).unwrap_or(packed::FORM.newest())
    }

    /// Reads what [`Self::wire_text`] made, or a release that compressed nothing.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_wire<W: Wire>(&self, id: &str, text: &str) -> Result<W, DbError> {
        let damaged = |reason| Unreadable::Damaged { kind: W::KIND, form: 1, reason };
        let text = packed::unpack(text).map_err(damaged);
        self.noted(W::KIND, id, text.and_then(|text| stored::read_wire(&text)))
    }

    fn noted<T>(&self, kind: &'static str, id: &str, read: Result<T, Unreadable>) -> Result<T, DbError> {
        let mut damaged = self.0.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(document) => {
                // Nearly always empty: nothing is allocated then.
                if !damaged.is_empty() {
                    damaged.remove(&(kind, id.to_owned()));
                }
                Ok(document)
            }
            Err(source) => {
                if damaged.len() < DAMAGED_MAX {
                    damaged.insert((kind, id.to_owned()), source.to_string());
                }
                Err(DbError::Unreadable { kind, id: id.to_owned(), source })
            }
        }
    }

    /// For `/readyz`: documents that could not be read. The rest of the work goes on, and somebody should look.
    #[must_use]
    pub fn state(&self) -> CheckState {
        let damaged = self.0.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        match damaged.iter().next() {
            None => CheckState::Ok,
            Some(((kind, id), reason)) => {
                let others = match damaged.len() - 1 {
                    0 => String::new(),
                    others => format!(", and {others} more"),
                };
                CheckState::Degraded(format!("{kind} {id} cannot be read: {reason}{others}"))
            }
        }
    }

    fn know(&self, known: Vec<Form>) {
        // A second replica on the same handle reads the same: it is the same binary.
        self.0.known.set(known).ok();
    }

    fn known(&self) -> &[Form] {
        self.0.known.get().map_or(&[], Vec::as_slice)
    }

    fn allow(&self, allowed: BTreeMap<String, u32>) {
        *self.0.allowed.write().unwrap_or_else(PoisonError::into_inner) = allowed;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::gate::fixture::Counts;

    use super::{Forms, KIT, packed};

    /// OP-6: what a batch is kept as goes by what all who live read.
    #[test]
    fn history_is_compressed_and_taken_apart_once_all_read_that() {
        let forms = Forms::default();
        forms.know(KIT.to_vec());
        for (form, begins, apart) in [(1, "{", false), (2, "z1:", false), (3, "z2:", true)] {
            forms.allow(BTreeMap::from([(packed::FORM.kind.to_owned(), form)]));
            let (batch, text) = (Counts::default().batch(), forms.wire_text(&Counts::default().batch()));
            assert!(text.starts_with(begins) && forms.parts_histograms() == apart, "{form}: {text}");
            assert_eq!(forms.read_wire::<shared_types::Batch>("it", &text).unwrap(), batch);
        }
    }
}
