//! What goes wrong on purpose: a comma-separated `key=value` text, read into a [`Fault`].
//!
//! It is one flat text and not JSON, because it must fit after the `@` of a model's name and into a shell argument. `tokens` and
//! `token_delay` shape the answer and hold for every request; `times`, `for` and `every` select the requests that get the rest.
//!
//! **Invariant:** an unknown key, a value out of range, or a key that would have no effect is an error that names it.

use std::{str::FromStr, time::Duration};

/// A body in place of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// The provider's "the context is too long", status 400.
    ContextLength,
    /// The provider's "rejected by the content policy", status 400.
    ContentPolicy,
    /// The provider's "no money left", status 429 (OpenAI) or 400 (Anthropic).
    Quota,
    /// A web page, as a proxy in front of the provider sends one, status 200.
    Html,
    /// The first half of the right JSON, status 200.
    CutJson,
}

/// An error inside an answer whose status is 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inband {
    /// The provider has no capacity.
    Overloaded,
    /// The client sends too many requests.
    RateLimit,
    /// The provider broke.
    Server,
}

/// Everything that can go wrong; the default is healthy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// Answer with this status and the dialect's error body.
    pub status: Option<u16>,
    /// The `retry-after` header, in seconds, beside `status` or `body`.
    pub retry_after: Option<u32>,
    /// Answer with this body.
    pub body: Option<Preset>,
    /// Wait before the head of the answer.
    pub delay_headers: Option<Duration>,
    /// Send the head at once, then wait before the first event.
    pub delay_first_token: Option<Duration>,
    /// With `delay_first_token`: send what comes before the first token (the role chunk) before the wait.
    pub role_first: bool,
    /// The pause between two tokens.
    pub token_delay: Option<Duration>,
    /// How many tokens the answer has.
    pub tokens: Option<u32>,
    /// End the stream cleanly after this many tokens, with no terminal event.
    pub cut_after: Option<u32>,
    /// Reset the connection after this many tokens.
    pub reset_after: Option<u32>,
    /// Fall silent after this many tokens, for `stall`, then continue.
    pub stall_after: Option<u32>,
    /// How long `stall_after` is silent; 30 s by default.
    pub stall: Option<Duration>,
    /// Reset the connection before any byte of the answer.
    pub reset: bool,
    /// Read the request, send nothing for this long, close the connection.
    pub silent: Option<Duration>,
    /// Insert half an event, which is not JSON, at this place of the stream, from 1; the answer stays whole.
    pub bad_event: Option<u32>,
    /// Leave out the stream's last event, `[DONE]` or `message_stop`.
    pub no_done: bool,
    /// Status 200, and then an error in the answer.
    pub error_event: Option<Inband>,
    /// With `error_event`: after this many tokens instead of at once.
    pub error_after: Option<u32>,
    /// Answer by a refusal: words that decline, and the stop reason that goes with them.
    pub refusal: bool,
    /// Refuse, with 400, a conversation that ends with an assistant's turn.
    pub refuse_prefill: bool,
    /// Only this many times.
    pub times: Option<u64>,
    /// Only for this long after the fault was set (the key `for`).
    pub lasts: Option<Duration>,
    /// Only each request of this number, as 3 for every third one.
    pub every: Option<u64>,
}

impl Fault {
    /// Whether the fault strikes the `nth` request (from 1), `age` after it was set.
    pub fn strikes(&self, nth: u64, age: Duration) -> bool {
        let every = self.every.unwrap_or(1);
        nth.is_multiple_of(every)
            && self.times.is_none_or(|times| nth / every <= times)
            && self.lasts.is_none_or(|lasts| age < lasts)
    }

    /// What remains for a request that the fault does not strike: the shape of the answer.
    pub fn spared(&self) -> Fault {
        Fault { tokens: self.tokens, token_delay: self.token_delay, ..Fault::default() }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "status" => self.status = Some(number(key, value, 200, 599)? as u16),
            "retry_after" => self.retry_after = Some(number(key, value, 0, 86_400)?),
            "body" => self.body = Some(one_of(key, value, PRESETS)?),
            "delay_headers" => self.delay_headers = Some(duration(key, value)?),
            "delay_first_token" => self.delay_first_token = Some(duration(key, value)?),
            "role_first" => self.role_first = flag(key, value)?,
            "token_delay" => self.token_delay = Some(duration(key, value)?),
            "tokens" => self.tokens = Some(number(key, value, 1, 1_000_000)?),
            "cut_after" => self.cut_after = Some(number(key, value, 0, u32::MAX)?),
            "reset_after" => self.reset_after = Some(number(key, value, 0, u32::MAX)?),
            "stall_after" => self.stall_after = Some(number(key, value, 0, u32::MAX)?),
            "stall" => self.stall = Some(duration(key, value)?),
            "reset" => self.reset = flag(key, value)?,
            "silent" => self.silent = Some(duration(key, value)?),
            "bad_event" => self.bad_event = Some(number(key, value, 1, u32::MAX)?),
            "no_done" => self.no_done = flag(key, value)?,
            "error_event" => self.error_event = Some(one_of(key, value, INBAND)?),
            "error_after" => self.error_after = Some(number(key, value, 0, u32::MAX)?),
            "refusal" => self.refusal = flag(key, value)?,
            "refuse_prefill" => self.refuse_prefill = flag(key, value)?,
            "times" => self.times = Some(number(key, value, 1, u32::MAX)?.into()),
            "for" => self.lasts = Some(duration(key, value)?),
            "every" => self.every = Some(number(key, value, 1, u32::MAX)?.into()),
            _ => return Err(format!("unknown fault `{key}`; known: {KEYS}")),
        }
        Ok(())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut fault = Fault::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            fault.set(key.trim(), value.trim())?;
        }
        for (given, key, needs, there) in [
            (fault.role_first, "role_first", "delay_first_token", fault.delay_first_token.is_some()),
            (fault.stall.is_some(), "stall", "stall_after", fault.stall_after.is_some()),
            (fault.error_after.is_some(), "error_after", "error_event", fault.error_event.is_some()),
            (
                fault.retry_after.is_some(),
                "retry_after",
                "status or body",
                fault.status.is_some() || fault.body.is_some(),
            ),
        ] {
            if given && !there {
                return Err(format!("`{key}` does nothing without `{needs}`"));
            }
        }
        Ok(fault)
    }
}

