//! The route role: admit a request by its head, read its body once, plan it.

use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;

use super::super::exchange::{self, Cursor, Flight, Request, Way};
use super::super::http::{ErrorReply, refusal, unknown_model};
use super::super::kept::LARGE;
use super::super::{Api, Setup, said, stamp};
use super::clients::{check_asked, may_ask};
use super::expressible::Expressible;
use super::mock_failure;
use super::model_router::{apply_params, route_model};
use crate::config::model::{Client, DeploymentIndex, RouterConfig};
use crate::dialect::body_defaults::object;
use crate::dialect::scan::{BodyScan, Format, Parts, form, strip_gateway_params};
use crate::dialect::{Encoded, client_face};
use crate::routing::affinity::prefix;
use crate::routing::estimate::Prompt;
use crate::routing::model_router::{Chosen, Decision};
use crate::routing::{self, Claim, LazyFlag, Plan, PlanInputs, Refusal, Requirements, Routed};
use crate::state::DeploymentView;

/// What planning needs from outside.
pub struct PlanContext<'a> {
    /// Now, Unix milliseconds.
    pub now_ms: u64,
    /// Chance.
    pub seed: u64,
    /// What this worker sees of each deployment, by its index.
    pub views: &'a [DeploymentView],
    /// Takes a place at a deployment whose places are counted.
    pub claim: &'a dyn Fn(DeploymentIndex) -> Claim,
    /// The tags in the header `x-litellm-tags`, with commas between them; empty: none.
    pub tags: &'a str,
    /// The value of `signalbox.affinity.tenant_header`; empty: none.
    pub tenant: &'a str,
    /// The prompt's length in tokens, where any limit counts them.
    pub prompt_tokens: u64,
    /// Any other header of the request, empty where it is not there. Asked for only where a decision depends on it.
    pub header: &'a dyn Fn(&str) -> String,
    /// The client, where clients are known.
    pub client: Option<&'a Client>,
    /// What no client knows but the one whose key is the first.
    pub secret: &'a [u8],
}

impl Default for PlanContext<'_> {
    /// Nothing is known, and every place is free.
    fn default() -> Self {
        let header = &|_: &str| String::new();
        Self {
            now_ms: 0,
            seed: 0,
            views: &[],
            claim: &|_| Claim::Granted,
            tags: "",
            tenant: "",
            prompt_tokens: 0,
            header,
            client: None,
            secret: &[],
        }
    }
}

/// Reads a body and plans its flight.
///
/// # Errors
/// The refusal.
pub fn decide(setup: &Setup, api: Api, body: Vec<u8>, context: &PlanContext<'_>) -> Result<Flight, ErrorReply> {
    match usual_model(&setup.config, api, &body) {
        Some(named) => planned_body(setup, api, named, true, None, context),
        None => planned_body(setup, api, body, false, None, context),
    }
}

/// A body that may leave its model out, with the usual one: by OpenAI's name, else the only one there is.
fn usual_model(config: &RouterConfig, api: Api, body: &[u8]) -> Option<Vec<u8>> {
    const USUAL: [&str; 4] =
        ["omni-moderation-latest", "omni-moderation", "text-moderation-latest", "text-moderation-stable"];
    if api != Api::Passed("/moderations") {
        return None;
    }
    let members = object(body).filter(|members| !members.contains_key("model"))?;
    let (_, rest) = body.split_at_checked(body.iter().position(|byte| *byte == b'{')? + 1)?;
    let has = |name: &str| config.groups.iter().any(|group| group.name == name);
    let only = || config.groups.first().filter(|_| config.groups.len() == 1).map(|group| group.name.as_str());
    let name = USUAL.into_iter().find(|name| has(name)).or_else(only)?;
    let comma = if members.is_empty() { "" } else { "," };
    let model = serde_json::Value::from(name);
    Some([format!("{{\"model\":{model}{comma}").as_bytes(), rest].concat())
}

