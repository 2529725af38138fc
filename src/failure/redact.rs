//! Makes a provider's words fit for a client and a log.
//!
//! Two things give a credential away: how it looks (well-known beginnings, letters and digits mixed without a break, stars in its
//! middle), and what stands before it ("API key provided:", `"token":"`, `?key=`, `Bearer`). A short one only the second.
//!
//! **Invariant:** what leaves here is short, has no control characters, and nothing that looks like a key: providers quote
//! the key they refuse, and it is the gateway's key, not the client's.

/// The longest message, in bytes before the dots that say it was cut.
const MESSAGE: usize = 500;
/// The longest code or parameter, in bytes.
const NAME: usize = 100;
/// How much is looked at: masking makes text shorter, so more than a message.
const LOOK: usize = 8 * MESSAGE;
/// From this length on, letters and digits mixed without a break are a key, an id or noise, but no word.
const KEY: usize = 20;
/// From this length on, what begins like a key is one.
const BEGUN: usize = 12;
const MASK: &str = "[key]";

/// How well-known keys begin. Only `sk-` alone says enough; the others count from [`BEGUN`] characters on.
const PREFIXES: &str = "AIza AKIA ASIA ABSK gsk_ hf_ xai- nvapi- tgp_ fw_ pplx- r8_ pk- pk_ sk_ rk_ csk- eyJ ya29. ghp_ gho_ ghs_ github_pat_ \
    glpat- xoxb- xoxp- bce-v3 dapi tok_ key-";

/// Ends of words after which a credential follows for sure.
const SURE: &str = "apikey secret password passwd pwd authorization bearer basic accesskey secretkey privatekey authtoken accesstoken \
    refreshtoken sessiontoken securitytoken credential credentials signature subscriptionkey passphrase";

/// The same, of words that have another meaning too.
const LIKELY: &str = "key token auth sig";

/// What may stand between such a word and the credential.
const BETWEEN: &str = "is was provided given used value header received passed supplied your the this named id prefix suffix ending ends \
    starting starts beginning begins with in string sent";

/// What stands there and is no credential.
const WORDS: &str = "invalid missing expired required not null none undefined empty revoked disabled unknown incorrect malformed must \
    please a an and or for should has have you no true false unauthorized forbidden denied failed error wrong to from does \
    cannot could are of api access authentication format type scheme only may can will at on found be it its we our use \
    using functioncall see check if when as by but so then than more get set make sure i they he she that there here";

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

/// What the words before lead to expect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Nothing,
    /// A credential, after a word that may mean something else.
    Likely,
    Sure,
}

fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    // What is awaited, whether a sign (`:`, `=`, a quote) points at the next word, and the word before.
    let (mut awaited, mut is_pointed, mut before) = (Awaited::Nothing, false, "");
    while !rest.is_empty() {
        let (word, after) = split(rest, |c| !in_key(c));
        let word_end = word.trim_end_matches('.').len();
        let (word, dots) = word.split_at_checked(word_end).unwrap_or((word, ""));
        let (between, next) = split(after, in_key);
        if !word.is_empty() {
            let lower = word.to_ascii_lowercase();
            let opens = marks(&lower, before);
            if is_key(word) || is_user(word, between) || is_value(word, &lower, awaited, is_pointed) {
                masked.push_str(MASK);
                (awaited, is_pointed) = (Awaited::Nothing, false);
            } else {
                masked.push_str(word);
                if opens == Awaited::Sure || (opens == Awaited::Likely && awaited == Awaited::Nothing) {
                    is_pointed &= awaited == Awaited::Sure;
                    awaited = opens;
                } else if opens == Awaited::Likely {
                    // `Bearer token`, `authorization: Token`: what was awaited still is.
                } else if !is_in(BETWEEN, &lower) {
                    awaited = Awaited::Nothing;
                }
            }
            before = word;
        }
        if !dots.is_empty() || between.contains(['.', ',', ';', '\n', '!']) {
            awaited = Awaited::Nothing;
        }
        if between.contains('=') && awaited == Awaited::Likely {
            awaited = Awaited::Sure;
        }
        is_pointed |= between.contains([':', '=', '"', '\'', '`', '(', '<', '[']);
        masked.push_str(dots);
        masked.push_str(between);
        rest = next;
    }
    masked
}

