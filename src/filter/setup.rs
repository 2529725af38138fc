//! A configuration, and what was built from it once because building takes longer than many requests.
//!
//! **Invariant:** there is an engine for each router, in order.

use std::ops::Deref;
use std::rc::Rc;

use super::route::{KeyHashes, Variables, key_hashes};
use crate::config::model::RouterConfig;
use crate::routing::model_router::Engine;

/// What requests are planned with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The configuration.
    pub config: Rc<RouterConfig>,
    /// What decides for each of its routers.
    pub judges: Vec<Engine>,
    /// The keys that its clients have.
    pub(super) key_hashes: KeyHashes,
}

impl Setup {
    /// Builds what planning needs of a configuration. No client comes in: that takes [`Self::with_variables`].
    ///
    /// # Errors
    /// What cannot be built.
    pub fn new(config: RouterConfig) -> Result<Self, String> {
        let judges = config.routers.iter().map(Engine::new).collect::<Result<_, _>>()?;
        Ok(Self { config: Rc::new(config), judges, key_hashes: Vec::new() })
    }

    /// The same with the keys of clients, of which some are in variables of Envoy's environment.
    ///
    /// # Errors
    /// What cannot be built, or that the master key is not in place.
    pub fn with_variables(config: RouterConfig, variables: Variables<'_>) -> Result<Self, String> {
        Ok(Self { key_hashes: key_hashes(&config, variables)?, ..Self::new(config)? })
    }
}

impl Deref for Setup {
    type Target = RouterConfig;

    fn deref(&self) -> &RouterConfig {
        &self.config
    }
}
