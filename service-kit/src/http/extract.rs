//! Extractors whose rejections are problem+json and name the line, column and field.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use shared_types::problem::ProblemCode;

use super::ApiError;

/// A JSON body, in and out. In: needs a JSON content type, one value and nothing after it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ProblemCode::UnsupportedMediaType,
                "expected `Content-Type: application/json`",
            ));
        }
        let Body(bytes) = Body::from_request(request, state).await?;
        from_json(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => ApiError::internal(error).into_response(),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads one JSON value; the problem names line, column and field.
pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        json_problem(error.inner(), Some(&path).filter(|path| *path != "."))
    })?;
    json.end().map_err(|error| json_problem(&error, None))?;
    Ok(value)
}

fn json_problem(error: &serde_json::Error, path: Option<&String>) -> ApiError {
    // serde_json ends its text with the place; ours stands in front, where it is found at once.
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = text.strip_suffix(&place).unwrap_or(&text);
    let place = format!("line {}, column {}", error.line(), error.column());
    match (error.classify(), path) {
        (Category::Data, Some(path)) => {
            // A hostile body decides how deep the path is.
            let path: String = path.chars().take(200).collect();
            ApiError::unprocessable(ProblemCode::InvalidBody, format!("{place}, field `{path}`: {what}"))
        }
        (Category::Data, None) => {
            ApiError::unprocessable(ProblemCode::InvalidBody, format!("{place}: {what}"))
        }
        (Category::Syntax | Category::Eof | Category::Io, _) => {
            ApiError::bad_request(ProblemCode::MalformedJson, format!("{place}: {what}"))
        }
    }
}

/// The raw body (decompressed), at most as large as the service's limit: for signatures and NDJSON.
#[derive(Debug, Clone)]
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| body_problem(&rejection))
    }
}

fn body_problem(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::too_large("the body is larger than the limit, which counts decompressed bytes")
    } else {
        ApiError::bad_request(ProblemCode::UnreadableBody, "the body broke off or its compression is damaged")
    }
}

/// The query string. Unknown parameters are ignored, wrong values named.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if parts.uri.query().is_some_and(has_nul) {
            return Err(ApiError::bad_request(
                ProblemCode::InvalidQuery,
                "query: a value has a NUL character",
            ));
        }
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|query| Self(query.0)).map_err(|rejection| {
            let text = match &rejection {
                QueryRejection::FailedToDeserializeQueryString(inner) => inner.body_text(),
                other => other.body_text(),
            };
            let what = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            ApiError::bad_request(ProblemCode::InvalidQuery, format!("query: {what}"))
        })
    }
}

/// Path parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if has_nul(parts.uri.path()) {
            return Err(ApiError::bad_request(ProblemCode::InvalidPath, "path: it has a NUL character"));
        }
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|rejection| match rejection {
            PathRejection::FailedToDeserializePathParams(error) => {
                ApiError::bad_request(ProblemCode::InvalidPath, format!("path: {}", error.into_kind()))
            }
            other => ApiError::internal(other),
        })
    }
}

/// No name here has one, and PostgreSQL's TEXT takes none. Percent-encoding is the only way it can be written.
fn has_nul(encoded: &str) -> bool {
    encoded.contains("%00")
}

/// The `Idempotency-Key` header, where there is one: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default();
        let plain = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain || values.next().is_some() {
            return Err(ApiError::bad_request(
                ProblemCode::InvalidIdempotencyKey,
                "`Idempotency-Key` must be given once, as 1 to 255 visible ASCII characters",
            ));
        }
        Ok(Self(Some(text.to_owned())))
    }
}
