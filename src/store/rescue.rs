//! A directory or a log record that is damaged or lost: the store begins anew in its place, with what only this device knew.
//!
//! ```text
//! damage ─► a look at all that is left ─► an empty directory, no log, and what waits: from the mirror if it is whole, else from whatever can
//!                                         be read                                                      (one commit)
//!        ─► repair: see `recovery`                                                                    (the next one)
//! ```
//!
//! Nothing less will do. Without the directory nobody knows which of two pages with a key is newer, or that a page's beginning does not count
//! any more. A lost record may have changed any key, so any row that is there may be an old one. What waits for the server is another matter: the
//! mirror has it as it was, and where there is none, a position is given once and a removal is for good.
//!
//! **Invariant:** afterwards a key is right or it is missing. **Invariant:** a change that could be read is kept: to be sent, or, where it may
//! have arrived, in the inbox.
//! **Invariant:** what a newer engine wrote is no damage, and is left as it is.

use std::rc::Rc;

use super::core::Core;
use super::directory::Directory;
use super::keys::{MapId, full_key, map_of};
use super::mirror::{self, Kept, Snapshot};
use super::outbox::Entry;
use super::page::Page;
use super::record::{self, Changes};
use super::state::{CATALOG_KEY, State};
use super::txn::{Plan, Txn};
use super::view::{Interrupt, Reading};
use super::{Bytes, Read, recovery, system};
use crate::error::{Code, Error, Result};
use crate::json::{FromJson, to_json};
use crate::model::Catalog;
use crate::ports::{Commit, CommitOutcome, Head, Loaded, PageChange, PageId, Storage};

/// How often another tab may be first.
const ATTEMPTS_MAX: usize = 10;
/// Pages that are read at once.
const PAGES_AT_ONCE: usize = 32;
/// New pages get numbers so far from those that are there, because higher ones may have been deleted.
const PAGE_IDS_LEFT_OUT: PageId = 1 << 32;
/// Bytes of an identity that a client's id begins with; the commit's number follows, in as many digits.
const IDENTITY_BYTES: usize = 24;
const ZEROS: &str = "000000000000";

impl<S: Storage> Core<S> {
    /// Begins anew, if a second look finds the damage too, or it `is_certain`. What is in memory is still to be loaded. Only for the one at the
    /// front of the line.
    ///
    /// # Errors
    /// `store/newer`; those of the storage.
    pub(super) async fn rescue(&self, why: &Error, is_certain: bool) -> Result<()> {
        for _ in 0..ATTEMPTS_MAX {
            let (loaded, pages) = self.storage.salvage().await?;
            if !is_damaged(&loaded)? && !is_certain {
                return Ok(());
            }
            let kept = self.kept(&loaded, &pages).await?;
            let (commit, snapshot) = self.anew(loaded.head, pages, &kept)?;
            let seq = commit.expected + 1;
            if self.storage.commit(commit).await? == CommitOutcome::Behind {
                continue;
            }
            let mut detail = [why.detail(), "; what the server has is fetched again"].concat();
            if !kept.is_whole {
                // What the mirror has is of another numbering. A mirror that fails says so itself.
                drop(self.storage.put_snapshot(seq, snapshot.parts).await);
                detail.push_str("; changes that waited may be lost: there is no whole mirror of them");
            }
            self.is_rescued.set(true);
            self.troubles.borrow_mut().push(Error::new(Code::StoreCorrupt, detail));
            return Ok(());
        }
        Err(why.clone())
    }

    /// What waits for the server or the user.
    async fn kept(&self, loaded: &Loaded, pages: &[PageId]) -> Result<Kept> {
        let mirrors = self.storage.mirrors(false).await?;
        let kept = mirrors.first().map(|mirror| mirror::replay(mirror, Some(loaded.head.mirrored)));
        let mut found = match kept {
            Some(kept) if kept.is_whole => return Ok(kept),
            kept => kept.map(|kept| kept.entries).unwrap_or_default(),
        };
        for ids in pages.chunks(PAGES_AT_ONCE) {
            for (id, bytes) in ids.iter().zip(self.storage.pages(ids).await?) {
                if let Some(Ok(page)) = bytes.map(|bytes| Page::open(*id, bytes)) {
                    find(&page, &mut found);
                }
            }
        }
        for log in &loaded.log {
            // One that is damaged says nothing.
            drop(record::decode(log.seq, log.bytes.clone(), &mut |key, value| drop(found.insert(key.to_vec(), value))));
        }
        found.retain(|_, value| value.is_some());
        Ok(Kept { entries: found, is_whole: false })
    }

