//! Splits a body that arrives in pieces into lines.

use whimbrel_protocol::PULL_LINE_BYTES_MAX;

use crate::error::{Code, Error, Result};
use crate::ports::Body;

/// The lines of a body.
pub(super) struct Lines<B> {
    body: B,
    buffer: Vec<u8>,
    /// Where the next line begins in the buffer.
    start: usize,
    /// Up to here no newline was found.
    searched: usize,
    received: u64,
}

impl<B: Body> Lines<B> {
    pub(super) const fn new(body: B) -> Self {
        Self { body, buffer: Vec::new(), start: 0, searched: 0, received: 0 }
    }

    /// Bytes received so far.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// The next line without its newline, or `None` at the end. Empty lines are left out.
    ///
    /// # Errors
    /// `protocol/truncated` when the body ends in the middle of a line, `protocol/malformed` when a line is over its limit, and what the
    /// body fails with.
    pub(super) async fn next(&mut self) -> Result<Option<&[u8]>> {
        let end = loop {
            let fresh = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(length) = fresh.iter().position(|byte| *byte == b'\n') {
                let end = self.searched + length;
                self.searched = end + 1;
                if end > self.start {
                    break end;
                }
                self.start = end + 1;
                continue;
            }
            self.searched = self.buffer.len();
            if !self.fill().await? {
                return Ok(None);
            }
        };
        let line = self.start..end;
        self.start = end + 1;
        Ok(self.buffer.get(line))
    }

    async fn fill(&mut self) -> Result<bool> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let Some(chunk) = self.body.chunk().await? else {
            return if self.buffer.is_empty() {
                Ok(false)
            } else {
                Err(Error::new(Code::ProtocolTruncated, "the answer ends in the middle of a line"))
            };
        };
        if self.buffer.len() + chunk.len() > PULL_LINE_BYTES_MAX.max(chunk.len()) {
            return Err(Error::new(Code::ProtocolMalformed, "a line is over 4 MiB"));
        }
        self.received += chunk.len() as u64;
        self.buffer.extend_from_slice(&chunk);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;

    struct Pieces(Vec<&'static str>);

    impl Body for Pieces {
        async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
            Ok((!self.0.is_empty()).then(|| self.0.remove(0).as_bytes().to_vec()))
        }
    }

    fn lines(pieces: &[&'static str]) -> Result<Vec<String>> {
        let mut lines = Lines::new(Pieces(pieces.to_vec()));
        block_on(async {
            let mut all = Vec::new();
            while let Some(line) = lines.next().await? {
                all.push(String::from_utf8_lossy(line).into_owned());
            }
            Ok(all)
        })
    }

    #[test]
    fn pieces_need_not_end_where_lines_do() {
        assert_eq!(lines(&["a\nb", "b\n\n", "\nccc", "c", "\n"]).unwrap(), ["a", "bb", "cccc"]);
        assert_eq!(lines(&["a\nbb\nc\n"]).unwrap(), ["a", "bb", "c"]);
        assert_eq!(lines(&[]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_body_that_breaks_off_is_an_error() {
        assert_eq!(lines(&["a\nb"]).unwrap_err().code(), Code::ProtocolTruncated);
    }
}
