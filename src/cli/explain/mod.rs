//! `signalbox explain`: the decision about a request, without sending it.
//!
//! The request goes through the functions that run in Envoy. The state of the deployments comes from a file, else it is empty: this
//! program asks no gateway. Times in that file are relative, so the same files give the same output at any time.
//!
//! **Invariant:** stdout holds only the explanation; exit code 0 if the request would be sent, 1 if it would be refused, 2 if a file is
//! wrong.

mod json;
mod routed;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use signalbox::chat::ApiError;
use signalbox::config::model::{DeploymentIndex, RouterConfig};
use signalbox::dialect::client_face;
use signalbox::dialect::scan::BodyScan;
use signalbox::filter::route::{self, Expressible, PlanContext, TIER_HEADER, apply_params, route_model};
use signalbox::filter::{Api, Reply, Setup};
use signalbox::routing::Refusal;
use signalbox::routing::explain::{Explanation, explain, firsts};
use signalbox::routing::model_router::Chosen;
use signalbox::state::{DeploymentView, Health, from_json};

use super::configuration::{self, WRONG};
use super::stdout;

/// The time of the decision, Unix milliseconds. Any value does, because times in files are relative.
const NOW_MS: u64 = 1_700_000_000_000;

/// Arguments of `signalbox explain`.
#[derive(clap::Args)]
pub struct Args {
    /// LiteLLM's config.yaml
    config: PathBuf,
    /// The body of a request, as a client would send it
    request: PathBuf,
    /// The state of the deployments: cooldowns, requests in flight, latencies (docs/routing.md has the format)
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Repeat the plan N times with successive seeds, and count how often each deployment is first
    #[arg(long, value_name = "N", default_value_t = 0)]
    draws: u64,
    /// The seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The request's tags, separated by commas, as in the header x-litellm-tags
    #[arg(long, default_value = "")]
    tags: String,
    /// The request's tenant, as in the header that signalbox.affinity.tenant_header names
    #[arg(long, default_value = "")]
    tenant: String,
    /// The tier that the client asks for, as in the header x-signalbox-tier
    #[arg(long, default_value = "")]
    tier: String,
    /// The client that asks, by its name in signalbox.clients
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// The header user-agent, by which coding clients are recognized
    #[arg(long, default_value = "")]
    user_agent: String,
}

/// Everything that is printed.
struct Report<'a> {
    config: &'a RouterConfig,
    views: &'a [DeploymentView],
    model: &'a str,
    /// What a router chose for that name, and why.
    chosen: Option<Chosen<'a>>,
    explanation: Explanation,
    firsts: Vec<(DeploymentIndex, u64)>,
    draws: u64,
    /// What the client would get if nothing is sent.
    refused: Option<Reply>,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let compiled = match configuration::load(&args.config) {
        Ok(compiled) => compiled,
        Err(code) => return code,
    };
    Setup::new(compiled.config).and_then(|setup| done(args, &setup)).unwrap_or_else(|problem| {
        eprintln!("error: {problem}");
        ExitCode::from(WRONG)
    })
}

fn done(args: &Args, setup: &Setup) -> Result<ExitCode, String> {
    let config = &*setup.config;
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()));
    let body = read(&args.request)?;
    let views = match &args.state {
        Some(path) => {
            let ids: Vec<&str> = config.deployments.iter().map(|deployment| deployment.id.as_str()).collect();
            let told = |mistakes: Vec<String>| format!("{}: {}", path.display(), mistakes.join("; "));
            from_json(&String::from_utf8_lossy(&read(path)?), &ids, NOW_MS).map_err(told)?
        }
        None => Vec::new(),
    };
    let unreadable = |error: ApiError| format!("{}: {}", args.request.display(), error.message);
    let head = BodyScan::read(&body).map_err(unreadable)?;
    let api = api(&head, &body);
    if api == Api::Chat {
        head.require_messages().map_err(unreadable)?;
    }
    let header = |name: &str| match name {
        TIER_HEADER => args.tier.clone(),
        "user-agent" => args.user_agent.clone(),
        _ => String::new(),
    };
    let client = args.client.as_ref().map(|name| {
        let found = config.clients.iter().find(|client| client.name == *name);
        found.ok_or_else(|| format!("there is no client `{name}` in {}", args.config.display()))
    });
    let client = client.transpose()?;
    let context = PlanContext {
        client,
        header: &header,
        now_ms: NOW_MS,
        seed: args.seed,
        views: &views,
        tags: &args.tags,
        tenant: &args.tenant,
        ..PlanContext::default()
    };
    let expressible = Expressible::new(config, api, &head, None, &body);
    let chosen = route_model(setup, api, &head, &body, &context, &|index| expressible.check(index).is_ok(), true);
    let fitted = chosen.as_ref().and_then(|chosen| apply_params(config, chosen, &head, &body));
    let body = fitted.as_ref().map_or(&body, |fitted| &fitted.body);
    let head = BodyScan::read(body).map_err(unreadable)?;
    let expressible = Expressible::new(config, api, &head, None, body);
    let may_serve = |index| expressible.check(index).is_ok();
    let (explanation, firsts) =
        route::consider(config, api, &head, body, &context, chosen.as_ref(), &may_serve, |inputs| {
            let explanation = explain(config, inputs);
            (explanation, firsts(config, inputs, args.draws))
        });
    let answer = |why: &Refusal| {
        let inexpressible = expressible.why(why.excluded());
        let refusal = route::refusal(config, &head.model, why, inexpressible.as_ref(), NOW_MS);
        refusal.write(client_face(api.dialect()), 0)
    };
    let not_its_own = route::check_asked(config, client, &head).err();
    let not_its_own = not_its_own.map(|refusal| refusal.write(client_face(api.dialect()), 0));
    let refused = not_its_own.or_else(|| explanation.decision.as_ref().err().map(answer));
    let report =
        Report { config, views: &views, model: &head.model, chosen, explanation, firsts, draws: args.draws, refused };
    let text = if args.json { json::of(&report) } else { text::of(&report) };
    Ok(stdout::print(&text, if report.refused.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }))
}

/// The path that the request is for, by its members.
fn api(head: &BodyScan<'_>, body: &[u8]) -> Api {
    let tree: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    match (head.messages, tree.get("input"), tree.get("prompt")) {
        (None, Some(_), _) => Api::Embeddings,
        (None, None, Some(_)) => Api::Completions,
        _ => Api::Chat,
    }
}

impl Report<'_> {
    /// Whether a deployment is half-open.
    fn is_half_open(&self, deployment: DeploymentIndex) -> bool {
        self.views.get(deployment).is_some_and(|view| matches!(view.health, Health::HalfOpen { .. }))
    }
}

fn id(config: &RouterConfig, deployment: DeploymentIndex) -> &str {
    config.deployments.get(deployment).map_or("", |deployment| deployment.id.as_str())
}

fn group(config: &RouterConfig, group: usize) -> &str {
    config.groups.get(group).map_or("", |group| group.name.as_str())
}
