//! What is known of a request once it is planned.
//!
//! **Invariant:** nothing here changes afterwards: a flight gives it out for reading alone.

use std::ops::Range;
use std::rc::Rc;

use super::super::Api;
use super::super::foreign::is_foreign;
use crate::chat::{Failure, FailureClass};
use crate::config::model::{Deployment, RouterConfig};
use crate::dialect::{ClientFace, client_face};
use crate::routing::failover::Rules;
use crate::routing::model_router::Decision;

/// How much later than ours Envoy's timer may start, and how exact ours is, in milliseconds.
const INEXACT_MS: u64 = 120;

/// The facts of one request.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts, a flag each; any of them go together")]
pub struct Request {
    /// The configuration it was planned with; a newer one does not touch it.
    pub config: Rc<RouterConfig>,
    /// What was asked.
    pub api: Api,
    /// The gateway changed its body when it planned it, so that it is not what Envoy holds.
    pub body_rewritten: bool,
    /// Where the model's name stands in the body, quotes included.
    pub model_span: Range<usize>,
    /// The model as the client asked for it.
    pub asked: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a stream ends with usage.
    pub include_usage: bool,
    /// Whether the client said anything of how it wants its stream, be it `null`.
    pub stream_options: bool,
    /// Whether a call in it may have an id.
    pub ids: bool,
    /// When it came, Unix milliseconds.
    pub started_ms: u64,
    /// How long an attempt may take until its headers come, in milliseconds, as Envoy was told.
    pub per_try_ms: u64,
    /// The request's own `timeout`, in milliseconds.
    pub own_timeout_ms: Option<u64>,
    /// The same, where the configuration would have waited longer.
    pub client_timeout_ms: Option<u64>,
    /// What a router chose; `None`: the client named a group itself.
    pub decision: Option<Decision>,
    /// Members that the gateway added to the body: the client's own has none of these.
    pub added: Vec<String>,
    /// All candidates' dialects can say the request: it was looked at closely when it was planned.
    pub is_checked: bool,
    /// The prompt's length in tokens, where any limit counts them.
    pub prompt_tokens: u64,
    /// What its client says in a header that a provider takes in the body.
    pub flags: Option<String>,
    /// What it says in headers that not all its candidates hear, and that an attempt therefore takes out of what they share.
    pub said: Vec<(&'static str, String)>,
    /// Its body is a form, not JSON.
    pub is_form: bool,
    /// What the marks behind ids of its answer have in common, where there are any.
    pub marks: Option<[u8; 32]>,
}

impl Request {
    /// What its client speaks.
    #[must_use]
    pub fn client(&self) -> &'static dyn ClientFace {
        client_face(self.api.dialect())
    }

    /// Whether it is translated for a deployment.
    pub(in crate::filter) fn is_foreign(&self, deployment: &Deployment) -> bool {
        is_foreign(deployment, self.api.dialect())
    }

    /// What failover depends on.
    pub(super) fn rules(&self) -> Rules {
        Rules::of(&self.config.signalbox)
    }

    /// What an attempt without an answer means, by how long it took.
    pub(in crate::filter) fn lost(&self, elapsed_ms: u64) -> Failure {
        if elapsed_ms + INEXACT_MS >= self.per_try_ms {
            Failure::local(FailureClass::Timeout, format!("no answer within {} ms", self.per_try_ms))
        } else {
            Failure::local(FailureClass::Reset, "the connection failed or was lost before an answer")
        }
    }
}
