//! Signatures for AWS: Envoy's own filter, behind ours, so that it signs the body and the path that are sent, anew for each attempt.
//!
//! The route's `auto_host_rewrite` may come before or after the filters of a cluster, by whether a connection is open, so the filter sets the
//! host that it signs itself.
//!
//! **Invariant:** no secret is in the configuration: Envoy finds it in its environment, in a file, or with the machine.

use serde_json::{Map, Value, json};

use super::envoy::Home;
use super::keys::{self, Source};
use crate::config::model::{AwsCredentials, Deployment, Key, RouterConfig, Signing};

/// Headers that are not signed, because what is between Envoy and the service may change them.
const UNSIGNED: &[&str] = &["user-agent", "accept", "accept-encoding", "traceparent", "tracestate"];

/// The filter.
pub(super) fn filter(config: &RouterConfig, deployment: &Deployment, signing: &Signing, home: Home<'_>) -> Value {
    let mut excluded: Vec<Value> = UNSIGNED.iter().map(|name| json!({"exact": name})).collect();
    excluded.push(json!({"prefix": "x-envoy-"}));
    let mut signer = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning",
        "service_name": signing.service,
        "region": signing.region,
        "use_unsigned_payload": false,
        "host_rewrite": deployment.endpoint.authority(),
        "match_excluded_headers": excluded,
    });
    if let (Some(provider), Some(signer)) = (provider(config, deployment, signing, home), signer.as_object_mut()) {
        signer.insert("credential_provider".to_owned(), provider);
    }
    json!({"name": "envoy.filters.http.aws_request_signing", "typed_config": signer})
}

/// Whose credentials sign; `None`: what Envoy finds by itself.
fn provider(config: &RouterConfig, deployment: &Deployment, signing: &Signing, home: Home<'_>) -> Option<Value> {
    let role = signing.role.as_ref();
    let own = match &signing.credentials {
        AwsCredentials::Chain => None,
        AwsCredentials::Profile(profile) => Some(("credentials_file_provider", json!({"profile": profile}))),
        AwsCredentials::Keys { .. } => {
            let name = keys::credentials(config, deployment)?;
            Some(("credentials_file_provider", json!({"credentials_data_source": data_source(config, &name, home)})))
        }
        AwsCredentials::WebIdentity(token) => {
            let source = match token {
                Key::Env(name) => data_source(config, name, home),
                Key::Literal(path) => keys::file(path),
            };
            let mut identity = Map::from_iter([("web_identity_token_data_source".to_owned(), source)]);
            identity.extend(role.map(|role| ("role_arn".to_owned(), json!(role.arn))));
            identity.extend(
                role.and_then(|role| role.session.as_ref()).map(|name| ("role_session_name".to_owned(), json!(name))),
            );
            return Some(alone("assume_role_with_web_identity_provider", Value::Object(identity)));
        }
    };
    let own = own.map(|(name, value)| alone(name, value));
    let Some(role) = role else { return own };
    let mut assumed = Map::from_iter([("role_arn".to_owned(), json!(role.arn))]);
    let more = [
        ("role_session_name", role.session.as_ref().map(|name| json!(name))),
        ("external_id", role.external_id.as_ref().map(|id| json!(id))),
        ("credential_provider", own),
    ];
    assumed.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Some(alone("assume_role_credential_provider", Value::Object(assumed)))
}

/// One provider of credentials, and none of those that Envoy would ask by itself.
fn alone(name: &str, value: Value) -> Value {
    json!({"custom_credential_provider_chain": true, name: value})
}

fn data_source(config: &RouterConfig, name: &str, home: Home<'_>) -> Value {
    match (keys::source(config, name), home.mesh) {
        (Source::Environment, Some(mesh)) => keys::file(&format!("{}/{name}", mesh.keys)),
        (Source::Environment, None) => json!({"environment_variable": name}),
        (Source::File(path) | Source::Watched(path), _) => keys::file(path),
    }
}
