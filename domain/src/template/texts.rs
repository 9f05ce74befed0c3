//! The texts of messages, read once each and parsed once for all targets that use the same.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{TemplateErrors, Templates};
use crate::policy::{Notifications, Shared, TargetPolicy};

/// Reads a file.
type Reader<'a> = dyn Fn(&Path) -> std::io::Result<String> + 'a;

/// What texts follow from: their directory, their names, and the placeholders that stand for metrics.
type Set = (String, [String; 4], Vec<String>);

/// See the module.
pub struct Texts<'a> {
    read: Box<Reader<'a>>,
    /// By the file's name in the policy.
    files: RefCell<BTreeMap<PathBuf, String>>,
    /// Also those that could not be read.
    asked: RefCell<Vec<PathBuf>>,
    sets: HashMap<Set, Arc<Templates>>,
    /// Targets of one template have the one value.
    last: Option<(Shared<Notifications>, Arc<Templates>)>,
}

impl<'a> Texts<'a> {
    /// `read` gets paths as the policy names them.
    pub fn new(read: impl Fn(&Path) -> std::io::Result<String> + 'a) -> Self {
        Self {
            read: Box::new(read),
            files: RefCell::default(),
            asked: RefCell::default(),
            sets: HashMap::new(),
            last: None,
        }
    }

    /// Those of a target.
    ///
    /// # Errors
    /// [`TemplateErrors`] with each file that is missing or refused.
    pub fn of(&mut self, target: &TargetPolicy) -> Result<Arc<Templates>, TemplateErrors> {
        if let Some((_, texts)) = self.last.as_ref().filter(|(of, _)| of.is(&target.notifications)) {
            return Ok(Arc::clone(texts));
        }
        let set = set(&target.notifications);
        let texts = if let Some(known) = self.sets.get(&set) {
            Arc::clone(known)
        } else {
            let loaded = Arc::new(Templates::load_with(target, |file| self.text(file))?);
            self.sets.insert(set, Arc::clone(&loaded));
            loaded
        };
        self.last = Some((target.notifications.clone(), Arc::clone(&texts)));
        Ok(texts)
    }

    fn text(&self, file: &Path) -> std::io::Result<String> {
        if let Some(known) = self.files.borrow().get(file) {
            return Ok(known.clone());
        }
        self.asked.borrow_mut().push(file.to_owned());
        let text = (self.read)(file)?;
        self.files.borrow_mut().insert(file.to_owned(), text.clone());
        Ok(text)
    }

    /// The files that were asked for, as the policy names them.
    #[must_use]
    pub fn asked_for(&self) -> Vec<PathBuf> {
        self.asked.borrow().clone()
    }

    /// All that was read, by name.
    #[must_use]
    pub fn read(&self) -> BTreeMap<String, String> {
        let files = self.files.borrow();
        files.iter().map(|(file, text)| (file.display().to_string(), text.clone())).collect()
    }
}

fn set(notifications: &Notifications) -> Set {
    let Notifications { templates, values, ok, warn, incident, rollback, .. } = notifications;
    let names = [ok, warn, incident, rollback].map(|it| it.template.clone());
    (templates.clone(), names, values.keys().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::template::SHIPPED;

    /// NO-1: ten thousand targets with the same texts read six files.
    #[test]
    fn each_text_is_read_once_for_all_targets_that_use_it() {
        let policy = Policy::parse(include_str!("../../../governance/policy.yaml"), "p").unwrap();
        let target = policy.targets.into_values().next().unwrap();
        let mut other = target.clone();
        other.notifications.escalation_channel = other.notifications.ok.channel.clone();
        let mut own = target.clone();
        own.notifications.values.clear();
        let mut texts = Texts::new(|file| {
            let name = file.file_name().unwrap().to_str().unwrap();
            let found = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
        });
        let [first, second, third] = [&target, &target.clone(), &other].map(|it| texts.of(it).unwrap());
        assert!(Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&first, &third));
        assert!(texts.of(&own).is_err(), "its texts use placeholders that it does not name");
        assert_eq!((texts.asked_for().len(), texts.read().len()), (6, 6));
    }
}
