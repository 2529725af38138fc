//! Which deployment made a response that its provider keeps, and for which client: the id that the client sees says it.
//!
//! Where several deployments keep responses, an id alone does not tell whose it is; and where clients are known, one must not go on from
//! what another one said. So behind it stands a mark of its deployment and its client, which is taken off before the id goes back there.
//! Nothing is remembered: any worker, and the gateway after a restart, knows as much.
//!
//! **Invariant:** a mark fits one id, one deployment and one client, and it takes a key of another client to make it.

use std::borrow::Cow;

use super::Setup;
use super::http::{ErrorReply, invalid};
use super::route::PlanContext;
use crate::config::model::{Deployment, DeploymentIndex};
use crate::dialect::passed::{DIGITS, Mark, SIGN};
use crate::provider::Api;
use crate::sha256::sha256;

/// What the marks of all responses that a client gets have in common; `None`: they have none, since one deployment alone keeps any, for
/// whoever asks. The first key of all is its secret: whose key that is could make a mark, but nobody else.
pub(super) fn seed(setup: &Setup, context: &PlanContext<'_>) -> Option<[u8; 32]> {
    let PlanContext { client, secret, .. } = *context;
    let is_alone = setup.config.deployments.iter().filter(|it| keeps(it)).nth(1).is_none();
    if client.is_none() && is_alone {
        return None;
    }
    Some(sha256(&[secret, client.map_or("", |client| &client.name).as_bytes()].concat()))
}

fn keeps(deployment: &Deployment) -> bool {
    deployment.speaks(Api::Kept.dialect()) == Api::Kept.dialect()
}

/// What the marks of a deployment's responses are made of.
pub(super) fn mark(seed: [u8; 32], deployment: &Deployment) -> Mark {
    Mark(sha256(&[&seed, deployment.id.as_bytes()].concat()))
}

/// Who made a response for this client, and the response's id there; `None`: the id does not say so, and need not.
///
/// # Errors
/// Nobody is known to have made it, or not for this client.
pub(super) fn maker<'i>(
    setup: &Setup,
    context: &PlanContext<'_>,
    id: &'i str,
) -> Result<Option<(DeploymentIndex, &'i str)>, Unknown> {
    let Some(seed) = seed(setup, context) else { return Ok(None) };
    let made = match marked(id) {
        Some((bare, digits)) => {
            let is_its = |it: &Deployment| keeps(it) && mark(seed, it).digits(bare.as_bytes()) == digits;
            setup.config.deployments.iter().position(is_its).map(|index| (index, bare))
        }
        None if context.client.is_none() => return Ok(None),
        None => None,
    };
    made.map(Some).ok_or(Unknown)
}

/// The only deployment that keeps any.
///
/// # Errors
/// There is none, or there are several.
pub(super) fn only_keeper(setup: &Setup) -> Result<DeploymentIndex, Unknown> {
    let mut keepers = setup.config.deployments.iter().enumerate().filter(|(_, it)| keeps(it));
    match (keepers.next(), keepers.next()) {
        (Some((index, _)), None) => Ok(index),
        _ => Err(Unknown),
    }
}

/// Nobody is known to have made a response.
#[derive(Debug)]
pub(super) struct Unknown;

impl Unknown {
    /// The refusal. `member`: what of a body refers to it.
    pub(super) fn refusal(self, member: Option<&'static str>) -> ErrorReply {
        let message = "No deployment is known to keep this response for you: ask by the id that this gateway gave you."
            .to_owned();
        match member {
            Some(_) => invalid(400, "previous_response_not_found", member, message).into(),
            None => invalid(404, "response_not_found", None, message).into(),
        }
    }
}

/// An id without its mark, and the digits of that; `None`: it has none.
pub(super) fn marked(id: &str) -> Option<(&str, u32)> {
    let (id, mark) = id.split_at_checked(id.len().checked_sub(SIGN.len() + DIGITS)?)?;
    let digits = mark.strip_prefix(SIGN)?;
    Some((id, u32::from_str_radix(digits, 16).ok()?))
}

/// The id in a path of [`Api::Kept`].
pub(super) fn id(path: &str) -> &str {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let below = path.split_once("responses").map_or("", |(_, below)| below).trim_matches('/');
    below.split_once('/').map_or(below, |(id, _)| id)
}

