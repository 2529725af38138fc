//! A scripted Envoy: it runs the two *real* roles of the filter natively, as the wasm shell does, and plays the rest of Envoy around them:
//! filter state, one map of request headers for all attempts, buffers, retries, timers, local replies.
//!
//! Every call of the host is written down ([`Envoy::calls`]), and a call at a time at which Envoy would refuse it fails the test.

#![allow(dead_code, reason = "not every test file uses all")]

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, HashMap};
use std::hash::RandomState;
use std::rc::Rc;

use super::memory::Memory;
use signalbox::config::model::Naming;
use signalbox::filter::plugin::{Known, Whereabouts};
use signalbox::filter::{
    self, AttemptFilter, Buffer, Change, Edit, Effect, Event, Flow, HeaderMap, Host, Map, OutgoingHeaders, RELAY,
    Reply, RouteFilter, Setup, Worker,
};
use signalbox::state::{StateStore, Version};

/// When the tests' time begins, Unix milliseconds.
pub const START_MS: u64 = 1_800_000_000_000;
/// Envoy's own limit on retries (the bootstrap's `num_retries`).
const MAX_RETRIES: usize = 10;
const TICK_MS: u64 = 50;
/// The root context.
const ROOT: u32 = 1;

/// What somebody has of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub ended: bool,
    /// It was cut off before its end.
    pub is_cut: bool,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(found, _)| found == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    pub fn status(&self) -> Option<u16> {
        self.header(":status")?.parse().ok()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What Envoy knows of an attempt's connection when it is lost.
#[derive(Debug, Clone, Copy)]
pub enum Lost {
    /// There was one, which broke.
    Connection,
    /// There was one that had idled, and was dead when it was taken.
    Stale,
    /// There was one, which was ready sooner than most new ones and later than most that had idled.
    Doubtful,
    /// Nobody listened.
    Refused,
}

#[derive(Debug, Default)]
struct Attempt {
    context: u32,
    cluster: String,
    /// What Envoy holds of the request, and what went to the provider.
    request: Vec<u8>,
    sent: Option<Message>,
    /// What came of the answer and was not let go.
    headers: HeaderMap,
    body: Vec<u8>,
    has_head: bool,
    ended: bool,
    /// Some of its body was held, so that Envoy has a buffer for it, be it empty.
    is_buffering: bool,
    is_let_go: bool,
    is_closed: bool,
    resumes_request: bool,
    resumes_response: bool,
}

#[derive(Debug, Default)]
struct Stream {
    context: u32,
    /// One map for all attempts.
    headers: HeaderMap,
    body: Vec<u8>,
    has_trailers: bool,
    properties: HashMap<String, Vec<u8>>,
    attempts: Vec<Attempt>,
    /// The answer on its way through the route filter.
    response_headers: HeaderMap,
    response: Vec<u8>,
    client: Message,
    reply: Option<Reply>,
    is_reset: bool,
    is_rerouted: bool,
    is_over: bool,
}

impl Stream {
    fn attempt(&mut self) -> &mut Attempt {
        self.attempts.last_mut().expect("no attempt")
    }
}

#[derive(Debug, Default)]
struct State {
    now_ms: u64,
    contexts: u32,
    /// The context that is asked and acted upon, and what happens there.
    current: u32,
    event: Option<Event>,
    streams: Vec<Stream>,
    calls: Vec<String>,
    log: Vec<String>,
    counters: BTreeMap<String, u64>,
    gauges: BTreeMap<String, u64>,
    /// Calls of the filter's own: cluster, headers and body.
    probes: Vec<(String, HeaderMap, Vec<u8>)>,
}

impl State {
    /// The stream of the current context, and whether that is an attempt's.
    fn stream(&mut self) -> (&mut Stream, bool) {
        let current = self.current;
        let found = self.streams.iter_mut().find(|stream| {
            stream.context == current || stream.attempts.iter().any(|attempt| attempt.context == current)
        });
        let stream = found.unwrap_or_else(|| panic!("no stream of context {current}"));
        let is_attempt = stream.context != current;
        (stream, is_attempt)
    }

    fn map(&mut self, map: Map) -> &mut HeaderMap {
        let (stream, is_attempt) = self.stream();
        match map {
            Map::Request => &mut stream.headers,
            Map::Response if is_attempt => &mut stream.attempt().headers,
            Map::Response => &mut stream.response_headers,
            Map::RequestTrailers | Map::Call => panic!("{map:?} is not played"),
        }
    }

    fn buffer(&mut self, buffer: Buffer) -> &mut Vec<u8> {
        let (stream, is_attempt) = self.stream();
        match buffer {
            Buffer::Request if is_attempt => &mut stream.attempt().request,
            Buffer::Request => &mut stream.body,
            Buffer::Response if is_attempt => &mut stream.attempt().body,
            Buffer::Response => &mut stream.response,
            Buffer::Call => panic!("{buffer:?} is not played"),
        }
    }

    /// Whether Envoy lets a map be changed now.
    fn may_change(&mut self, map: Map) -> bool {
        let event = self.event;
        let (stream, is_attempt) = self.stream();
        match map {
            Map::Request if is_attempt => stream.attempt().sent.is_none() && !stream.attempt().has_head,
            Map::Request => stream.attempts.is_empty(),
            Map::RequestTrailers => event == Some(Event::RequestTrailers),
            Map::Response if is_attempt => stream.attempt().has_head && !stream.attempt().is_let_go,
            Map::Response => matches!(event, Some(Event::ResponseHead { .. })),
            Map::Call => false,
        }
    }

    /// Whether Envoy lets a body be edited now: while it comes, or while some of it is held.
    fn may_edit(&mut self, buffer: Buffer) -> bool {
        let event = self.event;
        match buffer {
            Buffer::Request => matches!(event, Some(Event::RequestBody { .. } | Event::RequestTrailers)),
            Buffer::Response => {
                let (stream, is_attempt) = self.stream();
                matches!(event, Some(Event::ResponseBody { .. })) || (is_attempt && stream.attempt().is_buffering)
            }
            Buffer::Call => false,
        }
    }

    fn change(&mut self, effect: Effect) {
        match effect {
            Effect::SetHeaders(Map::RequestTrailers, headers) => assert!(headers.is_empty()),
            Effect::SetHeaders(map, headers) => {
                assert!(self.may_change(map), "{map:?} cannot be changed now ({:?})", self.event);
                let headers = headers.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
                *self.map(map) = headers.collect();
            }
            Effect::SetHeader(map, name, value) => {
                assert!(self.may_change(map), "{map:?} cannot be changed now ({:?})", self.event);
                let headers = self.map(map);
                headers.retain(|(found, _)| *found != name);
                headers.extend(value.map(|value| (name.into_owned(), value.into_bytes())));
            }
            Effect::EditBody(buffer, length, edit) => {
                assert!(self.may_edit(buffer), "{buffer:?} cannot be edited now ({:?})", self.event);
                let body = self.buffer(buffer);
                match edit {
                    Edit::Keep => panic!("an edit that changes nothing is no call"),
                    Edit::Prefix(end, bytes) => drop(body.splice(..end, bytes)),
                    Edit::Whole(bytes) => drop(body.splice(..length.min(body.len()), bytes)),
                    Edit::Append(bytes) => body.extend(bytes),
                }
            }
            Effect::SetProperty(name, value) => {
                self.stream().0.properties.insert(name.to_owned(), value.into_bytes());
            }
            Effect::ClearRouteCache => self.stream().0.is_rerouted = true,
            Effect::Reply(reply) => {
                let stream = self.stream().0;
                assert!(stream.client.headers.is_empty() && stream.reply.is_none(), "the client has its answer");
                stream.reply = Some(reply);
            }
            Effect::ResumeRequest => {
                let attempt = self.stream().0.attempt();
                assert!(attempt.sent.is_none(), "nothing to resume");
                attempt.resumes_request = true;
            }
            Effect::ResumeResponse => {
                let attempt = self.stream().0.attempt();
                assert!(attempt.has_head, "nothing to resume");
                attempt.resumes_response = true;
            }
            Effect::ResetResponse => {
                let stream = self.stream().0;
                assert!(stream.attempt().is_let_go, "only what was let go can be cut off");
                stream.is_reset = true;
            }
            Effect::Metric(update) => match update.change {
                Change::Add(by) => *self.counters.entry(update.name).or_default() += by,
                Change::Set(value) => drop(self.gauges.insert(update.name, value)),
            },
            Effect::Log(line) | Effect::Warn(line) => self.log.push(line),
        }
    }
}

/// The host of the roles.
#[derive(Default)]
struct Script {
    store: Memory,
    state: RefCell<State>,
}

impl Script {
    fn state(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }

    /// From now on this context is asked and acted upon.
    fn at(&self, context: u32, event: Option<Event>) {
        let mut state = self.state();
        (state.current, state.event) = (context, event);
    }

    /// Writes a call down.
    fn called(&self, what: String) -> RefMut<'_, State> {
        let mut state = self.state();
        state.calls.push(what);
        state
    }
}

