//! What each family of Bedrock's models accepts, as data.
//!
//! Source: AWS' table of what Converse supports for which model, and LiteLLM 1.106.2's transformation, read 2026-11-28; not seen live. What a
//! Claude accepts is known where Anthropic's own API is (`anthropic_messages`). A new family is one row.
//!
//! **Invariant:** the first row that matches counts, so the more specific name stands above the shorter one.

use crate::dialect::anthropic_messages::provider::family::{self as claude, Family as Rules, Sampling, Thinking};

/// How a family is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reasoning {
    /// It is not.
    Untold,
    /// As Claude: `thinking`, `output_config`.
    Claude,
    /// `reasoningConfig`.
    Nova,
    /// `reasoning_effort`.
    Effort,
    /// `reasoning.effort`.
    Nested,
}

/// Where the number of tokens stands that are sampled from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopK {
    /// Nowhere.
    Nowhere,
    /// At the top of the model's own fields.
    Top,
    /// In an `inferenceConfig` of the model's own.
    Nova,
}

/// Where a cache point may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caches {
    /// Nowhere.
    Nowhere,
    /// Behind instructions and messages.
    Messages,
    /// Behind tools as well.
    Tools,
}

/// What a family of models accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a flag each; any of them go together")]
pub struct Family {
    /// Its rules as far as Claude has such too.
    pub rules: Rules,
    /// How it is told to think.
    pub reasoning: Reasoning,
    /// Where `top_k` stands.
    pub top_k: TopK,
    /// Where a cache point may stand.
    pub caches: Caches,
    /// Whether it takes its thinking back.
    pub thoughts: bool,
    /// Whether a turn may hold text beside calls or results.
    pub mixes: bool,
    /// Whether a result may say that the call failed.
    pub status: bool,
    /// Whether a result may hold images and documents. Others get them behind the results.
    pub rich_results: bool,
    /// Whether one tool can be demanded by its name.
    pub named_tools: bool,
    /// Whether it takes instructions apart from the turns.
    pub system: bool,
    /// Whether it knows no more of a tool's schema than `type`, `properties` and `required` at its top.
    pub bare_schemas: bool,
    /// Whether a text that ends the answer may be white space.
    pub blank_stops: bool,
}

const PLAIN: Family = Family {
    rules: Rules {
        thinking: Thinking::Never,
        budget: false,
        xhigh: false,
        structured: false,
        sampling: Sampling::Both,
        forced_tools: true,
        prefill: false,
    },
    reasoning: Reasoning::Untold,
    top_k: TopK::Nowhere,
    caches: Caches::Nowhere,
    thoughts: false,
    mixes: true,
    status: false,
    rich_results: false,
    named_tools: true,
    system: true,
    bare_schemas: false,
    blank_stops: true,
};
const STRUCTURED: Family = Family { rules: Rules { structured: true, ..PLAIN.rules }, ..PLAIN };
const UNFORCED: Family = Family { rules: Rules { forced_tools: false, ..PLAIN.rules }, ..PLAIN };
const CLAUDE: Family = Family {
    reasoning: Reasoning::Claude,
    top_k: TopK::Top,
    caches: Caches::Tools,
    thoughts: true,
    status: true,
    rich_results: true,
    blank_stops: false,
    ..PLAIN
};
const NOVA: Family = Family {
    rules: Rules { prefill: true, ..PLAIN.rules },
    top_k: TopK::Nova,
    caches: Caches::Messages,
    status: true,
    rich_results: true,
    bare_schemas: true,
    ..PLAIN
};
const MISTRAL: Family = Family { mixes: false, named_tools: false, ..PLAIN };
const LLAMA: Family = Family { mixes: false, ..UNFORCED };

