//! Who a call comes from.

use std::collections::BTreeSet;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoStaticStr};
use utoipa::ToSchema;

use super::role;

/// Who a call comes from. Handlers take it as an extractor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's name: what audit entries and approvals are signed with.
    pub name: String,
    pub roles: BTreeSet<String>,
    proof: Proof,
}

/// How a caller was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Proof {
    /// By a token of the file.
    Token,
    /// By a JWT of the configured issuer.
    Oidc,
    /// By the cookie of a browser session.
    Session,
    /// By a request that a vendor has signed, for a user that the configuration names.
    #[serde(rename = "slack")]
    #[strum(serialize = "slack")]
    Vendor,
    /// No tokens are configured: whoever reaches the loopback listener.
    Local,
    /// The call needed no proof.
    Anonymous,
}

impl Proof {
    /// As it is written everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Identity {
    /// Who a valid token belongs to.
    #[must_use]
    pub fn verified(name: &str, roles: impl IntoIterator<Item = String>) -> Self {
        Self::proven(name, roles, Proof::Token)
    }

    /// Somebody whose name and roles were proven in some way.
    #[must_use]
    pub fn proven(name: &str, roles: impl IntoIterator<Item = String>, proof: Proof) -> Self {
        Self { name: name.to_owned(), roles: roles.into_iter().collect(), proof }
    }

    /// The only user of a service without tokens.
    #[must_use]
    pub fn local() -> Self {
        Self::proven("local", [], Proof::Local)
    }

    /// Nobody known.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::proven("anonymous", [], Proof::Anonymous)
    }

    /// How it was recognised.
    #[must_use]
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// Whether its name is proven, so that no other may be given for it.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        matches!(self.proof, Proof::Token | Proof::Oidc | Proof::Session | Proof::Vendor)
    }

    /// Whether it may act as `role`. On a service without tokens everybody on the machine may.
    #[must_use]
    pub fn holds(&self, role: &str) -> bool {
        self.proof == Proof::Local || self.roles.iter().any(|held| role::covers(held, role))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(Self::anonymous))
    }
}
