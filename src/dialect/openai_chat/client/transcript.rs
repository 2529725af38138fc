//! The client's conversation for classifiers: from the raw messages to [`Transcript`], borrowed.
//!
//! Nothing here refuses a request: what a classifier cannot read it does without, and whether the provider can read it is the
//! provider's affair. Values stay raw until they are wanted, so that [`newest`] looks into the last turns only, and the older ones
//! are passed over, not unescaped.
//!
//! **Invariant:** a value of unknown form is skipped; nesting costs no stack, because raw values are scanned in a loop.

use std::borrow::Cow;

use crate::chat::{Role, Transcript, Utterance};
use crate::dialect::read::{loose_items, loose_string};
use crate::dialect::scan::BodyScan;
use crate::dialect::scan::members::Members;
use crate::json::Scan;

/// Reads a whole body, which needs no model. None where it is no JSON object, or holds no list of messages.
#[must_use]
pub fn read(body: &[u8]) -> Option<Transcript<'_>> {
    let members = Members::read(body)?;
    let mut conversation = Transcript {
        tools: tools(members.tools, members.functions),
        max_tokens: members.max_tokens(),
        structured: members.is_structured(),
        turns: Vec::new(),
    };
    conversation.turns = list(members.messages)?.into_iter().filter_map(turn).collect();
    Some(conversation)
}

/// The whole conversation of a body whose top was read.
#[must_use]
pub fn whole<'a>(head: &BodyScan<'a>) -> Transcript<'a> {
    let messages = list(head.messages).unwrap_or_default();
    Transcript { turns: messages.into_iter().filter_map(turn).collect(), ..frame(head) }
}

/// The end of the conversation: the turns from the newest one that is `enough` on, or all where none is. Tools are left out.
#[must_use]
pub fn newest<'a>(head: &BodyScan<'a>, mut enough: impl FnMut(&Utterance<'a>) -> bool) -> Transcript<'a> {
    let mut turns = Vec::new();
    for turn in list(head.messages).unwrap_or_default().into_iter().rev().filter_map(turn) {
        let last = enough(&turn);
        turns.push(turn);
        if last {
            break;
        }
    }
    turns.reverse();
    Transcript { turns, max_tokens: head.max_tokens, structured: head.structured, tools: Vec::new() }
}

fn frame<'a>(head: &BodyScan<'a>) -> Transcript<'a> {
    let tools = tools(head.raw_tools, head.raw_functions);
    Transcript { turns: Vec::new(), tools, max_tokens: head.max_tokens, structured: head.structured }
}

/// One message, raw.
#[derive(Default)]
struct Message<'a> {
    role: Option<&'a [u8]>,
    content: Option<&'a [u8]>,
    tool_calls: Option<&'a [u8]>,
    function_call: Option<&'a [u8]>,
}

/// One part of a message, or one tool, raw.
#[derive(Default)]
struct Part<'a> {
    r#type: Option<&'a [u8]>,
    text: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    function: Option<&'a [u8]>,
}

fn turn(message: &[u8]) -> Option<Utterance<'_>> {
    let message: Message<'_> = fields(message)?;
    let role = match &*string(message.role)? {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        _ => return None,
    };
    let (text, attachments) = content(message.content);
    let called = list(message.tool_calls).map_or(0, |calls| calls.len());
    let calls = u32::try_from(called).unwrap_or(u32::MAX).saturating_add(message.function_call.is_some().into());
    Some(Utterance { role, text, attachments, calls })
}

/// A message's text, and how many of its parts are none.
fn content(raw: Option<&[u8]>) -> (Cow<'_, str>, u32) {
    let Some(parts) = list(raw) else { return (string(raw).unwrap_or_default(), 0) };
    let mut joined: Option<Cow<'_, str>> = None;
    let mut attachments = 0_u32;
    for part in parts.into_iter().filter_map(fields::<Part<'_>>) {
        let kind = string(part.r#type);
        match (kind.as_deref(), string(part.text)) {
            (Some("text"), Some(text)) => match &mut joined {
                None => joined = Some(text),
                Some(all) => {
                    let all = all.to_mut();
                    all.push(' ');
                    all.push_str(&text);
                }
            },
            (Some("text" | "refusal" | "thinking") | None, _) => {}
            _ => attachments = attachments.saturating_add(1),
        }
    }
    (joined.unwrap_or_default(), attachments)
}

/// The names of the tools, in OpenAI's form, its older one, or Anthropic's.
fn tools<'a>(tools: Option<&'a [u8]>, functions: Option<&'a [u8]>) -> Vec<Cow<'a, str>> {
    let every = [tools, functions].into_iter().filter_map(list).flatten().filter_map(fields::<Part<'a>>);
    every
        .filter_map(|tool| {
            string(tool.function.and_then(fields::<Part<'a>>).map_or(tool.name, |function| function.name))
        })
        .collect()
}

fn list(raw: Option<&[u8]>) -> Option<Vec<&[u8]>> {
    loose_items(raw?)
}

fn string(raw: Option<&[u8]>) -> Option<Cow<'_, str>> {
    loose_string(raw?)
}

/// An object whose known fields are read. Of a repeated name the last counts; `null` is absent.
trait Fields<'a>: Default {
    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<&'a [u8]>>;
}

impl<'a> Fields<'a> for Message<'a> {
    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<&'a [u8]>> {
        Some(match name {
            b"role" => &mut self.role,
            b"content" => &mut self.content,
            b"tool_calls" => &mut self.tool_calls,
            b"function_call" => &mut self.function_call,
            _ => return None,
        })
    }
}

