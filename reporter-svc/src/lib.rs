//! The reporter: rollout and incident machines, their durable effects, and what people see of them.

pub mod api;
pub mod audit;
pub mod buttons;
pub mod config;
pub mod daily;
pub mod dashboard;
pub mod effect;
pub mod evidence;
pub mod executor;
pub mod files;
pub mod handler;
pub mod lower;
pub mod machine;
pub mod notification;
pub mod page;
pub mod rca;
pub mod reporter;
pub mod service;
pub mod steward;
pub mod store;
pub mod texts;
pub mod vendors;
pub mod views;

pub use api::openapi;
pub use config::{Config, ReporterArgs};
pub use service::run;
