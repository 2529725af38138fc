//! Makes a provider's words fit for a client and a log.
//!
//! **Invariant:** what leaves here is short, has no control characters, and nothing that looks like a key: providers quote
//! the key they refuse, and it is the router's key, not the client's.

/// The longest message, in bytes before the dots that say it was cut.
const MESSAGE: usize = 500;
/// The longest code or parameter, in bytes.
const NAME: usize = 100;
/// How much is looked at: masking makes text shorter, so more than a message.
const LOOK: usize = 8 * MESSAGE;
/// From this length on, letters and digits mixed without a break are a key, an id or noise, but no word.
const KEY: usize = 20;

/// How well-known keys begin. Only `sk-` alone says enough; the others count from [`KEY`] characters on.
const PREFIXES: &[&str] = &["AIza", "gsk_", "hf_", "xai-", "nvapi-", "tgp_", "fw_", "pplx-", "r8_", "pk-", "eyJ"];

/// A message: masked, cut, without control characters.
pub fn message(text: &str) -> String {
    let text = mask(cut(text.trim(), LOOK)).replace(char::is_control, " ");
    let short = cut(&text, MESSAGE);
    if short.len() < text.len() { format!("{short}…") } else { text }
}

/// A code or a parameter's name: the same, shorter.
pub fn name(text: &str) -> String {
    cut(&mask(cut(text, NAME)), NAME).replace(char::is_control, " ")
}

/// The beginning of a text, `limit` bytes at most.
pub fn cut(text: &str, limit: usize) -> &str {
    text.split_at_checked(text.floor_char_boundary(limit)).map_or(text, |(short, _)| short)
}

fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let (mut rest, mut bearer) = (text, false);
    while !rest.is_empty() {
        let end = rest.find(|c| !in_key(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let gap = after.find(in_key).unwrap_or(after.len());
        let (between, next) = after.split_at_checked(gap).unwrap_or((after, ""));
        masked.push_str(if is_key(word, bearer) { "[key]" } else { word });
        masked.push_str(between);
        bearer = word.eq_ignore_ascii_case("bearer");
        rest = next;
    }
    masked
}

const fn in_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

fn is_key(word: &str, after_bearer: bool) -> bool {
    let mixed = |part: &str| part.contains(|c: char| c.is_ascii_digit()) && part.contains(|c: char| c.is_alphabetic());
    word.starts_with("sk-")
        || (word.len() >= KEY && PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
        || (after_bearer && (mixed(word) || word.len() >= KEY))
        || word.split(['-', '_']).any(|part| part.len() >= KEY && mixed(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_and_names_are_not() {
        let masked = |text: &str| message(text);
        assert_eq!(masked("Incorrect API key provided: sk-x."), "Incorrect API key provided: [key].");
        assert_eq!(masked("sk-proj-Ab12_cd and \"Bearer abc123\""), "[key] and \"Bearer [key]\"");
        assert_eq!(masked("key=AIzaSyA-1bcdefgh_ijklmno;"), "key=[key];");
        assert_eq!(masked("k 0123456789abcdef0123456789abcdef"), "k [key]");
        let names = "the bearer token of accounts/fireworks/models/meta-llama-3-1-405b-instruct-turbo-fp8 (1f0e8a52-96f1-4c5e-8f57-0242ac120002)";
        assert_eq!(masked(names), names);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = message(&"ü".repeat(400));
        assert_eq!(long, format!("{}…", "ü".repeat(250)));
        assert_eq!(message(&"a".repeat(500)).len(), 500);
        assert_eq!(message(" a\nb\u{7}c "), "a b c");
    }
}
