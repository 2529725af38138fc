//! What LiteLLM would do and nothing here does: guards, which keep somebody out or something back; what an operator would miss;
//! and the rest, in one note a section.
//!
//! A guard that is not enforced is worse than none, since the file looks as if it were. On loopback each is a warning of its own.
//! On any other address it is an error, because every client that reaches it may spend the operator's money.
//!
//! **Invariant:** no value of these sections is shown, only names: they hold master keys and addresses of databases.

use std::net::SocketAddr;

use super::field::{Diagnostics, Field, below};
use super::sections::{GENERAL, is_router_setting};
use crate::config::tree::{Key, Node, Place, Value};

/// A key: its section, its name, what does not happen, and what does it instead.
type Row = (&'static str, &'static str, &'static str, &'static str);

const TOKENS: &str = "let Envoy's `jwt_authn` or `ext_authz` filter ask for tokens";
const ISSUER: &str = "set JWT_PUBLIC_KEY_URL and JWT_AUDIENCE, or write `signalbox.jwt`";
const CHECKS: &str = "let Envoy's `ext_authz` filter ask the same service";
const PATHS: &str = "let Envoy's `rbac` filter check paths";
const FIELDS: &str = "check requests in a proxy before it";
const BUDGETS: &str =
    "limit what is spent by `max_budget` and `budget_duration` of deployments, or by `provider_budget_config`";
const PARALLEL: &str =
    "limit requests by `max_parallel_requests` of deployments, or by `default_max_parallel_requests`";
const CONTENT: &str = "let a proxy before it, or Envoy's `ext_proc` filter, check requests and answers";

const NO_TOKEN: &str = "no client is asked for a token";
const NO_USERS: &str = "clients cannot be told apart, so nobody's spending is limited";

/// A guard only where nobody says whose tokens are valid.
const ENABLE_JWT: &str = "enable_jwt_auth";

/// What keeps somebody out or something back.
const GUARDS: &[Row] = &[
    (GENERAL_SETTINGS, "enable_oauth2_auth", NO_TOKEN, TOKENS),
    (GENERAL_SETTINGS, "enable_oauth2_proxy_auth", "no client is asked for its identity", CHECKS),
    (GENERAL_SETTINGS, "custom_auth", "this check of clients does not run", CHECKS),
    (GENERAL_SETTINGS, "enforce_rbac", "roles are not looked at", CHECKS),
    (GENERAL_SETTINGS, "role_permissions", "roles are not looked at", CHECKS),
    (GENERAL_SETTINGS, "enforce_user_param", "requests without `user` are served", FIELDS),
    (GENERAL_SETTINGS, "enforced_params", "requests without these fields are served", FIELDS),
    (GENERAL_SETTINGS, "service_account_settings", "requests without these fields are served", FIELDS),
    (GENERAL_SETTINGS, "reject_clientside_metadata_tags", "requests with tags of their own are served", FIELDS),
    (GENERAL_SETTINGS, "allowed_routes", "all paths are open, not only these", PATHS),
    (GENERAL_SETTINGS, "admin_only_routes", "these paths are open to all", PATHS),
    (GENERAL_SETTINGS, "public_routes", "all paths are open, not only these", PATHS),
    (GENERAL_SETTINGS, "max_budget", "it limits no spending", BUDGETS),
    (GENERAL_SETTINGS, "max_parallel_requests", "it limits no requests", PARALLEL),
    (GENERAL_SETTINGS, "global_max_parallel_requests", "it limits no requests", PARALLEL),
    (GENERAL_SETTINGS, "max_internal_user_budget", NO_USERS, BUDGETS),
    (GENERAL_SETTINGS, "max_end_user_budget", NO_USERS, BUDGETS),
    (GENERAL_SETTINGS, "blocked_user_list", "these users are served", FIELDS),
    (GENERAL_SETTINGS, "banned_keywords_list", "these words pass", CONTENT),
    (LITELLM_SETTINGS, "max_budget", "it limits no spending", BUDGETS),
    (LITELLM_SETTINGS, "max_user_budget", NO_USERS, BUDGETS),
    (LITELLM_SETTINGS, "max_internal_user_budget", NO_USERS, BUDGETS),
    (LITELLM_SETTINGS, "default_max_internal_user_budget", NO_USERS, BUDGETS),
    (LITELLM_SETTINGS, "max_end_user_budget", NO_USERS, BUDGETS),
    (LITELLM_SETTINGS, "max_end_user_budget_id", NO_USERS, BUDGETS),
    (LITELLM_SETTINGS, "default_end_user_params", NO_USERS, BUDGETS),
    (LITELLM_SETTINGS, "tag_budget_config", "budgets of tags limit no spending", BUDGETS),
    (LITELLM_SETTINGS, "blocked_user_list", "these users are served", FIELDS),
    (LITELLM_SETTINGS, "banned_keywords_list", "these words pass", CONTENT),
    (LITELLM_SETTINGS, "prompt_injection_params", "requests are not searched for prompt injections", CONTENT),
    (LITELLM_SETTINGS, "guardrails", "requests and answers pass unchecked", CONTENT),
    ("router_settings", "guardrail_list", "requests and answers pass unchecked", CONTENT),
    ("", "guardrails", "requests and answers pass unchecked", CONTENT),
    ("", "policies", "requests and answers pass unchecked", CONTENT),
    ("", "policy_attachments", "requests and answers pass unchecked", CONTENT),
];

