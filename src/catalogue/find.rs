//! A deployment's name to a row.
//!
//! Names are written in many ways: with a date, with a region, through a reseller. Each form is tried in turn, the most specific first,
//! and the first row found counts:
//!
//! 1. as it is written, without parts that never matter: `models/` (Gemini), `accounts/fireworks/models/`, the path to a model at
//!    Bedrock (`converse/`, `us-east-1/`, an ARN), the owner of an OpenAI fine-tune;
//! 2. without Bedrock's version (`-v1:0`);
//! 3. without a date (`-2024-08-06`, `-20241022`, `@20241022`), `-latest`, `@default`;
//! 4. the same three with Bedrock's region `us.` in place of another (regional prices are the same for most models; if they are not, step
//!    1 has found a row of its own), then without a region.
//!
//! For each, the provider's own rows come first, then those of the makers whose models it sells at their prices (`MAKERS_OF`), by the bare
//! name or behind the maker's prefix (`openrouter/anthropic/claude-…`). No others do: a model that costs 0.15 at Groq is free on a
//! vLLM of one's own. Upper and lower case, and `.` and `-`, make no difference.
//!
//! **Invariant:** the same name always finds the same row, whatever the order of the table.

use std::borrow::Cow;

use super::row::Row;
use super::table::ROWS;

const MAKERS: &[&str] = &["openai", "anthropic", "gemini", "mistral", "deepseek", "xai", "cohere"];

/// The makers whose models a provider sells at their prices. Any compatible API is also reached as `openai`.
const MAKERS_OF: &[(&str, &[&str])] = &[
    ("azure", &["openai"]),
    ("azure_ai", &["openai", "anthropic"]),
    ("codestral", &["mistral"]),
    ("vertex_ai", &["gemini", "anthropic"]),
    ("openai", MAKERS),
    ("openrouter", MAKERS),
];

/// Other names: of LiteLLM's for the same provider, and of OpenRouter's for makers.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("bedrock_converse", "bedrock"),
    ("cohere_chat", "cohere"),
    ("vertex_ai_beta", "vertex_ai"),
    ("google", "gemini"),
    ("mistralai", "mistral"),
    ("x-ai", "xai"),
];

/// Bedrock's regions before a model's name. `us-gov` is not among them, and is never removed, because its prices are its own.
const REGIONS: &[&str] = &["us", "eu", "apac", "global", "jp", "au", "ca", "in", "sa"];

/// The row of a provider's model, if there is one.
#[must_use]
pub fn lookup(provider: &str, model: &str) -> Option<&'static Row> {
    let provider = usual(provider);
    let makers = MAKERS_OF.iter().find(|(name, _)| *name == provider).map_or(&[][..], |(_, makers)| *makers);
    spellings(provider, model).iter().find_map(|name| {
        let sold = || makers.iter().find_map(|maker| row(maker, name));
        let prefixed = || {
            let (prefix, rest) = name.split_once('/')?;
            let maker = usual(prefix);
            makers.contains(&maker).then(|| row(maker, rest)).flatten()
        };
        row(provider, name).or_else(sold).or_else(prefixed)
    })
}

fn usual(provider: &str) -> &str {
    OTHER_NAMES.iter().find(|(other, _)| *other == provider).map_or(provider, |(_, usual)| usual)
}

fn row(provider: &str, model: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.provider() == provider && same(row.model, model))
}

fn same(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'.' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.bytes().map(plain).eq(other.bytes().map(plain))
}

/// The forms of a model's name, the most specific first.
fn spellings<'a>(provider: &str, model: &'a str) -> Vec<Cow<'a, str>> {
    let after = |prefix: &str| model.strip_prefix(prefix).unwrap_or(model);
    let model = match provider {
        "gemini" => after("models/"),
        "fireworks_ai" => after("accounts/fireworks/models/"),
        "bedrock" if model.contains("us-gov-") => "",
        "bedrock" => model.rsplit('/').next().unwrap_or(model),
        "openai" => fine_tuned(model).unwrap_or(model),
        _ => model,
    };
    let mut names = Vec::new();
    if model.is_empty() {
        return names;
    }
    let mut add = |name: Cow<'a, str>| {
        let short = if provider == "bedrock" { without_version(&name) } else { &name };
        let undated = without_date(short).unwrap_or(short).to_owned();
        let short = short.to_owned();
        names.extend([name, short.into(), undated.into()]);
    };
    add(model.into());
    if provider == "bedrock"
        && let Some((region, rest)) = model.split_once('.')
        && REGIONS.contains(&region)
    {
        if region != "global" {
            add(format!("us.{rest}").into());
        }
        add(rest.into());
    }
    names
}

