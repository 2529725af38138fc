//! What a foreign dialect cannot say: refused by name, or left out and named, or left out in silence.
//!
//! One place for all codecs, so that a field has the same class everywhere. The classes are the providers' reference's:
//! *semantic* fields change what the client gets back, so leaving one out silently would be a lie; *hints* shape the sampling
//! and are named in a notice; *bookkeeping* concerns nobody but the first provider.
//!
//! **Invariant:** nothing that changes the answer is left out without `drop_params`, and nothing but bookkeeping without its name.

use serde_json::value::RawValue;

use crate::chat::ApiError;

/// How many names are kept: they travel in a header.
const NAMES: usize = 32;
/// The longest name that is kept, in bytes.
const NAME: usize = 64;

/// Keeps the names of what was left out of one request.
#[derive(Debug)]
pub struct Loss {
    drop_params: bool,
    dropped: Vec<String>,
}

impl Loss {
    /// Nothing is lost yet. With `drop_params`, semantic fields are left out instead of refused.
    #[must_use]
    pub const fn new(drop_params: bool) -> Self {
        Self { drop_params, dropped: Vec::new() }
    }

    /// A field without an equivalent that would change the answer.
    ///
    /// # Errors
    /// An [`ApiError`] of status 400 that names it, unless such fields are to be dropped.
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

    /// A field without an equivalent that the answer can do without. Clients choose the names of unknown fields, so a name
    /// that does not fit a header is not repeated.
    pub fn hint(&mut self, param: &str) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']');
        let param = if param.len() <= NAME && param.bytes().all(plain) { param } else { "(unprintable)" };
        if self.dropped.len() < NAMES && self.dropped.iter().all(|name| name != param) {
            self.dropped.push(param.to_owned());
        }
    }

    /// A top-level field that has no neutral form and none in the dialect either.
    ///
    /// # Errors
    /// As [`Self::semantic`].
    pub fn field(&mut self, name: &str, value: &RawValue) -> Result<(), ApiError> {
        match class(name, value.get()) {
            Class::Semantic => self.semantic(name),
            Class::Hint => {
                self.hint(name);
                Ok(())
            }
            Class::Bookkeeping => Ok(()),
        }
    }

    /// The names of what was left out.
    #[must_use]
    pub fn into_names(self) -> Vec<String> {
        self.dropped
    }
}

enum Class {
    Semantic,
    Hint,
    Bookkeeping,
}

/// The class of a field. A value that asks for nothing, such as `n: 1`, is bookkeeping. Fields that OpenAI does not know are
/// hints: they cannot be judged, and the notice says that they went.
fn class(name: &str, value: &str) -> Class {
    match (name, value) {
        ("n", "1") | ("logprobs", "false") | ("top_logprobs", "0") | ("logit_bias", "{}") => Class::Bookkeeping,
        ("function_call", "\"auto\"" | "\"none\"") => Class::Bookkeeping,
        ("modalities", list) if !list.contains("audio") => Class::Bookkeeping,
        ("tools" | "functions", list) if list.starts_with('[') && list.trim_matches(['[', ' ', ']']).is_empty() => {
            Class::Bookkeeping
        }
        (
            "n" | "logprobs" | "top_logprobs" | "logit_bias" | "modalities" | "audio" | "tools" | "tool_choice"
            | "functions" | "function_call" | "web_search_options",
            _,
        ) => Class::Semantic,
        (
            "safety_identifier"
            | "metadata"
            | "store"
            | "service_tier"
            | "prompt_cache_key"
            | "prompt_cache_options"
            | "prompt_cache_retention"
            | "prediction"
            | "moderation",
            _,
        ) => Class::Bookkeeping,
        _ => Class::Hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lose(fields: &[(&str, &str)], drop_params: bool) -> Result<Vec<String>, String> {
        let mut loss = Loss::new(drop_params);
        for (name, value) in fields {
            let value: Box<RawValue> = serde_json::from_str(value).unwrap();
            loss.field(name, &value).map_err(|error| error.param.unwrap())?;
        }
        Ok(loss.into_names())
    }

    #[test]
    fn each_class_is_treated_as_such() {
        let names = |list: &[&str]| Ok(list.iter().map(ToString::to_string).collect());
        assert_eq!(
            lose(&[("seed", "1"), ("store", "true"), ("new", "{}"), ("seed", "2")], false),
            names(&["seed", "new"])
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
