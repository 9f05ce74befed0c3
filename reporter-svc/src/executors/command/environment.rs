//! The environment a command gets: little, known, and none of the service's own settings, which hold secrets.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// What is handed on from the service's own environment, where it is set. `PATH` is always there.
pub const INHERITED: &[&str] =
    &["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"];

const FALLBACK_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Variables for a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// What commands get of this process's environment: [`INHERITED`], and `also` by name.
    #[must_use]
    pub fn of_this_process(also: &[String]) -> Self {
        Self::selected(std::env::vars_os(), also)
    }

    fn selected(all: impl IntoIterator<Item = (OsString, OsString)>, also: &[String]) -> Self {
        let is_handed_on = |name: &OsStr| {
            INHERITED.iter().any(|inherited| name == *inherited)
                || also.iter().any(|also| name == also.as_str())
        };
        let mut selected: BTreeMap<_, _> = all.into_iter().filter(|(name, _)| is_handed_on(name)).collect();
        selected.entry("PATH".into()).or_insert_with(|| FALLBACK_PATH.into());
        Self(selected)
    }

    /// One variable more, or another value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    pub(super) fn path(&self) -> &OsStr {
        self.0.get(OsStr::new("PATH")).map_or(OsStr::new(FALLBACK_PATH), OsString::as_os_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(of: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        of.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn only_what_is_listed_is_handed_on() {
        let all =
            pairs(&[("PATH", "/bin"), ("SLACK_BOT_TOKEN", "xoxb"), ("UNLEASH_TOKEN", "u"), ("HOME", "/h")]);
        let environment =
            Environment::selected(all, &["UNLEASH_TOKEN".to_owned()]).with("PHASEGATE_PHASE", "A");
        let expected =
            pairs(&[("HOME", "/h"), ("PATH", "/bin"), ("PHASEGATE_PHASE", "A"), ("UNLEASH_TOKEN", "u")]);
        assert_eq!(environment.0.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn there_is_always_a_path() {
        let environment = Environment::selected([], &[]);
        assert_eq!(environment.0.into_iter().collect::<Vec<_>>(), pairs(&[("PATH", FALLBACK_PATH)]));
    }
}
