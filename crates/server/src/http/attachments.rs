//! `/v1/attachments/{address}`: how much is here, a part more, the content.
//!
//! **Invariant:** of a part that breaks off, what has arrived is kept: the next one begins there.
//! **Invariant:** a content is nothing that a browser would run: it comes to who has a token in a header, as a file to be saved.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use serde::Deserialize;
use whimbrel_protocol::{
    ATTACHMENT_PART_BYTES_MAX, ATTACHMENT_TYPE_BYTES_MAX, AttachmentState, PROTOCOL_VERSION, ProblemCode,
};

use super::App;
use super::auth::Caller;
use super::body::within;
use super::openapi::Problems;
use super::query;
use crate::attachments::{Address, AttachmentStore, Complete, Upload, blocking, must_be_referred_to};
use crate::fault::Fault;
use crate::storage::Storage;

/// What has arrived of a part is stored in pieces of about so many bytes.
const PIECE_BYTES: usize = 64 * 1024;
/// The media type of what has none, or one that is none.
const ANY_TYPE: &str = "application/octet-stream";

/// The address in a path, which may be no text at all.
type Named = Result<Path<String>, PathRejection>;

/// How much of an attachment is here.
#[utoipa::path(
    get, path = "/v1/attachments/{address}/state", tag = "attachments", security(("token" = [])),
    params(("address" = String, Path, description = "`sha256-` and 64 hexadecimal digits in lower case.")),
    responses((status = 200, description = "Of this user's upload, or of the whole.", body = AttachmentState), Problems)
)]
pub(super) async fn state<S: Storage>(
    State(app): State<App<S>>,
    caller: Caller<S>,
    address: Named,
) -> Result<Response, Fault> {
    let upload = upload(&app, &caller, address).await?;
    let (received, complete) = look(&caller.realm.attachments, upload).await?;
    Ok(axum::Json(to_state(received, complete)).into_response())
}

/// Where a part begins, and how large the whole is.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// Where the part begins.
    offset: u64,
    /// Bytes of the whole.
    size: u64,
}

/// Uploads a part of an attachment.
#[utoipa::path(
    patch, path = "/v1/attachments/{address}", tag = "attachments", security(("token" = [])),
    params(("address" = String, Path, description = "`sha256-` and 64 hexadecimal digits in lower case."), Place),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "At most 1 MiB, not compressed; its type is the attachment's."),
    responses((status = 200, description = "How much is here now, durably.", body = AttachmentState), Problems)
)]
pub(super) async fn part<S: Storage>(
    State(app): State<App<S>>,
    caller: Caller<S>,
    address: Named,
    request: Request,
) -> Result<Response, Fault> {
    let malformed = |detail: &str| Fault::new(ProblemCode::Malformed, detail);
    let place: Place = query::read(request.uri()).ok_or_else(|| malformed("offset and size are needed, in bytes"))?;
    if place.size > app.attachment_bytes_max {
        let detail = format!("{} bytes are over the limit of {}", place.size, app.attachment_bytes_max);
        return Err(Fault::new(ProblemCode::AttachmentTooLarge, detail));
    }
    let upload = upload(&app, &caller, address).await?;
    let media_type = media_type(request.headers());
    let (received, complete) = look(&caller.realm.attachments, upload.clone()).await?;
    if complete.is_some() {
        // Somebody else was quicker. It is the same content, so there is nothing to add.
        return Ok(axum::Json(to_state(received, complete)).into_response());
    }
    if place.offset != received {
        return Err(wrong_offset(received));
    }
    // A length that is said is refused before anything of it is kept.
    check_part(place, request.body().size_hint().lower())?;
    let end = store(&caller.realm.attachments, &upload, place, request.into_body(), app.body_timeout).await?;
    if end < place.size {
        return Ok(axum::Json(to_state(end, None)).into_response());
    }
    let (finished, kind) = (upload.clone(), media_type.clone());
    if !blocking(&caller.realm.attachments, move |store| store.finish(&finished, &kind)).await? {
        tracing::warn!(user = caller.user.id, address = upload.address.as_str(), "an upload had another hash");
        return Err(Fault::new(ProblemCode::AttachmentDamaged, "begin again at offset 0"));
    }
    tracing::info!(user = caller.user.id, address = upload.address.as_str(), bytes = end, "an attachment is complete");
    Ok(axum::Json(to_state(end, Some(Complete { size: end, media_type }))).into_response())
}

