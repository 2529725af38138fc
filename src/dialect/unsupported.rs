//! What a dialect cannot say, as data: of a request that is planned, and of one that is written.
//!
//! Planning a request translates nothing, so it must know what a dialect has no words for without writing it ([`unsupported`]). Only what
//! the one pass over a body tells for sure stands there. What takes a closer look (a kind of image, a tool that is no
//! function) is found when a request is written, which is before it is sent.
//!
//! One place for all dialects ([`DroppedFields`]), so that a member has the same class everywhere: *semantic* ones change what the client
//! gets back, so leaving one out would be a lie; the others are left out and named.
//!
//! **Invariant:** a dialect refuses each feature of its list, by one of its names, and no other feature (`tests/unsupported.rs`). Nothing
//! that changes the answer is left out without `drop_params`, and nothing that asks for anything without its name.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::chat::{ApiError, Conversation, ToolChoice};
use crate::provider::Dialect;

/// Something that a request may ask and not every dialect can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// More than one answer (`n`).
    SeveralChoices,
    /// `logprobs`.
    Logprobs,
    /// `top_logprobs`.
    TopLogprobs,
    /// `logit_bias`.
    LogitBias,
    /// An answer in sound (`audio`, `modalities`).
    SpokenAnswer,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::SeveralChoices, Self::Logprobs, Self::TopLogprobs, Self::LogitBias, Self::SpokenAnswer];
}

/// What a dialect has no words for. With `drop_params` it is left out of a request instead.
#[must_use]
pub const fn unsupported(dialect: Dialect) -> &'static [Feature] {
    match dialect {
        Dialect::OpenAi => &[],
        Dialect::Anthropic | Dialect::Responses | Dialect::Bedrock | Dialect::Cohere | Dialect::Ollama => &Feature::ALL,
        Dialect::Gemini => &[Feature::SeveralChoices, Feature::LogitBias, Feature::SpokenAnswer],
    }
}

/// How many names are kept: they travel in a header.
const NAMES: usize = 32;
/// The longest name that is kept, in bytes.
const NAME: usize = 64;

/// What stands for the names that are too many to be kept.
const MORE: &str = "(more)";

/// Keeps the names of what was left out of one request.
#[derive(Debug)]
pub struct DroppedFields {
    drop_params: bool,
    names: Vec<String>,
}

impl DroppedFields {
    /// Nothing is left out yet. With `drop_params`, semantic members are left out instead of refused.
    #[must_use]
    pub const fn new(drop_params: bool) -> Self {
        Self { drop_params, names: Vec::new() }
    }

    /// Whether semantic members are left out.
    #[must_use]
    pub const fn drops(&self) -> bool {
        self.drop_params
    }

    /// A member without an equivalent that would change the answer.
    ///
    /// # Errors
    /// An [`ApiError`] of status 400 that names it, unless such members are to be dropped.
    pub fn semantic(&mut self, param: &str) -> Result<(), ApiError> {
        if self.drop_params {
            self.hint(param);
            return Ok(());
        }
        Err(ApiError {
            status: 400,
            kind: "invalid_request_error",
            code: Some("unsupported_parameter".to_owned()),
            param: Some(param.to_owned()),
            message: format!("This model's provider has no equivalent of '{param}'."),
        })
    }

