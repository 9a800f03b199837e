//! A commit as one burst of requests: the head is read, and everything is written without waiting for it. When the head turns out to be
//! another one, the transaction is aborted; it cannot have committed, because the answer comes before the answers to its other requests.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbKeyRange, IdbObjectStore, IdbRequest};

use super::fault;
use super::layout::{DIRECTORY, HEAD, LOG, META, PAGES, head_of, head_value, key, value_of};
use super::mirror::Writing;
use super::transaction::{Transaction, result};
use crate::error::Result;
use crate::ports::{Commit, CommitOutcome, Head, PageChange, PageId};

/// The object stores that a commit touches. Reads of others need not wait for it.
pub(super) fn scope(commit: &Commit) -> Vec<&'static str> {
    let mut scope = vec![META, LOG];
    if commit.pages.is_some() {
        scope.push(PAGES);
    }
    scope
}

/// The head after a commit on `head`.
pub(super) fn next_head(head: Head, commit: &Commit) -> Head {
    let seq = head.seq + 1;
    let mirrored = if commit.mirror.is_empty() { head.mirrored } else { seq };
    match &commit.pages {
        None => Head { seq, mirrored, ..head },
        Some(change) => Head { seq, directory: seq, folded: head.folded.max(change.folded), mirrored },
    }
}

/// Writes `commit`, planned on `head`, and waits for the end of the transaction. Also gives the head that is the store's now, if it is known.
/// `mirror` is written beside it, and waited for, once the commit is known not to be behind.
pub(super) async fn write(
    transaction: Transaction,
    commit: &Commit,
    head: Head,
    mirror: Option<Writing>,
) -> Result<(CommitOutcome, Head)> {
    let mirror = mirror.map(Rc::new);
    let fence = Fence::new(&transaction, head, mirror.clone())?;
    issue(&transaction, commit, head)?;
    let ended = transaction.ended().await;
    match fence.found.take() {
        Some(Err(error)) => Err(error),
        Some(Ok(found)) if found.seq != head.seq => Ok((CommitOutcome::Behind, found)),
        _ => {
            ended?;
            if let Some(mirror) = mirror {
                mirror.finish().await;
            }
            Ok((CommitOutcome::Committed, next_head(head, commit)))
        }
    }
}

/// Compares the head in the request's own event: the transaction does not go on before the handler has returned.
struct Fence {
    request: IdbRequest,
    found: Rc<RefCell<Option<Result<Head>>>>,
    _handler: Closure<dyn FnMut()>,
}

impl Fence {
    fn new(transaction: &Transaction, expected: Head, mirror: Option<Rc<Writing>>) -> Result<Self> {
        let request = transaction.get(META, &JsValue::from_str(HEAD))?;
        let found = Rc::new(RefCell::new(None));
        let (answer, raw, cell) = (request.clone(), transaction.raw().clone(), Rc::clone(&found));
        let handler = Closure::new(move || {
            let head = result(&answer).and_then(|value| head_of(&value));
            // Everything was issued before this answer came. Saying so saves a commit a fifth of its time. The transaction is not over yet, so
            // neither call throws, but for `commit` in browsers that do not have it.
            drop(if head.as_ref().is_ok_and(|head| head.seq == expected.seq) {
                if let Some(mirror) = &mirror {
                    mirror.start();
                }
                raw.commit()
            } else {
                raw.abort()
            });
            cell.replace(Some(head));
        });
        request.set_onsuccess(Some(handler.as_ref().unchecked_ref()));
        Ok(Self { request, found, _handler: handler })
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        self.request.set_onsuccess(None);
    }
}

fn issue(transaction: &Transaction, commit: &Commit, head: Head) -> Result<()> {
    let next = next_head(head, commit);
    let (meta, log) = (transaction.store(META)?, transaction.store(LOG)?);
    put(&log, &key(next.seq)?, &value_of(&commit.record))?;
    if let Some(change) = &commit.pages {
        issue_pages(transaction, change)?;
        put(&meta, &JsValue::from_str(DIRECTORY), &value_of(&change.directory))?;
        if next.folded > head.folded {
            delete(&log, &range(head.folded + 1, next.folded)?)?;
        }
    }
    put(&meta, &JsValue::from_str(HEAD), &head_value(next)?)
}

fn issue_pages(transaction: &Transaction, change: &PageChange) -> Result<()> {
    let pages = transaction.store(PAGES)?;
    for (id, page) in &change.put {
        put(&pages, &key(*id)?, &value_of(page))?;
    }
    for (first, last) in runs(&change.delete) {
        delete(&pages, &range(first, last)?)?;
    }
    Ok(())
}

/// Numbers as runs of neighbours: pages are given their numbers in a row and often go together.
fn runs(ids: &[PageId]) -> Vec<(PageId, PageId)> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    let mut runs: Vec<(PageId, PageId)> = Vec::new();
    for id in ids {
        match runs.last_mut() {
            Some((_, last)) if id <= *last + 1 => *last = id,
            _ => runs.push((id, id)),
        }
    }
    runs
}

fn range(first: u64, last: u64) -> Result<JsValue> {
    let range = IdbKeyRange::bound(&key(first)?, &key(last)?);
    range.map(JsValue::from).map_err(|thrown| fault::of_exception("deleting", &thrown))
}

pub(super) fn put(store: &IdbObjectStore, key: &JsValue, value: &JsValue) -> Result<()> {
    store.put_with_key(value, key).map(drop).map_err(|thrown| fault::of_exception("writing", &thrown))
}

fn delete(store: &IdbObjectStore, key: &JsValue) -> Result<()> {
    store.delete(key).map(drop).map_err(|thrown| fault::of_exception("deleting", &thrown))
}
