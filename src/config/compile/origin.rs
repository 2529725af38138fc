//! Where a deployment's requests go, and with which key: what its entry says, else what LiteLLM would look at for its provider.
//!
//! LiteLLM knows many ways to name a host besides `api_base`: `base_url`, a named credential, the provider's environment variables
//! (from outside or from `environment_variables`), `litellm_settings.api_base`. Each counts here in LiteLLM's order, since a way that
//! is passed over sends prompts, and a key, to another host than the one that the file names.
//!
//! A key goes where it was meant to go: one that an entry writes goes where the entry goes. One that stands somewhere else goes to the
//! host that stands beside it: a provider's variables belong to its own host and to the one that its variables name, a key of
//! `litellm_settings` to that of `litellm_settings` too. To a host that the entry alone names goes no key that the entry does not write,
//! which is where LiteLLM does otherwise.
//!
//! **Invariant:** the value of a key is never read from the environment, only whether there is one.

use std::borrow::Cow;

use super::environment::{Environment, Held, PREFIX};
use super::field::{Diagnostics, Field};
use super::{aws, defaults, endpoint, entra, shell};
use crate::config::model::{Endpoint, ExtraHeader, HeaderValue, Key, Signing, Token};
use crate::config::tree::Value;
use crate::provider::{Credential, Dialect, ORGANIZATION, Origin, Place, Provider, Tokens};

/// What there is besides the entries themselves.
#[derive(Clone)]
pub(super) struct Origins<'a> {
    pub(super) root: &'a Field<'a>,
    pub(super) env: &'a Environment<'a>,
}

/// A base URL that is written: in a field, or in the variable of this name.
struct Base<'a> {
    url: String,
    at: Result<Field<'a>, &'static str>,
}

/// What named the host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// The entry, or the credential that it names.
    Entry,
    /// `litellm_settings.api_base`.
    Setting,
    /// A variable of the provider.
    Variable,
    /// Nobody: it is the provider's own.
    Nobody,
}

/// Where a deployment is.
pub(super) struct Placed {
    /// Who runs it there: the row that holds for its model and place.
    pub(super) provider: &'static Provider,
    /// Where its requests go.
    pub(super) endpoint: Option<Endpoint>,
    /// Where its key comes from.
    pub(super) key: Option<Key>,
    /// How it travels.
    pub(super) credential: Credential,
    /// The tokens that stand for a key.
    pub(super) token: Option<Token>,
    /// The headers that name its account.
    pub(super) account: Vec<ExtraHeader>,
    /// How its requests are signed.
    pub(super) signing: Option<Signing>,
}

impl<'a> Origins<'a> {
    /// Where a deployment is, and with which key it is asked.
    pub(super) fn of(
        &self,
        params: &Field<'a>,
        (provider, dialect): (&'static Provider, Dialect),
        model: &str,
        diagnostics: &mut Diagnostics,
    ) -> Placed {
        let before = diagnostics.errors();
        let (written, named) = self.written_base(params, provider, diagnostics);
        let says = |key: &str| self.says(key, params, provider);
        let place = Place { written: written.as_ref().map(|base| &*base.url), model, dialect, says: &says };
        let (url, own) = ((provider.base_url)(&place), self.own_base(provider));
        let url = url.as_deref().or(place.written).unwrap_or(&own);
        let provider = (provider.instead)(model, url).unwrap_or(provider);
        let endpoint = self.endpoint(params, provider, written.as_ref(), url, diagnostics);
        let is_own = named == Named::Entry && endpoint.as_ref().is_some_and(|one| endpoint::is_own(one, provider));
        let named = if is_own { Named::Nobody } else { named };
        let key = match params.at("api_key").filter(says_something) {
            Some(field) => self.key(&field, diagnostics),
            // With the wrong host, nobody shall hear of its key as well.
            None if diagnostics.errors() > before => None,
            None if provider.aws.is_some() && aws::has_own(params) => None,
            None if provider.tokens == Some(Tokens::Entra) && entra::is_named(params) => None,
            None => self.usual_key(params, provider, endpoint.as_ref(), named, diagnostics),
        };
        let lacks = provider.tokens.filter(|_| key.is_none() && diagnostics.errors() == before);
        let (key, token) = match lacks {
            Some(Tokens::Google) => self.google(params, provider, named, diagnostics),
            Some(Tokens::Entra) => entra::read(self, params, provider, named, diagnostics),
            None => (key, None),
        };
        // What is no key of Azure's is a token.
        let credential = provider.sends(lacks == Some(Tokens::Entra));
        if provider.tokens != Some(Tokens::Entra) {
            entra::unused(params, diagnostics);
        }
        if provider.aws.is_none() {
            aws::unused(params, diagnostics);
        }
        let signing = provider.aws.as_ref().and_then(|of| {
            let said = says(of.region);
            let is_named = written.is_some() || says(of.endpoint).is_some();
            let host = (endpoint.as_ref(), is_named);
            aws::read(params, provider, model, said.as_deref(), host, key.as_ref(), diagnostics)
        });
        let account = self.account(params, provider, named, diagnostics);
        Placed { provider, endpoint, key, credential, token, account, signing }
    }

    /// The provider's own base URL, with the account in it that a variable names; empty: there is none.
    fn own_base(&self, provider: &Provider) -> Cow<'static, str> {
        let Some((before, name, after)) = account(provider) else { return Cow::Borrowed(provider.api_base) };
        let value = if self.env.is_read { self.env.value(name) } else { Some(name.to_ascii_lowercase()) };
        value.map_or(Cow::Borrowed(""), |value| Cow::Owned([before, value.trim(), after].concat()))
    }

