//! A run from its start to its end, and what a failure leaves behind.

use super::super::queue::Waiting;
use super::super::{
    Effect, Failure, NetworkStatus, Notice, Phase, Progress, PushBatch, Retry, RunId, Settlement, Timer, Told, UnitId,
    backoff_ms,
};
use super::{Failed, Machine, Run};
use crate::error::{Code, Error};

impl Machine {
    pub(super) fn start_next(&mut self) {
        if self.active.is_some() || self.is_held() || self.is_paused || !self.leads() {
            return;
        }
        let mut queue = std::mem::take(&mut self.queue);
        let next = queue.next(|waiting| waiting.any_network || self.condition(waiting.unit).is_none());
        self.queue = queue;
        let Some(Waiting { unit, cause, requests, mut chain, any_network, is_kept }) = next else { return };
        chain.push(unit);
        self.clear_retry(unit);
        self.runs += 1;
        let id = RunId(self.runs);
        self.active = Some(Run {
            id,
            unit,
            cause,
            requests,
            phase: Phase::Waiting,
            rejected: 0,
            conflicts: 0,
            forbidden: Vec::new(),
            denied: None,
            chain,
            any_network,
            is_kept,
        });
        self.status.progress = Progress::default();
        self.tell(Notice::Start { run: id, unit, cause });
        self.effects.push(Effect::Lock(id));
    }

    pub(super) fn locked(&mut self, now: i64, run: RunId) {
        self.on_run(run, |machine, run| {
            machine.effects.push(Effect::Prepare(run.id, run.unit));
            if let Some(timeout) = machine.policy(run.unit).timeout_ms {
                machine.effects.push(Effect::SetTimer(Timer::Deadline, now + i64::from(timeout)));
            }
        });
    }

    /// The run has taken as long as its unit may: what it has committed holds.
    pub(super) fn overran(&mut self, now: i64, draw: &mut dyn FnMut(u64) -> u64) {
        let Some((id, unit)) = self.active.as_ref().map(|run| (run.id, run.unit)) else { return };
        let limit = self.policy(unit).timeout_ms.unwrap_or_default();
        let error = Error::new(Code::RunTimeout, format!("the run has taken {limit} ms, as long as its unit may"));
        self.run_failed(now, draw, id, Failure { error, retry_after_ms: None });
    }

    pub(super) fn pushed(&mut self, now: i64, draw: &mut dyn FnMut(u64) -> u64, run: RunId, batch: PushBatch) {
        if let Some(wait) = batch.retry_after_ms {
            let error = Error::new(Code::ServerBusy, "the server decided only a part of the changes");
            return self.run_failed(now, draw, run, Failure { error, retry_after_ms: Some(wait) });
        }
        self.set_network_online();
        self.on_run(run, |machine, run| {
            run.rejected += batch.rejected;
            run.conflicts += batch.conflicts;
            let progress = &mut machine.status.progress;
            progress.pushed += batch.decided;
            progress.to_push = progress.pushed + batch.remaining;
            let progress = *progress;
            machine.tell(Notice::Progress { run: run.id, unit: run.unit, progress });
            if batch.goes_on {
                return;
            }
            // A batch that decided nothing would be sent for ever: what remains waits for the next run.
            if batch.remaining > 0 && batch.decided > 0 {
                machine.effects.push(Effect::Push(run.id, run.unit));
            } else {
                run.phase = Phase::Pulling;
                machine.effects.push(Effect::Pull(run.id, run.unit));
            }
        });
        self.heed_pause();
    }

    pub(super) fn progressed(&mut self, run: RunId, pull: Progress) {
        self.set_network_online();
        self.on_run(run, |machine, run| {
            let progress = &mut machine.status.progress;
            *progress = Progress { pushed: progress.pushed, to_push: progress.to_push, ..pull };
            let progress = *progress;
            machine.tell(Notice::Progress { run: run.id, unit: run.unit, progress });
        });
        self.heed_pause();
    }

    pub(super) fn pulled(&mut self, now: i64, draw: &mut dyn FnMut(u64) -> u64, run: RunId) {
        // What the user may see has come all the same.
        if let Some(error) = self.active.as_ref().filter(|active| active.id == run).and_then(|run| run.denied.clone()) {
            return self.run_failed(now, draw, run, Failure { error, retry_after_ms: None });
        }
        let Some(run) = self.take_run(run) else { return };
        self.set_network_online();
        self.signed_out = false;
        self.failed.retain(|failed| failed.unit != run.unit);
        self.status.last_error = None;
        let (progress, rejected, conflicts) = (self.status.progress, run.rejected, run.conflicts);
        let Run { id, unit, forbidden, .. } = run;
        self.relay(Told::Completed { run: id, progress, rejected, conflicts, forbidden: forbidden.clone() });
        self.tell(Notice::Complete { run: id, unit, progress, rejected, conflicts, forbidden });
        self.is_served(unit);
        self.settle(run.requests, Settlement::Complete, Some(run.id), None);
    }

