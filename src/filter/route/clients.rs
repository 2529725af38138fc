//! The client that a request shows to be from, and whether it may ask for a model.
//!
//! **Invariant:** where the configuration names clients, nobody else is let in, and how long a refusal takes tells nothing of a key.

use std::cell::LazyCell;

use super::super::http::{Api, ErrorReply, invalid};
use super::keys::ClientKeys;
use crate::config::model::{Client, IdentitySource, Proof, RouterConfig};
use crate::dialect::scan::BodyScan;
use crate::routing::{fits, group_of, is_chance};

/// Reads a property of the stream.
pub type Properties<'a> = &'a dyn Fn(&[&str]) -> Option<Vec<u8>>;

/// Where Envoy leaves what is in a token that it has checked (`generate/access.rs`).
const TOKEN: [&str; 4] = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "signalbox"];

/// Where a client shows its key.
const HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-litellm-api-key"];
/// Where Anthropic's clients do: the same, with theirs first.
const OF_MESSAGES: [&str; 4] = ["x-api-key", "authorization", "api-key", "x-litellm-api-key"];
const BEARER: &str = "bearer ";
/// The code of a refusal of a model.
const DENIED: &str = "key_model_access_denied";

/// The place of the client that a request is from. `header` and `property` read what it brings, each by a call of the host.
///
/// # Errors
/// The refusal of a request that is no client's.
pub fn identify(
    config: &RouterConfig,
    keys: &ClientKeys,
    api: Api,
    now_ms: u64,
    header: &dyn Fn(&str) -> String,
    property: Properties<'_>,
) -> Result<usize, ErrorReply> {
    let place = match by_key(keys, api, header) {
        Ok(place) => place,
        Err(is_shown) => by_identity(config, property).ok_or_else(|| nobody(is_shown))?,
    };
    let client = config.clients.get(place);
    if client.and_then(|client| client.expires_ms).is_some_and(|end_ms| end_ms <= now_ms) {
        return Err(refused("expired_api_key", "This API key has expired."));
    }
    Ok(place)
}

/// Whose key it shows. Else whether it shows any.
fn by_key(keys: &ClientKeys, api: Api, header: &dyn Fn(&str) -> String) -> Result<usize, bool> {
    let mut is_shown = false;
    for name in if api.dialect() == Api::Messages.dialect() { OF_MESSAGES } else { HEADERS } {
        let text = header(name);
        let key = key_in(&text);
        if key.is_empty() {
            continue;
        }
        is_shown = true;
        if let Some(place) = keys.holder(key) {
            return Ok(place);
        }
    }
    Err(is_shown)
}

/// The first client whose pattern fits what Envoy knows of the caller. Properties are read only where a client wants them.
fn by_identity(config: &RouterConfig, property: Properties<'_>) -> Option<usize> {
    let text = |path: &[&str]| {
        let text = String::from_utf8(property(path)?).ok()?;
        (!text.is_empty()).then_some(text)
    };
    let identity = LazyCell::new(|| {
        config.signalbox.identity_from.iter().find_map(|source| match source {
            IdentitySource::PeerCertificate => text(&["connection", "uri_san_peer_certificate"]),
            IdentitySource::PeerPrincipal => text(&["filter_state", "io.istio.peer_principal"]),
            IdentitySource::Node => {
                let of_node = |name| text(&["xds", "node", "metadata", name]);
                Some(["node", &of_node("NAMESPACE")?, &of_node("SERVICE_ACCOUNT")?].join("/"))
            }
        })
    });
    let is_checked = LazyCell::new(|| property(&TOKEN).is_some_and(|token| !token.is_empty()));
    config.clients.iter().position(|client| match &client.proof {
        Proof::Identity(pattern) => identity.as_ref().is_some_and(|identity| fits(pattern, identity)),
        Proof::Claims(claims) => *is_checked && claims.iter().all(|(name, pattern)| has_claim(name, pattern, property)),
        Proof::Hash(_) | Proof::Variable(_) => false,
    })
}

/// Whether a claim of the token fits. Of a list, or of words with spaces between them, one must.
fn has_claim(name: &str, pattern: &str, property: Properties<'_>) -> bool {
    let path: Vec<&str> = TOKEN.into_iter().chain(name.split('.')).collect();
    let Some(Ok(text)) = property(&path).map(String::from_utf8) else { return false };
    fits(pattern, &text) || text.split(['\0', ' ']).any(|word| !word.is_empty() && fits(pattern, word))
}

fn nobody(is_shown: bool) -> ErrorReply {
    refused(
        "invalid_api_key",
        if is_shown {
            "This API key is not one of this gateway's."
        } else {
            "This gateway asks for an API key: send it as `authorization: Bearer KEY`, or as `x-api-key`."
        },
    )
}

/// The key in a header, with or without the word before it.
fn key_in(text: &str) -> &str {
    let text = text.trim();
    match text.split_at_checked(BEARER.len()) {
        Some((word, key)) if word.eq_ignore_ascii_case(BEARER) => key.trim_start(),
        _ => text,
    }
}

