//! Which events a target has, and what each must carry: as the policy's metrics ask for it (TE-1).

use std::sync::Arc;

use crate::map::Map;

/// How many different duration fields the events of one target may have.
pub const DURATION_FIELDS_MAX: usize = 8;

/// One event name and what it must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSpec {
    /// What it is counted under: the event's name, and `@` with the variant where that is counted apart.
    pub name: String,
    pub duration_field: Option<String>,
    /// Index of `duration_field` among the target's; set by [`EventSpecs::new`].
    pub(super) duration: Option<usize>,
    /// Carries `code` and `retryable`.
    pub error: bool,
    /// Of an error: the events that are attempts, itself mostly among them. Its sessions are told by them (JU-10).
    pub whole: Vec<String>,
    /// The variant that is counted apart.
    variant: Option<String>,
}

impl EventSpec {
    /// An event that is only counted.
    #[must_use]
    pub fn counted(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            duration_field: None,
            duration: None,
            error: false,
            whole: Vec::new(),
            variant: None,
        }
    }

    /// An event with a duration.
    #[must_use]
    pub fn timed(name: &str, field: &str) -> Self {
        Self { duration_field: Some(field.to_owned()), ..Self::counted(name) }
    }

    /// An error, and the events that are attempts at what failed.
    #[must_use]
    pub fn failure(name: &str, whole: &[impl AsRef<str>]) -> Self {
        let whole = whole.iter().map(|event| event.as_ref().to_owned()).collect();
        Self { error: true, whole, ..Self::counted(name) }
    }

    fn join(&mut self, other: Self) {
        self.error |= other.error;
        self.duration_field = self.duration_field.take().or(other.duration_field);
        for event in other.whole {
            if !self.whole.contains(&event) {
                self.whole.push(event);
            }
        }
    }

    fn of_variant(&self, variant: &str) -> Self {
        Self {
            name: in_variant(&self.name, variant),
            whole: self.whole.iter().map(|event| in_variant(event, variant)).collect(),
            variant: Some(variant.to_owned()),
            ..self.clone()
        }
    }
}

/// The name under which an event of a `variant` is counted, apart from the others: `<event>@<variant>`.
#[must_use]
pub fn in_variant(event: &str, variant: &str) -> String {
    format!("{event}@{variant}")
}

/// The events of a target; an event's index in here is its name from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSpecs {
    /// All without a variant, then all of the first variant in the same order, and so on.
    specs: Vec<EventSpec>,
    /// How many have no variant.
    plain: usize,
    variants: Vec<String>,
    duration_fields: Vec<String>,
    /// By index of an event: the errors that have it in their whole.
    attempts: Vec<Vec<usize>>,
    /// How foreign lines are read (TE-7).
    map: Option<Arc<Map>>,
}

/// The policy asks for more than a collector keeps apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at most {DURATION_FIELDS_MAX} different duration fields and 1000 event names a target")]
pub struct TooManyFields;

impl EventSpecs {
    /// Collects the specs; of two for the same name the requirements are joined.
    ///
    /// # Errors
    /// [`TooManyFields`].
    pub fn new(wanted: impl IntoIterator<Item = EventSpec>) -> Result<Self, TooManyFields> {
        let mut specs: Vec<EventSpec> = Vec::new();
        for spec in wanted {
            match specs.iter_mut().find(|known| known.name == spec.name) {
                Some(known) => known.join(spec),
                None => specs.push(spec),
            }
        }
        let mut duration_fields: Vec<String> = Vec::new();
        for spec in &mut specs {
            let Some(field) = &spec.duration_field else { continue };
            let at = duration_fields.iter().position(|known| known == field).unwrap_or_else(|| {
                duration_fields.push(field.clone());
                duration_fields.len() - 1
            });
            spec.duration = Some(at);
        }
        if duration_fields.len() > DURATION_FIELDS_MAX {
            return Err(TooManyFields);
        }
        let plain = specs.len();
        let specs =
            Self { specs, plain, variants: Vec::new(), duration_fields, attempts: Vec::new(), map: None };
        specs.with_variants(Vec::<String>::new())
    }

