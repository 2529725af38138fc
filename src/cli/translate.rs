//! `signalbox translate`: the dialects alone, stdin to stdout. It shows what a provider gets to see, and the judges drive by it the very code
//! that runs in Envoy.
//!
//! **Invariant:** stdout holds only the translation; every notice goes to stderr.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::builder::PossibleValuesParser;
use serde_json::Value;
use signalbox::chat::ApiError;
use signalbox::dialect::body_defaults::versioned;
use signalbox::dialect::request::Request;
use signalbox::dialect::unsupported::DroppedFields;
use signalbox::dialect::verbatim::splice;
use signalbox::dialect::{
    AnswerContext, AnswerStream, Awaited, Bridge, ClientFace, Dialect, Echo, Encoded, Passed, Target, Vectors, bridge,
    client_face, provider_face,
};
use signalbox::failure::{self, ErrorAnswer};
use signalbox::provider::{self, Provider};

/// Arguments of `signalbox translate`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    direction: Direction,
}

#[derive(clap::Subcommand)]
enum Direction {
    /// A client's request on stdin, the provider's on stdout; a request that cannot be translated is the client's error on stdout and exit code 1
    Request(RequestArgs),
    /// A provider's whole answer on stdin, the client's on stdout; an error becomes the error that the client sees
    Response(ResponseArgs),
    /// A provider's stream on stdin, the client's on stdout, as it comes
    Stream(StreamArgs),
}

/// What a client speaks.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Client {
    /// OpenAI chat completions
    Openai,
    /// Anthropic Messages
    Anthropic,
    /// OpenAI Responses
    Responses,
}

impl From<Client> for Dialect {
    fn from(client: Client) -> Self {
        match client {
            Client::Openai => Self::OpenAi,
            Client::Anthropic => Self::Anthropic,
            Client::Responses => Self::Responses,
        }
    }
}

/// An API of OpenAI's.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Api {
    /// Chat completions, or what the dialect has in their place
    Chat,
    /// Completions
    Completions,
    /// Embeddings
    Embeddings,
}

impl From<Api> for Awaited {
    fn from(api: Api) -> Self {
        match api {
            Api::Chat => Self::Chat,
            Api::Completions => Self::Completion,
            Api::Embeddings => Self::Embeddings,
        }
    }
}

impl Api {
    /// The one that a body of OpenAI's dialect is for.
    fn of(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match (body.get("messages"), body.get("input"), body.get("prompt")) {
            (None, Some(_), _) => Self::Embeddings,
            (None, None, Some(_)) => Self::Completions,
            _ => Self::Chat,
        }
    }
}

#[derive(clap::Args)]
struct RequestArgs {
    /// The client's dialect
    #[arg(long, value_name = "DIALECT", default_value = "openai")]
    from: Client,
    /// The provider
    #[arg(long, value_name = "PROVIDER", value_parser = names())]
    to: String,
    /// The provider's name of the model [default: the request's, without the provider's name in front]
    #[arg(long)]
    model: Option<String>,
    /// The provider's dialect, where it speaks several [default: the client's, if it speaks that; `responses` for a model `responses/...`]
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<Client>,
    /// What is asked for [default: by the request's members]
    #[arg(long, value_name = "API")]
    api: Option<Api>,
    /// Drop what the provider cannot express instead of refusing the request
    #[arg(long)]
    drop_params: bool,
}

#[derive(clap::Args)]
struct AnswerArgs {
    /// The provider
    #[arg(long, value_name = "PROVIDER", value_parser = names())]
    from: String,
    /// The client's dialect
    #[arg(long, value_name = "DIALECT", default_value = "openai")]
    to: Client,
    /// The provider's dialect, where it speaks several [default: the client's, if it speaks that; `responses` for a model `responses/...`]
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<Client>,
    /// The model to name if the provider names none
    #[arg(long, default_value = "")]
    model: String,
    /// What was asked for
    #[arg(long, value_name = "API", default_value = "chat")]
    api: Api,
    /// Return embeddings as base64, as for a client that asked for it
    #[arg(long)]
    base64: bool,
    /// The time of the answer, in seconds since 1970 [default: now]
    #[arg(long, value_name = "UNIX")]
    now: Option<u64>,
}

#[derive(clap::Args)]
struct ResponseArgs {
    #[command(flatten)]
    answer: AnswerArgs,
    /// The provider's HTTP status
    #[arg(long, default_value_t = 200)]
    status: u16,
}

