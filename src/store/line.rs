//! The line at a store's commit: who may plan now, who waits, and whose commit is on its way.
//!
//! ```text
//! waiting ──(at the front, nothing on its way)──► planned ──(nobody else can join)──► flying ──► committed | failed
//!    ▲                                                                                  │
//!    └──────────────────────── again: another tab was first ───────────────────────────┘
//! ```
//!
//! Whatever arrives while a commit is on its way is planned together and flies with the next one.
//!
//! **Invariant:** numbers are given in the order of arrival, and plans are made in the order of numbers.

use std::cell::RefCell;
use std::task::{Context, Waker};

use super::sorted::Sorted;
use crate::error::Error;
use crate::ports::Seq;

/// A place in the line.
pub(super) type Number = u64;

/// What became of a planned transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Committed(Seq),
    Failed(Error),
    /// The plan was made on what is no longer so; it is to be made again.
    Again,
}

/// The line.
#[derive(Default)]
pub(super) struct Line {
    places: RefCell<Places>,
}

#[derive(Default)]
struct Places {
    last: Number,
    /// Those that wait, and whether they want to be alone.
    waiting: Sorted<Number, bool>,
    planned: Vec<Number>,
    flying: Vec<Number>,
    outcomes: Sorted<Number, Outcome>,
    wakers: Sorted<Number, Waker>,
}

impl Places {
    fn front(&self) -> Option<Number> {
        self.waiting.first().map(|(number, _)| *number)
    }
}

impl Line {
    /// A place at the end.
    pub(super) fn enter(&self, is_alone: bool) -> Number {
        let mut places = self.places.borrow_mut();
        places.last += 1;
        let number = places.last;
        places.waiting.insert(number, is_alone);
        number
    }

    /// Gives a place up, whatever its state. Whether it was planned: then the plans of others were made on top of one that is gone.
    pub(super) fn leave(&self, number: Number) -> bool {
        let mut places = self.places.borrow_mut();
        places.waiting.remove(number);
        places.wakers.remove(number);
        places.outcomes.remove(number);
        places.flying.retain(|flying| *flying != number);
        let was_planned = places.planned.contains(&number);
        places.planned.retain(|planned| *planned != number);
        // Whoever drove the line may be gone: one of each kind that can is enough.
        let next = [places.front(), places.planned.first().copied(), places.flying.first().copied()];
        let wakers = next.map(|next| places.wakers.remove(next?));
        drop(places);
        wakers.into_iter().flatten().for_each(Waker::wake);
        was_planned
    }

    /// Whether a place is at the front.
    pub(super) fn is_front(&self, number: Number) -> bool {
        self.places.borrow().front() == Some(number)
    }

    /// Whether nobody can join the plan: no one waits, or the next one wants to be alone.
    pub(super) fn is_closed(&self) -> bool {
        self.places.borrow().waiting.first().is_none_or(|(_, is_alone)| *is_alone)
    }

    /// Whether there are plans that do not fly yet.
    pub(super) fn has_planned(&self) -> bool {
        !self.places.borrow().planned.is_empty()
    }

    /// How many plans do not fly yet.
    pub(super) fn planned(&self) -> usize {
        self.places.borrow().planned.len()
    }

    /// The front's plan is made.
    pub(super) fn plan(&self, number: Number) {
        let mut places = self.places.borrow_mut();
        places.waiting.remove(number);
        places.planned.push(number);
        let next = places.front().and_then(|next| places.wakers.remove(next));
        drop(places);
        if let Some(waker) = next {
            waker.wake();
        }
    }

    /// All that is planned flies.
    pub(super) fn fly(&self) {
        let mut places = self.places.borrow_mut();
        places.flying = std::mem::take(&mut places.planned);
    }

    /// All that is planned is to be planned again.
    pub(super) fn plan_again(&self) {
        let mut places = self.places.borrow_mut();
        for number in std::mem::take(&mut places.planned) {
            places.waiting.insert(number, false);
            places.outcomes.insert(number, Outcome::Again);
        }
        drop(places);
        self.wake_all();
    }

    /// All that flies has come to its end.
    pub(super) fn land(&self, outcome: &Outcome) {
        let mut places = self.places.borrow_mut();
        for number in std::mem::take(&mut places.flying) {
            if *outcome == Outcome::Again {
                places.waiting.insert(number, false);
            }
            places.outcomes.insert(number, outcome.clone());
        }
        drop(places);
        self.wake_all();
    }

    /// What became of a planned transaction; once.
    pub(super) fn take_outcome(&self, number: Number) -> Option<Outcome> {
        self.places.borrow_mut().outcomes.remove(number)
    }

    /// Wakes a place's task when something has happened.
    pub(super) fn wait(&self, number: Number, context: &Context<'_>) {
        self.places.borrow_mut().wakers.insert(number, context.waker().clone());
    }

    fn wake_all(&self) {
        let wakers = std::mem::take(&mut self.places.borrow_mut().wakers);
        wakers.into_values().for_each(Waker::wake);
    }
}
