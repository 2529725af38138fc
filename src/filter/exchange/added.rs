//! Members that the gateway added to a request's body and a provider refuses: the request is sent again without them, and later ones are
//! sent without them at once.
//!
//! The refusal says nothing of the deployment and nothing of the request, so it is no failure of either: health and `num_retries` learn
//! nothing of it, the client sees nothing of it. What is known is kept in the VM's memory and learnt anew after a reload: that costs one
//! refused attempt.
//!
//! So it is with reasoning that the client hands back and another account sealed: the request alone is sent again without it.
//!
//! **Invariant:** nothing else that the client sent itself is left out; a member is refused once at most by each deployment in a request.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Flight, Report, Stage, Way};
use crate::chat::{Failure, Lack};
use crate::config::model::Deployment;
use crate::dialect::body_defaults::{object, without};
use crate::failure::refuses;

/// The wish for a stream's usage.
pub(in crate::filter) const USAGE: &str = "stream_options";

/// What says of a request how the model shall think. Where a model cannot be told, it is sent again without it, as a hint.
const THINKING: &str = "thinking";
const OF_THINKING: [&str; 3] = ["reasoning_effort", THINKING, "reasoning"];

/// The code by which OpenAI refuses reasoning that another account sealed.
const CANNOT_OPEN: &str = "invalid_encrypted_content";

/// Which members deployments refuse, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::filter) struct Refused(BTreeMap<String, Vec<String>>);

impl Refused {
    /// Whether a deployment refuses a member.
    pub(in crate::filter) fn has(&self, deployment: &Deployment, member: &str) -> bool {
        // Nearly always nothing is known, and nothing is looked up.
        !self.0.is_empty() && self.of(deployment).iter().any(|known| known == member)
    }

    fn of(&self, deployment: &Deployment) -> &[String] {
        self.0.get(&deployment.id).map(Vec::as_slice).unwrap_or_default()
    }

    /// Notes it. Returns whether it is news.
    pub(in crate::filter) fn add(this: &mut Rc<Self>, id: &str, member: &str) -> bool {
        if this.0.get(id).is_some_and(|known| known.iter().any(|known| known == member)) {
            return false;
        }
        Rc::make_mut(this).0.entry(id.to_owned()).or_default().push(member.to_owned());
        true
    }
}

impl Flight {
    /// Whether a deployment is sent no sealed reasoning, because it could not open that.
    pub(in crate::filter) fn lacks_reasoning(&self, deployment: &Deployment) -> bool {
        self.cannot_open.as_ref() == Some(&deployment.id)
    }

    /// What a client says of thinking, by name and without it in the body, for a deployment that cannot be told.
    pub(in crate::filter) fn without_thinking(&self, deployment: &Deployment) -> Option<(Vec<u8>, Vec<String>)> {
        if !self.refused.has(deployment, THINKING) {
            return None;
        }
        let own = object(self.body())?;
        let said: Vec<String> =
            OF_THINKING.into_iter().filter(|name| own.contains_key(*name)).map(str::to_owned).collect();
        without(self.body(), &said).map(|body| (body, said))
    }

    /// What of the members that the gateway added a deployment refuses.
    pub(in crate::filter) fn withheld(&self, deployment: &Deployment) -> Vec<String> {
        let known = self.refused.of(deployment);
        if known.is_empty() {
            return Vec::new();
        }
        let added = self.added_for(deployment);
        known.iter().filter(|member| added.contains(&member.as_str())).cloned().collect()
    }

    /// All that the gateway adds to this body for a deployment, save the wish for usage: what the router's tier brought, and what the
    /// deployment brings itself.
    fn added_for<'a>(&'a self, deployment: &'a Deployment) -> Vec<&'a str> {
        let mut added: Vec<&str> = self.added.iter().map(String::as_str).collect();
        if let Some(defaults) = &deployment.defaults
            && let Some(own) = object(self.body())
        {
            let brought = defaults.members.keys().chain(defaults.extra_body.keys()).map(String::as_str);
            added.extend(brought.filter(|member| !own.contains_key(*member)));
        }
        added
    }

    /// Where a failure refuses nothing but a member that the gateway added: lets the same deployment be asked again without it. Returns
    /// whether it is so.
    pub(in crate::filter) fn resend(&mut self, failure: &Failure) -> bool {
        let Stage::Trying(open) = &self.stage else { return false };
        let place = open.place;
        // Envoy makes no retry after the relay's interim answer.
        if self.cursor.way_taken() == Way::LastRelay {
            return false;
        }
        let Some((_, deployment)) = self.deployment(place) else { return false };
        if self.is_foreign(deployment) {
            if failure.lack != Some(Lack::Thinking) || self.refused.has(deployment, THINKING) {
                return false;
            }
            let id = deployment.id.clone();
            return self.resend_without(id, THINKING.to_owned());
        }
        if failure.code.as_deref() == Some(CANNOT_OPEN) && !self.lacks_reasoning(deployment) {
            let id = deployment.id.clone();
            let is_again = self.again();
            self.cannot_open = is_again.then_some(id);
            return is_again;
        }
        let usage = self.asks_usage(deployment).then_some(USAGE);
        let added = self.added_for(deployment).into_iter().filter(|member| !self.refused.has(deployment, member));
        let Some(member) = usage.into_iter().chain(added).find(|member| refuses(failure, member)) else { return false };
        let (id, member) = (deployment.id.clone(), member.to_owned());
        self.resend_without(id, member)
    }

    fn resend_without(&mut self, id: String, member: String) -> bool {
        if !self.again() {
            return false;
        }
        Refused::add(&mut self.refused, &id, &member);
        self.reports.push(Report::Refused { id, member });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_news_once() {
        let mut refused = Rc::new(Refused::default());
        let before = Rc::clone(&refused);
        assert!(Refused::add(&mut refused, "a", USAGE));
        assert!(!Refused::add(&mut refused, "a", USAGE));
        assert!(Refused::add(&mut refused, "b", USAGE) && Refused::add(&mut refused, "a", "user"));
        assert_eq!(*before, Refused::default(), "what was known before does not change");
    }
}
