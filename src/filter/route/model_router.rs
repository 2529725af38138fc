//! Routing a model's name that is a router's: the conversation is read, the group chosen, and what the body lacks filled in.
//!
//! Only a request for a router's name comes here; any other pays one comparison a router.
//!
//! **Invariant:** a client's tier counts only where the router's configuration allows it.

use crate::chat::Transcript;
use crate::config::complexity::MaxTokens;
use crate::config::model::{DeploymentIndex, GroupIndex, RouterConfig, RouterKind};
use crate::dialect::body_defaults::{Filled, TokenCap, filled};
use crate::dialect::client_face;
use crate::dialect::scan::BodyScan;
use crate::routing::could_serve;
use crate::routing::model_router::{Chosen, Given, Reads, Wish, choose};

use super::super::{Api, Setup};
use super::plan::{PlanContext, requirements};

/// The header in which a client may ask for a tier. Only where a router allows it does it get past Envoy's listener.
pub const TIER_HEADER: &str = "x-signalbox-tier";

/// Chooses for a request, where a router has the model's name. `may_serve`: whether a deployment's dialect can say the request.
/// `explain`: the reasons will be shown.
#[must_use]
pub fn route_model<'c>(
    setup: &'c Setup,
    api: Api,
    head: &BodyScan<'_>,
    body: &[u8],
    context: &PlanContext<'_>,
    may_serve: &dyn Fn(DeploymentIndex) -> bool,
    explain: bool,
) -> Option<Chosen<'c>> {
    let index = setup.router_named(&head.model)?;
    let (router, engine) = (setup.routers.get(index)?, setup.judges.get(index)?);
    let by_tier = matches!(router.kind, RouterKind::Complexity(..));
    let wish = if router.allows_client_tier() { Wish::read(&(context.header)(TIER_HEADER)) } else { None };
    let codex = by_tier && is_codex(&(context.header)("user-agent"));
    let conversation = match engine.reads(router, wish) {
        Reads::Nothing => Transcript::default(),
        Reads::Newest => client_face(api.dialect()).transcript(head, Some(&mut |turn| engine.is_prompt(turn, codex))),
        Reads::All => client_face(api.dialect()).transcript(head, None),
    };
    requirements(&setup.config, api, head, body, context, |ask| {
        let could_serve = |group| could_serve(&setup.config, group, &ask, may_serve);
        let given = Given {
            conversation: &conversation,
            codex,
            wish,
            most: context.client.and_then(|client| client.tier),
            prompt: &ask.prompt,
            could_serve: &could_serve,
            views: context.views,
            seed: context.seed,
            explain,
        };
        choose(&setup.config, index, engine, &given)
    })
}

/// The body as the chosen group shall have it; `None`: as it came.
#[must_use]
pub fn apply_params(config: &RouterConfig, chosen: &Chosen<'_>, head: &BodyScan<'_>, body: &[u8]) -> Option<Filled> {
    let router = config.routers.get(chosen.decision.router)?;
    let how = match &router.kind {
        RouterKind::Complexity(settings, _) if !chosen.decision.shadow => settings.max_tokens_from_tier_model,
        _ => MaxTokens::Keep,
    };
    let ceiling = match how {
        MaxTokens::Keep => None,
        MaxTokens::Overwrite => longest_answer(config, chosen.target.group).map(TokenCap::Set),
        // Looked up only for the few that ask for a length at all.
        MaxTokens::Clamp => head.max_tokens.and_then(|asked| {
            longest_answer(config, chosen.target.group).filter(|most| asked > *most).map(TokenCap::Lower)
        }),
    };
    if ceiling.is_none() && chosen.target.params.is_empty() {
        return None;
    }
    filled(body, &chosen.target.params, ceiling)
}

/// The longest answer that every model of a group gives, in tokens, as far as that is known.
fn longest_answer(config: &RouterConfig, group: GroupIndex) -> Option<u64> {
    let members = config.groups.get(group)?.deployments.iter();
    members.filter_map(|index| config.deployments.get(*index)?.facts.limits.max_output_tokens).min()
}

/// Whether the client is Codex, by how its user agent begins, as in LiteLLM: `codex_cli_rs/1.0`, but not `mycodex/1.0`.
fn is_codex(agent: &str) -> bool {
    let Some((name, after)) = agent.as_bytes().split_at_checked(5) else { return false };
    name.eq_ignore_ascii_case(b"codex") && matches!(after.first(), Some(b'-' | b'_' | b' ' | b'/'))
}
