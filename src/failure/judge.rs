//! What outranks what: from what was said to a class and whose fault it is.
//!
//! What was said counts before the status, because providers put full contexts into 400, 413 and 422, spent accounts into 400, 403 and
//! 412, and rate limits into 200. Money and standing come first (nothing else will be served then), then refused content, credentials,
//! rates, lengths, models, rights, and room. The status decides where nothing was said.
//!
//! | what is said | class | fault |
//! |---|---|---|
//! | no money, no allowance of a day or longer, an account that is suspended | `quota` | account |
//! | money, or what is left of an allowance, for a smaller request only | `quota` | request |
//! | refused content | `content_policy` | request |
//! | wrong credentials | `auth` | account |
//! | too many requests or tokens for now | `rate_limit` | deployment |
//! | one request larger than all of a minute | `rate_limit` | request |
//! | longer than the context | `context_window` | request |
//! | no such model, or no more | `not_found` | model |
//! | nobody there who can do what is asked for | `not_found` | request |
//! | a model that cannot do what is asked for, or failed at calling a tool | `bad_request` | model |
//! | no right to this, not from here | `permission` | account |
//! | no room, not ready | `overloaded` | deployment |
//! | an image, a length, a number that no provider takes | `bad_request` | client |
//! | any other refusal | `bad_request` | request |
//!
//! **Invariant:** every status has a class.

use super::error_body::Said;
use super::phrases::{found, matches};
use super::words::{self, Words};
use super::{ErrorAnswer, vendor};
use crate::chat::{FailureClass, Fault, Lack};

/// The class of an answer, and whose fault it is. `status`: the HTTP status, or for an error within a good answer what it names.
pub fn judge(answer: &ErrorAnswer<'_>, status: u16, said: &Said) -> (FailureClass, Fault, Option<Lack>) {
    let lack = said.sentences.iter().find_map(|sentence| lack(sentence));
    let mut class = class(answer.provider, status, said);
    // Some call it an error of their own.
    if lack.is_some() && class == FailureClass::Upstream && matches!(status, 500 | 501) {
        class = FailureClass::BadRequest;
    }
    let fault = fault(class, lack, said);
    (class, fault, lack.filter(|_| matches!(class, FailureClass::BadRequest | FailureClass::NotFound)))
}

/// What a sentence says that the model lacks. One about a part of it, such as how tools are chosen, says nothing of the whole.
fn lack(sentence: &str) -> Option<Lack> {
    let any = |patterns: &[&str]| patterns.iter().any(|pattern| matches(pattern, sentence));
    let whole = |lack| if any(words::A_PART) { Lack::Other } else { lack };
    if any(words::NO_TOOLS) {
        Some(whole(Lack::Tools))
    } else if any(words::NO_IMAGES) {
        Some(whole(Lack::Images))
    } else if any(words::NO_THINKING) {
        Some(whole(Lack::Thinking))
    } else {
        any(words::LACKING).then_some(Lack::Other)
    }
}

fn class(provider: &str, status: u16, said: &Said) -> FailureClass {
    use FailureClass as Class;
    if said.is_page {
        return of_page(status);
    }
    if let Some(class) = vendor::class(provider, status, said) {
        return class;
    }
    let says = |words: &Words| says(words, said);
    let has_rate = status == 429 || says(&words::RATE);
    if !said.flagged && (status == 402 || says_account(status, said, has_rate)) {
        return Class::Quota;
    }
    if says_refused(status, said) {
        return Class::ContentPolicy;
    }
    if status == 401 || (status != 429 && says_credentials(said)) {
        return Class::Auth;
    }
    if status == 429 || (has_rate && !code(&words::CONTEXT, said)) {
        let is_busy = code_but("capacity", &words::BUSY, said) || found(&["overload|not ready"], &said.sentences);
        return if is_busy { Class::Overloaded } else { Class::RateLimit };
    }
    if too_long(status, said) {
        return Class::ContextWindow;
    }
    if names_model(status, said) {
        return Class::NotFound;
    }
    if says(&words::BUSY) && status != 404 && status != 403 {
        return Class::Overloaded;
    }
    if says(&words::RIGHT) && status != 404 {
        return Class::Permission;
    }
    unnamed(status, said)
}

