//! A change of the pages: new ones, those that go, and the directory that fits.

use std::rc::Rc;

use super::directory::Directory;
use super::run::{PageRef, Run};
use super::state::State;
use crate::ports::{PageChange, PageId, Seq};

/// A change of the pages.
pub(super) struct Rewrite {
    /// The directory afterwards.
    pub(super) directory: Directory,
    /// New pages, in memory.
    pub(super) put: Vec<Rc<PageRef>>,
    /// Pages that the directory names no more.
    pub(super) delete: Vec<PageId>,
    /// Log records up to here are in the pages.
    pub(super) folded: Seq,
    /// Whether the whole tail is in the pages.
    pub(super) empties_tail: bool,
}

impl Rewrite {
    /// New pages on top of what is there.
    pub(super) fn adding(fresh: &Run, state: &State) -> Self {
        let mut directory = state.directory.clone();
        directory.place(fresh.pages.iter().cloned());
        directory.next_page += fresh.pages.len() as PageId;
        Self { directory, put: fresh.pages.clone(), delete: Vec::new(), folded: state.head.folded, empties_tail: false }
    }

    /// The change as the storage takes it.
    pub(super) fn page_change(&self) -> PageChange {
        let bytes = |page: &Rc<PageRef>| Some((page.id, page.loaded()?.bytes().to_vec()));
        PageChange {
            put: self.put.iter().filter_map(bytes).collect(),
            delete: self.delete.clone(),
            directory: self.directory.encode(),
            folded: self.folded,
        }
    }

    /// Makes the change, which is stored, part of the state. The commit's record is still to be added.
    pub(super) fn apply(self, state: &mut State) {
        state.directory = self.directory;
        state.head.directory = state.head.seq + 1;
        state.head.folded = state.head.folded.max(self.folded);
        if self.empties_tail {
            state.tail.clear();
            (state.tail_bytes, state.tail_records) = (0, 0);
        }
        for page in &self.put {
            state.tick(page);
        }
    }
}
