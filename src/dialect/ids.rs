//! The ids of calls, made to fit the strictest rule of all dialects (`^[a-zA-Z0-9_-]{1,64}$`, unique in a conversation).
//!
//! Providers write ids that others refuse, or the same id in every turn (`call_0`). The new id depends on the
//! conversation so far and nothing else, so that the next request, which repeats it, gives the same ids.
//!
//! **Invariant:** two calls never get one id, and a result gets the id of the call it answers.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The longest id, in characters, and how much of a longer one stays: there is room for the hash, and for a number behind it.
const LONGEST: usize = 64;
const KEPT: usize = 40;

/// How an id begins that is made here.
const MADE: &str = "call_made_";
/// What stands before a signature of Google's in ids as LiteLLM and others make them.
const SIGNED: &str = "__thought__";

/// The id of a call for which its provider gives none: the same for the same parts.
pub fn make(parts: &[&str]) -> String {
    format!("{MADE}{:016x}", hash(&parts.join("\n")))
}

/// Whether an id was made here, so that its provider does not know it.
pub fn is_made(id: &str) -> bool {
    id.starts_with(MADE)
}

/// An id without the signature that other gateways put behind it, and that signature.
pub fn split(id: Cow<'_, str>) -> (Cow<'_, str>, Option<Cow<'_, str>>) {
    match id {
        Cow::Borrowed(id) => match id.split_once(SIGNED) {
            Some((id, signature)) => (Cow::Borrowed(id), Some(Cow::Borrowed(signature))),
            None => (Cow::Borrowed(id), None),
        },
        Cow::Owned(id) => match id.split_once(SIGNED) {
            Some((id, signature)) => (Cow::Owned(id.to_owned()), Some(Cow::Owned(signature.to_owned()))),
            None => (Cow::Owned(id), None),
        },
    }
}

/// The members whose value is an id of a call.
pub const MEMBERS: [&str; 3] = ["id", "tool_call_id", "tool_use_id"];

/// Where a signature may begin. Every body with ids is looked through for it, and underlines are rare in what people write: to jump from one to the
/// next takes a fraction of what a search for the whole mark takes.
fn signed_at(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'_', text).find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(SIGNED.as_bytes())))
}

/// A body whose ids are without such signatures, byte for byte the same otherwise. `None`: it has none.
pub fn without_signatures(body: &[u8]) -> Option<Vec<u8>> {
    // Most have none, and are not copied.
    signed_at(body)?;
    let (mut kept, mut rest, mut changed) = (Vec::new(), body, false);
    while let Some((before, after)) = signed_at(rest).and_then(|at| rest.split_at_checked(at)) {
        let end = after.iter().position(|byte| *byte == b'"').unwrap_or(after.len());
        let (signed, following) = after.split_at_checked(end)?;
        kept.extend_from_slice(before);
        let is_signature = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
        match signed.iter().all(is_signature) && is_id(&kept) {
            true => changed = true,
            false => kept.extend_from_slice(signed),
        }
        rest = following;
    }
    kept.extend_from_slice(rest);
    changed.then_some(kept)
}

/// Whether a text ends within the value of a member that is an id.
fn is_id(text: &[u8]) -> bool {
    let mut parts = text.rsplitn(4, |byte| *byte == b'"');
    let (_, between, name) = (parts.next(), parts.next(), parts.next());
    between.is_some_and(|it| it.trim_ascii() == b":")
        && name.is_some_and(|name| MEMBERS.iter().any(|member| member.as_bytes() == name))
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The ids that were given out.
#[derive(Default)]
pub struct Given {
    taken: BTreeSet<String>,
    /// How often an id was asked for that was taken.
    again: BTreeMap<String, u32>,
}

impl Given {
    /// An id that nothing else has.
    pub fn give(&mut self, theirs: &str) -> String {
        let plain = fitted(theirs);
        let mut ours = plain.clone();
        while !self.taken.insert(ours.clone()) {
            let count = self.again.entry(plain.clone()).or_insert(1);
            *count = count.saturating_add(1);
            let end = format!("_{count}");
            ours = plain.chars().take(LONGEST.saturating_sub(end.len())).collect::<String>() + &end;
        }
        ours
    }
}

/// The ids of a conversation so far.
#[derive(Default)]
pub struct Ids<'r> {
    given: Given,
    /// The calls by the client's id.
    calls: BTreeMap<&'r str, Calls>,
}

