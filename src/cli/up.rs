//! `signalbox up`: Envoy in the foreground, with a line per request.
//!
//! Envoy's stdout (the access lines) and stderr (its log, from warnings up) are this program's own. What it reads lies in a
//! directory that only this user can open, and goes when Envoy does. On SIGHUP the configuration is read again, and Envoy follows.
//!
//! **Invariant:** keys reach Envoy through its environment alone; one that is missing does not keep the others from working. A
//! configuration with a mistake replaces nothing.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use signalbox::config::compile::Compiled;
use signalbox::config::model::is_pattern;
use signalbox::generate::directory::BOOTSTRAP;
use signalbox::generate::keys;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::envoy::module;
use super::{configuration, directory};

/// The Envoy that this was made and tested with.
const VERSION: &str = include_str!("../../envoy/VERSION");
/// What a deployment sends whose key is missing: its provider refuses it, the others serve.
const NO_KEY: &str = "key-not-set";
/// How long Envoy may take to end when it was asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// Arguments of `signalbox up`.
#[derive(clap::Args)]
pub struct Args {
    /// LiteLLM's config.yaml
    config: PathBuf,
    /// The Envoy to run [default: $ENVOY_BIN, else .envoy/VERSION/envoy here or above, else the one in PATH]
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The filter's module [default: signalbox.wasm beside this program]
    #[arg(long, value_name = "PATH")]
    wasm: Option<PathBuf>,
    /// Worker threads of Envoy [default: one a core]
    #[arg(long, value_name = "N")]
    concurrency: Option<u16>,
    /// No greeting: only Envoy's lines, warnings and mistakes
    #[arg(long)]
    quiet: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let compiled = match load(&args.config) {
        Ok(compiled) => compiled,
        Err(code) => return code,
    };
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))
        .and_then(|runtime| runtime.block_on(serve(args, &compiled)));
    match outcome {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(problem) => {
            eprintln!("signalbox: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn load(config: &Path) -> Result<Compiled, ExitCode> {
    let mut compiled = configuration::load(config)?;
    // Whoever runs it in the foreground wants to see what goes through.
    compiled.config.signalbox.access_log = true;
    Ok(compiled)
}

async fn serve(args: &Args, compiled: &Compiled) -> Result<ExitStatus, String> {
    let (program, module) = (find_envoy(args.envoy.as_deref())?, find_module(args.wasm.as_deref())?);
    check_free(&compiled.config.signalbox.listen, "listen")?;
    check_free(&compiled.config.signalbox.admin, "admin")?;
    check_secret_files(compiled)?;
    let place = PrivateDirectory::create()?;
    directory::write(compiled, &args.config, &module, &place.0)?;

    let watch = |kind| signal(kind).map_err(|error| format!("cannot watch signals: {error}"));
    let (mut interrupt, mut terminate) = (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);
    let mut hang_up = watch(SignalKind::hangup())?;
    let mut command = Command::new(&program);
    command.arg("--config-path").arg(place.0.join(BOOTSTRAP)).args(["--disable-hot-restart", "--log-level", "warning"]);
    // Connections that came before a new configuration end with their next answer, and answers may take longer than Envoy's ten
    // minutes. Less than what clusters outlive their configuration by.
    command.args(["--drain-strategy", "immediate", "--drain-time-s", "3000"]);
    // Lines are of use while one looks on (Envoy's own interval is ten seconds), and our own SIGTERM is no news.
    command.args(["--file-flush-interval-msec", "100", "--component-log-level", "main:error"]);
    if let Some(workers) = args.concurrency {
        command.arg("--concurrency").arg(workers.to_string());
    }
    let given = missing_keys(compiled);
    command.envs(given.iter().cloned()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("cannot run {}: {error}", program.display()))?;

    let welcome = async {
        wait_until_ready(&compiled.config.signalbox.admin).await;
        if !args.quiet {
            eprint!("{}", greeting(compiled));
        }
        std::future::pending::<()>().await;
    };
    tokio::pin!(welcome);
    loop {
        tokio::select! {
            status = child.wait() => return status.map_err(|error| format!("lost Envoy: {error}")),
            () = &mut welcome => {}
            _ = hang_up.recv() => replace(&args.config, &module, &place.0, &given).await,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    end(&mut child).await
}

/// Reads the configuration again, and has Envoy follow it.
async fn replace(config: &Path, module: &Path, place: &Path, given: &[(String, String)]) {
    let (config, module, place, given) = (config.to_owned(), module.to_owned(), place.to_owned(), given.to_owned());
    let replaced = tokio::task::spawn_blocking(move || {
        let compiled = load(&config).map_err(|_| "the configuration in force stays".to_owned())?;
        warn_of_new_keys(&compiled, &given);
        directory::write(&compiled, &config, &module, &place)
    });
    match replaced.await {
        Ok(Ok(())) => eprintln!("signalbox: the new configuration is in force"),
        Ok(Err(problem)) => eprintln!("signalbox: {problem}"),
        Err(error) => eprintln!("signalbox: the configuration in force stays: {error}"),
    }
}

/// Names the keys that a running Envoy cannot get any more: its environment is as it was when it started.
fn warn_of_new_keys(compiled: &Compiled, given: &[(String, String)]) {
    for variable in keys::variables(&compiled.config) {
        let then = given.iter().find(|(name, _)| *name == variable.name).map(|(_, key)| key.as_str());
        let has_it = match variable.literal {
            Some(key) => then == Some(key),
            None => then.is_some() || std::env::var_os(&variable.name).is_some_and(|value| !value.is_empty()),
        };
        if !has_it {
            let users = variable.deployments.join(", ");
            eprintln!(
                "signalbox: warning: {} is new: {users} will get its key when Envoy is started again",
                variable.name
            );
        }
    }
}

/// Asks Envoy to end as a signal from outside would, and ends it if it does not. Rust's standard library sends no SIGTERM, so
/// the `kill` program does.
async fn end(child: &mut Child) -> Result<ExitStatus, String> {
    let asked = match child.id() {
        Some(id) => {
            Command::new("kill").args(["-TERM", &id.to_string()]).status().await.is_ok_and(|status| status.success())
        }
        None => false,
    };
    if !asked || tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
        // It may have ended already, which is what is wanted.
        let _ = child.start_kill();
    }
    child.wait().await.map_err(|error| format!("lost Envoy: {error}"))
}

/// Says which secret file is missing, before Envoy does in its own words, and which holds a line break, since older Envoys put that
/// into the header and the request fails.
fn check_secret_files(compiled: &Compiled) -> Result<(), String> {
    for (name, path) in &compiled.config.signalbox.secret_files {
        let key =
            std::fs::read(path).map_err(|error| format!("cannot read {path}, the secret file of {name}: {error}"))?;
        if keys::source(&compiled.config, name) == keys::Source::File(path) && key.ends_with(b"\n") {
            eprintln!(
                "signalbox: warning: {path} ends with a line break; write it with `printf %s`, Envoy 1.39 sends the break too"
            );
        }
    }
    Ok(())
}

/// Refuses a port that is taken: Envoy would quietly share a listener's with another Envoy.
fn check_free(address: &str, key: &str) -> Result<(), String> {
    let free = std::net::TcpListener::bind(address).map(drop);
    free.map_err(|error| format!("cannot listen on {address}: {error}; set another `signalbox.{key}`"))
}

/// Waits until Envoy serves.
async fn wait_until_ready(admin: &str) {
    while ready(admin).await.is_none_or(|answer| !answer.contains("LIVE")) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ready(admin: &str) -> Option<String> {
    let mut stream = TcpStream::connect(admin).await.ok()?;
    let request = format!("GET /ready HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// The variables that Envoy needs and does not have: keys that stand in the configuration, and harmless words for those that are
/// not set, since Envoy does not start without.
fn missing_keys(compiled: &Compiled) -> Vec<(String, String)> {
    let mut given = Vec::new();
    for variable in keys::variables(&compiled.config) {
        if let Some(key) = variable.literal {
            given.push((variable.name, key.to_owned()));
        } else if std::env::var_os(&variable.name).is_none_or(|value| value.is_empty()) {
            let users = variable.deployments.join(", ");
            eprintln!("signalbox: warning: {} is not set: {users} will be refused by the provider", variable.name);
            given.push((variable.name, NO_KEY.to_owned()));
        }
    }
    given
}

fn find_module(given: Option<&Path>) -> Result<PathBuf, String> {
    let module = module(given);
    let missing =
        |_| format!("there is no filter module at {}; run `make build`, or name one with --wasm", module.display());
    std::fs::canonicalize(&module).map_err(missing)
}

fn find_envoy(given: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = given.map(Path::to_owned).or_else(|| std::env::var_os("ENVOY_BIN").map(PathBuf::from)) {
        return Ok(path);
    }
    let version = VERSION.trim();
    let here = std::env::current_dir().unwrap_or_default();
    let local = here.ancestors().map(|directory| directory.join(".envoy").join(version).join("envoy"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|directory| directory.join("envoy"));
    local.chain(installed).find(|program| program.is_file()).ok_or_else(|| {
        format!("there is no Envoy here; run `make envoy`, which fetches {version}, or name one with --envoy")
    })
}

/// What to tell the one who started it.
fn greeting(compiled: &Compiled) -> String {
    let settings = &compiled.config.signalbox;
    let reachable = settings.listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let model = compiled.config.groups.iter().map(|group| group.name.as_str()).find(|name| !is_pattern(name));
    let body = serde_json::json!({
        "model": model.unwrap_or("MODEL"),
        "messages": [{"role": "user", "content": "Say hello."}],
    });
    format!(
        "signalbox: listening on {}, Envoy's admin on {}. Try it:\n\
         \x20 curl http://{reachable}/v1/chat/completions -H 'content-type: application/json' -d '{}'\n",
        settings.listen,
        settings.admin,
        body.to_string().replace('\'', "'\\''"),
    )
}

/// A directory that only this user can open, and that goes with this value.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn create() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("signalbox-{}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map(|()| Self(path.clone())).map_err(|error| format!("cannot make {}: {error}", path.display()))
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // What is left behind holds no secret.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
