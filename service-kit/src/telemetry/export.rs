//! Sends spans, and tells when that fails: once, then seldom, and once when it works again. Nothing else depends on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::seldom;

#[derive(Debug, thiserror::Error)]
#[error("the receiver of traces does not take them")]
struct NotExported;

/// An exporter whose failures are told here.
#[derive(Debug)]
pub(super) struct Told<E> {
    inner: E,
    failing: AtomicBool,
}

impl<E> Told<E> {
    pub(super) fn new(inner: E) -> Self {
        Self { inner, failing: AtomicBool::new(false) }
    }
}

impl<E: SpanExporter> SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exported = self.inner.export(batch).await;
        match &exported {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("traces are exported again");
                }
            }
            Err(error) => {
                self.failing.store(true, Ordering::Relaxed);
                // One line, however many ways there are to fail.
                let cause = error.to_string();
                seldom!(warn, "traces are lost; all else works on", &NotExported, cause);
            }
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
