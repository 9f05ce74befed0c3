//! The real binaries, seen from outside: telemetry in, messages, pages and commands out.

mod apart;
mod backups;
mod early_starts;
mod kills;
mod outages;
mod scenes;
mod story;
mod stragglers;
