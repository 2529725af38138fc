//! What a deployment brings to the requests that go to it: members of the body, and headers.
//!
//! **Invariant:** no value of a header that may be a secret is here, only the name of its variable; one that stands in the file is shown nowhere.

use serde_json::{Map, Value};

/// Members of a request's body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaults {
    /// Parameters: sent where the client gives none.
    pub members: Map<String, Value>,
    /// `extra_body`: sent as it is, in place of a parameter; of what OpenAI does not know, the client's own goes first.
    pub extra_body: Map<String, Value>,
    /// `additional_drop_params`: never sent, whatever gave it.
    pub dropped: Vec<String>,
    /// The paths among them, which lead into a member as the provider gets it: `tools[*].function.strict`.
    pub dropped_inside: Vec<String>,
}

impl Defaults {
    /// Whether streams bring their usage unless the client says otherwise.
    #[must_use]
    pub fn include_usage(&self) -> bool {
        let options = self.members.get("stream_options");
        options.and_then(|options| options.get("include_usage")).and_then(Value::as_bool).unwrap_or(false)
    }
}

/// A header that Envoy adds to a deployment's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHeader {
    /// Its name, in lower case.
    pub name: String,
    /// Its value.
    pub value: HeaderValue,
}

/// The value of a header.
#[derive(Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// As it stands in the file.
    Text(String),
    /// In an environment variable of this name, or its file.
    Env(String),
    /// A secret that stands in the file, which goes into a variable of its own. Only the command line ever sees this.
    Literal {
        /// The variable.
        variable: String,
        /// The secret.
        value: String,
    },
}

impl std::fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({text})"),
            Self::Env(name) => write!(f, "Env({name})"),
            Self::Literal { variable, .. } => write!(f, "Literal({variable})"),
        }
    }
}

impl HeaderValue {
    /// The variable that holds a secret.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::Text(_) => None,
            Self::Env(name) | Self::Literal { variable: name, .. } => Some(name),
        }
    }
}
