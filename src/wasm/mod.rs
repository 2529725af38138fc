//! The shell: the only room that says `proxy_wasm`. It carries data in and effects out, and decides nothing.
//!
//! Both roles live in one VM per worker: the route filter's flights wait in this thread's memory, and the attempt filter finds its
//! flight by an id in filter state. Only the `_bytes` calls of the SDK are used for headers: the others trap on odd bytes.
//!
//! **Invariant:** no call is made outside the callback that allows it: the SDK panics on the host's refusal.
#![allow(unsafe_code, missing_docs)] // `main!` exports `_initialize`.

mod attempt;
mod host;
mod route;
mod worker;

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::filter::Setup;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { setup: None }));
}}

/// How exact time is to this worker, and how soon it sees what others learnt.
const TICK: Duration = Duration::from_millis(50);

/// Which filter a plugin configuration makes of the module.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Role {
    Route,
    Attempt,
}

#[derive(Deserialize)]
struct PluginConfig<'a> {
    role: Role,
    #[serde(borrow)]
    config: Option<&'a RawValue>,
}

struct Root {
    /// What a listener's requests are planned with; `None` in the attempt role.
    setup: Option<Rc<Setup>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let configured = match serde_json::from_slice(&bytes) {
            Ok(PluginConfig { role: Role::Attempt, .. }) => Ok(None),
            Ok(PluginConfig { role: Role::Route, config }) => {
                worker::configure(config.map_or("{}", RawValue::get)).map(Some)
            }
            Err(error) => Err(format!("the plugin configuration cannot be read: {error}")),
        };
        if matches!(configured, Ok(Some(_))) {
            self.set_tick_period(TICK);
        }
        configured.map(|setup| self.setup = setup).map_err(|problem| log::error!("signalbox: {problem}")).is_ok()
    }

    fn on_tick(&mut self) {
        worker::tick();
        attempt::wake(worker::now_ms());
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.setup {
            Some(setup) => Box::new(route::RouteFilter::new(Rc::clone(setup))),
            None => Box::new(attempt::AttemptFilter { context_id, attempt: None, body: None }),
        })
    }
}
