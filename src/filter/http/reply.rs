//! Answers the filter gives itself: errors, and the model list.
//!
//! Where an error is found nobody has to know in which words its client reads it: it is an [`ErrorReply`] until it goes out.

use super::headers::OutgoingHeaders;
use super::paths::decoded;
use super::refusal::LONG_WAIT_MS;
use crate::chat::ApiError;
use crate::config::model::{RouterConfig, is_pattern};
use crate::dialect::{ClientFace, client_face};
use crate::provider::{Api, Dialect};

/// What went wrong: the class of a provider's failure, or the code of a refusal of our own.
pub(in crate::filter) const ERROR_HEADER: &str = "x-signalbox-error";

/// What keeps OpenAI's SDK from trying again.
pub(in crate::filter) fn no_retry() -> (&'static str, String) {
    ("x-should-retry", "false".to_owned())
}

/// A whole answer that never reaches a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers besides the length.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

/// An error that is yet to be written for its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply {
    /// What is wrong.
    pub error: ApiError,
    /// Headers besides the length and the type.
    pub headers: Vec<(&'static str, String)>,
}

/// A refusal of our own. What time mends (a limit, a gateway that starts) may be tried again; what is wrong with the request may not.
impl From<ApiError> for ErrorReply {
    fn from(error: ApiError) -> Self {
        let is_lasting = !matches!(error.status, 408 | 409 | 429 | 500..);
        Self::failure(error, is_lasting.then(no_retry).into_iter().collect())
    }
}

impl ErrorReply {
    /// An error, with what is told of the failure behind it. Its code stands in a header too, and so in the access log.
    #[must_use]
    pub fn failure(error: ApiError, mut headers: Vec<(&'static str, String)>) -> Self {
        if headers.iter().all(|(name, _)| *name != ERROR_HEADER) {
            headers.push((ERROR_HEADER, error.code.clone().unwrap_or_else(|| error.kind.to_owned())));
        }
        Self { error, headers }
    }

    /// Says that trying again is pointless.
    #[must_use]
    pub fn without_retry(mut self) -> Self {
        self.headers.push(no_retry());
        self
    }

    /// Says when to try again, and that an SDK should leave it where that is long.
    #[must_use]
    pub(in crate::filter) fn until(mut self, until_ms: u64, now_ms: u64) -> Self {
        let wait_s = until_ms.saturating_sub(now_ms).div_ceil(1000).max(1);
        self.headers.push(("retry-after", wait_s.to_string()));
        if wait_s >= LONG_WAIT_MS / 1000 { self.without_retry() } else { self }
    }

    /// Writes it for a client of which nothing is known.
    #[must_use]
    pub fn write_for_anyone(self) -> Reply {
        self.write(client_face(Dialect::default()), 0)
    }

    /// Writes it in a client's dialect. `id`: what the client may ask about the request by, where its dialect says such a thing.
    #[must_use]
    pub fn write(self, client: &dyn ClientFace, id: u64) -> Reply {
        let Self { error, headers: told } = self;
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(told);
        let id = request_id(client, id);
        let body = client.error(&error, id.as_ref().map(|(_, id)| id.as_str()));
        headers.extend(id);
        Reply { status: error.status, headers, body }
    }
}

/// What a client may ask about a request by, and the header that says it, where its dialect has one.
pub(in crate::filter) fn request_id(client: &dyn ClientFace, id: u64) -> Option<(&'static str, String)> {
    client.id_header().map(|name| (name, format!("req_{id:016x}")))
}

impl Reply {
    /// All headers, the status and the length among them, for an answer that takes the place of another.
    #[must_use]
    pub fn all_headers(&self) -> OutgoingHeaders {
        let mut headers: OutgoingHeaders = vec![
            (":status".into(), self.status.to_string().into_bytes().into()),
            ("content-length".into(), self.body.len().to_string().into_bytes().into()),
        ];
        headers.extend(self.headers.iter().map(|(name, value)| ((*name).into(), value.as_bytes().to_vec().into())));
        headers
    }

    /// A document.
    pub(in crate::filter) fn json(value: &serde_json::Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status: 200, headers, body: value.to_string().into_bytes() }
    }
}

/// An `invalid_request_error`.
pub(in crate::filter) fn invalid(status: u16, code: &str, param: Option<&str>, message: String) -> ApiError {
    ApiError {
        status,
        kind: "invalid_request_error",
        code: Some(code.to_owned()),
        param: param.map(str::to_owned),
        message,
    }
}

/// `/v1/models`: every group that is no pattern, every router, and every alias that is not hidden. `by`: an API of the client that asks.
/// Those that it may see.
pub(in crate::filter) fn models(config: &RouterConfig, by: Api, may_see: &dyn Fn(&str) -> bool) -> Reply {
    let models: Vec<_> = listed(config).filter(|(id, _)| may_see(id)).collect();
    Reply::json(&client_face(by.dialect()).models(&models))
}

/// `/v1/models/ID`, the name as it stands in the path: SDKs encode it, people do not, and a name may itself look encoded.
///
/// # Errors
/// Nothing of that name is listed.
pub(in crate::filter) fn one_model(
    config: &RouterConfig,
    part: &str,
    by: Api,
    may_see: &dyn Fn(&str) -> bool,
) -> Result<Reply, ApiError> {
    let name = decoded(part);
    let named = |name: &str| listed(config).find(|(id, _)| *id == name && may_see(id));
    let found = named(&name).or_else(|| named(part));
    found
        .map(|(id, owner)| Reply::json(&client_face(by.dialect()).model(id, owner)))
        .ok_or_else(|| unknown_model(config, &name, may_see))
}

/// The refusal of a model that is not known, with the names that are.
pub(in crate::filter) fn unknown_model(config: &RouterConfig, asked: &str, may_see: &dyn Fn(&str) -> bool) -> ApiError {
    let known: Vec<&str> = listed(config).map(|(id, _)| id).filter(|id| may_see(id)).take(10).collect();
    let asked: String = asked.chars().take(100).collect();
    let message = format!("The model `{asked}` does not exist. This gateway serves: {}.", known.join(", "));
    invalid(404, "model_not_found", Some("model"), message)
}

fn listed(config: &RouterConfig) -> impl Iterator<Item = (&str, &str)> {
    let owner = |group: usize| {
        let first = config.groups.get(group).and_then(|group| group.deployments.first());
        first.and_then(|&first| config.deployments.get(first)).map_or("signalbox", |first| first.provider.name)
    };
    let groups = config.groups.iter().enumerate().filter(|(_, group)| !is_pattern(&group.name));
    let aliases = config.aliases.iter().filter(|alias| !alias.hidden);
    let groups = groups.map(move |(index, group)| (group.name.as_str(), owner(index)));
    let routers = config.routers.iter().flat_map(|router| {
        let shown = router.aliases.iter().filter(|(_, hidden)| !hidden).map(|(alias, _)| alias.as_str());
        std::iter::once(router.name.as_str()).chain(shown).map(|name| (name, "signalbox"))
    });
    groups.chain(aliases.map(move |alias| (alias.name.as_str(), owner(alias.group)))).chain(routers)
}
