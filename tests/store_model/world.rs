//! Two tabs over one disk, the model of what is in it, and what can be done to all of them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use serde_json::{Value as Json, json};
use whimbrel::error::{Code, Error};
use whimbrel::memory::{Call, Fault, MemoryStorage};
use whimbrel::model::Query;
use whimbrel::store::{Footprint, MapId, Read};

use crate::after::after;
use crate::model::{FIELDS, INDEXES, Model, object};
use crate::ops::{Op, id};
use crate::tab::{Tab, dump, open, parse, perform};

/// The map of the first index; the others follow.
const FIRST_INDEX: u16 = 17;
/// The place of the field with numbers.
const WEIGHT: usize = 3;

pub(crate) struct World {
    pub(crate) disk: MemoryStorage,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) model: Model,
    watches: Rc<RefCell<Vec<Watch>>>,
}

/// A query whose answer was given, and whether a commit has touched what it looked at since then.
struct Watch {
    tab: usize,
    query: Json,
    answer: Json,
    footprint: Footprint,
    is_stale: bool,
}

impl World {
    pub(crate) async fn new() -> Self {
        let disk = MemoryStorage::new();
        let mut world = Self { disk, tabs: Vec::new(), model: Model::default(), watches: Rc::default() };
        world.start().await;
        world
    }

    /// Every tab opens, with nothing in memory.
    pub(crate) async fn start(&mut self) {
        self.tabs = vec![open(&self.disk, 0).await.unwrap(), open(&self.disk, 1 << 25).await.unwrap()];
        self.watches.borrow_mut().clear();
        (0..self.tabs.len()).for_each(|tab| self.follow(tab));
    }

    fn follow(&self, tab: usize) {
        let watches = Rc::clone(&self.watches);
        self.tabs[tab].on_change(Box::new(move |change| {
            for watch in watches.borrow_mut().iter_mut().filter(|watch| watch.tab == tab) {
                watch.is_stale |= watch.footprint.is_touched_by(change);
            }
        }));
    }

    /// What no commit has touched has still the same answer.
    fn check_watches(&self) {
        for Watch { query, answer, .. } in self.watches.borrow().iter().filter(|watch| !watch.is_stale) {
            assert_eq!(*answer, self.model.query(query), "{query} has changed unnoticed");
        }
    }

    pub(crate) async fn happen(&mut self, op: &Op) {
        match op {
            Op::Crash { op, call, happens } => self.crash(op, *call, *happens).await,
            Op::Hiccup { op, call, happens } => self.hiccup(op, *call, *happens).await,
            Op::Kill { op, turns } => self.kill(op, *turns).await,
            Op::Query { tab, query } => self.check_query(*tab, query).await,
            op => {
                self.model = after(&self.model, op);
                perform(&self.disk, &mut self.tabs, op).await.unwrap();
                if let Op::Reopen { tab, .. } = op {
                    self.watches.borrow_mut().retain(|watch| watch.tab != *tab);
                    self.follow(*tab);
                }
            }
        }
    }

    /// The storage fails in the middle of something, and everybody starts anew.
    async fn crash(&mut self, op: &Op, call: u32, happens: bool) {
        self.disk.on_call(failing(happens, move |number| number >= call));
        let outcome = perform(&self.disk, &mut self.tabs, op).await;
        self.disk.heal();
        self.disk.set_delay(0);
        self.start().await;
        self.judge(op, outcome.is_ok()).await;
    }

    /// One call of the storage fails, and everybody goes on.
    async fn hiccup(&mut self, op: &Op, call: u32, happens: bool) {
        self.disk.on_call(failing(happens, move |number| number == call));
        let outcome = perform(&self.disk, &mut self.tabs, op).await;
        self.disk.heal();
        self.disk.set_delay(0);
        if let Op::Reopen { tab, cache } = op {
            self.replace(*tab, *cache).await;
        }
        self.judge(op, outcome.is_ok()).await;
    }

    /// A tab is killed in the middle of something, and another takes its place; the others go on.
    async fn kill(&mut self, op: &Op, turns: u32) {
        let outcome = {
            let mut work = pin!(perform(&self.disk, &mut self.tabs, op));
            let mut left = turns;
            poll_fn(|context| match work.as_mut().poll(context) {
                Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                Poll::Pending if left == 0 => Poll::Ready(None),
                Poll::Pending => {
                    left -= 1;
                    Poll::Pending
                }
            })
            .await
        };
        self.disk.set_delay(0);
        self.replace(op.tab(), 1 << 25).await;
        self.judge(op, outcome.is_some_and(|outcome| outcome.is_ok())).await;
    }

