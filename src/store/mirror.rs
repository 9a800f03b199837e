//! What the mirror keeps, as lines of JSON: everything that only this device knows, and what it needs to go on being the same client.
//!
//! ```text
//! {"outbox":7,"is":{…}}    {"inbox":7,"is":{…}}    {"conflicts":7}             gone
//! {"outbox":7,"seq":12}     as it is, with its number
//! {"system":"count/seq","is":12}    {"system":"client","is":"5f0c…"}    {"system":"catalog","is":{…}}
//! ```
//!
//! **Invariant:** the snapshot and then the lines after it, in their order, are what the store's own maps hold.

use super::bytes::Bytes;
use super::keys::{MapId, full_key, inner_key, map_of};
use super::record::Changes;
use super::{pending, system};
use crate::ports::{MirrorRecord, Mirrored, Seq};

/// The maps that are mirrored whole. Their values are JSON, their keys are positions.
const MAPS: [(MapId, &str); 3] = [(MapId::OUTBOX, "outbox"), (MapId::INBOX, "inbox"), (MapId::CONFLICTS, "conflicts")];
const SYSTEM: &str = "system";

/// How the mirrored keys of the system map are written.
const SYSTEM_KEYS: [(&str, Form); 7] = [
    ("catalog", Form::Json),
    ("client", Form::Text),
    ("count/ack", Form::Number),
    ("count/apart", Form::Number),
    ("count/bucket", Form::Number),
    ("count/position", Form::Number),
    ("count/seq", Form::Number),
];

/// Bytes of a part of a snapshot, about.
const PART_BYTES: usize = 32 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Text,
    Number,
}

/// The lines for what a commit changes; `known` has what a key's value is before it, if that is at hand.
pub(super) fn lines(changes: &Changes, known: &dyn Fn(&[u8]) -> Option<Bytes>) -> Vec<u8> {
    let mut lines = Vec::new();
    // Most of a large commit are rows and indexes, which come behind.
    let end = full_key(MapId::SENT, &[]);
    for (key, value) in changes.range(..end) {
        // Numbers of a batch would be half of what is written for it, if their entries came along.
        let is_entry = map_of(key) == MapId::OUTBOX.0;
        let number = value.as_ref().filter(|_| is_entry).and_then(|value| pending::number_of(&known(key)?, value));
        match number {
            Some(seq) => put_number(key, seq, &mut lines),
            None => put_line(key, value.as_deref(), &mut lines),
        }
    }
    lines
}

fn put_number(key: &[u8], seq: u64, out: &mut Vec<u8>) {
    let (mut position, mut number) = (itoa::Buffer::new(), itoa::Buffer::new());
    let position = position.format(system::number(inner_key(key)));
    put(out, &["{\"outbox\":", position, ",\"seq\":", number.format(seq), "}\n"]);
}

/// Everything that is mirrored, in parts; `each` calls with the entries of a range of keys.
pub(super) struct Snapshot {
    pub(super) parts: Vec<Vec<u8>>,
}

impl Snapshot {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        if self.parts.last().is_none_or(|part| part.len() >= PART_BYTES) {
            self.parts.push(Vec::new());
        }
        if let Some(part) = self.parts.last_mut() {
            put_line(key, Some(value), part);
        }
    }
}

fn put_line(key: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
    let (map, inner) = (map_of(key), inner_key(key));
    let form = if map == MapId::SYSTEM.0 {
        let Some((name, form)) = SYSTEM_KEYS.iter().find(|(name, _)| name.as_bytes() == inner) else { return };
        put(out, &["{\"", SYSTEM, "\":\"", name, "\""]);
        *form
    } else {
        let Some((_, name)) = MAPS.iter().find(|(id, _)| id.0 == map) else { return };
        put(out, &["{\"", name, "\":", itoa::Buffer::new().format(system::number(inner))]);
        Form::Json
    };
    if let Some(value) = value {
        put(out, &[",\"is\":"]);
        match form {
            Form::Json => out.extend_from_slice(value),
            Form::Text => {
                out.push(b'"');
                out.extend_from_slice(value);
                out.push(b'"');
            }
            Form::Number => put(out, &[itoa::Buffer::new().format(system::number(value))]),
        }
    }
    put(out, &["}\n"]);
}

