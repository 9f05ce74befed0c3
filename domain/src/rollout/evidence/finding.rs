//! What a check of evidence finds, as data; the words for it stand in `story/words`.

use serde::{Deserialize, Serialize};
use shared_types::Timestamp;

/// What a check goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Figure {
    NoRetryExhausted,
    RetriesExhausted {
        windows: Vec<String>,
    },
    /// The page that was accepted; `command` is none where nothing was rolled back.
    Page {
        template: String,
        command: Option<String>,
        at: Timestamp,
        acknowledged_at: Option<Timestamp>,
        by: Option<String>,
    },
    Analysis {
        submitted_at: Timestamp,
        due_at: Timestamp,
        confirmed_at: Option<Timestamp>,
        by: Option<String>,
    },
    /// The phase of the message that is held against the card.
    Phase {
        phase: String,
    },
    /// A figure of the two, as shown; `apart` relative to the card's, if both show it.
    Compared {
        name: String,
        message: String,
        card: String,
        apart: Option<String>,
    },
}

/// What a check does not find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Lack {
    Page,
    CommandInPage,
    Acknowledgement,
    /// It came after `due_at`.
    AcknowledgementInTime {
        due_at: Timestamp,
    },
    Analysis {
        due_at: Timestamp,
    },
    Confirmation,
    AnalysisInTime,
    /// No message with figures was sent.
    Figures,
    /// What message and card say differently.
    Agreement {
        names: Vec<String>,
    },
}
