//! Reasoning in a client's own request that this provider cannot read: another one thought it, and clients hand back whatever they were given.
//! It is refused, so it is left out.
//!
//! **Invariant:** every other item keeps its very bytes.

use memchr::memmem;

use crate::dialect::edit::{list, span, with};
use crate::dialect::thinking::is_carried;
use crate::dialect::unsupported::DroppedFields;
use crate::json::Scan;

/// The body without such items, and their places; `None`: there are none.
pub fn without(body: &[u8]) -> Option<(Vec<u8>, Vec<String>)> {
    left_out(body, |_, sealed| std::str::from_utf8(sealed).is_ok_and(is_carried))
}

/// The body without any reasoning that is sealed, which only the account that made it can open, and the places; `None`: there is none.
pub fn without_sealed(body: &[u8]) -> Option<(Vec<u8>, Vec<String>)> {
    left_out(body, |kind, sealed| kind == b"\"reasoning\"" && !sealed.is_empty())
}

/// The body without the items of which `goes` says so by their type and what is sealed in them.
fn left_out(body: &[u8], goes: fn(&[u8], &[u8]) -> bool) -> Option<(Vec<u8>, Vec<String>)> {
    memmem::find(body, b"encrypted_content\"")?;
    let mut names = DroppedFields::new(true);
    let mut walked = None;
    Scan::new(body).object(|scan, name| {
        if name != b"input" {
            return scan.skip();
        }
        let input = scan.value()?;
        let kept = list(input, &mut |at, item| {
            is_one(item, goes).then(|| {
                names.hint(&format!("input[{at}]"));
                Vec::new()
            })
        });
        // Of two members of this name, the last counts.
        walked = kept.map(|list| (span(body, input), list));
        Some(())
    })?;
    let (span, list) = walked?;
    Some((with(body, &span, &list), names.names()))
}

fn is_one(item: &[u8], goes: fn(&[u8], &[u8]) -> bool) -> bool {
    let (mut kind, mut sealed): (&[u8], &[u8]) = (b"", b"");
    let walked = Scan::new(item).object(|scan, name| {
        let value = scan.value()?;
        match name {
            b"type" => kind = value,
            b"encrypted_content" => sealed = value,
            _ => {}
        }
        Some(())
    });
    walked.is_some() && sealed.strip_prefix(b"\"").is_some_and(|sealed| goes(kind, sealed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r11_what_another_provider_thought_is_left_out_and_all_else_keeps_its_bytes() {
        let own = r#"{"type":"reasoning", "id":"rs_1","summary":[],"encrypted_content":"gAAA"}"#;
        let foreign = r#"{"encrypted_content":"sb1.signed.EqoB","type":"reasoning","summary":[]}"#;
        let user = r#"{ "role":"user","content":"the \"encrypted_content\":\"sb1.\"" }"#;
        let body = |items: &str| format!(r#"{{"model":"m", "input":[{items}],"x":1.50}}"#);
        let (kept, names) = without(body(&[own, foreign, user].join(", ")).as_bytes()).unwrap();
        assert_eq!(
            (String::from_utf8(kept).unwrap(), names),
            (body(&[own, user].join(",")), vec!["input[1]".to_owned()])
        );
        let (kept, names) = without_sealed(body(&[own, user].join(",")).as_bytes()).unwrap();
        assert_eq!((String::from_utf8(kept).unwrap(), names), (body(user), vec!["input[0]".to_owned()]));
        assert_eq!(without_sealed(body(user).as_bytes()), None);
        for same in
            [body(&[own, user].join(",")), r#"{"model":"m","input":"encrypted_content\""}"#.to_owned(), "{".to_owned()]
        {
            assert_eq!(without(same.as_bytes()), None, "{same}");
        }
    }
}
