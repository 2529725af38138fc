//! Entra ID: what stands for a key at Azure. A token that somebody else renews, or a client of whom Envoy gets tokens itself.
//!
//! **Invariant:** a host that the entry alone names gets no token that the entry does not say.

use super::endpoint;
use super::field::{Diagnostics, Field};
use super::origin::{Named, Origins, says_something};
use crate::config::model::{Key, Token};
use crate::config::tree::Value;
use crate::provider::{Origin, Provider};

/// The key of an entry that holds a token, and the variable.
const TOKEN: (&str, &str) = ("azure_ad_token", "AZURE_AD_TOKEN");
/// Those that name a client.
const CLIENT: [(&str, &str); 3] =
    [("tenant_id", "AZURE_TENANT_ID"), ("client_id", "AZURE_CLIENT_ID"), ("client_secret", "AZURE_CLIENT_SECRET")];
/// What tokens are for, where nobody says.
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
/// Who gives them, where nobody says.
const AUTHORITY: &str = "https://login.microsoftonline.com";

/// Whether an entry says itself what stands for a key.
pub(super) fn is_named(params: &Field<'_>) -> bool {
    CLIENT.iter().chain([&TOKEN]).any(|(name, _)| params.at(name).is_some_and(|field| says_something(&field)))
}

/// Notes what an entry says of Entra ID, at a provider that has no use for it.
pub(super) fn unused(params: &Field<'_>, diagnostics: &mut Diagnostics) {
    for field in CLIENT.iter().chain([&TOKEN]).filter_map(|(name, _)| params.at(name)) {
        field.note(diagnostics, "this has no effect here, only in LiteLLM", "leave it or take it out");
    }
}

/// A bearer token that is written or in a variable, or the secret of a client and whose it is.
pub(super) fn read(
    origins: &Origins<'_>,
    params: &Field<'_>,
    provider: &Provider,
    named: Named,
    diagnostics: &mut Diagnostics,
) -> (Option<Key>, Option<Token>) {
    let is_own = is_named(params);
    if !is_own && named == Named::Entry {
        return (None, None);
    }
    let mut secret = |(name, variable): (&str, &'static str)| match params.at(name).filter(says_something) {
        Some(field) => origins.key(&field, diagnostics),
        None => origins.key_from(&Origin::Env(variable), diagnostics),
    };
    if let Some(token) = secret(TOKEN) {
        return (Some(token), None);
    }
    let [tenant, client, of_secret] = CLIENT;
    let secret = secret(of_secret);
    let text = |(name, variable): (&str, &str)| {
        let own = params.at(name).and_then(|field| match &field.node.value {
            Value::Str(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        });
        own.or_else(|| origins.env.value(variable))
    };
    let (Some(tenant), Some(client), Some(secret)) = (text(tenant), text(client), secret) else {
        if is_own {
            let problem =
                "`tenant_id`, `client_id` and `client_secret` belong together, and one is missing: no token is sent";
            params.warning(diagnostics, problem, "write all three, or an `api_key`");
        }
        return (None, None);
    };
    let authority = origins.env.value("AZURE_AUTHORITY_HOST").unwrap_or_else(|| AUTHORITY.to_owned());
    let scheme = if authority.contains("://") { "" } else { "https://" };
    let url = format!("{scheme}{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
    let Some(endpoint) = endpoint::parsed(&url, provider).filter(|_| !tenant.contains('/')) else {
        params.error(diagnostics, "`tenant_id` makes no URL of a tenant", "write the id or the domain of the tenant");
        return (None, None);
    };
    let scope = text(("azure_scope", "AZURE_SCOPE")).unwrap_or_else(|| SCOPE.to_owned());
    (Some(secret), Some(Token::Entra { endpoint, client, scope }))
}
