//! The items of a request: to turns of blocks.
//!
//! What the model said, thought and called are items of their own here, which other dialects hold in one turn; so are the results of its calls.
//!
//! **Invariant:** a call is never parted from those beside it; what ran at the provider is named, never sent.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::tools::{Forms, offered};
use crate::chat::{ApiError, Block, Content, Conversation, Member, Place, Source, Speaker, TEXT_ARGUMENT, Turn};
use crate::dialect::read::{
    Object, Path, Unread, array, compact, content, loose_text, object, optional, required, text, wrong_value,
};
use crate::dialect::scan::Reference;

use super::sealed;

const ROLES: &str = "'user', 'system', 'developer', and 'assistant'";
/// How far a replayed item had come.
const STATES: [&str; 3] = ["\"completed\"", "\"incomplete\"", "\"in_progress\""];

/// What an item becomes.
enum Read<'a> {
    /// Something that somebody said.
    Message(Speaker, Vec<Block<'a>>),
    /// A call, or the thinking before it.
    Of(Block<'a>),
    /// The result of a call.
    Result(Block<'a>),
    Nothing,
}

/// Reads the items.
pub(super) fn read<'a>(
    items: Vec<&'a RawValue>,
    into: &mut Conversation<'a>,
    forms: &mut Forms,
    unread: &mut Unread,
) -> Result<(), ApiError> {
    let mut gathering = Gathering { turns: std::mem::take(&mut into.turns), last: Last::Message };
    for (index, raw) in items.into_iter().enumerate() {
        let place = Place::item(Member::Input, index);
        match item(raw, place, into, forms, unread)? {
            Read::Message(speaker, blocks) => gathering.message(speaker, blocks, place),
            Read::Of(block) => gathering.join(Speaker::Assistant, Last::Part, block),
            Read::Result(block) => gathering.join(Speaker::User, Last::Result, block),
            Read::Nothing => {}
        }
    }
    into.turns = gathering.turns;
    Ok(())
}

/// What the last item was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Message,
    Part,
    Result,
}

struct Gathering<'a> {
    turns: Vec<Turn<'a>>,
    last: Last,
}

impl<'a> Gathering<'a> {
    /// What is said is a turn of its own, unless the model says it beside its calls.
    fn message(&mut self, speaker: Speaker, blocks: Vec<Block<'a>>, place: Place) {
        match self.turns.last_mut() {
            Some(turn) if speaker == Speaker::Assistant && self.last == Last::Part => turn.blocks.extend(blocks),
            _ => self.turns.push(Turn { speaker, blocks, name: None, cache_control: None, place }),
        }
        self.last = Last::Message;
    }

    /// A block of the last turn, if that is the same speaker's.
    fn join(&mut self, speaker: Speaker, last: Last, block: Block<'a>) {
        let fits = |turn: &&mut Turn<'a>| turn.speaker == speaker && (last == Last::Part || self.last == last);
        match self.turns.last_mut().filter(fits) {
            Some(turn) => turn.blocks.push(block),
            None => {
                let place = block.place;
                self.turns.push(Turn { speaker, blocks: vec![block], name: None, cache_control: None, place });
            }
        }
        self.last = last;
    }
}

