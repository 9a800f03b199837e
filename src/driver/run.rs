//! A run's life outside the machine: the work it is doing, gone when it ends.

use std::future::Future;
use std::pin::Pin;

use futures_util::future::{AbortHandle, Abortable};

use super::{Driver, exchange};
use crate::error::{Code, Error};
use crate::ports::{Platform, Request, Response, Transport};
use crate::sync::{Event, Failure, RunId};

/// A part of a run.
type Work = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// The run that is active.
pub(super) struct ActiveRun {
    id: RunId,
    /// Ends the part that is being done.
    work: Option<AbortHandle>,
}

impl Drop for ActiveRun {
    fn drop(&mut self) {
        self.work.iter().for_each(AbortHandle::abort);
    }
}

impl<P: Platform> Driver<P> {
    pub(super) fn begin_run(&self, run: RunId) {
        *self.inner.active.borrow_mut() = Some(ActiveRun { id: run, work: None });
        self.feed(Event::Locked(run));
    }

    /// Does a part of a run; a failure ends the run.
    pub(super) fn in_run(&self, run: RunId, work: Work) {
        let (handle, registration) = AbortHandle::new_pair();
        // After a sleep the same part is done once more: the answer to the first request may never come.
        let before = self.with_run(run, |active| active.work.replace(handle)).flatten();
        before.iter().for_each(AbortHandle::abort);
        let driver = self.clone();
        self.spawn(async move {
            match Abortable::new(work, registration).await {
                Ok(Err(failure)) if failure.error.code() == Code::Superseded => driver.overtaken(),
                Ok(Err(failure)) => driver.feed(Event::Failed(run, failure)),
                Ok(Ok(())) | Err(_) => {}
            }
        });
    }

    pub(super) fn end_run(&self, run: RunId) {
        self.inner.active.borrow_mut().take_if(|active| active.id == run);
    }

    /// Sends a request with the session's token; when the server refuses the token, the session is asked for another one, once.
    pub(super) async fn exchange(
        &self,
        to: (&str, RunId),
        body: exchange::Content,
        media_type: &str,
        idle_timeout_ms: Option<u32>,
    ) -> Result<Response<<P::Transport as Transport>::Body>, Failure> {
        let transport = self.inner.ports.transport.as_ref();
        let transport =
            transport.ok_or_else(|| Error::new(Code::NoServer, "this database was opened without a server"))?;
        let token = self.token(None).await?;
        let first: Request = exchange::post(to, body, token, idle_timeout_ms);
        let is_refused = |failure: &Failure| failure.error.code() == Code::Unauthenticated;
        match exchange::send(transport, first.clone(), media_type).await {
            Err(failure) if is_refused(&failure) => {}
            answer => return answer,
        }
        let token = self.token(Some(&first.token)).await?;
        let second = Request { token, ..first };
        let again = second.token.clone();
        let answer = exchange::send(transport, second, media_type).await;
        if matches!(&answer, Err(failure) if is_refused(failure)) {
            self.inner.tokens.forget(&again);
        }
        answer
    }

    fn with_run<T>(&self, run: RunId, act: impl FnOnce(&mut ActiveRun) -> T) -> Option<T> {
        self.inner.active.borrow_mut().as_mut().filter(|active| active.id == run).map(act)
    }
}
