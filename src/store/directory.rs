//! The directory: which pages there are, run by run, newest first. It is small, whole in memory, and written anew with every change of the pages.
//!
//! **Invariant:** where runs overlap, the newer one is right. **Invariant:** page numbers only grow.

use std::rc::Rc;

use super::keys::common_prefix;
use super::page::{sealed, unsealed};
use super::run::{PageRef, Run};
use super::sorted::Sorted;
use crate::error::{Code, Error, Result};
use crate::model::varint;
use crate::ports::PageId;

/// The format of directories and pages.
const FORMAT: u8 = 1;

const REMOVALS: u64 = 1;
const TRIMMED: u64 = 2;

/// The pages of a store.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    /// Newest first.
    pub(super) runs: Vec<Run>,
    /// The next page's number.
    pub(super) next_page: PageId,
}

impl Default for Directory {
    fn default() -> Self {
        Self { runs: Vec::new(), next_page: 1 }
    }
}

impl Directory {
    /// Adds new pages, which are newer than all runs: each goes into the oldest run that leaves it newer than whatever it overlaps.
    pub(super) fn place(&mut self, pages: impl IntoIterator<Item = Rc<PageRef>>) {
        let mut fresh = Run::default();
        for page in pages {
            let newest_below = self.runs.iter().position(|run| run.overlaps(&page.first, &page.last));
            let target = newest_below.map_or_else(|| self.runs.len().checked_sub(1), |below| below.checked_sub(1));
            match target.and_then(|target| self.runs.get_mut(target)) {
                Some(run) => run.insert(page),
                None => fresh.insert(page),
            }
        }
        if !fresh.pages.is_empty() {
            self.runs.insert(0, fresh);
        }
    }

    /// Every page.
    pub(super) fn pages(&self) -> impl Iterator<Item = &Rc<PageRef>> {
        self.runs.iter().flat_map(|run| &run.pages)
    }

    /// Takes over what is known of pages already: those in memory, and what they come to.
    pub(super) fn adopt_loaded(&mut self, old: &Self) {
        let mut known = Sorted::default();
        for page in old.pages() {
            known.insert(page.id, page);
        }
        for page in self.pages() {
            if let Some(old) = known.get(page.id) {
                page.adopt(old);
            }
        }
    }

    /// The directory as bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; 8];
        out.push(FORMAT);
        varint::put(self.next_page, &mut out);
        varint::put(self.runs.len() as u64, &mut out);
        let mut previous: &[u8] = &[];
        for run in &self.runs {
            out.push(u8::from(run.draining));
            varint::put(run.pages.len() as u64, &mut out);
            for page in &run.pages {
                varint::put(page.id, &mut out);
                varint::put(u64::from(page.bytes), &mut out);
                varint::put(u64::from(page.count), &mut out);
                let flags = if page.removals { REMOVALS } else { 0 } | if page.trimmed { TRIMMED } else { 0 };
                varint::put(flags, &mut out);
                put_key(previous, &page.first, &mut out);
                put_key(&page.first, &page.last, &mut out);
                previous = &page.last;
            }
        }
        sealed(out)
    }

    /// The directory of some bytes; none is an empty store's.
    ///
    /// # Errors
    /// `store/corrupt`; `store/newer` for a format that this engine does not know.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let corrupt = || Error::new(Code::StoreCorrupt, "the directory is damaged");
        let (format, rest) = unsealed(bytes).and_then(<[u8]>::split_first).ok_or_else(corrupt)?;
        if *format > FORMAT {
            return Err(Error::new(Code::StoreNewer, format!("the store has format {format}, this is {FORMAT}")));
        }
        Self::parse(rest).ok_or_else(corrupt)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (next_page, rest) = varint::take(bytes)?;
        let (run_count, mut rest) = varint::take(rest)?;
        let mut directory = Self { runs: Vec::new(), next_page };
        let mut previous = Vec::new();
        for _ in 0..run_count {
            let (draining, after) = rest.split_first()?;
            let (page_count, after) = varint::take(after)?;
            rest = after;
            let mut run = Run { pages: Vec::new(), draining: *draining != 0 };
            for _ in 0..page_count {
                let (page, after) = parse_page(&previous, rest)?;
                rest = after;
                previous.clone_from(&page.last);
                run.pages.push(Rc::new(page));
            }
            directory.runs.push(run);
        }
        rest.is_empty().then_some(directory)
    }
}

fn parse_page<'a>(previous: &[u8], bytes: &'a [u8]) -> Option<(PageRef, &'a [u8])> {
    let (id, rest) = varint::take(bytes)?;
    let (size, rest) = varint::take(rest)?;
    let (count, rest) = varint::take(rest)?;
    let (flags, rest) = varint::take(rest)?;
    let (first, rest) = take_key(previous, rest)?;
    let (last, rest) = take_key(&first, rest)?;
    let size = (u32::try_from(size).ok()?, u16::try_from(count).ok()?);
    Some((PageRef::new(id, first, last, size, (flags & REMOVALS != 0, flags & TRIMMED != 0)), rest))
}

/// A key as what it has in common with another, and the rest.
fn put_key(before: &[u8], key: &[u8], out: &mut Vec<u8>) {
    let common = common_prefix(before, key);
    varint::put(common as u64, out);
    varint::put_slice(key.get(common..).unwrap_or_default(), out);
}

fn take_key<'a>(before: &[u8], bytes: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
    let (common, rest) = varint::take(bytes)?;
    let (tail, rest) = varint::take_slice(rest)?;
    let mut key = before.get(..usize::try_from(common).ok()?)?.to_vec();
    key.extend_from_slice(tail);
    Some((key, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(id: u64, first: &str, last: &str) -> Rc<PageRef> {
        Rc::new(PageRef::new(id, first.into(), last.into(), (100, 10), (id.is_multiple_of(2), id.is_multiple_of(3))))
    }

    fn ids(directory: &Directory) -> Vec<Vec<u64>> {
        directory.runs.iter().map(|run| run.pages.iter().map(|page| page.id).collect()).collect()
    }

    #[test]
    fn a_page_sinks_until_it_would_pass_a_key_it_may_have() {
        let mut directory = Directory::default();
        directory.place([page(1, "b", "d")]);
        directory.place([page(2, "e", "f"), page(3, "a", "a")]);
        assert_eq!(ids(&directory), [[3, 1, 2]]);
        directory.place([page(4, "d", "e")]);
        assert_eq!(ids(&directory), [vec![4], vec![3, 1, 2]]);
        directory.place([page(5, "c", "c"), page(6, "g", "g"), page(7, "e", "e")]);
        assert_eq!(ids(&directory), [vec![7], vec![5, 4], vec![3, 1, 2, 6]]);
    }

    #[test]
    fn a_directory_comes_back() {
        let mut directory = Directory { runs: Vec::new(), next_page: 400 };
        directory.place([page(1, "b", "d"), page(2, "e", "ef")]);
        directory.place([page(3, "d", "ex")]);
        directory.runs[0].draining = true;
        let bytes = directory.encode();
        let decoded = Directory::decode(&bytes).unwrap();
        assert_eq!(format!("{decoded:?}"), format!("{directory:?}"));
        assert!(Directory::decode(&[]).unwrap().runs.is_empty());
        for length in 1..bytes.len() {
            assert_eq!(Directory::decode(&bytes[..length]).unwrap_err().code(), Code::StoreCorrupt);
        }
        let newer = sealed([&[0; 8][..], &[2], &bytes[9..]].concat());
        assert_eq!(Directory::decode(&newer).unwrap_err().code(), Code::StoreNewer);
    }
}
