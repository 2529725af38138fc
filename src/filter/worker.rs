//! One worker: its configuration, its ledger, and the flights on their way. The shell has one of these and carries data to and fro.
//!
//! **Invariant:** every attempt that began holds one reservation, which is given back once: when it ends, or when its flight lands.

use std::cell::RefCell;
use std::hash::RandomState;
use std::rc::Rc;

use super::Setup;
use super::exchange::{AttemptResult, Flight, Flights, Refused, Report, SharedFlight};
use super::host::{self, Buffer, Effect, Effects, Event, Host, Map};
use super::http::{Api, ErrorReply, HeaderMap, Reply, invalid};
use super::kept::Kept;
use super::metrics::{Decisions, Gauges, MetricUpdate};
use super::news::{Accounts, rests};
use super::probe::{Probe, Probes};
use super::route::{self, Admission, ClientKeys, HttpHead, PlanClaims, PlanContext, Variables};
use super::seat::Asker;
use super::timers::Timers;
use crate::config::compile;
use crate::config::model::{DeploymentIndex, Naming, RouterConfig};
use crate::failure::limits;
use crate::routing::estimate::Prompt;
use crate::routing::exclusion_of;
use crate::routing::model_router::Decision;
use crate::routing::strategy::Random;
use crate::state::{AttemptRecord, Counters, Ledger, Measure, Outcome, StateStore, Sum, accounts, to_json};

/// A request whose body has come.
pub struct Asked<'a> {
    /// What is asked.
    pub api: Api,
    /// The body.
    pub body: Vec<u8>,
    /// Reads a header of the request; empty where there is none. Each costs a call, so it is asked only for what a decision depends on.
    pub header: &'a dyn Fn(&str) -> String,
    /// Its client, where clients are known.
    pub client: Option<&'a Asker>,
}

/// What one worker's VM keeps in memory.
pub struct Worker {
    pub(super) setup: Option<Rc<Setup>>,
    /// The keys of its clients.
    pub(super) keys: ClientKeys,
    /// What the configuration was read from.
    source: String,
    flights: Flights,
    pub(super) departing: Option<SharedFlight>,
    pub(super) kept: Kept,
    pub(super) coming: Kept,
    buffered: Sum,
    pub(super) ledger: Ledger,
    pub(super) counters: Counters,
    decisions: Decisions,
    gauges: Gauges,
    /// When a provider's word on its limits was last read, by deployment.
    limits_read_ms: Vec<u64>,
    /// What the log heard of accounts.
    accounts: Accounts,
    /// What deployments refuse of what the gateway adds to requests.
    refused: Rc<Refused>,
    pub(super) probes: Probes,
    pub(super) now_ms: u64,
    pub(super) timers: Timers,
    random: Random,
}

impl Worker {
    /// A worker without a configuration. `chance` must be another number for each VM; `secret` is drawn anew for each as well, and names
    /// its flights.
    #[must_use]
    pub fn new(chance: u64, secret: RandomState) -> Self {
        let mut random = Random::new(chance);
        Self {
            setup: None,
            keys: ClientKeys::default(),
            source: String::new(),
            flights: Flights::new(secret),
            departing: None,
            kept: Kept::default(),
            coming: Kept::default(),
            buffered: Sum::new("buffered", random.next()),
            ledger: Ledger::new(random.next()),
            counters: Counters::default(),
            decisions: Decisions::default(),
            gauges: Gauges::default(),
            limits_read_ms: Vec::new(),
            accounts: Accounts::default(),
            refused: Rc::default(),
            probes: Probes::default(),
            now_ms: 0,
            timers: Timers::default(),
            random,
        }
    }

