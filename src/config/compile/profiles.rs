//! `model_id`: what is asked at AWS in place of the model that an entry names, mostly the ARN of an inference profile. The name says what
//! kind of model that is.
//!
//! **Invariant:** after this an entry's `model` is what is asked.

use super::field::{Diagnostics, Field};
use crate::config::tree::{Key, Node, Value};
use crate::provider::{self, Api};

const KEY: &str = "model_id";

/// Writes it in the model's place, and the model as `base_model` where the entry says none.
pub(super) fn put_in(root: &mut Node, diagnostics: &mut Diagnostics) {
    let Value::Map(sections) = &mut root.value else { return };
    let list = sections.iter_mut().find(|(key, _)| key.name == "model_list");
    let Some((_, Node { value: Value::Seq(entries), .. })) = list else { return };
    for (index, entry) in entries.iter_mut().enumerate() {
        let path = format!("model_list[{index}]");
        let Some((model, base)) = asked(&Field { node: entry, path }, diagnostics) else { continue };
        let Value::Map(members) = &mut entry.value else { continue };
        let says_base = |(key, node): &(Key, Node)| key.name == "litellm_params" && node.entry("base_model").is_some();
        let base = Some(base).filter(|_| !members.iter().any(says_base));
        let info = match members.iter().position(|(key, _)| key.name == "model_info") {
            Some(at) => at,
            None => {
                members.push((Key { name: "model_info".to_owned(), place: None }, Node::new(Value::Map(Vec::new()))));
                members.len() - 1
            }
        };
        if let Some(Value::Map(info)) = members.get_mut(info).map(|(_, node)| &mut node.value)
            && let Some(base) = base
            && info.iter().all(|(key, _)| key.name != "base_model")
        {
            info.push((Key { name: "base_model".to_owned(), place: None }, Node::new(Value::Str(base))));
        }
        let params = members.iter_mut().find(|(key, _)| key.name == "litellm_params").map(|(_, node)| &mut node.value);
        if let Some(Value::Map(params)) = params
            && let Some((_, node)) = params.iter_mut().find(|(key, _)| key.name == "model")
        {
            node.value = Value::Str(model);
        }
    }
}

/// What is asked for, and what kind of model it is; `None`: what the entry names.
fn asked(entry: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<(String, String)> {
    let params = entry.at("litellm_params")?;
    let field = params.at(KEY)?;
    let Value::Str(written) = &params.at("model")?.node.value else { return None };
    let (prefix, model) = written.split_once('/')?;
    let Some(provider) = provider::by_name(prefix).filter(|provider| provider.aws.is_some()) else {
        let problem = format!("`{KEY}` has no effect here, only in LiteLLM");
        field.warning(diagnostics, problem, "leave it or take it out");
        return None;
    };
    let id = field.text(diagnostics).filter(|id| !id.is_empty())?;
    Some((format!("{prefix}/{id}"), (provider.full_name)(Api::Chat, model).into_owned()))
}
