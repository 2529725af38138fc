//! What clients of the same dialect would not find, or would misread, in what servers that call themselves compatible write: put right.
//!
//! | what comes | what clients get |
//! |---|---|
//! | calls that are all called the first, or by no number | one number a call, counted up |
//! | an id or a name that is missing, empty, `null` or told again | one, told once |
//! | a streamed choice without its number, an end that is an empty text | the number, `null` |
//! | arguments as an object | their text |
//! | `reasoning`, or parts of thinking in the content | `reasoning_content` |
//! | a word of its own for the end, or one that denies the calls | one of the five that clients know |
//! | no message where thinking used up all | one without content |
//! | usage in every chunk, in a choice, or with members missing | once, at the end, with the three numbers |
//! | `[DONE]` without an end | the end before it |
//!
//! The scan tells whether there is something to put right, so that nothing else is ever parsed.
//!
//! **Invariant:** all else keeps its very bytes.

use serde_json::value::RawValue;

use super::answer::{Call, Choice, Function, Message, Piece, object, text};
use super::calls::Calls;
use super::scan::{self, ChunkFacts};
use super::{stop_reason, usage};
use crate::chat::StopReason;
use crate::dialect::edit::{self, Members, quoted};
use crate::dialect::passed::member;
use crate::dialect::read::compact;
use crate::dialect::{AnswerContext, Awaited, ids};

/// The longest chunk that is kept to make others like it, in bytes.
const MAX_LIKE_BYTES: usize = 4 << 10;
/// The members that all chunks of a stream have.
const COMMON: &[&str] = &["id", "object", "created", "model", "system_fingerprint", "service_tier"];

/// Whether the arguments of a whole call say nothing, as they stand.
pub fn no_arguments(raw: &[u8]) -> bool {
    let text = raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")).unwrap_or(raw);
    matches!(text.trim_ascii(), b"" | b"null")
}

/// Puts one answer right.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "what was asked and what was seen; any of them go together")]
pub struct Repair {
    awaited: Awaited,
    /// It is no stream.
    whole: bool,
    may_stop_with_calls: bool,
    /// The client asked for a stream's usage.
    include_usage: bool,
    /// What ids are made of, besides the answer's own.
    now_s: u64,
    /// The answer, or the first chunk of a stream, by which others are made.
    like: Vec<u8>,
    /// The calls of each choice that has some.
    calls: Vec<(u32, Calls)>,
    /// The calls of the first choice that may go on as they come, a bit each.
    straight: u64,
    /// None may: one has another number or id than its provider gave it.
    renamed: bool,
    /// The usage to be told at the end.
    usage: Vec<u8>,
    /// Usage came before the end.
    early_usage: bool,
    /// Usage went to the client.
    told_usage: bool,
}

/// What is known of an answer, the chunk at hand included.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// All choices have ended.
    pub complete: bool,
    /// The choices that call a tool.
    pub calling: u128,
    /// Those that have ended.
    pub finished: u128,
}

impl Known {
    fn denies(&self, shown: &ChunkFacts, may_stop_with_calls: bool) -> bool {
        let stops = shown.stopped && !may_stop_with_calls && self.calling != 0;
        stops || shown.ended_in_calls && self.calling & self.finished != self.finished
    }
}

/// A whole answer, put right; `None`: it may pass.
pub fn whole(body: &[u8], shown: &ChunkFacts, context: &AnswerContext) -> Option<Vec<u8>> {
    let known = Known { complete: true, calling: shown.calling, finished: shown.finished };
    if !shown.odd && !known.denies(shown, context.may_stop_with_calls) {
        return None;
    }
    let mut repair = Repair { whole: true, like: body.to_vec(), ..Repair::new(context) };
    repair.document(body, known, false)
}

impl Repair {
    /// For one answer.
    pub fn new(context: &AnswerContext) -> Self {
        let AnswerContext { awaited, include_usage, may_stop_with_calls, now_s, .. } = *context;
        Self { awaited, include_usage, may_stop_with_calls, now_s, ..Self::default() }
    }