/// Where no list knows what was said.
fn unnamed(status: u16, said: &Said) -> FailureClass {
    use FailureClass as Class;
    let is_late = || says(&words::LATE, said);
    match by_status(status) {
        // Something else than the prompt is too large.
        Class::ContextWindow => Class::BadRequest,
        Class::Upstream if is_late() && !(400..500).contains(&status) => Class::Timeout,
        Class::Upstream if status < 400 && said.is_request_error() => Class::BadRequest,
        Class::BadRequest if is_late() && code(&words::LATE, said) => Class::Timeout,
        Class::BadRequest if says(&words::BROKEN, said) => Class::Upstream,
        Class::NotFound if status == 404 && is_of_request(said) => Class::BadRequest,
        class => class,
    }
}

fn fault(class: FailureClass, lack: Option<Lack>, said: &Said) -> Fault {
    let sentences = &said.sentences;
    match class {
        FailureClass::RateLimit if is_larger_than_a_minute(sentences) => Fault::Request,
        FailureClass::Quota if found(words::AFFORDS_LESS, sentences) && !found(words::AFFORDS_NOTHING, sentences) => {
            Fault::Request
        }
        FailureClass::NotFound if lack.is_some() => Fault::Request,
        FailureClass::BadRequest if lack.is_some_and(|lack| lack != Lack::Other) => Fault::Model,
        FailureClass::BadRequest if code(&words::CLIENTS, said) || found(words::CLIENTS.wordings, sentences) => {
            Fault::Client
        }
        FailureClass::BadRequest if lack.is_some() => Fault::Model,
        _ => class.fault(),
    }
}

fn says(words: &Words, said: &Said) -> bool {
    code(words, said) || found(words.wordings, &said.sentences)
}

/// Whether a code of these was given.
fn code(words: &Words, said: &Said) -> bool {
    code_but("", words, said)
}

fn code_but(but: &str, words: &Words, said: &Said) -> bool {
    let is = |code: &String| {
        let is_one = words.codes.split_ascii_whitespace().any(|part| part != but && code.contains(part));
        is_one && !words.except.split_ascii_whitespace().any(|part| code.contains(part))
    };
    said.codes.iter().any(is)
}

/// Credentials that are wrong; not ours that lack a right, and no tokens of a text.
fn says_credentials(said: &Said) -> bool {
    let is_other = || found(words::RIGHTS, &said.sentences) || found(words::NO_CREDENTIAL, &said.sentences);
    code(&words::AUTH, said) || (found(words::AUTH.wordings, &said.sentences) && !is_other())
}

/// Refused content; but what could not be fetched or read was not judged.
fn says_refused(status: u16, said: &Said) -> bool {
    let is_unread =
        found(&["unable to|failed to|could not|can not .. download|fetch|decode|open|parse"], &said.sentences);
    let is_refused = code(&words::POLICY, said) || (status != 429 && found(words::POLICY.wordings, &said.sentences));
    said.flagged || (is_refused && !is_unread)
}

/// Money, allowance, standing. What is said about a minute is a rate limit, whatever else it advises.
fn says_account(status: u16, said: &Said, has_rate: bool) -> bool {
    let text = said.sentences.join(" ");
    let first = |periods: &[&str]| periods.iter().filter_map(|period| text.find(period)).min();
    let (long, short) = (first(words::LONG), first(words::SHORT));
    let is_short = short.is_some_and(|short| long.is_none_or(|long| short < long));
    let is_long = long.is_some() && !is_short;
    let is_disabled_service = said.codes.iter().any(|code| code == "servicedisabled");
    if is_disabled_service {
        return false;
    }
    let is_limit = has_rate || found(&["limit|quota|exceed|too many"], &said.sentences);
    if is_long && is_limit && (400..500).contains(&status) {
        return true;
    }
    if is_short && has_rate {
        return false;
    }
    // "Try again in 20s" is said of what time mends.
    let waits_little = said.wait_ms.is_some_and(|wait_ms| wait_ms < 120_000);
    let has_code = code(&words::ACCOUNT, said);
    if has_code {
        return true;
    }
    let is_allowance = !has_rate && found(words::ALLOWANCE, &said.sentences);
    !(status == 429 && waits_little) && (is_allowance || found(words::ACCOUNT.wordings, &said.sentences))
}