    /// The same, with the events of these variants counted apart, each under `<event>@<variant>` (JU-9).
    ///
    /// # Errors
    /// [`TooManyFields`].
    pub fn with_variants(
        mut self,
        variants: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, TooManyFields> {
        let plain: Vec<EventSpec> = self.plain().to_vec();
        for variant in variants.into_iter().map(Into::into) {
            if !self.variants.contains(&variant) {
                self.specs.extend(plain.iter().map(|spec| spec.of_variant(&variant)));
                self.variants.push(variant);
            }
        }
        if self.specs.len() > 1000 {
            return Err(TooManyFields);
        }
        let errors_of = |event: &EventSpec| {
            let errors = self.specs.iter().enumerate();
            errors.filter(|(_, error)| error.whole.contains(&event.name)).map(|(at, _)| at).collect()
        };
        self.attempts = self.specs.iter().map(errors_of).collect();
        Ok(self)
    }

    /// What either asks for: while two versions of a policy are in force for windows that are open side by side, all is
    /// counted that one of them wants; lines are read by the map of `other`, the later.
    ///
    /// # Errors
    /// [`TooManyFields`].
    pub fn union(&self, other: &Self) -> Result<Self, TooManyFields> {
        let plain = Self::new(self.plain().iter().chain(other.plain()).cloned())?.with_map(other.map.clone());
        plain.with_variants(self.variants.iter().chain(&other.variants).cloned())
    }

    /// The same, read of foreign lines.
    #[must_use]
    pub fn with_map(self, map: Option<Arc<Map>>) -> Self {
        Self { map, ..self }
    }

    /// How foreign lines are read (TE-7).
    #[inline]
    #[must_use]
    pub fn map(&self) -> Option<&Map> {
        self.map.as_deref()
    }

    /// How many of these bytes, which are whole lines, can be read without what follows them: not the beginning of a line that a
    /// container's runtime has cut up.
    #[must_use]
    pub fn settled(&self, lines: &[u8]) -> usize {
        self.map().map_or(lines.len(), |map| map.settled(lines))
    }

    /// The first event whose duration stands in another field than `other` says: the two cannot be counted together.
    #[must_use]
    pub fn disagreement(&self, other: &Self) -> Option<&str> {
        let disagrees = |ours: &&EventSpec| {
            let theirs = other.specs.iter().find(|theirs| theirs.name == ours.name);
            theirs.is_some_and(|theirs| match (&ours.duration_field, &theirs.duration_field) {
                (Some(ours), Some(theirs)) => ours != theirs,
                _ => false,
            })
        };
        self.specs.iter().find(disagrees).map(|spec| spec.name.as_str())
    }

    /// All of them, by index.
    #[must_use]
    pub fn all(&self) -> &[EventSpec] {
        &self.specs
    }

    /// The index of what is counted under a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.specs.iter().position(|spec| spec.name == name)
    }

    /// The index under which that is counted which stands elsewhere under a name: a variant that is not counted apart here
    /// is an event like any other.
    #[must_use]
    pub fn find_again(&self, name: &str) -> Option<usize> {
        let plain = || name.rsplit_once('@').and_then(|(event, _)| self.find(event));
        self.find(name).or_else(plain)
    }

    /// The index of an event.
    #[inline]
    pub(super) fn find_event(&self, name: &str, variant: Option<&str>) -> Option<usize> {
        let at = self.plain().iter().position(|spec| spec.name == name)?;
        let apart = variant.and_then(|variant| self.variants.iter().position(|known| known == variant));
        Some(apart.map_or(at, |variant| at + self.plain * (variant + 1)))
    }