    /// An op that was disturbed has happened whole or not at all; what has been said to be done is done.
    pub(crate) async fn judge(&mut self, op: &Op, is_done: bool) {
        for tab in &self.tabs {
            tab.catch_up().await.unwrap();
        }
        let found = dump(&self.tabs[0]).await;
        let after = after(&self.model, op);
        // A race is several transactions, each of which happens or not; only whether all are done is known.
        if !matches!(op, Op::Race { .. }) {
            assert!(found == self.model || found == after, "half of {op:?} happened: {found:?}");
        }
        assert!(!is_done || found == after, "{op:?} was lost: {found:?}");
        self.model = found;
    }

    async fn replace(&mut self, tab: usize, cache: usize) {
        self.tabs[tab] = open(&self.disk, cache).await.unwrap();
        self.watches.borrow_mut().retain(|watch| watch.tab != tab);
        self.follow(tab);
    }

    async fn check_query(&mut self, number: usize, query: &Json) {
        let tab = &self.tabs[number];
        tab.catch_up().await.unwrap();
        let parsed = parse(query).unwrap();
        let (rows, footprint) = tab.query(&parsed).await.unwrap();
        let rows: Json = serde_json::from_str(&rows).unwrap();
        assert_eq!(rows, self.model.query(query), "{query}");
        if let Some(last) = rows.as_array().and_then(|rows| rows.last()) {
            let mut next = query.clone();
            next["after"] = last.clone();
            next["offset"] = json!(0);
            let (page, _) = tab.query(&parse(&next).unwrap()).await.unwrap();
            assert_eq!(serde_json::from_str::<Json>(&page).unwrap(), self.model.query(&next), "{next}");
        }
        let watch = Watch { tab: number, query: query.clone(), answer: rows, footprint, is_stale: false };
        self.watches.borrow_mut().push(watch);
        let everything = self.model.query(&json!({ "where": query["where"] }));
        let everything = everything.as_array().unwrap();
        assert_eq!(tab.count(parsed.clone()).await.unwrap(), everything.len() as u64, "{query}");
        for (field, _) in FIELDS.iter().filter(|(field, _)| *field != "done").chain(&[("id", true)]) {
            for (is_greatest, direction) in [(false, "asc"), (true, "desc")] {
                let given = json!({"and": [query["where"], { *field: {"ne": null} }]});
                let first = self.model.query(&json!({ "where": given, "orderBy": { *field: direction }, "limit": 1 }));
                let reference = Query::field("order", field, &tab.schema()).unwrap();
                let value = tab.end(parsed.clone(), reference, is_greatest).await.unwrap();
                assert_eq!(
                    serde_json::from_str::<Json>(&value).unwrap(),
                    first[0][*field],
                    "{query}: {direction} {field}"
                );
            }
        }
        let weights: Vec<f64> = everything.iter().filter_map(|row| row["weight"].as_f64()).collect();
        let sum = tab.sum(parsed, WEIGHT).await.unwrap();
        assert_eq!(sum.count, weights.len() as u64, "{query}");
        let tolerance = 1e-12 * weights.iter().map(|weight| weight.abs()).sum::<f64>();
        assert!((sum.total() - weights.iter().sum::<f64>()).abs() <= tolerance, "{query}: {sum:?}, {weights:?}");
    }

    pub(crate) async fn check_all(&mut self) {
        for tab in &self.tabs {
            tab.catch_up().await.unwrap();
            assert!(dump(tab).await == self.model, "{:?}\n{:?}", dump(tab).await, self.model);
            for (places, map) in INDEXES.iter().zip(FIRST_INDEX..) {
                let found = tab.read(|view| view.keys_with_prefix(MapId(map), &[])).await.unwrap();
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), self.model.index(places), "index {places:?}");
            }
            for number in 0..6 {
                let id = id(number);
                let row = self.model.rows.get(&id).filter(|row| !row.deleted).map(|row| object(&id, row));
                let found = tab.get_json("order", &id).await.unwrap();
                assert_eq!(found.map(|json| serde_json::from_str::<Json>(&json).unwrap()), row);
            }
        }
        self.check_watches();
        let pages = self.disk.page_ids().len();
        assert_eq!(pages, self.tabs[0].stats().pages, "pages that nobody names");
    }
}

/// A storage whose calls fail when `fails` says so of their number; the first that fails happens nevertheless, with `happens`.
pub(crate) fn failing(happens: bool, fails: impl Fn(u32) -> bool + 'static) -> impl FnMut(Call) -> Option<Fault> {
    let (mut calls, mut has_failed) = (0, false);
    move |_| {
        let number = calls;
        calls += 1;
        fails(number).then(|| {
            let error = Error::new(Code::StoreFailed, "the disk is gone");
            if happens && !std::mem::replace(&mut has_failed, true) {
                Fault::After(error)
            } else {
                Fault::Before(error)
            }
        })
    }
}
