//! Who starts runs: this tab, while it leads. And whom it serves: itself and the tabs that follow.
//!
//! **Invariant:** a tab keeps what it wants in its own queue until it is served; what the tab that leads has of it is a copy.

use std::collections::VecDeque;

use super::super::event::OWN_REQUESTS;
use super::super::queue::Waiting;
use super::super::{
    Answer, Caller, Cause, Effect, Failure, Notice, Phase, RequestId, RunId, Settlement, Timer, Told, UnitId, Wish,
};
use super::Machine;
use crate::error::Error;

/// Answers that are remembered for tabs that have not heard them.
const ANSWERED_MAX: usize = 64;
/// How long something is asked for before that is written down; most of it is served by then, and costs no commit.
const KEEP_AFTER_MS: i64 = 500;

/// What a tab is among the tabs of its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Standing {
    /// There is no other.
    #[default]
    Alone,
    /// It has nothing to do.
    Following,
    /// It has something to do: by another tab, or as the one that leads.
    Wanting,
    /// It is the one that starts runs.
    Leading,
}

/// What other tabs were answered last.
pub(super) type Answered = VecDeque<(u32, Answer)>;

impl Machine {
    /// What this tab wants, in order.
    pub fn wishes(&mut self) -> Vec<Wish> {
        let own_requests = &mut self.own_requests;
        let wishes = self.queue.iter_mut().map(|waiting| {
            if waiting.requests.is_empty() {
                *own_requests = own_requests.wrapping_add(1);
                let request = RequestId(OWN_REQUESTS | *own_requests);
                waiting.requests.push(Caller { tab: 0, request });
            }
            let own = waiting.requests.iter().filter(|caller| caller.tab == 0);
            let requests = own.map(|caller| caller.request).collect();
            Wish { unit: waiting.unit, cause: waiting.cause, any_network: waiting.any_network, requests }
        });
        wishes.filter(|wish| !wish.requests.is_empty()).collect()
    }

    /// What a tab has to know that was just opened.
    #[must_use]
    pub fn present(&self) -> Vec<Told> {
        let run = self.active.as_ref().filter(|_| self.leads()).map(|run| self.told(run));
        let waits = self.failed.iter().filter_map(|failed| {
            let (unit, error) = (failed.unit, failed.error.clone());
            failed.due.map(|retry_at| Told::Waits { unit, error, retry_at })
        });
        run.into_iter().chain(waits).collect()
    }

    pub(super) const fn leads(&self) -> bool {
        matches!(self.standing, Standing::Alone | Standing::Leading)
    }

    pub(super) const fn is_shared(&self) -> bool {
        !matches!(self.standing, Standing::Alone)
    }

    pub(super) fn has_work(&self) -> bool {
        let may_run = |waiting: &Waiting| waiting.any_network || self.condition(waiting.unit).is_none();
        !self.is_held() && !self.is_paused && self.queue.any(may_run)
    }

    /// Leads, or not, as there is something to do. Who sees another tab at work wants to know if that comes to an end.
    pub(super) fn stand(&mut self, asked: usize) {
        let is_wanting = self.has_work() || self.heard.is_some();
        match self.standing {
            Standing::Leading if self.active.is_none() && !self.has_work() => self.rest(),
            Standing::Wanting if !is_wanting => self.rest(),
            Standing::Wanting if self.queue.size() > asked => self.effects.push(Effect::Ask { discard_pending: false }),
            Standing::Following if is_wanting => {
                self.standing = Standing::Wanting;
                self.effects.push(Effect::Lead);
            }
            Standing::Alone | Standing::Following | Standing::Wanting | Standing::Leading => {}
        }
    }

    fn rest(&mut self) {
        self.standing = Standing::Following;
        self.queue.drop_foreign();
        self.effects.push(Effect::Rest);
    }

    /// Whoever led has gone; what it was doing has ended with it.
    pub(super) fn led(&mut self, first: u64) {
        if self.standing == Standing::Wanting {
            self.standing = Standing::Leading;
            self.runs = self.runs.max(first);
            self.close_heard();
        }
    }

    /// The first of what waits fails for it, as it would have failed in a run.
    pub(super) fn lead_failed(&mut self, now: i64, draw: &mut dyn FnMut(u64) -> u64, error: Error) {
        if self.standing != Standing::Wanting {
            return;
        }
        self.standing = Standing::Leading;
        self.close_heard();
        self.start_next();
        if let Some(id) = self.active.as_ref().map(|run| run.id) {
            self.run_failed(now, draw, id, Failure { error, retry_after_ms: None });
        }
        self.standing = Standing::Following;
    }

    /// Another tab has taken over: what this one was doing waits for its turn again.
    pub(super) fn lost(&mut self) {
        if self.is_shared() {
            self.standing = Standing::Following;
            self.interrupt();
            self.queue.drop_foreign();
        }
    }

    /// A paused run goes no further than to the end of its batch.
    pub(super) fn heed_pause(&mut self) {
        if self.is_paused {
            self.interrupt();
        }
    }

    /// Stops the active run; who asked for it goes on waiting.
    fn interrupt(&mut self) {
        let Some(id) = self.active.as_ref().map(|run| run.id) else { return };
        let ended = self.ended.clone();
        let Some(mut run) = self.take_run(id) else { return };
        self.ended = ended;
        run.chain.pop();
        self.relay(Told::Cancelled { run: id });
        self.tell(Notice::Cancelled { run: id, unit: run.unit });
        let super::Run { unit, cause, requests, chain, any_network, is_kept, .. } = run;
        self.queue.put_back(Waiting { unit, cause, requests, chain, any_network, is_kept });
    }