/// Whether a list has a word.
fn is_in(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

/// The text up to the first character of a kind, and what follows.
fn split(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(is_end).unwrap_or(text.len())).unwrap_or((text, ""))
}

const fn in_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '~' | '*' | '•' | '…' | '%')
}

/// What a word leads to expect: it ends with one of the known ones, `x-api-key` and `client_secret` too; `API key` is two words.
fn marks(lower: &str, before: &str) -> Awaited {
    let letters: String = lower.chars().filter(char::is_ascii_alphabetic).collect();
    let is_one = |words: &str| words.split(' ').any(|word| letters.ends_with(word));
    let kinds = ["api", "access", "secret", "private", "subscription", "account", "license", "auth", "bearer"];
    if is_one(SURE) || (is_one(LIKELY) && kinds.iter().any(|kind| before.eq_ignore_ascii_case(kind))) {
        Awaited::Sure
    } else if LIKELY
        .split(' ')
        .any(|word| lower == word || lower.ends_with(&format!("-{word}")) || lower.ends_with(&format!("_{word}")))
    {
        Awaited::Likely
    } else {
        Awaited::Nothing
    }
}

/// Whether a word is a credential by its looks.
fn is_key(word: &str) -> bool {
    let stars =
        word.contains("***") || word.contains("••") || word.contains("**") && word.len() > 8 && !word.starts_with("**");
    word.starts_with("sk-")
        || stars
        || (word.len() >= BEGUN && PREFIXES.split(' ').any(|prefix| word.starts_with(prefix)) && has_digit(word))
        || word.split(['-', '_', '.', '/', '+', '~', '%']).any(|part| part.len() >= KEY && is_mixed(part))
        || is_base64(word)
}

/// Whether a word is base64 that signs break into pieces.
fn is_base64(word: &str) -> bool {
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/'));
    let mut parts = word.split(['+', '/']).filter(|part| part.len() > 2);
    let is_noise = |part: &str| is_random(part) || is_mixed(part) || part.chars().all(|c| c.is_ascii_uppercase());
    is_plain && word.len() >= KEY && word.contains(['+', '/']) && is_mixed(word) && parts.all(is_noise)
}

/// Whether a word names a user before `@` in a URL, with a password behind a colon, which came through as one of its ends.
fn is_user(word: &str, between: &str) -> bool {
    between.starts_with('@') && !word.contains('.') && !word.is_empty() && word.len() < 100 && has_digit(word)
}

fn is_value(word: &str, lower: &str, awaited: Awaited, is_pointed: bool) -> bool {
    if awaited == Awaited::Nothing
        || is_in(WORDS, lower)
        || is_in(BETWEEN, lower)
        || marks(lower, "") != Awaited::Nothing
    {
        return false;
    }
    let is_cut = word.contains("...") || word.contains(['*', '…']);
    let is_name = word.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '.' | '-'));
    match (awaited, is_pointed) {
        (Awaited::Sure, true) => true,
        (Awaited::Sure, false) => is_cut || has_digit(word) || is_random(word) || (!is_name && word.len() >= KEY),
        (_, true) => {
            is_cut || (word.len() > 3 && is_mixed(word)) || (!is_name && is_random(word) && word.len() >= BEGUN)
        }
        (_, false) => is_cut || (word.len() > 5 && is_mixed(word)),
    }
}

fn has_digit(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit())
}

fn is_mixed(word: &str) -> bool {
    has_digit(word) && word.contains(|c: char| c.is_ascii_alphabetic())
}

