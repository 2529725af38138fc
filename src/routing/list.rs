//! Moves within a list that cannot panic, whatever the place.
//!
//! **Invariant:** the only code of this room that calls the standard library's panicking methods of lists, each behind the check that it needs.
#![expect(clippy::disallowed_methods, reason = "each place is looked at before")]

/// Moves the element at this place to the front; those before it move back by one.
pub(super) fn to_front<T>(list: &mut [T], place: usize) {
    if let Some(head) = list.get_mut(..=place) {
        head.rotate_right(1);
    }
}

/// Moves so many elements from the front to the end.
pub(super) fn to_end<T>(list: &mut [T], count: usize) {
    if count <= list.len() {
        list.rotate_left(count);
    }
}

/// Takes out the element at this place, if there is one.
pub(super) fn take<T>(list: &mut Vec<T>, place: usize) -> Option<T> {
    (place < list.len()).then(|| list.remove(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_none_moves_nothing() {
        let mut list = vec![1, 2, 3];
        to_front(&mut list, 2);
        assert_eq!(list, [3, 1, 2]);
        to_end(&mut list, 1);
        assert_eq!((list.as_slice(), take(&mut list.clone(), 1)), ([1, 2, 3].as_slice(), Some(2)));
        to_front(&mut list, 3);
        to_end(&mut list, 4);
        assert_eq!((take(&mut list, 3), list), (None, vec![1, 2, 3]));
        to_front::<u8>(&mut [], 0);
        to_end::<u8>(&mut [], 0);
    }
}
