//! An app's files, so that one process serves a whole app.
//!
//! **Invariant:** only a navigation falls back to `index.html`: a script or an image that is missing is missing, and so
//! is an endpoint.

use std::path::{Path, PathBuf};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;
use tower_http::services::{ServeDir, ServeFile};
use whimbrel_protocol::ProblemCode;

use super::problem::not_found;
use crate::fault::Fault;

/// Names with a hash in them never get other contents.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Everything else may be kept, but is asked for again every time.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// Characters of the hash that bundlers put into names, at least.
const HASH_CHARS_MIN: usize = 8;

#[derive(Debug, Clone)]
pub(super) struct StaticFiles {
    files: ServeDir,
    index: PathBuf,
}

impl StaticFiles {
    pub(super) fn new(folder: &Path) -> Self {
        Self { files: ServeDir::new(folder), index: folder.join("index.html") }
    }

    pub(super) async fn answer(self, request: Request) -> Response {
        let uri = request.uri().clone();
        if is_endpoint(uri.path()) {
            return not_found(uri).await.into_response();
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Fault::new(ProblemCode::Method, "files are only read").into_response();
        }
        let navigation = is_navigation(request.headers());
        let again = Request::builder().method(request.method().clone()).uri("/").body(axum::body::Body::empty());
        let Ok(mut response) = self.files.oneshot(request).await.map(IntoResponse::into_response);
        if response.status() == StatusCode::NOT_FOUND {
            response = match again {
                Ok(again) if navigation => {
                    let Ok(index) = ServeFile::new(self.index).oneshot(again).await.map(IntoResponse::into_response);
                    index
                }
                _ => return not_found(uri).await.into_response(),
            };
        }
        if response.status() == StatusCode::NOT_FOUND {
            return not_found(uri).await.into_response();
        }
        response.headers_mut().insert(header::CACHE_CONTROL, caching(&uri));
        response
    }
}

fn is_endpoint(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

/// `/assets/index-Bx3kZ9aQ.js` is immutable: in the bundler's folder, and a hash before the extension.
fn caching(uri: &Uri) -> HeaderValue {
    let hashed = uri.path().strip_prefix("/assets/").and_then(|name| name.split_once('.')).is_some_and(|(stem, _)| {
        let hash = stem.rsplit_once('-').map_or("", |(_, hash)| hash);
        hash.len() >= HASH_CHARS_MIN && hash.chars().all(|each| each.is_ascii_alphanumeric() || each == '_')
    });
    if hashed { IMMUTABLE } else { REVALIDATE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashed_assets_are_immutable() {
        for path in ["/assets/index-Bx3kZ9aQ.js", "/assets/index-Bx3kZ9_Q.css", "/assets/font-0123456789.woff2"] {
            assert_eq!(caching(&Uri::from_static(path)), IMMUTABLE, "{path}");
        }
        for path in ["/", "/index.html", "/sw.js", "/manifest.webmanifest", "/assets/logo.svg", "/assets/a-b.js"] {
            assert_eq!(caching(&Uri::from_static(path)), REVALIDATE, "{path}");
        }
    }
}
