//! What the router must know of a client's body before it knows where the request goes: one pass, nothing copied, no tree.
//!
//! Most requests go to a provider of the client's own dialect and are never decoded further, so this reads top-level members
//! only, keeps the interesting ones as raw JSON and looks into the small ones. Messages are left alone until somebody asks.
//!
//! **Invariant:** the model that is read is the model that stands at [`BodyScan::model_span`]: a body that names it twice is
//! refused, because the provider could read the other one. Nesting costs no stack.

pub mod form;
mod gateway_params;
pub(crate) mod members;

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::body_defaults::object;
use crate::chat::ApiError;
use crate::dialect::read::loose_object;
use crate::dialect::unsupported::Feature;
use crate::json::unescaped;
pub use gateway_params::{MockFailure, strip_gateway_params};
use members::{CLIENT_SIDE, Members, Object};

/// The top of a client's body.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "what was seen, a flag each; any of them go together")]
pub struct BodyScan<'a> {
    /// The model asked for.
    pub model: Cow<'a, str>,
    /// Where its JSON string stands in the body, quotes included.
    pub model_span: Range<usize>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// Whether a stream shall end with its usage.
    pub include_usage: bool,
    /// Whether there are `stream_options` at all, be they `null`.
    pub stream_options: bool,
    /// The instructions that stand outside of the conversation (`system`, `instructions`), raw.
    pub system: Option<&'a [u8]>,
    /// The conversation (`messages`, `input`), raw; none for other endpoints than chat.
    pub messages: Option<&'a [u8]>,
    /// Whether a call may have an id: a member of a value has a name of the same length.
    pub ids: bool,
    /// Whether any tools (or the older `functions`) are given.
    pub tools: bool,
    /// `tools`, raw.
    pub raw_tools: Option<&'a [u8]>,
    /// The older `functions`, raw.
    pub raw_functions: Option<&'a [u8]>,
    /// Upper bound of the answer (`max_completion_tokens`, else `max_tokens`), in tokens.
    pub max_tokens: Option<u64>,
    /// Whether the answer must be JSON (`response_format`).
    pub structured: bool,
    /// What not every dialect can express.
    pub needs: Needs,
    /// `num_retries` of this request (LiteLLM).
    pub num_retries: Option<u32>,
    /// `timeout` of this request (LiteLLM), in milliseconds; the body has seconds.
    pub timeout_ms: Option<u64>,
    /// `fallbacks` of this request (LiteLLM), raw.
    pub fallbacks: Option<&'a [u8]>,
    /// Whether the body names other models, of which its provider may take one (OpenRouter's `models`).
    pub other_models: bool,
    /// `disable_fallbacks` (LiteLLM).
    pub disable_fallbacks: bool,
    /// `allowed_model_region` of this request (LiteLLM).
    pub region: Option<Cow<'a, str>>,
    /// The failure that this request asks to be shown (LiteLLM's `mock_testing_*`).
    pub mock_failure: Option<MockFailure>,
    /// Whether it holds any of LiteLLM's members that are for the gateway, whatever they say.
    names_gateway_params: bool,
    tags: Option<&'a [u8]>,
    metadata: Option<&'a [u8]>,
    wording: Wording,
    pub(crate) reference: Option<Reference<'a>>,
}

/// What a request refers to that its provider alone has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The member that refers to it.
    pub member: &'static str,
    /// The id of the response or of the conversation, where there is one.
    pub id: Option<Cow<'a, str>>,
}

/// How a client's dialect calls what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// OpenAI's.
    OpenAi,
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Responses.
    Responses,
}

impl Wording {
    /// The types of parts: images, sound, files.
    const fn parts(self) -> [&'static str; 3] {
        match self {
            Self::OpenAi => ["\"image_url\"", "\"input_audio\"", "\"file\""],
            Self::Messages => ["\"image\"", "\"audio\"", "\"document\""],
            Self::Responses => ["\"input_image\"", "\"input_audio\"", "\"input_file\""],
        }
    }

    /// What the conversation is called.
    const fn conversation(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Messages => "messages",
            Self::Responses => "input",
        }
    }
}

/// Which fields are there, and not at their default, that not every dialect can express.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// `n` above 1.
    pub several_choices: bool,
    /// `logprobs`, also as the number that `/v1/completions` takes.
    pub logprobs: bool,
    /// `top_logprobs` above 0.
    pub top_logprobs: bool,
    /// `logit_bias`.
    pub logit_bias: bool,
    /// An answer in sound: `audio`, or `modalities` with it.
    pub audio: bool,
    /// `response_format`, where it is not plain text.
    pub format: Option<Format>,
}

