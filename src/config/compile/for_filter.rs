//! What the filter compiles again: the tree as it was understood, without what it has no use for.
//!
//! The host and the provider of a deployment were found with the help of much that the filter has not (the environment, credentials, keys of
//! `litellm_settings`), so it is written out here.
//!
//! **Invariant:** no key and no secret is in it, of a client's key its hash or the name of its variable, of any other not even that; and it
//! compiles to the same configuration.

use super::clients::hashed;
use super::endpoint;
use super::field::Field;
use super::routers::is_router;
use super::sections::{FOR_ENVOY, GENERAL_FOR_ENVOY, OF_KEYS};
use crate::config::model::{Deployment, Endpoint};
use crate::config::tree::{Key, Node, Value};
use crate::provider::{self, Api};

/// Keys that have said all they have to say by now.
const SETTLED: &[&str] =
    &["api_base", "use_litellm_proxy", "model_alias_map", "default_litellm_params", "supported_environments"];

/// Where groups are named that may be gone.
const FALLBACKS: &[&str] = &["fallbacks", "default_fallbacks", "context_window_fallbacks", "content_policy_fallbacks"];

/// The filter's tree. `deployments` are those that the tree was compiled to, each entry of the list that is no router one.
/// `gone` names the groups of which nothing is left.
pub(super) fn of(tree: &Node, deployments: &[Deployment], gone: &[String]) -> Node {
    let mut tree = tree.without(&["environment_variables", "credential_list"]);
    within(&mut tree, "signalbox", &mut |node| {
        let mut node = node.without(FOR_ENVOY);
        within(&mut node, "clients", &mut |list| {
            let Value::Seq(clients) = &list.value else { return list.clone() };
            let client = |client: &Node| {
                let mut client = client.clone();
                within(&mut client, "key", &mut hashed);
                client
            };
            Node { value: Value::Seq(clients.iter().map(client).collect()), ..*list }
        });
        node
    });
    within(&mut tree, "general_settings", &mut |node| {
        let mut node = node.without(GENERAL_FOR_ENVOY);
        within(&mut node, "master_key", &mut hashed);
        node
    });
    within(&mut tree, "litellm_settings", &mut |node| node.without(OF_KEYS).without(SETTLED));
    within(&mut tree, "router_settings", &mut |node| node.without(SETTLED));
    if !gone.is_empty() {
        for section in ["router_settings", "litellm_settings"] {
            for key in FALLBACKS {
                within(&mut tree, section, &mut |node| {
                    let mut node = node.clone();
                    within(&mut node, key, &mut |list| without_names(list, gone));
                    node
                });
            }
        }
    }
    let mut deployments = deployments.iter();
    within(&mut tree, "model_list", &mut |list| {
        let Value::Seq(entries) = &list.value else { return list.clone() };
        let entry = |entry: &Node| {
            let deployment = if is_router(&Field::root(entry)) { None } else { deployments.next() };
            let mut entry = entry.clone();
            within(&mut entry, "litellm_params", &mut |node| params(node, deployment));
            within(&mut entry, "model_info", &mut |node| node.without(SETTLED));
            entry
        };
        let entries = entries.iter().filter(|entry| entry.value != Value::Unset).map(entry);
        Node { value: Value::Seq(entries.collect()), ..*list }
    });
    tree
}

/// The parameters of an entry: the provider of the model, and its host, in the plainest form.
fn params(node: &Node, deployment: Option<&Deployment>) -> Node {
    let mut node = node.without(OF_KEYS).without(&["mode", "model_id"]);
    let (Some(deployment), Value::Map(entries)) = (deployment, &mut node.value) else { return node };
    let is_place = |name: &str| deployment.provider.place.iter().any(|(known, _)| *known == name);
    entries.retain(|(key, _)| !matches!(key.name.as_str(), "base_url" | "custom_llm_provider") && !is_place(&key.name));
    let text = |text: String| Node::new(Value::Str(text));
    set(entries, "model", text(deployment.provider.written(&deployment.model, deployment.dialect)));
    // What the filter cannot tell by the name.
    match deployment.probed {
        Some(Api::Embeddings) => set(entries, "mode", text("embedding".to_owned())),
        Some(_) => {}
        None => set(entries, "mode", text("other".to_owned())),
    }
    if endpoint::own(deployment.provider).as_ref() == Some(&deployment.endpoint) {
        entries.retain(|(key, _)| key.name != "api_base");
    } else {
        set(entries, "api_base", text(url(&deployment.endpoint)));
    }
    node
}

/// Fallbacks without those that are gone.
fn without_names(node: &Node, gone: &[String]) -> Node {
    let is_gone = |node: &Node| matches!(&node.value, Value::Str(name) if gone.contains(name));
    let value = match &node.value {
        Value::Seq(items) => {
            let left = items.iter().filter(|item| !is_gone(item) && !item.entry("model").is_some_and(is_gone));
            Value::Seq(left.map(|item| without_names(item, gone)).collect())
        }
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(key, node)| (key.clone(), without_names(node, gone))).collect())
        }
        other => other.clone(),
    };
    Node { value, ..*node }
}

fn url(endpoint: &Endpoint) -> String {
    let scheme = if endpoint.tls { "https" } else { "http" };
    format!("{scheme}://{}{}", endpoint.authority(), endpoint.target(""))
}

fn set(entries: &mut Vec<(Key, Node)>, name: &str, node: Node) {
    match entries.iter_mut().find(|(key, _)| key.name == name) {
        Some((_, known)) => *known = node,
        None => entries.push((Key { name: name.to_owned(), place: None }, node)),
    }
}

/// Changes what stands under a key of a map.
fn within(node: &mut Node, name: &str, change: &mut dyn FnMut(&Node) -> Node) {
    let Value::Map(entries) = &mut node.value else { return };
    entries.iter_mut().filter(|(key, _)| key.name == name).for_each(|(_, node)| *node = change(node));
}

impl Node {
    /// The same without these keys and without those of providers; what is no map is taken as it is.
    fn without(&self, names: &[&str]) -> Self {
        let Value::Map(entries) = &self.value else { return self.clone() };
        let is_gone = |name: &str| names.contains(&name) || provider::is_key_setting(name);
        let kept = entries.iter().filter(|(key, _)| !is_gone(&key.name)).cloned().collect();
        Self { value: Value::Map(kept), ..*self }
    }
}
