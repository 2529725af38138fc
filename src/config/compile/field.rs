//! A node and the way to it: what every section reads its values with.
//!
//! **Invariant:** a value that is not what was asked for is noted once, and `None` comes back.

use crate::catalogue::Usd;
pub(super) use crate::config::diagnostic::Diagnostics;
use crate::config::tree::{Node, Value};

/// A node and the way to it.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    pub(super) node: &'a Node,
    pub(super) path: String,
}

/// Seconds above this (about 31 years) are taken for a slip of the pen.
const MAX_SECONDS: f64 = 1e9;

impl<'a> Field<'a> {
    pub(super) const fn root(node: &'a Node) -> Self {
        Self { node, path: String::new() }
    }

    /// The value under a key, where it is not null.
    pub(super) fn at(&self, name: &str) -> Option<Self> {
        self.node.entry(name).map(|node| Self { node, path: below(&self.path, name) })
    }

    /// A map's entries.
    pub(super) fn entries(&self, diagnostics: &mut Diagnostics) -> Vec<(&'a str, Self)> {
        let Value::Map(entries) = &self.node.value else {
            self.error(
                diagnostics,
                format!("expected a map, found {}", self.node.kind()),
                "write `key: value` lines below it",
            );
            return Vec::new();
        };
        entries
            .iter()
            .map(|(key, node)| (key.name.as_str(), Self { node, path: below(&self.path, &key.name) }))
            .collect()
    }

    /// A list's items.
    pub(super) fn items(&self, diagnostics: &mut Diagnostics) -> Vec<Self> {
        let Value::Seq(items) = &self.node.value else {
            self.error(
                diagnostics,
                format!("expected a list, found {}", self.node.kind()),
                "write `- ` before each item",
            );
            return Vec::new();
        };
        let item = |(index, node)| Self { node, path: format!("{}[{index}]", self.path) };
        items.iter().enumerate().map(item).collect()
    }

    /// Whether this is a map; noted where it is none.
    pub(super) fn is_map(&self, diagnostics: &mut Diagnostics) -> bool {
        let before = diagnostics.errors();
        self.entries(diagnostics);
        diagnostics.errors() == before
    }

