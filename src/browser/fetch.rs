//! HTTP through `fetch`.
//!
//! Redirects are not followed: our server sends none, so one is a captive portal, and the token must not go there. Cookies go to our own
//! origin only, and nothing comes from the HTTP cache.
//!
//! **Invariant:** a request ends with the value that stands for it: dropping the future or the body aborts it.

use gloo_net::http::{Request as GlooRequest, RequestBuilder, Response as GlooResponse};
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, ReadableStreamDefaultReader, RequestCache, RequestCredentials, RequestRedirect, ResponseType, Url,
};

use super::clock::within;
use super::global::{describe, global, property};
use super::gzip::gzip;
use crate::error::{Code, Error, Result};
use crate::ports::{Body, Method, Request, Response, Transport};

/// The way to one server.
#[derive(Debug, Clone)]
pub struct FetchTransport {
    /// Ends with a slash.
    base: String,
}

impl FetchTransport {
    /// A way to the server at `url`: absolute, or relative to the page or the worker's script.
    ///
    /// # Errors
    /// `open/invalid` when it is not a URL of `http` or `https`.
    pub fn new(url: &str) -> Result<Self> {
        let invalid = || Error::new(Code::OptionsInvalid, format!("\"{url}\" is not the URL of a server"));
        let here =
            global("location").and_then(|location| property(&location, "href")).and_then(|href| href.as_string());
        let resolved = match here {
            Some(here) => Url::new_with_base(url, &here),
            None => Url::new(url),
        };
        let resolved = resolved.map_err(|_| invalid())?;
        if !matches!(resolved.protocol().as_str(), "http:" | "https:") {
            return Err(invalid());
        }
        resolved.set_search("");
        resolved.set_hash("");
        let href = resolved.href();
        let base = if href.ends_with('/') { href } else { href + "/" };
        Ok(Self { base })
    }

    async fn request(&self, request: &Request, abort: &AbortController) -> Result<GlooRequest> {
        let url = format!("{}{}", self.base, request.path);
        let builder = match request.method {
            Method::Get => GlooRequest::get(&url),
            Method::Post => GlooRequest::post(&url).header("content-type", "application/json"),
        };
        let builder = builder
            .redirect(RequestRedirect::Manual)
            .credentials(RequestCredentials::SameOrigin)
            .cache(RequestCache::NoStore)
            .abort_signal(Some(&abort.signal()));
        let builder = with_token(builder, request.token.as_deref())?;
        let builder = match &request.run {
            Some(run) => builder.header("whimbrel-run", run),
            None => builder,
        };
        let packed = match &request.packed {
            Some(packed) => Some(Uint8Array::new_from_slice(packed).into()),
            None => gzip(&request.body).await,
        };
        let built = match (request.method, packed) {
            (Method::Get, _) => builder.build(),
            (Method::Post, Some(gzip)) => builder.header("content-encoding", "gzip").body(gzip),
            (Method::Post, None) => builder.body(request.body.as_str()),
        };
        built.map_err(|error| Error::new(Code::Internal, format!("the request for {url}: {error}")))
    }
}

impl Transport for FetchTransport {
    type Body = FetchBody;

    async fn pack(&self, body: &str) -> Option<Vec<u8>> {
        Some(Uint8Array::new(&gzip(body).await?).to_vec())
    }

    async fn send(&self, request: Request) -> Result<Response<FetchBody>> {
        let abort = AbortController::new().map_err(|cause| Error::new(Code::Internal, describe(&cause)))?;
        let built = self.request(&request, &abort).await?;
        let running = AbortOnDrop(abort);
        let response = within(request.timeout_ms, built.send()).await.ok_or_else(|| {
            Error::new(Code::Timeout, format!("no answer from {} in {} ms", self.base, request.timeout_ms))
        })?;
        let response = response
            .map_err(|cause| Error::new(Code::Unreachable, format!("{} cannot be reached: {cause}", self.base)))?;
        Ok(Response {
            status: response.status(),
            content_type: media_type(&response),
            retry_after_ms: retry_after_ms(&response),
            redirected: response.redirected() || response.type_() == ResponseType::Opaqueredirect,
            body: FetchBody::new(&response, running, request.idle_timeout_ms)?,
        })
    }
}

/// The body of an answer.
pub struct FetchBody {
    /// None when the answer has no body, and after its end.
    reader: Option<ReadableStreamDefaultReader>,
    idle_timeout_ms: u32,
    _running: AbortOnDrop,
}

impl FetchBody {
    fn new(response: &GlooResponse, running: AbortOnDrop, idle_timeout_ms: u32) -> Result<Self> {
        let reader = response.body().map(|stream| ReadableStreamDefaultReader::new(&stream)).transpose();
        let reader = reader.map_err(|cause| Error::new(Code::Internal, describe(&cause)))?;
        Ok(Self { reader, idle_timeout_ms, _running: running })
    }
}

impl Body for FetchBody {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(reader) = &self.reader else { return Ok(None) };
        let read = within(self.idle_timeout_ms, JsFuture::from(reader.read())).await.ok_or_else(|| {
            Error::new(Code::Timeout, format!("the answer stood still for {} ms", self.idle_timeout_ms))
        })?;
        let read = read.map_err(|cause| {
            Error::new(Code::ProtocolTruncated, format!("the answer broke off: {}", describe(&cause)))
        })?;
        let chunk = property(&read, "value").map(|chunk| chunk.unchecked_into::<Uint8Array>().to_vec());
        if chunk.is_none() {
            self.reader = None;
        }
        Ok(chunk)
    }
}

struct AbortOnDrop(AbortController);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn with_token(builder: RequestBuilder, token: Option<&str>) -> Result<RequestBuilder> {
    match token {
        None => Ok(builder),
        Some(token) if token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(builder.header("authorization", &format!("Bearer {token}")))
        }
        Some(_) => Err(Error::new(Code::Unauthenticated, "the token has characters that a header cannot carry")),
    }
}

fn media_type(response: &GlooResponse) -> String {
    let header = response.headers().get("content-type").unwrap_or_default();
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// `Retry-After` is a number of seconds or a date.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float that is too large or negative saturates"
)]
fn retry_after_ms(response: &GlooResponse) -> Option<u64> {
    let header = response.headers().get("retry-after")?;
    if let Ok(seconds) = header.trim().parse::<u32>() {
        return Some(u64::from(seconds) * 1000);
    }
    let at = js_sys::Date::parse(&header);
    (!at.is_nan()).then(|| (at - js_sys::Date::now()) as u64)
}