    /// Takes a configuration over. Flights on their way keep the one they were planned with, and so do connections that are open: they
    /// stay with the listener they came by, whose route knows the clusters of its own configuration alone.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn configure(&mut self, json: &str, store: &dyn StateStore, now_ms: u64) -> Result<Rc<Setup>, String> {
        self.configure_as(json, Naming::default(), store, &|_| None, now_ms)
    }

    /// The same in an Envoy where things are named like this, and which has these variables in its environment.
    fn configure_as(
        &mut self,
        json: &str,
        naming: Naming,
        store: &dyn StateStore,
        variables: Variables<'_>,
        now_ms: u64,
    ) -> Result<Rc<Setup>, String> {
        // A listener has the filter twice, with one configuration.
        if let Some(setup) = self.setup.as_ref().filter(|setup| self.source == json && setup.signalbox.naming == naming)
        {
            return Ok(Rc::clone(setup));
        }
        let mut config = compile::compile_json(json)?;
        config.signalbox.naming = naming;
        let keys = ClientKeys::of(&config, variables, &self.keys)?;
        let setup = Rc::new(Setup::new(config)?);
        self.keys = keys;
        json.clone_into(&mut self.source);
        let config = &setup.config;
        self.now_ms = now_ms;
        self.ledger.configure(accounts(config), store, now_ms);
        self.limits_read_ms = vec![0; config.deployments.len()];
        self.accounts = Accounts::of(config.deployments.len());
        self.refused = Rc::default();
        if let Some(former) = self.setup.replace(Rc::clone(&setup)) {
            self.gauges.leave(&former, &mut self.counters, config);
            self.decisions.leave(&former);
        }
        Ok(setup)
    }

    /// Time goes on, and other workers may have learnt something. Requests then need to ask the host for neither.
    pub fn tick(&mut self, store: &dyn StateStore, now_ms: u64) {
        self.now_ms = now_ms;
        self.forget_probes(store);
        self.ledger.sync(store, now_ms);
        self.gauges.buffered(self.buffered.tell(store, self.kept.total_kib(), now_ms));
    }

    /// Any number.
    pub(super) fn chance(&self) -> u64 {
        self.random.clone().next()
    }

    /// Now, Unix milliseconds, up to a tick ago.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Admits a request by its head.
    #[must_use]
    pub fn admit(&self, setup: &Setup, head: HttpHead<'_>) -> Admission {
        let asks_for_state = setup.signalbox.state_path.as_deref() == Some(head.path) && head.method == "GET";
        if !asks_for_state {
            return route::admit(setup, head);
        }
        if head.client.is_some_and(|client| !client.is_master()) {
            let message = "Only the master key shows the gateway's state.".to_owned();
            return Admission::Refuse(invalid(403, "master_key_needed", None, message).into(), head.by);
        }
        let ids: Vec<&str> = setup.deployments.iter().map(|deployment| deployment.id.as_str()).collect();
        let views = self.ledger.snapshot(self.places(&setup.config).as_deref());
        let mut state = to_json(&views, &ids, self.now_ms);
        if let (Some(clients), Some(state)) = (self.clients_now(), state.as_object_mut()) {
            state.insert("clients".to_owned(), clients);
        }
        Admission::Reply(Reply::json(&state))
    }

    /// Reads a body, plans its flight and keeps it.
    ///
    /// # Errors
    /// The refusal.
    pub fn depart(
        &mut self,
        store: &dyn StateStore,
        setup: &Setup,
        asked: Asked<'_>,
    ) -> Result<SharedFlight, ErrorReply> {
        let Asked { api, body, header, client } = asked;
        let said = |name: Option<&str>| name.map(header).unwrap_or_default();
        let tags = said(setup.router.tag_filtering.then_some("x-litellm-tags"));
        let tenant = said(setup.signalbox.affinity.as_ref().and_then(|affinity| affinity.tenant_header.as_deref()));
        let tokens = if self.ledger.has_limits() { Prompt::of(&body).estimate().probable } else { 0 };
        let seat = client.map(|asker| self.seat(store, asker, tokens)).transpose()?;
        let seed = self.random.next();
        let places = self.places(&setup.config);
        let claims = PlanClaims::new(&mut self.ledger, places, store, tokens, self.now_ms);
        let claim = |deployment| claims.claim(deployment);
        let context = PlanContext {
            now_ms: self.now_ms,
            seed,
            views: &claims.views(),
            claim: &claim,
            tags: &tags,
            tenant: &tenant,
            prompt_tokens: tokens,
            header,
            client: client.and_then(Asker::client),
            secret: self.keys.first(),
        };
        let planned = match api {
            Api::Kept => route::decide_kept(setup, body, &context),
            _ => route::decide(setup, api, body, &context),
        };
        // A mock failure may lead elsewhere than the place that was taken is, and so may a dialect that cannot say the request.
        let is_for_first = |of| planned.as_ref().is_ok_and(|flight| flight.begins_with(of));
        let reservation = claims.reservation().and_then(|(of, reservation)| {
            if is_for_first(of) {
                return Some(reservation);
            }
            self.ledger.cancel(store, reservation, self.now_ms);
            None
        });
        let mut flight = match planned {
            Ok(flight) => flight,
            Err(refusal) => {
                seat.zip(client).into_iter().for_each(|(seat, asker)| self.leave(store, seat, asker));
                return Err(refusal);
            }
        };
        flight.seat = seat;
        flight.depart(reservation, &self.refused);
        flight.keep_body(&self.kept);
        self.count(&flight);
        Ok(self.flights.depart(flight))
    }

    /// Leads a flight past those that have filled up or begun to cool since it was planned. Where the last attempt is over, its place at
    /// the next deployment is taken at once, so that no limit is exceeded by requests that fail together. (Where it may still be served,
    /// what follows is only a precaution against a reset, and counted when it begins.)
    pub fn lead_past_limits(&mut self, store: &dyn StateStore, flight: &mut Flight) {
        while let Some((group, deployment, is_last_resort)) = flight.next_deployment() {
            let Some(index) = self.index(flight, deployment) else { return };
            let view = self.ledger.views().get(index).copied().unwrap_or_default();
            let why = exclusion_of(&flight.config, group, deployment, &view, self.now_ms);
            if let Some(rests) = why.filter(|why| why.is_soft() && !is_last_resort) {
                if flight.pass_over(rests.until_ms().unwrap_or_default()) {
                    continue;
                }
                return;
            }
            let mut full = why.is_some_and(|why| !why.is_soft());
            if !full && flight.wants_reservation() {
                match self.ledger.reserve(store, index, flight.prompt_tokens, self.now_ms) {
                    Ok(reservation) => flight.reserve(reservation),
                    Err(_) => full = true,
                }
            }
            if !full || !flight.rule_out() {
                return;
            }
        }
    }

    /// Counts what a router chose, by its place in the configuration in force.
    fn count(&mut self, flight: &Flight) {
        let (Some(decision), Some(setup)) = (flight.decision, &self.setup) else { return };
        let name = flight.config.routers.get(decision.router).map_or("", |router| &router.name);
        let here = |index: usize| setup.routers.get(index).is_some_and(|router| router.name == name);
        let router = if here(decision.router) { Some(decision.router) } else { setup.router_named(name) };
        if let Some(router) = router {
            self.decisions.add(&Decision { router, ..decision });
        }
    }

    /// The flight of an id.
    #[must_use]
    pub fn flight(&self, id: u64) -> Option<SharedFlight> {
        self.flights.get(id)
    }

    /// The flight of an attempt that begins, by its filter state. `None`: it is not known here, or it is another request's.
    #[must_use]
    pub fn flight_of_attempt(&self, id: u64) -> Option<SharedFlight> {
        self.flights.of_attempt(id)
    }

    /// The flight whose plan was the last thing that happened here. Envoy makes its first attempt at once, in the same turn: so if the
    /// beginning of an attempt is the very next event, it is that one. Each event takes this away.
    pub(super) const fn take_departing(&mut self) -> Option<SharedFlight> {
        self.departing.take()
    }

    /// Ends a flight whose last ending was recorded: it is known no more, and nothing stays reserved for it.
    pub fn land(&mut self, store: &dyn StateStore, id: u64) {
        let Some(flight) = self.flights.land(id) else { return };
        let Ok(mut flight) = flight.try_borrow_mut() else { return };
        if let Some(reservation) = flight.take_reserved() {
            self.ledger.cancel(store, reservation, self.now_ms);
        }
        flight.seat.take().into_iter().for_each(|seat| self.pay(store, seat));
    }

    /// Records in the ledger what happened in a flight. `exact_ms` is asked for the time where a failure is recorded. Returns what is to be
    /// logged of a deployment that began to cool (which, for how long, and why), that has an account at fault, or that refuses what the
    /// gateway added.
    pub fn record(
        &mut self,
        store: &dyn StateStore,
        flight: &RefCell<Flight>,
        exact_ms: &dyn Fn() -> u64,
    ) -> Vec<Effect> {
        let mut news = Vec::new();
        let Ok(mut flight) = flight.try_borrow_mut() else { return news };
        for event in flight.take_reports() {
            match event {
                Report::Refused { id, member } => {
                    let is_news = Refused::add(&mut self.refused, &id, &member);
                    let told = || format!("{id} refuses `{member}`, which the gateway added: it is sent no more");
                    news.extend(is_news.then(told).map(Effect::Log));
                }
                Report::Ended(mut ending) => {
                    let index = self.index(&flight, ending.deployment);
                    // It may have ended before its beginning was recorded.
                    let begin = || Some(self.ledger.begin(store, index?, flight.prompt_tokens, self.now_ms));
                    let Some(reservation) = ending.reservation.take().or_else(begin) else { continue };
                    let failure = if let Outcome::Failed(failure) = &ending.outcome { Some(failure) } else { None };
                    let now_ms = if failure.is_some() { exact_ms() } else { self.now_ms };
                    let cools = self.ledger.end(store, reservation, &ended(&ending), now_ms);
                    if let Some(seat) = &mut flight.seat {
                        seat.hear(&ending);
                    }
                    let Some(index) = index else { continue };
                    ending.count(&mut self.counters, index);
                    let told = flight.config.deployments.get(ending.deployment).zip(failure);
                    if cools {
                        self.counters.add(index, Measure::Cooldowns, 1);
                        let rest = told.zip(self.ledger.views().get(index).map(|view| view.health));
                        news.extend(rest.map(|((it, why), health)| rests(&it.id, why, health, now_ms)));
                    }
                    news.extend(told.and_then(|(it, why)| self.accounts.hear(index, &it.id, why, now_ms)));
                }
            }
        }
        // A flight may outlive its configuration.
        if let Some(index) = flight.unreserved().and_then(|deployment| self.index(&flight, deployment)) {
            let reservation = self.ledger.begin(store, index, flight.prompt_tokens, self.now_ms);
            flight.hold(reservation);
        }
        news
    }

    /// The same for an event of the host: what is to be logged becomes an effect.
    pub(super) fn report(&mut self, host: &dyn Host, flight: &RefCell<Flight>, effects: &mut Effects) {
        let news = self.record(host, flight, &|| host.now_ms());
        effects.list.extend(news);
    }

    /// Where an older configuration's deployments stand in the one in force; `None`: it is the one in force.
    fn places(&self, config: &Rc<RouterConfig>) -> Option<Vec<Option<DeploymentIndex>>> {
        if self.setup.as_ref().is_some_and(|current| Rc::ptr_eq(&current.config, config)) {
            return None;
        }
        Some(config.deployments.iter().map(|deployment| self.ledger.index_of(&deployment.id)).collect())
    }

    /// The index of a flight's deployment in the configuration in force.
    fn index(&self, flight: &Flight, deployment: DeploymentIndex) -> Option<DeploymentIndex> {
        if self.setup.as_ref().is_some_and(|setup| Rc::ptr_eq(&setup.config, &flight.config)) {
            return Some(deployment);
        }
        self.ledger.index_of(&flight.config.deployments.get(deployment)?.id)
    }

    /// Hears what a provider says of its limits in an answer's headers: once a tick for each deployment, since reading them costs a call.
    pub fn apply_rate_limits(
        &mut self,
        store: &dyn StateStore,
        flight: &RefCell<Flight>,
        headers: &dyn Fn() -> HeaderMap,
    ) {
        let Ok(flight) = flight.try_borrow() else { return };
        let Some((deployment, reservation)) = flight.open_reservation() else { return };
        let index = self.index(&flight, deployment);
        let Some(read_ms) = index.and_then(|index| self.limits_read_ms.get_mut(index)) else { return };
        if std::mem::replace(read_ms, self.now_ms) != self.now_ms {
            let headers = headers();
            let limits =
                limits::read(headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())), self.now_ms);
            self.ledger.apply_rate_limits(store, reservation, &limits, self.now_ms);
        }
    }

    /// What Envoy's statistics are to be told since the last call.
    pub fn statistics(&mut self) -> Vec<MetricUpdate> {
        let Some(setup) = &self.setup else { return Vec::new() };
        let mut told = self.gauges.drain(setup, &mut self.counters, self.ledger.views());
        told.append(&mut self.decisions.drain(setup));
        told
    }
}

