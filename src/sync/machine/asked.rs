//! What asks for a run: the app, a start, a change, a timer, good news.

use super::super::{Caller, Cause, Effect, Phase, RequestId, Settlement, Timer, UnitId};
use super::{Failed, Machine};
use crate::error::{Code, Error};

/// How long local changes rest before `auto.change` sends them.
const CHANGE_DEBOUNCE_MS: i64 = 250;
/// How long a tab waits for another one to send what that has written. It may be gone.
const OTHERS_CHANGE_MS: i64 = 2_000;
/// How often in a row a unit may ask for itself at its own end, when nothing was written meanwhile.
const LOOP_DEPTH: usize = 3;

impl Machine {
    pub(super) fn started(&mut self, now: i64, dirty: &[UnitId]) {
        for unit in self.auto.start.iter().chain(dirty) {
            self.queue.add(*unit, Cause::Start, None);
        }
        self.set_interval(now);
    }

    pub(super) fn triggered(
        &mut self,
        requests: &[(RequestId, UnitId)],
        discard_pending: bool,
        is_consequence: bool,
        any_network: bool,
    ) {
        if discard_pending {
            self.discard(&[]);
        }
        let chain = if is_consequence { self.ended.clone() } else { Vec::new() };
        for (request, unit) in requests {
            let caller = Caller { tab: 0, request: *request };
            match &mut self.active {
                // It has read nothing yet, so it serves this request as well as a run of its own would.
                Some(run) if run.unit == *unit && run.phase == Phase::Waiting => run.requests.push(caller),
                _ if chain.iter().filter(|earlier| *earlier == unit).count() > LOOP_DEPTH => {
                    let error = Error::new(
                        Code::SyncLoop,
                        "it asks for itself whenever it ends; nothing was written meanwhile",
                    );
                    self.settle(vec![caller], Settlement::Error, None, Some(error));
                }
                _ => self.queue.add_after(&chain, *unit, Cause::App, Some(caller), any_network),
            }
        }
        if discard_pending && self.is_shared() {
            self.effects.push(Effect::Ask { discard_pending });
        }
        if self.is_held() {
            self.effects.push(Effect::Probe);
        }
    }

    pub(super) fn wrote(&mut self, now: i64) {
        self.has_news();
        self.send_at(now + CHANGE_DEBOUNCE_MS, true);
    }

    /// The store says how much waits. What another tab has written, that tab sends; unless it is gone.
    pub(super) fn counted(&mut self, now: i64, pending: u64) {
        if pending > self.status.pending && self.is_counted {
            self.has_news();
            self.send_at(now + OTHERS_CHANGE_MS, false);
        }
        self.is_counted = true;
        self.status.pending = pending;
    }

    /// There is something new to send: whoever asks again has a reason.
    fn has_news(&mut self) {
        self.ended.clear();
        self.queue.forget_chains();
        self.active.iter_mut().for_each(|run| run.chain.clear());
    }

    fn send_at(&mut self, at: i64, is_own: bool) {
        if self.auto.change.is_some() && self.change_due.is_none_or(|(_, is_own_set)| is_own && !is_own_set) {
            self.change_due = Some((at, is_own));
            self.effects.push(Effect::SetTimer(Timer::Change, at));
        }
    }

    /// Something good has happened: what failed is tried again without waiting, and the unit named for the occasion runs.
    pub(super) fn wake(&mut self, unit: Option<UnitId>, cause: Cause) {
        if let Some(unit) = unit {
            self.queue.add(unit, cause, None);
        }
        for failed in &mut self.failed {
            failed.due = None;
            self.queue.add(failed.unit, cause, None);
            self.effects.push(Effect::ClearTimer(Timer::Retry(failed.unit)));
        }
        if self.is_held() {
            self.effects.push(Effect::Probe);
        }
    }

    pub(super) fn fired(&mut self, now: i64, timer: Timer) {
        match timer {
            Timer::Change => {
                let is_own = self.change_due.take().is_none_or(|(_, is_own)| is_own);
                if let Some(unit) = self.auto.change.filter(|_| is_own || self.status.pending > 0) {
                    self.add_by_itself(unit, Cause::Change);
                }
            }
            Timer::Every => {
                if let Some(every) = self.auto.every {
                    self.add_by_itself(every.unit, Cause::Every);
                }
                self.set_interval(now);
            }
            Timer::Retry(unit) => {
                if let Some(failed) = self.failed_mut(unit) {
                    failed.due = None;
                    self.queue.add(unit, Cause::Retry, None);
                }
            }
            Timer::Probe => self.effects.push(Effect::Probe),
            Timer::Keep => self.keep(),
            // The machine itself sees to it.
            Timer::Deadline => {}
        }
    }

    /// While nobody is signed in, what would run by itself waits for that; the server is not asked over and over.
    fn add_by_itself(&mut self, unit: UnitId, cause: Cause) {
        if !self.signed_out {
            self.queue.add(unit, cause, None);
        } else if self.failed_mut(unit).is_none() {
            let error = Error::new(Code::Unauthenticated, "nobody is signed in");
            self.set_failed(Failed { unit, attempts: 0, due: None, error });
        }
    }

    pub(super) fn set_interval(&mut self, now: i64) {
        if let Some(every) = self.auto.every {
            self.effects.push(Effect::SetTimer(Timer::Every, now + i64::from(every.seconds) * 1_000));
        }
    }
}
