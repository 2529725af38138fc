//! Which headers cross the gateway, and what an attempt changes of them.
//!
//! A provider gets nothing of the client's but what it needs to answer: no credentials of the client's, no addresses, nothing
//! internal. Envoy sees to that: the filter behind this one in each cluster has an allow-list, and sets what is the same for all requests of a
//! deployment (see `generate`). What differs from request to request is left to an attempt, which sets only what is not so already, because
//! each call costs.
//!
//! **Invariant:** all attempts of a request share one map, and [`RequestHeaders`] knows what the last one left there.

use std::borrow::Cow;
use std::rc::Rc;

use super::super::stamp;
use crate::config::model::{Deployment, Endpoint};
use crate::provider::{Api, Call, Provider};

/// Header names in lower case, and their bytes, as the host gives them.
pub type HeaderMap = Vec<(String, Vec<u8>)>;
/// The same, as it is given to the host: most of it stands in the binary.
pub type OutgoingHeaders = Vec<(Cow<'static, str>, Cow<'static, [u8]>)>;
/// Headers of a request that are set one by one.
pub type HeaderChanges = Vec<(&'static str, String)>;

/// What a provider hears of clients that speak its dialect, in the words of its row: a client of another dialect has no say in it.
pub(in crate::filter) fn said_in_place_of_client(
    provider: &'static Provider,
) -> impl Iterator<Item = (&'static str, String)> {
    let heard = provider.headers.iter().filter(|(name, _)| provider.hears.contains(name));
    heard.map(|(name, value)| (*name, (*value).to_owned()))
}

/// What belongs to a body that was replaced. (What else a provider may not say to a client, Envoy removes: see `generate`.)
pub(in crate::filter) const OF_REPLACED_BODY: &[&str] = &["content-encoding", "content-length"];
/// What else of a failed answer never passes: how long to wait is said in our own words, or not at all.
pub(in crate::filter) const OF_FAILURE: &[&str] =
    &["content-encoding", "content-length", "retry-after", "retry-after-ms"];

/// What a request's headers in Envoy's hands say, as far as it is known and as far as attempts change it.
#[derive(Debug, Default)]
pub struct RequestHeaders {
    /// `:path`.
    pub path: Option<Rc<str>>,
    /// What follows on the `?` of the client's.
    query: Option<String>,
    /// What follows on the path of its API.
    below: String,
    /// `content-length`.
    pub length: Option<usize>,
    /// Whether `:scheme` is `https`. Envoy sets that of the first attempt.
    is_https: Option<bool>,
}

impl RequestHeaders {
    /// Of a client's path nothing else is known.
    pub(in crate::filter) fn of(path: Rc<str>, api: Api) -> Self {
        let query = path.split_once('?').map(|(_, query)| query.to_owned()).filter(|query| !query.is_empty());
        let below = if api == Api::Kept { stamp::below(&path) } else { String::new() };
        Self { path: Some(path), query, below, ..Self::default() }
    }

    /// Only a listener of ours sets `:scheme`. Another one leaves it as the client has it, who mostly speaks plain HTTP within a mesh.
    pub(in crate::filter) fn came_by_another_s_listener(&mut self) {
        self.is_https.get_or_insert(false);
    }

    /// What the next attempt changes. `is_verbatim`: it asks as the client did. `is_direct`: it goes straight to its deployment, not by the
    /// relay.
    pub(in crate::filter) fn changes(
        &mut self,
        deployment: &Deployment,
        call: Call<'_>,
        length: usize,
        is_verbatim: bool,
        is_direct: bool,
    ) -> HeaderChanges {
        let Endpoint { tls, path, query, .. } = &deployment.endpoint;
        let mut below = below(deployment, call);
        if !self.below.is_empty() {
            below.to_mut().push_str(&self.below);
        }
        let own = self.query.as_ref().filter(|_| is_verbatim && deployment.provider.takes_query);
        let mut changes = Vec::new();
        let known = self.path.as_ref().filter(|_| query.is_empty() && own.is_none());
        if known.and_then(|known| known.strip_prefix(path.as_str())) != Some(&*below) {
            let mut path = deployment.endpoint.target(&below);
            if let Some(own) = own {
                path.push(if path.contains('?') { '&' } else { '?' });
                path.push_str(own);
            }
            self.path = Some(path.as_str().into());
            changes.push((":path", path));
        }
        if self.length.replace(length) != Some(length) {
            changes.push(("content-length", length.to_string()));
        }
        let is_https = *tls && is_direct;
        if self.is_https.replace(is_https).is_some_and(|known| known != is_https) {
            changes.push((":scheme", if is_https { "https" } else { "http" }.to_owned()));
        }
        changes
    }
}

/// What follows on the path of a deployment's base URL. No plan leads to a deployment that lacks the API.
fn below(deployment: &Deployment, call: Call<'_>) -> Cow<'static, str> {
    deployment.provider.path_of(call).unwrap_or_else(|| deployment.provider.chat_path())
}

/// The headers of a question of our own.
pub(in crate::filter) fn of_probe(deployment: &Deployment, api: Api, length: usize) -> OutgoingHeaders {
    let call = Call { api, dialect: deployment.dialect, model: &deployment.model, stream: false };
    let path = deployment.endpoint.target(&below(deployment, call));
    let fixed = |name: &'static str, value: &'static str| (name.into(), value.as_bytes().into());
    let mut headers: OutgoingHeaders = vec![
        fixed(":method", "POST"),
        fixed(":scheme", if deployment.endpoint.tls { "https" } else { "http" }),
        (":authority".into(), deployment.endpoint.authority().into_bytes().into()),
        (":path".into(), path.into_bytes().into()),
        fixed("content-type", "application/json"),
        ("content-length".into(), length.to_string().into_bytes().into()),
        fixed("accept-encoding", "identity"),
    ];
    headers.extend(deployment.provider.headers.iter().map(|(name, value)| fixed(name, value)));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::compile::compile_json;

    #[test]
    fn an_attempt_changes_only_what_is_not_so_already() {
        let config = r#"{"model_list": [
            {"model_name": "m", "litellm_params": {"model": "openai/a", "api_base": "http://h/v1"}},
            {"model_name": "m", "litellm_params": {"model": "openai/b", "api_base": "https://h/openai"}},
            {"model_name": "m", "litellm_params": {"model": "anthropic/c"}}]}"#;
        let config = compile_json(config).unwrap();
        let [plain, other, claude] = config.deployments.as_slice() else { panic!() };
        let of = |api: Api| Call { api, dialect: api.dialect(), model: "x", stream: false };
        let mut headers =
            RequestHeaders { path: Some("/v1/chat/completions".into()), length: Some(7), ..RequestHeaders::default() };
        assert_eq!(headers.changes(plain, of(Api::Chat), 7, true, true), []);
        assert_eq!(headers.changes(plain, of(Api::Chat), 8, true, true), [("content-length", "8".to_owned())]);
        let all = [
            (":path", "/openai/chat/completions".to_owned()),
            ("content-length", "9".to_owned()),
            (":scheme", "https".to_owned()),
        ];
        assert_eq!(headers.changes(other, of(Api::Chat), 9, true, true), all);
        assert_eq!(
            headers.changes(other, of(Api::Chat), 9, true, false),
            [(":scheme", "http".to_owned())],
            "to the relay"
        );
        assert_eq!(headers.changes(other, of(Api::Chat), 9, true, false), []);
        assert_eq!(
            headers.changes(other, of(Api::Embeddings), 9, true, false),
            [(":path", "/openai/embeddings".to_owned())]
        );
        let claude = RequestHeaders::default().changes(claude, of(Api::Chat), 9, true, true);
        assert_eq!(
            claude,
            [(":path", "/v1/messages".to_owned()), ("content-length", "9".to_owned())],
            "nothing is known"
        );
        let mut headers = RequestHeaders { path: Some("/openai/chat/completions".into()), ..RequestHeaders::default() };
        headers.length = Some(9);
        headers.came_by_another_s_listener();
        assert_eq!(headers.changes(other, of(Api::Chat), 9, true, true), [(":scheme", "https".to_owned())]);
        headers.came_by_another_s_listener();
        assert_eq!(headers.changes(other, of(Api::Chat), 9, true, true), []);
    }

    /// P4.
    #[test]
    fn p4_a_query_goes_where_the_request_goes_as_it_came() {
        let config = r#"{"model_list": [
            {"model_name": "m", "litellm_params": {"model": "anthropic/a"}},
            {"model_name": "m", "litellm_params": {"model": "openai/b"}}]}"#;
        let config = compile_json(config).unwrap();
        let [claude, other] = config.deployments.as_slice() else { panic!() };
        let path = |deployment, is_verbatim| {
            let mut headers = RequestHeaders::of("/v1/messages?beta=true".into(), Api::Messages);
            let call = Call { api: Api::Chat, dialect: Api::Messages.dialect(), model: "x", stream: false };
            headers.changes(deployment, call, 0, is_verbatim, true);
            headers.path.unwrap().to_string()
        };
        assert_eq!(path(claude, true), "/v1/messages?beta=true");
        assert_eq!(path(claude, false), "/v1/messages");
        assert_eq!(path(other, false), "/v1/chat/completions");
    }
}
