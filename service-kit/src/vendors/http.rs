//! One HTTP exchange with a vendor, and what it means when there is no answer.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use shared_types::Timestamp;

use super::VendorSettingsError;
use super::answer::Answer;
use crate::causes::innermost;
use crate::outbox::Outcome;

// What requests are made of, so that no service needs a client of its own beside this one.
pub use reqwest::{Client, Method, RequestBuilder, Url, header};

/// How much of an answer is read. The documented ones are far shorter.
const BODY_LIMIT: usize = 256 * 1024;
/// A vendor that asks for more patience than this is asked again after it.
const LONGEST_PATIENCE: Duration = Duration::from_secs(3600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A client that tells failures and unknown outcomes apart as well as can be: no connection is kept (one
/// that died while idle would look like a lost reply), and no redirect is followed (it would carry the
/// secret elsewhere).
///
/// # Errors
/// There is no client on this system.
pub fn client(timeout: Duration) -> Result<Client, VendorSettingsError> {
    // A provider that is installed already serves as well.
    rustls::crypto::ring::default_provider().install_default().ok();
    Client::builder()
        .timeout(timeout)
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("phasegate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| VendorSettingsError::Client(error.to_string()))
}

/// A base URL, with exactly one `/` at its end so that paths can be joined to it.
///
/// # Errors
/// The text is no URL of HTTP.
pub fn base_url(setting: &'static str, text: &str) -> Result<Url, VendorSettingsError> {
    let invalid = VendorSettingsError::Invalid { setting, expected: "an http or https URL" };
    let url = Url::parse(&format!("{}/", text.trim_end_matches('/'))).map_err(|_| invalid.clone())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(invalid) }
}

/// Sends the request and reads the answer; without one, says what that means: a request that was never
/// written failed, anything later may have happened.
///
/// # Errors
/// There is no answer.
pub async fn exchange(request: RequestBuilder, now: Timestamp) -> Result<Answer, Outcome> {
    exchange_up_to(BODY_LIMIT, request, now).await
}

/// As [`exchange`], of a vendor whose answers are longer; what is beyond `limit` bytes is not read.
///
/// # Errors
/// There is no answer.
pub async fn exchange_up_to(
    limit: usize,
    request: RequestBuilder,
    now: Timestamp,
) -> Result<Answer, Outcome> {
    let mut response = request.send().await.map_err(without_answer)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let retry_after = retry_after(&headers, now);
    let mut body = Vec::new();
    while body.len() < limit {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            // The status alone tells a refusal; a success whose body broke off is not taken for one.
            Err(_) if status >= 300 => break,
            Err(error) => return Err(without_answer(error)),
        }
    }
    body.truncate(limit);
    Ok(Answer { status, retry_after, headers, body })
}

fn without_answer(error: reqwest::Error) -> Outcome {
    // The URL may be a secret (an incoming webhook's is).
    let error = error.without_url();
    let reason = innermost(&error);
    if error.is_builder() {
        Outcome::Never { reason: format!("the request cannot be built: {reason}") }
    } else if error.is_connect() {
        Outcome::Failed { reason: format!("no connection: {reason}") }
    } else if error.is_timeout() {
        Outcome::Unknown { reason: "no answer in time after the request was written".to_owned() }
    } else {
        Outcome::Unknown { reason: format!("no answer after the request was written: {reason}") }
    }
}

/// `Retry-After` in seconds or as an HTTP date (RFC 9110, 10.2.3), at least a millisecond, at most an hour.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let until = jiff::fmt::rfc2822::parse(text).ok()?;
        Timestamp::from_millis(until.timestamp().as_millisecond()).since(now)
    };
    Some(asked.clamp(Duration::from_millis(1), LONGEST_PATIENCE))
}

/// The start of a body, in one line, for an error that people read.
#[must_use]
pub fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(1024)]);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|character| !character.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())])
    }

    /// NO-3
    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let now = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
        let read = |value| retry_after(&headers(value), now);
        assert_eq!(read("30"), Some(Duration::from_secs(30)));
        assert_eq!(read("0"), Some(Duration::from_millis(1)));
        assert_eq!(read("999999999"), Some(LONGEST_PATIENCE));
        assert_eq!(read("Sun, 22 Nov 2026 10:00:45 GMT"), Some(Duration::from_secs(45)));
        assert_eq!(read("Sun, 22 Nov 2026 09:00:00 GMT"), Some(Duration::from_millis(1)));
        assert_eq!(read("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_base_url_joins_paths_with_or_without_a_slash_at_its_end() {
        for text in
            ["https://vendor.example/api", "https://vendor.example/api/", "https://vendor.example/api//"]
        {
            let url = base_url("VENDOR_API_URL", text).unwrap();
            assert_eq!(url.join("send").unwrap().as_str(), "https://vendor.example/api/send");
        }
        for text in ["", "vendor.example", "file:///etc/passwd", "ftp://vendor.example"] {
            assert!(base_url("VENDOR_API_URL", text).is_err(), "{text}");
        }
    }
}
