//! What is told on this machine.

use super::{Message, NotifierKind};

/// A place with one address, which is its name.
#[derive(Debug, Clone, Copy)]
pub struct Local {
    pub name: &'static str,
    expected: &'static str,
}

/// The runbook log of the reporter's data directory.
pub const RUNBOOK: Local = Local { name: "runbook", expected: "`runbook`" };

/// The service's own log.
pub const LOG: Local = Local { name: "log", expected: "`log`" };

impl NotifierKind for Local {
    fn name(&self) -> &'static str {
        self.name
    }

    fn expected(&self) -> &'static str {
        self.expected
    }

    fn address(&self, written: &str) -> Option<String> {
        (written == self.name).then(|| written.to_owned())
    }

    fn reaches_people(&self) -> bool {
        false
    }

    fn render(&self, message: &Message) -> String {
        message.plain()
    }
}
