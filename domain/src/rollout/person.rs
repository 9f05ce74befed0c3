//! Who is who.

/// Names as tokens or people give them; nobody becomes two by writing theirs differently.
pub(super) fn same_person(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}