/// Names in `callbacks` that are guards, not log books.
const GUARDING_CALLBACKS: &str = "\
    presidio llamaguard_moderations hide_secrets openai_moderations lakera_prompt_injection aporia_prompt_injection \
    google_text_moderation llmguard_moderations blocked_user_check banned_keywords detect_prompt_injection \
    azure_content_safety";

/// Keys of `litellm_jwtauth` by which LiteLLM refuses tokens that are valid.
const OF_TOKENS: &[&str] = &[
    "user_allowed_email_domain",
    "user_allowed_roles",
    "enforce_rbac",
    "enforce_scope_based_access",
    "enforce_team_based_model_access",
    "custom_validate",
];
const CLAIMS: &str = "name the claims that are let in by `jwt` of `signalbox.clients`";

/// What keeps a deployment to some clients: a key of its `model_info`.
const OF_TEAM: &str = "team_id";
const BLOCK: &str = "write `blocked: true` to keep everybody out, let Envoy or a proxy before it ask for keys";
const FOR_ALL: &str = "every client may ask for this deployment, not only that team";

const NO_CLIENTS: &str = "there are no keys, users or teams of clients here";

/// What an operator would miss.
const MISSED: &[Row] = &[
    (GENERAL_SETTINGS, "key_management_system", SECRETS, FROM_FILES),
    (GENERAL_SETTINGS, "key_management_settings", SECRETS, FROM_FILES),
    (GENERAL_SETTINGS, "use_google_kms", SECRETS, FROM_FILES),
    (GENERAL_SETTINGS, "use_azure_key_vault", SECRETS, FROM_FILES),
    (GENERAL_SETTINGS, "alerting", "nobody is alerted", "let alerts watch Envoy's statistics, or take it out"),
    (GENERAL_SETTINGS, "pass_through_endpoints", "these paths are not served", "route them in Envoy, or take them out"),
    (GENERAL_SETTINGS, "completion_model", "each request gets the model that it names", "name it in requests"),
    (
        GENERAL_SETTINGS,
        "store_model_in_db",
        "models in LiteLLM's database are not served",
        "write them into `model_list`",
    ),
    (GENERAL_SETTINGS, "max_request_size_mb", "it limits nothing", "write `signalbox.max_request_bytes`"),
    (GENERAL_SETTINGS, "max_response_size_mb", "it limits nothing", "take it out"),
    (GENERAL_SETTINGS, "key_generation_settings", NO_CLIENTS, "take it out"),
    (GENERAL_SETTINGS, "default_key_generate_params", NO_CLIENTS, "take it out"),
    (GENERAL_SETTINGS, "default_internal_user_params", NO_CLIENTS, "take it out"),
    (GENERAL_SETTINGS, "user_header_mappings", NO_CLIENTS, "take it out"),
    (GENERAL_SETTINGS, "user_header_name", NO_CLIENTS, "take it out"),
    (
        GENERAL_SETTINGS,
        "proxy_budget_rescheduler_min_time",
        "budgets of clients, which it resets, do not exist here",
        BUDGETS,
    ),
    (
        GENERAL_SETTINGS,
        "proxy_budget_rescheduler_max_time",
        "budgets of clients, which it resets, do not exist here",
        BUDGETS,
    ),
    (LITELLM_SETTINGS, "cache", "each request goes to a provider", "cache in the client, or take it out"),
    (LITELLM_SETTINGS, "default_key_generate_params", NO_CLIENTS, "take it out"),
    (LITELLM_SETTINGS, "upperbound_key_generate_params", NO_CLIENTS, "take it out"),
    (LITELLM_SETTINGS, "key_generation_settings", NO_CLIENTS, "take it out"),
    (LITELLM_SETTINGS, "default_internal_user_params", NO_CLIENTS, "take it out"),
    (LITELLM_SETTINGS, "default_team_settings", NO_CLIENTS, "take it out"),
    (LITELLM_SETTINGS, "priority_reservation", NO_CLIENTS, "take it out"),
    ("router_settings", "cache_responses", "each request goes to a provider", "take it out"),
];
const SECRETS: &str = "keys come from environment variables and files, not from a key manager";
const FROM_FILES: &str = "set the variables where Envoy starts, or name files in `signalbox.secret_files`";

