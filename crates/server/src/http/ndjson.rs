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
use crate::storage::Read;

/// The answer to a pull.
pub(super) fn answer<V: Read>(pull: Pull<V>, request: &HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let gzip = accepts_gzip(request);
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let answer = Answer { pull, encoder: Encoder::new(gzip), ended: false };
    let lines = stream::try_unfold(answer, Answer::next);
    (headers, Body::from_stream(lines)).into_response()
}

struct Answer<V> {
    pull: Pull<V>,
    encoder: Encoder,
    ended: bool,
}

impl<V: Read> Answer<V> {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.ended {
            return Ok(None);
        }
        let Some(line) = self.pull.next().await else {
            return self.end(Bytes::new());
        };
        let text = to_text(&line)?;
        if text.len() > PULL_LINE_BYTES_MAX {
            tracing::error!(bytes = text.len(), "a row is too large to be pulled; it was written past the server");
            let error = PullLine::Error(Problem::new(ProblemCode::Internal, None));
            let last = self.encoder.encode(to_text(&error)?)?;
            return self.end(last);
        }
        let bytes = self.encoder.encode(text)?;
        Ok(Some((bytes, self)))
    }

    fn end(mut self, last: Bytes) -> io::Result<Option<(Bytes, Self)>> {
        self.ended = true;
        let bytes = [last, self.encoder.finish()?].concat();
        Ok(Some((bytes.into(), self)))
    }
}

fn to_text(line: &PullLine) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(text)
}

/// Bytes as they travel: as they are, or compressed so that each part can be read when it arrives.
struct Encoder(Option<GzEncoder<Vec<u8>>>);

impl Encoder {
    fn new(gzip: bool) -> Self {
        Self(gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast())))
    }

    fn encode(&mut self, bytes: Vec<u8>) -> io::Result<Bytes> {
        let Some(gzip) = &mut self.0 else { return Ok(bytes.into()) };
        gzip.write_all(&bytes)?;
        gzip.flush()?;
        Ok(std::mem::take(gzip.get_mut()).into())
    }

    /// What belongs behind the last part.
    fn finish(&mut self) -> io::Result<Bytes> {
        self.0.take().map_or(Ok(Bytes::new()), |gzip| gzip.finish().map(Bytes::from))
    }
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
    fn every_part_can_be_read_when_it_arrives() {
        let (mut plain, mut gzip) = (Encoder::new(false), Encoder::new(true));
        let mut inflater = flate2::write::GzDecoder::new(Vec::new());
        let mut sent = Vec::new();
        for line in ["{\"start\":1}\n", "{\"rows\":2}\n", "{\"end\":3}\n"] {
            assert_eq!(plain.encode(line.into()).unwrap(), line);
            sent.extend_from_slice(line.as_bytes());
            inflater.write_all(&gzip.encode(line.into()).unwrap()).unwrap();
            inflater.flush().unwrap();
            assert_eq!(inflater.get_ref(), &sent);
        }
        assert!(plain.finish().unwrap().is_empty());
        inflater.write_all(&gzip.finish().unwrap()).unwrap();
        assert_eq!(inflater.finish().unwrap(), sent);
    }

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
