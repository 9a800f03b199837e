//! Pages: sorted entries in up to 48 KiB, with what all keys have in common written once.
//!
//! ```text
//! checksum (8) | entries (2) | common prefix: length (2), bytes | offset of every entry (2 each) | entries
//! entry: length of the key's rest | length of the value + 1, 0 for a removal | key's rest | value
//! ```
//!
//! A value that does not fit has a page of its own.
//!
//! **Invariant:** keys ascend strictly. **Invariant:** the checksum (xxHash64) is verified once, when a page comes from the storage.

use std::rc::Rc;

use super::bytes::Bytes;
use super::keys::common_prefix;
use crate::error::{Code, Error, Result};
use crate::model::varint;

/// Bytes of a page, unless a single entry is larger. Above 64 KiB Chromium would move it to a file of its own.
pub(super) const PAGE_BYTES_MAX: usize = 48 * 1024;
/// Bytes before the common prefix.
const HEADER_BYTES: usize = 12;
/// Bytes of an entry besides key and value, at most, as estimated while a page fills.
const ENTRY_BYTES: usize = 6;

/// Bytes of the common prefix, at most.
const PREFIX_BYTES_MAX: usize = 4 * 1024;

const _: () = assert!(PAGE_BYTES_MAX + HEADER_BYTES < u16::MAX as usize);

/// A page that was built.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BuiltPage {
    pub(super) bytes: Vec<u8>,
    pub(super) first: Vec<u8>,
    pub(super) last: Vec<u8>,
    pub(super) count: u16,
    /// Whether there are removals in it.
    pub(super) removals: bool,
}

/// Collects ascending entries until a page is full.
#[derive(Default)]
pub(super) struct PageBuilder {
    /// Keys and values, one after the other.
    arena: Vec<u8>,
    /// Lengths of key and value; no value is a removal.
    entries: Vec<(u32, Option<u32>)>,
    first: Vec<u8>,
    /// Bytes that all keys have in common.
    prefix: usize,
    removals: bool,
}

impl PageBuilder {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes the page would have, about.
    pub(super) fn size(&self) -> usize {
        self.estimate(self.prefix)
    }

    fn estimate(&self, prefix: usize) -> usize {
        HEADER_BYTES + prefix + self.arena.len() + self.entries.len() * ENTRY_BYTES - self.entries.len() * prefix
    }

    /// Whether an entry would make the page too large.
    pub(super) fn is_full_for(&self, key: &[u8], value_length: usize) -> bool {
        if self.is_empty() {
            return false;
        }
        let prefix = common_prefix(self.first.get(..self.prefix).unwrap_or_default(), key);
        let more = ENTRY_BYTES + key.len() - prefix + value_length;
        self.estimate(prefix) + more > PAGE_BYTES_MAX
    }

    /// Adds an entry, its value in two parts. Its key is larger than all before.
    pub(super) fn add(&mut self, key: &[u8], value: Option<(&[u8], &[u8])>) {
        if self.entries.is_empty() {
            self.first.clear();
            self.first.extend_from_slice(key);
            self.prefix = key.len().min(PREFIX_BYTES_MAX);
        } else {
            self.prefix = common_prefix(self.first.get(..self.prefix).unwrap_or_default(), key);
        }
        self.arena.extend_from_slice(key);
        if let Some((head, body)) = value {
            self.arena.extend_from_slice(head);
            self.arena.extend_from_slice(body);
        }
        self.removals |= value.is_none();
        self.entries.push((key.len() as u32, value.map(|(head, body)| (head.len() + body.len()) as u32)));
    }

    /// The page of what was added since the last one.
    pub(super) fn finish(&mut self) -> BuiltPage {
        let count = self.entries.len() as u16;
        let mut bytes = Vec::with_capacity(self.size());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&(self.prefix as u16).to_le_bytes());
        bytes.extend_from_slice(self.first.get(..self.prefix).unwrap_or_default());
        let offsets = bytes.len();
        bytes.resize(offsets + 2 * self.entries.len(), 0);
        let entries = bytes.len();
        let mut rest = self.arena.as_slice();
        let mut last: &[u8] = &[];
        for (place, (key_length, value_length)) in self.entries.iter().enumerate() {
            let offset = (bytes.len() - entries) as u16;
            if let Some(slot) = bytes.get_mut(offsets + 2 * place..offsets + 2 * place + 2) {
                slot.copy_from_slice(&offset.to_le_bytes());
            }
            let (key, after) = rest.split_at(*key_length as usize);
            let (value, after) = after.split_at(value_length.map_or(0, |length| length as usize));
            let key_rest = key.get(self.prefix..).unwrap_or_default();
            varint::put(key_rest.len() as u64, &mut bytes);
            varint::put(value_length.map_or(0, |length| u64::from(length) + 1), &mut bytes);
            bytes.extend_from_slice(key_rest);
            bytes.extend_from_slice(value);
            (last, rest) = (key, after);
        }
        let page = BuiltPage {
            first: self.first.clone(),
            last: last.to_vec(),
            count,
            removals: self.removals,
            bytes: sealed(bytes),
        };
        self.arena.clear();
        self.entries.clear();
        self.removals = false;
        page
    }
}

