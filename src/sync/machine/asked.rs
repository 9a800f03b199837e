//! What asks for a run: the app, a start, a change, a timer, good news.

use super::super::{Cause, Effect, Phase, RequestId, Settlement, Timer, UnitId};
use super::{Failed, Machine};
use crate::error::{Code, Error};

/// How long local changes rest before `auto.change` sends them.
const CHANGE_DEBOUNCE_MS: i64 = 250;
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
            let dropped = self.queue.discard();
            self.settle(dropped, Settlement::Discarded, None, None);
        }
        let chain = if is_consequence { self.ended.clone() } else { Vec::new() };
        for (request, unit) in requests {
            match &mut self.active {
                // It has read nothing yet, so it serves this request as well as a run of its own would.
                Some(run) if run.unit == *unit && run.phase == Phase::Waiting => run.requests.push(*request),
                _ if chain.iter().filter(|earlier| *earlier == unit).count() > LOOP_DEPTH => {
                    let error = Error::new(
                        Code::SyncLoop,
                        "it asks for itself whenever it ends; nothing was written meanwhile",
                    );
                    self.settle(vec![*request], Settlement::Error, None, Some(error));
                }
                _ => self.queue.add_after(&chain, *unit, Cause::App, Some(*request), any_network),
            }
        }
        if self.is_held() {
            self.effects.push(Effect::Probe);
        }
    }

    pub(super) fn wrote(&mut self, now: i64) {
        // There is something new to send: whoever asks again has a reason.
        self.ended.clear();
        self.queue.forget_chains();
        self.active.iter_mut().for_each(|run| run.chain.clear());
        if self.auto.change.is_some() && !self.change_timer_set {
            self.change_timer_set = true;
            self.effects.push(Effect::SetTimer(Timer::Change, now + CHANGE_DEBOUNCE_MS));
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
                self.change_timer_set = false;
                if let Some(unit) = self.auto.change {
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
            // The machine itself sees to it.
            Timer::Deadline => {}
        }
    }

    /// While nobody is signed in, what would run by itself waits for that; the server is not asked over and over.
    fn add_by_itself(&mut self, unit: UnitId, cause: Cause) {
        if !self.signed_out {
            self.queue.add(unit, cause, None);
        } else if self.failed_mut(unit).is_none() {
            self.set_failed(Failed { unit, attempts: 0, due: None });
        }
    }

    pub(super) fn set_interval(&mut self, now: i64) {
        if let Some(every) = self.auto.every {
            self.effects.push(Effect::SetTimer(Timer::Every, now + i64::from(every.seconds) * 1_000));
        }
    }
}
