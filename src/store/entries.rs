//! Entries of an index that are made in the order of the rows and wanted in the order of their keys.

use super::keys::{MAP_BYTES, MapId, full_key};
use crate::model::{ValueRef, key};

/// Entries of one index.
pub(super) struct Entries {
    map: MapId,
    /// Keys inside the map, one after the other.
    arena: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    /// The first bytes of the key, which settle most comparisons.
    front: u64,
    start: u32,
    length: u32,
    is_there: bool,
}

impl Entries {
    pub(super) const fn new(map: MapId) -> Self {
        Self { map, arena: Vec::new(), entries: Vec::new() }
    }

    pub(super) const fn map(&self) -> MapId {
        self.map
    }

    /// Adds the entry of a row, or its removal; `values` has the row's, by slot.
    pub(super) fn add(&mut self, slots: &[usize], values: &[ValueRef<'_>], id: &[u8], is_there: bool) {
        let start = self.arena.len();
        for slot in slots {
            key::encode_indexed(value_at(values, *slot), &mut self.arena);
        }
        self.arena.extend_from_slice(id);
        let key = self.arena.get(start..).unwrap_or_default();
        let front = front(key);
        let length = key.len() as u32;
        self.entries.push(Entry { front, start: start as u32, length, is_there });
    }

    /// Adds what becomes of a row's entry when its values change: nothing, when the index does not see the difference.
    pub(super) fn replace(&mut self, slots: &[usize], old: &[ValueRef<'_>], new: &[ValueRef<'_>], id: &[u8]) {
        if slots.iter().all(|slot| key::compare(value_at(old, *slot), value_at(new, *slot)).is_eq()) {
            return;
        }
        let (bytes, count) = (self.arena.len(), self.entries.len());
        self.add(slots, old, id, false);
        self.add(slots, new, id, true);
        let keys: Vec<&[u8]> = self.entries.iter().skip(count).map(|entry| self.key(entry)).collect();
        if keys.first() == keys.last() {
            self.arena.truncate(bytes);
            self.entries.truncate(count);
        }
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        slice(&self.arena, entry)
    }

    pub(super) fn sort(&mut self) {
        let arena = &self.arena;
        let key = |entry: &Entry| slice(arena, entry);
        self.entries.sort_by(|left, right| left.front.cmp(&right.front).then_with(|| key(left).cmp(key(right))));
    }

    /// Calls `take` with every full key, and whether it is there.
    pub(super) fn each(&self, mut take: impl FnMut(&[u8], bool)) {
        let mut full = full_key(self.map, &[]);
        for entry in &self.entries {
            full.truncate(MAP_BYTES);
            full.extend_from_slice(self.key(entry));
            take(&full, entry.is_there);
        }
    }
}

/// A row that ends early has null there.
fn value_at<'a>(values: &[ValueRef<'a>], slot: usize) -> ValueRef<'a> {
    values.get(slot).copied().unwrap_or(ValueRef::Null)
}

/// The first eight bytes of a key as a number that sorts as they do; a shorter key sorts like one with zeros behind it.
fn front(key: &[u8]) -> u64 {
    let front = key.first_chunk().map(|front| u64::from_be_bytes(*front));
    front.unwrap_or_else(|| key.iter().chain(&[0; 8]).take(8).fold(0, |front, byte| front << 8 | u64::from(*byte)))
}

fn slice<'a>(arena: &'a [u8], entry: &Entry) -> &'a [u8] {
    arena.get(entry.start as usize..(entry.start + entry.length) as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    #[test]
    fn entries_come_sorted() {
        let mut entries = Entries::new(MapId(17));
        let values = [Value::Text("b".repeat(20)), Value::Null, Value::Text("b".to_owned()), Value::Integer(5)];
        for (place, value) in values.iter().enumerate() {
            entries.add(&[0], &[value.as_ref()], &[2, 200 - place as u8, 0], place != 1);
        }
        entries.add(&[0], &[values[2].as_ref()], &[2, 1, 0], true);
        entries.sort();
        let mut keys = Vec::new();
        entries.each(|key, is_there| keys.push((key.to_vec(), is_there)));
        assert!(keys.is_sorted_by(|left, right| left.0 < right.0));
        assert_eq!((keys.len(), keys[0].1, keys[1].1), (5, false, true));
        assert!(keys.iter().all(|(key, _)| key.starts_with(&[0, 17])));
    }

    #[test]
    fn a_change_that_the_index_does_not_see_makes_no_entries() {
        let mut entries = Entries::new(MapId(17));
        let long = |end: &str| Value::Text("x".repeat(300) + end);
        let mut replace = |old: [Value; 2], new: [Value; 2]| {
            let [old, new] = [old, new].map(|[one, two]| [one, two]);
            entries.replace(&[1, 0], &[old[0].as_ref(), old[1].as_ref()], &[new[0].as_ref(), new[1].as_ref()], &[2]);
            (entries.entries.len(), entries.arena.len())
        };
        assert_eq!(replace([Value::Integer(5), long("a")], [Value::Real(5.0), long("b")]), (0, 0));
        assert_eq!(replace([Value::Integer(5), long("a")], [Value::Null, long("b")]).0, 2);
    }
}