/// Writes the checksum of the rest into the first eight bytes.
pub(super) fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some((checksum, rest)) = bytes.split_first_chunk_mut::<8>() {
        *checksum = xxhash_rust::xxh64::xxh64(rest, 0).to_le_bytes();
    }
    bytes
}

/// The rest of sealed bytes, when the checksum is right.
pub(super) fn unsealed(bytes: &[u8]) -> Option<&[u8]> {
    let (checksum, rest) = bytes.split_first_chunk::<8>()?;
    (u64::from_le_bytes(*checksum) == xxhash_rust::xxh64::xxh64(rest, 0)).then_some(rest)
}

/// A page in memory.
#[derive(Debug)]
pub(super) struct Page {
    bytes: Rc<Vec<u8>>,
    count: usize,
    /// Where the offsets begin: the prefix ends there.
    offsets: usize,
    /// Where the entries begin.
    entries: usize,
}

/// An entry of a page.
pub(super) struct Entry<'a> {
    pub(super) key_rest: &'a [u8],
    /// Where its value is in the page; none for a removal.
    value: Option<(usize, usize)>,
}

impl Entry<'_> {
    pub(super) const fn is_removal(&self) -> bool {
        self.value.is_none()
    }
}

impl Page {
    /// The page in bytes from the storage.
    ///
    /// # Errors
    /// `store/corrupt` naming the page.
    pub(super) fn open(id: u64, bytes: Vec<u8>) -> Result<Self> {
        let is_right = unsealed(&bytes).is_some();
        let page = is_right.then(|| Self::of(bytes)).flatten();
        page.ok_or_else(|| Error::new(Code::StoreCorrupt, format!("page {id} is damaged")))
    }

    /// The page in bytes that were built here.
    pub(super) fn of(bytes: Vec<u8>) -> Option<Self> {
        let count = usize::from(u16::from_le_bytes(*bytes.get(8..)?.first_chunk()?));
        let prefix = usize::from(u16::from_le_bytes(*bytes.get(10..)?.first_chunk()?));
        let offsets = HEADER_BYTES + prefix;
        let entries = offsets + 2 * count;
        (entries <= bytes.len()).then(|| Self { bytes: Rc::new(bytes), count, offsets, entries })
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many entries it has.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// What all its keys begin with.
    pub(super) fn prefix(&self) -> &[u8] {
        self.bytes.get(HEADER_BYTES..self.offsets).unwrap_or_default()
    }

    /// The entry at a place.
    pub(super) fn entry(&self, place: usize) -> Option<Entry<'_>> {
        if place >= self.count {
            return None;
        }
        let offset = u16::from_le_bytes(*self.bytes.get(self.offsets + 2 * place..)?.first_chunk()?);
        let (key_length, rest) = varint::take(self.bytes.get(self.entries + usize::from(offset)..)?)?;
        let (value_length, rest) = varint::take(rest)?;
        let (key_rest, after) = rest.split_at_checked(usize::try_from(key_length).ok()?)?;
        let start = self.bytes.len() - after.len();
        let value = match usize::try_from(value_length).ok()?.checked_sub(1) {
            Some(length) => Some((start, start.checked_add(length).filter(|end| *end <= self.bytes.len())?)),
            None => None,
        };
        Some(Entry { key_rest, value })
    }

    /// The full key of an entry, in place of what `key` was.
    pub(super) fn put_key(&self, entry: &Entry<'_>, key: &mut Vec<u8>) {
        key.clear();
        key.extend_from_slice(self.prefix());
        key.extend_from_slice(entry.key_rest);
    }

