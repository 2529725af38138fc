//! The keys of `signalbox:` that bound what clients may do.
//!
//! **Invariant:** a body of the largest size that is allowed fits into what a worker may keep.

use super::field::{Diagnostics, Field};
use crate::config::model::Edge;

/// Half of what a VM may have: what is kept is also read and written anew there.
const MOST_BUFFERED: i64 = 512 * 1024 * 1024;

/// Reads one of them. Returns whether the name is one.
pub(super) fn read_one(edge: &mut Edge, name: &str, field: &Field<'_>, diagnostics: &mut Diagnostics) -> bool {
    match name {
        "max_buffered_bytes" => {
            let bytes = field.whole(diagnostics, 1024, MOST_BUFFERED).and_then(|bytes| u64::try_from(bytes).ok());
            edge.max_buffered_bytes = bytes.unwrap_or(edge.max_buffered_bytes);
        }
        _ => return false,
    }
    true
}

/// Looks at what only all of them together tell.
pub(super) fn check(edge: &Edge, max_request_bytes: u64, section: &Field<'_>, diagnostics: &mut Diagnostics) {
    let most = edge.max_buffered_bytes;
    if max_request_bytes > most {
        let at = section.at("max_request_bytes").or_else(|| section.at("max_buffered_bytes"));
        let problem =
            format!("no request of `max_request_bytes`, {max_request_bytes}, fits into `max_buffered_bytes`, {most}");
        at.as_ref().unwrap_or(section).error(diagnostics, problem, "lower the first, or raise the second");
    }
}
