//! The shell: the only room that says `proxy_wasm`. It makes events of the host's callbacks and calls of the roles' effects, and decides
//! nothing.
//!
//! Both roles live in one VM per worker: the route filter's flights wait in this thread's memory, and the attempt filter finds its
//! flight by an id in filter state.
//!
//! **Invariant:** no call is made outside the callback that allows it: the SDK panics on the host's refusal.
#![allow(unsafe_code, missing_docs)] // `main!` exports `_initialize`.

mod alloc;
mod host;

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use host::Envoy;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

use crate::filter::plugin::{self, Known, Plugin, Whereabouts};
use crate::filter::{self, AttemptFilter, Effects, Event, Flow, RouteFilter, Setup, Worker};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::Unknown));
}}

/// How exact time is to this worker, and how soon it sees what others learnt.
const TICK: Duration = Duration::from_millis(50);

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::new(Worker::new(RandomState::new().hash_one(0x5EED), RandomState::new()));
}

/// Does something with this thread's worker; `None` where it is at work already, which no callback of the host leads to.
fn with_worker<T>(work: impl FnOnce(&mut Worker) -> T) -> Option<T> {
    WORKER.try_with(|worker| worker.try_borrow_mut().ok().map(|mut worker| work(&mut worker))).ok().flatten()
}

/// The context of one listener's or cluster's filter.
enum Root {
    /// Not configured yet.
    Unknown,
    /// What a listener's requests are planned with, and what is known of all of them.
    Route(Rc<Setup>, Option<Rc<Known>>),
    /// Where attempts are.
    Attempt(Whereabouts),
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, _headers: usize, body: usize, _trailers: usize) {
        let _ = WORKER.try_with(|worker| filter::on_call_answered(worker, call, body, &Envoy));
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let configured = plugin::read(&bytes).and_then(|plugin| match plugin {
            Plugin::Attempt(whereabouts) => Ok(Self::Attempt(whereabouts)),
            Plugin::Route(config, naming, known) => {
                match WORKER.try_with(|worker| filter::configure(worker, config, naming, &Envoy)) {
                    Ok(configured) => configured.map(|setup| Self::Route(setup, known.map(Rc::new))),
                    Err(gone) => Err(gone.to_string()),
                }
            }
        });
        if matches!(configured, Ok(Self::Route(..))) {
            self.set_tick_period(TICK);
        }
        configured.map(|root| *self = root).map_err(|problem| log::error!("signalbox: {problem}")).is_ok()
    }

    fn on_tick(&mut self) {
        let _ = WORKER.try_with(|worker| filter::on_tick(worker, &Envoy));
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match self {
            Self::Route(setup, known) => Box::new(Stream::Route(RouteFilter::new(Rc::clone(setup), known.clone()))),
            Self::Attempt(whereabouts) => {
                Box::new(Stream::Attempt(AttemptFilter::new(context_id, whereabouts.clone())))
            }
            Self::Unknown => return None,
        })
    }
}

/// One request in one of the two roles. It is one type, because each type brings a function for every callback that the SDK knows.
#[allow(clippy::large_enum_variant, reason = "a box would be one more allocation a request")]
enum Stream {
    Route(RouteFilter),
    Attempt(AttemptFilter),
}

impl Stream {
    fn on(&mut self, event: Event) -> Action {
        let effects = with_worker(|worker| match self {
            Self::Route(role) => role.on(event, worker, &Envoy),
            Self::Attempt(role) => role.on(event, worker, &Envoy),
        });
        match effects.unwrap_or_else(Effects::busy).carry_out(&Envoy) {
            Flow::Continue => Action::Continue,
            Flow::Pause => Action::Pause,
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, ends: bool) -> Action {
        self.on(Event::RequestHead { ends })
    }

    fn on_http_request_body(&mut self, length: usize, ends: bool) -> Action {
        self.on(Event::RequestBody { length, ends })
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.on(Event::RequestTrailers)
    }

    fn on_http_response_headers(&mut self, _count: usize, ends: bool) -> Action {
        self.on(Event::ResponseHead { ends })
    }

    fn on_http_response_body(&mut self, length: usize, ends: bool) -> Action {
        self.on(Event::ResponseBody { length, ends })
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.on(Event::ResponseTrailers)
    }
}

/// Not in `on_log` or `on_done`: a callback costs a call into the VM, and this one comes anyway.
impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.on(Event::Closed);
    }
}
