//! A small ordered map in one piece of memory. A B-tree would cost the browser five kilobytes of code for every pair of types.

use std::collections::VecDeque;

/// Entries by key. Cheap where keys come in order and leave at either end; elsewhere it moves up to half of the entries.
pub(super) struct Sorted<K, V> {
    entries: VecDeque<(K, V)>,
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self { entries: VecDeque::new() }
    }
}

impl<K: Ord + Copy, V> Sorted<K, V> {
    fn find(&self, key: K) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&key, |(key, _)| *key)
    }

    /// The entry with the smallest key.
    pub(super) fn first(&self) -> Option<&(K, V)> {
        self.entries.front()
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.entries.get(self.find(key).ok()?).map(|(_, value)| value)
    }

    /// Takes the place of what was there.
    pub(super) fn insert(&mut self, key: K, value: V) {
        match self.find(key) {
            Ok(index) => {
                if let Some(entry) = self.entries.get_mut(index) {
                    entry.1 = value;
                }
            }
            Err(index) => self.entries.insert(index, (key, value)),
        }
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let index = self.find(key).ok()?;
        self.entries.remove(index).map(|(_, value)| value)
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = V> {
        self.entries.into_iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::Sorted;

    proptest! {
        #[test]
        fn is_a_map(ops in proptest::collection::vec((any::<bool>(), 0_u8..8, any::<u8>()), 0..40)) {
            let (mut map, mut model) = (Sorted::default(), BTreeMap::new());
            for (is_insert, key, value) in ops {
                if is_insert {
                    map.insert(key, value);
                    model.insert(key, value);
                } else {
                    prop_assert_eq!(map.remove(key), model.remove(&key));
                }
                prop_assert_eq!(map.get(key), model.get(&key));
                prop_assert_eq!(map.first().map(|(key, _)| *key), model.keys().next().copied());
            }
            prop_assert_eq!(map.into_values().collect::<Vec<_>>(), model.into_values().collect::<Vec<_>>());
        }
    }
}
