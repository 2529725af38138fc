//! What there is to say about a configuration: where, how bad it is, what is wrong, and what to write instead.
//!
//! Errors, warnings and notes stand in one list, so that none hides another: a file with an error still shows its warnings.
//!
//! **Invariant:** a diagnostic never holds the value of a key or secret, only names.

mod group;

pub use group::Group;

use super::tree::Place;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, and something in it is probably not meant, or would be missed.
    Warning,
    /// Nothing that anybody would miss.
    Note,
}

impl Severity {
    /// The word that stands before a message.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing to tell the author of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands, where that is known.
    pub place: Option<Place>,
    /// The way to it: `model_list[0].litellm_params.rpm`. Empty for the whole text.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
    /// Whether this error concerns a deployment that cannot be asked, so that the others can be used without it.
    pub is_apart: bool,
}

impl Diagnostic {
    /// A line for a terminal: `file:line:column: error: path: what is wrong; what to write instead`.
    #[must_use]
    pub fn line(&self, file: &str) -> String {
        let place = self.place.map(|Place { line, column }| format!(":{line}:{column}")).unwrap_or_default();
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        format!("{file}{place}: {}: {path}{}; {}", self.severity.as_str(), self.problem, self.remedy)
    }
}

/// Everything there is to say, in the order in which it was found until [`Diagnostics::sort`] brings it into that of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub fn add(
        &mut self,
        severity: Severity,
        place: Option<Place>,
        path: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (path, problem, remedy) = (path.to_owned(), problem.into(), remedy.into());
        self.0.push(Diagnostic { severity, place, path, problem, remedy, is_apart: false });
    }

    /// Adds what makes one deployment unusable, and no other.
    pub fn apart(&mut self, place: Option<Place>, path: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.error(place, path, problem, remedy);
        if let Some(last) = self.0.last_mut() {
            last.is_apart = true;
        }
    }

    /// Adds what makes the configuration unusable.
    pub fn error(&mut self, place: Option<Place>, path: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Error, place, path, problem, remedy);
    }

    /// Adds what does not, but is probably not meant.
    pub fn warning(&mut self, place: Option<Place>, path: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Warning, place, path, problem, remedy);
    }

    /// Adds what is good to know.
    pub fn note(&mut self, place: Option<Place>, path: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Note, place, path, problem, remedy);
    }

    /// Adds all of another list.
    pub fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Brings them into the order of the text.
    pub fn sort(&mut self) {
        crate::sort::by_key(&mut self.0, |diagnostic| diagnostic.place);
    }

    /// Those of one severity.
    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().filter(move |diagnostic| diagnostic.severity == severity)
    }

    /// How many there are of one severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.of(severity).count()
    }

    /// How many errors there are.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// Each as a line for a terminal; what repeats is told once.
    #[must_use]
    pub fn lines(&self, file: &str) -> Vec<String> {
        self.groups().iter().map(|group| group.line(file)).collect()
    }

    /// The same, with what repeats put together.
    #[must_use]
    pub fn groups(&self) -> Vec<Group<'_>> {
        group::of(&self.0)
    }
}

impl std::ops::Deref for Diagnostics {
    type Target = [Diagnostic];
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
