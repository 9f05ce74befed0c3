//! flagd's flag file: the share of users is kept as a `fractional` rule of one flag, in a JSON file that flagd (or any
//! provider of OpenFeature that reads such files) watches. In the policy:
//!
//! ```yaml
//! flag: { flagd: { file: /flags/autosave.json, flag: autosave, variant: "on" } }
//! ```

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use shared_types::PhaseId;

use super::share::Share;
use super::{Description, ExecutorKind, ExecutorPolicy, Facts, Planner, Request};
use crate::policy::Wrong;
use crate::policy::kind_section::Section;

/// Its name.
pub const NAME: &str = "flagd";

/// The kind.
#[derive(Debug, Clone, Copy)]
pub struct Flagd;

/// A flag in a file that flagd watches: its `fractional` rule is set to the phase's share of users, and read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The flag file, relative to the working directory.
    pub file: String,
    /// The flag's key in it.
    pub flag: String,
    /// The variant of those who have the feature.
    pub variant: String,
    /// The variant of all others; left out: the flag's only other one.
    pub otherwise: Option<String>,
}

impl ExecutorKind for Flagd {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(Settings::json_schema(generator))
    }

    fn check(&self, section: &Section) -> Result<Box<dyn Planner>, Wrong> {
        let settings: Settings = section.read()?;
        let Settings { file, flag, variant, otherwise } = &settings;
        for (key, text) in [
            ("file", Some(file)),
            ("flag", Some(flag)),
            ("variant", Some(variant)),
            ("otherwise", otherwise.as_ref()),
        ] {
            if text.is_some_and(|text| text.trim().is_empty() || text.contains(char::is_control)) {
                return Err(section.at(key).wrong("expected a text that is not empty, in one line"));
            }
        }
        if otherwise.as_ref() == Some(variant) {
            return Err(section.at("otherwise").wrong(format!("expected another variant than `{variant}`")));
        }
        Ok(Box::new(settings))
    }
}

impl From<Settings> for ExecutorPolicy {
    fn from(settings: Settings) -> Self {
        Self::new(NAME, Box::new(settings) as Box<dyn Planner>)
    }
}

/// A request's own part: what the file shall say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    #[serde(flatten)]
    pub settings: Settings,
    #[serde(flatten)]
    pub share: Share,
    /// The phase to be read back.
    pub phase: PhaseId,
}

impl Planned {
    /// Of a request.
    ///
    /// # Errors
    /// It is not one of flagd.
    pub fn of(request: &Request) -> Result<Self, serde_json::Error> {
        Self::deserialize(&request.data)
    }
}

impl Planner for Settings {
    /// RB-3: the share to reach, however often it is set.
    fn plan(&self, facts: &Facts<'_>) -> Request {
        let share = Share::of(facts);
        Request {
            kind: NAME.to_owned(),
            words: format!(
                "flagd flag {} in {}: {} to {} of users",
                self.flag,
                self.file,
                self.variant,
                share.words()
            ),
            reads_back: true,
            data: crate::stored::plain(&Planned { settings: self.clone(), share, phase: facts.to.clone() }),
        }
    }

