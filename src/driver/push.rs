//! The batches of a push: number the changes, send them, store what became of them.
//!
//! ```text
//! requests   ▒▒▒ 1 ▒▒▒        ▒▒▒ 2 ▒▒▒▒▒▒ 3 ▒▒▒▒▒▒ 4 ▒▒▒
//! commits               ░ 1 ░          ░ 2 ░    ░ 3 ░    ░ 4 ░    what an answer came to, and the numbers of the batch after the next
//! ```
//!
//! While an answer is being stored, the next batch is on its way: the server and the device work beside each other.
//!
//! **Invariant:** a batch has its numbers durably before it leaves, and it leaves when everything before it was decided.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use futures_util::future::{MaybeDone, maybe_done};
use whimbrel_protocol::{Outcome, PROTOCOL_VERSION, PUSH_CHANGES_MAX, PushRequest, PushResponse};

use super::exchange::Content;
use super::storing::Storing;
use super::{Driver, exchange};
use crate::error::{Code, Error};
use crate::json::to_text;
use crate::model::Unit;
use crate::ports::{Clock, Platform, Random, Transport};
use crate::store::{Batch, Interrupt, Txn, batch_behind, forget_old, next_batch_of, note_stand, settle};
use crate::sync::{Event, Failure, PushBatch, RunId, UnitId};

/// The push of a run.
struct Push<P: Platform> {
    driver: Driver<P>,
    run: RunId,
    entities: Vec<String>,
    /// Changes of a batch, at most.
    size: usize,
    idle_timeout_ms: Option<u32>,
    /// Batches that have their numbers and were not sent.
    numbered: RefCell<Vec<Numbered>>,
}

/// A batch that is ready to leave.
struct Numbered {
    batch: Rc<Batch>,
    content: Content,
}

/// A batch on its way, and the server's answer.
struct Flight<'a> {
    batch: Rc<Batch>,
    answer: Pin<Box<MaybeDone<Exchange<'a>>>>,
}

type Exchange<'a> = Pin<Box<dyn Future<Output = Result<PushResponse, Failure>> + 'a>>;

impl<P: Platform> Driver<P> {
    pub(super) async fn push(self, run: RunId, unit: UnitId) -> Result<(), Failure> {
        let Unit { push: entities, policy, .. } = self.unit(unit)?;
        let size = policy.batch_size.map_or(usize::MAX, |size| size as usize);
        let (idle_timeout_ms, numbered) = (policy.idle_timeout_ms, RefCell::default());
        Rc::new(Push { driver: self, run, entities, size, idle_timeout_ms, numbered }).all().await
    }

