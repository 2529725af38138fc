//! A configuration, and what was built from it once because building takes longer than many requests.
//!
//! **Invariant:** there is an engine for each router, in order.

use std::ops::Deref;
use std::rc::Rc;

use crate::config::model::RouterConfig;
use crate::routing::model_router::Engine;

/// What requests are planned with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The configuration.
    pub config: Rc<RouterConfig>,
    /// What decides for each of its routers.
    pub judges: Vec<Engine>,
}

impl Setup {
    /// Builds what planning needs of a configuration.
    ///
    /// # Errors
    /// What cannot be built.
    pub fn new(config: RouterConfig) -> Result<Self, String> {
        let judges = config.routers.iter().map(Engine::new).collect::<Result<_, _>>()?;
        Ok(Self { config: Rc::new(config), judges })
    }
}

impl Deref for Setup {
    type Target = RouterConfig;

    fn deref(&self) -> &RouterConfig {
        &self.config
    }
}
