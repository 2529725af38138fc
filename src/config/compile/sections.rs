//! The keys of each section, as words: those that mean something here, and LiteLLM's others.
//!
//! Lists and no code, so that a new key is one word in one place; [`super::keys`] says what they lead to.
//!
//! **Invariant:** `general_settings` holds addresses of databases and other secrets: four words of it are known, and nothing else may be.

use crate::config::tree::{Node, Value};
use crate::provider;

/// One section: what may stand in it. Words may end in `*`: `aws_*` stands for all that begin so.
pub(super) struct Section {
    /// Keys that mean something here.
    pub(super) known: &'static str,
    /// Keys that only LiteLLM knows, besides those that [`super::guards`] tells of.
    pub(super) ignored: &'static str,
    /// What to say to any other.
    pub(super) others: Others,
    /// Sections inside it.
    pub(super) inside: &'static [(&'static str, Shape, &'static Section)],
}

/// What to say to a key that neither we nor LiteLLM know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// A warning, or an error where a known key is near.
    Doubtful,
    /// The same, but a key of `router_settings` is told where it belongs.
    ElseRouter,
    /// Nobody else writes here: an error.
    Error,
    /// Nothing, and what is no map is dropped unseen.
    Silent,
}

/// How a section lies under its key.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// The value itself.
    One,
    /// Each item of a list, or each value of a map of free names.
    Each,
    /// The value itself; with the other section where its `model` is a router's.
    Marked(&'static Section),
}

use Shape::{Each, Marked, One};

pub(super) const ROOT: Section = Section {
    known: "\
        model_list router_settings litellm_settings general_settings signalbox environment_variables credential_list",
    ignored: "\
        mcp_servers mcp_tools include files_settings finetune_settings assistant_settings \
        vector_store_registry prompts search_tools agent_list",
    others: Others::ElseRouter,
    inside: &[
        ("model_list", Each, &ENTRY),
        ("router_settings", One, &ROUTER),
        ("litellm_settings", One, &LITELLM),
        ("general_settings", One, &GENERAL),
        ("credential_list", Each, &CREDENTIAL),
        ("signalbox", One, &SIGNALBOX),
    ],
};

pub(super) const GENERAL: Section = Section {
    known: "dangerously_allow_mock_testing_request_params master_key enable_jwt_auth allowed_ips",
    ignored: "",
    others: Others::Silent,
    inside: &[],
};

const CREDENTIAL: Section = Section {
    known: "credential_name credential_values",
    ignored: "credential_info",
    others: Others::Doubtful,
    inside: &[("credential_values", One, &PARAMS)],
};

const ENTRY: Section = Section {
    known: "model_name litellm_params model_info rpm tpm",
    ignored: "order",
    others: Others::Doubtful,
    inside: &[("litellm_params", Marked(&MARKER), &PARAMS), ("model_info", One, &INFO)],
};

/// How the `model` of a router begins: the entry is no deployment.
pub(super) const MARK: &str = "auto_router/";

/// Members of a request that a router may fill in where the client left them out.
pub(super) const GAPS: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "user",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "reasoning_effort",
    "thinking",
    "verbosity",
    "response_format",
    "service_tier",
    "parallel_tool_calls",
];

/// Members of a request that a deployment may bring: those, and what else OpenAI's API or a server of its dialect takes.
pub(super) const DEFAULTS: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "top_a",
    "min_tokens",
    "repetition_penalty",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "n",
    "user",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "reasoning_effort",
    "thinking",
    "verbosity",
    "response_format",
    "service_tier",
    "parallel_tool_calls",
    "tools",
    "tool_choice",
    "modalities",
    "audio",
    "prediction",
    "web_search_options",
    "store",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "dimensions",
    "encoding_format",
    "chat_template_kwargs",
    "num_ctx",
    "keep_alive",
    "num_gpu",
    "num_thread",
    "num_keep",
    "num_batch",
    "repeat_penalty",
    "repeat_last_n",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "input_type",
    "cache_control",
    "stream_options",
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
    "serviceTier",
];

/// The `litellm_params` of a router.
const MARKER: Section = Section {
    known: "\
        model complexity_router_config complexity_router_default_model task_router_config temperature top_p top_k min_p \
        max_tokens max_completion_tokens stop seed user presence_penalty frequency_penalty logit_bias reasoning_effort \
        thinking verbosity response_format service_tier parallel_tool_calls",
    ignored: PARAMS.known,
    others: Others::Doubtful,
    inside: &[],
};

