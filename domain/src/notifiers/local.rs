//! What is told on this machine: the runbook log, and the service's own log.

use super::{Message, NotifierKind};

/// The runbook log of the reporter's data directory.
#[derive(Debug, Clone, Copy)]
pub struct Runbook;

impl Runbook {
    /// Its name, and its one address.
    pub const NAME: &'static str = "runbook";
}

impl NotifierKind for Runbook {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn expected(&self) -> &'static str {
        "`runbook`"
    }

    fn address(&self, written: &str) -> Option<String> {
        (written == Self::NAME).then(|| written.to_owned())
    }

    fn reaches_people(&self) -> bool {
        false
    }

    fn render(&self, message: &Message) -> String {
        message.plain()
    }
}

/// The service's own log.
#[derive(Debug, Clone, Copy)]
pub struct Log;

impl Log {
    /// Its name, and its one address.
    pub const NAME: &'static str = "log";
}

impl NotifierKind for Log {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn expected(&self) -> &'static str {
        "`log`"
    }

    fn address(&self, written: &str) -> Option<String> {
        (written == Self::NAME).then(|| written.to_owned())
    }

    fn reaches_people(&self) -> bool {
        false
    }

    fn render(&self, message: &Message) -> String {
        message.plain()
    }
}
