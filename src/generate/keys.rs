//! Keys by name: which environment variable or file holds the key of each deployment.
//!
//! Envoy reads the keys itself and puts them into requests after the filter (its credential injector), so neither the filter
//! nor its configuration ever holds one. (Keys of clients it does read: [`of_clients`].) A key that stands in the configuration file is moved into a variable as well.
//!
//! **Invariant:** what is shown or written are names; only [`Variable::literal`] and [`Variable::credentials`] give a key out, to the one who starts Envoy.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::config::model::{AwsCredentials, Deployment, HeaderValue, Key, RouterConfig};
use crate::sort;

/// An environment variable that Envoy needs.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable<'a> {
    /// Its name.
    pub name: String,
    /// The deployments that use it, by id.
    pub deployments: Vec<&'a str>,
    /// The key, where it stands in the configuration file.
    pub literal: Option<&'a str>,
    /// The access keys that it holds, where it holds those.
    pub access: Option<[Option<&'a Key>; 3]>,
}

impl Variable<'_> {
    /// The variables whose values it holds.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.access.iter().flatten().flatten().filter_map(|key| match key {
            Key::Env(name) => Some(name.as_str()),
            Key::Literal(_) => None,
        })
    }

    /// Access keys as AWS' file of credentials has them; `read` gives the values of variables.
    #[must_use]
    pub fn credentials(&self, read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let mut text = "[default]\n".to_owned();
        for (key, name) in self.access?.into_iter().zip(["access_key_id", "secret_access_key", "session_token"]) {
            let value = match key {
                Some(Key::Env(name)) => read(name).unwrap_or_default(),
                Some(Key::Literal(key)) => key.clone(),
                None => continue,
            };
            text.push_str(&format!("aws_{name}={}\n", value.trim()));
        }
        Some(text)
    }
}

/// Where Envoy finds the key of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// In an environment variable.
    Environment,
    /// In a file that holds nothing else.
    File(&'a str),
    /// In a file of Envoy's secret discovery service, which is watched.
    Watched(&'a str),
}

/// The name of the secret for each deployment, by its index; `None` where it has no key.
#[must_use]
pub fn names(config: &RouterConfig) -> Vec<Option<String>> {
    let mut taken: HashSet<String> =
        config.deployments.iter().filter_map(|deployment| env_name(deployment).map(str::to_owned)).collect();
    taken.extend(in_headers(config).map(|(_, name, _)| name.to_owned()));
    // One secret for equal keys.
    let mut of_literals: HashMap<&str, String> = HashMap::new();
    let mut found = Vec::with_capacity(config.deployments.len());
    for deployment in &config.deployments {
        found.push(match &deployment.key {
            None => None,
            Some(Key::Env(name)) => Some(name.clone()),
            Some(Key::Literal(key)) => {
                let name = of_literals.entry(key).or_insert_with(|| free_name(&deployment.id, &mut taken));
                Some(name.clone())
            }
        });
    }
    found
}

/// Where the secret of this name is.
#[must_use]
pub fn source<'a>(config: &'a RouterConfig, name: &str) -> Source<'a> {
    let Some((_, path)) = config.signalbox.secret_files.iter().find(|(known, _)| known == name) else {
        return Source::Environment;
    };
    if [".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end)) {
        Source::Watched(path)
    } else {
        Source::File(path)
    }
}

/// A file of secret discovery that Envoy reads again when another is moved into its place, or when the directory that it is in is exchanged
/// as a whole: Kubernetes puts a symbolic link in the place of another (`..data`), which leads to all files of a volume.
pub(super) fn followed(path: &str) -> Value {
    let source = json!({"path": path, "watched_directory": {"path": folder(path)}});
    json!({"path_config_source": source, "resource_api_version": "V3"})
}

/// A file that holds nothing but a secret, read again likewise.
pub(super) fn file(path: &str) -> Value {
    json!({"filename": path, "watched_directory": {"path": folder(path)}})
}

fn folder(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => ".",
    }
}

