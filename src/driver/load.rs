//! Loading a file of pull lines: a snapshot that ships with the app, or the text of a bench.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use super::Driver;
use super::lines::Lines;
use super::pull::Source;
use crate::error::Result;
use crate::ports::Platform;

/// The next piece of a file, or `None` at its end.
pub type FilePiece = Pin<Box<dyn Future<Output = Option<Vec<u8>>>>>;

/// Gives a file in pieces, each in a turn of the event loop of its own, so that the page stays responsive. The file stays with whoever has it: a
/// copy of the whole would be memory that a wasm module never gives back.
pub type File = Box<dyn FnMut() -> FilePiece>;

impl<P: Platform> Driver<P> {
    /// Stores a pull's answer from a file; the number of rows and removals in it. The same lines as `POST /v1/pull` answers with.
    ///
    /// # Errors
    /// Those of a pull and of the store. What was complete under a cursor before the error is stored.
    pub async fn load(&self, file: File) -> Result<u64> {
        // In no transaction, whatever this engine is of.
        let driver = Self::of(Rc::clone(&self.inner));
        let loaded = driver.receive(Lines::new(Source::File(file)), &[], None).await?;
        Ok(loaded.pulled)
    }
}
