//! How providers word their errors: plain text, and patterns to find in it.
//!
//! A pattern is written as it reads: `prompt|input .. too long` is one of two phrases and, in the same sentence and not far
//! behind, a third. A phrase begins where a word begins and may be a stem. That spares the house a regex engine, and a sentence
//! at a time keeps phrases apart that have nothing to do with each other.
//!
//! **Invariant:** what a provider quotes (a model's name, a parameter, the client's own words) and what stands in a URL is not in
//! the plain text, so that it decides nothing.

/// How far apart the phrases of a pattern may be, in bytes.
const GAP: usize = 70;

/// Names in quotes that say what the sentence is about; any other quote is left out.
const KEPT: &[&str] = &[
    "inputs",
    "input",
    "prompt",
    "messages",
    "max_tokens",
    "max_new_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "maxoutputtokens",
    "model",
    "tool calling",
    "json_schema",
];

/// Forms of one word that are read as one, and words that say nothing.
const FORMS: &[(&str, &str)] = &[
    ("exceeding ", "exceed "),
    ("exceeded", "exceed"),
    ("exceeds", "exceed"),
    ("exceed the ", "exceed "),
    ("exceed your ", "exceed "),
    ("n't ", " not "),
    ("cannot ", "can not "),
    (" the ", " "),
    (" a ", " "),
    (" an ", " "),
    ("api-key", "api key"),
    ("api_key", "api key"),
    ("apikey", "api key"),
    ("rate-limit", "rate limit"),
    ("top-up", "top up"),
    ("case-sensitive", "case"),
    ("case sensitive", "case"),
];

/// The sentences of a text: lower case, without quotes and URLs, words in one form.
pub fn sentences(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace(['‘', '’'], "'").replace(['“', '”'], "\"");
    // A document within the text, whole or cut, is all quotes.
    let is_document = ["{\"", "{'", "{\\\""].iter().any(|begin| text.contains(begin));
    let whole = text.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = if is_document { text } else { without_quotes(whole.unwrap_or(&text)) };
    let mut plain = String::with_capacity(text.len());
    for word in text.split_ascii_whitespace().filter(|word| !is_url(word)) {
        plain.push(' ');
        plain.push_str(word);
    }
    plain.push(' ');
    for (form, read) in FORMS {
        if plain.contains(form) {
            plain = plain.replace(form, read);
        }
    }
    let ends = [". ", "! ", "? ", "; ", "。", "！", "；"];
    let mut sentences = vec![plain];
    for end in ends {
        sentences = sentences.iter().flat_map(|text| text.split(end)).map(str::to_owned).collect();
    }
    sentences.retain(|sentence| !sentence.trim().is_empty());
    sentences
}

fn is_url(word: &str) -> bool {
    ["http://", "https://", "www."]
        .iter()
        .any(|begin| word.trim_start_matches(['(', '<', '[', '"', '\'']).starts_with(begin))
}

/// Leaves out what stands in quotes, but for names that say what the sentence is about. An apostrophe is no quote.
fn without_quotes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '"', '`']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let quote = from.chars().next().unwrap_or('"');
        let inside = from.strip_prefix(quote).unwrap_or("");
        out.push_str(before);
        let opens = quote == '`' || !before.ends_with(|c: char| c.is_alphanumeric());
        match closing(inside, quote).filter(|_| opens) {
            Some((quoted, after)) => {
                out.push_str(if KEPT.contains(&quoted) { quoted } else { "''" });
                rest = after;
            }
            None => {
                out.push(quote);
                rest = inside;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What stands before the closing quote, and after it.
fn closing(inside: &str, quote: char) -> Option<(&str, &str)> {
    let mut from = 0;
    while let Some(found) = inside.get(from..)?.find(quote) {
        let (quoted, after) = (inside.get(..from + found)?, inside.get(from + found + 1..)?);
        if quote != '\'' || !after.starts_with(char::is_alphanumeric) {
            return Some((quoted, after));
        }
        from += found + 1;
    }
    None
}

/// Whether one of `patterns` is in one of the sentences.
pub fn found(patterns: &[&str], sentences: &[String]) -> bool {
    patterns.iter().any(|pattern| sentences.iter().any(|sentence| matches(pattern, sentence)))
}

/// Whether a sentence has the phrases of a pattern, in this order.
pub fn matches(pattern: &str, sentence: &str) -> bool {
    let (first, rest) = pattern.split_once(" .. ").map_or((pattern, None), |(first, rest)| (first, Some(rest)));
    first.split('|').any(|phrase| {
        let mut from = 0;
        while let Some(at) = position(phrase, sentence, from) {
            let end = at + phrase.len();
            let near = sentence.get(end..).map(|after| after.get(..after.floor_char_boundary(GAP)).unwrap_or(after));
            if rest.is_none_or(|rest| near.is_some_and(|near| matches(rest, near))) {
                return true;
            }
            from = end;
        }
        false
    })
}

/// Where a phrase stands, from a place on, at the beginning of a word.
fn position(phrase: &str, sentence: &str, from: usize) -> Option<usize> {
    let mut from = from;
    loop {
        let at = from + sentence.get(from..)?.find(phrase)?;
        let before = sentence.get(..at)?;
        let in_word = |c: char| c.is_ascii_alphanumeric();
        if !phrase.starts_with(in_word) || !before.ends_with(in_word) {
            return Some(at);
        }
        from = at + phrase.chars().next().map_or(1, char::len_utf8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_urls_are_left_out_and_apostrophes_are_none() {
        let plain = |text: &str| sentences(text).join("|");
        assert_eq!(plain("The model 'quota-1' doesn't exist."), " model '' does not exist");
        assert_eq!(plain("The model's limit; see https://x.y/billing now"), " model's limit|see now ");
        assert_eq!(plain("`inputs` of `x`, \"a b\""), " inputs of '', '' ");
        assert_eq!(plain("\"Rate-limit EXCEEDED\""), " rate limit exceed ");
        assert_eq!(plain("\"a\" is not \"b\""), " a\" is not \"b ");
        assert_eq!(plain("{\"error\":\"quota"), " {\"error\":\"quota ");
        assert_eq!(plain("it's users' and 'it's here' ok"), " it's users' and '' ok ");
    }

    #[test]
    fn a_pattern_is_phrases_in_order_within_a_sentence() {
        let is = |pattern, text| found(&[pattern], &sentences(text));
        assert!(is("prompt|input .. too long", "Your INPUT is far too long."));
        assert!(!is("prompt|input .. too long", "Your input. It is too long"));
        assert!(!is("prompt .. too long", "too long a prompt"));
        assert!(!is("put .. too long", "input is too long"), "a phrase begins with its word");
        assert!(is("超长", "Prompt超长"));
        assert!(!is("a1 .. b1", &format!("a1 {} b1", "x ".repeat(40))), "not far apart");
    }
}
