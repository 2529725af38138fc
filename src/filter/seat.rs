//! What a request takes of its client's limits, from its plan to its end, and what it costs the client.
//!
//! A client has an account in the ledger as a deployment has, so its limits and budget are as exact: counted before a request is sent,
//! across workers. A request takes one seat however many attempts it needs, and pays for all of them.
//!
//! **Invariant:** a seat that was taken is given back once: where the plan fails, or when the flight lands.

use std::rc::Rc;

use serde_json::Value;

use super::exchange::AttemptResult;
use super::http::{ErrorReply, limited};
use super::route::{HttpHead, Properties, identify, not_ready};
use super::{Setup, Worker};
use crate::catalogue::Usd;
use crate::config::model::Client;
use crate::state::{AttemptRecord, Measure, Outcome, Reservation, StateStore, to_json};

/// The client that a request is from.
#[derive(Debug, Clone)]
pub struct Asker {
    setup: Rc<Setup>,
    place: usize,
}

impl Asker {
    /// What the configuration says of it.
    #[must_use]
    pub fn client(&self) -> Option<&Client> {
        self.setup.clients.get(self.place)
    }
}

/// One request's place among those of its client.
#[derive(Debug)]
pub struct Seat {
    name: String,
    reservation: Reservation,
    /// What was reserved for an answer that tells nothing of its tokens.
    prompt_tokens: u64,
    tokens: (u64, u64),
    unknown: u64,
    cost_nanos: u64,
    ended: Measure,
}

impl Seat {
    /// One of its attempts ended.
    pub(super) fn hear(&mut self, ending: &AttemptResult) {
        let (input, output) = &mut self.tokens;
        match ending.usage {
            Some(usage) => {
                *input = input.saturating_add(usage.prompt_tokens);
                *output = output.saturating_add(usage.completion_tokens);
            }
            None if ending.outcome == Outcome::Served => self.unknown = self.prompt_tokens,
            None => {}
        }
        self.cost_nanos = self.cost_nanos.saturating_add(ending.cost.map_or(0, Usd::nanos));
        self.ended = match &ending.outcome {
            Outcome::Served => Measure::Served,
            Outcome::Failed(failure) => Measure::Failed(failure.class),
            Outcome::Abandoned => Measure::Abandoned,
        };
    }
}

impl Worker {
    /// The client that a request is from, where clients are known: one of the configuration in force, also on a connection that came by an
    /// older listener, so that a key that was taken back opens nothing.
    ///
    /// # Errors
    /// The refusal of a request that is no client's.
    pub(super) fn identify(
        &self,
        head: &HttpHead<'_>,
        header: &dyn Fn(&str) -> String,
        property: Properties<'_>,
    ) -> Result<Option<Asker>, ErrorReply> {
        let Some(setup) = &self.setup else { return Err(not_ready()) };
        if setup.clients.is_empty() {
            return Ok(None);
        }
        // Where a key is not known yet, it may be this one.
        let place = identify(&setup.config, &self.keys, head.api(), self.now_ms, header, property)
            .map_err(|refusal| if self.keys.are_read() { refusal } else { not_ready() })?;
        Ok(Some(Asker { setup: Rc::clone(setup), place }))
    }

    /// Takes a seat for a request of a client.
    ///
    /// # Errors
    /// The refusal where it has reached a limit or spent its budget.
    pub(super) fn seat(
        &mut self,
        store: &dyn StateStore,
        asker: &Asker,
        prompt_tokens: u64,
    ) -> Result<Seat, ErrorReply> {
        let name = asker.client().map(|client| client.name.clone()).unwrap_or_default();
        let account = self.account(asker.place);
        let spent_until_ms = self.ledger.views().get(account).map_or(0, |view| view.over_budget_until_ms);
        let refused = if spent_until_ms > self.now_ms {
            let message = format!("What the client `{name}` may spend is spent for now.");
            (limited("budget_exceeded", message), spent_until_ms)
        } else {
            match self.ledger.reserve(store, account, prompt_tokens, self.now_ms) {
                Ok(reservation) => {
                    let (tokens, ended) = ((0, 0), Measure::Abandoned);
                    let unknown = 0;
                    return Ok(Seat { name, reservation, prompt_tokens, tokens, unknown, cost_nanos: 0, ended });
                }
                Err(full) => {
                    let message = format!("The client `{name}` has reached its limit (`{}`).", full.limit.as_str());
                    (limited("rate_limit_exceeded", message), full.until_ms)
                }
            }
        };
        self.counters.add(account, Measure::Refused, 1);
        let (error, until_ms) = refused;
        Err(ErrorReply::from(error).until(until_ms, self.now_ms))
    }

    /// Gives a seat back that was not used.
    pub(super) fn leave(&mut self, store: &dyn StateStore, seat: Seat, asker: &Asker) {
        self.ledger.cancel(store, seat.reservation, self.now_ms);
        self.counters.add(self.account(asker.place), Measure::Refused, 1);
    }

    /// The index of a client's account: clients stand behind the deployments of the configuration in force.
    fn account(&self, place: usize) -> usize {
        self.setup.as_ref().map_or(0, |setup| setup.deployments.len()).saturating_add(place)
    }

    /// The request of a seat is over.
    pub(super) fn pay(&mut self, store: &dyn StateStore, seat: Seat) {
        let Seat { name, reservation, tokens: (input, output), unknown, cost_nanos, ended, .. } = seat;
        let all = input.saturating_add(output).saturating_add(unknown);
        // Of a client's account there is no health to judge.
        let record = AttemptRecord { tokens: Some(all), cost_nanos, ..AttemptRecord::with(Outcome::Abandoned) };
        self.ledger.end(store, reservation, &record, self.now_ms);
        // The configuration may be another one by now.
        let clients = self.setup.as_ref().map(|setup| setup.clients.as_slice()).unwrap_or_default();
        let Some(place) = clients.iter().position(|client| client.name == name) else { return };
        let account = self.account(place);
        let told = [
            (ended, 1),
            (Measure::InputTokens, input),
            (Measure::OutputTokens, output),
            (Measure::CostNanos, cost_nanos),
        ];
        told.into_iter().for_each(|(measure, by)| self.counters.add(account, measure, by));
    }

    /// What is known of each client now, as it is of deployments.
    pub(super) fn clients_now(&self) -> Option<Value> {
        let setup = self.setup.as_ref().filter(|setup| !setup.clients.is_empty())?;
        let names: Vec<&str> = setup.clients.iter().map(|client| client.name.as_str()).collect();
        let views = self.ledger.views().get(setup.deployments.len()..).unwrap_or_default();
        to_json(views, &names, self.now_ms).get_mut("deployments").map(Value::take)
    }
}
