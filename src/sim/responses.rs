//! OpenAI's Responses, from the provider's side: answers and streams as the real API writes them. Its errors are OpenAI's.
//!
//! **Invariant:** every body, except a fault's, fits the types of the official SDK.

use serde_json::{Value, json};

use super::{
    answer::Answer,
    fault::Inband,
    openai,
    request::{Form, Request},
    script::{self, Event, Kind},
    surface::{Streams, Surface},
};

/// Responses.
pub const RESPONSES: Surface = Surface {
    ends: &["/responses"],
    of: None,
    form: Form::Responses,
    translate: None,
    whole: complete,
    streams: Some(Streams {
        events: stream,
        error: |kind| Event::named(Kind::End, "error", &inband(kind).to_string()).bytes,
        spoiled: script::half,
        content_type: script::SSE,
    }),
    errors: &openai::ERRORS,
};

/// What an item's encrypted content begins with.
const SEALED: &str = "gAAAAABsimulator";

/// The whole answer of a request that wants no stream.
fn complete(answer: &Answer, _: &Request) -> Value {
    let items = (0..).zip(items(answer)).map(|(index, item)| item.ended(answer, index)).collect();
    document(answer, status(answer), items, true)
}

/// The events of a stream.
fn stream(answer: &Answer, _: &Request) -> Vec<Event> {
    let mut told = Told { number: 0, events: Vec::with_capacity(answer.words.len() + answer.thoughts.len() + 24) };
    for name in ["response.created", "response.in_progress"] {
        let response = document(answer, "in_progress", Vec::new(), false);
        told.tell(Kind::Opening, name, json!({ "response": response }));
    }
    let mut ended = Vec::new();
    for (index, item) in (0..).zip(items(answer)) {
        told.tell(
            Kind::Opening,
            "response.output_item.added",
            json!({"output_index": index, "item": item.begun(answer, index)}),
        );
        item.tell(answer, index, &mut told);
        let whole = item.ended(answer, index);
        told.tell(Kind::Closing, "response.output_item.done", json!({"output_index": index, "item": whole}));
        ended.push(whole);
    }
    let status = status(answer);
    let response = document(answer, status, ended, true);
    told.tell(Kind::End, &format!("response.{status}"), json!({ "response": response }));
    told.events
}

/// Numbers the events.
struct Told {
    number: u64,
    events: Vec<Event>,
}

impl Told {
    fn tell(&mut self, kind: Kind, name: &str, mut members: Value) {
        if let Some(members) = members.as_object_mut() {
            members.insert("type".to_owned(), name.into());
            members.insert("sequence_number".to_owned(), self.number.into());
        }
        self.number += 1;
        self.events.push(Event::named(kind, name, &members.to_string()));
    }
}

/// An item of the answer.
enum Item {
    Reasoning,
    Message,
    /// The call at this place.
    Call(usize),
}

fn items(answer: &Answer) -> Vec<Item> {
    let mut items = Vec::new();
    items.extend((!answer.thoughts.is_empty()).then_some(Item::Reasoning));
    match answer.calls.len() {
        0 => items.push(Item::Message),
        calls => items.extend((0..calls).map(Item::Call)),
    }
    items
}

impl Item {
    fn id(&self, answer: &Answer, index: usize) -> String {
        let kind = match self {
            Item::Reasoning => "rs",
            Item::Message => "msg",
            Item::Call(_) => "fc",
        };
        format!("{kind}_sim{:019}{index:02}", answer.number)
    }

    fn begun(&self, answer: &Answer, index: usize) -> Value {
        self.with(answer, index, "in_progress", "", Vec::new(), None)
    }

    fn ended(&self, answer: &Answer, index: usize) -> Value {
        let text = answer.text();
        let (status, arguments) = match self {
            Item::Call(place) => ("completed", answer.calls.get(*place).map_or("", |call| &call.arguments)),
            _ => (status(answer), ""),
        };
        let parts = match self {
            Item::Reasoning => vec![json!({"type": "summary_text", "text": answer.thoughts.concat()})],
            _ => vec![part(answer, &text)],
        };
        let sealed = format!("{SEALED}{}", answer.number);
        self.with(answer, index, status, arguments, parts, Some(&sealed))
    }

