//! Taking a store's contents out, a piece at a time.

use std::rc::Rc;

use super::super::handle::Store;
use super::super::keys::{KeyRange, after_key, map_of};
use super::super::system::{self, Counter};
use super::super::view::{Interrupt, View};
use super::{FORMAT, OUTBOX, STORE, Tracker, checksum, lines};
use crate::error::{Code, Error, Result};
use crate::json::{put_integer, put_text};
use crate::ports::Storage;

/// Bytes of a piece, about: a line is not cut.
const PIECE_BYTES: usize = 64 * 1024;
/// How often the end is looked for again because other tabs have just written.
const ATTEMPTS_MAX: u32 = 100;

/// An export under way. Dropping it ends it.
pub struct Export<S> {
    store: Store<S>,
    tracker: Rc<Tracker>,
    name: String,
    is_whole: bool,
    stage: Stage,
    lines: u64,
    checksum: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    Keys,
    Changed,
    Over,
}

/// A piece, and what comes next; none when the newest commits are not known yet.
type Piece = Option<(Vec<u8>, Stage)>;

impl<S: Storage> Store<S> {
    /// Begins an export: of all that waits for the server or the user, or (`is_whole`) of everything. `name` is for people.
    #[must_use]
    pub fn export(&self, name: &str, is_whole: bool) -> Export<S> {
        let tracker = Rc::new(Tracker::default());
        tracker.seq.set(self.seq());
        self.core.track(&tracker);
        let (store, name) = (self.clone(), name.to_owned());
        Export { store, tracker, name, is_whole, stage: Stage::Header, lines: 0, checksum: 0 }
    }
}

