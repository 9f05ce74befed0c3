//! What a signature over the log's heads is of (OP-9).
//!
//! The chain shows that nothing between two rows was changed; where it ends, and that it is this chain and no other, a
//! signature shows to whoever knows the public key. Pure: signing is the service's.

use serde_json::json;
use shared_types::audit::AuditSeal;

use super::canonical;

/// The value of [`AuditSeal::schema`] of this release.
pub const SCHEMA: &str = "phasegate.audit-seal/1";

/// The text that is signed.
#[must_use]
pub fn signed(seal: &AuditSeal) -> String {
    let AuditSeal { schema, at, from, to, heads, key: _, signature: _ } = seal;
    canonical(&json!({ "schema": schema, "at": at, "from": from, "to": to, "heads": heads }))
}
