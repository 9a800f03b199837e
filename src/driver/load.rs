//! Loading a file of pull lines: a snapshot that ships with the app, or the text of a bench.

use super::Driver;
use super::lines::Lines;
use super::pull::Source;
use crate::error::Result;
use crate::ports::Platform;

/// Bytes handed over at once, so that lines are cut out of small pieces and the page stays responsive between commits.
const CHUNK_BYTES: usize = 256 * 1024;

/// Gives a part of the file: at most so many bytes from a place on; none behind its end.
pub(crate) type Part = Box<dyn Fn(usize, usize) -> Vec<u8>>;

/// A file in memory, given out in pieces as a body is. It stays with whoever has it: a copy of the whole would be memory that a wasm module
/// never gives back.
pub(super) struct Memory {
    part: Part,
    at: usize,
}

impl Memory {
    /// The next piece, or `None` at the end.
    pub(super) fn chunk(&mut self) -> Option<Vec<u8>> {
        let chunk = (self.part)(self.at, CHUNK_BYTES);
        self.at += chunk.len();
        (!chunk.is_empty()).then_some(chunk)
    }
}

impl<P: Platform> Driver<P> {
    /// Stores a pull's answer from memory; the number of rows and removals in it. The same lines as `POST /v1/pull` answers with.
    ///
    /// # Errors
    /// Those of a pull and of the store. What was complete under a cursor before the error is stored.
    pub async fn load(&self, part: Part) -> Result<u64> {
        let lines = Lines::new(Source::Memory(Memory { part, at: 0 }));
        let loaded = self.receive(lines, &[], &|_| ()).await?;
        Ok(loaded.pulled)
    }
}