    /// A text.
    pub(super) fn text(&self, diagnostics: &mut Diagnostics) -> Option<&'a str> {
        if let Value::Str(text) = &self.node.value {
            return Some(text);
        }
        self.error(
            diagnostics,
            format!("expected a text, found {}", self.node.kind()),
            "put it in quotes or write a name",
        );
        None
    }

    /// `true` or `false`, also as a text.
    pub(super) fn flag(&self, diagnostics: &mut Diagnostics) -> Option<bool> {
        match &self.node.value {
            Value::Bool(flag) => return Some(*flag),
            Value::Str(text) if text.eq_ignore_ascii_case("true") => return Some(true),
            Value::Str(text) if text.eq_ignore_ascii_case("false") => return Some(false),
            _ => {}
        }
        self.error(diagnostics, format!("expected true or false, found {}", self.shown()), "write `true` or `false`");
        None
    }

    /// A number, also as a text, as LiteLLM takes it.
    pub(super) fn number(&self) -> Option<f64> {
        let number = match &self.node.value {
            #[allow(clippy::cast_precision_loss, reason = "whole numbers this large are refused by every caller")]
            Value::Int(whole) => *whole as f64,
            Value::Float(number) => *number,
            Value::Str(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        number.is_finite().then_some(number)
    }

    /// A number that fits; `expected` says which do.
    pub(super) fn real(
        &self,
        diagnostics: &mut Diagnostics,
        fits: impl Fn(f64) -> bool,
        expected: &str,
        example: &str,
    ) -> Option<f64> {
        let number = self.number().filter(|number| fits(*number));
        if number.is_none() {
            self.invalid(diagnostics, "number", expected, example);
        }
        number
    }

    /// A number that is not negative.
    pub(super) fn weight(&self, diagnostics: &mut Diagnostics) -> Option<f64> {
        let number = self.number().filter(|number| *number >= 0.0);
        if number.is_none() {
            self.invalid(diagnostics, "weight", "a number from 0 up", "2");
        }
        number
    }

    /// US dollars for one token.
    pub(super) fn price(&self, diagnostics: &mut Diagnostics) -> Option<Usd> {
        let price = self.number().and_then(Usd::from_dollars);
        if price.is_none() {
            self.invalid(diagnostics, "price", "USD for one token, from 0 up", "0.0000025 for 2.50 a million");
        }
        price
    }

    /// A number of tokens, at least one.
    pub(super) fn tokens(&self, diagnostics: &mut Diagnostics) -> Option<u64> {
        let tokens = self.whole(&mut Diagnostics::default(), 1, i64::MAX).and_then(|tokens| u64::try_from(tokens).ok());
        if tokens.is_none() {
            self.invalid(diagnostics, "number of tokens", "a whole number from 1 up", "128000");
        }
        tokens
    }

    /// A whole number within bounds.
    pub(super) fn whole(&self, diagnostics: &mut Diagnostics, least: i64, most: i64) -> Option<i64> {
        #[allow(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        let whole = match self.node.value {
            Value::Int(whole) => Some(whole),
            _ => self.number().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64),
        };
        let whole = whole.filter(|whole| (least..=most).contains(whole));
        if whole.is_none() {
            let expected = match (least, most) {
                (i64::MIN, _) => "a whole number".to_owned(),
                (_, i64::MAX) => format!("a whole number from {least} up"),
                _ => format!("a whole number from {least} to {most}"),
            };
            self.invalid(diagnostics, "number", &expected, &least.max(1).to_string());
        }
        whole
    }

    /// A whole number of things, from 0.
    pub(super) fn count(&self, diagnostics: &mut Diagnostics) -> Option<u64> {
        self.whole(diagnostics, 0, i64::MAX).and_then(|whole| u64::try_from(whole).ok())
    }

    /// A small whole number of things, from 0 to 1000.
    pub(super) fn few(&self, diagnostics: &mut Diagnostics) -> Option<u32> {
        self.whole(diagnostics, 0, 1000).and_then(|whole| u32::try_from(whole).ok())
    }

    /// A whole number of things that may be many, from `least` up.
    pub(super) fn many(&self, diagnostics: &mut Diagnostics, least: i64) -> Option<u32> {
        self.whole(diagnostics, least, i64::from(u32::MAX)).and_then(|whole| u32::try_from(whole).ok())
    }

    /// A list of texts.
    pub(super) fn texts(&self, diagnostics: &mut Diagnostics) -> Vec<String> {
        self.items(diagnostics).iter().filter_map(|item| item.text(diagnostics).map(str::to_owned)).collect()
    }

    /// Seconds, as milliseconds. Zero only where it means something.
    pub(super) fn seconds(&self, diagnostics: &mut Diagnostics, zero: bool) -> Option<u64> {
        let fits = |s: &f64| *s < MAX_SECONDS && (*s > 0.0 || (zero && *s == 0.0));
        let Some(seconds) = self.number().filter(fits) else {
            let (expected, example) = if zero { ("from 0 up", "60") } else { ("above 0", "30 or 0.5") };
            self.invalid(diagnostics, "duration", &format!("seconds {expected}"), example);
            return None;
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above, and not negative")]
        Some(((seconds * 1000.0).round() as u64).max(u64::from(seconds > 0.0)))
    }

    /// Whether a variable is not set that would have said it: that was reported already, and once is enough.
    const fn is_reported(&self) -> bool {
        matches!(self.node.value, Value::Unset)
    }

    /// Notes that this is not what it should be: what was found, what is expected, and an example.
    pub(super) fn invalid(&self, diagnostics: &mut Diagnostics, what: &str, expected: &str, example: &str) {
        let found = match self.node.value {
            Value::Null | Value::Unset | Value::Seq(_) | Value::Map(_) => format!(", this is {}", self.node.kind()),
            _ => format!(" {}", self.shown()),
        };
        let problem = format!("invalid {what}{found}: expected {expected}");
        self.error(diagnostics, problem, format!("write for example {example}"));
    }

    /// Notes that this cannot stay.
    pub(super) fn error(&self, diagnostics: &mut Diagnostics, problem: impl Into<String>, remedy: impl Into<String>) {
        if self.is_reported() {
            return;
        }
        diagnostics.error(self.node.place, &self.path, problem, remedy);
    }

    /// Notes that a deployment cannot be asked, which is then left out where there are others.
    pub(super) fn apart(&self, diagnostics: &mut Diagnostics, problem: impl Into<String>, remedy: impl Into<String>) {
        if self.is_reported() {
            return;
        }
        diagnostics.apart(self.node.place, &self.path, problem, remedy);
    }

    /// Notes what may stay, but is probably not meant.
    pub(super) fn warning(&self, diagnostics: &mut Diagnostics, problem: impl Into<String>, remedy: impl Into<String>) {
        if self.is_reported() {
            return;
        }
        diagnostics.warning(self.node.place, &self.path, problem, remedy);
    }

    /// Notes what is good to know.
    pub(super) fn note(&self, diagnostics: &mut Diagnostics, problem: impl Into<String>, remedy: impl Into<String>) {
        diagnostics.note(self.node.place, &self.path, problem, remedy);
    }

    /// The value for a sentence, cut to a sane length. Never asked of a key.
    pub(super) fn shown(&self) -> String {
        match &self.node.value {
            Value::Str(text) if text.chars().count() > 60 => {
                format!("`{}…`", text.chars().take(60).collect::<String>())
            }
            Value::Str(text) => format!("`{text}`"),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => format!("`{}`", self.node.to_json()),
            Value::Null | Value::Unset | Value::Seq(_) | Value::Map(_) => self.node.kind().to_owned(),
        }
    }
}

/// The way to a key of what lies at `path`.
pub(super) fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
