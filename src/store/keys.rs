//! Keys of the one ordered space: a map's number and the key inside the map; and ranges of them.

/// The number of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MapId(pub u16);

impl MapId {
    /// Counters, cursors, the client's id, the catalog.
    pub const SYSTEM: Self = Self(0);
    /// Local changes that the server has not acknowledged, by position.
    pub const OUTBOX: Self = Self(1);
    /// The server's rows of records with local changes.
    pub const BASE: Self = Self(2);
    /// Which entries of the outbox belong to a record.
    pub const PENDING: Self = Self(3);
    /// Changes the server refused, by position.
    pub const INBOX: Self = Self(4);
    /// Changes that met a newer row, by position.
    pub const CONFLICTS: Self = Self(5);
    /// Positions of the changes that were sent, by `seq`.
    pub const SENT: Self = Self(6);
    /// What became of changes, by change id.
    pub const CONFIRMED: Self = Self(7);
    /// Rows that were accepted and are in no bucket yet.
    pub const UNPLACED: Self = Self(8);
    /// Conflicts that were resolved, by position, so that it can be undone for a while.
    pub const RESOLVED: Self = Self(9);
}

/// Bytes of the map's number in a key.
pub(super) const MAP_BYTES: usize = 2;

/// A key of the whole space.
pub(super) fn full_key(map: MapId, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(MAP_BYTES + key.len());
    full.extend_from_slice(&map.0.to_be_bytes());
    full.extend_from_slice(key);
    full
}

/// The part of a full key that is inside its map.
pub(super) fn inner_key(full: &[u8]) -> &[u8] {
    full.get(MAP_BYTES..).unwrap_or_default()
}

/// The map of a full key.
pub(super) fn map_of(full: &[u8]) -> u16 {
    full.first_chunk().map_or(0, |map| u16::from_be_bytes(*map))
}

/// Full keys from `start` to before `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRange {
    pub(super) start: Vec<u8>,
    pub(super) end: Vec<u8>,
}

impl KeyRange {
    /// All keys that begin so.
    pub(super) fn prefix(map: MapId, prefix: &[u8]) -> Self {
        let start = full_key(map, prefix);
        let end = after_prefix(&start);
        Self { start, end }
    }

    /// The keys of a map from this one on.
    pub(super) fn from(map: MapId, key: &[u8]) -> Self {
        Self { start: full_key(map, key), ..Self::map(map) }
    }

    /// All keys of a map.
    pub(super) fn map(map: MapId) -> Self {
        Self::prefix(map, &[])
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        *self.start <= *key && *key < *self.end
    }
}

/// The first key behind all that begin so. (The last map's number is never given, so there is always one.)
pub(super) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![u8::MAX; MAP_BYTES + 1]
}

/// The first key behind this one.
pub(super) fn after_key(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// How many bytes two keys have in common at the front.
pub(super) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next() {
        let range = KeyRange::prefix(MapId(16), &[1, 0xff]);
        assert_eq!((range.start.as_slice(), range.end.as_slice()), (&[0, 16, 1, 0xff][..], &[0, 16, 2][..]));
        assert!(range.contains(&[0, 16, 1, 0xff]) && range.contains(&[0, 16, 1, 0xff, 0xff, 0xff]));
        assert!(!range.contains(&[0, 16, 2]) && !range.contains(&[0, 16, 1, 0xfe]));
        assert_eq!(KeyRange::map(MapId(0x00ff)).end, [1]);
        assert_eq!(KeyRange::map(MapId(0xffff)).end, [0xff, 0xff, 0xff]);
        assert_eq!(common_prefix(b"abc", b"abd"), 2);
    }
}