fn item<'a>(
    raw: &'a RawValue,
    place: Place,
    into: &mut Conversation<'a>,
    forms: &mut Forms,
    unread: &mut Unread,
) -> Result<Read<'a>, ApiError> {
    let path = Path::from(place);
    object(raw, path, unread, |fields, unread| {
        let kind = optional(fields, path, "type", text)?;
        // Of a replayed item: its name at the provider, and how far it had come.
        let id = optional(fields, path, "id", text)?;
        fields.take_if("status", |raw| STATES.contains(&raw.get()).then_some(()));
        let of = |content| Block::unmarked(content, place);
        Ok(match kind.as_deref() {
            None if id.is_some() && !fields.has("role") => return Err(Reference::refusal(&place.to_string())),
            Some("item_reference" | "compaction" | "compaction_trigger") => {
                return Err(Reference::refusal(&place.to_string()));
            }
            None | Some("message") => message(fields, place, unread)?,
            Some("function_call") => {
                let name = called(fields, path, false, forms)?;
                let arguments = required(fields, path, "arguments", text_or_object)?;
                Read::Of(of(Content::ToolCall { id: required(fields, path, "call_id", text)?, name, arguments }))
            }
            // Tools that the client runs itself: what came of them is told by nothing else.
            Some(kind @ ("local_shell_call" | "shell_call" | "apply_patch_call")) => {
                let name = Cow::Owned(kind.trim_end_matches("_call").to_owned());
                let call = optional(fields, path, "call_id", text)?.or(id).unwrap_or_default();
                let what = fields.take("action").or_else(|| fields.take("operation"));
                let arguments = compact(what.map_or("{}", RawValue::get));
                fields.take("created_by");
                Read::Of(of(Content::ToolCall { id: call, name, arguments }))
            }
            Some("local_shell_call_output" | "shell_call_output" | "apply_patch_call_output") => {
                let call = optional(fields, path, "call_id", text)?.or(id).unwrap_or_default();
                let said = fields
                    .take("output")
                    .map_or(Cow::Borrowed(""), |raw| loose_text(raw).unwrap_or_else(|| compact(raw.get())));
                let blocks = vec![Block::unmarked(Content::Text(said), place.below(Member::Output))];
                fields.take("max_output_length");
                Read::Result(of(Content::ToolResult { id: call, blocks, is_error: None }))
            }
            // Tools that were found: from here on they are on offer.
            Some("tool_search_output") => {
                fields.take("call_id");
                fields.take("execution");
                let list = required(fields, path, "tools", array)?;
                offered(list, |index| place.at(Member::Tools, index), into, forms, unread)?;
                Read::Nothing
            }
            Some("custom_tool_call") => {
                let name = called(fields, path, true, forms)?;
                let input = required(fields, path, "input", text)?;
                let arguments = Cow::Owned(serde_json::json!({ TEXT_ARGUMENT: input }).to_string());
                Read::Of(of(Content::ToolCall { id: required(fields, path, "call_id", text)?, name, arguments }))
            }
            Some("function_call_output" | "custom_tool_call_output") => {
                // Codex hands the output of one conversation to another, without a call.
                let id = optional(fields, path, "call_id", text)?.unwrap_or_default();
                // The call has told them.
                fields.take("name");
                fields.take("namespace");
                let blocks = required(fields, path, "output", |raw, _| output(raw, place, unread))?;
                Read::Result(of(Content::ToolResult { id, blocks, is_error: None }))
            }
            Some("reasoning") => Read::Of(of(reasoning(fields, place, id.as_deref(), unread)?)),
            Some("additional_tools") => {
                fields.take("role");
                let list = required(fields, path, "tools", array)?;
                offered(list, |index| place.at(Member::Tools, index), into, forms, unread)?;
                Read::Nothing
            }
            // What ran at the provider is told by what was said after it; of what this version does not know, nothing can be told.
            Some(_) => {
                fields.cover();
                unread.name(path);
                Read::Nothing
            }
        })
    })
}

/// A text, or the object that it should hold: some clients replay what they parsed.
fn text_or_object<'a>(raw: &'a RawValue, path: Path<'_>) -> Result<Cow<'a, str>, ApiError> {
    if raw.get().starts_with('{') { Ok(compact(raw.get())) } else { text(raw, path) }
}

/// The name of what is called, by its form.
fn called<'a>(
    fields: &mut Object<'a>,
    path: Path<'_>,
    takes_text: bool,
    forms: &mut Forms,
) -> Result<Cow<'a, str>, ApiError> {
    let namespace = optional(fields, path, "namespace", text)?;
    Ok(forms.known(namespace.as_deref(), required(fields, path, "name", text)?, takes_text))
}

fn message<'a>(fields: &mut Object<'a>, place: Place, unread: &mut Unread) -> Result<Read<'a>, ApiError> {
    let path = Path::from(place);
    let speaker = match required(fields, path, "role", text)?.as_ref() {
        "user" => Speaker::User,
        "system" | "developer" => Speaker::System,
        "assistant" => Speaker::Assistant,
        other => return Err(wrong_value(path.field("role"), other, ROLES)),
    };
    let blocks = required(fields, path, "content", |raw, _| content(raw, place, unread, part))?;
    Ok(Read::Message(speaker, blocks))
}

