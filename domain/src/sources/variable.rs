//! Names in formulas of others.

/// Whether a formula can call something so: a small letter, then letters, digits and `_`.
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