impl StateStore for Script {
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        drop(self.called(format!("read {key}")));
        self.store.read(key)
    }

    fn write(&self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        drop(self.called(format!("write {key}")));
        self.store.write(key, value, expected)
    }
}

impl Host for Script {
    fn now_ms(&self) -> u64 {
        self.called("now".to_owned()).now_ms
    }

    fn header(&self, map: Map, name: &str) -> Option<String> {
        let mut state = self.called(format!("header {map:?} {name}"));
        let (_, value) = state.map(map).iter().find(|(found, _)| found == name)?;
        String::from_utf8(value.clone()).ok()
    }

    fn headers(&self, map: Map) -> HeaderMap {
        self.called(format!("headers {map:?}")).map(map).clone()
    }

    fn body(&self, buffer: Buffer, length: usize) -> Vec<u8> {
        let mut state = self.called(format!("body {buffer:?}"));
        let body = state.buffer(buffer);
        body[..length.min(body.len())].to_vec()
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        let path = path.join(".");
        let mut state = self.called(format!("property {path}"));
        state.stream().0.properties.get(&path).cloned()
    }

    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn enter(&self, context: u32) -> bool {
        let mut state = self.called(format!("enter {context}"));
        let mut attempts = state.streams.iter().flat_map(|stream| &stream.attempts);
        let is_there = attempts.any(|attempt| attempt.context == context && !attempt.is_closed);
        assert!(is_there, "an attempt that was closed is woken");
        (state.current, state.event) = (context, Some(Event::Timer));
        true
    }

