//! The real binaries, seen from outside: telemetry in, messages, pages and commands out.

mod kills;
mod scenes;
mod story;
