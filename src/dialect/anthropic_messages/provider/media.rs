//! Images and files: a URL or a `data:` URI to a block.
//!
//! **Invariant:** base64 is passed on as it is, never decoded: only its alphabet is looked at.

use memchr::memmem;
use serde_json::value::RawValue;

use super::wire::{Block, Source};
use crate::chat;
use crate::dialect::data_uri::{data_uri, starts_with};
use crate::dialect::read::{loose_list, loose_object};
use crate::provider::Provider;

/// Why a URL or `data:` URI is no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It is broken: the client's mistake.
    Broken,
    /// It is well, but Anthropic does not read its kind.
    Foreign,
}

/// What an API reads: media types in lower case, and its own words for them.
pub struct Media {
    /// Whether it fetches what stands at an http(s) URL.
    pub by_url: bool,
    /// Images.
    pub images: &'static [(&'static str, &'static str)],
    /// Documents.
    pub documents: &'static [(&'static str, &'static str)],
}

/// What Anthropic reads.
pub const MEDIA: Media = Media {
    by_url: true,
    images: &[
        ("image/jpeg", "image/jpeg"),
        ("image/jpg", "image/jpeg"),
        ("image/png", "image/png"),
        ("image/gif", "image/gif"),
        ("image/webp", "image/webp"),
    ],
    documents: &[("application/pdf", "application/pdf")],
};

/// The same where nothing is fetched.
const INLINE: Media = Media { by_url: false, ..MEDIA };

/// What this provider's Claude reads.
pub const fn of(provider: &Provider) -> &'static Media {
    if provider.habits.fetches_nothing { &INLINE } else { &MEDIA }
}

/// The place of an image or a file in a client's own Messages of which only the URL is there.
pub fn by_url(body: &[u8]) -> Option<String> {
    memmem::find(body, b"\"url\"")?;
    let messages = loose_object(body)?.take("messages").and_then(loose_list)?;
    messages.into_iter().enumerate().find_map(|(at, message)| {
        let blocks = loose_object(message.get().as_bytes())?.take("content").and_then(loose_list)?;
        let block_at = blocks.into_iter().position(|block| is_by_url(block, NESTED))?;
        Some(format!("messages[{at}].content[{block_at}]"))
    })
}

/// How deep blocks stand in blocks: an image in a document in the result of a call.
const NESTED: usize = 3;

fn is_by_url(block: &RawValue, depth: usize) -> bool {
    let Some(mut fields) = loose_object(block.get().as_bytes()).filter(|_| depth > 0) else { return false };
    let is_there = |block: &RawValue| is_by_url(block, depth - 1);
    let any = |list: &RawValue| loose_list(list).is_some_and(|blocks| blocks.into_iter().any(is_there));
    let source = fields.take("source").and_then(|raw| loose_object(raw.get().as_bytes()));
    let is_elsewhere = source.is_some_and(|mut source| {
        source.take("type").is_some_and(|kind| kind.get() == "\"url\"") || source.take("content").is_some_and(any)
    });
    is_elsewhere || fields.take("content").is_some_and(any)
}

/// The block of an image.
pub fn image<'r>(source: &'r chat::Source<'_>, media: &Media) -> Result<Block<'r>, Unusable> {
    let url = match source {
        chat::Source::Uri(uri) => uri.as_ref(),
        chat::Source::Base64 { media_type, data } => return known(media_type, data, None, media).and_then(only_image),
        chat::Source::Text(_) => return Err(Unusable::Foreign),
    };
    if is_web(url) {
        let block = Block::Image { source: Source::Url { url }, cache_control: None };
        return media.by_url.then_some(block).ok_or(Unusable::Foreign);
    }
    block(url, None, media).and_then(only_image)
}

