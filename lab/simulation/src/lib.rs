//! Runs the three services' real code in one thread, under a virtual clock, with faults drawn from a seed, and checks
//! after each run that every promise of `docs/reliability.md` holds. A seed reproduces its run to the byte.

pub mod boundary;
pub mod checks;
pub mod clock;
pub mod databases;
pub mod facts;
pub mod faults;
pub mod forger;
pub mod network;
pub mod outside;
pub mod pagerduty;
pub mod past;
pub mod people;
pub mod probe;
pub mod replica;
pub mod run;
pub mod scheduler;
pub mod services;
pub mod spec;
pub mod sqlite;
pub mod telemetry;
pub mod trace;
pub mod trap;
pub mod world;

pub use run::{Report, Simulation, each};
pub use spec::{Script, Spec};
