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
    memmem::find(body, b"encrypted_content\"")?;
    let mut names = DroppedFields::new(true);
    let mut walked = None;
    Scan::new(body).object(|scan, name| {
        if name != b"input" {
            return scan.skip();
        }
        let input = scan.value()?;
        let kept = list(input, &mut |at, item| {
            is_foreign(item).then(|| {
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

/// Whether an item is reasoning that carries what another provider made.
fn is_foreign(item: &[u8]) -> bool {
    let mut sealed: &[u8] = b"";
    let walked = Scan::new(item).object(|scan, name| {
        let value = scan.value()?;
        if name == b"encrypted_content" {
            sealed = value;
        }
        Some(())
    });
    let sealed = sealed.strip_prefix(b"\"").and_then(|sealed| std::str::from_utf8(sealed).ok());
    walked.is_some() && sealed.is_some_and(is_carried)
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
        for same in
            [body(&[own, user].join(",")), r#"{"model":"m","input":"encrypted_content\""}"#.to_owned(), "{".to_owned()]
        {
            assert_eq!(without(same.as_bytes()), None, "{same}");
        }
    }
}
