//! `data:` URIs, in which clients send images and files.
//!
//! **Invariant:** base64 is never decoded: only its alphabet is looked at.

/// The media type and the base64 of `data:TYPE;base64,DATA`.
pub fn data_uri(uri: &str) -> Option<(&str, &str)> {
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
    (sound && !kind.is_empty() && encoding.trim().eq_ignore_ascii_case("base64")).then_some((kind, data))
}

/// Whether a text begins so, in capitals or not.
pub fn starts_with(text: &str, prefix: &str) -> bool {
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
            "data:;base64,AAAA",
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
}
