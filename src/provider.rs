//! Providers, which run APIs: what a row of [`rows`] says of one. All other code asks the row, and no other place names a provider.
//!
//! **Invariant:** knows nobody; everybody may know it.

mod azure;
mod bedrock;
mod google;
pub mod rows;
mod table;

use std::borrow::Cow;

/// A wire format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI chat completions, and everything compatible with it.
    #[default]
    OpenAi,
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Responses.
    Responses,
    /// AWS Bedrock's Converse.
    Bedrock,
    /// Google's `generateContent`.
    Gemini,
    /// Cohere's chats, version 2.
    Cohere,
    /// Ollama's own chats.
    Ollama,
}

/// What Ollama calls a model's options, of those that have no name of OpenAI's.
pub const OLLAMA_OPTIONS: &[&str] = &[
    "num_ctx",
    "num_keep",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "use_mmap",
    "use_mlock",
    "low_vram",
    "f16_kv",
    "vocab_only",
    "numa",
    "min_p",
    "tfs_z",
    "typical_p",
    "repeat_last_n",
    "repeat_penalty",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "penalize_newline",
];

/// What Cohere and Ollama both have; `tool_choice` and `parallel_tool_calls` only as far as they can.
const OF_BOTH: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "thinking",
    "stream_options",
    "dimensions",
    "encoding_format",
    "truncate",
];
const OF_COHERE: &[&str] = &["input_type", "safety_mode", "citation_options", "documents", "priority"];

impl Dialect {
    /// Whether a parameter that a deployment brings can be said in it.
    #[must_use]
    pub fn takes(self, param: &str) -> bool {
        const OF_ANTHROPIC: &[&str] = &[
            "temperature",
            "top_p",
            "top_k",
            "max_tokens",
            "max_completion_tokens",
            "stop",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "response_format",
            "reasoning_effort",
            "thinking",
            "user",
            "cache_control",
            "stream_options",
        ];
        const OF_RESPONSES: &[&str] = &[
            "temperature",
            "top_p",
            "max_tokens",
            "max_completion_tokens",
            "max_output_tokens",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "response_format",
            "text",
            "reasoning",
            "reasoning_effort",
            "thinking",
            "verbosity",
            "user",
            "metadata",
            "service_tier",
            "prompt_cache_key",
            "safety_identifier",
            "store",
            "truncation",
            "include",
            "stream_options",
        ];
        const OF_BEDROCK: &[&str] = &[
            "guardrailConfig",
            "performanceConfig",
            "requestMetadata",
            "metadata",
            "service_tier",
            "serviceTier",
            "additionalModelRequestFields",
            "dimensions",
            "encoding_format",
        ];
        match self {
            Self::OpenAi => true,
            Self::Cohere => OF_BOTH.contains(&param) || OF_COHERE.contains(&param),
            Self::Ollama => OF_BOTH.contains(&param) || OLLAMA_OPTIONS.contains(&param) || param == "keep_alive",
            Self::Responses => OF_RESPONSES.contains(&param),
            Self::Anthropic => OF_ANTHROPIC.contains(&param),
            Self::Bedrock => OF_ANTHROPIC.contains(&param) || OF_BEDROCK.contains(&param),
            Self::Gemini => google::PARAMETERS.contains(&param),
        }
    }
}

/// An API whose requests are routed by model. A client's path names one, and with it the dialect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Api {
    /// `/v1/chat/completions`.
    #[default]
    Chat,
    /// `/v1/messages`.
    Messages,
    /// `/v1/completions`.
    Completions,
    /// `/v1/embeddings`.
    Embeddings,
    /// `/v1/responses`.
    Responses,
    /// `/v1/responses/compact`.
    Compact,
    /// `/v1/responses/ID` and what is below it: one that a provider keeps.
    Kept,
    /// `/v1/messages/count_tokens`.
    CountTokens,
    /// What goes to providers of OpenAI's dialect alone, and as it came: its path below `/v1`.
    Passed(&'static str),
}

impl Api {
    /// What its clients speak.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Chat | Self::Completions | Self::Embeddings | Self::Passed(_) => Dialect::OpenAi,
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            Self::Responses | Self::Compact | Self::Kept => Dialect::Responses,
        }
    }

    /// The same whatever the dialect: each conversation is a chat.
    #[must_use]
    pub const fn neutral(self) -> Self {
        match self {
            Self::Chat | Self::Messages | Self::Responses => Self::Chat,
            _ => self,
        }
    }

    /// Whether its answers pass, whatever they are.
    #[must_use]
    pub const fn is_passed(self) -> bool {
        matches!(self, Self::Compact | Self::Kept | Self::CountTokens | Self::Passed(_))
    }

    /// Whether it is a conversation, which can be said in each dialect.
    #[must_use]
    pub fn is_chat(self) -> bool {
        self.neutral() == Self::Chat
    }
}