    pub(super) fn run_failed(&mut self, now: i64, draw: &mut dyn FnMut(u64) -> u64, run: RunId, failure: Failure) {
        if failure.error.code() == Code::Forbidden && self.goes_on_without_push(run, &failure.error) {
            return;
        }
        let Some(run) = self.take_run(run) else { return };
        let Failure { error, retry_after_ms } = failure;
        if let Some(network) = NetworkStatus::after_failure(&error, self.hinted_offline) {
            self.set_network(network);
        }
        let class = Retry::of(&error);
        self.signed_out |= class == Retry::WhenSignedIn;
        let attempts = self.failed_mut(run.unit).map_or(0, |failed| failed.attempts).saturating_add(1);
        let retry_at = match class {
            Retry::Backoff => self.policy(run.unit).retry.map(|backoff| {
                let wait = backoff_ms(attempts, backoff, retry_after_ms, draw);
                now.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX))
            }),
            Retry::WhenSignedIn | Retry::Never => None,
        };
        self.set_failed(Failed { unit: run.unit, attempts, due: retry_at, error: error.clone() });
        self.effects.extend(retry_at.map(|at| Effect::SetTimer(Timer::Retry(run.unit), at)));
        self.status.last_error = Some(error.clone());
        self.relay(Told::Failed { run: run.id, error: error.clone(), retry_at });
        self.tell(Notice::Error { run: run.id, unit: run.unit, error: error.clone(), retry_at });
        self.settle(run.requests, Settlement::Error, Some(run.id), Some(error));
    }

    /// A user who may not push may still see: the run pulls, and fails afterwards.
    fn goes_on_without_push(&mut self, run: RunId, error: &Error) -> bool {
        let Some(run) = self.active.as_mut().filter(|active| active.id == run && active.phase == Phase::Pushing) else {
            return false;
        };
        run.phase = Phase::Pulling;
        run.denied = Some(error.clone());
        self.effects.push(Effect::Pull(run.id, run.unit));
        true
    }

    pub(super) fn cancel(&mut self) {
        let Some(id) = self.active.as_ref().map(|run| run.id) else {
            let elsewhere = self.heard.as_ref().map(|heard| Effect::CancelRun(heard.run));
            return self.effects.extend(elsewhere);
        };
        let Some(run) = self.take_run(id) else { return };
        self.relay(Told::Cancelled { run: run.id });
        self.tell(Notice::Cancelled { run: run.id, unit: run.unit });
        if run.is_kept {
            self.effects.push(Effect::Want(vec![run.unit], false));
        }
        self.settle(run.requests, Settlement::Cancelled, Some(run.id), None);
    }

    /// Acts on the active run; news of a run that is over is ignored.
    pub(super) fn on_run(&mut self, id: RunId, act: impl FnOnce(&mut Self, &mut Run)) {
        if let Some(mut run) = self.active.take_if(|run| run.id == id) {
            act(self, &mut run);
            self.active = Some(run);
        }
    }

    pub(super) fn take_run(&mut self, id: RunId) -> Option<Run> {
        let run = self.active.take_if(|run| run.id == id)?;
        self.ended.clone_from(&run.chain);
        if self.policy(run.unit).timeout_ms.is_some() {
            self.effects.push(Effect::ClearTimer(Timer::Deadline));
        }
        self.effects.push(Effect::End(id));
        Some(run)
    }

    pub(super) fn cancel_run(&mut self, run: RunId) {
        if self.active.as_ref().is_some_and(|active| active.id == run) {
            self.cancel();
        }
    }

    pub(super) fn clear_retry(&mut self, unit: UnitId) {
        if let Some(failed) = self.failed_mut(unit)
            && failed.due.take().is_some()
        {
            self.effects.push(Effect::ClearTimer(Timer::Retry(unit)));
        }
    }

    pub(super) fn failed_mut(&mut self, unit: UnitId) -> Option<&mut Failed> {
        self.failed.iter_mut().find(|failed| failed.unit == unit)
    }

    pub(super) fn set_failed(&mut self, failed: Failed) {
        self.failed.retain(|other| other.unit != failed.unit);
        let place = self.failed.partition_point(|other| other.unit < failed.unit);
        self.failed.insert(place, failed);
    }
}
