//! Arguments of strategies, policies by class of failure, and budgets.

/// `routing_strategy_args`, with LiteLLM's defaults. All are for `latency-based-routing`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrategyArgs {
    /// `ttl`: older samples count no more, in milliseconds: 3,600,000.
    pub ttl_ms: u64,
    /// `lowest_latency_buffer`: how much slower than the best one is as good, as a share of it: 0.
    pub buffer: f64,
    /// `max_latency_list_size`: how many samples count, 1 to 10: 10.
    pub samples: u32,
    /// `ttft_percentile`: this share of the first-token times instead of their mean, above 0 up to 1.
    pub ttft_percentile: Option<f64>,
}

impl Default for StrategyArgs {
    fn default() -> Self {
        Self { ttl_ms: 3_600_000, buffer: 0.0, samples: 10, ttft_percentile: None }
    }
}

/// `retry_policy`: how often a failure of a class is retried, instead of `num_retries`. `None`: not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetryPolicy {
    /// `BadRequestErrorRetries`.
    pub bad_request: Option<u32>,
    /// `AuthenticationErrorRetries`.
    pub authentication: Option<u32>,
    /// `TimeoutErrorRetries`.
    pub timeout: Option<u32>,
    /// `RateLimitErrorRetries`.
    pub rate_limit: Option<u32>,
    /// `ContentPolicyViolationErrorRetries`.
    pub content_policy: Option<u32>,
    /// `InternalServerErrorRetries`.
    pub internal_server_error: Option<u32>,
    /// `ServiceUnavailableErrorRetries`.
    pub service_unavailable: Option<u32>,
    /// `NotFoundErrorRetries`.
    pub not_found: Option<u32>,
    /// `DefaultRetries`.
    pub default: Option<u32>,
}

/// `allowed_fails_policy`: how many failures of a class do not cool a deployment yet. `None`: not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AllowedFails {
    /// `BadRequestErrorAllowedFails`.
    pub bad_request: Option<u32>,
    /// `AuthenticationErrorAllowedFails`.
    pub authentication: Option<u32>,
    /// `TimeoutErrorAllowedFails`.
    pub timeout: Option<u32>,
    /// `RateLimitErrorAllowedFails`.
    pub rate_limit: Option<u32>,
    /// `ContentPolicyViolationErrorAllowedFails`.
    pub content_policy: Option<u32>,
    /// `InternalServerErrorAllowedFails`.
    pub internal_server_error: Option<u32>,
    /// `ServiceUnavailableErrorAllowedFails`.
    pub service_unavailable: Option<u32>,
    /// `BadGatewayErrorAllowedFails`.
    pub bad_gateway: Option<u32>,
    /// `NotFoundErrorAllowedFails`.
    pub not_found: Option<u32>,
}

/// What may be spent in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How much, in billionths of a US dollar.
    pub max_nanos: u64,
    /// In how long, in milliseconds. Windows begin with their first cost.
    pub period_ms: u64,
}
