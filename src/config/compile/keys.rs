//! Which keys mean something here, which only to LiteLLM, and which are slips of the pen.
//!
//! LiteLLM ignores what it does not know, and a misspelt `rpm` is then a silent surprise. Here a key that is nearly one of ours is
//! a mistake, one that only LiteLLM knows is a warning, and so is one that nobody knows.
//!
//! **Invariant:** what no section lists as known is in no compiled configuration, and so never in the filter's.

use super::field::{Field, Notes};
use super::names::nearest;
use crate::config::notice::Notice;
use crate::config::tree::{Key, Node, Value};

/// A section: the keys that mean something here, and LiteLLM's others, each as words; `aws_*` stands for all that begin so.
struct Section {
    known: &'static str,
    ignored: &'static str,
    /// Nobody else writes here, so an unknown key is a mistake.
    ours: bool,
}

const ROOT: Section = Section {
    known: "model_list router_settings litellm_settings signalbox",
    ignored: "\
        general_settings environment_variables credential_list guardrails mcp_servers mcp_tools include \
        callback_settings files_settings finetune_settings assistant_settings vector_store_registry prompts \
        search_tools policies policy_attachments agent_list",
    ours: false,
};

const ENTRY: Section = Section { known: "model_name litellm_params model_info rpm tpm", ignored: "order", ours: false };

const PARAMS: Section = Section {
    known: "\
        model custom_llm_provider api_key api_base weight order rpm tpm timeout request_timeout stream_timeout \
        num_retries cooldown_time drop_params",
    ignored: "\
        api_version organization region_name litellm_credential_name configurable_clientside_auth_params itpm \
        otpm rpd tpd daily_reset_time max_parallel_requests tags tag_regex max_budget budget_duration \
        max_retries silent_model timeout_by_service_tier stream_timeout_by_service_tier keepalive_seconds \
        allow_client_keepalive_override mock_response additional_drop_params tools tool_choice \
        use_in_pass_through use_litellm_proxy merge_reasoning_content_in_choices rust model_info base_model \
        auto_router_config auto_router_config_path auto_router_default_model auto_router_embedding_model \
        auto_router_max_input_chars complexity_router_config complexity_router_default_model \
        adaptive_router_config adaptive_router_default_model quality_router_config quality_router_default_model \
        temperature top_p max_tokens max_completion_tokens stop seed user extra_headers headers extra_body \
        reasoning_effort thinking response_format metadata ssl_verify tenant_id client_id client_secret \
        model_id \
        cache_control_injection_points allowed_openai_params aws_* vertex_* azure_* watsonx_* gcs_* s3_* \
        input_cost_per_* output_cost_per_*",
    ours: false,
};

const INFO: Section = Section {
    known: "id",
    ignored: "\
        base_model mode max_tokens max_input_tokens max_output_tokens team_id team_public_model_name \
        access_groups blocked supported_environments allowed_fails allowed_fails_policy cooldown_time order \
        enable_tag_filtering allow_fail_open access_windows internal_router_model max_embedding_batch_size \
        adaptive_router_preferences litellm_routing_preferences enforce_supported_endpoints discoverable \
        db_model description tier created_at created_by updated_at updated_by metadata litellm_provider \
        tpm rpm version type supports_* ptu_* health_check_* input_cost_per_* output_cost_per_*",
    ours: false,
};

const ROUTER: Section = Section {
    known: "\
        num_retries fallbacks default_fallbacks max_fallbacks allowed_fails cooldown_time model_group_alias \
        timeout stream_timeout routing_strategy disable_cooldowns",
    ignored: "\
        redis_url redis_host redis_port redis_password redis_db cache_responses cache_kwargs caching_groups \
        client_ttl polling_interval default_priority default_litellm_params default_max_parallel_requests \
        set_verbose debug_level context_window_fallbacks content_policy_fallbacks enable_pre_call_checks \
        enable_tag_filtering tag_filtering_match_any tag_routing_prefix plugins retry_after retry_policy \
        model_group_retry_policy allowed_fails_policy fallback_on_unsupported_params optional_pre_call_checks \
        routing_strategy_args routing_groups provider_budget_config alerting_config router_general_settings \
        deployment_affinity_ttl_seconds model_group_affinity_config ignore_invalid_deployments \
        enable_health_check_routing health_check_staleness_threshold health_check_ignore_transient_errors \
        background_health_check_model_groups enable_weighted_failover enable_mid_stream_fallback_continuation \
        session_affinity_repin_on_failover assistants_config search_tools guardrail_list weights model_list",
    ours: false,
};

const LITELLM: Section = Section {
    known: "\
        num_retries fallbacks default_fallbacks max_fallbacks allowed_fails cooldown_time model_group_alias \
        request_timeout stream_timeout disable_cooldowns drop_params",
    ignored: "\
        context_window_fallbacks content_policy_fallbacks set_verbose callbacks success_callback \
        failure_callback service_callback cache cache_params json_logs telemetry max_budget budget_duration \
        turn_off_message_logging redact_user_api_key_info default_team_settings default_internal_user_params \
        drop_unknown_params ssl_verify modify_params add_function_to_prompt enable_json_schema_validation \
        enable_preview_features forward_traceparent_to_llm_provider public_model_groups custom_provider_map \
        s3_callback_params mcp_aliases user_url_validation upperbound_key_generate_params tag_budget_config \
        priority_reservation prometheus_metrics_config return_response_headers include_cost_in_streaming_usage \
        langfuse_default_tags logging default_key_generate_params model_alias_map force_ipv4 aiohttp_trust_env \
        disable_aiohttp_transport suppress_debug_info store_audit_logs",
    ours: false,
};

