//! What Azure is asked otherwise than OpenAI: paths and versions, limits by a name that depends on the model, no wish beside sources of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

#[path = "support/planning.rs"]
mod planning;

use std::cell::RefCell;
use std::rc::Rc;

use planning::NOW;
use signalbox::config::compile::{compile, compile_json};
use signalbox::config::model::{Deployment, Key, Token};
use signalbox::config::yaml;
use signalbox::filter::route::{self, PlanContext};
use signalbox::filter::{Attempt, Edit, Setup};
use signalbox::provider::{Api, Credential};

/// The path and the body of the first attempt for a client's body.
fn asked(params: &str, settings: &str, api: Api, body: &str) -> (String, String) {
    let text = format!(
        "model_list: [{{model_name: 'prefix:gpt-5-mini', litellm_params: {{api_base: 'https://r.openai.azure.com/', api_key: os.environ/K, {params}}}}}]\n{settings}"
    );
    let compiled = compile(&yaml::read(&text).unwrap(), &|_| None).unwrap();
    // As the filter reads it.
    let config = compile_json(&compiled.filter.to_json().to_string()).unwrap();
    assert_eq!(config.deployments[0].endpoint, compiled.config.deployments[0].endpoint);
    let setup = Rc::new(Setup::new(config).unwrap());
    let context = PlanContext { now_ms: NOW, ..PlanContext::default() };
    let flight = route::decide(&setup, api, body.as_bytes().to_vec(), &context).unwrap();
    let flight = Rc::new(RefCell::new(flight));
    let (_, outgoing) = Attempt::start(&flight, None, &|| NOW).unwrap();
    let path = outgoing.headers.iter().find(|(name, _)| *name == ":path").unwrap().1.clone();
    let sent = match outgoing.body {
        Edit::Whole(bytes) => bytes,
        Edit::Prefix(end, prefix) => [&prefix, &body.as_bytes()[end..]].concat(),
        Edit::Keep => body.as_bytes().to_vec(),
        Edit::Append(more) => [body.as_bytes(), &more].concat(),
    };
    (path, String::from_utf8(sent).unwrap())
}

const CHAT: &str =
    r#"{"model":"prefix:gpt-5-mini","max_tokens":50,"temperature":0.2,"messages":[{"role":"user","content":"hi"}]}"#;

#[test]
fn k35_k36_the_path_and_its_version() {
    let dated = asked("model: azure/chat-prod, api_version: '2024-10-21'", "", Api::Chat, CHAT).0;
    assert_eq!(dated, "/openai/deployments/chat-prod/chat/completions?api-version=2024-10-21");
    let by_settings = asked("model: azure/d", "litellm_settings: {api_version: '2024-06-01'}", Api::Chat, CHAT).0;
    assert_eq!(by_settings, "/openai/deployments/d/chat/completions?api-version=2024-06-01");
    assert_eq!(asked("model: azure/d, api_version: preview", "", Api::Chat, CHAT).0, "/openai/v1/chat/completions");
    let embeddings = r#"{"model":"prefix:gpt-5-mini","input":"hi"}"#;
    let path = asked("model: azure/e, api_version: '2024-10-21'", "", Api::Embeddings, embeddings).0;
    assert_eq!(path, "/openai/deployments/e/embeddings?api-version=2024-10-21");
}

