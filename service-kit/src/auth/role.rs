//! The roles, and which imply which.
//!
//! People: `viewer` reads; `sre`, `dev-lead`, `governance`, `release-ops`, and whatever further role a policy
//! names for its approvals, read too. Services: `service:collector`, `service:analyzer` and `service:reporter`
//! speak to each other, and read what they need; `service:telemetry` is for applications that push their
//! events, and may do nothing else.

use std::fmt;

use domain::role;
pub use domain::role::{DEV_LEAD, GOVERNANCE, RELEASE_OPS, SRE};

/// Reads everything, changes nothing.
pub const VIEWER: &str = "viewer";
/// The collector itself.
pub const COLLECTOR: &str = "service:collector";
/// The analyzer itself.
pub const ANALYZER: &str = "service:analyzer";
/// The reporter itself.
pub const REPORTER: &str = "service:reporter";
/// An application that pushes its telemetry.
pub const TELEMETRY: &str = "service:telemetry";

/// The roles that calls are declared with, people's first.
pub const KNOWN: [&str; 9] =
    [VIEWER, SRE, DEV_LEAD, GOVERNANCE, RELEASE_OPS, COLLECTOR, ANALYZER, REPORTER, TELEMETRY];

/// Start, move up, acknowledge.
pub const MAY_OPERATE: Roles = Roles(&role::MAY_OPERATE);
/// Roll back by hand, abort, freeze, end a freeze.
pub const MAY_STOP: Roles = Roles(&role::MAY_STOP);
/// Have what is stuck tried again.
pub const MAY_RETRY: Roles = Roles(&role::MAY_RETRY);
/// Answer for an incident afterwards: its analysis, its review, its evidence. The policy says which of them does.
pub const MAY_ANSWER: Roles = Roles(&role::MAY_ANSWER);

/// Roles that may do the same. A call declares them by name, `security(("bearer" = [MAY_OPERATE]))`.
#[derive(Debug, Clone, Copy)]
pub struct Roles(&'static [&'static str]);

/// What `utoipa` takes is one text; [`crate::http::openapi::finish`] takes it apart.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

const SERVICE: &str = "service";

/// Whether the role is a program's, not a person's.
#[must_use]
pub fn is_service(role: &str) -> bool {
    role.split(':').next() == Some(SERVICE)
}

/// Whether whoever holds `held` may do what asks for `asked`.
///
/// Every role but that of pushing applications may read.
#[must_use]
pub fn covers(held: &str, asked: &str) -> bool {
    held == asked || (asked == VIEWER && held != TELEMETRY)
}

/// Whether the text can be a role: a known one, or a name of a policy's own for people.
///
/// # Errors
/// What was expected instead.
pub fn check(text: &str) -> Result<(), String> {
    if KNOWN.contains(&text) {
        return Ok(());
    }
    if is_service(text) {
        return Err(format!(
            "`{text}` is no service's role: expected {COLLECTOR}, {ANALYZER}, {REPORTER} or {TELEMETRY}"
        ));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(plain) {
        return Ok(());
    }
    Err(format!("`{text}` is no role: expected 1 to 64 of a-z A-Z 0-9 - _ ."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_reads_but_that_of_pushing_applications() {
        for held in KNOWN {
            assert_eq!(covers(held, VIEWER), held != TELEMETRY, "{held}");
            assert!(covers(held, held), "{held}");
            for asked in KNOWN.into_iter().filter(|asked| *asked != held && *asked != VIEWER) {
                assert!(!covers(held, asked), "{held} must not do what asks for {asked}");
            }
        }
        assert!(covers("data-steward", VIEWER), "a policy's own role is a person's");
    }

    #[test]
    fn a_mistyped_service_is_no_role() {
        for text in ["service", "service:", "service:reporters", "service:x", "", "a b", "sre,", "ä"] {
            assert!(check(text).is_err(), "{text}");
        }
        for text in KNOWN.into_iter().chain(["data-steward"]) {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }
}
