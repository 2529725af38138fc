//! What starts a cooldown, and how long it is: the table by class of failure.
//!
//! | failure | starts a cooldown |
//! |---|---|
//! | connect, no headers in `timeout`; the account's or the model's fault, whatever the status (quota, 401, 403, 404) | at once |
//! | 429, 503, 529, in-stream overload | at once, for as long as the provider says |
//! | reset, first token times out, 500, 502, 504, 408, an answer that cannot be read | after repeats |
//! | context window, content policy, a rate limit that one request alone exceeds, the request's own fault | never |
//!
//! Whose fault a failure is, is read from the provider's words ([`Failure::fault`]); `routing::failover` uses the same.
//!
//! Repeats are three failures in a row, or LiteLLM's rule: more than half of at least five requests in a minute. LiteLLM's rule alone
//! needs five requests to notice a dead provider, which at one request every few seconds is half a minute of failures. If one request
//! in twenty fails, three in a row come by chance once in 8,000, and then cost one cooldown.
//!
//! `allowed_fails` and `allowed_fails_policy` replace the table: the failure after the allowed ones in a minute starts a cooldown.
//! (LiteLLM counts for one `cooldown_time` only, so that it never sees slower failures.) A deployment's own take precedence over the
//! router's, and a setting that names the class over one that does not. A `retry-after` takes precedence over an `allowed_fails` that
//! does not name the class, because the provider rejects requests sent earlier.
//!
//! A deployment without any alternative cools down like others (LiteLLM's rules for groups of one are not taken over). This costs nothing,
//! because a cooling deployment is tried if all are cooling, and a group that has it as a fallback skips it.

use super::HealthRecord;
use crate::chat::{Failure, FailureClass, Fault};
use crate::config::model::AllowedFails;

/// The longest cooldown that a provider can ask for: one hour, in milliseconds.
pub(super) const MAX_WAIT_MS: u64 = 3_600_000;
const IN_A_ROW: u32 = 3;
const MIN_REQUESTS: u32 = 5;

/// How many kinds of failure are counted apart.
pub(super) const CAUSES: usize = 10;

/// LiteLLM's names of failures, by which `allowed_fails_policy` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// `BadRequestError`: 400, 413, 422.
    BadRequest,
    /// `AuthenticationError`: 401.
    Authentication,
    /// `TimeoutError`: no headers, no first token in time, 408, 504.
    Timeout,
    /// `RateLimitError`: 429, and a quota that is used up.
    RateLimit,
    /// `ContentPolicyViolationError`.
    ContentPolicy,
    /// `InternalServerError`: 500 and other 5xx, no connection, a reset, an answer that cannot be read.
    InternalServerError,
    /// `ServiceUnavailableError`: 503, 529, in-stream overload.
    ServiceUnavailable,
    /// `BadGatewayError`: 502.
    BadGateway,
    /// `NotFoundError`: 404.
    NotFound,
    /// No name in `allowed_fails_policy`: 403.
    Other,
}

/// In the order in which they are counted.
pub(super) const ALL_CAUSES: [Cause; CAUSES] = [
    Cause::BadRequest,
    Cause::Authentication,
    Cause::Timeout,
    Cause::RateLimit,
    Cause::ContentPolicy,
    Cause::InternalServerError,
    Cause::ServiceUnavailable,
    Cause::BadGateway,
    Cause::NotFound,
    Cause::Other,
];

impl Cause {
    pub(super) const fn of(failure: &Failure) -> Self {
        use FailureClass as Class;
        match failure.class {
            Class::BadRequest | Class::ContextWindow => Self::BadRequest,
            Class::Auth => Self::Authentication,
            Class::Timeout | Class::FirstToken => Self::Timeout,
            Class::RateLimit | Class::Quota => Self::RateLimit,
            Class::ContentPolicy => Self::ContentPolicy,
            Class::Upstream if failure.status == 502 => Self::BadGateway,
            Class::Upstream | Class::Connect | Class::Shortage | Class::Reset => Self::InternalServerError,
            Class::Overloaded => Self::ServiceUnavailable,
            Class::NotFound => Self::NotFound,
            Class::Permission => Self::Other,
        }
    }

    const fn named(self, policy: &AllowedFails) -> Option<u32> {
        match self {
            Self::BadRequest => policy.bad_request,
            Self::Authentication => policy.authentication,
            Self::Timeout => policy.timeout,
            Self::RateLimit => policy.rate_limit,
            Self::ContentPolicy => policy.content_policy,
            Self::InternalServerError => policy.internal_server_error,
            Self::ServiceUnavailable => policy.service_unavailable,
            Self::BadGateway => policy.bad_gateway,
            Self::NotFound => policy.not_found,
            Self::Other => None,
        }
    }
}