#[test]
fn k37_what_the_model_is_decides_and_not_what_its_owner_calls_it() {
    let (_, newer) =
        asked("model: azure/chat-prod, base_model: azure/gpt-5-mini, drop_params: true", "", Api::Chat, CHAT);
    assert!(newer.contains(r#""max_completion_tokens":50"#) && !newer.contains("max_tokens\""), "{newer}");
    assert!(!newer.contains("temperature") && newer.contains(r#""model":"chat-prod""#), "{newer}");
    let (_, older) = asked("model: azure/gpt-4o-old", "", Api::Chat, CHAT);
    assert!(older.contains(r#""max_tokens":50"#) && older.contains(r#""temperature":0.2"#), "{older}");

    let message = r#"{"model":"prefix:gpt-5-mini","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;
    let (_, newer) = asked("model: azure/chat-prod, base_model: azure/gpt-5-mini", "", Api::Messages, message);
    assert!(newer.contains(r#""max_completion_tokens":50"#), "{newer}");
    let (_, older) = asked("model: azure/gpt-4o-old", "", Api::Messages, message);
    assert!(older.contains(r#""max_tokens":50"#) && !older.contains("max_completion_tokens"), "{older}");
}

#[test]
fn k34_no_wish_stands_beside_sources_of_azures_own() {
    // A limit of tokens makes the gateway ask for the usage.
    let limited = "model: azure/d, tpm: 1000";
    let settings = "router_settings: {routing_strategy: usage-based-routing-v2}";
    let body = |more: &str| {
        format!(r#"{{"model":"prefix:gpt-5-mini","stream":true,{more}"messages":[{{"role":"user","content":"hi"}}]}}"#)
    };
    let (_, plain) = asked(limited, settings, Api::Chat, &body(""));
    assert!(plain.contains("stream_options"), "{plain}");
    let (_, with_sources) = asked(limited, settings, Api::Chat, &body(r#""data_sources":[{"type":"azure_search"}],"#));
    assert!(!with_sources.contains("stream_options"), "{with_sources}");
    assert!(with_sources.contains(r#""data_sources":[{"type":"azure_search"}]"#), "{with_sources}");
}

/// OpenAI's own API takes its usual model then: here it is the only group's.
#[test]
fn a_moderation_may_leave_its_model_out() {
    for (body, sent) in [(r#"{"input":"hi"}"#, r#"{"model":"omni","input":"hi"}"#), (" {} ", r#"{"model":"omni"} "#)] {
        assert_eq!(asked("model: openai/omni", "", Api::Passed("/moderations"), body).1, sent);
    }
}

#[test]
fn k39_no_prefix_of_ours_reaches_a_provider() {
    let (path, body) = asked("model: azure_ai/gpt-5-mini", "", Api::Chat, CHAT);
    assert_eq!(path, "/openai/deployments/gpt-5-mini/chat/completions?api-version=2025-02-01-preview");
    assert!(body.contains(r#""model":"gpt-5-mini""#), "{body}");
}

/// What a request of Responses becomes: as it came where Azure has them, else a chat.
#[test]
fn k39_responses_go_as_they_came_where_the_version_has_them() {
    let body = r#"{"model":"prefix:gpt-5-mini","input":"hi","store":false}"#;
    let of = |params: &str| asked(params, "", Api::Responses, body);
    for (params, path) in [
        ("model: azure/d, api_version: preview", "/openai/v1/responses"),
        ("model: azure/d, api_version: '2025-04-01-preview'", "/openai/responses?api-version=2025-04-01-preview"),
        ("model: azure/d, api_version: '2025-03-01-preview'", "/openai/responses?api-version=2025-03-01-preview"),
        // One before it would be an error: LiteLLM's own choice is the API without versions.
        ("model: azure/responses/d, api_version: '2024-10-21'", "/openai/v1/responses"),
        ("model: azure/responses/d", "/openai/v1/responses"),
        (
            "model: azure/responses/d, api_version: '2025-04-01-preview'",
            "/openai/responses?api-version=2025-04-01-preview",
        ),
    ] {
        let (asked, sent) = of(params);
        assert_eq!((&*asked, &*sent), (path, r#"{"model":"d","input":"hi","store":false}"#), "{params}");
    }
    for (params, path) in [
        ("model: azure/d, api_version: '2024-10-21'", "/openai/deployments/d/chat/completions?api-version=2024-10-21"),
        ("model: azure/d", "/openai/deployments/d/chat/completions?api-version=2025-02-01-preview"),
        (
            "model: azure_ai/gpt-5-mini, api_version: '2025-04-01-preview'",
            "/openai/deployments/gpt-5-mini/chat/completions?api-version=2025-04-01-preview",
        ),
    ] {
        let (asked, sent) = of(params);
        assert!(asked == path && sent.contains(r#""messages":[{"#), "{params}: {asked} {sent}");
    }
    let chat = asked("model: azure/responses/d, api_version: v1", "", Api::Chat, CHAT);
    assert!(chat.0 == "/openai/v1/responses" && chat.1.contains(r#""input":[{"#), "{chat:?}");
}

/// The deployment of an entry at a resource that the entry names, with variables by their own names.
fn deployed(params: &str, set: &[&str]) -> Deployment {
    let base = "api_base: 'https://r.openai.azure.com'";
    let text = format!("model_list: [{{model_name: m, litellm_params: {{model: azure/d, {base}, {params}}}}}]");
    let env = |name: &str| set.contains(&name).then(|| name.to_lowercase());
    let compiled = compile(&yaml::read(&text).unwrap(), &env).unwrap();
    let inside = compiled.filter.to_json().to_string();
    assert!(!["tenant", "client", "secret"].iter().any(|word| inside.contains(word)), "{inside}");
    compiled.config.deployments.into_iter().next().unwrap()
}

#[test]
fn entra_id_stands_for_a_key() {
    const ALL: [&str; 3] = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"];
    let key = |name: &str| Some(Key::Env(name.to_owned()));
    let own = deployed("tenant_id: t, client_id: c, client_secret: os.environ/S", &["S", "AZURE_API_KEY"]);
    let Some(Token::Entra { endpoint, client, scope }) = &own.token else { panic!("{own:?}") };
    let url = (endpoint.authority(), endpoint.path.as_str(), client.as_str(), scope.as_str());
    let scope = "https://cognitiveservices.azure.com/.default";
    assert_eq!(url, ("login.microsoftonline.com".to_owned(), "/t/oauth2/v2.0/token", "c", scope));
    assert_eq!((&own.key, own.credential), (&key("S"), Credential::Bearer));
    // What an entry leaves out is in a variable, where it says anything at all.
    let part = deployed("tenant_id: os.environ/AZURE_TENANT_ID", &ALL);
    assert_eq!(part.key, key("AZURE_CLIENT_SECRET"));
    assert!(matches!(part.token, Some(Token::Entra { client, .. }) if client == "azure_client_id"));
    let silent = deployed("rpm: 1", &ALL);
    assert_eq!((silent.key, silent.token), (None, None), "a host that the entry alone names");
    // A key goes before, a part alone is nothing.
    let both = deployed("api_key: os.environ/K, tenant_id: t, client_id: c, client_secret: os.environ/S", &["S"]);
    assert_eq!((both.key, both.token, both.credential), (key("K"), None, Credential::Header("api-key")));
    let lost = deployed("tenant_id: t, client_id: c", &[]);
    assert_eq!((lost.key, lost.token), (None, None));
    let renewed = deployed("azure_ad_token: os.environ/AD", &[]);
    assert_eq!((renewed.key, renewed.token, renewed.credential), (key("AD"), None, Credential::Bearer));
}
