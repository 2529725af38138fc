//! What Envoy checks of clients: `signalbox.jwt`, and LiteLLM's `enable_jwt_auth` and `allowed_ips`.
//!
//! **Invariant:** a check that a file asks for takes place, or the file cannot be used.

use std::net::IpAddr;

use super::endpoint;
use super::environment::Environment;
use super::field::{Diagnostics, Field};
use crate::config::model::{Access, IdentitySource, Jwks, Jwt};
use crate::config::tree::{Key, Node, Value};
use crate::provider;

/// The client of every token that is valid, where LiteLLM's setting lets those in.
const ANY_TOKEN: &str = "jwt";

/// LiteLLM's setting in Signalbox' own keys: where tokens come from its environment says, and whoever has one comes in.
pub(super) fn put_in_jwt(tree: &mut Node, env: &Environment<'_>) {
    let root = Field::root(tree);
    let setting = root.at("general_settings").and_then(|general| general.at("enable_jwt_auth"));
    if setting.is_none_or(|setting| setting.flag(&mut Diagnostics::default()) != Some(true)) {
        return;
    }
    let has_own = root.at("signalbox").is_some_and(|section| section.at("jwt").is_some());
    let url = env.value("JWT_PUBLIC_KEY_URL").filter(|url| !url.is_empty());
    // Where nobody says it, nothing is checked, which is told with all else that is not enforced.
    if !has_own && url.is_none() && env.is_read {
        return;
    }
    let text = |text: String| Node::new(Value::Str(text));
    let map = |entries: Vec<(&str, Node)>| {
        let key = |name: &str| Key { name: name.to_owned(), place: None };
        Node::new(Value::Map(entries.into_iter().map(|(name, node)| (key(name), node)).collect()))
    };
    let mut jwt = vec![("jwks_uri", text(url.unwrap_or_else(|| "https://jwt_public_key_url".to_owned())))];
    jwt.extend(env.value("JWT_ISSUER").map(|issuer| ("issuer", text(issuer))));
    jwt.extend(env.value("JWT_AUDIENCE").map(|audience| ("audiences", Node::new(Value::Seq(vec![text(audience)])))));
    let client = map(vec![("name", text(ANY_TOKEN.to_owned())), ("jwt", map(Vec::new()))]);
    let Some(section) = below(tree, "signalbox", Value::Map(Vec::new())) else { return };
    below(section, "jwt", map(jwt).value);
    let clients = below(section, "clients", Value::Seq(Vec::new()));
    if let Some(Value::Seq(clients)) = clients.map(|clients| &mut clients.value) {
        clients.push(client);
    }
}

/// What stands under a key of a map, which gets it where it has none.
pub(super) fn below<'a>(node: &'a mut Node, name: &str, absent: Value) -> Option<&'a mut Node> {
    let Value::Map(entries) = &mut node.value else { return None };
    let found = entries.iter().position(|(key, node)| key.name == name && node.value != Value::Null);
    let at = found.unwrap_or_else(|| {
        entries.push((Key { name: name.to_owned(), place: None }, Node::new(absent)));
        entries.len() - 1
    });
    entries.get_mut(at).map(|(_, node)| node)
}

/// Reads all of it.
pub(super) fn read(root: &Field<'_>, diagnostics: &mut Diagnostics) -> Access {
    let jwt = root.at("signalbox").and_then(|section| section.at("jwt")).and_then(|field| jwt(&field, diagnostics));
    let addresses = root.at("general_settings").and_then(|general| general.at("allowed_ips"));
    Access { jwt, addresses: addresses.map(|list| addresses_of(&list, diagnostics)) }
}

fn jwt(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Jwt> {
    if !field.is_map(diagnostics) {
        return None;
    }
    let mut text = |name: &str| field.at(name).and_then(|field| field.text(diagnostics).map(str::to_owned));
    let (issuer, uri, file) = (text("issuer"), text("jwks_uri"), text("jwks_file"));
    let audiences = field.at("audiences").map(|list| list.texts(diagnostics)).unwrap_or_default();
    if issuer.is_none() && audiences.is_empty() {
        let problem =
            "without an issuer or audience, the tokens that the issuer makes for others open this gateway too";
        field.error(diagnostics, problem, "write `issuer`, `audiences`, or both");
    }
    let keys = match (uri, file) {
        (Some(uri), None) if uri.ends_with("/openid-configuration") => {
            field.error(diagnostics, "this is the issuer's description, not its keys", "write the `jwks_uri` in it");
            return None;
        }
        (Some(uri), None) => {
            // Of the provider nothing counts but that it has one.
            let endpoint = provider::all().next().and_then(|any| endpoint::parsed(&uri, any));
            let Some(endpoint) = endpoint else {
                field.error(diagnostics, "`jwks_uri` is not a URL without a query", "write `https://host/path`");
                return None;
            };
            Jwks::Remote(uri, endpoint)
        }
        (None, Some(file)) => Jwks::File(file),
        _ => {
            field.error(diagnostics, "one place of the issuer's keys is needed", "write `jwks_uri` or `jwks_file`");
            return None;
        }
    };
    Some(Jwt { issuer, audiences, keys })
}

/// Addresses and blocks of them.
fn addresses_of(list: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<(String, u8)> {
    let items = list.items(diagnostics);
    if items.is_empty() {
        list.warning(diagnostics, "this list lets nobody in", "name addresses, or take it out");
    }
    let mut addresses = Vec::new();
    for item in items {
        let Some(text) = item.text(diagnostics) else { continue };
        let (address, length) = text.split_once('/').unwrap_or((text, ""));
        let most = address.parse::<IpAddr>().map_or(0, |address| if address.is_ipv4() { 32 } else { 128 });
        match if length.is_empty() { Some(most) } else { length.parse().ok() } {
            Some(length) if most > 0 && length <= most => addresses.push((address.to_owned(), length)),
            _ => item.invalid(diagnostics, "address", "an IP address, or a block of them", "`10.0.0.0/8`"),
        }
    }
    addresses
}

/// `signalbox.identity_from`.
pub(super) fn sources(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<IdentitySource> {
    let mut sources = Vec::new();
    for item in field.items(diagnostics) {
        let Some(text) = item.text(diagnostics) else { continue };
        match IdentitySource::ALL.iter().find(|(name, _)| *name == text) {
            Some((_, source)) => sources.push(*source),
            None => {
                item.invalid(diagnostics, "source", "peer_certificate, peer_principal or node", "`peer_certificate`")
            }
        }
    }
    sources
}