/// The calls that came under one id.
#[derive(Default)]
struct Calls {
    /// Those without a result, oldest first.
    waiting: VecDeque<String>,
    /// The one that was answered last.
    answered: Option<String>,
}

impl<'r> Ids<'r> {
    /// The id of a call.
    pub fn call(&mut self, theirs: &'r str) -> String {
        let ours = self.given.give(theirs);
        self.calls.entry(theirs).or_default().waiting.push_back(ours.clone());
        ours
    }

    /// The id of the call that a result answers. A result without a call keeps its id: the provider says what is wrong.
    pub fn result(&mut self, theirs: &'r str) -> String {
        let Some(calls) = self.calls.get_mut(theirs) else { return fitted(theirs) };
        calls.answered = calls.waiting.pop_front().or_else(|| calls.answered.take());
        calls.answered.clone().unwrap_or_else(|| fitted(theirs))
    }
}

/// An id as a dialect takes it. A long one keeps its beginning, and a hash tells it from others that begin alike.
fn fitted(id: &str) -> String {
    if id.is_empty() {
        return "call".to_owned();
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    let length = id.chars().count();
    if length <= LONGEST {
        return id.chars().map(plain).collect();
    }
    let mut short: String = id.chars().take(KEPT).map(plain).collect();
    short.push_str(&format!("_{:016x}", hash(id)));
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G5.
    #[test]
    fn g5_signatures_go_nowhere_but_to_google() {
        let plain = |body: &str| without_signatures(body.as_bytes()).map(|body| String::from_utf8(body).unwrap());
        let chat = r#"{"x":1.50,"m":[{"id": "a__thought__Ab+/9==","n":"b__thought__c"},{"tool_call_id":"a__thought__Ab+/9=="}],"t":"id: \"a__thought__\""}"#;
        let wanted =
            r#"{"x":1.50,"m":[{"id": "a","n":"b__thought__c"},{"tool_call_id":"a"}],"t":"id: \"a__thought__\""}"#;
        assert_eq!(plain(chat).unwrap(), wanted);
        assert_eq!(plain(r#"{"content":"id__thought__x"}"#), None);
        assert_eq!(plain("__thought__"), None);
    }

    #[test]
    fn distinct_ids_stay_distinct() {
        let mut ids = Ids::default();
        assert_eq!(
            [ids.call("a.b"), ids.call("a:b"), ids.call("a_b"), ids.call("a_b_2")],
            ["a_b", "a_b_2", "a_b_3", "a_b_2_2"]
        );
        assert_eq!([ids.result("a:b"), ids.result("a.b"), ids.result("a_b")], ["a_b_2", "a_b", "a_b_3"]);
    }

    #[test]
    fn long_ids_are_short_and_distinct() {
        let long = |end: &str| format!("functions.{}:{end}", "x".repeat(80));
        let ids = [Ids::default().call(&long("0")), Ids::default().call(&long("1"))];
        assert!(ids[0] != ids[1] && ids.iter().all(|id| id.len() <= LONGEST), "{ids:?}");
        assert_eq!(Ids::default().call(&long("0")), ids[0], "the same on every request");
        assert_eq!(Ids::default().call(&"y".repeat(64)), "y".repeat(64));
    }

    #[test]
    fn a_repeated_id_is_a_new_call() {
        let mut ids = Ids::default();
        assert_eq!((ids.call("call_0"), ids.result("call_0")), ("call_0".into(), "call_0".into()));
        assert_eq!((ids.call("call_0"), ids.result("call_0")), ("call_0_2".into(), "call_0_2".into()));
    }

    #[test]
    fn parallel_calls_of_one_id_are_answered_in_order() {
        let mut ids = Ids::default();
        assert_eq!([ids.call("f"), ids.call("f")], ["f", "f_2"]);
        assert_eq!([ids.result("f"), ids.result("f"), ids.result("f")], ["f", "f_2", "f_2"]);
    }

    #[test]
    fn a_result_without_a_call_keeps_its_id() {
        assert_eq!(Ids::default().result("é?"), "__");
        assert_eq!(Ids::default().call(""), "call");
    }
}
