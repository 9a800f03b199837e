//! A run's life outside the machine: the lock it holds and the work it is doing, both gone when it ends.

use std::future::Future;
use std::pin::pin;

use futures_util::future::{AbortHandle, Abortable};

use super::{Driver, exchange};
use crate::error::{Code, Error};
use crate::ports::{Lock, Platform, Request, Response, Session, Transport};
use crate::sync::{Event, Failure, RunId};

/// The run that is active.
pub(super) struct ActiveRun<P: Platform> {
    id: RunId,
    /// Held from before the first request until the end: one run at a time over all tabs.
    guard: Option<<P::Lock as Lock>::Guard>,
    work: AbortHandle,
    token: Option<Option<String>>,
}

impl<P: Platform> Drop for ActiveRun<P> {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl<P: Platform> Driver<P> {
    pub(super) fn begin_run(&self, run: RunId) {
        let (work, registration) = AbortHandle::new_pair();
        *self.inner.active.borrow_mut() = Some(ActiveRun { id: run, guard: None, work, token: None });
        let driver = self.clone();
        let locking = async move {
            let event = match driver.inner.ports.lock.acquire(&driver.inner.lock_name).await {
                Ok(guard) => {
                    driver.with_run(run, |active| active.guard = Some(guard));
                    Event::Locked(run)
                }
                Err(error) => Event::Failed(run, error.into()),
            };
            driver.feed(event);
        };
        self.spawn(async move {
            let _ended_before = Abortable::new(locking, registration).await;
        });
    }

    /// Does a part of a run; a failure ends the run.
    pub(super) fn in_run<F>(&self, run: RunId, work: impl FnOnce(Self) -> F)
    where
        F: Future<Output = Result<(), Failure>> + 'static,
    {
        let (handle, registration) = AbortHandle::new_pair();
        self.with_run(run, |active| active.work = handle);
        let driver = self.clone();
        let future = work(self.clone());
        self.spawn(async move {
            if let Ok(Err(failure)) = Abortable::new(future, registration).await {
                driver.feed(Event::Failed(run, failure));
            }
        });
    }

    pub(super) fn end_run(&self, run: RunId) {
        self.inner.active.borrow_mut().take_if(|active| active.id == run);
    }

    /// Sends a request of a run with the session's token; when the server refuses the token, the session is asked for another one, once.
    pub(super) async fn exchange(
        &self,
        run: RunId,
        path: &str,
        body: String,
        media_type: &str,
    ) -> Result<Response<<P::Transport as Transport>::Body>, Failure> {
        let transport = self.inner.ports.transport.as_ref();
        let transport =
            transport.ok_or_else(|| Error::new(Code::NoServer, "this database was opened without a server"))?;
        let known = self.with_run(run, |active| active.token.clone()).flatten();
        let token = match known {
            Some(token) => token,
            None => self.ask_token(run).await?,
        };
        let first: Request = exchange::post(path, body, token);
        match exchange::send(transport, first.clone(), media_type).await {
            Err(failure) if failure.error.code() == Code::Unauthenticated => {
                let token = self.ask_token(run).await?;
                exchange::send(transport, Request { token, ..first }, media_type).await
            }
            answer => answer,
        }
    }

    async fn ask_token(&self, run: RunId) -> Result<Option<String>, Failure> {
        let token = pin!(self.inner.ports.session.token()).await?;
        self.with_run(run, |active| active.token = Some(token.clone()));
        Ok(token)
    }

    fn with_run<T>(&self, run: RunId, act: impl FnOnce(&mut ActiveRun<P>) -> T) -> Option<T> {
        self.inner.active.borrow_mut().as_mut().filter(|active| active.id == run).map(act)
    }
}
