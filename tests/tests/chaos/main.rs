//! Real processes under force: the three binaries on a PostgreSQL of their own, with proxies between all of them and to
//! the vendors. Whatever fails, every violation becomes one rollback and its messages.
//!
//! `PHASEGATE_CHAOS_ROUNDS=200` is the long form, `PHASEGATE_CHAOS_SEED` another run, and `PHASEGATE_OLD_BINARIES` the
//! folder of an earlier version's binaries for the rolling restart.

mod campaign;
mod dice;
mod disk;
mod fault;
mod fleet;
mod plan;
mod round;
mod summary;
mod watchdog;
mod world;