/// Downloads an attachment, or a range of it.
#[utoipa::path(
    get, path = "/v1/attachments/{address}", tag = "attachments", security(("token" = [])),
    params(("address" = String, Path, description = "`sha256-` and 64 hexadecimal digits in lower case."), ("range" = Option<String>, Header, description = "`bytes=from-to`")),
    responses(
        (status = 200, description = "The content.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The part of it.", body = Vec<u8>, content_type = "application/octet-stream"),
        Problems,
    )
)]
pub(super) async fn content<S: Storage>(
    State(app): State<App<S>>,
    caller: Caller<S>,
    address: Named,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let Upload { address, .. } = upload(&app, &caller, address).await?;
    let wanted = address.clone();
    let complete = blocking(&caller.realm.attachments, move |store| store.complete(&wanted)).await?;
    let Some(Complete { size, media_type }) = complete else {
        return Err(Fault::new(ProblemCode::AttachmentNotFound, "it has not been uploaded, or not all of it"));
    };
    let range = range(&headers, size)?;
    let (from, to) = range.unwrap_or((0, size));
    let mut answer = HeaderMap::new();
    let mut set = |name, value: &str| drop(HeaderValue::from_str(value).map(|value| answer.insert(name, value)));
    set(header::CONTENT_TYPE, &media_type);
    set(header::CONTENT_LENGTH, &(to - from).to_string());
    set(header::ACCEPT_RANGES, "bytes");
    set(header::ETAG, &format!("\"{}\"", address.as_str()));
    set(header::CONTENT_DISPOSITION, "attachment");
    set(header::CONTENT_SECURITY_POLICY, "sandbox");
    if range.is_some() {
        set(header::CONTENT_RANGE, &format!("bytes {from}-{}/{size}", to.saturating_sub(1)));
    }
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let store = Arc::clone(&caller.realm.attachments);
    let pieces = stream::try_unfold(from, move |offset| read(Arc::clone(&store), address.clone(), offset, to));
    Ok((status, answer, Body::from_stream(pieces)).into_response())
}

/// The upload of that user, if it may be.
async fn upload<S: Storage>(app: &App<S>, caller: &Caller<S>, address: Named) -> Result<Upload, Fault> {
    let malformed = || Fault::new(ProblemCode::Malformed, "the address is not sha256- and 64 hexadecimal digits");
    let Path(address) = address.map_err(|_| malformed())?;
    let address = Address::parse(&address).ok_or_else(malformed)?;
    let Caller { user, storage, .. } = caller;
    must_be_referred_to(storage.as_ref(), &app.entities, user, &address).await?;
    Ok(Upload { address, user: user.id.clone() })
}

async fn look(store: &Arc<dyn AttachmentStore>, upload: Upload) -> Result<(u64, Option<Complete>), Fault> {
    let found = blocking(store, move |store| match store.complete(&upload.address)? {
        Some(complete) => Ok((complete.size, Some(complete))),
        None => Ok((store.received(&upload)?, None)),
    });
    Ok(found.await?)
}

fn to_state(received: u64, complete: Option<Complete>) -> AttachmentState {
    AttachmentState {
        protocol: PROTOCOL_VERSION,
        received,
        complete: complete.is_some(),
        media_type: complete.map(|complete| complete.media_type),
    }
}

fn wrong_offset(received: u64) -> Fault {
    Fault::new(ProblemCode::AttachmentOffset, format!("{received} bytes are here"))
}

/// Whether a part may have so many bytes.
fn check_part(place: Place, bytes: u64) -> Result<(), Fault> {
    if bytes > ATTACHMENT_PART_BYTES_MAX as u64 || place.offset.saturating_add(bytes) > place.size {
        return Err(Fault::new(ProblemCode::TooLarge, "the part is over its limit, or over the size that was said"));
    }
    Ok(())
}

