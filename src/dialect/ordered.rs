//! A small map in order of its keys.
//!
//! The standard library's tree is made anew for every type, four to six kilobytes of the module each time. What is open in a stream is
//! little, comes in order, and is closed in order: this is a row of pairs, and takes a quarter of that.

use std::collections::VecDeque;

/// Values by key, lowest first. What comes in order, and leaves by either end, costs nothing to move.
#[derive(Debug, Clone)]
pub(in crate::dialect) struct Ordered<K, V>(VecDeque<(K, V)>);

// Not derived: that would ask it of keys and values.
impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: Ord + Copy, V> Ordered<K, V> {
    /// Where a key is, or where it would be.
    fn place(&self, key: &K) -> Result<usize, usize> {
        // Mostly behind all others.
        if self.0.back().is_none_or(|(last, _)| last < key) {
            return Err(self.0.len());
        }
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(self.place(key).ok()?).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.place(key).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Whether there is a value.
    pub fn contains_key(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }

    /// Sets the value of a key.
    #[expect(clippy::disallowed_methods, reason = "a place for a key is among them, or behind the last")]
    pub fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(place) => {
                if let Some(pair) = self.0.get_mut(place) {
                    pair.1 = value;
                }
            }
            Err(place) => self.0.insert(place, (key, value)),
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.place(key).ok()?;
        self.0.remove(place).map(|(_, value)| value)
    }

    /// The lowest key.
    pub fn first(&self) -> Option<K> {
        self.0.front().map(|(key, _)| *key)
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    /// All values, to be changed, in order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::routing::strategy::Random;

    #[test]
    fn it_does_what_a_tree_does() {
        let mut random = Random::new(7);
        let mut below = |bound: u64| usize::try_from(random.next() % bound).unwrap();
        let (mut this, mut tree) = (Ordered::default(), BTreeMap::new());
        for step in 0..5_000 {
            let key = below(40);
            match below(4) {
                0 => assert_eq!(this.remove(&key), tree.remove(&key)),
                1 => {
                    assert_eq!(this.get_mut(&key).map(|value| *value += 1), tree.get_mut(&key).map(|value| *value += 1))
                }
                _ => {
                    this.insert(key, step);
                    tree.insert(key, step);
                }
            }
            assert_eq!((this.get(&key), this.contains_key(&key)), (tree.get(&key), tree.contains_key(&key)));
            assert_eq!(this.first(), tree.keys().next().copied());
        }
        assert!(this.iter().eq(tree.iter().map(|(key, value)| (*key, value))));
        assert!(this.values_mut().eq(tree.values_mut()));
    }
}
