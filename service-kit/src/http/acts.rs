//! What acts of people have in common: who does them, and the words that come with them.

use shared_types::problem::ProblemCode;
use shared_types::{Actor, Via};

use super::ApiError;
use crate::auth::Identity;

/// The longest text that a person may give.
const LONGEST: usize = 2000;

/// Who acts: whom the token names, or else whom the body's `by` does.
///
/// # Errors
/// `by` is no [`text`].
pub fn actor(identity: &Identity, by: Option<String>, via: Via) -> Result<Actor, ApiError> {
    let verified = identity.is_verified();
    let name = match by {
        Some(by) if !verified => text("by", &by)?,
        _ => identity.name.clone(),
    };
    Ok(Actor { name, roles: identity.roles.clone(), via, verified })
}

/// A text that a person gave in a field, trimmed.
///
/// # Errors
/// It is empty, too long, or has control characters.
pub fn text(field: &'static str, value: &str) -> Result<String, ApiError> {
    let length = value.trim().chars().count();
    let plain = !value.contains(|c: char| c.is_control() && c != '\n' && c != '\t');
    if (1..=LONGEST).contains(&length) && plain {
        return Ok(value.trim().to_owned());
    }
    let detail =
        format!("field `{field}`: expected 1 to {LONGEST} characters, none of them control characters");
    Err(ApiError::unprocessable(ProblemCode::InvalidBody, detail))
}
