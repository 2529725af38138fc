//! Thinking in a client's own Messages that this provider did not sign: another one thought it, and clients hand back whatever they were given.
//! It is refused, so it is left out.
//!
//! **Invariant:** every other block keeps its very bytes, and a message keeps a block, or is left out.

use memchr::memmem;

use crate::dialect::edit::{list, span, with};
use crate::dialect::thinking::is_carried;
use crate::dialect::unsupported::DroppedFields;
use crate::json::Scan;

/// The body without such blocks, and their places; `None`: there are none.
pub fn without(body: &[u8]) -> Option<(Vec<u8>, Vec<String>)> {
    memmem::find(body, b"thinking\"")?;
    let mut names = DroppedFields::new(true);
    let mut kept = Vec::new();
    let mut walked = None;
    Scan::new(body).object(|scan, name| {
        if name != b"messages" {
            return scan.skip();
        }
        let messages = scan.value()?;
        let rewritten = list(messages, &mut |at, message| {
            let blocks = content(message)?;
            let kept = list(blocks, &mut |block_at, block| {
                let is_left_out = is_unsigned(block);
                if is_left_out {
                    names.hint(&format!("messages[{at}].content[{block_at}]"));
                }
                is_left_out.then(Vec::new)
            })?;
            Some(if kept == b"[]" { Vec::new() } else { with(message, &span(message, blocks), &kept) })
        });
        // Of two members of this name, the last counts.
        walked = rewritten.map(|list| (span(body, messages), list));
        Some(())
    })?;
    if let Some((span, list)) = walked {
        kept = with(body, &span, &list);
    }
    (!kept.is_empty()).then(|| (kept, names.names()))
}

/// A message's content, where it is a list.
fn content(message: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    Scan::new(message).object(|scan, name| {
        let value = scan.value()?;
        if name == b"content" {
            found = Some(value);
        }
        Some(())
    })?;
    found.filter(|value| value.starts_with(b"["))
}

/// Whether a block is thinking that Claude did not sign.
fn is_unsigned(block: &[u8]) -> bool {
    let (mut is_thinking, mut seal) = (false, None);
    let walked = Scan::new(block).object(|scan, name| {
        let value = scan.value()?;
        match name {
            b"type" => is_thinking = matches!(value, b"\"thinking\"" | b"\"redacted_thinking\""),
            b"signature" | b"data" => seal = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")),
            _ => {}
        }
        Some(())
    });
    let is_signed = |seal: &[u8]| !seal.is_empty() && std::str::from_utf8(seal).is_ok_and(|seal| !is_carried(seal));
    walked.is_some() && is_thinking && !seal.is_some_and(is_signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suited(messages: &str) -> Option<(String, Vec<String>)> {
        let (body, names) = without(format!(r#"{{"model":"m", "messages": {messages},"x":1.50}}"#).as_bytes())?;
        Some((String::from_utf8(body).unwrap(), names))
    }

    /// M30.
    #[test]
    fn m30_unsigned_thinking_is_left_out_and_signed_thinking_keeps_its_bytes() {
        let signed = r#"{ "type":"thinking", "thinking":"a \u0062", "signature":"EqoB/+==" }"#;
        let call = r#"{"type":"tool_use","id":"t","name":"f","input":{"thinking":"","type":"thinking"}}"#;
        for unsigned in [
            r#"{"type":"thinking","thinking":"Hm","signature":""}"#,
            r#"{"type": "thinking", "thinking": "Hm"}"#,
            r#"{"signature":"sb1.openai.rs_1","thinking":"Hm","type":"thinking"}"#,
            r#"{"type":"redacted_thinking","data":"sb1.gemini.x"}"#,
        ] {
            let turn = |blocks: &str| {
                format!(r#"[{{"role":"user","content":"hi"}},{{"role":"assistant","content":[{blocks}]}}]"#)
            };
            let (body, names) = suited(&turn(&format!("{unsigned} , {signed},{call}"))).unwrap();
            let wanted = turn(&format!("{signed},{call}"));
            assert_eq!(body, format!(r#"{{"model":"m", "messages": {wanted},"x":1.50}}"#), "{unsigned}");
            assert_eq!(names, ["messages[1].content[0]"]);
            let (body, _) = suited(&turn(unsigned)).unwrap();
            assert!(body.contains(r#""messages": [{"role":"user","content":"hi"}],"#), "{body}");
            assert_eq!(suited(&turn(&format!("{signed},{call}"))), None);
        }
        assert_eq!(suited(r#"[{"role":"user","content":"a \"thinking\" b"}]"#), None);
        assert_eq!(suited("7"), None);
    }
}
