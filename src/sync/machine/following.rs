//! What a tab learns of the runs of the one that leads, so that its app sees them as its own.
//!
//! **Invariant:** a run whose start was told comes to exactly one end here too, also when the tab that leads dies or its word is lost.

use super::super::{Answer, Caller, Cause, NetworkStatus, Notice, Phase, Progress, Retry, RunId, Timer, Told, UnitId};
use super::leading::Standing;
use super::{Effect, Failed, Machine};
use crate::error::Error;

/// How much longer than the tab whose run has failed the others wait for its next attempt. It may be gone.
const RETRY_LATER_MS: i64 = 5_000;

/// A run of the tab that leads.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) run: RunId,
    pub(super) unit: UnitId,
    pub(super) phase: Phase,
}

impl Machine {
    /// The tab that leads tells of its runs.
    pub(super) fn heard(&mut self, now: i64, told: Told) {
        if self.leads() {
            return;
        }
        match told {
            Told::Runs { run, unit, cause, phase, progress } => {
                self.heard_run(now, run, unit, cause, (phase, progress))
            }
            Told::Completed { run, progress, rejected, conflicts, forbidden } => {
                let Some(unit) = self.end_heard(run) else { return };
                self.clear_retry(unit);
                self.failed.retain(|failed| failed.unit != unit);
                (self.status.last_error, self.signed_out) = (None, false);
                self.status.progress = progress;
                self.set_network_online();
                self.is_served(unit);
                self.tell(Notice::Complete { run, unit, progress, rejected, conflicts, forbidden });
            }
            Told::Failed { run, error, retry_at } => {
                let Some(unit) = self.end_heard(run) else { return };
                self.heard_failure(unit, &error, retry_at);
                if let Some(network) = NetworkStatus::after_failure(&error, self.is_held()) {
                    self.set_network(network);
                }
                self.tell(Notice::Error { run, unit, error, retry_at });
            }
            Told::Cancelled { run } => {
                if let Some(unit) = self.end_heard(run) {
                    self.tell(Notice::Cancelled { run, unit });
                }
            }
            Told::Waits { unit, error, retry_at } => {
                if self.failed_mut(unit).is_none() {
                    self.heard_failure(unit, &error, Some(retry_at));
                }
            }
        }
    }

    fn heard_run(&mut self, now: i64, run: RunId, unit: UnitId, cause: Cause, (phase, progress): (Phase, Progress)) {
        if self.heard.as_ref().is_none_or(|heard| heard.run != run) {
            self.close_heard();
            self.heard = Some(Heard { run, unit, phase });
            self.clear_retry(unit);
            if self.auto.every.is_some_and(|every| every.unit == unit) {
                self.set_interval(now);
            }
            self.status.progress = Progress::default();
            self.tell(Notice::Start { run, unit, cause });
        }
        if let Some(heard) = &mut self.heard {
            heard.phase = phase;
        }
        if self.status.progress != progress {
            self.status.progress = progress;
            self.tell(Notice::Progress { run, unit, progress });
        }
    }

    fn heard_failure(&mut self, unit: UnitId, error: &Error, retry_at: Option<i64>) {
        let attempts = self.failed_mut(unit).map_or(0, |failed| failed.attempts).saturating_add(1);
        self.clear_retry(unit);
        self.signed_out |= Retry::of(error) == Retry::WhenSignedIn;
        let due = retry_at.map(|at| at.saturating_add(RETRY_LATER_MS));
        self.set_failed(Failed { unit, attempts, due, error: error.clone() });
        self.effects.extend(due.map(|at| Effect::SetTimer(Timer::Retry(unit), at)));
        self.status.last_error = Some(error.clone());
    }

    /// What is asked for at the end of a run is a consequence of it, wherever it ran.
    fn end_heard(&mut self, run: RunId) -> Option<UnitId> {
        let unit = self.heard.take_if(|heard| heard.run == run)?.unit;
        let waiting = self.queue.iter_mut().find(|waiting| waiting.unit == unit);
        self.ended = waiting.map(|waiting| waiting.chain.clone()).unwrap_or_default();
        self.ended.push(unit);
        Some(unit)
    }

    /// Nobody will say any more how the run ended.
    pub(super) fn close_heard(&mut self) {
        if let Some(Heard { run, unit, .. }) = self.heard.take() {
            self.tell(Notice::Cancelled { run, unit });
        }
    }

    /// The tab that leads has served requests of this one.
    pub(super) fn was_served(&mut self, answer: &Answer) {
        let Answer { requests, outcome, run, error } = answer;
        let callers: Vec<Caller> = requests.iter().map(|request| Caller { tab: 0, request: *request }).collect();
        let (found, chain) = self.queue.serve(&callers);
        if let Some((unit, mut chain)) = chain
            && self.standing != Standing::Leading
        {
            chain.push(unit);
            self.ended = chain;
        }
        self.settle(found, *outcome, *run, error.clone());
    }
}
