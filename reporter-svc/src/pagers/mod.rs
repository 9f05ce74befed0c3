//! Who pages people. One at a time: a page has a life (raised, its priority, acknowledged, resolved), which a message has not.
//! Each call makes one attempt and says what came of it; retrying is the outbox's business.

mod dedup_key;
mod log;
mod pager;
pub mod pagerduty;

use crate::kind::Kind;

pub use dedup_key::incident_of;
pub use log::LogPager;
pub use pager::Pager;

/// That of the product.
pub const SHIPPED: Kind<dyn Pager> = pagerduty::KIND;