/// Whether small and capital letters are mixed as in no word.
fn is_random(word: &str) -> bool {
    let small = word.contains(|c: char| c.is_ascii_lowercase());
    let inner = word.get(1..).is_some_and(|rest| rest.contains(|c: char| c.is_ascii_uppercase()));
    small && inner && word.len() > 5
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
        for text in [
            "the bearer token of accounts/fireworks/models/meta-llama-3-1-405b-instruct-turbo-fp8 (1f0e8a52-96f1-4c5e-8f57-0242ac120002)",
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130512 tokens.",
            "maximum token limit: 131072, got 140000",
            "Unknown key: max_completion_tokens in 'response_format'",
            "Unexpected token '<', \"<html>\" is not valid JSON",
            "API key is missing. Set the Authorization header: it is required.",
            "The key must not be empty",
            "Unsupported parameter: 'max_tokens' is not supported with this model.",
            "model gpt-4o-2024-08-06 at https://api.openai.com/v1/chat/completions",
            "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000",
            "secret: missing; password: required",
            "Invalid schema for function 'get_key': key 'items' is missing",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    /// S8: what no message may carry out, whatever the class.
    #[test]
    fn s8_credentials_in_every_shape_are_masked() {
        for (text, secret) in [
            ("Incorrect API key provided: abc123", "abc123"),
            ("Invalid API key: hunter", "hunter"),
            ("The key 'Zx9w8' is wrong", "Zx9w8"),
            ("Authentication Fails, Your api key: ****1234 is invalid", "1234"),
            ("Incorrect API key provided: xa***AB.", "xa***"),
            ("API key sk-ab...wxyz is disabled", "wxyz"),
            ("api key ending in ab12 was revoked", "ab12"),
            (
                "Received API Key = abcd...wxyz, Key Hash (Token) =88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
                "88dc28d0",
            ),
            ("Received API Key = abcd...wxyz", "wxyz"),
            ("invalid token 4f9a8b7c6d5e4f3a", "4f9a8b7c"),
            ("token=4f9a8b7c", "4f9a8b7c"),
            ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNz"),
            ("Authorization: Bearer hunter2", "hunter2"),
            ("header 'authorization: Token abcdef'", "abcdef"),
            ("{\"api_key\":\"hunter\",\"x\":1}", "hunter"),
            ("{\"client_secret\": \"hunter\"}", "hunter"),
            ("password is 'hunter'", "hunter"),
            ("GET https://host/v1/models?key=abcdef&alt=sse", "abcdef"),
            ("https://host/v1?api_key=hunter2", "hunter2"),
            ("x-api-key: hunter-two", "hunter-two"),
            ("AWS key AKIAIOSFODNN7EXAMPLE", "AKIAIOSF"),
            ("Credential=AKIAIOSFODNN7EXAMPLE/20250101/us-east-1, Signature=fe5f80f77d5fa3", "fe5f80f7"),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY is no key", "K7MDENG"),
            ("secret access key wJalrXUtnFEMI/K7MDENG+bPxRfiCY", "K7MDENG"),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIi"),
            ("key gsk_abcDEF123456", "abcDEF123456"),
            ("account hf_AbCdEfGhIjKl9", "AbCdEfGh"),
            ("0f1e2d3c4b5a69788796a5b4c3d2e1f0", "0f1e2d3c"),
            ("Az3+Qk/9dfGHj2Lm0PqRsTuV== was given", "dfGHj2Lm"),
            ("https://user1:pa55word@host/x", "pa55word"),
            ("subscription key 1234567890abcdef", "1234567890abcdef"),
        ] {
            let told = message(text);
            assert!(!told.contains(secret), "{text} -> {told}");
            assert!(told.contains(MASK), "{text} -> {told}");
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = message(&"ü".repeat(400));
        assert_eq!(long, format!("{}…", "ü".repeat(250)));
        assert_eq!(message(&"a".repeat(500)).len(), 500);
        assert_eq!(message(" a\nb\u{7}c "), "a b c");
    }
}