    /// A member without an equivalent that the answer can do without. Clients choose the names of unknown members, so a name
    /// that does not fit a header is not repeated.
    pub fn hint(&mut self, param: &str) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']');
        let param = if param.len() <= NAME && param.bytes().all(plain) { param } else { "(unprintable)" };
        if self.names.iter().any(|name| name == param) {
            return;
        }
        match self.names.len() {
            NAMES => {}
            all if all + 1 == NAMES => self.names.push(MORE.to_owned()),
            _ => self.names.push(param.to_owned()),
        }
    }

    /// A member at the top that has no neutral form and none in the dialect either.
    ///
    /// # Errors
    /// As [`Self::semantic`].
    pub fn field(&mut self, name: &str, value: &RawValue) -> Result<(), ApiError> {
        match class(name, value.get()) {
            Class::Semantic => self.semantic(name)?,
            Class::Hint => self.hint(name),
            Class::AsksNothing => {}
        }
        Ok(())
    }

    /// The members at the top that no neutral form holds, save the dialect's `own`.
    ///
    /// # Errors
    /// As [`Self::semantic`].
    pub fn others(&mut self, other: &[(Cow<'_, str>, &RawValue)], own: &[&str]) -> Result<(), ApiError> {
        for (name, value) in other.iter().filter(|(name, _)| !own.contains(&name.as_ref())) {
            self.field(name, value)?;
        }
        Ok(())
    }

    /// The members at the top that no neutral form holds, and the tools that are no functions. A tool that runs at the provider is left
    /// out where the request can do without it: others remain, and it is not the one that must be called. `own`: members at the top that the
    /// dialect has after all.
    ///
    /// # Errors
    /// As [`Self::semantic`].
    pub fn foreign(&mut self, conversation: &Conversation<'_>, own: &[&str]) -> Result<(), ApiError> {
        self.others(&conversation.other, own)?;
        for tool in &conversation.foreign_tools {
            let is_chosen = match &conversation.tool_choice {
                Some(ToolChoice::Named(name)) => tool.name.as_ref() == Some(name),
                _ => false,
            };
            if tool.is_optional && !is_chosen && !conversation.tools.is_empty() {
                self.hint(&tool.place.to_string());
            } else {
                self.semantic(&tool.place.to_string())?;
                if is_chosen {
                    self.hint("tool_choice");
                }
            }
        }
        Ok(())
    }

    /// The names of what was left out of a request that has no members below the top.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        self.names
    }

    /// The names of what was left out, those that nobody read last.
    #[must_use]
    pub fn into_names(mut self, conversation: &Conversation<'_>) -> Vec<String> {
        for place in &conversation.unread {
            self.hint(place);
        }
        self.names
    }
}

enum Class {
    Semantic,
    Hint,
    AsksNothing,
}

/// The class of a member. A value such as `n: 1` asks for nothing. Members that OpenAI does not
/// know are hints: they cannot be judged, and the notice says that they went.
fn class(name: &str, value: &str) -> Class {
    match (name, value) {
        ("n", "1") | ("logprobs", "false") | ("top_logprobs", "0") | ("logit_bias", "{}") => Class::AsksNothing,
        ("function_call", "\"auto\"" | "\"none\"") => Class::AsksNothing,
        ("include", list) if list.contains("logprobs\"") => Class::Semantic,
        ("modalities", list) if !list.contains("audio") && !list.contains("image") => Class::AsksNothing,
        ("tools" | "functions", list) if list.starts_with('[') && list.trim_matches(['[', ' ', ']']).is_empty() => {
            Class::AsksNothing
        }
        (
            "n" | "logprobs" | "top_logprobs" | "logit_bias" | "modalities" | "audio" | "tools" | "tool_choice"
            | "functions" | "function_call" | "web_search_options" | "mcp_servers",
            _,
        ) => Class::Semantic,
        _ => Class::Hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lose(fields: &[(&str, &str)], drop_params: bool) -> Result<Vec<String>, String> {
        let mut dropped = DroppedFields::new(drop_params);
        for (name, value) in fields {
            let value: Box<RawValue> = serde_json::from_str(value).unwrap();
            dropped.field(name, &value).map_err(|error| error.param.unwrap())?;
        }
        Ok(dropped.into_names(&Conversation::default()))
    }

    #[test]
    fn each_class_is_treated_as_such() {
        let names = |list: &[&str]| Ok(list.iter().map(ToString::to_string).collect());
        assert_eq!(
            lose(&[("seed", "1"), ("store", "true"), ("new", "{}"), ("seed", "2")], false),
            names(&["seed", "store", "new"])
        );
        assert_eq!(lose(&[("seed", "1"), ("n", "2")], false), Err("n".into()));
        assert_eq!(lose(&[("seed", "1"), ("n", "2")], true), names(&["seed", "n"]));
        let nothing = [
            ("n", "1"),
            ("logprobs", "false"),
            ("logit_bias", "{}"),
            ("modalities", r#"["text"]"#),
            ("functions", "[ ]"),
        ];
        assert_eq!(lose(&nothing, false), names(&[]));
        assert_eq!(lose(&[("modalities", r#"["text","audio"]"#)], false), Err("modalities".into()));
        assert_eq!(lose(&[("modalities", r#"["image","text"]"#)], false), Err("modalities".into()));
    }

    #[test]
    fn names_that_clients_choose_fit_a_header() {
        let long = "x".repeat(65);
        let fields = [("a\r\nb: c", "1"), (long.as_str(), "1"), ("a[0].b_c-d", "1")];
        assert_eq!(lose(&fields, false).unwrap(), ["(unprintable)", "a[0].b_c-d"]);
        let many: Vec<String> = (0..50_000).map(|index| format!("f{index}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "1")).collect();
        assert_eq!(lose(&many, false).unwrap().len(), NAMES);
    }
}
