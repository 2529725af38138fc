//! The simulator's answer, before a dialect gives it a form: words, perhaps reasoning, perhaps a tool call, and the usage.
//!
//! **Invariant:** the same request gives the same words, and a whole text that is long enough to close ends in "Done.", so
//! that a reader can tell a whole answer from a short one.

use super::request::{Call, Request, excerpt};

/// How many tokens an answer has by default.
pub const DEFAULT_TOKENS: u32 = 12;

const FILLER: &str = "The signal is green and the line is clear, so the train keeps rolling along to the next station.";
const REFUSAL: &str = "I cannot help with that.";
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
    /// The tools called, in one turn.
    pub calls: Vec<Call>,
    /// Whether `max_tokens` cut the text.
    pub short: bool,
    /// The stop sequence that cut the text.
    pub stopped: Option<String>,
    /// Whether the text refuses to answer.
    pub refused: bool,
    /// How many choices.
    pub n: u32,
    /// All prompt tokens, the cached ones among them.
    pub prompt_tokens: u64,
    /// Prompt tokens read from a cache.
    pub cached_tokens: u64,
    /// Tokens of the answer, reasoning among them.
    pub completion_tokens: u64,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It calls tools.
    Calls,
    /// It refuses.
    Refusal,
    /// `max_tokens` cut it.
    Length,
    /// A stop sequence cut it.
    Sequence,
    /// It is whole.
    Whole,
}

impl Answer {
    /// Why it ends.
    pub fn ending(&self) -> Ending {
        match (self.refused, self.short, &self.stopped) {
            _ if !self.calls.is_empty() => Ending::Calls,
            (true, ..) => Ending::Refusal,
            (_, true, _) => Ending::Length,
            (.., Some(_)) => Ending::Sequence,
            _ => Ending::Whole,
        }
    }

    /// The simulator `name`'s answer of `tokens` tokens to `asked`, as the model `model`.
    pub fn to(request: &Request, name: &str, model: &str, tokens: u32, number: u64, created: u64) -> Answer {
        let thoughts = if request.reasoning { split(THOUGHT) } else { Vec::new() };
        let mut words = match &request.json {
            _ if !request.calls.is_empty() => Vec::new(),
            Some(json) => split(json),
            None => words(name, request, tokens as usize),
        };
        let whole = words.concat();
        let found = request.stops.iter().filter_map(|stop| Some((whole.find(&**stop)?, stop))).min();
        let stopped = found.and_then(|(place, stop)| {
            words = split(whole.get(..place)?);
            Some(stop.clone())
        });
        let short = request.max_tokens.is_some_and(|most| (words.len() as u64) > most);
        if let Some(most) = request.max_tokens {
            words.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        }
        let prompt_tokens = request.chars as u64 / 4 + 8;
        let call_tokens: u64 = request.calls.iter().map(|call| 8 + call.arguments.len() as u64 / 4).sum();
        Answer {
            number,
            created,
            model: model.to_owned(),
            completion_tokens: (words.len() + thoughts.len()) as u64 * u64::from(request.n) + call_tokens,
            thoughts,
            words,
            calls: request.calls.clone(),
            short,
            stopped,
            refused: false,
            n: request.n,
            prompt_tokens,
            cached_tokens: prompt_tokens / 4,
        }
    }

    /// The same answer, with the reasoning before it.
    pub fn thinking(self) -> Answer {
        let thoughts = split(THOUGHT);
        let completion_tokens = self.completion_tokens + thoughts.len() as u64 * u64::from(self.n);
        Answer { thoughts, completion_tokens, ..self }
    }

    /// The same answer, which refuses.
    pub fn refusing(self) -> Answer {
        Answer { words: split(REFUSAL), calls: Vec::new(), short: false, stopped: None, refused: true, ..self }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.words.concat()
    }
}

impl Call {
    /// The arguments in two pieces, as streams send them.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        let middle = self.arguments.find(':').map_or(1, |colon| colon + 1);
        let (head, tail) = self.arguments.split_at_checked(middle).unwrap_or((&self.arguments, ""));
        [head, tail].into_iter().filter(|piece| !piece.is_empty())
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

fn words(name: &str, request: &Request, tokens: usize) -> Vec<String> {
    let said = excerpt(&request.text);
    let shown = if request.images > 0 { format!(", with images: {}", request.images) } else { String::new() };
    let opening = format!("[{name}] You said: {}{shown}.", if said.is_empty() { "nothing" } else { &said });
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

    #[test]
    fn stops_where_it_is_told_to_and_says_how_many_images_it_saw() {
        let request = Request { stops: vec!["line".into(), "The".into()], images: 2, ..request("Hi") };
        let answer = Answer::to(&request, "primary", "m", 12, 1, 0);
        assert_eq!(answer.text(), "[primary] You said: Hi, with images: 2. ");
        assert_eq!(answer.stopped.as_deref(), Some("The"));
    }
}
