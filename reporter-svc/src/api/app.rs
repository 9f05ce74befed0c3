//! What handlers share.

use std::sync::Arc;

use service_kit::auth::Access;
use service_kit::client::Neighbour;

use crate::audit::Keeper;
use crate::dashboard::Publisher;
use crate::executors::Executors;
use crate::reporter::Reporter;
use crate::ways::Ways;

/// See the module.
#[derive(Clone)]
pub struct App {
    pub reporter: Arc<Reporter>,
    pub publisher: Arc<Publisher>,
    /// Knows why decisions came out as they did, and what other policies would have decided.
    pub analyzer: Neighbour,
    /// Who may make which call, for acts that come in by another way.
    pub access: Arc<Access>,
    pub keeper: Arc<Keeper>,
    /// Those that will move the targets, asked whether they can.
    pub executors: Executors,
    /// The ways to people, looked at and tried.
    pub ways: Arc<dyn Ways>,
}
