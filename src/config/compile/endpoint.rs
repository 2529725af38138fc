//! `api_base`: a base URL, taken apart.
//!
//! **Invariant:** no user name, password or query is in an endpoint, so it may stand in logs and generated files.

use super::field::{Diagnostics, Field};
use super::shell;
use crate::config::model::Endpoint;
use crate::provider::Provider;

/// The endpoint that a field names. `url` is what the provider makes of it.
pub(super) fn read(
    field: &Field<'_>,
    url: &str,
    provider: &Provider,
    diagnostics: &mut Diagnostics,
) -> Option<Endpoint> {
    field.text(diagnostics)?;
    match parse(url, provider) {
        Ok(endpoint) => Some(endpoint),
        Err((problem, remedy)) => {
            // What stands before an `@` may be a password.
            let shown = if url.contains('@') { "this URL".to_owned() } else { field.shown() };
            field.error(diagnostics, format!("{shown} {problem}"), remedy);
            None
        }
    }
}

/// The endpoint that a provider's variable names.
pub(super) fn of_variable(
    url: &str,
    name: &str,
    params: &Field<'_>,
    provider: &Provider,
    diagnostics: &mut Diagnostics,
) -> Option<Endpoint> {
    match parse(url, provider) {
        Ok(endpoint) => Some(endpoint),
        Err((problem, remedy)) => {
            let problem = format!("the URL in the environment variable `{name}` {problem}");
            params.error(diagnostics, problem, format!("{remedy}, or write an `api_base` here"));
            None
        }
    }
}

/// The endpoint of a URL, where it is one.
pub(super) fn parsed(url: &str, provider: &Provider) -> Option<Endpoint> {
    parse(url, provider).ok()
}

/// Whether an endpoint is at a host of the provider's own.
pub(super) fn is_own(endpoint: &Endpoint, provider: &Provider) -> bool {
    let mut owned = own(provider).into_iter().chain(known(provider));
    owned.any(|own| endpoint.authority() == own.authority() && endpoint.tls == own.tls)
}

/// Those by which LiteLLM knows it.
pub(super) fn known(provider: &Provider) -> impl Iterator<Item = Endpoint> {
    provider.known_at.iter().filter_map(|url| parse(url, provider).ok())
}

/// The provider's own endpoint; `None`: it has none.
pub(super) fn own(provider: &Provider) -> Option<Endpoint> {
    parse(provider.api_base, provider).ok()
}

/// What a deployment has that lost its endpoint to an error.
pub(super) const fn nowhere() -> Endpoint {
    Endpoint { tls: false, host: String::new(), port: 0, path: String::new(), query: String::new() }
}

type Wrong = (&'static str, &'static str);

fn parse(url: &str, provider: &Provider) -> Result<Endpoint, Wrong> {
    if shell::within(url) {
        return Err((
            "names a variable as a shell does",
            "write `os.environ/NAME` alone, with the whole URL in that variable",
        ));
    }
    let lower = url.trim().to_ascii_lowercase();
    let tls = lower.starts_with("https://");
    if !tls && !lower.starts_with("http://") {
        return Err(("has no scheme", "write `https://` or `http://` before it"));
    }
    let (_, rest) = url.trim().split_once("://").ok_or(("is not a URL", "write `https://host/path`"))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // The one that Azure's portal shows.
    let is_version = query.strip_prefix("api-version=").is_some_and(|version| {
        version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    });
    if rest.contains('#') || !(query.is_empty() || is_version) {
        return Err(("has a query or fragment, which would stand in logs", "write the URL without it"));
    }
    let (authority, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(("holds a user name or password", "write the URL without it, and the key as `api_key`"));
    }
    let (host, port) = split_port(authority)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_host = host.parse::<std::net::Ipv6Addr>().is_ok() || (!host.is_empty() && host.chars().all(fits));
    if !is_host {
        return Err(("names no host", "write `https://host/path`"));
    }
    if path.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(("holds a space", "write it without"));
    }
    let path = path.trim_end_matches('/');
    let chat_path = provider.chat_path();
    let path = path.strip_suffix(&*chat_path).unwrap_or(path).trim_end_matches('/');
    // Where the path of an API begins with the version, many write the version with the host.
    let path = if chat_path.starts_with("/v1/") { path.strip_suffix("/v1").unwrap_or(path) } else { path };
    let rest = if path.ends_with(provider.ends_in) { "" } else { provider.ends_in };
    let port = port.unwrap_or(if tls { 443 } else { 80 });
    Ok(Endpoint { tls, host: host.to_ascii_lowercase(), port, path: [path, rest].concat(), query: query.to_owned() })
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), Wrong> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) =
            rest.split_once(']').ok_or(("opens a bracket and never closes it", "write `[address]:port`"))?;
        (host, after.strip_prefix(':'))
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let wrong = ("has a port that is none", "write a number from 1 to 65535, or no port");
    let port = port.map(|port| port.parse().ok().filter(|port| *port != 0).ok_or(wrong)).transpose()?;
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::by_name;

    fn taken_apart(provider: &str, url: &str) -> String {
        match parse(url, by_name(provider).unwrap()) {
            Ok(e) => format!("{} {} {} {}", if e.tls { "https" } else { "http" }, e.host, e.port, e.path),
            Err((problem, _)) => problem.to_owned(),
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        assert_eq!(taken_apart("openai", "https://API.Example.com/v1/"), "https api.example.com 443 /v1");
        assert_eq!(taken_apart("openai", "http://[::1]:8000"), "http ::1 8000 ");
        assert_eq!(taken_apart("openai", "http://h/v1/chat/completions"), "http h 80 /v1");
        assert_eq!(taken_apart("anthropic", "https://h/proxy/v1/messages"), "https h 443 /proxy");
        assert_eq!(taken_apart("anthropic", "https://h/v1/"), "https h 443 ", "C11");
        assert_eq!(taken_apart("openai", "${BASE}"), "names a variable as a shell does");
        assert_eq!(taken_apart("openai", "https://${HOST}/v1"), "names a variable as a shell does");
        assert_eq!(taken_apart("openai", "api.example.com/v1"), "has no scheme");
        assert_eq!(taken_apart("openai", "https://:443/"), "names no host");
        assert_eq!(taken_apart("openai", "https://h:99999"), "has a port that is none");
        assert_eq!(taken_apart("openai", "https://u:p@h/"), "holds a user name or password");
        assert_eq!(taken_apart("openai", "https://h/?key=1"), "has a query or fragment, which would stand in logs");
    }
}
