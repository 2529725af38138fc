//! An error or a warning: where, what is wrong, and what to write instead.
//!
//! **Invariant:** a diagnostic never holds the value of a key or secret, only names.

use super::tree::Place;

/// One thing to tell the author of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where it stands, where that is known.
    pub place: Option<Place>,
    /// The way to it: `model_list[0].litellm_params.rpm`. Empty for the whole text.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

impl Diagnostic {
    /// Puts one together.
    #[must_use]
    pub fn new(place: Option<Place>, path: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place, path: path.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}

impl Diagnostic {
    /// A line for a terminal: `file:line:column: path: what is wrong; what to write instead`. `level` stands before the path
    /// (`warning: `), or is empty.
    #[must_use]
    pub fn line(&self, file: &str, level: &str) -> String {
        let place = self.place.map(|Place { line, column }| format!(":{line}:{column}")).unwrap_or_default();
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        format!("{file}{place}: {level}{path}{}; {}", self.problem, self.remedy)
    }
}
