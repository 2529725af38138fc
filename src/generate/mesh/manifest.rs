//! A manifest as text: documents, with remarks for people.

use serde_json::Value;

use super::super::yaml;

/// One object of a mesh.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it is for.
    pub about: String,
    /// It, with remarks.
    pub value: Value,
}

/// So many bytes of JSON an object may have that `kubectl apply` applies without `--server-side`: it notes the object in an annotation.
pub const MOST_APPLIED: usize = 256 * 1024;
/// So many bytes an object may have at all, with room for what Kubernetes notes of it.
pub const MOST_STORED: usize = 1_400_000;

impl Document {
    pub(super) fn new(about: &str, value: Value) -> Self {
        Self { about: about.to_owned(), value }
    }

    /// How long it is as JSON.
    #[must_use]
    pub fn bytes(&self) -> usize {
        bytes(&self.value)
    }

    /// Its kind and name.
    #[must_use]
    pub fn name(&self) -> String {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        format!("{} {}", text(self.value.get("kind")), text(self.value.pointer("/metadata/name")))
    }
}

/// How long a value is as JSON.
pub(super) fn bytes(value: &Value) -> usize {
    yaml::without_remarks(value).to_string().len()
}

/// The documents as one text. `origin` says where they come from.
#[must_use]
pub fn write(origin: &str, documents: &[Document]) -> String {
    let mut text = String::new();
    for (index, document) in documents.iter().enumerate() {
        text.push_str(if index > 0 { "---\n" } else { "" });
        let above = if index == 0 { format!("{origin}\n{}", document.about) } else { document.about.clone() };
        text.extend(above.lines().flat_map(|line| ["# ", line, "\n"]));
        text.push_str(&yaml::write(&document.value));
    }
    text
}