/// Plans what is asked of a response that a provider keeps, by its path. `body` goes along as it is.
///
/// # Errors
/// The refusal.
pub fn decide_kept(setup: &Setup, body: Vec<u8>, context: &PlanContext<'_>) -> Result<Flight, ErrorReply> {
    let path = (context.header)(":path");
    let maker = match stamp::maker(setup, context, stamp::id(&path)) {
        Ok(Some((maker, _))) => Ok(maker),
        Ok(None) => stamp::only_keeper(setup),
        Err(unknown) => Err(unknown),
    };
    let maker = maker.map_err(|unknown| unknown.refusal(None))?;
    let group = setup.config.deployments.get(maker).and_then(|keeper| setup.config.groups.get(keeper.group));
    let group = group.map_or("", |group| &group.name);
    let named = format!("{{\"model\":{}}}", serde_json::Value::from(group)).into_bytes();
    let mut flight = planned_body(setup, Api::Kept, named, true, Some(maker), context)?;
    flight.take_body(body);
    Ok(flight)
}

/// Plans a body. `rewritten`: it is not the client's. `maker`: the only deployment that may serve.
fn planned_body(
    setup: &Setup,
    api: Api,
    mut body: Vec<u8>,
    rewritten: bool,
    maker: Option<DeploymentIndex>,
    context: &PlanContext<'_>,
) -> Result<Flight, ErrorReply> {
    let client = client_face(api.dialect());
    let (head, is_form) = scan(setup, api, &body, context)?;
    check_asked(&setup.config, context.client, &head)?;
    if !rewritten && let Some((maker, bare)) = gone_on_from(setup, &head, &body, context)? {
        return planned_body(setup, api, bare, true, Some(maker), context);
    }
    let mock = mock_failure::admit(head.mock_failure, &setup.signalbox)?;
    let own_timeout_ms = head.timeout_ms;
    let mut excluded = Vec::new();
    let (planned, filled) = loop {
        let known = excluded.len();
        let expressible = Expressible::new(&setup.config, api, &head, maker, &body);
        let may_serve = |index| !excluded.contains(&index) && expressible.may_serve(index);
        let chosen = route_model(setup, api, &head, &body, context, &may_serve, false);
        let fitted = chosen.as_ref().and_then(|chosen| apply_params(&setup.config, chosen, &head, &body));
        let planned = match &fitted {
            None => planned(&setup.config, api, maker, &head, &body, context, chosen.as_ref(), &mut excluded),
            Some(fitted) => {
                let head = client.scan(&fitted.body)?;
                planned(&setup.config, api, maker, &head, &fitted.body, context, chosen.as_ref(), &mut excluded)
            }
        };
        match planned {
            Ok(planned) => break (planned, fitted),
            // A closer look found no deployment there that can be asked: a router may have another.
            Err(_) if chosen.is_some() && excluded.len() > known => {}
            Err(reply) => return Err(reply),
        }
    };
    let Planned {
        plan,
        first,
        decision,
        asked,
        stream,
        include_usage,
        stream_options,
        ids,
        model_span,
        flags,
        rewritten: stripped,
    } = planned;
    let body_rewritten = rewritten || filled.is_some() || stripped.is_some();
    let (filled, added) = filled.map(|filled| (filled.body, filled.added)).unzip();
    body = stripped.or(filled).unwrap_or(body);
    let exchange::Times { per_try_ms, own_timeout_ms, client_timeout_ms } =
        exchange::times(&setup.config, &plan, stream, own_timeout_ms);
    let request = Request {
        config: Rc::clone(&setup.config),
        api,
        body_rewritten,
        model_span,
        asked,
        stream,
        include_usage,
        stream_options,
        ids,
        started_ms: context.now_ms,
        per_try_ms,
        own_timeout_ms,
        client_timeout_ms,
        decision,
        added: added.unwrap_or_default(),
        is_checked: body.len() > LARGE,
        prompt_tokens: context.prompt_tokens,
        flags,
        said: said::kept(&setup.config, api, &plan, context.header),
        is_form,
        marks: (api == Api::Responses).then(|| stamp::seed(setup, context)).flatten(),
    };
    let cursor = Cursor::new(plan, Way::of_first(&setup.config, stream), context.seed);
    let flight = Flight::new(request, body, cursor, first);
    let Some(mock) = mock else { return Ok(flight) };
    mock_failure::inject(flight, mock)
}

