//! What every double has: a server on a free port, a locked state, and waiting for it to change.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::cut::{CuttableListener, Scissors};

/// A running server; dropped, it is gone, and its port refuses connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) async fn start(router: Router) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let service = router.into_make_service_with_connect_info::<Scissors>();
        let task = tokio::spawn(async move {
            axum::serve(CuttableListener(listener), service).await.ok();
        });
        Ok(Self { address, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// State that its server and its owner share.
pub(crate) struct Shared<T> {
    state: Arc<Mutex<T>>,
    changed: Arc<Notify>,
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), changed: Arc::clone(&self.changed) }
    }
}

impl<T> Shared<T> {
    pub(crate) fn new(state: T) -> Self {
        Self { state: Arc::new(Mutex::new(state)), changed: Arc::new(Notify::new()) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait for a change.
    pub(crate) fn announce(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until the condition gives something, for `limit` at most.
    pub(crate) async fn wait_for<R>(
        &self,
        limit: Duration,
        condition: impl Fn(&T) -> Option<R>,
    ) -> Option<R> {
        let met = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // Enabled before the look, so that no change is missed between the two.
                changed.as_mut().enable();
                if let Some(met) = condition(&self.lock()) {
                    return met;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, met).await.ok()
    }
}
