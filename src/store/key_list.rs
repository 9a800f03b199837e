//! Keys in one piece of memory: a commit changes thousands, and each as a vector of its own would be allocated and freed again.

/// Keys, ascending.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyList {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl KeyList {
    fn push(&mut self, key: &[u8]) {
        debug_assert!(
            self.ends.len().checked_sub(1).and_then(|last| self.get(last)).is_none_or(|last| last <= key),
            "keys come in their order"
        );
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).filter_map(|place| self.get(place))
    }

    fn get(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end);
        self.bytes.get(start..end)
    }

    /// The first key that is not before another.
    pub(super) fn first_from(&self, key: &[u8]) -> Option<&[u8]> {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle).is_some_and(|found| found < key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.get(low)
    }
}

impl<'a> FromIterator<&'a [u8]> for KeyList {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(keys: I) -> Self {
        let mut list = Self::default();
        keys.into_iter().for_each(|key| list.push(key));
        list
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_list_is_its_keys(keys: Vec<Vec<u8>>, probe: Vec<u8>) {
            let mut ascending = keys;
            ascending.sort_unstable();
            let list: KeyList = ascending.iter().map(Vec::as_slice).collect();
            prop_assert!(list.iter().eq(ascending.iter().map(Vec::as_slice)));
            let first = ascending.iter().find(|key| **key >= probe);
            prop_assert_eq!(list.first_from(&probe), first.map(Vec::as_slice));
        }
    }
}
