//! The client's conversation for classifiers: from the raw instructions and items to [`Transcript`], borrowed.
//!
//! **Invariant:** a value of unknown form is skipped; nesting costs no stack, because raw values are scanned in a loop.

use std::borrow::Cow;

use crate::chat::{Role, Transcript, Utterance};
use crate::dialect::read::{Object, loose_items, loose_object, loose_string, loose_text};
use crate::dialect::scan::BodyScan;

/// The turns from the newest one that is `enough` on, or all, with the instructions in front.
#[must_use]
pub fn read<'a>(scan: &BodyScan<'a>, enough: Option<&mut dyn FnMut(&Utterance<'a>) -> bool>) -> Transcript<'a> {
    let input = scan.messages.unwrap_or_default();
    let items = loose_items(input).unwrap_or_default();
    let one = loose_string(input).map(|text| said(Role::User, text));
    let mut transcript =
        Transcript { max_tokens: scan.max_tokens, structured: scan.structured, ..Transcript::default() };
    let Some(enough) = enough else {
        let instructions = scan.system.and_then(loose_string).map(|text| said(Role::System, text));
        let turns = instructions.into_iter().chain(one).chain(items.into_iter().filter_map(turn));
        transcript.turns = turns.collect();
        names(scan.raw_tools.unwrap_or_default(), &mut transcript.tools);
        return transcript;
    };
    for turn in one.into_iter().chain(items.into_iter().rev().filter_map(turn)) {
        let last = enough(&turn);
        transcript.turns.push(turn);
        if last {
            break;
        }
    }
    transcript.turns.reverse();
    transcript
}

const fn said(role: Role, text: Cow<'_, str>) -> Utterance<'_> {
    Utterance { role, text, attachments: 0, calls: 0 }
}

fn string<'a>(fields: &mut Object<'a>, name: &str) -> Option<Cow<'a, str>> {
    loose_text(fields.take(name)?)
}

/// The names of the tools, those within namespaces among them.
fn names<'a>(list: &'a [u8], into: &mut Vec<Cow<'a, str>>) {
    for mut tool in loose_items(list).unwrap_or_default().into_iter().filter_map(loose_object) {
        match tool.take("tools").and_then(|raw| loose_items(raw.get().as_bytes())) {
            Some(within) => {
                into.extend(within.into_iter().filter_map(loose_object).filter_map(|mut it| string(&mut it, "name")));
            }
            None => into.extend(string(&mut tool, "name")),
        }
    }
}

fn turn(raw: &[u8]) -> Option<Utterance<'_>> {
    let mut fields = loose_object(raw)?;
    match string(&mut fields, "type").as_deref() {
        None | Some("message") => {
            let role = match &*string(&mut fields, "role")? {
                "system" | "developer" => Role::System,
                "user" => Role::User,
                "assistant" => Role::Assistant,
                _ => return None,
            };
            Some(parts(role, fields.take("content").map_or(b"".as_slice(), |raw| raw.get().as_bytes())))
        }
        Some("function_call" | "custom_tool_call") => {
            Some(Utterance { calls: 1, ..said(Role::Assistant, Cow::Borrowed("")) })
        }
        Some("function_call_output" | "custom_tool_call_output") => {
            Some(parts(Role::Tool, fields.take("output").map_or(b"".as_slice(), |raw| raw.get().as_bytes())))
        }
        Some(_) => None,
    }
}

/// What a content says: its texts, and what it holds besides.
fn parts(role: Role, content: &[u8]) -> Utterance<'_> {
    let Some(parts) = loose_items(content) else {
        return said(role, loose_string(content).unwrap_or_default());
    };
    let (mut texts, mut attachments) = (Vec::new(), 0_u32);
    for mut part in parts.into_iter().filter_map(loose_object) {
        match string(&mut part, "type").as_deref() {
            Some("input_text" | "output_text" | "text") | None => texts.extend(string(&mut part, "text")),
            Some("refusal") => {}
            Some(_) => attachments = attachments.saturating_add(1),
        }
    }
    let text = match texts.len() {
        1 => texts.pop().unwrap_or_default(),
        _ => Cow::Owned(texts.join(" ")),
    };
    Utterance { attachments, ..said(role, text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::scan::Wording;

    #[test]
    fn a_conversation_is_read() {
        let body = br#"{"model":"m","instructions":"rules","input":[{"role":"user","content":"ask"},
            {"type":"reasoning","summary":[]},{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},
            {"type":"function_call_output","call_id":"a","output":"done"},
            {"type":"message","role":"user","content":[{"type":"input_text","text":"more"},{"type":"input_image"}]},7,{"role":"robot"}],
            "tools":[{"type":"function","name":"f"},{"type":"namespace","name":"n","tools":[{"name":"g"}]},{"type":"web_search"}]}"#;
        let scan = BodyScan::read_as(body, Wording::Responses).unwrap();
        let whole = read(&scan, None);
        let calls = Utterance { calls: 1, ..said(Role::Assistant, "".into()) };
        let more = Utterance { attachments: 1, ..said(Role::User, "more".into()) };
        let turns = [
            said(Role::System, "rules".into()),
            said(Role::User, "ask".into()),
            calls,
            said(Role::Tool, "done".into()),
            more.clone(),
        ];
        assert_eq!((whole.turns, whole.tools), (turns.into(), vec!["f".into(), "g".into()]));
        assert_eq!(read(&scan, Some(&mut |turn| !turn.text.is_empty())).turns, [more]);
        let scan = BodyScan::read_as(br#"{"model":"m","input":"hi"}"#, Wording::Responses).unwrap();
        assert_eq!(read(&scan, None).turns, [said(Role::User, "hi".into())]);
    }
}
