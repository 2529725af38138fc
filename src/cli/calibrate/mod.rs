//! `signalbox calibrate`: the boundaries that send a given share of a team's own prompts to each tier.
//!
//! The prompts are classified as the filter classifies them: once for their scores, once with the boundaries that were found. The
//! printed shares are counted in the second round, not computed.
//!
//! **Invariant:** the printed `tier_boundaries`, read back, give the printed shares.

mod boundaries;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use signalbox::config::compile::OneComplexity;
use signalbox::config::complexity::{ClassifierType, ComplexityConfig};
use signalbox::routing::complexity::{Cause, Classifier, Scored};

use super::configuration::{self, WRONG};
use super::score::{ClassifierName, judge, set_classifier};
use super::stdout;
use boundaries::{Judged, propose};
use report::Report;

/// Arguments of `signalbox calibrate`.
#[derive(clap::Args)]
pub struct Args {
    /// A config.yaml with a complexity router
    config: PathBuf,
    /// Prompts as JSON lines: `{"prompt": "…"}` or `{"messages": […], "tools": […]}`
    #[arg(long, value_name = "FILE")]
    prompts: PathBuf,
    /// The share of the prompts at or above MEDIUM; up to two more, smaller ones: at or above COMPLEX, and for REASONING
    #[arg(long = "share", value_name = "SHARE[,SHARE[,SHARE]]", value_delimiter = ',', required = true, num_args = 1)]
    shares: Vec<f64>,
    /// The name of the complexity router [default: the first one]
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
    /// The classifier [default: the configuration's `classifier_type`]
    #[arg(long)]
    classifier: Option<ClassifierName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    match calibrate(args) {
        Ok((report, all_read)) => {
            let text = if args.json { report.json() } else { report.text() };
            stdout::print(&text, if all_read { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(code) => code,
    }
}

/// The report, and whether every line could be read.
fn calibrate(args: &Args) -> Result<(Report, bool), ExitCode> {
    check(&args.shares).map_err(|problem| wrong(&problem))?;
    let OneComplexity { config: configured, own, .. } =
        configuration::complexity_router(&args.config, args.router.as_deref())?;
    let mut config = configured.clone();
    set_classifier(&mut config, args.classifier);
    let file = args.prompts.display();
    let prompts = std::fs::read(&args.prompts).map_err(|error| wrong(&format!("cannot read {file}: {error}")))?;

    let mut lines = Vec::new();
    let mut skipped = 0;
    let classifier = Classifier::new(&config).map_err(|error| wrong(&error))?;
    let mut today = Vec::new();
    for (number, line) in
        prompts.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty())
    {
        match judge(&classifier, line, false) {
            Ok(scored) => {
                lines.push(line);
                today.push(scored);
            }
            Err(problem) => {
                skipped += 1;
                eprintln!("{file}:{}: error: {problem}; the line is left out", number + 1);
            }
        }
    }
    if lines.is_empty() {
        return Err(wrong(&format!("there are no prompts in {file}")));
    }
    let judged = judged(&config, &lines, &today)?;
    let override_from = config.reasoning_override_min_score;
    let (found, cuts) = propose(&judged, &args.shares, config.tier_boundaries, override_from);
    let then = again(&ComplexityConfig { tier_boundaries: found, ..config.clone() }, &lines)?;
    let scores = |it: &Judged| if let Judged::Scored { score, .. } = it { Some(*score) } else { None };
    let mut report = Report::new(&config, found, cuts, judged.iter().filter_map(scores).collect(), &today, &then);
    report.router.clone_from(&args.router);
    report.own = own;
    report.skipped = skipped;
    report.changed = config.classifier_type != configured.classifier_type;
    Ok((report, skipped == 0))
}

/// What the boundaries can change about each prompt.
fn judged(config: &ComplexityConfig, lines: &[&[u8]], today: &[Scored]) -> Result<Vec<Judged>, ExitCode> {
    // With the override at any score, the prompts that have words of reasoning show.
    let always = ComplexityConfig { reasoning_override_min_score: Some(f64::MIN), ..config.clone() };
    let reasoned = match config.classifier_type {
        ClassifierType::Heuristic => Some(again(&always, lines)?),
        ClassifierType::Signalbox => None,
    };
    let each = reasoned.as_deref().unwrap_or(today).iter();
    Ok(each
        .map(|it| match it.cause {
            cause if !cause.is_scored() => Judged::Ruled(it.tier),
            cause => Judged::Scored { score: it.score, reasoning: cause == Cause::ReasoningOverride },
        })
        .collect())
}

/// Classifies lines that were read before.
fn again(config: &ComplexityConfig, lines: &[&[u8]]) -> Result<Vec<Scored>, ExitCode> {
    let classifier = Classifier::new(config).map_err(|error| wrong(&error))?;
    lines.iter().map(|line| judge(&classifier, line, false).map_err(|error| wrong(&error))).collect()
}

fn check(shares: &[f64]) -> Result<(), String> {
    if shares.len() > 3 {
        return Err("--share takes at most three numbers: for MEDIUM, COMPLEX and REASONING".to_owned());
    }
    if !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
        return Err("--share takes numbers from 0 to 1".to_owned());
    }
    if !shares.is_sorted_by(|a, b| a >= b) {
        return Err("the numbers of --share must not rise: each share is a part of the one before".to_owned());
    }
    Ok(())
}

fn wrong(problem: &str) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(WRONG)
}