    /// The token that stands for a key at Google: one in a variable where the entry names credentials that Envoy cannot use, else those of the
    /// metadata server. A host that the entry names without its project gets none.
    fn google(
        &self,
        params: &Field<'a>,
        provider: &Provider,
        named: Named,
        diagnostics: &mut Diagnostics,
    ) -> (Option<Key>, Option<Token>) {
        if let Some(field) = Tokens::CREDENTIALS.iter().find_map(|name| params.at(name)).filter(says_something) {
            let name = Tokens::VARIABLE;
            let problem =
                format!("Signalbox does not sign with a service account: it sends the access token in `{name}`");
            let remedy = format!(
                "renew a token outside (`gcloud auth print-access-token`) and write its file below `signalbox.secret_files.{name}`, or \
                 take this out on Google's own machines, where the metadata server gives tokens"
            );
            field.warning(diagnostics, problem, remedy);
            return (Some(Key::Env(name.to_owned())), None);
        }
        let is_meant = |(name, _): &(&str, &[Origin])| params.at(name).is_some();
        if named == Named::Entry && !provider.place.iter().any(is_meant) {
            let problem = "no token of Google's is sent to a host that this entry alone names";
            params.note(diagnostics, problem, "write `vertex_project` beside `api_base` if it is meant for that host");
            return (None, None);
        }
        let host = self.env.value(Tokens::METADATA_HOST);
        let metadata_host = host.unwrap_or_else(|| "metadata.google.internal".to_owned());
        (None, Some(Token::Google { metadata_host }))
    }

    /// What an entry says of its place under a key of its provider, else what stands where LiteLLM looks.
    fn says(&self, key: &str, params: &Field<'a>, provider: &Provider) -> Option<String> {
        let text = |field: Field<'_>| match &field.node.value {
            Value::Str(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Int(number) => Some(number.to_string()),
            _ => None,
        };
        let (_, origins) = provider.place.iter().find(|(known, _)| *known == key)?;
        params.at(key).and_then(text).or_else(|| {
            origins.iter().find_map(|origin| match origin {
                Origin::Setting(name) => self.setting(name).and_then(text),
                Origin::Env(name) => self.env.value(name),
            })
        })
    }

    /// The headers that name the account. As with keys, a host that the entry alone names learns nothing that the entry does not say.
    fn account(
        &self,
        params: &Field<'a>,
        provider: &Provider,
        named: Named,
        diagnostics: &mut Diagnostics,
    ) -> Vec<ExtraHeader> {
        let organization = params.at("organization").and_then(|field| match &field.node.value {
            // LiteLLM makes a deployment of each.
            Value::Seq(_) => {
                let problem = "of several organizations the first alone is used";
                field.warning(diagnostics, problem, "write an entry for each");
                field.items(diagnostics).into_iter().next()
            }
            _ => Some(field),
        });
        if let Some(field) = &organization
            && !provider.account.iter().any(|(name, _)| *name == ORGANIZATION)
        {
            let problem = format!("`organization` has no effect at {}, in LiteLLM neither", provider.name);
            field.note(diagnostics, problem, "leave it or take it out");
        }
        let mut headers = Vec::new();
        for (name, origins) in provider.account {
            let header = match organization.as_ref().filter(|_| *name == ORGANIZATION) {
                Some(field) => defaults::header((*name).to_owned(), field, diagnostics),
                None if named == Named::Entry => None,
                None => origins.iter().find_map(|origin| self.header_from(name, origin, diagnostics)),
            };
            headers.extend(header);
        }
        headers
    }

