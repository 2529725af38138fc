//! `credential_list`: values that several entries share, put into the entries that name them.
//!
//! What an entry says itself wins, as in LiteLLM. LiteLLM only warns of a name that nothing has, and sends the request without the
//! credential: to the provider's own host with the provider's usual key. Here it is an error.
//!
//! **Invariant:** after this, an entry holds all that it means, and nobody needs the list.

use super::field::{Diagnostics, Field, below};
use super::names::nearest;
use crate::config::tree::{Key, Node, Value};

const NAME: &str = "litellm_credential_name";

struct Credential {
    name: String,
    values: Vec<(Key, Node)>,
}

/// Puts the values of credentials into the entries of `model_list` that name them.
pub(super) fn put_in(root: &mut Node, diagnostics: &mut Diagnostics) {
    let credentials = read(&Field::root(root), diagnostics);
    let Value::Map(sections) = &mut root.value else { return };
    let Some((_, Node { value: Value::Seq(entries), .. })) =
        sections.iter_mut().find(|(key, _)| key.name == "model_list")
    else {
        return;
    };
    for (index, entry) in entries.iter_mut().enumerate() {
        let Value::Map(members) = &mut entry.value else { continue };
        let params = members.iter_mut().find(|(key, _)| key.name == "litellm_params").map(|(_, node)| node);
        let Some(params) = params else { continue };
        let path = format!("model_list[{index}].litellm_params");
        let values = named(&Field { node: params, path }, &credentials, diagnostics);
        let Value::Map(known) = &mut params.value else { continue };
        for (key, node) in values {
            match known.iter_mut().find(|(own, _)| own.name == key.name) {
                Some((_, own)) if own.value == Value::Null => *own = node,
                Some(_) => {}
                None => known.push((key, node)),
            }
        }
    }
}

/// The values of the credential that an entry names.
fn named(params: &Field<'_>, credentials: &[Credential], diagnostics: &mut Diagnostics) -> Vec<(Key, Node)> {
    let Some(field) = params.at(NAME) else { return Vec::new() };
    let Some(name) = field.text(diagnostics) else { return Vec::new() };
    if let Some(found) = credentials.iter().find(|credential| credential.name == name) {
        return found.values.clone();
    }
    let names = || credentials.iter().map(|credential| credential.name.as_str());
    let remedy = match nearest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if credentials.is_empty() => {
            "write it in `credential_list`: those that LiteLLM keeps in its database are not seen here".to_owned()
        }
        None => format!("write one of {}", names().collect::<Vec<_>>().join(", ")),
    };
    let problem = format!("no credential is named `{name}`");
    let is_host = |key: &str| params.at(key).is_some_and(|field| matches!(field.node.value, Value::Str(_)));
    match nearest(name, names()) {
        None if is_host("api_base") || is_host("base_url") => {
            field.warning(diagnostics, format!("{problem}, so that no key is sent"), remedy);
        }
        None => field.apart(diagnostics, problem, remedy),
        Some(_) => field.error(diagnostics, problem, remedy),
    }
    Vec::new()
}

/// The list. Of a name that stands twice the first counts, as in LiteLLM.
fn read(root: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<Credential> {
    let Some(list) = root.at("credential_list") else { return Vec::new() };
    let mut found: Vec<Credential> = Vec::new();
    for item in list.items(diagnostics) {
        if !item.is_map(diagnostics) {
            continue;
        }
        let Some(name) = item.at("credential_name") else {
            item.error(diagnostics, "`credential_name` is missing", format!("write the name that `{NAME}` says"));
            continue;
        };
        let Some(text) = name.text(diagnostics) else { continue };
        if found.iter().any(|known| known.name == text) {
            name.error(diagnostics, format!("another credential is named `{text}` too"), "give each its own name");
            continue;
        }
        let values = match item.at("credential_values") {
            Some(values) => match &values.node.value {
                Value::Map(entries) => entries.iter().filter(|(key, _)| key.name != NAME).cloned().collect(),
                _ => {
                    values.is_map(diagnostics);
                    Vec::new()
                }
            },
            None => {
                let path = below(&item.path, "credential_values");
                diagnostics.error(item.node.place, &path, "it is missing", "write for example `api_key:` below it");
                Vec::new()
            }
        };
        found.push(Credential { name: text.to_owned(), values });
    }
    found
}
