//! `signalbox score`: the classifiers alone, JSON lines in, JSON lines out. It shows why a request got its tier, measures a classifier
//! on a user's own prompts, and is what the judges drive.
//!
//! **Invariant:** every line of stdin gives one line of stdout, in order.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use signalbox::config::complexity::{ClassifierType, ComplexityConfig};
use signalbox::dialect::openai_chat::client::transcript;
use signalbox::routing::complexity::{Classifier, Dimension, Scored};

use super::{configuration, stdout};

/// Arguments of `signalbox score`.
#[derive(clap::Args)]
pub struct Args {
    /// The classifier [default: the configuration's `classifier_type`, else `heuristic`]
    #[arg(long)]
    classifier: Option<ClassifierName>,
    /// A config.yaml whose first complexity router is used [default: LiteLLM's settings]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The name of the complexity router to use instead of the first one
    #[arg(long, value_name = "NAME", requires = "config")]
    router: Option<String>,
    /// Add the contribution of every dimension to each line
    #[arg(long)]
    explain: bool,
}

/// A classifier, as an argument.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ClassifierName {
    /// LiteLLM's scorer
    Heuristic,
    /// Signalbox's own
    Signalbox,
}

/// A line of stdin: `{"prompt": …}` is scored as it is, `{"messages": …, "tools": …}` as a request's body, rules included.
#[derive(Deserialize)]
struct Line {
    prompt: Option<Value>,
}

/// A line of stdout.
#[derive(Serialize)]
struct Answer {
    /// `None` if a rule decided.
    score: Option<f64>,
    tier: &'static str,
    signals: Vec<String>,
    cause: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dimensions: Vec<Part>,
}

/// A dimension of the score.
#[derive(Serialize)]
struct Part {
    name: &'static str,
    value: f64,
    weight: f64,
    contribution: f64,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let mut config = match &args.config {
        None => ComplexityConfig::default(),
        Some(path) => match configuration::complexity_router(path, args.router.as_deref()) {
            Ok(found) => found.config,
            Err(code) => return code,
        },
    };
    set_classifier(&mut config, args.classifier);
    let classifier = match Classifier::new(&config) {
        Ok(classifier) => classifier,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(configuration::WRONG);
        }
    };
    let mut unread = Unread::default();
    let outcome = stdout::unless_closed(score_all(&classifier, args.explain, &mut unread));
    match (outcome, unread) {
        (Ok(()), Unread { lines: 0, .. }) => ExitCode::SUCCESS,
        (Ok(()), Unread { lines, first }) => {
            eprintln!("error: {lines} lines could not be read; the first is line {first}");
            ExitCode::FAILURE
        }
        (Err(error), _) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Lets an argument override the configuration.
pub(super) fn set_classifier(config: &mut ComplexityConfig, name: Option<ClassifierName>) {
    match name {
        Some(ClassifierName::Heuristic) => config.classifier_type = ClassifierType::Heuristic,
        Some(ClassifierName::Signalbox) => config.classifier_type = ClassifierType::Signalbox,
        None => {}
    }
}

/// Lines that could not be read.
#[derive(Default)]
struct Unread {
    lines: usize,
    /// The number of the first one.
    first: usize,
}

fn score_all(classifier: &Classifier, explain: bool, unread: &mut Unread) -> io::Result<()> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    for (line, number) in io::stdin().lock().split(b'\n').zip(1..) {
        match judge(classifier, &line?, true) {
            Ok(scored) => serde_json::to_writer(&mut stdout, &answer(scored, explain))?,
            Err(error) => {
                unread.first = if unread.lines == 0 { number } else { unread.first };
                unread.lines += 1;
                serde_json::to_writer(&mut stdout, &serde_json::json!({ "error": error, "line": number }))?;
            }
        }
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

/// Classifies a line: a prompt as it is, a conversation as the filter does.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn judge(classifier: &Classifier, line: &[u8], explain: bool) -> Result<Scored, String> {
    // Some editors begin a file with this mark.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    match line.first() {
        None => return Err("this line is empty".to_owned()),
        Some(b'{') => {}
        Some(_) => return Err("this is not a JSON object".to_owned()),
    }
    let Line { prompt } = serde_json::from_slice(line).map_err(|error| {
        // The parser saw only this line, so its line number says nothing.
        let said = error.to_string();
        let problem = said.split(" at line ").next().unwrap_or_default();
        format!("this is not a JSON object: {problem} at column {}", error.column())
    })?;
    match prompt {
        Some(Value::String(prompt)) => return Ok(classifier.score(&prompt, explain)),
        Some(_) => return Err("`prompt` is not a text".to_owned()),
        None => {}
    }
    let conversation = transcript::read(line).ok_or("this has neither a `prompt` nor a list of `messages`")?;
    Ok(classifier.decide(&conversation, false, explain).scored)
}

fn answer(scored: Scored, explain: bool) -> Answer {
    let score = scored.figure();
    let Scored { tier, cause, signals, dimensions, .. } = scored;
    let part =
        |it: Dimension| Part { name: it.name, value: it.value, weight: it.weight, contribution: it.contribution };
    Answer {
        score,
        tier: tier.as_str(),
        signals,
        cause: cause.as_str(),
        dimensions: if explain { dimensions.into_iter().map(part).collect() } else { Vec::new() },
    }
}
