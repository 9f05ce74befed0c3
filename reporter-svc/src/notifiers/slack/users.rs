//! Who a Slack user is here: name and roles, from `PHASEGATE_SLACK_USERS`.
//!
//! A list `U123=ana:sre,dev-lead; U456=ben:dev-lead`, or the path of a file with one such entry a line and `#`
//! comments. Give people the names that their tokens have: two names are two people to the rules.

use std::collections::BTreeMap;

use service_kit::auth::{Identity, Proof, role};

/// Slack's user ids and who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlackUsers(BTreeMap<String, Identity>);

impl SlackUsers {
    /// Reads the setting: a list, or the file that it names.
    ///
    /// # Errors
    /// What is wrong, in one line.
    pub fn load(setting: &str) -> Result<Self, String> {
        if setting.contains('=') {
            return Self::parse(setting);
        }
        let text = std::fs::read_to_string(setting).map_err(|error| format!("{setting}: {error}"))?;
        Self::parse(&text).map_err(|wrong| format!("{setting}: {wrong}"))
    }

    /// Reads entries, one a line or with `;` between them.
    ///
    /// # Errors
    /// What is wrong, in one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut users = BTreeMap::new();
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        for entry in lines.flat_map(|line| line.split(';')).map(str::trim).filter(|it| !it.is_empty()) {
            let (id, identity) = parse_entry(entry)?;
            if users.insert(id.to_owned(), identity).is_some() {
                return Err(format!("the user {id} is there twice"));
            }
        }
        if users.is_empty() { Err("it names no user".to_owned()) } else { Ok(Self(users)) }
    }

    /// Who that user is here.
    #[must_use]
    pub fn identity(&self, id: &str) -> Option<&Identity> {
        self.0.get(id)
    }
}

fn parse_entry(entry: &str) -> Result<(&str, Identity), String> {
    let expected = || format!("`{entry}`: expected `U0123ABCD=name:role,role`");
    let (id, person) = entry.split_once('=').ok_or_else(expected)?;
    let (name, roles) = person.split_once(':').ok_or_else(expected)?;
    let (id, name) = (id.trim(), name.trim());
    let is_id =
        id.starts_with(['U', 'W']) && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if !is_id || name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(expected());
    }
    let roles: Vec<String> = roles.split(',').map(|role| role.trim().to_owned()).collect();
    for role in &roles {
        role::check(role)?;
    }
    Ok((id, Identity::proven(name, roles, Proof::Vendor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_a_list_or_from_lines() {
        let list = SlackUsers::load("U1=ana:sre,dev-lead; W2=ben:governance").unwrap();
        let lines =
            SlackUsers::parse("# people\nU1=ana:sre,dev-lead # on call\n\nW2=ben:governance\n").unwrap();
        assert_eq!(list, lines);
        let ana = list.identity("U1").unwrap();
        assert!(ana.name == "ana" && ana.holds("dev-lead") && !ana.holds("governance") && ana.is_verified());
        assert_eq!(list.identity("U3"), None);
    }

    #[test]
    fn a_wrong_entry_is_refused_and_shown() {
        for wrong in
            ["U1=ana", "ana:sre", "u1=ana:sre", "=ana:sre", "U1=:sre", "U1=a b:sre", "U1=ana:", "U1=ana:x y"]
        {
            assert!(SlackUsers::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(SlackUsers::parse("U1=ana:sre;U1=ben:sre").unwrap_err(), "the user U1 is there twice");
        assert_eq!(SlackUsers::parse("# nobody").unwrap_err(), "it names no user");
        assert!(SlackUsers::load("/does/not/exist").unwrap_err().starts_with("/does/not/exist: "));
    }
}
