//! The route role: admit a request by its head, read its body once, plan it.

use std::cell::OnceCell;
use std::rc::Rc;

use super::attempt::MARGIN_MS;
use super::endpoint::{Asked, asked};
use super::reply::{Reply, invalid, models, one_model, unknown_model};
use super::{Api, Flight};
use crate::chat::ApiError;
use crate::codec;
use crate::codec::client::openai::{self, head::Head, head::Needs, head::Parts, head::without_wishes};
use crate::config::model::{Deployment, DeploymentIndex, RouterConfig, StreamCommit};
use crate::provider::Dialect;
use crate::routing::strategy::Random;
use crate::routing::{self, Inputs, Place, Plan, Refusal};

/// The head of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestHead<'a> {
    /// `:method`.
    pub method: &'a str,
    /// `:path`.
    pub path: &'a str,
    /// No body follows.
    pub ends: bool,
}

/// What becomes of a request after its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Its body is awaited.
    Await(Api),
    /// It is answered at once.
    Reply(Reply),
}

/// Admits a request by its head.
#[must_use]
pub fn admit(config: &RouterConfig, head: RequestHead<'_>) -> Admission {
    let api = match asked(head.path) {
        Asked::Models if head.method == "GET" => return Admission::Reply(models(config)),
        Asked::Model(id) if head.method == "GET" => return Admission::Reply(one_model(config, id)),
        Asked::Api(api) if head.method == "POST" => api,
        Asked::Nothing => return refuse(404, "not_found", unknown_path(head.path)),
        _ => {
            let method: String = head.method.chars().take(20).collect();
            return refuse(405, "method_not_allowed", format!("Method {method} is not allowed here."));
        }
    };
    if head.ends {
        return refuse(400, "invalid_json", "The request has no body: send a JSON object.".to_owned());
    }
    Admission::Await(api)
}

fn refuse(status: u16, code: &str, message: String) -> Admission {
    Admission::Reply(Reply::error(&invalid(status, code, None, message)))
}

fn unknown_path(path: &str) -> String {
    let path: String = path.chars().filter(|c| !c.is_control()).take(100).collect();
    format!(
        "Unknown path {path}. This gateway serves POST /v1/chat/completions, /v1/completions and /v1/embeddings, and GET /v1/models."
    )
}

/// The refusal of a body that is no JSON because it is compressed. Looked for only where reading failed.
#[must_use]
pub fn compressed(encoding: Option<&str>) -> Option<Reply> {
    encoding.filter(|encoding| !matches!(encoding.trim(), "" | "identity"))?;
    let message = "Compressed request bodies are not supported: send the JSON as it is, without content-encoding.";
    Some(Reply::error(&invalid(415, "unsupported_content_encoding", None, message.to_owned())))
}

/// The refusal of a body that is larger than `signalbox.max_request_bytes`.
#[must_use]
pub fn too_large(limit: u64) -> Reply {
    let message = format!("The request body is larger than {limit} bytes, the limit of this gateway.");
    Reply::error(&invalid(413, "request_too_large", None, message))
}

/// The answer while there is no configuration, or the one a request was planned in is gone: worth trying again.
#[must_use]
pub fn not_ready() -> Reply {
    let message = "The gateway is starting again. Try again in a moment.".to_owned();
    let error =
        ApiError { status: 503, kind: "server_error", code: Some("not_ready".to_owned()), param: None, message };
    let mut reply = Reply::error(&error);
    reply.headers.retain(|(name, _)| *name != "x-should-retry");
    reply
}

/// What planning needs from outside.
pub struct Moment<'a> {
    /// Now, Unix milliseconds.
    pub now_ms: u64,
    /// Chance.
    pub seed: u64,
    /// Until when a deployment is cooling, Unix milliseconds; 0: it is not.
    pub cooling_until_ms: &'a dyn Fn(DeploymentIndex) -> u64,
}

