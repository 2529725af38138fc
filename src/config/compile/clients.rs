//! `signalbox.clients` and `general_settings.master_key`: who may come in, and how much of it.
//!
//! **Invariant:** no key is shown, and none outlives this room: what stands in the file becomes its hash.

use super::access::below;
use super::budgets;
use super::environment::{Environment, Held, PREFIX};
use super::field::{Diagnostics, Field};
use super::shell;
use crate::config::complexity::Tier;
use crate::config::model::{Client, MASTER, Proof, RouterConfig, is_pattern};
use crate::config::tree::{Node, Value};
use crate::date::rfc3339;
use crate::sha256::{from_hex, hex, sha256};

/// LiteLLM's other home of the master key.
const MASTER_KEY: &str = "LITELLM_MASTER_KEY";
/// How a hash is told from a key.
const HASHED: &str = "sha256:";
/// LiteLLM's word for every model.
const ALL_MODELS: &str = "all-proxy-models";
/// Of a shorter key its hash tells too much.
const LEAST_LENGTH: usize = 16;

/// LiteLLM takes its master key from the environment too, and `environment_variables` is its environment. A variable that is set is read also
/// where it is named as in a shell, which LiteLLM takes for the key itself.
pub(super) fn put_in_master_key(tree: &mut Node, env: &Environment<'_>, diagnostics: &mut Diagnostics) {
    if let Some(node) = tree.entry("general_settings").and_then(|general| general.entry("master_key")) {
        let text = if let Value::Str(text) = &node.value { text.as_str() } else { "" };
        let is_set = |name: &&str| !env.is_read || (env.read)(name).is_some();
        let Some(name) = shell::variable(text).filter(is_set).map(str::to_owned) else { return };
        let field = Field { node, path: "general_settings.master_key".to_owned() };
        let problem = format!("the variable `{name}` is read here, where LiteLLM takes this text itself for the key");
        field.warning(diagnostics, problem, format!("write `{PREFIX}{name}`"));
        if let Some(general) = below(tree, "general_settings", Value::Map(Vec::new()))
            && let Some(node) = below(general, "master_key", Value::Null)
        {
            node.value = Value::Str(format!("{PREFIX}{name}"));
        }
        return;
    }
    let text = match env.held(MASTER_KEY) {
        Some(Held::Outside) => format!("{PREFIX}{MASTER_KEY}"),
        Some(Held::Reference(name)) => format!("{PREFIX}{name}"),
        Some(Held::Literal(text)) => text,
        None => return,
    };
    if let Some(general) = below(tree, "general_settings", Value::Map(Vec::new())) {
        below(general, "master_key", Value::Str(text));
    }
}

/// A key as the filter's configuration may hold it: a reference or a hash.
pub(super) fn hashed(node: &Node) -> Node {
    let value = match &node.value {
        Value::Str(text) if !text.starts_with(PREFIX) && !text.starts_with(HASHED) => {
            Value::Str(format!("{HASHED}{}", hex(&sha256(text.as_bytes()))))
        }
        other => other.clone(),
    };
    Node { value, ..*node }
}

