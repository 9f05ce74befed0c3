//! Everything is bounded: bodies by their decompressed bytes, handlers by time, calls by number.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::*;

const LIMIT: usize = 1 << 20;

async fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    async_compression::tokio::bufread::GzipEncoder::new(bytes).read_to_end(&mut out).await.unwrap();
    out
}

async fn zstd(bytes: &[u8], window_log: u32) -> Vec<u8> {
    use async_compression::zstd::CParameter;
    let parameters = [CParameter::window_log(window_log)];
    let level = async_compression::Level::Fastest;
    let mut out = Vec::new();
    async_compression::tokio::bufread::ZstdEncoder::with_quality_and_params(bytes, level, &parameters)
        .read_to_end(&mut out)
        .await
        .unwrap();
    out
}

#[tokio::test]
async fn a_body_at_the_limit_passes_and_one_byte_more_does_not() {
    let answer = post_bytes("/v1/raw", &[], vec![b' '; LIMIT]).await;
    assert_eq!(answer.text(), LIMIT.to_string());
    let answer = post_bytes("/v1/raw", &[], vec![b' '; LIMIT + 1]).await;
    insta::assert_snapshot!(answer.problem(), @"413 too_large: the body is larger than the limit, which counts decompressed bytes");
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let text = "event\n".repeat(1000);
    let packed = gzip(text.as_bytes()).await;
    // Two members behind each other, as `cat a.gz b.gz` makes them.
    let twice = [packed.clone(), packed].concat();
    assert_eq!(post_bytes("/v1/raw", &[("content-encoding", "gzip")], twice).await.text(), "12000");
    let packed = zstd(text.as_bytes(), 20).await;
    assert_eq!(post_bytes("/v1/raw", &[("content-encoding", "zstd")], packed).await.text(), "6000");
}

#[tokio::test]
async fn a_decompression_bomb_is_refused() {
    let bomb = vec![0; 64 * LIMIT];
    for (encoding, packed) in [("gzip", gzip(&bomb).await), ("zstd", zstd(&bomb, 20).await)] {
        assert!(packed.len() < LIMIT / 8, "{encoding} bomb is small on the wire");
        let answer = post_bytes("/v1/raw", &[("content-encoding", encoding)], packed).await;
        assert!(answer.problem().starts_with("413 too_large"), "{encoding}");
    }
}

#[tokio::test]
async fn a_zstd_frame_cannot_ask_for_a_window_of_128_mib() {
    // By hand: magic, descriptor without a content size, window byte for 2^27, one raw last block of one byte.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x09, 0x00, 0x00, b'x'];
    let answer = post_bytes("/v1/raw", &[("content-encoding", "zstd")], frame.to_vec()).await;
    assert!(answer.problem().starts_with("400 unreadable_body"));
    let small = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, 0x09, 0x00, 0x00, b'x'];
    let answer = post_bytes("/v1/raw", &[("content-encoding", "zstd")], small.to_vec()).await;
    assert_eq!(answer.text(), "1");
}

#[tokio::test]
async fn a_damaged_body_is_refused() {
    let mut packed = gzip(b"events").await;
    packed.truncate(12);
    let answer = post_bytes("/v1/raw", &[("content-encoding", "gzip")], packed).await;
    insta::assert_snapshot!(answer.problem(), @"400 unreadable_body: the body broke off or its compression is damaged");
}

#[tokio::test]
async fn other_encodings_are_refused_by_name() {
    for encoding in ["br", "deflate", "gzip, gzip", "x"] {
        let answer = post_bytes("/v1/raw", &[("content-encoding", encoding)], "x").await;
        assert!(answer.problem().starts_with("415 unsupported_encoding"), "{encoding}");
        assert_eq!(answer.header("accept-encoding"), "gzip, zstd");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_a_408() {
    insta::assert_snapshot!(call("GET", "/v1/never").await.problem(), @"408 timeout: not done within 30s; it may still take effect");
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_limit_are_put_off_and_probes_are_not() {
    let mut parts = parts();
    parts.options.in_flight = 1;
    let app = app(parts);
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let first = tokio::spawn(send(app.clone(), get("/v1/never")));
    tokio::task::yield_now().await;
    let second = send(app.clone(), get("/v1/never")).await;
    assert!(second.problem().starts_with("503 unavailable"));
    assert_eq!(second.header("retry-after"), "1");
    assert_eq!(send(app.clone(), get("/healthz")).await.status, StatusCode::OK);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(first.await.unwrap().status, StatusCode::REQUEST_TIMEOUT);
}