    fn header_from(&self, name: &str, origin: &Origin, diagnostics: &mut Diagnostics) -> Option<ExtraHeader> {
        let value = match origin {
            Origin::Setting(setting) => {
                return defaults::header(name.to_owned(), &self.setting(setting)?, diagnostics);
            }
            Origin::Env(variable) => match self.env.held(variable)? {
                Held::Outside => HeaderValue::Env((*variable).to_owned()),
                Held::Reference(other) => HeaderValue::Env(other),
                Held::Literal(text) => HeaderValue::Text(text),
            },
        };
        Some(ExtraHeader { name: name.to_owned(), value })
    }

    /// `litellm_settings.headers`.
    pub(super) fn common_headers(&self) -> Option<Field<'a>> {
        self.setting("headers")
    }

    /// The base URL that is written somewhere, and by whom.
    fn written_base(
        &self,
        params: &Field<'a>,
        provider: &Provider,
        diagnostics: &mut Diagnostics,
    ) -> (Option<Base<'a>>, Named) {
        if let Some(field) = written(params, diagnostics) {
            let url = match &field.node.value {
                Value::Str(text) => text.clone(),
                _ => String::new(),
            };
            return (Some(Base { url, at: Ok(field) }), Named::Entry);
        }
        for origin in provider.base_from {
            match origin {
                Origin::Setting(name) => {
                    if let Some(field) = self.setting(name) {
                        let url = field.text(diagnostics).unwrap_or_default().to_owned();
                        return (Some(Base { url, at: Ok(field) }), Named::Setting);
                    }
                }
                Origin::Env(name) => {
                    if let Some(url) = self.env.value(name) {
                        return (Some(Base { url, at: Err(name) }), Named::Variable);
                    }
                }
            }
        }
        (None, Named::Nobody)
    }

    /// The endpoint of a whole base URL, or what is wrong with it where it is written.
    fn endpoint(
        &self,
        params: &Field<'a>,
        provider: &Provider,
        written: Option<&Base<'a>>,
        url: &str,
        diagnostics: &mut Diagnostics,
    ) -> Option<Endpoint> {
        match written.map(|base| &base.at) {
            Some(Ok(field)) => endpoint::read(field, url, provider, diagnostics),
            Some(Err(name)) => endpoint::of_variable(url, name, params, provider, diagnostics),
            None if url.is_empty() && provider.tokens == Some(Tokens::Google) => {
                let problem =
                    format!("`vertex_project` is missing, and nothing else names the project of `{}`", provider.name);
                params.apart(diagnostics, problem, "write it, and `vertex_location` where the models are");
                None
            }
            None if url.is_empty() => {
                let (problem, remedy) = match account(provider) {
                    Some((_, name, _)) => (
                        format!("`api_base` is missing, and nothing names the account at `{}`", provider.name),
                        format!("set the environment variable `{name}`, or write `api_base`"),
                    ),
                    None => (
                        format!("`api_base` is missing, and `{}` has no host of its own", provider.name),
                        "write for example `api_base: http://127.0.0.1:8000/v1`".to_owned(),
                    ),
                };
                params.apart(diagnostics, problem, remedy);
                None
            }
            None => match endpoint::parsed(url, provider) {
                None => {
                    let problem = format!("`{url}` is no URL");
                    params.apart(diagnostics, problem, "mend the variable that is a part of it, or write `api_base`");
                    None
                }
                found => found,
            },
        }
    }

    /// The key of a deployment whose entry writes none.
    fn usual_key(
        &self,
        params: &Field<'a>,
        provider: &Provider,
        endpoint: Option<&Endpoint>,
        named: Named,
        diagnostics: &mut Diagnostics,
    ) -> Option<Key> {
        let found = |may: &dyn Fn(&Origin) -> bool, diagnostics: &mut Diagnostics| {
            let may = provider.key_from.iter().filter(|origin| may(origin));
            may.into_iter().find_map(|origin| self.key_from(origin, diagnostics))
        };
        let is_setting = |origin: &Origin| matches!(origin, Origin::Setting(_));
        // The two ways to name one host, side by side.
        let same = || {
            let variables = provider.base_from.iter().filter_map(|origin| match origin {
                Origin::Env(name) => self.env.value(name),
                Origin::Setting(_) => None,
            });
            variables.filter_map(|url| endpoint::parsed(&url, provider)).next().as_ref() == endpoint
        };
        let meant = match named {
            Named::Entry => None,
            Named::Setting if !same() => found(&is_setting, diagnostics),
            // Which variable it is may depend on which is set, but not whether there is a key: that is seen where Envoy starts.
            _ => {
                let usual = || provider.usual_key_variable().map(|name| Key::Env(name.to_owned()));
                return found(&|_| true, diagnostics).or_else(usual);
            }
        };
        if meant.is_some() {
            return meant;
        }
        let unused = provider.key_from.iter().find_map(|origin| match origin {
            Origin::Env(name) => self.env.held(name).map(|_| name),
            Origin::Setting(_) => None,
        });
        if let (Some(name), Some(endpoint)) = (unused, endpoint) {
            let host = endpoint.authority();
            let problem = format!("no key is sent to {host}, where LiteLLM would send `{name}`");
            params.note(diagnostics, problem, format!("write `api_key: {PREFIX}{name}` if it is meant for that host"));
        }
        None
    }

    pub(super) fn key_from(&self, origin: &Origin, diagnostics: &mut Diagnostics) -> Option<Key> {
        match origin {
            Origin::Setting(name) => self.key(&self.setting(name)?, diagnostics),
            Origin::Env(name) => match self.env.held(name)? {
                Held::Outside => Some(Key::Env((*name).to_owned())),
                Held::Reference(other) => Some(Key::Env(other)),
                Held::Literal(text) => {
                    let written = self.root.at("environment_variables").and_then(|section| section.at(name));
                    // A number is a key too, and was made a text.
                    let is_text = |field: &Field<'_>| matches!(field.node.value, Value::Str(_));
                    written.filter(is_text).map_or(Some(Key::Literal(text)), |field| self.key(&field, diagnostics))
                }
            },
        }
    }

    /// A key that is written somewhere: the name of a variable, or itself. A variable that is set is read also where it is named as in a
    /// shell, which LiteLLM takes for the key itself.
    pub(super) fn key(&self, field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Key> {
        let variable = match &field.node.value {
            Value::Str(text) => shell::variable(text),
            _ => None,
        };
        let is_set = |name: &str| !self.env.is_read || (self.env.read)(name).is_some();
        let Some(name) = variable.filter(|name| is_set(name)) else { return key(field, diagnostics) };
        let problem = format!("the variable `{name}` is read here, where LiteLLM sends this text itself as the key");
        field.warning(diagnostics, problem, format!("write `{PREFIX}{name}`"));
        Some(Key::Env(name.to_owned()))
    }

    fn setting(&self, name: &str) -> Option<Field<'a>> {
        self.root.at("litellm_settings")?.at(name).filter(says_something)
    }
}