const KEYS: &str = "status, retry_after, body, delay_headers, delay_first_token, role_first, token_delay, tokens, cut_after, \
                    reset_after, stall_after, stall, reset, silent, bad_event, no_done, error_event, error_after, \
                    refusal, refuse_prefill, times, for, every";

const PRESETS: &[(&str, Preset)] = &[
    ("context_length", Preset::ContextLength),
    ("content_policy", Preset::ContentPolicy),
    ("quota", Preset::Quota),
    ("html", Preset::Html),
    ("cut_json", Preset::CutJson),
];

const INBAND: &[(&str, Inband)] =
    &[("overloaded", Inband::Overloaded), ("rate_limit", Inband::RateLimit), ("server", Inband::Server)];

fn number(key: &str, value: &str, least: u32, most: u32) -> Result<u32, String> {
    match value.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("`{key}={value}`: not a whole number from {least} to {most}")),
    }
}

fn duration(key: &str, value: &str) -> Result<Duration, String> {
    let wrong = || format!("`{key}={value}`: not a duration such as 500ms, 20s or 2m");
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (amount, unit) = value.split_at_checked(digits).ok_or_else(wrong)?;
    let amount: u64 = amount.parse().map_err(|_| wrong())?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(wrong()),
    };
    amount.checked_mul(unit_ms).filter(|ms| *ms <= 86_400_000).map(Duration::from_millis).ok_or_else(wrong)
}

fn flag(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{key}={value}`: not true or false")),
    }
}

fn one_of<T: Copy>(key: &str, value: &str, known: &[(&str, T)]) -> Result<T, String> {
    known.iter().find(|(name, _)| *name == value).map(|(_, it)| *it).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        format!("`{key}={value}`: not one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_healthy() {
        assert_eq!(Fault::from_str(""), Ok(Fault::default()));
        assert_eq!(Fault::from_str(" , "), Ok(Fault::default()));
    }

    #[test]
    fn reads_every_kind_of_value() {
        let fault = Fault::from_str("status=429, retry_after=2,times=1,for=60s,every=10,no_done,role_first=true,delay_first_token=500ms,body=quota,error_event=server,tokens=60,silent=2m").unwrap();
        let wanted = Fault {
            status: Some(429),
            retry_after: Some(2),
            times: Some(1),
            lasts: Some(Duration::from_secs(60)),
            every: Some(10),
            no_done: true,
            role_first: true,
            delay_first_token: Some(Duration::from_millis(500)),
            body: Some(Preset::Quota),
            error_event: Some(Inband::Server),
            tokens: Some(60),
            silent: Some(Duration::from_secs(120)),
            ..Fault::default()
        };
        assert_eq!(fault, wanted);
    }

    #[test]
    fn every_known_key_is_accepted() {
        for key in KEYS.split(", ") {
            let known =
                ["1", "500ms", "true", "html", "server", "503"].iter().any(|v| Fault::default().set(key, v).is_ok());
            assert!(known, "{key}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (spec, part) in [
            ("statsu=503", "unknown fault `statsu`"),
            ("status=99", "from 200 to 599"),
            ("status", "`status=`"),
            ("silent=20", "500ms, 20s or 2m"),
            ("silent=99999999999999999999s", "duration"),
            ("body=pdf", "context_length"),
            ("no_done=yes", "true or false"),
            ("role_first", "without `delay_first_token`"),
            ("stall=3s", "without `stall_after`"),
            ("error_after=3", "without `error_event`"),
            ("retry_after=3", "without `status or body`"),
        ] {
            let said = Fault::from_str(spec).unwrap_err();
            assert!(said.contains(part), "{spec}: {said}");
        }
    }

    #[test]
    fn chooses_who_suffers() {
        let struck = |spec: &str, age_s: u64| -> Vec<u64> {
            let fault = Fault::from_str(spec).unwrap();
            (1..=30).filter(|nth| fault.strikes(*nth, Duration::from_secs(age_s))).collect()
        };
        assert_eq!(struck("reset,times=2", 0), [1, 2]);
        assert_eq!(struck("reset,every=10", 0), [10, 20, 30]);
        assert_eq!(struck("reset,every=10,times=1", 0), [10]);
        assert_eq!(struck("reset,for=60s", 59).len(), 30);
        assert_eq!(struck("reset,for=60s", 60).len(), 0);
    }

    #[test]
    fn the_spared_keep_the_shape() {
        let spared = Fault::from_str("tokens=60,token_delay=5ms,cut_after=40,times=1").unwrap().spared();
        assert_eq!(spared, Fault::from_str("tokens=60,token_delay=5ms").unwrap());
    }
}
