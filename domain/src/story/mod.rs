//! How it is told: texts of messages, documents, reports, and stored state as the API shows it.

pub mod certainty;
pub mod daily;
pub mod day;
pub mod days;
pub mod document;
pub mod figures;
pub mod markdown;
pub mod rca;
mod tally;
pub mod texts;
pub mod views;
pub mod visible;
pub mod words;

pub use tally::Tally;
