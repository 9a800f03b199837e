//! The state machine. One method per kind of event; every one ends by starting what can start and telling what has changed.

use crate::error::{Code, Error};

use super::queue::{Queue, Waiting};
use super::{
    Auto, Cause, Effect, Event, Failure, NetworkStatus, Notice, Phase, Progress, PushBatch, RequestId, Retry, RunId,
    Settlement, Status, Timer, UnitId, backoff_ms,
};

/// How long local changes rest before `auto.change` sends them.
const CHANGE_DEBOUNCE_MS: i64 = 250;
/// How often a network that the browser calls absent is checked while somebody waits for it.
const PROBE_INTERVAL_MS: i64 = 30_000;
/// How often in a row a unit may ask for itself at its own end, when nothing was written meanwhile.
const LOOP_DEPTH: usize = 3;

/// The run that is active.
#[derive(Debug)]
struct Run {
    id: RunId,
    unit: UnitId,
    requests: Vec<RequestId>,
    phase: Phase,
    rejected: u64,
    conflicts: u64,
    /// The runs that led to it, and it.
    chain: Vec<UnitId>,
}

/// How a unit's last runs failed.
#[derive(Debug)]
struct Failed {
    unit: UnitId,
    attempts: u32,
    due: Option<i64>,
}

/// The machine.
#[derive(Debug, Default)]
pub struct Machine {
    auto: Auto,
    queue: Queue,
    active: Option<Run>,
    /// The chain of the run that ended last.
    ended: Vec<UnitId>,
    runs: u32,
    /// In the order of the units.
    failed: Vec<Failed>,
    hinted_offline: bool,
    signed_out: bool,
    change_timer_set: bool,
    status: Status,
    effects: Vec<Effect>,
}

impl Machine {
    /// A machine at rest.
    #[must_use]
    pub fn new(auto: Auto) -> Self {
        Self { auto, ..Self::default() }
    }

    /// The present status.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// Takes an event at a time (milliseconds since 1970) and returns what is to be done, in order. `draw(max)` gives a random number in
    /// `0..=max`.
    pub fn step(&mut self, now: i64, draw: &mut dyn FnMut(u64) -> u64, event: Event) -> Vec<Effect> {
        let told = self.status.clone();
        match event {
            Event::Started { dirty } => self.started(now, &dirty),
            Event::Triggered { requests, discard_pending, is_consequence } => {
                self.triggered(&requests, discard_pending, is_consequence);
            }
            Event::Wrote => self.wrote(now),
            Event::Counted { pending, rejected, conflicts, last_success } => {
                (self.status.pending, self.status.rejected, self.status.conflicts) = (pending, rejected, conflicts);
                self.status.last_success = last_success;
            }
            Event::HintedOnline => self.hinted_online(),
            Event::HintedOffline => self.hinted_offline(now),
            Event::Resumed => self.wake(self.auto.resume, Cause::Resume),
            Event::Fired(timer) => self.fired(now, timer),
            Event::Probed(answer) => self.probed(now, answer),
            Event::Locked(run) => self.on_run(run, |machine, run| {
                run.phase = Phase::Pushing;
                machine.effects.push(Effect::Push(run.id, run.unit));
            }),
            Event::Pushed(run, batch) => self.pushed(now, draw, run, batch),
            Event::Progressed(run, progress) => self.progressed(run, progress),
            Event::Pulled(run) => self.pulled(run),
            Event::Failed(run, failure) => self.run_failed(now, draw, run, failure),
            Event::RetryNow => self.wake(None, Cause::Retry),
            Event::Cancel => self.cancel(),
        }
        self.start_next();
        self.tell_status(&told);
        std::mem::take(&mut self.effects)
    }

    fn started(&mut self, now: i64, dirty: &[UnitId]) {
        for unit in self.auto.start.iter().chain(dirty) {
            self.queue.add(*unit, Cause::Start, None);
        }
        self.set_interval(now);
    }

