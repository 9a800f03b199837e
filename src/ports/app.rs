//! The embedding: the app's token, and a way to run futures beside the caller.

use std::future::Future;
use std::pin::Pin;

use crate::error::{Code, Error, Result};

/// The app that the engine belongs to: where the session's token comes from, and what its schema's steps do.
#[allow(async_fn_in_trait, reason = "single-threaded: no Send bound is ever wanted")]
pub trait Session {
    /// The token to send, kept for the tab and asked for again after the server refused it; `None` for requests without one.
    ///
    /// # Errors
    /// `auth/unauthenticated` when the app cannot give one now.
    async fn token(&self) -> Result<Option<String>>;

    /// The app's say before a run of a unit begins; an error ends the run.
    ///
    /// # Errors
    /// `hook/failed`, `hook/timeout`.
    async fn before_run(&self, _unit: &str) -> Result<()> {
        Ok(())
    }

    /// Converts values with one of the functions that the app's steps have; a JSON array of values, none of them null, becomes another.
    ///
    /// # Errors
    /// `schema/step-failed` when the function fails; here, as there is none.
    fn convert(&self, by: u32, _values: &str) -> Result<String> {
        Err(Error::new(Code::StepFailed, format!("there is no function {by}")))
    }
}

/// Runs futures to their end, on this thread.
pub trait Spawn {
    /// Takes a future and returns at once.
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()>>>);
}
