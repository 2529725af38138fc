//! What `signalbox up` checks before it starts Envoy, so that messages use the words of the configuration.
//!
//! **Invariant:** nothing here starts or changes anything.

use std::path::{Path, PathBuf};

use signalbox::config::compile::Compiled;
use signalbox::config::model::{MASTER, is_pattern};
use signalbox::generate::keys;

use crate::cli::envoy::module;

/// The Envoy that this was made and tested with.
const VERSION: &str = include_str!("../../../envoy/VERSION");
/// What a deployment without its key sends: its provider refuses that, and the others serve.
const NO_KEY: &str = "key-not-set";
/// Warn below this limit of open files: each request takes two, a client's connection and a provider's.
const FEW_FILES: u64 = 4096;

/// Names the keys that a running Envoy cannot get: its environment stays as it was at its start.
pub fn warn_of_new_keys(compiled: &Compiled, given: &[(String, String)]) {
    for variable in keys::variables(&compiled.config) {
        let then = given.iter().find(|(name, _)| *name == variable.name).map(|(_, key)| key.as_str());
        let held = variable.credentials(&|name| std::env::var(name).ok());
        let has_it = match variable.literal.or(held.as_deref()) {
            Some(key) => then == Some(key),
            None => then.is_some() || std::env::var_os(&variable.name).is_some_and(|value| !value.is_empty()),
        };
        if !has_it {
            let users = variable.deployments.join(", ");
            eprintln!("warning: {} is new: {users} will get its key when Envoy is started again", variable.name);
        }
    }
}

/// Reports a secret file that is missing, and one that ends with a line break, because older Envoys put the break into the header and
/// the request fails.
pub fn check_secret_files(compiled: &Compiled) -> Result<(), String> {
    for (name, path) in &compiled.config.signalbox.secret_files {
        let key =
            std::fs::read(path).map_err(|error| format!("cannot read {path}, the secret file of {name}: {error}"))?;
        if keys::source(&compiled.config, name) == keys::Source::File(path) && key.ends_with(b"\n") {
            eprintln!(
                "warning: {path} ends with a line break, which Envoy 1.39 sends too; write the file with `printf %s`"
            );
        }
    }
    Ok(())
}

/// Refuses a master key that is not set, because what it guards would be open, and names the clients that cannot come in.
pub fn check_client_keys(compiled: &Compiled) -> Result<(), String> {
    for (name, client) in keys::of_clients(&compiled.config) {
        if std::env::var(name).is_ok_and(|key| !key.trim().is_empty()) {
            continue;
        }
        if client == MASTER {
            return Err(format!("{name} is not set, and without the master key the gateway does not start; set it"));
        }
        eprintln!("warning: {name} is not set: the client `{client}` is not let in");
    }
    for (name, client) in keys::of_clients_in_files(&compiled.config) {
        let keys::Source::File(path) = keys::source(&compiled.config, name) else { continue };
        if std::fs::read(path).is_ok_and(|key| !key.trim_ascii().is_empty()) {
            continue;
        }
        if client == MASTER {
            return Err(format!("{path} holds no key, and without the master key the gateway does not start"));
        }
        eprintln!("warning: {path} holds no key: the client `{client}` is not let in");
    }
    Ok(())
}

/// Refuses a port that is taken: Envoy would share it with another Envoy and say nothing.
pub fn check_free(address: &str, key: &str) -> Result<(), String> {
    let free = std::net::TcpListener::bind(address).map(drop);
    free.map_err(|error| format!("cannot listen on {address}: {error}; set another `signalbox.{key}`"))
}

/// Raises the limit of open files to the hard one, for Envoy: many systems start with 1,024, which is 500 requests.
pub fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let limit = if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    if limit < FEW_FILES {
        eprintln!(
            "warning: only {limit} files may be open, enough for about {} requests at a time; raise the limit (`ulimit -Hn`, LimitNOFILE of systemd, nofile of a container)",
            limit.saturating_sub(64) / 2
        );
    }
}

/// The variables that Envoy gets on top of this program's: keys from the configuration, keys whose white space is trimmed, and a
/// placeholder for each key that is not set, because Envoy does not start without it.
pub fn missing_keys(compiled: &Compiled) -> Vec<(String, String)> {
    let mut given = Vec::new();
    for variable in keys::variables(&compiled.config) {
        if let Some(key) = variable.literal {
            given.push((variable.name, key.to_owned()));
        } else if let Some(text) = variable.credentials(&|name| std::env::var(name).ok()) {
            for part in variable.parts().filter(|name| std::env::var_os(name).is_none_or(|value| value.is_empty())) {
                let users = variable.deployments.join(", ");
                eprintln!("warning: {part} is not set: AWS will refuse the requests of {users}");
            }
            given.push((variable.name, text));
        } else if std::env::var_os(&variable.name).is_none_or(|value| value.is_empty()) {
            let users = variable.deployments.join(", ");
            eprintln!("warning: {} is not set: the provider will refuse the requests of {users}", variable.name);
            given.push((variable.name, NO_KEY.to_owned()));
        } else if let Some((name, key)) = std::env::var(&variable.name).ok().map(|key| (variable.name, key))
            && key.trim() != key
        {
            // With a line break at its end, the header would not reach the provider.
            given.push((name, key.trim().to_owned()));
        }
    }
    given
}

pub fn find_module(given: Option<&Path>) -> Result<PathBuf, String> {
    let module = module(given);
    let missing =
        |_| format!("there is no filter module at {}; run `make build`, or name one with --wasm", module.display());
    std::fs::canonicalize(&module).map_err(missing)
}

pub fn find_envoy(given: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = given.map(Path::to_owned).or_else(|| std::env::var_os("ENVOY_BIN").map(PathBuf::from)) {
        return Ok(path);
    }
    let version = VERSION.trim();
    let here = std::env::current_dir().unwrap_or_default();
    let local = here.ancestors().map(|directory| directory.join(".envoy").join(version).join("envoy"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|directory| directory.join("envoy"));
    local.chain(installed).find(|program| program.is_file()).ok_or_else(|| {
        format!("there is no Envoy here; run `make envoy`, which fetches {version}, or name one with --envoy")
    })
}

/// The address at which a listener can be reached from here.
pub fn reachable(listen: &str) -> String {
    listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
}

/// What `up` prints once it listens.
pub fn greeting(compiled: &Compiled) -> String {
    let settings = &compiled.config.signalbox;
    let reachable = reachable(&settings.listen);
    let model = compiled.config.groups.iter().map(|group| group.name.as_str()).find(|name| !is_pattern(name));
    let key = if compiled.config.clients.is_empty() { "" } else { "-H \"authorization: Bearer $KEY\" " };
    let body = serde_json::json!({
        "model": model.unwrap_or("MODEL"),
        "messages": [{"role": "user", "content": "Say hello."}],
    });
    format!(
        "signalbox: listening on {}, Envoy's admin on {}. Try it:\n\
         \x20 curl http://{reachable}/v1/chat/completions {key}-H 'content-type: application/json' -d '{}'\n",
        settings.listen,
        settings.admin,
        body.to_string().replace('\'', "'\\''"),
    )
}