fn refused(code: &str, message: &str) -> ErrorReply {
    let mut reply = ErrorReply::from(invalid(401, code, None, message.to_owned()));
    reply.headers.push(("www-authenticate", "Bearer".to_owned()));
    reply
}

/// Whether a client may ask for a model of this name: one of its own names it, or the group behind it. What its pattern fits by chance is
/// not named: a deployment's id, a provider's name for a model, or what nobody knows and a default fallback takes.
#[must_use]
pub fn may_ask(config: &RouterConfig, client: &Client, model: &str) -> bool {
    let names = |name: &str| client.models.iter().any(|pattern| fits(pattern, name));
    let is_named = || client.models.iter().any(|own| own == model) || (names(model) && !is_chance(config, model));
    let group = || group_of(config, model).and_then(|group| config.groups.get(group));
    client.models.is_empty() || is_named() || group().is_some_and(|group| names(&group.name))
}

/// Refuses models that a client may not ask for: the one that it asks for, those that it would fall back to, and those that a provider would
/// choose from, which are the provider's names.
///
/// # Errors
/// The refusal.
pub fn check_asked(config: &RouterConfig, client: Option<&Client>, head: &BodyScan<'_>) -> Result<(), ErrorReply> {
    let Some(client) = client.filter(|client| !client.models.is_empty()) else { return Ok(()) };
    check_model(config, client, &head.model)?;
    if head.other_models {
        let message = format!("The client `{}` may not name models for its provider: leave `models` out.", client.name);
        return Err(invalid(403, DENIED, Some("models"), message).into());
    }
    let fallbacks = if head.fallbacks.is_some() { head.fallback_models() } else { Vec::new() };
    fallbacks.iter().try_for_each(|model| check_model(config, client, model))
}

