//! The embedding: the app's token, and a way to run futures beside the caller.

use std::future::Future;
use std::pin::Pin;

use crate::error::Result;

/// Where the session's token comes from.
#[allow(async_fn_in_trait, reason = "single-threaded: no Send bound is ever wanted")]
pub trait Session {
    /// The token to send, asked for before every run and once more after the server refused one; `None` for requests without one.
    ///
    /// # Errors
    /// `auth/unauthenticated` when the app cannot give one now.
    async fn token(&self) -> Result<Option<String>>;
}

/// Runs futures to their end, on this thread.
pub trait Spawn {
    /// Takes a future and returns at once.
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()>>>);
}