fn put(out: &mut Vec<u8>, texts: &[&str]) {
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

/// What a line says of a key.
enum Said {
    Is(Vec<u8>),
    Gone,
    /// An entry has its number.
    Numbered(u64),
}

/// What a line says: a full key, and what became of it.
fn parse_line(line: &[u8]) -> Option<(Vec<u8>, Said)> {
    let line = line.strip_prefix(b"{\"")?.strip_suffix(b"}")?;
    let name_end = line.iter().position(|byte| *byte == b'"')?;
    let (name, rest) = line.split_at_checked(name_end)?;
    let rest = rest.strip_prefix(b"\":")?;
    let key_end = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
    let (key, value) = rest.split_at_checked(key_end)?;
    if let Some(seq) = value.strip_prefix(b",\"seq\":").filter(|_| name == b"outbox") {
        return Some((full_key(MapId::OUTBOX, &digits(key)?.to_be_bytes()), Said::Numbered(digits(seq)?)));
    }
    let value = if value.is_empty() { None } else { Some(value.strip_prefix(b",\"is\":")?) };
    let said = |value: Option<Vec<u8>>| value.map_or(Said::Gone, Said::Is);
    if name == SYSTEM.as_bytes() {
        let key = unquoted(key)?;
        let (_, form) = SYSTEM_KEYS.iter().find(|(name, _)| name.as_bytes() == key)?;
        let value = match (value, form) {
            (None, _) => None,
            (Some(value), Form::Json) => Some(value.to_vec()),
            (Some(value), Form::Text) => Some(unquoted(value)?.to_vec()),
            (Some(value), Form::Number) => Some(digits(value)?.to_be_bytes().to_vec()),
        };
        return Some((full_key(MapId::SYSTEM, key), said(value)));
    }
    let (map, _) = MAPS.iter().find(|(_, known)| known.as_bytes() == name)?;
    Some((full_key(*map, &digits(key)?.to_be_bytes()), said(value.map(<[u8]>::to_vec))))
}

fn unquoted(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

fn digits(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What a mirror has kept: every key with its value, and whether that is all there was.
pub(super) struct Kept {
    pub(super) entries: Changes,
    pub(super) is_whole: bool,
}

/// Puts a mirror together. `last` is the last mirrored commit, where that is known; where it is not, the newest one that is there.
pub(super) fn replay(mirror: &Mirrored, last: Option<Seq>) -> Kept {
    let (happened, is_whole) = chain(&mirror.log, mirror.seq, last);
    let mut kept = Kept { entries: Changes::new(), is_whole: is_whole && mirror.is_sure };
    let log = mirror.log.iter().filter(|record| happened.contains(&record.seq)).map(|record| &record.lines);
    for lines in mirror.snapshot.iter().chain(log) {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            kept.is_whole &= parse_line(line).is_some_and(|(key, said)| take(&mut kept.entries, key, said));
        }
    }
    kept
}

/// Does what a line says. Whether it can be: what gets a number is there.
fn take(entries: &mut Changes, key: Vec<u8>, said: Said) -> bool {
    let value = match said {
        Said::Is(value) => value,
        Said::Gone => {
            entries.remove(&key);
            return true;
        }
        Said::Numbered(seq) => match entries.get(&key) {
            Some(Some(entry)) => pending::numbered(entry, seq),
            _ => return false,
        },
    };
    entries.insert(key, Some(Bytes::from(value)));
    true
}

/// The records that happened, from the last one back along what each comes after; and whether none is missing.
fn chain(log: &[MirrorRecord], snapshot: Seq, last: Option<Seq>) -> (Vec<Seq>, bool) {
    let mut next = last.or_else(|| log.last().map(|record| record.seq)).unwrap_or(0);
    let (mut happened, mut is_whole) = (Vec::new(), true);
    for record in log.iter().rev().filter(|record| record.seq > snapshot) {
        if next <= snapshot {
            break;
        }
        // A record that is larger than the next one wanted was written for a commit that never happened.
        if record.seq > next {
            continue;
        }
        is_whole &= record.seq == next;
        happened.push(record.seq);
        next = record.after;
    }
    (happened, is_whole && next <= snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: Seq, after: Seq) -> MirrorRecord {
        MirrorRecord { seq, after, lines: Vec::new() }
    }

    fn value(text: &str) -> Option<Bytes> {
        Some(Bytes::from(text.as_bytes().to_vec()))
    }

    #[test]
    fn what_is_mirrored_comes_back() {
        let position = |map, position: u64| full_key(map, &position.to_be_bytes());
        let changes = Changes::from([
            (full_key(MapId::SYSTEM, b"catalog"), value("{\"maps\":[1,2]}")),
            (full_key(MapId::SYSTEM, b"client"), value("5f0c")),
            (full_key(MapId::SYSTEM, b"count/apart"), Some(Bytes::from(7_u64.to_be_bytes().to_vec()))),
            (full_key(MapId::SYSTEM, b"count/seq"), Some(Bytes::from(12_u64.to_be_bytes().to_vec()))),
            (position(MapId::OUTBOX, 7), value("{\"set\":{\"a,}\\n\":\"é\"}}")),
            (position(MapId::INBOX, u64::from(u32::MAX)), value("{}")),
        ]);
        let mut all = changes.clone();
        all.insert(position(MapId::CONFLICTS, 9), None);
        all.insert(full_key(MapId::SYSTEM, b"success"), value("not mirrored"));
        all.insert(full_key(MapId::BASE, b"x"), value("not mirrored"));
        all.insert(full_key(MapId(20), b"x"), value("not mirrored"));
        let lines = lines(&all, &|_| None);
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 7);
        let mirror = Mirrored {
            snapshot: vec![b"{\"conflicts\":9,\"is\":{}}\n".to_vec()],
            log: vec![MirrorRecord { seq: 1, after: 0, lines }],
            is_sure: true,
            ..Mirrored::default()
        };
        let kept = replay(&mirror, None);
        assert_eq!((kept.entries, kept.is_whole), (changes, true));
    }

    #[test]
    fn an_entry_gets_its_number_without_being_written_again() {
        let key = |position: u64| full_key(MapId::OUTBOX, &position.to_be_bytes());
        let before = Changes::from([(key(7), value("{\"set\":{}}")), (key(8), value("{\"set\":{\"a\":1}}"))]);
        let known = |key: &[u8]| before.get(key).cloned().flatten();
        let mut after = before.clone();
        after.insert(key(7), value("{\"set\":{},\"seq\":12}"));
        after.insert(key(8), value("{\"set\":{\"a\":2},\"seq\":13}"));
        after.insert(key(9), value("{\"set\":{},\"seq\":14}"));
        let numbers = lines(&after, &known);
        assert!(numbers.starts_with(b"{\"outbox\":7,\"seq\":12}\n{\"outbox\":8,\"is\":"));
        let mirror = |snapshot: &Changes, lines: &[u8]| {
            let snapshot = vec![self::lines(snapshot, &|_| None)];
            let log = vec![MirrorRecord { seq: 1, after: 0, lines: lines.to_vec() }];
            replay(&Mirrored { snapshot, log, is_sure: true, ..Mirrored::default() }, None)
        };
        let kept = mirror(&before, &numbers);
        assert_eq!((kept.entries, kept.is_whole), (after, true));
        let kept = mirror(&Changes::new(), &numbers);
        assert_eq!((kept.entries.len(), kept.is_whole), (2, false), "what gets the number is not there");
    }

    #[test]
    fn a_line_that_is_not_ours_makes_it_less_than_whole() {
        for line in [
            "x",
            "{}",
            "{\"outbox\":\"7\"}",
            "{\"outbox\":7,\"was\":1}",
            "{\"system\":\"success\",\"is\":1}",
            "{\"outbox\":7",
            "{\"outbox\":7,\"seq\":1}",
            "{\"outbox\":8,\"seq\":x}",
            "{\"inbox\":8,\"seq\":1}",
        ] {
            let snapshot = vec![format!("{line}\n{{\"outbox\":8,\"is\":{{}}}}\n").into_bytes()];
            let kept = replay(&Mirrored { snapshot, is_sure: true, ..Mirrored::default() }, None);
            assert_eq!((kept.entries.len(), kept.is_whole), (1, false), "{line}");
        }
    }

    #[test]
    fn what_never_happened_is_left_out_and_what_is_missing_is_noticed() {
        let log = [record(3, 1), record(4, 3), record(6, 4)];
        assert_eq!(chain(&log, 1, None), (vec![6, 4, 3], true));
        assert_eq!(chain(&log, 0, None), (vec![6, 4, 3], false), "1 is missing");
        assert_eq!(chain(&log, 4, None), (vec![6], true));
        assert_eq!(chain(&log, 1, Some(4)), (vec![4, 3], true), "6 was written for a commit that failed");
        assert_eq!(chain(&log, 1, Some(7)), (vec![6, 4, 3], false), "7 is missing");
        assert_eq!(chain(&[record(3, 1), record(4, 3), record(6, 3)], 1, None), (vec![6, 3], true), "4 never happened");
        assert_eq!(chain(&[record(3, 1), record(6, 5)], 1, None), (vec![6, 3], false), "5 is missing");
        assert_eq!((chain(&[], 5, None), chain(&[], 5, Some(6))), ((vec![], true), (vec![], false)));
    }
}
