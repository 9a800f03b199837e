//! The queue of runs: first in, first out, one waiting copy per unit.

use std::collections::VecDeque;

use super::{Caller, Cause, UnitId};

/// A run that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) unit: UnitId,
    pub(super) cause: Cause,
    /// Whom to tell; empty for runs that the engine asked for itself.
    pub(super) requests: Vec<Caller>,
    /// The runs that led to it, each asked for when the one before had ended; empty for what has come by itself.
    pub(super) chain: Vec<UnitId>,
    /// Whether any network will do.
    pub(super) any_network: bool,
    /// Whether it is remembered in case the app is killed.
    pub(super) is_kept: bool,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
}

impl Queue {
    /// Adds a run, or joins the one of the same unit that waits already.
    pub(super) fn add(&mut self, unit: UnitId, cause: Cause, request: Option<Caller>) {
        self.add_after(&[], unit, cause, request, false);
    }

    /// The same, as a consequence of runs that have ended.
    pub(super) fn add_after(
        &mut self,
        chain: &[UnitId],
        unit: UnitId,
        cause: Cause,
        request: Option<Caller>,
        any_network: bool,
    ) {
        match self.waiting.iter_mut().find(|waiting| waiting.unit == unit) {
            Some(waiting) => {
                waiting.requests.extend(request);
                waiting.any_network |= any_network;
            }
            None => {
                let requests = request.into_iter().collect();
                self.waiting.push_back(Waiting {
                    unit,
                    cause,
                    requests,
                    chain: chain.to_vec(),
                    any_network,
                    is_kept: false,
                });
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
            run.any_network |= other.any_network;
        }
        self.waiting.push_front(run);
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.waiting.iter_mut()
    }

    pub(super) fn any(&self, is_meant: impl Fn(&Waiting) -> bool) -> bool {
        self.waiting.iter().any(is_meant)
    }

    /// Runs and requests in it.
    pub(super) fn size(&self) -> usize {
        self.waiting.iter().map(|waiting| 1 + waiting.requests.len()).sum()
    }

    pub(super) fn has(&self, caller: Caller) -> bool {
        self.waiting.iter().any(|waiting| waiting.requests.contains(&caller))
    }

    /// Takes out requests, and runs that nobody wants any more without them. Who was found, and the chain of the last of them.
    pub(super) fn serve(&mut self, served: &[Caller]) -> (Vec<Caller>, Option<(UnitId, Vec<UnitId>)>) {
        let (mut found, mut chain) = (Vec::new(), None);
        self.waiting.retain_mut(|waiting| {
            let before = waiting.requests.len();
            waiting.requests.retain(|caller| {
                let is_served = served.contains(caller);
                found.extend(is_served.then_some(*caller));
                !is_served
            });
            if waiting.requests.len() < before {
                chain = Some((waiting.unit, waiting.chain.clone()));
            }
            !waiting.requests.is_empty() || before == 0
        });
        (found, chain)
    }

    /// Drops the requests of other tabs: those keep them, and ask again.
    pub(super) fn drop_foreign(&mut self) {
        self.waiting.retain_mut(|waiting| {
            let was_wanted = !waiting.requests.is_empty();
            waiting.requests.retain(|caller| caller.tab == 0);
            !(was_wanted && waiting.requests.is_empty())
        });
    }

    /// Empties the queue except for some units and requests, and returns what was waiting.
    pub(super) fn discard(&mut self, spared: Option<UnitId>, except: &[Caller]) -> (Vec<Caller>, Vec<UnitId>) {
        let (mut requests, mut units) = (Vec::new(), Vec::new());
        self.waiting.retain_mut(|waiting| {
            if spared == Some(waiting.unit) {
                return true;
            }
            let (kept, dropped) = waiting.requests.iter().partition(|caller| except.contains(caller));
            waiting.requests = kept;
            requests.extend::<Vec<Caller>>(dropped);
            let is_dropped = waiting.requests.is_empty();
            if is_dropped && waiting.is_kept {
                units.push(waiting.unit);
            }
            !is_dropped
        });
        (requests, units)
    }
}
