//! The wordings by which providers say that a prompt is too long, a content refused, or the money gone.
//!
//! A pattern is a list of phrases that occur in this order. Text to match is lower case and [`plain`]: `exceeds` and
//! `exceeds the` both read `exceed`, which spares a grammar of alternatives, and the house a regex engine.

/// Phrases that occur in this order.
type Pattern = &'static [&'static str];

/// The prompt is longer than the model's window.
pub const CONTEXT: &[Pattern] = &[
    &["context_length_exceeded"],
    &["model_context_window_exceeded"],
    &["prompt is too long"],
    &["input is too long for requested model"],
    &["exceed context window"],
    &["exceed context limit"],
    &["exceed context length"],
    &["exceed available context size"],
    &["maximum context length is"],
    &["maximum context length:"],
    &["input token count", "exceed maximum"],
    &["exceed maximum number of tokens allowed"],
    &["maximum prompt length is"],
    &["reduce the length of the messages"],
    &["reduce the length of the input"],
    &["reduce the length of the prompt"],
    &["longer than the model's context length"],
    &["too large for model with ", " maximum context length"],
    &["`inputs` tokens + `max_new_tokens`"],
    &["too many tokens: "],
    &["current length is ", " while limit is"],
    &["range of input length should be"],
    &["input tokens exceed configured limit"],
];

/// The provider refuses the content.
pub const POLICY: &[Pattern] = &[
    &["content_policy_violation"],
    &["responsibleaipolicyviolation"],
    &["content management policy"],
    &["content filtering policy"],
    &["violating our usage policy"],
    &["result of our safety system"],
    &["result of the safety system"],
];

/// The money or the day's quota is used up.
pub const QUOTA: &[Pattern] = &[
    &["insufficient_quota"],
    &["credit balance is too low"],
    &["enforced_spend_limit_reached"],
    &["insufficient balance"],
    &["insufficient credits"],
    &["perday"],
];

/// Lower case, with the verb forms of [`CONTEXT`].
pub fn plain(text: &str) -> String {
    text.to_lowercase().replace("exceeds ", "exceed ").replace("exceed the ", "exceed ")
}

/// Whether one of `patterns` is in the [`plain`] text.
pub fn found(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|phrases| {
        let mut rest = Some(text);
        for phrase in *phrases {
            rest = rest.and_then(|rest| rest.split_once(phrase)).map(|(_, after)| after);
        }
        rest.is_some()
    })
}
