//! `signalbox istio`: a configuration as Istio's own.

use std::path::PathBuf;
use std::process::ExitCode;

use signalbox::generate::mesh::istio::{self, Form};

use super::mesh::{self, Common};

/// Arguments of `signalbox istio`.
#[derive(clap::Args)]
pub struct Args {
    /// LiteLLM's config.yaml
    config: PathBuf,
    /// Which proxies route
    #[arg(long, value_enum, default_value = "egress")]
    form: Which,
    #[command(flatten)]
    common: Common,
    /// The labels of the pods that route, NAME=VALUE [default: istio=egressgateway or istio=ingressgateway; for sidecars: all pods]
    #[arg(long, value_name = "LABELS", value_delimiter = ',', value_parser = mesh::label)]
    labels: Vec<(String, String)>,
    /// The egress gateway's service [default: istio-egressgateway.NAMESPACE.svc.cluster.local]
    #[arg(long, value_name = "HOST")]
    service: Option<String>,
    /// Applications come to the egress gateway without the mesh's TLS
    #[arg(long)]
    plaintext: bool,
    /// The secret with the ingress gateway's certificate: it speaks TLS then, on port 443
    #[arg(long, value_name = "SECRET")]
    tls: Option<String>,
}

/// Which proxies route.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// A gateway that applications of the mesh are led to
    Egress,
    /// A gateway that clients outside of the mesh call
    Ingress,
    /// The sidecar of each application
    Sidecar,
    /// A waypoint of its own, in ambient mode
    Waypoint,
}

impl Which {
    /// Where its objects live, if nothing else is said.
    const fn namespace(self) -> &'static str {
        match self {
            Self::Egress => "istio-egress",
            Self::Ingress => "istio-ingress",
            Self::Sidecar => "istio-system",
            Self::Waypoint => "llm",
        }
    }

    fn form<'a>(self, args: &'a Args, labels: &'a [(String, String)], service: &'a str) -> Form<'a> {
        match self {
            Self::Egress => Form::Egress { labels, service, is_mutual: !args.plaintext },
            Self::Ingress => Form::Ingress { labels, tls: args.tls.as_deref() },
            Self::Sidecar => Form::Sidecar { labels },
            Self::Waypoint => Form::Waypoint,
        }
    }
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let which = args.form;
    let namespace = args.common.namespace.as_deref().unwrap_or(which.namespace());
    let host = match which {
        Which::Waypoint => format!("llm.{namespace}.svc.cluster.local"),
        _ => "llm.local".to_owned(),
    };
    let usual = |value: &str| vec![("istio".to_owned(), value.to_owned())];
    let labels = match which {
        _ if !args.labels.is_empty() => args.labels.clone(),
        Which::Egress => usual("egressgateway"),
        Which::Ingress => usual("ingressgateway"),
        Which::Sidecar | Which::Waypoint => Vec::new(),
    };
    let service = args.service.clone().unwrap_or_else(|| format!("istio-egressgateway.{namespace}.svc.cluster.local"));
    let needs = "Istio 1.31 or later.";
    mesh::run(&args.config, &args.common, ("istio", needs), namespace, &host, |compiled, manifest| {
        istio::documents(compiled, manifest, which.form(args, &labels, &service))
    })
}