/// What a request's path may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What is asked of the provider, of all conversations [`Api::Chat`].
    pub api: Api,
    /// The dialect that it is asked in: the provider's, or one that it speaks besides ([`Provider::also`]).
    pub dialect: Dialect,
    /// The model as the provider names it.
    pub model: &'a str,
    /// Whether a stream is wanted.
    pub stream: bool,
}

/// What the base URL of a deployment may depend on.
pub struct Place<'a> {
    /// What `api_base` says, or what stands for it.
    pub written: Option<&'a str>,
    /// The model as the provider names it.
    pub model: &'a str,
    /// What is spoken of the model.
    pub dialect: Dialect,
    /// What the entry says under a key of [`Provider::place`], else what LiteLLM finds where it looks.
    pub says: &'a dyn Fn(&str) -> Option<String>,
}

/// What requests are signed for, where a provider is AWS.
#[derive(Debug)]
pub struct Aws {
    /// The service, as its signatures name it.
    pub service: &'static str,
    /// The key of an entry that names the region.
    pub region: &'static str,
    /// The key of an entry that names another host.
    pub endpoint: &'static str,
    /// The region that a model's name says.
    pub region_of: fn(&str) -> Option<&str>,
    /// The prefix of a model that another API serves, which is not spoken here.
    pub other_api: fn(&str) -> Option<&'static str>,
}

impl Aws {
    /// Whether a word has the form of a region's name.
    #[must_use]
    pub fn is_region(word: &str) -> bool {
        bedrock::is_region(word)
    }

    /// The region where nothing names one, as in LiteLLM.
    pub const USUAL_REGION: &str = bedrock::USUAL_REGION;
}

/// How a provider wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// The key alone in the header of this name, lower case.
    Header(&'static str),
}

impl Credential {
    /// The header that the key travels in, and what stands before it there.
    #[must_use]
    pub const fn header(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Bearer => ("authorization", Some("Bearer ")),
            Self::Header(name) => (name, None),
        }
    }
}

/// Who gives out the tokens that stand for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// Entra ID, to a client that an entry names.
    Entra,
    /// Google's metadata server, to what runs on its machines.
    Google,
}

impl Tokens {
    /// The keys of an entry that name credentials of another kind, and what holds them where an entry says nothing. What these name cannot be
    /// turned into tokens here.
    pub const CREDENTIALS: &[&str] = google::CREDENTIALS;
    /// The variable, or secret file, that holds a token which somebody else renews.
    pub const VARIABLE: &str = google::TOKEN;
    /// The variable that names another metadata server, as in Google's own libraries.
    pub const METADATA_HOST: &str = "GCE_METADATA_HOST";
}

/// What a provider does otherwise than others of its dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a flag each; any of them go together")]
pub struct Habits {
    /// It is OpenAI's own API: reasoning models with rules of their own, the newer name of the limit, `allowed_tools`.
    pub is_openai: bool,
    /// A deployment has a name that its owner gave it. Older ones of them know the limit by its older name alone.
    pub named_by_owner: bool,
    /// It wants the model's thinking back (`reasoning_content`).
    pub takes_thinking: bool,
    /// The model stands in the path alone, and the body names this version of the dialect in its place.
    pub version_in_body: Option<&'static str>,
    /// What a client of Messages says in a header, it takes as a member of the body: the names of both.
    pub flags: Option<(&'static str, &'static str)>,
    /// The only ones that it knows of the flags which a client of Messages names in a header; empty: that is its own to judge.
    pub known_flags: &'static [&'static str],
    /// It takes images and files by their bytes alone.
    pub fetches_nothing: bool,
    /// Its embeddings are Vertex AI's predictions, but for models whose names begin so: those take one input at a time.
    pub predicts: Option<&'static str>,
    /// It wants it back by the name `reasoning`.
    pub takes_reasoning: bool,
    /// It refuses members of messages that it does not know, `null` among them, and some of OpenAI's own.
    pub strict_messages: bool,
    /// It refuses unknown members everywhere, wants turns in an order of its own, and ids of nine letters (Mistral).
    pub rigid_turns: bool,
    /// It knows the limit by its older name alone.
    pub older_limit: bool,
    /// It answers by no schema.
    pub no_schema: bool,
    /// It wants the user and the model to take turns.
    pub one_turn_each: bool,
    /// Some of its models refuse to be told how to sample.
    pub fixed_sampling: bool,
    /// An empty text is no thinking to it.
    pub no_empty_thinking: bool,
    /// It takes no temperature above 1.
    pub cool: bool,
    /// What is said is one text to it, and no list of texts.
    pub one_text: bool,
}