/// What a call gave.
fn output<'a>(raw: &'a RawValue, place: Place, unread: &mut Unread) -> Result<Vec<Block<'a>>, ApiError> {
    let path = Path::from(place);
    let path = path.field("output");
    if !raw.get().starts_with('[') {
        let said = Content::Text(text_or_object(raw, path)?);
        return Ok(vec![Block::unmarked(said, place.below(Member::Output))]);
    }
    let parts = array(raw, path)?.into_iter().enumerate();
    parts.map(|(index, raw)| part(raw, place.at(Member::Output, index), unread)).collect()
}

fn part<'a>(raw: &'a RawValue, place: Place, unread: &mut Unread) -> Result<Block<'a>, ApiError> {
    let path = Path::from(place);
    object(raw, path, unread, |fields, unread| {
        let kind = required(fields, path, "type", text)?;
        let content = match kind.as_ref() {
            "input_text" | "output_text" | "text" => Content::Text(required(fields, path, "text", text)?),
            "refusal" => Content::Refusal(required(fields, path, "refusal", text)?),
            "input_image" => match optional(fields, path, "image_url", text)? {
                Some(url) => {
                    Content::Image { source: Source::Uri(url), detail: optional(fields, path, "detail", text)? }
                }
                None => covered(fields, kind),
            },
            "input_file" => {
                let data = optional(fields, path, "file_data", text)?;
                match data.or(optional(fields, path, "file_url", text)?) {
                    Some(uri) => {
                        let name = optional(fields, path, "filename", text)?;
                        Content::Document { source: file(uri), name }
                    }
                    None => covered(fields, kind),
                }
            }
            "input_audio" => required(fields, path, "input_audio", |raw, path| {
                object(raw, path, unread, |fields, _| {
                    let data = required(fields, path, "data", text)?;
                    Ok(Content::Audio { data, format: required(fields, path, "format", text)? })
                })
            })?,
            _ => covered(fields, kind),
        };
        Ok(Block::unmarked(content, place))
    })
}

/// Where a file is: by its URI, or bare base64, which stands for a PDF.
fn file(uri: Cow<'_, str>) -> Source<'_> {
    match uri.contains(':') {
        true => Source::Uri(uri),
        false => Source::Base64 { media_type: Cow::Borrowed("application/pdf"), data: uri },
    }
}

/// A part that no neutral form holds, such as a file by its id: it is refused or named as a whole.
fn covered<'a>(fields: &mut Object<'a>, kind: Cow<'a, str>) -> Content<'a> {
    fields.cover();
    Content::Opaque(kind)
}

/// What the model thought, and what its provider wants back of that.
fn reasoning<'a>(
    fields: &mut Object<'a>,
    place: Place,
    id: Option<&str>,
    unread: &mut Unread,
) -> Result<Content<'a>, ApiError> {
    let path = Path::from(place);
    let mut texts = thoughts(fields, path, "summary", unread)?;
    // The thoughts themselves, of models that show them, say more than their summary.
    let whole = thoughts(fields, path, "content", unread)?;
    if !whole.is_empty() {
        texts = whole;
    }
    let words = match texts.len() {
        1 => texts.pop().unwrap_or_default(),
        _ => Cow::Owned(texts.join("\n\n")),
    };
    let sealed = optional(fields, path, "encrypted_content", text)?;
    Ok(sealed::open(words, sealed, id.unwrap_or_default()))
}

fn thoughts<'a>(
    fields: &mut Object<'a>,
    path: Path<'_>,
    name: &str,
    unread: &mut Unread,
) -> Result<Vec<Cow<'a, str>>, ApiError> {
    let list = path.field(name);
    let Some(raw) = fields.take(name) else { return Ok(Vec::new()) };
    let mut texts = Vec::new();
    for (index, raw) in array(raw, list)?.into_iter().enumerate() {
        let path = list.index(index);
        object(raw, path, unread, |fields, _| {
            fields.take("type").and_then(loose_text);
            texts.extend(optional(fields, path, "text", text)?);
            Ok(())
        })?;
    }
    Ok(texts)
}