/// What nobody would miss, besides all else in `general_settings`.
const HARMLESS: &[(&str, &str)] = &[
    (
        LITELLM_SETTINGS,
        "set_verbose verbose callbacks success_callback failure_callback service_callback json_logs telemetry cache_params \
         turn_off_message_logging redact_user_api_key_info redact_messages_in_exceptions log_raw_request_response \
         s3_callback_params prometheus_metrics_config prometheus_initialize_budget_metrics langfuse_default_tags logging \
         suppress_debug_info store_audit_logs public_model_groups budget_duration internal_user_budget_duration timezone \
         disable_end_user_cost_tracking disable_end_user_cost_tracking_prometheus_only extra_spend_tag_headers \
         require_auth_for_metrics_endpoint disable_aiohttp_transport aiohttp_trust_env datadog_params log_level \
         llm_guard_mode llamaguard_model_name llamaguard_unsafe_content_categories enable_preview_features",
    ),
    (
        "router_settings",
        "redis_url redis_host redis_port redis_password redis_db redis_ssl redis_username cache_kwargs caching_groups \
         client_ttl polling_interval set_verbose debug_level alerting_config router_general_settings assistants_config \
         model_list health_check_staleness_threshold",
    ),
    ("", "callback_settings cost_tracking"),
];

const GENERAL_SETTINGS: &str = "general_settings";
const LITELLM_SETTINGS: &str = "litellm_settings";

/// Whether this room has the word on a key of a section.
pub(super) fn speaks_of(section: &str, name: &str) -> bool {
    let within = |rows: &[Row]| rows.iter().any(|(of, key, ..)| (*of, *key) == (section, name));
    let is_of_team = name == OF_TEAM && section.ends_with("].model_info");
    within(GUARDS) || within(MISSED) || is_harmless(section, name) || is_of_team
}

fn is_harmless(section: &str, name: &str) -> bool {
    HARMLESS.iter().any(|(of, names)| *of == section && names.split_whitespace().any(|known| known == name))
}

/// Looks for guards, and for what would be missed, in the file as it was written. `listen` is where clients come in.
pub(super) fn check(root: &Node, listen: &str, checks_tokens: bool, diagnostics: &mut Diagnostics) {
    let mut report = Report { listen, is_loopback: is_loopback(listen), checks_tokens, diagnostics };
    let root = Field::root(root);
    for section in ["", GENERAL_SETTINGS, LITELLM_SETTINGS, "router_settings"] {
        let field = if section.is_empty() { Some(root.clone()) } else { root.at(section) };
        let Some(Value::Map(entries)) = field.map(|field| &field.node.value) else { continue };
        report.section(section, entries);
    }
    let entries = root.at("model_list").map(|list| list.items(&mut Diagnostics::default())).unwrap_or_default();
    let tokens = root.at(GENERAL_SETTINGS).and_then(|general| general.at("litellm_jwtauth"));
    for name in OF_TOKENS {
        if let Some(check) = tokens.as_ref().and_then(|tokens| tokens.at(name)).filter(|check| !is_off(check.node)) {
            report.guard(check.node.place, &check.path, "tokens that do not fit are let in", CLAIMS);
        }
    }
    for team in entries.iter().filter_map(|entry| entry.at("model_info")?.at(OF_TEAM)) {
        if !is_off(team.node) {
            report.guard(team.node.place, &team.path, FOR_ALL, BLOCK);
        }
    }
}

/// Whether only this machine reaches an address.
pub(super) fn is_loopback(listen: &str) -> bool {
    listen.parse::<SocketAddr>().is_ok_and(|address| address.ip().to_canonical().is_loopback())
}

struct Report<'a> {
    listen: &'a str,
    is_loopback: bool,
    checks_tokens: bool,
    diagnostics: &'a mut Diagnostics,
}

