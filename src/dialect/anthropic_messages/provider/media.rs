//! Images and files: a URL or a `data:` URI to a block.
//!
//! **Invariant:** base64 is passed on as it is, never decoded: only its alphabet is looked at.

use super::wire::{Block, Source};
use crate::chat;
use crate::dialect::data_uri::{data_uri, starts_with};
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
    fn other_media_are_foreign_not_broken() {
        let uri = |uri: &'static str| chat::Source::Uri(uri.into());
        assert_eq!(image(&uri("data:image/bmp;base64,AAAA"), &MEDIA).err(), Some(Unusable::Foreign));
        assert_eq!(image(&uri("data:application/pdf;base64,AAAA"), &MEDIA).err(), Some(Unusable::Foreign));
        assert_eq!(file(&uri("data:text/csv;base64,AAAA"), None, &MEDIA).err(), Some(Unusable::Foreign));
        assert!(matches!(image(&uri("HTTPS://x/y.png"), &MEDIA), Ok(Block::Image { source: Source::Url { .. }, .. })));
    }
}
