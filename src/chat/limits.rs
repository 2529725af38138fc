//! What a provider says of its limits beside an answer.

/// The limits of one deployment's key, as its provider last said them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Of requests.
    pub requests: Option<Window>,
    /// Of tokens: the tightest, where input and output are limited apart.
    pub tokens: Option<Window>,
}

/// One limit. `None`: not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// How much there is in all.
    pub limit: Option<u64>,
    /// How much is left.
    pub remaining: Option<u64>,
    /// How long until it is whole again, in milliseconds.
    pub reset_ms: Option<u64>,
}

impl Window {
    /// Nothing is left. A limit of nothing is how some say that there is none.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        matches!(self.remaining, Some(0)) && !matches!(self.limit, Some(0))
    }
}

impl RateLimits {
    fn windows(&self) -> impl Iterator<Item = Window> {
        [self.requests, self.tokens].into_iter().flatten()
    }

    /// How long there is no room, in milliseconds: until the last spent window is whole again. `None`: there is, or nobody said
    /// when there will be.
    #[must_use]
    pub fn full_for_ms(&self) -> Option<u64> {
        self.windows().filter(Window::is_spent).filter_map(|window| window.reset_ms).max()
    }

    /// The provider said that something is left, and of nothing that it is spent.
    #[must_use]
    pub fn have_room(&self) -> bool {
        self.windows().any(|window| window.remaining.is_some_and(|left| left > 0))
            && !self.windows().any(|window| window.is_spent())
    }

    /// How long a request that was refused for its rate should wait, in milliseconds: until the spent windows are whole
    /// again, or the first one where none is said to be spent.
    #[must_use]
    pub fn wait_ms(&self) -> Option<u64> {
        self.full_for_ms().or_else(|| self.windows().filter_map(|window| window.reset_ms).min())
    }
}
