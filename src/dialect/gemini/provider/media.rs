//! Images, sound and files: a URL, a `data:` URI or base64 to a part.
//!
//! **Invariant:** base64 and URLs are passed on as they are. A type is only told where the source says it.

use std::borrow::Cow;

use super::wire::{Blob, File, Part};
use crate::chat::Source;
use crate::dialect::data_uri::{data_uri, starts_with};

/// The types of files by the end of their names.
const TYPES: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("xml", "text/xml"),
    ("json", "application/json"),
    ("mp3", "audio/mp3"),
    ("wav", "audio/wav"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("aac", "audio/aac"),
    ("aiff", "audio/aiff"),
    ("m4a", "audio/m4a"),
    ("mp4", "video/mp4"),
    ("mov", "video/mov"),
    ("mpeg", "video/mpeg"),
    ("webm", "video/webm"),
];

/// The part of a source; `None`: it is neither a URL nor a `data:` URI.
pub fn part<'r>(source: &'r Source<'_>) -> Option<Part<'r>> {
    Some(match source {
        Source::Text(text) => Part { text: Some(Cow::Borrowed(text)), ..Part::default() },
        Source::Base64 { media_type, data } => inline(Cow::Borrowed(media_type), data),
        Source::Uri(uri) if ["https://", "http://", "gs://"].iter().any(|scheme| starts_with(uri, scheme)) => {
            let file = File { mime_type: by_name(uri), file_uri: uri };
            Part { file_data: Some(file), ..Part::default() }
        }
        Source::Uri(uri) => {
            let (kind, data) = data_uri(uri)?;
            inline(Cow::Borrowed(kind), data)
        }
    })
}

/// Sound in a format of OpenAI's. Some clients write a `data:` URI.
pub fn sound<'r>(data: &'r str, format: &str) -> Part<'r> {
    let data = data_uri(data).map_or(data, |(_, data)| data);
    inline(Cow::Owned(format!("audio/{format}")), data)
}

fn inline<'r>(mime_type: Cow<'r, str>, data: &'r str) -> Part<'r> {
    let mime_type = if mime_type == "image/jpg" { Cow::Borrowed("image/jpeg") } else { mime_type };
    Part { inline_data: Some(Blob { mime_type, data }), ..Part::default() }
}

/// The type that the path of a URL names.
fn by_name(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, path) = path.split_once("://")?;
    let (_, end) = path.rsplit_once('/')?.1.rsplit_once('.')?;
    TYPES.iter().find(|(name, _)| end.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G19.
    #[test]
    fn g19_a_type_is_read_from_the_path_alone() {
        assert_eq!(by_name("https://h/a.png?sig=x%2By&n=a.gif"), Some("image/png"));
        assert_eq!(by_name("https://generativelanguage.googleapis.com/v1beta/files/abc"), None);
        assert_eq!(by_name("https://h.png"), None);
        assert_eq!(by_name("gs://b/A.PDF#x"), Some("application/pdf"));
    }
}
