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

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};
use serde::Deserialize;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { role: Role::Attempt }));
}}

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
    config: Option<&'a serde_json::value::RawValue>,
}

struct Root {
    role: Role,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let plugin: PluginConfig<'_> = match serde_json::from_slice(&bytes) {
            Ok(plugin) => plugin,
            Err(error) => {
                log::error!("signalbox: the plugin configuration cannot be read: {error}");
                return false;
            }
        };
        self.role = plugin.role;
        match (self.role, plugin.config) {
            (Role::Attempt, _) => true,
            (Role::Route, Some(config)) => worker::configure(config.get()),
            (Role::Route, None) => {
                log::error!("signalbox: the route filter needs a `config`: generate it with `signalbox envoy`");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        attempt::wake(host::now_ms());
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match self.role {
            Role::Route => Box::new(route::RouteFilter::new()),
            Role::Attempt => Box::new(attempt::AttemptFilter::new(context_id)),
        })
    }
}
