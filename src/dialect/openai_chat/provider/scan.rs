//! What the router sees of an answer, or of one chunk of it, in one pass over its JSON.
//!
//! This is the hottest path of the product: every token of every stream comes by. So nothing is built, nothing copied: the
//! parser walks the document, and a few names on three levels are looked at. Deltas are looked into only until something
//! meaningful has come.
//!
//! **Invariant:** `Some` means that all of it is one JSON object. A known name with a value of an unknown form is no fault:
//! then nothing is seen of it.

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::choice::Choices;
use super::usage;
use super::walk::{Look, Walk, skip, skip_item};
use crate::chat::Usage;
use crate::dialect::Awaited;
use crate::dialect::value_kind::{ValueKind, is_failed};

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
    /// It only says that the provider is still there.
    pub ping: bool,
}

/// Reads one document; into its deltas and messages only where `look`. Nothing is seen where the text is not a JSON object.
pub fn read(text: &str, look: bool, awaited: Awaited) -> Option<ChunkFacts> {
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    let mut facts = ChunkFacts::default();
    let mut parser = serde_json::Deserializer::from_str(text);
    Walk(&mut Top { facts: &mut facts, look, awaited }).deserialize(&mut parser).and_then(|()| parser.end()).ok()?;
    facts.answer |= facts.prompt_filter;
    Some(facts)
}

/// The document itself.
struct Top<'s> {
    facts: &'s mut ChunkFacts,
    look: bool,
    awaited: Awaited,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum TopName {
    Id,
    Type,
    Object,
    Choices,
    Data,
    Output,
    Usage,
    Error,
    XGroq,
    PromptFilterResults,
    BaseResp,
    #[serde(other)]
    Other,
}

impl Look for Top<'_> {
    type Name = TopName;

    fn member<'de, A: MapAccess<'de>>(&mut self, name: TopName, members: &mut A) -> Result<(), A::Error> {
        let Self { facts, look, awaited } = self;
        match name {
            TopName::Id => facts.no_id = !members.next_value::<ValueKind>()?.is_something(),
            TopName::Type | TopName::Object => match members.next_value()? {
                ValueKind::Error => facts.error = true,
                ValueKind::Ping => facts.ping = true,
                ValueKind::Nothing | ValueKind::Something => {}
            },
            TopName::Choices => {
                facts.chunk = true;
                members.next_value_seed(Walk(&mut Choices { facts, look: *look, awaited: *awaited }))?;
            }
            TopName::Data if *look && *awaited == Awaited::Embeddings => {
                members.next_value_seed(Walk(&mut Embeddings { found: &mut facts.answer }))?
            }
            TopName::Output => facts.answer |= members.next_value::<ValueKind>()?.is_something(),
            TopName::Usage => {
                facts.chunk = true;
                facts.usage = members.next_value::<Option<&RawValue>>()?.and_then(usage::read);
            }
            TopName::Error => facts.error |= members.next_value::<ValueKind>()?.is_something(),
            TopName::XGroq => {
                facts.chunk = true;
                let groq = members.next_value::<Option<&RawValue>>()?.and_then(usage::read_groq);
                facts.usage = facts.usage.or(groq);
            }
            TopName::PromptFilterResults => {
                facts.chunk = true;
                facts.prompt_filter = members.next_value::<ValueKind>()?.is_something();
            }
            TopName::BaseResp => facts.error |= members.next_value::<Option<&RawValue>>()?.is_some_and(is_failed),
            TopName::Data | TopName::Other => skip(members)?,
        }
        Ok(())
    }
}

/// A list of embeddings. One will do.
struct Embeddings<'s> {
    found: &'s mut bool,
}

impl Look for Embeddings<'_> {
    type Name = IgnoredAny;

    fn member<'de, A: MapAccess<'de>>(&mut self, _: IgnoredAny, members: &mut A) -> Result<(), A::Error> {
        skip(members)
    }

    fn item<'de, A: SeqAccess<'de>>(&mut self, items: &mut A) -> Result<bool, A::Error> {
        if *self.found {
            return skip_item(items);
        }
        Ok(items.next_element_seed(Walk(&mut Embedding { found: self.found }))?.is_some())
    }
}

struct Embedding<'s> {
    found: &'s mut bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum EmbeddingName {
    #[serde(alias = "embeddings")]
    Embedding,
    #[serde(other)]
    Other,
}

impl Look for Embedding<'_> {
    type Name = EmbeddingName;

    fn member<'de, A: MapAccess<'de>>(&mut self, name: EmbeddingName, members: &mut A) -> Result<(), A::Error> {
        match name {
            EmbeddingName::Embedding => *self.found |= members.next_value::<ValueKind>()?.is_something(),
            EmbeddingName::Other => skip(members)?,
        }
        Ok(())
    }
}