impl Habits {
    /// Those of most.
    pub const COMMON: Self = Self {
        is_openai: false,
        named_by_owner: false,
        takes_thinking: false,
        version_in_body: None,
        flags: None,
        known_flags: &[],
        fetches_nothing: false,
        predicts: None,
        takes_reasoning: false,
        strict_messages: false,
        rigid_turns: false,
        older_limit: false,
        no_schema: false,
        one_turn_each: false,
        fixed_sampling: false,
        no_empty_thinking: false,
        cool: false,
        one_text: false,
    };
}

/// Where LiteLLM looks for what a deployment does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable.
    Env(&'static str),
    /// A key of `litellm_settings`.
    Setting(&'static str),
}

impl Origin {
    /// Whether it is this key of `litellm_settings`.
    fn is_setting(&self, name: &str) -> bool {
        matches!(self, Self::Setting(known) if *known == name)
    }
}

/// One provider.
#[derive(Debug)]
pub struct Provider {
    /// LiteLLM's name, the prefix of `litellm_params.model`.
    pub name: &'static str,
    /// What it speaks, unless a deployment says otherwise.
    pub dialect: Dialect,
    /// What it speaks besides, at the same base URL: requests of these dialects go to it as they came.
    pub also: &'static [Dialect],
    /// Base URL without a trailing slash; `{NAME}` in it is the value of a variable. Empty: `api_base` must be given.
    pub api_base: &'static str,
    /// Base URLs of its own by which LiteLLM knows it where a model's name does not say the provider.
    pub known_at: &'static [&'static str],
    /// What every base URL of it ends in: added where it is not written.
    pub ends_in: &'static str,
    /// Keys of an entry that say where it is (a region, a version of the API), and what holds their values where it says nothing.
    pub place: &'static [(&'static str, &'static [Origin])],
    /// The whole base URL; `None`: it is what is written, else [`Self::api_base`]. What it makes it makes of that again.
    pub base_url: fn(&Place<'_>) -> Option<String>,
    /// The row that holds in place of this one for a model at a base URL. It has the same name.
    pub instead: fn(&str, &str) -> Option<&'static Provider>,
    /// Where requests go, below the base; `None`: it has no such API.
    pub path: fn(Call<'_>) -> Option<Cow<'static, str>>,
    /// How the key travels.
    pub credential: Credential,
    /// What names the base URL where no `api_base` is given, in LiteLLM's order.
    pub base_from: &'static [Origin],
    /// What holds the key where no `api_key` is given, in LiteLLM's order.
    pub key_from: &'static [Origin],
    /// Headers every request carries. One that is heard of clients as well is what it is told where a client says nothing.
    pub headers: &'static [(&'static str, &'static str)],
    /// What of a client's headers reaches it, besides those that reach all.
    pub hears: &'static [&'static str],
    /// Whether the query of a client's path reaches it where their dialects are the same.
    pub takes_query: bool,
    /// Headers that name the account, and what holds their values where an entry says nothing, in LiteLLM's order.
    pub account: &'static [(&'static str, &'static [Origin])],
    /// Whether it gets `litellm_settings.headers`: LiteLLM sends them to some providers only.
    pub common_headers: bool,
    /// The full name of a model that a configuration may write short.
    pub full_name: fn(Api, &str) -> Cow<'_, str>,
    /// What of that a body says, where the path has all of it.
    pub name_in_body: Option<fn(&str) -> &str>,
    /// What it does otherwise than others of its dialect.
    pub habits: Habits,
    /// Tokens that Envoy fetches for requests without a key; `None`: such requests go without.
    pub tokens: Option<Tokens>,
    /// What its requests are signed for where no key is sent; `None`: they are not signed.
    pub aws: Option<Aws>,
}

/// There is one row a name, and those that hold in its place.
impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.dialect, self.credential) == (other.name, other.dialect, other.credential)
    }
}