fn check_model(config: &RouterConfig, client: &Client, model: &str) -> Result<(), ErrorReply> {
    if may_ask(config, client, model) {
        return Ok(());
    }
    let model: String = model.chars().take(100).collect();
    let message = format!(
        "The client `{}` may not ask for the model `{model}`. It may ask for: {}.",
        client.name,
        client.models.join(", ")
    );
    Err(invalid(403, DENIED, Some("model"), message).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::compile::compile_json;
    use crate::filter::route::Variables;

    #[derive(Debug)]
    struct Known {
        config: RouterConfig,
        keys: ClientKeys,
    }

    impl Known {
        fn identify(
            &self,
            api: Api,
            now_ms: u64,
            header: &dyn Fn(&str) -> String,
            property: Properties<'_>,
        ) -> Result<usize, ErrorReply> {
            identify(&self.config, &self.keys, api, now_ms, header, property)
        }
    }

    fn setup(clients: &str, variables: Variables<'_>) -> Result<Known, String> {
        let model = r#"{"model_name":"smart","litellm_params":{"model":"openai/x"}}"#;
        let alias = r#""router_settings":{"model_group_alias":{"gpt-4":"smart"}}"#;
        let config = compile_json(&format!(
            r#"{{"model_list":[{model},{}],{alias},{clients}}}"#,
            model.replace("smart", "cheap")
        ));
        let config = config.unwrap();
        let keys = ClientKeys::of(&config, variables, &ClientKeys::default())?;
        Ok(Known { config, keys })
    }

    const TWO: &str = r#""general_settings":{"master_key":"os.environ/MASTER"},"signalbox":{"clients":[
        {"name":"shop","key":"os.environ/SHOP","models":["sm*"],"expires":"2027-01-31"},{"name":"gone","key":"os.environ/GONE"}]}"#;

    fn variable(name: &str) -> Option<String> {
        match name {
            "MASTER" => Some("sk-master\n".to_owned()),
            "SHOP" => Some("sk-shop".to_owned()),
            "GONE" => Some(" ".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_key_is_known_in_each_header() {
        let setup = setup(TWO, &variable).unwrap();
        let ask = |name: &str, value: &str| {
            let header = |asked: &str| if asked == name { value.to_owned() } else { String::new() };
            setup.identify(Api::Chat, 1, &header, &|_| None).map_err(|error| error.error.code.unwrap())
        };
        for (name, value) in [
            ("authorization", "Bearer sk-shop"),
            ("authorization", "bearer  sk-shop "),
            ("authorization", "sk-shop"),
            ("x-api-key", "sk-shop"),
            ("api-key", "sk-shop"),
        ] {
            assert_eq!(ask(name, value), Ok(1), "{name}: {value}");
        }
        assert_eq!(ask("x-api-key", "sk-master"), Ok(0), "a line break at the end of a variable is none of the key");
        for (name, value) in
            [("x-api-key", "sk-shoP"), ("authorization", "Bearer "), ("cookie", "sk-shop"), ("api-key", " ")]
        {
            assert_eq!(ask(name, value), Err("invalid_api_key".to_owned()), "{name}: {value}");
        }
    }

    #[test]
    fn a_key_that_does_not_fit_does_not_hide_another() {
        let setup = setup(TWO, &variable).unwrap();
        let header = |name: &str| if name == "api-key" { "sk-shop".to_owned() } else { "Bearer x".to_owned() };
        assert_eq!(setup.identify(Api::Messages, 1, &header, &|_| None), Ok(1));
    }

    #[test]
    fn a_key_that_has_expired_is_none() {
        let setup = setup(TWO, &variable).unwrap();
        let at = |now_ms| setup.identify(Api::Chat, now_ms, &|_| "sk-shop".to_owned(), &|_| None);
        assert!(at(1_801_353_599_999).is_ok());
        let error = at(1_801_353_600_000).unwrap_err();
        assert_eq!((error.error.status, error.error.code.as_deref()), (401, Some("expired_api_key")));
    }

    #[test]
    fn without_its_master_key_there_is_no_gateway() {
        assert!(setup(TWO, &|_| None).unwrap_err().contains("MASTER"));
        assert!(setup(TWO, &|_| Some(String::new())).is_err());
        let only = r#""signalbox":{"clients":[{"name":"a","key":"os.environ/A"}]}"#;
        let closed = setup(only, &|_| None).unwrap();
        for key in ["", "a", "A"] {
            assert!(
                closed.identify(Api::Chat, 1, &|_| key.to_owned(), &|_| None).is_err(),
                "nobody has a key, and nobody comes in"
            );
        }
    }

    #[test]
    fn a_client_may_ask_for_what_it_may_by_each_of_its_names() {
        let setup = setup(TWO, &variable).unwrap();
        let [master, shop, _] = setup.config.clients.as_slice() else { panic!() };
        for (model, may) in [("smart", true), ("gpt-4", true), ("cheap", false), ("other", false)] {
            assert_eq!(may_ask(&setup.config, shop, model), may, "{model}");
            assert!(may_ask(&setup.config, master, model));
        }
        let error = check_model(&setup.config, shop, "cheap").unwrap_err().error;
        assert_eq!((error.status, error.code.as_deref()), (403, Some("key_model_access_denied")));
        assert!(error.message.ends_with("It may ask for: sm*."), "{}", error.message);
    }

    #[test]
    fn an_identity_counts_where_no_key_fits_and_the_first_pattern_that_fits() {
        let clients = r#""signalbox":{"identity_from":["peer_certificate","node"],"jwt":{"issuer":"i","jwks_file":"f"},"clients":[{"name":"keyed","key":"sk-0123456789abcdef"},
            {"name":"till","match":"spiffe://cluster.local/ns/shop/sa/till"},{"name":"shop","match":"spiffe://cluster.local/ns/shop/*"},
            {"name":"own","match":"node/shop/*"},{"name":"ops","jwt":{"groups":"ops","realm.team":"t-*"}},{"name":"any","jwt":{}}]}"#;
        let setup = setup(clients, &|_| None).unwrap();
        let ask = |key: &str, known: &[(&str, &str)]| {
            let property = |path: &[&str]| {
                let path = path.join(".");
                known.iter().find(|(end, _)| path.ends_with(end)).map(|(_, value)| value.as_bytes().to_vec())
            };
            setup.identify(Api::Chat, 1, &|_| key.to_owned(), &property).ok()
        };
        let of = |name: &str| setup.config.clients.iter().position(|client| client.name == name);
        let san = |uri| [("uri_san_peer_certificate", uri)];
        assert_eq!(ask("sk-0123456789abcdef", &san("spiffe://cluster.local/ns/shop/sa/till")), of("keyed"));
        assert_eq!(ask("dummy", &san("spiffe://cluster.local/ns/shop/sa/till")), of("till"));
        assert_eq!(ask("", &san("spiffe://cluster.local/ns/shop/sa/web")), of("shop"));
        for other in ["", "spiffe://cluster.local/ns/shopping/sa/web", "spiffe://evil/ns/shop/sa/till", "node/shop/app"]
        {
            assert_eq!(ask("", &san(other)), if other.starts_with("node") { of("own") } else { None }, "{other}");
        }
        assert_eq!(ask("", &[("NAMESPACE", "shop"), ("SERVICE_ACCOUNT", "app")]), of("own"));
        assert_eq!(ask("", &[("NAMESPACE", "shop")]), None);
        let token = ("jwt_authn.signalbox", "x");
        assert_eq!(ask("", &[token, ("groups", "dev ops"), ("realm.team", "t-1")]), of("ops"));
        assert_eq!(ask("", &[token, ("groups", "devops"), ("realm.team", "t-1")]), of("any"), "no part of a word");
        assert_eq!(ask("", &[("groups", "ops"), ("realm.team", "t-1")]), None, "a token that nobody checked");
    }
}
