//! A caller's place in the line at the commit, from its arrival to what becomes of its plan.
//!
//! **Invariant:** whoever waits here drives the commit that is on its way, so a caller that goes away holds nobody up.

use std::future::poll_fn;
use std::task::Poll;

use super::handle::Store;
use super::line::{Number, Outcome};
use crate::ports::Storage;

/// A place in the line. Dropping it gives it up.
pub(super) struct Place<'s, S: Storage> {
    store: &'s Store<S>,
    pub(super) number: Number,
    is_alone: bool,
    is_done: bool,
}

impl<'s, S: Storage> Place<'s, S> {
    pub(super) fn enter(store: &'s Store<S>, is_alone: bool) -> Self {
        Self { store, number: store.core.line.enter(is_alone), is_alone, is_done: false }
    }

    /// Waits until it is at the front and no commit is on its way; a place that is alone also until nothing is planned.
    pub(super) async fn front(&mut self) {
        let (store, line) = (self.store, &self.store.core.line);
        poll_fn(|context| {
            while store.drive(context) {
                if !line.is_front(self.number) {
                    break;
                }
                if !line.has_planned() || !(self.is_alone || store.is_group_full()) {
                    return Poll::Ready(());
                }
                store.take_off();
            }
            line.wait(self.number, context);
            Poll::Pending
        })
        .await;
    }

    /// Waits for what becomes of its plan.
    pub(super) async fn outcome(&mut self) -> Outcome {
        let (store, line) = (self.store, &self.store.core.line);
        let outcome = poll_fn(|context| {
            loop {
                if let Some(outcome) = line.take_outcome(self.number) {
                    return Poll::Ready(outcome);
                }
                if !store.drive(context) {
                    break;
                }
                if let Some(outcome) = line.take_outcome(self.number) {
                    return Poll::Ready(outcome);
                }
                if !(line.is_closed() || store.is_group_full()) {
                    break;
                }
                store.take_off();
            }
            line.wait(self.number, context);
            Poll::Pending
        })
        .await;
        self.is_done = outcome != Outcome::Again;
        outcome
    }
}

impl<S: Storage> Drop for Place<'_, S> {
    fn drop(&mut self) {
        if !self.is_done && self.store.core.line.leave(self.number) {
            // It was planned: others have planned on top of it.
            self.store.forget_group();
        }
    }
}
