//! gzip and zstd request bodies, decompressed as a stream, so that the body limit counts what comes out.
//!
//! A zstd frame may ask for a window of any size before its first byte: 8 MiB is what RFC 8878 tells
//! decoders to support, and all that is given here.

use std::io;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt as _;
use shared_types::problem::ProblemCode;
use tokio_util::io::{ReaderStream, StreamReader};

use super::ApiError;

const WINDOW_LOG_MAX: u32 = 23;

/// Middleware: replaces a compressed body by what is in it; 415 for any other encoding.
pub(super) async fn decompress(mut request: Request, next: Next) -> Response {
    let Some(encoding) = request.headers().get(CONTENT_ENCODING).cloned() else {
        return next.run(request).await;
    };
    let encoding = encoding.as_bytes().to_ascii_lowercase();
    let several = request.headers().get_all(CONTENT_ENCODING).iter().nth(1).is_some();
    let decoded: fn(Body) -> Body = match encoding.as_slice() {
        _ if several => return unsupported(),
        b"identity" => |body| body,
        b"gzip" => |body| {
            let mut decoder = GzipDecoder::new(StreamReader::new(bytes(body)));
            decoder.multiple_members(true);
            Body::from_stream(ReaderStream::new(decoder))
        },
        b"zstd" => |body| {
            let limit = [DParameter::window_log_max(WINDOW_LOG_MAX)];
            let mut decoder = ZstdDecoder::with_params(StreamReader::new(bytes(body)), &limit);
            decoder.multiple_members(true);
            Body::from_stream(ReaderStream::new(decoder))
        },
        _ => return unsupported(),
    };
    request.headers_mut().remove(CONTENT_ENCODING);
    if encoding != b"identity" {
        // It counted the compressed bytes.
        request.headers_mut().remove(CONTENT_LENGTH);
    }
    next.run(request.map(decoded)).await
}

fn bytes(body: Body) -> impl futures_util::Stream<Item = io::Result<axum::body::Bytes>> {
    body.into_data_stream().map_err(io::Error::other)
}

fn unsupported() -> Response {
    let error = ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ProblemCode::UnsupportedEncoding,
        "expected `Content-Encoding: gzip`, `zstd` or none",
    );
    let mut response = error.into_response();
    response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"));
    response
}