impl<'a> Fields<'a> for Part<'a> {
    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<&'a [u8]>> {
        Some(match name {
            b"type" => &mut self.r#type,
            b"text" => &mut self.text,
            b"name" => &mut self.name,
            b"function" => &mut self.function,
            _ => return None,
        })
    }
}

fn fields<'a, F: Fields<'a>>(raw: &'a [u8]) -> Option<F> {
    let mut fields = F::default();
    Scan::new(raw).object(|scan, name| {
        let Some(slot) = fields.slot(name) else { return scan.skip() };
        *slot = Some(scan.value()?).filter(|value| *value != b"null");
        Some(())
    })?;
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: Role, text: &str) -> Utterance<'_> {
        Utterance { role, text: text.into(), attachments: 0, calls: 0 }
    }

    #[test]
    fn a_conversation_is_read() {
        let body = br#"{"messages":[
            {"role":"developer","content":"rules"},
            {"content":[{"type":"text","text":"a\nb"},{"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":"c"}],"role":"user"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"1","function":{"name":"f"}},{}]},
            {"role":"tool","tool_call_id":"1","content":"done"}],
            "tools":[{"type":"function","function":{"name":"f","description":"d"}},{"name":"anthropic"},7],
            "functions":[{"name":"old"}],"max_tokens":10,"max_completion_tokens":20,"response_format":{"type":"json_object"}}"#;
        let read = read(body).unwrap();
        let user = Utterance { attachments: 1, ..turn(Role::User, "a\nb c") };
        let calls = Utterance { calls: 2, ..turn(Role::Assistant, "") };
        assert_eq!(read.turns, [turn(Role::System, "rules"), user, calls, turn(Role::Tool, "done")]);
        assert_eq!(
            (read.tools, read.max_tokens, read.structured),
            (vec!["f".into(), "anthropic".into(), "old".into()], Some(20), true)
        );
        assert!(matches!(read.turns[0].text, Cow::Borrowed("rules")));
    }

    #[test]
    fn what_cannot_be_read_is_skipped() {
        let body = br#"{"model":"m","messages":[1e999,null,[],{},{"role":7},{"role":"robot","content":"x"},
            {"role":"user","content":{"a":1}},{"role":"user","content":[1,{"type":"text"},{"type":"text","text":1e999},"x",{"type":9}]},
            {"role":"user","content":"half \ud83d pair","tool_calls":{}},{"role":"user","content":"a","content":"b"}],
            "tools":{},"max_tokens":"many","response_format":[]}"#;
        let head = BodyScan::read(body).unwrap();
        let wanted = [
            turn(Role::User, ""),
            turn(Role::User, ""),
            turn(Role::User, "half \u{fffd}\u{fffd}\u{fffd} pair"),
            turn(Role::User, "b"),
        ];
        assert_eq!(whole(&head), Transcript { turns: wanted.into(), ..Transcript::default() });
        assert_eq!(read(body).unwrap(), whole(&head));
        for body in ["", "[]", "{}", r#"{"messages":{}}"#, r#"{"messages":null}"#, "{"] {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn only_the_newest_turns_are_looked_into() {
        let body = br#"{"model":"m","messages":[{"role":"user","content":"old"},{"role":"user","content":"ask"},
            {"role":"assistant","content":"x"}],"tools":[{"name":"f"}]}"#;
        let head = BodyScan::read(body).unwrap();
        let mut seen = 0;
        let tail = newest(&head, |turn| {
            seen += 1;
            turn.role == Role::User
        });
        assert_eq!((seen, tail.turns), (2, vec![turn(Role::User, "ask"), turn(Role::Assistant, "x")]));
        assert_eq!(newest(&head, |_| false).turns, whole(&head).turns);
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(
            r#"{{"messages":[{deep},{{"role":"user","x":{deep},"content":{deep}}},{{"role":"user","content":[{deep},{{"text":{deep},"type":{deep}}}],"tool_calls":{deep}}}],"tools":[{deep},{{"name":{deep},"function":{deep}}}]}}"#
        );
        assert_eq!(read(body.as_bytes()).unwrap().turns.len(), 2);
    }
}