/// The type of `response_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `json_object`.
    JsonObject,
    /// `json_schema`.
    JsonSchema,
    /// A type this version does not know.
    Other,
}

/// Which kinds of parts the messages may hold besides text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// `image_url`.
    pub image: bool,
    /// `input_audio`.
    pub audio: bool,
    /// `file`.
    pub file: bool,
}

impl<'a> BodyScan<'a> {
    /// Reads the top of a body of OpenAI's dialect.
    ///
    /// # Errors
    /// An [`ApiError`] of status 400 where the body is not a JSON object or names no model.
    pub fn read(body: &'a [u8]) -> Result<Self, ApiError> {
        Self::read_as(body, Wording::OpenAi)
    }

    /// Reads the top of a body.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_as(body: &'a [u8], wording: Wording) -> Result<Self, ApiError> {
        let members = Members::read(body).ok_or_else(|| not_an_object(body))?;
        if members.models > 1 {
            return Err(invalid("the request body names `model` more than once", "model", None));
        }
        if members.client_side.is_some() {
            return Err(client_side(body));
        }
        let model = members.model.ok_or_else(no_model)?;
        let is_responses = wording == Wording::Responses;
        let start = (model.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
        Ok(Self {
            model: string(model).filter(|name| !name.is_empty()).ok_or_else(no_model)?,
            model_span: start..start + model.len(),
            stream: is_true(members.stream),
            include_usage: wording != Wording::OpenAi
                || inside::<StreamOptions>(members.stream_options).is_some_and(|it| it.include_usage),
            stream_options: members.has_stream_options,
            system: if is_responses { members.instructions } else { members.system },
            messages: if is_responses { members.input } else { members.messages },
            ids: members.ids,
            tools: is_filled(members.tools) || is_filled(members.functions),
            raw_tools: members.tools,
            raw_functions: members.functions,
            max_tokens: members.max_tokens(),
            structured: members.is_structured(),
            needs: Needs::of(&members, wording),
            num_retries: inside(members.num_retries),
            timeout_ms: inside::<f64>(members.timeout).and_then(milliseconds),
            fallbacks: members.fallbacks,
            other_models: members.other_models.is_some(),
            disable_fallbacks: is_true(members.disable_fallbacks),
            region: members.allowed_model_region.and_then(string).filter(|region| !region.is_empty()),
            mock_failure: MockFailure::of(&members),
            names_gateway_params: members.name_gateway_params(),
            tags: members.tags,
            metadata: members.metadata.filter(|raw| memmem::find(raw, b"\"tags\"").is_some()),
            wording,
            reference: if is_responses { Reference::of(&members) } else { None },
        })
    }

    /// Refuses a chat request without a conversation.
    ///
    /// # Errors
    /// An [`ApiError`] of status 400 that names `messages`, or `input`.
    pub fn require_messages(&self) -> Result<(), ApiError> {
        let name = self.wording.conversation();
        let is_responses = self.wording == Wording::Responses;
        match self.messages {
            Some(raw) if raw.starts_with(b"[") || (is_responses && raw.starts_with(b"\"")) => Ok(()),
            Some(_) => Err(invalid(&format!("'{name}' must be an array"), name, Some("invalid_type"))),
            // What it refers to is a conversation.
            None if self.reference.is_some() => Ok(()),
            None => {
                let message = format!("Missing required parameter: '{name}'.");
                Err(invalid(&message, name, Some("missing_required_parameter")))
            }
        }
    }

    /// What the request refers to that its provider alone has (Responses): no other one can serve it. The conversation is looked through for the
    /// types of such items, as for [`Self::parts`].
    #[must_use]
    pub fn reference(&self) -> Option<Reference<'a>> {
        const ITEMS: [&[u8]; 3] = [b"\"item_reference\"", b"\"compaction\"", b"\"compaction_trigger\""];
        self.reference.clone().or_else(|| {
            let items = self.messages.filter(|_| self.wording == Wording::Responses)?;
            let found = ITEMS.iter().any(|name| memmem::find(items, name).is_some());
            found.then_some(Reference { member: "input", id: None })
        })
    }

    /// Which kinds of parts the messages may hold. Looks for the names alone: quotes within a text are escaped, so that text
    /// about images is not taken for one; a name written with escapes is missed and found when the messages are decoded.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let messages = self.messages.unwrap_or_default();
        let [image, audio, file] = self.wording.parts().map(|name| memmem::find(messages, name.as_bytes()).is_some());
        Parts { image, audio, file }
    }
}