    fn call(&self, cluster: &str, headers: &OutgoingHeaders, body: &[u8], _timeout_ms: u64) -> Option<u32> {
        let mut state = self.called(format!("call {cluster}"));
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_vec())).collect();
        state.probes.push((cluster.to_owned(), headers, body.to_vec()));
        u32::try_from(state.probes.len()).ok()
    }

    fn carry_out(&self, effect: Effect) {
        let what = match &effect {
            Effect::SetHeaders(map, _) => format!("set headers {map:?}"),
            Effect::SetHeader(map, name, Some(_)) => format!("set {map:?} {name}"),
            Effect::SetHeader(map, name, None) => format!("remove {map:?} {name}"),
            Effect::EditBody(buffer, ..) => format!("edit {buffer:?}"),
            Effect::SetProperty(name, _) => format!("set property {name}"),
            Effect::ClearRouteCache => "clear route cache".to_owned(),
            Effect::Reply(reply) => format!("reply {}", reply.status),
            Effect::ResumeRequest => "resume request".to_owned(),
            Effect::ResumeResponse => "resume response".to_owned(),
            Effect::ResetResponse => "reset response".to_owned(),
            Effect::Metric(update) => format!("metric {}", update.name),
            Effect::Log(line) => format!("log {line}"),
            Effect::Warn(line) => format!("warn {line}"),
        };
        self.called(what).change(effect);
    }
}

