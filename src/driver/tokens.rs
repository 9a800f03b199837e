//! The session's token: known to the whole tab, and asked for once for all who wait for it.
//!
//! ```text
//! unknown ──somebody needs it──► asked ──► known ──the server refuses it, the app says that somebody signed in──► unknown
//! ```
//!
//! **Invariant:** however many wait, the app is asked once; its answer is everybody's.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};

use futures_util::future::{Either, select};

use super::Driver;
use crate::error::{Code, Error, Result};
use crate::ports::{Clock, Platform, Session};
use crate::sync::Event;

/// How long the app may take to give a token.
const TOKEN_TIMEOUT_MS: u32 = 30_000;

/// A token as the app gives it; `None` inside is a session without one.
type Token = Option<String>;

#[derive(Default)]
pub(super) struct Tokens {
    /// What the app said last: nothing, a token, or why there is none.
    answer: RefCell<Option<Result<Token>>>,
    /// How often it has answered.
    answers: Cell<u32>,
    is_asking: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Tokens {
    /// What may be sent without asking.
    fn known(&self, refused: Option<&Token>) -> Option<Token> {
        let answer = self.answer.borrow();
        let known = answer.as_ref()?.as_ref().ok()?;
        (refused != Some(known)).then(|| known.clone())
    }

    /// Waits for the app's next answer.
    async fn next(&self) -> Result<Token> {
        let before = self.answers.get();
        poll_fn(|context| {
            if self.answers.get() == before {
                self.waiting.borrow_mut().push(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        let answer = self.answer.borrow().clone();
        answer.unwrap_or_else(|| Err(Error::new(Code::Unauthenticated, "the session has changed")))
    }

    /// The app has answered.
    fn answered(&self, answer: Result<Token>) {
        self.answer.replace(Some(answer));
        self.is_asking.set(false);
        self.answers.set(self.answers.get().wrapping_add(1));
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// The server takes this token no more, and the app has no other: the next who needs one asks again.
    pub(super) fn forget(&self, refused: &Token) {
        let mut answer = self.answer.borrow_mut();
        if matches!(&*answer, Some(Ok(known)) if known == refused) {
            *answer = None;
        }
    }
}

impl<P: Platform> Driver<P> {
    /// The token to send. One that the server has just refused is not given again, unless the app itself gives it again.
    pub(super) async fn token(&self, refused: Option<&Token>) -> Result<Token> {
        let tokens = &self.inner.tokens;
        if let Some(known) = tokens.known(refused) {
            return Ok(known);
        }
        self.ask_token();
        tokens.next().await
    }

    /// Somebody has signed in: what is known of the session is of yesterday, and what failed for want of a token is tried again.
    pub fn signed_in(&self) {
        self.inner.tokens.answer.take();
        self.feed(Event::SignedIn);
    }

    /// Asks the app, unless it is being asked. In a task of its own: a run that is cancelled takes nobody's answer away.
    fn ask_token(&self) {
        if self.inner.tokens.is_asking.replace(true) {
            return;
        }
        let driver = self.clone();
        self.spawn(async move {
            let ports = &driver.inner.ports;
            let answer = match select(pin!(ports.session.token()), pin!(ports.clock.sleep(TOKEN_TIMEOUT_MS))).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => Err(Error::new(Code::Unauthenticated, "token() gives no answer")),
            };
            driver.inner.tokens.answered(answer);
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;
    use futures_util::future::join;

    use super::*;

    #[test]
    fn one_answer_serves_all_who_wait() {
        let (tokens, fresh) = (Tokens::default(), Some("fresh".to_owned()));
        let answering = async { tokens.answered(Ok(fresh.clone())) };
        let (waited, ()) = block_on(join(join(tokens.next(), tokens.next()), answering));
        assert_eq!(waited, (Ok(fresh.clone()), Ok(fresh.clone())));
        assert_eq!(tokens.known(None), Some(fresh.clone()), "it is kept");
        assert_eq!(tokens.known(Some(&Some("old".to_owned()))), Some(fresh.clone()), "another one's refresh is mine");
        assert_eq!(tokens.known(Some(&fresh)), None, "what was refused is asked for again");
    }

    #[test]
    fn a_failure_reaches_all_who_wait_and_is_not_kept() {
        let tokens = Tokens::default();
        let failed = Error::new(Code::Unauthenticated, "no session");
        let (waited, ()) =
            block_on(join(join(tokens.next(), tokens.next()), async { tokens.answered(Err(failed.clone())) }));
        assert_eq!(waited, (Err(failed.clone()), Err(failed)));
        assert_eq!(tokens.known(None), None);
    }

    #[test]
    fn only_the_token_that_was_refused_is_forgotten() {
        let tokens = Tokens::default();
        tokens.answered(Ok(Some("new".to_owned())));
        tokens.forget(&Some("old".to_owned()));
        assert!(tokens.known(None).is_some());
        tokens.forget(&Some("new".to_owned()));
        assert!(tokens.known(None).is_none());
    }
}
