//! Leases for what one worker does for all.

use super::StateStore;
use super::store::NEVER;

const KEY: &str = "lease";

/// Takes a lease for some milliseconds. One worker at a time has it. Returns whether this one has it now.
pub fn try_lease(store: &dyn StateStore, now_ms: u64, for_ms: u64) -> bool {
    let read = store.read(KEY);
    let version = read.as_ref().map_or(NEVER, |(_, version)| *version);
    let until_ms = read.and_then(|(bytes, _)| Some(u64::from_le_bytes(bytes.try_into().ok()?))).unwrap_or_default();
    // After a clock was set back, the lease must still end.
    let taken = until_ms > now_ms && until_ms <= now_ms.saturating_add(for_ms);
    !taken && store.write(KEY, &now_ms.saturating_add(for_ms).to_le_bytes(), Some(version))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::state::memory::Memory;

    #[test]
    fn one_has_the_lease_also_where_two_want_the_first_one() {
        let store = Memory::default();
        let is_first = std::cell::Cell::new(true);
        *store.meanwhile.borrow_mut() = Some(Rc::new(move |store: &Memory| {
            if is_first.replace(false) {
                assert!(try_lease(store, 1_000, 500), "the other worker is quicker");
            }
        }));
        assert!(!try_lease(&store, 1_000, 500));
        assert!(!try_lease(&store, 1_499, 500) && try_lease(&store, 1_500, 500));
        assert!(try_lease(&store, 10, 500), "a clock that was set back");
    }
}
