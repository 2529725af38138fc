//! Writes the files of a directory that Envoy follows, so that a running Envoy takes them over and loses no request.
//!
//! **Invariant:** Envoy sees only whole files: each is written beside its place and moved there. The listener is replaced after a running
//! Envoy has taken over the clusters, because a request for a cluster that is not ready fails. What Envoy refuses is taken back, so that
//! the next Envoy starts with what was in force.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use signalbox::config::compile::Compiled;
use signalbox::config::yaml as read;
use signalbox::generate::directory::{self, BOOTSTRAP, CLUSTERS, Held, LISTENERS, RETIRED};
use signalbox::generate::yaml;

use super::admin::{self, Stats, Updates};

/// How long Envoy may take to get new clusters ready. It waits for a key's file for at most 15 s.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// What became of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is written, and no Envoy runs.
    Written,
    /// Nothing has changed.
    Same,
    /// Envoy has it in force.
    InForce,
    /// It is written, and Envoy has not confirmed it.
    Unanswered,
}

/// Writes all files of a configuration. `config` is its path, for the line that names their source.
///
/// # Errors
/// What could not be written, or what Envoy refused: then all files are as before.
pub fn write(compiled: &Compiled, config: &Path, wasm: &Path, directory: &Path) -> Result<Outcome, String> {
    std::fs::create_dir_all(directory).map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    let directory =
        std::fs::canonicalize(directory).map_err(|e| format!("cannot find {}: {e}", directory.display()))?;
    let before = held(&directory);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let paths = (wasm.display().to_string(), directory.display().to_string());
    let files = directory::files(compiled, &paths.0, &paths.1, before.as_ref(), now_s);
    let origin = format!("# Made by `signalbox` from {}: change that file, not this one.", config.display());
    let mut change = Change { admin: &compiled.config.signalbox.admin, directory, replaced: Vec::new() };
    let mut outcome = if before.is_some() { Outcome::Same } else { Outcome::Written };
    for (name, content) in &files {
        if name == LISTENERS && before.is_some() {
            await_clusters(compiled);
        }
        let text = format!("{origin}\n{}", yaml::write(content));
        match change.put(name, &text, before.is_some()) {
            Ok(None) => {}
            Ok(Some(told)) if name == CLUSTERS || name == LISTENERS => outcome = told,
            Ok(Some(told)) => outcome = if outcome == Outcome::Same { told } else { outcome },
            Err(problem) => {
                change.take_back();
                return Err(problem);
            }
        }
    }
    Ok(outcome)
}

/// Makes a running Envoy close its port. It finishes the requests of open connections, and closes each after its next answer.
///
/// # Errors
/// What could not be written.
pub fn close(directory: &Path) -> Result<(), String> {
    replace(&directory.join(LISTENERS), "# Closed by `signalbox`, which ends.\nresources: []\n")
}

/// What the directory holds, if this program wrote it.
fn held(directory: &Path) -> Option<Held> {
    let part = |name| Some(read::read_own(&std::fs::read_to_string(directory.join(name)).ok()?).ok()?.to_json());
    Some(Held { clusters: part(CLUSTERS)?, retired: part(RETIRED)? })
}

/// Files that are replaced one after the other.
struct Change<'a> {
    admin: &'a str,
    directory: PathBuf,
    /// The files replaced so far, with their previous texts.
    replaced: Vec<(PathBuf, String)>,
}

impl Change<'_> {
    /// Moves a file into its place, unless it is there already, and waits for Envoy's verdict.
    fn put(&mut self, name: &str, text: &str, is_followed: bool) -> Result<Option<Outcome>, String> {
        let place = self.directory.join(name);
        let there = std::fs::read_to_string(&place).ok();
        if there.as_deref() == Some(text) {
            return Ok(None);
        }
        let updates: Option<fn(&Stats) -> Updates> = match name {
            CLUSTERS => Some(Stats::clusters),
            LISTENERS => Some(Stats::listeners),
            _ => None,
        };
        let until_now = updates.filter(|_| is_followed).and_then(|of| Some((of, of(&Stats::ask(self.admin)?))));
        replace(&place, text)?;
        self.replaced.extend(there.map(|there| (place, there)));
        if name == BOOTSTRAP && is_followed {
            eprintln!("warning: {BOOTSTRAP} has changed, and Envoy reads it only when it starts; restart Envoy");
        }
        match until_now {
            Some((of, before)) => self.verdict(name, of, before).map(Some),
            None => Ok(Some(Outcome::Written)),
        }
    }

    /// Whether Envoy takes over a file; `before` is what it had counted.
    fn verdict(&self, name: &str, of: fn(&Stats) -> Updates, before: Updates) -> Result<Outcome, String> {
        let until = Instant::now() + PATIENCE;
        while let Some(stats) = Stats::ask(self.admin) {
            let now = of(&stats);
            if now.refused > before.refused {
                let why = admin::refusal(self.admin).filter(|_| name == LISTENERS);
                let why = why.unwrap_or_else(|| "its log says why".to_owned());
                return Err(format!("Envoy refuses the new {name}: {why}"));
            }
            if now.taken > before.taken && (name != LISTENERS || stats.warming_listeners() == 0) {
                return Ok(Outcome::InForce);
            }
            if Instant::now() > until {
                let file = self.directory.join(name);
                let what = if now.taken > before.taken { "did not get it ready" } else { "has not read it" };
                eprintln!(
                    "warning: {} is replaced, but the Envoy at {} {what} in {} s; its log says why, if it follows this file",
                    file.display(),
                    self.admin,
                    PATIENCE.as_secs()
                );
                return Ok(Outcome::Unanswered);
            }
            std::thread::sleep(PAUSE);
        }
        // Envoy has ended, or is about to. The next one reads the file.
        Ok(Outcome::Written)
    }

    /// Restores the files that were replaced.
    fn take_back(&self) {
        for (place, text) in &self.replaced {
            if let Err(problem) = replace(place, text) {
                eprintln!("warning: the previous file cannot be restored: {problem}");
            }
        }
    }
}

/// Moves a file into its place.
fn replace(place: &Path, text: &str) -> Result<(), String> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let beside = place.with_file_name(format!(".{name}.new"));
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, place));
    written.map_err(|error| format!("cannot write {}: {error}", place.display()))
}

/// Waits until a running Envoy has every cluster of a configuration.
fn await_clusters(compiled: &Compiled) {
    let admin = &compiled.config.signalbox.admin;
    let until = Instant::now() + PATIENCE;
    let mut missing = String::new();
    while Instant::now() < until {
        // Without an answer there is no Envoy to wait for.
        let Some(known) = admin::get(admin, "/clusters") else { return };
        let is_missing =
            |id: &&str| !known.lines().any(|line| line.strip_prefix(*id).is_some_and(|rest| rest.starts_with("::")));
        let Some(id) = compiled.config.deployments.iter().map(|d| d.id.as_str()).find(is_missing) else { return };
        missing.clear();
        missing.push_str(id);
        std::thread::sleep(PAUSE);
    }
    eprintln!("warning: Envoy has not taken over the cluster {missing} in {} s; its log says why", PATIENCE.as_secs());
}
