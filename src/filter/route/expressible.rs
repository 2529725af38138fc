//! Which deployments' dialects can say what a request asks.
//!
//! A plan knows it from data ([`unsupported`]) and translates nothing. The rest is found when a request is encoded for a candidate, and
//! that is done before Envoy is told to go there ([`Flight`](super::super::Flight), `make_sure`), because an attempt that has begun cannot be led
//! elsewhere. A body that is too large to be kept cannot be encoded later on: for such, all dialects are looked at closely while it is there.
//!
//! **Invariant:** a body is decoded at most once for a plan, and only for candidates of another dialect than the client's.

use std::cell::OnceCell;

use super::super::foreign::{as_its_model_takes_it, has_api, is_foreign, never_sent, read, target, translate};
use super::super::http::{Api, invalid};
use super::super::kept::LARGE;
use crate::chat::ApiError;
use crate::config::model::{Deployment, DeploymentIndex, RouterConfig};
use crate::dialect::body_defaults::without;
use crate::dialect::request::Request;
use crate::dialect::scan::{BodyScan, Format, Needs, Reference};
use crate::dialect::unsupported::{DroppedFields, unsupported};
use crate::dialect::{Encoded, provider_face};
use crate::routing::{Excluded, Exclusion, Plan};

/// The code of the refusal where no deployment's provider has what is asked.
pub(super) const NO_SUCH_API: &str = "unsupported_endpoint";

/// A request, as far as it matters for which dialects can say it.
pub struct Expressible<'a> {
    config: &'a RouterConfig,
    api: Api,
    needs: Needs,
    body: &'a [u8],
    /// It refers to what its provider alone has; it may be known which deployment that is.
    reference: Option<(&'static str, Option<DeploymentIndex>)>,
    decoded: OnceCell<Result<Request<'a>, ApiError>>,
}

impl<'a> Expressible<'a> {
    /// A request of this body, whose head was read.
    #[must_use]
    pub fn new(
        config: &'a RouterConfig,
        api: Api,
        head: &BodyScan<'_>,
        maker: Option<DeploymentIndex>,
        body: &'a [u8],
    ) -> Self {
        let reference = match maker {
            Some(_) => Some(("previous_response_id", maker)),
            None => head.reference().map(|it| (it.member, None)),
        };
        Self { config, api, needs: head.needs, body, reference, decoded: OnceCell::new() }
    }

    /// Whether a deployment may have what the request refers to.
    fn knows(&self, index: DeploymentIndex, deployment: &Deployment) -> bool {
        self.reference.is_none_or(|(_, maker)| !self.is_foreign(deployment) && maker.is_none_or(|maker| maker == index))
    }

    /// Whether a deployment may be planned with.
    pub(super) fn may_serve(&self, index: DeploymentIndex) -> bool {
        let Some(deployment) = self.config.deployments.get(index) else { return false };
        if !has_api(deployment, self.api) || !self.knows(index, deployment) {
            return false;
        }
        if !self.is_foreign(deployment) {
            return self.refused(deployment).is_none();
        }
        if self.needs.format == Some(Format::Other) {
            return false;
        }
        if self.body.len() > LARGE {
            return self.check(index).is_ok();
        }
        let lacks = || unsupported(deployment.dialect).iter().any(|feature| self.needs.has(*feature));
        // What the deployment never sends needs no equivalent.
        deployment.drop_params || !lacks() || (never_sent(deployment).is_some() && self.check(index).is_ok())
    }

    /// Looks closely whether a deployment's dialect can say the request.
    ///
    /// # Errors
    /// Why it cannot, for the client.
    pub fn check(&self, index: DeploymentIndex) -> Result<(), ApiError> {
        match self.config.deployments.get(index) {
            Some(deployment) if !has_api(deployment, self.api) => {
                let message = format!("No deployment of this model serves {}: use chat completions.", self.api.path());
                Err(invalid(400, NO_SUCH_API, None, message))
            }
            Some(deployment) if !self.knows(index, deployment) => Err(match self.reference {
                Some((_, Some(_))) => {
                    let message = "The deployment that keeps this response does not serve this model.".to_owned();
                    invalid(400, "previous_response_not_found", Some("previous_response_id"), message)
                }
                member => Reference::refusal(member.map_or("", |(member, _)| member)),
            }),
            Some(deployment) if self.is_foreign(deployment) => {
                let (face, target) = (provider_face(deployment.dialect), target(deployment, &deployment.model));
                match never_sent(deployment).and_then(|names| without(self.body, names)) {
                    Some(kept) => read(self.api, &kept)?.check(face, target),
                    None => self.decoded()?.check(face, target),
                }
            }
            Some(deployment) => match self.refused(deployment) {
                Some(place) => DroppedFields::new(false).semantic(&place),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// What the provider of a deployment of the client's dialect cannot take.
    fn refused(&self, deployment: &Deployment) -> Option<String> {
        provider_face(deployment.speaks(self.api.dialect())).refused(self.body, deployment.provider)
    }

    /// Why the first of those that cannot say the request cannot.
    #[must_use]
    pub fn why(&self, excluded: &[Excluded]) -> Option<ApiError> {
        let mut excluded = excluded.iter().filter(|left| left.why == Exclusion::CannotExpress);
        excluded.find_map(|left| self.check(left.deployment).err())
    }

    /// The request for a plan's first candidate, where that speaks another dialect. `flags`: what the client's header says of them.
    ///
    /// # Errors
    /// Why it cannot be said there. Then that one is added to `excluded`, and with it each that would refuse it alike.
    pub(super) fn first(
        &self,
        plan: &Plan,
        flags: Option<&str>,
        excluded: &mut Vec<DeploymentIndex>,
    ) -> Result<Option<Encoded>, ApiError> {
        let Some(candidate) = plan.candidates().next() else { return Ok(None) };
        let Some(deployment) = self.config.deployments.get(candidate.deployment).filter(|it| self.is_foreign(it))
        else {
            return Ok(None);
        };
        let model = candidate.model.as_ref().unwrap_or(&deployment.model);
        let model = &*deployment.provider.in_body(self.api.neutral(), model);
        let target = target(deployment, model);
        let decoded = self.decoded();
        let is_broken = decoded.is_err();
        let flags = flags.filter(|_| deployment.provider.habits.flags.is_some());
        let encoded = decoded.and_then(|request| match (&deployment.defaults, flags) {
            (None, None) => request
                .write(provider_face(deployment.dialect), target)
                .map(|encoded| as_its_model_takes_it(encoded, self.api, deployment, target)),
            _ => translate(self.api, self.body, deployment, model, flags),
        });
        encoded.map(Some).inspect_err(|_| {
            let key = |it: &Deployment| {
                (it.dialect, it.model.clone(), it.drop_params, never_sent(it).map(<[String]>::to_vec))
            };
            let alike = |it: &Deployment| self.is_foreign(it) && (is_broken || key(it) == key(deployment));
            let all = self.config.deployments.iter().enumerate().filter(|(_, it)| alike(it));
            excluded.extend(all.map(|(index, _)| index));
        })
    }

    fn decoded(&self) -> Result<&Request<'a>, ApiError> {
        self.decoded.get_or_init(|| read(self.api, self.body)).as_ref().map_err(Clone::clone)
    }

    fn is_foreign(&self, deployment: &Deployment) -> bool {
        is_foreign(deployment, self.api.dialect())
    }
}
