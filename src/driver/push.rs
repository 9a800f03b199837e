//! The batches of a push: number the changes, send them, store what became of them.
//!
//! ```text
//! requests      ▒▒▒ 1 ▒▒▒▒▒▒ 2 ▒▒▒▒▒▒ 3 ▒▒▒▒▒▒ 4 ▒▒▒
//! commits    ░ 0 ░       ░░ 1 ░░  ░░ 2 ░░  ░░ 3 ░░  ░░ 4 ░░    what an answer came to, and the numbers of a batch to come
//! ```
//!
//! Some batches have their numbers ahead. So the next one leaves as soon as there is an answer, and while that is being stored the server is at work;
//! the body of the one behind it is packed meanwhile.
//!
//! **Invariant:** a batch has its numbers durably before it leaves, and it leaves when everything before it was decided.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use futures_util::future::{MaybeDone, join, maybe_done};
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

/// Batches behind the one on its way that have their numbers: one leaves with the next answer, also when the commit that follows the answer before is
/// still on its way.
const AHEAD: usize = 2;

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
    /// The first of them is being packed, and not there.
    is_packing: Cell<bool>,
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
        let (idle_timeout_ms, numbered, is_packing) = (policy.idle_timeout_ms, RefCell::default(), Cell::default());
        Rc::new(Push { driver: self, run, entities, size, idle_timeout_ms, numbered, is_packing }).all().await
    }

    /// The server knows another history of this client's changes: it becomes another client, and people are told.
    async fn renew_client(&self, run: RunId, batch: &Batch, why: &Error) -> Result<(), Failure> {
        let old = &batch.head.client;
        let request = PushRequest { ack: 0, end: true, ..batch.head.clone() };
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
            let answer = answer.as_mut().take_output().unwrap_or_else(|| Err(unanswered().into()));
            let is_whole = is_whole(&batch, &answer);
            if !is_whole || self.is_packing.get() || self.numbered.borrow().is_empty() {
                storing.end().await?;
            }
            match answer {
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
                    if is_whole {
                        flight = self.first().map(|next| self.send(next));
                    } else {
                        self.numbered.take();
                    }
                    let flying = flight.as_ref().map(|flight| Rc::clone(&flight.batch));
                    if let Some(Flight { answer, .. }) = &mut flight {
                        // The request leaves before anything is stored, which takes as long as the server does.
                        poll_fn(|context| Poll::Ready(answer.as_mut().poll(context).is_ready())).await;
                    }
                    storing.end().await?;
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
        let numbered = self.driver.store.transact(|txn| {
            let Some(first) = next_batch_of(txn, &self.entities, size)? else { return Ok(Vec::new()) };
            let first = [Rc::new(first)];
            let behind = if first[0].remaining > 0 { self.number_behind(txn, size, &first)? } else { Vec::new() };
            Ok([first.as_slice(), &behind].concat())
        });
        self.add(numbered.await?.value);
        Ok(self.first())
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
        let sent = batch.changes.len() as u64;
        let before: Vec<Rc<Batch>> = self.undecided(flying.as_ref());
        let settled = driver.store.transact(|txn| {
            forget_old(txn, now)?;
            let settled = settle(txn, &answer.outcomes)?;
            note_stand(txn, &batch.head.client, answer.stand.as_deref(), &settled.confirmed);
            let goes_on = batch.remaining > 0 && settled.decided == sent && settled.retry_after_ms.is_none();
            let numbered = if goes_on { self.number_behind(txn, size, &before) } else { Ok(Vec::new()) };
            match numbered {
                // What was answered is stored in any case.
                Err(interrupt) if interrupt.is_failure() => Ok((settled, Vec::new())),
                numbered => Ok((settled, numbered?)),
            }
        });
        // What is packed leaves later than this is stored, or was numbered before.
        let (settled, ()) = join(settled, self.pack(flying.is_some())).await;
        let (settled, numbered) = settled?.value;
        self.add(numbered);
        let goes_on = flying.is_some() || !self.numbered.borrow().is_empty();
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
        Ok(())
    }

    /// The batches that are on their way, or numbered and leave next.
    fn undecided(&self, flying: Option<&Rc<Batch>>) -> Vec<Rc<Batch>> {
        let numbered = self.numbered.borrow();
        flying.into_iter().chain(numbered.iter().map(|next| &next.batch)).map(Rc::clone).collect()
    }

    /// The batches behind these, as many as are to be ahead; the first of all, when nothing is on its way.
    fn number_behind(&self, txn: &mut Txn<'_>, size: usize, before: &[Rc<Batch>]) -> Result<Vec<Rc<Batch>>, Interrupt> {
        let mut numbered = before.to_vec();
        if numbered.is_empty() {
            numbered.extend(next_batch_of(txn, &self.entities, size)?.map(Rc::new));
        }
        while (1..=AHEAD).contains(&numbered.len()) {
            let Some(behind) = batch_behind(txn, &self.entities, size, &numbered)? else { break };
            numbered.push(Rc::new(behind));
        }
        Ok(numbered.split_off(before.len()))
    }

    fn add(&self, numbered: Vec<Rc<Batch>>) {
        self.numbered.borrow_mut().extend(numbered.into_iter().map(Numbered::from));
    }

    /// Makes the body to come ready, while the server works.
    async fn pack(&self, is_flying: bool) {
        let Some(transport) = &self.driver.inner.ports.transport else { return };
        if let Some(mut next) = if is_flying { self.first() } else { None } {
            self.is_packing.set(true);
            next.content.packed = transport.pack(&next.content.text).await;
            self.numbered.borrow_mut().insert(0, next);
            self.is_packing.set(false);
        }
    }
}

impl From<Rc<Batch>> for Numbered {
    fn from(batch: Rc<Batch>) -> Self {
        Self { content: batch.body.clone().into(), batch }
    }
}

/// Whether the server has decided everything: only then may the next batch come.
fn is_whole(batch: &Batch, answer: &Result<PushResponse, Failure>) -> bool {
    let is_decided = |outcome: &Outcome| !matches!(outcome, Outcome::Retry { .. });
    answer.as_ref().is_ok_and(|PushResponse { outcomes, .. }| {
        outcomes.len() == batch.changes.len() && outcomes.iter().all(|change| is_decided(&change.outcome))
    })
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
