//! What is changed behind an export that goes through the keys.
//!
//! **Invariant:** every key that was passed and changed since then is among what was noted.

use std::cell::{Cell, RefCell};

use super::super::footprint::Change;
use super::super::keys::{KeyRange, after_key};
use super::super::record::Changes;
use crate::ports::Seq;

/// Keys that are noted, at most; an export that is overtaken by more is given up.
const KEYS_MAX: usize = 100_000;

/// Where an export is, and what has changed behind it.
#[derive(Default)]
pub(in crate::store) struct Tracker {
    /// Every key before this one was passed.
    pub(super) passed: RefCell<Vec<u8>>,
    /// Keys; the values say nothing.
    pub(super) keys: RefCell<Changes>,
    /// Ranges in which nothing was removed.
    pub(super) ranges: RefCell<Vec<KeyRange>>,
    /// The last commit that was told of.
    pub(super) seq: Cell<Seq>,
    /// More has changed than is known.
    pub(super) is_lost: Cell<bool>,
}

impl Tracker {
    pub(in crate::store) fn note(&self, change: &Change) {
        self.seq.set(change.seq);
        let passed = self.passed.borrow();
        let (mut keys, mut ranges) = (self.keys.borrow_mut(), self.ranges.borrow_mut());
        for key in change.keys.iter().filter(|key| *key < passed.as_slice()) {
            keys.insert(key.to_vec(), None);
        }
        for (first, last) in change.ranges.iter().filter(|(first, _)| *first < *passed) {
            ranges.push(KeyRange { start: first.clone(), end: after_key(last) });
        }
        if change.everything || keys.len() + ranges.len() > KEYS_MAX {
            self.is_lost.set(true);
        }
    }
}