    /// The event that a name is perhaps meant for (TE-6): one that differs by little, else the only one that ends alike.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let names = || self.plain().iter().map(|spec| spec.name.as_str());
        let near = names().map(|known| (distance(name, known), known)).min()?;
        if near.0 <= (name.len() / 5).max(2) && near.0 < name.len() {
            return Some(near.1);
        }
        let end = name.rsplit('.').next()?;
        let mut alike = names().filter(|known| known.rsplit('.').next() == Some(end));
        alike.next().filter(|_| alike.next().is_none())
    }

    /// The event with an index.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&EventSpec> {
        self.specs.get(index)
    }

    /// The errors, by index, that an event is an attempt of.
    #[inline]
    #[must_use]
    pub fn errors_of_attempt(&self, index: usize) -> &[usize] {
        self.attempts.get(index).map_or(&[], Vec::as_slice)
    }

    /// Whether `session` is asked for.
    #[inline]
    pub(super) fn want_sessions(&self) -> bool {
        self.attempts.iter().any(|errors| !errors.is_empty())
    }

    /// Whether `variant` is asked for.
    #[inline]
    pub(super) fn want_variants(&self) -> bool {
        !self.variants.is_empty()
    }

    #[inline]
    pub(super) fn duration_fields(&self) -> &[String] {
        &self.duration_fields
    }

    pub(super) fn duration_field(&self, at: usize) -> String {
        self.duration_fields.get(at).cloned().unwrap_or_default()
    }

    /// All of no variant, by index.
    #[inline]
    #[must_use]
    pub fn plain(&self) -> &[EventSpec] {
        &self.specs[..self.plain]
    }
}

/// Letters put in, left out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, a) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, b) in b.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs() -> EventSpecs {
        EventSpecs::new([EventSpec::timed("save", "ms"), EventSpec::failure("fail", &["save", "fail"])])
            .unwrap()
    }

    fn names(specs: &EventSpecs) -> Vec<&str> {
        specs.all().iter().map(|spec| spec.name.as_str()).collect()
    }

    /// JU-9: a variant has a twin of every event, with a whole of its own.
    #[test]
    fn a_variant_that_is_named_is_counted_apart() {
        let specs = specs().with_variants(["control", "control"]).unwrap();
        assert_eq!(names(&specs), ["save", "fail", "save@control", "fail@control"]);
        let found = |variant| specs.find_event("fail", variant);
        assert_eq!((found(None), found(Some("control")), found(Some("b"))), (Some(1), Some(3), Some(1)));
        assert_eq!(specs.find_event("fail@control", None), None, "that is no event's name");
        assert_eq!((specs.errors_of_attempt(0), specs.errors_of_attempt(2)), (&[1][..], &[3][..]));
        assert_eq!(specs.all()[2].duration, Some(0));
    }

    #[test]
    fn two_versions_have_the_variants_of_both() {
        let ours = specs().with_variants(["control"]).unwrap();
        let theirs = EventSpecs::new([EventSpec::counted("drift")]).unwrap();
        let both = ours.union(&theirs).unwrap();
        let expected = ["save", "fail", "drift", "save@control", "fail@control", "drift@control"];
        assert_eq!(names(&both), expected);
        assert_eq!((both.find_again("save@control"), specs().find_again("save@control")), (Some(3), Some(0)));
        assert_eq!(specs().find_again("drift@control"), None);
    }

    /// TE-6: a misspelt name is told which one it is near.
    #[test]
    fn a_name_that_is_near_another_is_told_so() {
        let names = ["autosave.save.completed", "autosave.save.error", "autosave.history.drift"];
        let specs = EventSpecs::new(names.map(EventSpec::counted)).unwrap();
        let nearest = |name: &str| specs.nearest(name);
        assert_eq!(nearest("autosave.save.complete"), Some(names[0]));
        assert_eq!(nearest("autosave_save_error"), Some(names[1]));
        assert_eq!(nearest("editor.history.drift"), Some(names[2]));
        assert_eq!(nearest("payment.opened"), None);
        assert_eq!(nearest("x"), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
