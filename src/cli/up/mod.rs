//! `signalbox up`: Envoy in the foreground, with a line per request.
//!
//! Envoy's stdout (the access lines) and stderr (its log, from warnings up) are this program's own. Its files are in a directory that
//! only this user can open, and that is removed at the end. On SIGHUP the configuration is read again, and Envoy follows. On SIGTERM or
//! SIGINT Envoy takes no more connections, finishes the requests in flight, and ends. An Envoy that crashes is started again.
//!
//! **Invariant:** keys reach Envoy only through its environment; a missing key does not keep the others from working. A configuration
//! with an error, or one that Envoy refuses, replaces nothing. What is reported has been observed: "listening" after a connection was
//! taken, "in force" after Envoy confirmed it.

mod checks;
mod child;
mod drain;
mod place;
mod serving;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use signalbox::config::compile::Compiled;
use signalbox::generate::directory::BOOTSTRAP;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use self::child::Deaths;
use self::place::PrivateDirectory;
use super::directory::Outcome;
use super::{configuration, directory};

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
    /// The number of Envoy's worker threads [default: one a core]
    #[arg(long, value_name = "N")]
    concurrency: Option<u16>,
    /// How long requests in flight may take after a first SIGTERM or Ctrl-C; a second one cuts them off
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain_time: u32,
    /// Print only Envoy's lines, warnings and errors
    #[arg(long)]
    quiet: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let compiled = match load(&args.config) {
        Ok(compiled) => compiled,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(|error| format!("cannot start: {error}")).and_then(|runtime| {
        let outcome = runtime.block_on(serve(args, &compiled));
        // Do not wait for questions that Envoy's admin interface has not answered yet.
        runtime.shutdown_background();
        outcome
    });
    outcome.unwrap_or_else(|problem| {
        eprintln!("error: {problem}");
        ExitCode::FAILURE
    })
}

fn load(config: &Path) -> Result<Compiled, ExitCode> {
    let mut compiled = configuration::load(config)?;
    // In the foreground, a user wants to see the requests.
    compiled.config.signalbox.access_log = true;
    Ok(compiled)
}

async fn serve(args: &Args, compiled: &Compiled) -> Result<ExitCode, String> {
    let settings = &compiled.config.signalbox;
    let (program, module) = (checks::find_envoy(args.envoy.as_deref())?, checks::find_module(args.wasm.as_deref())?);
    checks::check_free(&settings.listen, "listen")?;
    checks::check_free(&settings.admin, "admin")?;
    checks::check_secret_files(compiled)?;
    checks::check_client_keys(compiled)?;
    checks::raise_open_files();
    let place = PrivateDirectory::create()?;
    directory::write(compiled, &args.config, &module, place.path())?;
    let up = Up {
        args,
        program,
        module,
        place: place.path(),
        admin: &settings.admin,
        given: checks::missing_keys(compiled),
        greeting: (!args.quiet).then(|| checks::greeting(compiled)),
    };
    up.run(settings.listen.clone()).await
}

/// What stays the same from the first Envoy to the last.
struct Up<'a> {
    args: &'a Args,
    program: PathBuf,
    module: PathBuf,
    place: &'a Path,
    admin: &'a str,
    /// The variables that Envoy gets on top of this program's own.
    given: Vec<(String, String)>,
    /// What to print when it serves.
    greeting: Option<String>,
}

/// The signals that are handled.
struct Signals {
    stop: Stop,
    hang_up: Signal,
    /// Whether stderr is a terminal.
    has_terminal: bool,
}

/// The signals that end it.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn watch() -> Result<Self, String> {
        let watch = |kind| signal(kind).map_err(|error| format!("cannot watch signals: {error}"));
        let stop = Stop { interrupt: watch(SignalKind::interrupt())?, terminate: watch(SignalKind::terminate())? };
        Ok(Self { stop, hang_up: watch(SignalKind::hangup())?, has_terminal: std::io::stderr().is_terminal() })
    }

    /// Whether a hang-up means that the terminal is gone, rather than that the configuration is to be read again.
    fn is_left_alone(&self) -> bool {
        self.has_terminal && !std::io::stderr().is_terminal()
    }
}