    fn describe(&self) -> Description {
        let others = self.otherwise.clone().unwrap_or_else(|| "the other one".to_owned());
        Description {
            settings: vec![
                ("flag file", self.file.clone()),
                ("flag", self.flag.clone()),
                ("variant with the feature", self.variant.clone()),
                ("variant without it", others),
            ],
            read_back: Some("the flag file".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use shared_types::rollout::TransitionKind;

    const SHIPPED: &str = include_str!("../../../governance/policy.yaml");

    /// The shipped policy, moved by another section.
    fn policy(flag: &str) -> Result<Policy, String> {
        let (before, rest) = SHIPPED.split_once("      rollback: { command").unwrap();
        let (_, after) = rest.split_once("not read back\n").unwrap();
        Policy::parse(&format!("{before}      flag: {flag}\n{after}"), "policy.yaml")
            .map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(flag: &str, expected: &str) {
        assert_eq!(policy(flag).unwrap_err(), format!("policy.yaml:51:{expected}"), "{flag}");
    }

    /// RB-9, RB-3: what is kept of a move is the share and the phase to reach.
    #[test]
    fn a_move_is_planned_as_the_share_of_users_to_reach() {
        let policy =
            policy(r#"{ flagd: { file: /flags/autosave.json, flag: autosave, variant: "on" } }"#).unwrap();
        let (name, target) = policy.targets.first_key_value().unwrap();
        for (from, to, thousandths, words) in [
            ("B", "A", 5000, "5%"),
            ("A", "off", 0, "0%"),
            ("B", "C", 100_000, "100%"),
            ("C", "completed", 100_000, "100%"),
        ] {
            let [from, to] = [from, to].map(|it| PhaseId::parse(it).unwrap());
            let facts = Facts {
                kind: TransitionKind::Rollback,
                target: name,
                from: &from,
                to: &to,
                below: &to,
                above: &from,
                audience_before: target.audience_percent(&from),
                audience_percent: target.audience_percent(&to),
                served_alike: &target.served_alike(&to),
                incident: None,
                reason: "",
            };
            let request = target.transitions.executor.plan(&facts);
            assert_eq!(
                request.words,
                format!("flagd flag autosave in /flags/autosave.json: on to {words} of users")
            );
            assert!(request.reads_back);
            let planned = Planned::of(&request).unwrap();
            assert_eq!((planned.share.thousandths, planned.phase), (thousandths, to));
        }
    }

    #[test]
    fn a_wrong_section_is_refused_where_it_stands() {
        const AT: &str = "targets.autosave.transitions.flag";
        refused("{}", &format!("13: {AT}: expected one flag system of flagd, unleash, webhook"));
        refused(
            "{ flagg: {} }",
            &format!(
                "22: {AT}.flagg: the flag system `flagg` is not known; known here: flagd, unleash, webhook"
            ),
        );
        refused(
            "{ command: {} }",
            &format!(
                "24: {AT}.command: the flag system `command` is not known; known here: flagd, unleash, webhook"
            ),
        );
        refused("{ flagd: on }", &format!("22: {AT}.flagd: expected a mapping"));
        refused("{ flagd: { file: f, flag: x } }", &format!("22: {AT}.flagd: the key `variant` is missing"));
        refused(
            "{ flagd: { file: f, flag: x, variant: a, verify: b } }",
            &format!(
                "54: {AT}.flagd.verify: unknown key `verify`; expected `file`, `flag`, `variant` or `otherwise`"
            ),
        );
        refused(
            "{ flagd: { file: 7, flag: x, variant: a } }",
            &format!("30: {AT}.flagd.file: expected a string, found integer `7`"),
        );
        refused(
            "{ flagd: { file: f, flag: ' ', variant: a } }",
            &format!("39: {AT}.flagd.flag: expected a text that is not empty, in one line"),
        );
        refused(
            "{ flagd: { file: f, flag: x, variant: a, otherwise: a } }",
            &format!("65: {AT}.flagd.otherwise: expected another variant than `a`"),
        );
    }

    #[test]
    fn commands_and_a_flag_system_do_not_stand_side_by_side() {
        let text = SHIPPED.replacen("      verify:   null", "      flag: { flagd: {} }", 1);
        let error = Policy::parse(&text, "policy.yaml").unwrap_err().to_string();
        assert!(
            error.ends_with("flag: expected commands or a flag system, found `rollback` beside it"),
            "{error}"
        );
        let text = SHIPPED.replacen(
            "      promote:  { command: [pnpm, run, \"flags:promote\", --phase, \"{next}\"] }\n",
            "",
            1,
        );
        let error = Policy::parse(&text, "policy.yaml").unwrap_err().to_string();
        assert!(error.ends_with("targets.autosave.transitions: the key `promote` is missing"), "{error}");
    }

    /// A difference in settings is a difference of the policy, in words.
    #[test]
    fn another_executor_is_told_as_a_difference() {
        let flag =
            |file: &str| policy(&format!("{{ flagd: {{ file: {file}, flag: x, variant: a }} }}")).unwrap();
        let told = |old: &Policy, new: &Policy| -> Vec<String> {
            old.diff(new).changes.iter().map(|it| it.change.clone()).collect()
        };
        let shipped = Policy::parse(SHIPPED, "policy.yaml").unwrap();
        assert_eq!(told(&flag("f"), &flag("f")), Vec::<String>::new());
        assert_eq!(told(&flag("f"), &flag("g")), ["flag file f → g"]);
        let all = told(&shipped, &flag("f"));
        assert!(all.contains(&"moved by command → flagd".to_owned()), "{all:?}");
        assert!(all.contains(&"verify is new: the flag file".to_owned()), "{all:?}");
    }
}