    /// Another tab asks for runs.
    pub(super) fn asked(&mut self, tab: u32, discard_pending: bool, wishes: Vec<Wish>) {
        let caller = |request: &RequestId| Caller { tab, request: *request };
        if discard_pending {
            let spared: Vec<Caller> = wishes.iter().flat_map(|wish| &wish.requests).map(caller).collect();
            self.discard(&spared);
        }
        if self.standing != Standing::Leading {
            return;
        }
        for Wish { unit, cause, any_network, requests } in wishes {
            for request in requests {
                self.ask_for(unit, cause, any_network, Caller { tab, request });
            }
        }
    }

    fn ask_for(&mut self, unit: UnitId, cause: Cause, any_network: bool, caller: Caller) {
        let known =
            self.answered.iter().find(|(tab, answer)| *tab == caller.tab && answer.requests.contains(&caller.request));
        if let Some((tab, answer)) = known {
            let answer = Answer { requests: vec![caller.request], ..answer.clone() };
            return self.effects.push(Effect::Answer(*tab, answer));
        }
        match &mut self.active {
            Some(run) if run.requests.contains(&caller) => {}
            Some(run) if run.unit == unit && run.phase == Phase::Waiting => run.requests.push(caller),
            _ if self.queue.has(caller) => {}
            _ => self.queue.add_after(&[], unit, cause, Some(caller), any_network),
        }
    }

    /// Drops what waits. A tab that follows leaves what the present run may be about to serve.
    pub(super) fn discard(&mut self, except: &[Caller]) {
        let spared = self.heard.as_ref().map(|heard| heard.unit);
        let (dropped, units) = self.queue.discard(spared, except);
        self.settle(dropped, Settlement::Discarded, None, None);
        if !units.is_empty() {
            self.effects.push(Effect::Want(units, false));
        }
    }

    /// Tells everybody who asked, here and elsewhere.
    pub(super) fn settle(
        &mut self,
        mut callers: Vec<Caller>,
        outcome: Settlement,
        run: Option<RunId>,
        error: Option<Error>,
    ) {
        while let Some(tab) = callers.first().map(|caller| caller.tab) {
            let mut requests = Vec::new();
            callers.retain(|caller| {
                let is_of_tab = caller.tab == tab;
                requests.extend(is_of_tab.then_some(caller.request));
                !is_of_tab
            });
            if tab == 0 {
                self.settle_own(requests, outcome, run, error.clone());
            } else {
                let answer = Answer { requests, outcome, run, error: error.clone() };
                self.answered.push_back((tab, answer.clone()));
                if self.answered.len() > ANSWERED_MAX {
                    self.answered.pop_front();
                }
                self.effects.push(Effect::Answer(tab, answer));
            }
        }
    }

    pub(super) fn settle_own(
        &mut self,
        mut requests: Vec<RequestId>,
        outcome: Settlement,
        run: Option<RunId>,
        error: Option<Error>,
    ) {
        requests.retain(|request| request.0 < OWN_REQUESTS);
        if !requests.is_empty() {
            self.tell(Notice::Settled { requests, outcome, run, error });
        }
    }

    /// What the app has asked for is written down when it has waited for a while.
    pub(super) fn keep_later(&mut self, now: i64) {
        let is_due = |cause: Cause, is_kept: bool| cause == Cause::App && !is_kept;
        let is_any_due = self.queue.iter_mut().any(|waiting| is_due(waiting.cause, waiting.is_kept))
            || self.active.as_ref().is_some_and(|run| is_due(run.cause, run.is_kept));
        if self.is_shared() && is_any_due && !self.keep_timer_set {
            self.keep_timer_set = true;
            self.effects.push(Effect::SetTimer(Timer::Keep, now + KEEP_AFTER_MS));
        }
    }

    pub(super) fn keep(&mut self) {
        self.keep_timer_set = false;
        let waiting = self.queue.iter_mut().map(|waiting| (waiting.unit, waiting.cause, &mut waiting.is_kept));
        let active = self.active.iter_mut().map(|run| (run.unit, run.cause, &mut run.is_kept));
        let mut units = Vec::new();
        for (unit, cause, is_kept) in active.chain(waiting) {
            if cause == Cause::App && !std::mem::replace(is_kept, true) {
                units.push(unit);
            }
        }
        if !units.is_empty() {
            self.effects.push(Effect::Want(units, true));
        }
    }

    /// The end of a run is the end of its unit's note. If the unit is asked for again already, that is written down anew.
    pub(super) fn is_served(&mut self, unit: UnitId) {
        self.queue.iter_mut().filter(|waiting| waiting.unit == unit).for_each(|waiting| waiting.is_kept = false);
    }

    pub(super) fn relay(&mut self, told: Told) {
        if self.standing == Standing::Leading {
            self.effects.push(Effect::Relay(told));
        }
    }

    /// Tells the other tabs how the active run stands.
    pub(super) fn relay_run(&mut self) {
        if let Some(told) = self.active.as_ref().map(|run| self.told(run)) {
            self.relay(told);
        }
    }

    const fn told(&self, run: &super::Run) -> Told {
        Told::Runs { run: run.id, unit: run.unit, cause: run.cause, phase: run.phase, progress: self.status.progress }
    }
}
