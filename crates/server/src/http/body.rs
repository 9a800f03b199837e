//! Request bodies: JSON, plain or gzip, within the limits, of this protocol version.
//!
//! ```text
//! content type ─► size as sent, in time ─► gunzip, bounded ─► depth ─► protocol ─► shape ─► client's rate
//! 415             413, 408                 413, 415            400      426         400       429
//! ```

use std::future::Future;
use std::io::Read;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use whimbrel_protocol::{PROTOCOL_VERSION, ProblemCode, PullRequest, PushRequest};

use super::App;
use super::auth::OfRealm;
use crate::config::Sizes;
use crate::fault::Fault;
use crate::storage::Storage;

/// A request of the protocol.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned + OfClient, S: Storage> FromRequest<App<S>> for Json<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, app: &App<S>) -> Result<Self, Fault> {
        let gzip = check_headers(request.headers())?;
        let Sizes { body_bytes, inflated_bytes, depth, .. } = app.sizes;
        let of_realm = request.extensions().get::<OfRealm>().cloned();
        let sending = Limited::new(request.into_body(), body_bytes).collect();
        let sent = within(app.body_timeout, sending).await.ok_or_else(late)?.map_err(|error| {
            if error.is::<LengthLimitError>() {
                too_large(body_bytes, "as sent")
            } else {
                Fault::new(ProblemCode::Malformed, "the body broke off")
            }
        })?;
        let sent = sent.to_bytes();
        let parsed: T = parse(&if gzip { gunzip(&sent, inflated_bytes)? } else { sent }, depth)?;
        app.client_rates.count(&OfRealm::qualify(of_realm.as_ref(), parsed.client()))?;
        Ok(Self(parsed))
    }
}

/// A request that says which client it is of.
pub(crate) trait OfClient {
    fn client(&self) -> &str;
}

impl OfClient for PushRequest {
    fn client(&self) -> &str {
        &self.client
    }
}

impl OfClient for PullRequest {
    fn client(&self) -> &str {
        &self.client
    }
}

/// What somebody does within a time, if there is a limit; none when it took longer.
pub(super) async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.ok(),
        None => Some(work.await),
    }
}

/// What did not arrive in time.
fn late() -> Fault {
    Fault::new(ProblemCode::Timeout, "the body took too long")
}

/// Whether the body is gzip.
fn check_headers(headers: &HeaderMap) -> Result<bool, Fault> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("").trim().to_ascii_lowercase());
    let refused = |detail: String| Fault::new(ProblemCode::ContentType, detail);
    let media_type = text(header::CONTENT_TYPE).unwrap_or_default();
    if media_type.split(';').next().map(str::trim_end) != Some("application/json") {
        return Err(refused(format!("the content type is {media_type:?}")));
    }
    match text(header::CONTENT_ENCODING).as_deref() {
        None | Some("identity") => Ok(false),
        Some("gzip") => Ok(true),
        Some(other) => Err(refused(format!("the content encoding is {other:?}"))),
    }
}

fn too_large(limit: usize, which: &str) -> Fault {
    Fault::new(ProblemCode::TooLarge, format!("the body is over {limit} bytes {which}"))
}

fn gunzip(sent: &[u8], most: usize) -> Result<Bytes, Fault> {
    let mut inflated = Vec::new();
    let bounded = MultiGzDecoder::new(sent).take(most as u64 + 1).read_to_end(&mut inflated);
    if inflated.len() > most {
        return Err(too_large(most, "after decompression"));
    }
    bounded.map_err(|error| Fault::new(ProblemCode::Malformed, format!("the body is no gzip: {error}")))?;
    Ok(inflated.into())
}

/// What every version of the protocol has at the top of a request.
#[derive(Deserialize)]
struct Spoken {
    protocol: u32,
}

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8], depth: usize) -> Result<T, Fault> {
    if is_deeper_than(body, depth) {
        return Err(Fault::new(ProblemCode::Malformed, format!("nested deeper than {depth} levels")));
    }
    // First the version: a later protocol may have another shape, and deserves another answer.
    if let Ok(Spoken { protocol }) = serde_json::from_slice(body)
        && protocol != PROTOCOL_VERSION
    {
        let detail = format!("version {PROTOCOL_VERSION} is spoken here, not {protocol}");
        return Err(Fault::new(ProblemCode::UpgradeRequired, detail));
    }
    serde_json::from_slice(body).map_err(|error| Fault::new(ProblemCode::Malformed, error.to_string()))
}

/// Whether brackets nest deeper than `max`, counted without parsing. What is no JSON is refused later.
fn is_deeper_than(body: &[u8], max: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn depth_counts_brackets_outside_of_texts() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!is_deeper_than(nested(64).as_bytes(), 64));
        assert!(is_deeper_than(nested(65).as_bytes(), 64));
        assert!(!is_deeper_than(br#"{"a":"[[[[","b":"\"[[["}"#, 1));
        assert!(is_deeper_than(br#"{"a":"\\","b":[[]]}"#, 2));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_and_nothing_worse(body in proptest::collection::vec(any::<u8>(), 0..512)) {
            prop_assert!(parse::<PushRequest>(&body, 64).is_err());
            prop_assert!(parse::<PullRequest>(&body, 64).is_err());
            _ = gunzip(&body, 1024);
        }

        #[test]
        fn damaged_requests_are_refused_or_read(position in 0_usize..200, byte in any::<u8>()) {
            let text = concat!(
                r#"{"protocol":1,"client":"c","schema":1,"changes":[{"seq":1,"change":"x","entity":"e","#,
                r#""id":"i","op":"update","set":{"a":[1,{"b":null}]},"at":0}]}"#
            );
            let mut body = text.as_bytes().to_vec();
            let position = position % body.len();
            body[position] = byte;
            _ = parse::<PushRequest>(&body, 64);
        }
    }
}