/// `ft:gpt-4o-2024-08-06` of `ft:gpt-4o-2024-08-06:owner::id`.
fn fine_tuned(model: &str) -> Option<&str> {
    let (base, _) = model.strip_prefix("ft:")?.split_once(':')?;
    model.get(.."ft:".len().checked_add(base.len())?)
}

/// The name without a version of Bedrock's at its end: `-v1`, `-v1:0`, `:0`.
fn without_version(name: &str) -> &str {
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix(':').unwrap_or(name);
    name.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix("-v").unwrap_or(name)
}

/// The name without a date or the like at its end, if there is one.
fn without_date(name: &str) -> Option<&str> {
    const DATES: [&[u8]; 3] = [b"-0000-00-00", b"-00000000", b"@00000000"];
    let fits = |end: &str, date: &[u8]| {
        end.bytes()
            .zip(date)
            .all(|(byte, wanted)| if *wanted == b'0' { byte.is_ascii_digit() } else { byte == *wanted })
    };
    let dated = |date: &&[u8]| {
        let (start, end) = name.split_at_checked(name.len().checked_sub(date.len())?)?;
        fits(end, date).then_some(start)
    };
    let named = || ["-latest", "@latest", "@default"].iter().find_map(|end| name.strip_suffix(end));
    DATES.iter().find_map(dated).or_else(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(provider: &str, model: &str) -> String {
        lookup(provider, model).map_or("nothing".to_owned(), |row| format!("{}/{}", row.provider(), row.model))
    }

    #[test]
    fn a_provider_prefix_does_not_hide_the_price() {
        assert_eq!(found("openai", "gpt-4o"), "openai/gpt-4o");
        assert_eq!(found("anthropic", "claude-sonnet-4-5"), "anthropic/claude-sonnet-4-5");
        assert_eq!(found("together_ai", "openai/gpt-oss-120b"), "together_ai/openai/gpt-oss-120b");
        assert_eq!(found("groq", "openai/gpt-oss-120b"), "groq/openai/gpt-oss-120b");
    }

    #[test]
    fn dates_come_off_unless_they_tell_something() {
        assert_eq!(found("openai", "gpt-4o-2024-08-06"), "openai/gpt-4o");
        assert_eq!(found("openai", "gpt-4o-2024-05-13"), "openai/gpt-4o-2024-05-13", "a price of its own");
        assert_eq!(found("anthropic", "claude-3-5-sonnet-20241022"), "anthropic/claude-3-5-sonnet");
        assert_eq!(found("anthropic", "claude-3-5-sonnet-latest"), "anthropic/claude-3-5-sonnet");
        assert_eq!(found("vertex_ai", "claude-sonnet-4-5@20250929"), "anthropic/claude-sonnet-4-5");
        assert_eq!(found("vertex_ai", "claude-opus-5@default"), "anthropic/claude-opus-5");
        assert_eq!(found("mistral", "mistral-large-latest"), "mistral/mistral-large-latest");
        for whole in ["gpt-4o-24-08-06", "gpt-4o-2024-08", "gpt-4o-2024-08-06-x", "gpt-4o-x0241022", "-2024-08-06", ""]
        {
            assert_eq!(found("openai", whole), "nothing", "{whole}");
        }
    }

    #[test]
    fn bedrock_ids_have_regions_versions_and_ways() {
        assert_eq!(
            found("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
            "bedrock/anthropic.claude-sonnet-4-5"
        );
        assert_eq!(
            found("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            "bedrock/us.anthropic.claude-sonnet-4-5"
        );
        assert_eq!(
            found("bedrock", "jp.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            "bedrock/us.anthropic.claude-sonnet-4-5"
        );
        assert_eq!(
            found("bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            "bedrock/anthropic.claude-sonnet-4-5"
        );
        assert_eq!(found("bedrock", "us.meta.llama3-3-70b-instruct-v1:0"), "bedrock/meta.llama3-3-70b-instruct");
        assert_eq!(found("bedrock", "eu.amazon.nova-lite-v1:0"), "bedrock/eu.amazon.nova-lite");
        assert_eq!(found("bedrock", "us.amazon.nova-lite-v1:0"), "bedrock/amazon.nova-lite");
        assert_eq!(found("bedrock", "anthropic.claude-opus-4-6-v1"), "bedrock/anthropic.claude-opus-4-6");
        assert_eq!(found("bedrock_converse", "converse/anthropic.claude-opus-5"), "bedrock/anthropic.claude-opus-5");
        let arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-5";
        assert_eq!(found("bedrock", arn), "bedrock/us.anthropic.claude-opus-5");
        for model in ["us-gov.anthropic.claude-opus-5", "us-gov-west-1/anthropic.claude-opus-5"] {
            assert_eq!(found("bedrock", model), "nothing", "its prices are its own");
        }
        assert_eq!(found("deepseek", "deepseek-chat-v1:0"), "nothing", "a version only at Bedrock");
    }

    #[test]
    fn resellers_have_the_makers_prices() {
        assert_eq!(found("azure", "gpt-4o"), "openai/gpt-4o");
        assert_eq!(found("azure", "text-embedding-3-large"), "azure/text-embedding-3-large", "a price of its own");
        assert_eq!(found("vertex_ai", "gemini-2.5-pro"), "gemini/gemini-2.5-pro");
        assert_eq!(found("openrouter", "anthropic/claude-sonnet-4.5"), "anthropic/claude-sonnet-4-5");
        assert_eq!(found("openrouter", "google/gemini-2.5-flash"), "gemini/gemini-2.5-flash");
        assert_eq!(found("openrouter", "x-ai/grok-4.6"), "xai/grok-4.6");
        assert_eq!(found("openrouter", "deepseek/deepseek-v3.2:free"), "nothing", "not the same price");
        assert_eq!(found("openai", "claude-opus-5"), "anthropic/claude-opus-5", "behind a compatible gateway");
    }

    #[test]
    fn nobody_else_has_anyones_prices() {
        for (provider, model) in [
            ("hosted_vllm", "openai/gpt-oss-120b"),
            ("hosted_vllm", "gpt-4o"),
            ("ollama", "gpt-4o"),
            ("featherless_ai", "meta-llama/Llama-3.3-70B-Instruct"),
            ("groq", "gpt-4o"),
            ("anthropic", "gpt-4o"),
            ("openai", "*"),
            ("", ""),
        ] {
            assert_eq!(found(provider, model), "nothing", "{provider}/{model}");
        }
    }

    #[test]
    fn what_never_tells_anything_comes_off_first() {
        assert_eq!(found("fireworks_ai", "accounts/fireworks/models/kimi-k3"), "fireworks_ai/kimi-k3");
        assert_eq!(found("gemini", "models/gemini-2.5-flash"), "gemini/gemini-2.5-flash");
        assert_eq!(found("openai", "ft:gpt-4o-mini-2024-07-18:acme:support:9abc"), "openai/ft:gpt-4o-mini");
        assert_eq!(found("openai", "GPT-4o"), "openai/gpt-4o");
    }

    #[test]
    fn odd_names_find_nothing_and_do_no_harm() {
        for name in ["ünïcödé-20241022", "€", "ft:", "ft::", ":0", "-v", "us.", ".", "/", "@20241022", "us.-v1:0"]
        {
            for provider in ["openai", "bedrock", "openrouter", "gemini"] {
                assert_eq!(found(provider, name), "nothing");
            }
        }
    }

    #[test]
    fn no_two_rows_have_the_same_name_and_each_finds_itself() {
        for (at, one) in ROWS.iter().enumerate() {
            assert_eq!(found(one.provider(), one.model), format!("{}/{}", one.provider(), one.model));
            let twin = ROWS
                .iter()
                .skip(at + 1)
                .find(|other| other.provider() == one.provider() && same(other.model, one.model));
            assert!(twin.is_none(), "{twin:?}");
            assert!(one.listed().price().is_some(), "{} has no price", one.model);
        }
    }
}