impl<S: Storage> Export<S> {
    /// The next piece, whole lines; `None` behind the end.
    ///
    /// # Errors
    /// `export/overtaken` when more is written meanwhile than is said again; those of the store.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut attempts = 0;
        loop {
            if self.stage == Stage::Over {
                return Ok(None);
            }
            let this = &*self;
            let Some((mut piece, next)) = self.store.read(|view| this.piece(view)).await? else {
                attempts += 1;
                if attempts > ATTEMPTS_MAX {
                    return Err(overtaken());
                }
                self.store.catch_up().await?;
                continue;
            };
            let is_last = self.stage == Stage::Changed && next == Stage::Over;
            for line in piece.split_inclusive(|byte| *byte == b'\n') {
                self.checksum = checksum(self.checksum, line);
                self.lines += 1;
            }
            if is_last {
                self.put_end(&mut piece);
            }
            self.stage = next;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// Reads the next piece. What was read is noted with it at once: nothing comes between the two.
    fn piece(&self, view: &View<'_>) -> Result<Piece, Interrupt> {
        if self.tracker.is_lost.get() {
            return Err(overtaken().into());
        }
        match self.stage {
            Stage::Header => Ok(Some((self.header(view)?, Stage::Keys))),
            Stage::Keys => self.keys(view).map(Some),
            Stage::Changed => self.changed(view),
            Stage::Over => Ok(Some((Vec::new(), Stage::Over))),
        }
    }

    fn header(&self, view: &View<'_>) -> Result<Vec<u8>, Interrupt> {
        let mut out = Vec::from(b"{\"whimbrel\":");
        let text = |name: &[u8], value: &str, out: &mut Vec<u8>| {
            out.extend_from_slice(name);
            put_text(value.as_bytes(), out);
        };
        let number = |name: &[u8], value: u64, out: &mut Vec<u8>| {
            out.extend_from_slice(name);
            put_integer(value, out);
        };
        text(b"", if self.is_whole { STORE } else { OUTBOX }, &mut out);
        number(b",\"format\":", FORMAT, &mut out);
        text(b",\"name\":", &self.name, &mut out);
        number(b",\"schema\":", view.state.schema.version.into(), &mut out);
        text(b",\"client\":", &system::client_id(view)?.unwrap_or_default(), &mut out);
        number(b",\"counts\":{\"pending\":", Counter::Pending.get(view)?, &mut out);
        number(b",\"rejected\":", Counter::Rejected.get(view)?, &mut out);
        number(b",\"conflicts\":", Counter::Conflicts.get(view)?, &mut out);
        out.extend_from_slice(b"}}\n");
        Ok(out)
    }

    /// Goes on through the keys.
    fn keys(&self, view: &View<'_>) -> Result<(Vec<u8>, Stage), Interrupt> {
        let mut out = Vec::new();
        let mut passed = self.tracker.passed.borrow().clone();
        for map in lines::maps(view, self.is_whole) {
            let all = KeyRange::map(map);
            if all.end <= passed {
                continue;
            }
            let range = KeyRange { start: all.start.max(passed.clone()), end: all.end };
            if let Some(key) = put_range(view, range.clone(), &mut out)? {
                *self.tracker.passed.borrow_mut() = after_key(&key);
                return Ok((out, Stage::Keys));
            }
            passed = range.end;
        }
        *self.tracker.passed.borrow_mut() = vec![u8::MAX; 3];
        Ok((out, Stage::Changed))
    }

    /// Says again what has changed; the end, when that is all of it.
    fn changed(&self, view: &View<'_>) -> Result<Piece, Interrupt> {
        // Commits of other tabs are read a moment before they are told of.
        if view.state.head.seq != self.tracker.seq.get() {
            return Ok(None);
        }
        let maps = lines::maps(view, self.is_whole);
        let is_exported = |key: &[u8]| maps.iter().any(|map| map.0 == map_of(key));
        let mut out = Vec::new();
        let mut said = 0;
        for key in self.tracker.keys.borrow().keys() {
            if out.len() >= PIECE_BYTES {
                break;
            }
            said += 1;
            if is_exported(key) {
                let value = view.find(key)?;
                lines::put_line(view, key, value.as_ref(), &mut out)?;
            }
        }
        let mut rest = Vec::new();
        for range in self.tracker.ranges.borrow().iter() {
            for all in maps.iter().map(|map| KeyRange::map(*map)) {
                let (start, end) = (all.start.max(range.start.clone()), all.end.min(range.end.clone()));
                let start = if out.len() >= PIECE_BYTES || start >= end {
                    Some(start)
                } else {
                    put_range(view, KeyRange { start, end: end.clone() }, &mut out)?.map(|key| after_key(&key))
                };
                rest.extend(start.map(|start| KeyRange { start, end }).filter(|rest| rest.start < rest.end));
            }
        }
        let mut keys = self.tracker.keys.borrow_mut();
        while said > 0 && keys.pop_first().is_some() {
            said -= 1;
        }
        let is_over = keys.is_empty() && rest.is_empty();
        *self.tracker.ranges.borrow_mut() = rest;
        Ok(Some((out, if is_over { Stage::Over } else { Stage::Changed })))
    }

    fn put_end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"end\":{\"lines\":");
        put_integer(self.lines, out);
        out.extend_from_slice(b",\"checksum\":\"");
        out.extend_from_slice(&hex(self.checksum));
        out.extend_from_slice(b"\"}}\n");
    }
}

/// Appends the lines of a range; the last key, when it stopped because the piece is full.
fn put_range(view: &View<'_>, range: KeyRange, out: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Interrupt> {
    let mut entries = view.scan_range(range, false);
    while entries.step()? {
        lines::put_line(view, entries.full_key(), entries.value(), out)?;
        if out.len() >= PIECE_BYTES {
            return Ok(Some(entries.full_key().to_vec()));
        }
    }
    Ok(None)
}

/// A number as sixteen digits.
pub(super) fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (place, digit) in digits.iter_mut().enumerate() {
        let value = (number >> (60 - 4 * place)) as u8 & 15;
        *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
    }
    digits
}

fn overtaken() -> Error {
    Error::new(Code::ExportOvertaken, "more was written meanwhile than an export can say again")
}
