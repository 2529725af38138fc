//! The simulator's answer, before a dialect gives it a form: words, perhaps reasoning, perhaps a tool call, and the usage.
//!
//! **Invariant:** the same request gives the same words, and a whole text that is long enough to close ends in "Done.", so
//! that a reader can tell a whole answer from a short one.

use super::request::{Call, Request, excerpt};

/// How many tokens an answer has by default.
pub const DEFAULT_TOKENS: u32 = 12;

const FILLER: &str = "The signal is green and the line is clear, so the train keeps rolling along to the next station.";
const THOUGHT: &str = "A simple question; a short answer will do.";

/// One answer, without a dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The number of the answer at its listener.
    pub number: u64,
    /// When, in Unix seconds.
    pub created: u64,
    /// The model that "answers".
    pub model: String,
    /// Reasoning, a token an item.
    pub thoughts: Vec<String>,
    /// The text, a token an item; empty when a tool is called.
    pub words: Vec<String>,
    /// The tool called.
    pub call: Option<Call>,
    /// Whether `max_tokens` cut the text.
    pub short: bool,
    /// How many choices.
    pub n: u32,
    /// All prompt tokens, the cached ones among them.
    pub prompt_tokens: u64,
    /// Prompt tokens read from a cache.
    pub cached_tokens: u64,
    /// Tokens of the answer, reasoning among them.
    pub completion_tokens: u64,
}

impl Answer {
    /// The simulator `name`'s answer of `tokens` tokens to `asked`, as the model `model`.
    pub fn to(request: &Request, name: &str, model: &str, tokens: u32, number: u64, created: u64) -> Answer {
        let thoughts = if request.reasoning { split(THOUGHT) } else { Vec::new() };
        let mut words = match (&request.call, &request.json) {
            (Some(_), _) => Vec::new(),
            (None, Some(json)) => split(json),
            (None, None) => words(name, &request.text, tokens as usize),
        };
        let short = request.max_tokens.is_some_and(|most| (words.len() as u64) > most);
        if let Some(most) = request.max_tokens {
            words.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        }
        let prompt_tokens = request.chars as u64 / 4 + 8;
        let call_tokens = request.call.as_ref().map_or(0, |call| 8 + call.arguments.len() as u64 / 4);
        Answer {
            number,
            created,
            model: model.to_owned(),
            completion_tokens: (words.len() + thoughts.len()) as u64 * u64::from(request.n) + call_tokens,
            thoughts,
            words,
            call: request.call.clone(),
            short,
            n: request.n,
            prompt_tokens,
            cached_tokens: prompt_tokens / 4,
        }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.words.concat()
    }

    /// The arguments of the call in two pieces, as streams send them.
    pub fn argument_pieces(&self) -> Vec<&str> {
        let Some(call) = &self.call else { return Vec::new() };
        let middle = call.arguments.find(':').map_or(1, |colon| colon + 1);
        let (head, tail) = call.arguments.split_at_checked(middle).unwrap_or((&call.arguments, ""));
        [head, tail].into_iter().filter(|piece| !piece.is_empty()).collect()
    }
}

/// Cuts a text before each space: the pieces together are the text.
fn split(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for (at, word) in text.split(' ').enumerate() {
        pieces.push(if at == 0 { word.to_owned() } else { format!(" {word}") });
    }
    pieces
}

fn words(name: &str, text: &str, tokens: usize) -> Vec<String> {
    let said = excerpt(text);
    let opening = format!("[{name}] You said: {}.", if said.is_empty() { "nothing" } else { &said });
    let mut words = split(&opening);
    words.extend(FILLER.split(' ').cycle().take(tokens.saturating_sub(words.len())).map(|word| format!(" {word}")));
    words.truncate(tokens);
    if let Some(last) = words.last_mut().filter(|_| tokens > 3) {
        *last = " Done.".to_owned();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        Request { text: text.to_owned(), chars: text.len(), n: 1, ..Request::default() }
    }

    #[test]
    fn has_as_many_tokens_as_told() {
        for tokens in [1, 3, 12, 60] {
            let answer = Answer::to(&request("Hello there"), "primary", "m", tokens, 1, 0);
            assert_eq!((answer.words.len() as u32, answer.completion_tokens as u32), (tokens, tokens));
        }
    }

    #[test]
    fn names_the_simulator_echoes_and_closes() {
        let answer = Answer::to(&request("Hello there"), "primary", "m", 12, 1, 0);
        assert_eq!(answer.text(), "[primary] You said: Hello there. The signal is green and the Done.");
    }

    #[test]
    fn obeys_max_tokens() {
        let answer = Answer::to(&Request { max_tokens: Some(5), ..request("Hi") }, "primary", "m", 12, 1, 0);
        assert_eq!((answer.words.len(), answer.short), (5, true));
    }
}
