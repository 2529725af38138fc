//! Active probes (`signalbox.health_check`): a cooling deployment is asked a word on the gateway's own account, so that it comes
//! back before a client's request has to find out.
//!
//! The question is a chat completion of one token, because that is what the deployment is for: a list of models may well be served by
//! a provider that serves nothing else. It goes through the deployment's own cluster, which adds the credentials.
//!
//! **Invariant:** only cooling deployments are asked, by one worker at a time.

use super::headers::{OutgoingHeaders, to_provider};
use super::{Api, HeaderMap};
use crate::chat::Failure;
use crate::codec::{self, Target, client::openai, failure};
use crate::config::model::{DeploymentIndex, RouterConfig, is_pattern};

/// The header by which the attempt filter knows a probe, and lets it pass. Stripped from what clients send, and never sent on.
pub const PROBE_HEADER: (&str, &str) = ("x-signalbox-probe", "1");

/// One question to one deployment.
#[derive(Debug)]
pub struct Probe {
    /// Who is asked.
    pub deployment: DeploymentIndex,
    /// Its cluster.
    pub cluster: String,
    /// All headers, [`PROBE_HEADER`] among them.
    pub headers: OutgoingHeaders,
    /// The body.
    pub body: Vec<u8>,
    /// How long the answer may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Probe {
    /// The question for a deployment; `None` where it serves no model of its own (a wildcard).
    #[must_use]
    pub fn new(config: &RouterConfig, index: DeploymentIndex) -> Option<Self> {
        let deployment = config.deployments.get(index).filter(|deployment| !is_pattern(&deployment.model))?;
        let question = br#"{"model":"probe","messages":[{"role":"user","content":"ping"}],"max_tokens":1}"#;
        let request = openai::decode(question).ok()?;
        let target = Target { model: &deployment.model, drop_params: true };
        let body = codec::request(deployment.provider.dialect, &request, target).ok()?.body;
        let mut headers = to_provider(HeaderMap::new(), deployment, Api::Chat, body.len());
        headers.push((PROBE_HEADER.0.into(), PROBE_HEADER.1.as_bytes().into()));
        let timeout_ms = config.signalbox.health_check.as_ref()?.timeout_ms;
        Some(Self { deployment: index, cluster: deployment.id.clone(), headers, body, timeout_ms })
    }
}

/// What a probe's answer says of its deployment's health; `None`: it serves.
#[must_use]
pub fn verdict(status: u16, headers: &HeaderMap, body: &[u8]) -> Option<Failure> {
    if (200..300).contains(&status) {
        return None;
    }
    let header = |name: &str| {
        let (_, value) = headers.iter().find(|(found, _)| found == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    Some(failure::classify(status, &header, body))
}
