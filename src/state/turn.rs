//! Whose turn it is to do what one worker does for all.

use super::StateStore;

const KEY: &str = "turn";

/// Takes the turn for so many milliseconds. One worker at a time has it. Returns whether this one has now.
pub fn take_turn(store: &dyn StateStore, now_ms: u64, for_ms: u64) -> bool {
    let read = store.read(KEY);
    let version = read.as_ref().map(|(_, version)| *version);
    let until_ms = read.and_then(|(bytes, _)| Some(u64::from_le_bytes(bytes.try_into().ok()?))).unwrap_or_default();
    // A clock that was set back must not keep everybody waiting.
    let taken = until_ms > now_ms && until_ms <= now_ms.saturating_add(for_ms);
    !taken && store.write(KEY, &now_ms.saturating_add(for_ms).to_le_bytes(), version)
}
