//! What is known of the network, and what is held back for it.

use super::super::{Cause, Effect, NetworkStatus, Notice, Timer};
use super::Machine;
use crate::error::Error;

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
        self.set_network(NetworkStatus::Offline);
        self.effects.push(Effect::SetTimer(Timer::Probe, now + PROBE_INTERVAL_MS));
    }

    /// The browser's "offline" is only believed until our server answers.
    pub(super) fn probed(&mut self, now: i64, answer: Result<(), Error>) {
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