/// Reads a body and plans its flight.
///
/// # Errors
/// The refusal, in OpenAI's shape.
pub fn decide(config: &Rc<RouterConfig>, api: Api, mut body: Vec<u8>, moment: &Moment<'_>) -> Result<Flight, Reply> {
    let head = Head::read(&body).map_err(|error| Reply::error(&error))?;
    if api == Api::Chat {
        head.require_messages().map_err(|error| Reply::error(&error))?;
    }
    let refused: OnceCell<ApiError> = OnceCell::new();
    let may_serve = |index: DeploymentIndex| {
        let Some(deployment) = config.deployments.get(index) else { return false };
        match expressible(deployment, api, &head, &body) {
            Ok(()) => true,
            Err(error) => {
                let _ = refused.set(error);
                false
            }
        }
    };
    let inputs = Inputs {
        model: &head.model,
        num_retries: head.num_retries,
        disable_fallbacks: head.disable_fallbacks,
        may_serve: &may_serve,
        cooling_until_ms: moment.cooling_until_ms,
        now_ms: moment.now_ms,
        seed: moment.seed,
    };
    let plan = routing::plan(config, &inputs).map_err(|refusal| {
        Reply::error(&match refusal {
            Refusal::UnknownModel => unknown_model(config, &head.model),
            Refusal::NoneMayServe(_) => refused.into_inner().unwrap_or_else(|| unknown_model(config, &head.model)),
        })
    })?;
    let (stream, include_usage, stream_options) = (head.stream, head.include_usage, head.stream_options);
    let mut model_span = head.model_span.clone();
    let without_wishes = head.asks_gateway().then(|| without_wishes(&body));
    let asked = head.model.into_owned();
    let stripped = without_wishes.is_some();
    if let Some(without) = without_wishes {
        body = without;
        model_span = Head::read(&body).map_err(|error| Reply::error(&error))?.model_span;
    }
    let per_try_ms = per_try_ms(config, &plan, stream);
    Ok(Flight {
        id: 0,
        config: Rc::clone(config),
        api,
        body,
        stripped,
        model_span,
        asked,
        stream,
        include_usage,
        stream_options,
        started_ms: moment.now_ms,
        per_try_ms,
        plan,
        tried: Vec::with_capacity(4),
        causes: Vec::new(),
        preset: Some((Place { stage: 0, candidate: 0 }, 0)),
        attempt_started_ms: moment.now_ms,
        heard_ms: moment.now_ms,
        first_token_ms: None,
        open: false,
        answered: false,
        dropped: Vec::new(),
        events: Vec::with_capacity(2),
        random: Random::new(moment.seed),
    })
}

/// Whether a deployment's dialect can say what the request asks. Most requests hold nothing unusual, and then nothing is decoded.
fn expressible(deployment: &Deployment, api: Api, head: &Head<'_>, body: &[u8]) -> Result<(), ApiError> {
    if deployment.provider.dialect == Dialect::OpenAi {
        return Ok(());
    }
    if api != Api::Chat {
        let message = format!("No deployment of this model serves {}: use chat completions.", api.path());
        return Err(invalid(400, "unsupported_endpoint", None, message));
    }
    if head.needs == Needs::default() && head.parts() == Parts::default() && !head.tools {
        return Ok(());
    }
    let request = openai::decode(body)?;
    let target = codec::Target { model: &deployment.model, drop_params: deployment.drop_params };
    codec::request(deployment.provider.dialect, &request, target).map(|_| ())
}

/// How long Envoy lets an attempt take until its headers come. It has one such time for all attempts of a request, so it is the
/// longest that any candidate sets. A stream with somewhere else to go is bound by `stream_timeout`, where one is set; not one
/// that is held to its end, since the timer runs for as long as it is held.
fn per_try_ms(config: &RouterConfig, plan: &Plan, stream: bool) -> u64 {
    let deployments: Vec<&Deployment> =
        plan.candidates().filter_map(|candidate| config.deployments.get(candidate.deployment)).collect();
    let longest = |times: &mut dyn Iterator<Item = Option<u64>>| times.flatten().max();
    let of_streams = || {
        let but_last = deployments.len().saturating_sub(1);
        let of_one = |d: &&Deployment| d.stream_timeout_ms.or(config.router.stream_timeout_ms);
        // Envoy comes after the filter: its timer would ask the same deployment again.
        longest(&mut deployments.iter().take(but_last).map(of_one)).map(|ms| ms.saturating_add(MARGIN_MS))
    };
    let of_all = || longest(&mut deployments.iter().map(|d| d.timeout_ms.or(config.router.timeout_ms)));
    let soon = stream && config.signalbox.stream_commit == StreamCommit::FirstToken;
    (if soon { of_streams() } else { None }).or_else(of_all).unwrap_or_else(|| config.router.per_try_ms())
}
