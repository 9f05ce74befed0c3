//! SQLite without a thread of its own: the driver that the stores use elsewhere hands every statement to another thread
//! and waits for it, which costs a simulation most of its time. This one runs them where they are asked for. SQL, SQLite
//! and all that stands above the driver are the same.

mod connection;
mod database;
mod error;
mod never;

use std::sync::Once;

use sqlx_core::any::driver::{AnyDriver, install_drivers};

static DRIVERS: &[AnyDriver] = &[AnyDriver::without_migrate::<database::InThread>()];

/// From now on `sqlite:` means this driver, in the whole process.
///
/// # Panics
/// When a database was connected to before.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| install_drivers(DRIVERS).unwrap_or_else(|error| panic!("{error}")));
}