const PARAMS: Section = Section {
    known: "\
        model model_id custom_llm_provider api_key api_base base_url api_version litellm_credential_name use_litellm_proxy mock_response mode \
        organization extra_headers headers extra_body additional_drop_params \
        aws_region_name aws_bedrock_runtime_endpoint aws_access_key_id aws_secret_access_key aws_session_token \
        aws_profile_name aws_role_name aws_session_name aws_external_id aws_web_identity_token \
        azure_ad_token azure_scope tenant_id client_id client_secret \
        guardrailConfig performanceConfig requestMetadata serviceTier \
        temperature top_p top_k min_p top_a min_tokens repetition_penalty max_tokens max_completion_tokens stop seed n user \
        presence_penalty \
        frequency_penalty logit_bias logprobs top_logprobs reasoning_effort thinking verbosity response_format service_tier \
        parallel_tool_calls tools tool_choice modalities audio prediction web_search_options store safety_identifier \
        prompt_cache_key prompt_cache_retention dimensions encoding_format chat_template_kwargs num_ctx \
        keep_alive num_gpu num_thread num_keep num_batch repeat_penalty repeat_last_n mirostat mirostat_eta mirostat_tau input_type \
        cache_control stream_options weight order rpm tpm timeout request_timeout stream_timeout \
        num_retries cooldown_time drop_params max_parallel_requests tags max_budget budget_duration region_name \
        vertex_project vertex_ai_project vertex_location vertex_ai_location vertex_credentials vertex_ai_credentials \
        base_model input_cost_per_token output_cost_per_token cache_read_input_token_cost \
        cache_creation_input_token_cost",
    ignored: "\
        configurable_clientside_auth_params itpm \
        otpm rpd tpd daily_reset_time tag_regex \
        max_retries silent_model timeout_by_service_tier stream_timeout_by_service_tier keepalive_seconds \
        allow_client_keepalive_override \
        use_in_pass_through merge_reasoning_content_in_choices rust model_info \
        auto_router_config auto_router_config_path auto_router_default_model auto_router_embedding_model \
        auto_router_max_input_chars complexity_router_config complexity_router_default_model task_router_config \
        adaptive_router_config adaptive_router_default_model quality_router_config quality_router_default_model \
        \
        metadata ssl_verify client dd_* models \
        cache_control_injection_points allowed_openai_params aws_* vertex_* azure_* watsonx_* gcs_* s3_* \
        input_cost_per_* output_cost_per_* cache_read_* cache_creation_*",
    others: Others::Doubtful,
    inside: &[],
};

const INFO: Section = Section {
    known: "\
        id mode supported_environments allowed_fails allowed_fails_policy cooldown_time blocked supports base_model max_tokens max_input_tokens \
        max_output_tokens supports_* input_cost_per_token output_cost_per_token cache_read_input_token_cost \
        cache_creation_input_token_cost",
    ignored: "\
        team_public_model_name access_groups order \
        enable_tag_filtering allow_fail_open access_windows internal_router_model max_embedding_batch_size \
        adaptive_router_preferences litellm_routing_preferences enforce_supported_endpoints discoverable \
        db_model description tier created_at created_by updated_at updated_by metadata litellm_provider \
        tpm rpm version type ptu_* health_check_* input_cost_per_* output_cost_per_* cache_read_* cache_creation_*",
    others: Others::Doubtful,
    inside: &[("allowed_fails_policy", One, &ALLOWED_FAILS)],
};

const ROUTER: Section = Section {
    known: "\
        num_retries fallbacks default_fallbacks max_fallbacks allowed_fails cooldown_time model_group_alias \
        timeout stream_timeout routing_strategy routing_strategy_args routing_groups disable_cooldowns retry_policy \
        model_group_retry_policy allowed_fails_policy context_window_fallbacks content_policy_fallbacks \
        provider_budget_config default_max_parallel_requests enable_pre_call_checks enable_tag_filtering \
        tag_filtering_match_any optional_pre_call_checks default_litellm_params \
        ignore_invalid_deployments",
    ignored: "\
        default_priority tag_routing_prefix plugins retry_after fallback_on_unsupported_params \
        deployment_affinity_ttl_seconds model_group_affinity_config \
        enable_health_check_routing health_check_ignore_transient_errors \
        background_health_check_model_groups enable_weighted_failover \
        enable_mid_stream_fallback_continuation session_affinity_repin_on_failover search_tools weights",
    others: Others::Doubtful,
    inside: &[
        ("routing_strategy_args", One, &STRATEGY_ARGS),
        ("routing_groups", Each, &ROUTING_GROUP),
        ("retry_policy", One, &RETRY),
        ("model_group_retry_policy", Each, &RETRY),
        ("allowed_fails_policy", One, &ALLOWED_FAILS),
        ("provider_budget_config", Each, &BUDGET),
    ],
};