#[derive(clap::Args)]
struct StreamArgs {
    #[command(flatten)]
    answer: AnswerArgs,
    /// Drop the usage, as for a client that did not ask for it
    #[arg(long)]
    no_usage: bool,
    /// Return signed thinking blocks, as for a client that asked for thinking
    #[arg(long)]
    thinking_blocks: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let done = match &args.direction {
        Direction::Request(args) => request(args),
        Direction::Response(args) => response(args),
        Direction::Stream(args) => stream(args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(provider::all().map(|provider| provider.name))
}

fn named(name: &str) -> io::Result<&'static Provider> {
    provider::by_name(name).ok_or_else(|| io::Error::other(format!("unknown provider '{name}'")))
}

/// The row that holds for a model.
fn for_model(provider: &'static Provider, model: &str) -> &'static Provider {
    (provider.instead)(model, provider.api_base).unwrap_or(provider)
}

/// How a client's dialect and a provider's meet, as for a deployment of the model in Envoy, and the model without what names the dialect.
fn meet<'m>(client: Client, provider: &Provider, asked: Option<Client>, model: &'m str) -> (Bridge, &'m str) {
    let client = client.into();
    let (own, model) = provider.spoken(model, "");
    let is_usual = own == provider.dialect && provider.also.contains(&client);
    (bridge(client, asked.map_or(if is_usual { client } else { own }, Dialect::from)), model)
}

fn request(args: &RequestArgs) -> io::Result<ExitCode> {
    let body = input()?;
    match encode(args, named(&args.to)?, &body) {
        Ok(encoded) => {
            for name in encoded.dropped {
                eprintln!("dropped: {name}");
            }
            output(&encoded.body)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            refuse(client_face(args.from.into()), &error)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn encode(args: &RequestArgs, provider: &'static Provider, body: &[u8]) -> Result<Encoded, ApiError> {
    let face = client_face(args.from.into());
    let scan = face.scan(body)?;
    let own =
        scan.model.strip_prefix(args.to.as_str()).and_then(|model| model.strip_prefix('/')).unwrap_or(&scan.model);
    let model = args.model.as_deref().unwrap_or(own);
    let provider = for_model(provider, model);
    let (bridge, model) = meet(args.from, provider, args.dialect, model);
    let by_body = || if matches!(args.from, Client::Openai) { Api::of(body) } else { Api::Chat };
    let awaited = args.api.unwrap_or_else(by_body).into();
    let api = if awaited == Awaited::Embeddings { provider::Api::Embeddings } else { provider::Api::Chat };
    let model = &*provider.in_body(api, model);
    let drop_params = args.drop_params;
    match bridge {
        Bridge::Verbatim(_) => {
            // As in Envoy: the client's own bytes, the model's name replaced.
            let is_touched = awaited == Awaited::Chat || provider.habits.rigid_turns && awaited == Awaited::Embeddings;
            let own = is_touched.then(|| provider_face(args.from.into()));
            let target = Target { provider, model, drop_params, max_output_tokens: None };
            if let Some(place) = own.and_then(|own| own.refused(body, provider)) {
                DroppedFields::new(false).semantic(&place)?;
            }
            let suited = own.and_then(|own| own.suited(body, target));
            let (suited, dropped) = suited.unzip();
            let (body, span) = match &suited {
                Some(suited) => (suited.as_slice(), face.scan(suited)?.model_span),
                None => (body, scan.model_span),
            };
            let (end, mut spliced) = splice(body, span, model, false);
            spliced.extend_from_slice(body.get(end..).unwrap_or_default());
            if let Some(version) = provider.habits.version_in_body {
                spliced = versioned(spliced, version);
            }
            Ok(Encoded { body: spliced, dropped: dropped.unwrap_or_default(), echo: Echo::default() })
        }
        Bridge::Translated(client, face) => {
            let request = Request::read(client, awaited, body)?;
            let max_output_tokens = signalbox::catalogue::facts(provider.name, model, None).limits.max_output_tokens;
            request.write(face, Target { provider, model, drop_params, max_output_tokens })
        }
    }
}

fn response(args: &ResponseArgs) -> io::Result<ExitCode> {
    let body = input()?;
    let provider = for_model(named(&args.answer.from)?, &args.answer.model);
    let (bridge, _) = meet(args.answer.to, provider, args.answer.dialect, &args.answer.model);
    let answer = if args.status < 400 {
        bridge.answer(&body, &context(&args.answer))
    } else {
        Err(failure::classify(&ErrorAnswer {
            provider: provider.name,
            status: args.status,
            header: &|_| None,
            body: &body,
            now_ms: 0,
        }))
    };
    match answer {
        Ok(answer) => output(answer.body.as_deref().unwrap_or(&body))?,
        Err(failure) => refuse(bridge.client(), &failure::api_error(&failure))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn stream(args: &StreamArgs) -> io::Result<ExitCode> {
    let (include_usage, thinking_blocks) = (!args.no_usage, args.thinking_blocks);
    let context = AnswerContext { include_usage, thinking_blocks, ..context(&args.answer) };
    let provider = for_model(named(&args.answer.from)?, &args.answer.model);
    let (bridge, _) = meet(args.answer.to, provider, args.answer.dialect, &args.answer.model);
    let mut stream: Box<dyn AnswerStream> = bridge.stream(context);
    let (mut bytes, mut out) = (vec![0; 8192], Vec::new());
    let mut stdin = io::stdin().lock();
    loop {
        let length = match stdin.read(&mut bytes) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let piece = bytes.get(..length).unwrap_or_default();
        match stream.push(piece, &mut out) {
            Passed::Unchanged => output(piece)?,
            Passed::Rewritten => output(&out)?,
        }
        out.clear();
    }
    stream.end(&mut out);
    output(&out)?;
    let facts = stream.facts();
    if facts.dropped_events > 0 {
        eprintln!("dropped: {} events that were not JSON", facts.dropped_events);
    }
    if let Some(failure) = &facts.failure {
        eprintln!("failed: {}: {}", failure.class.as_str(), failure.message);
    }
    Ok(ExitCode::SUCCESS)
}

fn context(args: &AnswerArgs) -> AnswerContext {
    let provider = provider::by_name(&args.from);
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    AnswerContext {
        provider: provider.map_or("", |provider| provider.name),
        may_stop_with_calls: provider.is_some_and(|provider| provider.habits.is_openai),
        awaited: args.api.into(),
        echo: Echo { vectors: Some(Vectors { count: 0, base64: args.base64 }), ..Echo::default() },
        model: args.model.clone(),
        now_s: args.now.unwrap_or_else(clock),
        fallback_id: format!("{}signalbox", client_face(args.to.into()).id_prefix()),
        ..AnswerContext::default()
    }
}

fn refuse(client: &dyn ClientFace, error: &ApiError) -> io::Result<()> {
    eprintln!("status: {}", error.status);
    output(&client.error(error, None))
}

fn input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes at once: a stream's reader waits for each piece.
fn output(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}