/// A part of the model's name, and what that family accepts. A Claude's rules are looked up by its whole name.
const FAMILIES: &[(&str, Family)] = &[
    ("claude", CLAUDE),
    ("nova-2", Family { reasoning: Reasoning::Nova, thoughts: true, ..NOVA }),
    ("nova", NOVA),
    ("gpt-oss", Family { reasoning: Reasoning::Effort, thoughts: true, ..PLAIN }),
    ("openai.gpt", Family { reasoning: Reasoning::Nested, thoughts: true, ..PLAIN }),
    ("deepseek.r1", UNFORCED),
    ("deepseek.", Family { reasoning: Reasoning::Effort, ..STRUCTURED }),
    ("llama4", Family { rich_results: true, ..LLAMA }),
    ("llama", LLAMA),
    ("mistral-large-3", Family { rules: STRUCTURED.rules, ..MISTRAL }),
    ("ministral", Family { rules: STRUCTURED.rules, ..MISTRAL }),
    ("mistral-7b", Family { system: false, ..MISTRAL }),
    ("mixtral", Family { system: false, ..MISTRAL }),
    ("mistral.", MISTRAL),
    ("qwen3", STRUCTURED),
    ("minimax.", STRUCTURED),
    ("kimi", STRUCTURED),
    ("nemotron", STRUCTURED),
    ("zai.glm", STRUCTURED),
    ("cohere.", UNFORCED),
    ("ai21.", UNFORCED),
    ("amazon.titan", Family { system: false, ..UNFORCED }),
];

/// Names that do not say which model it is. Most are a Claude, and what a client asks of one is passed on.
const NAMELESS: &[&str] =
    &["application-inference-profile/", "provisioned-model/", "custom-model", "imported-model/", "prompt-router/"];

/// What the model accepts.
#[must_use]
pub fn of(model: &str) -> Family {
    let rules = claude::of(model);
    let found = FAMILIES.iter().find(|(name, _)| model.contains(name)).map(|(_, family)| *family);
    match found {
        Some(family) if family.reasoning == Reasoning::Claude => Family { rules, ..family },
        Some(family) => family,
        // As a Claude that is not known, but for what only some take.
        None if NAMELESS.iter().any(|name| model.contains(name)) => Family { rules, ..CLAUDE },
        None => PLAIN,
    }
}

/// How a model that embeds is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embeds {
    /// Titan, which embeds texts.
    Titan,
    /// Its second version, which can be told how long a vector is.
    Titan2,
    /// The one that embeds texts and images.
    TitanImage,
    /// Nova's, which embeds texts and images.
    Nova,
    /// Cohere's.
    Cohere,
}

const EMBEDDINGS: &[(&str, Embeds)] = &[
    ("cohere.embed-", Embeds::Cohere),
    ("nova-2-multimodal-embeddings", Embeds::Nova),
    ("titan-embed-image", Embeds::TitanImage),
    ("titan-embed-text-v2", Embeds::Titan2),
    ("titan-embed-", Embeds::Titan),
];

/// How the model embeds; `None`: it does not, or not in a way that is known here.
#[must_use]
pub fn embeds(model: &str) -> Option<Embeds> {
    EMBEDDINGS.iter().find(|(name, _)| model.contains(name)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_versions_and_arns_do_not_hide_a_family() {
        assert_eq!(of("us.anthropic.claude-haiku-4-5-20251001-v1:0").rules, claude::of("claude-haiku-4-5"));
        let arn = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0";
        assert_eq!((of(arn).caches, of(arn).rules), (Caches::Tools, claude::of("claude-3-haiku")));
        assert_eq!(of("apac.amazon.nova-2-lite-v1:0").reasoning, Reasoning::Nova);
        assert_eq!(of("amazon.nova-lite-v1:0"), NOVA);
        assert!(!of("us.meta.llama4-scout-17b-instruct-v1:0").mixes && !of("mistral.pixtral-large-2502-v1:0").mixes);
        assert_eq!(of("arn:aws:bedrock:eu-west-1:1:application-inference-profile/a1").reasoning, Reasoning::Claude);
        assert_eq!(of("writer.palmyra-x5-v1:0"), PLAIN);
    }
}
