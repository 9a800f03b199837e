//! What a read has looked at, and whether a commit can have changed it.
//!
//! **Invariant:** a commit that does not touch a read's footprint cannot have changed its result.

use super::key_list::KeyList;
use super::keys::{self, KeyRange, MapId, inner_key};
use super::record::{Changes, Touched};
use crate::ports::Seq;

/// Single keys that a footprint keeps; more make ranges of it.
const KEYS_MAX: usize = 1_024;
/// Ranges that it keeps; of more it keeps their maps.
const RANGES_MAX: usize = 1_024;

/// What a commit changed.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The commit's number.
    pub seq: Seq,
    /// Whether this tab made it.
    pub is_own: bool,
    /// Keys, ascending.
    pub(super) keys: KeyList,
    /// Ranges, first and last key.
    pub(super) ranges: Vec<Touched>,
    /// It is not known what; it may be everything.
    pub(super) everything: bool,
}

impl Change {
    pub(super) fn new(seq: Seq, is_own: bool, changes: &Changes, ranges: Vec<Touched>) -> Self {
        let keys = changes.keys().map(Vec::as_slice).collect();
        Self { seq, is_own, keys, ranges, everything: false }
    }

    /// The ids of changes of which it says what became of them.
    pub(crate) fn confirmed(&self) -> Vec<String> {
        let of_map = |key: &&[u8]| keys::map_of(key) == MapId::CONFIRMED.0;
        self.keys.iter().filter(of_map).map(|key| String::from_utf8_lossy(inner_key(key)).into_owned()).collect()
    }

    fn touches_key(&self, key: &[u8]) -> bool {
        self.keys.first_from(key) == Some(key)
            || self.ranges.iter().any(|(first, last)| **first <= *key && *key <= **last)
    }

    fn touches_range(&self, range: &KeyRange) -> bool {
        self.keys.first_from(&range.start).is_some_and(|key| range.contains(key))
            || self.ranges.iter().any(|(first, last)| **first < *range.end && *range.start <= **last)
    }
}

/// What a read has looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footprint {
    keys: Vec<Vec<u8>>,
    ranges: Vec<KeyRange>,
}

impl Footprint {
    /// Whether a commit can have changed what was read.
    #[must_use]
    pub fn is_touched_by(&self, change: &Change) -> bool {
        change.everything
            || self.keys.iter().any(|key| change.touches_key(key))
            || self.ranges.iter().any(|range| change.touches_range(range))
    }

    pub(super) fn add_key(&mut self, key: Vec<u8>) {
        if self.keys.len() >= KEYS_MAX {
            self.keys.sort_unstable();
            self.keys.dedup();
            if self.keys.len() > KEYS_MAX / 2 {
                self.make_ranges();
            }
        }
        if !self.ranges.iter().any(|range| range.contains(&key)) {
            self.keys.push(key);
        }
    }

    pub(super) fn add_range(&mut self, range: KeyRange) {
        if range.start < range.end && !self.ranges.contains(&range) {
            self.ranges.push(range);
        }
        if self.ranges.len() > RANGES_MAX {
            for range in std::mem::take(&mut self.ranges) {
                self.add_range(map_of(&range.start));
            }
        }
    }

    /// Adds what another read has looked at.
    pub(super) fn join(&mut self, other: Self) {
        other.ranges.into_iter().for_each(|range| self.add_range(range));
        other.keys.into_iter().for_each(|key| self.add_key(key));
    }

    /// Too many keys: the whole of their maps instead.
    fn make_ranges(&mut self) {
        for key in std::mem::take(&mut self.keys) {
            self.add_range(map_of(&key));
        }
    }
}

/// All keys of a key's map.
fn map_of(key: &[u8]) -> KeyRange {
    KeyRange::map(super::keys::MapId(super::keys::map_of(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::MapId;

    fn key(text: &str) -> Vec<u8> {
        super::super::keys::full_key(MapId(20), text.as_bytes())
    }

    fn change(keys: &[&str], ranges: &[(&str, &str)]) -> Change {
        let ranges = ranges.iter().map(|(first, last)| (key(first), key(last))).collect();
        Change::new(1, true, &keys.iter().map(|text| (key(text), None)).collect(), ranges)
    }

    #[test]
    fn only_what_was_read_counts() {
        let mut footprint = Footprint::default();
        footprint.add_key(key("c"));
        footprint.add_range(KeyRange { start: key("m"), end: key("p") });
        let touched = |keys: &[&str], ranges: &[(&str, &str)]| footprint.is_touched_by(&change(keys, ranges));
        assert!(touched(&["x", "c", "a"], &[]));
        assert!(touched(&["m"], &[]) && touched(&["z", "o", "a"], &[]));
        assert!(!touched(&["b", "d", "l", "p", "q"], &[]));
        assert!(touched(&[], &[("a", "c")]) && touched(&[], &[("a", "z")]) && touched(&[], &[("n", "n")]));
        assert!(!touched(&[], &[("d", "l"), ("p", "z")]));
        assert!(footprint.is_touched_by(&Change { everything: true, ..Change::default() }));
    }

    #[test]
    fn many_keys_become_their_map() {
        let mut footprint = Footprint::default();
        for number in 0..2_000 {
            footprint.add_key(key(&number.to_string()));
        }
        assert!(footprint.is_touched_by(&change(&["never read"], &[])));
        assert!(footprint.keys.len() <= KEYS_MAX);
        let mut footprint = Footprint::default();
        for number in 0..2_000 {
            footprint.add_range(KeyRange::prefix(MapId(20), number.to_string().as_bytes()));
        }
        assert!(footprint.is_touched_by(&change(&["never read"], &[])));
        assert!(footprint.ranges.len() <= RANGES_MAX);
    }
}
