//! What is left of stores that were wiped: found when the store is opened, or, if the mirror was not there then, a while later.

use super::{Driver, News};
use crate::error::Result;
use crate::ports::{Clock, Platform};

/// How long a start is left alone.
const LATER_MS: u32 = 1_000;

impl<P: Platform> Driver<P> {
    /// What the store is and what it has recovered, as JSON.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn health(&self) -> Result<String> {
        let store = &self.inner.store;
        let (recovered, is_new) = (store.recovered().await?, store.is_new() || store.is_rescued());
        Ok([
            "{\"identity\":\"",
            &store.identity(),
            "\",\"isNew\":",
            if is_new { "true" } else { "false" },
            ",\"recovered\":",
            &recovered,
            "}",
        ]
        .concat())
    }

    /// Looks for what an opening has not found. A new store has looked already.
    pub(super) fn recover_late(&self) {
        if self.inner.store.is_new() {
            return;
        }
        let driver = self.clone();
        self.spawn(async move {
            driver.inner.ports.clock.sleep(LATER_MS).await;
            if driver.inner.is_closed.get() {
                return;
            }
            match driver.try_recover().await {
                Ok(true) => {
                    driver.tell(News::Recovered);
                    driver.after_commit().await;
                }
                Ok(false) => driver.compact_when_idle(),
                Err(error) => driver.report_failure::<()>(Err(error)),
            }
        });
    }

    async fn try_recover(&self) -> Result<bool> {
        let is_found = self.inner.store.recover().await?;
        self.inner.store.repair().await?;
        Ok(is_found)
    }
}
