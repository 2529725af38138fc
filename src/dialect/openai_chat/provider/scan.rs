//! What the router sees of an answer, or of one chunk of it, in one pass over its JSON.
//!
//! This is the hottest path of the product: every token of every stream comes by. So nothing is built, nothing copied: the
//! document is walked over, and a few names on three levels are looked at. Deltas are looked into only until something
//! meaningful has come.
//!
//! **Invariant:** `Some` means that all of it is one JSON object. A known name with a value of an unknown form is no fault:
//! then nothing is seen of it.

use super::choice::choice;
use super::usage;
use crate::chat::Usage;
use crate::dialect::Awaited;
use crate::dialect::value_kind::{ValueKind, is_failed};
use crate::json::Scan;

/// What an answer or a chunk shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "what was seen, a flag each; any of them go together")]
pub struct ChunkFacts {
    /// It is an error: it has a top-level `error`, or calls itself one, or says so in `base_resp` (`MiniMax`).
    pub error: bool,
    /// It holds the answer that is awaited: a choice with a message or a text, an embedding, or what Azure's filter thinks of the prompt.
    /// Only looked for where asked.
    pub answer: bool,
    /// It has one of the members of a chunk, so it says nothing else.
    pub chunk: bool,
    /// A delta holds something a caller waits for. Only looked for where asked.
    pub meaningful: bool,
    /// A choice ended because the provider failed.
    pub broken: bool,
    /// A choice ended because a filter withheld it.
    pub filtered: bool,
    /// The choices it speaks of, a bit for each index below 128.
    pub choices: u128,
    /// Those of them that ended.
    pub finished: u128,
    /// Tokens used.
    pub usage: Option<Usage>,
    /// It has an empty `id`.
    pub no_id: bool,
    /// It has `prompt_filter_results` (Azure).
    pub prompt_filter: bool,
    /// A choice has no place for what is said, and has not ended: what Azure's filter thinks of what was said before.
    pub silent: bool,
    /// It only says that the provider is still there.
    pub ping: bool,
    /// Clients read something else in it than its provider means, whatever came before.
    pub odd: bool,
    /// What it says of calls.
    pub calls: Calls,
    /// The choices that call a tool.
    pub calling: u128,
    /// A choice ended by `stop`.
    pub stopped: bool,
    /// A choice ended because it calls a tool.
    pub ended_in_calls: bool,
    /// It tells its usage in a place of its own: in a choice, or in Groq's extension.
    pub usage_apart: bool,
}

/// What a chunk says of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Calls {
    /// Nothing.
    #[default]
    None,
    /// More arguments of the first choice's call of this number, and nothing else.
    Continues(u32),
    /// A call begins, or something that has to be looked at.
    Other,
}

/// Reads one document; into its deltas and messages only where `look`. Nothing is seen where the text is not a JSON object.
pub fn read(text: &[u8], look: bool, awaited: Awaited) -> Option<ChunkFacts> {
    let mut facts = ChunkFacts::default();
    let mut scan = Scan::new(text);
    scan.object(|scan, name| member(scan, name, &mut facts, look, awaited))?;
    scan.end()?;
    facts.answer |= facts.prompt_filter;
    Some(facts)
}

/// One member of the document itself.
fn member(scan: &mut Scan<'_>, name: &[u8], facts: &mut ChunkFacts, look: bool, awaited: Awaited) -> Option<()> {
    match name {
        b"id" => facts.no_id = !kind(scan)?.is_something(),
        b"type" | b"object" => match kind(scan)? {
            ValueKind::Error => facts.error = true,
            ValueKind::Ping => facts.ping = true,
            ValueKind::Nothing | ValueKind::Something => {}
        },
        b"choices" => {
            facts.chunk = true;
            scan.any_list(|scan| choice(scan, facts, look, awaited))?;
        }
        b"data" if look && awaited == Awaited::Embeddings => {
            scan.any_list(|scan| embedding(scan, &mut facts.answer))?
        }
        b"output" => facts.answer |= kind(scan)?.is_something(),
        b"usage" => {
            facts.chunk = true;
            let measured = usage::measured(scan.value()?);
            facts.odd |= awaited != Awaited::Embeddings && measured.is_some_and(|(_, is_odd)| is_odd);
            facts.usage = measured.map(|(usage, _)| usage).or(facts.usage);
        }
        b"error" => facts.error |= kind(scan)?.is_something(),
        b"x_groq" => {
            facts.chunk = true;
            let usage = usage::read_groq(scan.value()?);
            facts.usage_apart |= usage.is_some();
            facts.usage = facts.usage.or(usage);
        }
        b"prompt_filter_results" => {
            facts.chunk = true;
            facts.prompt_filter = kind(scan)?.is_something();
        }
        b"base_resp" => facts.error |= is_failed(scan.value()?),
        _ => scan.skip()?,
    }
    Some(())
}

/// One item of a list of embeddings. One will do.
fn embedding(scan: &mut Scan<'_>, found: &mut bool) -> Option<()> {
    if *found {
        return scan.skip();
    }
    scan.any_object(|scan, name| {
        if !matches!(name, b"embedding" | b"embeddings") {
            return scan.skip();
        }
        *found |= kind(scan)?.is_something();
        Some(())
    })
}

/// What the next value shows.
pub fn kind(scan: &mut Scan<'_>) -> Option<ValueKind> {
    Some(ValueKind::of(scan.value()?))
}
