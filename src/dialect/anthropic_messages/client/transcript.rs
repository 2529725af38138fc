//! The client's conversation for classifiers: from the raw instructions and messages to [`Transcript`], borrowed.
//!
//! What a call gave stands in a user's turn here; for classifiers such a turn is a tool's, unless the user says something as well.
//!
//! **Invariant:** a value of unknown form is skipped; nesting costs no stack, because raw values are scanned in a loop.

use std::borrow::Cow;

use crate::chat::{Role, Transcript, Utterance};
use crate::dialect::read::{Object, loose_items, loose_object, loose_string, loose_text};
use crate::dialect::scan::BodyScan;

/// The turns from the newest one that is `enough` on, or all, with the instructions in front.
#[must_use]
pub fn read<'a>(scan: &BodyScan<'a>, enough: Option<&mut dyn FnMut(&Utterance<'a>) -> bool>) -> Transcript<'a> {
    let messages = scan.messages.and_then(loose_items).unwrap_or_default();
    let mut transcript =
        Transcript { max_tokens: scan.max_tokens, structured: scan.structured, ..Transcript::default() };
    let Some(enough) = enough else {
        let system = scan.system.map(|raw| utterance(Role::System, raw));
        transcript.turns = system.into_iter().chain(messages.into_iter().filter_map(turn)).collect();
        let tools = scan.raw_tools.and_then(loose_items).unwrap_or_default();
        transcript.tools = tools.into_iter().filter_map(|raw| string(&mut loose_object(raw)?, "name")).collect();
        return transcript;
    };
    for turn in messages.into_iter().rev().filter_map(turn) {
        let last = enough(&turn);
        transcript.turns.push(turn);
        if last {
            break;
        }
    }
    transcript.turns.reverse();
    transcript
}

fn string<'a>(fields: &mut Object<'a>, name: &str) -> Option<Cow<'a, str>> {
    loose_text(fields.take(name)?)
}

fn turn(raw: &[u8]) -> Option<Utterance<'_>> {
    let mut fields = loose_object(raw)?;
    let role = match &*string(&mut fields, "role")? {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return None,
    };
    Some(match fields.take("content") {
        Some(content) => utterance(role, content.get().as_bytes()),
        None => Utterance { role, text: Cow::Borrowed(""), attachments: 0, calls: 0 },
    })
}

/// What a content says: its texts, and what it holds besides.
fn utterance(role: Role, content: &[u8]) -> Utterance<'_> {
    let mut said = Utterance { role, text: Cow::Borrowed(""), attachments: 0, calls: 0 };
    let Some(blocks) = loose_items(content) else {
        said.text = loose_string(content).unwrap_or_default();
        return said;
    };
    let (mut texts, mut results) = (Vec::new(), Vec::new());
    for mut block in blocks.into_iter().filter_map(loose_object) {
        match string(&mut block, "type").as_deref() {
            Some("text") => texts.extend(string(&mut block, "text")),
            Some("tool_use") => said.calls = said.calls.saturating_add(1),
            Some("tool_result") => {
                let Some(content) = block.take("content") else { continue };
                let content = content.get().as_bytes();
                let result = match loose_items(content) {
                    None => loose_string(content).into_iter().collect(),
                    Some(inner) => inner
                        .into_iter()
                        .filter_map(loose_object)
                        .filter_map(|mut block| string(&mut block, "text"))
                        .collect::<Vec<_>>(),
                };
                results.extend(result);
            }
            Some("thinking" | "redacted_thinking") | None => {}
            Some(_) => said.attachments = said.attachments.saturating_add(1),
        }
    }
    if role == Role::User && texts.is_empty() && !results.is_empty() {
        (said.role, texts) = (Role::Tool, results);
    }
    said.text = match texts.len() {
        1 => texts.pop().unwrap_or_default(),
        _ => Cow::Owned(texts.join(" ")),
    };
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::scan::Wording;

    fn says(role: Role, text: &str) -> Utterance<'_> {
        Utterance { role, text: text.into(), attachments: 0, calls: 0 }
    }

    #[test]
    fn a_conversation_is_read() {
        let body = br#"{"model":"m","max_tokens":9,"system":[{"type":"text","text":"rules"}],"messages":[
            {"role":"user","content":"ask"},
            {"role":"assistant","content":[{"type":"thinking","thinking":"Hm"},{"type":"tool_use","id":"a","name":"f","input":{}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"done"}]}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"x"},{"type":"text","text":"more"},{"type":"image"}]},
            7,{"role":"robot"},{"role":"user"}],"tools":[{"name":"f"},7]}"#;
        let scan = BodyScan::read_as(body, Wording::Messages).unwrap();
        let calls = Utterance { calls: 1, ..says(Role::Assistant, "") };
        let more = Utterance { attachments: 1, ..says(Role::User, "more") };
        let whole = read(&scan, None);
        let turns = [
            says(Role::System, "rules"),
            says(Role::User, "ask"),
            calls,
            says(Role::Tool, "done"),
            more.clone(),
            says(Role::User, ""),
        ];
        assert_eq!(whole.turns, turns);
        assert_eq!((whole.tools, whole.max_tokens), (vec!["f".into()], Some(9)));
        let newest = read(&scan, Some(&mut |turn| !turn.text.is_empty()));
        assert_eq!(newest.turns, [more, says(Role::User, "")]);
    }
}