const SIGNALBOX: Section = Section {
    known: "\
        listen admin first_token_timeout connect_timeout max_request_bytes max_response_bytes secret_files \
        ca_file access_log fallback_on_bad_request",
    ignored: "",
    ours: true,
};

/// Keys of `signalbox` that the filter has no use for.
const FOR_ENVOY: &[&str] = &["secret_files", "ca_file", "access_log", "listen", "admin", "connect_timeout"];

/// Looks at every key of every section.
pub(super) fn check(root: &Node, notes: &mut Notes) {
    let root = Field::root(root);
    ROOT.check(&root, notes);
    for (name, section) in [("router_settings", &ROUTER), ("litellm_settings", &LITELLM), ("signalbox", &SIGNALBOX)] {
        if let Some(field) = root.at(name) {
            section.check(&field, notes);
        }
    }
    if let Some(key) = root.at("general_settings").and_then(|general| general.at("master_key")) {
        let problem = "LiteLLM's clients must show this key, here they need none";
        let remedy = "keep `signalbox.listen` on loopback, or let Envoy or a proxy before it ask for keys";
        notes.warnings.push(Notice::new(key.node.place, &key.path, problem, remedy));
    }
    let Some(list) = root.at("model_list") else { return };
    for entry in list.items(&mut Notes::default()) {
        ENTRY.check(&entry, notes);
        if let Some(params) = entry.at("litellm_params") {
            PARAMS.check(&params, notes);
        }
        if let Some(info) = entry.at("model_info") {
            INFO.check(&info, notes);
        }
    }
}

impl Section {
    fn check(&self, field: &Field<'_>, notes: &mut Notes) {
        let Value::Map(entries) = &field.node.value else { return };
        for (Key { name, place }, value) in entries {
            let name = name.as_str();
            if self.knows(name) {
                continue;
            }
            let place = place.or(value.place);
            let path = super::field::below(&field.path, name);
            let note = |problem: String, remedy: String| Notice::new(place, &path, problem, remedy);
            let ignored = self.ignored.split(' ').any(|word| match word.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => name == word,
            });
            let meant = if ignored { None } else { nearest(name, self.known.split(' ')) };
            if ignored {
                let problem = format!("`{name}` has no effect here, only in LiteLLM");
                notes.warnings.push(note(problem, "leave it or take it out".to_owned()));
            } else if let Some(meant) = meant {
                notes.mistakes.push(note(format!("`{name}` is not a key"), format!("did you mean `{meant}`?")));
            } else if self.ours {
                let problem = format!("`{name}` is not a key of `signalbox`");
                notes.mistakes.push(note(problem, format!("its keys are {}", self.known.replace(' ', ", "))));
            } else {
                let problem = format!("`{name}` is not a key that Signalbox knows, and has no effect");
                notes.warnings.push(note(problem, "look for a slip, or take it out".to_owned()));
            }
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.known.split(' ').any(|word| word == name)
    }

    fn keep(&self, node: &Node) -> Node {
        node.keep(&|name| self.knows(name))
    }
}

/// The tree with nothing but the keys that mean something. What is no map stays, for its section to complain about.
pub(super) fn keep_known(root: &Node) -> Node {
    let mut tree = ROOT.keep(root);
    within(&mut tree, "router_settings", &|node| ROUTER.keep(node));
    within(&mut tree, "litellm_settings", &|node| LITELLM.keep(node));
    within(&mut tree, "signalbox", &|node| SIGNALBOX.keep(node));
    each_entry(&mut tree, &|entry| {
        let mut entry = ENTRY.keep(entry);
        within(&mut entry, "litellm_params", &|node| PARAMS.keep(node));
        within(&mut entry, "model_info", &|node| INFO.keep(node));
        entry
    });
    tree
}

/// A tree of known keys as the filter may see it.
pub(super) fn without_secrets(tree: &Node) -> Node {
    let mut tree = tree.clone();
    within(&mut tree, "signalbox", &|node| node.keep(&|name| !FOR_ENVOY.contains(&name)));
    each_entry(&mut tree, &|entry| {
        let mut entry = entry.clone();
        within(&mut entry, "litellm_params", &|node| node.keep(&|name| name != "api_key"));
        entry
    });
    tree
}

/// Changes what stands under a key of a map.
fn within(node: &mut Node, name: &str, change: &dyn Fn(&Node) -> Node) {
    let Value::Map(entries) = &mut node.value else { return };
    entries.iter_mut().filter(|(key, _)| key.name == name).for_each(|(_, node)| *node = change(node));
}

/// Changes every entry of `model_list`.
fn each_entry(root: &mut Node, change: &dyn Fn(&Node) -> Node) {
    within(root, "model_list", &|list| {
        let Value::Seq(entries) = &list.value else { return list.clone() };
        Node { value: Value::Seq(entries.iter().map(change).collect()), place: list.place }
    });
}

impl Node {
    /// The same with only the keys that pass; what is no map is taken as it is.
    fn keep(&self, pass: &dyn Fn(&str) -> bool) -> Self {
        let Value::Map(entries) = &self.value else { return self.clone() };
        let kept = entries.iter().filter(|(key, _)| pass(&key.name)).cloned().collect();
        Self { value: Value::Map(kept), place: self.place }
    }
}