    /// The value of an entry; none for a removal.
    pub(super) fn value(&self, entry: &Entry<'_>) -> Option<Bytes> {
        entry.value.map(|(start, end)| Bytes::part(&self.bytes, start, end))
    }

    /// The value of an entry, not shared.
    pub(super) fn value_bytes(&self, entry: &Entry<'_>) -> Option<&[u8]> {
        entry.value.and_then(|(start, end)| self.bytes.get(start..end))
    }

    /// The place of a key, or the place where it would be.
    pub(super) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let prefix = self.prefix();
        let common = common_prefix(prefix, key);
        if common < prefix.len() {
            let is_behind = key.get(common) > prefix.get(common);
            return Err(if is_behind { self.count } else { 0 });
        }
        let rest = key.get(common..).unwrap_or_default();
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.entry(middle).map(|entry| entry.key_rest.cmp(rest)) {
                Some(std::cmp::Ordering::Equal) => return Ok(middle),
                Some(std::cmp::Ordering::Less) => low = middle + 1,
                Some(std::cmp::Ordering::Greater) | None => high = middle,
            }
        }
        Err(low)
    }

    /// The first place whose key is not smaller.
    pub(super) fn lower_bound(&self, key: &[u8]) -> usize {
        self.search(key).unwrap_or_else(|place| place)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn build(entries: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> BuiltPage {
        let mut builder = PageBuilder::default();
        for (key, value) in entries {
            builder.add(key, value.as_deref().map(|value| value.split_at(value.len() / 2)));
        }
        builder.finish()
    }

    proptest! {
        #[test]
        fn a_page_has_what_was_added(
            keys in prop::collection::btree_map(
                prop::collection::vec(0_u8..3, 0..6),
                prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
                1..80,
            ),
            probe in prop::collection::vec(0_u8..3, 0..6),
        ) {
            let entries: BTreeMap<Vec<u8>, Option<Vec<u8>>> =
                keys.into_iter().map(|(key, value)| ([b"prefix".to_vec(), key].concat(), value)).collect();
            let built = build(&entries);
            prop_assert_eq!(Some(&built.first), entries.keys().next());
            prop_assert_eq!(Some(&built.last), entries.keys().last());
            prop_assert_eq!(built.removals, entries.values().any(Option::is_none));
            let page = Page::open(1, built.bytes).unwrap();
            prop_assert_eq!(page.count(), entries.len());
            for (place, (key, value)) in entries.iter().enumerate() {
                let entry = page.entry(place).unwrap();
                prop_assert_eq!(&[page.prefix(), entry.key_rest].concat(), key);
                prop_assert_eq!(page.value(&entry).map(|value| value.to_vec()), value.clone());
                prop_assert_eq!(page.value_bytes(&entry), value.as_deref());
                prop_assert_eq!(page.search(key), Ok(place));
            }
            for probe in [[b"prefix".to_vec(), probe.clone()].concat(), [b"pre".to_vec(), probe].concat()] {
                let expected = entries.keys().position(|key| *key >= probe).unwrap_or(entries.len());
                prop_assert_eq!(page.lower_bound(&probe), expected);
                prop_assert_eq!(page.search(&probe).is_ok(), entries.contains_key(&probe));
            }
        }
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let built = build(&BTreeMap::from([(vec![1, 2], Some(vec![3; 50])), (vec![1, 3], None)]));
        for place in 0..built.bytes.len() {
            let mut bytes = built.bytes.clone();
            bytes[place] ^= 0x10;
            let error = Page::open(77, bytes).unwrap_err();
            assert_eq!((error.code(), error.detail()), (Code::StoreCorrupt, "page 77 is damaged"));
        }
        assert!(Page::open(77, built.bytes[..5].to_vec()).is_err());
    }

    #[test]
    fn a_page_fills_up_to_its_limit() {
        let mut builder = PageBuilder::default();
        let mut number = 0_u32;
        while !builder.is_full_for(&number.to_be_bytes(), 240) {
            builder.add(&number.to_be_bytes(), Some((&[7; 240], &[])));
            number += 1;
        }
        let page = builder.finish();
        assert!(page.bytes.len() <= PAGE_BYTES_MAX && page.bytes.len() > PAGE_BYTES_MAX - 1200, "{}", page.bytes.len());
        assert!(builder.is_empty());
        assert!(!builder.is_full_for(&[1], 200_000));
        builder.add(&[1], Some((&vec![0; 200_000], &[])));
        assert!(builder.is_full_for(&[2], 0));
    }
}