/// Stores a part as it arrives, durably; where the upload ends then.
async fn store(
    store: &Arc<dyn AttachmentStore>,
    upload: &Upload,
    place: Place,
    body: Body,
    timeout: Option<Duration>,
) -> Result<u64, Fault> {
    let began = Instant::now();
    let mut pieces = body.into_data_stream();
    let (mut end, mut waiting) = (place.offset, Vec::new());
    let broken = loop {
        // What is late has broken off: what has arrived of it is kept.
        let left = timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
        let late = || Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)));
        let piece = within(left, pieces.try_next()).await.unwrap_or_else(late);
        let total =
            end + waiting.len() as u64 + piece.as_ref().map_or(0, |piece| piece.as_ref().map_or(0, Bytes::len)) as u64;
        check_part(place, total - place.offset)?;
        let is_end = !matches!(piece, Ok(Some(_)));
        if let Ok(Some(piece)) = &piece {
            waiting.extend_from_slice(piece);
        }
        // Also when nothing came: an empty attachment is a file as well.
        if is_end || waiting.len() >= PIECE_BYTES {
            let bytes = std::mem::take(&mut waiting);
            let (length, upload, offset) = (bytes.len() as u64, upload.clone(), end);
            if !blocking(store, move |store| store.append(&upload, offset, &bytes)).await? {
                return Err(Fault::new(ProblemCode::AttachmentOffset, "another part came meanwhile"));
            }
            end += length;
        }
        if is_end {
            break piece.is_err();
        }
    };
    let flushed = upload.clone();
    blocking(store, move |store| store.flush(&flushed)).await?;
    if broken { Err(Fault::new(ProblemCode::Malformed, "the part broke off")) } else { Ok(end) }
}

async fn read(
    store: Arc<dyn AttachmentStore>,
    address: Address,
    offset: u64,
    to: u64,
) -> io::Result<Option<(Bytes, u64)>> {
    let bytes = usize::try_from(to - offset).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
    if bytes == 0 {
        return Ok(None);
    }
    let piece = blocking(&store, move |store| store.read(&address, offset, bytes)).await.map_err(io::Error::other)?;
    if piece.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let next = offset + piece.len() as u64;
    Ok(Some((piece.into(), next)))
}

/// `type/subtype`, perhaps with parameters, or [`ANY_TYPE`].
fn media_type(headers: &HeaderMap) -> String {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_type =
        given.len() <= ATTACHMENT_TYPE_BYTES_MAX && given.split_once('/').is_some_and(|(kind, _)| !kind.is_empty());
    if is_type { given.to_owned() } else { ANY_TYPE.to_owned() }
}

/// The one range that is wanted, from and to (excluded). A header of another form counts as none, as RFC 9110 has it.
fn range(headers: &HeaderMap, size: u64) -> Result<Option<(u64, u64)>, Fault> {
    let given = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let Some((from, to)) = given.and_then(|text| text.strip_prefix("bytes=")?.split_once('-')) else { return Ok(None) };
    let outside = || Fault::new(ProblemCode::AttachmentRange, format!("it has {size} bytes"));
    let number = |text: &str| text.parse::<u64>().ok();
    let (from, to) = match (number(from), number(to)) {
        (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(size)),
        (Some(from), None) if to.is_empty() => (from, size),
        (None, Some(last)) if from.is_empty() => (size.saturating_sub(last), size),
        _ => return Ok(None),
    };
    if from < to { Ok(Some((from, to))) } else { Err(outside()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let of = |text: &'static str, size| {
            let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(text))]);
            range(&headers, size).map_err(|fault| fault.to_problem().code)
        };
        assert_eq!(of("bytes=0-9", 100), Ok(Some((0, 10))));
        assert_eq!(of("bytes=90-", 100), Ok(Some((90, 100))));
        assert_eq!(of("bytes=90-200", 100), Ok(Some((90, 100))));
        assert_eq!(of("bytes=-10", 100), Ok(Some((90, 100))));
        for odd in ["bytes=9-0", "bytes=", "bytes=-", "pages=1-2", "bytes=0-1,5-6", "bytes=x-2"] {
            assert_eq!(of(odd, 100), Ok(None), "{odd}");
        }
        for outside in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(of(outside, 100), Err(ProblemCode::AttachmentRange), "{outside}");
        }
        assert_eq!(of("bytes=0-", 0), Err(ProblemCode::AttachmentRange));
    }

    #[test]
    fn media_types() {
        let of = |text: &'static str| {
            media_type(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(text))]))
        };
        assert_eq!(of("image/jpeg"), "image/jpeg");
        assert_eq!(of("text/plain; charset=utf-8"), "text/plain; charset=utf-8");
        assert_eq!(of("nothing"), ANY_TYPE);
        assert_eq!(of("/x"), ANY_TYPE);
        assert_eq!(media_type(&HeaderMap::new()), ANY_TYPE);
    }
}