impl Stop {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Why `up` stops watching an Envoy.
enum Turn {
    /// It ended by itself; whether it had served.
    Died(ExitStatus, bool),
    /// A signal asks to end it; whether it serves.
    Stop(bool),
}

impl Up<'_> {
    /// Runs one Envoy after the other. `listen` is their address, which a new configuration may change.
    async fn run(mut self, mut listen: String) -> Result<ExitCode, String> {
        let mut signals = Signals::watch()?;
        let (mut deaths, mut has_served) = (Deaths::default(), false);
        loop {
            let started = Instant::now();
            let cannot = |error| format!("cannot run {}: {error}; name an Envoy with --envoy", self.program.display());
            let mut envoy = child::start(&mut self.command()).map_err(cannot)?;
            let status = match self.watch(&mut envoy, &mut signals, &mut listen).await {
                Err(problem) => {
                    child::end(&mut envoy, signals.stop.recv()).await;
                    return Err(problem);
                }
                Ok(Turn::Stop(serves)) => {
                    let limit = Duration::from_secs(self.args.drain_time.into());
                    if serves && !drain::drain(&mut envoy, self.admin, self.place, limit, signals.stop.recv()).await {
                        return Ok(ExitCode::FAILURE);
                    }
                    child::end(&mut envoy, signals.stop.recv()).await;
                    return Ok(ExitCode::SUCCESS);
                }
                Ok(Turn::Died(status, serves)) => {
                    has_served |= serves;
                    status
                }
            };
            let end = child::end_of(status);
            if !has_served {
                eprintln!("error: Envoy {end} before it served; {}", serving::explain_start(&self.program).await);
                let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
                return Ok(ExitCode::from(code.unwrap_or(1)));
            }
            if status.success() {
                eprintln!("signalbox: Envoy ended, because its admin interface or a signal asked it to");
                return Ok(ExitCode::SUCCESS);
            }
            let Some(pause) = deaths.pause(started.elapsed()) else {
                return Err(format!("Envoy {end}, for the {}th time in a row; its log says why", deaths.count() + 1));
            };
            eprintln!("warning: Envoy {end}; its requests are lost; it is started again");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = signals.stop.recv() => return Ok(ExitCode::SUCCESS),
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config-path").arg(self.place.join(BOOTSTRAP));
        command.args(["--disable-hot-restart", "--log-level", "warning"]);
        // Connections from before a new configuration end with their next answer. Answers may take longer than Envoy's default of ten
        // minutes; clusters outlive their configuration by an hour, which is longer.
        command.args(["--drain-strategy", "immediate", "--drain-time-s", "3000"]);
        // A person who watches wants lines at once (Envoy's own interval is ten seconds), and no line about our own SIGTERM.
        command.args(["--file-flush-interval-msec", "100", "--component-log-level", "main:error"]);
        if let Some(workers) = self.args.concurrency {
            command.arg("--concurrency").arg(workers.to_string());
        }
        command.envs(self.given.iter().cloned());
        command
    }

    /// Watches an Envoy until it ends, or a signal asks to end it.
    ///
    /// # Errors
    /// Why it will never serve.
    async fn watch(&mut self, envoy: &mut Child, signals: &mut Signals, listen: &mut String) -> Result<Turn, String> {
        let welcome = serving::wait(self.admin.to_owned(), checks::reachable(listen));
        tokio::pin!(welcome);
        let (mut serves, mut wants_new) = (false, false);
        let mut replacing: Option<JoinHandle<Replaced>> = None;
        loop {
            tokio::select! {
                status = envoy.wait() => {
                    return status.map(|status| Turn::Died(status, serves)).map_err(|error| format!("lost Envoy: {error}"));
                }
                () = signals.stop.recv() => return Ok(Turn::Stop(serves)),
                outcome = &mut welcome, if !serves => {
                    outcome?;
                    serves = true;
                    match self.greeting.take() {
                        Some(greeting) => eprint!("{greeting}"),
                        None if !self.args.quiet => eprintln!("signalbox: listening on {listen} again"),
                        None => {}
                    }
                }
                _ = signals.hang_up.recv() => {
                    if signals.is_left_alone() {
                        return Ok(Turn::Stop(serves));
                    }
                    wants_new = true;
                }
                replaced = ended(&mut replacing) => {
                    replacing = None;
                    report(replaced, listen);
                }
            }
            if wants_new && replacing.is_none() {
                wants_new = false;
                replacing = Some(self.replace(listen.clone()));
            }
        }
    }

    /// Reads the configuration again, and makes Envoy follow it. `listen` is the present address.
    fn replace(&self, listen: String) -> JoinHandle<Replaced> {
        let (config, module, place) = (self.args.config.clone(), self.module.clone(), self.place.to_owned());
        let (admin, given) = (self.admin.to_owned(), self.given.clone());
        tokio::task::spawn_blocking(move || {
            let mut compiled = load(&config).map_err(|_| "it cannot be used".to_owned())?;
            let settings = &mut compiled.config.signalbox;
            let wanted = std::mem::replace(&mut settings.admin, admin);
            if wanted != settings.admin {
                eprintln!("warning: `signalbox.admin` stays {} until `signalbox up` is started again", settings.admin);
            }
            let now = settings.listen.clone();
            if now != listen {
                checks::check_free(&now, "listen")?;
            }
            checks::check_secret_files(&compiled)?;
            checks::check_client_keys(&compiled)?;
            checks::warn_of_new_keys(&compiled, &given);
            let outcome = directory::write(&compiled, &config, &module, &place)?;
            if outcome == Outcome::InForce && !serving::takes_connections(&checks::reachable(&now)) {
                eprintln!("warning: Envoy says that it listens on {now}, but takes no connection from here");
            }
            Ok((outcome, now))
        })
    }
}

/// The outcome of a new configuration, and its address.
type Replaced = Result<(Outcome, String), String>;

/// Waits until a configuration is replaced; without one, for ever.
async fn ended(replacing: &mut Option<JoinHandle<Replaced>>) -> Replaced {
    match replacing {
        Some(task) => task.await.unwrap_or_else(|error| Err(error.to_string())),
        None => std::future::pending().await,
    }
}

fn report(replaced: Replaced, listen: &mut String) {
    match replaced {
        Ok((outcome, now)) => {
            let place = if now == *listen { String::new() } else { format!(", on {now}") };
            match outcome {
                Outcome::InForce => eprintln!("signalbox: the new configuration is in force{place}"),
                Outcome::Same => eprintln!("signalbox: the configuration has not changed"),
                Outcome::Written => {
                    eprintln!("signalbox: the new configuration is written; Envoy reads it when it starts")
                }
                Outcome::Unanswered => {
                    eprintln!("warning: the new configuration is written, but Envoy has not confirmed it")
                }
            }
            *listen = now;
        }
        Err(problem) => {
            eprintln!("error: the new configuration is not used: {problem}; the previous one stays in force")
        }
    }
}