    /// What takes the place of a chunk, maybe nothing; `None`: it may pass.
    pub fn chunk(&mut self, data: &[u8], shown: &ChunkFacts, known: Known) -> Option<Vec<u8>> {
        if shown.choices != 0 && self.like.is_empty() && data.len() <= MAX_LIKE_BYTES {
            self.like.extend_from_slice(data);
        }
        let moves_usage = shown.usage.is_some() && self.moves_usage(shown, known);
        let misplaced = match shown.calls {
            scan::Calls::None => false,
            scan::Calls::Continues(number) => {
                self.renamed || 1_u64.checked_shl(number).is_none_or(|bit| self.straight & bit == 0)
            }
            scan::Calls::Other => true,
        };
        if !(shown.odd || moves_usage || misplaced || known.denies(shown, self.may_stop_with_calls)) {
            return None;
        }
        let fixed = self.document(data, known, moves_usage)?;
        if moves_usage && shown.choices == 0 {
            return Some(Vec::new());
        }
        (fixed != data).then(|| [b"data: ", fixed.as_slice(), b"\n\n"].concat())
    }

    /// Whether a chunk's usage is not for its place: it is told once, at the end. What clients did not ask for is only kept from them where
    /// they would add it up.
    fn moves_usage(&mut self, shown: &ChunkFacts, known: Known) -> bool {
        if shown.choices != 0 {
            self.early_usage |= !known.complete && !shown.usage_apart;
            return self.early_usage || self.include_usage;
        }
        let moves = self.include_usage && (!known.complete || self.told_usage);
        if !moves {
            self.told_usage = true;
            self.usage.clear();
        }
        moves
    }

