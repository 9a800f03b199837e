//! The piece of an answer that is being stored, while the next lines are read and decoded.
//!
//! ```text
//! lines   ▒▒▒▒▒▒│▒▒▒▒▒▒│▒▒▒▒▒▒│
//! commits       │░░░░░ │░░░░░ │░░░░░         one at a time, in the order of the answer
//! ```

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use crate::error::Error;

/// A piece on its way into the store.
type Apply = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

#[derive(Default)]
pub(super) struct Storing {
    under_way: Option<Apply>,
    /// What became of it, until somebody asks.
    ended: Option<Result<(), Error>>,
}

impl Storing {
    /// Begins to store a piece. The one before has ended.
    pub(super) async fn begin(&mut self, apply: Apply) {
        self.under_way = Some(apply);
        self.beside(std::future::ready(())).await;
    }

    /// Waits for something else; what is being stored goes on meanwhile.
    pub(super) async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        poll_fn(|context| {
            self.go_on(context);
            other.as_mut().poll(context)
        })
        .await
    }

    /// Waits until nothing is being stored. Whether something was since the last time.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn end(&mut self) -> Result<bool, Error> {
        poll_fn(|context| {
            self.go_on(context);
            if self.under_way.is_some() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        self.ended.take().transpose().map(|ended| ended.is_some())
    }

    fn go_on(&mut self, context: &mut Context<'_>) {
        if let Some(apply) = &mut self.under_way
            && let Poll::Ready(ended) = apply.as_mut().poll(context)
        {
            self.under_way = None;
            self.ended = Some(ended);
        }
    }
}
