//! Which events a target has, and what each must carry: as the policy's metrics ask for it (TE-1).

/// How many different duration fields the events of one target may have.
pub const DURATION_FIELDS_MAX: usize = 8;

/// One event name and what it must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSpec {
    pub name: String,
    pub duration_field: Option<String>,
    /// Index of `duration_field` among the target's; set by [`EventSpecs::new`].
    pub(super) duration: Option<usize>,
    /// Carries `code` and `retryable`.
    pub error: bool,
}

impl EventSpec {
    /// An event that is only counted.
    #[must_use]
    pub fn counted(name: &str) -> Self {
        Self { name: name.to_owned(), duration_field: None, duration: None, error: false }
    }

    /// An event with a duration.
    #[must_use]
    pub fn timed(name: &str, field: &str) -> Self {
        Self { duration_field: Some(field.to_owned()), ..Self::counted(name) }
    }

    /// An error.
    #[must_use]
    pub fn failure(name: &str) -> Self {
        Self { error: true, ..Self::counted(name) }
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
    specs: Vec<EventSpec>,
    duration_fields: Vec<String>,
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
                Some(known) => {
                    known.error |= spec.error;
                    known.duration_field = known.duration_field.take().or(spec.duration_field);
                }
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
        if duration_fields.len() > DURATION_FIELDS_MAX || specs.len() > 1000 {
            return Err(TooManyFields);
        }
        Ok(Self { specs, duration_fields })
    }

    /// What either asks for: while two versions of a policy are in force for windows that are open side by side, all is
    /// counted that one of them wants.
    ///
    /// # Errors
    /// [`TooManyFields`].
    pub fn union(&self, other: &Self) -> Result<Self, TooManyFields> {
        Self::new(self.specs.iter().chain(&other.specs).cloned())
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

    /// The index of an event.
    #[inline]
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.specs.iter().position(|spec| spec.name == name)
    }

    /// The event with an index.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&EventSpec> {
        self.specs.get(index)
    }

    #[inline]
    pub(super) fn duration_fields(&self) -> &[String] {
        &self.duration_fields
    }

    pub(super) fn duration_field(&self, at: usize) -> String {
        self.duration_fields.get(at).cloned().unwrap_or_default()
    }
}