/// `allowed_fails` and `allowed_fails_policy` of one level: a deployment's own, or the router's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// `allowed_fails`.
    pub fails: Option<u32>,
    /// `allowed_fails_policy`.
    pub policy: AllowedFails,
}

/// The rules of one deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CooldownRules {
    /// `disable_cooldowns`, or a deployment behind a wildcard: as in LiteLLM, because all of its models would rest.
    pub never: bool,
    /// The deployment's own allowance.
    pub own: Allowed,
    /// The router's.
    pub router: Allowed,
    /// The deployment's own `cooldown_time`, which a `retry-after` does not override, in milliseconds.
    pub own_cooldown_ms: Option<u64>,
    /// The router's `cooldown_time`, in milliseconds: how long the first cooldown is.
    pub cooldown_ms: u64,
    /// `max_cooldown`: how far it grows, in milliseconds.
    pub max_cooldown_ms: u64,
}

/// How many failures a rule allows, and whether it names their class.
enum Limit {
    Named(u32),
    Any(u32),
    Table,
}

impl CooldownRules {
    fn limit(&self, cause: Cause) -> Limit {
        let levels = [&self.own, &self.router];
        let named = |level: &Allowed| cause.named(&level.policy).map(Limit::Named);
        levels.into_iter().find_map(|level| named(level).or(level.fails.map(Limit::Any))).unwrap_or(Limit::Table)
    }

    /// Whether a failure says anything about the deployment rather than about the request. The request's own fault does so only if
    /// the deployment's own policy names it, as in LiteLLM.
    pub(super) fn blames(&self, failure: &Failure) -> bool {
        if failure.fault == Fault::Gateway {
            return false;
        }
        match failure.class {
            FailureClass::BadRequest | FailureClass::ContentPolicy => {
                Cause::of(failure).named(&self.own.policy).is_some()
            }
            _ => !failure.fault.is_of_request(),
        }
    }

    /// Whether a failure, already counted, starts the cooldown of a healthy deployment.
    pub(super) fn cool(&self, health: &HealthRecord, failure: &Failure) -> bool {
        let cause = Cause::of(failure);
        let named = failure.retry_after_ms.is_some_and(|wait_ms| wait_ms > 0);
        match self.limit(cause) {
            Limit::Named(allowed) => health.failures_of(|other| other == cause) > allowed,
            Limit::Any(_) if named && has_room_later(failure.class) => true,
            Limit::Any(allowed) => health.failures_of(|other| matches!(self.limit(other), Limit::Any(_))) > allowed,
            Limit::Table => at_once(failure) || repeats(health),
        }
    }

    /// How long a cooldown takes, in milliseconds, by the number of cooldowns before it without a success in between; 0: none.
    pub(super) fn duration_ms(&self, failure: &Failure, streak: u32) -> u64 {
        let named = failure.retry_after_ms.filter(|wait_ms| *wait_ms > 0);
        let base_ms = match (self.own_cooldown_ms, named) {
            (Some(own_ms), _) => own_ms,
            (None, Some(wait_ms)) => return wait_ms.min(MAX_WAIT_MS),
            (None, None) => self.cooldown_ms,
        };
        let grown_ms = base_ms.saturating_mul(1_u64 << streak.min(32));
        grown_ms.min(self.max_cooldown_ms.max(base_ms)).min(MAX_WAIT_MS)
    }
}

/// Whether a failure is a reached limit, whose end the provider may name.
const fn has_room_later(class: FailureClass) -> bool {
    matches!(class, FailureClass::RateLimit | FailureClass::Overloaded | FailureClass::Quota)
}

fn at_once(failure: &Failure) -> bool {
    match failure.class {
        // The account's or the model's fault fails every request.
        _ if matches!(failure.fault, Fault::Account | Fault::Model) => true,
        FailureClass::Connect => true,
        // Our own timeout is certain, and has cost its whole time. The provider's own 408 or 504 is an error like a 500.
        FailureClass::Timeout => failure.status == 0,
        // A `retry-after: 0` starts no cooldown, unless it repeats: then it is not true.
        FailureClass::RateLimit | FailureClass::Overloaded => failure.retry_after_ms != Some(0),
        _ => false,
    }
}

fn repeats(health: &HealthRecord) -> bool {
    let failures = health.failures_of(|_| true);
    let requests = failures.saturating_add(health.successes);
    health.in_a_row >= IN_A_ROW || (requests >= MIN_REQUESTS && failures.saturating_mul(2) > requests)
}

