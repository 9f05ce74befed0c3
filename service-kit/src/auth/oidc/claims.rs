//! What a JWT says of a person: name, roles, times.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared_types::Timestamp;

use crate::auth::role;

const LONGEST_NAME: usize = 128;

/// From when until when a JWT is valid, as it says.
pub(super) struct Times {
    pub(super) expires_at: Timestamp,
    pub(super) not_before: Option<Timestamp>,
}

impl Times {
    /// Seconds since the epoch, fractions allowed. `None`: one is there, and is no time.
    pub(super) fn of(claims: &Value) -> Option<Self> {
        let not_before = match &claims["nbf"] {
            Value::Null => None,
            value => Some(time(value)?),
        };
        Some(Self { expires_at: time(&claims["exp"])?, not_before })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to what a Timestamp holds")]
fn time(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite() && *seconds >= 0.0)?;
    Some(Timestamp::from_millis((seconds * 1000.0).min(9e18) as i64))
}

/// The person's name, fit to sign with.
pub(super) fn name(claims: &Value, claim: &str) -> Result<String, &'static str> {
    // By its type: whatever is there and is not `true` verifies nothing. Issuers that do not say it vouch for all.
    if claim == "email" && !matches!(claims.get("email_verified"), None | Some(Value::Bool(true))) {
        return Err("its e-mail address is not verified");
    }
    let name = at(claims, claim).and_then(Value::as_str).ok_or("it has no name in the configured claim")?;
    let plain = name.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if (1..=LONGEST_NAME).contains(&name.chars().count()) && plain {
        Ok(name.to_owned())
    } else {
        Err("the name in the configured claim cannot be used")
    }
}

/// A claim, with dots into objects; a claim that has dots itself (a URL) comes first.
fn at<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| path.split('.').try_fold(claims, |value, key| value.get(key)))
}

/// Which of our roles the issuer's are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleMap(BTreeMap<String, BTreeSet<String>>);

/// A mapping that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `theirs=ours,other=ours`: {0}")]
pub struct RoleMapError(String);

impl RoleMap {
    /// Reads `group-a=sre,group-b=governance,group-b=viewer`. What the issuer calls a role may have `=` in it.
    ///
    /// # Errors
    /// [`RoleMapError`] says where.
    pub fn parse(text: &str) -> Result<Self, RoleMapError> {
        let mut map = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (theirs, ours) =
                pair.rsplit_once('=').ok_or_else(|| RoleMapError(format!("`{pair}` has no `=`")))?;
            role::check(ours).map_err(RoleMapError)?;
            map.0.entry(theirs.to_owned()).or_default().insert(ours.to_owned());
        }
        Ok(map)
    }

    /// The roles of whoever has these claims. Without a mapping the known roles of people go by the same names;
    /// those of services, and a policy's own, always have to be mapped, as anything may stand in a claim.
    pub(super) fn of(&self, claims: &Value, claim: &str) -> BTreeSet<String> {
        let theirs: Vec<&str> = match at(claims, claim) {
            Some(Value::String(text)) => text.split_whitespace().collect(),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let same = |name: &&str| role::KNOWN.contains(name) && !role::is_service(name);
        if self.0.is_empty() {
            return theirs.into_iter().filter(same).map(str::to_owned).collect();
        }
        theirs.into_iter().filter_map(|name| self.0.get(name)).flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn roles(map: &str, claim: &str, claims: &Value) -> Vec<String> {
        RoleMap::parse(map).unwrap().of(claims, claim).into_iter().collect()
    }

    #[test]
    fn roles_are_mapped_and_others_ignored() {
        let claims = json!({
            "groups": ["platform-sre", "cn=gov,dc=x", "unknown", 7],
            "realm_access": { "roles": ["sre"] },
            "https://x.example/roles": ["governance"],
            "scope": "openid sre service:reporter",
        });
        assert_eq!(roles("platform-sre=sre,platform-sre=viewer", "groups", &claims), ["sre", "viewer"]);
        assert_eq!(roles("", "realm_access.roles", &claims), ["sre"]);
        assert_eq!(roles("", "https://x.example/roles", &claims), ["governance"]);
        assert_eq!(roles("", "scope", &claims), ["sre"], "no service's role without a mapping");
        assert_eq!(roles("x=service:telemetry", "scope", &json!({ "scope": ["x"] })), ["service:telemetry"]);
        assert!(roles("", "nothing", &claims).is_empty());
    }

    #[test]
    fn a_wrong_mapping_is_refused() {
        for text in ["sre", "a=service:x", "a="] {
            assert!(RoleMap::parse(text).is_err(), "{text}");
        }
        assert_eq!(RoleMap::parse(" ").unwrap(), RoleMap::default());
    }

    /// SE-4: claims are taken by their type.
    #[test]
    fn a_name_is_verified_and_plain() {
        assert_eq!(name(&json!({ "email": "a@x" }), "email").as_deref(), Ok("a@x"));
        assert_eq!(name(&json!({ "email": "a@x", "email_verified": true }), "email").as_deref(), Ok("a@x"));
        assert_eq!(name(&json!({ "sub": "auth0|7" }), "sub").as_deref(), Ok("auth0|7"));
        for claims in [
            json!({}),
            json!({ "email": "a@x", "email_verified": false }),
            json!({ "email": "a@x", "email_verified": "false" }),
            json!({ "email": "a@x", "email_verified": "true" }),
            json!({ "email": "a@x", "email_verified": 1 }),
            json!({ "email": "a@x", "email_verified": null }),
            json!({ "email": "a b" }),
            json!({ "email": "" }),
            json!({ "email": 7 }),
        ] {
            assert!(name(&claims, "email").is_err(), "{claims}");
        }
    }
}