    fn with(
        &self,
        answer: &Answer,
        index: usize,
        status: &str,
        arguments: &str,
        parts: Vec<Value>,
        sealed: Option<&str>,
    ) -> Value {
        let id = self.id(answer, index);
        match self {
            Item::Reasoning => match sealed {
                Some(sealed) => json!({"id": id, "type": "reasoning", "summary": parts, "encrypted_content": sealed}),
                None => json!({"id": id, "type": "reasoning", "summary": parts}),
            },
            Item::Message => {
                json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": parts})
            }
            Item::Call(place) => {
                let name = answer.calls.get(*place).map_or("", |call| &call.name);
                let call_id = format!("call_sim{:019}{place:02}", answer.number);
                json!({"id": id, "type": "function_call", "status": status, "call_id": call_id, "name": name, "arguments": arguments})
            }
        }
    }

    /// What it says, in pieces.
    fn tell(&self, answer: &Answer, index: usize, told: &mut Told) {
        let id = self.id(answer, index);
        let of = |member: &str, at: &str, value: Value| {
            let mut members = json!({"output_index": index, "item_id": id, member: value});
            if let Some(members) = members.as_object_mut().filter(|_| !at.is_empty()) {
                members.insert(at.to_owned(), 0.into());
            }
            members
        };
        match self {
            Item::Reasoning => {
                let at = "summary_index";
                let empty = json!({"type": "summary_text", "text": ""});
                told.tell(Kind::Opening, "response.reasoning_summary_part.added", of("part", at, empty));
                for thought in &answer.thoughts {
                    let delta = of("delta", at, json!(thought));
                    told.tell(Kind::Token, "response.reasoning_summary_text.delta", delta);
                }
                let text = answer.thoughts.concat();
                told.tell(Kind::Closing, "response.reasoning_summary_text.done", of("text", at, json!(text)));
                let whole = json!({"type": "summary_text", "text": text});
                told.tell(Kind::Closing, "response.reasoning_summary_part.done", of("part", at, whole));
            }
            Item::Message => {
                let (at, kind, member) = match answer.refused {
                    true => ("content_index", "refusal", "refusal"),
                    false => ("content_index", "output_text", "text"),
                };
                told.tell(Kind::Opening, "response.content_part.added", of("part", at, part(answer, "")));
                let logprobs = |mut members: Value| {
                    if let Some(members) = members.as_object_mut().filter(|_| !answer.refused) {
                        members.insert("logprobs".to_owned(), json!([]));
                    }
                    members
                };
                for word in &answer.words {
                    let delta = logprobs(of("delta", at, json!(word)));
                    told.tell(Kind::Token, &format!("response.{kind}.delta"), delta);
                }
                let done = logprobs(of(member, at, json!(answer.text())));
                told.tell(Kind::Closing, &format!("response.{kind}.done"), done);
                told.tell(Kind::Closing, "response.content_part.done", of("part", at, part(answer, &answer.text())));
            }
            Item::Call(place) => {
                let Some(call) = answer.calls.get(*place) else { return };
                for piece in call.pieces() {
                    told.tell(Kind::Token, "response.function_call_arguments.delta", of("delta", "", json!(piece)));
                }
                let mut done = of("arguments", "", json!(call.arguments));
                if let Some(done) = done.as_object_mut() {
                    done.insert("name".to_owned(), json!(call.name));
                }
                told.tell(Kind::Closing, "response.function_call_arguments.done", done);
            }
        }
    }
}

fn part(answer: &Answer, text: &str) -> Value {
    match answer.refused {
        true => json!({"type": "refusal", "refusal": text}),
        false => json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []}),
    }
}

fn status(answer: &Answer) -> &'static str {
    if answer.short && answer.calls.is_empty() { "incomplete" } else { "completed" }
}

fn document(answer: &Answer, status: &str, output: Vec<Value>, has_usage: bool) -> Value {
    let why = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
    let usage = has_usage.then(|| {
        json!({
            "input_tokens": answer.prompt_tokens,
            "input_tokens_details": {"cached_tokens": answer.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": answer.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": answer.thoughts.len()},
            "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        })
    });
    json!({
        "id": format!("resp_sim{:021}", answer.number), "object": "response", "created_at": answer.created,
        "status": status, "error": null, "incomplete_details": why, "instructions": null, "metadata": {},
        "model": answer.model, "output": output, "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto",
        "tools": [], "top_p": 1.0, "usage": usage,
    })
}

/// The event of an error inside a stream.
fn inband(kind: Inband) -> Value {
    let mut error = openai::inband(kind);
    if let Some(error) = error.as_object_mut() {
        error.insert("type".to_owned(), "error".into());
    }
    error
}