impl Eq for Provider {}

/// How LiteLLM begins the name of a model that is asked for in Responses.
const RESPONSES: &str = "responses/";

/// What `organization` of an entry is sent as, where the provider has accounts of that kind.
pub const ORGANIZATION: &str = "openai-organization";

/// Every provider, those with something of their own first.
pub fn all() -> impl Iterator<Item = &'static Provider> {
    rows::ROWS.iter().chain(table::ROWS)
}

/// The keys of `litellm_settings` that hold providers' keys.
#[must_use]
pub fn is_key_setting(name: &str) -> bool {
    all().flat_map(|provider| provider.key_from).any(|origin| origin.is_setting(name))
}

/// The keys of `litellm_settings` under which some provider's host, key or account may stand; some of them several times.
pub fn settings() -> impl Iterator<Item = &'static str> {
    all().flat_map(Provider::origins).filter_map(|origin| match origin {
        Origin::Setting(name) => Some(*name),
        Origin::Env(_) => None,
    })
}

/// Whether a key of `litellm_settings` is one of them.
#[must_use]
pub fn is_setting(name: &str) -> bool {
    settings().any(|known| known == name)
}

/// The provider of that name, if it is in the catalogue.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Provider> {
    let name = google::ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    all().find(|provider| provider.name == name)
}

impl Provider {
    /// How its key travels, or a token that stands for it.
    #[must_use]
    pub fn sends(&self, is_token: bool) -> Credential {
        if is_token { Credential::Bearer } else { self.credential }
    }

    /// What a request of a client's dialect is sent in, unless a deployment's model has a dialect of its own.
    #[must_use]
    pub fn speaks(&self, client: Dialect) -> Dialect {
        if self.also.contains(&client) { client } else { self.dialect }
    }

    /// Where a request goes, below the base: a completion to the chats, where it has no API of its own for it.
    #[must_use]
    pub fn path_of(&self, call: Call<'_>) -> Option<Cow<'static, str>> {
        let chat = || Some(Call { api: Api::Chat, ..call }).filter(|_| call.api == Api::Completions);
        (self.path)(call).or_else(|| (self.path)(chat()?))
    }

    /// A model as a body names it.
    #[must_use]
    pub fn in_body<'m>(&self, api: Api, model: &'m str) -> Cow<'m, str> {
        match ((self.full_name)(api, model), self.name_in_body) {
            (Cow::Borrowed(name), Some(shorter)) => Cow::Borrowed(shorter(name)),
            (name, _) => name,
        }
    }

    /// What is spoken of a model of LiteLLM's `mode`, and its name without the prefix that says so: those that are for Responses alone are
    /// asked for in that.
    #[must_use]
    pub fn spoken<'m>(&self, model: &'m str, mode: &str) -> (Dialect, &'m str) {
        if !self.also.contains(&Dialect::Responses) {
            return (self.dialect, model);
        }
        match model.strip_prefix(RESPONSES) {
            Some(model) => (Dialect::Responses, model),
            None if mode == "responses" => (Dialect::Responses, model),
            None => (self.dialect, model),
        }
    }

    /// A model as a configuration writes it: the other way round.
    #[must_use]
    pub fn written(&self, model: &str, spoken: Dialect) -> String {
        let is_chosen = spoken != self.dialect && spoken == Dialect::Responses;
        format!("{}/{}{model}", self.name, if is_chosen { RESPONSES } else { "" })
    }

    /// Where chat requests go, whatever the model; what stands for them where it has none.
    #[must_use]
    pub fn chat_path(&self) -> Cow<'static, str> {
        let of = |api| (self.path)(Call { api, dialect: self.dialect, model: "", stream: false });
        [Api::Chat, Api::Completions, Api::Embeddings].into_iter().find_map(of).unwrap_or_default()
    }

    /// Everything that LiteLLM looks at besides the entry.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        let others = self.account.iter().chain(self.place).flat_map(|(_, origins)| *origins);
        self.base_from.iter().chain(self.key_from).chain(others)
    }

    /// The variable that its key is in, unless something says otherwise.
    #[must_use]
    pub fn usual_key_variable(&self) -> Option<&'static str> {
        let variable = |origin: &Origin| match origin {
            Origin::Env(name) => Some(*name),
            Origin::Setting(_) => None,
        };
        // Where there is no host of its own, or that is this machine, nothing is usual.
        self.key_from.iter().find_map(variable).filter(|_| self.api_base.starts_with("https:"))
    }
}