/// The root context is given a configuration for its listener. Returns what its requests are planned with.
///
/// # Errors
/// What is wrong with it.
pub fn configure(worker: &RefCell<Worker>, json: &str, naming: Naming, host: &dyn Host) -> Result<Rc<Setup>, String> {
    let busy = || "the worker is at work".to_owned();
    with(worker, |worker| worker.configure_as(json, naming, host, &|name| host.variable(name), host.now_ms()))
        .ok_or_else(busy)?
}

/// Does something with a worker. `None` while something else does, which no event of the host leads to.
fn with<T>(worker: &RefCell<Worker>, work: impl FnOnce(&mut Worker) -> T) -> Option<T> {
    worker.try_borrow_mut().ok().map(|mut worker| work(&mut worker))
}

/// Ticks that follow more closely are one, in milliseconds.
const HALF_TICK_MS: u64 = 25;

/// A tick of the root context: what others learnt is read, what was counted is written, attempts whose time has come are woken, and cooling
/// deployments are asked.
pub fn on_tick(worker: &RefCell<Worker>, host: &dyn Host) {
    let now_ms = host.now_ms();
    // Each context of the route role has a tick of its own: whichever Envoy makes first, after a trap, must have one.
    let is_due = with(worker, |worker| {
        worker.take_departing();
        now_ms.abs_diff(worker.now_ms()) >= HALF_TICK_MS
    });
    if is_due != Some(true) {
        return;
    }
    let updates = with(worker, |worker| {
        worker.tick(host, now_ms);
        worker.statistics()
    });
    updates.into_iter().flatten().for_each(|update| host.carry_out(Effect::Metric(update)));
    let due = with(worker, |worker| worker.timers.due(now_ms));
    for (context, attempt) in due.into_iter().flatten() {
        if host.enter(context) {
            let effects = with(worker, |worker| attempt.on(Event::Timer, worker, host));
            effects.map(|effects| effects.carry_out(host));
        }
    }
    let probes = with(worker, |worker| worker.probes(host)).unwrap_or_default();
    for Probe { deployment, cluster, headers, body, timeout_ms } in probes {
        if let Some(call) = host.call(&cluster, &headers, &body, timeout_ms) {
            with(worker, |worker| worker.probing(host, call, deployment));
        }
    }
    for (place, cluster) in with(worker, |worker| worker.keys.due(now_ms)).unwrap_or_default() {
        let call = host.call(&cluster, &ClientKeys::question(), &[], route::KEY_TIMEOUT_MS);
        with(worker, |worker| worker.keys.asked(place, call));
    }
}

