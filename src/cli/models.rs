//! `signalbox models`: what the catalogue knows of models, and what a request would cost.

use std::process::ExitCode;

use serde_json::{Map, Value, json};
use signalbox::catalogue::{Capability, Listed, MADE_FROM, Rates, Row, Usd, cost, lookup, rows};
use signalbox::chat::Usage;
use signalbox::provider;

use super::configuration::WRONG;
use super::stdout;

/// Arguments of `signalbox models`.
#[derive(clap::Args)]
pub struct Args {
    /// `provider/model` as in `litellm_params.model`: the row that such a deployment gets; or a part of the names to list
    name: Option<String>,
    /// Print JSON, with prices in USD for one token
    #[arg(long)]
    json: bool,
    /// Add what a request costs that has this many prompt tokens, cached ones included
    #[arg(long, value_name = "TOKENS")]
    input: Option<u64>,
    /// How many of the prompt tokens come from the provider's cache
    #[arg(long, value_name = "TOKENS", requires = "input")]
    cached: Option<u64>,
    /// How many of the prompt tokens go into the provider's cache
    #[arg(long, value_name = "TOKENS", requires = "input")]
    written: Option<u64>,
    /// How many tokens the answer has
    #[arg(long, value_name = "TOKENS", requires = "input")]
    output: Option<u64>,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let found = find(args.name.as_deref());
    if found.is_empty() {
        let name = args.name.as_deref().unwrap_or_default();
        eprintln!(
            "error: no model matches `{name}`; write its prices and limits into the configuration, as docs/models.md shows"
        );
        return ExitCode::from(WRONG);
    }
    let usage = args.input.map(|input| Usage {
        prompt_tokens: input,
        completion_tokens: args.output.unwrap_or(0),
        cached_tokens: args.cached.unwrap_or(0),
        cache_write_tokens: args.written,
        reasoning_tokens: 0,
    });
    let text = if args.json { as_json(&found, usage.as_ref()) } else { as_table(&found, usage.as_ref()) };
    stdout::print(&text, ExitCode::SUCCESS)
}

fn find(name: Option<&str>) -> Vec<&'static Row> {
    let Some(name) = name else { return rows().iter().collect() };
    if let Some((provider, model)) = name.split_once('/')
        && (provider::by_name(provider).is_some() || rows().iter().any(|row| row.provider() == provider))
    {
        return lookup(provider, model).into_iter().collect();
    }
    let text = name.to_ascii_lowercase();
    rows().iter().filter(|row| title(row).to_ascii_lowercase().contains(&text)).collect()
}

fn title(row: &Row) -> String {
    format!("{}/{}", row.provider(), row.model)
}

fn request_cost(row: &Row, usage: &Usage) -> Option<Usd> {
    row.listed().price().map(|price| cost(usage, &price))
}

fn as_table(found: &[&'static Row], usage: Option<&Usage>) -> String {
    let head =
        ["model", "input", "cached", "write", "output", "max in", "max out", "request", "can"].map(str::to_owned);
    let lines = std::iter::once(head).chain(found.iter().map(|row| {
        let (listed, limits) = (row.listed(), row.limits());
        // Pico-dollars a token are millionths of a dollar for a million tokens.
        let price = |usd: Option<Usd>| usd.map_or("-".to_owned(), |usd| usd.times(1_000_000).to_string());
        let tokens = |tokens: Option<u64>| tokens.map_or("-".to_owned(), |tokens| tokens.to_string());
        [
            title(row),
            price(listed.input),
            price(listed.cached_input),
            price(listed.cache_write),
            price(listed.output),
            tokens(limits.max_input_tokens),
            tokens(limits.max_output_tokens),
            usage.and_then(|usage| request_cost(row, usage)).map_or("-".to_owned(), |usd| usd.to_string()),
            capabilities(row),
        ]
    }));
    let lines: Vec<[String; 9]> = lines.collect();
    let mut out = format!("Prices are USD for a million tokens, of a request USD. {MADE_FROM}.\n");
    for line in &lines {
        for (column, cell) in line.iter().enumerate().filter(|(column, _)| *column != 7 || usage.is_some()) {
            let width =
                lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
            out += &match column {
                0 => format!("{cell:width$}"),
                8 => format!("  {cell}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    for row in found {
        if let (1, Some(long)) = (found.len(), row.listed().long) {
            let [input, output] = [long.rates.input, long.rates.output].map(|usd| usd.times(1_000_000));
            out += &format!("From {} prompt tokens on: input {input}, output {output}.\n", long.from_tokens);
        }
    }
    out
}

fn capabilities(row: &Row) -> String {
    let known = row.capabilities();
    let word = |one: &Capability| match known.has(*one) {
        Some(true) => Some(one.word().to_owned()),
        Some(false) => Some(format!("-{}", one.word())),
        None => None,
    };
    Capability::ALL.iter().filter_map(word).collect::<Vec<_>>().join(" ")
}

fn as_json(found: &[&'static Row], usage: Option<&Usage>) -> String {
    let models = found.iter().map(|row| {
        let (listed, limits, known) = (row.listed(), row.limits(), row.capabilities());
        let capabilities =
            Capability::ALL.iter().filter_map(|one| Some((one.key().to_owned(), known.has(*one)?.into())));
        let mut model = json!({
            "provider": row.provider(),
            "model": row.model,
            "price": prices(&listed),
            "max_input_tokens": limits.max_input_tokens,
            "max_output_tokens": limits.max_output_tokens,
            "capabilities": capabilities.collect::<Map<_, _>>(),
        });
        if let (Some(long), Some(price)) = (listed.long, model.get_mut("price").and_then(Value::as_object_mut)) {
            price.insert("long_prompts_from_tokens".to_owned(), long.from_tokens.into());
            let Rates { input, cached_input, cache_write, output } = long.rates;
            let [input, cached_input, cache_write, output] = [input, cached_input, cache_write, output].map(Some);
            let rates = prices(&Listed { input, cached_input, cache_write, output, long: None });
            price.insert("long_prompts".to_owned(), rates);
        }
        if let (Some(usage), Some(model)) = (usage, model.as_object_mut()) {
            model.insert("cost".to_owned(), request_cost(row, usage).map(Usd::dollars).into());
        }
        model
    });
    let out = json!({"made_from": MADE_FROM, "models": models.collect::<Vec<_>>()});
    format!("{out:#}\n")
}

/// By LiteLLM's names, so that it can be pasted into a configuration.
fn prices(listed: &Listed) -> Value {
    json!({
        "input_cost_per_token": listed.input.map(Usd::dollars),
        "cache_read_input_token_cost": listed.cached_input.map(Usd::dollars),
        "cache_creation_input_token_cost": listed.cache_write.map(Usd::dollars),
        "output_cost_per_token": listed.output.map(Usd::dollars),
    })
}