/// All clients, the one with the master key first.
pub(super) fn read(root: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<Client> {
    let mut clients = Vec::new();
    if let Some(key) = root.at("general_settings").and_then(|general| general.at("master_key")) {
        clients.extend(proof(&key, diagnostics).map(|proof| client(MASTER.to_owned(), proof)));
    }
    let Some(list) = root.at("signalbox").and_then(|section| section.at("clients")) else { return clients };
    for entry in list.items(diagnostics) {
        if !entry.is_map(diagnostics) {
            continue;
        }
        let Some(read) = one(&entry, diagnostics) else { continue };
        let known = |is_same: &dyn Fn(&Client) -> bool| clients.iter().any(is_same);
        if known(&|other| other.name == read.name) || read.is_master() {
            let problem = format!("`{}` is another client's name", read.name);
            entry.at("name").as_ref().unwrap_or(&entry).error(diagnostics, problem, "give each its own");
        } else if known(&|other| other.proof == read.proof) {
            let problem = "another client has the same key, and is found first";
            entry.at("key").as_ref().unwrap_or(&entry).error(diagnostics, problem, "give each its own");
        } else {
            clients.push(read);
        }
    }
    clients
}

const fn client(name: String, proof: Proof) -> Client {
    Client {
        name,
        proof,
        models: Vec::new(),
        rpm: None,
        tpm: None,
        max_parallel: None,
        budget: None,
        tags: Vec::new(),
        tier: None,
        expires_ms: None,
    }
}

fn one(entry: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Client> {
    let missing = |what: &str, remedy: &str, diagnostics: &mut Diagnostics| {
        entry.error(diagnostics, format!("this client lacks {what}"), remedy);
    };
    let name = entry.at("name");
    if name.is_none() {
        missing("a `name`", "write `name`, by which statistics and the log call it", diagnostics);
    }
    let name = name.and_then(|name| named(&name, diagnostics));
    let proof = match (entry.at("key"), entry.at("match"), entry.at("jwt")) {
        (Some(key), None, None) => proof(&key, diagnostics),
        (None, Some(pattern), None) => identity(&pattern, diagnostics),
        (None, None, Some(claims)) => {
            let claims = claims.entries(diagnostics);
            let read =
                |(name, value): &(&str, Field<'_>)| Some(((*name).to_owned(), value.text(diagnostics)?.to_owned()));
            Some(Proof::Claims(claims.iter().filter_map(read).collect()))
        }
        _ => {
            let remedy = "write `key: os.environ/NAME`, the hash that `signalbox key` makes, `match` or `jwt`";
            missing("one `key`, `match` or `jwt`", remedy, diagnostics);
            None
        }
    };
    let texts = |key: &str, diagnostics: &mut Diagnostics| {
        entry.at(key).map(|list| list.texts(diagnostics)).unwrap_or_default()
    };
    let models = texts("models", diagnostics);
    let limit = |key: &str, diagnostics: &mut Diagnostics| entry.at(key).and_then(|field| field.tokens(diagnostics));
    let read = Client {
        models: models.into_iter().map(|model| if model == ALL_MODELS { "*".to_owned() } else { model }).collect(),
        rpm: limit("rpm", diagnostics),
        tpm: limit("tpm", diagnostics),
        max_parallel: entry.at("max_parallel_requests").and_then(|field| field.many(diagnostics, 1)),
        budget: budgets::client(entry, diagnostics),
        tags: texts("tags", diagnostics),
        tier: entry.at("tier").and_then(|field| tier(&field, diagnostics)),
        expires_ms: entry.at("expires").and_then(|field| expires(&field, diagnostics)),
        ..client(name?, proof?)
    };
    Some(read)
}

/// A name that may stand in a statistic and in a line of the log.
fn named(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = field.text(diagnostics)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
        field.invalid(diagnostics, "name of a client", "up to 64 letters, digits, and `-_.@`", "`shop`");
        return None;
    }
    Some(text.to_owned())
}

fn proof(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Proof> {
    let text = field.text(diagnostics)?;
    if let Some(name) = text.strip_prefix(PREFIX) {
        if name.is_empty() {
            field.error(diagnostics, "this names no variable", format!("write for example `{PREFIX}SHOP_KEY`"));
            return None;
        }
        return Some(Proof::Variable(name.to_owned()));
    }
    if let Some(hash) = text.strip_prefix(HASHED) {
        let hash = from_hex(hash);
        if hash.is_none() {
            let problem = "what follows on `sha256:` is not a hash of 64 hexadecimal digits";
            field.error(diagnostics, problem, "write one that `signalbox key` made");
        }
        return hash.map(Proof::Hash);
    }
    if text.is_empty() {
        let remedy = format!("write for example `{PREFIX}SHOP_KEY`, or take it out");
        field.error(diagnostics, "this key is empty, and everybody has it", remedy);
        return None;
    }
    if let Some(remedy) = shell::remedy(text) {
        field.error(diagnostics, "this is how a shell or a template names a variable, not a key", remedy);
        return None;
    }
    if text.len() < LEAST_LENGTH {
        let problem = "so short a key can be guessed, also from its hash, which the generated files hold";
        field.warning(diagnostics, problem, "take one that `signalbox key` makes");
    }
    Some(Proof::Hash(sha256(text.as_bytes())))
}

/// The pattern of an identity. One that fits everything is no check.
fn identity(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Proof> {
    let pattern = field.text(diagnostics)?;
    if pattern.trim_matches('*').is_empty() {
        field.invalid(diagnostics, "identity", "a name with stars in it", "`spiffe://cluster.local/ns/shop/*`");
        return None;
    }
    Some(Proof::Identity(pattern.to_owned()))
}

fn tier(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Tier> {
    let tier = Tier::named(field.text(diagnostics)?);
    if tier.is_none() {
        field.invalid(diagnostics, "tier", "SIMPLE, MEDIUM, COMPLEX or REASONING", "MEDIUM");
    }
    tier
}

fn expires(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<u64> {
    let text = field.text(diagnostics)?;
    let at_s = rfc3339(text).or_else(|| rfc3339(&format!("{text}T00:00:00Z")));
    if at_s.is_none() {
        field.invalid(diagnostics, "date", "a day, or a time with its zone", "`2027-01-31`");
    }
    at_s.map(|at_s| at_s.saturating_mul(1000))
}

/// Looks at what only all of the configuration tells.
pub(super) fn check(root: &Field<'_>, config: &RouterConfig, diagnostics: &mut Diagnostics) {
    let Some(section) = root.at("signalbox") else { return };
    let has_state = section.at("state_path").filter(|_| config.signalbox.state_path.is_some());
    if let Some(path) =
        has_state.filter(|_| !config.clients.is_empty() && !config.clients.iter().any(Client::is_master))
    {
        let problem = "only the client with the master key may see the state, and there is none";
        path.warning(diagnostics, problem, "write `general_settings.master_key`, or take this out");
    }
    let entries = section.at("clients").map(|list| list.items(&mut Diagnostics::default())).unwrap_or_default();
    if let Some(claims) = entries.iter().find_map(|entry| entry.at("jwt")).filter(|_| config.access.jwt.is_none()) {
        claims.error(diagnostics, "nobody checks tokens", "write `signalbox.jwt`: the issuer, and where its keys are");
    }
    for entry in entries {
        if let Some(tags) = entry.at("tags").filter(|_| !config.router.tag_filtering) {
            let problem = "tags choose nothing while tag filtering is off";
            tags.warning(diagnostics, problem, "write `router_settings.enable_tag_filtering: true`, or take them out");
        }
        let models = entry.at("models").map(|list| list.items(&mut Diagnostics::default())).unwrap_or_default();
        for model in models {
            if let Value::Str(name) = &model.node.value
                && !(is_pattern(name) || name == ALL_MODELS || config.has_name(name))
                && !config.groups.iter().any(|group| is_pattern(&group.name))
            {
                let problem = format!("no model is named {}", model.shown());
                model.warning(diagnostics, problem, "look for a slip, or take it out");
            }
        }
    }
}
