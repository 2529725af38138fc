//! Where a plan takes its place at a deployment: the first candidate's is claimed while the plan is made, so that the next
//! request, of whichever worker, finds it taken.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::config::model::DeploymentIndex;
use crate::routing::Claim;
use crate::state::{DeploymentView, Health, Ledger, Reservation, StateStore};

/// A probe's lease where its end is never recorded, in milliseconds: longer than most answers, shorter than a shift.
const LEASE_MS: u64 = 60_000;

/// What one plan reserves in the ledger.
pub(in crate::filter) struct PlanClaims<'a> {
    ledger: RefCell<&'a mut Ledger>,
    /// Where an older configuration's deployments stand in the ledger.
    places: Option<Vec<Option<DeploymentIndex>>>,
    store: &'a dyn StateStore,
    /// The prompt's length, in tokens.
    tokens: u64,
    now_ms: u64,
    /// The place that was taken, and the deployment as the plan knows it.
    reservation: Cell<Option<(DeploymentIndex, Reservation)>>,
}

impl<'a> PlanClaims<'a> {
    pub(in crate::filter) fn new(
        ledger: &'a mut Ledger,
        places: Option<Vec<Option<DeploymentIndex>>>,
        store: &'a dyn StateStore,
        tokens: u64,
        now_ms: u64,
    ) -> Self {
        Self { ledger: RefCell::new(ledger), places, store, tokens, now_ms, reservation: Cell::new(None) }
    }

    /// What is known of each deployment before any claim.
    pub(in crate::filter) fn views(&self) -> Rc<Vec<DeploymentView>> {
        self.ledger.try_borrow().map(|ledger| ledger.snapshot(self.places.as_deref())).unwrap_or_default()
    }

    /// Takes a place, and with it the probe where the deployment is half-open.
    pub(in crate::filter) fn claim(&self, planned: DeploymentIndex) -> Claim {
        // A plan makes one claim at a time.
        let Ok(mut ledger) = self.ledger.try_borrow_mut() else { return Claim::Granted };
        let place = self.places.as_ref().map_or(Some(planned), |places| places.get(planned).copied().flatten());
        // Of a deployment that is retired nothing is counted.
        let Some(deployment) = place else { return Claim::Granted };
        if let Some((_, former)) = self.reservation.take() {
            ledger.cancel(self.store, former, self.now_ms);
        }
        let mut reservation = match ledger.reserve(self.store, deployment, self.tokens, self.now_ms) {
            Ok(reservation) => reservation,
            Err(full) => return Claim::Refused { until_ms: full.until_ms },
        };
        let health = ledger.views().get(deployment).map(|view| view.health);
        if matches!(health, Some(Health::HalfOpen { .. }))
            && !ledger.probe(self.store, &mut reservation, LEASE_MS, self.now_ms)
        {
            ledger.cancel(self.store, reservation, self.now_ms);
            let until_ms = match ledger.views().get(deployment).map(|view| view.health) {
                Some(Health::HalfOpen { probed_until_ms }) => probed_until_ms,
                Some(Health::Cooling { until_ms }) => until_ms,
                _ => self.now_ms,
            };
            return Claim::Refused { until_ms };
        }
        self.reservation.set(Some((planned, reservation)));
        Claim::Granted
    }

    /// The place that was taken last, if any was, and its deployment.
    pub(in crate::filter) fn reservation(&self) -> Option<(DeploymentIndex, Reservation)> {
        self.reservation.take()
    }
}
