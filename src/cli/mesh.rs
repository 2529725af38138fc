//! What the commands for meshes have in common: their arguments, and the manifest as a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use signalbox::config::compile::Compiled;
use signalbox::config::yaml;
use signalbox::generate::keys;
use signalbox::generate::mesh::{Before, Document, MOST_APPLIED, MOST_STORED, Manifest, Module, write};

use super::configuration::{self, WRONG};
use super::stdout;

/// Arguments that both have.
#[derive(clap::Args)]
pub struct Common {
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The filter's module: a path in the proxy's container, `oci://IMAGE@sha256:DIGEST`, or an address (with --sha256)
    #[arg(long, value_name = "MODULE", default_value = "/usr/lib/signalbox/signalbox.wasm")]
    module: String,
    /// The SHA-256 of the module, where it is fetched from an address
    #[arg(long, value_name = "DIGEST")]
    sha256: Option<String>,
    /// The name of the host that applications call [default: llm.local; for a waypoint: llm.NAMESPACE.svc.cluster.local]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The port at which they call it
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    port: u16,
    /// Where the objects live [default: istio-egress, istio-ingress, istio-system for sidecars, llm for a waypoint; default for Envoy Gateway]
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// What the names of the objects begin with
    #[arg(long, value_name = "NAME", default_value = "signalbox")]
    name: String,
    /// The directory in the proxy's container where the keys are mounted
    #[arg(long, value_name = "DIR", default_value = "/var/run/signalbox/keys")]
    keys: String,
    /// The manifest in force: clusters that are no longer configured stay for the requests on their way to them
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
}

/// A label: `NAME=VALUE`.
pub fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a label is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Writes a manifest. `command` is its name, and what it needs; `namespace` and `host` are what is taken unless something else is said.
pub fn run(
    config: &Path,
    common: &Common,
    (command, needs): (&str, &str),
    namespace: &str,
    host: &str,
    documents: impl FnOnce(Compiled, &Manifest<'_>) -> Vec<Document>,
) -> ExitCode {
    // Whoever reaches the proxy comes in there.
    let compiled = match configuration::load_for(config, &format!("0.0.0.0:{}", common.port)) {
        Ok(compiled) => compiled,
        Err(code) => return code,
    };
    let written = manifest(common, namespace, host).and_then(|(module, before, names)| {
        let manifest = Manifest {
            namespace,
            name: &common.name,
            host: &names,
            port: common.port,
            module: module.as_module(),
            keys: common.keys.trim_end_matches('/'),
            before: before.as_ref(),
            now_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        };
        tell_of_keys(&compiled, &manifest);
        let documents = documents(compiled, &manifest);
        tell_of_sizes(&documents)?;
        let file = common.output.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
        let apply = how_to_apply(&documents, &file);
        let origin = format!(
            "Made by `signalbox {command} {}`: change that file, not this one. {needs}\n{apply}\n",
            config.display()
        );
        Ok(write(&origin, &documents))
    });
    let text = match written {
        Ok(text) => text,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::from(WRONG);
        }
    };
    let Some(path) = &common.output else {
        return stdout::print(&text, ExitCode::SUCCESS);
    };
    match std::fs::write(path, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write {}: {error}", path.display());
            ExitCode::from(WRONG)
        }
    }
}

fn how_to_apply(documents: &[Document], file: &str) -> String {
    let is_large = documents.iter().any(|document| document.bytes() > MOST_APPLIED);
    let option = if is_large { " --server-side" } else { "" };
    format!("kubectl apply{option} -f {file}")
}

/// Where the module is, as it was said.
enum Where {
    File(String),
    Remote(String, String),
}

impl Where {
    fn as_module(&self) -> Module<'_> {
        match self {
            Self::File(path) => Module::File(path),
            Self::Remote(uri, sha256) => Module::Remote { uri, sha256 },
        }
    }
}

/// Reads the arguments.
fn manifest(common: &Common, namespace: &str, host: &str) -> Result<(Where, Option<Before>, String), String> {
    for (what, name) in [("namespace", namespace), ("name", common.name.as_str())] {
        let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        // A dot would make `a.b` and `c` in a proxy what `a` and `b.c` are.
        if name.is_empty()
            || name.len() > 50
            || !name.chars().all(is_letter)
            || name.starts_with('-')
            || name.ends_with('-')
        {
            return Err(format!("--{what} {name}: write lower-case letters, digits and `-`, at most 50"));
        }
    }
    let host = common.host.as_deref().unwrap_or(host);
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if host.is_empty() || !host.chars().all(fits) {
        return Err(format!("--host {host}: write the name of a host, in lower case and without a port"));
    }
    let module = module(&common.module, common.sha256.as_deref())?;
    let before = common.before.as_deref().map(before).transpose()?;
    Ok((module, before, host.to_owned()))
}

fn module(text: &str, sha256: Option<&str>) -> Result<Where, String> {
    let is_digest = |text: &str| text.len() == 64 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    if let Some(image) = text.strip_prefix("oci://") {
        let digest = image.split_once("@sha256:").map(|(_, digest)| digest).filter(|digest| is_digest(digest));
        let digest =
            digest.ok_or(format!("--module {text}: name the image by its digest, `oci://IMAGE@sha256:DIGEST`"))?;
        return Ok(Where::Remote(text.to_owned(), digest.to_owned()));
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        let digest = sha256.filter(|digest| is_digest(digest));
        let digest =
            digest.ok_or(format!("--module {text}: say the module's SHA-256 with --sha256, 64 hexadecimal digits"))?;
        return Ok(Where::Remote(text.to_owned(), digest.to_owned()));
    }
    if !text.starts_with('/') {
        return Err(format!("--module {text}: write a whole path, `oci://IMAGE@sha256:DIGEST`, or an address"));
    }
    Ok(Where::File(text.to_owned()))
}

/// The manifest in force.
fn before(path: &Path) -> Result<Before, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let document = |text: &str| yaml::read_own(text).map(|node| node.to_json());
    let documents: Result<Vec<_>, _> = text.split("\n---\n").map(document).collect();
    let before = documents.map(|documents| Before::read(&documents)).ok().filter(|before| !before.is_empty());
    before.ok_or(format!("--before {}: this is no manifest that `signalbox` wrote", path.display()))
}

/// Says which keys the proxy looks for.
fn tell_of_keys(compiled: &Compiled, manifest: &Manifest<'_>) {
    for variable in keys::variables(&compiled.config) {
        let users = variable.deployments.join(", ");
        let why = if variable.literal.is_some() {
            ": the key itself is in the configuration, and it is not written to this file"
        } else if variable.access.is_some() {
            ": its access keys, in the format of AWS' file of credentials (`[default]`, a line each)"
        } else {
            ""
        };
        eprintln!("note: the Secret that is mounted at {} needs {} (for {users}){why}", manifest.keys, variable.name);
    }
    for (name, client) in keys::of_clients(&compiled.config) {
        eprintln!(
            "note: the Secret that is mounted at {} needs {name} (the key of the client `{client}`)",
            manifest.keys
        );
    }
}

/// Says what Kubernetes would say of objects that are too large.
fn tell_of_sizes(documents: &[Document]) -> Result<(), String> {
    for document in documents {
        let (name, kib) = (document.name(), document.bytes() / 1024);
        if document.bytes() > MOST_STORED {
            return Err(format!("{name} would have {kib} KiB, and Kubernetes stores 1.5 MiB: split the configuration"));
        }
        if document.bytes() > MOST_APPLIED {
            eprintln!("note: {name} has {kib} KiB, which only `kubectl apply --server-side` applies");
        }
    }
    Ok(())
}