#[allow(clippy::large_enum_variant, reason = "as in the shell")]
enum Role {
    Route(RouteFilter),
    Attempt(AttemptFilter),
}

/// One worker of an Envoy that runs the filter.
pub struct Envoy {
    worker: RefCell<Worker>,
    setup: Rc<Setup>,
    config: String,
    naming: Naming,
    /// It does not choose the cluster again before a retry.
    pub is_old: bool,
    /// The cluster that it takes, whatever it is told.
    pub foreign: Option<String>,
    script: Script,
    roles: HashMap<u32, Role>,
    /// What Envoy's route says of requests.
    pub known: Option<Rc<Known>>,
    /// Something else happens in the worker before an attempt that Envoy makes begins.
    pub is_busy: bool,
}

impl Envoy {
    /// With this configuration (JSON).
    pub fn new(config: &str) -> Self {
        Self::named(config, Naming::default())
    }

    /// The same in an Envoy where things are named like this.
    pub fn named(config: &str, naming: Naming) -> Self {
        let script = Script::default();
        script.state().now_ms = START_MS;
        script.state().contexts = ROOT;
        let worker = RefCell::new(Worker::new(1, RandomState::new()));
        let setup = filter::configure(&worker, config, naming.clone(), &script).unwrap();
        Self {
            worker,
            setup,
            config: config.to_owned(),
            naming,
            is_old: false,
            foreign: None,
            script,
            roles: HashMap::new(),
            known: None,
            is_busy: false,
        }
    }

    /// The VM dies, and a fresh one takes its place. Envoy's own streams stay.
    pub fn trap(&mut self) {
        self.roles.clear();
        self.worker = RefCell::new(Worker::new(2, RandomState::new()));
        self.setup = filter::configure(&self.worker, &self.config, self.naming.clone(), &self.script).unwrap();
    }