    fn triggered(&mut self, requests: &[(RequestId, UnitId)], discard_pending: bool, is_consequence: bool) {
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
                _ => self.queue.add_after(&chain, *unit, Cause::App, Some(*request)),
            }
        }
        if self.is_held() {
            self.effects.push(Effect::Probe);
        }
    }

    fn wrote(&mut self, now: i64) {
        // There is something new to send: whoever asks again has a reason.
        self.ended.clear();
        self.queue.forget_chains();
        self.active.iter_mut().for_each(|run| run.chain.clear());
        if self.auto.change.is_some() && !self.change_timer_set {
            self.change_timer_set = true;
            self.effects.push(Effect::SetTimer(Timer::Change, now + CHANGE_DEBOUNCE_MS));
        }
    }

    fn hinted_online(&mut self) {
        self.hinted_offline = false;
        self.effects.push(Effect::ClearTimer(Timer::Probe));
        if self.status.network == NetworkStatus::Offline {
            self.set_network(NetworkStatus::Unknown);
        }
        self.wake(self.auto.online, Cause::Online);
    }

    fn hinted_offline(&mut self, now: i64) {
        self.hinted_offline = true;
        self.set_network(NetworkStatus::Offline);
        self.effects.push(Effect::SetTimer(Timer::Probe, now + PROBE_INTERVAL_MS));
    }

    fn fired(&mut self, now: i64, timer: Timer) {
        match timer {
            Timer::Change => {
                self.change_timer_set = false;
                if let Some(unit) = self.auto.change {
                    self.queue.add(unit, Cause::Change, None);
                }
            }
            Timer::Every => {
                if let Some(every) = self.auto.every {
                    self.queue.add(every.unit, Cause::Every, None);
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
        }
    }

    /// The browser's "offline" is only believed until our server answers.
    fn probed(&mut self, now: i64, answer: Result<(), Error>) {
        match answer {
            Ok(()) => {
                self.hinted_offline = false;
                self.set_network(NetworkStatus::Online);
                self.wake(self.auto.online, Cause::Online);
            }
            Err(error) => {
                if let Some(network) = NetworkStatus::after_failure(&error, self.hinted_offline) {
                    self.set_network(network);
                }
                if self.hinted_offline {
                    self.effects.push(Effect::SetTimer(Timer::Probe, now + PROBE_INTERVAL_MS));
                }
            }
        }
    }

    fn pushed(&mut self, now: i64, draw: &mut dyn FnMut(u64) -> u64, run: RunId, batch: PushBatch) {
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

    fn progressed(&mut self, run: RunId, pull: Progress) {
        self.set_network_online();
        self.on_run(run, |machine, run| {
            let progress = &mut machine.status.progress;
            *progress = Progress { pushed: progress.pushed, to_push: progress.to_push, ..pull };
            let progress = *progress;
            machine.tell(Notice::Progress { run: run.id, unit: run.unit, progress });
        });
    }

    fn pulled(&mut self, run: RunId) {
        let Some(run) = self.take_run(run) else { return };
        self.set_network_online();
        self.signed_out = false;
        self.failed.retain(|failed| failed.unit != run.unit);
        self.status.last_error = None;
        let (progress, rejected, conflicts) = (self.status.progress, run.rejected, run.conflicts);
        self.tell(Notice::Complete { run: run.id, unit: run.unit, progress, rejected, conflicts });
        self.settle(run.requests, Settlement::Complete, Some(run.id), None);
    }

    fn run_failed(&mut self, now: i64, draw: &mut dyn FnMut(u64) -> u64, run: RunId, failure: Failure) {
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

    fn cancel(&mut self) {
        let Some(id) = self.active.as_ref().map(|run| run.id) else { return };
        let Some(run) = self.take_run(id) else { return };
        self.tell(Notice::Cancelled { run: run.id, unit: run.unit });
        self.settle(run.requests, Settlement::Cancelled, Some(run.id), None);
    }

    /// Something good has happened: what failed is tried again without waiting, and the unit named for the occasion runs.
    fn wake(&mut self, unit: Option<UnitId>, cause: Cause) {
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

    fn start_next(&mut self) {
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

    /// Acts on the active run; news of a run that is over is ignored.
    fn on_run(&mut self, id: RunId, act: impl FnOnce(&mut Self, &mut Run)) {
        if let Some(mut run) = self.active.take_if(|run| run.id == id) {
            act(self, &mut run);
            self.active = Some(run);
        }
    }

    fn take_run(&mut self, id: RunId) -> Option<Run> {
        let run = self.active.take_if(|run| run.id == id)?;
        self.ended.clone_from(&run.chain);
        self.effects.push(Effect::End(id));
        Some(run)
    }

    fn failed_mut(&mut self, unit: UnitId) -> Option<&mut Failed> {
        self.failed.iter_mut().find(|failed| failed.unit == unit)
    }

    fn set_failed(&mut self, failed: Failed) {
        self.failed.retain(|other| other.unit != failed.unit);
        let place = self.failed.partition_point(|other| other.unit < failed.unit);
        self.failed.insert(place, failed);
    }

    const fn is_held(&self) -> bool {
        self.hinted_offline
    }

    fn set_interval(&mut self, now: i64) {
        if let Some(every) = self.auto.every {
            self.effects.push(Effect::SetTimer(Timer::Every, now + i64::from(every.seconds) * 1_000));
        }
    }

    /// An answer that was on its way when the browser lost the network says nothing about now.
    fn set_network_online(&mut self) {
        if !self.hinted_offline {
            self.set_network(NetworkStatus::Online);
        }
    }

    fn set_network(&mut self, network: NetworkStatus) {
        if self.status.network != network {
            self.status.network = network;
            self.tell(Notice::Network(network));
        }
    }

    fn settle(&mut self, requests: Vec<RequestId>, outcome: Settlement, run: Option<RunId>, error: Option<Error>) {
        if !requests.is_empty() {
            self.tell(Notice::Settled { requests, outcome, run, error });
        }
    }

    fn tell(&mut self, notice: Notice) {
        self.effects.push(Effect::Tell(notice));
    }

    fn tell_status(&mut self, told: &Status) {
        self.status.next_retry = self.failed.iter().filter_map(|failed| failed.due).min();
        self.status.run = self.active.as_ref().map(|run| (run.id, run.unit));
        self.status.phase = match &self.active {
            Some(run) => run.phase,
            None if self.is_held() => Phase::Offline,
            None if self.signed_out => Phase::SignedOut,
            None if self.status.next_retry.is_some() => Phase::Backoff,
            None => Phase::Idle,
        };
        if self.status != *told {
            self.tell(Notice::Status(self.status.clone()));
        }
    }
}
