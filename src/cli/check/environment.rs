//! The environment variables that a configuration needs: the keys that Envoy reads, and every `os.environ/NAME` in the file.
//!
//! **Invariant:** it checks whether a variable is set, and never shows its value.

use signalbox::config::compile::Compiled;
use signalbox::generate::keys;

/// A variable that the configuration needs.
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Whether it is set and not empty; `None`: not checked.
    pub is_set: Option<bool>,
    /// The ids of the deployments whose key it is, and `client/NAME` of a client. Without any, it fills a text of the file.
    pub key_of: Vec<String>,
}

/// All of them, by name. A key in the file itself is not a variable here: `signalbox up` makes it one.
pub fn needed(compiled: &Compiled, is_read: bool) -> Vec<Variable> {
    let is_set = |name: &str| is_read.then(|| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let keys = keys::variables(&compiled.config);
    let mut found: Vec<Variable> = keys
        .iter()
        .filter(|key| key.literal.is_none())
        .flat_map(|key| match key.access {
            // `signalbox up` makes one of several.
            Some(_) => key.parts().map(|part| (part, key)).collect::<Vec<_>>(),
            None => vec![(key.name.as_str(), key)],
        })
        .map(|(name, key)| Variable {
            name: name.to_owned(),
            is_set: is_set(name),
            key_of: key.deployments.iter().map(|id| (*id).to_owned()).collect(),
        })
        .collect();
    for (name, client) in keys::of_clients(&compiled.config) {
        let key_of = vec![format!("client/{client}")];
        match found.iter_mut().find(|known| known.name == name) {
            Some(known) => known.key_of.extend(key_of),
            None => found.push(Variable { name: name.to_owned(), is_set: is_set(name), key_of }),
        }
    }
    for name in &compiled.variables {
        if !found.iter().any(|known| known.name == *name) {
            found.push(Variable { name: name.clone(), is_set: is_set(name), key_of: Vec::new() });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}
