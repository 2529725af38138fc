//! The one sort: equals stay in their order.
//!
//! The standard library's is made anew for every type and every key, five to nine kilobytes of the module each time. This one sorts
//! numbers of places, whatever lies there, and panics on no order that contradicts itself.

use std::cmp::Ordering;

/// Sorts by a comparison.
pub fn by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let order = order(items.len(), &mut |one, other| match (items.get(one), items.get(other)) {
        (Some(one), Some(other)) => compare(one, other),
        _ => Ordering::Equal,
    });
    for (at, from) in order.iter().enumerate() {
        // What lay there before `at` was filled lies where it was exchanged with.
        let mut from = *from;
        while from < at {
            from = order.get(from).copied().unwrap_or(at);
        }
        // The same place twice is refused, and there is nothing to do.
        if let Ok([one, other]) = items.get_disjoint_mut([at, from]) {
            std::mem::swap(one, other);
        }
    }
}

/// Sorts by a key, lowest first.
pub fn by_key<T, K: Ord>(items: &mut [T], mut key: impl FnMut(&T) -> K) {
    by(items, |one, other| key(one).cmp(&key(other)));
}

/// The places below `length` as they are to be taken.
fn order(length: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..length).collect();
    let mut merged = Vec::with_capacity(length);
    let mut run = 1;
    while run < length {
        for two in sorted.chunks(run * 2) {
            let (mut left, mut right) = two.split_at_checked(run).unwrap_or((two, &[]));
            while let (Some((one, behind_one)), Some((other, behind_other))) = (left.split_first(), right.split_first())
            {
                if compare(*other, *one) == Ordering::Less {
                    merged.push(*other);
                    right = behind_other;
                } else {
                    merged.push(*one);
                    left = behind_one;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut sorted, &mut merged);
        merged.clear();
        run *= 2;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sorts_as_the_standard_library_does() {
        let mut seed = 1_u64;
        for length in 0..200 {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) % 20
            };
            let mut ours: Vec<(u64, usize)> = (0..length).map(|number| (next(), number)).collect();
            let mut theirs = ours.clone();
            by_key(&mut ours, |(key, _)| *key);
            theirs.sort_by_key(|(key, _)| *key);
            assert_eq!(ours, theirs, "equals stay in their order");
        }
    }

    #[test]
    fn an_order_that_contradicts_itself_loses_nothing() {
        let mut items: Vec<usize> = (0..50).collect();
        by(&mut items, |_, _| Ordering::Less);
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
