//! `signalbox check`.

use std::path::PathBuf;
use std::process::ExitCode;

use signalbox::config::model::RouterConfig;

use super::configuration;

/// Arguments of `signalbox check`.
#[derive(clap::Args)]
pub struct Args {
    /// LiteLLM's config.yaml
    config: PathBuf,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    match configuration::load(&args.config) {
        Ok(compiled) => {
            print!("{}", summary(&compiled.config));
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

/// What the configuration says, a line a group.
fn summary(config: &RouterConfig) -> String {
    let group_name = |index: &usize| config.groups.get(*index).map_or("", |group| group.name.as_str());
    let chain = |chain: &[usize]| chain.iter().map(group_name).collect::<Vec<_>>().join(", ");
    let mut out = format!(
        "{} and {}\n",
        count(config.groups.len(), "model group"),
        count(config.deployments.len(), "deployment")
    );
    for (index, group) in config.groups.iter().enumerate() {
        out += &format!("  {}\n", group.name);
        for deployment in group.deployments.iter().filter_map(|index| config.deployments.get(*index)) {
            let scheme = if deployment.endpoint.tls { "https" } else { "http" };
            let (provider, model) = (deployment.provider.name, &deployment.model);
            let (authority, path) = (deployment.endpoint.authority(), &deployment.endpoint.path);
            out += &format!("    {}: {provider}/{model} at {scheme}://{authority}{path}\n", deployment.id);
        }
        if let Some((_, targets)) = config.fallbacks.iter().find(|(from, _)| *from == index) {
            out += &format!("    falls back to {}\n", chain(targets));
        }
    }
    if !config.default_fallbacks.is_empty() {
        out += &format!("  any other group falls back to {}\n", chain(&config.default_fallbacks));
    }
    for alias in &config.aliases {
        let hidden = if alias.hidden { " (hidden)" } else { "" };
        out += &format!("  {} is another name for {}{hidden}\n", alias.name, group_name(&alias.group));
    }
    out
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