const LITELLM: Section = Section {
    known: "\
        num_retries fallbacks default_fallbacks max_fallbacks allowed_fails cooldown_time model_group_alias \
        request_timeout stream_timeout disable_cooldowns drop_params context_window_fallbacks \
        content_policy_fallbacks use_litellm_proxy model_alias_map headers",
    ignored: "\
        drop_unknown_params ssl_verify modify_params add_function_to_prompt enable_json_schema_validation \
        forward_traceparent_to_llm_provider custom_provider_map mcp_aliases user_url_validation return_response_headers \
        include_cost_in_streaming_usage force_ipv4",
    others: Others::ElseRouter,
    inside: &[],
};

const ROUTING_GROUP: Section = Section {
    known: "group_name models routing_strategy routing_strategy_args model_priorities",
    ignored: "",
    others: Others::Doubtful,
    inside: &[("routing_strategy_args", One, &STRATEGY_ARGS)],
};

const STRATEGY_ARGS: Section = Section {
    known: "ttl lowest_latency_buffer max_latency_list_size ttft_percentile",
    ignored: "",
    others: Others::Doubtful,
    inside: &[],
};

const RETRY: Section = Section {
    known: "\
        BadRequestErrorRetries AuthenticationErrorRetries TimeoutErrorRetries RateLimitErrorRetries \
        ContentPolicyViolationErrorRetries InternalServerErrorRetries ServiceUnavailableErrorRetries \
        NotFoundErrorRetries DefaultRetries",
    ignored: "",
    others: Others::Doubtful,
    inside: &[],
};

const ALLOWED_FAILS: Section = Section {
    known: "\
        BadRequestErrorAllowedFails AuthenticationErrorAllowedFails TimeoutErrorAllowedFails \
        RateLimitErrorAllowedFails ContentPolicyViolationErrorAllowedFails InternalServerErrorAllowedFails \
        ServiceUnavailableErrorAllowedFails BadGatewayErrorAllowedFails NotFoundErrorAllowedFails",
    ignored: "",
    others: Others::Doubtful,
    inside: &[],
};

const BUDGET: Section = Section {
    known: "budget_limit max_budget time_period budget_duration",
    ignored: "tpm_limit rpm_limit",
    others: Others::Doubtful,
    inside: &[],
};

const SIGNALBOX: Section = Section {
    known: "\
        listen admin first_token_timeout answer_timeout connect_timeout max_request_bytes max_response_bytes secret_files \
        ca_file access_log fallback_on_bad_request max_wait max_cooldown stream_commit stream_idle_timeout \
        stream_progress_timeout stream_usage affinity health_check mock_testing state_path routers \
        max_buffered_bytes max_heap_bytes request_body_timeout allowed_hosts allowed_origins xff_num_trusted_hops \
        forward_headers clients identity_from jwt",
    ignored: "",
    others: Others::Error,
    inside: &[
        ("affinity", One, &AFFINITY),
        ("health_check", One, &HEALTH_CHECK),
        ("clients", Each, &CLIENT),
        ("jwt", One, &JWT),
    ],
};

const JWT: Section =
    Section { known: "issuer audiences jwks_uri jwks_file", ignored: "", others: Others::Error, inside: &[] };

const CLIENT: Section = Section {
    known: "name key match jwt models max_budget budget_duration rpm tpm max_parallel_requests tags tier expires",
    ignored: "",
    others: Others::Error,
    inside: &[],
};

const AFFINITY: Section =
    Section { known: "min_prefix_tokens tenant_header", ignored: "", others: Others::Error, inside: &[] };

const HEALTH_CHECK: Section = Section { known: "interval timeout", ignored: "", others: Others::Error, inside: &[] };

/// Keys of `litellm_settings` and of entries that hold keys, or say where the rest is to be found.
pub(super) const OF_KEYS: &[&str] = &[
    "api_key",
    "litellm_credential_name",
    "organization",
    "extra_headers",
    "headers",
    "vertex_credentials",
    "vertex_ai_credentials",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_web_identity_token",
    "aws_profile_name",
    "aws_role_name",
    "aws_session_name",
    "aws_external_id",
    "aws_region_name",
    "aws_bedrock_runtime_endpoint",
    "azure_ad_token",
    "azure_scope",
    "tenant_id",
    "client_id",
    "client_secret",
];

/// Keys of `signalbox` that the filter has no use for.
pub(super) const FOR_ENVOY: &[&str] = &[
    "secret_files",
    "ca_file",
    "access_log",
    "listen",
    "admin",
    "max_heap_bytes",
    "request_body_timeout",
    "allowed_hosts",
    "allowed_origins",
    "xff_num_trusted_hops",
];