    /// The commit that begins anew; what the mirror is to hold then.
    fn anew(&self, head: Head, pages: Vec<PageId>, kept: &Kept) -> Result<(Commit, Snapshot)> {
        let present = self.state.borrow();
        let empty = Loaded { head: Head { directory: 0, folded: head.seq, ..head }, ..Loaded::default() };
        let state = State::new(empty, Rc::clone(&present.schema), 0)?;
        let (group, reading) = (Plan::default(), Reading::default());
        let mut txn = Txn { state: &state, group: &group, own: Plan::default(), reading: &reading };
        let identity = self.storage.identity();
        let mut digits = itoa::Buffer::new();
        let number = digits.format(head.seq + 1);
        let note = [&identity, "#", number].concat();
        let mut fill = || -> Result<(), Interrupt> {
            recovery::restore(&mut txn, &note, kept)?;
            if system::client_id(&txn)?.is_none() {
                let identity = identity.get(..IDENTITY_BYTES).unwrap_or(&identity);
                let zeros = ZEROS.get(number.len()..).unwrap_or_default();
                system::set_client_id(&mut txn, &[identity, zeros, number].concat());
            }
            if txn.get(MapId::SYSTEM, CATALOG_KEY)?.is_none() && present.catalog != Catalog::default() {
                txn.put(MapId::SYSTEM, CATALOG_KEY, to_json(&present.catalog)?);
            }
            Ok(())
        };
        // There is no page that could be missing.
        fill().or_else(|interrupt| interrupt.pages().map(drop))?;
        let changes = txn.own.changes;
        let mut snapshot = Snapshot { parts: Vec::new() };
        changes.iter().for_each(|(key, value)| snapshot.add(key, value.as_deref().unwrap_or_default()));
        let next_page = pages.iter().max().unwrap_or(&0) + PAGE_IDS_LEFT_OUT;
        let directory = Directory { next_page, ..Directory::default() }.encode();
        let commit = Commit {
            expected: head.seq,
            record: record::encode(&changes, &[(Vec::new(), vec![u8::MAX; 3])]),
            // A whole mirror goes on as it is.
            mirror: if kept.is_whole { Vec::new() } else { mirror::lines(&changes, &|_| None) },
            pages: Some(PageChange { put: Vec::new(), delete: pages, directory, folded: head.seq }),
            durability: self.durability,
        };
        Ok((commit, snapshot))
    }
}

/// Whether something is wrong with directory or log, and nothing is of a newer engine.
fn is_damaged(loaded: &Loaded) -> Result<bool> {
    let Loaded { head, directory, log } = loaded;
    let mut errors = vec![Directory::decode(directory).err()];
    for record in log {
        errors.push(record::decode(record.seq, record.bytes.clone(), &mut |_, _| ()).err());
    }
    let mut is_damaged = !head.has_all(directory, log);
    for error in errors.into_iter().flatten() {
        if error.code() == Code::StoreNewer {
            return Err(error);
        }
        is_damaged = true;
    }
    Ok(is_damaged)
}

/// Adds what a page has of changes that wait, and of those that were answered. Which page is newer is not known.
fn find(page: &Page, found: &mut Changes) {
    let mut key = Vec::new();
    for entry in (0..page.count()).filter_map(|place| page.entry(place)) {
        page.put_key(&entry, &mut key);
        let map = MapId(map_of(&key));
        if ![MapId::OUTBOX, MapId::INBOX, MapId::CONFLICTS, MapId::CONFIRMED].contains(&map) {
            continue;
        }
        let value = page.value(&entry);
        let is_older = match (found.get(&key), &value) {
            (Some(None), _) => true,
            (Some(Some(known)), Some(value)) => age(known) > age(value),
            (Some(Some(_)) | None, _) => false,
        };
        if !is_older {
            found.insert(key.clone(), value);
        }
    }
}

/// An entry is sent once, and grows before that.
fn age(entry: &Bytes) -> (bool, usize) {
    Entry::parse(entry, Code::StoreCorrupt).map_or((false, 0), |entry| (entry.seq.is_some(), entry.folded.len()))
}

/// Whether a change is known to have been answered.
pub(super) fn is_answered(kept: &Kept, entry: &Entry) -> bool {
    !entry.conflict && kept.entries.contains_key(&full_key(MapId::CONFIRMED, entry.change.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::page::PageBuilder;
    use super::*;

    fn page(entries: &[(MapId, u64, Option<&str>)]) -> Page {
        let mut builder = PageBuilder::default();
        for (map, position, value) in entries {
            let key = full_key(*map, &position.to_be_bytes());
            builder.add(&key, value.map(|value| (value.as_bytes(), &[][..])));
        }
        Page::of(builder.finish().bytes).unwrap()
    }

    fn entry(more: &str) -> String {
        let same = r#""change":"c","entity":"order","id":"1","op":"update","set":{},"was":{},"schema":1,"at":0"#;
        ["{", same, more, "}"].concat()
    }

    #[test]
    fn of_two_pages_the_one_with_the_removal_the_number_or_more_changes_is_newer() {
        let (fresh, folded, sent) = (entry(""), entry(r#","folded":["b"]"#), entry(r#","seq":3"#));
        let older = page(&[
            (MapId::OUTBOX, 1, Some(&fresh)),
            (MapId::OUTBOX, 2, Some(&fresh)),
            (MapId::OUTBOX, 3, Some(&folded)),
            (MapId::BASE, 4, Some("x")),
        ]);
        let newer = page(&[
            (MapId::OUTBOX, 1, None),
            (MapId::OUTBOX, 2, Some(&folded)),
            (MapId::OUTBOX, 3, Some(&sent)),
            (MapId::INBOX, 1, Some("{}")),
        ]);
        let expected: Vec<Option<&str>> = vec![None, Some(&folded), Some(&sent), Some("{}")];
        for pages in [[&older, &newer], [&newer, &older]] {
            let mut found = Changes::new();
            pages.into_iter().for_each(|page| find(page, &mut found));
            let text = |value: &Option<Bytes>| value.as_deref().map(|value| String::from_utf8(value.to_vec()).unwrap());
            let found: Vec<Option<String>> = found.values().map(text).collect();
            assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
        }
    }
}
