//! A page that does not match its checksum, or is lost: it is taken out, and what it held is fetched or made again.
//!
//! ```text
//! bad page ─► its range of keys is cut out of its run and of all older ones, what the mirror has of it is put back   (one commit)
//!          ─► repair: see `recovery`                                                                                (the next one)
//! ```
//!
//! Which keys the page held is not known, and what older runs have of its range may be of before: so all of that goes. Newer runs and the log
//! are right as they are.
//!
//! **Invariant:** afterwards a key is right or it is missing; nothing old comes back.

use std::rc::Rc;

use super::core::Core;
use super::keys::{MapId, map_of};
use super::line::Outcome;
use super::mirror;
use super::page::Page;
use super::repair;
use super::rewrite::Rewrite;
use super::run::PageRef;
use super::sorted::Sorted;
use super::state::State;
use super::txn::Plan;
use super::writer::PageWriter;
use crate::error::{Code, Error, Result};
use crate::json::to_json;
use crate::model::Catalog;
use crate::ports::{PageId, Storage};

/// How often another tab may be first.
const ATTEMPTS_MAX: usize = 10;

/// Full keys, both included.
pub(super) type Range = (Vec<u8>, Vec<u8>);

impl<S: Storage> Core<S> {
    /// Takes a bad page out. Only for the one at the front of the line.
    ///
    /// # Errors
    /// Those of the storage.
    pub(super) async fn quarantine(&self, id: PageId) -> Result<()> {
        for _ in 0..ATTEMPTS_MAX {
            // It may have been read badly once, or another tab has taken it out already.
            let is_named = self.state.borrow().directory.pages().any(|page| page.id == id);
            if !is_named || self.reread(id).await?.is_some() {
                return Ok(());
            }
            let Some((plan, trouble)) = self.cut_out(id).await? else {
                let why = Error::new(Code::StoreCorrupt, format!("page {id} is lost, and the catalog with it"));
                Box::pin(self.rescue(&why, true)).await?;
                Box::pin(self.load(0)).await?;
                self.needs_repair.set(true);
                return Ok(());
            };
            match self.commit(plan).await {
                Outcome::Again => {}
                Outcome::Failed(error) => return Err(error),
                Outcome::Committed(_) => {
                    self.needs_repair.set(true);
                    self.troubles.borrow_mut().push(trouble);
                    return Ok(());
                }
            }
        }
        Err(Error::new(Code::StoreContended, format!("page {id} is bad, and other tabs were first")))
    }

    /// The page, if it is right.
    async fn reread(&self, id: PageId) -> Result<Option<Rc<Page>>> {
        let bytes = self.storage.pages(&[id]).await?.pop().flatten();
        Ok(bytes.and_then(|bytes| Page::open(id, bytes).ok()).map(Rc::new))
    }

    async fn cut_out(&self, id: PageId) -> Result<Option<(Plan, Error)>> {
        let mut edges = Sorted::default();
        let mut bad = vec![id];
        loop {
            let cut = cut(&self.state.borrow(), &bad, &edges);
            let wanted = match cut {
                Ok((rewrite, range)) => return self.with_mirror(rewrite, range, id).await,
                Err(wanted) => wanted,
            };
            match self.reread(wanted).await? {
                Some(page) => edges.insert(wanted, page),
                None => bad.push(wanted),
            }
        }
    }

