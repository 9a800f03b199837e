//! One batch of a push: number the changes, send them, store what became of them.

use whimbrel_protocol::{PROTOCOL_VERSION, PUSH_CHANGES_MAX, PushRequest, PushResponse};

use super::{Driver, exchange};
use crate::error::{Code, Error};
use crate::json::to_text;
use crate::model::Unit;
use crate::ports::{Clock, Platform, Random};
use crate::store::{Batch, forget_old, next_batch_of, note_stand, settle};
use crate::sync::{Event, Failure, PushBatch, RunId, UnitId};

impl<P: Platform> Driver<P> {
    pub(super) async fn push(self, run: RunId, unit: UnitId) -> Result<(), Failure> {
        let Unit { push: entities, policy, .. } = self.unit(unit)?;
        let size = policy.batch_size.map_or(usize::MAX, |size| size as usize);
        let mut is_renewed = false;
        loop {
            let most = self.inner.batch_limit.get();
            let numbered = self.numbered(run, unit);
            let batch = match numbered {
                Some(batch) => Some(batch),
                None => self.store.transact(|txn| next_batch_of(txn, &entities, size.min(most))).await?.value,
            };
            let Some(batch) = batch else {
                self.feed(Event::Pushed(run, PushBatch::default()));
                return Ok(());
            };
            let next = Next { run, unit, entities: &entities, size: size.min(most.saturating_mul(2)) };
            match self.push_batch(&next, &batch, policy.idle_timeout_ms).await {
                // One way out; a server that refuses the new client as well is beyond help.
                Err(failure) if failure.error.code() == Code::PushRefused && !is_renewed => {
                    is_renewed = true;
                    self.renew_client(&batch, &failure.error).await?;
                }
                Err(failure) => self.look_for_poison(&batch, failure).await?,
                Ok(()) => {
                    self.inner.batch_limit.set(most.saturating_mul(2).min(PUSH_CHANGES_MAX));
                    return Ok(());
                }
            }
        }
    }

    /// The server knows another history of this client's changes: it becomes another client, and people are told.
    async fn renew_client(&self, batch: &Batch, why: &Error) -> Result<(), Failure> {
        let old = &batch.request.client;
        let request = PushRequest { ack: 0, end: true, changes: Vec::new(), ..batch.request.clone() };
        let response = self.exchange("push", to_text(&request)?, "application/json", None).await?;
        let answer: PushResponse = exchange::read_json(response.body).await?;
        check(&answer)?;
        let fresh = uuid::Builder::from_random_bytes(self.inner.ports.random.bytes16()).into_uuid().to_string();
        let renewed = self.store.renew_client(old, &fresh, answer.last_seq, batch.first_new).await?;
        let detail = format!(
            "{}; this device goes on as another client: {} changes are sent again, {} may have arrived and are in the inbox",
            why.detail(),
            renewed.again,
            renewed.doubtful.len()
        );
        self.tell_confirmed(renewed.doubtful);
        self.report(true, Error::new(Code::PushRefused, detail));
        self.after_commit().await;
        Ok(())
    }

    /// The batch that was numbered with the last answer of this run.
    fn numbered(&self, run: RunId, unit: UnitId) -> Option<Batch> {
        let (of_run, of_unit, batch) = self.inner.numbered.take()?;
        (of_run == run && of_unit == unit).then_some(batch)
    }

    async fn push_batch(&self, next: &Next<'_>, batch: &Batch, idle: Option<u32>) -> Result<(), Failure> {
        let store = &self.store;
        let body = to_text(&batch.request)?;
        let response = self.exchange("push", body, "application/json", idle).await?;
        let answer: PushResponse = exchange::read_json(response.body).await?;
        check(&answer)?;
        let now = self.inner.ports.clock.now_ms();
        let (settled, numbered) = store
            .transact(|txn| {
                forget_old(txn, now)?;
                let settled = settle(txn, &answer.outcomes)?;
                note_stand(txn, &batch.request.client, answer.stand.as_deref(), &settled.confirmed);
                // What follows is numbered in the same commit: a commit of its own for each batch is half of a long queue's time.
                let goes_on = batch.remaining > 0 && settled.retry_after_ms.is_none();
                let numbered = if goes_on { next_batch_of(txn, next.entities, next.size) } else { Ok(None) };
                match numbered {
                    // What was answered is stored in any case.
                    Err(interrupt) if interrupt.is_failure() => Ok((settled, None)),
                    numbered => Ok((settled, numbered?)),
                }
            })
            .await?
            .value;
        self.inner.numbered.replace(numbered.map(|batch| (next.run, next.unit, batch)));
        self.tell_confirmed(settled.confirmed);
        self.after_commit().await;
        self.feed(Event::Pushed(
            next.run,
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

/// What follows a batch.
struct Next<'a> {
    run: RunId,
    unit: UnitId,
    entities: &'a [String],
    /// Changes, at most.
    size: usize,
}

fn check(answer: &PushResponse) -> Result<(), Error> {
    if answer.protocol == PROTOCOL_VERSION {
        Ok(())
    } else {
        let detail = format!("the server speaks version {}, this is {PROTOCOL_VERSION}", answer.protocol);
        Err(Error::new(Code::UpgradeRequired, detail))
    }
}