/// The answer to a call of our own came, with so much of a body, or its time was over.
pub fn on_call_answered(worker: &RefCell<Worker>, call: u32, length: usize, host: &dyn Host) {
    let headers = host.headers(Map::Call);
    let status = host::status(host, Map::Call);
    let body = host::body(host, Buffer::Call, length);
    with(worker, |worker| {
        worker.take_departing();
        if worker.keys.heard(call, status, &headers) {
            return;
        }
        worker.probed(host, call, status.map(|status| (status, headers, body)), host.now_ms());
    });
}

fn ended(ending: &AttemptResult) -> AttemptRecord {
    let served = ending.outcome == Outcome::Served;
    #[allow(clippy::cast_precision_loss, reason = "times and tokens are far below 2^24 of their units that matter")]
    let seconds = |ms: u64| ms as f32 / 1000.0;
    let tokens = ending.usage.map(|usage| usage.completion_tokens).filter(|tokens| *tokens > 0);
    #[allow(clippy::cast_precision_loss)]
    let latency = seconds(ending.took_ms) / tokens.map_or(1.0, |tokens| tokens as f32);
    AttemptRecord {
        outcome: ending.outcome.clone(),
        tokens: ending.usage.map(|usage| usage.prompt_tokens.saturating_add(usage.completion_tokens)),
        cost_nanos: ending.cost.map_or(0, crate::catalogue::Usd::nanos),
        latency: served.then_some(latency),
        first_token: ending.first_token_ms.filter(|_| served).map(seconds),
    }
}
