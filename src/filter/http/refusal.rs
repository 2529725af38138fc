//! The words for a request that reaches no deployment: each with the status for which OpenAI's SDKs raise the fitting exception.
//!
//! LiteLLM answers 401 where no deployment has the request's tags; but no key is at fault, and SDKs would tell their users so.
//! It is the request that asks for what is not there: 400, as for anything a model cannot do.
//!
//! **Invariant:** what waiting mends is a 429 with the time that is really left, and everything else is none.

use super::reply::{ErrorReply, invalid, unknown_model};
use crate::chat::ApiError;
use crate::config::model::RouterConfig;
use crate::routing::{Exclusion, Refusal};

/// From how long a wait on an SDK is not to try again by itself, in milliseconds: it would hold its caller for as long, and no SDK waits
/// for longer.
pub(in crate::filter) const LONG_WAIT_MS: u64 = 60_000;

/// Answers a refusal. `inexpressible` is why the first deployment that cannot express the request cannot.
#[must_use]
pub fn refusal(
    config: &RouterConfig,
    asked: &str,
    refusal: &Refusal,
    inexpressible: Option<&ApiError>,
    now_ms: u64,
) -> ErrorReply {
    let Refusal::NoneMayServe { why, .. } = refusal else { return unknown_model(config, asked, &|_| true).into() };
    let reply = ErrorReply::from(match inexpressible {
        Some(error) if *why == Exclusion::CannotExpress => error.clone(),
        _ => error(*why, &asked.chars().take(100).collect::<String>()),
    });
    if let Some(until_ms) = why.until_ms() {
        return reply.until(until_ms, now_ms);
    }
    if reply.error.status >= 500 {
        return reply.without_retry();
    }
    reply
}

fn error(why: Exclusion, asked: &str) -> ApiError {
    match why {
        Exclusion::ContextWindow { estimate, limit } => {
            let message = format!(
                "The prompt is too long for `{asked}`: its maximum context length is {limit} tokens, and the prompt has about {estimate}."
            );
            invalid(400, "context_length_exceeded", Some("messages"), message)
        }
        Exclusion::Lacks(need) => {
            invalid(400, "unsupported_value", None, format!("The model `{asked}` does not support {}.", need.as_str()))
        }
        Exclusion::Tags => {
            let message = format!("No deployment of `{asked}` has the tags of this request.");
            invalid(400, "no_deployment_with_tags", Some("tags"), message)
        }
        Exclusion::Region => {
            let message = format!("No deployment of `{asked}` is in the region that this request allows.");
            invalid(400, "no_deployment_in_region", Some("allowed_model_region"), message)
        }
        Exclusion::OverBudget { .. } => {
            limited("budget_exceeded", format!("What may be spent on `{asked}` is spent for now."))
        }
        Exclusion::LimitReached { what, .. } | Exclusion::SoftLimit { what, .. } => {
            let message = format!("All deployments of `{asked}` have reached their limit (`{}`).", what.as_str());
            limited("rate_limit_exceeded", message)
        }
        Exclusion::ProviderLimited { .. }
        | Exclusion::Cooling { .. }
        | Exclusion::SaidToLack { .. }
        | Exclusion::HalfOpenTaken { .. } => {
            limited("rate_limit_exceeded", format!("No deployment of `{asked}` may be asked now."))
        }
        Exclusion::Blocked | Exclusion::Order => ApiError {
            status: 503,
            kind: "server_error",
            code: Some("model_paused".to_owned()),
            param: None,
            message: format!("The model `{asked}` is paused by the owner of this gateway."),
        },
        Exclusion::CannotExpress => {
            invalid(400, "unsupported_value", None, format!("The model `{asked}` cannot express this request."))
        }
    }
}

/// What an attempt's [`super::ERROR_HEADER`] says where Envoy took another cluster than was selected.
pub(in crate::filter) const ASTRAY: &str = "wrong_cluster";

/// The refusal of such an attempt, which no provider sees.
pub(in crate::filter) fn astray() -> ApiError {
    let message =
        "The gateway could not send this request to the deployment that it chose: Envoy sent it elsewhere.".to_owned();
    ApiError { status: 503, kind: "server_error", code: Some(ASTRAY.to_owned()), param: None, message }
}

/// The refusal where waiting helps.
pub(in crate::filter) fn limited(code: &str, message: String) -> ApiError {
    ApiError { status: 429, kind: "rate_limit_error", code: Some(code.to_owned()), param: None, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{By, Need};
    use crate::state::Limit;

    #[test]
    fn every_reason_has_its_status_and_what_time_mends_its_wait() {
        let config = crate::config::compile::compile_json(
            r#"{"model_list":[{"model_name":"m","litellm_params":{"model":"openai/x"}}]}"#,
        );
        let told = |why| {
            let refusal_of = Refusal::NoneMayServe { group: 0, by: By::Name, why, excluded: Vec::new() };
            let reply = refusal(config.as_ref().unwrap(), "m", &refusal_of, None, 1_000);
            let wait = reply.headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, value)| value.clone());
            (reply.error.status, reply.error.code.unwrap(), wait)
        };
        let is = |status: u16, code: &str, wait: Option<&str>| (status, code.to_owned(), wait.map(str::to_owned));
        let window = Exclusion::ContextWindow { estimate: 9, limit: 8 };
        assert_eq!(told(window), is(400, "context_length_exceeded", None));
        assert_eq!(told(Exclusion::Lacks(Need::Images)), is(400, "unsupported_value", None));
        assert_eq!(told(Exclusion::Tags), is(400, "no_deployment_with_tags", None));
        assert_eq!(told(Exclusion::Region), is(400, "no_deployment_in_region", None));
        assert_eq!(told(Exclusion::Blocked), is(503, "model_paused", None));
        let full = Exclusion::LimitReached { what: Limit::Requests, until_ms: 3_001 };
        assert_eq!(told(full), is(429, "rate_limit_exceeded", Some("3")), "2.001 s are rounded up");
        assert_eq!(told(Exclusion::OverBudget { until_ms: 61_000 }), is(429, "budget_exceeded", Some("60")));
        assert_eq!(told(Exclusion::Cooling { until_ms: 0 }), is(429, "rate_limit_exceeded", Some("1")));
        let may_retry = |why| {
            let refusal_of = Refusal::NoneMayServe { group: 0, by: By::Name, why, excluded: Vec::new() };
            let reply = refusal(config.as_ref().unwrap(), "m", &refusal_of, None, 1_000);
            reply.headers.iter().all(|(name, _)| *name != "x-should-retry")
        };
        assert!(may_retry(Exclusion::LimitReached { what: Limit::Requests, until_ms: 3_001 }));
        assert!(!may_retry(Exclusion::OverBudget { until_ms: 600_000 }), "not for ten minutes");
        assert!(!may_retry(Exclusion::Blocked) && !may_retry(Exclusion::Tags));
    }
}
