//! The state machine. One method per kind of event; every one ends by starting what can start and telling what has changed.

mod asked;
mod following;
mod leading;
mod network;
mod running;

use crate::error::Error;
use crate::model::{Carrier, UnitPolicy};

use super::queue::Queue;
use super::{Auto, Caller, Cause, Effect, Event, Notice, Phase, RunId, Status, Timer, UnitId};
use following::Heard;
use leading::{Answered, Standing};

/// The run that is active.
#[derive(Debug)]
struct Run {
    id: RunId,
    unit: UnitId,
    cause: Cause,
    requests: Vec<Caller>,
    phase: Phase,
    rejected: u64,
    conflicts: u64,
    /// Entities of which the user may see nothing.
    forbidden: Vec<String>,
    /// Why nothing more was pushed, though the run goes on.
    denied: Option<Error>,
    /// The runs that led to it, and it.
    chain: Vec<UnitId>,
    any_network: bool,
    /// Whether it is remembered in case the app is killed.
    is_kept: bool,
}

/// How a unit's last runs failed.
#[derive(Debug)]
struct Failed {
    unit: UnitId,
    attempts: u32,
    due: Option<i64>,
    error: Error,
}

/// The machine.
#[derive(Debug, Default)]
pub struct Machine {
    auto: Auto,
    /// By the units' places.
    policies: Vec<UnitPolicy>,
    queue: Queue,
    active: Option<Run>,
    /// The chain of the run that ended last.
    ended: Vec<UnitId>,
    runs: u64,
    /// In the order of the units.
    failed: Vec<Failed>,
    hinted_offline: bool,
    carrier: Carrier,
    saves_data: bool,
    /// Whether it was told that the browser and our server disagree about the network.
    told_disagreement: bool,
    signed_out: bool,
    /// When local changes are to be sent, and whether they are this tab's.
    change_due: Option<(i64, bool)>,
    keep_timer_set: bool,
    /// Whether the store has said how things stand.
    is_counted: bool,
    is_paused: bool,
    standing: Standing,
    /// The run of the tab that leads.
    heard: Option<Heard>,
    /// What other tabs were answered last, for those that did not hear it.
    answered: Answered,
    own_requests: u32,
    status: Status,
    effects: Vec<Effect>,
}

impl Machine {
    /// A machine at rest that is the only one of its store: it always leads.
    #[must_use]
    pub fn new(auto: Auto) -> Self {
        Self { auto, ..Self::default() }
    }

    /// The same, with conditions of the units, in their order.
    #[must_use]
    pub fn with_policies(self, policies: Vec<UnitPolicy>) -> Self {
        Self { policies, ..self }
    }

    /// A machine at rest, one of several: it follows.
    #[must_use]
    pub fn shared(auto: Auto) -> Self {
        Self { auto, standing: Standing::Following, ..Self::default() }
    }

    /// The present status.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// Takes an event at a time (milliseconds since 1970) and returns what is to be done, in order. `draw(max)` gives a random number in
    /// `0..=max`.
    pub fn step(&mut self, now: i64, draw: &mut dyn FnMut(u64) -> u64, event: Event) -> Vec<Effect> {
        let (told, asked) = (self.status.clone(), self.queue.size());
        match event {
            Event::Started { dirty } => self.started(now, &dirty),
            Event::Triggered { requests, discard_pending, is_consequence, any_network } => {
                self.triggered(&requests, discard_pending, is_consequence, any_network);
            }
            Event::Wrote => self.wrote(now),
            Event::Counted { pending, rejected, conflicts, last_success } => {
                self.counted(now, pending);
                (self.status.rejected, self.status.conflicts) = (rejected, conflicts);
                self.status.last_success = last_success;
            }
            Event::HintedOnline => self.hinted_online(),
            Event::HintedOffline => self.hinted_offline(now),
            Event::Resumed => self.wake(self.auto.resume, Cause::Resume),
            Event::Woke => self.woke(),
            Event::Carried(carrier, saves_data) => self.carried(carrier, saves_data),
            Event::SignedIn => {
                self.signed_out = false;
                self.wake(self.auto.login, Cause::Login);
            }
            Event::Fired(Timer::Deadline) => self.overran(now, draw),
            Event::Fired(timer) => self.fired(now, timer),
            Event::Probed(answer) => self.probed(now, answer),
            Event::Locked(run) => self.locked(now, run),
            Event::Ready(run) => self.on_run(run, |machine, run| {
                run.phase = Phase::Pushing;
                machine.effects.push(Effect::Push(run.id, run.unit));
            }),
            Event::Pushed(run, batch) => self.pushed(now, draw, run, batch),
            Event::Progressed(run, progress) => self.progressed(run, progress),
            Event::Denied(run, entities) => self.on_run(run, |_, run| run.forbidden.extend(entities)),
            Event::Pulled(run) => self.pulled(now, draw, run),
            Event::Failed(run, failure) => self.run_failed(now, draw, run, failure),
            Event::RetryNow => self.wake(None, Cause::Retry),
            Event::Cancel => self.cancel(),
            Event::Paused(is_paused) => self.is_paused = is_paused,
            Event::Led(first) => self.led(first),
            Event::LeadFailed(error) => self.lead_failed(now, draw, error),
            Event::Lost => self.lost(),
            Event::Asked { tab, discard_pending, wishes } => self.asked(tab, discard_pending, wishes),
            Event::Answered(answer) => self.was_served(&answer),
            Event::Told(told) => self.heard(now, told),
            Event::CancelRun(run) => self.cancel_run(run),
        }
        self.start_next();
        self.stand(asked);
        self.keep_later(now);
        self.tell_status(&told);
        std::mem::take(&mut self.effects)
    }

    fn tell(&mut self, notice: Notice) {
        self.effects.push(Effect::Tell(notice));
    }

    fn tell_status(&mut self, told: &Status) {
        self.status.next_retry = self.failed.iter().filter_map(|failed| failed.due).min();
        self.status.run = self.active.as_ref().map(|run| (run.id, run.unit));
        self.status.waiting_for = self.waiting_for();
        self.status.run = self.status.run.or_else(|| self.heard.as_ref().map(|heard| (heard.run, heard.unit)));
        self.status.phase = match (&self.active, &self.heard) {
            (Some(run), _) => run.phase,
            (None, Some(heard)) => heard.phase,
            (None, None) => self.phase_at_rest(),
        };
        if self.status != *told {
            self.relay_run();
            self.tell(Notice::Status(self.status.clone()));
        }
    }

    fn phase_at_rest(&self) -> Phase {
        match () {
            () if self.is_paused => Phase::Paused,
            () if self.is_held() => Phase::Offline,
            () if self.has_work() => Phase::Waiting,
            () if self.signed_out => Phase::SignedOut,
            () if self.status.waiting_for.is_some() => Phase::Held,
            () if self.status.next_retry.is_some() => Phase::Backoff,
            () => Phase::Idle,
        }
    }
}
