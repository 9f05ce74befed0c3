//! What every Phasegate service has, once.

pub mod auth;
pub mod causes;
pub mod client;
pub mod clock;
pub mod config;
pub mod db;
pub mod descriptors;
pub mod disk;
pub mod files;
pub mod forms;
pub mod gather;
pub mod http;
pub mod main_of;
pub mod mark;
pub mod moment;
pub mod outbox;
pub mod retention;
pub mod rules;
pub mod seal;
pub mod service_name;
pub mod shutdown;
pub mod supervisor;
pub mod tasks;
pub mod telemetry;
pub mod trace_context;
pub mod vendors;

pub use config::CommonConfig;
pub use main_of::{Main, main_of};
pub use service_name::ServiceName;
pub use tasks::Tasks;