impl Needs {
    /// Whether a feature is asked for.
    #[must_use]
    pub const fn has(&self, feature: Feature) -> bool {
        match feature {
            Feature::SeveralChoices => self.several_choices,
            Feature::Logprobs => self.logprobs,
            Feature::TopLogprobs => self.top_logprobs,
            Feature::LogitBias => self.logit_bias,
            Feature::SpokenAnswer => self.audio,
        }
    }

    fn of(members: &Members<'_>, wording: Wording) -> Self {
        // Of what not every dialect can express, these have no more.
        match wording {
            Wording::OpenAi => {}
            Wording::Messages => return Self { format: members.format(), ..Self::default() },
            Wording::Responses => {
                let logprobs = members.include.is_some_and(|raw| memmem::find(raw, b"logprobs\"").is_some());
                return Self { format: members.format(), logprobs, ..Self::default() };
            }
        }
        let modalities = members.modalities.unwrap_or_default();
        Self {
            several_choices: inside::<u64>(members.n).is_some_and(|n| n > 1),
            logprobs: members.logprobs.is_some_and(|raw| raw != b"false"),
            top_logprobs: members.top_logprobs.is_some_and(|raw| raw != b"0"),
            logit_bias: is_filled(members.logit_bias),
            audio: members.audio.is_some() || memmem::find(modalities, b"\"audio\"").is_some(),
            format: members.format(),
        }
    }
}

fn format(raw: Option<&[u8]>) -> Option<Format> {
    match &*inside::<Typed>(raw)?.r#type {
        "text" => None,
        "json_object" => Some(Format::JsonObject),
        "json_schema" => Some(Format::JsonSchema),
        _ => Some(Format::Other),
    }
}

impl Members<'_> {
    /// Upper bound of the answer, in tokens.
    pub(crate) fn max_tokens(&self) -> Option<u64> {
        inside(self.max_completion_tokens)
            .or_else(|| inside(self.max_tokens))
            .or_else(|| inside(self.max_output_tokens))
    }

    /// Whether the answer must be JSON.
    pub(crate) fn is_structured(&self) -> bool {
        matches!(self.format(), Some(Format::JsonObject | Format::JsonSchema))
    }

    /// The shape that the answer must have, by any dialect's name.
    fn format(&self) -> Option<Format> {
        format(self.response_format).or_else(|| {
            let config: OutputConfig<'_> = inside(self.output_config.or(self.text))?;
            format(config.format.map(|raw| raw.get().as_bytes()))
        })
    }
}

impl<'a> Reference<'a> {
    /// The refusal of a request that no provider of another dialect can serve. `place`: where it refers to what that one lacks.
    #[must_use]
    pub fn refusal(place: &str) -> ApiError {
        let message = format!(
            "'{place}' needs a provider that keeps responses, and none that can serve this request does: send the whole \
             conversation in 'input'."
        );
        invalid(&message, place, Some("unsupported_parameter"))
    }

    fn of(members: &Members<'a>) -> Option<Self> {
        let named = |member, raw: Option<&'a [u8]>| {
            raw.map(|raw| {
                let id = string(raw).or_else(|| string(loose_object(raw)?.take("id")?.get().as_bytes()));
                Self { member, id }
            })
        };
        named("previous_response_id", members.previous_response_id)
            .or_else(|| named("conversation", members.conversation))
            .or_else(|| named("prompt", members.prompt).map(|it| Self { id: None, ..it }))
            .or_else(|| is_true(members.background).then_some(Self { member: "background", id: None }))
    }
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: bool,
}

/// Anthropic's, and the `text` of Responses.
#[derive(Deserialize)]
struct OutputConfig<'a> {
    #[serde(borrow, default)]
    format: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

/// A JSON string, borrowed where it has no escapes; none where it is something else, or not a text (a lone surrogate).
fn string(raw: &[u8]) -> Option<Cow<'_, str>> {
    unescaped(raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

fn inside<'a, T: Deserialize<'a>>(raw: Option<&'a [u8]>) -> Option<T> {
    serde_json::from_slice(raw?).ok()
}

fn is_true(raw: Option<&[u8]>) -> bool {
    raw == Some(b"true")
}

/// Whether it is a list or an object with something in it.
fn is_filled(raw: Option<&[u8]>) -> bool {
    let mut inner = raw.unwrap_or_default().iter().skip(1);
    inner.find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| !matches!(byte, b']' | b'}'))
}

