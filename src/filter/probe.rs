//! Active probes (`signalbox.health_check`): a cooling deployment is asked a word on the gateway's own account, so that it comes
//! back before a client's request has to find out.
//!
//! The question is a chat completion of one token, or the embedding of a word, because that is what the deployment is for: a list of models may
//! well be served by a provider that serves nothing else. It goes through a cluster of its own ([`crate::config::model::Deployment::probe_cluster`]), which adds
//! the credentials and has no filter of ours: Envoy would call it while the VM is still asking, which no VM survives.
//!
//! **Invariant:** only cooling deployments are asked, by one worker at a time.

use std::collections::HashMap;
use std::ops::Range;

use super::Worker;
use super::foreign::{is_foreign, read};
use super::http::{HeaderMap, OutgoingHeaders, of_probe};
use crate::chat::Failure;
use crate::config::model::{DeploymentIndex, RouterConfig, is_pattern};
use crate::dialect::verbatim::splice;
use crate::dialect::{Target, provider_face};
use crate::failure::{self, ErrorAnswer};
use crate::provider::Api;
use crate::state::{AttemptRecord, Health, Outcome, Reservation, StateStore, try_lease};

/// After its time, a probe's end is told within so many milliseconds, or never.
const LATE_MS: u64 = 1_000;

/// Where the model stands in the question for an embedding.
const NAME: Range<usize> = 9..16;

/// One question to one deployment.
#[derive(Debug)]
pub struct Probe {
    /// The deployment that is asked.
    pub deployment: DeploymentIndex,
    /// Its cluster.
    pub cluster: String,
    /// All headers.
    pub headers: OutgoingHeaders,
    /// The body.
    pub body: Vec<u8>,
    /// How long the answer may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Probe {
    /// The question for a deployment; `None` where it serves no model of its own (a wildcard), or nothing that can be asked for so little.
    #[must_use]
    pub fn new(config: &RouterConfig, index: DeploymentIndex) -> Option<Self> {
        let deployment = config.deployments.get(index).filter(|deployment| !is_pattern(&deployment.model))?;
        let api = deployment.probed?;
        let model = deployment.provider.in_body(api, &deployment.model);
        let target =
            Target { provider: deployment.provider, model: &model, drop_params: true, max_output_tokens: None };
        let question: &[u8] = match api {
            Api::Embeddings => br#"{"model":"probe","input":"ping"}"#,
            _ => br#"{"model":"probe","messages":[{"role":"user","content":"ping"}],"max_tokens":1}"#,
        };
        let body = match api == Api::Embeddings && !is_foreign(deployment, api.dialect()) {
            true => {
                let (end, mut body) = splice(question, NAME, &model, false);
                body.extend_from_slice(question.get(end..).unwrap_or_default());
                body
            }
            false => read(api, question).ok()?.write(provider_face(deployment.dialect), target).ok()?.body,
        };
        let headers = of_probe(deployment, api, body.len());
        let timeout_ms = config.signalbox.health_check.as_ref()?.timeout_ms;
        Some(Self {
            deployment: index,
            cluster: config.cluster(&deployment.probe_cluster()),
            headers,
            body,
            timeout_ms,
        })
    }
}

