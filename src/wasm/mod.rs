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

use crate::filter::Setup;
use crate::filter::plugin::{self, Role};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { config: None }));
}}

/// How exact time is to this worker, and how soon it sees what others learnt.
const TICK: Duration = Duration::from_millis(50);

struct Root {
    /// What a listener's requests are planned with; `None` in the attempt role.
    config: Option<Rc<Setup>>,
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, _headers: usize, body: usize, _trailers: usize) {
        worker::probed(call, body);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let configured = plugin::read(&bytes).and_then(|(role, config)| match role {
            Role::Attempt => Ok(None),
            Role::Route => worker::configure(config).map(Some),
        });
        if matches!(configured, Ok(Some(_))) {
            self.set_tick_period(TICK);
        }
        configured.map(|config| self.config = config).map_err(|problem| log::error!("signalbox: {problem}")).is_ok()
    }

    fn on_tick(&mut self) {
        attempt::wake(worker::tick());
        worker::probe();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.config {
            Some(config) => Box::new(route::RouteFilter::new(Rc::clone(config))),
            None => Box::new(attempt::AttemptFilter::new(context_id)),
        })
    }
}