/// Whether a key is in a variable whose name may stand in a format of Envoy's.
pub(super) fn is_plain_variable(source: &Source<'_>, name: &str) -> bool {
    *source == Source::Environment && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Every variable that Envoy needs, each once, in file order.
#[must_use]
pub fn variables(config: &RouterConfig) -> Vec<Variable<'_>> {
    let mut found: Vec<Variable<'_>> = Vec::new();
    for (deployment, name) in config.deployments.iter().zip(names(config)) {
        let Some(name) = name else { continue };
        if source(config, &name) != Source::Environment {
            continue;
        }
        if let Some(known) = found.iter_mut().find(|known| known.name == name) {
            known.deployments.push(&deployment.id);
            continue;
        }
        let literal = match &deployment.key {
            Some(Key::Literal(key)) => Some(key.as_str()),
            _ => None,
        };
        found.push(Variable { name, deployments: vec![&deployment.id], literal, access: None });
    }
    for (deployment, name, access) in of_aws(config) {
        if source(config, &name) != Source::Environment {
            continue;
        }
        match found.iter_mut().find(|known| known.name == name) {
            Some(known) => known.deployments.push(&deployment.id),
            None => found.push(Variable { name, deployments: vec![&deployment.id], literal: None, access }),
        }
    }
    for (deployment, name, literal) in in_headers(config) {
        if source(config, name) != Source::Environment {
            continue;
        }
        match found.iter_mut().find(|known| known.name == name) {
            Some(known) if known.deployments.contains(&deployment) => {}
            Some(known) => known.deployments.push(deployment),
            None => {
                found.push(Variable { name: name.to_owned(), deployments: vec![deployment], literal, access: None })
            }
        }
    }
    found
}

/// The variables that hold keys of clients, each with its client's name: the filter itself reads them, of Envoy's environment.
pub fn of_clients(config: &RouterConfig) -> impl Iterator<Item = (&str, &str)> {
    keys_of_clients(config).filter(|(name, _)| source(config, name) == Source::Environment)
}

/// The same of those that are in files instead: Envoy reads them, and tells the filter ([`super::client_keys`]).
pub fn of_clients_in_files(config: &RouterConfig) -> impl Iterator<Item = (&str, &str)> {
    keys_of_clients(config).filter(|(name, _)| source(config, name) != Source::Environment)
}

fn keys_of_clients(config: &RouterConfig) -> impl Iterator<Item = (&str, &str)> {
    config.clients.iter().filter_map(|client| Some((client.variable()?, client.name.as_str())))
}

/// The names of all secrets that Envoy reads, each once, in their order.
pub(super) fn all_names(config: &RouterConfig) -> Vec<String> {
    let mut names: Vec<String> = names(config).into_iter().flatten().collect();
    names.extend(in_headers(config).map(|(_, name, _)| name.to_owned()));
    names.extend(of_clients_in_files(config).map(|(name, _)| name.to_owned()));
    sort::by(&mut names, String::cmp);
    names.dedup();
    names
}

/// The variable of a deployment's access keys.
#[must_use]
pub(super) fn credentials(config: &RouterConfig, deployment: &Deployment) -> Option<String> {
    of_aws(config).into_iter().find(|(found, ..)| found.id == deployment.id).map(|(_, name, _)| name)
}

type OfAws<'a> = (&'a Deployment, String, Option<[Option<&'a Key>; 3]>);

/// The variables by which requests are signed: a token's, or one for equal access keys.
fn of_aws(config: &RouterConfig) -> Vec<OfAws<'_>> {
    let mut taken = HashSet::new();
    let mut found: Vec<OfAws<'_>> = Vec::new();
    for deployment in &config.deployments {
        match deployment.signing.as_ref().map(|signing| &signing.credentials) {
            Some(AwsCredentials::WebIdentity(Key::Env(name))) => found.push((deployment, name.clone(), None)),
            Some(AwsCredentials::Keys { id, secret, token }) => {
                let keys = Some([Some(id), Some(secret), token.as_ref()]);
                let known = found.iter().find(|(.., other)| *other == keys).map(|(_, name, _)| name.clone());
                let name = known.unwrap_or_else(|| free_name_in("SIGNALBOX_AWS_", &deployment.id, &mut taken));
                found.push((deployment, name, keys));
            }
            _ => {}
        }
    }
    found
}

/// The secrets that deployments send in headers of their own: the deployment's id, the secret's name, and the secret where it stands in the
/// configuration file.
pub(super) fn in_headers(config: &RouterConfig) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
    config.deployments.iter().flat_map(|deployment| {
        deployment.headers.iter().filter_map(|header| match &header.value {
            HeaderValue::Text(_) => None,
            HeaderValue::Env(name) => Some((deployment.id.as_str(), name.as_str(), None)),
            HeaderValue::Literal { variable, value } => {
                Some((deployment.id.as_str(), variable.as_str(), Some(value.as_str())))
            }
        })
    })
}

fn env_name(deployment: &Deployment) -> Option<&str> {
    match &deployment.key {
        Some(Key::Env(name)) => Some(name),
        _ => None,
    }
}

/// `SIGNALBOX_KEY_` and the id in capitals, with a number where two ids look the same so.
fn free_name(id: &str, taken: &mut HashSet<String>) -> String {
    free_name_in("SIGNALBOX_KEY_", id, taken)
}

/// The same with another beginning.
fn free_name_in(begin: &str, id: &str, taken: &mut HashSet<String>) -> String {
    let stem: String =
        id.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let mut name = format!("{begin}{stem}");
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{begin}{stem}_{number}");
        number += 1;
    }
    name
}
