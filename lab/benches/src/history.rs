//! (h) What history costs: the bytes that a batch leaves in each service's tables, and how long a year of a target takes to be read.
//!
//! The bytes are those of windows that went through the three services. The year is made of eight windows that did, whose rows are then
//! multiplied in the reporter's tables; what is asked over HTTP is held beside the bare statement for the same rows.

mod bytes;
mod clock;
mod reads;

use crate::latency::Store;

/// How much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// Through the services, for their bytes.
    pub(crate) batches: usize,
    /// Of one target, to be read.
    pub(crate) windows: usize,
}

/// The tables of each store. An error where a batch leaves more than `bytes_most`.
pub(crate) fn bench(stores: &[Store], amount: Amount, bytes_most: Option<f64>) -> anyhow::Result<()> {
    service_kit::client::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for store in stores {
        store.with(&runtime, async |directory, database| {
            println!(
                "\n{store:?}, bytes a batch, as they are kept once all replicas read the compressed form"
            );
            bytes::measure(directory, database, amount.batches, bytes_most).await
        })?;
        store.with(&runtime, async |directory, database| {
            println!("\n{store:?}, reads of a target with {} windows", amount.windows);
            reads::measure(directory, database, amount.windows).await
        })?;
    }
    Ok(())
}
