//! `signalbox translate`: the codecs alone, stdin to stdout. It shows what a provider gets, and is how the judges drive the code that
//! runs in Envoy.
//!
//! **Invariant:** stdout holds only the translation; every notice goes to stderr.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::builder::PossibleValuesParser;
use signalbox::chat::ApiError;
use signalbox::dialect::openai_chat::client;
use signalbox::dialect::scan::BodyScan;
use signalbox::dialect::{self, AnswerContext, AnswerStream, Echo, Encoded, Passed, Target};
use signalbox::failure::{self, ErrorAnswer};
use signalbox::provider::{self, Dialect, PROVIDERS, Provider};

/// Arguments of `signalbox translate`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    direction: Direction,
}

#[derive(clap::Subcommand)]
enum Direction {
    /// An OpenAI request on stdin, the provider's on stdout; a request that cannot be translated is OpenAI's error on stdout and exit code 1
    Request(RequestArgs),
    /// A provider's whole answer on stdin, OpenAI's on stdout; an error becomes the error that the client sees
    Response(ResponseArgs),
    /// A provider's stream on stdin, OpenAI's on stdout, as it comes
    Stream(StreamArgs),
}

#[derive(clap::Args)]
struct RequestArgs {
    /// The provider
    #[arg(long, value_name = "PROVIDER", value_parser = names())]
    to: String,
    /// The provider's name of the model [default: the request's, without the provider's name in front]
    #[arg(long)]
    model: Option<String>,
    /// Drop what the provider cannot express instead of refusing the request
    #[arg(long)]
    drop_params: bool,
}

#[derive(clap::Args)]
struct AnswerArgs {
    /// The provider
    #[arg(long, value_name = "PROVIDER", value_parser = names())]
    from: String,
    /// The model to name if the provider names none
    #[arg(long, default_value = "")]
    model: String,
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
    PossibleValuesParser::new(PROVIDERS.iter().map(|provider| provider.name))
}

fn named(name: &str) -> io::Result<&'static Provider> {
    provider::by_name(name).ok_or_else(|| io::Error::other(format!("unknown provider '{name}'")))
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
            refuse(&error)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn encode(args: &RequestArgs, provider: &Provider, body: &[u8]) -> Result<Encoded, ApiError> {
    let head = BodyScan::read(body)?;
    let own = head.model.strip_prefix(provider.name).and_then(|model| model.strip_prefix('/')).unwrap_or(&head.model);
    let model = args.model.as_deref().unwrap_or(own);
    if provider.dialect == Dialect::OpenAi {
        // As in Envoy: the client's own bytes, the model's name replaced.
        let suited = (provider.name == "openai")
            .then(|| dialect::openai_chat::provider::suited(body, model, args.drop_params))
            .flatten();
        let (suited, dropped) = suited.unzip();
        let (body, span) = match &suited {
            Some(suited) => (suited.as_slice(), BodyScan::read(suited)?.model_span),
            None => (body, head.model_span),
        };
        let (end, mut spliced) = dialect::openai_chat::provider::splice(body, span, model, false);
        spliced.extend_from_slice(body.get(end..).unwrap_or_default());
        return Ok(Encoded { body: spliced, dropped: dropped.unwrap_or_default(), echo: Echo::default() });
    }
    let chat = client::decode(body)?;
    let max_output_tokens = signalbox::catalogue::facts(provider.name, model, None).limits.max_output_tokens;
    let target = Target { model, drop_params: args.drop_params, max_output_tokens };
    dialect::request(provider.dialect, &chat, target)
}

fn response(args: &ResponseArgs) -> io::Result<ExitCode> {
    let body = input()?;
    let provider = named(&args.answer.from)?;
    let answer = if args.status < 400 {
        dialect::answer(provider.dialect, &body, &context(&args.answer))
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
        Err(failure) => refuse(&failure::api_error(&failure))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn stream(args: &StreamArgs) -> io::Result<ExitCode> {
    let (include_usage, thinking_blocks) = (!args.no_usage, args.thinking_blocks);
    let context = AnswerContext { include_usage, thinking_blocks, ..context(&args.answer) };
    let mut stream: Box<dyn AnswerStream> = dialect::stream(named(&args.answer.from)?.dialect, context);
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
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    AnswerContext {
        provider: provider::by_name(&args.from).map_or("", |provider| provider.name),
        model: args.model.clone(),
        now_s: args.now.unwrap_or_else(clock),
        fallback_id: "chatcmpl-signalbox".to_owned(),
        ..AnswerContext::default()
    }
}

fn refuse(error: &ApiError) -> io::Result<()> {
    eprintln!("status: {}", error.status);
    output(&client::error::body(error))
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
