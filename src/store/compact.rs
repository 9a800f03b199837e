//! Keeping the store small and quick: the tail becomes a run of pages, and runs that have piled up become fewer and larger ones.
//!
//! Runs are kept so that an older one is much larger than all newer ones together; so there are few, and a row is rewritten few times.
//! A merge goes step by step through the keys: what it has merged is in the oldest of its runs, the newer ones lose their beginnings. Each step is
//! one commit, so another tab or the next session goes on where this one stopped.
//!
//! **Invariant:** compaction changes where entries are, never what a read finds.

use std::rc::Rc;

use super::directory::Directory;
use super::handle::Store;
use super::merge;
use super::rewrite::Rewrite;
use super::run::Run;
use super::state::State;
use super::view::{Interrupt, Reading};
use super::writer::PageWriter;
use crate::error::Result;
use crate::ports::Storage;

/// Bytes of the tail from which it becomes a run.
const TAIL_BYTES_MAX: usize = 256 * 1024;
/// Records of the log from which the tail becomes a run.
const TAIL_RECORDS_MAX: u64 = 256;
/// Bytes of the tail from which it becomes a run also while there is work: it is all in memory, and becomes pages at once.
const TAIL_BYTES_HEAVY: usize = 16 * 1024 * 1024;
/// A run is merged with newer ones unless it is so many times as large.
const GROWTH: u64 = 4;
/// Runs that are merged at once, at most.
const MERGED_RUNS_MAX: usize = 64;

/// How a store is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Records in the log.
    pub log_records: u64,
    /// Bytes of what came after the pages.
    pub tail_bytes: usize,
    /// Runs of pages.
    pub runs: usize,
    /// Pages.
    pub pages: usize,
    /// Bytes of the pages.
    pub page_bytes: u64,
    /// Bytes of the pages that are in memory.
    pub cached_bytes: usize,
}

impl<S: Storage> Store<S> {
    /// Does a bounded piece of the work that keeps the store quick, when there is some; whether more is left.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn compact_step(&self) -> Result<bool> {
        if !self.is_compaction_due() {
            return Ok(false);
        }
        self.rewrite(
            |state, reading| if is_tail_large(state) { Ok(Some(flush(state))) } else { merge(state, reading) },
        )
        .await?;
        Ok(self.is_compaction_due())
    }

    /// Makes pages of a tail that is too large to wait for a quiet moment; whether it was.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn lighten(&self) -> Result<bool> {
        self.rewrite(|state, _| Ok((state.tail_bytes >= TAIL_BYTES_HEAVY).then(|| flush(state)))).await
    }

    /// Brings everything into as few runs as there can be, however long it takes.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn compact(&self) -> Result<()> {
        self.rewrite(|state, _| Ok((!state.tail.is_empty()).then(|| flush(state)))).await?;
        while self.compact_step().await? {}
        Ok(())
    }

    /// Whether there is work for [`Store::compact_step`].
    #[must_use]
    pub fn is_compaction_due(&self) -> bool {
        let state = self.core.state.borrow();
        is_tail_large(&state) || group(&state.directory.runs).is_some()
    }

    /// How the store is doing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.core.state.borrow();
        Stats {
            log_records: state.tail_records,
            tail_bytes: state.tail_bytes,
            runs: state.directory.runs.len(),
            pages: state.directory.pages().count(),
            page_bytes: state.directory.runs.iter().map(Run::bytes).sum(),
            cached_bytes: state.cached_bytes(),
        }
    }
}

const fn is_tail_large(state: &State) -> bool {
    state.tail_bytes >= TAIL_BYTES_MAX || state.tail_records >= TAIL_RECORDS_MAX
}

/// The tail as pages. Removals of what is in no page are left out.
fn flush(state: &State) -> Rewrite {
    let mut directory = state.directory.clone();
    let mut writer = PageWriter::new(directory.next_page);
    for (key, value) in &state.tail {
        let hides = || directory.runs.iter().any(|run| run.page_of(key).is_some());
        if value.is_some() || hides() {
            writer.add(key, value.as_ref().map(|value| (&**value, &[][..])));
        }
    }
    writer.cut();
    directory.next_page = writer.next_page();
    let put: Vec<Rc<_>> = writer.built.into_iter().map(Rc::new).collect();
    directory.place(put.iter().cloned());
    Rewrite { directory, put, delete: Vec::new(), folded: state.head.seq, empties_tail: true }
}

fn merge(state: &State, reading: &Reading) -> Result<Option<Rewrite>, Interrupt> {
    let Some(group) = group(&state.directory.runs) else { return Ok(None) };
    let mut directory = state.directory.clone();
    mark(&mut directory, &group);
    merge::step(directory, group, state.head.folded, reading).map(Some)
}

/// The runs to be merged, newest first: those that are being merged already, or those that are too many.
fn group(runs: &[Run]) -> Option<std::ops::RangeInclusive<usize>> {
    if let Some(first) = runs.iter().position(|run| run.draining) {
        let count = runs.iter().skip(first).take_while(|run| run.draining).count();
        return Some(first..=first + count).filter(|group| *group.end() < runs.len());
    }
    let mut newer = 0;
    let mut last = 0;
    for (place, run) in runs.iter().enumerate().take(MERGED_RUNS_MAX) {
        let bytes = run.bytes();
        if place > 0 && bytes <= GROWTH * newer {
            last = place;
        }
        newer += bytes;
    }
    (last > 0).then_some(0..=last)
}

/// All but the oldest lose their entries to it.
fn mark(directory: &mut Directory, group: &std::ops::RangeInclusive<usize>) {
    let count = group.end() - group.start();
    directory.runs.iter_mut().skip(*group.start()).take(count).for_each(|run| run.draining = true);
}

#[cfg(test)]
mod tests {
    use super::super::run::PageRef;
    use super::*;

    fn runs(sizes: &[u32]) -> Vec<Run> {
        let run = |size: &u32| {
            let page = PageRef::new(1, vec![1], vec![2], (*size, 1), (false, false));
            Run { pages: vec![Rc::new(page)], draining: false }
        };
        sizes.iter().map(run).collect()
    }

    #[test]
    fn runs_are_merged_until_each_is_much_larger_than_the_newer_ones() {
        assert_eq!(group(&runs(&[])), None);
        assert_eq!(group(&runs(&[10])), None);
        assert_eq!(group(&runs(&[10, 41])), None);
        assert_eq!(group(&runs(&[10, 40])), Some(0..=1));
        assert_eq!(group(&runs(&[10, 40, 201])), Some(0..=1));
        assert_eq!(group(&runs(&[10, 60, 200])), Some(0..=2));
        assert_eq!(group(&runs(&[10; 50])), Some(0..=49));
        assert_eq!(group(&runs(&[10; 500])), Some(0..=63));
    }

    #[test]
    fn a_merge_that_has_begun_goes_on() {
        let mut runs = runs(&[10, 1, 1, 1_000, 1_000]);
        runs[1].draining = true;
        runs[2].draining = true;
        assert_eq!(group(&runs), Some(1..=3));
    }
}