    /// What is owed before the last word of a stream: the ends of choices that have none, and usage.
    pub fn owed(&mut self, open: u128, calling: u128) -> Vec<u8> {
        let mut out = Vec::new();
        let place = if self.awaited == Awaited::Completion { r#""text":"""# } else { r#""delta":{}"# };
        let is = |bits: u128, index: u32| bits.checked_shr(index).is_some_and(|bits| bits & 1 == 1);
        for index in (0..u128::BITS).filter(|index| is(open, *index)) {
            let word = if is(calling, index) { "tool_calls" } else { "stop" };
            let choice = format!(r#"[{{"index":{index},{place},"finish_reason":"{word}"}}]"#);
            self.add(choice.as_bytes(), b"", &mut out);
        }
        let usage = std::mem::take(&mut self.usage);
        if self.include_usage && !self.told_usage && !usage.is_empty() {
            self.told_usage = true;
            self.add(b"[]", &usage, &mut out);
        }
        out
    }

    /// How many bytes it keeps.
    pub fn kept(&self) -> usize {
        let calls: usize = self.calls.iter().map(|(_, calls)| calls.kept()).sum();
        self.like.capacity() + self.usage.capacity() + calls
    }

    /// Adds a chunk like the others.
    fn add(&self, choices: &[u8], usage: &[u8], out: &mut Vec<u8>) {
        let common = edit::object(&self.like, &mut |out, name, value| {
            if COMMON.contains(&name) {
                out.put(name, value);
            }
        });
        let mut chunk = common.unwrap_or_else(Members::new);
        chunk.put("choices", choices);
        if !usage.is_empty() {
            chunk.put("usage", usage);
        }
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&chunk.end());
        out.extend_from_slice(b"\n\n");
    }

    fn document(&mut self, data: &[u8], known: Known, moves_usage: bool) -> Option<Vec<u8>> {
        let fixed = edit::object(data, &mut |out, name, value| {
            let new = match name {
                "choices" => edit::list(value, &mut |at, choice| self.choice(at, choice, known, moves_usage)),
                "usage" if moves_usage => {
                    self.keep_usage(value);
                    Some(b"null".to_vec())
                }
                "usage" if self.awaited != Awaited::Embeddings => usage::mended(value),
                "x_groq" if moves_usage => self.without_usage(value),
                _ => None,
            };
            out.put(name, new.as_deref().unwrap_or(value));
        })?;
        Some(fixed.end())
    }

    fn keep_usage(&mut self, raw: &[u8]) {
        if usage::read(raw).is_some() {
            self.usage = usage::mended(raw).unwrap_or_else(|| raw.to_vec());
        }
    }

    fn without_usage(&mut self, raw: &[u8]) -> Option<Vec<u8>> {
        let rest = edit::object(raw, &mut |out, name, value| match name {
            "usage" => self.keep_usage(value),
            _ => out.put(name, value),
        })?;
        Some(rest.end())
    }

    fn choice(&mut self, at: usize, raw: &[u8], known: Known, moves_usage: bool) -> Option<Vec<u8>> {
        let choice: Choice<'_> = serde_json::from_slice(raw).ok()?;
        let index = choice.index.and_then(|raw| raw.get().trim_matches('"').parse().ok()).unwrap_or_default();
        let calls = known.calling.checked_shr(index).is_some_and(|bits| bits & 1 == 1);
        let end = choice.finish_reason.and_then(|raw| self.end(raw, calls));
        let mut has_place = false;
        let mut fixed = edit::object(raw, &mut |out, name, value| {
            let new = match name {
                "message" | "delta" if value == b"null" => return,
                "delta" | "message" => self.said(value, index),
                "finish_reason" => {
                    let is_none = matches!(value, b"\"null\"" | b"\"\"");
                    end.map(quoted).or_else(|| is_none.then(|| b"null".to_vec()))
                }
                "usage" if moves_usage => return self.keep_usage(value),
                _ => None,
            };
            has_place |= matches!(name, "delta" | "message" | "text");
            out.put(name, new.as_deref().unwrap_or(value));
        })?;
        match has_place {
            true => {}
            false if self.whole => fixed.put("message", br#"{"role":"assistant","content":null}"#),
            false => fixed.put("delta", b"{}"),
        }
        if !self.whole && choice.index.is_none() {
            fixed.put("index", at.to_string().as_bytes());
        }
        Some(fixed.end())
    }

    /// The word that clients know for the end of a choice; `None`: it is that, or none.
    fn end(&self, raw: &RawValue, calls: bool) -> Option<&'static str> {
        let word = text(Some(raw));
        if matches!(raw.get(), "null" | "\"\"") || matches!(word.as_ref(), "null" | "function_call") {
            return None;
        }
        let is_chat = self.awaited == Awaited::Chat;
        Some(match stop_reason(&word) {
            StopReason::MaxTokens => "length",
            StopReason::Refusal => "content_filter",
            StopReason::ToolUse if calls || !is_chat => "tool_calls",
            StopReason::EndTurn if calls && !self.may_stop_with_calls => "tool_calls",
            _ => "stop",
        })
    }

    /// A delta or a message.
    fn said(&mut self, raw: &[u8], choice: u32) -> Option<Vec<u8>> {
        let message: Message<'_> = serde_json::from_slice(raw).ok()?;
        let is_said = |raw: &[u8]| raw.len() > 2 && raw.starts_with(b"\"");
        let told = [message.reasoning_content, message.reasoning].into_iter().flatten();
        let mut thinking = told.map(|raw| raw.get().as_bytes().to_vec()).find(|raw| is_said(raw));
        let mut content = None;
        if message.content.is_some_and(|raw| raw.get().starts_with('[')) {
            let (mut said, mut thought) = (String::new(), String::new());
            for piece in message.pieces() {
                match piece {
                    Piece::Text(text) => said.push_str(&text),
                    Piece::Thinking(text) => thought.push_str(&text),
                }
            }
            content = Some(if said.is_empty() { b"null".to_vec() } else { quoted(&said) });
            thinking = thinking.or_else(|| (!thought.is_empty()).then(|| quoted(&thought)));
        }
        let mut told = false;
        let mut fixed = edit::object(raw, &mut |out, name, value| {
            let new = match name {
                "content" => content.take(),
                "tool_calls" => edit::list(value, &mut |_, call| self.call(call, choice)),
                "reasoning" | "reasoning_content" if name == "reasoning_content" || is_said(value) => {
                    match thinking.take() {
                        Some(thinking) => out.put("reasoning_content", &thinking),
                        None if told => {}
                        None => out.put(name, value),
                    }
                    told = true;
                    return;
                }
                _ => None,
            };
            out.put(name, new.as_deref().unwrap_or(value));
        })?;
        if let Some(thinking) = thinking {
            fixed.put("reasoning_content", &thinking);
        }
        Some(fixed.end())
    }

    /// A call, or a piece of one.
    fn call(&mut self, raw: &[u8], choice: u32) -> Option<Vec<u8>> {
        let call: Call<'_> = serde_json::from_slice(raw).ok()?;
        let piece = call.read();
        let place = self.calls_of(choice)?.place(&piece);
        let (begins, names) = (place.begins || self.whole, place.names || self.whole);
        let (has_id, number) = (!piece.id.is_empty(), place.number.to_string());
        let is_straight = self.whole || call.index.is_some_and(|raw| raw.get() == number);
        if begins && choice == 0 {
            self.renamed |= !is_straight || !has_id;
            self.straight |= u32::try_from(place.number).ok().and_then(|at| 1_u64.checked_shl(at)).unwrap_or(0);
        }
        let mut fixed = Members::new();
        if !self.whole {
            fixed.put("index", number.as_bytes());
        }
        match call.id {
            Some(id) if begins && has_id => fixed.put("id", id.get().as_bytes()),
            _ if begins => fixed.put("id", &quoted(&self.made_id(choice, &number))),
            _ => {}
        }
        let r#type = text(call.r#type);
        if begins {
            fixed.put("type", &quoted(if r#type.is_empty() { "function" } else { &r#type }));
        }
        if let Some(raw) = call.function.filter(|raw| raw.get().starts_with('{')) {
            fixed.put("function", &self.function(raw, begins, names)?);
        }
        edit::object(raw, &mut |_, name, value| {
            let is_put = matches!(name, "id" | "type" | "function") || name == "index" && !self.whole;
            if !is_put {
                fixed.put(name, value);
            }
        })?;
        Some(fixed.end())
    }

    fn calls_of(&mut self, choice: u32) -> Option<&mut Calls> {
        if !self.calls.iter().any(|(known, _)| *known == choice) {
            self.calls.push((choice, Calls::default()));
        }
        self.calls.iter_mut().find(|(known, _)| *known == choice).map(|(_, calls)| calls)
    }

    /// The function of a call, or of a piece of one.
    fn function(&self, raw: &RawValue, begins: bool, names: bool) -> Option<Vec<u8>> {
        let function: Function<'_> = object(Some(raw));
        let mut fixed = Members::new();
        if let Some(name) = function.name.filter(|name| names && name.get().len() > 2) {
            fixed.put("name", name.get().as_bytes());
        }
        let said = function.arguments.map(RawValue::get).unwrap_or_default();
        match said.as_bytes() {
            // Clients read them as JSON.
            said if self.whole && no_arguments(said) => fixed.put("arguments", b"\"{}\""),
            b"" | b"null" if begins => fixed.put("arguments", b"\"\""),
            b"" | b"null" => {}
            [b'{' | b'[', ..] => fixed.put("arguments", &quoted(&compact(said))),
            text => fixed.put("arguments", text),
        }
        edit::object(raw.get().as_bytes(), &mut |_, name, value| {
            if !matches!(name, "name" | "arguments") {
                fixed.put(name, value);
            }
        })?;
        Some(fixed.end())
    }

    /// An id for a call that has none.
    fn made_id(&self, choice: u32, number: &str) -> String {
        let own = member(&self.like, b"id").map(String::from_utf8_lossy).unwrap_or_default();
        ids::make(&[&own, &self.now_s.to_string(), &choice.to_string(), number])
    }
}
