//! What is known of the network, and what is held back for it.

use super::super::queue::Waiting;
use super::super::{Cause, Effect, NetworkStatus, Notice, Phase, Timer, Told, UnitId, WaitingFor};
use super::{Machine, Run};
use crate::error::{Code, Error};
use crate::model::{Carrier, UnitPolicy};

/// How often a network that the browser calls absent is checked while somebody waits for it.
const PROBE_INTERVAL_MS: i64 = 30_000;

impl Machine {
    pub(super) fn hinted_online(&mut self) {
        self.hinted_offline = false;
        self.effects.push(Effect::ClearTimer(Timer::Probe));
        if self.status.network == NetworkStatus::Offline {
            self.set_network(NetworkStatus::Unknown);
        }
        self.wake(self.auto.online, Cause::Online);
    }

    pub(super) fn hinted_offline(&mut self, now: i64) {
        self.hinted_offline = true;
        self.told_disagreement = false;
        self.set_network(NetworkStatus::Offline);
        self.effects.push(Effect::SetTimer(Timer::Probe, now + PROBE_INTERVAL_MS));
    }

    /// The browser's "offline" is only believed until our server answers.
    pub(super) fn probed(&mut self, now: i64, answer: Result<(), Error>) {
        self.compare(&answer);
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

    /// The browser says one thing, our server another: told once, until they agree again or the browser changes its mind.
    fn compare(&mut self, answer: &Result<(), Error>) {
        let said = match answer {
            Ok(()) if self.hinted_offline => "the browser says offline, and the server answers",
            Err(error) if !self.hinted_offline && NetworkStatus::after_failure(error, false).is_some() => {
                "the browser says online, and the server does not answer"
            }
            _ => {
                self.told_disagreement = false;
                return;
            }
        };
        if !std::mem::replace(&mut self.told_disagreement, true) {
            self.tell(Notice::Report(Error::new(Code::NetworkDisagreement, said)));
        }
    }

    /// What was on its way when the device fell asleep is asked for again, at once; our server says what the network is like.
    pub(super) fn woke(&mut self) {
        if let Some(run) = &self.active {
            self.effects.extend(match run.phase {
                Phase::Pushing => Some(Effect::Push(run.id, run.unit)),
                Phase::Pulling => Some(Effect::Pull(run.id, run.unit)),
                _ => None,
            });
        }
        self.effects.push(Effect::Probe);
        self.wake(self.auto.resume, Cause::Resume);
    }

    /// Another network may free units that wait, or take the active run its way away: then it waits again, and begins where it was.
    pub(super) fn carried(&mut self, carrier: Carrier, saves_data: bool) {
        (self.carrier, self.saves_data) = (carrier, saves_data);
        let Some(run) = self.active.as_ref() else { return };
        if run.any_network || self.condition(run.unit).is_none() {
            return;
        }
        let id = run.id;
        let Some(run) = self.take_run(id) else { return };
        self.relay(Told::Cancelled { run: id });
        self.tell(Notice::Cancelled { run: run.id, unit: run.unit });
        let Run { unit, requests, chain, is_kept, .. } = run;
        self.queue.put_back(Waiting { unit, cause: Cause::Online, requests, chain, any_network: false, is_kept });
    }

    /// What a unit waits for, if it does.
    pub(super) fn condition(&self, unit: UnitId) -> Option<WaitingFor> {
        let policy = self.policy(unit);
        if !policy.networks.allow(self.carrier) {
            return Some(WaitingFor::Network);
        }
        (policy.waits_for_data_saver && self.saves_data).then_some(WaitingFor::DataSaver)
    }

    pub(super) fn waiting_for(&self) -> Option<(UnitId, WaitingFor)> {
        let first = self.queue.first().filter(|first| self.active.is_none() && !first.any_network)?;
        Some((first.unit, self.condition(first.unit)?))
    }

    pub(super) fn policy(&self, unit: UnitId) -> UnitPolicy {
        self.policies.get(usize::from(unit.0)).copied().unwrap_or_default()
    }

    /// An answer that was on its way when the browser lost the network says nothing about now.
    pub(super) fn set_network_online(&mut self) {
        if !self.hinted_offline {
            self.set_network(NetworkStatus::Online);
        }
    }

    pub(super) fn set_network(&mut self, network: NetworkStatus) {
        if self.status.network != network {
            self.status.network = network;
            self.tell(Notice::Network(network));
        }
    }

    pub(super) const fn is_held(&self) -> bool {
        self.hinted_offline
    }
}
