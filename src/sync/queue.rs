//! The queue of runs: first in, first out, one waiting copy per unit.

use std::collections::VecDeque;

use super::{Cause, RequestId, UnitId};

/// A run that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) unit: UnitId,
    pub(super) cause: Cause,
    /// Whom to tell; empty for runs that the engine asked for itself.
    pub(super) requests: Vec<RequestId>,
    /// The runs that led to it, each asked for when the one before had ended; empty for what has come by itself.
    pub(super) chain: Vec<UnitId>,
    /// Whether any network will do.
    pub(super) any_network: bool,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
}

impl Queue {
    /// Adds a run, or joins the one of the same unit that waits already.
    pub(super) fn add(&mut self, unit: UnitId, cause: Cause, request: Option<RequestId>) {
        self.add_after(&[], unit, cause, request, false);
    }

    /// The same, as a consequence of runs that have ended.
    pub(super) fn add_after(
        &mut self,
        chain: &[UnitId],
        unit: UnitId,
        cause: Cause,
        request: Option<RequestId>,
        any_network: bool,
    ) {
        match self.waiting.iter_mut().find(|waiting| waiting.unit == unit) {
            Some(waiting) => {
                waiting.requests.extend(request);
                waiting.any_network |= any_network;
            }
            None => {
                let requests = request.into_iter().collect();
                self.waiting.push_back(Waiting { unit, cause, requests, chain: chain.to_vec(), any_network });
            }
        }
    }

    /// Nothing that waits is a consequence of anything any more.
    pub(super) fn forget_chains(&mut self) {
        self.waiting.iter_mut().for_each(|waiting| waiting.chain.clear());
    }

    /// The first one that may run; those that may not keep their places.
    pub(super) fn next(&mut self, may_run: impl Fn(&Waiting) -> bool) -> Option<Waiting> {
        let place = self.waiting.iter().position(may_run)?;
        self.waiting.remove(place)
    }

    pub(super) fn first(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// What was running is to run again, before all others.
    pub(super) fn put_back(&mut self, mut run: Waiting) {
        if let Some(place) = self.waiting.iter().position(|waiting| waiting.unit == run.unit)
            && let Some(other) = self.waiting.remove(place)
        {
            run.requests.extend(other.requests);
        }
        self.waiting.push_front(run);
    }

    /// Empties the queue and returns the requests that were waiting.
    pub(super) fn discard(&mut self) -> Vec<RequestId> {
        let mut requests = Vec::new();
        for waiting in self.waiting.drain(..) {
            requests.extend(waiting.requests);
        }
        requests
    }
}
