//! The strategies, one row each: what the rest of the house must know of one. How it ranks is a file in [`crate::routing::strategy`].
//!
//! **Invariant:** no other place asks which strategy it is, only what its row says.

/// One of `routing_strategy`.
#[derive(Debug)]
pub struct Strategy {
    /// The name as it stands in the configuration.
    pub name: &'static str,
    /// A deprecated name of it in LiteLLM.
    pub former_name: Option<&'static str>,
    /// What it goes by.
    pub ranks_by: RanksBy,
    /// Whether `rpm` and `tpm` bind, rather than only share out.
    pub limits_bind: bool,
    /// Whether it goes by how long answers take, so that times must be exact and are kept.
    pub is_timed: bool,
    /// Whether it goes by tokens, so that a stream is worth being asked for its usage.
    pub counts_tokens: bool,
    /// Whether `routing_strategy_args` are for it.
    pub takes_args: bool,
}

/// What a strategy goes by, the least or the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RanksBy {
    /// A draw by weights.
    Weight,
    /// Requests in flight.
    InFlight,
    /// How long answers took.
    Latency,
    /// What tokens cost.
    Price,
    /// Tokens of the current minute.
    Tokens,
}

/// `simple-shuffle`, the default.
pub static SIMPLE_SHUFFLE: Strategy = Strategy {
    name: "simple-shuffle",
    former_name: None,
    ranks_by: RanksBy::Weight,
    limits_bind: false,
    is_timed: false,
    counts_tokens: false,
    takes_args: false,
};

/// `least-busy`.
pub static LEAST_BUSY: Strategy = Strategy {
    name: "least-busy",
    former_name: None,
    ranks_by: RanksBy::InFlight,
    limits_bind: false,
    is_timed: false,
    counts_tokens: false,
    takes_args: false,
};

/// `latency-based-routing`: seconds per token, or to the first one.
pub static LATENCY_BASED: Strategy = Strategy {
    name: "latency-based-routing",
    former_name: None,
    ranks_by: RanksBy::Latency,
    limits_bind: true,
    is_timed: true,
    counts_tokens: true,
    takes_args: true,
};

/// `cost-based-routing`.
pub static COST_BASED: Strategy = Strategy {
    name: "cost-based-routing",
    former_name: None,
    ranks_by: RanksBy::Price,
    limits_bind: true,
    is_timed: false,
    counts_tokens: false,
    takes_args: false,
};

/// `usage-based-routing-v2`; the first edition does the same here.
pub static USAGE_BASED: Strategy = Strategy {
    name: "usage-based-routing-v2",
    former_name: Some("usage-based-routing"),
    ranks_by: RanksBy::Tokens,
    limits_bind: true,
    is_timed: false,
    counts_tokens: true,
    takes_args: false,
};

/// All of them, as messages list them.
pub static STRATEGIES: [&Strategy; 5] = [&SIMPLE_SHUFFLE, &LEAST_BUSY, &LATENCY_BASED, &COST_BASED, &USAGE_BASED];

/// There is one row a name.
impl PartialEq for Strategy {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Strategy {}

impl Default for &'static Strategy {
    fn default() -> Self {
        &SIMPLE_SHUFFLE
    }
}

impl Strategy {
    /// Whether a deployment's share of the requests is drawn by weights.
    #[must_use]
    pub fn draws_by_weight(&self) -> bool {
        self.ranks_by == RanksBy::Weight
    }
}
