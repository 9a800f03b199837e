//! The eras of a database in memory, and how far its removals are forgotten.

use whimbrel_protocol::Version;

/// An era: when it began, and at which version.
#[derive(Debug, Clone)]
struct Era {
    name: String,
    at_ms: i64,
    version: Version,
}

/// All eras, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Eras {
    eras: Vec<Era>,
    pub(super) horizon: Version,
}

impl Eras {
    pub(super) fn present(&self) -> String {
        self.eras.last().map(|era| era.name.clone()).unwrap_or_default()
    }

    /// What was noted under later times was noted by a clock that was wrong; it counts as of now.
    pub(super) fn begin(&mut self, name: String, now_ms: i64, version: Version) {
        self.eras.iter_mut().for_each(|era| era.at_ms = era.at_ms.min(now_ms));
        self.eras.push(Era { name, at_ms: now_ms, version });
    }

    pub(super) fn until(&self, name: &str) -> Option<Version> {
        let place = self.eras.iter().position(|era| era.name == name)?;
        Some(self.eras.get(place + 1).map_or(Version::MAX, |next| next.version))
    }

    /// Moves the horizon to where the last era of before a moment began. Eras of which no cursor can be continued go.
    pub(super) fn compact(&mut self, before_ms: i64) -> Version {
        let old = self.eras.iter().rev().find(|era| era.at_ms <= before_ms);
        self.horizon = self.horizon.max(old.map_or(0, |era| era.version));
        let over = self.eras.iter().rposition(|era| era.version < self.horizon).unwrap_or(0);
        self.eras.drain(..over);
        self.horizon
    }
}
