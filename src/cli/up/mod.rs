//! `signalbox up`: Envoy in the foreground, with a line per request.
//!
//! Envoy's stdout (the access lines) and stderr (its log, from warnings up) are this program's own. What it reads lies in a
//! directory that only this user can open, and goes when Envoy does. On SIGHUP the configuration is read again, and Envoy follows. On
//! SIGTERM or SIGINT Envoy takes no more connections, finishes what is on its way, and ends. An Envoy that dies is started again.
//!
//! **Invariant:** keys reach Envoy through its environment alone; one that is missing does not keep the others from working. A
//! configuration with an error, or one that Envoy refuses, replaces nothing. What is said to be so has been seen: "listening" when a
//! connection was taken, "in force" when Envoy said so.

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
    /// Worker threads of Envoy [default: one a core]
    #[arg(long, value_name = "N")]
    concurrency: Option<u16>,
    /// How long requests that are on their way may take after a first SIGTERM or Ctrl-C; a second one ends them at once
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain_time: u32,
    /// No greeting: only Envoy's lines, warnings and errors
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
        // A question that Envoy's admin interface has not answered yet is of no interest any more.
        runtime.shutdown_background();
        outcome
    });
    outcome.unwrap_or_else(|problem| {
        eprintln!("signalbox: {problem}");
        ExitCode::FAILURE
    })
}

fn load(config: &Path) -> Result<Compiled, ExitCode> {
    let mut compiled = configuration::load(config)?;
    // Whoever runs it in the foreground wants to see what goes through.
    compiled.config.signalbox.access_log = true;
    Ok(compiled)
}

async fn serve(args: &Args, compiled: &Compiled) -> Result<ExitCode, String> {
    let settings = &compiled.config.signalbox;
    let (program, module) = (checks::find_envoy(args.envoy.as_deref())?, checks::find_module(args.wasm.as_deref())?);
    checks::check_free(&settings.listen, "listen")?;
    checks::check_free(&settings.admin, "admin")?;
    checks::check_secret_files(compiled)?;
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
    /// What to say when it serves.
    greeting: Option<String>,
}

/// The signals that are heeded.
struct Signals {
    stop: Stop,
    hang_up: Signal,
    /// Whether a terminal shows what is said.
    has_terminal: bool,
}

/// Those that want it to end.
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

    /// Whether a hang-up means what it says: the terminal is gone, and nobody sent it to have the configuration read again.
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

/// Why one Envoy is watched no longer.
enum Turn {
    /// It ended by itself; whether it had served by then.
    Died(ExitStatus, bool),
    /// Somebody wants it to end; whether it serves.
    Stop(bool),
}

impl Up<'_> {
    /// Runs one Envoy after the other. `listen` is where they listen, which a new configuration may change.
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
                eprintln!("signalbox: Envoy {end} before it served; {}", serving::explain_start(&self.program).await);
                let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
                return Ok(ExitCode::from(code.unwrap_or(1)));
            }
            if status.success() {
                eprintln!("signalbox: Envoy was asked to end, by its admin interface or by a signal, and did");
                return Ok(ExitCode::SUCCESS);
            }
            let Some(pause) = deaths.pause(started.elapsed()) else {
                return Err(format!("Envoy {end}, for the {}th time in a row; its log says why", deaths.count() + 1));
            };
            eprintln!("signalbox: Envoy {end}; what was on its way is lost; it is started again");
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
        // Connections that came before a new configuration end with their next answer, and answers may take longer than Envoy's ten
        // minutes. Less than what clusters outlive their configuration by.
        command.args(["--drain-strategy", "immediate", "--drain-time-s", "3000"]);
        // Lines are of use while one looks on (Envoy's own interval is ten seconds), and our own SIGTERM is no news.
        command.args(["--file-flush-interval-msec", "100", "--component-log-level", "main:error"]);
        if let Some(workers) = self.args.concurrency {
            command.arg("--concurrency").arg(workers.to_string());
        }
        command.envs(self.given.iter().cloned());
        command
    }

    /// Watches an Envoy until it ends, or somebody wants it to.
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
                    tell(replaced, listen);
                }
            }
            if wants_new && replacing.is_none() {
                wants_new = false;
                replacing = Some(self.replace(listen.clone()));
            }
        }
    }

    /// Reads the configuration again, and has Envoy follow it. `listen` is where it listens now.
    fn replace(&self, listen: String) -> JoinHandle<Replaced> {
        let (config, module, place) = (self.args.config.clone(), self.module.clone(), self.place.to_owned());
        let (admin, given) = (self.admin.to_owned(), self.given.clone());
        tokio::task::spawn_blocking(move || {
            let mut compiled = load(&config).map_err(|_| "it cannot be used".to_owned())?;
            let settings = &mut compiled.config.signalbox;
            let wanted = std::mem::replace(&mut settings.admin, admin);
            if wanted != settings.admin {
                eprintln!("signalbox: warning: `signalbox.admin` stays {} until this is started again", settings.admin);
            }
            let now = settings.listen.clone();
            if now != listen {
                checks::check_free(&now, "listen")?;
            }
            checks::check_secret_files(&compiled)?;
            checks::warn_of_new_keys(&compiled, &given);
            let outcome = directory::write(&compiled, &config, &module, &place)?;
            if outcome == Outcome::InForce && !serving::takes_connections(&checks::reachable(&now)) {
                eprintln!("signalbox: warning: Envoy says that it listens on {now}, but takes no connection from here");
            }
            Ok((outcome, now))
        })
    }
}

/// What became of a new configuration, and where it listens.
type Replaced = Result<(Outcome, String), String>;

/// Waits until a configuration is replaced, for ever where none is being.
async fn ended(replacing: &mut Option<JoinHandle<Replaced>>) -> Replaced {
    match replacing {
        Some(task) => task.await.unwrap_or_else(|error| Err(error.to_string())),
        None => std::future::pending().await,
    }
}

fn tell(replaced: Replaced, listen: &mut String) {
    match replaced {
        Ok((outcome, now)) => {
            let place = if now == *listen { String::new() } else { format!(", on {now}") };
            match outcome {
                Outcome::InForce => eprintln!("signalbox: the new configuration is in force{place}"),
                Outcome::Same => eprintln!("signalbox: the configuration is what it was"),
                Outcome::Written => {
                    eprintln!("signalbox: the new configuration is written; Envoy reads it when it starts")
                }
                Outcome::Unanswered => {
                    eprintln!("signalbox: the new configuration is written, and not known to be in force")
                }
            }
            *listen = now;
        }
        Err(problem) => {
            eprintln!("signalbox: the new configuration does not hold: {problem}; the configuration in force stays")
        }
    }
}
