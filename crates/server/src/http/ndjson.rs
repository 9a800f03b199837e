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
use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use whimbrel_protocol::{PULL_LINE_BYTES_MAX, Problem, ProblemCode, PullLine};

use super::metrics::Sending;
use crate::pull::Pull;
use crate::storage::Read;

/// Bytes that brotli gathers before it looks at them.
const BROTLI_BUFFER: usize = 4096;
/// A low one: an answer is made while somebody waits.
const BROTLI_QUALITY: u32 = 3;
/// Brotli looks back over two to this bytes, which is what an answer takes of memory for it.
const BROTLI_WINDOW: u32 = 18;

/// The answer to a pull.
pub(super) fn answer<V: Read>(pull: Pull<V>, request: &HeaderMap, sending: Option<Sending>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let encoding = wanted(request);
    if let Some(name) = encoding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    let answer = Answer { pull, sending, encoder: Encoder::new(encoding), ended: false };
    let lines = stream::try_unfold(answer, Answer::next);
    (headers, Body::from_stream(lines)).into_response()
}

struct Answer<V> {
    pull: Pull<V>,
    sending: Option<Sending>,
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
        if let Some(sending) = &self.sending {
            sending.sent(&line);
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

/// How an answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
    Brotli,
}

impl Encoding {
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }
}

/// Bytes as they travel: as they are, or compressed so that each part can be read when it arrives.
enum Encoder {
    Plain,
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
}

impl Encoder {
    fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Plain => Self::Plain,
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Brotli => {
                Self::Brotli(Box::new(CompressorWriter::new(Vec::new(), BROTLI_BUFFER, BROTLI_QUALITY, BROTLI_WINDOW)))
            }
        }
    }

    fn encode(&mut self, bytes: Vec<u8>) -> io::Result<Bytes> {
        let encoded = match self {
            Self::Plain => return Ok(bytes.into()),
            Self::Gzip(gzip) => {
                gzip.write_all(&bytes)?;
                gzip.flush()?;
                gzip.get_mut()
            }
            Self::Brotli(brotli) => {
                brotli.write_all(&bytes)?;
                brotli.flush()?;
                brotli.get_mut()
            }
        };
        Ok(std::mem::take(encoded).into())
    }

    /// What belongs behind the last part.
    fn finish(&mut self) -> io::Result<Bytes> {
        match std::mem::replace(self, Self::Plain) {
            Self::Plain => Ok(Bytes::new()),
            Self::Gzip(gzip) => gzip.finish().map(Bytes::from),
            Self::Brotli(brotli) => Ok(brotli.into_inner().into()),
        }
    }
}

/// The encoding that is accepted with the highest quality; of equal ones brotli.
fn wanted(headers: &HeaderMap) -> Encoding {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut best = (0.0, Encoding::Plain);
    for encoding in values.flat_map(|value| value.split(',')) {
        let (name, quality) = encoding.split_once(';').unwrap_or((encoding, "q=1"));
        let quality = quality.trim().strip_prefix("q=").map_or(Some(1.0), |quality| quality.parse::<f32>().ok());
        let quality = quality.unwrap_or(1.0);
        let name = name.trim();
        let (encoding, is_preferred) = if name.eq_ignore_ascii_case("br") {
            (Encoding::Brotli, true)
        } else if name.eq_ignore_ascii_case("gzip") {
            (Encoding::Gzip, false)
        } else {
            continue;
        };
        if quality > best.0 || (is_preferred && quality > 0.0 && quality >= best.0) {
            best = (quality, encoding);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_can_be_read_when_it_arrives() {
        let (mut plain, mut gzip) = (Encoder::new(Encoding::Plain), Encoder::new(Encoding::Gzip));
        let mut brotli = Encoder::new(Encoding::Brotli);
        let mut inflater = flate2::write::GzDecoder::new(Vec::new());
        let mut unpacker = brotli::DecompressorWriter::new(Vec::new(), 4096);
        let mut sent = Vec::new();
        for line in ["{\"start\":1}\n", "{\"rows\":2}\n", "{\"end\":3}\n"] {
            assert_eq!(plain.encode(line.into()).unwrap(), line);
            sent.extend_from_slice(line.as_bytes());
            inflater.write_all(&gzip.encode(line.into()).unwrap()).unwrap();
            inflater.flush().unwrap();
            assert_eq!(inflater.get_ref(), &sent);
            unpacker.write_all(&brotli.encode(line.into()).unwrap()).unwrap();
            unpacker.flush().unwrap();
            assert_eq!(unpacker.get_ref(), &sent);
        }
        assert!(plain.finish().unwrap().is_empty());
        inflater.write_all(&gzip.finish().unwrap()).unwrap();
        assert_eq!(inflater.finish().unwrap(), sent);
        unpacker.write_all(&brotli.finish().unwrap()).unwrap();
        unpacker.close().unwrap();
        assert_eq!(unpacker.get_ref(), &sent);
    }

    #[test]
    fn accepted_encodings() {
        let check = |text: &str| {
            wanted(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_str(text).unwrap())]))
        };
        for text in ["gzip", "deflate,gzip ; q=1", "br;q=0.2, GZIP;q=0.5", "gzip, br;q=0"] {
            assert_eq!(check(text), Encoding::Gzip, "{text}");
        }
        for text in ["br", "gzip, deflate, br, zstd", "br, gzip;q=0.9", "BR;q=0.5,gzip;q=0.5"] {
            assert_eq!(check(text), Encoding::Brotli, "{text}");
        }
        for text in ["", "deflate", "gzip;q=0", "br;q=0.0, zstd"] {
            assert_eq!(check(text), Encoding::Plain, "{text}");
        }
        assert_eq!(wanted(&HeaderMap::new()), Encoding::Plain);
    }
}