fn milliseconds(seconds: f64) -> Option<u64> {
    (seconds > 0.0).then(|| (seconds * 1000.0).round() as u64)
}

fn invalid(message: &str, param: &str, code: Option<&str>) -> ApiError {
    ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: code.map(str::to_owned),
        param: Some(param.to_owned()),
        message: message.to_owned(),
    }
}

fn no_model() -> ApiError {
    invalid("you must provide a model parameter", "model", Some("missing_required_parameter"))
}

/// The refusal of a body that would choose the host or the key. Which member it was is looked for only here.
fn client_side(body: &[u8]) -> ApiError {
    let members = object(body).unwrap_or_default();
    let named = |name: &&&str| members.get(**name).is_some_and(|value| value.get() != "null");
    let name = CLIENT_SIDE.iter().find(named).copied().unwrap_or("api_base");
    not_for_clients(name)
}

fn not_for_clients(name: &str) -> ApiError {
    let message = format!("'{name}' is not allowed in the request body: this gateway chooses hosts and keys itself.");
    invalid(&message, name, Some("unsupported_parameter"))
}

fn unreadable(message: &str) -> ApiError {
    ApiError { status: 400, kind: "invalid_request_error", code: None, param: None, message: message.to_owned() }
}

/// Says where a body is broken, and nothing of what stands there.
fn not_an_object(body: &[u8]) -> ApiError {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            return unreadable(&format!("the request body is not valid UTF-8 from byte {}", error.valid_up_to()));
        }
    };
    let Err(error) = serde_json::from_str::<Object>(text) else {
        return unreadable("the request body is not valid JSON");
    };
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Data => unreadable("the request body is not a JSON object"),
        Category::Eof => unreadable(&format!("the request body is not valid JSON: it ends too early, at {place}")),
        Category::Syntax | Category::Io => unreadable(&format!("the request body is not valid JSON: see {place}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &[u8]) -> ApiError {
        BodyScan::read(body).map(|head| head.model.into_owned()).unwrap_err()
    }

    #[test]
    fn the_span_is_the_models_string() {
        let body = " {\"messages\": [{\"model\":\"no\"}], \"model\" : \"gpt-\\u0034o\" , \"stream\":true}".as_bytes();
        let head = BodyScan::read(body).unwrap();
        assert_eq!((&*head.model, head.stream), ("gpt-4o", true));
        assert_eq!(&body[head.model_span.clone()], br#""gpt-\u0034o""#);
        assert!(matches!(BodyScan::read(br#"{"model":"m"}"#).unwrap().model, Cow::Borrowed("m")));
    }

    #[test]
    fn a_body_without_one_model_is_refused() {
        for body in ["{}", r#"{"model":null}"#, r#"{"model":""}"#, r#"{"model":3}"#, r#"{"model":["a"]}"#] {
            let error = error(body.as_bytes());
            assert_eq!(
                (error.status, error.kind, &*error.message),
                (400, "invalid_request_error", "you must provide a model parameter")
            );
            assert_eq!(
                (error.param.as_deref(), error.code.as_deref()),
                (Some("model"), Some("missing_required_parameter"))
            );
        }
        assert_eq!(error(br#"{"model":"\ud800"}"#).status, 400, "a lone surrogate");
        assert_eq!(error(br#"{"Model":"a"}"#).message, "you must provide a model parameter");
        let twice =
            [r#"{"model":"a","model":"b"}"#, r#"{"model":null,"m\u006fdel":"b"}"#, r#"{"model":"a","mod\u0045l":"b"}"#];
        for twice in twice {
            assert_eq!(error(twice.as_bytes()).message, "the request body names `model` more than once");
        }
    }

    /// LiteLLM refuses most of these too; a provider would read a key in them.
    #[test]
    fn a_client_names_no_host_and_no_key() {
        for name in CLIENT_SIDE {
            let error = error(format!(r#"{{"model":"m","{name}":"SECRET"}}"#).as_bytes());
            assert_eq!((error.status, error.param.as_deref()), (400, Some(*name)));
            assert!(error.message.contains(name) && !error.message.contains("SECRET"), "{}", error.message);
        }
        assert_eq!(error(br#"{"model":"m","api_base":null,"base_url":"x"}"#).param.as_deref(), Some("base_url"));
        assert!(BodyScan::read(br#"{"model":"m","api_base":null,"metadata":{"api_key":"x"}}"#).is_ok());
    }

    #[test]
    fn what_is_not_an_object_is_refused_without_being_quoted() {
        for body in ["[]", "\"secret\"", "3", "null"] {
            assert_eq!(error(body.as_bytes()).message, "the request body is not a JSON object");
        }
        let broken = ["", "{\"model\":\"m\"", "{\n \"model\": secret}", "{\"model\":\"m\"} secret", "{\"a\":\"\t\"}"];
        let places =
            ["line 1, column 0", "line 1, column 12", "line 2, column 11", "line 1, column 15", "line 1, column 6"];
        for (body, place) in broken.iter().zip(places) {
            let error = error(body.as_bytes());
            assert!(error.message.contains(place) && !error.message.contains("secret"), "{body:?}: {}", error.message);
        }
        assert!(error(b"{\"model\":\"\xFF\"}").message.ends_with("UTF-8 from byte 10"));
    }

    #[test]
    fn fields_that_a_dialect_may_lack_are_seen() {
        let body = br#"{"model":"m","n":2,"logprobs":true,"top_logprobs":3,"logit_bias":{"1":-1},"modalities":["text","audio"],
            "response_format":{"json_schema":{},"type":"json_schema"},"tools":[{}],"stream_options":{"x":1,"include_usage":true}}"#;
        let head = BodyScan::read(body).unwrap();
        let all = Needs {
            several_choices: true,
            logprobs: true,
            top_logprobs: true,
            logit_bias: true,
            audio: true,
            format: Some(Format::JsonSchema),
        };
        assert_eq!((head.needs, head.tools, head.include_usage), (all, true, true));
        let body = br#"{"model":"m","n":1,"logprobs":false,"top_logprobs":0,"logit_bias":{ },"modalities":["text"],"audio":null,
            "response_format":{"type":"text"},"tools":[ ],"stream_options":null,"stream":"true"}"#;
        let head = BodyScan::read(body).unwrap();
        assert_eq!((head.needs, head.tools, head.include_usage, head.stream), (Needs::default(), false, false, false));
    }

    #[test]
    fn the_requests_own_routing_is_read() {
        let body = br#"{"num_retries":0,"num_retries":4,"timeout":2.5,"fallbacks":["b"],"disable_fallbacks":true,"model":"m"}"#;
        let head = BodyScan::read(body).unwrap();
        assert_eq!((head.num_retries, head.timeout_ms, head.disable_fallbacks), (Some(4), Some(2500), true));
        assert_eq!(head.fallbacks.unwrap(), br#"["b"]"#);
        let head = BodyScan::read(br#"{"num_retries":-1,"timeout":"soon","fallbacks":null,"model":"m"}"#).unwrap();
        assert_eq!((head.num_retries, head.timeout_ms, head.fallbacks.is_none()), (None, None, true));
    }

    #[test]
    fn chat_needs_messages() {
        let check = |body: &str| BodyScan::read(body.as_bytes()).unwrap().require_messages();
        assert_eq!(check(r#"{"model":"m","messages":[]}"#), Ok(()));
        assert_eq!(check(r#"{"model":"m"}"#).unwrap_err().code.as_deref(), Some("missing_required_parameter"));
        assert_eq!(check(r#"{"model":"m","messages":"hi"}"#).unwrap_err().param.as_deref(), Some("messages"));
    }

    #[test]
    fn parts_are_seen_and_text_about_them_is_not() {
        let parts = |messages: &str| {
            BodyScan::read(format!(r#"{{"model":"m","messages":{messages}}}"#).as_bytes()).unwrap().parts()
        };
        assert_eq!(
            parts(r#"[{"content":[{"type":"image_url"},{"type":"input_audio"}]}]"#),
            Parts { image: true, audio: true, file: false }
        );
        assert_eq!(parts(r#"[{"content":[{"type": "file"}]}]"#), Parts { file: true, ..Parts::default() });
        assert_eq!(parts(r#"[{"content":"the \"image_url\" and \"file\" parts"}]"#), Parts::default());
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(r#"{{"x":{deep},"messages":{deep},"tools":{deep},"response_format":{deep},"model":"m"}}"#);
        assert_eq!(BodyScan::read(body.as_bytes()).unwrap().model, "m");
    }
}
