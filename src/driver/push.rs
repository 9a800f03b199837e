//! One batch of a push: number the changes, send them, store what became of them.

use whimbrel_protocol::{PROTOCOL_VERSION, PushResponse};

use super::{Driver, News, exchange};
use crate::error::{Code, Error};
use crate::json::to_text;
use crate::ports::{Clock, Platform};
use crate::store::{forget_old, next_batch, settle};
use crate::sync::{Event, Failure, PushBatch, RunId, UnitId};

impl<P: Platform> Driver<P> {
    pub(super) async fn push(self, run: RunId, unit: UnitId) -> Result<(), Failure> {
        let entities = self.unit(unit)?.push;
        let store = &self.inner.store;
        let batch = store.transact(|txn| next_batch(txn, &entities)).await?.value;
        let Some(batch) = batch else {
            self.feed(Event::Pushed(run, PushBatch::default()));
            return Ok(());
        };
        let body = to_text(&batch.request)?;
        let response = self.exchange(run, "push", body, "application/json").await?;
        let answer: PushResponse = exchange::read_json(response.body).await?;
        check(&answer)?;
        let now = self.inner.ports.clock.now_ms();
        let settled = store
            .transact(|txn| {
                forget_old(txn, now)?;
                settle(txn, &answer.outcomes)
            })
            .await?
            .value;
        for confirmation in settled.confirmed {
            self.tell(News::Confirmed(confirmation));
        }
        self.after_commit().await;
        self.feed(Event::Pushed(
            run,
            PushBatch {
                decided: settled.decided,
                rejected: settled.rejected,
                conflicts: settled.conflicts,
                remaining: batch.remaining,
                retry_after_ms: settled.retry_after_ms,
            },
        ));
        Ok(())
    }
}

fn check(answer: &PushResponse) -> Result<(), Error> {
    if answer.protocol == PROTOCOL_VERSION {
        Ok(())
    } else {
        let detail = format!("the server speaks version {}, this is {PROTOCOL_VERSION}", answer.protocol);
        Err(Error::new(Code::UpgradeRequired, detail))
    }
}