    /// What the mirror has of the range is put back with the same commit. Without the catalog there is none.
    async fn with_mirror(&self, rewrite: Rewrite, range: Range, id: PageId) -> Result<Option<(Plan, Error)>> {
        let mirrors = self.storage.mirrors(false).await?;
        let mut plan = Plan { rewrite: Some(rewrite), touched: vec![range.clone()], ..Plan::default() };
        let state = self.state.borrow();
        let kept = mirrors.first().map(|mirror| mirror::replay(mirror, Some(state.head.mirrored)));
        let is_whole = kept.as_ref().is_some_and(|kept| kept.is_whole);
        for (key, value) in kept.map(|kept| kept.entries).unwrap_or_default() {
            // What is in the log is newer than the page, and the mirror has it too.
            if range.0 <= key && key <= range.1 && !state.tail.contains_key(&key) {
                plan.changes.insert(key, value);
            }
        }
        let catalog = State::catalog_key();
        if range.0 <= catalog
            && catalog <= range.1
            && !plan.changes.contains_key(&catalog)
            && !state.tail.contains_key(&catalog)
        {
            if state.catalog == Catalog::default() {
                return Ok(None);
            }
            plan.changes.insert(catalog, Some(to_json(&state.catalog)?.into()));
        }
        repair::mark(&mut plan.changes, (map_of(&range.0), map_of(&range.1)));
        Ok(Some((plan, trouble(&state, &range, id, is_whole))))
    }
}

/// What is said of it.
fn trouble(state: &State, (first, last): &Range, id: PageId, is_mirrored: bool) -> Error {
    let maps = map_of(first)..=map_of(last);
    let mut detail = format!("page {id} is damaged or lost; what it held is fetched again:");
    for table in state.tables.iter() {
        if maps.contains(&table.map) || table.indexes.iter().any(|index| maps.contains(&index.map)) {
            detail.extend([" ", table.name.as_str()]);
        }
    }
    let own = [MapId::SYSTEM, MapId::OUTBOX, MapId::INBOX, MapId::CONFLICTS];
    if !is_mirrored && own.iter().any(|map| maps.contains(&map.0)) {
        detail.push_str("; changes that waited may be lost: there is no mirror of them");
    }
    Error::new(Code::StoreCorrupt, detail)
}

/// The directory without the bad pages, and without whatever older runs have of their ranges; the range that all of that was in. Or a page
/// whose entries are needed for it.
fn cut(
    state: &State,
    bad: &[PageId],
    edges: &Sorted<PageId, Rc<Page>>,
) -> std::result::Result<(Rewrite, Range), PageId> {
    let mut directory = state.directory.clone();
    let mut writer = PageWriter::new(directory.next_page);
    let (mut put, mut delete) = (Vec::new(), Vec::new());
    let mut cut: Option<Range> = None;
    for run in &mut directory.runs {
        for page in &run.pages {
            if bad.contains(&page.id) {
                let (first, last) = cut.take().unwrap_or_else(|| (page.first.clone(), page.last.clone()));
                cut = Some((first.min(page.first.clone()), last.max(page.last.clone())));
            }
        }
        let Some((first, last)) = &cut else { continue };
        let mut kept = Vec::new();
        for page in std::mem::take(&mut run.pages) {
            if !page.overlaps(first, last) {
                kept.push(page);
                continue;
            }
            delete.push(page.id);
            if page.first >= *first && page.last <= *last {
                continue;
            }
            let open = page.loaded().or_else(|| edges.get(page.id).cloned()).ok_or(page.id)?;
            rest(&open, &page, (first, last), &mut writer);
            for built in std::mem::take(&mut writer.built) {
                let built = Rc::new(built);
                put.push(Rc::clone(&built));
                kept.push(built);
            }
        }
        run.pages = kept;
    }
    directory.runs.retain(|run| !run.pages.is_empty());
    directory.next_page = writer.next_page();
    let range = cut.unwrap_or_default();
    Ok((Rewrite { directory, put, delete, folded: state.head.folded, empties_tail: false }, range))
}

/// The entries of a page that are outside of a range, as pages.
fn rest(open: &Page, page: &PageRef, (first, last): (&Vec<u8>, &Vec<u8>), writer: &mut PageWriter) {
    for place in open.lower_bound(&page.first)..open.count() {
        let Some(entry) = open.entry(place) else { continue };
        let key = [open.prefix(), entry.key_rest].concat();
        if key < *first || key > *last {
            writer.add(&key, open.value_bytes(&entry).map(|value| (value, &[][..])));
        }
    }
    writer.cut();
}