/// The same of `general_settings`.
pub(super) const GENERAL_FOR_ENVOY: &[&str] = &["enable_jwt_auth", "allowed_ips"];

impl Section {
    /// The section that holds for a value of this shape: itself, or what takes its place.
    pub(super) fn fitting(&'static self, shape: Shape, node: &Node) -> &'static Self {
        let model = node.entry("model").map(|model| &model.value);
        match (shape, model) {
            (Marked(other), Some(Value::Str(model))) if model.starts_with(MARK) => other,
            _ => self,
        }
    }

    /// Whether a key means something here.
    pub(super) fn knows(&self, name: &str) -> bool {
        names(self.known, name) || self.others == Others::ElseRouter && provider::is_setting(name)
    }

    /// Whether only LiteLLM knows a key.
    pub(super) fn ignores(&self, name: &str) -> bool {
        names(self.ignored, name)
    }

    /// The known keys that are spelt out.
    pub(super) fn words(&self) -> impl Iterator<Item = &'static str> {
        let of_providers = provider::settings().filter(|_| self.others == Others::ElseRouter);
        self.known.split(' ').filter(|word| !word.ends_with('*')).chain(of_providers)
    }
}

/// Keys of deployments that LiteLLM only keeps and shows.
const FOOTNOTES: &str = "\
    description metadata litellm_provider version type tier created_at created_by updated_at updated_by db_model \
    discoverable";

/// Whether nobody would miss what a key of a deployment does.
pub(super) fn is_footnote(name: &str) -> bool {
    names(FOOTNOTES, name)
}

/// Whether `router_settings` is where a key belongs.
pub(super) fn is_router_setting(name: &str) -> bool {
    ROUTER.knows(name)
}

fn names(words: &str, name: &str) -> bool {
    words.split(' ').any(|word| match word.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == word,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MANUAL: &str = include_str!("../../../docs/configuration.md");
    /// Where the manual's page leads to: prices and capabilities, tasks, the policies by class of failure.
    const FURTHER: [&str; 4] = [
        include_str!("../../../docs/models.md"),
        include_str!("../../../docs/task-routing.md"),
        include_str!("../../../docs/health.md"),
        include_str!("../../../docs/providers.md"),
    ];
    const SECTIONS: [&Section; 18] = [
        &ROOT,
        &GENERAL,
        &ENTRY,
        &MARKER,
        &PARAMS,
        &INFO,
        &ROUTER,
        &LITELLM,
        &ROUTING_GROUP,
        &STRATEGY_ARGS,
        &RETRY,
        &ALLOWED_FAILS,
        &BUDGET,
        &SIGNALBOX,
        &CLIENT,
        &JWT,
        &AFFINITY,
        &HEALTH_CHECK,
    ];

    /// The words that stand as code.
    fn words(page: &str) -> BTreeSet<&str> {
        let code = page.split('`').skip(1).step_by(2);
        let words = code.flat_map(|code| code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
        words.filter(|word| !word.is_empty()).collect()
    }

    #[test]
    fn no_key_is_told_twice() {
        for (path, section) in
            [("", &ROOT), ("general_settings", &GENERAL), ("litellm_settings", &LITELLM), ("router_settings", &ROUTER)]
        {
            let all = section.known.split(' ').chain(section.ignored.split(' '));
            let twice: Vec<_> = all.filter(|word| super::super::guards::speaks_of(path, word)).collect();
            assert!(twice.is_empty(), "{path}: {twice:?}");
        }
    }

    #[test]
    fn every_key_is_in_the_manual() {
        let told: BTreeSet<&str> = [MANUAL].iter().chain(&FURTHER).flat_map(|page| words(page)).collect();
        let lost: Vec<_> = SECTIONS.iter().flat_map(|it| it.words()).filter(|word| !told.contains(word)).collect();
        assert!(lost.is_empty(), "the manual does not tell of {lost:?}");
    }

    #[test]
    fn every_key_of_the_manual_s_tables_is_known() {
        let is_known = |key: &str| SECTIONS.iter().any(|section| section.knows(key));
        let mut keys = 0;
        for heading in ["model_list", "router_settings", "signalbox"] {
            let (_, after) = MANUAL.split_once(&format!("## `{heading}`\n")).unwrap();
            let table = after.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
            for key in table.flat_map(|line| words(line.split(" | ").next().unwrap())) {
                assert!(is_known(key), "the manual tells of `{key}`, which is no key");
                keys += 1;
            }
        }
        assert!(keys > 70, "only {keys} keys found");
    }
}