/// Who made the response that a request goes on from, and the body with the response's id there; `None`: there is none, or nobody must know.
fn gone_on_from(
    setup: &Setup,
    head: &BodyScan<'_>,
    body: &[u8],
    context: &PlanContext<'_>,
) -> Result<Option<(DeploymentIndex, Vec<u8>)>, ErrorReply> {
    const MEMBER: &str = "previous_response_id";
    let Some(id) = head.reference.as_ref().filter(|it| it.member == MEMBER).and_then(|it| it.id.as_deref()) else {
        return Ok(None);
    };
    let made = stamp::maker(setup, context, id).map_err(|unknown| unknown.refusal(Some(MEMBER)))?;
    Ok(made.map(|(maker, _)| (maker, stamp::unmarked(body, id).into_owned())))
}

/// What a client of Messages says in a header that the provider of a deployment takes in the body.
fn flags(config: &RouterConfig, api: Api, context: &PlanContext<'_>) -> Option<String> {
    let mut deployments = config.deployments.iter().filter(|_| api == Api::Messages);
    let (header, _) = deployments.find_map(|it| it.provider.habits.flags)?;
    Some((context.header)(header)).filter(|flags| !flags.is_empty())
}

/// Reads the top of a body, and whether it is a form.
fn scan<'b>(
    setup: &Setup,
    api: Api,
    body: &'b [u8],
    context: &PlanContext<'_>,
) -> Result<(BodyScan<'b>, bool), ErrorReply> {
    let client = client_face(api.dialect());
    let content_type = if matches!(api, Api::Passed(_)) { (context.header)("content-type") } else { String::new() };
    let boundary = form::boundary(&content_type);
    let mut head = match boundary {
        Some(boundary) => form::read(body, boundary)?,
        None => client.scan(body)?,
    };
    let bare = client.bare_model(&head.model);
    if bare.len() < head.model.len() && !setup.config.has_name(&head.model) {
        head.model = bare.to_owned().into();
    }
    head.stream &= !api.is_passed();
    if api.is_chat() {
        head.require_messages()?;
    }
    Ok((head, boundary.is_some()))
}

/// What was decided about a body, which it borrows nothing of.
struct Planned {
    plan: Plan,
    /// The request for the first candidate, where that speaks another dialect.
    first: Option<Encoded>,
    decision: Option<Decision>,
    asked: String,
    stream: bool,
    include_usage: bool,
    stream_options: bool,
    ids: bool,
    model_span: Range<usize>,
    /// What its client says in a header that a provider takes in the body.
    flags: Option<String>,
    /// The body without what it says to the gateway, where it says anything.
    rewritten: Option<Vec<u8>>,
}

