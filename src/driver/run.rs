//! A run's life outside the machine: the lock it holds and the work it is doing, both gone when it ends.

use std::future::Future;
use std::pin::{Pin, pin};

use futures_util::future::{AbortHandle, Abortable};

use super::{Driver, exchange};
use crate::error::{Code, Error};
use crate::ports::{Lock, Platform, Request, Response, Session, Transport};
use crate::sync::{Event, Failure, RunId};

/// A part of a run.
type Work = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// The run that is active.
pub(super) struct ActiveRun<P: Platform> {
    id: RunId,
    /// Held from before the first request until the end: one run at a time over all tabs.
    guard: Option<<P::Lock as Lock>::Guard>,
    /// Ends the part that is being done.
    work: Option<AbortHandle>,
    token: Option<Option<String>>,
}

impl<P: Platform> Drop for ActiveRun<P> {
    fn drop(&mut self) {
        self.work.iter().for_each(AbortHandle::abort);
    }
}

impl<P: Platform> Driver<P> {
    pub(super) fn begin_run(&self, run: RunId) {
        *self.inner.active.borrow_mut() = Some(ActiveRun { id: run, guard: None, work: None, token: None });
        let driver = self.clone();
        let locking = async move {
            let guard = driver.inner.ports.lock.acquire(&driver.inner.lock_name).await?;
            driver.with_run(run, |active| active.guard = Some(guard));
            driver.feed(Event::Locked(run));
            Ok(())
        };
        self.in_run(run, Box::pin(locking));
    }

    /// Does a part of a run; a failure ends the run.
    pub(super) fn in_run(&self, run: RunId, work: Work) {
        let (handle, registration) = AbortHandle::new_pair();
        self.with_run(run, |active| active.work = Some(handle));
        let driver = self.clone();
        self.spawn(async move {
            if let Ok(Err(failure)) = Abortable::new(work, registration).await {
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
