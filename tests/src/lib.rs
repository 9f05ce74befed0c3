//! What the tests of every crate share: databases, doubles of vendors, running services.

pub mod archive;
pub mod binaries;
pub mod cli;
pub mod counted;
pub mod feeder;
pub mod history;
pub mod otlp;
pub mod plans;
pub mod pooler;
pub mod ports;
pub mod postgres;
pub mod proxy;
pub mod stack;
pub mod stores;
pub mod tls;
pub mod vendors;
pub mod wait;

pub use vendor_doubles as doubles;
