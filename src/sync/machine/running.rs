//! A run from its start to its end, and what a failure leaves behind.

use super::super::queue::Waiting;
use super::super::{
    Effect, Failure, NetworkStatus, Notice, Phase, Progress, PushBatch, Retry, RunId, Settlement, Timer, UnitId,
    backoff_ms,
};
use super::{Failed, Machine, Run};
use crate::error::{Code, Error};

impl Machine {
    pub(super) fn start_next(&mut self) {
        if self.active.is_some() || self.is_held() {
            return;
        }
        let Some(Waiting { unit, cause, requests, mut chain }) = self.queue.next() else { return };
        chain.push(unit);
        if let Some(failed) = self.failed_mut(unit)
            && failed.due.take().is_some()
        {
            self.effects.push(Effect::ClearTimer(Timer::Retry(unit)));
        }
        self.runs += 1;
        let id = RunId(self.runs);
        self.active = Some(Run { id, unit, requests, phase: Phase::Waiting, rejected: 0, conflicts: 0, chain });
        self.status.progress = Progress::default();
        self.tell(Notice::Start { run: id, unit, cause });
        self.effects.push(Effect::Lock(id));
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
            // A batch that decided nothing would be sent for ever: what remains waits for the next run.
            if batch.remaining > 0 && batch.decided > 0 {
                machine.effects.push(Effect::Push(run.id, run.unit));
            } else {
                run.phase = Phase::Pulling;
                machine.effects.push(Effect::Pull(run.id, run.unit));
            }
        });
    }

    pub(super) fn progressed(&mut self, run: RunId, pull: Progress) {
        self.set_network_online();
        self.on_run(run, |machine, run| {
            let progress = &mut machine.status.progress;
            *progress = Progress { pushed: progress.pushed, to_push: progress.to_push, ..pull };
            let progress = *progress;
            machine.tell(Notice::Progress { run: run.id, unit: run.unit, progress });
        });
    }

    pub(super) fn pulled(&mut self, run: RunId) {
        let Some(run) = self.take_run(run) else { return };
        self.set_network_online();
        self.signed_out = false;
        self.failed.retain(|failed| failed.unit != run.unit);
        self.status.last_error = None;
        let (progress, rejected, conflicts) = (self.status.progress, run.rejected, run.conflicts);
        self.tell(Notice::Complete { run: run.id, unit: run.unit, progress, rejected, conflicts });
        self.settle(run.requests, Settlement::Complete, Some(run.id), None);
    }

    pub(super) fn run_failed(&mut self, now: i64, draw: &mut dyn FnMut(u64) -> u64, run: RunId, failure: Failure) {
        let Some(run) = self.take_run(run) else { return };
        let Failure { error, retry_after_ms } = failure;
        if let Some(network) = NetworkStatus::after_failure(&error, self.hinted_offline) {
            self.set_network(network);
        }
        let class = Retry::of(&error);
        self.signed_out = class == Retry::WhenSignedIn;
        let attempts = self.failed_mut(run.unit).map_or(0, |failed| failed.attempts).saturating_add(1);
        let retry_at = match class {
            Retry::Backoff => {
                let wait = backoff_ms(attempts, retry_after_ms, draw);
                Some(now.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX)))
            }
            Retry::WhenSignedIn | Retry::Never => None,
        };
        self.set_failed(Failed { unit: run.unit, attempts, due: retry_at });
        self.effects.extend(retry_at.map(|at| Effect::SetTimer(Timer::Retry(run.unit), at)));
        self.status.last_error = Some(error.clone());
        self.tell(Notice::Error { run: run.id, unit: run.unit, error: error.clone(), retry_at });
        self.settle(run.requests, Settlement::Error, Some(run.id), Some(error));
    }

    pub(super) fn cancel(&mut self) {
        let Some(id) = self.active.as_ref().map(|run| run.id) else { return };
        let Some(run) = self.take_run(id) else { return };
        self.tell(Notice::Cancelled { run: run.id, unit: run.unit });
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
        self.effects.push(Effect::End(id));
        Some(run)
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
