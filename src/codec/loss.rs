//! What a foreign dialect cannot say: refused by name, or left out and named, or left out in silence.
//!
//! One place for all codecs, so that a field has the same class everywhere. The classes are the providers' reference's:
//! *semantic* fields change what the client gets back, so leaving one out silently would be a lie; *hints* shape the sampling
//! and are named in a notice; *bookkeeping* concerns nobody but the first provider.
//!
//! **Invariant:** nothing that changes the answer is left out without `drop_params`, and nothing but bookkeeping without its name.

use serde_json::value::RawValue;

use crate::chat::ApiError;

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

    /// A field without an equivalent that the answer can do without.
    pub fn hint(&mut self, param: &str) {
        if self.dropped.iter().all(|name| name != param) {
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
