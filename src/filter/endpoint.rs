//! The paths a client may ask, with and without `/v1`, as LiteLLM has them.

/// An API of OpenAI's that is routed by model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completions,
    /// `/v1/embeddings`.
    Embeddings,
}

impl Api {
    /// Its path below a provider's base URL, for a provider of OpenAI's dialect.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
        }
    }
}

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    Api(Api),
    Models,
    Model(&'a str),
    Nothing,
}

pub(super) fn asked(path: &str) -> Asked<'_> {
    let path = path.split_once(['?', '#']).map_or(path, |(path, _)| path);
    let path = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    match path.strip_suffix('/').unwrap_or(path) {
        "/chat/completions" => Asked::Api(Api::Chat),
        "/completions" => Asked::Api(Api::Completions),
        "/embeddings" => Asked::Api(Api::Embeddings),
        "/models" => Asked::Models,
        other => other.strip_prefix("/models/").map_or(Asked::Nothing, Asked::Model),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_with_and_without_v1() {
        assert_eq!(asked("/v1/chat/completions?x=1"), Asked::Api(Api::Chat));
        assert_eq!(asked("/embeddings/"), Asked::Api(Api::Embeddings));
        assert_eq!(asked("/v1/models"), Asked::Models);
        assert_eq!(asked("/v1/models/a/b"), Asked::Model("a/b"));
        assert_eq!(asked("/v1chat/completions"), Asked::Nothing);
        assert_eq!(asked("/"), Asked::Nothing);
        assert_eq!(asked(""), Asked::Nothing);
    }
}