#[expect(clippy::too_many_arguments, reason = "all that a plan depends on")]
fn planned(
    config: &RouterConfig,
    api: Api,
    maker: Option<DeploymentIndex>,
    head: &BodyScan<'_>,
    body: &[u8],
    context: &PlanContext<'_>,
    chosen: Option<&Chosen<'_>>,
    excluded: &mut Vec<DeploymentIndex>,
) -> Result<Planned, ErrorReply> {
    let rewritten = head.has_gateway_params().then(|| strip_gateway_params(body));
    let model_span = match &rewritten {
        Some(body) => client_face(api.dialect()).scan(body)?.model_span,
        None => head.model_span.clone(),
    };
    let decision = chosen.map(|chosen| chosen.decision);
    let flags = flags(config, api, context);
    let expressible = Expressible::new(config, api, head, maker, rewritten.as_deref().unwrap_or(body));
    let mut refused = None;
    let (plan, first) = loop {
        let may_serve = |index| !excluded.contains(&index) && expressible.may_serve(index);
        let outcome =
            consider(config, api, head, body, context, chosen, &may_serve, |inputs| routing::plan(config, inputs));
        let plan = outcome.map_err(|why| {
            let inexpressible = refused.take().or_else(|| expressible.why(why.excluded()));
            let mut reply = match (&why, context.client) {
                (Refusal::UnknownModel, Some(client)) => {
                    unknown_model(config, &head.model, &|model| may_ask(config, client, model)).into()
                }
                _ => refusal(config, &head.model, &why, inexpressible.as_ref(), context.now_ms),
            };
            reply.headers.extend(decision.iter().flat_map(Decision::headers));
            reply
        })?;
        // A mock failure leads past the first, whichever that is.
        if head.mock_failure.is_some() {
            break (plan, None);
        }
        match expressible.first(&plan, flags.as_deref(), excluded) {
            Ok(first) => break (plan, first),
            Err(error) => refused = refused.or(Some(error)),
        }
    };
    Ok(Planned {
        plan,
        first,
        decision,
        asked: head.model.clone().into_owned(),
        stream: head.stream,
        include_usage: head.include_usage,
        stream_options: head.stream_options,
        ids: head.ids,
        model_span,
        flags,
        rewritten,
    })
}

/// Decides about a request: all that a decision depends on is put together here, for requests and for explanations alike.
#[expect(clippy::too_many_arguments, reason = "all that a decision depends on")]
pub fn consider<T>(
    config: &RouterConfig,
    api: Api,
    head: &BodyScan<'_>,
    body: &[u8],
    context: &PlanContext<'_>,
    chosen: Option<&Chosen<'_>>,
    may_serve: &dyn Fn(DeploymentIndex) -> bool,
    decide: impl FnOnce(&mut PlanInputs<'_>) -> T,
) -> T {
    let fallbacks = if head.fallbacks.is_some() { head.fallback_models() } else { Vec::new() };
    let affinity = config.signalbox.affinity.as_ref().and_then(|settings| {
        let (tools, messages) = (head.raw_tools.or(head.raw_functions), head.messages);
        prefix(context.tenant, tools.unwrap_or_default(), messages.unwrap_or_default(), settings.min_prefix_tokens)
    });
    let considered = |requirements: Requirements<'_>| {
        decide(&mut PlanInputs {
            model: &head.model,
            routed: chosen.and_then(|chosen| {
                let router = config.routers.get(chosen.decision.router)?;
                Some(Routed { group: chosen.target.group, router_fallbacks: &router.router_fallbacks })
            }),
            num_retries: head.num_retries,
            disable_fallbacks: head.disable_fallbacks,
            fallbacks: &fallbacks,
            requirements: Requirements { affinity, ..requirements },
            may_serve,
            views: context.views,
            claim: context.claim,
            now_ms: context.now_ms,
            seed: context.seed,
        })
    };
    requirements(config, api, head, body, context, considered)
}

/// Looks at what a request needs of a deployment.
pub(in crate::filter) fn requirements<T>(
    config: &RouterConfig,
    api: Api,
    head: &BodyScan<'_>,
    body: &[u8],
    context: &PlanContext<'_>,
    look: impl FnOnce(Requirements<'_>) -> T,
) -> T {
    let in_header = context.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned);
    let tags: Vec<String> =
        if config.router.tag_filtering { head.tags().into_iter().chain(in_header).collect() } else { Vec::new() };
    let parts: OnceCell<Parts> = OnceCell::new();
    let parts = || *parts.get_or_init(|| head.parts());
    look(Requirements {
        client: api.dialect(),
        prompt: Prompt::of(body),
        images: LazyFlag::Lazy(&|| parts().image),
        audio: LazyFlag::Lazy(&|| parts().audio),
        files: LazyFlag::Lazy(&|| parts().file),
        tools: head.tools,
        json_schema: head.needs.format == Some(Format::JsonSchema),
        tags: &tags,
        client_tags: context.client.map(|client| &*client.tags).unwrap_or_default(),
        region: head.region.as_deref(),
        affinity: None,
        stream: head.stream,
    })
}