/// What stands before, in and behind the braces of a provider's own base URL.
fn account(provider: &Provider) -> Option<(&'static str, &'static str, &'static str)> {
    let (before, rest) = provider.api_base.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// Whether a field holds more than an empty text, which is none to LiteLLM.
pub(super) fn says_something(field: &Field<'_>) -> bool {
    !matches!(&field.node.value, Value::Str(text) if text.is_empty())
}

/// The `base_url` or `api_base` of an entry. Where both stand, LiteLLM takes `base_url` for chat and completions, and `api_base` for
/// embeddings.
fn written<'a>(params: &Field<'a>, diagnostics: &mut Diagnostics) -> Option<Field<'a>> {
    for name in ["api_base", "base_url"] {
        if let Some(empty) = params.at(name).filter(|field| !says_something(field)) {
            let problem = "this is empty, and names no host: to LiteLLM as if it were not there";
            empty.warning(diagnostics, problem, "write the URL, or take it out where the usual host is meant");
        }
    }
    let base = params.at("api_base").filter(says_something);
    let Some(url) = params.at("base_url") else { return base };
    if !says_something(&url) {
        if base.is_some() {
            let problem =
                "this is empty, and LiteLLM passes over the `api_base` beside it: it asks the provider's own host";
            url.error(diagnostics, problem, "take it out, or write the URL here");
        }
        return base;
    }
    let Some(base) = base else { return Some(url) };
    let plain = |field: &Field<'_>| match &field.node.value {
        Value::Str(text) => text.trim_end_matches('/').to_owned(),
        _ => String::new(),
    };
    if plain(&url) != plain(&base) {
        let problem = "`base_url` and `api_base` name two hosts, and this one counts";
        url.warning(diagnostics, problem, "keep one of them: they are the same key");
    }
    Some(url)
}

/// A key that is written somewhere: the name of a variable, or itself.
pub(super) fn key(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Key> {
    let Value::Str(text) = &field.node.value else {
        let remedy = "write `os.environ/NAME`, or the key in quotes";
        field.error(diagnostics, "an `api_key` is a text", remedy);
        return None;
    };
    let Some(name) = text.strip_prefix(PREFIX) else {
        if text.chars().any(char::is_control) {
            field.error(diagnostics, "the key holds a line break or another control character", "write it on one line");
        } else if let Some(remedy) = shell::remedy(text) {
            field.error(diagnostics, "this is how a shell or a template names a variable, not a key", remedy);
        }
        return (!text.is_empty()).then(|| Key::Literal(text.clone()));
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
        field.error(diagnostics, format!("`{name}` cannot name an environment variable"), "write `os.environ/NAME`");
        return None;
    }
    Some(Key::Env(name.to_owned()))
}
