//! What is asked of the app, and said to it, before there is anything to send.

use super::Driver;
use crate::error::{Code, Error, Result};
use crate::ports::{Clock, Platform, Session};
use crate::sync::{Event, Failure, RunId, UnitId};

/// How long changes may wait with nobody who would send them.
const STALE_MS: i64 = 24 * 60 * 60 * 1_000;

impl<P: Platform> Driver<P> {
    /// The app's hook has its say.
    pub(super) async fn prepare(self, run: RunId, unit: UnitId) -> std::result::Result<(), Failure> {
        let unit = self.unit(unit)?;
        self.inner.ports.session.before_run(&unit.name).await?;
        self.feed(Event::Ready(run));
        Ok(())
    }

    /// Nothing runs by itself here: whoever forgets to ask for a run is told, before a month has gone by.
    pub(super) async fn report_stale(&self) -> Result<()> {
        let Some(oldest) = self.inner.store.oldest_change().await? else { return Ok(()) };
        let waits = self.inner.ports.clock.now_ms().saturating_sub(oldest);
        if self.inner.ports.transport.is_some() && waits > STALE_MS {
            let hours = waits / (60 * 60 * 1_000);
            let detail = format!("changes wait for {hours} hours, and `auto` names no unit that would send them");
            self.report(false, Error::new(Code::StaleChanges, detail));
        }
        Ok(())
    }
}
