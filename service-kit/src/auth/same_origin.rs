//! Whether a call that a browser authenticates by cookie comes from our own page.
//!
//! A cookie goes along with whatever a page makes the browser send. `SameSite=Strict` keeps other sites' pages
//! out, but another port of the same host is the same site. So a call that changes something shows two proofs: a
//! header of our own, which a foreign page cannot set without being asked for permission first (a preflight,
//! which we never grant), and the browser's own word on where the call comes from.

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};

/// The header that our page sends with every call that changes something; its value is `1`.
pub const REQUEST_HEADER: &str = "x-phasegate-request";
const FETCH_SITE: &str = "sec-fetch-site";

/// Whether the method only reads.
#[must_use]
pub fn is_safe(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// Whether a call authenticated by cookie may change something.
#[must_use]
pub fn is_proven(headers: &HeaderMap) -> bool {
    let ours = single(headers, REQUEST_HEADER) == Some("1");
    let origin = match single(headers, FETCH_SITE) {
        // The browser compared the origins itself; a proxy may have given us another `Host` than it saw.
        Some(site) => site == "same-origin",
        // An old browser, or a page by plain HTTP.
        None => single(headers, ORIGIN.as_str()).is_some_and(|origin| is_own_origin(origin, headers)),
    };
    ours && origin
}

/// The header's value, if it is there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.to_str().unwrap_or("?")),
        (None, _) => None,
        _ => Some("?"),
    }
}

/// The scheme is not compared: behind a proxy that ends TLS we do not know our own.
fn is_own_origin(origin: &str, headers: &HeaderMap) -> bool {
    let named = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    named.is_some_and(|named| {
        single(headers, HOST.as_str()).is_some_and(|host| host.eq_ignore_ascii_case(named))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proven(headers: &[(&'static str, &'static str)]) -> bool {
        let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let mut map = HeaderMap::new();
        pairs.for_each(|(name, value): (axum::http::HeaderName, _)| {
            map.append(name, value);
        });
        is_proven(&map)
    }

    #[test]
    fn a_call_of_our_own_page_is_proven_and_every_other_is_not() {
        const OURS: (&str, &str) = ("x-phasegate-request", "1");
        const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
        const HOST: (&str, &str) = ("host", "gate.example:7103");
        let good: [&[_]; 4] = [
            &[OURS, SAME, HOST],
            &[OURS, SAME, HOST, ("origin", "https://gate.example:7103")],
            &[OURS, HOST, ("origin", "http://GATE.example:7103")],
            &[OURS, SAME, ("host", "upstream:7103"), ("origin", "https://gate.example")],
        ];
        for headers in good {
            assert!(proven(headers), "{headers:?}");
        }
        let bad: [&[_]; 12] = [
            &[],
            &[OURS],
            &[SAME, HOST],
            &[OURS, HOST],
            &[("x-phasegate-request", "0"), SAME, HOST],
            &[OURS, HOST, ("sec-fetch-site", "same-site")],
            &[OURS, HOST, ("sec-fetch-site", "cross-site"), ("origin", "https://gate.example:7103")],
            &[OURS, HOST, ("sec-fetch-site", "none")],
            &[OURS, HOST, ("origin", "null")],
            &[OURS, HOST, ("origin", "https://gate.example:7104")],
            &[OURS, HOST, SAME, ("sec-fetch-site", "cross-site")],
            &[OURS, ("origin", "https://gate.example:7103")],
        ];
        for headers in bad {
            assert!(!proven(headers), "{headers:?}");
        }
    }
}