impl Report<'_> {
    fn section(&mut self, section: &str, entries: &[(Key, Node)]) {
        let mut harmless: Vec<&str> = Vec::new();
        let mut first = None;
        for (Key { name, place }, value) in entries {
            let find = |rows: &'static [Row]| rows.iter().find(|(of, key, ..)| (*of, *key) == (section, name));
            let place = place.or(value.place);
            let path = below(section, name);
            if section == LITELLM_SETTINGS && name == "callbacks" && self.callbacks(place, &path, value) {
                continue;
            }
            let is_rest = section == GENERAL_SETTINGS && !GENERAL.knows(name);
            match (find(GUARDS), find(MISSED)) {
                _ if section == GENERAL_SETTINGS && name == ENABLE_JWT && !self.checks_tokens && !is_off(value) => {
                    self.guard(place, &path, NO_TOKEN, ISSUER);
                }
                (Some(_), _) | (_, Some(_)) if is_off(value) => {}
                (Some((_, _, what, instead)), _) => self.guards(place, &path, value, (what, instead)),
                (_, Some((_, _, what, instead))) => {
                    self.diagnostics.warning(place, &path, format!("this has no effect: {what}"), *instead);
                }
                _ if is_rest && is_router_setting(name) => {
                    let problem = format!("`{name}` has no effect here, in LiteLLM neither");
                    self.diagnostics.warning(place, &path, problem, "move it to `router_settings`");
                }
                _ if is_rest || is_harmless(section, name) => {
                    first = first.or(Some(place));
                    if !harmless.contains(&name.as_str()) {
                        harmless.push(name);
                    }
                }
                _ => {}
            }
        }
        if let Some(place) = first {
            let (have, them) = if harmless.len() == 1 { ("has", "it") } else { ("have", "them") };
            let names = harmless.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let problem = format!("{names} {have} no effect here, only in LiteLLM");
            self.diagnostics.note(place, section, problem, format!("leave {them} or take {them} out"));
        }
    }

    /// A guard, or each of a list of named ones.
    fn guards(&mut self, place: Option<Place>, path: &str, value: &Node, (what, instead): (&str, &str)) {
        let named: Vec<_> = match &value.value {
            Value::Seq(items) => {
                items.iter().enumerate().filter_map(|(index, item)| named(path, index, item)).collect()
            }
            _ => Vec::new(),
        };
        if named.is_empty() {
            self.guard(place, path, what, instead);
        }
        for (place, path, name) in named {
            self.guard(place, &path, &format!("`{name}` does not run, and {what}"), instead);
        }
    }

    /// The guards among `callbacks`. Whether nothing is left to say about the key.
    fn callbacks(&mut self, place: Option<Place>, path: &str, value: &Node) -> bool {
        let names: Vec<&Node> = match &value.value {
            Value::Seq(items) => items.iter().collect(),
            _ => vec![value],
        };
        let mut left = false;
        for node in names {
            let Value::Str(name) = &node.value else { continue };
            let place = node.place.or(place);
            if GUARDING_CALLBACKS.split(' ').any(|known| known == name) {
                self.guard(
                    place,
                    path,
                    &format!("`{name}` does not run, and requests and answers pass unchecked"),
                    CONTENT,
                );
            } else if name.contains('.') || name.ends_with("_interception") {
                let problem = format!("`{name}` does not run, and may change or refuse requests in LiteLLM");
                self.diagnostics.warning(place, path, problem, "do the same in a proxy before it, or take it out");
            } else {
                left = true;
            }
        }
        !left
    }

    fn guard(&mut self, place: Option<Place>, path: &str, what: &str, instead: &str) {
        if self.is_loopback {
            let problem = format!("this is not enforced: {what}");
            self.diagnostics.warning(place, path, problem, format!("{instead}, or take it out"));
        } else {
            let listen = self.listen;
            let problem = format!("this is not enforced, and {listen} is not on loopback: {what}");
            let remedy = format!("write `signalbox.listen: 127.0.0.1:10000` and {instead}, or take it out");
            self.diagnostics.error(place, path, problem, remedy);
        }
    }
}

/// An entry of `guardrails` with its name.
fn named<'a>(path: &str, index: usize, item: &'a Node) -> Option<(Option<Place>, String, &'a str)> {
    let name = match item.entry("guardrail_name").map(|name| &name.value) {
        Some(Value::Str(name)) => name,
        // Of LiteLLM's first edition: `- NAME: {callbacks: [...]}`.
        _ => match &item.value {
            Value::Map(entries) => &entries.iter().find(|(_, value)| matches!(value.value, Value::Map(_)))?.0.name,
            _ => return None,
        },
    };
    Some((item.place, format!("{path}[{index}]"), name))
}

/// Whether LiteLLM does nothing with this value either.
fn is_off(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Unset | Value::Bool(false) | Value::Int(0) => true,
        Value::Float(number) => *number == 0.0,
        Value::Str(text) => text.is_empty() || text.eq_ignore_ascii_case("false"),
        Value::Seq(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        Value::Bool(true) | Value::Int(_) => false,
    }
}
