//! A router: a public name that stands for a choice among groups, by how hard a request is or what it is about.
//!
//! **Invariant:** every target is a group whose models hold no `*`; a router has at least one default.

use serde_json::{Map, Value};

use super::GroupIndex;
use crate::config::complexity::{ComplexityConfig, Tier};
use crate::config::task::{Task, TaskRouterConfig};

/// A name that stands for a choice among groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Router {
    /// What clients ask for.
    pub name: String,
    /// Its other names, and whether each is hidden from `/v1/models`.
    pub aliases: Vec<(String, bool)>,
    /// How it chooses.
    pub kind: RouterKind,
    /// What serves where nothing is chosen, and in the shadow. Of several one is drawn.
    pub default: Vec<Target>,
    /// `fallbacks` and its kin under the router's own name, for groups without an entry of their own.
    pub router_fallbacks: RouterFallbacks,
}

/// How a router chooses.
#[derive(Debug, Clone, PartialEq)]
pub enum RouterKind {
    /// By how hard a request is: its settings, and the targets of each tier, the easiest first.
    Complexity(Box<ComplexityConfig>, Vec<(Tier, Vec<Target>)>),
    /// By what a request is about: its settings, and the targets of each task. No tasks: `model_info.supports` says.
    Task(TaskRouterConfig, Vec<(Task, Vec<Target>)>),
}

/// A group that may be chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The group.
    pub group: GroupIndex,
    /// Members that fill gaps in the request's body.
    pub params: Map<String, Value>,
}

/// The groups that stand in for whatever a router chose. `None`: nothing is written for the router.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouterFallbacks {
    /// `fallbacks`.
    pub general: Option<Vec<GroupIndex>>,
    /// `context_window_fallbacks`.
    pub context_window: Option<Vec<GroupIndex>>,
    /// `content_policy_fallbacks`.
    pub content_policy: Option<Vec<GroupIndex>>,
}

impl Router {
    /// Whether clients may ask for a tier.
    #[must_use]
    pub const fn allows_client_tier(&self) -> bool {
        matches!(&self.kind, RouterKind::Complexity(config, _) if config.allow_client_tier)
    }

    /// Whether it only says what it would choose.
    #[must_use]
    pub const fn is_shadow(&self) -> bool {
        match &self.kind {
            RouterKind::Complexity(config, _) => config.shadow,
            RouterKind::Task(config, _) => config.shadow,
        }
    }

    /// Whether a name is this router's.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|(alias, _)| alias == name)
    }
}
