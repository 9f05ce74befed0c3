//! How a request gets to its receiver and an answer back: the seam below every call to another service or a vendor.

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use reqwest::{Request, Response, StatusCode};

use crate::causes::{in_full, innermost};

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The head came; the body may have broken off.
    pub body: Result<Vec<u8>, Lost>,
}

/// Why nothing, or not all, came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// It never reached the receiver.
    Unreached(String),
    /// It was written, and may have been done.
    Unanswered(String),
    /// The answer is larger than is read.
    TooLarge,
}

/// Carries one request to its receiver.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends it and reads the answer, within the carrier's own time limits.
    async fn exchange(&self, request: Request) -> Result<Reply, Lost>;
}

/// The network.
pub(super) struct Network {
    pub(super) http: reqwest::Client,
    /// Largest answer that is read, in bytes.
    pub(super) limit: usize,
}

#[async_trait]
impl Transport for Network {
    async fn exchange(&self, request: Request) -> Result<Reply, Lost> {
        let mut response = self.http.execute(request).await.map_err(lost)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let body = read(response, self.limit).await;
        Ok(Reply { status, headers, body })
    }
}

async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, Lost> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if bytes.len() + chunk.len() > limit {
            return Err(Lost::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn lost(error: reqwest::Error) -> Lost {
    let unreached = error.is_connect() || error.is_builder();
    let error = error.without_url();
    if unreached { Lost::Unreached(innermost(&error)) } else { Lost::Unanswered(in_full(&error)) }
}
