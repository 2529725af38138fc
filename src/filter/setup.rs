//! What requests of one listener are planned with: its configuration, and what is known of its deployments.
//!
//! There are several of them in a worker while a configuration is replaced: connections that are open stay with the listener they came
//! by, whose route knows the clusters of its own configuration alone.

use std::cell::RefCell;
use std::rc::Rc;

use crate::config::compile;
use crate::config::model::{DeploymentIndex, RouterConfig};
use crate::state::{CoolingView, StateStore};

/// A configuration, and which of its deployments are cooling, as this worker knows it.
pub struct Setup {
    /// The configuration.
    pub config: Rc<RouterConfig>,
    cooling: RefCell<CoolingView>,
}

impl Setup {
    /// Reads the configuration that the route filter was given.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(json: &str, store: &dyn StateStore) -> Result<Self, String> {
        let config = compile::compile_json(json)?;
        let cooling = RefCell::new(CoolingView::read(store, ids(&config)));
        Ok(Self { config: Rc::new(config), cooling })
    }

    /// Learns what other workers wrote.
    pub fn refresh(&self, store: &dyn StateStore) {
        self.cooling.borrow_mut().refresh(store, ids(&self.config));
    }

    /// Until when a deployment is cooling, Unix milliseconds; 0: it is not.
    #[must_use]
    pub fn cooling_until_ms(&self, index: DeploymentIndex) -> u64 {
        self.cooling.borrow().until_ms(index)
    }
}

fn ids(config: &RouterConfig) -> impl Iterator<Item = &str> {
    config.deployments.iter().map(|deployment| deployment.id.as_str())
}
