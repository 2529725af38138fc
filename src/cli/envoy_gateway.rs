//! `signalbox envoy-gateway`: a configuration as Envoy Gateway's own.

use std::path::PathBuf;
use std::process::ExitCode;

use signalbox::generate::mesh::envoy_gateway::{self, Around};

use super::mesh::{self, Common};

/// Arguments of `signalbox envoy-gateway`.
#[derive(clap::Args)]
pub struct Args {
    /// LiteLLM's config.yaml
    config: PathBuf,
    #[command(flatten)]
    common: Common,
    /// The gateway's class
    #[arg(long, value_name = "NAME", default_value = "eg")]
    class: String,
    /// The secret with the gateway's certificate: it speaks TLS then
    #[arg(long, value_name = "SECRET")]
    tls: Option<String>,
    /// The secret with the keys
    #[arg(long, value_name = "SECRET", default_value = "llm-keys")]
    secret: String,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let namespace = args.common.namespace.as_deref().unwrap_or("default");
    let around = Around { class: &args.class, tls: args.tls.as_deref(), secret: &args.secret };
    let needs = "Envoy Gateway 1.9 or later, with `enableEnvoyPatchPolicy`.";
    mesh::run(&args.config, &args.common, ("envoy-gateway", needs), namespace, "llm.local", |compiled, manifest| {
        envoy_gateway::documents(compiled, manifest, around)
    })
}