#[cfg(test)]
mod tests {
    use FailureClass as Class;

    use super::*;

    fn rules() -> CooldownRules {
        CooldownRules { cooldown_ms: 5_000, max_cooldown_ms: 20_000, ..CooldownRules::default() }
    }

    fn failure(class: Class, status: u16, retry_after_ms: Option<u64>) -> Failure {
        Failure { status, retry_after_ms, ..Failure::local(class, "") }
    }

    /// After how many failures in a row it cools, of at most 20, and for how long.
    fn cools_after(failure: &Failure, rules: &CooldownRules) -> Option<(u32, u64)> {
        let mut health = HealthRecord::default();
        let times = (1..=20)
            .find(|now_s| health.failed(failure, rules, 1_000 * u64::from(*now_s), 1_000 * u64::from(*now_s)))?;
        Some((times, health.cooling_until_ms - 1_000 * u64::from(times)))
    }

    #[test]
    fn the_table_row_by_row() {
        for (class, status, retry_after_ms, wanted) in [
            (Class::Connect, 0, None, Some((1, 5_000))),
            (Class::Reset, 0, None, Some((3, 5_000))),
            (Class::Timeout, 0, None, Some((1, 5_000))),
            (Class::Timeout, 504, None, Some((3, 5_000))),
            (Class::Timeout, 408, None, Some((3, 5_000))),
            (Class::FirstToken, 0, None, Some((3, 5_000))),
            (Class::RateLimit, 429, None, Some((1, 5_000))),
            (Class::RateLimit, 429, Some(700), Some((1, 700))),
            (Class::RateLimit, 429, Some(0), Some((3, 5_000))),
            (Class::RateLimit, 429, Some(u64::MAX), Some((1, 3_600_000))),
            (Class::Overloaded, 503, Some(60_000), Some((1, 60_000))),
            (Class::Overloaded, 529, None, Some((1, 5_000))),
            (Class::Upstream, 500, None, Some((3, 5_000))),
            (Class::Upstream, 502, None, Some((3, 5_000))),
            (Class::Upstream, 200, None, Some((3, 5_000))),
            (Class::Quota, 402, None, Some((1, 5_000))),
            (Class::Auth, 401, None, Some((1, 5_000))),
            (Class::Permission, 403, None, Some((1, 5_000))),
            (Class::NotFound, 404, None, Some((1, 5_000))),
            (Class::ContextWindow, 400, None, None),
            (Class::ContentPolicy, 400, None, None),
            (Class::BadRequest, 422, None, None),
        ] {
            let failure = failure(class, status, retry_after_ms);
            assert_eq!(cools_after(&failure, &rules()), wanted, "{failure:?}");
            assert_eq!(cools_after(&failure, &CooldownRules { never: true, ..rules() }), None);
            assert_eq!(cools_after(&failure, &CooldownRules { own_cooldown_ms: Some(0), ..rules() }), None);
        }
    }

    /// A shortage of the gateway itself starts no cooldown, however often it occurs and whatever the policy.
    #[test]
    fn s14_a_shortage_of_our_own_never_cools() {
        let short = failure(Class::Shortage, 0, Some(1_000));
        let allowed = CooldownRules { router: Allowed { fails: Some(0), ..Allowed::default() }, ..rules() };
        assert_eq!((cools_after(&short, &rules()), cools_after(&short, &allowed)), (None, None));
        assert_eq!(cools_after(&failure(Class::Connect, 0, None), &rules()), Some((1, 5_000)));
    }

    /// A request's own fault never cools, an account's always does, whatever the status and the class.
    #[test]
    fn whose_fault_it_is_decides() {
        for status in [400, 403, 404, 412, 413, 429, 503] {
            let of = |class, fault| Failure { fault, ..failure(class, status, Some(3_000)) };
            for class in [Class::RateLimit, Class::NotFound, Class::ContentPolicy, Class::BadRequest] {
                assert_eq!(cools_after(&of(class, Fault::Request), &rules()), None, "{class:?} {status}");
                let allowed = CooldownRules { router: Allowed { fails: Some(0), ..Allowed::default() }, ..rules() };
                assert_eq!(cools_after(&of(class, Fault::Request), &allowed), None, "{class:?} {status}");
            }
            for class in [Class::Quota, Class::Auth, Class::Permission] {
                assert_eq!(cools_after(&of(class, Fault::Account), &rules()), Some((1, 3_000)), "{class:?} {status}");
            }
        }
    }