/// Probes on their way, by the host's number: their reservations, their deadlines, and the provider of each.
pub(super) type Probes = HashMap<u32, (Reservation, u64, &'static str)>;

impl Worker {
    /// The cooling deployments that this worker is to ask now.
    pub fn probes(&mut self, store: &dyn StateStore) -> Vec<Probe> {
        let Some(setup) = self.setup.clone() else { return Vec::new() };
        let config = &setup.config;
        let Some(check) = &config.signalbox.health_check else { return Vec::new() };
        let unwell = |index: &usize| self.ledger.views().get(*index).is_some_and(|view| view.health != Health::Healthy);
        let cooling: Vec<usize> = (0..config.deployments.len()).filter(unwell).collect();
        if cooling.is_empty() || !try_lease(store, self.now_ms, check.interval_ms) {
            return Vec::new();
        }
        cooling.into_iter().filter_map(|index| Probe::new(config, index)).collect()
    }

    /// A probe is on its way, under the host's number for it.
    pub fn probing(&mut self, store: &dyn StateStore, call: u32, deployment: DeploymentIndex) {
        let reservation = self.ledger.begin(store, deployment, 0, self.now_ms);
        let check = self.setup.as_ref().and_then(|setup| setup.signalbox.health_check.as_ref());
        let asked = self.setup.as_ref().and_then(|setup| setup.deployments.get(deployment));
        let provider = asked.map_or("", |asked| asked.provider.name);
        let over_ms = self.now_ms.saturating_add(check.map_or(0, |check| check.timeout_ms)).saturating_add(LATE_MS);
        if let Some((former, ..)) = self.probes.insert(call, (reservation, over_ms, provider)) {
            self.ledger.cancel(store, former, self.now_ms);
        }
    }

    /// Gives back what probes hold whose answer never comes: the host forgets its calls with the listener that made them.
    pub(super) fn forget_probes(&mut self, store: &dyn StateStore) {
        let now_ms = self.now_ms;
        for (_, (reservation, ..)) in self.probes.extract_if(|_, (_, over_ms, _)| *over_ms <= now_ms) {
            self.ledger.end(store, reservation, &AttemptRecord::with(Outcome::Abandoned), now_ms);
        }
    }

    /// A probe's answer came; `None`: none did.
    pub fn probed(
        &mut self,
        store: &dyn StateStore,
        call: u32,
        answer: Option<(u16, HeaderMap, Vec<u8>)>,
        now_ms: u64,
    ) {
        let Some((reservation, _, provider)) = self.probes.remove(&call) else { return };
        let judge =
            |(status, headers, body): (u16, HeaderMap, Vec<u8>)| verdict(provider, (status, &headers, &body), now_ms);
        let outcome = match answer.map(judge) {
            Some(None) => Outcome::Served,
            Some(Some(failure)) => Outcome::Failed(failure),
            None => Outcome::Abandoned,
        };
        self.ledger.end(store, reservation, &AttemptRecord::with(outcome), now_ms);
    }
}

/// An answer's status, headers and body.
type Answer<'a> = (u16, &'a HeaderMap, &'a [u8]);

/// What a probe's answer says of its deployment's health; `None`: it serves. One that only finds fault with the question (reasoning models do
/// not like so few tokens) answers, and is well.
#[must_use]
pub fn verdict(provider: &'static str, (status, headers, body): Answer<'_>, now_ms: u64) -> Option<Failure> {
    if (200..300).contains(&status) {
        return None;
    }
    // Envoy's own words for a connection that it could not make.
    if status == 503 && failure::is_own_shortage(&String::from_utf8_lossy(body)) {
        return Some(failure::no_connection(&String::from_utf8_lossy(body)));
    }
    let header = |name: &str| {
        let (_, value) = headers.iter().find(|(found, _)| found == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    let answer = ErrorAnswer { provider, status, header: &header, body, now_ms };
    Some(failure::classify(&answer)).filter(|failure| !failure.fault.is_of_request())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::FailureClass;

    #[test]
    fn who_answers_is_well_whatever_the_answer_to_the_question() {
        let class =
            |status, body: &[u8]| verdict("openai", (status, &HeaderMap::new(), body), 0).map(|failure| failure.class);
        assert_eq!(class(200, b"{}"), None);
        let local = b"upstream connect error or disconnect/reset before headers. transport failure reason: socket creation failure";
        let short = verdict("openai", (503, &HeaderMap::new(), local), 0).map(|failure| failure.fault);
        assert_eq!(short, Some(crate::chat::Fault::Gateway), "S14");
        assert_eq!(class(400, br#"{"error":{"message":"Could not finish: max_tokens was reached"}}"#), None);
        assert_eq!(class(401, b""), Some(FailureClass::Auth));
        assert_eq!(class(404, b""), Some(FailureClass::NotFound));
        assert_eq!(class(503, b""), Some(FailureClass::Overloaded));
    }
}
