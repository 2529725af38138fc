//! Which deployment made a response that its provider keeps: the id that the client sees says it.
//!
//! Where several deployments keep responses, an id alone does not tell whose it is. So behind it stands a mark of its deployment, which is
//! taken off before the id goes back there. Nothing is remembered: any worker, and the gateway after a restart, knows as much.
//!
//! **Invariant:** a mark is of a deployment's id alone, and an id without one is left as it is.

use std::borrow::Cow;

use crate::config::model::{Deployment, RouterConfig};
use crate::provider::Api;

/// What stands before the mark.
const SIGN: &str = "_sb";
/// The length of the mark, in hexadecimal digits.
const DIGITS: usize = 8;

/// The mark of a deployment's responses; `None`: no other one keeps any.
pub(super) fn mark(config: &RouterConfig, deployment: &Deployment) -> Option<String> {
    let keeps = |it: &&Deployment| it.speaks(Api::Kept.dialect()) == Api::Kept.dialect();
    let is_alone = config.deployments.iter().filter(keeps).nth(1).is_none();
    (!is_alone).then(|| format!("{SIGN}{:08x}", hash(&deployment.id)))
}

/// An id without its mark, and the mark; `None`: it has none.
pub(super) fn marked(id: &str) -> Option<(&str, u32)> {
    let (id, mark) = id.split_at_checked(id.len().checked_sub(SIGN.len() + DIGITS)?)?;
    let digits = mark.strip_prefix(SIGN)?;
    Some((id, u32::from_str_radix(digits, 16).ok()?))
}

/// Whether a mark is a deployment's.
pub(super) fn is_of(mark: u32, deployment: &Deployment) -> bool {
    hash(&deployment.id) == mark
}

/// What follows on `/responses` in a path of [`Api::Kept`], the mark taken off, and the mark.
pub(super) fn below(path: &str) -> (String, Option<u32>) {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let below = path.split_once("responses").map_or("", |(_, below)| below).trim_matches('/');
    let (id, more) = below.split_once('/').map_or((below, ""), |(id, more)| (id, more));
    let (id, mark) = marked(id).map_or((id, None), |(id, mark)| (id, Some(mark)));
    let mut told = ["/", id].concat();
    if !more.is_empty() {
        told.push('/');
        told.push_str(more);
    }
    if let Some(query) = query {
        told.push('?');
        told.push_str(query);
    }
    (told, mark)
}

/// A body with an id that has a mark, without that.
pub(super) fn unmarked<'b>(body: &'b [u8], id: &str) -> Cow<'b, [u8]> {
    let Some((bare, _)) = marked(id) else { return body.into() };
    let (from, to) = (format!("\"{id}\""), format!("\"{bare}\""));
    let Some(at) = memchr::memmem::find(body, from.as_bytes()) else { return body.into() };
    let (before, after) = (body.get(..at), body.get(at + from.len()..));
    [before.unwrap_or_default(), to.as_bytes(), after.unwrap_or_default()].concat().into()
}

/// FNV-1a: the same in each build and each worker.
pub(super) fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_put_on_and_taken_off() {
        assert_eq!(marked("resp_1_sb0000abcd"), Some(("resp_1", 0xabcd)));
        assert_eq!(marked("resp_1_sbx000abcd"), None);
        assert_eq!((marked("resp_1"), marked("")), (None, None));
        let told = |path| below(path);
        assert_eq!(told("/v1/responses/resp_1_sb0000abcd"), ("/resp_1".to_owned(), Some(0xabcd)));
        assert_eq!(told("/responses//r/cancel/?a=b"), ("/r/cancel?a=b".to_owned(), None));
        let body = br#"{"previous_response_id":"r_sb0000abcd","input":"say \"r_sb0000abcd\""}"#;
        let wanted = br#"{"previous_response_id":"r","input":"say \"r_sb0000abcd\""}"#;
        assert_eq!(&*unmarked(body, "r_sb0000abcd"), wanted);
        assert_eq!(&*unmarked(body, "r"), body);
    }
}