/// Longer than the context: a sentence of its own that is neither about what shall come out nor about an image.
fn too_long(status: u16, said: &Said) -> bool {
    if code(&words::CLIENTS, said) {
        return false;
    }
    let any = |patterns: &[&str], sentence: &str| patterns.iter().any(|pattern| matches(pattern, sentence));
    let is_too_long = |sentence: &String| {
        let sentence = sentence.as_str();
        let is_output = any(words::OUTPUT, sentence) && !any(words::INPUT, sentence);
        let is_media = any(words::MEDIA, sentence) && !any(&["token|context"], sentence);
        let is_field = any(
            &[
                "string|name|field|description|title|identifier|id|key|maximum length .. too long|too short|maximum length|characters|long",
            ],
            sentence,
        ) && !any(&["token|context"], sentence);
        let is_slow = any(&["took too long|taking too long|timed out"], sentence);
        !is_output && !is_media && !is_field && !is_slow && any(words::CONTEXT.wordings, sentence)
    };
    let is_media = || said.sentences.iter().any(|sentence| any(words::MEDIA, sentence));
    code(&words::CONTEXT, said) || said.sentences.iter().any(is_too_long) || (status == 413 && !is_media())
}

/// The model is not there: by a code, by the parameter that is complained about, or by a wording that is not about a feature.
fn names_model(status: u16, said: &Said) -> bool {
    if code(&words::MODEL, said) {
        return !is_of_request(said);
    }
    let is_parameter = said.param.as_deref().is_some_and(|param| !param.is_empty() && !param.contains("model"));
    if is_parameter || status == 403 || !(status < 500 || status == 503) {
        return false;
    }
    let is_model = |sentence: &String| {
        let any = |patterns: &[&str]| patterns.iter().any(|pattern| matches(pattern, sentence));
        any(words::MODEL.wordings)
            && !any(words::NOT_THE_MODEL)
            && !any(&["temporarily|currently .. unavailable|overload", "your region|your country|your location"])
    };
    said.sentences.iter().any(is_model)
}

/// A 404 for something that the request itself points to.
fn is_of_request(said: &Said) -> bool {
    let lost = "file|item|previous response|previous_response|vector store|thread|assistant|batch|image|cached content .. not found|does not exist";
    found(&[lost, "no such .. file|item|response|thread|batch|upload"], &said.sentences)
        && !found(&["model"], &said.sentences)
}

/// One request that asks for more than a minute has: it is never served there, however long it waits.
fn is_larger_than_a_minute(sentences: &[String]) -> bool {
    if found(
        &[
            "request too large|tokens must be reduced|reduce your message size|reduce message size|extra usage is required|single request|long context requests",
        ],
        sentences,
    ) {
        return true;
    }
    let number = |word: &str| {
        let text = sentences.concat();
        let (_, after) = text.split_once(word)?;
        let digits: String = after
            .trim_start_matches([' ', ':'])
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == ',')
            .filter(char::is_ascii_digit)
            .collect();
        digits.parse::<u64>().ok()
    };
    number("limit ").zip(number("requested ")).is_some_and(|(limit, requested)| requested > limit)
}

/// A web page: a proxy in between answers, which may not know what the request is. Only a status that means one thing counts.
const fn of_page(status: u16) -> FailureClass {
    match status {
        401 | 402 | 407 | 408 | 413 | 429 | 451 => by_status(status),
        400..=499 => FailureClass::Upstream,
        _ => by_status(status),
    }
}

const fn by_status(status: u16) -> FailureClass {
    match status {
        401 | 407 => FailureClass::Auth,
        402 => FailureClass::Quota,
        403 => FailureClass::Permission,
        404 | 410 => FailureClass::NotFound,
        408 | 504 | 522 | 524 => FailureClass::Timeout,
        413 => FailureClass::ContextWindow,
        // A conflict, a connection that is not for this host, too early, gone away: nothing that the request could help.
        409 | 421 | 424 | 425 | 499 => FailureClass::Upstream,
        429 => FailureClass::RateLimit,
        451 => FailureClass::ContentPolicy,
        498 | 503 | 529 => FailureClass::Overloaded,
        400..=499 => FailureClass::BadRequest,
        _ => FailureClass::Upstream,
    }
}
