//! The versions that were in force, as the APIs of the services show them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_types::problem::ProblemCode;
use shared_types::{Page, Timestamp};
use utoipa::ToSchema;

use super::{PolicyVersions, RulesId, store};
use crate::db::Db;
use crate::http::{ApiError, Cursor, PageQuery};

/// A time in which one version was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyVersion {
    /// `sha256:<hex>` of the policy's bytes; what decisions and approvals name.
    pub version: String,
    /// `sha256:<hex>` of the texts of its messages; null where the service sends none.
    pub texts_version: Option<String>,
    /// Windows that begin from then on go by it.
    pub in_force_from: Timestamp,
    /// Windows that begin from then on go by the next one; null for the newest.
    pub in_force_until: Option<Timestamp>,
}

/// One version, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyText {
    /// `sha256:<hex>` of `policy`.
    pub version: String,
    /// When this service first saw it.
    pub first_seen_at: Timestamp,
    /// When it was in force, oldest first: a version may come back.
    pub in_force: Vec<InForce>,
    /// The file's text.
    pub policy: String,
    /// The texts of its messages by file name, as they were when it was last in force.
    pub texts: BTreeMap<String, String>,
}

/// When a version was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InForce {
    pub from: Timestamp,
    /// Null while it is.
    pub until: Option<Timestamp>,
}

impl PolicyVersions {
    /// A page of the versions that were in force, newest first.
    ///
    /// # Errors
    /// A wrong query; the database's.
    pub async fn policies(&self, page: &PageQuery) -> Result<Page<PolicyVersion>, ApiError> {
        match &self.0.log {
            Some(db) => policies(db, page).await,
            None => {
                let id = self.current().id();
                let version = view(id, Timestamp::from_millis(0), None);
                Ok(Page { items: vec![version], next: None })
            }
        }
    }

    /// One version by its hash, or by a beginning of it that no other has.
    ///
    /// # Errors
    /// Unknown, or not enough of it; the database's.
    pub async fn policy_text(&self, version: &str) -> Result<PolicyText, ApiError> {
        match &self.0.log {
            Some(db) => policy_text(db, version).await,
            None => Err(ApiError::not_found(format!("no policy {version} is kept here"))),
        }
    }
}

fn view(id: RulesId, in_force_from: Timestamp, in_force_until: Option<Timestamp>) -> PolicyVersion {
    let texts_version = Some(id.texts_version).filter(|version| !version.is_empty());
    PolicyVersion { version: id.version, texts_version, in_force_from, in_force_until }
}

async fn policies(db: &Db, page: &PageQuery) -> Result<Page<PolicyVersion>, ApiError> {
    let (limit, before) = (page.limit()?, page.after::<i64>()?);
    let found = store::entries(db, before, limit + 1).await?;
    let mut until = match before {
        // The entry before the page's first is the one the cursor names.
        Some(seq) => store::ended(db, seq - 1).await?,
        None => None,
    };
    let page = Cursor::page(found, limit, |entry| entry.seq);
    let items = page.items.into_iter().map(|entry| {
        let in_force_until = until.replace(entry.from);
        view(entry.id, entry.from, in_force_until)
    });
    Ok(Page { items: items.collect(), next: page.next })
}

async fn policy_text(db: &Db, version: &str) -> Result<PolicyText, ApiError> {
    let digits = version.strip_prefix("sha256:").unwrap_or(version);
    if digits.len() < 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
    {
        let detail = "expected `sha256:` and at least 6 lower-case hexadecimal digits";
        return Err(ApiError::unprocessable(ProblemCode::InvalidVersion, detail));
    }
    let found = store::versions_like(db, &format!("sha256:{digits}")).await?;
    let [version] = found.as_slice() else {
        return Err(match found.len() {
            0 => ApiError::not_found(format!("no policy {version} was ever in force here")),
            _ => ApiError::unprocessable(
                ProblemCode::AmbiguousVersion,
                format!("several policies begin with {version}"),
            ),
        });
    };
    let log = store::entries_of(db, version).await?;
    let mut in_force = Vec::new();
    for entry in &log {
        in_force.push(InForce { from: entry.from, until: store::ended(db, entry.seq).await? });
    }
    let newest = log.last().ok_or_else(|| ApiError::not_found(format!("{version} was never in force")))?;
    let kept = store::kept(db, &newest.id).await?;
    let kept = kept.ok_or_else(|| ApiError::not_found(format!("{version} is not kept")))?;
    Ok(PolicyText {
        version: version.clone(),
        first_seen_at: kept.first_seen_at,
        in_force,
        policy: kept.body,
        texts: kept.texts,
    })
}
