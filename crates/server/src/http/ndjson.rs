//! A pull's answer as a stream: one line at a time, made when the connection takes it.
//!
//! Compression happens here and not in a layer, because every line must leave when it is made, and a compressor holds
//! back what it was not told to flush.
//!
//! **Invariant:** the next line is not made before the one before it was taken: a slow reader costs one line of memory.

use std::io::{self, Write};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use whimbrel_protocol::{PULL_LINE_BYTES_MAX, Problem, ProblemCode, PullLine};

use crate::pull::Pull;
use crate::storage::Storage;

/// The answer to a pull.
pub(super) fn answer<S: Storage>(pull: Pull<S>, request: &HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let gzip = accepts_gzip(request);
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let writer = LineWriter { pull, gzip: gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast())), ended: false };
    let lines = stream::try_unfold(writer, LineWriter::next);
    (headers, Body::from_stream(lines)).into_response()
}

struct LineWriter<S> {
    pull: Pull<S>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    ended: bool,
}

impl<S: Storage> LineWriter<S> {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.ended {
            let Some(gzip) = self.gzip.take() else { return Ok(None) };
            return Ok(Some((gzip.finish()?.into(), self)));
        }
        let Some(line) = self.pull.next().await else {
            self.ended = true;
            return Ok(Some((Bytes::new(), self)));
        };
        let mut bytes = write(&line)?;
        if bytes.len() > PULL_LINE_BYTES_MAX {
            tracing::error!(bytes = bytes.len(), "a row is too large to be pulled; it was written past the server");
            self.ended = true;
            bytes = write(&PullLine::Error(Problem::new(ProblemCode::Internal, None)))?;
        }
        if let Some(gzip) = &mut self.gzip {
            gzip.write_all(&bytes)?;
            gzip.flush()?;
            bytes = std::mem::take(gzip.get_mut());
        }
        Ok(Some((bytes.into(), self)))
    }
}

fn write(line: &PullLine) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Whether `gzip` is among the encodings that are accepted, and not with a quality of zero.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|encoding| {
        let (name, quality) = encoding.split_once(';').unwrap_or((encoding, "q=1"));
        let quality = quality.trim().strip_prefix("q=").and_then(|quality| quality.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && quality.is_none_or(|quality| quality > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_encodings() {
        let check = |text: &str| {
            accepts_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_str(text).unwrap())]))
        };
        assert!(check("gzip") && check("br, GZIP;q=0.5") && check("deflate,gzip ; q=1"));
        assert!(!check("br") && !check("gzip;q=0") && !check("gzip; q=0.0, br") && !check(""));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
