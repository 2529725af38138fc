//! What a client is told beside an answer, and in place of one: the headers of every answer, and, when no attempt served its request, the first
//! real cause, what was tried, and whether trying again helps.
//!
//! **Invariant:** a wait is a number of ours; what a provider wrote never passes.

use super::super::http::{ERROR_HEADER, LONG_WAIT_MS, no_retry};
use super::{Flight, Report};
use crate::chat::{ApiError, Failure};
use crate::config::model::header_text;
use crate::failure::api_error;
use crate::routing::model_router::Decision;

/// Whether the same request would fail again, or would have to wait for too long.
fn is_pointless(failure: &Failure) -> bool {
    failure.is_lasting() || failure.retry_after_ms.is_some_and(|wait_ms| wait_ms >= LONG_WAIT_MS)
}

impl Flight {
    /// What an answer's headers say that Envoy does not know by itself (the bootstrap has it add the rest).
    pub(in crate::filter) fn answer_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = self.decision.as_ref().map(Decision::headers).unwrap_or_default();
        let Some(&place) = self.cursor.tried().last() else { return headers };
        if let Some(model) = self.cursor.plan().candidate(place).and_then(|candidate| candidate.model.as_ref()) {
            headers.push(("x-signalbox-model", header_text(model)));
        }
        let fallbacks = self.cursor.fallbacks();
        if fallbacks > 0 {
            headers.push(("x-signalbox-fallbacks", fallbacks.to_string()));
        }
        if !self.dropped.is_empty() {
            headers.push(("x-signalbox-dropped-params", header_text(&self.dropped.join(", "))));
        }
        headers
    }

    /// All that the headers of an error of Envoy's own say: which deployment was tried last, after how much, and why it failed.
    pub(in crate::filter) fn error_headers(
        &self,
        now_ms: u64,
        failure: Option<&Failure>,
    ) -> Vec<(&'static str, String)> {
        let mut headers = self.answer_headers();
        let tried = self.cursor.tried();
        if let Some((&place, (candidate, deployment))) =
            tried.last().and_then(|place| Some((place, self.deployment(*place)?)))
        {
            let group = self.cursor.plan().group(place).and_then(|group| self.config.groups.get(group));
            headers.push(("x-signalbox-deployment", header_text(&deployment.id)));
            headers.push(("x-signalbox-provider", deployment.provider.name.to_owned()));
            headers.push(("x-signalbox-model-group", header_text(group.map_or("", |group| &group.name))));
            if candidate.model.is_none() {
                headers.push(("x-signalbox-model", header_text(&deployment.model)));
            }
            if self.cursor.fallbacks() == 0 {
                headers.push(("x-signalbox-fallbacks", "0".to_owned()));
            }
        }
        headers.push(("x-signalbox-attempts", tried.len().to_string()));
        headers.push(("server-timing", format!("total;dur={}", now_ms.saturating_sub(self.started_ms))));
        headers.extend(self.failure_headers(failure));
        headers
    }

    /// The error the client gets when all is lost: the first real cause, and what was tried.
    pub(in crate::filter) fn final_error(&self) -> (ApiError, Option<&Failure>) {
        let failures = self.cursor.failures();
        let Some((_, first)) = failures.first() else {
            let message = "No provider could be reached.".to_owned();
            return (ApiError { status: 503, kind: "upstream_error", code: None, param: None, message }, None);
        };
        let mut error = api_error(first);
        if failures.len() > 1 {
            let tried: Vec<String> = failures
                .iter()
                .filter_map(|(place, failure)| {
                    let (_, deployment) = self.deployment(*place)?;
                    Some(format!("{}: {}", deployment.id, failure.class.as_str()))
                })
                .collect();
            error.message = format!("{} (tried {})", error.message, tried.join(", "));
        }
        (error, Some(first))
    }

    /// What an error's headers say of its cause. The client's SDK is told not to try again where that was done here, or is pointless:
    /// else it may, by the status.
    pub(in crate::filter) fn failure_headers(&self, failure: Option<&Failure>) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Some(failure) = failure {
            headers.push((ERROR_HEADER, failure.class.as_str().to_owned()));
            headers.extend(failure.retry_after_ms.map(|wait_ms| ("retry-after", wait_ms.div_ceil(1000).to_string())));
        }
        if self.cursor.failures().len() > 1 || failure.is_some_and(is_pointless) {
            headers.push(no_retry());
        }
        headers
    }

    /// What the served attempt cost, in US dollars, where that is known.
    #[must_use]
    pub fn cost_text(&self) -> Option<String> {
        self.reports.iter().rev().find_map(|report| match report {
            Report::Ended(result) => result.cost.map(|cost| cost.to_string()),
            Report::Refused { .. } => None,
        })
    }

    /// The same, where an access log wants to know: Envoy is told apart from the headers, which are gone when a stream ends.
    #[must_use]
    pub fn cost_for_log(&self) -> Option<String> {
        if self.config.signalbox.access_log { self.cost_text() } else { None }
    }
}