    /// The server knows another history of this client's changes: it becomes another client, and people are told.
    async fn renew_client(&self, run: RunId, batch: &Batch, why: &Error) -> Result<(), Failure> {
        let old = &batch.request.client;
        let request = PushRequest { ack: 0, end: true, changes: Vec::new(), ..batch.request.clone() };
        let response = self.exchange(("push", run), to_text(&request)?.into(), "application/json", None).await?;
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
}

impl<P: Platform> Push<P> {
    /// Sends batches until the machine is to decide what is next.
    async fn all(self: Rc<Self>) -> Result<(), Failure> {
        let (mut storing, mut flight, mut is_renewed) = (Storing::default(), None, false);
        loop {
            let most = self.driver.inner.batch_limit.get();
            let next = match flight.take() {
                Some(flight) => Some(flight),
                None => self.next(most).await?.map(|next| self.send(next)),
            };
            let Some(Flight { batch, mut answer }) = next else {
                self.driver.feed(Event::Pushed(self.run, PushBatch::default()));
                return Ok(());
            };
            storing.beside(answer.as_mut()).await;
            storing.end().await?;
            match answer.as_mut().take_output().unwrap_or_else(|| Err(unanswered().into())) {
                // One way out; a server that refuses the new client as well is beyond help.
                Err(failure) if failure.error.code() == Code::PushRefused && !is_renewed => {
                    is_renewed = true;
                    self.numbered.take();
                    self.driver.renew_client(self.run, &batch, &failure.error).await?;
                }
                Err(failure) => {
                    self.numbered.take();
                    self.driver.look_for_poison(&batch, failure).await?;
                }
                Ok(answer) => {
                    let most = most.saturating_mul(2).min(PUSH_CHANGES_MAX);
                    self.driver.inner.batch_limit.set(most);
                    if is_whole(&batch, &answer) {
                        flight = self.first().map(|next| self.send(next));
                    } else {
                        self.numbered.take();
                    }
                    let flying = flight.as_ref().map(|flight| Rc::clone(&flight.batch));
                    if let Some(Flight { answer, .. }) = &mut flight {
                        // The request leaves before anything is stored, which takes as long as the server does.
                        poll_fn(|context| Poll::Ready(answer.as_mut().poll(context).is_ready())).await;
                    }
                    storing.begin(Box::pin(Rc::clone(&self).store(batch, answer, flying))).await;
                    if flight.is_none() {
                        storing.end().await?;
                        if self.numbered.borrow().is_empty() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// The first of those that are ready.
    fn first(&self) -> Option<Numbered> {
        let mut numbered = self.numbered.borrow_mut();
        (!numbered.is_empty()).then(|| numbered.remove(0))
    }

    /// The batch that is next.
    async fn next(&self, most: usize) -> Result<Option<Numbered>, Error> {
        if let Some(next) = self.first() {
            return Ok(Some(next));
        }
        let size = self.size.min(most);
        let batch = self.driver.store.transact(|txn| next_batch_of(txn, &self.entities, size)).await?.value;
        batch.map(Numbered::new).transpose()
    }

    fn send(&self, Numbered { batch, content }: Numbered) -> Flight<'_> {
        let exchange: Exchange<'_> = Box::pin(async {
            let response =
                self.driver.exchange(("push", self.run), content, "application/json", self.idle_timeout_ms).await?;
            let answer: PushResponse = exchange::read_json(response.body).await?;
            check(&answer)?;
            Ok(answer)
        });
        Flight { batch, answer: Box::pin(maybe_done(exchange)) }
    }

    /// Stores what an answer came to, and gives the batch behind the one on its way its numbers in the same commit: a commit of its own for each
    /// batch would be half of a long queue's time.
    async fn store(
        self: Rc<Self>,
        batch: Rc<Batch>,
        answer: PushResponse,
        flying: Option<Rc<Batch>>,
    ) -> Result<(), Error> {
        let driver = &self.driver;
        let now = driver.inner.ports.clock.now_ms();
        let size = self.size.min(driver.inner.batch_limit.get());
        let sent = batch.request.changes.len() as u64;
        let (settled, numbered) = driver
            .store
            .transact(|txn| {
                forget_old(txn, now)?;
                let settled = settle(txn, &answer.outcomes)?;
                note_stand(txn, &batch.request.client, answer.stand.as_deref(), &settled.confirmed);
                let goes_on = batch.remaining > 0 && settled.decided == sent && settled.retry_after_ms.is_none();
                let numbered = if goes_on { self.number(txn, size, flying.as_deref()) } else { Ok(Vec::new()) };
                match numbered {
                    // What was answered is stored in any case.
                    Err(interrupt) if interrupt.is_failure() => Ok((settled, Vec::new())),
                    numbered => Ok((settled, numbered?)),
                }
            })
            .await?
            .value;
        let numbered: Vec<Numbered> = numbered.into_iter().map(Numbered::new).collect::<Result<_, _>>()?;
        let goes_on = flying.is_some() || !numbered.is_empty();
        self.numbered.borrow_mut().extend(numbered);
        driver.tell_confirmed(settled.confirmed);
        driver.after_commit().await;
        driver.feed(Event::Pushed(
            self.run,
            PushBatch {
                decided: settled.decided,
                rejected: settled.rejected,
                conflicts: settled.conflicts,
                remaining: batch.remaining,
                retry_after_ms: settled.retry_after_ms,
                goes_on,
            },
        ));
        if flying.is_some() {
            self.pack().await;
        }
        Ok(())
    }

    /// The batches behind the one on its way: two when there is none, so that one is ready when the other is answered.
    fn number(&self, txn: &mut Txn<'_>, size: usize, flying: Option<&Batch>) -> Result<Vec<Batch>, Interrupt> {
        let mut numbered = Vec::new();
        if flying.is_none() {
            numbered.extend(next_batch_of(txn, &self.entities, size)?);
        }
        if let Some(before) = flying.or(numbered.first()) {
            let behind = batch_behind(txn, &self.entities, size, before)?;
            numbered.extend(behind);
        }
        Ok(numbered)
    }

    /// Makes the body to come ready, while the server works.
    async fn pack(&self) {
        // Nothing is sent before this has ended.
        let next = self.first();
        if let (Some(mut next), Some(transport)) = (next, &self.driver.inner.ports.transport) {
            next.content.packed = transport.pack(&next.content.text).await;
            self.numbered.borrow_mut().insert(0, next);
        }
    }
}

impl Numbered {
    fn new(batch: Batch) -> Result<Self, Error> {
        Ok(Self { content: to_text(&batch.request)?.into(), batch: Rc::new(batch) })
    }
}

/// Whether the server has decided everything: only then may the next batch come.
fn is_whole(batch: &Batch, answer: &PushResponse) -> bool {
    let is_decided = |outcome: &Outcome| !matches!(outcome, Outcome::Retry { .. });
    answer.outcomes.len() == batch.request.changes.len()
        && answer.outcomes.iter().all(|change| is_decided(&change.outcome))
}

fn check(answer: &PushResponse) -> Result<(), Error> {
    if answer.protocol == PROTOCOL_VERSION {
        Ok(())
    } else {
        let detail = format!("the server speaks version {}, this is {PROTOCOL_VERSION}", answer.protocol);
        Err(Error::new(Code::UpgradeRequired, detail))
    }
}

/// A future that has ended has an output; this is for the compiler.
fn unanswered() -> Error {
    Error::new(Code::Internal, "a push has no answer")
}