/// What follows on `/responses` in a path of [`Api::Kept`], the mark taken off.
pub(super) fn below(path: &str) -> String {
    let id = id(path);
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let below = path.split_once("responses").map_or("", |(_, below)| below).trim_matches('/');
    let more = below.split_once('/').map_or("", |(_, more)| more);
    let mut told = ["/", marked(id).map_or(id, |(bare, _)| bare)].concat();
    if !more.is_empty() {
        told.push('/');
        told.push_str(more);
    }
    if let Some(query) = query {
        told.push('?');
        told.push_str(query);
    }
    told
}

/// A body with an id that has a mark, without that.
pub(super) fn unmarked<'b>(body: &'b [u8], id: &str) -> Cow<'b, [u8]> {
    let Some((bare, _)) = marked(id) else { return body.into() };
    let (from, to) = (format!("\"{id}\""), format!("\"{bare}\""));
    let Some(at) = memchr::memmem::find(body, from.as_bytes()) else { return body.into() };
    let (before, after) = (body.get(..at), body.get(at + from.len()..));
    [before.unwrap_or_default(), to.as_bytes(), after.unwrap_or_default()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::compile::compile_json;

    #[test]
    fn a_mark_is_put_on_and_taken_off() {
        assert_eq!(marked("resp_1_sb0000abcd"), Some(("resp_1", 0xabcd)));
        assert_eq!(marked("resp_1_sbx000abcd"), None);
        assert_eq!((marked("resp_1"), marked("")), (None, None));
        assert_eq!(below("/v1/responses/resp_1_sb0000abcd"), "/resp_1");
        assert_eq!(below("/responses//r/cancel/?a=b"), "/r/cancel?a=b");
        assert_eq!((id("/v1/responses/r_sb0000abcd/cancel?x=/"), id("/responses//r")), ("r_sb0000abcd", "r"));
        let body = br#"{"previous_response_id":"r_sb0000abcd","input":"say \"r_sb0000abcd\""}"#;
        let wanted = br#"{"previous_response_id":"r","input":"say \"r_sb0000abcd\""}"#;
        assert_eq!(&*unmarked(body, "r_sb0000abcd"), wanted);
        assert_eq!(&*unmarked(body, "r"), body);
    }

    #[test]
    fn a_response_is_its_clients_alone() {
        let keeper = |id: &str| {
            format!(r#"{{"model_name":"m","litellm_params":{{"model":"openai/{id}","api_key":"os.environ/K"}}}}"#)
        };
        let setup = |keepers: &[&str], clients: &str| {
            let list: Vec<String> = keepers.iter().map(|id| keeper(id)).collect();
            let config = format!(r#"{{"model_list":[{}]{clients}}}"#, list.join(","));
            Setup::new(compile_json(&config).unwrap()).unwrap()
        };
        let clients =
            r#","signalbox":{"clients":[{"name":"a","key":"os.environ/A"},{"name":"b","key":"os.environ/B"}]}"#;
        for keepers in [&["x"][..], &["x", "y"]] {
            let setup = setup(keepers, clients);
            let as_client = |place| PlanContext {
                client: setup.config.clients.get(place),
                secret: b"secret",
                ..PlanContext::default()
            };
            let (a, b) = (&as_client(0), &as_client(1));
            assert!(a.client.is_some() && b.client.is_some());
            let last = setup.config.deployments.len() - 1;
            let made = |client: &PlanContext<'_>, id: &str| {
                let mark = mark(seed(&setup, client).unwrap(), &setup.config.deployments[last]);
                [id, &mark.of(id.as_bytes())].concat()
            };
            let asks =
                |client, id: &str| maker(&setup, client, id).ok().map(|made| made.map(|(at, id)| (at, id.to_owned())));
            assert_eq!(asks(a, &made(a, "r")), Some(Some((last, "r".to_owned()))));
            let stolen =
                made(a, "r").replace(&mark(seed(&setup, a).unwrap(), &setup.config.deployments[last]).of(b"r"), "");
            let of_another = ["r", made(b, "s").strip_prefix('s').unwrap()].concat();
            for id in [made(a, "r"), stolen, of_another] {
                assert_eq!(asks(b, &id), None, "{id}");
            }
        }
        let none = &PlanContext::default();
        let open = setup(&["x"], "");
        assert!(seed(&open, none).is_none() && maker(&open, none, "r").is_ok_and(|made| made.is_none()));
        let open = setup(&["x", "y"], "");
        assert!(
            maker(&open, none, "r").is_ok_and(|made| made.is_none()) && maker(&open, none, "r_sb00000000").is_err()
        );
    }
}
