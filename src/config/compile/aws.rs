//! AWS: for which region the requests of a deployment are signed, and with whose credentials.
//!
//! A key of the service itself (`api_key`) is sent as it is, and nothing is signed then. Otherwise Envoy signs: with the access keys that the
//! entry names, with a profile, or with what the machine has (the default chain); and on request in a role that those may take.
//!
//! **Invariant:** the value of a secret is never read.

use super::field::{Diagnostics, Field};
use super::{endpoint, origin};
use crate::config::model::{AwsCredentials, Endpoint, Key, Role, Signing};
use crate::provider::{Aws, Provider};

/// The keys of an entry that say whose credentials sign.
const OWN: &[&str] =
    &["aws_access_key_id", "aws_secret_access_key", "aws_profile_name", "aws_role_name", "aws_web_identity_token"];
/// The variables in which AWS' own programs look for access keys, and Envoy too.
const USUAL: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Whether an entry says whose credentials sign: then no key counts that stands elsewhere.
pub(super) fn has_own(params: &Field<'_>) -> bool {
    OWN.iter().any(|name| params.at(name).is_some())
}

/// Warns of what an entry says of AWS, at a provider that is not there.
pub(super) fn unused(params: &Field<'_>, diagnostics: &mut Diagnostics) {
    for name in OWN.iter().chain(&["aws_region_name", "aws_bedrock_runtime_endpoint"]) {
        if let Some(field) = params.at(name) {
            let problem = format!("`{name}` has no effect here, only in LiteLLM");
            field.warning(diagnostics, problem, "leave it or take it out");
        }
    }
}

/// How the requests of a deployment are signed; `None`: they are not. `said`: the region that an entry or the environment names.
pub(super) fn read(
    params: &Field<'_>,
    provider: &Provider,
    model: &str,
    said: Option<&str>,
    host: (Option<&Endpoint>, bool),
    key: Option<&Key>,
    diagnostics: &mut Diagnostics,
) -> Option<Signing> {
    let aws = provider.aws.as_ref()?;
    let at_model = || params.at("model").unwrap_or_else(|| params.clone());
    if let Some(other) = (aws.other_api)(model) {
        let problem = format!("`{other}` names an API of {} that Signalbox does not speak", provider.name);
        at_model().error(diagnostics, problem, "write `bedrock/MODEL`: Converse serves it");
    }
    if model.starts_with("invoke/") {
        at_model().note(
            diagnostics,
            "this model is asked by Converse, not by InvokeModel",
            "leave it, or take out `invoke/`",
        );
    }
    if let Some(field) = params.at(aws.endpoint)
        && field.text(diagnostics).is_some_and(|url| endpoint::parsed(url, provider).is_none())
    {
        field.error(diagnostics, format!("{} is not a URL", field.shown()), "write `https://host`");
    }
    let region = region(params, aws, model, said, host, key.is_some(), diagnostics);
    if key.is_some() {
        return None;
    }
    let credentials = credentials(params, diagnostics);
    let text = |name: &str, diagnostics: &mut Diagnostics| {
        params.at(name).and_then(|field| field.text(diagnostics).map(str::to_owned)).filter(|text| !text.is_empty())
    };
    let role = text("aws_role_name", diagnostics).map(|arn| Role {
        arn,
        session: text("aws_session_name", diagnostics),
        external_id: text("aws_external_id", diagnostics),
    });
    if matches!(credentials, AwsCredentials::WebIdentity(_)) && role.is_none() {
        params.error(diagnostics, "a web identity takes a role", "write `aws_role_name: arn:aws:iam::…:role/…`");
    }
    Some(Signing { service: aws.service, region, credentials, role })
}

fn region(
    params: &Field<'_>,
    aws: &Aws,
    model: &str,
    said: Option<&str>,
    (host, is_named): (Option<&Endpoint>, bool),
    has_key: bool,
    diagnostics: &mut Diagnostics,
) -> String {
    let field = params.at(aws.region);
    let of_model = (aws.region_of)(model);
    let of_host = host.and_then(|host| host.host.split('.').find(|part| is_region(part)));
    let written = field.as_ref().and(said);
    let place = || field.clone().unwrap_or_else(|| params.clone());
    for (other, of) in [(of_model, "model"), (of_host.filter(|_| is_named), "host")] {
        if let (Some(said), Some(other)) = (written, other)
            && said != other
        {
            let problem = format!("`{said}` is another region than the {of}'s, `{other}`");
            place().error(diagnostics, problem, format!("write `{other}`, or take it out"));
        }
    }
    if let (Some(model), Some(host)) = (of_model, of_host)
        && is_named
        && model != host
    {
        let problem = format!("the host is in `{host}`, and the model in `{model}`");
        params.error(diagnostics, problem, "name a host of the model's region, or none");
    }
    let region = of_model.or(written).or(of_host.filter(|_| is_named)).or(said);
    if let Some(region) = region.filter(|region| !is_region(region)) {
        place().error(diagnostics, format!("`{region}` is not the name of a region"), "write for example `us-east-1`");
    }
    if region.is_none() && !(has_key && is_named) {
        let problem = format!("no region is named, and `{}` is taken, as in LiteLLM", Aws::USUAL_REGION);
        params.note(diagnostics, problem, format!("write `{}`", aws.region));
    }
    region.unwrap_or(Aws::USUAL_REGION).to_owned()
}

fn is_region(word: &str) -> bool {
    Aws::is_region(word)
}

fn credentials(params: &Field<'_>, diagnostics: &mut Diagnostics) -> AwsCredentials {
    let key = |name: &str, diagnostics: &mut Diagnostics| origin::key(&params.at(name)?, diagnostics);
    let id = key("aws_access_key_id", diagnostics);
    let secret = key("aws_secret_access_key", diagnostics);
    let token = key("aws_session_token", diagnostics);
    if let Some(field) = params.at("aws_web_identity_token") {
        return match origin::key(&field, diagnostics) {
            Some(Key::Literal(text)) if !text.starts_with('/') => {
                let remedy = "write the path of the file that holds the token, or `os.environ/NAME`";
                field.error(diagnostics, "this is neither a path nor a variable", remedy);
                AwsCredentials::Chain
            }
            Some(token) => AwsCredentials::WebIdentity(token),
            None => AwsCredentials::Chain,
        };
    }
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let is = |key: &Key, usual: &str| matches!(key, Key::Env(name) if name == usual);
            let [usual_id, usual_secret, usual_token] = USUAL;
            let is_usual = is(&id, usual_id)
                && is(&secret, usual_secret)
                && token.as_ref().is_none_or(|token| is(token, usual_token));
            if is_usual { AwsCredentials::Chain } else { AwsCredentials::Keys { id, secret, token } }
        }
        (None, None) => match params.at("aws_profile_name").and_then(|field| field.text(diagnostics)) {
            Some(profile) => AwsCredentials::Profile(profile.to_owned()),
            None => AwsCredentials::Chain,
        },
        (id, _) => {
            let (there, missing) = match id {
                Some(_) => ("aws_access_key_id", "aws_secret_access_key"),
                None => ("aws_secret_access_key", "aws_access_key_id"),
            };
            params.error(
                diagnostics,
                format!("`{there}` is of no use without `{missing}`"),
                format!("write `{missing}` too"),
            );
            AwsCredentials::Chain
        }
    }
}