fn only_image(block: Block<'_>) -> Result<Block<'_>, Unusable> {
    if matches!(block, Block::Image { .. }) { Ok(block) } else { Err(Unusable::Foreign) }
}

/// The block of a file: an image becomes an image, anything else that is read a document.
pub fn file<'r>(source: &'r chat::Source<'_>, name: Option<&'r str>, media: &Media) -> Result<Block<'r>, Unusable> {
    let uri = match source {
        chat::Source::Uri(uri) => uri.as_ref(),
        chat::Source::Base64 { media_type, data } => return known(media_type, data, name, media),
        chat::Source::Text(data) => {
            let source = Source::Text { media_type: "text/plain", data };
            return Ok(Block::Document { source, title: name, cache_control: None });
        }
    };
    if !is_web(uri) {
        return block(uri, name, media);
    }
    if !media.by_url {
        return Err(Unusable::Foreign);
    }
    let path = uri.split(['?', '#']).next().unwrap_or(uri);
    let is_image = path.rsplit_once('.').is_some_and(|(_, end)| {
        ["jpg", "jpeg", "png", "gif", "webp"].iter().any(|image| end.eq_ignore_ascii_case(image))
    });
    let source = Source::Url { url: uri };
    Ok(match is_image {
        true => Block::Image { source, cache_control: None },
        false => Block::Document { source, title: name, cache_control: None },
    })
}

fn is_web(uri: &str) -> bool {
    starts_with(uri, "https://") || starts_with(uri, "http://")
}

fn block<'r>(uri: &'r str, title: Option<&'r str>, media: &Media) -> Result<Block<'r>, Unusable> {
    let (kind, data) = data_uri(uri).ok_or(Unusable::Broken)?;
    known(kind, data, title, media)
}

/// The block of a media type that is read.
fn known<'r>(kind: &str, data: &'r str, title: Option<&'r str>, media: &Media) -> Result<Block<'r>, Unusable> {
    let find = |known: &[(&'static str, &'static str)]| {
        known.iter().find(|(name, _)| kind.eq_ignore_ascii_case(name)).map(|(_, media_type)| *media_type)
    };
    if let Some(media_type) = find(media.images) {
        return Ok(Block::Image { source: Source::Base64 { media_type, data }, cache_control: None });
    }
    let media_type = find(media.documents).ok_or(Unusable::Foreign)?;
    Ok(Block::Document { source: Source::Base64 { media_type, data }, title, cache_control: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_pointed_to_is_found_where_it_stands() {
        let of = |messages: &str| by_url(format!(r#"{{"messages":{messages}}}"#).as_bytes());
        let image = r#"{"type":"image","source":{"type":"url","url":"https://h/a.png"}}"#;
        let user = |block: &str| {
            of(&format!(
                r#"[{{"role":"user","content":"hi"}},{{"content":[{{"type":"text"}},{block}],"role":"user"}}]"#
            ))
        };
        let place = Some("messages[1].content[1]".to_owned());
        assert_eq!(user(image), place);
        assert_eq!(user(&format!(r#"{{"type":"tool_result","content":[{image}]}}"#)), place);
        assert_eq!(user(&format!(r#"{{"type":"document","source":{{"type":"content","content":[{image}]}}}}"#)), place);
        assert_eq!(user(r#"{"type":"text","text":"\"url\"","source":{"type":"base64","url":"url"}}"#), None);
        assert_eq!(of("7"), None);
    }

    #[test]
    fn other_media_are_foreign_not_broken() {
        let uri = |uri: &'static str| chat::Source::Uri(uri.into());
        assert_eq!(image(&uri("data:image/bmp;base64,AAAA"), &MEDIA).err(), Some(Unusable::Foreign));
        assert_eq!(image(&uri("data:application/pdf;base64,AAAA"), &MEDIA).err(), Some(Unusable::Foreign));
        assert_eq!(file(&uri("data:text/csv;base64,AAAA"), None, &MEDIA).err(), Some(Unusable::Foreign));
        assert!(matches!(image(&uri("HTTPS://x/y.png"), &MEDIA), Ok(Block::Image { source: Source::Url { .. }, .. })));
    }
}
