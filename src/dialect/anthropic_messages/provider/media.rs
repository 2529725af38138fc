//! Images and files: a URL or a `data:` URI to a block.
//!
//! **Invariant:** base64 is passed on as it is, never decoded: only its alphabet is looked at.

use super::wire::{Block, Source};
use crate::chat;

/// Why a URL or `data:` URI is no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It is broken: the client's mistake.
    Broken,
    /// It is well, but Anthropic does not read its kind.
    Foreign,
}

/// The block of an image.
pub fn image<'r>(source: &'r chat::Source<'_>) -> Result<Block<'r>, Unusable> {
    let url = match source {
        chat::Source::Uri(uri) => uri.as_ref(),
        chat::Source::Base64 { media_type, data } => return known(media_type, data, None).and_then(only_image),
        chat::Source::Text(_) => return Err(Unusable::Foreign),
    };
    if starts_with(url, "https://") || starts_with(url, "http://") {
        return Ok(Block::Image { source: Source::Url { url }, cache_control: None });
    }
    block(url, None).and_then(only_image)
}

fn only_image(block: Block<'_>) -> Result<Block<'_>, Unusable> {
    if matches!(block, Block::Image { .. }) { Ok(block) } else { Err(Unusable::Foreign) }
}

/// The block of a file: an image becomes an image, anything else that is read a document.
pub fn file<'r>(source: &'r chat::Source<'_>, name: Option<&'r str>) -> Result<Block<'r>, Unusable> {
    let uri = match source {
        chat::Source::Uri(uri) => uri.as_ref(),
        chat::Source::Base64 { media_type, data } => return known(media_type, data, name),
        chat::Source::Text(data) => {
            let source = Source::Text { media_type: "text/plain", data };
            return Ok(Block::Document { source, title: name, cache_control: None });
        }
    };
    if !starts_with(uri, "https://") && !starts_with(uri, "http://") {
        return block(uri, name);
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

fn block<'r>(uri: &'r str, title: Option<&'r str>) -> Result<Block<'r>, Unusable> {
    let (kind, data) = data_uri(uri).ok_or(Unusable::Broken)?;
    known(kind, data, title)
}

/// The block of a media type that Anthropic reads.
fn known<'r>(kind: &str, data: &'r str, title: Option<&'r str>) -> Result<Block<'r>, Unusable> {
    let media_type = match kind.to_ascii_lowercase().as_str() {
        "image/jpeg" | "image/jpg" => "image/jpeg",
        "image/png" => "image/png",
        "image/gif" => "image/gif",
        "image/webp" => "image/webp",
        "application/pdf" => {
            let source = Source::Base64 { media_type: "application/pdf", data };
            return Ok(Block::Document { source, title, cache_control: None });
        }
        _ => return Err(Unusable::Foreign),
    };
    Ok(Block::Image { source: Source::Base64 { media_type, data }, cache_control: None })
}

/// The media type and the base64 of `data:TYPE;base64,DATA`.
fn data_uri(uri: &str) -> Option<(&str, &str)> {
    if !starts_with(uri, "data:") {
        return None;
    }
    let (head, data) = uri.get(5..)?.split_once(',')?;
    let (kind, encoding) = head.rsplit_once(';')?;
    let kind = kind.split(';').next().unwrap_or(kind).trim();
    let encoded = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let letters = data.trim_end_matches('=');
    let sound = !letters.is_empty()
        && data.len() - letters.len() <= 2
        && letters.len() % 4 != 1
        && letters.as_bytes().iter().all(encoded);
    (sound && encoding.trim().eq_ignore_ascii_case("base64")).then_some((kind, data))
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_uris_are_taken_apart() {
        assert_eq!(data_uri("data:image/png;base64,iVBORw0KGgo="), Some(("image/png", "iVBORw0KGgo=")));
        assert_eq!(data_uri("DATA:image/png;charset=x;BASE64,AAAA"), Some(("image/png", "AAAA")));
        for broken in [
            "",
            "data:",
            "data:image/png,AAAA",
            "data:image/png;base64,",
            "data:image/png;base64,A",
            "data:image/png;base64,A*AA",
            "data:image/png;base64,AAAA===",
            "iVBORw0KGgo=",
            "file:///etc/passwd",
            "gs://x/y",
            "é",
        ] {
            assert_eq!(data_uri(broken), None, "{broken}");
        }
    }

    #[test]
    fn other_media_are_foreign_not_broken() {
        let uri = |uri: &'static str| chat::Source::Uri(uri.into());
        assert_eq!(image(&uri("data:image/bmp;base64,AAAA")).err(), Some(Unusable::Foreign));
        assert_eq!(image(&uri("data:application/pdf;base64,AAAA")).err(), Some(Unusable::Foreign));
        assert_eq!(file(&uri("data:text/csv;base64,AAAA"), None).err(), Some(Unusable::Foreign));
        assert!(matches!(image(&uri("HTTPS://x/y.png")), Ok(Block::Image { source: Source::Url { .. }, .. })));
    }
}
