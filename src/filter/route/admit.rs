//! Admitting a request: by its head, before its body is read. And the refusals that need no plan.

use super::super::http::{Api, Asked, ErrorReply, Reply, asked, invalid, models, one_model};
use super::clients::may_ask;
use crate::chat::ApiError;
use crate::config::model::{Client, RouterConfig};

/// The head of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpHead<'a> {
    /// `:method`.
    pub method: &'a str,
    /// `:path`.
    pub path: &'a str,
    /// No body follows.
    pub ends: bool,
    /// An API whose clients say what its headers say: the dialect where the path does not tell.
    pub by: Api,
    /// The client, where clients are known.
    pub client: Option<&'a Client>,
}

impl HttpHead<'_> {
    /// The API that is asked, or one of the same client's.
    #[must_use]
    pub fn api(&self) -> Api {
        match asked(self.path) {
            Asked::Api(api) => api,
            Asked::Kept(_) => Api::Kept,
            Asked::Models | Asked::Model(_) | Asked::Nothing => self.by,
        }
    }

    fn may_see(&self, config: &RouterConfig, model: &str) -> bool {
        self.client.is_none_or(|client| may_ask(config, client, model))
    }
}

/// What becomes of a request after its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Its body is awaited.
    Await(Api),
    /// It is answered at once.
    Reply(Reply),
    /// It is refused, in the words of the API that it asks, or else of the first one.
    Refuse(ErrorReply, Api),
}

/// Admits a request by its head.
#[must_use]
pub fn admit(config: &RouterConfig, head: HttpHead<'_>) -> Admission {
    // Envoy sends the head alone where that is all that was asked for.
    let reads = matches!(head.method, "GET" | "HEAD");
    let may_see = |model: &str| head.may_see(config, model);
    let api = match asked(head.path) {
        Asked::Models if reads => return Admission::Reply(models(config, head.by, &may_see)),
        Asked::Model(id) if reads => {
            return match one_model(config, id, head.by, &may_see) {
                Ok(reply) => Admission::Reply(reply),
                Err(unknown) => Admission::Refuse(unknown.into(), head.by),
            };
        }
        Asked::Api(api) if head.method == "POST" => api,
        Asked::Kept(allowed) if allowed.split(", ").any(|method| method == head.method) => Api::Kept,
        Asked::Nothing => return refuse(head.by, 404, "not_found", unknown_path(head.path)),
        Asked::Kept(allowed) => return not_allowed(Api::Kept, head.method, allowed),
        Asked::Api(api) => return not_allowed(api, head.method, "POST"),
        Asked::Models | Asked::Model(_) => return not_allowed(head.by, head.method, "GET, HEAD"),
    };
    if head.ends && api != Api::Kept {
        return refuse(api, 400, "invalid_json", "The request has no body: send a JSON object.".to_owned());
    }
    Admission::Await(api)
}

fn refuse(api: Api, status: u16, code: &str, message: String) -> Admission {
    Admission::Refuse(invalid(status, code, None, message).into(), api)
}

fn not_allowed(api: Api, method: &str, allowed: &str) -> Admission {
    let method: String = method.chars().take(20).collect();
    let message = format!("Method {method} is not allowed here: use {allowed}.");
    let mut reply = ErrorReply::from(invalid(405, "method_not_allowed", None, message));
    reply.headers.push(("allow", allowed.to_owned()));
    Admission::Refuse(reply, api)
}

fn unknown_path(path: &str) -> String {
    let path: String = path.chars().filter(|c| !c.is_control()).take(100).collect();
    format!(
        "Unknown path {path}. This gateway serves POST /v1/chat/completions, /v1/messages, /v1/responses, /v1/completions and /v1/embeddings, GET /v1/models, and what docs/client-api.md lists."
    )
}

/// The refusal of a body that is no JSON because it is compressed. Looked for only where reading failed.
#[must_use]
pub fn compressed(encoding: Option<&str>) -> Option<ErrorReply> {
    encoding.filter(|encoding| !matches!(encoding.trim(), "" | "identity"))?;
    let message = "The body cannot be read by this content-encoding: compress it by gzip or zstd, or send it as it is.";
    Some(invalid(415, "unsupported_content_encoding", None, message.to_owned()).into())
}

/// The refusal of a body that is larger than `signalbox.max_request_bytes`.
#[must_use]
pub fn too_large(limit: u64) -> ErrorReply {
    let message = format!("The request body is larger than {limit} bytes, the limit of this gateway.");
    invalid(413, "request_too_large", None, message).into()
}

/// The answer while there is no configuration, or the one a request was planned in is gone: worth trying again.
#[must_use]
pub fn not_ready() -> ErrorReply {
    let message = "The gateway is starting again. Try again in a moment.".to_owned();
    ApiError { status: 503, kind: "server_error", code: Some("not_ready".to_owned()), param: None, message }.into()
}