    #[test]
    fn more_than_half_of_five_in_a_minute_are_repeats_too() {
        let failure = failure(Class::Upstream, 500, None);
        let mut health = HealthRecord::default();
        let mut run = |pattern: &str, from_ms: u64| -> Vec<bool> {
            let fail = |(at, what)| {
                let now_ms = from_ms + at;
                match what {
                    'f' => health.failed(&failure, &rules(), now_ms, now_ms),
                    _ => {
                        health.served(1, now_ms);
                        false
                    }
                }
            };
            (0..).zip(pattern.chars()).map(fail).collect()
        };
        assert_eq!(run("fsfsf", 60_000), [false, false, false, false, true], "three of five");
        let mut well = HealthRecord::default();
        well.served(100, 60_000);
        for at in 0..40 {
            assert!(!well.failed(&failure, &rules(), 60_000 + at, 60_000 + at), "{at}");
            well.served(1, 60_000 + at);
        }
        let mut slow = HealthRecord::default();
        assert!(
            (1..9).all(|minute| !slow.failed(&failure, &rules(), minute * 60_000, minute * 60_000)),
            "each is forgotten"
        );
    }

    #[test]
    fn allowed_fails_replaces_the_table_for_all_but_what_the_provider_says() {
        let allowed = |fails| Allowed { fails: Some(fails), ..Allowed::default() };
        let router = CooldownRules { router: allowed(1), ..rules() };
        for (class, status) in
            [(Class::Upstream, 500), (Class::Auth, 401), (Class::RateLimit, 429), (Class::Connect, 0)]
        {
            assert_eq!(cools_after(&failure(class, status, None), &router), Some((2, 5_000)), "{class:?}");
        }
        assert_eq!(cools_after(&failure(Class::RateLimit, 429, Some(900)), &router), Some((1, 900)));
        let own = CooldownRules { own: allowed(3), ..router };
        assert_eq!(
            cools_after(&failure(Class::Upstream, 500, None), &own),
            Some((4, 5_000)),
            "a deployment's own is first"
        );
        let none = CooldownRules { router: allowed(0), ..rules() };
        assert_eq!(cools_after(&failure(Class::Reset, 0, None), &none), Some((1, 5_000)));
        assert_eq!(cools_after(&failure(Class::BadRequest, 400, None), &none), None);
        let mut mixed = HealthRecord::default();
        let kinds = [failure(Class::Upstream, 500, None), failure(Class::Reset, 0, None)];
        assert_eq!(
            kinds.map(|failure| mixed.failed(&failure, &router, 61_000, 61_000)),
            [false, true],
            "all are one count"
        );
    }

    #[test]
    fn allowed_fails_policy_counts_what_it_names_apart() {
        let policy = AllowedFails {
            bad_request: Some(0),
            content_policy: Some(1),
            authentication: Some(2),
            timeout: Some(3),
            rate_limit: Some(4),
            internal_server_error: Some(5),
            service_unavailable: Some(6),
            bad_gateway: Some(7),
            not_found: Some(8),
        };
        let own = CooldownRules { own: Allowed { fails: Some(9), policy }, ..rules() };
        for (class, status, times) in [
            (Class::BadRequest, 400, 1),
            (Class::ContentPolicy, 400, 2),
            (Class::Auth, 401, 3),
            (Class::Timeout, 0, 4),
            (Class::FirstToken, 0, 4),
            (Class::RateLimit, 429, 5),
            (Class::Quota, 402, 5),
            (Class::Upstream, 500, 6),
            (Class::Connect, 0, 6),
            (Class::Reset, 0, 6),
            (Class::Overloaded, 503, 7),
            (Class::Upstream, 502, 8),
            (Class::NotFound, 404, 9),
            (Class::Permission, 403, 10),
        ] {
            assert_eq!(cools_after(&failure(class, status, None), &own), Some((times, 5_000)), "{class:?} {status}");
        }
        let router = CooldownRules { router: own.own, ..rules() };
        assert_eq!(
            cools_after(&failure(Class::BadRequest, 400, None), &router),
            None,
            "the router's cannot blame a request"
        );
        assert_eq!(
            cools_after(&failure(Class::RateLimit, 429, Some(10_000)), &router),
            Some((5, 10_000)),
            "named, so it binds"
        );
        let mut health = HealthRecord::default();
        (0..4).for_each(|at| {
            assert!(!health.failed(&failure(Class::RateLimit, 429, None), &own, 61_000 + at, 61_000 + at))
        });
        assert!(
            !health.failed(&failure(Class::Permission, 403, None), &own, 61_005, 61_005),
            "others do not add up with these"
        );
    }
}
