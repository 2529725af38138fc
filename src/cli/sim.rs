//! `signalbox sim`: the provider simulator from the shell. It prints one line a listener, `NAME http://ADDRESS`, on stdout
//! once all of them are open, and one line a request on stderr.

use std::{io::Write, net::SocketAddr, process::ExitCode, str::FromStr, sync::Arc, time::Instant};

use signalbox::sim::{
    listener::Listener,
    server::{self, Socket},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

/// Arguments of `signalbox sim`.
#[derive(clap::Args)]
pub struct Args {
    /// The address to listen on, as ADDRESS or NAME=ADDRESS; can be given several times; port 0 takes a free port
    #[arg(long, default_value = "127.0.0.1:10101", value_name = "[NAME=]ADDRESS")]
    listen: Vec<Place>,
    /// The name of listeners that have no name of their own; answers contain it
    #[arg(long, default_value = "sim")]
    name: String,
    /// A fault such as `status=503,times=1`, for every listener or, as NAME:SPEC, for one
    ///
    /// In place of an answer: status=503, retry_after=3, body=context_length|content_policy|quota|html|cut_json,
    /// reset, silent=20s, refusal, refuse_prefill (refuse a conversation that ends with an assistant's turn).
    /// Late: delay_headers=20s, delay_first_token=20s (role_first), token_delay=100ms, stall_after=5 (stall=30s).
    /// Broken: cut_after=5, reset_after=5, bad_event=2, no_done, error_event=overloaded|rate_limit|server (error_after=5).
    /// When: times=1, for=10s, every=3. The answer's length: tokens=200. A running simulator takes the same by POST /sim/fault.
    #[arg(long, value_name = "[NAME:]SPEC", verbatim_doc_comment)]
    fault: Vec<String>,
    /// Print no line per request
    #[arg(long)]
    quiet: bool,
}

/// An address, perhaps with a name.
#[derive(Clone)]
struct Place {
    name: Option<String>,
    address: SocketAddr,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = match text.split_once('=') {
            Some((name, address)) => (Some(name.to_owned()), address),
            None => (None, text),
        };
        let address =
            address.parse().map_err(|_| format!("`{address}` is not an address; write one such as 127.0.0.1:10101"))?;
        Ok(Place { name, address })
    }
}

/// Runs it until SIGINT or SIGTERM.
pub fn run(args: &Args) -> ExitCode {
    let listeners = match listeners(args) {
        Ok(listeners) => listeners,
        Err(said) => {
            eprintln!("error: {said}");
            return ExitCode::from(2);
        }
    };
    // One thread: the simulator only waits and writes, and a benchmark wants it on one core.
    let served = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string());
    match served.and_then(|runtime| runtime.block_on(serve(args, listeners))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(said) => {
            eprintln!("error: {said}");
            ExitCode::FAILURE
        }
    }
}

/// One listener for each `--listen`, in their order.
fn listeners(args: &Args) -> Result<Vec<Arc<Listener>>, String> {
    let clock = Instant::now();
    let names: Vec<&str> = args.listen.iter().map(|place| place.name.as_deref().unwrap_or(&args.name)).collect();
    let faults: Vec<(Option<&str>, &str)> = args
        .fault
        .iter()
        .map(|text| text.split_once(':').map_or((None, &**text), |(n, spec)| (Some(n), spec)))
        .collect();
    if let Some((Some(name), _)) = faults.iter().find(|(of, _)| of.is_some_and(|of| !names.contains(&of))) {
        return Err(format!("--fault: there is no listener `{name}`; name one with --listen {name}=ADDRESS"));
    }
    let listener = |name: &str| {
        let own = faults.iter().rev().find(|(of, _)| *of == Some(name));
        let spec = own.or(faults.iter().rev().find(|(of, _)| of.is_none())).map_or("", |(_, spec)| spec);
        Listener::new(name, spec, clock).map(Arc::new).map_err(|said| format!("--fault: {said}"))
    };
    names.into_iter().map(listener).collect()
}

async fn serve(args: &Args, listeners: Vec<Arc<Listener>>) -> Result<(), String> {
    let mut sockets = Vec::new();
    for (place, listener) in args.listen.iter().zip(listeners) {
        let bound = TcpListener::bind(place.address).await;
        let tcp = bound
            .map_err(|e| format!("cannot listen on {}: {e}; choose another address with --listen", place.address))?;
        sockets.push(Socket { tcp, listener, log: !args.quiet });
    }
    // Before the lines that say that the listeners are open: a program that reads them may send a signal at once.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    for Socket { tcp, listener, .. } in &sockets {
        let address = tcp.local_addr().map_err(|e| e.to_string())?;
        // A closed pipe is no reason to end.
        let _ = writeln!(std::io::stdout(), "{} http://{address}", listener.name);
    }
    let (ending, end) = watch::channel(false);
    let mut serving: JoinSet<()> = sockets.into_iter().map(|socket| server::serve(socket, end.clone())).collect();
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    ending.send_replace(true);
    while serving.join_next().await.is_some() {}
    Ok(())
}
