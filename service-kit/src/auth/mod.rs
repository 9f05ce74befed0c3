//! Who calls, and what they may: tokens, JWTs, browser sessions, roles, and the least role of every call.
//!
//! Whoever calls is an [`Identity`]; what a call asks for is declared in the OpenAPI document alone, from
//! which [`Access`] is made. Where neither tokens nor an issuer are configured only loopback may be listened on,
//! and everybody there may do everything.

mod access;
mod authenticator;
mod caller;
mod ended;
mod identity;
mod oidc;
mod reload;
pub mod role;
pub mod same_origin;
mod session;
mod throttle;
pub mod tokens;

pub(crate) use access::SIGNED;
pub use access::{Access, BEARER, Lookup, Rule, SESSION};
pub use authenticator::{Authenticator, Presented, Unauthorized, Verified};
pub use caller::Caller;
pub use ended::{EndedSessions, OpenSession};
pub use identity::{Identity, Proof};
pub use oidc::{KeySource, KeysAt, Oidc, OidcSettings, RoleMap};
pub use reload::TokenFile;
pub(crate) use session::is_loopback_host;
pub use session::{COOKIE_NAME, LIFE as SESSION_LIFE, SessionKeyError, Sessions, set_cookie};
pub use throttle::Throttle;
pub use tokens::{OpenListen, Tokens, TokensError, check_listen, hash_of};
