//! Writes the files of a directory that Envoy follows, so that a running Envoy takes them over without a request lost.
//!
//! **Invariant:** a file is only ever seen whole: it is written beside its place and moved there. The listener follows when Envoy, if it
//! runs, has taken the clusters over, since a request for a cluster that is not ready is refused.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use signalbox::config::compile::Compiled;
use signalbox::config::yaml as read;
use signalbox::generate::directory::{self, CLUSTERS, Held, LISTENERS, RETIRED};
use signalbox::generate::yaml;

/// How long Envoy may take to get new clusters ready. It waits for a key's file for 15 s at the most.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// How long Envoy's admin interface may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Writes all files of a configuration. `config` is its path, for the line that says where they come from.
///
/// # Errors
/// What could not be written.
pub fn write(compiled: &Compiled, config: &Path, wasm: &Path, directory: &Path) -> Result<(), String> {
    std::fs::create_dir_all(directory).map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    let directory =
        std::fs::canonicalize(directory).map_err(|e| format!("cannot find {}: {e}", directory.display()))?;
    let before = held(&directory);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let paths = (wasm.display().to_string(), directory.display().to_string());
    let files = directory::files(compiled, &paths.0, &paths.1, before.as_ref(), now_s);
    let origin = format!("# Made by `signalbox` from {}: change that file, not this one.", config.display());
    for (name, content) in &files {
        if name == LISTENERS && before.is_some() {
            await_clusters(compiled);
        }
        replace(&directory, name, &format!("{origin}\n{}", yaml::write(content)))?;
    }
    Ok(())
}

/// What the directory holds, if this was its work.
fn held(directory: &Path) -> Option<Held> {
    let part = |name| Some(read::read_own(&std::fs::read_to_string(directory.join(name)).ok()?).ok()?.to_json());
    Some(Held { clusters: part(CLUSTERS)?, retired: part(RETIRED)? })
}

/// Moves a file into its place, unless it is there already.
fn replace(directory: &Path, name: &str, text: &str) -> Result<(), String> {
    let (place, beside) = (directory.join(name), directory.join(format!(".{name}.new")));
    if std::fs::read_to_string(&place).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &place));
    written.map_err(|error| format!("cannot write {}: {error}", place.display()))
}

/// Waits until a running Envoy has every cluster of a configuration.
fn await_clusters(compiled: &Compiled) {
    let admin = &compiled.config.signalbox.admin;
    let until = Instant::now() + PATIENCE;
    let mut missing = String::new();
    while Instant::now() < until {
        // Where nobody answers, nobody has to be waited for.
        let Some(known) = clusters(admin) else { return };
        let is_missing =
            |id: &&str| !known.lines().any(|line| line.strip_prefix(*id).is_some_and(|rest| rest.starts_with("::")));
        let Some(id) = compiled.config.deployments.iter().map(|d| d.id.as_str()).find(is_missing) else { return };
        missing.clear();
        missing.push_str(id);
        std::thread::sleep(PAUSE);
    }
    eprintln!(
        "signalbox: warning: Envoy has not taken over the cluster {missing} in {} s; its log says why",
        PATIENCE.as_secs()
    );
}

/// The clusters that serve, as Envoy's admin interface lists them; nothing where it breaks off, `None` where nobody is there.
fn clusters(admin: &str) -> Option<String> {
    let mut stream = TcpStream::connect(admin).ok()?;
    Some(listed(&mut stream, admin).unwrap_or_default())
}

fn listed(stream: &mut TcpStream, admin: &str) -> std::io::Result<String> {
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(format!("GET /clusters HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