    fn state(&self) -> RefMut<'_, State> {
        self.script.state()
    }

    fn stream(&self, number: usize) -> RefMut<'_, Stream> {
        RefMut::map(self.state(), |state| &mut state.streams[number])
    }

    fn attempt(&self, number: usize) -> RefMut<'_, Attempt> {
        RefMut::map(self.stream(number), Stream::attempt)
    }

    fn context(&self) -> u32 {
        let mut state = self.state();
        state.contexts += 1;
        state.contexts
    }

    /// An event for a context. What the VM of before knew of is lost on the one of now.
    fn fire(&mut self, context: u32, event: Event) -> Flow {
        self.script.at(context, Some(event));
        let Some(role) = self.roles.get_mut(&context) else { return Flow::Continue };
        let effects = match role {
            Role::Route(route) => route.on(event, &mut self.worker.borrow_mut(), &self.script),
            Role::Attempt(attempt) => attempt.on(event, &mut self.worker.borrow_mut(), &self.script),
        };
        let flow = effects.carry_out(&self.script);
        self.state().event = None;
        flow
    }

    fn close(&mut self, context: u32) {
        self.fire(context, Event::Closed);
        self.roles.remove(&context);
    }

    // --- A client

    /// A client asks for chat, all at once. Returns the number of its stream.
    pub fn chat(&mut self, body: &str) -> usize {
        let length = body.len().to_string();
        let mut headers =
            vec![(":method", "POST"), (":path", "/v1/chat/completions"), ("content-type", "application/json")];
        if self.known.is_some() {
            headers.push(("content-length", &length));
        }
        self.ask(&headers, &[body.as_bytes()], false)
    }

    /// A client asks, with a body that comes in pieces.
    pub fn ask(&mut self, headers: &[(&str, &str)], pieces: &[&[u8]], has_trailers: bool) -> usize {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let context = self.context();
        let number = self.state().streams.len();
        self.state().streams.push(Stream { context, headers, has_trailers, ..Stream::default() });
        let route = RouteFilter::new(Rc::clone(&self.setup), self.known.clone());
        self.roles.insert(context, Role::Route(route));
        let mut flow = self.fire(context, Event::RequestHead { ends: pieces.is_empty() });
        for (at, piece) in pieces.iter().enumerate() {
            if self.replied(number) {
                return number;
            }
            assert_eq!(flow, Flow::Pause, "nothing goes on before it is planned");
            self.stream(number).body.extend_from_slice(piece);
            let length = self.stream(number).body.len();
            let ends = at + 1 == pieces.len() && !has_trailers;
            flow = self.fire(context, Event::RequestBody { length, ends });
        }
        if has_trailers && !self.replied(number) {
            flow = self.fire(context, Event::RequestTrailers);
        }
        if !self.replied(number) {
            assert_eq!(flow, Flow::Continue);
            let is_there = self.stream(number).is_rerouted || self.known.is_some();
            assert!(is_there, "the route was chosen before there was a plan");
            self.begin(number);
        }
        number
    }

    /// What the client has of its answer.
    pub fn client(&self, number: usize) -> Message {
        self.stream(number).client.clone()
    }

    /// The client goes away.
    pub fn leave(&mut self, number: usize) {
        self.stream(number)
            .properties
            .insert("response.code_details".to_owned(), b"downstream_remote_disconnect".into());
        self.finish(number);
    }

    /// A reply of the filter's own goes to the client, if there is one.
    fn replied(&mut self, number: usize) -> bool {
        let Some(reply) = self.stream(number).reply.take() else { return false };
        let headers = reply.all_headers().into_iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
        let headers = headers.collect();
        self.answer_client(number, headers, reply.body);
        true
    }

    /// An answer that no provider gave goes through the route filter to the client.
    fn answer_client(&mut self, number: usize, headers: HeaderMap, body: Vec<u8>) {
        self.let_head_go(number, headers, body.is_empty());
        if !self.stream(number).is_over {
            self.let_body_go(number, body, true);
            self.finish(number);
        }
    }

    fn let_head_go(&mut self, number: usize, headers: HeaderMap, ends: bool) {
        self.stream(number).response_headers = headers;
        let context = self.stream(number).context;
        let flow = self.fire(context, Event::ResponseHead { ends });
        if self.replied(number) {
            return;
        }
        assert_eq!(flow, Flow::Continue);
        let headers = self.stream(number).response_headers.clone();
        self.stream(number).client.headers = headers;
    }

    fn let_body_go(&mut self, number: usize, body: Vec<u8>, ends: bool) {
        let (length, context) = (body.len(), self.stream(number).context);
        self.stream(number).response = body;
        if length > 0 {
            assert_eq!(self.fire(context, Event::ResponseBody { length, ends }), Flow::Continue);
        }
        let mut stream = self.stream(number);
        let body = std::mem::take(&mut stream.response);
        stream.client.body.extend(body);
        stream.client.ended = ends;
    }

    /// The stream is over: its contexts go.
    fn finish(&mut self, number: usize) {
        let context = self.stream(number).context;
        // In any order: the roles may not depend on it.
        if number.is_multiple_of(2) {
            self.close_attempt(number);
            self.close(context);
        } else {
            self.close(context);
            self.close_attempt(number);
        }
        self.stream(number).is_over = true;
    }

    fn close_attempt(&mut self, number: usize) {
        if self.stream(number).attempts.last().is_none_or(|attempt| attempt.is_closed) {
            return;
        }
        let context = self.attempt(number).context;
        self.close(context);
        self.attempt(number).is_closed = true;
    }

    // --- Attempts

    /// The clusters that were asked, in order.
    pub fn clusters(&self, number: usize) -> Vec<String> {
        self.stream(number).attempts.iter().map(|attempt| attempt.cluster.clone()).collect()
    }

    /// What the attempt that runs, or ran last, sent to its provider; `None`: it is held back.
    pub fn sent(&self, number: usize) -> Option<Message> {
        self.attempt(number).sent.clone()
    }

    /// Envoy makes an attempt, at the cluster in filter state.
    fn begin(&mut self, number: usize) {
        let is_rerouted = self.stream(number).is_rerouted || !self.stream(number).attempts.is_empty();
        let selected = self.stream(number).properties.get("signalbox.cluster").filter(|_| is_rerouted).cloned();
        let next = selected.map(|next| String::from_utf8(next).unwrap());
        let next = next.or(self.known.as_ref().map(|known| known.cluster.to_string())).unwrap_or_default();
        let first = self.stream(number).attempts.first().map(|attempt| attempt.cluster.clone());
        let cluster = first.filter(|_| self.is_old).unwrap_or_else(|| next.split('/').next().unwrap().to_owned());
        let is_known = cluster == RELAY || self.setup.deployments.iter().any(|deployment| deployment.id == cluster);
        if !is_known {
            return self.says(number, 503, "no_healthy_upstream", "no healthy upstream");
        }
        let context = self.context();
        let request = self.stream(number).body.clone();
        let attempt = Attempt { context, cluster: cluster.clone(), request, ..Attempt::default() };
        self.stream(number).attempts.push(attempt);
        // With a prefix, one filter serves all clusters.
        let prefix = self.naming.clusters.as_str();
        let is_own = prefix.is_empty();
        let whereabouts =
            if is_own { Whereabouts::In(cluster.as_str().into()) } else { Whereabouts::Among(prefix.into()) };
        let name = self.foreign.clone().unwrap_or_else(|| format!("{prefix}{cluster}")).into_bytes();
        self.stream(number).properties.insert("xds.cluster_name".to_owned(), name);
        self.roles.insert(context, Role::Attempt(AttemptFilter::new(context, whereabouts)));
        if self.is_busy {
            self.script.at(ROOT, None);
            filter::on_tick(&self.worker, &self.script);
        }
        self.fire(context, Event::RequestHead { ends: false });
        if self.replied(number) {
            return;
        }
        let has_trailers = self.stream(number).has_trailers;
        let length = self.attempt(number).request.len();
        let mut flow = self.fire(context, Event::RequestBody { length, ends: !has_trailers });
        if has_trailers && !self.replied(number) {
            flow = self.fire(context, Event::RequestTrailers);
        }
        if !self.replied(number) && flow == Flow::Continue {
            self.send(number);
        }
    }

    fn send(&mut self, number: usize) {
        self.pass_cluster(number);
        let headers = self.stream(number).headers.clone();
        let body = self.attempt(number).request.clone();
        let sent = Message { headers, body, ended: true, is_cut: false };
        assert_eq!(sent.header("content-length"), Some(sent.body.len().to_string()), "the provider would wait");
        self.attempt(number).sent = Some(sent);
    }

    /// The filter of the cluster behind ours, as it is generated: of the client's headers those go on that are for a provider.
    fn pass_cluster(&mut self, number: usize) {
        if self.attempt(number).cluster == RELAY {
            return;
        }
        let headers = &mut self.stream(number).headers;
        headers.retain(|(name, _)| {
            name.starts_with(':')
                || matches!(name.as_str(), "content-length" | "content-type" | "user-agent" | "accept")
        });
        if headers.iter().all(|(name, _)| name != "content-type") {
            headers.push(("content-type".to_owned(), b"application/json".to_vec()));
        }
    }

    fn retry(&mut self, number: usize) {
        self.close_attempt(number);
        if self.stream(number).attempts.len() > MAX_RETRIES {
            return self.says(number, 503, "upstream_reset_before_response_started", "upstream connect error");
        }
        self.begin(number);
    }

    /// Whether the attempt that ran last still does, so that its provider can say anything.
    pub fn runs(&self, number: usize) -> bool {
        let stream = self.stream(number);
        !stream.is_over && stream.attempts.last().is_some_and(|attempt| !attempt.is_closed)
    }

    /// Whether the head of its answer came.
    pub fn has_head(&self, number: usize) -> bool {
        self.attempt(number).has_head
    }

    // --- A provider

    /// A provider's whole answer.
    pub fn answer(&mut self, number: usize, status: u16, body: &[u8]) {
        self.head(number, status, &[], false);
        self.body(number, body, true);
    }

    /// The head of its answer.
    pub fn head(&mut self, number: usize, status: u16, headers: &[(&str, &str)], ends: bool) {
        assert!(self.attempt(number).sent.is_some(), "nobody asked");
        let status = status.to_string();
        let headers = [(":status", status.as_str()), ("server", "provider")].into_iter().chain(headers.iter().copied());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
        let context = {
            let mut attempt = self.attempt(number);
            (attempt.headers, attempt.has_head, attempt.ended) = (headers, true, ends);
            attempt.context
        };
        let flow = self.fire(context, Event::ResponseHead { ends });
        self.follow(number, flow);
    }

    /// More of its body. What comes after an attempt is over is nobody's.
    pub fn body(&mut self, number: usize, bytes: &[u8], ends: bool) {
        if !self.runs(number) {
            return;
        }
        let (context, length) = {
            let mut attempt = self.attempt(number);
            attempt.body.extend_from_slice(bytes);
            attempt.ended = ends;
            (attempt.context, attempt.body.len())
        };
        let flow = self.fire(context, Event::ResponseBody { length, ends });
        let flow = {
            let mut attempt = self.attempt(number);
            let was_buffering = std::mem::replace(&mut attempt.is_buffering, flow == Flow::Pause);
            let resumes = std::mem::take(&mut attempt.resumes_response);
            assert!(!resumes || was_buffering, "what was not held before waits for what comes next");
            if resumes { Flow::Continue } else { flow }
        };
        self.follow(number, flow);
    }

    /// Trailers end its answer.
    pub fn trailers(&mut self, number: usize) {
        let context = self.attempt(number).context;
        self.attempt(number).ended = true;
        let flow = self.fire(context, Event::ResponseTrailers);
        self.follow(number, flow);
    }

    /// The connection is lost, or never was.
    pub fn reset(&mut self, number: usize, lost: Lost) {
        if self.attempt(number).is_let_go {
            let details = b"upstream_reset_after_response_started{connection_termination}".into();
            self.stream(number).properties.insert("response.code_details".to_owned(), details);
            self.stream(number).client.is_cut = true;
            return self.finish(number);
        }
        let (reason, address, ready_ns): (&[u8], &[u8], u64) = match lost {
            Lost::Connection => (b"", b"127.0.0.1:1", 900_000),
            Lost::Stale => (b"", b"127.0.0.1:1", 10_000),
            Lost::Doubtful => (b"", b"127.0.0.1:1", 70_000),
            Lost::Refused => (b"delayed connect error: Connection refused", b"", 0),
        };
        let properties = [
            ("upstream.transport_failure_reason", reason.to_vec()),
            ("upstream.local_address", address.to_vec()),
            ("upstream.cx_pool_ready_duration", ready_ns.to_le_bytes().to_vec()),
            ("upstream.num_endpoints", 2_u64.to_le_bytes().to_vec()),
        ];
        let properties = properties.map(|(name, value)| (name.to_owned(), value));
        self.stream(number).properties.extend(properties);
        self.retry(number);
    }

    /// Envoy answers by itself, in plain text.
    pub fn says(&mut self, number: usize, status: u16, details: &str, text: &str) {
        self.close_attempt(number);
        self.stream(number).properties.insert("response.code_details".to_owned(), details.into());
        let headers = vec![(":status".to_owned(), status.to_string().into_bytes())];
        self.answer_client(number, headers, text.as_bytes().to_vec());
    }

    /// What an event of an attempt's answer led to.
    fn follow(&mut self, number: usize, flow: Flow) {
        if self.replied(number) {
            return;
        }
        if std::mem::take(&mut self.stream(number).is_reset) {
            self.stream(number).client.is_cut = true;
            return self.finish(number);
        }
        if flow == Flow::Pause {
            return;
        }
        let (is_let_go, headers, ended) = {
            let attempt = self.attempt(number);
            (attempt.is_let_go, attempt.headers.clone(), attempt.ended)
        };
        if !is_let_go {
            if headers.iter().any(|(name, value)| name == filter::RETRY_HEADER.0 && value == b"now") {
                return self.retry(number);
            }
            self.attempt(number).is_let_go = true;
            let ends = ended && self.attempt(number).body.is_empty();
            self.let_head_go(number, headers, ends);
        }
        let body = std::mem::take(&mut self.attempt(number).body);
        self.let_body_go(number, body, ended);
        if ended {
            self.finish(number);
        }
    }

    // --- Time

    /// So much time passes, tick by tick.
    pub fn wait(&mut self, ms: u64) {
        for _ in 0..ms / TICK_MS {
            self.state().now_ms += TICK_MS;
            self.script.at(ROOT, None);
            filter::on_tick(&self.worker, &self.script);
            let streams = self.state().streams.len();
            for number in 0..streams {
                self.woken(number);
            }
        }
    }

    fn woken(&mut self, number: usize) {
        if self.replied(number) || !self.runs(number) {
            return;
        }
        let (request, response) = {
            let mut attempt = self.attempt(number);
            (std::mem::take(&mut attempt.resumes_request), std::mem::take(&mut attempt.resumes_response))
        };
        if request {
            self.send(number);
        }
        self.follow(number, if response { Flow::Continue } else { Flow::Pause });
    }

    // --- What was done

    /// The host calls since the last time, in order.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    /// What was logged.
    pub fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// How attempts ended, as Envoy's statistics are told: a count for each outcome.
    pub fn outcomes(&mut self) -> BTreeMap<String, u64> {
        self.wait(3 * TICK_MS);
        let mut outcomes = BTreeMap::new();
        for (name, count) in &self.state().counters {
            if let Some(rest) = name.strip_prefix("signalbox.attempts.outcome.") {
                *outcomes.entry(rest.split('.').next().unwrap().to_owned()).or_default() += count;
            }
        }
        outcomes
    }

    /// When all is over: each attempt had one result, and nothing is kept for anybody.
    #[track_caller]
    pub fn assert_even(&mut self) {
        let outcomes = self.outcomes();
        let state = self.state();
        let attempts = state.streams.iter().map(|stream| stream.attempts.len() as u64).sum::<u64>();
        assert_eq!(outcomes.values().sum::<u64>(), attempts, "one result an attempt: {outcomes:?}");
        drop(state);
        self.assert_nothing_is_kept();
    }

    /// Nothing is kept for anybody.
    #[track_caller]
    pub fn assert_nothing_is_kept(&mut self) {
        self.wait(3 * TICK_MS);
        let state = self.state();
        let loads = state.gauges.iter().filter(|(name, _)| name.contains("in_flight") || name.contains("buffered"));
        let loads: Vec<_> = loads.collect();
        assert!(!loads.is_empty() && loads.iter().all(|(_, load)| **load == 0), "{loads:?}");
    }
}
